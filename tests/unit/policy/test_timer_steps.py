"""Steps of timers: the moment of each notice, what an agency may change of it, and that the table is complete."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.domain import office_profile
from gateway.domain.agency_profile import SETTINGS, ProfileVersion
from gateway.domain.document import Urgency
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.timer_table import TIMERS, Base, Timer
from gateway.domain.wall_clock import VIETNAM
from gateway.policy import timers
from tests.support.cases import Cases

OFFICE = OfficeCalendar()


def at(text: str) -> datetime:
    """Return a moment of October 2026, whose 16th is a Friday."""
    return datetime.fromisoformat(f"2026-10-{text}").replace(tzinfo=VIETNAM)


def chosen(**values: str) -> dict[str, ProfileVersion]:
    return {
        key: ProfileVersion(
            id="prf_1", key=key, value=value, set_by="a", set_at=at("01 08:00"), from_when=at("01 08:00")
        )
        for key, value in values.items()
    }


# Timer, key of the step, receivers, start, end, moment; None for a step that does not exist.
STEPS = (
    (Timer.ISSUE, "1530", "agency", "14 09:00", "15 11:30", "14 15:30"),
    (Timer.ISSUE, "1000", "heads", "16 16:50", "19 11:30", "19 10:00"),
    (Timer.ISSUE, "1530", "agency", "16 16:50", "19 11:30", "16 16:50"),
    (Timer.ISSUE_URGENT, "5", "agency", "17 23:00", "17 23:15", "17 23:05"),
    (Timer.ISSUE_URGENT, "15", "heads", "17 23:00", "17 23:15", "17 23:15"),
    (Timer.TAKE_IN, "60", "agency", "16 16:00", "19 08:30", "16 17:00"),
    (Timer.TAKE_IN, "15", "agency", "16 16:00", "19 08:30", "19 08:15"),
    (Timer.TAKE_IN, "late", "heads", "13 11:00", "13 15:00", "13 15:00"),
    (Timer.NOTIFY_SENDER, "", "agency", "13 09:00", "13 17:00", "13 16:00"),
    (Timer.NOTIFY_SENDER, "", "agency", "16 16:55", "16 17:00", "16 16:55"),
    (Timer.FINISH_BY_DAY, "3", "officers", "12 09:00", "19 17:00", "16 07:30"),
    (Timer.FINISH_BY_DAY, "3", "officers", "18 09:00", "19 17:00", None),
    (Timer.FINISH_BY_DAY, "late", "unit_heads", "12 09:00", "16 17:00", "16 17:00"),
    (Timer.RECIPIENTS_REPLY, "late", "agency", "12 09:00", "16 17:00", "17 07:30"),
    (Timer.REPORT_STATUS, "6h", "operators", "16 16:00", "16 16:05", "16 22:00"),
    (Timer.ORGANISATION_CHANGE, "10", "operators", "01 00:00", "16 17:00", "11 08:00"),
)


def test_each_step_has_its_moment(cases: Cases) -> None:
    for timer, key, to, since, due, expected in STEPS:
        with cases.case(f"{timer} {key} {since}"):
            step = next(s for s in TIMERS[timer].steps if (s.key, s.to) == (key, to))
            moment = timers.step_moment(OFFICE, timer, step, at(since), at(due))
            assert moment == (at(expected) if expected else None)


def test_the_table_has_every_timer_once_and_steps_that_differ(cases: Cases) -> None:
    assert set(TIMERS) == set(Timer)
    for timer, row in TIMERS.items():
        with cases.case(timer):
            steps = [(step.key, step.to, step.task) for step in row.steps]
            assert len(steps) == len(set(steps))
            assert all(step.base is Base.DUE or step.minutes >= 0 for step in row.steps)
            assert not row.most or row.least <= row.amount <= row.most


def test_an_agency_has_hours_days_and_lengths_of_its_own() -> None:
    own = office_profile.calendar_of_agency(
        OFFICE,
        chosen(
            office_hours="08:00-12:00, 13:00-17:00",
            office_weekdays="mon,tue,wed,thu,fri,sat",
            office_days="19/10/2026 nghỉ, 25/10/2026 làm",
            reminder_hours="09:00",
            quiet_timers="t2",
            timer_t2="60",
            timer_t7n="10",
        ),
    )
    assert office_profile.calendar_of_agency(OFFICE, {}) is OFFICE
    assert own.is_own
    assert (own.works(at("17 00:00").date()), own.works(at("19 00:00").date())) == (True, False)
    assert own.works(at("25 00:00").date())
    assert timers.take_in(own, at("17 16:30"), Urgency.NORMAL).at == at("20 08:30")
    assert timers.length(own, Timer.FINISH_WITHOUT_DAY) == 10 * timedelta(hours=8)
    assert own.quiet == {"t2"}
    assert [f"{hour:%H:%M}" for hour in own.digest_at or ()] == ["09:00"]


def test_typed_hours_and_days_are_stored_in_one_form_and_others_refused(cases: Cases) -> None:
    read = {key: setting.read for key, setting in SETTINGS.items()}
    for key, text, stored in (
        ("office_hours", "7:30-11:30", None),
        ("office_hours", "08:00-12:00,13:00-17:00", "08:00-12:00, 13:00-17:00"),
        ("office_hours", "13:00-12:00", None),
        ("office_days", "26/12/2026 làm, 24/12/2026 nghỉ", "24/12/2026 nghỉ, 26/12/2026 làm"),
        ("office_days", "24/12/2026", None),
        ("office_days", "31/2/2026 nghỉ", None),
        ("office_days", "24/12/2026 nghỉ, 24/12/2026 làm", None),
        ("reminder_hours", "14:00, 08:00", "08:00, 14:00"),
        ("reminder_hours", "25:00", None),
        ("office_weekdays", "fri, mon", "mon,fri"),
        ("office_weekdays", "friday", None),
        ("quiet_timers", "t2", "t2"),
        ("quiet_timers", "t26", None),
        ("timer_t2", "29", None),
        ("timer_t2", "60", "60"),
        ("office_hours", "", ""),
    ):
        with cases.case(f"{key} {text}"):
            assert read[key](text) == stored


def test_the_table_names_the_warning_before_an_unused_account_ends(cases: Cases) -> None:
    since, ends_at = at("01 08:00"), at("31 08:00")
    for timer in (Timer.UNUSED_ACCOUNT, Timer.INACTIVITY):
        with cases.case(timer):
            steps = [step for step in TIMERS[timer].steps if step.key == "7"]
            moments = [timers.step_moment(OFFICE, timer, step, since, ends_at) for step in steps]
            assert moments == [at("24 07:30")]
