"""Meters count what happened, and no outside caller can make them grow."""

from __future__ import annotations

import secrets

import pytest

from gateway import meters


def value(name: str, **labels: str) -> float:
    return meters.REGISTRY.get_sample_value(name, labels) or 0.0


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


def test_a_timing_is_noted_even_when_its_body_breaks() -> None:
    count_before = value("gateway_transaction_seconds_count", kind="broken")

    with pytest.raises(RuntimeError), meters.TRANSACTION.measure(kind="broken"):
        raise RuntimeError("broken")

    assert value("gateway_transaction_seconds_count", kind="broken") == count_before + 1


def test_a_clock_that_was_set_back_gives_no_negative_time() -> None:
    meters.LANDED_TO_VERDICT.observe(-5.0, state="held")

    assert value("gateway_landed_to_verdict_seconds_bucket", state="held", le="0.05") >= 1


def test_a_stranger_who_invents_codes_fills_one_set_of_labels_and_no_more() -> None:
    name = f"invented_{secrets.token_hex(4)}"
    meter = meters.Count(name, "For this test.", "code")

    for n in range(10 * meters.MOST_SETS):
        meter.add(code=f"Z{n}")

    (family,) = [x for x in meters.REGISTRY.collect() if x.name == f"gateway_{name}"]
    samples = {x.labels["code"]: x.value for x in family.samples if x.name.endswith("_total")}
    assert len(samples) == meters.MOST_SETS + 1
    assert samples["Z0"] == 1
    assert samples["other"] == 9 * meters.MOST_SETS
