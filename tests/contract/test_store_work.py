"""A unit of work: all of it or nothing, for one agency, one writer at a time (design 6, G1)."""

from __future__ import annotations

import asyncio

import pytest

from gateway import errors
from gateway.domain.event import EventKind
from gateway.store.store import SqlStore
from gateway.store.work import SqlWork
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    SOUTH,
    committing,
    delivery,
    digest,
    incoming,
    opened,
    outbox_item,
    outgoing,
    refused,
    stored,
)


async def test_the_adapter_fits_the_port(store: SqlStore) -> None:
    port: SqlStore = store

    async with port.begin(NORTH) as work:
        unit: SqlWork = work

    assert unit.scope == NORTH


async def test_everything_written_becomes_visible_together_at_commit(
    store: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)

    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.deliveries.add([delivery(document, "Z91.02")])
        await work.jobs.add("pack", document.id)
        async with store.read(NORTH) as view:
            with pytest.raises(errors.NotFound):
                await view.outgoing.get(document.id)

    async with store.read(NORTH) as view:
        assert await view.outgoing.get(document.id) == document
        assert len(await view.deliveries.of_document(document.id)) == 1
    assert [job.subject_id for job in await store.claim_jobs("pack", 10, 60)] == [document.id]


async def test_a_unit_that_commits_by_itself_does_so_however_its_body_ends_without_an_error(
    store: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)

    async def add() -> str:
        async with store.changing(NORTH) as work:
            await work.outgoing.add(document)
            return document.id

    assert await add() == document.id

    async with store.read(NORTH) as view:
        assert await view.outgoing.get(document.id) == document


async def test_a_unit_that_commits_by_itself_is_undone_by_an_error_in_it_or_in_its_commit(
    store: SqlStore, clock: ManualClock
) -> None:
    document = outgoing(clock)

    async def fail_inside() -> None:
        async with store.changing(NORTH) as work:
            await work.outgoing.add(document)
            raise errors.Denied("no")

    async def fail_at_commit() -> None:
        async with store.changing(NORTH) as work:
            await work.jobs.add("pack", document.id)
            await work.deliveries.add([delivery(document, "Z91.02")])  # of a document that is not stored

    with pytest.raises(errors.Denied):
        await fail_inside()
    with pytest.raises(errors.Clash):
        await fail_at_commit()

    async with store.read(NORTH) as view:
        with pytest.raises(errors.NotFound):
            await view.outgoing.get(document.id)
    assert await store.claim_jobs("pack", 10, 60) == []
    async with store.changing(NORTH) as work:  # the one writer is free
        await work.outgoing.add(document)


async def test_leaving_without_commit_rolls_everything_back(store: SqlStore, clock: ManualClock) -> None:
    document = outgoing(clock)

    async with store.begin(NORTH) as work:
        await work.outgoing.add(document)
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now())
        await work.jobs.add("pack", document.id)

    async with store.read(NORTH) as view:
        with pytest.raises(errors.NotFound):
            await view.outgoing.get(document.id)
        assert await view.events.of_subject(document.id) == []
    assert await store.claim_jobs("pack", 10, 60) == []


async def test_an_error_inside_rolls_back_and_passes_through(store: SqlStore, clock: ManualClock) -> None:
    document = outgoing(clock)

    async def fail() -> None:
        async with store.begin(NORTH) as work:
            await work.outgoing.add(document)
            raise errors.Malware("found")

    with pytest.raises(errors.Malware):
        await fail()

    async with store.read(NORTH) as view:
        assert await view.outgoing.by_packet_id(document.packet_id) is None


async def test_a_cancelled_unit_of_work_lets_the_next_one_in(store: SqlStore, clock: ManualClock) -> None:
    document = outgoing(clock)
    inside = asyncio.Event()

    async def stuck() -> None:
        async with store.begin(NORTH) as work:
            await work.outgoing.add(document)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(stuck())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with committing(store) as work:
        assert await work.outgoing.by_packet_id(document.packet_id) is None
        await work.outgoing.add(document)


