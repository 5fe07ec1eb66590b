"""A loop whose steps break rests ever longer; the log says so once a minute for the whole process, with a count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from gateway.errors import StoreFailure, Unreachable
from gateway.log import Throttle
from gateway.workers import loop
from gateway.workers.loop import LONGEST_REST_S, Trouble
from tests.support.waiting import wait_until, within_limit

FULL = StoreFailure("the disk is full", code="GW-S-507")


class Failing:
    """Loop that fails for as long as a test wants, on a clock that advances only while it rests."""

    def __init__(self) -> None:
        self.now = 0.0
        self.troubles = [Trouble(name=name) for name in ("landing", "packer", "receiver")]
        self.failures = 0

    def for_seconds(self, seconds: float, error: BaseException = FULL) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += max(trouble.broke(error) for trouble in self.troubles)
            self.failures += len(self.troubles)


@pytest.fixture
def failing(caplog: pytest.LogCaptureFixture) -> Iterator[Failing]:
    """Loops of a process; what is captured is limited as in the program."""
    new_failing = Failing()
    limit = Throttle(lambda: new_failing.now)
    caplog.handler.addFilter(limit)
    caplog.set_level(logging.INFO)
    yield new_failing
    caplog.handler.removeFilter(limit)


def lines(caplog: pytest.LogCaptureFixture, action: str = "broke") -> list[logging.LogRecord]:
    return [record for record in caplog.records if getattr(record, "action", "").endswith(f".{action}")]


def test_a_disk_that_is_full_for_an_hour_is_said_once_a_minute_by_all_loops_together_with_a_count(
    failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    failing.for_seconds(3600)

    lines_logged = lines(caplog)
    assert 55 <= len(lines_logged) <= 61
    reported_failures = len(lines_logged) + sum(vars(record).get("suppressed", 0) for record in lines_logged)
    # The suppressed lines of the last minute are reported at its end.
    assert failing.failures - reported_failures <= len(failing.troubles) * (60 / LONGEST_REST_S + 1)
    assert {record.getMessage() for record in lines_logged} == {"the disk is full"}


def test_each_failure_in_a_row_rests_longer_up_to_half_a_minute_and_a_step_that_comes_through_ends_it() -> (
    None
):
    trouble = Trouble(name="landing")

    rests = [trouble.broke(FULL) for _ in range(30)]
    trouble.clear()

    assert rests[:4] == [0.2, 0.4, 0.8, 1.6]
    assert max(rests) == rests[-1] == LONGEST_REST_S
    assert trouble.broke(FULL) == 0.2


def test_another_sort_of_failure_is_said_at_once_and_two_in_turn_are_not_said_each_time(
    failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        for trouble in failing.troubles:
            trouble.broke(FULL)
            trouble.broke(Unreachable("nobody there"))
            trouble.clear()

    assert [(record.getMessage(), record.levelname) for record in lines(caplog)] == [
        ("the disk is full", "ERROR"),
        ("nobody there", "WARNING"),
    ]


def test_the_end_of_an_outage_is_said_with_how_often_it_failed_and_that_of_a_hiccup_is_not(
    failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    for failures in (1, 7):
        assert lines(caplog, "works_again") == []
        for trouble in failing.troubles:
            for _ in range(failures):
                trouble.broke(FULL)
            trouble.clear()

    (record,) = lines(caplog, "works_again")
    assert vars(record)["failures"] == 7


async def test_no_bell_hurries_a_loop_that_rests_and_its_stop_ends_the_rest_at_once() -> None:
    stop, waker, turns = asyncio.Event(), loop.Waker(), 0

    async def step() -> bool:
        nonlocal turns
        turns += 1
        waker.ring()
        raise FULL

    turning = asyncio.create_task(loop.forever("fancied_resting", step, waker, stop, 0.001))

    def rung() -> bool:
        waker.ring()
        return turns >= 3

    await wait_until(rung, "a third turn")
    stop.set()
    await within_limit(turning, "the loop that rests")

    assert turns <= 4


def test_a_loop_that_stands_still_fails_often_enough_for_its_alarm(failing: Failing) -> None:
    """The alarm of the documentation: more than five failures in ten minutes."""
    failing.for_seconds(600)
    failures_before = failing.failures

    failing.for_seconds(600)

    assert (failing.failures - failures_before) / len(failing.troubles) > 5
