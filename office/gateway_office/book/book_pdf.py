"""A register book as PDF, to be printed, bound and signed: a cover, A4 across with the titles on each sheet, a line for
each month, "page x of y", and the closing lines with places for signatures. In: a book and a file to write to. Out: its
summary; the event about the export names the file's SHA-256, so that a bound book can be compared with what was made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.book import BookLine, Summary
from gateway.domain.wall_clock import cell_text, day_text
from gateway.policy.book import WIDTHS, next_month
from gateway.words import labels
from gateway_office.book import books
from gateway_office.book.books import Ask, BookFormat, OpenBook
from gateway_office.book.table_files import clean_text
from gateway_office.pdf_sheets import Align, PdfSheets, SheetColumn
from gateway_office.services import BookServices


async def write(services: BookServices, scope: AgencyScope, ask: Ask, out: BinaryIO) -> Summary:
    """Write the book, away from the event loop and some hundred lines at a time."""
    async with books.open_book(services, scope, ask) as book:
        sheets = await services.pool.run(partial(_begin, book, out))
        month: date | None = None
        async for lines in book.pages():
            month = await services.pool.run(partial(_add_lines, sheets, book, lines, month))
        digest = await services.pool.run(partial(_close, sheets, book))
    return await books.record_export(services, scope, ask, BookFormat.PDF, book.summary(), file_digest=digest)


def _begin(book: OpenBook, out: BinaryIO) -> PdfSheets:
    ask, cover, issuer = book.ask, book.cover, book.cover.letterhead
    say = partial(labels.say, lang=ask.lang)
    title = say(f"book.cover.{cover.book}")
    sheets = PdfSheets(out, f"{title} {cover.year}", issuer.agency, lang=ask.lang, across=True)
    sheets.emblem(issuer.picture)
    for name in filter(None, (issuer.parent, issuer.agency)):
        sheets.line(name.upper(), size=13, bold=name == issuer.agency, align=Align.CENTRE)
    sheets.space(35)
    sheets.line(title, size=24, bold=True, align=Align.CENTRE)
    sheets.space(10)
    summary = cover.summary
    lines = [say("book.cover.year", year=cover.year)]
    if summary.first:
        lines.append(say("book.cover.numbers", first=summary.first, last=summary.last))
    if summary.since and summary.until:
        days = {"since": day_text(summary.since), "until": day_text(summary.until)}
        lines.append(say("book.cover.days", **days))
    for text in (*lines, say("book.cover.volume", volume=cover.volume)):
        sheets.line(text, size=14, align=Align.CENTRE)
        sheets.space(3)
    sheets.sheet(numbered=False)
    columns = [
        SheetColumn(title=name, share=WIDTHS[column])
        for name, column in zip(ask.titles(), ask.columns, strict=True)
    ]
    sheets.table(columns, places=True)
    return sheets


def _add_lines(
    sheets: PdfSheets, book: OpenBook, lines: Sequence[BookLine], latest: date | None
) -> date | None:
    for line in lines:
        latest, heading = next_month(latest, line.on)
        if heading is not None:
            sheets.wide_row(labels.say("book.month", book.ask.lang, month=heading.strftime("%m/%Y")))
        sheets.row([clean_text(cell_text(cell)) for cell in book.cells(line)], struck=line.struck)
    return latest


def _close(sheets: PdfSheets, book: OpenBook) -> str:
    say = partial(labels.say, lang=book.ask.lang)
    sheets.end_table()
    sheets.space(4)
    for text in book.closing():
        sheets.line(text, size=11)
    sheets.space(6)
    keeper, head = say("book.closing.keeper"), say("book.closing.head")
    sheets.side_by_side([keeper, say("book.closing.sign")], [head, say("book.closing.seal")])
    return sheets.close()
