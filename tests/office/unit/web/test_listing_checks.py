"""Rows of lists: what was checked is ticked as on the document's own page, and the time left is the same there."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gateway.domain import status
from gateway.domain.document import IncomingDocument, InState, OutState, Urgency
from gateway.domain.identity import PacketId
from gateway.domain.office_calendar import AFTERNOON, MORNING
from gateway.domain.signatures import SignatureWord
from gateway.domain.states import Track
from gateway.domain.status import Duty, Fact, RequestKind, Waits
from gateway.domain.wall_clock import VIETNAM
from gateway.policy import timers
from gateway.words import labels
from gateway_office.domain.listing import (
    ListLine,
    doubt_of,
    due_within,
    incoming_line,
    may_be_taken,
    note_of,
    outgoing_line,
)
from gateway_office.store.lists_write import microseconds, moving_columns
from gateway_office.web.listing.list_rows import RowRenderer, checks
from tests.support import stores
from tests.support.clock import ManualClock
from tests.unit.document_view import test_checks

OFFICE = timers.calendar_of(frozenset(range(5)), (MORNING, AFTERNOON), (), ())


pdf = test_checks.pdf


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=VIETNAM)


def document(**more: Any) -> IncomingDocument:
    return test_checks.document(**{"arrived_at": at(18, 9), "pages": None} | more)


def line(document: IncomingDocument, *facts: Fact, state: str = "") -> ListLine:
    owed = status.duty_of(document, facts)
    due_at = timers.of_duty(OFFICE, owed, document.urgency).at if owed is not None else None
    return incoming_line(document, state or document.state.value, due_at)


def words(document: IncomingDocument) -> dict[str, str]:
    return {check.key: check.word for check in checks(line(document))}


def test_what_passed_everything_is_ticked_and_mail_of_another_way_has_no_ticks() -> None:
    assert set(words(document()).values()) == {"good"}
    assert not checks(line(replace(document(), checks={})))


@pytest.mark.parametrize(
    ("more", "key", "word"),
    [
        ({"found": {"warnings": "pages-differ at /pages (stated=3, found=2)"}}, "rules", "doubt"),
        ({"found": {"rules": "held", "reasons": "schema at /"}, "state": InState.HELD}, "rules", "doubt"),
        ({"state": InState.HELD}, "rules", "doubt"),
        (pdf(SignatureWord.INVALID), "pdf", "bad"),
        (pdf(SignatureWord.UNKNOWN), "pdf", "doubt"),
    ],
)
def test_a_document_that_is_held_or_to_be_looked_at_has_no_row_of_ticks_alone(
    more: dict[str, Any], key: str, word: str
) -> None:
    assert words(document(**more))[key] == word


def test_a_sent_document_with_an_invalid_signature_is_marked_and_no_other(clock: ManualClock) -> None:
    """It may be judged so long after it left; its row has no ticks of an arrival, and no note of what is only unknown."""

    def sent(word: SignatureWord, state: OutState = OutState.QUEUED) -> ListLine:
        letter = stores.outgoing(clock, state=state, **pdf(word))
        return outgoing_line(letter, {"sent": 1}, clock.now(), None, None)

    rendered = RowRenderer(lang="vi", now=clock.now()).row(sent(SignatureWord.INVALID))
    assert (rendered.doubt, rendered.note) == (labels.say("listing.doubtful.pdf", "vi"), "")
    for word in (SignatureWord.VALID, SignatureWord.UNKNOWN, SignatureWord.UNSIGNED):
        assert (doubt_of(sent(word)), note_of(sent(word))) == ("", "")
    for state in (OutState.DRAFT, OutState.BLOCKED, OutState.CANCELLED):
        assert doubt_of(sent(SignatureWord.INVALID, state)) == ""


def recall_fact(when: datetime) -> Fact:
    return Fact(
        track=Track.REQUEST,
        code="asked",
        at=when,
        stated_at=at(1, 0),
        request_id=PacketId("p1"),
        request_kind=RequestKind.RECALL,
    )


@pytest.mark.parametrize("urgency", [Urgency.NORMAL, Urgency.EXPRESS])
@pytest.mark.parametrize(
    ("state", "facts", "word"),
    [
        (InState.NEW, (), ""),
        (InState.HELD, (Fact(track=Track.OTHER, code="held", at=at(18, 15)),), ""),
        (InState.ACCEPTED, (recall_fact(at(18, 16)),), "recall_asked"),
    ],
)
def test_the_list_tells_the_time_left_that_the_page_tells(
    urgency: Urgency, state: InState, facts: tuple[Fact, ...], word: str
) -> None:
    now, arrived = at(19, 8), document(state=state, urgency=urgency)
    owed = status.duty_of(arrived, facts)
    assert owed is not None
    on_page = timers.of_duty(OFFICE, owed, urgency).time_left(OFFICE, now)

    row = RowRenderer(lang="vi", now=now, office=OFFICE).row(line(arrived, *facts, state=word))

    assert row.remaining == on_page


def test_a_request_runs_from_when_we_learnt_of_it_and_not_from_the_time_its_sender_states() -> None:
    duty = status.duty_of(document(state=InState.DONE), (recall_fact(at(18, 16)),))

    assert duty == Duty(waits=Waits.ANSWER, since=at(18, 16))


def test_without_office_hours_a_hold_and_a_request_have_a_day() -> None:
    since = at(18, 16)
    spans = {waits: due_within("", Duty(waits=waits, since=since), Urgency.URGENT) - since for waits in Waits}

    assert spans[Waits.DECIDE] == spans[Waits.ANSWER] > spans[Waits.TAKE_IN] == spans[Waits.PARTNER]


DOUBTS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"pages": 4}, "pages"),
    ({"pages": 2, "found": {"warnings": "pages-differ at /pages (stated=2, found=3)"}}, "pages"),
    ({"found": {"certificate_confirmed": "false"}}, "certificate_confirmed"),
    ({"found": {"rules": "held", "reasons": "schema at /"}, "state": InState.HELD}, "rules"),
    ({"found": {"warnings": "secrecy-stamp at /files/1 (text=Mật)"}}, "secrecy"),
    ({"marks": ("paper_copy:inb_2",)}, "paper_copy"),
    (pdf(SignatureWord.INVALID), "pdf"),
    ({"pages": 4, "state": InState.ACCEPTED}, ""),
]


@pytest.mark.parametrize(("more", "doubt"), DOUBTS)
def test_a_row_names_what_is_doubtful_in_one_word_and_has_no_button_then(
    more: dict[str, Any], doubt: str
) -> None:
    doubtful = document(**more)
    row = RowRenderer(lang="vi", now=at(18, 9), office=OFFICE).row(line(doubtful))

    assert doubt_of(line(doubtful)) == doubt
    assert bool(row.doubt) == bool(doubt)
    assert row.can_take == (not doubt and doubtful.state is InState.NEW)
    # Where the row offers its button the page has one too, and the row doubts what the page doubts.
    page = test_checks.panel_of(doubtful)
    if doubtful.state is InState.NEW and doubt not in ("", "paper_copy"):
        assert not page.is_clean
    assert not may_be_taken(line(doubtful)) or page.is_clean


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"found": {"revocation": "unknown"}}, "revocation"),
        ({"found": {"envelope_signature": "weak"}}, "envelope_signature"),
        ({"found": {"warnings": "filename at /files/1 (name=a)"}}, "rules"),
        (pdf(SignatureWord.UNKNOWN), "pdf"),
        ({}, ""),
    ],
)
def test_what_is_to_be_read_is_named_and_stops_nothing(more: dict[str, Any], note: str) -> None:
    list_line = line(document(**more))

    assert (doubt_of(list_line), note_of(list_line), may_be_taken(list_line)) == ("", note, True)


def test_a_row_offers_nothing_where_the_act_would_be_refused() -> None:
    assert not may_be_taken(line(document(checks={})))
    for state in (InState.HELD, InState.ACCEPTED):
        assert not may_be_taken(line(document(state=state)))


def test_urgent_ones_come_first_then_doubtful_ones_then_those_with_least_time() -> None:
    fields: list[dict[str, Any]] = [
        {"urgency": Urgency.NORMAL, "arrived_at": at(18, 8)},
        {"urgency": Urgency.URGENT, "arrived_at": at(18, 10)},
        {"urgency": Urgency.NORMAL, "arrived_at": at(18, 10), "pages": 9},
        {"urgency": Urgency.EXPRESS, "arrived_at": at(18, 11)},
        {"urgency": Urgency.NORMAL, "arrived_at": at(18, 9)},
        {"urgency": Urgency.EXPRESS, "arrived_at": at(18, 14), "pages": 9},
    ]

    leads = [moving_columns(line(document(**f)))["lead"] for f in fields]

    assert sorted(range(len(fields)), key=lambda n: leads[n]) == [5, 3, 1, 2, 0, 4]


def test_earlier_rows_stand_rightly_among_new_rows() -> None:
    """A letter without doubts keeps its place."""
    list_line = line(document(urgency=Urgency.URGENT))
    assert list_line.due_at is not None

    assert moving_columns(list_line)["lead"] == (3 << 52) + microseconds(list_line.due_at)


@pytest.mark.parametrize(
    ("urgency", "now", "expected"),
    [
        (Urgency.NORMAL, at(18, 9), "Còn 2 giờ"),
        (Urgency.NORMAL, at(19, 14), "Quá 1 ngày 1 giờ làm việc"),
        (Urgency.EXPRESS, at(19, 8, 30), "Quá 23 giờ 15 phút"),
    ],
)
def test_time_is_told_on_the_clock_that_it_runs_by(urgency: Urgency, now: datetime, expected: str) -> None:
    arrived = document(arrived_at=at(18, 9), urgency=urgency)

    assert RowRenderer(lang="vi", now=now, office=OFFICE).row(line(arrived)).time_left == expected
