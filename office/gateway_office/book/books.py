"""A register book as pages read it and as a file: lines page by page, its cover, a workbook or text; the printable page is
written by `web`. And lines of the outgoing book that are no documents of the exchange: mail on paper, mail during a stop:
R32, R99 (entries by hand). In: a book, a span of one year, a unit of work; for a file also its form; the clerk's entry.
Out: `BookLine` in the order of the book, with one page of them in memory; or the file, line by line, from one view of the
database, and an event about the export: R38 (printed books); a line under a free number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency, NumberingMode
from gateway.domain.book import (
    ArrivalStamp,
    Book,
    BookForm,
    BookLine,
    Cell,
    Cover,
    NumberRun,
    OutgoingLine,
    PaperEntry,
    PaperLetter,
    Span,
    Summary,
    end_of_run,
)
from gateway.domain.document import Draft, IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Refused
from gateway.outgoing import numbering
from gateway.policy import admission
from gateway.policy import book as rules
from gateway.policy.numbering import gives_numbers
from gateway.policy.profile import Profile, for_agency
from gateway.store.register import refuse_closed
from gateway.words import labels
from gateway_office.book import book_lines, table_files
from gateway_office.book.table_files import XlsxColumn
from gateway_office.services import BookServices
from gateway_office.store.book import IncomingLine, NumbersOfType
from gateway_office.store.store import OfficeWork

AT_ONCE = 500
_NEEDED = ("number", "symbol", "type_name", "subject", "signer", "recipients")
SENT_TEXTS = (*_NEEDED, "copy_holder", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class BookPage:
    """Some lines in a row; `next_cursor` is the cursor of the next ones, None at the end of the book."""

    lines: tuple[BookLine, ...]
    next_cursor: str | OutgoingLine | None = None


async def read_page(
    work: OfficeWork,
    book: Book,
    span: Span,
    *,
    limit: int = 50,
    cursor: str | OutgoingLine | None = None,
    lang: str = "vi",
) -> BookPage:
    """Read the next lines after the last one seen."""
    if book is Book.OUTGOING:
        last = None if isinstance(cursor, str) else cursor
        sent = await work.office.books.outgoing(span, limit=limit, last=last)
        lines = await book_lines.outgoing_lines(work, sent, lang)
        return BookPage(lines=tuple(lines), next_cursor=sent[-1] if len(sent) == limit else None)
    number = cursor if isinstance(cursor, str) else None
    entries: Sequence[IncomingLine] = await work.office.books.incoming(span, limit=limit, last=number)
    lines = await book_lines.incoming_lines(work, book, entries, lang)
    return BookPage(
        lines=tuple(lines), next_cursor=entries[-1].entry.number if len(entries) == limit else None
    )


async def read_all(
    work: OfficeWork, book: Book, span: Span, lang: str = "vi", *, at_once: int = AT_ONCE
) -> AsyncIterator[Sequence[BookLine]]:
    """Yield every line, `at_once` at a time."""
    cursor: str | OutgoingLine | None = None
    while True:
        part = await read_page(work, book, span, limit=at_once, cursor=cursor, lang=lang)
        if part.lines:
            yield part.lines
        if part.next_cursor is None:
            return
        cursor = part.next_cursor


async def summary_of(work: OfficeWork, book: Book, span: Span, *, series_by_type: bool = True) -> Summary:
    """Make cover and closing without the check code, which needs a reading of every line."""
    if book is Book.OUTGOING:
        return await _outgoing_summary(work, span, series_by_type)
    agency = await work.agency()
    summary = await work.office.books.incoming_summary(span)
    numbers = summary.numbers
    if not numbers:
        return Summary(since=span.since, until=span.until)
    run = await _incoming_run(work, agency, span, numbers)
    return Summary(
        lines=summary.lines,
        struck=summary.struck,
        first=str(run.first) if run.first is not None else numbers[0],
        last=str(run.last) if run.last is not None else numbers[-1],
        since=span.since or summary.first,
        until=span.until or summary.last,
        runs=(run,),
    )


async def _incoming_run(
    work: OfficeWork, agency: HostedAgency, span: Span, numbers: Sequence[str]
) -> NumberRun:
    """Find missing numbers. In a part of the book, numbers count as missing only where the whole book lacks them."""
    if span.since is None and span.until is None:
        return rules.run_of(numbers, start=rules.where_run_begins(agency.numbering))
    used = [int(n) for n in numbers if rules.is_number(n)]
    if not used:
        return NumberRun()
    whole_year = await work.office.books.incoming_numbers(Span(year=span.year))
    first, last = min(used), max(used)
    return rules.run_of(n for n in whole_year if rules.is_number(n) and first <= int(n) <= last)


async def _outgoing_summary(work: OfficeWork, span: Span, series_by_type: bool) -> Summary:
    types = await work.office.books.outgoing_numbers(span)
    if not types:
        return Summary(since=span.since, until=span.until)
    every = sorted({number for of_type in types for number in of_type.numbers.values()}, key=_by_size)
    return Summary(
        lines=sum(of_type.lines for of_type in types),
        struck=sum(of_type.lines for of_type in types if of_type.struck),
        first=every[0],
        last=every[-1],
        since=span.since or date(span.year, 1, 1),
        until=span.until or date(span.year, 12, 31),
        runs=_outgoing_runs(types, series_by_type),
    )


def _by_size(number: str) -> tuple[int, str]:
    return len(number.lstrip("0")), number


def _outgoing_runs(types: Sequence[NumbersOfType], by_type: bool) -> tuple[NumberRun, ...]:
    """Find runs. A number that was struck and given anew is no double, nor is a refused document that was sent anew; one
    that was only struck fills its place."""
    series: dict[str, list[NumbersOfType]] = {}
    for of_type in types:
        series.setdefault(of_type.type_name if by_type else "", []).append(of_type)
    return tuple(
        rules.run_of(_valid_numbers(of_series), series=name) for name, of_series in sorted(series.items())
    )


def _valid_numbers(types: Sequence[NumbersOfType]) -> list[str]:
    live: dict[str, str] = {}
    struck: set[str] = set()
    for of_type in types:
        if of_type.struck:
            struck.update(of_type.numbers.values())
        else:
            live |= of_type.numbers
    return [*live.values(), *sorted(struck.difference(live.values()))]


def stamp(agency: HostedAgency, document: IncomingDocument) -> ArrivalStamp:
    """Make the arrival stamp of a document that is in the book. Raise Clash for one that is not."""
    if document.register_no is None:
        raise Clash(f"{document.id} is not in the book yet; take it in first")
    to = document.assignment
    return ArrivalStamp(
        agency=agency.name,
        number=document.register_no,
        on=local(document.arrived_at).date(),
        forwarded_to=to.lead_unit if to is not None else "",
    )


class BookFormat(StrEnum):
    XLSX = "xlsx"
    CSV = "csv"
    HTML = "html"
    PDF = "pdf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Book to write, with span, form and language."""

    book: Book
    span: Span
    form: BookForm = BookForm.DECREE_30
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
        return [labels.say(f"book.column.{column}", self.lang) for column in self.columns]


