"""Entries of the register books by hand: mail on paper in the run of arrival numbers with its scan, entries made up after
a stop, outgoing mail on paper, lines corrected or struck. In: the typed fields. Out: the line with its number, or the
problems."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiohttp import BodyPartReader, web

from gateway.domain.account import NumberingMode
from gateway.domain.book import Book
from gateway.domain.document import Assignment, IncomingDocument, Signer, Source
from gateway.domain.text import fold
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound, Refused, ScannerDown
from gateway.incoming import by_hand
from gateway.incoming.by_hand import Attached, TypedMail
from gateway.outgoing.services import profile_of
from gateway.policy.book import LENGTHS
from gateway.policy.numbering import gives_numbers
from gateway_office.book import books
from gateway_office.web import dates, forms
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.books import get, post
from gateway_office.web.pages.compose.uploads import file_name
from gateway_office.web.routes import FormBody

_TEXTS = ("sender", "subject", "number", "symbol")
_OPTIONAL_TEXTS = ("type_name", "unit", "register_no", "catch_up", "id")
_SOURCES = (Source.PAPER, Source.EMAIL, Source.OTHER)
_FIELDS = {"GW-NUMBER-TAKEN": "register_no", "GW-LETTER-TAKEN": "number"}
# Fields of the form that a scan may suggest, with their names on the page; and fields that the reader names otherwise.
_SUGGESTED = {
    "number": "books.number",
    "symbol": "books.symbol",
    "issued_on": "books.issued_on",
    "type_name": "books.type",
    "subject": "books.subject",
    "signer": "books.signer",
    "pages": "books.pages",
}
_READ = {"type_key": "type_name"}
_PIECE = 65_536
# Bytes that are still read of a refused form, so that the browser receives the reason.
_MOST_DRAINED = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownReading:
    """Reading of a scan by a machine, as the form shows it: its values with the suggestions, the names of fields that were
    filled, fields that are typed otherwise with the text of the scan, and stamps of secrecy."""

    values: Mapping[str, str]
    filled: tuple[str, ...]
    differing: tuple[tuple[str, str], ...]
    stamps: tuple[str, ...]


async def enter_form(
    request: PageRequest,
    form_values: Mapping[str, str] | None = None,
    problems: Problems | None = None,
    reading: ShownReading | None = None,
) -> web.StreamResponse:
    if form_values is None:
        form_values = {"received_on": dates.day_text(request.today), "source": Source.PAPER.value}
    return await request.form_page(
        "books/enter.html",
        problems,
        title=request.say("books.enter"),
        given=form_values,
        id=form_values.get("id") or request.deps.clock.new_id("inb_"),
        gives_number=request.own_agency.numbering is NumberingMode.B,
        sources=[(source.value, request.say(f"books.source.{source}")) for source in _SOURCES],
        lengths=LENGTHS,
        reading=reading,
    )


async def read_scan(request: PageRequest) -> web.StreamResponse:
    """Fill the empty fields of the form from the scan that is brought with it. Nothing is stored."""
    form_values, attached = await _read_parts(request)
    reading, problems = None, [("scan", request.say("books.scan.missing"))]
    if attached is not None:
        problems = []
        try:
            reading = _show_reading(
                request, form_values, await by_hand.read_scan(request.incoming[0], attached)
            )
        except (Refused, ScannerDown) as error:
            problems = request.problems_of(error, _FIELDS)
    await _drain(request.http)
    return await enter_form(request, reading.values if reading else form_values, problems, reading)


def _show_reading(
    request: PageRequest, form_values: Mapping[str, str], scan: by_hand.ScanReading
) -> ShownReading:
    read = {
        _READ.get(name, name): field.value for name, field in scan.fields.items() if field.value is not None
    }
    if "type_name" in read:
        read["type_name"] = request.say_or(f"type.{read['type_name']}", str(read["type_name"]))
    texts = {
        name: dates.day_text(value) if isinstance(value, date) else str(value)
        for name, value in read.items()
        if name in _SUGGESTED
    }
    return ShownReading(
        values={**form_values, **{name: text for name, text in texts.items() if not form_values.get(name)}},
        filled=tuple(request.say(_SUGGESTED[name]) for name in texts if not form_values.get(name)),
        differing=tuple(
            (request.say(_SUGGESTED[name]), text)
            for name, text in texts.items()
            if form_values.get(name) and fold(form_values[name]) != fold(text)
        ),
        stamps=scan.stamps,
    )


async def _read_parts(request: PageRequest) -> tuple[dict[str, str], Attached | None]:
    """Read the fields of the form, which come before its file, so that no byte of the file is read before them."""
    fields: dict[str, str] = {}
    async for part in forms.parts(request.http, request.token):
        if part.filename is not None:
            return fields, Attached(name=file_name(part), chunks=_chunks(part)) if part.filename else None
        await forms.add_short(fields, part)
    return fields, None


async def enter_line(request: PageRequest) -> web.StreamResponse:
    """Enter a letter."""
    fields, attached = await _read_parts(request)
    letter, problems = _read_letter(request, fields)
    entry = None
    if not problems:
        try:
            entry = await by_hand.enter(*request.incoming, letter, attached)
        except (Refused, Clash) as error:
            problems = request.problems_of(error, _FIELDS)
    await _drain(request.http)
    if entry is None:
        return await enter_form(request, fields, problems)
    return request.confirm(f"/van-ban-den/{entry.document.id}", "books.entered")


async def sent_form(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    form_values = request.form.flat() if problems else {"issued_on": dates.day_text(request.today)}
    profile = await profile_of(*request.outgoing)
    return await request.form_page(
        "books/sent.html",
        problems,
        title=request.say("books.sent"),
        given=form_values,
        lengths=LENGTHS,
        gives=gives_numbers(profile),
    )


@faults_on(sent_form, Refused, Clash, fields=_FIELDS)
async def enter_sent(request: PageRequest) -> web.StreamResponse:
    form, today = request.form, request.today
    issued_on = dates.typed_day(form.text("issued_on"), today)
    dispatched_on, copies = form.text("dispatched_on"), form.text("copies")
    problems = [] if issued_on else [("issued_on", request.say("books.day.unreadable"))]
    if copies and forms.whole_number(copies, 5) is None:
        problems.append(("copies", request.say("books.number.unreadable")))
    if problems or issued_on is None:
        return await sent_form(request, problems)
    letter = books.TypedLine(
        issued_on=issued_on,
        dispatched_on=dates.typed_day(dispatched_on, today) if dispatched_on else None,
        copies=int(copies) if copies else None,
        catch_up=form.text("catch_up") or None,
        **{name: form.text(name) for name in books.SENT_TEXTS},
    )
    await books.enter(request.deps.book, request.scope(), letter)
    return request.confirm("/so-van-ban", "books.sent", so=Book.OUTGOING.value, nam=str(issued_on.year))


async def show_line(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    document, paper, id = await _load_typed_letter(request), None, request.path("id")
    if id.startswith("ppr_"):
        async with request.deps.store.read(request.scope()) as work:
            paper = await work.office.books.letter(id)
    if document is None and paper is None:
        raise Clash("this line is of a document of the exchange; open the document to act on it")
    form_values = request.form.flat() or (_letter_values(document) if document is not None else {})
    return await request.form_page(
        "books/line.html",
        problems,
        title=request.say("books.change"),
        document=document,
        paper=paper,
        given=form_values,
        lengths=LENGTHS,
    )


async def correct_line(request: PageRequest) -> web.StreamResponse:
    document = await _load_typed_letter(request)
    if document is None:
        raise NotFound("only a letter that came in is put right; strike the line and enter it anew")
    received = dates.day_text(local(document.arrived_at).date())
    letter, problems = _read_letter(request, {**request.form.flat(), "received_on": received})
    if not problems:
        try:
            await by_hand.correct(*request.incoming, document.id, letter, request.form.text("why"))
        except (Refused, Clash) as error:
            # The page has two reasons, one for correcting and one for striking.
            all_problems = request.problems_of(error, _FIELDS)
            problems = [("why" if field == "reason" else field, text) for field, text in all_problems]
        else:
            return request.confirm("/so-van-ban", "books.corrected")
    return await show_line(request, problems)


@faults_on(show_line, Refused, Clash, other="reason")
async def strike_line(request: PageRequest) -> web.StreamResponse:
    id, reason = request.path("id"), request.form.text("reason")
    if id.startswith("ppr_"):
        await books.strike(request.deps.book, request.scope(), id, reason)
    else:
        await by_hand.strike(*request.incoming, id, reason)
    book = Book.OUTGOING if id.startswith("ppr_") else Book.INCOMING
    return request.confirm("/so-van-ban", "books.struck", so=book.value)


async def _load_typed_letter(request: PageRequest) -> IncomingDocument | None:
    """Load the letter of the line, if it was entered by hand."""
    id = request.path("id")
    if not id.startswith("inb_"):
        return None
    async with request.deps.store.read(request.scope()) as work:
        document = await work.incoming.get(id)
    return None if document.source is Source.AXIS else document


def _read_letter(request: PageRequest, form_values: Mapping[str, str]) -> tuple[TypedMail, Problems]:
    """Read the typed letter, and list the unreadable fields."""
    today = request.today
    problems: Problems = []

    def day(name: str, is_needed: bool) -> date | None:
        text = form_values.get(name, "")
        parsed = dates.typed_day(text, today) if text else None
        if parsed is None and (text or is_needed):
            problems.append((name, request.say("books.day.unreadable")))
        return parsed

    received_on, pages = day("received_on", True), form_values.get("pages", "")
    if pages and not (pages.isascii() and pages.isdigit() and 0 < int(pages[:6]) < 100_000):
        problems.append(("pages", request.say("books.number.unreadable")))
    source = form_values.get("source", Source.PAPER.value)
    signer = form_values.get("signer", "")
    # Any: fields of the letter.
    texts: dict[str, Any] = {name: form_values.get(name, "") for name in _TEXTS}
    texts |= {name: form_values.get(name) or None for name in _OPTIONAL_TEXTS}
    letter = TypedMail(
        **texts,
        received_on=received_on or today,
        source=Source(source) if source in {s.value for s in _SOURCES} else Source.PAPER,
        issued_on=day("issued_on", False),
        signer=Signer(name=signer) if signer else None,
        pages=int(pages) if pages and not problems else None,
        due_on=day("due_on", False),
        copy_known=form_values.get("copy_known") == "1",
    )
    return letter, problems


def _letter_values(document: IncomingDocument) -> dict[str, str]:
    assignment = document.assignment or Assignment(lead_unit="")
    fields = {
        "sender": document.sender_name,
        "number": document.number,
        "symbol": document.symbol,
        "issued_on": dates.day_text(document.issued_on),
        "type_name": document.type_name,
        "subject": document.subject,
        "signer": document.signer.name if document.signer else "",
        "pages": str(document.pages or ""),
        "due_on": dates.day_text(document.due_on),
        "unit": assignment.lead_unit,
    }
    return {name: value or "" for name, value in fields.items()}


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while piece := await part.read_chunk(_PIECE):
        yield piece


async def _drain(request: web.Request) -> None:
    bytes_left = _MOST_DRAINED
    while bytes_left > 0 and (piece := await request.content.readany()):
        bytes_left -= len(piece)


ROUTES = (
    get("/so-van-ban/den/nhap", "book_enter_form", enter_form),
    post("/so-van-ban/den/nhap", "book_enter", enter_line, body=FormBody.PARTS),
    post("/so-van-ban/den/nhap/doc", "book_enter_read", read_scan, body=FormBody.PARTS),
    get("/so-van-ban/di/nhap", "book_sent_form", sent_form),
    post("/so-van-ban/di/nhap", "book_sent", enter_sent),
    get("/so-van-ban/dong/{id}", "book_line", show_line),
    post("/so-van-ban/dong/{id}/sua", "book_correct", correct_line),
    post("/so-van-ban/dong/{id}/gach", "book_strike", strike_line),
)
