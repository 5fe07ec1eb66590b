"""Decides on the node's periodic work: whether jobs report as they must, when the log is sealed, stamped and published,
when people are warned that a certificate ends (K5), and when to retry or give up. In: the days of each job, the state of
the log, certificates with their ends, the number of tries and their age; the time, and a random number for the jitter.
Out: one word per job and day, whether work is due, warning marks, a delay or `GiveUp`; for webhooks also whether the
endpoint is dead or only one event failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter

from gateway.domain.pace import LONGEST_DELAY, JobDay
from gateway.domain.sealed_log import LogHead
from gateway.domain.wall_clock import local
from gateway.domain.webhook import Endpoint, WebhookDelivery

# A loop runs every second or so and reports every five minutes; a backup runs each night.
LOOP, NIGHTLY = timedelta(minutes=20), timedelta(hours=26)
DAYS = 30
GOOD, FAULTY, LATE, MISSING, UNKNOWN = "good", "faulty", "late", "missing", "unknown"
# In the order of the page: first the jobs that mail and its proof depend on. None: no fixed interval.
JOBS: Mapping[str, timedelta | None] = {
    **dict.fromkeys(("landing", "dispatcher", "packer", "receiver"), LOOP),
    "backup": NIGHTLY,
    "feed": None,
    **dict.fromkeys(("sealer", "timestamp", "revocation", "digest", "sequencer", "hosting", "clocks"), LOOP),
    **dict.fromkeys(("lister", "keys", "holds", "quarantine", "signatures", "figures"), LOOP),
    **dict.fromkeys(("growth", "folder"), LOOP),
    **dict.fromkeys(("accounts", "webhooks", "drawer", "acts"), LOOP),
}
# Jobs that do not run where the office is switched off.
OF_OFFICE = frozenset({"digest", "lister", "accounts", "drawer", "acts"})
# Jobs that not every node has: one that never reported is not late.
OPTIONAL = OF_OFFICE | {"folder", "feed", "growth", "timestamp", "revocation"}
# E2 (unsealed events): after this time a person must look into it.
UNSEALED_MOST = timedelta(minutes=5)
EXPIRY_MARKS = (7, 30, 60)
"""Days; an authority needs weeks to renew a certificate."""
# Short delays for a broker that restarts; then those of T12 (status delivery): 1, 2, 5, 15, 30, 60 minutes and hourly.
RETRY_DELAYS_S = (2, 5, 15, 60, 120, 300, 900, 1800, int(LONGEST_DELAY.total_seconds()))
# For webhooks of an agency's program, by their specification; from then on every twelve hours.
WEBHOOK_DELAYS_S = (5, 30, 2 * 60, 10 * 60, 3600, 3 * 3600, 8 * 3600, 24 * 3600, 12 * 3600)
RETRY_LIMIT = timedelta(hours=72)
RETRY_JITTER = 0.1
MOST_UNFORESEEN = 12
"""Tries of a row that raises unforeseen errors: some hours by `retry_delay`, then a person is notified."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCell:
    """One day of one job; `job_day` is its record."""

    day: date
    word: str
    job_day: JobDay | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLine:
    """One job over the days, oldest first. `word` is its state now: good, faulty where its last try failed, late, or
    unknown where it never reported."""

    job: str
    word: str
    most: timedelta | None
    last_at: datetime | None
    failed_at: datetime | None
    code: str
    cells: tuple[DayCell, ...]


def job_lines(days: Sequence[JobDay], now: datetime) -> tuple[JobLine, ...]:
    """Return one line per job, in the order of the page."""
    days_by_job: dict[str, list[JobDay]] = {job: [] for job in JOBS}
    for job_day in days:
        days_by_job.get(job_day.job, []).append(job_day)
    begun = min((d.last_at for d in days if d.last_at is not None), default=None)
    return tuple(_make_line(job, sorted(days_by_job[job], key=lambda d: d.day), begun, now) for job in JOBS)


def late_jobs(days: Sequence[JobDay], now: datetime) -> tuple[str, ...]:
    """Return the jobs that should have reported and did not; none before the first report of any."""
    return tuple(line.job for line in job_lines(days, now) if line.word == LATE)


def _make_line(job: str, days: Sequence[JobDay], begun: datetime | None, now: datetime) -> JobLine:
    most = JOBS[job]
    last = max((day.last_at for day in days if day.last_at is not None), default=None)
    failures = [(day.failed_at, day.code) for day in days if day.failed_at is not None]
    failed_at, code = max(failures, key=itemgetter(0), default=(None, ""))
    awaited = last if last is not None else None if job in OPTIONAL else begun
    is_late = most is not None and awaited is not None and now - awaited > most
    return JobLine(
        job=job,
        word=_word_now(last, failed_at, is_late),
        most=most,
        last_at=last,
        failed_at=failed_at,
        code=code,
        cells=_make_cells(days, most, now, is_late=is_late),
    )


