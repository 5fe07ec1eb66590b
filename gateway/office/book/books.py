"""A register book as pages read it and as it is written to a file: lines page by page, what stands on its cover, a workbook
or text; the printable page is written by `web`. And lines of the outgoing book that are no documents of the exchange: mail
that went on paper, what went out during a stop (R32, R99). In: a book, a span of one year, a unit of work; for a file also
its form; what the clerk typed. Out: `BookLine` in the order of the book, memory holding one page of them; or the file, line
by line, from one view of the database, and an event that says who took what (R38); a line under a number that nothing else
has."""

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
    PaperLetter,
    Span,
    Summary,
    end_of_run,
)
from gateway.domain.document import Draft, IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Refused
from gateway.office.book import book_lines, table_files
from gateway.office.book.table_files import XlsxColumn
from gateway.office.desks import BookDesk
from gateway.office.store.book import IncomingLine, Numbered
from gateway.office.store.store import OfficeWork
from gateway.policy import book as rules
from gateway.policy import door
from gateway.policy.profile import Profile
from gateway.words import labels

AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLeaf:
    """Some lines in a row; `after` is what to ask on with, None at the end of the book."""

    lines: tuple[BookLine, ...]
    after: str | OutgoingLine | None = None


async def leaf(
    work: OfficeWork,
    book: Book,
    span: Span,
    *,
    limit: int = 50,
    after: str | OutgoingLine | None = None,
    lang: str = "vi",
) -> BookLeaf:
    """The next lines after the last one seen."""
    if book is Book.OUTGOING:
        last = None if isinstance(after, str) else after
        sent = await work.office.books.outgoing(span, limit=limit, after=last)
        lines = await book_lines.outgoing_lines(work, sent, lang)
        return BookLeaf(lines=tuple(lines), after=sent[-1] if len(sent) == limit else None)
    number = after if isinstance(after, str) else None
    found: Sequence[IncomingLine] = await work.office.books.incoming(span, limit=limit, after=number)
    lines = await book_lines.incoming_lines(work, book, found, lang)
    return BookLeaf(lines=tuple(lines), after=found[-1].entry.number if len(found) == limit else None)


async def whole(
    work: OfficeWork, book: Book, span: Span, lang: str = "vi", *, at_once: int = AT_ONCE
) -> AsyncIterator[Sequence[BookLine]]:
    """Every line, so many at once."""
    after: str | OutgoingLine | None = None
    while True:
        part = await leaf(work, book, span, limit=at_once, after=after, lang=lang)
        if part.lines:
            yield part.lines
        if part.after is None:
            return
        after = part.after


async def summary_of(work: OfficeWork, book: Book, span: Span, *, series_by_type: bool = True) -> Summary:
    """Cover and closing without the check code, which only reading every line gives."""
    if book is Book.OUTGOING:
        return await _outgoing_summary(work, span, series_by_type)
    agency = await work.agency()
    numbers = await work.office.books.incoming_numbers(span)
    lines, struck, since, until = await work.office.books.incoming_days(span)
    if not numbers:
        return Summary(since=span.since, until=span.until)
    run = await _incoming_run(work, agency, span, numbers)
    return Summary(
        lines=lines,
        struck=struck,
        first=str(run.first) if run.first is not None else numbers[0],
        last=str(run.last) if run.last is not None else numbers[-1],
        since=span.since or since,
        until=span.until or until,
        runs=(run,),
    )


async def _incoming_run(
    work: OfficeWork, agency: HostedAgency, span: Span, numbers: Sequence[str]
) -> NumberRun:
    """Of a part of the book, numbers count as missing only where the whole book has none."""
    if span.since is None and span.until is None:
        return rules.run_of(numbers, start=rules.where_run_begins(agency.numbering))
    known = [int(one) for one in numbers if rules.is_number(one)]
    if not known:
        return NumberRun()
    whole_year = await work.office.books.incoming_numbers(Span(year=span.year))
    first, last = min(known), max(known)
    return rules.run_of(one for one in whole_year if rules.is_number(one) and first <= int(one) <= last)


async def _outgoing_summary(work: OfficeWork, span: Span, series_by_type: bool) -> Summary:
    numbers = await work.office.books.outgoing_numbers(span)
    if not numbers:
        return Summary(since=span.since, until=span.until)
    known = sorted((one.number for one in numbers), key=lambda one: (len(one.lstrip("0")), one))
    return Summary(
        lines=len(numbers),
        struck=sum(one.struck for one in numbers),
        first=known[0],
        last=known[-1],
        since=span.since or date(span.year, 1, 1),
        until=span.until or date(span.year, 12, 31),
        runs=_outgoing_runs(numbers, series_by_type),
    )


