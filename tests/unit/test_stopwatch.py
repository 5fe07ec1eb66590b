"""The stopwatch of a node: the last hour, and no more memory however much it measures."""

from __future__ import annotations

import secrets
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from gateway import meters
from gateway.domain.document import Lane
from gateway.domain.pace import SLOT, Metric, paces
from gateway.ops.metrics import of_process
from gateway.outgoing import dispatch
from gateway.outgoing.services import OutgoingServices
from gateway.stopwatch import Stopwatch, arrived_at, note_arrival
from tests.support.clock import START, ManualClock
from tests.support.parcels import parcel


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


def value(name: str, **labels: str) -> float:
    samples = [sample for family in of_process() for sample in family.samples]
    return sum(sample.value for sample in samples if (sample.name, sample.labels) == (name, labels))


def test_a_count_adds_up_by_its_labels() -> None:
    meters.CONFIRMED.add(lane="urgent")
    count_before = value("gateway_confirmed_total", lane="urgent")

    meters.CONFIRMED.add(lane="urgent")
    meters.CONFIRMED.add(3, lane="normal")

    assert value("gateway_confirmed_total", lane="urgent") == count_before + 1
    assert value("gateway_confirmed_total", lane="normal") >= 3


def test_a_label_that_is_not_declared_is_an_error() -> None:
    with pytest.raises(KeyError):
        meters.CONFIRMED.add(agency="Z91")


async def test_a_publish_is_timed_even_when_it_breaks() -> None:
    class Broken:
        async def publish(self, *_: object) -> None:
            raise RuntimeError("broken")

    meters.PUBLISH.observe(1.0, lane="normal")
    count_before = value("gateway_publish_seconds_count", lane="normal")

    with pytest.raises(RuntimeError):
        await dispatch._publish(cast("OutgoingServices", SimpleNamespace(axis=Broken())), parcel(), ["Z92"])

    assert value("gateway_publish_seconds_count", lane="normal") == count_before + 1


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    meters.LANDED_TO_VERDICT.observe(-5.0, state="held")

    assert value("gateway_landed_to_verdict_seconds_bucket", state="held", le="0.05") >= 1


def test_a_stranger_who_invents_codes_fills_one_set_of_labels_and_no_more() -> None:
    name = f"invented_{secrets.token_hex(4)}"
    meter = meters.Count(name, "For this test.", "code")

    for n in range(10 * meters.MOST_SETS):
        meter.add(code=f"Z{n}")

    (family,) = [x for x in of_process() if x.name == f"gateway_{name}"]
    samples = {x.labels["code"]: x.value for x in family.samples if x.name.endswith("_total")}
    assert len(samples) == meters.MOST_SETS + 1
    assert samples["Z0"] == 1
    assert samples["other"] == 9 * meters.MOST_SETS
