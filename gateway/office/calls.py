"""Serves the calls of the API that need the office. The register books for programs: lines page by page, and the whole book
as a file, in the columns of decree 30/2020; an event records who exported a book (R38). The note that one of our people
reminded a late recipient, once in some days. And requests about accounts. In: a call, and a span of days; or a document,
a code, who reminded it and how; or the lines of a form. Out: JSON, or a file that is complete before its first byte is
sent; the late documents there; the request with its answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.call import Call, PageOut, PageQuery, once
from gateway.api.problems import bad_value
from gateway.api.routes import BASE, Route
from gateway.api.shapes import AgencyCode, Line, Moment, RequestModel, ResponseModel, Text
from gateway.domain.account import ApiScope
from gateway.domain.book import Book, BookLine, OutgoingLine, Span, Summary
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.office import report_calls
from gateway.office.accounts import requests
from gateway.office.book import books
from gateway.office.book.books import Ask
from gateway.office.domain.account_request import (
    AccountChange,
    AccountRequest,
    RequestContact,
    RequestForm,
    RequestLine,
    RequestState,
)
from gateway.office.letters import follow_up
from gateway.office.policy import account_forms
from gateway.office.report_calls import SpanQuery, written_file
from gateway.office.services import BookServices
from gateway.office.store.store import OfficeWork
from gateway.words.labels import say

if TYPE_CHECKING:
    from gateway.office.bootstrap.office import Office


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
            from gateway.office.book import book_pdf

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
    from gateway.office.book import file_lists

    year = call.query_of(FilesQuery).year or local(office.clock.now()).year
    files = await file_lists.list_files(office.book, call.scope(), year)
    return call.tell(RecordFiles(data=[RecordFileOut.from_object(file) for file in files]))


async def _file_list(office: Office, call: Call) -> web.StreamResponse:
    from gateway.office.book import file_lists

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


class RemindIn(RequestModel):
    """Reminder: who gave it to whom, and how. The node reminds nobody by itself: a person did, or does it now."""

    recipient: AgencyCode
    by: Line = Field(min_length=1, max_length=100, description="The person who reminds, in the agency's name")
    how: Literal["phone", "mail", "letter", "other"] = "other"
    text: Text = Field(
        min_length=1, max_length=follow_up.LONGEST_URGING, description="What was said or written"
    )
    every: bool = Field(
        False, description="Of everything of ours that is late there, not of this document alone"
    )


class RemindedOut(ResponseModel):
    recipient: str
    documents: list[str] = Field(description="Ids of the messages that it was reminded of")
    at: Moment
    next_at: Moment = Field(description="From when on it may be reminded again")


async def _remind(office: Office, call: Call) -> web.Response:
    request = call.body_of(RemindIn)
    every = dt.timedelta(days=office.settings.pages.urge_days)

    async def act() -> str:
        async with call.deps.store.read(call.scope()) as work:
            document = await work.outgoing.get(call.path("id"))
        urging = await follow_up.urge(
            office.out,
            call.scope(),
            request.recipient,
            by=request.by,
            how=request.how,
            text=request.text,
            every=every,
            only=() if request.every else (document.id,),
        )
        late = [d.id for d in urging.late if request.every or d.id == document.id]
        now = office.clock.now()
        reminder = RemindedOut(recipient=urging.code, documents=late, at=now, next_at=now + every)
        return reminder.model_dump_json()

    return await once(call, act, status=200)


class PersonIn(RequestModel):
    """One person of a request; each form needs some of the fields."""

    login: Line = Field("", max_length=64, description="The account (forms 02 and 03)")
    name: Line = Field("", max_length=200)
    title: Line = Field("", max_length=200)
    role: Line = Field(
        "", max_length=40, description="Post of a new account (form 01), such as clerk or officer"
    )
    unit: Line = Field("", max_length=200)
    email: Line = Field("", max_length=200)
    phone: Line = Field("", max_length=200)
    change: AccountChange | None = Field(None, description="Detail that changes (form 02)")
    value: Line = Field("", max_length=200, description="Its new text; for a post its role")
    decided_on: dt.date | None = Field(
        None, description="Day of the decision by which the person leaves (form 03)"
    )
    reason: Line = Field("", max_length=200)
    note: Line = Field("", max_length=200)


class AccountRequestIn(RequestModel):
    """Request of the agency about its accounts: new ones (01), changes (02) or ends (03)."""

    form: Literal["01", "02", "03"]
    number: Line = Field("", max_length=50, description="Number of the agency's written request")
    email: Line = Field(
        "",
        max_length=200,
        description="Address that the answer is mailed to; the agency's administrators where absent",
    )
    lines: list[PersonIn] = Field(min_length=1, max_length=account_forms.MOST_LINES)


class PersonOut(ResponseModel):
    """One person of a request, and the answer."""

    login: str
    name: str
    decided_on: dt.date | None
    days_late: int = Field(description="Days beyond the five after the decision; 0 in time")
    done: bool | None = Field(description="Null while the request waits")
    refusal: str


class AccountRequestOut(ResponseModel):
    """Request with its answer, or a report that was handed in (form 04)."""

    id: str
    form: str
    number: str
    state: RequestState
    made_at: Moment
    answer: str
    answered_at: Moment | None
    digest: str = Field(description="SHA-256 of a report; empty for a request")
    lines: list[PersonOut]


class AccountRequests(PageOut[AccountRequestOut]):
    """One page of the agency's requests, newest first."""


