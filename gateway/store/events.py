"""The one stream of events (design 3). In: what happened, unnumbered, in the caller's transaction. Out: committed events
with dense numbers, per node and per agency.

Numbering only after the commit keeps the numbers free of gaps: a transaction that rolls back never had one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy import Integer, bindparam, select, update
from sqlmodel import col

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import Event, EventKind
from gateway.ports.services import Clock
from gateway.store.row import to_json, value_of
from gateway.store.tables import EventCounterRow, EventRow
from gateway.store.transaction import Transaction
from gateway.store.wake import ANY

NODE = ""  # the empty agency id: the node's own events, and the counter row of the node's sequence
NUMBERED = "numbered"  # what is rung when events have numbers
_R = EventRow
_DATA = dict[str, Any]
UNNUMBERED = (
    select(col(_R.position), col(_R.agency_id))
    .where(col(_R.node_seq).is_(None))
    .order_by(col(_R.position))
    .limit(bindparam("most", type_=Integer))
)
_NUMBER = (
    update(_R)
    .where(col(_R.position) == bindparam("at_position"))
    .values(node_seq=bindparam("node"), agency_seq=bindparam("own"))
)
_COUNTERS = select(EventCounterRow)
# The lock of the node's row is the sequencer's lease.
_LEASE = _COUNTERS.where(col(EventCounterRow.agency_id) == NODE).with_for_update(skip_locked=True)


class SqlEvents:
    """Events of one agency; a scope with an empty agency id appends events of the node itself."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock) -> None:
        self._tx = tx
        self._scope = scope
        self._clock = clock

    async def append(
        self, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object] | None = None
    ) -> None:
        """Unnumbered, in the caller's transaction; the sequencer numbers it after the commit."""
        await self.append_all(at, [(subject_id, kind, data or {})])

    async def append_many(
        self, subject_id: str, at: datetime, told: Sequence[tuple[EventKind, Mapping[str, object]]]
    ) -> None:
        """Several of one subject, in that order."""
        await self.append_all(at, [(subject_id, kind, data) for kind, data in told])

    async def append_all(
        self, at: datetime, told: Sequence[tuple[str, EventKind, Mapping[str, object]]]
    ) -> None:
        """Several, each with its subject, in that order."""
        call = _call()
        rows = [
            EventRow(
                agency_id=self._scope.agency_id,
                id=self._clock.new_id("evt_"),
                kind=str(kind),
                at=at,
                subject_id=subject_id,
                principal_id=self._scope.principal_id,
                data=to_json(_DATA, {**data, **call}),
            )
            for subject_id, kind, data in told
        ]
        self._tx.put(*rows)

    async def of(self, subject_id: str) -> Sequence[Event]:
        """In the order in which they were written, numbered or not yet."""
        mine = (col(_R.agency_id) == self._scope.agency_id, col(_R.subject_id) == subject_id)
        rows = await self._tx.rows(_R, select(_R).where(*mine).order_by(col(_R.position)))
        return [to_domain(row) for row in rows]


def _call() -> dict[str, str]:
    """The call that made it happen, by the id that the log names it with; nothing where no call did."""
    call = log.ids_bound().get("request")
    return {"call": call} if call else {}


async def any_unnumbered(tx: Transaction) -> bool:
    """Asked before the write lock is taken, because mostly there is nothing to do."""
    return bool(await tx.tuples(UNNUMBERED, most=1))


async def number(tx: Transaction, limit: int) -> int:
    """Numbers up to `limit` committed events; 0 when there are none, or another process is numbering now."""
    counters = await _lock(tx)
    if counters is None:
        return 0
    # A position may become visible after a higher one is numbered (its transaction took longer): it is numbered
    # next, in the order of commits. Only committed rows are ever read here.
    found = await tx.tuples(UNNUMBERED, most=limit)
    if not found:
        return 0
    numbers = [_next(counters, position, agency_id) for position, agency_id in found]
    await tx.change_many(_NUMBER, numbers)
    for agency_id in {NODE, *(agency_id for _, agency_id in found)}:
        tx.put_over_last(EventCounterRow(agency_id=agency_id, last=counters[agency_id]), "last")
    return len(found)


def _next(counters: dict[str, int], position: int, agency_id: str) -> dict[str, int | None]:
    """The next numbers for one event; counts them in `counters`. The node's own events are in no agency's sequence."""
    for sequence in {NODE, agency_id}:
        counters[sequence] = counters.get(sequence, 0) + 1
    own = counters[agency_id] if agency_id != NODE else None
    return {"at_position": position, "node": counters[NODE], "own": own}


async def _lock(tx: Transaction) -> dict[str, int] | None:
    """The counters, with the node's row locked until the transaction ends."""
    if await tx.first(EventCounterRow, _LEASE) is None and not await tx.put_new(
        EventCounterRow(agency_id=NODE, last=0)
    ):
        return None
    return {row.agency_id: row.last for row in await tx.rows(EventCounterRow, _COUNTERS)}


async def after(tx: Transaction, agency_id: str | None, after_seq: int, limit: int) -> list[Event]:
    """Numbered events behind `after_seq`, in order: of the node, or of one agency by its own sequence."""
    query = select(_R)
    if agency_id is None:
        query = query.where(col(_R.node_seq) > after_seq).order_by(col(_R.node_seq))
    else:
        mine = (col(_R.agency_id) == agency_id, col(_R.agency_seq) > after_seq)
        query = query.where(*mine).order_by(col(_R.agency_seq))
    return [to_domain(row) for row in await tx.rows(_R, query.limit(limit))]


class EventBell:
    """Wakes the readers of this process when events were numbered, here or in another one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def heard(self, names: Collection[str]) -> None:
        if NUMBERED in names or ANY in names:
            rung, self._rung = self._rung, asyncio.Event()
            rung.set()

    async def wait(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()


def to_domain(row: EventRow) -> Event:
    return value_of(Event, row, agency_id=row.agency_id if row.agency_id != NODE else None)
