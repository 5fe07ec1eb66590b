"""The two lists of decree 30/2020 about files of records: the files of a year, and the documents in one, as a
workbook or as PDF with the agency's heading. In: an agency and a year; the code of a file. Out: the files with their
number of documents; a file to download. A document is in a file where a person put it, or where an outgoing one states the
file's code. A file that only documents state has no title."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import BinaryIO

from gateway.domain.account import AgencyScope
from gateway.domain.agency_profile import Letterhead
from gateway.domain.book import Cell, PaperLetter, Span
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument, OutState
from gateway.domain.wall_clock import cell_text, day_text, local
from gateway.errors import NotFound
from gateway.store.repository import in_parts
from gateway.words import labels
from gateway_office.book import book_lines, books, table_files
from gateway_office.book.table_files import Piece, XlsxColumn, clean_text
from gateway_office.domain.work_file import WorkFile
from gateway_office.pdf_sheets import Align, PdfSheets, SheetColumn
from gateway_office.services import BookServices
from gateway_office.store.store import OfficeWork

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
    """One file of a year; `file` is None where documents alone tell of it."""

    code: str
    documents: int
    first: date | None
    last: date | None
    file: WorkFile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLine:
    """A document in a file, as the list of its contents has it."""

    id: str
    code: str
    issued_on: date | None
    text: str
    author: str
    is_recalled: bool = False


async def list_files(services: BookServices, scope: AgencyScope, year: int) -> Sequence[RecordFile]:
    """List the files of a year, by their codes."""
    async with services.store.read(scope) as work:
        stated = await _stated(work, year)
        opened = {file.code: file for file in await work.office.work_files.of_year(year)}
        members = await work.office.work_files.members([file.id for file in opened.values()])
        lines = {line.id: line for line in await load_lines(work, [member.document_id for member in members])}
    files = []
    for code in sorted({*stated, *opened}):
        file = opened.get(code)
        in_it = {line.id: line for line in stated.get(code, ())}
        in_it |= {
            m.document_id: lines[m.document_id] for m in members if file is not None and m.file_id == file.id
        }
        dated = [line.issued_on for line in in_it.values() if line.issued_on is not None]
        first, last = min(dated, default=None), max(dated, default=None)
        files.append(RecordFile(code=code, documents=len(in_it), first=first, last=last, file=file))
    return files


async def list_contents(work: OfficeWork, year: int, code: str) -> Sequence[FileLine]:
    """List the documents in a file by their days. NotFound for a code without a file or a document."""
    in_it = {line.id: line for line in (await _stated(work, year)).get(code, ())}
    file = await work.office.work_files.find(code)
    if file is not None:
        ids = [member.document_id for member in await work.office.work_files.members([file.id])]
        in_it |= {line.id: line for line in await load_lines(work, ids)}
    elif not in_it:
        raise NotFound(f"no document of {year} is in a file {code[:100]!r}")
    return sorted(in_it.values(), key=lambda line: (line.issued_on or date.max, line.code, line.id))


async def load_lines(work: OfficeWork, ids: Sequence[str]) -> Sequence[FileLine]:
    """Load documents of both directions, and letters on paper, as lines."""
    agency, lines = await work.agency(), list[FileLine]()
    for part in in_parts(ids):
        lines += [_line(document, "") for document in await work.incoming.of_many(part)]
        lines += [_line(document, agency.name) for document in await work.outgoing.of_many(part)]
        letters = [await work.office.books.letter(id) for id in part if id.startswith("ppr_")]
        lines += [_line(letter, agency.name) for letter in letters]
    return lines


async def write(
    services: BookServices, scope: AgencyScope, year: int, code: str, form: str, lang: str, out: BinaryIO
) -> int:
    """Write the list of the year's files, or with a code that of the documents in the file; return how many lines it has.
    NotFound where no document of the year is in such a file."""
    say = partial(labels.say, lang=lang)
    if code:
        columns, title = _CONTENTS, say("book.file_list.contents")
        subject = say("book.file_list.file", code=code)
        async with services.store.read(scope) as work:
            contents = await list_contents(work, year, code)
        recalled = say("state.in.recalled")
        rows: list[list[Cell]] = [
            [n, line.code, line.issued_on, line.text, line.author, "", recalled if line.is_recalled else ""]
            for n, line in enumerate(contents, start=1)
        ]
    else:
        columns, title, subject = _FILES, say("book.file_list.files"), say("book.file_list.year", year=year)
        files = await list_files(services, scope, year)
        async with services.store.read(scope) as work:
            names = await work.office.books.names([file.file.owner for file in files if file.file])
        rows = [[record.code, *_texts_of(record.file, names), note_text(record, lang)] for record in files]
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


async def _stated(work: OfficeWork, year: int) -> Mapping[str, Sequence[FileLine]]:
    """Return the documents of the year's outgoing book that count, by the code that they state."""
    lines_by_code: dict[str, list[FileLine]] = {}
    agency, last = await work.agency(), None
    while lines := await work.office.books.outgoing(Span(year=year), limit=books.AT_ONCE, last=last):
        for line in lines:
            if (
                isinstance(line, OutgoingDocument)
                and line.draft.file_code is not None
                and line.state is not OutState.CANCELLED
            ):
                lines_by_code.setdefault(str(line.draft.file_code), []).append(_line(line, agency.name))
        last = lines[-1]
    return lines_by_code


def _line(document: IncomingDocument | OutgoingDocument | PaperLetter, author: str) -> FileLine:
    """Describe a document; the subject of a sealed one is not written."""
    header = document.draft if isinstance(document, OutgoingDocument) else document
    if isinstance(document, IncomingDocument):
        author, is_sealed = document.sender_name or document.sender_code, document.state is InState.SEALED
    else:
        is_sealed = isinstance(document, OutgoingDocument) and document.is_sealed
    is_recalled = isinstance(document, IncomingDocument) and document.state is InState.RECALLED
    text = "" if is_sealed else book_lines.kind_text(header.type_name, header.subject)
    return FileLine(
        id=document.id,
        code=header.code,
        issued_on=header.issued_on,
        text=text,
        author=author,
        is_recalled=is_recalled,
    )


def _texts_of(file: WorkFile | None, names: Mapping[str, str]) -> tuple[str, str, str]:
    """Return title, class of retention and keeper."""
    return (file.title, file.retention or "", names.get(file.owner, "")) if file is not None else ("", "", "")


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
