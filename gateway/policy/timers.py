"""Tells when a duty is due (rules 11, timers), counted in office time (R113, office hours). In: when things happened,
and the office's calendar. Out: a `Due`: the moment, from when it is late, whether it runs by the wall clock, and when
our own people are reminded; moments and lengths of office time, always by Vietnam's clock. Pure.

Urgent duties run day and night; all others in office time. A length of office time ends as early as possible: two hours
from 09:30 end at 11:30, not at 13:30. No timer ever reminds another agency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from gateway.domain.document import Urgency
from gateway.domain.office_calendar import WEEK, CalendarDay, DayKind, OfficeCalendar, OfficeHours
from gateway.domain.office_profile import spans_of
from gateway.domain.status import Duty, Waits
from gateway.domain.timer_table import (
    AT_ONCE,
    DRAFTS_DUE_AT,
    DRAFTS_TOLD_AT,
    TIMERS,
    Base,
    Counting,
    Step,
    Timer,
    TimerRow,
    Unit,
)
from gateway.domain.wall_clock import local, months_later, vietnam_time
from gateway.errors import Misconfigured

NOTHING = timedelta()
_ONE_DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
URGENT_RECALL = 2 * HOUR
STATE_SILENT = 24 * HOUR
FIRST_STATE_STEP = 6 * HOUR
"""From when on operators are reminded of an unsent state."""
REPLY_SOON = timedelta(days=3)
AFTERNOON = time(16)
"""Hour from which people are reminded of the day's duties."""
LEADER_DELAY = timedelta(days=2)
"""After this delay the agency's heads are notified of late work too."""
TOLD_FOR = timedelta(days=25)
"""So long after its moment a step is sent, and then no more; shorter than reminders are remembered."""


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
        return spans_of(text)
    except ValueError as why:
        raise Misconfigured(
            f"office.hours is {text!r}; write hours that follow each other, such as 07:30-11:30, 13:30-17:00"
        ) from why


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


def working_day_after(office: OfficeCalendar, day: date, count: int) -> date:
    """Return the working day that comes `count` working days after a day."""
    for _ in range(count):
        day = next_working_day(office, day)
    return day


