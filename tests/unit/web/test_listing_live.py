"""News streams and results of bulk acts: bounded, over at once when the node stops, and each for its own person."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.web.listing.live import Live
from gateway.web.listing.results import Outcome, Result, Results

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)


async def test_no_more_listen_than_there_are_places() -> None:
    live = Live(most=1)
    async with live.place() as first, live.place() as second:
        assert (first, second) == (True, False)
    async with live.place() as again:
        assert again


async def test_whoever_waits_goes_at_once_when_the_node_stops() -> None:
    live, never = Live(), asyncio.Event()

    async def wait(seconds: float) -> None:
        await never.wait()

    waiting = asyncio.gather(live.rung(wait, 60), live.pause(60))
    await asyncio.sleep(0)
    live.stop()

    async with asyncio.timeout(5):
        await waiting
    assert live.is_stopping
    async with live.place() as is_free:
        assert not is_free


async def test_a_ring_ends_the_wait() -> None:
    live = Live()

    async def rings(seconds: float) -> None:
        assert seconds == 60

    async with asyncio.timeout(5):
        await live.rung(rings, 60)
    assert not live.is_stopping


def result(session_id: str, at: datetime = NOW) -> Result:
    outcomes = (
        Outcome(number="1/A", path="/", ok=True, text=""),
        Outcome(number="2/A", path="/", ok=False, text="no"),
    )
    return Result(act="gui-lai", back="/van-ban-di", outcomes=outcomes, at=at, session_id=session_id)


def test_a_result_is_for_its_session_alone_and_for_an_hour() -> None:
    results = Results()
    key = results.keep(result("ses_1"))

    assert results.find(key, "ses_1", NOW + timedelta(minutes=59)) == result("ses_1")
    assert result("ses_1").done == 1
    assert results.find(key, "ses_2", NOW) is None
    assert results.find(key, "ses_1", NOW + timedelta(minutes=61)) is None
    assert results.find("nothing", "ses_1", NOW) is None


def test_results_are_bounded_and_the_oldest_go() -> None:
    results = Results()
    keys = [results.keep(result("ses_1")) for _ in range(205)]

    assert results.find(keys[0], "ses_1", NOW) is None
    assert results.find(keys[-1], "ses_1", NOW) is not None
