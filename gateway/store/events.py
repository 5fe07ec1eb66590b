"""The one stream of events. In: events, written in the caller's transaction. Out: committed events with numbers without
gaps, in the node's sequence and in the agency's.

SQLite has one writer at a time, and a rollback takes its numbers back, so an event gets its numbers when it is written. On
a server many transactions write at the same time and commit in another order: numbers would have gaps, or become visible
before smaller ones. There events are numbered after the commit. Unnumbered events in an SQLite file, from an older
version or a server's backup, are numbered afterwards too."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    CTE,
    Integer,
    Select,
    String,
    Table,
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
from gateway.store.repository import in_parts, select_by
from gateway.store.row import to_json, value_of
from gateway.store.tables_node import EventCounterRow, EventRow
from gateway.store.transaction import BoundQuery, Transaction, run_alone
from gateway.store.wake import ANY

NODE = ""  # the empty agency id: the node's own events, and the counter row of the node's sequence
NODE_SCOPE = AgencyScope(agency_id=NODE, principal_id="node")
EVENTS_WRITTEN = "sequencer"  # rung when events were committed; the name of the worker loop that numbers them
NUMBERED = "numbered"  # rung when committed events have numbers
GATHER_S = 0.1  # least time between two wake-ups of readers
_DATA = dict[str, Any]
SubjectQuery = Select[str]
"""Query for ids of subjects, which a list is restricted to."""
UNNUMBERED = (
    select(col(EventRow.position), col(EventRow.agency_id))
    .where(col(EventRow.node_seq).is_(None))
    .order_by(col(EventRow.position))
    .limit(bindparam("most", type_=Integer))
)
ANY_UNNUMBERED: BoundQuery = UNNUMBERED, {"most": 1}
"""Query whether any event has no number; run before the write lock is taken, because mostly none has."""
_NUMBER = (
    update(EventRow)
    .where(col(EventRow.position) == bindparam("at_position"))
    .values(node_seq=bindparam("node"), agency_seq=bindparam("own"))
)
_COUNTERS = select(EventCounterRow)
_LAST = select(col(EventCounterRow.last)).where(col(EventCounterRow.agency_id) == bindparam("sequence"))


class SqlEvents:
    """Repository of one agency's events; a scope with an empty agency id is for events of the node itself."""

    def __init__(self, tx: Transaction, scope: AgencyScope, clock: Clock) -> None:
        self._tx = tx
        self._scope = scope
        self._clock = clock

    async def append(
        self, kind: EventKind, subject_id: str, at: datetime, data: Mapping[str, object] | None = None
    ) -> None:
        """Append one event of a subject in the caller's transaction."""
        await self.append_all(at, [(subject_id, kind, data or {})])

    async def append_many(
        self, subject_id: str, at: datetime, events: Sequence[tuple[EventKind, Mapping[str, object]]]
    ) -> None:
        """Append several events of one subject, in that order."""
        await self.append_all(at, [(subject_id, kind, data) for kind, data in events])

    async def append_all(
        self, at: datetime, events: Sequence[tuple[str, EventKind, Mapping[str, object]]]
    ) -> None:
        """Append several events, each with its subject, in that order."""
        request = log.ids_bound().get("request")
        call = {"call": request} if request else {}  # the API call that causes the events, if one does
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
            for subject_id, kind, data in events
        ]
        self._tx.insert(*rows, finish=_assign_numbers)

    async def of_subject(self, subject_id: str) -> Sequence[Event]:
        """Return the subject's events in the order in which they were written, numbered or not."""
        query = select_by(EventRow, ("agency_id", "subject_id"), ("position",))
        key = {"agency_id": self._scope.agency_id, "subject_id": subject_id}
        return await self._tx.values(to_domain, query, **key)

    async def of_subjects(self, ids: Sequence[str], kinds: Collection[EventKind]) -> Sequence[Event]:
        """Return the events of these kinds about these subjects, in the order in which they were written."""
        events: list[Event] = []
        for part in in_parts(ids):
            query = select(EventRow).where(
                col(EventRow.agency_id) == self._scope.agency_id,
                col(EventRow.subject_id).in_(part),
                col(EventRow.kind).in_([kind.value for kind in kinds]),
            )
            events += await self._tx.values(to_domain, query.order_by(col(EventRow.position)))
        return events

    async def subjects_since(self, at: datetime) -> SubjectQuery:
        """Return the query for the subjects of the agency's events from `at` on. The first of those is found by halves,
        because events are numbered in the order of their time, and no index has the time."""
        own = (
            col(EventRow.agency_id) == self._scope.agency_id,
            col(EventRow.agency_seq) > bindparam("after"),
        )
        newer = select(col(EventRow.agency_seq), col(EventRow.at)).where(*own)
        next_event = newer.order_by(col(EventRow.agency_seq)).limit(1)
        start, end = 0, int(await self._tx.scalar(_LAST, sequence=self._scope.agency_id) or 0)
        while start < end:
            middle = (start + end) // 2
            ((seq, event_at),) = await self._tx.tuples(next_event, after=middle) or [(end, at)]
            start, end = (start, middle) if event_at >= at else (seq, end)
        return select(col(EventRow.subject_id)).where(
            col(EventRow.agency_id) == self._scope.agency_id, col(EventRow.agency_seq) > start
        )

    async def last_position(self) -> int:
        """Return the position of the newest event of the node."""
        return int(await self._tx.scalar(select(func.max(col(EventRow.position)))) or 0)

    async def own_after(self, position: int, kind: EventKind) -> Mapping[int, str]:
        """Return the subjects of the events of this kind that the scope's principal caused behind that position, by
        position."""
        query = select(col(EventRow.position), col(EventRow.subject_id)).where(
            col(EventRow.position) > position,
            col(EventRow.agency_id) == self._scope.agency_id,
            col(EventRow.principal_id) == self._scope.principal_id,
            col(EventRow.kind) == kind.value,
        )
        return dict(await self._tx.tuples(query.order_by(col(EventRow.position))))

    async def of_ids(self, ids: Collection[str]) -> Mapping[str, Event]:
        """Return those of these events that exist, by id."""
        mine = (col(EventRow.agency_id) == self._scope.agency_id, col(EventRow.id).in_(sorted(ids)))
        events = await self._tx.values(to_domain, select(EventRow).where(*mine))
        return {event.id: event for event in events}


