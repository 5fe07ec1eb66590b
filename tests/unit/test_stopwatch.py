"""The stopwatch of a node: the last hour, and no more memory however much it measures."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.document import Lane
from gateway.domain.pace import SLOT, Metric, paces
from gateway.stopwatch import Stopwatch, arrived_at, note_arrival
from tests.support.clock import START, ManualClock


def test_a_week_of_work_is_kept_as_one_hour_of_it() -> None:
    clock = ManualClock()
    stopwatch = Stopwatch("embedded", clock)

    for _ in range(7 * 24 * 12):
        for metric in Metric:
            for lane in Lane:
                stopwatch.record(metric, lane, clock.now() - timedelta(seconds=3))
        clock.advance(SLOT)

    slots = stopwatch.slots()
    assert len({x.began_at for x in slots}) <= 13
    assert len(slots) <= 13 * len(Metric) * len(Lane)
    assert len(stopwatch._hour) <= 13
    assert {x.p95 for x in paces(slots)} == {3.0}


def test_after_an_idle_hour_there_are_no_slots() -> None:
    clock = ManualClock()
    stopwatch = Stopwatch("embedded", clock)
    stopwatch.record(Metric.ACCEPT, Lane.NORMAL, clock.now())
    assert len(stopwatch.slots()) == 1

    clock.advance(timedelta(minutes=66))

    assert stopwatch.slots() == []


def test_a_clock_that_was_set_back_counts_as_no_time_at_all() -> None:
    clock = ManualClock()
    stopwatch = Stopwatch("embedded", clock)

    stopwatch.record(Metric.ACCEPT, Lane.NORMAL, clock.now() + timedelta(hours=1))

    (pace,) = paces(stopwatch.slots())
    assert pace.p99 == 0.025


def test_the_moment_of_the_call_is_known_inside_of_it_alone() -> None:
    with note_arrival(START):
        assert arrived_at() == START

    assert arrived_at() is None
