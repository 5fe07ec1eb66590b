"""The one stream of events: dense numbers for the node and for each agency, whoever wrote and whenever (design 3)."""

from __future__ import annotations

import asyncio

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, opened
from tests.support.waiting import within_limit

NODE = AgencyScope(agency_id="", principal_id="prn_node")


async def append(
    store: SqlOfficeStore, clock: ManualClock, scope: AgencyScope, *, commit: bool = True
) -> None:
    async with store.begin(scope) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now(), {"n": 1})
        if commit:
            await work.commit()


async def test_an_event_has_no_number_until_the_sequencer_gave_it(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await append(store, clock, NORTH)

    async with store.read(NORTH) as view:
        (fresh,) = await view.events.of("msg-1")
    before = await store.events_after(None, 0, 10)
    numbered = await store.number_events()
    (after,) = await store.events_after(None, 0, 10)

    assert (fresh.node_seq, before, numbered) == (None, [], 1)
    assert (after.id, after.node_seq, after.agency_seq, after.data) == (fresh.id, 1, 1, {"n": 1})
    assert (after.agency_id, after.principal_id) == (NORTH.agency_id, NORTH.principal_id)


async def test_numbers_are_dense_with_several_writers_rollbacks_and_sequencers(
    store: SqlOfficeStore, clock: ManualClock, store_url: str
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
    assert [one.node_seq for one in node] == list(range(1, 25))
    assert [one.agency_seq for one in north] == list(range(1, len(north) + 1))
    assert [one.agency_seq for one in south] == list(range(1, len(south) + 1))
    assert len(north) + len(south) == 24
    assert [one.id for one in node if one.agency_id == NORTH.agency_id] == [one.id for one in north]
    assert (await store.counts())["event.unnumbered"] == 0


async def test_several_events_of_one_subject_keep_their_order(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    told = [(EventKind.DELIVERY_SENT, {"to": f"Z91.{n}"}) for n in range(5)]
    async with committing(store) as work:
        await work.events.append_many("msg-1", clock.now(), told)
        await work.events.append_many("msg-1", clock.now(), [])
    await store.number_events()

    found = await store.events_after(NORTH.agency_id, 0, 10)

    assert [(one.kind, one.data) for one in found] == told


async def test_events_of_several_subjects_keep_their_order(store: SqlOfficeStore, clock: ManualClock) -> None:
    told = [(f"msg-{n % 2}", EventKind.DELIVERY_SENT, {"to": f"Z91.{n}"}) for n in range(5)]
    async with committing(store) as work:
        await work.events.append_all(clock.now(), told)
        await work.events.append_all(clock.now(), [])
    await store.number_events()

    found = await store.events_after(NORTH.agency_id, 0, 10)

    assert [(one.subject_id, one.kind, one.data) for one in found] == told


async def test_a_unit_reads_its_own_events_and_keeps_each_of_them_once(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())
        seen = await work.events.of("msg-1")
        await work.events.append(EventKind.MESSAGE_QUEUED, "msg-1", clock.now())

    async with store.read(NORTH) as view:
        kept = await view.events.of("msg-1")
    assert [one.kind for one in seen] == [EventKind.MESSAGE_ACCEPTED]
    assert [one.kind for one in kept] == [EventKind.MESSAGE_ACCEPTED, EventKind.MESSAGE_QUEUED]


async def test_reading_continues_behind_a_number(store: SqlOfficeStore, clock: ManualClock) -> None:
    for _ in range(5):
        await append(store, clock, NORTH)
    await store.number_events()

    page = await store.events_after(NORTH.agency_id, 2, 2)

    assert [one.agency_seq for one in page] == [3, 4]


async def test_the_nodes_own_events_are_in_no_agencys_sequence(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await append(store, clock, NODE)
    await append(store, clock, NORTH)
    await store.number_events()

    node = await store.events_after(None, 0, 10)

    assert [(one.agency_id, one.node_seq, one.agency_seq) for one in node] == [
        (None, 1, None),
        (NORTH.agency_id, 2, 1),
    ]


async def test_a_reader_is_woken_when_events_are_numbered(store: SqlOfficeStore, clock: ManualClock) -> None:
    waiting = asyncio.create_task(store.wait_events(3600))
    await asyncio.sleep(0)
    await append(store, clock, NORTH)

    await store.number_events()

    await within_limit(waiting, "the reader is woken")


async def test_a_reader_comes_back_by_itself_when_nothing_happens(store: SqlOfficeStore) -> None:
    await within_limit(store.wait_events(0.01), "the reader comes back")

    assert await store.number_events() == 0