def _spans_from(office: OfficeCalendar, at: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield every span from that day on, without end: holidays are finite and the week has working days."""
    day = local(at).date()
    while True:
        yield from office.hours_of(day)
        day += _ONE_DAY


def length(office: OfficeCalendar, timer: Timer) -> timedelta:
    """Return the length of a timer, as the agency of the calendar chose it; a day is one of the office where it counts
    working days."""
    row = TIMERS[timer]
    amount = office.lengths.get(timer, row.amount)
    if row.unit is Unit.MINUTES:
        return amount * MINUTE
    return amount * (office.day_length if row.counting is Counting.WORKING_DAYS else _ONE_DAY)


def step_moment(
    office: OfficeCalendar, timer: Timer, step: Step, since: datetime, due_at: datetime
) -> datetime | None:
    """Return when a step is to be told; None for a moment before the timer began, whose step does not exist."""
    row, base = TIMERS[timer], since if step.base is Base.START else due_at
    if step.days is not None or step.months:
        day = _move_days(office, local(base).date(), step)
        moment = vietnam_time(day, step.at or office.spans[0].start)
        if step.days == 0 and moment < since and local(since).date() == day:
            moment = since  # the hour is over on the day on which it began
    elif step.base is Base.START or row.wall_clock or step.minutes >= 0:
        moment = _move_minutes(office, row, base, step.minutes)
    else:  # office time before the end, which is that time after the start
        duration = office_time_between(office, since, due_at) + step.minutes * MINUTE
        moment = add_office_time(office, since, duration) if duration > NOTHING else since - MINUTE
    return moment if moment >= since else None


def _move_days(office: OfficeCalendar, day: date, step: Step) -> date:
    if step.months:
        return months_later(day, step.months)
    days = step.days or 0
    if not step.working:
        return day + days * _ONE_DAY
    return working_day_after(office, day, days)


def _move_minutes(office: OfficeCalendar, row: TimerRow, base: datetime, minutes: int) -> datetime:
    if row.wall_clock:
        return base + minutes * MINUTE
    return add_office_time(office, base, minutes * MINUTE)


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
        return Due(
            timer=Timer.ISSUE_URGENT, at=signed_at + length(office, Timer.ISSUE_URGENT), wall_clock=True
        )
    following = next_working_day(office, local(signed_at).date())
    return Due(timer=Timer.ISSUE, at=morning_ends(office, following))


def is_sent_late(office: OfficeCalendar, signed_at: datetime, sent_at: datetime) -> bool:
    """Tell whether a document leaves after the next working morning, R45 (sent late), whatever its urgency."""
    return sent_at > issue(office, signed_at, Urgency.NORMAL).at


def submit_draft(office: OfficeCalendar, begun_at: datetime) -> Due:
    """Return T8: from the beginning of a draft to the leader, on the same working day where its people are still told of
    it, else on the next one."""
    day = local(begun_at).date()
    if not office.works(day) or begun_at >= vietnam_time(day, DRAFTS_TOLD_AT):
        day = next_working_day(office, day)
    return Due(timer=Timer.LEADERS_DRAFT, at=vietnam_time(day, DRAFTS_DUE_AT))


def take_in(
    office: OfficeCalendar, arrived_at: datetime, urgency: Urgency, stated: datetime | None = None
) -> Due:
    """Return T2 or T2u: from arrival to taking in. `stated` is the hour of an express letter that names one."""
    if is_urgent(urgency):
        at = arrived_at + AT_ONCE[urgency]
        if urgency is Urgency.TIMED_EXPRESS and stated is not None:
            at = max(stated, arrived_at)
        return Due(timer=Timer.TAKE_IN_URGENT, at=at, wall_clock=True)
    return Due(timer=Timer.TAKE_IN, at=add_office_time(office, arrived_at, length(office, Timer.TAKE_IN)))


def receipt(office: OfficeCalendar, arrived_at: datetime) -> Due:
    """Return T3: from arrival to the receipt notice for the sender. It is due when the office closes on that day, or on
    the next working day for later arrivals, and late after midnight."""
    day = local(arrived_at).date()
    if not office.works(day) or arrived_at >= closing_time(office, day):
        day = next_working_day(office, day)
    closes = closing_time(office, day)
    midnight = vietnam_time(day + _ONE_DAY, time())
    return Due(timer=Timer.NOTIFY_SENDER, at=closes, wall_clock=True, grace=midnight - closes)


def afternoon_of(at: datetime) -> datetime:
    """Return when people are reminded of duties due on that day, usually an hour before the office closes."""
    return vietnam_time(local(at).date(), AFTERNOON)


def decide_held(office: OfficeCalendar, held_at: datetime) -> Due:
    """Return T4: from being held to being taken in or refused."""
    return Due(
        timer=Timer.DECIDE_ON_HOLD, at=add_office_time(office, held_at, length(office, Timer.DECIDE_ON_HOLD))
    )


def answer_recall(office: OfficeCalendar, asked_at: datetime, urgency: Urgency) -> Due:
    """Return T11: from a recall notice to its confirmation."""
    span = URGENT_RECALL if is_urgent(urgency) else length(office, Timer.ANSWER_RECALL)
    return Due(timer=Timer.ANSWER_RECALL, at=add_office_time(office, asked_at, span))


def of_duty(office: OfficeCalendar, duty: Duty, urgency: Urgency) -> Due:
    """Return when the duty of an incoming document is due, or of a recipient of one of ours. Such a recipient's office
    hours are unknown here, so it has one working day of ours, and for urgent documents the same minutes as we have."""
    if duty.waits is Waits.ANSWER:
        return answer_recall(office, duty.since, urgency)
    if duty.waits is Waits.DECIDE:
        return decide_held(office, duty.since)
    if duty.waits is Waits.PARTNER and not is_urgent(urgency):
        return Due(timer=Timer.TAKE_IN, at=add_office_time(office, duty.since, office.day_length))
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


def tell_state(office: OfficeCalendar, changed_at: datetime) -> Due:
    """Return T12: from a change of state to its delivery at the sender; machines do this, so the wall clock counts."""
    return Due(
        timer=Timer.REPORT_STATUS, at=changed_at + length(office, Timer.REPORT_STATUS), wall_clock=True
    )


def assign(office: OfficeCalendar, taken_in_at: datetime, urgency: Urgency) -> Due:
    """Return T5 or T5u: from taking in to submitting or assigning, by the next working day; an urgent one at once."""
    if is_urgent(urgency):
        return Due(timer=Timer.ASSIGN_URGENT, at=taken_in_at + AT_ONCE[urgency], wall_clock=True)
    following = next_working_day(office, local(taken_in_at).date())
    return Due(timer=Timer.ASSIGN, at=closing_time(office, following))


def start(office: OfficeCalendar, given_at: datetime) -> Due:
    """Return T6: from assignment to the start of work."""
    return Due(timer=Timer.START_WORK, at=add_office_time(office, given_at, length(office, Timer.START_WORK)))


def work(office: OfficeCalendar, arrived_at: datetime, deadline: date | None) -> Due:
    """Return T7: a unit's part of the work, by its deadline; without one T7n, working days after the document came, even
    if another unit has it by then."""
    if deadline is not None:
        return Due(timer=Timer.FINISH_BY_DAY, at=closing_time(office, deadline))
    return Due(
        timer=Timer.FINISH_WITHOUT_DAY,
        at=add_office_time(office, arrived_at, length(office, Timer.FINISH_WITHOUT_DAY)),
    )


def renew_certificate(ends_at: datetime) -> Due:
    """Return T25: renewal before a certificate ends."""
    return Due(timer=Timer.CERTIFICATE_RENEWAL, at=ends_at, wall_clock=True)


def partner_reply(office: OfficeCalendar, reply_by: date) -> Due:
    """Return T9: a partner's reply to us."""
    return Due(timer=Timer.RECIPIENTS_REPLY, at=closing_time(office, reply_by), wall_clock=True)


def reply(office: OfficeCalendar, reply_by: date) -> Due:
    """Return T10: our reply, due when the office closes on that day, working day or not."""
    return Due(timer=Timer.REPLY, at=closing_time(office, reply_by), wall_clock=True)
