"""Serves the register books and the lists of files of records to programs: lines page by page, and a whole book or list as
a file, in the columns of decree 30/2020; an event records who exported a book (R38). In: a call, and a span of days or a
year. Out: JSON, or a file that is complete before its first byte is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, PageOut, PageQuery
from gateway.api.routes import Routes
from gateway.api.shapes import Line, RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.book import Book, BookLine, OutgoingLine, Span, Summary
from gateway.domain.request_fault import bad_value
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway_office.book import books
from gateway_office.book.books import Ask
from gateway_office.bootstrap.office import Office
from gateway_office.calls.files import SpanQuery, written_file
from gateway_office.services import BookServices
from gateway_office.store.store import OfficeWork


class LinesQuery(SpanQuery, PageQuery):
    """Which lines of a book."""


class FileQuery(SpanQuery):
    """Which book as a file."""

    format: Literal["csv", "xlsx", "pdf"] = "csv"


class LineOut(ResponseModel):
    """One line of the book, struck ones with their number."""

    id: str = Field(description="The item, the message, or the letter on paper")
    number: str
    on: dt.date | None = Field(description="The day under which it stands")
    struck: bool
    cells: dict[str, str | int | dt.date | None] = Field(description="By column; see `columns`")


class ColumnOut(ResponseModel):
    name: str
    title: str


class GapOut(ResponseModel):
    """Numbers that no line has."""

    series: str
    first: int
    last: int


class Lines(PageOut[LineOut]):
    """One page of a book, in its order."""

    year: int
    columns: list[ColumnOut]
    lines: int = Field(description="In the whole span")
    struck: int
    gaps: list[GapOut]


ROUTES = Routes("messages", ApiScope.MESSAGES_READ)
_OF_INBOX: Mapping[str, Any] = {"tag": "inbox", "scopes": (ApiScope.INBOX_READ,)}
_LINES: Mapping[str, Any] = {
    "text": "In the columns of decree 30/2020, of one year; what went or came on paper is in it. `gaps` are "
    "numbers that no line has.",
    "fails": (400,),
}
_FILE: Mapping[str, Any] = {
    "text": "Text for tables, a workbook, or a PDF to be bound and signed. An event `book.exported` says that "
    "this key took it.",
    "media": "*/*",
    "fails": (400,),
}


@ROUTES("GET /registers/outgoing", "The register of outgoing documents, line by line", **_LINES)
async def list_outgoing_register(office: Office, call: Call, query: LinesQuery) -> Lines:
    return await _lines(office, Book.OUTGOING, call, query)


@ROUTES("GET /registers/outgoing/file", "The register of outgoing documents as a file", **_FILE)
async def take_outgoing_register(office: Office, call: Call, query: FileQuery) -> web.StreamResponse:
    return await _file(office, Book.OUTGOING, call, query)


@ROUTES("GET /registers/incoming", "The register of incoming documents, line by line", **_LINES, **_OF_INBOX)
async def list_incoming_register(office: Office, call: Call, query: LinesQuery) -> Lines:
    return await _lines(office, Book.INCOMING, call, query)


@ROUTES("GET /registers/incoming/file", "The register of incoming documents as a file", **_FILE, **_OF_INBOX)
async def take_incoming_register(office: Office, call: Call, query: FileQuery) -> web.StreamResponse:
    return await _file(office, Book.INCOMING, call, query)


async def _lines(office: Office, book: Book, call: Call, query: LinesQuery) -> Lines:
    services = office.book
    ask = _ask(services, book, query, call.lang)
    async with services.store.read(call.scope()) as work:
        summary = await books.summary_of(work, book, ask.span, series_by_type=services.series_by_type)
        leaf = await books.read_page(
            work,
            book,
            ask.span,
            limit=query.limit,
            cursor=await _line_of_cursor(work, book, query.cursor),
            lang=call.lang,
        )
    last_line = (
        leaf.next_cursor
        if leaf.next_cursor is None or isinstance(leaf.next_cursor, str)
        else leaf.next_cursor.id
    )
    return _page(ask, leaf.lines, summary, call.next_page(last_line))


async def _file(office: Office, book: Book, call: Call, query: FileQuery) -> web.StreamResponse:
    services = office.book
    ask = _ask(services, book, query, call.lang)
    name = f"{book}-{ask.span.year}.{query.format}"

    async def write(out: BinaryIO) -> None:
        if query.format == "pdf":
            # Its library is loaded at first use alone.
            from gateway_office.book import book_pdf

            await book_pdf.write(services, call.scope(), ask, out)
            return
        await books.write_table(services, call.scope(), ask, out, form=books.BookFormat(query.format))

    return await written_file(call, name, write)


def _ask(services: BookServices, book: Book, query: SpanQuery, lang: str) -> Ask:
    today = local(services.clock.now()).date()
    year = (query.since or query.until or today).year
    last = query.until or (today if year == today.year else dt.date(year, 12, 31))
    since = query.since or dt.date(year, 1, 1)
    if last.year != year or since > last or not 1900 <= year <= 9998:
        raise bad_value("?to", f"{since} … {since.replace(month=12, day=31)}")
    return Ask(book=book, span=Span(year=year, since=since, until=last), lang=lang)


async def _line_of_cursor(work: OfficeWork, book: Book, cursor: str | None) -> str | OutgoingLine | None:
    """Return the line that the previous page ended with."""
    try:
        return await books.line_named(work, book, cursor) if cursor is not None else None
    except NotFound as why:
        raise bad_value("?cursor", "next_cursor") from why


def _page(ask: Ask, lines: Sequence[BookLine], summary: Summary, cursor: str | None) -> Lines:
    columns = [
        ColumnOut(name=name, title=title) for name, title in zip(ask.columns, ask.titles(), strict=True)
    ]
    data = [
        LineOut.from_object(
            line, id=line.subject_id, cells={name: line.cells.get(name) for name in ask.columns}
        )
        for line in lines
    ]
    gaps = [
        GapOut(series=run.series, first=gap.first, last=gap.last) for run in summary.runs for gap in run.gaps
    ]
    return Lines(
        data=data,
        next_cursor=cursor,
        has_more=cursor is not None,
        year=ask.span.year,
        columns=columns,
        lines=summary.lines,
        struck=summary.struck,
        gaps=gaps,
    )


class FilesQuery(RequestModel):
    """Which year's files of records."""

    year: int | None = Field(None, ge=1900, le=9998, description="This year where absent")


