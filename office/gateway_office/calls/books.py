"""Serves the register books and the lists of files of records to programs: lines page by page, and a whole book or list as
a file, in the columns of decree 30/2020; an event records who exported a book (R38). In: a call, and a span of days or a
year. Out: JSON, or a file that is complete before its first byte is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, PageOut, PageQuery
from gateway.api.routes import BASE, Route
from gateway.api.shapes import Line, RequestModel, ResponseModel
from gateway.domain.account import ApiScope
from gateway.domain.book import Book, BookLine, OutgoingLine, Span, Summary
from gateway.domain.request_fault import bad_value
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway_office.book import books
from gateway_office.book.books import Ask
from gateway_office.calls.files import SpanQuery, written_file
from gateway_office.services import BookServices
from gateway_office.store.store import OfficeWork

if TYPE_CHECKING:
    from gateway_office.bootstrap.office import Office


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


def _book_routes(office: Office, book: Book) -> tuple[Route, Route]:
    make_route = partial(
        Route,
        tag="messages" if book is Book.OUTGOING else "inbox",
        scopes=(ApiScope.MESSAGES_READ if book is Book.OUTGOING else ApiScope.INBOX_READ,),
    )
    return (
        make_route(
            path=f"{BASE}/registers/{book}",
            name=f"list{book.title()}Register",
            handler=partial(_lines, office, book),
            summary=f"The register of {book} documents, line by line",
            text="In the columns of decree 30/2020, of one year; what went or came on paper is in it. `gaps` are "
            "numbers that no line has.",
            query=LinesQuery,
            answer=Lines,
            fails=(400,),
        ),
        make_route(
            path=f"{BASE}/registers/{book}/file",
            name=f"take{book.title()}Register",
            handler=partial(_file, office, book),
            summary=f"The register of {book} documents as a file",
            text="Text for tables, a workbook, or a PDF to be bound and signed. An event `book.exported` says that "
            "this key took it.",
            query=FileQuery,
            media="*/*",
            fails=(400,),
        ),
    )


async def _lines(office: Office, book: Book, call: Call) -> web.Response:
    query, services = call.query_of(LinesQuery), office.book
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
    return call.tell(_page(ask, leaf.lines, summary, call.next_page(last_line)))


async def _file(office: Office, book: Book, call: Call) -> web.StreamResponse:
    query, services = call.query_of(FileQuery), office.book
    ask = _ask(services, book, query, call.lang)
    name = f"{book}-{ask.span.year}.{query.format}"

    async def write(out: BinaryIO) -> None:
        if query.format == "pdf":
            # Its library is loaded at first use alone.
            from gateway_office.book import book_pdf

            await book_pdf.write(services, call.scope(), ask, out)
            return
        write_table = books.write_xlsx if query.format == "xlsx" else books.write_csv
        await write_table(services, call.scope(), ask, out)

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
        LineOut(
            id=line.subject_id,
            number=line.number,
            on=line.on,
            struck=line.struck,
            cells={name: line.cells.get(name) for name in ask.columns},
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


async def _record_files(office: Office, call: Call) -> web.Response:
    from gateway_office.book import file_lists

    year = call.query_of(FilesQuery).year or local(office.clock.now()).year
    files = await file_lists.list_files(office.book, call.scope(), year)
    return call.tell(RecordFiles(data=[RecordFileOut.from_object(file) for file in files]))


async def _file_list(office: Office, call: Call) -> web.StreamResponse:
    from gateway_office.book import file_lists

    query = call.query_of(FileListQuery)
    year = query.year or local(office.clock.now()).year

    async def write(out: BinaryIO) -> None:
        await file_lists.write(office.book, call.scope(), year, query.code, query.format, call.lang, out)

    return await written_file(call, file_lists.file_name(year, query.code, query.format), write)


def _file_routes(office: Office) -> tuple[Route, Route]:
    make_route = partial(Route, tag="messages", scopes=(ApiScope.MESSAGES_READ,))
    return (
        make_route(
            path=f"{BASE}/registers/files",
            name="listRecordFiles",
            handler=partial(_record_files, office),
            summary="The files of records that documents of a year state",
            query=FilesQuery,
            answer=RecordFiles,
            fails=(400,),
        ),
        make_route(
            path=f"{BASE}/registers/files/file",
            name="takeRecordFiles",
            handler=partial(_file_list, office),
            summary="The list of files of a year, or of the documents in one, as a file",
            text="A PDF with the agency's heading, or a workbook, in the columns of decree 30/2020.",
            query=FileListQuery,
            media="*/*",
            fails=(400, 404),
        ),
    )


def routes(office: Office) -> Sequence[Route]:
    return (
        *_book_routes(office, Book.OUTGOING),
        *_book_routes(office, Book.INCOMING),
        *_file_routes(office),
    )