class OpenBook:
    """One book in one view: its cover, its lines, and the check that grows as they are read: the SHA-256 of the lines, in
    any form of file."""

    def __init__(self, work: OfficeWork, ask: Ask, cover: Cover) -> None:
        self._work, self._check = work, hashlib.sha256()
        self.ask, self.cover = ask, cover

    async def pages(self) -> AsyncIterator[Sequence[BookLine]]:
        async for lines in read_all(self._work, self.ask.book, self.ask.span, self.ask.lang):
            for line in lines:
                fields: Mapping[str, object] = {"id": line.subject_id, "struck": line.struck, **line.cells}
                text = json.dumps(fields, ensure_ascii=False, sort_keys=True, default=date.isoformat)
                self._check.update(text.encode() + b"\n")
            yield lines

    def cells(self, line: BookLine) -> list[Cell]:
        return [line.cells.get(column) for column in self.ask.columns]

    def rows(self, lines: Sequence[BookLine]) -> list[tuple[Sequence[Cell], bool]]:
        return [(self.cells(line), line.struck) for line in lines]

    def summary(self) -> Summary:
        """Return the summary with the check code of the lines read so far."""
        return replace(self.cover.summary, digest=self._check.hexdigest())

    def closing(self) -> tuple[str, ...]:
        return book_lines.closing_lines(self.summary(), self.ask.lang)


