"""When to try again (T12): the waits grow, differ by chance, and end."""

from __future__ import annotations

import itertools
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.policy.upkeep import RETRY_LIMIT, GiveUp, next_try


def test_the_table_of_waits() -> None:
    """A permanent failure ends at once; after three days any other has failed. T12 (states reach the sender)."""
    now = timedelta(0)
    waits = dict(enumerate((2, 5, 15, 60, 120, 300, 900, 1800, 3600, 3600), start=1)) | {90: 3600}
    for attempt, seconds in waits.items():
        assert next_try(attempt, permanent=False, age=now, chance=0.0) == timedelta(seconds=seconds)
    assert next_try(1, permanent=True, age=now, chance=0.5) == GiveUp(reason="permanent")
    assert next_try(80, permanent=False, age=RETRY_LIMIT, chance=0.5) == GiveUp(reason="age")
    last = next_try(80, permanent=False, age=RETRY_LIMIT - timedelta(minutes=3), chance=0.5)
    assert last == timedelta(minutes=3)


@given(chances=st.lists(st.floats(0, 1, exclude_max=True), min_size=120, max_size=120))
@settings(max_examples=50)
def test_the_waits_grow_and_end_whatever_the_chance(chances: list[float]) -> None:
    age, waits = timedelta(0), []
    for attempt, chance in enumerate(chances, start=1):
        wait = next_try(attempt, permanent=False, age=age, chance=chance)
        if isinstance(wait, GiveUp):
            break
        waits.append(wait)
        age += wait

    assert age == RETRY_LIMIT
    assert all(wait > timedelta(0) for wait in waits)
    assert all(early < late for early, late in itertools.pairwise(waits[:9]))
    assert 70 < len(waits) < 120


@given(chance=st.floats(0, 1, exclude_max=True), attempt=st.integers(1, 200))
@settings(max_examples=100)
def test_chance_adds_at_most_a_tenth(chance: float, attempt: int) -> None:
    plain = next_try(attempt, permanent=False, age=timedelta(0), chance=0.0)
    wait = next_try(attempt, permanent=False, age=timedelta(0), chance=chance)

    assert isinstance(plain, timedelta)
    assert isinstance(wait, timedelta)
    assert plain <= wait <= plain * 1.1