def _word_now(last: datetime | None, failed_at: datetime | None, is_late: bool) -> str:
    if is_late:
        return LATE
    if failed_at is not None and (last is None or failed_at > last):
        return FAULTY
    return GOOD if last is not None else UNKNOWN


def _make_cells(
    days: Sequence[JobDay], most: timedelta | None, now: datetime, *, is_late: bool
) -> tuple[DayCell, ...]:
    today, by_day = local(now).date(), {d.day: d for d in days}
    first = min(by_day, default=None)
    cells = []
    for n in range(DAYS - 1, -1, -1):
        day = today - timedelta(days=n)
        job_day = by_day.get(day)
        if job_day is not None:
            word = _word_of_day(job_day, most)
        elif first is None or most is None or day < first or (day == today and not is_late):
            word = UNKNOWN
        else:
            word = MISSING
        cells.append(DayCell(day=day, word=word, job_day=job_day))
    return tuple(cells)


def _word_of_day(job_day: JobDay, most: timedelta | None) -> str:
    if not job_day.beats:
        return MISSING
    if most is not None and timedelta(seconds=job_day.gap_s) > most:
        return LATE
    return FAULTY if job_day.failures else GOOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """Intervals of sealing, stamping and publishing; without new events nothing is repeated."""

    seal: timedelta = timedelta(minutes=1)
    stamp: timedelta = timedelta(hours=1)
    publish: timedelta = timedelta(hours=24)


def seal_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    if head.seal is None:
        return head.size > 0
    last = head.seal.signed.seal
    return head.size > last.tree_size and _passed(last.at, rhythm.seal, now)


def stamp_is_due(head: LogHead, rhythm: Rhythm, now: datetime) -> bool:
    """Tell whether a timestamp is due. One covers every seal before it, so not every seal needs one."""
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
    """Tell whether an event has waited for its seal for too long."""
    return head.unsealed_since is not None and now - head.unsealed_since > UNSEALED_MOST


def lacks_stamp(head: LogHead, most: timedelta, now: datetime) -> bool:
    """Tell whether a seal has waited for a timestamp longer than the node allows; zero allows any time."""
    return bool(most) and head.unstamped_since is not None and now - head.unstamped_since > most


def _passed(since: datetime, span: timedelta, now: datetime) -> bool:
    """Tell whether the time has passed, or the clock was set back: waiting for it again would leave the log open."""
    return now - since >= span or now < since


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEnding:
    """Certificate in use: its code, its end, and whether it is ours."""

    code: str
    fingerprint: str
    ends_at: datetime
    own: bool


def due_marks(endings: Iterable[CertificateEnding], now: datetime) -> list[tuple[CertificateEnding, int]]:
    """Return, for each code, its last certificate with the nearest warning mark passed, if any was."""
    marked = ((ending, expiry_mark_of(ending.ends_at, now)) for ending in last_of_each_code(endings))
    return [(ending, mark) for ending, mark in marked if mark is not None]


def last_of_each_code(endings: Iterable[CertificateEnding]) -> list[CertificateEnding]:
    """Return each code's certificate that ends last, because an older one is meant to end once there is a newer one."""
    last: dict[str, CertificateEnding] = {}
    for ending in endings:
        latest = last.get(ending.code)
        if latest is None or (ending.ends_at, ending.fingerprint) > (latest.ends_at, latest.fingerprint):
            last[ending.code] = ending
    return sorted(last.values(), key=lambda ending: ending.code)


def expiry_mark_of(ends_at: datetime, now: datetime) -> int | None:
    """Return the nearest warning mark in days that was passed; None while there is time."""
    return next((days for days in EXPIRY_MARKS if ends_at - now <= timedelta(days=days)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveUp:
    """Decision to stop retrying. `reason`: `permanent` (a retry cannot help) or `age` (tried for too long)."""

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
    """Return the wait before the next try, or GiveUp, after try number `attempt` (from 1) failed, `age` after the first.
    `chance` in [0, 1) adds up to a tenth, so that tries that failed together do not come back together. The last try is
    at the limit."""
    if permanent:
        return GiveUp(reason="permanent")
    if age >= limit:
        return GiveUp(reason="age")
    return min(retry_delay(attempt, delays_s) * (1 + RETRY_JITTER * chance), limit - age)


def retry_delay(attempt: int, delays_s: Sequence[int] = RETRY_DELAYS_S) -> timedelta:
    """Return the wait after try number `attempt`, for our own work that is never given up; the last delay repeats."""
    return timedelta(seconds=delays_s[min(max(attempt, 1), len(delays_s)) - 1])


def is_dead(endpoint: Endpoint, delivery: WebhookDelivery) -> bool:
    """Tell, when an event is given up, whether the endpoint has accepted no event since its first try. Then the endpoint
    is paused, and the event waits until a person resumes it."""
    return endpoint.last_ok_at is None or endpoint.last_ok_at <= delivery.first_at


def secret_end(now: datetime, ends_at: datetime | None, overlap: timedelta) -> datetime:
    """Return the end of a secret that gets a successor: after the overlap, but never later than before."""
    end = now + overlap
    return end if ends_at is None else min(ends_at, end)
