"""Which backups stay: each of the last days, the last of each of the last weeks and months, and always the newest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.ops.backup import outdated

NOW = datetime(2026, 11, 30, 2, tzinfo=UTC)  # a Monday
NIGHTS = {Path(f"north-{n:03}"): NOW - timedelta(days=n) for n in range(400)}


def ages_of_backups(days: int, weeks: int, months: int) -> list[int]:
    """Return how many days ago each backup that stays was made."""
    going = set(outdated(NIGHTS, NOW, days, weeks, months))
    return [(NOW - at).days for file, at in NIGHTS.items() if file not in going]


@pytest.mark.parametrize(
    ("days", "weeks", "months", "ages"),
    [
        (0, 0, 0, list(range(400))),
        (3, 0, 0, [0, 1, 2, 3]),
        (0, 3, 0, [0, 1, 8]),  # this week, and the Sundays of the two before
        (0, 0, 3, [0, 30, 61]),  # this month, 31 October, 30 September
        (2, 3, 2, [0, 1, 2, 8, 30]),
    ],
)
def test_days_weeks_and_months_are_kept(days: int, weeks: int, months: int, ages: list[int]) -> None:
    assert ages_of_backups(days, weeks, months) == ages


def test_the_newest_stays_however_old_it_is() -> None:
    old = {Path("a"): NOW - timedelta(days=900), Path("b"): NOW - timedelta(days=800)}

    assert outdated(old, NOW, 14, 8, 12) == [Path("a")]