def _request_view(request: AccountRequest) -> AccountRequestOut:
    return AccountRequestOut(
        id=request.id,
        form=request.form.value,
        number=request.number,
        state=request.state,
        made_at=request.made_at,
        answer=request.answer,
        answered_at=request.answered_at,
        digest=request.digest,
        lines=[
            PersonOut(
                login=line.login,
                name=line.name,
                decided_on=line.decided_on,
                days_late=account_forms.days_late(line, request.made_at),
                done=line.is_done,
                refusal=line.refusal,
            )
            for line in request.lines
        ],
    )


async def _list_account_requests(office: Office, call: Call) -> web.Response:
    query, agency_id = call.query_of(PageQuery), call.scope().agency_id
    async with office.accounts.accounts.read() as view:
        if query.cursor and (await view.requests.get(query.cursor)).agency_id != agency_id:
            raise bad_value("?cursor", "next_cursor")
        listed = await view.requests.listed(agency_id, query.limit + 1, query.cursor or "")
    rows = listed[: query.limit]
    cursor = call.next_page(rows[-1].id if len(listed) > query.limit else None)
    return call.tell(AccountRequests.paged([_request_view(request) for request in rows], cursor))


async def _read_account_request(office: Office, call: Call) -> web.Response:
    id = call.path("id")
    async with office.accounts.accounts.read() as view:
        request = await view.requests.get(id)
    if request.agency_id != call.scope().agency_id:
        raise NotFound(f"there is no request {id}")
    return call.tell(_request_view(request))


async def _make_account_request(office: Office, call: Call) -> web.Response:
    body, scope = call.body_of(AccountRequestIn), call.scope()
    draft = requests.RequestDraft(
        form=RequestForm(body.form),
        number=body.number,
        contact=RequestContact(email=body.email),
        lines=tuple(line.into(RequestLine) for line in body.lines),
    )

    async def act() -> str:
        async with office.accounts.changing(scope.principal_id) as (work, now):
            new_request = await requests.record(
                office.accounts, work, scope.principal_id, scope.agency_id, draft, now
            )
        return _request_view(new_request).model_dump_json()

    return await once(call, act, status=201)


def _account_request_routes(office: Office) -> tuple[Route, ...]:
    make_route = partial(Route, tag="accounts", scopes=(ApiScope.AGENCIES_READ,))
    path = f"{BASE}/account-requests"
    return (
        make_route(
            path=path,
            name="listAccountRequests",
            handler=partial(_list_account_requests, office),
            summary="Requests of the agency about its accounts, newest first",
            text="Reports that the agency handed in (form 04) are among them.",
            query=PageQuery,
            answer=AccountRequests,
            fails=(400,),
        ),
        make_route(
            path=f"{path}/{{id}}",
            name="readAccountRequest",
            handler=partial(_read_account_request, office),
            summary="One request about accounts, with its answer",
            answer=AccountRequestOut,
        ),
        make_route(
            path=path,
            name="makeAccountRequest",
            method="POST",
            handler=partial(_make_account_request, office),
            summary="Ask the operator for new accounts, changes or ends",
            text="The operator answers within three working days, and carries it out with the answer: an event "
            "`accounts.answered`. The agency's own administrators may do without a request.",
            scopes=(ApiScope.AGENCIES_WRITE,),
            creates=True,
            status=201,
            asks=AccountRequestIn,
            answer=AccountRequestOut,
            fails=(400, 422),
            sample=lambda day: {
                "form": "01",
                "number": "12/SMT-VP",
                "lines": [{"name": say("sample.signer"), "role": "officer"}],
            },
        ),
    )


def routes(office: Office) -> Sequence[Route]:
    return (
        *_book_routes(office, Book.OUTGOING),
        *_book_routes(office, Book.INCOMING),
        *_file_routes(office),
        *report_calls.routes(office),
        *_account_request_routes(office),
        Route(
            path=f"{BASE}/messages/{{id}}/remind",
            name="remindRecipient",
            method="POST",
            tag="messages",
            handler=partial(_remind, office),
            summary="Note that a late recipient was reminded",
            text="409 where nothing of ours is late there (`GW-NOT-LATE`), or it was reminded a short while ago "
            "(`GW-URGED`).",
            scopes=(ApiScope.MESSAGES_SEND,),
            creates=True,
            asks=RemindIn,
            answer=RemindedOut,
            fails=(400, 404, 409, 422),
            sample=lambda _: {
                "recipient": "Z91",
                "by": say("sample.signer"),
                "how": "phone",
                "text": say("sample.reminder"),
            },
        ),
    )
