"""The fields of a new document: what was typed, what was read from a PDF, and what still has to be looked at."""

from __future__ import annotations

from datetime import date
from types import MappingProxyType

import pytest

from gateway.domain.document import Draft, FileRole, Signer, Urgency
from gateway.domain.pdf import Field, PdfFields, Sure
from gateway_office.web.forms import Form
from gateway_office.web.pages.compose import addressing, fields, uploads

TODAY = date(2026, 11, 20)


def form(**texts: str) -> Form:
    return Form(MappingProxyType({name: (value,) for name, value in texts.items()}))


def test_typed_values_come_back_in_the_form_of_the_page() -> None:
    texts = {
        "number": "15",
        "symbol": "STD-VP",
        "date": "20112026",
        "type": "cong_van",
        "urgency": "hoa_toc",
        "subject": "Về việc\nbáo cáo",
        "name": "Nguyễn Văn Mẫu",
        "title": "Giám đốc",
        "reply": "yes",
        "reply_due": "1/12/2026",
        "signed_at": "7 giờ 30 20/11/2026",
        "pages": "3",
        "file_year": "2026",
        "file_notation": "01-VP",
        "file_organ": "Z91",
        "delivery": "both",
        "secrecy": "none",
    }

    draft, wrong = fields.read_draft(form(**texts), Draft(), TODAY)

    assert wrong == []
    assert (draft.issued_on, draft.type_name, draft.urgency) == (TODAY, "Công văn", Urgency.EXPRESS)
    shown_texts = fields.values(draft)
    assert shown_texts["date"] == "20/11/2026"
    assert shown_texts["subject"] == "Về việc báo cáo"
    assert shown_texts["signed_at"] == "07:30 20/11/2026"
    assert shown_texts["reply"] == "yes"
    assert fields.read_draft(form(**shown_texts), Draft(), TODAY)[0] == draft


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("date", "31/02/2026"),
        ("reply_due", "mai mốt"),
        ("signed_at", "20/11/2026"),
        ("pages", "ba"),
        ("copies", "-1"),
    ],
)
def test_what_cannot_be_read_is_named_and_nothing_is_guessed(field: str, text: str) -> None:
    draft, wrong = fields.read_draft(form(**{field: text}), Draft(), TODAY)

    assert [name for name, _ in wrong] == [field]
    assert (draft.issued_on, draft.reply_due, draft.signed_at, draft.pages, draft.copies) == (None,) * 5


def test_a_pdf_fills_what_is_empty_and_doubts_what_is_not_sure_or_was_typed_otherwise() -> None:
    read = PdfFields(
        number=Field(value="118", sure=Sure.SURE),
        symbol=Field(value="UBND-VP", sure=Sure.DOUBTFUL, why="mismatch"),
        subject=Field(value="Báo cáo", sure=Sure.SURE),
        signer=Field(value="Trần Văn Thử", sure=Sure.DOUBTFUL, why="capitals"),
        type_key=Field(value="bao_cao", sure=Sure.SURE),
    )
    draft_typed = Draft(number="117", subject="Đã nhập", signer=Signer(name="", title="Giám đốc"))

    draft, doubts, filled = uploads.filled_draft(draft_typed, read)

    assert (draft.number, draft.subject, draft.symbol) == ("117", "Đã nhập", "UBND-VP")
    assert draft.signer == Signer(name="Trần Văn Thử", title="Giám đốc")
    assert (draft.type_key, draft.type_name) == ("bao_cao", "Báo cáo")
    assert doubts == {"number": "typed", "symbol": "mismatch", "name": "capitals"}
    assert filled == {"symbol", "name", "type"}


def test_a_file_that_was_dropped_gets_the_role_that_its_name_tells() -> None:
    roles = {"cv.pdf": "lead", "CV.PDF": "lead", "cv.docx": "source", "bang.xlsx": "appendix"}
    assert {name: uploads.role_of(name, ()) for name in roles} == roles
    assert uploads.role_of("phu-luc.pdf", (FileRole.LEAD,)) == "appendix"


def test_a_doubt_ends_when_it_is_ticked_or_the_field_typed_anew_and_not_before() -> None:
    doubts = (("number", "typed"), ("symbol", "mismatch"), ("date", "late"))
    first = {"number": "1", "symbol": "A", "date": "20/11/2026"}

    assert fields.still_doubted(doubts, [], first, first) == doubts
    assert fields.still_doubted(doubts, ["date"], first, {**first, "symbol": "B"}) == (doubts[0],)


def test_rows_keep_their_roles_and_a_question_becomes_what_was_chosen() -> None:
    rows = Form(
        MappingProxyType(
            {
                "to_key": ("Z91.07", "=Các sở", "z91.07"),
                "to_role": ("to_know", "to_act", "to_act"),
                "pick.1": ("Z91.12", "Z91.07"),
            }
        )
    )

    recipients = addressing.read_rows(rows, ())

    assert [(recipient.code, recipient.role.value) for recipient in recipients] == [
        ("Z91.07", "to_know"),
        ("Z91.12", "to_act"),
        ("z91.07", "to_act"),
    ]


def test_a_reason_leads_to_its_field() -> None:
    places = {
        "/signer/name": "name",
        "/recipients/3/code": "to-3",
        "/recipients": "find",
        "/files/0": "file-1",
        "/files": "files",
        "/nowhere": "",
    }
    assert {pointer: fields.place_of(pointer) for pointer in places} == places
