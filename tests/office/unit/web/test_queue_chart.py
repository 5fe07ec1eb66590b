"""The chart of waiting rows shows queues together and the highest of each quarter of an hour; its table goes by the
hour."""

from __future__ import annotations

from datetime import timedelta

from gateway.domain.pace import QueueSample
from gateway.domain.wall_clock import local
from gateway_office.web import charts
from tests.support.clock import START


def sample(minutes: float, queue: str, depth: int, oldest_s: int | None = None) -> QueueSample:
    """Make a sample taken that many minutes before the chart is drawn."""
    return QueueSample(at=START - timedelta(minutes=minutes), queue=queue, depth=depth, oldest_s=oldest_s)


def test_queues_are_counted_together_and_what_was_put_aside_is_not() -> None:
    samples = [sample(10, "outbox", 3, 60), sample(10, "inbox", 4, 180), sample(10, "dead", 50)]

    chart = charts.queue_chart(samples, START)

    assert chart is not None
    (hour,) = chart.hours
    assert (hour.depth, hour.minutes) == (7, 3.0)
    assert hour.at == local(START - timedelta(minutes=10)).replace(minute=0, second=0, microsecond=0)


def test_the_highest_of_a_quarter_and_of_an_hour_are_kept() -> None:
    samples = [sample(20, "outbox", 1, 30), sample(21, "outbox", 9, 600), sample(22, "outbox", 2)]

    chart = charts.queue_chart(samples, START)

    assert chart is not None
    assert [(hour.depth, hour.minutes) for hour in chart.hours] == [(9, 10.0)]
    assert len(chart.depth.lines[0].dots) == 1


def test_a_time_without_samples_breaks_the_line() -> None:
    samples = [sample(n, "outbox", 1) for n in (1200, 1185, 30, 15)]

    chart = charts.queue_chart(samples, START)

    assert chart is not None
    assert len(chart.depth.lines[0].runs) == 2


def test_nothing_sampled_within_the_day_makes_no_chart() -> None:
    assert charts.queue_chart([], START) is None
    assert charts.queue_chart([sample(25 * 60, "outbox", 3)], START) is None


def test_each_queue_has_a_small_line_with_its_highest_figure() -> None:
    lines = charts.queue_sparks(
        [sample(60, "outbox", 2), sample(0, "outbox", 8), sample(0, "dead", 1)], START
    )

    assert {queue: line.most for queue, line in lines.items()} == {"outbox": 8, "dead": 1}
    assert lines["outbox"].points == "115.0,17.0 120.0,2.0"
