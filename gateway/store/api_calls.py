"""Log of the API calls of programs, and idempotency keys, which show that a request is a repeat. In: calls, many at a time;
an idempotency key and the digest of its request. Out: the newest calls, with counts; the stored response of a key.

Calls belong to the node, and each write is a transaction of its own; get them as `store.calls`. An idempotency key belongs
to an agency and the owner of the API key. While its request runs, its row (the marker) is leased to that request; the
lease's end identifies the request (a fencing token). The response is committed with the document."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, case, delete, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import ApiCall, CallCount
from gateway.store.repository import OwnTransactions, WatchedRows
from gateway.store.tables import IdempotencyRow
from gateway.store.tables_node import ApiCallRow

_CALL = ApiCallRow
_FIRST_ERROR = 400
_MOST_ROUTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """State of an idempotency key that is in use: its request still runs, or has this response, to be sent again."""

    digest: str
    running: bool
    status: int | None = None
    body: str | None = None


class SqlApiCalls(OwnTransactions):
    """Repository of the calls of all API keys of the node."""

    async def keep(self, calls: Sequence[ApiCall]) -> None:
        """Store calls; they are committed on return. Calls that are stored already stay unchanged."""
        async with self._changing() as tx:
            tx.insert_missing(*(_CALL.from_value(call) for call in calls))

    async def trim(self, key_ids: Collection[str], called_before: datetime, most: int) -> None:
        """Delete calls of all keys before `called_before`, and of the keys `key_ids` those beyond the newest `most`."""
        async with self._changing() as tx:
            await tx.change(delete(_CALL).where(col(_CALL.at) < called_before))
            for key_id in sorted(key_ids):
                of_key = col(_CALL.key_id) == key_id
                newest = select(col(_CALL.id)).where(of_key).order_by(col(_CALL.id).desc())
                if beyond := await tx.scalar(newest.offset(most).limit(1)):
                    await tx.change(delete(_CALL).where(of_key, col(_CALL.id) <= beyond))

    async def list_calls(
        self, key_id: str, limit: int, *, errors: bool = False, route: str = "", before_id: str = ""
    ) -> Sequence[ApiCall]:
        """Return up to `limit` calls of a key, the newest first, optionally only those before the call `before_id`, only
        errors, or only one route."""
        query = select(_CALL).where(col(_CALL.key_id) == key_id)
        if errors:
            query = query.where(col(_CALL.status) >= _FIRST_ERROR)
        if route:
            query = query.where(col(_CALL.route) == route)
        if before_id:
            query = query.where(col(_CALL.id) < before_id)
        return await self._values(ApiCall, query.order_by(col(_CALL.id).desc()).limit(limit))

    async def routes(self, key_id: str) -> Sequence[str]:
        """Return the routes that the key called, sorted, 200 at most."""
        route = col(_CALL.route)
        query = (
            select(route).where(col(_CALL.key_id) == key_id).distinct().order_by(route).limit(_MOST_ROUTES)
        )
        async with self._reading() as tx:
            return [row[0] for row in await tx.tuples(query)]

    async def counts(self, key_ids: Collection[str], since: datetime) -> Mapping[str, CallCount]:
        """Count the calls and errors since `since` of each of these keys; keys without calls are left out."""
        error_count = func.sum(case((col(_CALL.status) >= _FIRST_ERROR, 1), else_=0))
        recent = (col(_CALL.key_id).in_(sorted(key_ids)), col(_CALL.at) >= since)
        query = (
            select(col(_CALL.key_id), func.count(), error_count).where(*recent).group_by(col(_CALL.key_id))
        )
        async with self._reading() as tx:
            rows = await tx.tuples(query)
        return {key: CallCount(calls=calls, errors=int(errors)) for key, calls, errors in rows}


_KEY = IdempotencyRow
# The marker of a request that still runs and whose lease has exactly that end, so that no other request has taken it over.
_OWN_MARKER = (
    col(_KEY.agency_id) == bindparam("at_agency"),
    col(_KEY.owner) == bindparam("at_owner"),
    col(_KEY.key) == bindparam("at_key"),
    col(_KEY.until) == bindparam("at_until"),
    col(_KEY.status).is_(None),
)
_FINISHED, _RELEASED = update(_KEY).where(*_OWN_MARKER), delete(_KEY).where(*_OWN_MARKER)


class SqlIdempotency(WatchedRows):
    """Idempotency keys of one agency's requests, with their first response. Call `begin` in a unit of work of its own,
    which is committed before the request's work starts; call `finish` in the unit that stores the document."""

    async def begin(self, owner: str, key: str, digest: str, ends_at: datetime) -> Remembered | None:
        """Claim the key for a request until `ends_at`. Return None when the caller owns the key now, otherwise the state
        that an earlier request left. The owner must pass the same `ends_at` to `finish` and `release`."""
        now = self._clock.now()
        row = IdempotencyRow(
            agency_id=self._agency_id, owner=owner, key=key, digest=digest, created_at=now, until=ends_at
        )
        if await self._tx.insert_new(row):
            return None
        if await self._take_over(owner, key, digest, ends_at, now):
            return None
        own = self._where(_KEY, owner=owner, key=key)
        marker = await self._tx.first(_KEY, select(_KEY).where(own).with_for_update())
        if marker is None:
            raise errors.Clash(
                f"the idempotency key {key!r} was released a moment ago; send the request again"
            )
        return Remembered(
            digest=marker.digest, running=marker.status is None, status=marker.status, body=marker.body
        )

    async def finish(self, owner: str, key: str, ends_at: datetime, status: int, body: str) -> None:
        """Store the response for the key. Clash when another request took the key over."""
        marker_key = self._marker_key(owner, key, ends_at)
        if await self._tx.change(_FINISHED, **marker_key, status=status, body=body) != 1:
            raise errors.Clash(
                f"another request took over the idempotency key {key!r}; send this one again for the answer it has now"
            )

    async def release(self, owner: str, key: str, ends_at: datetime) -> None:
        """Free the key of a failed request. No effect when the key has a response, is unknown, or is another request's."""
        await self._tx.change(_RELEASED, **self._marker_key(owner, key, ends_at))

    async def _take_over(self, owner: str, key: str, digest: str, ends_at: datetime, now: datetime) -> bool:
        """Take over the marker of a request that seems to have died, for a repeat of the same request (by digest); return
        whether it succeeded. A different request may not: if the first is only slow, its response would be stored for
        it."""
        # The end must move forward, also by another machine's clock, so that the earlier request loses its marker.
        has_ended = and_(col(_KEY.until) <= now, col(_KEY.until) < ends_at)
        # A marker that ends later than a right clock would write was begun while the clock was ahead.
        is_too_far = col(_KEY.until) > now + 2 * (ends_at - now)
        is_abandoned = or_(has_ended, is_too_far)
        is_repeated = self._where(_KEY, is_abandoned, owner=owner, key=key, status=None, digest=digest)
        return await self._tx.change(update(_KEY).where(is_repeated).values(until=ends_at)) == 1

    def _marker_key(self, owner: str, key: str, ends_at: datetime) -> dict[str, Any]:
        return {"at_agency": self._agency_id, "at_owner": owner, "at_key": key, "at_until": ends_at}
