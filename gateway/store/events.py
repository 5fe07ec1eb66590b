"""The one stream of events (design 3). In: what happened, in the caller's transaction. Out: committed events with dense
numbers, per node and per agency.

SQLite has one writer at a time, and what it undoes takes its numbers along: there an event has its numbers from the
start. On a server many write side by side and commit in another order, so that numbers would have gaps, or be seen before
smaller ones: there events are numbered when they are committed. What an SQLite file has without numbers, from an older
version or from a server's backup, is numbered in the same way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    String,
    bindparam,
    case,
    exists,
    func,
    literal,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import Event, EventKind
from gateway.ports.services import Clock
from gateway.store.pending_writes import insert_of, table_of
from gateway.store.row import to_json, value_of
from gateway.store.tables import EventCounterRow, EventRow
from gateway.store.transaction import Asked, Transaction, run_alone
from gateway.store.wake import ANY

NODE = ""  # the empty agency id: the node's own events, and the counter row of the node's sequence
WRITTEN = "sequencer"  # what is rung when events were committed: the name of the loop that numbers them
NUMBERED = "numbered"  # what is rung when committed events have numbers
GATHER_S = 0.1  # how much later a reader may hear of an event; pages and feeds do not notice
_R = EventRow
_DATA = dict[str, Any]
UNNUMBERED = (
    select(col(_R.position), col(_R.agency_id))
    .where(col(_R.node_seq).is_(None))
    .order_by(col(_R.position))
    .limit(bindparam("most", type_=Integer))
)
ANY_UNNUMBERED: Asked = UNNUMBERED, {"most": 1}
"""Asked before the write lock is taken, because mostly there is nothing to do."""
_NUMBER = (
    update(_R)
    .where(col(_R.position) == bindparam("at_position"))
    .values(node_seq=bindparam("node"), agency_seq=bindparam("own"))
)
_COUNTERS = select(EventCounterRow)
_LAST = select(col(EventCounterRow.last)).where(col(EventCounterRow.agency_id) == bindparam("sequence"))


class SqlEvents:
    """Events of one agency; a scope with an empty agency id appends events of the node itself."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock) -> None:
        self._tx = tx
        self._scope = scope
        self._clock = clock

    async def append(
        self, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object] | None = None
    ) -> None:
        """In the caller's transaction."""
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
                node_seq=None,
                agency_seq=None,
            )
            for subject_id, kind, data in told
        ]
        self._tx.put_finished(_numbered, *rows)

    async def of(self, subject_id: str) -> Sequence[Event]:
        """In the order in which they were written, numbered or not yet."""
        mine = (col(_R.agency_id) == self._scope.agency_id, col(_R.subject_id) == subject_id)
        rows = await self._tx.rows(_R, select(_R).where(*mine).order_by(col(_R.position)))
        return [to_domain(row) for row in rows]


def _call() -> dict[str, str]:
    """The call that made it happen, by the id that the log names it with; nothing where no call did."""
    call = log.ids_bound().get("request")
    return {"call": call} if call else {}


