"""An event is said as one sentence, in both languages, with the names that the reader may know."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from gateway.document_view.event_sentence import (
    EventNames,
    NamedDocument,
    agencies_in,
    people_in,
    say_event,
)
from gateway.domain.event import Event, EventKind
from gateway.words import labels
from tests.support.cases import Cases

AT = datetime(2026, 11, 20, 3, tzinfo=UTC)
NAMES = EventNames(
    people={"prn_b": "Trần Thị B", "prn_c": "Lê Văn C"},
    agencies={"Z91.07": "Sở Thử nghiệm", "agn_1": "Ủy ban nhân dân xã"},
    documents={
        "inb_1": NamedDocument(side="in", number="12/UBND-VP", party="Sở Thử nghiệm"),
        "msg_1": NamedDocument(side="out", number="7/TB-UBND", party="Sở Thử nghiệm"),
    },
)


def event(kind: EventKind, subject: str = "", **data: Any) -> Event:  # Any: fields have many types
    return Event(id="evt_1", kind=kind, at=AT, subject_id=subject, principal_id="prn_a", data=data)


SENTENCES = (
    (
        event(EventKind.INBOX_STATUS, "inb_1", code="03", state="accepted"),
        "Nguyễn Văn A tiếp nhận văn bản 12/UBND-VP của Sở Thử nghiệm",
        "Nguyễn Văn A took in document 12/UBND-VP from Sở Thử nghiệm",
    ),
    (
        event(EventKind.INBOX_STATUS, "inb_2", code="02", state="rejected"),
        "Nguyễn Văn A từ chối tiếp nhận một văn bản đến",
        "Nguyễn Văn A refused an incoming document",
    ),
    (
        event(EventKind.SESSION_BEGUN, "prn_c", session="ses_1"),
        "Lê Văn C đăng nhập",
        "Lê Văn C signed in",
    ),
    (
        event(EventKind.DELIVERY_SENT, "msg_1", to="Z91.07", code="01"),
        "Nguyễn Văn A gửi văn bản 7/TB-UBND gửi Sở Thử nghiệm lên trục, đến Sở Thử nghiệm",
        "Nguyễn Văn A gave document 7/TB-UBND to Sở Thử nghiệm to the axis, for Sở Thử nghiệm",
    ),
    (
        event(EventKind.DELEGATION_CREATED, "dlg_1", **{"from": "prn_b", "to": "prn_c"}),
        "Nguyễn Văn A lập ủy quyền của Trần Thị B cho Lê Văn C",
        "Nguyễn Văn A made a delegation from Trần Thị B to Lê Văn C",
    ),
    (
        event(EventKind.BINDING_APPROVED, "binding:Z91.07", code="Z91.07"),
        "Nguyễn Văn A xác nhận chứng thư số của Sở Thử nghiệm",
        "Nguyễn Văn A confirmed a certificate of Sở Thử nghiệm",
    ),
    (
        event(EventKind.SEAL_APPROVED, "seal:Z91.07", code="Z91.07", what="person"),
        "Nguyễn Văn A duyệt đăng ký mẫu chữ ký của người có thẩm quyền tại Sở Thử nghiệm",
        "Nguyễn Văn A approved the signature of a person of Sở Thử nghiệm",
    ),
    (
        event(EventKind.SEALING_RIGHT_APPROVED, "seal:Z91.07", code="Z91.07", acting_code="Z91"),
        "Nguyễn Văn A duyệt để Z91 đóng dấu thay Sở Thử nghiệm",
        "Nguyễn Văn A approved that Z91 seals for Sở Thử nghiệm",
    ),
)


def test_what_happened_is_one_sentence_with_names(cases: Cases) -> None:
    for happened, vietnamese, english in SENTENCES:
        with cases.case(f"{happened.kind} {happened.subject_id}"):
            assert say_event(happened, "Nguyễn Văn A", NAMES, "vi").text == vietnamese
            assert say_event(happened, "Nguyễn Văn A", NAMES, "en").text == english


def test_the_thing_stands_apart_so_that_a_page_can_link_it() -> None:
    sentence = say_event(event(EventKind.INBOX_STATUS, "inb_1", code="03"), "A", NAMES, "vi")

    assert (sentence.opening, sentence.subject, sentence.closing) == (
        "A tiếp nhận ",
        "văn bản 12/UBND-VP của Sở Thử nghiệm",
        "",
    )


def test_every_kind_has_its_own_sentence_and_needs_no_field(cases: Cases) -> None:
    for kind in EventKind:
        with cases.case(kind):
            assert labels.has(f"journal.say.{kind}")
            for lang in labels.LANGUAGES:
                text = say_event(event(kind), "A", EventNames(), lang).text
                assert text
                assert text[0].isupper()
                assert not re.search(r"[{}\x00]|  ", text)


def test_a_kind_of_a_newer_node_is_said_by_its_name() -> None:
    class Newer:
        kind, at, subject_id, data = "parcel.painted", AT, "", {"lang": "vi", "key": "x"}

    assert say_event(Newer(), "A", EventNames(), "vi").text == "A: parcel.painted"


def test_names_are_asked_for_what_the_event_speaks_of() -> None:
    happened = event(
        EventKind.RECALL_FILED, "msg_1", asked_by="prn_b", to=["Z91.07", "Z91.08"], code="Z91.09"
    )

    assert people_in(happened) >= {"msg_1", "prn_b"}
    assert agencies_in(happened) >= {"Z91.07", "Z91.08", "Z91.09"}
