"""Hand-over of incoming documents to the agency's document system. In: which client asks. Out: rows leased to it until
a time; acknowledged once. A lease that ran out makes the row available again (interfaces.md 1.4)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, not_, or_, select, update
from sqlalchemy.orm import Mapped
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.turns import LONGEST_HANDOVER
from gateway.ports.rows import Handover
from gateway.ports.services import Clock
from gateway.store.changes import Follower
from gateway.store.tables import HandoverRow
from gateway.store.transaction import Transaction

AVAILABLE, LEASED, ACKED = "available", "leased", "acked"
_R = HandoverRow


class SqlHandovers:
    """Keeps the promise of `ports.Handovers`."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock, follower: Follower) -> None:
        self._tx = tx
        self._follower = follower
        self._agency_id = scope.agency_id
        self._clock = clock

    async def offer(self, incoming_id: str) -> None:
        """Offering it again is harmless; Clash when there is no such incoming document."""
        now = self._clock.now()
        await self._tx.put_new(
            HandoverRow(agency_id=self._agency_id, incoming_id=incoming_id, state=AVAILABLE, offered_at=now)
        )
        self._follower.touch_in(incoming_id)

    async def get(self, incoming_id: str) -> Handover:
        row = await self._tx.first(_R, select(_R).where(self._is(incoming_id)))
        if row is None:
            raise errors.NotFound(f"the document {incoming_id} was never offered to a document system")
        return to_domain(row, self._clock.now())

    async def withdraw(self, incoming_id: str) -> bool:
        """The row goes; a new offer makes another one."""
        row = await self._tx.first(_R, select(_R).where(self._is(incoming_id)).with_for_update())
        if await self._tx.change(delete(_R).where(self._is(incoming_id))):
            self._follower.touch_in(incoming_id)
        return row is not None and to_domain(row, self._clock.now()).state != AVAILABLE

    async def lease(self, client: str, limit: int, until: datetime) -> Sequence[Handover]:
        now = self._clock.now()
        query = (
            select(_R)
            .where(col(_R.agency_id) == self._agency_id, _is_available(now))
            .order_by(col(_R.offered_at), col(_R.incoming_id))
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = [row.incoming_id for row in await self._tx.rows(_R, query)]
        await self._tx.change(
            update(_R)
            .where(col(_R.agency_id) == self._agency_id, col(_R.incoming_id).in_(ids), _is_available(now))
            .values(state=LEASED, leased_by=client, leased_until=until)
        )
        return [Handover(incoming_id=id, state=LEASED, leased_by=client, leased_until=until) for id in ids]

    async def ack(self, incoming_id: str, client: str, at: datetime) -> bool:
        """Clash while another client holds it: that one may be storing it at this moment."""
        free = or_(col(_R.leased_by).is_(None), col(_R.leased_by) == client, _is_available(self._clock.now()))
        changed = await self._tx.change(
            update(_R)
            .where(self._is(incoming_id), col(_R.state) != ACKED, free)
            .values(state=ACKED, leased_by=client, leased_until=None, acked_at=at)
        )
        if changed == 1:
            self._follower.touch_in(incoming_id)
            return True
        now = await self.get(incoming_id)
        if now.state != ACKED:
            raise errors.Clash(
                f"the document {incoming_id} is being handed over to another client; ask again later"
            )
        return False

    def _is(self, incoming_id: str) -> ColumnElement[bool]:
        return and_(col(_R.agency_id) == self._agency_id, col(_R.incoming_id) == incoming_id)


def handover_is(
    state: str, agency_id: Mapped[str], incoming_id: Mapped[str], now: datetime
) -> ColumnElement[bool]:
    """Whether the incoming document's hand-over is in that state now."""
    held = and_(col(_R.state) == LEASED, not_(_ran_out(now)))
    wanted = {AVAILABLE: _is_available(now), LEASED: held}.get(state, col(_R.state) == state)
    return exists().where(col(_R.agency_id) == agency_id, col(_R.incoming_id) == incoming_id, wanted)


def _is_available(now: datetime) -> ColumnElement[bool]:
    return or_(col(_R.state) == AVAILABLE, and_(col(_R.state) == LEASED, _ran_out(now)))


def _ran_out(now: datetime) -> ColumnElement[bool]:
    """Or was given while the clock was ahead."""
    return or_(col(_R.leased_until) <= now, col(_R.leased_until) > now + 2 * LONGEST_HANDOVER)


def to_domain(row: HandoverRow, now: datetime) -> Handover:
    if (
        row.state == LEASED
        and row.leased_until is not None
        and not now < row.leased_until <= now + 2 * LONGEST_HANDOVER
    ):
        return Handover(incoming_id=row.incoming_id, state=AVAILABLE)
    return Handover(
        incoming_id=row.incoming_id,
        state=row.state,
        leased_by=row.leased_by,
        leased_until=row.leased_until,
        acked_at=row.acked_at,
    )
