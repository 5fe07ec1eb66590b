"""Sentences of the exchange with words of the office: of roles and accounts in the journal, and of hours in the help."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.document_view.event_sentence import EventNames, say_event
from gateway.domain.document import Urgency
from gateway.domain.event import Event, EventKind
from gateway.domain.office_calendar import SHIPPED, OfficeCalendar
from gateway.domain.wall_clock import VIETNAM, local
from gateway.policy import timers
from gateway.words import labels
from tests.support.cases import Cases

FRIDAY = datetime(2026, 10, 16, 16, 50, tzinfo=VIETNAM)
SENTENCES: tuple[tuple[EventKind, dict[str, Any], str, str], ...] = (
    (
        EventKind.POST_ASSIGNED,
        {"role": "clerk", "agency": "agn_1"},
        "Nguyễn Văn A giao cho Trần Thị B vai trò văn thư",
        "Nguyễn Văn A gave Trần Thị B the role clerk",
    ),
    (
        EventKind.ACCOUNT_STANDING,
        {"standing": "suspended", "reason": "nghỉ"},
        "Nguyễn Văn A đổi tình trạng tài khoản của Trần Thị B thành: tạm dừng",
        "Nguyễn Văn A changed the standing of the account of Trần Thị B to: suspended",
    ),
)


def test_roles_and_accounts_have_words_in_the_journal(cases: Cases) -> None:
    names = EventNames(people={"prn_b": "Trần Thị B"})
    for kind, data, vietnamese, english in SENTENCES:
        with cases.case(kind):
            happened = Event(
                id="evt_1", kind=kind, at=FRIDAY, subject_id="prn_b", principal_id="prn_a", data=data
            )
            assert say_event(happened, "Nguyễn Văn A", names, "vi").text == vietnamese
            assert say_event(happened, "Nguyễn Văn A", names, "en").text == english


def test_the_help_names_the_last_moment_to_issue_as_it_is_reckoned() -> None:
    calendar = timers.calendar_of(OfficeCalendar().weekdays, OfficeCalendar().spans, SHIPPED, ())
    due = timers.issue(calendar, FRIDAY, Urgency.NORMAL)
    for lang in labels.LANGUAGES:
        assert f"{local(due.at):%H:%M}" in labels.say("help.time.issue", lang)