def _outgoing_runs(numbers: Sequence[Numbered], by_type: bool) -> tuple[NumberRun, ...]:
    """A number that was struck and given anew is no double, nor is a document that was refused and sent anew; one that was
    only struck fills its place."""
    series: dict[str, list[Numbered]] = {}
    for one in numbers:
        series.setdefault(one.type_name if by_type else "", []).append(one)
    return tuple(rules.run_of(_standing(ones), series=name) for name, ones in sorted(series.items()))


def _standing(ones: Sequence[Numbered]) -> list[str]:
    live = list({one.id: one.number for one in ones if not one.struck}.values())
    return [*live, *({one.number for one in ones if one.struck} - set(live))]


def stamp(agency: HostedAgency, document: IncomingDocument) -> ArrivalStamp:
    """The arrival stamp of a document that is in the book; Clash for one that is not."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is to be written."""

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
        return [labels.say(f"book.column.{each}", self.lang) for each in self.columns]


class Opened:
    """One book in one view: its cover, its lines, and the check that grows as they are read: the SHA-256 of the lines,
    whatever form they are written in."""

    def __init__(self, work: OfficeWork, ask: Ask, cover: Cover) -> None:
        self._work, self._check = work, hashlib.sha256()
        self.ask, self.cover = ask, cover

    async def pages(self) -> AsyncIterator[Sequence[BookLine]]:
        async for lines in whole(self._work, self.ask.book, self.ask.span, self.ask.lang):
            for line in lines:
                told: Mapping[str, object] = {"id": line.subject_id, "struck": line.struck, **line.cells}
                text = json.dumps(told, ensure_ascii=False, sort_keys=True, default=date.isoformat)
                self._check.update(text.encode() + b"\n")
            yield lines

    def cells(self, line: BookLine) -> list[Cell]:
        return [line.cells.get(each) for each in self.ask.columns]

    def rows(self, lines: Sequence[BookLine]) -> list[tuple[Sequence[Cell], bool]]:
        return [(self.cells(each), each.struck) for each in lines]

    def summary(self) -> Summary:
        """With the check code of the lines read so far."""
        return replace(self.cover.summary, digest=self._check.hexdigest())

    def closing(self) -> tuple[str, ...]:
        return book_lines.closing_lines(self.summary(), self.ask.lang)


@asynccontextmanager
async def open_book(desk: BookDesk, scope: AgencyScope, ask: Ask) -> AsyncIterator[Opened]:
    """Nothing that happens meanwhile is seen: cover and lines agree."""
    async with desk.store.read(scope) as work:
        agency = await work.agency()
        cover = Cover(
            agency=agency.name,
            parent=agency.parent_name,
            book=ask.book,
            form=ask.form,
            year=ask.span.year,
            volume=ask.volume,
            summary=await summary_of(work, ask.book, ask.span, series_by_type=desk.series_by_type),
        )
        yield Opened(work, ask, cover)


async def _write(desk: BookDesk, scope: AgencyScope, ask: Ask, out: BinaryIO, form: BookFormat) -> Summary:
    title = labels.say(f"book.{ask.book}", ask.lang)
    columns = [
        XlsxColumn(title=name, width=rules.WIDTHS[each])
        for name, each in zip(ask.titles(), ask.columns, strict=True)
    ]
    async with open_book(desk, scope, ask) as book:
        pieces = (partial(book.rows, lines) async for lines in book.pages())
        await table_files.write(desk.pool, out, form, title, columns, pieces, book.closing)
    return await tell_taken(desk, scope, ask, form, book.summary())


async def write_xlsx(desk: BookDesk, scope: AgencyScope, ask: Ask, out: BinaryIO) -> Summary:
    """A workbook; `out` may be any file that takes bytes."""
    return await _write(desk, scope, ask, out, BookFormat.XLSX)


async def write_csv(desk: BookDesk, scope: AgencyScope, ask: Ask, out: BinaryIO) -> Summary:
    """Comma-separated text: the titles and the lines, and nothing that is no line."""
    return await _write(desk, scope, ask, out, BookFormat.CSV)


async def tell_taken(
    desk: BookDesk, scope: AgencyScope, ask: Ask, to: BookFormat, summary: Summary
) -> Summary:
    """Tells that the book was written out; on the way back to the caller, and once the book is closed: whoever has one
    connection and waits for another may wait for others who do the same."""
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


