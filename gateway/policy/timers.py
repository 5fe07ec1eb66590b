"""By when a duty is due (rules 11). In: what happened when, and the office's calendar. Out: a `Due`: the moment, and
whether it runs by the wall clock. Pure. What is urgent runs at once, day and night; everything else in office time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from gateway.domain.document import Urgency
from gateway.domain.duty import Duty, Waits
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.wall_clock import local
from gateway.policy import office_hours as hours

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
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
REPLY_SOON = timedelta(days=2)


class Timer(StrEnum):
    """The timers by their number; `timer.…` in the labels has their words."""

    T1 = "t1"
    T1U = "t1u"
    T2 = "t2"
    T2U = "t2u"
    T4 = "t4"
    T11 = "t11"
    T12 = "t12"
    T25 = "t25"
    REPLY = "t10"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The last moment that is not late, and the clock that it runs by."""

    timer: Timer
    at: datetime
    wall_clock: bool = False

    @property
    def words(self) -> str:
        """The key of its words."""
        return f"timer.{self.timer}"

    def is_late(self, now: datetime) -> bool:
        return now > self.at

    def left(self, office: OfficeCalendar, now: datetime) -> timedelta:
        """Time left on the clock that it runs by; negative when the moment has passed."""
        return self.at - now if self.wall_clock else hours.between(office, now, self.at)


def is_urgent(urgency: Urgency) -> bool:
    return urgency >= Urgency.URGENT


def issue(office: OfficeCalendar, signed_at: datetime, urgency: Urgency) -> Due:
    """T1, T1u: signed to sent."""
    if is_urgent(urgency):
        return Due(timer=Timer.T1U, at=signed_at + URGENT_SENT, wall_clock=True)
    following = hours.next_working_day(office, local(signed_at).date())
    return Due(timer=Timer.T1, at=hours.morning_ends(office, following))


def take_in(
    office: OfficeCalendar, arrived_at: datetime, urgency: Urgency, stated: datetime | None = None
) -> Due:
    """T2, T2u: arrival to taken in. `stated` is the hour of an express letter that names one."""
    if is_urgent(urgency):
        at = arrived_at + AT_ONCE[urgency]
        if urgency is Urgency.TIMED_EXPRESS and stated is not None:
            at = max(stated, arrived_at)
        return Due(timer=Timer.T2U, at=at, wall_clock=True)
    return Due(timer=Timer.T2, at=hours.add(office, arrived_at, TAKE_IN))


def decide_held(office: OfficeCalendar, held_at: datetime) -> Due:
    """T4: on hold to taken in or refused."""
    return Due(timer=Timer.T4, at=hours.add(office, held_at, hours.working_day(office)))


def answer_recall(office: OfficeCalendar, asked_at: datetime, urgency: Urgency) -> Due:
    """T11: recall notice to its confirmation."""
    span = URGENT_RECALL if is_urgent(urgency) else hours.working_day(office)
    return Due(timer=Timer.T11, at=hours.add(office, asked_at, span))


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
    return Due(timer=Timer.T12, at=changed_at + STATE_DELIVERED, wall_clock=True)


def renew_certificate(ends_at: datetime) -> Due:
    """T25: before a certificate ends."""
    return Due(timer=Timer.T25, at=ends_at, wall_clock=True)


def reply(office: OfficeCalendar, reply_by: date) -> Due:
    """Ours to answer (T10): until the office closes on that day, whatever day it is."""
    return Due(timer=Timer.REPLY, at=hours.closes(office, reply_by), wall_clock=True)
