"""For how many days the disk lasts, as a table."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.pace import DISK, QueueSample
from gateway.ops import checks_of_parts
from tests.support.clock import START

MB = 1024 * 1024


def samples(*history: tuple[float, int]) -> list[QueueSample]:
    """Days before now, megabytes that were free."""
    return [QueueSample(at=START - timedelta(days=days), queue=DISK, depth=mb) for days, mb in history]


@pytest.mark.parametrize(
    ("history", "days"),
    [
        ([(4, 1400), (2, 1200), (0, 1000)], 10),
        ([(1, 1001), (0, 1000)], 1000),
        ([(1, 1000), (0, 1000)], None),
        ([(3, 900), (0, 1000)], None),
        ([(0.9, 2000), (0, 1000)], None),
        ([], None),
        ([(7, 1001), (0, 1000)], checks_of_parts.MOST_DISK_DAYS),
    ],
    ids=["a hundred a day", "a little", "nothing", "it was cleared", "too short", "unknown", "far away"],
)
def test_the_disk_lasts_as_the_last_days_filled_it(
    history: list[tuple[float, int]], days: int | None
) -> None:
    assert checks_of_parts.disk_days_left(samples(*history), 1000 * MB) == days


def test_queues_are_no_disk() -> None:
    queues = [QueueSample(at=START - timedelta(days=n), queue="outbox", depth=n) for n in range(5)]

    assert checks_of_parts.disk_days_left(queues, 1000 * MB) is None