@asynccontextmanager
async def open_book(services: BookServices, scope: AgencyScope, ask: Ask) -> AsyncIterator[OpenBook]:
    """Open a book in one view, so that cover and lines agree."""
    letterhead = await services.store.accounts.letterhead(scope.agency_id)
    async with services.store.read(scope) as work:
        cover = Cover(
            letterhead=letterhead,
            book=ask.book,
            form=ask.form,
            year=ask.span.year,
            volume=ask.volume,
            summary=await summary_of(work, ask.book, ask.span, series_by_type=services.series_by_type),
        )
        yield OpenBook(work, ask, cover)


async def write_table(
    services: BookServices, scope: AgencyScope, ask: Ask, out: BinaryIO, *, form: BookFormat
) -> Summary:
    """Write a workbook, or comma-separated text with titles and lines alone; `out` may be any file that takes bytes."""
    title = labels.say(f"book.{ask.book}", ask.lang)
    columns = [
        XlsxColumn(title=name, width=rules.WIDTHS[column])
        for name, column in zip(ask.titles(), ask.columns, strict=True)
    ]
    async with open_book(services, scope, ask) as book:
        pieces = (partial(book.rows, lines) async for lines in book.pages())
        await table_files.write(services.pool, out, form, title, columns, pieces, book.closing)
    return await record_export(services, scope, ask, form, book.summary())


async def record_export(
    services: BookServices,
    scope: AgencyScope,
    ask: Ask,
    book_format: BookFormat,
    summary: Summary,
    *,
    file_digest: str = "",
) -> Summary:
    """Record the export, after the book is closed: a caller that holds one connection and waits for another could block
    others who do the same."""
    span = ask.span
    details = {
        "book": ask.book,
        "year": span.year,
        "since": span.since.isoformat() if span.since else None,
        "until": span.until.isoformat() if span.until else None,
        "format": book_format,
        "lines": summary.lines,
        "digest": summary.digest,
        **({"file": file_digest} if file_digest else {}),
    }
    async with services.store.changing(scope) as work:
        await work.events.append(EventKind.BOOK_EXPORTED, "book", services.clock.now(), details)
    return summary


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedLine(PaperEntry):
    """Line as the clerk typed it."""

    secrecy: str = "none"


async def enter(services: BookServices, scope: AgencyScope, sent: TypedLine) -> PaperLetter:
    """Enter the line. Refused names every broken rule, Clash a number that is taken in that year."""
    texts = {name: getattr(sent, name) for name in SENT_TEXTS}
    _check(sent, texts, local(services.clock.now()).date())
    letter = PaperLetter(
        id=services.clock.new_id("ppr_"),
        **{name: text.strip() for name, text in texts.items()},
        issued_on=sent.issued_on,
        copies=sent.copies,
        dispatched_on=sent.dispatched_on,
        entered_at=services.clock.now(),
        entered_by=scope.principal_id,
        catch_up=sent.catch_up.strip() if sent.catch_up else None,
    )
    profile = await _profile_of(services, scope)
    async with services.store.changing(scope) as work:
        await work.agency()
        await refuse_closed(work.events, Book.OUTGOING, letter.issued_on.year, letter.entered_at)
        if gives_numbers(profile):
            is_late = letter.catch_up is not None
            letter = await numbering.take_letter(work, profile, letter, letter.entered_at, is_late=is_late)
        elif not letter.number:
            raise Refused(rules.check_text("number", ""))
        await work.office.books.put_letter(letter)
        more = {"catch_up": letter.catch_up} if letter.catch_up else {}
        details = _event_details(letter, source="paper", day=letter.issued_on.isoformat(), **more)
        details["type"] = letter.type_name
        await work.events.append(EventKind.BOOK_ENTERED, letter.id, letter.entered_at, details)
    return letter


