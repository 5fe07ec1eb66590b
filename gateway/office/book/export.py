"""Writes a book to a file: a workbook or text; the printable page is written by `web`. In: which book, form and span. Out:
the file, line by line, from one view of the database, and an event that says who took what (R38)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.book import Book, BookLine, Cell, Cover, Form, Span, Summary
from gateway.domain.event import EventKind
from gateway.errors import Clash
from gateway.office.book import csv_text, read, words
from gateway.office.book.desk import BookDesk
from gateway.office.book.read import Check
from gateway.office.book.xlsx import XlsxColumn, XlsxWriter
from gateway.office.ports.store import OfficeWork
from gateway.policy import book as rules
from gateway.words import labels


class Format(StrEnum):
    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is to be written."""

    book: Book
    span: Span
    form: Form = Form.DECREE_30
    volume: int = 1
    lang: str = "vi"

    def __post_init__(self) -> None:
        span = self.span
        if not 1900 <= span.year <= 9998:
            raise Clash(f"there is no book of the year {span.year}")
        if span.since is not None and span.until is not None and span.since > span.until:
            raise Clash(f"the span ends on {span.until} before it begins on {span.since}; swap the days")

    @property
    def columns(self) -> tuple[str, ...]:
        return rules.COLUMNS[self.book, self.form]

    def titles(self) -> list[str]:
        return [labels.say(f"book.column.{each}", self.lang) for each in self.columns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One book in one view: its cover, its lines, and the check that grows as they are read."""

    ask: Ask
    cover: Cover
    check: Check
    pages: AsyncIterator[Sequence[BookLine]]

    def cells(self, line: BookLine) -> list[Cell]:
        return [line.cells.get(each) for each in self.ask.columns]

    def summary(self) -> Summary:
        """With the check code of the lines read so far."""
        return replace(self.cover.summary, digest=self.check.digest())

    def closing(self) -> tuple[str, ...]:
        return words.closing(self.summary(), self.ask.lang)


@asynccontextmanager
async def opened(desk: BookDesk, scope: AgencyScope, ask: Ask) -> AsyncIterator[Opened]:
    """Nothing that happens meanwhile is seen: cover and lines agree."""
    check = Check()
    async with desk.store.read(scope) as work:
        agency = await work.agency()
        summary = await read.summary(work, ask.book, ask.span, series_by_type=desk.series_by_type)
        yield Opened(
            ask=ask, cover=_cover(agency, ask, summary), check=check, pages=_checked(work, ask, check)
        )


async def _checked(work: OfficeWork, ask: Ask, check: Check) -> AsyncIterator[Sequence[BookLine]]:
    async for lines in read.whole(work, ask.book, ask.span, ask.lang):
        for line in lines:
            check.add(line)
        yield lines


def _cover(agency: HostedAgency, ask: Ask, summary: Summary) -> Cover:
    return Cover(
        agency=agency.name,
        parent=agency.parent_name,
        book=ask.book,
        form=ask.form,
        year=ask.span.year,
        volume=ask.volume,
        summary=summary,
    )


async def xlsx(desk: BookDesk, scope: AgencyScope, ask: Ask, out: BinaryIO) -> Summary:
    """A workbook; `out` may be any file that takes bytes."""
    title = labels.say(f"book.{ask.book}", ask.lang)
    columns = [
        XlsxColumn(title=name, width=rules.WIDTHS[each])
        for name, each in zip(ask.titles(), ask.columns, strict=True)
    ]
    async with opened(desk, scope, ask) as book:
        with XlsxWriter(out, title, columns) as writer:

            def add(lines: Sequence[BookLine]) -> None:
                for line in lines:
                    writer.add(book.cells(line), struck=line.struck)

            await _each(desk, book, add)
            await desk.pool.run(partial(writer.close, book.closing()))
        return await took(desk, scope, ask, Format.XLSX, book.summary())


async def csv(desk: BookDesk, scope: AgencyScope, ask: Ask, out: BinaryIO) -> Summary:
    """Comma-separated text: the titles and the lines, and nothing that is no line."""
    async with opened(desk, scope, ask) as book:
        await desk.pool.run(partial(out.write, csv_text.first_line(ask.titles())))

        def add(lines: Sequence[BookLine]) -> None:
            out.write(b"".join(csv_text.line(book.cells(line)) for line in lines))

        await _each(desk, book, add)
        return await took(desk, scope, ask, Format.CSV, book.summary())


async def _each(desk: BookDesk, book: Opened, add: Callable[[Sequence[BookLine]], None]) -> None:
    async for lines in book.pages:
        await desk.pool.run(partial(add, lines))


async def took(desk: BookDesk, scope: AgencyScope, ask: Ask, to: Format, summary: Summary) -> Summary:
    """Tells that the book was written out; on the way back to the caller."""
    span = ask.span
    told = {
        "book": ask.book,
        "year": span.year,
        "since": span.since.isoformat() if span.since else None,
        "until": span.until.isoformat() if span.until else None,
        "format": to,
        "lines": summary.lines,
        "digest": summary.digest,
    }
    async with desk.store.begin(scope) as work:
        await work.events.append(EventKind.BOOK_EXPORTED, "book", desk.clock.now(), told)
        await work.commit()
    return summary
