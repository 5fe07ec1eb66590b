"""The books as they are read and written out: the decree's columns, every line once in each form, strokes and notes, one
check code for all forms, and pages that need nothing beside them."""

from __future__ import annotations

import csv as csv_module
import hashlib
import io
import re
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser
from io import BytesIO
from typing import Any
from xml.etree import ElementTree

import pypdfium2
import pytest

from gateway.domain.book import Book, BookForm, BookLine, Span, Summary
from gateway.domain.document import Assignment, Draft, InState, Staff
from gateway.domain.event import EventKind
from gateway.errors import Clash, Refused
from gateway.incoming import act, by_hand
from gateway.incoming.act import StatusCall
from gateway.incoming.by_hand import TypedMail
from gateway.outgoing import drafting
from gateway_office.book import book_pdf, books
from gateway_office.book.books import Ask, BookFormat
from gateway_office.web import book_page
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown

YEAR = Span(year=2026)


def printed_sheets(pdf: bytes) -> list[str]:
    """Return the text of each sheet."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return ["".join(page.get_textpage().get_text_range().split("\r\n")) for page in document]
    finally:
        document.close()


async def enter(town: OfficeTown, subject: str = "Đề nghị sửa đường", **fields: Any) -> str:
    letter = TypedMail(sender="Hợp tác xã Một", subject=subject, received_on=town.node.out.today(), **fields)
    entry = await by_hand.enter(town.node.inn, await town.scope(COMMUNE), letter)
    return entry.document.id


async def take_in(town: OfficeTown, number: str = "501", **fields: Any) -> Any:
    await town.send(number, COMMUNE, issued_on=town.node.out.today(), **fields)
    await town.carry()
    (document,) = [d for d in await town.incoming(COMMUNE) if d.number == number]
    accepted = await town.status(document, "03")
    town.clock.advance(1)
    return accepted.document


async def lines(town: OfficeTown, book: Book, at: str = COMMUNE, limit: int = 100) -> list[BookLine]:
    async with town.node.store.read(await town.scope(at)) as work:
        return [line async for part in books.read_all(work, book, YEAR, at_once=limit) for line in part]


async def summary(town: OfficeTown, book: Book, at: str = COMMUNE, span: Span = YEAR) -> Summary:
    async with town.node.store.read(await town.scope(at)) as work:
        return await books.summary_of(work, book, span)


def rows_of(workbook: bytes) -> list[list[str]]:
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    sheet = ElementTree.fromstring(zipfile.ZipFile(BytesIO(workbook)).read("xl/worksheets/sheet1.xml"))
    return [
        ["".join(cell.itertext()) for cell in row.findall("m:c", space)]
        for row in sheet.findall("m:sheetData/m:row", space)
    ]


class Table(HTMLParser):
    """Rows of cells, and what the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.loads: list[str] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [f"{tag} {name}" for name, _ in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


async def test_the_incoming_book_has_the_decrees_ten_columns(town: OfficeTown) -> None:
    """R40 (incoming register), R68 (no retyping)."""
    document = await take_in(town)
    await act.set_status(
        town.node.inn,
        await town.scope(COMMUNE),
        document.id,
        StatusCall(
            code="04", assignment=Assignment(lead_unit="Phòng Tổng hợp"), staff=Staff(name="Nguyễn Thị A")
        ),
    )
    await enter(town, number="12", symbol="HTX", type_name="Công văn")
    await enter(town, "Báo cáo công tác tháng 11", type_name="Báo cáo")

    first, second, third = await lines(town, Book.INCOMING)

    today = town.node.out.today()
    sender = await town.agency(DEPARTMENT)
    assert (first.cells["author"], first.cells["code"]) == (
        sender.name,
        f"{document.number}/{document.symbol}",
    )
    assert document.subject in str(first.cells["subject"]), "as the sender wrote it, typed by nobody here"
    assert (first.number, second.number) == ("1", "2")
    assert first.cells["arrived_on"] == first.cells["handed_over_on"] == today
    assert first.cells["to_places"] == "Phòng Tổng hợp"
    assert re.fullmatch(r"Đã phân công, \d\d:\d\d 20/11/2026, Nguyễn Thị A", str(first.cells["signed_for"]))
    assert (second.cells["author"], second.cells["code"]) == ("Hợp tác xã Một", "12/HTX")
    assert second.cells["subject"] == "Công văn: Đề nghị sửa đường"
    assert second.cells["note"] == "Văn bản giấy"
    assert third.cells["subject"] == "Báo cáo công tác tháng 11", "the type is not said again"


async def test_struck_lines_and_catch_up_entries_say_so(town: OfficeTown) -> None:
    struck = await enter(town)
    await by_hand.strike(town.node.inn, await town.scope(COMMUNE), struck, "Nhập nhầm")
    await enter(town, catch_up="Mất điện")

    first, second = await lines(town, Book.INCOMING)
    total = await summary(town, Book.INCOMING)

    assert (first.struck, second.struck) == (True, False)
    assert first.cells["note"] == "Văn bản giấy. Gạch bỏ ngày 20/11/2026: Nhập nhầm"
    assert (
        second.cells["note"] == "Văn bản giấy. Vào sổ bù ngày 20/11/2026, người nhập: clerk. Lý do: Mất điện"
    )
    assert (total.lines, total.struck, total.first, total.last) == (2, 1, "1", "2")
    assert total.runs[0].is_whole


async def test_the_follow_up_book_has_limit_progress_and_reply(town: OfficeTown) -> None:
    document = await take_in(town)
    assignment = Assignment(lead_unit="Phòng Tổng hợp", deadline=date(2026, 11, 27))
    await act.assign(town.node.inn, await town.scope(COMMUNE), document.id, assignment)

    (line,) = await lines(town, Book.FOLLOW_UP)

    assert line.cells["due_on"] == date(2026, 11, 27)
    assert line.cells["progress"] == "Đã tiếp nhận"
    assert "501/" in str(line.cells["what"])
    assert line.cells["reply"] == ""

    town.clock.advance(timedelta(days=10))
    await town.status(document, "06")
    (late,) = await lines(town, Book.FOLLOW_UP)
    assert late.cells["progress"] == "Đã hoàn thành ngày 30/11/2026, quá hạn"


async def test_the_outgoing_book_has_recipients_proof_of_receipt_and_recall(town: OfficeTown) -> None:
    """R39 (outgoing register)."""
    sent = await town.send("15", COMMUNE, issued_on=town.node.out.today(), to_places=("Lưu: VT", "Như trên"))
    await town.carry()
    (document,) = await town.incoming(COMMUNE)
    await town.status(document, "03")
    await town.carry()
    await town.send("16", PROVINCE, issued_on=town.node.out.today())

    first, second = await lines(town, Book.OUTGOING, DEPARTMENT)
    town.clock.advance(1)
    await town.recall(sent)
    open_recall, _ = await lines(town, Book.OUTGOING, DEPARTMENT)
    await town.carry()
    await town.status(document, "15")
    await town.carry()
    recalled, _ = await lines(town, Book.OUTGOING, DEPARTMENT)

    assert first.cells["copy_holder"] == "Lưu: VT"
    assert str(first.cells["recipients"]).endswith("; Như trên")
    assert str(first.cells["signed_for"]).startswith("Đã tiếp nhận, ")
    assert first.cells["dispatched_on"] == town.node.out.today()
    assert (first.struck, open_recall.struck, recalled.struck) == (False, False, True)
    assert "Gửi nhầm" in str(recalled.cells["note"])
    assert (second.cells["signed_for"], second.cells["dispatched_on"]) == ("", None)
    total = await summary(town, Book.OUTGOING, DEPARTMENT)
    assert (total.lines, total.struck) == (2, 1)
    assert [(run.first, run.last, run.is_whole) for run in total.runs] == [(15, 16, True)]


async def test_what_was_refused_and_sent_anew_has_its_number_once(town: OfficeTown) -> None:
    today = town.node.out.today()
    for turn in range(2):
        await town.send("15", COMMUNE, issued_on=today, subject=f"Bản {turn}")
        await town.carry()
        arrived = next(d for d in await town.incoming(COMMUNE) if d.state is InState.NEW)
        await town.status(arrived, "02", reason="OTHER", note="Sai thể thức")
        await town.carry()

    total = await summary(town, Book.OUTGOING, DEPARTMENT)
    assert [(run.first, run.last, run.is_whole, run.doubled) for run in total.runs] == [(15, 15, True, ())]


async def test_outgoing_paper_stands_between_and_is_struck_by_its_agency(town: OfficeTown) -> None:
    scope, today = await town.scope(DEPARTMENT), town.node.out.today()
    await town.send("15", PROVINCE, issued_on=today)

    letter = await books.enter(town.node.book, scope, paper_letter(town, "14"))
    with pytest.raises(Refused):
        await books.enter(town.node.book, scope, replace(paper_letter(town, "14"), signer=" "))
    struck = await books.strike(town.node.book, scope, letter.id, "Không gửi")
    second = await books.strike(town.node.book, scope, letter.id, "Lần nữa")

    paper, sent = await lines(town, Book.OUTGOING, DEPARTMENT)
    assert (paper.number, sent.number) == ("14", "15")
    assert struck == second
    assert paper.struck
    assert "Gạch bỏ ngày 20/11/2026: Không gửi" in str(paper.cells["note"])
    async with town.node.store.read(scope) as work:
        assert await books.suggested(work, 2026) == 16


def paper_letter(town: OfficeTown, number: str) -> books.TypedLine:
    return books.TypedLine(
        number=number,
        symbol="STD-VP",
        issued_on=town.node.out.today(),
        type_name="Công văn",
        subject="Trả lời",
        signer="Người ký",
        recipients="Hợp tác xã Một",
    )


async def test_every_line_is_in_each_form_once_and_the_check_code_is_the_same(town: OfficeTown) -> None:
    """R38 (printed books)."""
    for n in range(5):
        await enter(town, subject=f"=HYPERLINK({n}) <b>“Ô tô”</b>")
    town.clock.advance(86_400 * 12)
    await enter(town, subject="Tháng sau")
    services, scope, ask = town.node.book, await town.scope(COMMUNE), Ask(book=Book.INCOMING, span=YEAR)
    files: dict[str, BytesIO] = {name: BytesIO() for name in ("xlsx", "csv", "html", "pdf")}

    exports = [
        await books.write_table(services, scope, ask, files["xlsx"], form=BookFormat.XLSX),
        await books.write_table(services, scope, ask, files["csv"], form=BookFormat.CSV),
        await book_page.write(services, scope, ask, files["html"], nonce="abc"),
        await book_pdf.write(services, scope, ask, files["pdf"]),
    ]

    sheet = rows_of(files["xlsx"].getvalue())
    text = list(csv_module.reader(io.StringIO(files["csv"].getvalue().decode("utf-8-sig"), newline="")))
    page = files["html"].getvalue().decode()
    table = Table()
    table.feed(page)
    numbers = [str(n) for n in range(1, 7)]
    assert [row[1] for row in sheet[1:7]] == [row[1] for row in text[1:]] == numbers
    assert [row[1] for row in table.rows if len(row) == 10][2:] == numbers
    assert len(sheet[0]) == len(text[0]) == 10
    assert sheet[1][5] == "=HYPERLINK(0) <b>“Ô tô”</b>"
    assert text[1][5] == "'=HYPERLINK(0) <b>“Ô tô”</b>"
    assert "<b>“" not in page
    assert [row for row in table.rows if len(row) == 1] == [["Tháng 11/2026"], ["Tháng 12/2026"]]
    assert len({export.digest for export in exports}) == 1
    assert exports[0].digest in sheet[-1][0]
    assert exports[0].digest in page
    assert sheet[-2][0] == "Liên tục 1–6, không thiếu số"
    assert table.loads == []
    assert 'nonce="abc"' in page
    assert "Từ số 1 đến số 6" in page
    exported = [e for e in await town.events(COMMUNE, "book") if e.kind is EventKind.BOOK_EXPORTED]
    assert [(e.data["format"], e.data["lines"]) for e in exported] == [(name, 6) for name in files]
    assert exported[-1].data["file"] == hashlib.sha256(files["pdf"].getvalue()).hexdigest()
    cover, *sheets = printed_sheets(files["pdf"].getvalue())
    assert "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN" in cover
    assert "Từ số 1 đến số 6" in cover
    (lines,) = sheets
    assert lines.count("“Ô tô”") == 5
    assert all(f"({n})" in lines for n in range(1, 11))
    assert "Tháng 12/2026" in lines
    assert exports[0].digest in lines
    assert "Trang 2/2" in lines


async def test_pages_of_any_size_make_the_same_book(town: OfficeTown) -> None:
    for n in range(5):
        await enter(town, subject=str(n))

    books = [await lines(town, Book.INCOMING, limit=limit) for limit in (1, 2, 5, 100)]

    assert all(book == books[0] for book in books)
    assert await lines(town, Book.INCOMING, PROVINCE) == [], "a book is its agency's alone"
    assert [line.number for line in books[0]] == ["1", "2", "3", "4", "5"]


async def test_of_a_part_only_what_the_whole_year_lacks_is_missing(town: OfficeTown) -> None:
    day = town.node.out.today()
    await enter(town)
    await by_hand.enter(
        town.node.inn,
        await town.scope(COMMUNE),
        TypedMail(sender="A", subject="B", received_on=date(2026, 11, 1), catch_up="Mất điện"),
    )
    await enter(town)

    total = await summary(town, Book.INCOMING, span=Span(year=2026, since=day, until=day))
    empty = await summary(town, Book.INCOMING, span=Span(year=2025))

    assert (total.lines, total.runs[0].first, total.runs[0].last, total.runs[0].is_whole) == (2, 1, 3, True)
    assert empty == Summary()


async def test_the_old_form_has_fewer_columns_and_an_empty_book_says_so(town: OfficeTown) -> None:
    out = BytesIO()
    ask = Ask(book=Book.OUTGOING, span=YEAR, form=BookForm.CIRCULAR_07)

    await books.write_table(town.node.book, await town.scope(COMMUNE), ask, out, form=BookFormat.XLSX)

    header, closing = rows_of(out.getvalue())
    assert len(header) == 8
    assert closing == ["Chưa có văn bản nào trong khoảng này."]


async def test_a_span_that_cannot_be_is_refused() -> None:
    with pytest.raises(Clash, match="before it begins"):
        Ask(book=Book.INCOMING, span=Span(year=2026, since=date(2026, 2, 1), until=date(2026, 1, 1)))
    with pytest.raises(Clash, match="no book"):
        Ask(book=Book.INCOMING, span=Span(year=99999))


async def test_the_stamp_is_for_what_is_in_the_book(town: OfficeTown) -> None:
    """R138 (arrival stamp)."""
    document = await take_in(town)
    agency = await town.agency(COMMUNE)
    await town.send("502", COMMUNE, issued_on=town.node.out.today())
    await town.carry()
    fresh = next(d for d in await town.incoming(COMMUNE) if d.number == "502")

    stamp = books.stamp(agency, document)

    assert (stamp.number, stamp.on, stamp.agency) == ("1", town.node.out.today(), agency.name)
    with pytest.raises(Clash, match="not in the book"):
        books.stamp(agency, fresh)


async def test_a_number_typed_far_ahead_is_not_followed_by_the_next_one_that_is_suggested(
    town: OfficeTown,
) -> None:
    scope = await town.scope(COMMUNE)
    for number in ("31", "32", "9999999999"):
        await books.enter(town.node.book, scope, paper_letter(town, number))

    async with town.node.store.read(scope) as work:
        assert await books.suggested(work, 2026) == 33


async def test_a_number_that_a_draft_holds_is_not_offered_to_the_next_one_until_it_is_given_up(
    town: OfficeTown,
) -> None:
    scope, out, book = await town.scope(DEPARTMENT), town.node.out, town.node.book
    today = out.today()
    draft = Draft(symbol="STD-VP", type_name="Công văn", issued_on=today)

    first = await books.next_number(book, scope, draft, today)
    draft_kept = await drafting.begin(out, scope, replace(draft, number=first))
    second = await books.next_number(book, scope, draft, today)
    other = await books.next_number(book, scope, replace(draft, symbol="QĐ-STD"), today)

    assert int(second) == int(first) + 1
    assert int(other) <= int(first)
    await drafting.save(out, scope, draft_kept.id, replace(draft, number=""))
    assert await books.next_number(book, scope, draft, today) == first
