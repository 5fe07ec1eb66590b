"""Tells when a duty is due (rules 11, timers), counted in office time (R113, office hours). In: when things happened,
and the office's calendar. Out: a `Due`: the moment, from when it is late, whether it runs by the wall clock, and when
our own people are reminded; moments and lengths of office time, always by Vietnam's clock. Pure.

Urgent duties run day and night; all others in office time. A length of office time ends as early as possible: two hours
from 09:30 end at 11:30, not at 13:30. No timer ever reminds another agency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from gateway.domain.document import Urgency
from gateway.domain.office_calendar import WEEK, CalendarDay, DayKind, OfficeCalendar, OfficeHours
from gateway.domain.status import Duty, Waits
from gateway.domain.wall_clock import local, vietnam_time
from gateway.errors import Misconfigured

NOTHING = timedelta()
_ONE_DAY = timedelta(days=1)


def calendar_of(
    weekdays: frozenset[int],
    spans: tuple[OfficeHours, ...],
    shipped: Iterable[CalendarDay],
    own: Iterable[CalendarDay],
) -> OfficeCalendar:
    """Return the calendar of the shipped days, overridden by the node's own days."""
    days = {d.day: d.kind for d in (*shipped, *own)}
    special_days = {day: kind for day, kind in days.items() if kind is not DayKind.ORDINARY}
    return OfficeCalendar(weekdays=weekdays, spans=spans, days=special_days)


def merged_days(shipped: Iterable[CalendarDay], own: Iterable[CalendarDay]) -> list[CalendarDay]:
    """Return the entry that applies to each date, in order of date."""
    return sorted({d.day: d for d in (*shipped, *own)}.values(), key=lambda d: d.day)


def read_weekdays(text: str) -> frozenset[int]:
    """Read `mon, tue, …` as numbers; Misconfigured for anything else."""
    words = [word.strip().casefold() for word in text.split(",")]
    if not all(word in WEEK for word in words):
        raise Misconfigured(f"office.weekdays is {text!r}; it lists days such as mon, tue, wed, thu, fri")
    return frozenset(WEEK.index(word) for word in words)


def read_spans(text: str) -> tuple[OfficeHours, ...]:
    """Read `07:30-11:30, 13:30-17:00` as spans; Misconfigured for anything else."""
    try:
        pairs = [part.strip().split("-") for part in text.split(",")]
        spans = tuple(
            OfficeHours(start=time.fromisoformat(start.strip()), end=time.fromisoformat(end.strip()))
            for start, end in pairs
        )
        OfficeCalendar(spans=spans)
    except ValueError as why:
        raise Misconfigured(
            f"office.hours is {text!r}; write hours that follow each other, such as 07:30-11:30, 13:30-17:00"
        ) from why
    return spans


def is_open(office: OfficeCalendar, at: datetime) -> bool:
    """Tell whether the office works at that moment; at the end of a span it is closed."""
    return any(start <= at < end for start, end in office.hours_of(local(at).date()))


def next_open(office: OfficeCalendar, at: datetime) -> datetime:
    """Return the moment itself while the office works, else its next opening."""
    return max(at, next(start for start, end in _spans_from(office, at) if end > at))


def add_office_time(office: OfficeCalendar, at: datetime, span: timedelta) -> datetime:
    """Return the earliest moment at which that length of office time has passed."""
    if span <= NOTHING:
        return at
    for start, end in _spans_from(office, at):
        begin = max(start, at)
        if end <= begin:
            continue
        if span <= end - begin:
            return begin + span
        span -= end - begin
    raise AssertionError("a calendar has no end")


def office_time_between(office: OfficeCalendar, start: datetime, end: datetime) -> timedelta:
    """Return the office time between two moments; negative when the end is earlier."""
    if end < start:
        return -office_time_between(office, end, start)
    total = NOTHING
    for opens, closes in _spans_from(office, start):
        if opens >= end:
            break
        total += max(NOTHING, min(closes, end) - max(opens, start))
    return total


def closing_time(office: OfficeCalendar, day: date) -> datetime:
    """Return when the office closes on that day, or would if it were a working day."""
    return vietnam_time(day, office.spans[-1].end)


def morning_ends(office: OfficeCalendar, day: date) -> datetime:
    """Return the end of that day's first span."""
    return vietnam_time(day, office.spans[0].end)


