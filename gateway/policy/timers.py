"""By when a duty is due (rules 11). In: what happened when, and the office's calendar. Out: a `Due`: the moment, from when
it is late, whether it runs by the wall clock, and when our own people are reminded. Pure. What is urgent runs at once, day
and night; everything else in office time. No timer ever reminds another agency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from gateway.domain.document import Urgency
from gateway.domain.duty import Duty, Waits
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.wall_clock import local
from gateway.policy import office_hours as hours

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
# T2u: wall clock. A stated hour goes before its fifteen minutes.
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
CERTIFICATE_DAYS = (90, 60, 30, 14, 7, 1)
REPLY_SOON = timedelta(days=2)
_LATE_ARRIVAL = 30 * MINUTE
# T12: what follows a try that failed, in minutes; then hourly to the end.
RETRY_MINUTES = (1, 2, 5, 15, 30, 60)
RETRY_UNTIL = 72 * HOUR


class Timer(StrEnum):
    """The timers by their number; `timer.…` in the labels has their words."""

    T1 = "t1"
    T1U = "t1u"
    T2 = "t2"
    T2U = "t2u"
    T3 = "t3"
    T4 = "t4"
    T5 = "t5"
    T11 = "t11"
    T12 = "t12"
    T25 = "t25"
    REPLY = "t10"


class Who(StrEnum):
    """Whom of our own people a reminder is for."""

    CLERK = "clerk"
    HEAD = "head"
    LEADER = "leader"
    OPERATOR = "operator"
    ADMIN = "admin"
    SENDER = "sender"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder:
    at: datetime
    who: Who


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """`late_from` is later than `at` where the rules leave a hard limit behind the wish. `every`: the clerk is reminded
    again at that interval until it is done."""

    timer: Timer
    at: datetime
    late_from: datetime
    wall_clock: bool
    reminders: tuple[Reminder, ...] = ()
    every: timedelta | None = None

    @property
    def words(self) -> str:
        """The key of its words."""
        return f"timer.{self.timer}"

    def is_late(self, now: datetime) -> bool:
        return now > self.late_from

    def left(self, office: OfficeCalendar, now: datetime) -> timedelta:
        """Time left on the clock that it runs by; negative when the moment has passed."""
        return self.at - now if self.wall_clock else hours.between(office, now, self.at)

    def due_reminders(self, now: datetime) -> Sequence[Reminder]:
        """Those whose time has come."""
        return tuple(each for each in self.reminders if each.at <= now)


def is_urgent(urgency: Urgency) -> bool:
    return urgency >= Urgency.URGENT


def issue(office: OfficeCalendar, signed_at: datetime, urgency: Urgency) -> Due:
    """T1, T1u: signed to sent."""
    if is_urgent(urgency):
        return _exact(
            Timer.T1U,
            signed_at + URGENT_SENT,
            wall_clock=True,
            reminders=(
                Reminder(at=signed_at + 5 * MINUTE, who=Who.CLERK),
                Reminder(at=signed_at + URGENT_SENT, who=Who.HEAD),
            ),
        )
    day = local(signed_at).date()
    following = hours.next_working_day(office, day)
    remind = (
        *_not_before(signed_at, Reminder(at=hours.on(day, time(15, 30)), who=Who.CLERK)),
        Reminder(at=hours.on(following, time(10)), who=Who.HEAD),
    )
    return _exact(Timer.T1, hours.morning_ends(office, following), reminders=remind)


def take_in(
    office: OfficeCalendar, arrived_at: datetime, urgency: Urgency, stated: datetime | None = None
) -> Due:
    """T2, T2u: arrival to taken in. `stated` is the hour of an express letter that names one."""
    if is_urgent(urgency):
        at = arrived_at + AT_ONCE[urgency]
        if urgency is Urgency.TIMED_EXPRESS and stated is not None:
            at = max(stated, arrived_at)
        return _exact(Timer.T2U, at, wall_clock=True, every=EVERY[urgency])
    at = hours.add(office, arrived_at, TAKE_IN)
    remind = (
        Reminder(at=hours.add(office, arrived_at, HOUR), who=Who.CLERK),
        Reminder(at=hours.add(office, arrived_at, 105 * MINUTE), who=Who.CLERK),
        Reminder(at=at, who=Who.HEAD),
    )
    return _exact(Timer.T2, at, reminders=remind)


def receipt_notice(office: OfficeCalendar, arrived_at: datetime) -> Due:
    """T3: the sender hears the same day; late after midnight."""
    day = local(hours.next_open(office, arrived_at)).date()
    return Due(
        timer=Timer.T3,
        at=hours.closes(office, day),
        late_from=hours.on(day + DAY, time()),
        wall_clock=False,
        reminders=_not_before(arrived_at, Reminder(at=hours.on(day, time(16)), who=Who.CLERK)),
    )


def arrived_at_closing(office: OfficeCalendar, arrived_at: datetime) -> bool:
    """Whether it came in the last half hour of an office day: T3 then hardly leaves time, and lists say so."""
    closing = hours.closes(office, local(arrived_at).date())
    return hours.is_open(office, arrived_at) and arrived_at >= closing - _LATE_ARRIVAL


def decide_held(office: OfficeCalendar, held_at: datetime) -> Due:
    """T4: on hold to taken in or refused."""
    at = hours.add(office, held_at, hours.working_day(office))
    return _exact(Timer.T4, at, reminders=(Reminder(at=at, who=Who.CLERK),), every=DAY)


def submit(office: OfficeCalendar, taken_in_at: datetime) -> Due:
    """T5: taken in to submitted or assigned, the same day, at latest the next working day."""
    day = local(hours.next_open(office, taken_in_at)).date()
    following = hours.next_working_day(office, day)
    late = hours.closes(office, following)
    remind = (
        *_not_before(taken_in_at, Reminder(at=hours.on(day, time(16)), who=Who.CLERK)),
        Reminder(at=hours.on(following, time(8)), who=Who.LEADER),
    )
    at = hours.closes(office, day)
    return Due(timer=Timer.T5, at=at, late_from=late, wall_clock=False, reminders=remind)


def answer_recall(office: OfficeCalendar, asked_at: datetime, urgency: Urgency) -> Due:
    """T11: recall notice to its confirmation."""
    span = URGENT_RECALL if is_urgent(urgency) else hours.working_day(office)
    at = hours.add(office, asked_at, span)
    return _exact(Timer.T11, at, reminders=(Reminder(at=at, who=Who.CLERK),))


def of_duty(office: OfficeCalendar, duty: Duty, urgency: Urgency) -> Due:
    """What an incoming document waits for, or a recipient of one of ours: its hours are unknown here, so it has one working
    day of ours, and of what is urgent the same minutes as we have."""
    if duty.waits is Waits.ANSWER:
        return answer_recall(office, duty.since, urgency)
    if duty.waits is Waits.DECIDE:
        return decide_held(office, duty.since)
    due = take_in(office, duty.since, urgency, duty.stated)
    if duty.waits is Waits.PARTNER and not is_urgent(urgency):
        return replace(due, at=hours.add(office, duty.since, hours.working_day(office)))
    return due


def left(
    office: OfficeCalendar, waits: Waits, urgency: Urgency, due_at: datetime, now: datetime
) -> timedelta:
    """Time left on the clock that the duty runs by, where only its end was kept."""
    at_once = is_urgent(urgency) and waits in (Waits.TAKE_IN, Waits.PARTNER)
    return due_at - now if at_once else hours.between(office, now, due_at)


def tell_state(changed_at: datetime) -> Due:
    """T12: a change of state to its delivery at the sender; machines do this, so the wall clock counts."""
    remind = (
        Reminder(at=changed_at + 6 * HOUR, who=Who.OPERATOR),
        Reminder(at=changed_at + STATE_SILENT, who=Who.SENDER),
    )
    return _exact(Timer.T12, changed_at + STATE_DELIVERED, wall_clock=True, reminders=remind)


def next_try(changed_at: datetime, tries: int) -> datetime | None:
    """T12: when the try after so many failed ones is due; None when it is given up."""
    steps = RETRY_MINUTES[:tries]
    waited = sum(steps) + max(0, tries - len(RETRY_MINUTES)) * 60
    at = changed_at + waited * MINUTE
    return at if at - changed_at <= RETRY_UNTIL else None


def renew_certificate(ends_at: datetime) -> Due:
    """T25: before a certificate ends."""
    remind = tuple(
        Reminder(at=ends_at - timedelta(days=days), who=who)
        for days in CERTIFICATE_DAYS
        for who in (Who.ADMIN, Who.CLERK)
    )
    return _exact(Timer.T25, ends_at, wall_clock=True, reminders=remind)


def reply(office: OfficeCalendar, reply_by: date) -> Due:
    """Ours to answer (T10): until the office closes on that day, whatever day it is."""
    at = hours.closes(office, reply_by)
    remind = tuple(Reminder(at=at - timedelta(days=days), who=Who.CLERK) for days in (3, 1, 0))
    return _exact(Timer.REPLY, at, wall_clock=True, reminders=remind)


def _exact(
    timer: Timer,
    at: datetime,
    *,
    wall_clock: bool = False,
    reminders: tuple[Reminder, ...] = (),
    every: timedelta | None = None,
) -> Due:
    return Due(timer=timer, at=at, late_from=at, wall_clock=wall_clock, reminders=reminders, every=every)


def _not_before(begin: datetime, reminder: Reminder) -> tuple[Reminder, ...]:
    """None for what begins after its hour: it would remind of what has hardly begun."""
    return (reminder,) if reminder.at >= begin else ()
