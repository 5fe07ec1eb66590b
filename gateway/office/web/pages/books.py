"""The register books as pages, files and prints. In: which book, form and span. Out: lines in the decree's
columns, the sentence about gaps, a workbook, text, a page to print, the arrival stamp on a sheet of its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from aiohttp import web

from gateway.api import downloads
from gateway.domain.book import Book, BookForm, OutgoingLine, Span
from gateway.office.book import book_lines, books
from gateway.office.book.books import Ask, BookFormat
from gateway.office.domain.roles import Manner, Right
from gateway.office.ports.store import OfficeWork
from gateway.office.web import answers, book_page, dates
from gateway.office.web.forms import Problems
from gateway.office.web.routes import Needs, get
from gateway.office.web.visits import BOOKS, Visit, merged, where

KEEPS = (Needs(right=Right.BOOK, manners=(Manner.YES,)),)
_ROWS = 50


async def shown(visit: Visit) -> web.StreamResponse:
    ask, problems = _asked(visit)
    desk = visit.deps.book
    async with desk.store.read(visit.scope()) as work:
        agency = await work.agency()
        whole = await books.summary_of(
            work, ask.book, Span(year=ask.span.year), series_by_type=desk.series_by_type
        )
        leaf = await books.leaf(
            work, ask.book, ask.span, limit=_ROWS, after=await _after(visit, work, ask), lang=visit.lang
        )
    if problems:
        leaf = replace(leaf, lines=(), after=None)
    query = dict(visit.request.query)
    following = (
        where(
            "/so-van-ban",
            **merged(query, sau=leaf.after if isinstance(leaf.after, str) else leaf.after.id, told=None),
        )
        if leaf.after
        else ""
    )
    return await visit.page(
        "books/book.html",
        422 if problems else 200,
        problems=problems,
        title=visit.say(f"book.{ask.book}"),
        ask=ask,
        books=tuple(Book),
        forms=tuple(BookForm),
        agency=agency,
        titles=ask.titles(),
        columns=ask.columns,
        lines=leaf.lines,
        following=following,
        is_first=not visit.ask("sau"),
        closing=book_lines.closing_lines(whole, visit.lang),
        whole=whole,
        given={"tu": visit.ask("tu"), "den": visit.ask("den")},
        files={
            each: where(f"/so-van-ban/tai/{each}", **merged(query, sau=None, told=None))
            for each in (BookFormat.XLSX, BookFormat.CSV)
        },
        printed=where("/so-van-ban/in", **merged(query, sau=None, told=None)),
        may_keep=visit.may(Right.BOOK, Manner.YES),
        may_take=visit.may(Right.BOOK, Manner.YES) and not problems,
        cell=dates.cell_text,
    )


async def file(visit: Visit) -> web.StreamResponse:
    """The book as a file, written whole before the first byte goes out: a failure is told, not half a file."""
    form = BookFormat(visit.path("form"))
    ask, problems = _asked(visit)
    if problems:
        return await shown(visit)
    deps, scope = visit.deps, visit.scope()
    write = books.write_xlsx if form is BookFormat.XLSX else books.write_csv
    with deps.blobs.scratch() as scratch:
        await write(deps.book, scope, ask, scratch.file)
        content = await answers.file_content(deps.pool, scratch.file, f"{_file_name(ask)}.{form}", form)
        return await answers.give_file(visit.request, content)


async def printed(visit: Visit) -> web.StreamResponse:
    """The page to print: cover, header on each sheet, a line for each month."""
    deps = visit.deps
    ask, problems = _asked(visit)
    if problems:
        return await shown(visit)
    with deps.blobs.scratch() as scratch:
        await book_page.write(deps.book, visit.scope(), ask, scratch.file, nonce=visit.nonce)
        await deps.pool.run(lambda: scratch.file.seek(0))
        response = web.StreamResponse(headers=answers.page_headers(visit.nonce, visit.lang))
        response.content_type, response.charset = "text/html", "utf-8"
        await response.prepare(visit.request)
        async for piece in downloads.read(deps.pool, scratch.file):
            await response.write(piece)
        await response.write_eof()
        return response


async def stamp(visit: Visit) -> web.StreamResponse:
    """The arrival stamp of one document, to be laid on a print."""
    async with visit.deps.store.read(visit.scope()) as work:
        document = await work.incoming.get(visit.path("id"))
        made = books.stamp(await work.agency(), document)
    text = await book_page.stamp(made, lang=visit.lang, nonce=visit.nonce)
    response = web.Response(text=text, content_type="text/html", charset="utf-8")
    response.headers.update(answers.page_headers(visit.nonce, visit.lang))
    return response


def _asked(visit: Visit) -> tuple[Ask, Problems]:
    """What the address asks for. Of a span that cannot be read there is no book: whoever prints it would take the whole
    year for a part."""
    year = visit.year_asked()
    (since, until), problems = visit.days_asked("tu", "den")
    if since is not None and until is not None and since > until:
        since, until = until, since
    book, form = visit.ask("so"), visit.ask("mau")
    ask = Ask(
        book=Book(book) if book in tuple(Book) else Book.INCOMING,
        form=BookForm(form) if form in tuple(BookForm) else BookForm.DECREE_30,
        span=Span(year=year, since=_within(since, year), until=_within(until, year)),
        lang=visit.lang,
    )
    return ask, problems


def _within(day: date | None, year: int) -> date | None:
    """A book is of one year: a day of another one is brought to its edge."""
    if day is None or day.year == year:
        return day
    return date(year, 1, 1) if day.year < year else date(year, 12, 31)


async def _after(visit: Visit, work: OfficeWork, ask: Ask) -> str | OutgoingLine | None:
    """The line that the page before ended with."""
    given = visit.ask("sau")
    if not given:
        return None
    if ask.book is not Book.OUTGOING:
        return given[:50]
    return await (work.office.books.letter(given) if given.startswith("ppr_") else work.outgoing.get(given))


def _file_name(ask: Ask) -> str:
    kinds = {Book.INCOMING: "so-van-ban-den", Book.OUTGOING: "so-van-ban-di", Book.FOLLOW_UP: "so-theo-doi"}
    return f"{kinds[ask.book]}-{ask.span.year}"


ROUTES = (
    get("/so-van-ban", "books", shown, needs=BOOKS, key="books"),
    get("/so-van-ban/tai/{form:xlsx|csv}", "book_file", file, needs=KEEPS, key="books"),
    get("/so-van-ban/in", "book_print", printed, needs=KEEPS, key="books"),
    get("/so-van-ban/dau-den/{id}", "book_stamp", stamp, needs=KEEPS, key="books"),
)
