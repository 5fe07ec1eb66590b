"""A register book as pages and exports read it: lines page by page, and what stands on its cover. In: a book, a span of
one year, a unit of work. Out: `BookLine` in the order of the book; memory holds one page of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.domain.account import HostedAgency
from gateway.domain.book import Book, BookLine, Run, Span, Stamp, Summary
from gateway.domain.document import IncomingDocument
from gateway.domain.letter import OutgoingLine
from gateway.domain.wall_clock import local
from gateway.errors import Clash
from gateway.office.book import incoming_lines, outgoing_lines
from gateway.office.ports.book import IncomingLine, Numbered
from gateway.office.ports.store import OfficeWork
from gateway.policy import book as rules

AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
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
) -> Leaf:
    """The next lines after the last one seen."""
    if book is Book.OUTGOING:
        last = None if isinstance(after, str) else after
        sent = await work.office.books.outgoing(span, limit=limit, after=last)
        lines = await outgoing_lines.told(work, sent, lang)
        return Leaf(lines=tuple(lines), after=sent[-1] if len(sent) == limit else None)
    number = after if isinstance(after, str) else None
    found: Sequence[IncomingLine] = await work.office.books.incoming(span, limit=limit, after=number)
    lines = await incoming_lines.told(work, book, found, lang)
    return Leaf(lines=tuple(lines), after=found[-1].entry.number if len(found) == limit else None)


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


async def summary(work: OfficeWork, book: Book, span: Span, *, series_by_type: bool = True) -> Summary:
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


async def _incoming_run(work: OfficeWork, agency: HostedAgency, span: Span, numbers: Sequence[str]) -> Run:
    """Of a part of the book, numbers count as missing only where the whole book has none."""
    if span.since is None and span.until is None:
        return rules.run_of(numbers, start=rules.where_run_begins(agency.numbering))
    known = [int(one) for one in numbers if rules.is_number(one)]
    if not known:
        return Run()
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


def _outgoing_runs(numbers: Sequence[Numbered], by_type: bool) -> tuple[Run, ...]:
    """A number that was struck and given anew is no double; one that was only struck fills its place."""
    series: dict[str, list[Numbered]] = {}
    for one in numbers:
        series.setdefault(one.type_name if by_type else "", []).append(one)
    return tuple(rules.run_of(_standing(ones), series=name) for name, ones in sorted(series.items()))


def _standing(ones: Sequence[Numbered]) -> list[str]:
    live = [one.number for one in ones if not one.struck]
    return [*live, *({one.number for one in ones if one.struck} - set(live))]


class Check:
    """The SHA-256 of a book's lines, whatever form they are written in."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()

    def add(self, line: BookLine) -> None:
        told: Mapping[str, object] = {"id": line.subject_id, "struck": line.struck, **line.cells}
        text = json.dumps(told, ensure_ascii=False, sort_keys=True, default=date.isoformat)
        self._hasher.update(text.encode() + b"\n")

    def digest(self) -> str:
        return self._hasher.hexdigest()


def stamp(agency: HostedAgency, document: IncomingDocument) -> Stamp:
    """The arrival stamp of a document that is in the book; Clash for one that is not."""
    if document.register_no is None:
        raise Clash(f"{document.id} is not in the book yet; take it in first")
    to = document.assignment
    return Stamp(
        agency=agency.name,
        number=document.register_no,
        on=local(document.arrived_at).date(),
        forwarded_to=to.lead_unit if to is not None else "",
    )
