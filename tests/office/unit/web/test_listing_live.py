"""News streams and results of bulk acts: bounded, over at once when the node stops, and each for its own person."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from gateway_office.web.deps import Live
from tests.support.waiting import within_limit

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


async def test_no_more_listen_than_there_are_places() -> None:
    live = Live(most=2)
    async with live.place("prn_1") as first, live.place("prn_2") as second, live.place("prn_3") as third:
        assert first is not None
        assert second is not None
        assert third is None
        assert not first.is_set()
    async with live.place("prn_3") as second_place:
        assert second_place is not None


async def test_whoever_has_none_gets_a_place_of_one_who_has_several() -> None:
    live = Live(most=3, per_person=3)
    async with live.place("prn_1") as oldest, live.place("prn_1") as newer, live.place("prn_1") as newest:
        assert oldest is not None
        assert newer is not None
        assert newest is not None
        async with live.place("prn_2") as other:
            assert other is not None
            assert (oldest.is_set(), newer.is_set(), newest.is_set()) == (True, False, False)
            async with live.place("prn_2") as another:
                assert another is None
            async with live.place("prn_3") as third:
                assert third is not None
                assert (newer.is_set(), newest.is_set(), other.is_set()) == (True, False, False)


async def test_one_person_has_so_many_and_the_newest_stay() -> None:
    live = Live(most=10, per_person=2)
    async with live.place("prn_1") as oldest, live.place("prn_1") as newer, live.place("prn_1") as newest:
        assert oldest is not None
        assert newer is not None
        assert newest is not None
        assert (oldest.is_set(), newer.is_set(), newest.is_set()) == (True, False, False)
    async with live.place("prn_1") as first, live.place("prn_1"):
        assert first is not None
        assert not first.is_set()


async def test_the_first_to_end_stops_the_others_and_raises_its_fault() -> None:
    live, ended, never = Live(), asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        try:
            await never.wait()
        finally:
            ended.set()

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await live.wait_for_first(waits(), fails())
    assert ended.is_set()


async def test_whoever_waits_goes_at_once_when_the_node_stops() -> None:
    live, never = Live(), asyncio.Event()

    async def wait(seconds: float) -> None:
        await never.wait()

    waiting = asyncio.gather(live.wait_for_first(wait(60)), live.pause(60))
    await asyncio.sleep(0)
    live.stop()

    await within_limit(waiting, "the waits, once the node stops")
    assert live.is_stopping
    async with live.place("prn_1") as place:
        assert place is None


async def test_a_ring_ends_the_wait() -> None:
    live = Live()

    async def rings(seconds: float) -> None:
        assert seconds == 60

    await within_limit(live.wait_for_first(rings(60)), "the wait, once it is rung")
    assert not live.is_stopping


async def test_a_loop_of_pauses_can_be_cancelled_when_the_node_stops() -> None:
    live, pauses = Live(), 0

    async def watch() -> None:
        nonlocal pauses
        while pauses < 1000:
            await live.pause(60.0)
            pauses += 1

    live.stop()
    await live.wait_for_first(watch())

    assert pauses < 10