async def _profile_of(services: BookServices, scope: AgencyScope) -> Profile:
    _, chosen = await services.store.accounts.with_profile(scope.agency_id)
    return for_agency(Profile(), chosen)


def _check(sent: TypedLine, texts: Mapping[str, str], today: date) -> None:
    declared = admission.check_declared(sent.secrecy, None, Profile())
    entry = rules.HandEntry(
        texts={**texts, **({} if sent.catch_up is None else {"catch_up": sent.catch_up})},
        needed=frozenset({*_NEEDED, "catch_up"} - {"number"}),
        issued_on=sent.issued_on,
        day=sent.issued_on,
        given_number=sent.number or "?",  # a missing one is named once, as the document's own number
        is_catch_up=sent.catch_up is not None,
    )
    verdict = declared + rules.check_entry(entry, NumberingMode.C, today)
    verdict.raise_if_refused()


def _event_details(letter: PaperLetter, **more: object) -> dict[str, object]:
    return {"book": Book.OUTGOING, "year": letter.issued_on.year, "number": letter.code, **more}


async def strike(services: BookServices, scope: AgencyScope, id: str, reason: str) -> PaperLetter:
    """Strike a line with the reason; its number is never given again: R32 (numbers are kept). Repeating it changes
    nothing."""
    verdict = rules.check_text("reason", reason)
    verdict.raise_if_refused()
    now = services.clock.now()
    async with services.store.begin(scope) as work:
        if await work.office.books.strike_letter(id, now, scope.principal_id, reason.strip()):
            letter = await work.office.books.letter(id)
            await work.events.append(
                EventKind.BOOK_STRUCK, id, now, _event_details(letter, reason=reason.strip())
            )
            await numbering.strike_letter(work, id, reason.strip(), now)
            await work.commit()
            return letter
        return await work.office.books.letter(id)


async def suggested(work: OfficeWork, year: int, type_name: str | None = None) -> int:
    """Suggest the number after the last of that year's run, of one type where types have separate runs. It is not
    reserved."""
    types = await work.office.books.outgoing_numbers(Span(year=year))
    numbers = (n for t in types if type_name in (None, t.type_name) for n in t.numbers.values())
    used = [int(number) for number in numbers if rules.is_number(number)]
    return end_of_run(used, min(used, default=0)) + 1


async def next_number(services: BookServices, scope: AgencyScope, draft: Draft, today: date) -> str:
    """Suggest a number for a draft. With a notation also the numbers of other drafts are skipped, so that a saved draft
    keeps its number until it is discarded or sent."""
    year = (draft.issued_on or today).year
    run = draft.type_name if services.series_by_type and draft.type_name else None
    async with services.store.read(scope) as work:
        number = await suggested(work, year, run)
        if not draft.symbol:
            return str(number)
        return await work.numbers.free_number(str(number - 1), draft.symbol, year) or str(number)


async def line_named(work: OfficeWork, book: Book, id: str) -> str | OutgoingLine:
    """Return the cursor behind a page's last line: its number, or of the outgoing book its line."""
    if book is not Book.OUTGOING:
        return id
    return await (work.office.books.letter(id) if id.startswith("ppr_") else work.outgoing.get(id))
