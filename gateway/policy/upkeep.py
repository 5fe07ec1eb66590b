"""What the node must see to by itself, and when: whether periodic jobs report as they must, when the log is sealed,
stamped and published, when people are told that a certificate ends (K5), and when to try again or give up. In: the
days of each job, where the log stands, certificates with their ends, how often and how long something was tried; the
time, and a number from outside for the jitter. Out: words, yes or no, marks that were passed, a delay or `GiveUp`; of a
webhook also whether a try that failed speaks of the endpoint or of one event. Pure; tested as tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter

from gateway.domain.pace import LONGEST_DELAY, JobDay
from gateway.domain.sealed_log import LogHead
from gateway.domain.wall_clock import local
from gateway.domain.webhook import Delivery, Endpoint

# A loop turns every second or so and is told of every five minutes; a backup is made each night.
LOOP, NIGHTLY = timedelta(minutes=20), timedelta(hours=26)
DAYS = 30
GOOD, FAULTY, LATE, MISSING, UNKNOWN = "good", "faulty", "late", "missing", "unknown"
# In the order of the page: what mail and its proof hang on, then the rest. None: nobody says how often.
JOBS: Mapping[str, timedelta | None] = {
    **dict.fromkeys(("landing", "dispatcher", "packer", "receiver"), LOOP),
    "backup": NIGHTLY,
    "feed": None,
    **dict.fromkeys(("sealer", "timestamp", "revocation", "digest", "sequencer", "hosting", "clocks"), LOOP),
    **dict.fromkeys(("lister", "keys", "holds", "quarantine", "growth", "folder"), LOOP),
    **dict.fromkeys(("accounts", "webhooks", "drawer"), LOOP),
}
# Where the office is switched off, nobody does them.
OF_OFFICE = frozenset({"digest", "lister", "accounts", "drawer"})
# Not every node has them: where they never reported, nothing is missed.
OPTIONAL = OF_OFFICE | {"folder", "feed", "growth", "timestamp", "revocation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCell:
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
    cells: tuple[DayCell, ...]


def job_lines(days: Sequence[JobDay], now: datetime) -> tuple[JobLine, ...]:
    """Every job, in the order of the page."""
    known: dict[str, list[JobDay]] = {job: [] for job in JOBS}
    for each in days:
        known.get(each.job, []).append(each)
    begun = min((each.last_at for each in days if each.last_at is not None), default=None)
    return tuple(_line(job, sorted(known[job], key=lambda each: each.day), begun, now) for job in JOBS)


def late_jobs(days: Sequence[JobDay], now: datetime) -> tuple[str, ...]:
    """The jobs that should have reported and did not; none while nothing at all was ever told."""
    return tuple(each.job for each in job_lines(days, now) if each.word == LATE)


def _line(job: str, days: Sequence[JobDay], begun: datetime | None, now: datetime) -> JobLine:
    most = JOBS[job]
    last = max((each.last_at for each in days if each.last_at is not None), default=None)
    failures = [(each.failed_at, each.code) for each in days if each.failed_at is not None]
    failed_at, code = max(failures, key=itemgetter(0), default=(None, ""))
    awaited = last if last is not None else None if job in OPTIONAL else begun
    is_late = most is not None and awaited is not None and now - awaited > most
    return JobLine(
        job=job,
        word=_word(last, failed_at, is_late),
        most=most,
        last_at=last,
        failed_at=failed_at,
        code=code,
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
) -> tuple[DayCell, ...]:
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
        made.append(DayCell(day=day, word=word, told=told))
    return tuple(made)


def _of_day(told: JobDay, most: timedelta | None) -> str:
    if not told.beats:
        return MISSING
    if most is not None and timedelta(seconds=told.gap_s) > most:
        return LATE
    return FAULTY if told.failures else GOOD


# E2: longer, and somebody must look.
UNSEALED_MOST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often. Nothing is done again while nothing new is there."""

    seal: timedelta = timedelta(minutes=1)
    stamp: timedelta = timedelta(hours=1)
    publish: timedelta = timedelta(hours=24)


def seal_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    if head.seal is None:
        return head.size > 0
    last = head.seal.signed.seal
    return head.size > last.tree_size and _passed(last.at, rhythm.seal, now)


def stamp_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    """One stamp covers every seal before it, so not each needs its own."""
    if head.seal is None or head.seal.stamp is not None:
        return False
    return head.stamped is None or _passed(head.stamped.signed.seal.at, rhythm.stamp, now)


