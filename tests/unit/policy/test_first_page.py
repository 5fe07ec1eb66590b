"""The first page held against what was sent: what differs in substance is found, what differs in form is not."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import Any

from gateway.demo import stage
from gateway.domain.pdf import Found, PdfFields, Sure
from gateway.office.policy.first_page import FirstPage, compare, surely
from gateway.policy.pdf_fields import read_fields
from gateway.trust.pdf_layout import read_text
from tests.support.cases import Cases
from tests.unit.office.web.test_checks import document

DAY = date(2026, 11, 20)
PAGE = FirstPage(code="15/UBND", issued_on=DAY, subject="V/v phối hợp kiểm thử liên thông")
SENT = replace(document(), issued_on=DAY, subject="Phối hợp kiểm thử liên thông")


def differs(page: FirstPage, **sent: Any) -> set[str]:
    return {each.field for each in compare(page, replace(SENT, **sent)) if not each.same}


def test_another_way_of_writing_the_same_is_no_difference_and_each_field_that_differs_is_named() -> None:
    same: tuple[dict[str, Any], ...] = (
        {},
        {"number": "015"},
        {"symbol": "ubnd"},
        {"subject": "Về việc phối hợp  kiểm thử liên thông."},
        {"type_name": "Công văn", "subject": "Công văn về việc phối hợp kiểm thử liên thông"},
    )
    for sent in same:
        assert differs(PAGE, **sent) == set()
    assert differs(PAGE, number="16") == {"number"}
    assert differs(PAGE, symbol="UBNĐ") == {"number"}
    assert differs(PAGE, issued_on=date(2026, 11, 21)) == {"date"}
    assert differs(PAGE, subject="V/v phối hợp kiểm tra liên thông") == {"subject"}


def test_what_was_not_surely_read_says_nothing() -> None:
    doubtful = PdfFields(
        number=Found(value="99", sure=Sure.DOUBTFUL),
        symbol=Found(value="UBND", sure=Sure.SURE),
        issued_on=Found(value=date(2020, 1, 1), sure=Sure.DOUBTFUL),
    )

    assert compare(surely(doubtful), SENT) == ()


def test_the_demonstrations_documents_agree_with_their_first_pages(cases: Cases) -> None:
    cast = stage.cast()
    for key in cast.data["documents"]:
        with cases.case(key):
            told = cast.document(key)
            page = surely(read_fields(read_text(io.BytesIO(cast.file(key, 0, DAY)))))
            sent = {name: told[name] for name in ("number", "symbol", "subject")} | {
                "type_name": told["type"]
            }
            assert [field.same for field in compare(page, replace(SENT, **sent))] == [True, True, True]