async def test_a_clash_leaves_the_unit_of_work_usable(store: SqlStore, clock: ManualClock) -> None:
    first, second = outgoing(clock), outgoing(clock)

    async with committing(store) as work:
        await work.outgoing.add(first)
        with pytest.raises(errors.Clash):
            await work.outgoing.add(first)
        await work.outgoing.add(second)

    async with store.read(NORTH) as view:
        assert (await view.outgoing.get(second.id)).id == second.id


async def test_after_commit_the_unit_of_work_is_over(store: SqlStore, clock: ManualClock) -> None:
    async with store.begin(NORTH) as work:
        await work.commit()

        with pytest.raises(errors.StoreFailure, match="over"):
            await work.outgoing.add(outgoing(clock))
        with pytest.raises(errors.StoreFailure, match="over"):
            await work.commit()


async def test_reading_cannot_write(store: SqlStore, clock: ManualClock) -> None:
    async with store.read(NORTH) as view:
        with pytest.raises(errors.StoreFailure):
            await view.outgoing.add(outgoing(clock))


async def test_a_view_does_not_change_while_it_is_read(store: SqlStore, clock: ManualClock) -> None:
    async with store.read(NORTH) as view:
        page_before = await view.outgoing.page(limit=10)
        await stored(store, outgoing(clock))
        page_after = await view.outgoing.page(limit=10)

    assert page_before.items == page_after.items == ()


async def test_no_agency_sees_or_changes_the_work_of_another(store: SqlStore, clock: ManualClock) -> None:
    document, arrived, item = outgoing(clock), incoming(clock), outbox_item(clock)
    delivery_row = delivery(document, "Z91.02")
    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.deliveries.add([delivery_row])
        await work.incoming.add(arrived)
        await work.handovers.offer(arrived.id)
        await work.outbox.add(item)
        await work.jobs.add("pack", document.id)
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now())

    async with store.begin(SOUTH) as other:
        for ask in (
            other.outgoing.get(document.id),
            other.outgoing.save(document),
            other.deliveries.get(delivery_row.id),
            other.incoming.get(arrived.id),
            other.incoming.save(arrived),
            other.handovers.get(arrived.id),
            other.outbox.get(item.id),
            other.outgoing.add(document),
        ):
            with pytest.raises(errors.NotFound):
                await ask
        assert await other.deliveries.of_document(document.id) == []
        assert await other.outgoing.by_document_id(document.document_id) == []
        assert (await other.outgoing.page(limit=10)).items == ()
        assert (await other.incoming.page(limit=10)).items == ()
        assert await other.handovers.lease("qlvb", 10, clock.now()) == []
        assert await other.outbox.stop(item.id, clock.now()) is None
        assert await other.jobs.cancel("pack", document.id) is False
        assert await other.events.of_subject(document.id) == []
        assert await other.blobs.holds(digest("anything")) is False
    async with refused(store, SOUTH, errors.NotFound) as other:
        await other.deliveries.save_state(delivery_row.id, "sent", (), clock.now())


async def test_a_row_cannot_point_into_another_agency(store: SqlStore, clock: ManualClock) -> None:
    arrived = incoming(clock, scope=SOUTH)
    await stored(store, arrived, scope=SOUTH)

    async with refused(store, NORTH, errors.Clash) as other:
        await other.handovers.offer(arrived.id)


async def test_writers_of_two_processes_take_turns(
    store: SqlStore, clock: ManualClock, store_url: str
) -> None:
    async with opened(store_url, clock) as second:

        async def count_up(through: SqlStore) -> None:
            async with committing(through) as work:
                await work.register.next_number("in", 2026)

        await asyncio.gather(*(count_up(through) for through in (store, second) * 10))

    async with store.begin(NORTH) as work:
        assert await work.register.next_number("in", 2026) == 21
