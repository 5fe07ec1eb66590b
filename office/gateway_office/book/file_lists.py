"""The two lists of decree 30/2020 about files of records: the files of a year, and the documents in one, as a
workbook or as PDF with the agency's heading. In: an agency and a year; the code of a file. Out: the files with their
number of documents; a file to download. A file is known by the code that documents of the outgoing book state; its title
and the time for which it is kept are written by hand, because no document states them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.agency_profile import Letterhead
from gateway.domain.book import Cell, Span
from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.wall_clock import cell_text, day_text, local
from gateway.errors import NotFound
from gateway.words import labels
from gateway_office.book import book_lines, books, table_files
from gateway_office.book.table_files import Piece, XlsxColumn, clean_text
from gateway_office.pdf_sheets import Align, PdfSheets, SheetColumn
from gateway_office.services import BookServices

FORMS = ("pdf", "xlsx")
# Titles of columns, in the order of the decree's samples, each with its width.
_FILES: Mapping[str, int] = {"code": 26, "title": 56, "kept": 18, "keeper": 24, "note": 30}
_CONTENTS: Mapping[str, int] = {
    "n": 8,
    "document": 22,
    "issued_on": 16,
    "what": 60,
    "author": 30,
    "sheets": 12,
    "note": 20,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFile:
    """One file of a year, as its documents tell it."""

    code: str
    documents: int
    first: date | None
    last: date | None


async def list_files(services: BookServices, scope: AgencyScope, year: int) -> Sequence[RecordFile]:
    """List the files of a year, by their codes."""
    days: dict[str, list[date | None]] = {}
    async for document in _documents(services, scope, year):
        if document.draft.file_code is not None:
            days.setdefault(str(document.draft.file_code), []).append(document.draft.issued_on)
    files = []
    for code, issued in sorted(days.items()):
        dated = [day for day in issued if day is not None]
        first, last = min(dated, default=None), max(dated, default=None)
        files.append(RecordFile(code=code, documents=len(issued), first=first, last=last))
    return files


async def write(
    services: BookServices, scope: AgencyScope, year: int, code: str, form: str, lang: str, out: BinaryIO
) -> int:
    """Write the list of the year's files, or with a code that of the documents in the file; return how many lines it has.
    NotFound where no document of the year is in such a file."""
    async with services.store.read(scope) as work:
        agency = await work.agency()
    say = partial(labels.say, lang=lang)
    if code:
        columns, title = _CONTENTS, say("book.file_list.contents")
        subject = say("book.file_list.file", code=code)
        rows = [
            _content_row(n, document, agency)
            for n, document in enumerate(await _documents_in(services, scope, year, code), start=1)
        ]
    else:
        columns, title, subject = _FILES, say("book.file_list.files"), say("book.file_list.year", year=year)
        rows = [
            [file.code, "", "", "", note_text(file, lang)] for file in await list_files(services, scope, year)
        ]
    titles = [say(f"book.file_list.column.{key}") for key in columns]
    if form == "pdf":
        today = local(services.clock.now()).date()
        letterhead = await services.store.accounts.letterhead(scope.agency_id)
        write_pdf = partial(_write_pdf, letterhead, title, subject, titles, columns, rows, today, lang, out)
        await services.pool.run(write_pdf)
        return len(rows)
    wide = [XlsxColumn(title=name, width=width) for name, width in zip(titles, columns.values(), strict=True)]

    async def pieces() -> AsyncIterator[Piece]:
        yield lambda: [(row, False) for row in rows]

    await table_files.write(services.pool, out, form, f"{title} {subject}", wide, pieces())
    return len(rows)


def file_name(year: int, code: str, form: str) -> str:
    safe = "".join(letter if letter.isalnum() or letter in ".-" else "-" for letter in code)
    return f"muc-luc-van-ban-{safe}.{form}" if code else f"danh-muc-ho-so-{year}.{form}"


async def _documents(
    services: BookServices, scope: AgencyScope, year: int
) -> AsyncIterator[OutgoingDocument]:
    """Yield the documents of the year's outgoing book that count, in its order and from one view."""
    async with services.store.read(scope) as work:
        last = None
        while lines := await work.office.books.outgoing(Span(year=year), limit=books.AT_ONCE, last=last):
            for line in lines:
                if isinstance(line, OutgoingDocument) and line.state is not OutState.CANCELLED:
                    yield line
            last = lines[-1]


async def _documents_in(
    services: BookServices, scope: AgencyScope, year: int, code: str
) -> Sequence[OutgoingDocument]:
    documents = [
        document
        async for document in _documents(services, scope, year)
        if document.draft.file_code is not None and str(document.draft.file_code) == code
    ]
    if not documents:
        raise NotFound(f"no document of {year} is in a file {code[:100]!r}")
    return documents


def _content_row(n: int, document: OutgoingDocument, agency: HostedAgency) -> list[Cell]:
    draft = document.draft
    text = book_lines.kind_text(draft.type_name, draft.subject)
    return [n, draft.code, draft.issued_on, text, agency.name, "", ""]


def note_text(file: RecordFile, lang: str) -> str:
    days = {"first": _day(file.first), "last": _day(file.last)}
    return labels.say("book.file_list.note", lang, count=file.documents, **days)


def _day(day: date | None) -> str:
    return day_text(day) if day is not None else "–"


def _write_pdf(
    letterhead: Letterhead,
    title: str,
    subject: str,
    titles: Sequence[str],
    columns: Mapping[str, int],
    rows: Sequence[Sequence[Cell]],
    today: date,
    lang: str,
    out: BinaryIO,
) -> None:
    say = partial(labels.say, lang=lang)
    sheets = PdfSheets(out, f"{title} {subject}", letterhead.agency, lang=lang, across=True)
    sheets.letterhead(letterhead, today)
    sheets.space(8)
    sheets.line(title.upper(), size=14, bold=True, align=Align.CENTRE)
    sheets.line(subject, align=Align.CENTRE)
    sheets.space(4)
    table = zip(titles, columns.items(), strict=True)
    sheets.table(
        [SheetColumn(title=name, share=width, centred=width < 20) for name, (_, width) in table], places=True
    )
    for row in rows:
        sheets.row([clean_text(cell_text(cell)) for cell in row])
    sheets.end_table()
    sheets.space(4)
    sheets.line(say("book.file_list.total", count=len(rows)), size=11)
    sheets.space(6)
    sheets.side_by_side(
        [say("report.signed.writer"), say("book.closing.sign")],
        [say("book.closing.head"), say("book.closing.seal")],
    )
    sheets.close()
