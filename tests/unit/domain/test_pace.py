"""Figures of how fast a node serves claim no more than the bounds they were counted below."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.document import Lane
from gateway.domain.pace import BOUNDS_S, LIMIT_S, SLOT, SPAN, Metric, Slot, bucket, is_recent, paces
from tests.support.clock import START


def slot(
    *took_s: float, metric: Metric = Metric.ACCEPT, lane: Lane = Lane.NORMAL, axis: str = "embedded"
) -> Slot:
    counts = [0] * (len(BOUNDS_S) + 1)
    for seconds in took_s:
        counts[bucket(seconds)] += 1
    return Slot(began_at=START, way=metric, lane=lane, axis=axis, counts=tuple(counts))


def test_the_limit_is_a_bound_and_is_broken_once_more_than_five_of_a_hundred_of_the_hour_are_late() -> None:
    """R100 (five seconds), T26 (five seconds)."""
    assert LIMIT_S in BOUNDS_S
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))

    (pace,) = paces([slot(0.01, 90_000.0)])

    assert (pace.p50, pace.p95, pace.p99) == (0.025, None, None)

    # The time of the other side breaks no limit of ours.
    for late, is_slow in ((5, False), (6, True)):
        (pace,) = paces([slot(*[5.0] * (100 - late), *[5.001] * late)])
        assert (pace.is_slow, pace.late, pace.p95) == (is_slow, late, 6.0 if is_slow else 5.0)
    (theirs,) = paces([slot(60.0, metric=Metric.ACCEPT_TO_01)])
    assert (theirs.late, theirs.is_slow) == (1, False)

    assert is_recent(slot(1.0), START + SPAN + SLOT - timedelta(seconds=1))
    assert not is_recent(slot(1.0), START + SPAN + SLOT)
    assert not is_recent(slot(1.0), START - SLOT)


@given(st.lists(st.floats(0, 86400), min_size=1, max_size=50))
def test_a_bound_that_is_told_held_for_as_many_as_it_says_and_no_lesser_one_did(took: list[float]) -> None:
    (pace,) = paces([slot(*took)])

    for percent, bound in ((50, pace.p50), (95, pace.p95), (99, pace.p99)):
        assert bound is not None
        assert sum(seconds <= bound for seconds in took) * 100 >= percent * len(took)
        for lesser in BOUNDS_S[: BOUNDS_S.index(bound)]:
            assert sum(seconds <= lesser for seconds in took) * 100 < percent * len(took)
    assert (pace.count, pace.late) == (len(took), sum(seconds > LIMIT_S for seconds in took))


def test_slots_of_several_processes_are_one_figure_for_each_way_lane_and_axis() -> None:
    slots = [
        slot(1.0, metric=Metric.ARRIVAL_TO_ADMITTED),
        slot(1.0),
        slot(2.0, 3.0),
        slot(1.0, lane=Lane.URGENT),
        slot(),
    ]
    assert [(figure.way, figure.lane, figure.count) for figure in paces(slots)] == [
        (Metric.ACCEPT, Lane.URGENT, 1),
        (Metric.ACCEPT, Lane.NORMAL, 3),
        (Metric.ARRIVAL_TO_ADMITTED, Lane.NORMAL, 1),
    ]
