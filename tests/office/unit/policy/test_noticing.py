"""When a stop may be announced (T13), and what a notice of an incident must say (R98)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.wall_clock import VIETNAM
from gateway_office.domain.notice import Audience, Notice, NoticeKind, NoticeWish
from gateway_office.policy import todo

OFFICE = OfficeCalendar()
FRIDAY, MONDAY = datetime(2026, 10, 16, 8, tzinfo=VIETNAM), datetime(2026, 10, 19, 8, tzinfo=VIETNAM)
STOP = NoticeWish(
    kind=NoticeKind.STOP, starts_at=MONDAY, ends_at=MONDAY + timedelta(hours=2), text_vi="Tam dung de bao tri"
)


def test_a_stop_on_monday_at_eight_is_told_no_later_than_friday_at_eight() -> None:
    """R97 (planned stop), T13 (planned stop)."""
    assert todo.notice_faults(STOP, OFFICE, FRIDAY) == ()
    late = todo.notice_faults(STOP, OFFICE, FRIDAY + timedelta(minutes=1))
    assert late == (("starts_at", "short"),)


def test_an_emergency_with_its_reason_may_be_told_later() -> None:
    wish = replace(STOP, emergency="A broken disk must be replaced")

    assert todo.notice_faults(wish, OFFICE, MONDAY) == ()


def test_an_incident_is_told_at_once_and_says_how_to_work_meanwhile_and_afterwards() -> None:
    wish = replace(STOP, kind=NoticeKind.INCIDENT, starts_at=FRIDAY, ends_at=None)

    assert todo.notice_faults(wish, OFFICE, FRIDAY) == (
        ("meanwhile", todo.MISSING),
        ("afterwards", todo.MISSING),
    )
    complete = replace(wish, meanwhile="On paper", afterwards="With the real time of receipt")
    assert todo.notice_faults(complete, OFFICE, FRIDAY) == ()


def test_each_fault_names_its_field() -> None:
    for changed, why in (
        ({"text_vi": " "}, todo.MISSING),
        ({"text_en": "x" * 1001}, todo.LONG),
        ({"ends_at": None}, todo.MISSING),
        ({"ends_at": MONDAY}, todo.ORDER),
    ):
        (field,) = changed
        wish = replace(STOP, **changed)
        assert todo.notice_faults(wish, OFFICE, FRIDAY) == ((field, why),)


def test_a_stop_ends_by_itself_and_an_incident_when_somebody_says_so() -> None:
    stop = Notice(id="ntc_1", wish=STOP, published_at=FRIDAY, published_by="prn_1")
    incident = replace(stop, wish=replace(STOP, kind=NoticeKind.INCIDENT))
    in_three_hours = MONDAY + timedelta(hours=3)

    assert stop.holds(FRIDAY)
    assert not stop.holds(in_three_hours)
    assert incident.holds(in_three_hours)
    assert not replace(incident, closed_at=in_three_hours).holds(in_three_hours)


def test_a_notice_for_one_agency_is_for_no_other() -> None:
    wish = replace(STOP, audience=Audience.ONE_AGENCY, agency_id="agy_1")
    notice = Notice(id="ntc_1", wish=wish, published_at=FRIDAY, published_by="prn_1")

    assert notice.is_for("agy_1")
    assert notice.is_for("")
    assert not notice.is_for("agy_2")