def publishing_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    if head.seal is None:
        return False
    if head.published_at is None:
        return True
    return head.seal.signed.seal.at > head.published_at and _passed(head.published_at, rhythm.publish, now)


def is_unsealed(head: LogHead, now: datetime) -> bool:
    """Whether an event waits for its seal for too long."""
    return head.unsealed_since is not None and now - head.unsealed_since > UNSEALED_MOST


def lacks_stamp(head: LogHead, most: timedelta, now: datetime) -> bool:
    """Whether something waits for a timestamp for longer than the node may go on without; zero is for ever."""
    return bool(most) and head.unstamped_since is not None and now - head.unstamped_since > most


def _passed(since: datetime, span: timedelta, now: datetime) -> bool:
    """Also when the clock was put back: waiting for the old time to come again would leave the log open."""
    return now - since >= span or now < since


EXPIRY_MARKS = (7, 30, 60)
"""Days; an authority needs weeks to renew a certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEnding:
    """One certificate in use: whose, until when, and whether it is one of ours."""

    code: str
    fingerprint: str
    until: datetime
    own: bool


def due_marks(endings: Iterable[CertificateEnding], now: datetime) -> list[tuple[CertificateEnding, int]]:
    """Of each code the certificate that ends last, with the nearest mark that it has passed; none that has time left."""
    marked = ((each, expiry_mark_of(each.until, now)) for each in last_of_each_code(endings))
    return [(each, mark) for each, mark in marked if mark is not None]


def last_of_each_code(endings: Iterable[CertificateEnding]) -> list[CertificateEnding]:
    """A code that has a newer certificate is looked after: the end of its older one is what was planned."""
    last: dict[str, CertificateEnding] = {}
    for each in endings:
        known = last.get(each.code)
        if known is None or (each.until, each.fingerprint) > (known.until, known.fingerprint):
            last[each.code] = each
    return sorted(last.values(), key=lambda each: each.code)


def expiry_mark_of(until: datetime, now: datetime) -> int | None:
    """The nearest mark that was passed; None while there is time."""
    return next((days for days in EXPIRY_MARKS if until - now <= timedelta(days=days)), None)


# Seconds for a broker that restarts; then T12: 1, 2, 5, 15, 30, 60 minutes and hourly.
RETRY_DELAYS_S = (2, 5, 15, 60, 120, 300, 900, 1800, int(LONGEST_DELAY.total_seconds()))
# To an address of an agency's program, on its specification's plan; from then on every twelve hours.
WEBHOOK_DELAYS_S = (5, 30, 2 * 60, 10 * 60, 3600, 3 * 3600, 8 * 3600, 24 * 3600, 12 * 3600)
RETRY_LIMIT = timedelta(hours=72)
RETRY_JITTER = 0.1
MOST_UNFORESEEN = 12
"""Tries of one row that broke the program or a library: some hours by `retry_delay`, then a person is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """No more tries. `reason`: `permanent` (it cannot heal) or `age` (tried for too long)."""

    reason: str


def next_try(
    attempt: int,
    *,
    permanent: bool,
    age: timedelta,
    chance: float,
    limit: timedelta = RETRY_LIMIT,
    delays_s: Sequence[int] = RETRY_DELAYS_S,
) -> timedelta | GiveUp:
    """The wait after the `attempt`-th try (1 is the first) failed, `age` after the first. `chance` in [0, 1) adds up to a
    tenth, so that what failed together does not come back together. The last try is at the limit, not past it."""
    if permanent:
        return GiveUp(reason="permanent")
    if age >= limit:
        return GiveUp(reason="age")
    return min(retry_delay(attempt, delays_s) * (1 + RETRY_JITTER * chance), limit - age)


def retry_delay(attempt: int, delays_s: Sequence[int] = RETRY_DELAYS_S) -> timedelta:
    """The plain wait after the `attempt`-th try, for work of our own that is never given up; the last of them again and
    again."""
    return timedelta(seconds=delays_s[min(max(attempt, 1), len(delays_s)) - 1])


def is_dead(endpoint: Endpoint, delivery: Delivery) -> bool:
    """Of an event that is given up: whether the endpoint took nothing else either since it was first tried. Then it is
    paused, and the event keeps waiting for whoever lets it go on."""
    return endpoint.last_ok_at is None or endpoint.last_ok_at <= delivery.first_at


def secret_end(now: datetime, until: datetime | None, overlap: timedelta) -> datetime:
    """Until when a secret is good that is followed by another one; never longer than it was before."""
    end = now + overlap
    return end if until is None else min(until, end)
