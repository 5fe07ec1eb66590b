"""Whether periodic jobs report as they must. In: the days of each job, the time. Out: one word for each job and each day,
and which jobs are late now. Pure; tested as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gateway.domain.node_history import JobDay
from gateway.domain.wall_clock import local

# A loop turns every second or so and is told of every five minutes; a backup is made each night.
LOOP, NIGHTLY = timedelta(minutes=20), timedelta(hours=26)
DAYS = 30
GOOD, FAULTY, LATE, MISSING, UNKNOWN = "good", "faulty", "late", "missing", "unknown"
# In the order of the page: what mail and its proof hang on, then the rest. None: nobody says how often.
JOBS: Mapping[str, timedelta | None] = {
    "landing": LOOP,
    "dispatcher": LOOP,
    "packer": LOOP,
    "receiver": LOOP,
    "backup": NIGHTLY,
    "feed": None,
    "sealer": LOOP,
    "timestamp": LOOP,
    "revocation": LOOP,
    "digest": LOOP,
    "sequencer": LOOP,
    "hosting": LOOP,
    "clocks": LOOP,
    "lister": LOOP,
    "keys": LOOP,
    "holds": LOOP,
    "quarantine": LOOP,
    "accounts": LOOP,
}
# Where the office is switched off, nobody does them.
OF_OFFICE = frozenset({"digest", "lister", "accounts"})
# Not every node has them: where they never reported, nothing is missed.
OPTIONAL = OF_OFFICE | {"feed", "timestamp", "revocation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One day of one job; `told` is what is kept of it."""

    day: date
    word: str
    told: JobDay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job over the days, oldest first. `word` is how it stands now: good, faulty where its last try failed, late, or
    unknown where it never reported."""

    job: str
    word: str
    most: timedelta | None
    last_at: datetime | None
    failed_at: datetime | None
    code: str
    cells: tuple[Cell, ...]


def lines(days: Sequence[JobDay], now: datetime) -> tuple[JobLine, ...]:
    """Every job, in the order of the page."""
    known: dict[str, list[JobDay]] = {job: [] for job in JOBS}
    for each in days:
        known.get(each.job, []).append(each)
    begun = min((each.last_at for each in days if each.last_at is not None), default=None)
    return tuple(_line(job, sorted(known[job], key=lambda each: each.day), begun, now) for job in JOBS)


def late(days: Sequence[JobDay], now: datetime) -> tuple[str, ...]:
    """The jobs that should have reported and did not; none while nothing at all was ever told."""
    return tuple(each.job for each in lines(days, now) if each.word == LATE)


def _line(job: str, days: Sequence[JobDay], begun: datetime | None, now: datetime) -> JobLine:
    most = JOBS[job]
    last = max((each.last_at for each in days if each.last_at is not None), default=None)
    failed = max((each for each in days if each.failed_at is not None), key=_failed_at, default=None)
    failed_at = failed.failed_at if failed is not None else None
    awaited = last if last is not None else None if job in OPTIONAL else begun
    is_late = most is not None and awaited is not None and now - awaited > most
    return JobLine(
        job=job,
        word=_word(last, failed_at, is_late),
        most=most,
        last_at=last,
        failed_at=failed_at,
        code=failed.code if failed is not None else "",
        cells=_cells(days, most, now, is_late=is_late),
    )


def _word(last: datetime | None, failed_at: datetime | None, is_late: bool) -> str:
    if is_late:
        return LATE
    if failed_at is not None and (last is None or failed_at > last):
        return FAULTY
    return GOOD if last is not None else UNKNOWN


def _cells(
    days: Sequence[JobDay], most: timedelta | None, now: datetime, *, is_late: bool
) -> tuple[Cell, ...]:
    today, by_day = local(now).date(), {each.day: each for each in days}
    first = min(by_day, default=None)
    made = []
    for n in range(DAYS - 1, -1, -1):
        day = today - timedelta(days=n)
        told = by_day.get(day)
        if told is not None:
            word = _of_day(told, most)
        elif first is None or most is None or day < first or (day == today and not is_late):
            word = UNKNOWN
        else:
            word = MISSING
        made.append(Cell(day=day, word=word, told=told))
    return tuple(made)


def _of_day(told: JobDay, most: timedelta | None) -> str:
    if not told.beats:
        return MISSING
    if most is not None and timedelta(seconds=told.gap_s) > most:
        return LATE
    return FAULTY if told.failures else GOOD


def _failed_at(each: JobDay) -> datetime:
    if each.failed_at is None:
        raise ValueError("only days on which it failed are compared")
    return each.failed_at
