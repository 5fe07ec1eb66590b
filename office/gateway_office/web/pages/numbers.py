"""The numbers of outgoing documents that the node gives, in the register: every number with its state, one reserved without
a draft, one given back or made void, and the list as a file. In: a year, a series, states; a type and notation; a reason.
Out: the list, or the number as it now is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

from aiohttp import web

from gateway.domain.agency_profile import OUT_NUMBERING
from gateway.domain.book import Cell
from gateway.domain.document import Draft
from gateway.domain.numbers import LAPSED, GivenNumber, NumberState, printed
from gateway.errors import Clash, Refused
from gateway.outgoing import numbering
from gateway.outgoing.services import profile_of
from gateway.policy.numbering import gives_numbers, propose_symbol, read_books
from gateway_office.accounts import acting
from gateway_office.book import table_files
from gateway_office.book.books import BookFormat
from gateway_office.book.table_files import XlsxColumn
from gateway_office.domain.roles import PostRole
from gateway_office.store.store import OfficeWork
from gateway_office.web import dates, display_names
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.books import both, get, post
from gateway_office.web.pages.compose import fields

PATH = "/so-van-ban/di/so"
_ROWS, _AT_ONCE = 100, 500
_COLUMNS = (
    ("number", 12),
    ("series", 30),
    ("state", 24),
    ("code", 24),
    ("at", 14),
    ("by", 28),
    ("reason", 56),
)


async def show_numbers(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    year, state, cursor = request.query_year(), request.ask("trang-thai"), request.ask("sau")[:60]
    states = (state,) if state in tuple(NumberState) else ()
    profile, now = await profile_of(*request.outgoing), request.deps.clock.now()
    async with request.deps.store.read(request.scope()) as work:
        numbers = await _load(request, work, year, states, _ROWS + 1, _place(cursor))
    page = [number.standing(now) for number in numbers[:_ROWS]]
    more = f"{page[-1].book} {page[-1].number}" if len(numbers) > _ROWS else ""
    query = {"nam": str(year)} | ({"trang-thai": state} if states else {})
    return await request.form_page(
        "books/numbers.html",
        problems,
        title=request.say("books.numbers"),
        year=year,
        state=state if states else "",
        states=[(s.value, request.say(f"books.number.{s}")) for s in NumberState],
        numbers=page,
        printed=printed,
        series_name=lambda number: series_name(request, profile.out_books, number),
        names=await display_names.names_of(request, {n.by for n in page}, "incoming.by"),
        following=url_for(PATH, **merged(query, sau=more)) if more else "",
        gives=gives_numbers(profile),
        setting=OUT_NUMBERING,
        admins=[]
        if gives_numbers(profile)
        else await acting.holders_of(request.deps.accounts, request.own_agency.id, PostRole.AGENCY_ADMIN),
        types=[("", ""), *((key, request.say(f"type.{key}")) for key in fields.TYPES)],
        file=url_for(f"{PATH}/tai/xlsx", **merged(query)),
        text=url_for(f"{PATH}/tai/csv", **merged(query)),
    )


@faults_on(show_numbers, Clash)
async def reserve(request: PageRequest) -> web.StreamResponse:
    """Reserve the next number of the typed notation or the chosen type."""
    type_key, symbol = request.form.text("type") or None, request.form.text("symbol")
    profile = await profile_of(*request.outgoing)
    symbol = symbol or propose_symbol(profile, type_key, request.today.year)
    if not (symbol or type_key):
        return await show_numbers(request, [("symbol", request.say("compose.number.book"))])
    draft = Draft(symbol=symbol, type_key=type_key if type_key in fields.TYPES else None)
    number = await numbering.reserve_for(*request.outgoing, draft)
    return request.confirm(PATH, "books.number.reserved", nam=str(number.year))


@faults_on(show_numbers, Clash)
async def release(request: PageRequest) -> web.StreamResponse:
    await numbering.release_number(*request.outgoing, request.path("id"))
    return request.confirm(PATH, "compose.number.back")


async def ask_to_void(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    """Ask for the reason."""
    number = await _find(request)
    return await request.question(
        problems,
        "books.number.to_void",
        back=PATH,
        part="books/_void.html",
        grave=True,
        number=number.code or printed(number.number),
    )


@faults_on(ask_to_void, Refused, Clash)
async def void(request: PageRequest) -> web.StreamResponse:
    number, reason = await _find(request), request.form.text("reason")
    await numbering.void_number(*request.outgoing, number.id, reason)
    return request.confirm(PATH, "books.number.void", nam=str(number.year))


async def _find(request: PageRequest) -> GivenNumber:
    async with request.deps.store.read(request.scope()) as work:
        return await numbering.find(work, request.path("id"))


async def file(request: PageRequest) -> web.StreamResponse:
    """Send the list as a file, with the states as they are now."""
    book_format, year, state = (
        BookFormat(request.path("form")),
        request.query_year(),
        request.ask("trang-thai"),
    )
    states = (state,) if state in tuple(NumberState) else ()
    deps, profile = request.deps, await profile_of(*request.outgoing)
    columns = [XlsxColumn(title=request.say(f"books.number.column.{name}"), width=w) for name, w in _COLUMNS]

    async def pieces(work: OfficeWork) -> AsyncIterator[partial[list[tuple[Sequence[Cell], bool]]]]:
        cursor = ("", 0)
        while numbers := await _load(request, work, year, states, _AT_ONCE, cursor):
            names = await work.office.books.names(sorted({number.by for number in numbers}))
            rows = [(_cells(request, profile.out_books, n, names.get(n.by, n.by)), False) for n in numbers]
            yield partial(list, rows)
            cursor = (numbers[-1].book, numbers[-1].number)

    with deps.blobs.scratch() as scratch:
        async with deps.store.read(request.scope()) as work:
            title = f"{request.say('books.numbers')} {year}"
            await table_files.write(
                deps.pool, scratch.file, book_format, title, columns, pieces(work), lambda: ()
            )
        name = f"so-van-ban-di-{year}-cap-so.{book_format}"
        return await request.send_scratch_file(scratch.file, name, book_format)


async def _load(
    request: PageRequest,
    work: OfficeWork,
    year: int,
    states: Sequence[str],
    limit: int,
    cursor: tuple[str, int],
) -> Sequence[GivenNumber]:
    now = request.deps.clock.now()
    return await work.given.page(year, now=now, states=states, limit=limit, cursor=cursor)


def _place(text: str) -> tuple[str, int]:
    series, _, number = text.rpartition(" ")
    return (series, int(number)) if number.isascii() and number.isdigit() else ("", 0)


def _cells(request: PageRequest, books: str, stored: GivenNumber, name: str) -> list[Cell]:
    number = stored.standing(request.deps.clock.now())
    return [
        printed(number.number),
        series_name(request, books, number),
        request.say(f"books.number.{number.state}"),
        number.code,
        dates.moment_text(number.at),
        name,
        reason_words(request, number),
    ]


def series_name(request: PageRequest, books: str, number: GivenNumber) -> str:
    """Return the name of the number's series: its book, and the type where each type has numbers of its own."""
    key, _, type_key = number.book.partition(".")
    name = next((book.name for book in read_books(books) if book.key == key and book.name), "")
    words = name or request.say_or(f"books.series.{key}", key)
    return f"{words}: {request.say_or(f'type.{type_key}', type_key)}" if type_key else words


def reason_words(request: PageRequest, number: GivenNumber) -> str:
    return request.say("books.number.lapsed") if number.reason == LAPSED else number.reason


ROUTES = (
    get(PATH, "book_numbers", show_numbers),
    post(PATH, "book_number_reserved", reserve),
    get(f"{PATH}/tai/{{form:xlsx|csv}}", "book_numbers_file", file),
    post(f"{PATH}/{{id}}/tra", "book_number_released", release),
    *both(f"{PATH}/{{id}}/huy", "book_number_void", "book_number_voided", void),
)
