"""Deadlines as the rulebook's worked examples have them, and what holds of every timer whenever it starts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.document import Urgency
from gateway.domain.office_calendar import SHIPPED, OfficeCalendar
from gateway.domain.timer_table import Timer
from gateway.domain.wall_clock import VIETNAM, local
from gateway.policy import timers
from gateway.policy.timers import Due
from gateway.words import labels

OFFICE = timers.calendar_of(OfficeCalendar().weekdays, OfficeCalendar().spans, SHIPPED, ())
MOMENT = timedelta(microseconds=1)
NORMAL = Urgency.NORMAL
URGENT = [urgency for urgency in Urgency if urgency is not NORMAL]


def at(text: str) -> datetime:
    """Return a moment of October 2026, whose weekdays have no holiday: the 12th is a Monday."""
    return datetime.fromisoformat(f"2026-10-{text}").replace(tzinfo=VIETNAM)


MON, TUE, WED, THU, FRI, SAT, NEXT_MON, NEXT_TUE = ("12", "13", "14", "15", "16", "17", "19", "20")


def test_t1_ends_with_the_next_working_morning() -> None:
    for signed, last in (
        (f"{FRI} 16:50", f"{NEXT_MON} 11:30"),
        (f"{WED} 09:00", f"{THU} 11:30"),
        (f"{SAT} 09:00", f"{NEXT_MON} 11:30"),
    ):
        due = timers.issue(OFFICE, at(signed), NORMAL)
        assert (due.timer, due.at) == (Timer.ISSUE, at(last))
        assert not due.is_late(at(last))
        assert due.is_late(at(last) + MOMENT)


def test_t2_is_two_working_hours() -> None:
    for arrived, due in (
        (f"{TUE} 11:00", f"{TUE} 15:00"),
        (f"{FRI} 16:00", f"{NEXT_MON} 08:30"),
        (f"{SAT} 10:00", f"{NEXT_MON} 09:30"),
        (f"{THU} 12:15", f"{THU} 15:30"),
    ):
        timer = timers.take_in(OFFICE, at(arrived), NORMAL)
        assert (timer.timer, timer.at) == (Timer.TAKE_IN, at(due))
        assert timer.time_left(OFFICE, at(arrived)) == timedelta(hours=2)


def test_t3_ends_when_the_office_closes_and_is_late_when_the_day_is_over() -> None:
    for arrived, due, late in (
        (f"{FRI} 16:55", f"{FRI} 17:00", f"{SAT} 00:00"),
        (f"{TUE} 06:00", f"{TUE} 17:00", f"{WED} 00:00"),
        (f"{FRI} 17:00", f"{NEXT_MON} 17:00", f"{NEXT_TUE} 00:00"),
        (f"{SAT} 10:00", f"{NEXT_MON} 17:00", f"{NEXT_TUE} 00:00"),
    ):
        timer = timers.receipt(OFFICE, at(arrived))
        assert (timer.timer, timer.at) == (Timer.NOTIFY_SENDER, at(due))
        assert not timer.is_late(at(late))
        assert timer.is_late(at(late) + MOMENT)


def test_t2u_runs_at_night_and_on_weekends_and_ends_at_the_hour_of_an_express_letter() -> None:
    arrived = at(f"{SAT} 23:30")
    minutes = {Urgency.URGENT: 60, Urgency.VERY_URGENT: 30, Urgency.EXPRESS: 15, Urgency.TIMED_EXPRESS: 15}
    for urgency, minute in minutes.items():
        timer = timers.take_in(OFFICE, arrived, urgency)
        assert (timer.timer, timer.wall_clock) == (Timer.TAKE_IN_URGENT, True)
        assert timer.at - arrived == timer.time_left(OFFICE, arrived) == timedelta(minutes=minute)
    arrived = at(f"{SAT} 20:00")
    due = timers.take_in(OFFICE, arrived, Urgency.TIMED_EXPRESS, at(f"{SAT} 22:00"))
    missed = timers.take_in(OFFICE, arrived, Urgency.TIMED_EXPRESS, at(f"{SAT} 19:00"))
    ignored = timers.take_in(OFFICE, arrived, Urgency.EXPRESS, at(f"{SAT} 22:00"))
    assert (due.at, missed.at) == (at(f"{SAT} 22:00"), arrived)
    assert ignored.at == arrived + timedelta(minutes=15)


def test_t5u_runs_at_night_and_on_weekends_as_intake_does() -> None:
    taken_at = at(f"{SAT} 18:29")
    for urgency, minute in {Urgency.URGENT: 60, Urgency.VERY_URGENT: 30, Urgency.EXPRESS: 15}.items():
        due = timers.assign(OFFICE, taken_at, urgency)
        assert (due.timer, due.wall_clock, due.at - taken_at) == (
            Timer.ASSIGN_URGENT,
            True,
            timedelta(minutes=minute),
        )
    due = timers.assign(OFFICE, taken_at, NORMAL)
    assert (due.timer, due.wall_clock, due.at) == (Timer.ASSIGN, False, at(f"{NEXT_MON} 17:00"))


def test_t4_and_t11_are_one_working_day_and_two_working_hours_where_it_is_urgent() -> None:
    """A reply is due when the office closes on its day."""
    held_due = timers.decide_held(OFFICE, at(f"{FRI} 10:00"))
    assert (held_due.timer, held_due.at) == (Timer.DECIDE_ON_HOLD, at(f"{NEXT_MON} 10:00"))
    assert timers.decide_held(OFFICE, at(f"{SAT} 10:00")).at == at(f"{NEXT_MON} 17:00")
    for urgency in Urgency:
        due = timers.answer_recall(OFFICE, at(f"{FRI} 16:00"), urgency)
        assert due.at == at(f"{NEXT_MON} 16:00" if urgency is NORMAL else f"{NEXT_MON} 08:30")
    assert timers.reply(OFFICE, date(2026, 10, 16)).at == at(f"{FRI} 17:00")
    assert all(labels.has(f"timer.{timer}") for timer in Timer)


# --- of every timer ----------------------------------------------------------------------------------------------

_MOMENTS = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)
_IN_OFFICE_TIME = {
    "issue": lambda at: timers.issue(OFFICE, at, NORMAL),
    "take_in": lambda at: timers.take_in(OFFICE, at, NORMAL),
    "decide_held": lambda at: timers.decide_held(OFFICE, at),
    "answer_recall": lambda at: timers.answer_recall(OFFICE, at, NORMAL),
    "answer_urgent_recall": lambda at: timers.answer_recall(OFFICE, at, Urgency.EXPRESS),
}


@pytest.mark.parametrize("name", _IN_OFFICE_TIME)
@settings(max_examples=60)
@given(_MOMENTS, _MOMENTS)
def test_a_timer_of_office_time_ends_on_a_working_day_and_never_before_one_that_began_earlier(
    name: str, a: datetime, b: datetime
) -> None:
    start, end = sorted((a, b))
    due: Due = _IN_OFFICE_TIME[name](start)

    assert due.at > start
    assert not due.wall_clock
    assert OFFICE.works(local(due.at).date())
    assert due.at <= _IN_OFFICE_TIME[name](end).at
    assert due.time_left(OFFICE, due.at) == timedelta()


@settings(max_examples=60)
@given(_MOMENTS, st.sampled_from(URGENT))
def test_what_is_urgent_is_due_within_the_hour_at_any_time(start: datetime, urgency: Urgency) -> None:
    """T1u (urgent issue)."""
    arrival, sending = timers.take_in(OFFICE, start, urgency), timers.issue(OFFICE, start, urgency)

    for due in (arrival, sending):
        assert due.wall_clock
        assert timedelta() < due.at - start <= timedelta(hours=1)
        assert due.is_late(due.at + MOMENT)
        assert not due.is_late(due.at)
