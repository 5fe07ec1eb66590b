"""The register books as pages, files and prints, in the decree's columns. In: book, form and span. Out: lines with the
sentence about gaps, a workbook, text, a page to print; the arrival stamp on a sheet of its own."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import date

from aiohttp import web

from gateway.api import downloads
from gateway.domain.book import Book, BookForm, Span
from gateway.errors import Denied
from gateway_office.book import book_lines, book_pdf, books
from gateway_office.book.books import Ask, BookFormat
from gateway_office.domain.roles import Manner, Right
from gateway_office.web import answers, book_page, dates, routes
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.dates import day_text
from gateway_office.web.forms import Problems
from gateway_office.web.menu import BOOKS
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.incoming import access as incoming_access
from gateway_office.web.pages.incoming import detail as incoming_detail
from gateway_office.web.routes import Needs

KEEPS = (Needs(right=Right.BOOK, manners=(Manner.YES,)),)
get, post, both = routes.sharing(needs=KEEPS, key="books")
_ROWS = 50
_FILE_NAMES = {
    Book.INCOMING: "so-van-ban-den",
    Book.OUTGOING: "so-van-ban-di",
    Book.FOLLOW_UP: "so-theo-doi",
}


async def show_books(request: PageRequest) -> web.StreamResponse:
    ask, problems = _read_query(request)
    services, sau = request.deps.book, request.ask("sau")
    async with services.store.read(request.scope()) as work:
        year_summary = await books.summary_of(
            work, ask.book, Span(year=ask.span.year), series_by_type=services.series_by_type
        )
        leaf = await books.read_page(
            work,
            ask.book,
            ask.span,
            limit=_ROWS,
            cursor=await books.line_named(work, ask.book, sau[:50]) if sau else None,
            lang=request.lang,
        )
    if problems:
        leaf = replace(leaf, lines=(), next_cursor=None)
    query = dict(request.http.query)
    following = (
        url_for(
            "/so-van-ban",
            **merged(
                query,
                sau=leaf.next_cursor if isinstance(leaf.next_cursor, str) else leaf.next_cursor.id,
                told=None,
            ),
        )
        if leaf.next_cursor
        else ""
    )
    return await request.page(
        "books/book.html",
        422 if problems else 200,
        problems=problems,
        title=request.say(f"book.{ask.book}"),
        ask=ask,
        books=tuple(Book),
        lines=leaf.lines,
        following=following,
        is_first=not sau,
        closing=book_lines.closing_lines(year_summary, request.lang),
        whole=year_summary,
        given={"tu": request.ask("tu"), "den": request.ask("den")},
        files={
            form: url_for(f"/so-van-ban/tai/{form}", **merged(query, sau=None, told=None))
            for form in (BookFormat.XLSX, BookFormat.CSV, BookFormat.PDF)
        },
        printed=url_for("/so-van-ban/in", **merged(query, sau=None, told=None)),
        may_keep=request.may(Right.BOOK, Manner.YES),
        may_take=request.may(Right.BOOK, Manner.YES) and not problems,
        cell=dates.cell_text,
        periods=[
            (
                key,
                url_for(
                    "/so-van-ban", so=ask.book, nam=str(first.year), tu=day_text(first), den=day_text(last)
                ),
                (first, last) == (ask.span.since, ask.span.until),
            )
            for key, first, last in dates.periods(request.today)
        ],
    )


async def file(request: PageRequest) -> web.StreamResponse:
    """Send the book as a file, written whole before the first byte leaves: a failure is reported instead of half a file."""
    book_format = BookFormat(request.path("form"))
    ask, problems = _read_query(request)
    if problems:
        return await show_books(request)
    deps, scope = request.deps, request.scope()
    with deps.blobs.scratch() as scratch:
        if book_format is BookFormat.PDF:
            await book_pdf.write(deps.book, scope, ask, scratch.file)
        else:
            await books.write_table(deps.book, scope, ask, scratch.file, form=book_format)
        name = f"{_FILE_NAMES[ask.book]}-{ask.span.year}.{book_format}"
        return await request.send_scratch_file(scratch.file, name, book_format)


async def print_book(request: PageRequest) -> web.StreamResponse:
    """Show the page to print: cover, header on each sheet, a line for each month."""
    deps = request.deps
    ask, problems = _read_query(request)
    if problems:
        return await show_books(request)
    with deps.blobs.scratch() as scratch:
        await book_page.write(deps.book, request.scope(), ask, scratch.file, nonce=request.nonce)
        await deps.pool.run(lambda: scratch.file.seek(0))
        response = web.StreamResponse(headers=answers.page_headers(request.nonce, request.lang))
        response.content_type, response.charset = "text/html", "utf-8"
        await response.prepare(request.http)
        async for piece in downloads.read(deps.pool, scratch.file):
            await response.write(piece)
        await response.write_eof()
        return response


async def stamp(request: PageRequest) -> web.StreamResponse:
    """Show the arrival stamp at its place on the letter's first page, to be printed with the page or onto the paper."""
    async with request.deps.store.read(request.scope()) as work:
        document = await work.incoming.get(request.path("id"))
        arrival_stamp = books.stamp(await work.agency(), document)
    leaf = None
    with suppress(Denied):
        leaf = await incoming_detail.make_preview(request, await incoming_access.find(request))
    return await request.page(
        "book/stamp.html",
        title=request.say("books.stamp"),
        document=document,
        stamp=arrival_stamp,
        stamp_day=dates.day_text(arrival_stamp.on),
        sheet=next((s for s in leaf.sheets if s.number == 1 and s.words is None), None) if leaf else None,
    )


def _read_query(request: PageRequest) -> tuple[Ask, Problems]:
    """Read the address. Without a readable span there is no book: a print of the whole year would be taken for a part."""
    year = request.query_year()
    (since, last_day), problems = request.query_days("tu", "den")
    if since is not None and last_day is not None and since > last_day:
        since, last_day = last_day, since
    book, form = request.ask("so"), request.ask("mau")
    ask = Ask(
        book=Book(book) if book in tuple(Book) else Book.INCOMING,
        form=BookForm(form) if form in tuple(BookForm) else BookForm.DECREE_30,
        span=Span(year=year, since=_within(since, year), until=_within(last_day, year)),
        lang=request.lang,
    )
    return ask, problems


def _within(day: date | None, year: int) -> date | None:
    """Limit a day to the book's year: a day of another year becomes its edge."""
    if day is None or day.year == year:
        return day
    return date(year, 1, 1) if day.year < year else date(year, 12, 31)


ROUTES = (
    get("/so-van-ban", "books", show_books, needs=BOOKS),
    get("/so-van-ban/tai/{form:xlsx|csv|pdf}", "book_file", file),
    get("/so-van-ban/in", "book_print", print_book),
    get("/so-van-ban/dau-den/{id}", "book_stamp", stamp),
)