async def _assign_numbers(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    """Assign the next numbers of the node's sequence and of the agencies' sequences to new event rows, in their order. The
    node's own events are in no agency's sequence."""
    agencies = Counter([row["agency_id"] for row in rows if row["agency_id"] != NODE])
    node = iter(await _advance(tx, NODE, len(rows)))
    own = {agency_id: iter(await _advance(tx, agency_id, count)) for agency_id, count in agencies.items()}
    for row in rows:
        row["node_seq"] = next(node)
        row["agency_seq"] = next(own[row["agency_id"]]) if row["agency_id"] in own else None


async def _advance(tx: Transaction, sequence: str, count: int) -> range:
    """Take the next `count` numbers of a sequence, for SQLite's one writer; return them."""
    counters = tx.line.counters
    last = counters.last(sequence) if counters is not None else None
    if last is None:
        last = int(await tx.scalar(_LAST, sequence=sequence) or 0)
    if counters is not None:
        counters.count_to(sequence, last + count)
    tx.upsert_later(EventCounterRow(agency_id=sequence, last=last + count), "last")
    return range(last + 1, last + count + 1)


async def number_on_server(server: AsyncEngine, limit: int) -> int:
    """Assign numbers to up to `limit` committed events by one statement; return how many. Return 0 also while another
    process numbers events."""
    while True:
        ((numbered, has_counters),) = await run_alone(server, _numbering_statement(), most=limit)
        if has_counters:
            return int(numbered)
        await run_alone(server, _insert_counters())


async def number_on_sqlite(tx: Transaction, limit: int) -> int:
    """Assign numbers to up to `limit` events without numbers in an SQLite file; return how many."""
    rows = await tx.tuples(UNNUMBERED, most=limit)
    if not rows:
        return 0
    counters = {row.agency_id: row.last for row in await tx.rows(EventCounterRow, _COUNTERS)}
    numbers = [_number_event(counters, position, agency_id) for position, agency_id in rows]
    await tx.change_many(_NUMBER, numbers)
    counter_cache = tx.line.counters
    for agency_id in dict.fromkeys((NODE, *(agency_id for _, agency_id in rows))):
        tx.upsert_later(EventCounterRow(agency_id=agency_id, last=counters[agency_id]), "last")
        if counter_cache is not None:
            counter_cache.count_to(agency_id, counters[agency_id])
    return len(rows)


def _number_event(counters: dict[str, int], position: int, agency_id: str) -> dict[str, int | None]:
    """Take the next numbers for one event from `counters`, and return the values of the update. The node's own events are
    in no agency's sequence."""
    for sequence in dict.fromkeys((NODE, agency_id)):
        counters[sequence] = counters.get(sequence, 0) + 1
    own = counters[agency_id] if agency_id != NODE else None
    return {"at_position": position, "node": counters[NODE], "own": own}


@cache
def _numbering_statement() -> Select[Any]:
    """Return the one statement that numbers events on a server; it returns how many, and False when a counter is missing.

    When the counter of an agency is missing, the statement numbers nothing: another process may have inserted the counter
    after this statement began, and given the same numbers. The lock of the node's counter is the sequencer's lease. An
    event whose transaction took long may become visible after a higher position is numbered; it gets the next number, so
    numbers follow the order of commits. Rows are locked when they are found, so that numbers which another process has just
    written are seen."""
    counter, event = table_of(EventCounterRow), table_of(EventRow)
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
    counter_names = select(counter.c.agency_id)
    lacks_counter = exists(
        select(fresh.c.position).where(fresh.c.agency_id != NODE, fresh.c.agency_id.not_in(counter_names))
    )
    of_node = func.row_number().over(order_by=fresh.c.position)
    of_agency = func.row_number().over(partition_by=fresh.c.agency_id, order_by=fresh.c.position)
    numbers = (
        select(
            fresh.c.position,
            fresh.c.agency_id,
            (node.c.last + of_node).label("node_seq"),
            case((fresh.c.agency_id != NODE, own.c.last + of_agency)).label("agency_seq"),
        )
        .select_from(fresh.join(node, true()).outerjoin(own, own.c.agency_id == fresh.c.agency_id))
        .where(~lacks_counter)
        .cte("numbers")
    )
    numbered = (
        update(event)
        .where(event.c.position == numbers.c.position)
        .values(node_seq=numbers.c.node_seq, agency_seq=numbers.c.agency_seq)
        .returning(event.c.position)
        .cte("numbered")
    )
    return select(
        select(func.count()).select_from(numbered).scalar_subquery(),
        exists(select(counter.c.last).where(counter.c.agency_id == NODE)) & ~lacks_counter,
    ).add_cte(_counting(counter, numbers))


def _counting(counter: Table, numbers: CTE) -> CTE:
    """Return the part of the numbering statement that sets the counters to the last numbers."""
    last = union_all(
        select(literal(NODE, String), func.max(numbers.c.node_seq)).having(func.count() > 0),
        select(numbers.c.agency_id, func.max(numbers.c.agency_seq))
        .where(numbers.c.agency_id != NODE)
        .group_by(numbers.c.agency_id),
    )
    counting = insert_of("postgresql", counter).from_select(["agency_id", "last"], last)
    upsert = counting.on_conflict_do_update(
        index_elements=["agency_id"], set_={"last": counting.excluded.last}
    )
    counted: CTE = upsert.returning(counter.c.agency_id).cte("counted")
    return counted


@cache
def _insert_counters() -> Any:
    """Return the statement that inserts missing counters: the node's, and those of agencies with new events. Any: as in
    `insert_of`."""
    counter, event = table_of(EventCounterRow), table_of(EventRow)
    sequences = select(literal(NODE, String), literal(0, Integer)).union(
        select(event.c.agency_id, literal(0, Integer)).where(event.c.node_seq.is_(None))
    )
    insert = insert_of("postgresql", counter).from_select(["agency_id", "last"], sequences)
    return insert.on_conflict_do_nothing()


async def load_after(tx: Transaction, agency_id: str | None, after_seq: int, limit: int) -> list[Event]:
    """Return up to `limit` events numbered after `after_seq`, in order: for None all events by the node's numbers,
    otherwise the agency's by its own numbers."""
    query = select(EventRow)
    if agency_id is None:
        query = query.where(col(EventRow.node_seq) > after_seq).order_by(col(EventRow.node_seq))
    else:
        mine = (col(EventRow.agency_id) == agency_id, col(EventRow.agency_seq) > after_seq)
        query = query.where(*mine).order_by(col(EventRow.agency_seq))
    return await tx.values(to_domain, query.limit(limit))


async def load_numbered(tx: Transaction, agency_id: str, numbers: Collection[int]) -> dict[int, Event]:
    """Return the agency's events with these numbers, by number."""
    column = col(EventRow.agency_seq)
    query = select(EventRow).where(col(EventRow.agency_id) == agency_id, column.in_(sorted(numbers)))
    events = await tx.values(to_domain, query)
    return {event.agency_seq: event for event in events if event.agency_seq is not None}


class EventWaker:
    """Waker of this process's readers when events were numbered, in this or another process. It wakes them at once, but at
    most every `GATHER_S` seconds, so that events of one moment wake them together."""

    def __init__(self) -> None:
        self._ring_event = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._rung_at = 0.0

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def hear(self, names: Collection[str]) -> None:
        if self._timer is not None or not (NUMBERED in names or ANY in names):
            return
        loop = asyncio.get_running_loop()
        if loop.time() >= self._rung_at + GATHER_S:
            self._ring(loop)
        else:
            self._timer = loop.call_at(self._rung_at + GATHER_S, self._ring, loop)

    async def wait(self, timeout_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._ring_event.wait()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, self._rung_at = None, loop.time()
        ring_event, self._ring_event = self._ring_event, asyncio.Event()
        ring_event.set()
        for listener in self._listeners:
            listener()


def to_domain(row: EventRow) -> Event:
    return value_of(Event, row, agency_id=row.agency_id if row.agency_id != NODE else None)
