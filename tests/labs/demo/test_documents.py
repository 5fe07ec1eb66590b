"""The demonstration's papers say what is sent beside them."""

from __future__ import annotations

import io
from datetime import date

import pytest

from gateway.domain.pdf import PdfFields, PdfText, Sure
from gateway.policy.pdf_fields import read_fields
from gateway.policy.recipients_block import items_of
from gateway.trust.pdf_layout import read_text
from gateway_labs.demo import papers, stage
from gateway_labs.demo.papers import printed
from tests.support.waiting import LIMIT_S

DAY = date(2026, 11, 20)
CAST = stage.cast()
FIELDS = ("number", "symbol", "issued_on", "type_key", "subject", "signer", "title")


def text_of(pdf: bytes) -> PdfText:
    """Read to its end however busy the machine is."""
    return read_text(io.BytesIO(pdf), LIMIT_S)


def fields_of(pdf: bytes) -> PdfFields:
    return read_fields(text_of(pdf))


@pytest.mark.parametrize("key", CAST.data["documents"])
def test_number_date_subject_and_signer_on_the_paper_are_those_that_are_sent(key: str) -> None:
    draft = CAST.document(key)

    fields = fields_of(CAST.file(key, 0, DAY))

    read = dict(fields.items())
    assert {name: read[name].why for name in FIELDS if read[name].sure is not Sure.SURE} == {}
    assert (fields.number.value, fields.symbol.value) == (draft["number"], draft["symbol"])
    assert fields.issued_on.value == DAY
    assert (
        papers.summarize_subject(str(fields.subject.value), draft["type"]).casefold()
        == papers.summarize_subject(draft["subject"], draft["type"]).casefold()
    )
    assert fields.signer.value == draft["signer"][0]
    assert str(fields.title.value).casefold() == draft["signer"][1].casefold()


def test_an_appendix_names_the_document_that_it_belongs_to() -> None:
    draft = CAST.document("request")

    assert CAST.file("letter", 0, DAY) == CAST.file("letter", 0, DAY)
    text = " ".join(run.text for run in text_of(CAST.file("request", 1, DAY)).runs)

    assert f"Công văn số {draft['number']}/{draft['symbol']} ngày 20 tháng 11 năm 2026" in text


def test_a_draft_without_a_number_leaves_room_for_one() -> None:
    """And a letter on paper is printed from what is entered of it."""
    paper = papers.paper_of(CAST.data, "province-draft", DAY, number="", subject="V/v thử chỗ trống")
    fields = fields_of(printed(paper).pdf)
    assert (fields.number.value, fields.number.why, fields.symbol.value) == (None, "blank", "UBND-VP")

    draft = CAST.data["paper"]["in"][0]
    fields = fields_of(printed(papers.from_outside(CAST.data, draft, DAY, "province")).pdf)
    assert (fields.number.value, fields.symbol.value) == (draft["number"], draft["symbol"])
    assert fields.subject.value == draft["subject"]


def test_a_letter_says_over_its_text_whom_it_is_addressed_to() -> None:
    both = fields_of(CAST.file("request", 0, DAY)).addressed
    addressee = fields_of(CAST.file("reply", 0, DAY)).addressed

    assert [a.name for a in items_of(both)] == [CAST.data[e]["name"] for e in ("department", "commune")]
    assert [a.name for a in items_of(addressee)] == [CAST.data["province"]["name"]]
    assert fields_of(CAST.file("decision", 0, DAY)).addressed == ""
