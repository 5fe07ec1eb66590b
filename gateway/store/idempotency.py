"""What an idempotency key stands for, per agency and key owner. In: a key and the digest of its request. Out: nothing
(go ahead), "still running", or the first answer again. The marker is a lease, its end the fence; the answer
commits with the document."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.ports.rows import Remembered
from gateway.ports.services import Clock
from gateway.store.tables import IdempotencyRow
from gateway.store.transaction import Transaction

_R = IdempotencyRow


async def purge(tx: Transaction, before: datetime) -> int:
    """Forgets keys first used before that time; how many. Seven days are kept (interfaces.md 3.2)."""
    return await tx.change(delete(_R).where(col(_R.created_at) < before))


class SqlIdempotency:
    """Keeps the promise of `ports.Idempotency`. To be durable before the work starts, `begin` needs a unit of work
    of its own; `finish` belongs in the one that stores the document."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id
        self._clock = clock

    async def begin(self, owner: str, key: str, digest: str, until: datetime) -> Remembered | None:
        now = self._clock.now()
        row = IdempotencyRow(
            agency_id=self._agency_id, owner=owner, key=key, digest=digest, created_at=now, until=until
        )
        if await self._tx.put_new(row):
            return None
        if await self._take_over(owner, key, digest, until, now):
            return None
        found = await self._tx.first(_R, select(_R).where(self._is(owner, key)).with_for_update())
        if found is None:
            raise errors.Clash(
                f"the idempotency key {key!r} was released a moment ago; send the request again"
            )
        return Remembered(
            digest=found.digest, running=found.status is None, status=found.status, body=found.body
        )

    async def finish(self, owner: str, key: str, until: datetime, status: int, body: str) -> None:
        """Clash when this request's marker is gone: another one took it over."""
        mine = self._mine(owner, key, until)
        if await self._tx.change(update(_R).where(mine).values(status=status, body=body)) != 1:
            raise errors.Clash(
                f"another request took over the idempotency key {key!r}; send this one again for the answer it has now"
            )

    async def release(self, owner: str, key: str, until: datetime) -> None:
        """Harmless when the key is answered, unknown or another's by now."""
        await self._tx.change(delete(_R).where(self._mine(owner, key, until)))

    async def _take_over(self, owner: str, key: str, digest: str, until: datetime, now: datetime) -> bool:
        """A marker whose lease ran out belongs to a request that died; one of its repeats gets it. Another request
        under the same key does not: were the first one only slow, its answer would be kept for the wrong question."""
        # A later end than before, also by another machine's clock: to the earlier request the marker is another's then.
        over = and_(col(_R.until) <= now, col(_R.until) < until)
        # One that ends later than any right clock writes was begun while the clock was ahead.
        far = col(_R.until) > now + 2 * (until - now)
        dead = and_(self._is(owner, key), col(_R.status).is_(None), or_(over, far))
        same = and_(dead, col(_R.digest) == digest)
        return await self._tx.change(update(_R).where(same).values(until=until)) == 1

    def _mine(self, owner: str, key: str, until: datetime) -> ColumnElement[bool]:
        """Still running, and begun or taken over with that end."""
        return and_(self._is(owner, key), col(_R.status).is_(None), col(_R.until) == until)

    def _is(self, owner: str, key: str) -> ColumnElement[bool]:
        return and_(col(_R.agency_id) == self._agency_id, col(_R.owner) == owner, col(_R.key) == key)
