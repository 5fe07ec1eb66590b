"""What programs called, on SQL, and which calls are the same request again. In: calls, many at a time; an idempotency
key and the digest of its request. Out: the newest calls, with counts; the answer that stands for a key.

Calls are the node's, each write a transaction of its own; get them as `store.calls`. An idempotency key is of one
agency and key owner: it answers nothing (go ahead), "still running", or the first answer again. The marker is a
lease, its end the fence; the answer commits with the document."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import ApiCall, CallCount
from gateway.store.repository import WatchedRows
from gateway.store.row import value_of
from gateway.store.tables import IdempotencyRow
from gateway.store.tables_node import ApiCallRow
from gateway.store.transaction import Open, Transaction

_CALL = ApiCallRow
_FIRST_ERROR = 400
_MOST_ROUTES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What an idempotency key stands for: still running, or the answer to give again."""

    digest: str
    running: bool
    status: int | None = None
    body: str | None = None


class SqlApiCalls:
    """The calls of every key of the node."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading

    async def keep(self, calls: Sequence[ApiCall]) -> None:
        """Durable on return. A repeat is harmless."""
        async with self._writing() as tx:
            tx.put_missing(*(_CALL.of(each) for each in calls))
            await tx.commit()

    async def trim(self, key_ids: Collection[str], before: datetime, most: int) -> None:
        """Takes out what is older, of every key, and of these keys what is beyond the newest `most`."""
        async with self._writing() as tx:
            await tx.change(delete(_CALL).where(col(_CALL.at) < before))
            for key_id in sorted(key_ids):
                of_key = col(_CALL.key_id) == key_id
                newest = select(col(_CALL.id)).where(of_key).order_by(col(_CALL.id).desc())
                beyond = await tx.tuples(newest.offset(most).limit(1))
                if beyond:
                    await tx.change(delete(_CALL).where(of_key, col(_CALL.id) <= beyond[0][0]))
            await tx.commit()

    async def listed(
        self, key_id: str, limit: int, *, errors: bool = False, route: str = "", before: str = ""
    ) -> Sequence[ApiCall]:
        """Newest first, those before the call of that id; `errors` alone, or of one route."""
        query = select(_CALL).where(col(_CALL.key_id) == key_id)
        if errors:
            query = query.where(col(_CALL.status) >= _FIRST_ERROR)
        if route:
            query = query.where(col(_CALL.route) == route)
        if before:
            query = query.where(col(_CALL.id) < before)
        async with self._reading() as tx:
            rows = await tx.rows(_CALL, query.order_by(col(_CALL.id).desc()).limit(limit))
        return [value_of(ApiCall, row) for row in rows]

    async def routes(self, key_id: str) -> Sequence[str]:
        """Which routes it called, by name."""
        route = col(_CALL.route)
        query = (
            select(route).where(col(_CALL.key_id) == key_id).distinct().order_by(route).limit(_MOST_ROUTES)
        )
        async with self._reading() as tx:
            return [row[0] for row in await tx.tuples(query)]

    async def counts(self, key_ids: Collection[str], since: datetime) -> Mapping[str, CallCount]:
        """Of each key that called since then."""
        wrong = func.sum(case((col(_CALL.status) >= _FIRST_ERROR, 1), else_=0))
        these = (col(_CALL.key_id).in_(sorted(key_ids)), col(_CALL.at) >= since)
        query = select(col(_CALL.key_id), func.count(), wrong).where(*these).group_by(col(_CALL.key_id))
        async with self._reading() as tx:
            found = await tx.tuples(query)
        return {key: CallCount(calls=calls, errors=int(errors)) for key, calls, errors in found}


_KEY = IdempotencyRow
# Still running, and begun or taken over with that end.
_MINE = (
    col(_KEY.agency_id) == bindparam("at_agency"),
    col(_KEY.owner) == bindparam("at_owner"),
    col(_KEY.key) == bindparam("at_key"),
    col(_KEY.until) == bindparam("at_until"),
    col(_KEY.status).is_(None),
)
_FINISHED, _RELEASED = update(_KEY).where(*_MINE), delete(_KEY).where(*_MINE)


async def forget_idempotency_keys(tx: Transaction, before: datetime) -> int:
    """Forgets keys first used before that time; how many. Seven days are kept (interfaces.md 3.2)."""
    return await tx.change(delete(_KEY).where(col(_KEY.created_at) < before))


class SqlIdempotency(WatchedRows):
    """What a request's key stands for: its first answer. To be durable before the work starts, `begin` needs a unit of work
    of its own; `finish` belongs in the one that stores the document."""

    async def begin(self, owner: str, key: str, digest: str, until: datetime) -> Remembered | None:
        """None: the caller owns the key now (marker leased until then). Otherwise what it stands for. `until` is also the
        fence: who finishes or releases names the one it began with."""
        now = self._clock.now()
        row = IdempotencyRow(
            agency_id=self._agency_id, owner=owner, key=key, digest=digest, created_at=now, until=until
        )
        if await self._tx.put_new(row):
            return None
        if await self._take_over(owner, key, digest, until, now):
            return None
        found = await self._tx.first(_KEY, select(_KEY).where(self._is(owner, key)).with_for_update())
        if found is None:
            raise errors.Clash(
                f"the idempotency key {key!r} was released a moment ago; send the request again"
            )
        return Remembered(
            digest=found.digest, running=found.status is None, status=found.status, body=found.body
        )

    async def finish(self, owner: str, key: str, until: datetime, status: int, body: str) -> None:
        """Commits with the document. Clash when this request's marker is gone: another one took the key over."""
        mine = self._mine(owner, key, until)
        if await self._tx.change(_FINISHED, **mine, status=status, body=body) != 1:
            raise errors.Clash(
                f"another request took over the idempotency key {key!r}; send this one again for the answer it has now"
            )

    async def release(self, owner: str, key: str, until: datetime) -> None:
        """The request failed; the key may be used again. Harmless when the key is answered, unknown or another's by now."""
        await self._tx.change(_RELEASED, **self._mine(owner, key, until))

    async def _take_over(self, owner: str, key: str, digest: str, until: datetime, now: datetime) -> bool:
        """A marker whose lease ran out belongs to a request that died; one of its repeats gets it. Another request
        under the same key does not: were the first one only slow, its answer would be kept for the wrong question."""
        # A later end than before, also by another machine's clock: to the earlier request the marker is another's then.
        over = and_(col(_KEY.until) <= now, col(_KEY.until) < until)
        # One that ends later than any right clock writes was begun while the clock was ahead.
        far = col(_KEY.until) > now + 2 * (until - now)
        dead = and_(self._is(owner, key), col(_KEY.status).is_(None), or_(over, far))
        same = and_(dead, col(_KEY.digest) == digest)
        return await self._tx.change(update(_KEY).where(same).values(until=until)) == 1

    def _mine(self, owner: str, key: str, until: datetime) -> dict[str, Any]:
        return {"at_agency": self._agency_id, "at_owner": owner, "at_key": key, "at_until": until}

    def _is(self, owner: str, key: str) -> ColumnElement[bool]:
        return and_(col(_KEY.agency_id) == self._agency_id, col(_KEY.owner) == owner, col(_KEY.key) == key)