_NEEDED = ("number", "symbol", "type_name", "subject", "signer", "recipients")
SENT_TEXTS = (*_NEEDED, "copy_holder", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the clerk typed. `catch_up`: why it is entered only now, after a stop."""

    number: str
    symbol: str
    issued_on: date
    type_name: str
    subject: str
    signer: str
    recipients: str
    copy_holder: str = ""
    copies: int | None = None
    dispatched_on: date | None = None
    note: str = ""
    secrecy: str = "none"
    catch_up: str | None = None


async def enter(desk: BookDesk, scope: AgencyScope, sent: Sent) -> PaperLetter:
    """The line. Refused names every broken rule, Clash a number that is taken in that year."""
    texts = {name: getattr(sent, name) for name in SENT_TEXTS}
    _check(sent, texts, local(desk.clock.now()).date())
    letter = PaperLetter(
        id=desk.clock.new_id("ppr_"),
        **{name: text.strip() for name, text in texts.items()},
        issued_on=sent.issued_on,
        copies=sent.copies,
        dispatched_on=sent.dispatched_on,
        entered_at=desk.clock.now(),
        entered_by=scope.principal_id,
        catch_up=sent.catch_up.strip() if sent.catch_up else None,
    )
    async with desk.store.begin(scope) as work:
        await work.agency()
        await work.office.books.put_letter(letter)
        more = {"catch_up": letter.catch_up} if letter.catch_up else {}
        told = _told(letter, source="paper", day=letter.issued_on.isoformat(), **more)
        await work.events.append(EventKind.BOOK_ENTERED, letter.id, letter.entered_at, told)
        await work.commit()
    return letter


def _check(sent: Sent, texts: Mapping[str, str], today: date) -> None:
    declared = door.check_declared(sent.secrecy, None, Profile())
    asked = rules.HandEntry(
        texts={**texts, **({} if sent.catch_up is None else {"catch_up": sent.catch_up})},
        needed=frozenset({*_NEEDED, "catch_up"}),
        issued_on=sent.issued_on,
        day=sent.issued_on,
        given_number=sent.number or "?",  # a missing one is named once, as the document's own number
        is_catch_up=sent.catch_up is not None,
    )
    verdict = declared + rules.check_entry(asked, NumberingMode.C, today)
    if not verdict.allowed:
        raise Refused(verdict)


def _told(letter: PaperLetter, **more: object) -> dict[str, object]:
    return {"book": Book.OUTGOING, "year": letter.issued_on.year, "number": letter.code, **more}


async def strike(desk: BookDesk, scope: AgencyScope, id: str, why: str) -> PaperLetter:
    """Struck through with the reason; its number is never given again (R32). Doing it again changes nothing."""
    verdict = rules.check_text("reason", why)
    if not verdict.allowed:
        raise Refused(verdict)
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        if await work.office.books.strike_letter(id, now, scope.principal_id, why.strip()):
            letter = await work.office.books.letter(id)
            await work.events.append(EventKind.BOOK_STRUCK, id, now, _told(letter, reason=why.strip()))
            await work.commit()
            return letter
        return await work.office.books.letter(id)


async def suggested(work: OfficeWork, year: int, type_name: str | None = None) -> int:
    """The number after the last of that year's run, of one type where types have runs of their own. Only a suggestion:
    whoever takes it first has it."""
    found = await work.office.books.outgoing_numbers(Span(year=year))
    taken = [
        int(one.number) for one in found if rules.is_number(one.number) and type_name in (None, one.type_name)
    ]
    return end_of_run(taken, min(taken, default=0)) + 1


async def next_number(desk: BookDesk, scope: AgencyScope, draft: Draft, today: date) -> str:
    """As `suggested`, for a draft: with a notation also behind what other drafts of that notation hold, so that whoever
    saves it has it until the draft is given up or sent."""
    year = (draft.issued_on or today).year
    run = draft.type_name if desk.series_by_type and draft.type_name else None
    async with desk.store.read(scope) as work:
        number = await suggested(work, year, run)
        if not draft.symbol:
            return str(number)
        return await work.numbers.free_number(str(number - 1), draft.symbol, year) or str(number)


async def line_named(work: OfficeWork, book: Book, id: str) -> str | OutgoingLine:
    """What a page of a book ended with, for the page behind it: its number, or of the outgoing book its line."""
    if book is not Book.OUTGOING:
        return id
    return await (work.office.books.letter(id) if id.startswith("ppr_") else work.outgoing.get(id))
