"""The state of periodic jobs, as a table: the kept facts of their days, and the word that a person reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from gateway.domain.pace import JobDay
from gateway.domain.wall_clock import local
from gateway.policy import upkeep
from gateway.policy.upkeep import DAYS, FAULTY, GOOD, LATE, LOOP, MISSING, NIGHTLY, UNKNOWN, JobLine

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
TODAY = local(NOW).date()
YESTERDAY = TODAY - timedelta(days=1)
DAY = JobDay(job="landing", day=TODAY, beats=3, last_at=NOW - timedelta(minutes=5))


def line(*days: JobDay, job: str = "landing") -> JobLine:
    return next(job_line for job_line in upkeep.job_lines(days, NOW) if job_line.job == job)


def words(job_line: JobLine) -> dict[date, str]:
    return {cell.day: cell.word for cell in job_line.cells}


def test_a_day_has_one_word() -> None:
    """A pause of the longest length is good, a longer one is late; failures alone are a day missed."""
    longest = int(LOOP.total_seconds())
    for day, word in (
        (DAY, GOOD),
        (replace(DAY, failures=2, failed_at=NOW - timedelta(hours=1)), FAULTY),
        (replace(DAY, gap_s=longest), GOOD),
        (replace(DAY, gap_s=longest + 1), LATE),
        (replace(DAY, beats=0, failures=9, failed_at=NOW), MISSING),
    ):
        assert words(line(day))[TODAY] == word


def test_a_day_is_missed_only_of_what_reported_once_and_a_backup_may_wait_a_night() -> None:
    first = replace(DAY, day=TODAY - timedelta(days=3), last_at=NOW - timedelta(days=3))

    words_by_day = words(line(first, DAY))

    assert len(words_by_day) == DAYS
    assert words_by_day[TODAY - timedelta(days=4)] == UNKNOWN
    assert words_by_day[TODAY - timedelta(days=2)] == words_by_day[YESTERDAY] == MISSING

    old = replace(DAY, day=TODAY - timedelta(days=2), last_at=NOW - NIGHTLY - timedelta(minutes=1))
    fresh = replace(DAY, last_at=NOW - timedelta(hours=2))

    assert line(old, DAY, job="backup").word == LATE
    assert line(fresh, job="backup").word == UNKNOWN
    assert line(DAY, replace(DAY, job="backup", last_at=NOW - NIGHTLY), job="backup").word == GOOD

    old = replace(DAY, day=TODAY - timedelta(days=9), last_at=NOW - timedelta(days=9))

    late = upkeep.late_jobs([old], NOW)

    assert "landing" in late
    assert "backup" in late
    assert not upkeep.OPTIONAL & set(late)
    assert upkeep.late_jobs([], NOW) == ()


def test_how_it_stands_now() -> None:
    """In time, late, the last try failed, well again."""
    minute = timedelta(minutes=1)
    for last_at, failed_at, word in (
        (NOW - LOOP, None, GOOD),
        (NOW - LOOP - timedelta(seconds=1), None, LATE),
        (NOW - 2 * minute, NOW - minute, FAULTY),
        (NOW - minute, NOW - 2 * minute, GOOD),
    ):
        assert line(replace(DAY, last_at=last_at, failed_at=failed_at)).word == word
