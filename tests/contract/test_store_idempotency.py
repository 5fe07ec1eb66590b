"""Idempotency keys: one request runs, its repeats hear the first answer, and a dead one does not block the key."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from gateway import errors
from gateway.store.api_calls import Remembered
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, outgoing


async def begin(
    store: SqlStore, clock: ManualClock, digest: str = "d", scope: object = NORTH
) -> Remembered | None:
    async with committing(store, NORTH if scope is NORTH else SOUTH) as work:
        return await work.idempotency.begin("prn_1", "key", digest, lease_end(clock))


def lease_end(clock: ManualClock) -> datetime:
    return clock.now() + timedelta(seconds=60)


async def finish(store: SqlStore, mine: datetime, status: int = 201, body: str = "{}") -> None:
    async with committing(store) as work:
        await work.idempotency.finish("prn_1", "key", mine, status, body)


async def release(store: SqlStore, mine: datetime) -> None:
    async with committing(store) as work:
        await work.idempotency.release("prn_1", "key", mine)


async def test_the_first_runs_and_its_repeats_hear_that_it_runs_then_its_answer(
    store: SqlStore, clock: ManualClock
) -> None:
    first = await begin(store, clock)
    while_running = await begin(store, clock)
    await finish(store, lease_end(clock), 201, '{"id": 1}')
    afterwards = await begin(store, clock, "other")

    assert first is None
    assert while_running == Remembered(digest="d", running=True)
    assert afterwards == Remembered(digest="d", running=False, status=201, body='{"id": 1}')


async def test_keys_are_apart_by_agency_and_owner(store: SqlStore, clock: ManualClock) -> None:
    await begin(store, clock)

    async with store.begin(NORTH) as work:
        assert await work.idempotency.begin("prn_2", "key", "d", clock.now()) is None
    assert await begin(store, clock, scope=SOUTH) is None


async def test_a_dead_requests_key_is_taken_over_by_its_repeat_only(
    store: SqlStore, clock: ManualClock
) -> None:
    await begin(store, clock)
    clock.advance(60)

    other = await begin(store, clock, "other")
    repeat = await begin(store, clock)
    third = await begin(store, clock)

    assert other == Remembered(digest="d", running=True)
    assert repeat is None
    assert third == Remembered(digest="d", running=True)


async def test_a_key_whose_request_died_while_the_clock_was_ahead_is_taken_over_by_its_repeat(
    store: SqlStore, clock: ManualClock
) -> None:
    clock.advance(timedelta(days=400))
    await begin(store, clock)
    clock.advance(timedelta(days=-400))

    assert await begin(store, clock, "other") == Remembered(digest="d", running=True)
    assert await begin(store, clock) is None
    assert await begin(store, clock) == Remembered(digest="d", running=True)
    await finish(store, lease_end(clock))


async def test_a_key_that_was_taken_over_is_neither_released_nor_answered_by_the_first_nor_its_document_stored(
    store: SqlStore, clock: ManualClock
) -> None:
    mine = lease_end(clock)
    await begin(store, clock)
    clock.advance(60)
    await begin(store, clock)
    document = outgoing(clock)

    async def store_too() -> None:
        async with committing(store) as work:
            await work.outgoing.add(document)
            await work.idempotency.finish("prn_1", "key", mine, 201, "{}")

    with pytest.raises(errors.Clash):
        await store_too()

    async with store.read(NORTH) as view:
        assert await view.outgoing.by_packet_id(document.packet_id) is None

    # Another request has it now: the repeat that took it over, or a later one after the repeat gave it back.
    await release(store, mine)
    answer = await begin(store, clock)
    await release(store, lease_end(clock))
    await begin(store, clock, "other")
    with pytest.raises(errors.Clash):
        await finish(store, mine)

    assert answer == Remembered(digest="d", running=True)
    assert await begin(store, clock, "other") == Remembered(digest="other", running=True)


async def test_a_failed_request_releases_its_key_and_an_answered_one_keeps_it(
    store: SqlStore, clock: ManualClock
) -> None:
    await begin(store, clock)
    await release(store, lease_end(clock))
    repeat = await begin(store, clock, "other")
    await finish(store, lease_end(clock))
    await release(store, lease_end(clock))
    remembered = await begin(store, clock, "other")

    assert repeat is None
    assert remembered is not None
    assert remembered.running is False


async def test_a_key_is_not_taken_over_with_the_end_that_it_has(store: SqlStore, clock: ManualClock) -> None:
    """Two machines' clocks can name one moment; the fence must tell their requests apart all the same."""
    same = clock.now()
    async with store.begin(NORTH) as work:
        first = await work.idempotency.begin("prn_1", "key", "d", same)
        second = await work.idempotency.begin("prn_1", "key", "d", same)

    assert first is None
    assert second == Remembered(digest="d", running=True)


async def test_keys_are_forgotten_after_their_days(store: SqlStore, clock: ManualClock) -> None:
    await begin(store, clock)
    await finish(store, lease_end(clock))
    clock.advance(timedelta(days=7))

    answer = await store.purge_idempotency(clock.now() - timedelta(days=7))
    clock.advance(1)
    purged = await store.purge_idempotency(clock.now() - timedelta(days=7))

    assert (answer, purged) == (0, 1)
    assert await begin(store, clock, "other") is None