class FileListQuery(FilesQuery):
    """Which list as a file."""

    code: Line = Field("", description="Code of a file: then the documents in it, else the files")
    format: Literal["pdf", "xlsx"] = "pdf"


class RecordFileOut(ResponseModel):
    """One file of records, as documents of the outgoing book state it."""

    code: str
    documents: int
    first: dt.date | None = Field(description="Date of its first document")
    last: dt.date | None


class RecordFiles(ResponseModel):
    data: list[RecordFileOut]


@ROUTES(
    "GET /registers/files",
    "The files of records of a year",
    text="Files that the agency keeps, and those that its outgoing documents state as `file_code`, by code. "
    "Each has the number of documents that were put into it, or state it.",
    fails=(400,),
)
async def list_record_files(office: Office, call: Call, query: FilesQuery) -> RecordFiles:
    from gateway_office.book import file_lists

    year = query.year or local(office.clock.now()).year
    files = await file_lists.list_files(office.book, call.scope(), year)
    return RecordFiles(data=[RecordFileOut.from_object(file) for file in files])


@ROUTES(
    "GET /registers/files/file",
    "The list of files of a year, or of the documents in one, as a file",
    text="A PDF with the agency's heading, or a workbook, in the columns of decree 30/2020.",
    media="*/*",
    fails=(400, 404),
)
async def take_record_files(office: Office, call: Call, query: FileListQuery) -> web.StreamResponse:
    from gateway_office.book import file_lists

    year = query.year or local(office.clock.now()).year

    async def write(out: BinaryIO) -> None:
        await file_lists.write(office.book, call.scope(), year, query.code, query.format, call.lang, out)

    return await written_file(call, file_lists.file_name(year, query.code, query.format), write)