def next_working_day(office: OfficeCalendar, day: date) -> date:
    """Return the first working day after a day."""
    day += _ONE_DAY
    while not office.works(day):
        day += _ONE_DAY
    return day


def _spans_from(office: OfficeCalendar, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield every span from that day on, without end: holidays are finite and the week has working days."""
    day = local(at).date()
    while True:
        yield from office.hours_of(day)
        day += _ONE_DAY


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# T2u (urgent intake) runs by the wall clock. A stated hour takes precedence over the fifteen minutes.
AT_ONCE = {
    Urgency.URGENT: 60 * MINUTE,
    Urgency.VERY_URGENT: 30 * MINUTE,
    Urgency.EXPRESS: 15 * MINUTE,
    Urgency.TIMED_EXPRESS: 15 * MINUTE,
}
EVERY = {
    Urgency.URGENT: 15 * MINUTE,
    Urgency.VERY_URGENT: 10 * MINUTE,
    Urgency.EXPRESS: 5 * MINUTE,
    Urgency.TIMED_EXPRESS: 5 * MINUTE,
}
TAKE_IN = 2 * HOUR
URGENT_SENT = 15 * MINUTE
URGENT_RECALL = 2 * HOUR
STATE_DELIVERED = 5 * MINUTE
STATE_SILENT = 24 * HOUR
REPLY_SOON = timedelta(days=2)
PARTNER_REPLY_SOON = timedelta(days=3)
AFTERNOON = time(16)
"""Hour from which people are reminded of the day's duties."""
WITHOUT_A_DAY = 15
"""Working days."""
LEADER_DELAY = timedelta(days=2)
"""After this delay the agency's heads are notified of late work too."""


class Timer(StrEnum):
    """Timers by their number; `timer.…` in the labels has their texts."""

    T1 = "t1"
    T1U = "t1u"
    T2 = "t2"
    T2U = "t2u"
    T3 = "t3"
    T4 = "t4"
    T5 = "t5"
    T6 = "t6"
    T7 = "t7"
    T7N = "t7n"
    T11 = "t11"
    T12 = "t12"
    T25 = "t25"
    T9 = "t9"
    REPLY = "t10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Last moment that is not late, and the clock that counts; the duty is called late only after `grace` more."""

    timer: Timer
    at: datetime
    wall_clock: bool = False
    grace: timedelta = timedelta()

    @property
    def words(self) -> str:
        """Key of the timer's label."""
        return f"timer.{self.timer}"

    def is_late(self, now: datetime) -> bool:
        return now > self.at + self.grace

    def time_left(self, office: OfficeCalendar, now: datetime) -> timedelta:
        """Return the time left by the clock that counts; negative when the moment has passed."""
        return self.at - now if self.wall_clock else office_time_between(office, now, self.at)

    def day(self, office: OfficeCalendar) -> timedelta | None:
        """Return the length of an office day where office time counts; None by the wall clock."""
        return None if self.wall_clock else office.day_length


def is_urgent(urgency: Urgency) -> bool:
    return urgency >= Urgency.URGENT


def issue(office: OfficeCalendar, signed_at: datetime, urgency: Urgency) -> Due:
    """Return T1 or T1u: from signing to sending."""
    if is_urgent(urgency):
        return Due(timer=Timer.T1U, at=signed_at + URGENT_SENT, wall_clock=True)
    following = next_working_day(office, local(signed_at).date())
    return Due(timer=Timer.T1, at=morning_ends(office, following))


def take_in(
    office: OfficeCalendar, arrived_at: datetime, urgency: Urgency, stated: datetime | None = None
) -> Due:
    """Return T2 or T2u: from arrival to taking in. `stated` is the hour of an express letter that names one."""
    if is_urgent(urgency):
        at = arrived_at + AT_ONCE[urgency]
        if urgency is Urgency.TIMED_EXPRESS and stated is not None:
            at = max(stated, arrived_at)
        return Due(timer=Timer.T2U, at=at, wall_clock=True)
    return Due(timer=Timer.T2, at=add_office_time(office, arrived_at, TAKE_IN))


def receipt(office: OfficeCalendar, arrived_at: datetime) -> Due:
    """Return T3: from arrival to the receipt notice for the sender. It is due when the office closes on that day, or on
    the next working day for later arrivals, and late after midnight."""
    day = local(arrived_at).date()
    if not office.works(day) or arrived_at >= closing_time(office, day):
        day = next_working_day(office, day)
    closes = closing_time(office, day)
    midnight = vietnam_time(day + _ONE_DAY, time())
    return Due(timer=Timer.T3, at=closes, wall_clock=True, grace=midnight - closes)


def afternoon_of(at: datetime) -> datetime:
    """Return when people are reminded of duties due on that day, usually an hour before the office closes."""
    return vietnam_time(local(at).date(), AFTERNOON)


def decide_held(office: OfficeCalendar, held_at: datetime) -> Due:
    """Return T4: from being held to being taken in or refused."""
    return Due(timer=Timer.T4, at=add_office_time(office, held_at, office.day_length))


def answer_recall(office: OfficeCalendar, asked_at: datetime, urgency: Urgency) -> Due:
    """Return T11: from a recall notice to its confirmation."""
    span = URGENT_RECALL if is_urgent(urgency) else office.day_length
    return Due(timer=Timer.T11, at=add_office_time(office, asked_at, span))


def of_duty(office: OfficeCalendar, duty: Duty, urgency: Urgency) -> Due:
    """Return when the duty of an incoming document is due, or of a recipient of one of ours. Such a recipient's office
    hours are unknown here, so it has one working day of ours, and for urgent documents the same minutes as we have."""
    if duty.waits is Waits.ANSWER:
        return answer_recall(office, duty.since, urgency)
    if duty.waits is Waits.DECIDE:
        return decide_held(office, duty.since)
    if duty.waits is Waits.PARTNER and not is_urgent(urgency):
        return Due(timer=Timer.T2, at=add_office_time(office, duty.since, office.day_length))
    return take_in(office, duty.since, urgency, duty.stated)


def time_left(
    office: OfficeCalendar, waits: Waits, urgency: Urgency, due_at: datetime, now: datetime
) -> timedelta:
    """Return the time left by the clock that counts for the duty, where only its end was stored."""
    if _is_at_once(waits, urgency):
        return due_at - now
    return office_time_between(office, now, due_at)


def day_of(office: OfficeCalendar, waits: Waits, urgency: Urgency) -> timedelta | None:
    """Return the length of an office day where office time counts for the duty; None by the wall clock."""
    return None if _is_at_once(waits, urgency) else office.day_length


def _is_at_once(waits: Waits, urgency: Urgency) -> bool:
    return is_urgent(urgency) and waits in (Waits.TAKE_IN, Waits.PARTNER)


def tell_state(changed_at: datetime) -> Due:
    """Return T12: from a change of state to its delivery at the sender; machines do this, so the wall clock counts."""
    return Due(timer=Timer.T12, at=changed_at + STATE_DELIVERED, wall_clock=True)


def assign(office: OfficeCalendar, taken_in_at: datetime) -> Due:
    """Return T5: from taking in to submitting or assigning, by the next working day."""
    following = next_working_day(office, local(taken_in_at).date())
    return Due(timer=Timer.T5, at=closing_time(office, following))


def start(office: OfficeCalendar, given_at: datetime) -> Due:
    """Return T6: from assignment to the start of work."""
    return Due(timer=Timer.T6, at=add_office_time(office, given_at, office.day_length))


def work(office: OfficeCalendar, arrived_at: datetime, deadline: date | None) -> Due:
    """Return T7: a unit's part of the work, by its deadline; without one T7n, fifteen working days after the document
    came, even if another unit has it by then."""
    if deadline is not None:
        return Due(timer=Timer.T7, at=closing_time(office, deadline))
    return Due(timer=Timer.T7N, at=add_office_time(office, arrived_at, WITHOUT_A_DAY * office.day_length))


def renew_certificate(ends_at: datetime) -> Due:
    """Return T25: renewal before a certificate ends."""
    return Due(timer=Timer.T25, at=ends_at, wall_clock=True)


def partner_reply(office: OfficeCalendar, reply_by: date) -> Due:
    """Return T9: a partner's reply to us."""
    return Due(timer=Timer.T9, at=closing_time(office, reply_by), wall_clock=True)


def reply(office: OfficeCalendar, reply_by: date) -> Due:
    """Return T10: our reply, due when the office closes on that day, working day or not."""
    return Due(timer=Timer.REPLY, at=closing_time(office, reply_by), wall_clock=True)
