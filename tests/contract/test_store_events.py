"""The one stream of events has dense numbers for the node and for each agency, whichever process wrote, and whenever
(design 3)."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlmodel import col

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.registry.binding_events import SqlBindingLog
from gateway.store.store import SqlStore
from gateway.store.tables_node import EventCounterRow, EventRow
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, opened
from tests.support.waiting import within_limit

NODE = AgencyScope(agency_id="", principal_id="prn_node")


async def append(store: SqlStore, clock: ManualClock, scope: AgencyScope, *, commit: bool = True) -> None:
    async with store.begin(scope) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now(), {"n": 1})
        if commit:
            await work.commit()


def gives_numbers_at_once(store: SqlStore) -> bool:
    return store.writer.dialect.name == "sqlite"


async def test_an_event_has_its_number_when_it_is_committed_or_when_the_sequencer_gave_it(
    store: SqlStore, clock: ManualClock
) -> None:
    """With one writer at a time the number comes with the event; on a server no reader sees it before it is numbered."""
    at_once = gives_numbers_at_once(store)
    await append(store, clock, NORTH)

    async with store.read(NORTH) as view:
        (fresh,) = await view.events.of_subject("msg-1")
    events_before = await store.events_after(None, 0, 10)
    numbered = await store.number_events()
    (event,) = await store.events_after(None, 0, 10)

    assert (fresh.node_seq, len(events_before), numbered) == ((1, 1, 0) if at_once else (None, 0, 1))
    assert (event.id, event.node_seq, event.agency_seq, event.data) == (fresh.id, 1, 1, {"n": 1})
    assert (event.agency_id, event.principal_id) == (NORTH.agency_id, NORTH.principal_id)


@pytest.fixture
def one_writer(store: SqlStore) -> SqlStore:
    if not gives_numbers_at_once(store):
        pytest.skip("a server numbers what is committed")
    return store


async def test_what_is_not_committed_leaves_no_gap_wherever_it_stood_in_its_group(
    one_writer: SqlStore, clock: ManualClock
) -> None:
    scopes = (NORTH, SOUTH, NODE)
    for lost in range(4):
        writers = [append(one_writer, clock, scopes[n % 3], commit=n != lost) for n in range(4)]
        await asyncio.gather(*writers)

    node = await one_writer.events_after(None, 0, 100)
    north = await one_writer.events_after(NORTH.agency_id, 0, 100)
    assert [e.node_seq for e in node] == list(range(1, 13))
    assert [e.agency_seq for e in north] == list(range(1, len(north) + 1))


async def test_numbers_go_on_behind_those_that_another_process_and_the_registry_gave(
    one_writer: SqlStore, clock: ManualClock, store_url: str
) -> None:
    registry = SqlBindingLog(clock)
    async with opened(store_url, clock) as other:
        for _ in range(3):
            for writer in (one_writer, one_writer, other):
                await append(writer, clock, NORTH)
            async with one_writer.writer.begin() as connection:
                await registry.note(connection, EventKind.BINDING_ORPHAN, "binding:Z91", "prn_1", {})

    node = await one_writer.events_after(None, 0, 100)
    assert [(e.node_seq, e.agency_seq) for e in node[:5]] == [(1, 1), (2, 2), (3, 3), (4, None), (5, 4)]
    assert [e.node_seq for e in node] == list(range(1, 13))
    assert await one_writer.number_events() == 0


async def test_what_an_older_program_left_unnumbered_is_numbered_behind_what_has_numbers(
    one_writer: SqlStore, clock: ManualClock, store_url: str
) -> None:
    await append(one_writer, clock, NORTH)
    await append(one_writer, clock, SOUTH)
    async with one_writer.writing() as tx:
        await tx.change(
            update(EventRow).where(col(EventRow.node_seq) == 2).values(node_seq=None, agency_seq=None)
        )
        await tx.change(delete(EventCounterRow).where(col(EventCounterRow.agency_id) == SOUTH.agency_id))
        await tx.change(update(EventCounterRow).values(last=1))
        await tx.commit()
    async with opened(store_url, clock) as store:
        await append(store, clock, NORTH)
        signs = await store.signs(60, ("pack",))
        numbered = await store.number_events()
        await append(store, clock, SOUTH)
        node = await store.events_after(None, 0, 100)

    assert (set(signs.due), numbered) == ({"sequencer"}, 1)
    assert [(e.agency_id, e.node_seq, e.agency_seq) for e in node] == [
        (NORTH.agency_id, 1, 1),
        (NORTH.agency_id, 2, 2),
        (SOUTH.agency_id, 3, 1),
        (SOUTH.agency_id, 4, 2),
    ]


async def test_a_crash_in_the_middle_of_a_unit_leaves_neither_its_numbers_nor_a_gap(
    one_writer: SqlStore, clock: ManualClock, tmp_path: Path
) -> None:
    """The file and its journal as they lie at that moment are what a killed process leaves."""
    await append(one_writer, clock, NORTH)
    file = Path(one_writer.writer.url.database or "")
    async with one_writer.changing(NORTH) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-2", clock.now())
        await work.events.of_subject("msg-2")  # it is written, and not committed
        path = tmp_path / "left.db"
        for suffix in ("", "-wal"):
            shutil.copy(f"{file}{suffix}", f"{path}{suffix}")

    async with opened(f"sqlite:///{path}", clock) as store_after:
        await append(store_after, clock, NORTH)
        events_written = await store_after.events_after(None, 0, 10)

    assert [(e.node_seq, e.agency_seq, e.subject_id) for e in events_written] == [
        (1, 1, "msg-1"),
        (2, 2, "msg-1"),
    ]


async def test_nobody_sees_a_number_before_a_smaller_one(
    store: SqlStore, clock: ManualClock, store_url: str
) -> None:
    """A reader that reads behind the last number that it saw misses nothing, while others write and undo."""
    numbers: list[int] = []
    async with opened(store_url, clock) as second:

        async def write(which: SqlStore) -> None:
            for n in range(20):
                await append(which, clock, NORTH, commit=n % 4 != 0)
                await which.number_events(3)

        async def read() -> None:
            while len(numbers) < 30:
                numbers.extend(e.node_seq or 0 for e in await second.events_after(None, len(numbers), 100))
                await asyncio.sleep(0)
                await second.number_events()

        await within_limit(asyncio.gather(write(store), write(second), read()), "all are read")

    assert numbers == list(range(1, 31))


async def test_numbers_are_dense_with_several_writers_rollbacks_and_sequencers(
    store: SqlStore, clock: ManualClock, store_url: str
) -> None:
    async with opened(store_url, clock) as second:
        stores = (store, second)
        writers = [
            append(stores[n % 2], clock, (NORTH, SOUTH)[n % 3 == 0], commit=n % 5 != 0) for n in range(30)
        ]
        sequencers = [stores[n % 2].number_events(4) for n in range(6)]
        await asyncio.gather(*writers, *sequencers)
        while await second.number_events(4):
            pass

    node = await store.events_after(None, 0, 100)
    north = await store.events_after(NORTH.agency_id, 0, 100)
    south = await store.events_after(SOUTH.agency_id, 0, 100)
    assert [e.node_seq for e in node] == list(range(1, 25))
    assert [e.agency_seq for e in north] == list(range(1, len(north) + 1))
    assert [e.agency_seq for e in south] == list(range(1, len(south) + 1))
    assert len(north) + len(south) == 24
    assert [e.id for e in node if e.agency_id == NORTH.agency_id] == [e.id for e in north]
    assert (await store.counts())["event.unnumbered"] == 0


async def test_several_events_of_one_subject_keep_their_order(store: SqlStore, clock: ManualClock) -> None:
    events_written = [(EventKind.DELIVERY_SENT, {"to": f"Z91.{n}"}) for n in range(5)]
    async with committing(store) as work:
        await work.events.append_many("msg-1", clock.now(), events_written)
        await work.events.append_many("msg-1", clock.now(), [])
    await store.number_events()

    stored = await store.events_after(NORTH.agency_id, 0, 10)

    assert [(e.kind, e.data) for e in stored] == events_written


async def test_events_of_several_subjects_keep_their_order(store: SqlStore, clock: ManualClock) -> None:
    events_written = [(f"msg-{n % 2}", EventKind.DELIVERY_SENT, {"to": f"Z91.{n}"}) for n in range(5)]
    async with committing(store) as work:
        await work.events.append_all(clock.now(), events_written)
        await work.events.append_all(clock.now(), [])
    await store.number_events()

    stored = await store.events_after(NORTH.agency_id, 0, 10)

    assert [(e.subject_id, e.kind, e.data) for e in stored] == events_written


async def test_a_unit_reads_its_own_events_and_keeps_each_of_them_once(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())
        numbers = await work.events.of_subject("msg-1")
        await work.events.append(EventKind.MESSAGE_QUEUED, "msg-1", clock.now())

    async with store.read(NORTH) as view:
        stored = await view.events.of_subject("msg-1")
    assert [e.kind for e in numbers] == [EventKind.MESSAGE_ACCEPTED]
    assert [e.kind for e in stored] == [EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_QUEUED]


async def test_reading_continues_behind_a_number(store: SqlStore, clock: ManualClock) -> None:
    for _ in range(5):
        await append(store, clock, NORTH)
    await store.number_events()

    page = await store.events_after(NORTH.agency_id, 2, 2)

    assert [e.agency_seq for e in page] == [3, 4]


async def test_the_nodes_own_events_are_in_no_agencys_sequence(store: SqlStore, clock: ManualClock) -> None:
    await append(store, clock, NODE)
    await append(store, clock, NORTH)
    await store.number_events()

    node = await store.events_after(None, 0, 10)

    assert [(e.agency_id, e.node_seq, e.agency_seq) for e in node] == [
        (None, 1, None),
        (NORTH.agency_id, 2, 1),
    ]


async def test_a_reader_is_woken_when_events_are_numbered(store: SqlStore, clock: ManualClock) -> None:
    """The process that gives the numbers wakes the reader: each time anew, also for numbers that come in one moment."""
    for _ in range(3):
        waiting = asyncio.create_task(store.wait_events(3600))
        await asyncio.sleep(0)
        await append(store, clock, NORTH)

        await store.number_events()

        await within_limit(waiting, "the reader is woken")


async def test_a_reader_comes_back_by_itself_when_nothing_happens(store: SqlStore) -> None:
    await within_limit(store.wait_events(0.01), "the reader comes back")

    assert await store.number_events() == 0