async def _numbered(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    """Gives new events their numbers, in the node's sequence and in their agency's, in the order in which they are written.
    The node's own events are in no agency's sequence."""
    agencies = Counter(row["agency_id"] for row in rows if row["agency_id"] != NODE)
    node = iter(await _count_on(tx, NODE, len(rows)))
    own = {agency_id: iter(await _count_on(tx, agency_id, count)) for agency_id, count in agencies.items()}
    for row in rows:
        row["node_seq"] = next(node)
        row["agency_seq"] = next(own[row["agency_id"]]) if row["agency_id"] in own else None


async def _count_on(tx: Transaction, sequence: str, count: int) -> range:
    """The next numbers of a sequence, for SQLite's one writer."""
    counters = tx.line.counters
    last = counters.last(sequence) if counters is not None else None
    if last is None:
        found = await tx.tuples(_LAST, sequence=sequence)
        last = int(found[0][0]) if found else 0
    if counters is not None:
        counters.count_to(sequence, last + count)
    tx.put_over_last(EventCounterRow(agency_id=sequence, last=last + count), "last")
    return range(last + 1, last + count + 1)


async def number_on_server(server: AsyncEngine, limit: int) -> int:
    """Numbers up to `limit` committed events, by one statement; 0 when there are none, or another process is numbering
    now."""
    ((numbered, has_counter),) = await run_alone(server, _numbering(), most=limit)
    if not has_counter:
        await run_alone(server, _first_count(), sequence=NODE)
        ((numbered, _),) = await run_alone(server, _numbering(), most=limit)
    return int(numbered)


async def number_here(tx: Transaction, limit: int) -> int:
    """The same on SQLite, for what has no numbers there."""
    found = await tx.tuples(UNNUMBERED, most=limit)
    if not found:
        return 0
    counters = {row.agency_id: row.last for row in await tx.rows(EventCounterRow, _COUNTERS)}
    numbers = [_next(counters, position, agency_id) for position, agency_id in found]
    await tx.change_many(_NUMBER, numbers)
    kept = tx.line.counters
    for agency_id in {NODE, *(agency_id for _, agency_id in found)}:
        tx.put_over_last(EventCounterRow(agency_id=agency_id, last=counters[agency_id]), "last")
        if kept is not None:
            kept.count_to(agency_id, counters[agency_id])
    return len(found)


def _next(counters: dict[str, int], position: int, agency_id: str) -> dict[str, int | None]:
    """The next numbers for one event; counts them in `counters`. The node's own events are in no agency's sequence."""
    for sequence in {NODE, agency_id}:
        counters[sequence] = counters.get(sequence, 0) + 1
    own = counters[agency_id] if agency_id != NODE else None
    return {"at_position": position, "node": counters[NODE], "own": own}


@cache
def _numbering() -> Select[Any]:
    """All of it as one statement for a server; finds how many were numbered, and whether the node has a counter.

    The lock of the node's counter is the sequencer's lease. A position may become visible after a higher one is numbered
    (its transaction took longer): it is numbered next, in the order of commits. Rows are locked as they are found, so that
    what another process numbered a moment ago is seen as it is now."""
    counter, event = table_of(EventCounterRow), table_of(_R)
    node = (
        select(counter.c.last)
        .where(counter.c.agency_id == NODE)
        .with_for_update(skip_locked=True)
        .cte("node")
    )
    fresh = (
        select(event.c.position, event.c.agency_id)
        .where(event.c.node_seq.is_(None), exists(select(node.c.last)))
        .order_by(event.c.position)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(of=event)
        .cte("fresh")
    )
    own = (
        select(counter.c.agency_id, counter.c.last)
        .where(counter.c.agency_id != NODE, counter.c.agency_id.in_(select(fresh.c.agency_id)))
        .with_for_update()
        .cte("own")
    )
    of_node = func.row_number().over(order_by=fresh.c.position)
    of_agency = func.row_number().over(partition_by=fresh.c.agency_id, order_by=fresh.c.position)
    numbers = (
        select(
            fresh.c.position,
            fresh.c.agency_id,
            (node.c.last + of_node).label("node_seq"),
            case((fresh.c.agency_id != NODE, func.coalesce(own.c.last, 0) + of_agency)).label("agency_seq"),
        )
        .select_from(fresh.join(node, true()).outerjoin(own, own.c.agency_id == fresh.c.agency_id))
        .cte("numbers")
    )
    numbered = (
        update(event)
        .where(event.c.position == numbers.c.position)
        .values(node_seq=numbers.c.node_seq, agency_seq=numbers.c.agency_seq)
        .returning(event.c.position)
        .cte("numbered")
    )
    last = union_all(
        select(literal(NODE, String), func.max(numbers.c.node_seq)).having(func.count() > 0),
        select(numbers.c.agency_id, func.max(numbers.c.agency_seq))
        .where(numbers.c.agency_id != NODE)
        .group_by(numbers.c.agency_id),
    )
    counting = insert_of("postgresql", counter).from_select(["agency_id", "last"], last)
    counted = counting.on_conflict_do_update(
        index_elements=["agency_id"], set_={"last": counting.excluded.last}
    ).returning(counter.c.agency_id)
    return select(
        select(func.count()).select_from(numbered).scalar_subquery(),
        exists(select(counter.c.last).where(counter.c.agency_id == NODE)),
    ).add_cte(counted.cte("counted"))


@cache
def _first_count() -> Any:
    """Any: as in `insert_of`."""
    counter = insert_of("postgresql", table_of(EventCounterRow))
    return counter.values(agency_id=bindparam("sequence"), last=0).on_conflict_do_nothing()


async def after(tx: Transaction, agency_id: str | None, after_seq: int, limit: int) -> list[Event]:
    """Numbered events behind `after_seq`, in order: of the node, or of one agency by its own sequence."""
    query = select(_R)
    if agency_id is None:
        query = query.where(col(_R.node_seq) > after_seq).order_by(col(_R.node_seq))
    else:
        mine = (col(_R.agency_id) == agency_id, col(_R.agency_seq) > after_seq)
        query = query.where(*mine).order_by(col(_R.agency_seq))
    return [to_domain(row) for row in await tx.rows(_R, query.limit(limit))]


class EventWaker:
    """Wakes the readers of this process when events were numbered, here or in another one: the first at once, and those of
    a moment together."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._later: asyncio.TimerHandle | None = None
        self._rung_at = 0.0

    def listen(self, told: Callable[[], None]) -> None:
        self._listeners.append(told)

    def heard(self, names: Collection[str]) -> None:
        if self._later is not None or not (NUMBERED in names or ANY in names):
            return
        turning = asyncio.get_running_loop()
        if turning.time() >= self._rung_at + GATHER_S:
            self._ring(turning)
        else:
            self._later = turning.call_at(self._rung_at + GATHER_S, self._ring, turning)

    async def wait(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._rung.wait()

    def close(self) -> None:
        if self._later is not None:
            self._later.cancel()

    def _ring(self, turning: asyncio.AbstractEventLoop) -> None:
        self._later, self._rung_at = None, turning.time()
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()
        for told in self._listeners:
            told()


def to_domain(row: EventRow) -> Event:
    return value_of(Event, row, agency_id=row.agency_id if row.agency_id != NODE else None)
