"""The first page held against what was sent: what differs in substance is found, what differs in form is not."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from typing import Any

from gateway.domain.pdf import FirstPage, Ink
from gateway.policy.first_page import compare, judge_arrived, judge_sent, read_first_page
from gateway.policy.verdict import ReasonCode
from gateway.trust.pdf_layout import read_text
from gateway_labs.demo import stage
from tests.support import first_pages, letters
from tests.support.cases import Cases
from tests.unit.document_view.test_checks import document

DAY = date(2026, 11, 20)
PAGE = FirstPage(number="15", symbol="UBND", issued_on=DAY, subject="V/v phối hợp kiểm thử liên thông")
SENT = replace(document(), issued_on=DAY, subject="Phối hợp kiểm thử liên thông")


def differs(page: FirstPage, **sent: Any) -> set[str]:
    return {comparison.field for comparison in compare(page, replace(SENT, **sent)) if not comparison.same}


def test_another_way_of_writing_the_same_is_no_difference(cases: Cases) -> None:
    same: tuple[dict[str, Any], ...] = (
        {},
        {"number": "015"},
        {"number": "Số: 15"},
        {"number": "Số: 15/UBND", "symbol": "UBND"},
        {"symbol": "ubnd"},
        {"symbol": " UB-ND "},
        {"subject": "Về việc phối hợp  kiểm thử liên thông."},
        {"subject": "VỀ VIỆC PHỐI HỢP KIỂM THỬ\nLIÊN THÔNG"},
        {"subject": "“Phối hợp – kiểm thử” liên thông"},
        {"subject": letters.nfd("Phối hợp kiểm thử liên thông")},
        {"subject": "Phối hợp kiểm thử"},
        {"type_name": "Công văn", "subject": "Công văn về việc phối hợp kiểm thử liên thông"},
    )
    for sent in same:
        with cases.case(sent):
            assert differs(PAGE, **sent) == set()
    assert differs(FirstPage(number="15", symbol="QĐ–UBND"), symbol="QÐ-UBND") == set()


def test_a_number_or_symbol_that_alone_is_sure_is_compared_alone() -> None:
    number, symbol = FirstPage(number="15"), FirstPage(symbol="UBND")
    assert (
        differs(number)
        == differs(symbol)
        == differs(number, symbol="VP")
        == differs(symbol, number="16")
        == set()
    )
    assert differs(number, number="16") == {"number"}
    assert differs(symbol, symbol="VP") == {"symbol"}


def test_each_field_that_differs_is_named() -> None:
    """R15 (true to the original)."""
    assert differs(PAGE, number="16") == {"number"}
    assert differs(PAGE, symbol="UBNĐ") == {"number"}
    assert differs(PAGE, issued_on=date(2026, 11, 21)) == {"date"}
    assert differs(PAGE, subject="V/v phối hợp kiểm tra liên thông") == {"subject"}
    assert differs(PAGE, subject="Kiểm thử") == {"subject"}


def test_a_blank_place_for_the_number_is_no_unread_number() -> None:
    pages = [read_first_page(read_text(io.BytesIO(first_pages.printed(number)))) for number in ("", "15")]

    assert [(page.is_unnumbered, page.number, page.symbol) for page in pages] == [
        (True, None, "STD-VP"),
        (False, "15", "STD-VP"),
    ]
    assert not FirstPage().is_unnumbered


OTHER_SUBJECT = "Cử cán bộ tham gia đoàn kiểm tra"


def test_another_number_or_two_differences_ask_the_sender_and_another_number_is_doubtful_to_the_receiver(
    cases: Cases,
) -> None:
    rows: tuple[tuple[dict[str, Any], bool, str], ...] = (
        ({}, False, "same"),
        ({"number": "16"}, True, "other"),
        ({"symbol": "VP"}, True, "other"),
        ({"subject": OTHER_SUBJECT}, False, "differs"),
        ({"issued_on": date(2026, 11, 1), "subject": OTHER_SUBJECT}, True, "differs"),
        ({"number": "16", "issued_on": date(2026, 11, 1)}, True, "other"),
        ({"number": "16", "subject": OTHER_SUBJECT}, True, "other"),
    )
    for sent, asks, standing in rows:
        with cases.case(sent):
            data = replace(SENT, **sent)
            reasons = judge_sent(PAGE, data)
            assert {x.code is ReasonCode.FIRST_PAGE_OTHER for x in reasons} == ({asks} if sent else set())
            assert len(reasons) == len(sent)
            page_standing, warnings = judge_arrived(PAGE, data)
            assert (page_standing, len(warnings)) == (standing, len(sent))
            assert {warning.code for warning in warnings} <= {ReasonCode.FIRST_PAGE_DIFFERS}


def test_a_scan_and_letters_that_may_be_misread_say_nothing() -> None:
    text = read_text(io.BytesIO(first_pages.printed("99", subject=first_pages.OTHER)))
    scanned = replace(text, runs=tuple(replace(run, ink=Ink.RECOGNISED) for run in text.runs))
    shaky = replace(text, runs=tuple(replace(run, shaky=True) for run in text.runs))

    assert differs(read_first_page(text)) == {"number", "subject"}
    for unsure in (scanned, shaky, replace(text, fault="PDF-LIMIT"), replace(text, sheets=())):
        assert read_first_page(unsure) == FirstPage()


def test_the_demonstrations_documents_agree_with_their_first_pages(cases: Cases) -> None:
    cast = stage.cast()
    for key in cast.data["documents"]:
        with cases.case(key):
            sample = cast.document(key)
            page = read_first_page(read_text(io.BytesIO(cast.file(key, 0, DAY))))
            sent = {name: sample[name] for name in ("number", "symbol", "subject")} | {
                "type_name": sample["type"]
            }
            assert [field.same for field in compare(page, replace(SENT, **sent))] == [True, True, True]
