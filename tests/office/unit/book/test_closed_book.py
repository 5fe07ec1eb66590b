"""A book that was printed whole after its year is closed: a late line does not open it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.deciding import agency_profile
from gateway.domain.agency_profile import OUT_NUMBERING
from gateway.domain.book import Book, Span
from gateway.errors import Clash
from gateway.incoming import by_hand
from gateway.incoming.by_hand import TypedMail
from gateway.outgoing import numbering
from gateway_office.book import books
from gateway_office.book.books import Ask, BookFormat, TypedLine
from tests.office.support.node import DEPARTMENT, PROVINCE, OfficeTown, draft

LINE = TypedLine(
    number="",
    symbol="UBND-VP",
    issued_on=date(2026, 12, 30),
    type_name="Công văn",
    subject="Về việc sửa đường",
    signer="Nguyễn Văn A",
    recipients="Hợp tác xã Một",
    catch_up="Mất điện",
)
MAIL = TypedMail(
    sender="Hợp tác xã Một", subject="Đề nghị", received_on=date(2026, 12, 30), catch_up="Mất điện"
)


async def close(town: OfficeTown, book: Book, form: BookFormat = BookFormat.PDF) -> None:
    scope = await town.scope(DEPARTMENT)
    ask = Ask(book=book, span=Span(year=2026))
    async with town.node.store.read(scope) as work:
        total = await books.summary_of(work, book, ask.span)
    await books.record_export(town.node.book, scope, ask, form, total)


async def test_a_late_line_does_not_open_last_years_closed_book(town: OfficeTown) -> None:
    scope = await town.scope(DEPARTMENT)
    await agency_profile.choose(town.node.store, town.clock, scope, "An", OUT_NUMBERING, "B")
    for book in (Book.OUTGOING, Book.INCOMING):
        await close(town, book)  # in the year itself: the book goes on
    town.clock.advance(datetime(2027, 1, 5, 3, tzinfo=UTC) - town.clock.now())
    await close(town, Book.OUTGOING, BookFormat.XLSX)
    assert (await books.enter(town.node.book, scope, LINE)).number == "01"
    await by_hand.enter(town.node.inn, scope, MAIL)

    for book in (Book.OUTGOING, Book.INCOMING):
        await close(town, book)

    late = replace(draft("", PROVINCE), issued_on=LINE.issued_on)
    for act in (
        books.enter(town.node.book, scope, LINE),
        by_hand.enter(town.node.inn, scope, MAIL),
        numbering.reserve_for(town.node.out, scope, late),
    ):
        with pytest.raises(Clash) as refused:
            await act
        assert (refused.value.code, refused.value.params["date"]) == ("GW-BOOK-CLOSED", "05/01/2027")
    town.clock.advance(timedelta(minutes=1).total_seconds())
    today = replace(LINE, issued_on=date(2027, 1, 5), catch_up=None)
    assert (await books.enter(town.node.book, scope, today)).number == "01"
