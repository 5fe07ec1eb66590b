"""Content of a document, incoming or outgoing. Sent: its files, the signed packets behind it, the evidence pack, as bytes
that no browser runs or guesses at, once the reading is logged; the page of one packet, with the verdict on its signature
and its text, never rendered. Previewed beside the document: pages of one of its files as pictures, a number of them at a
time, with their sizes known before they come; or their text, to select; for a file that cannot be drawn a plain sentence,
and the file. In: a request, the document as its side shows it (`Previewer`), and how that side logs the reading."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from aiohttp import web

from gateway.api import downloads
from gateway.domain.identity import Digest
from gateway.domain.pdf import DRAWING, PageLook, Size, pixels
from gateway.edxml.attachment import pieces
from gateway.errors import Clash, Denied, GatewayError, NotFound
from gateway.ops.evidence.contents import HeldPacket
from gateway.stored_content import OpenFile, stream_pieces
from gateway_office.accounts import acting
from gateway_office.domain.content import Reading
from gateway_office.letters.previews import DOTS, WINDOW, LookedFile, lead_of
from gateway_office.web import answers
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.answers import FileContent
from gateway_office.web.forms import whole_number
from gateway_office.web.page_requests import PageRequest

T = TypeVar("T")
# Logs that a file is read, by its name.
Note = Callable[[str], Awaitable[None]]
# The head, the signature and the body of a packet; files follow it as long rows of unreadable letters.
_PACKET_BYTES = 64 * 1024
_HEX = frozenset("0123456789abcdef")
_SHARP = 2 * DOTS[0]
_PAGE_FAULT = "PAGE-GONE"
_NOTES = {Reading.NO_TEXT: "no_layer", Reading.STAMPED: "stamped"}
# Shown until it is drawn: one page of the commonest size, whose picture comes when it is ready.
_AWAITED = PageLook(sizes=(Size(width=595, height=842),))


async def note_read(request: PageRequest, id: str, file: str, *, assigned: bool) -> None:
    """Log the reading before content is sent, with the order that allows it."""
    order = request.ask("lenh") or request.form.text("lenh")
    await acting.note_reading(
        request.deps.accounts, request.person, id, file=file, order=order, assigned=assigned
    )


async def send_opened(
    request: PageRequest, opened: OpenFile, found_type: str, *, inline: bool
) -> web.StreamResponse:
    """Send an opened file. `found_type` is the inspector's short word for its type."""
    content = FileContent(
        name=opened.name,
        found_type=found_type,
        size=opened.size,
        sha256=opened.sha256,
        pieces=opened.pieces,
    )
    return await answers.give_file(request.http, content, inline=inline)


async def load_present(get: Callable[[str], Awaitable[T]], ids: Iterable[str]) -> list[T]:
    """Load each of these documents once; one of another agency of this node is left out."""
    documents = []
    for id in dict.fromkeys(ids):
        with suppress(NotFound):
            documents.append(await get(id))
    return documents


async def find_packet(request: PageRequest, id: str, digest: str, sender: str = "") -> HeldPacket:
    """Return the document's packet by the digest of its file; with a sender by that of its signed body. Raise NotFound when
    the document has none such."""
    if sender:
        digest = await _file_of(request, sender, digest)
    packets = await request.deps.evidence.packets(request.scope(), id)
    packet = next((p for p in packets if p.digest == digest), None)
    if packet is None:
        raise NotFound(f"{id} has no packet {digest[:80]}")
    return packet


async def _file_of(request: PageRequest, sender: str, digest: str) -> str:
    async with request.deps.store.read(request.scope()) as work:
        body_digest = Digest(digest) if len(digest) == 64 and set(digest) <= _HEX else None
        identity = await work.identities.by_body(sender, body_digest) if body_digest is not None else None
        if identity is None:
            raise NotFound(f"nothing of {sender} has signed {digest[:80]}")
        return (await work.inbox.get(identity.inbox_id)).file_digest


def _read_packet(request: PageRequest, packet: HeldPacket) -> AsyncIterator[bytes]:
    """Read the packet. A recalled or sealed document is never opened."""
    if packet.open is None:
        raise Clash(
            f"the packet {packet.packet_id} cannot be read: it is {packet.absent}", code="GW-UNREADABLE"
        )
    return stream_pieces(request.deps.pool, pieces(packet.open))


async def packet_page(
    request: PageRequest, template: str, packet: HeldPacket, note: Note, name: str, **values: object
) -> web.StreamResponse:
    """Show a packet; `name` is logged as the name of the file that is read."""
    text, is_cut = "", False
    if packet.open is not None:
        await note(name)
        text, is_cut = await answers.beginning_of(_read_packet(request, packet), _PACKET_BYTES)
    return await request.page(
        template,
        packet=packet,
        opinion=await request.deps.evidence.judge(packet),
        text=text,
        is_cut=is_cut,
        order=request.ask("lenh"),
        labelled=request.say_or,
        **values,
    )


async def give_packet(request: PageRequest, packet: HeldPacket, note: Note, name: str) -> web.StreamResponse:
    """Send one signed packet, byte for byte."""
    await note(name)
    content = FileContent(
        name=f"{packet.packet_id}.edxml",
        found_type="xml",
        size=packet.size,
        sha256=packet.digest,
        pieces=_read_packet(request, packet),
    )
    return await answers.give_file(request.http, content)


async def give_pack(request: PageRequest, id: str, note: Note, name: str) -> web.StreamResponse:
    """Send the evidence pack; each call makes a pack and leaves an event."""
    await note(name)
    return await answers.give_file(request.http, await pack_of(request, id))


async def give_proof(request: PageRequest, id: str) -> web.StreamResponse:
    """Send the small proof that the document is in the log; it tells nothing of its content."""
    proof = await request.deps.evidence.proof(request.scope(), id)
    return answers.whole_file(f"{id}.tlog-proof", "text", proof.encode())


async def pack_of(request: PageRequest, id: str) -> FileContent:
    """Make the evidence pack; an event records it."""
    pack = await request.deps.evidence.make(request.scope(), id)
    content = stream_pieces(request.deps.pool, pack.pieces())
    return FileContent(name=pack.name, found_type="zip", size=pack.size, pieces=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Previewer:
    """Document as its side shows it. `path` is its page, `base` the beginning of its content's addresses, `view` the end of
    the address that shows a file in the browser's own viewer; `note` logs the reading of a file; `faults` are keys of the
    labels where the side has words of its own."""

    id: str
    path: str
    base: str
    view: str
    files: tuple[LookedFile, ...]
    note: Note
    faults: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewSheet:
    """Page of the preview: the address of its picture, and of one with twice as many dots; or its text."""

    number: int
    wide: int
    high: int
    path: str = ""
    sharp: str = ""
    words: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLink:
    path: str
    word: str
    is_current: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePreview:
    """Preview of one file. `fault` is a key of the labels where there is no preview; `original` opens the browser's own
    viewer."""

    item: LookedFile
    files: tuple[PreviewLink, ...]
    keep: str
    original: str = ""
    sheets: tuple[PreviewSheet, ...] = ()
    pages: int = 0
    previous: str = ""
    next: str = ""
    zooms: tuple[PreviewLink, ...] = ()
    as_words: str = ""
    as_pictures: str = ""
    is_large: bool = False
    retry_path: str = ""
    """Address of this page once more, where it was not drawn in time."""
    note: str = ""
    """True for a file that was read and has pictures alone, so that no search finds its words."""
    fault: str = ""

    @property
    def first(self) -> int:
        return self.sheets[0].number if self.sheets else 1

    @property
    def last(self) -> int:
        return self.sheets[-1].number if self.sheets else 1


async def make_preview(request: PageRequest, services: Previewer) -> FilePreview | None:
    """Make the preview; None where there is no file."""
    item = chosen_file(request, services)
    if item is None:
        return None
    request.deps.looking.are_at_work(request.own_agency.id)
    page = max(1, whole_number(request.ask("trang"), 4) or 1)
    dots, as_words = request.number("co", DOTS[0], DOTS), request.ask("chu") == "1"
    look = await _draw_or_read(request, services, item, page, dots, as_words=as_words)
    empty = FilePreview(
        item=item,
        files=_files(request, services, item),
        keep=_address(request, services, f"tep/{item.n}"),
        original=_address(request, services, services.view.format(n=item.n))
        if answers.can_show(item.kind)
        else "",
        fault=services.faults.get(look.fault, f"leaf.{look.fault}") if look.fault else "",
        note=await _note_on(request, item),
    )
    if look.fault:
        return empty
    return _with_pages(request, services, empty, look, page, dots, as_words=as_words)


async def _note_on(request: PageRequest, item: LookedFile) -> str:
    """Return the words for what reading the file brought up, if a reader should know it."""
    async with request.deps.store.read(request.scope()) as work:
        readings = await work.office.contents.readings(item.document_id)
    return _NOTES.get(readings.get(item.n, Reading.WORDS), "")


def chosen_file(request: PageRequest, services: Previewer) -> LookedFile | None:
    """Return the file that the address names, else the lead."""
    return next((f for f in services.files if str(f.n) == request.ask("tep")), lead_of(services.files))


async def send_picture(request: PageRequest, services: Previewer) -> web.StreamResponse:
    """Send the page that the address names, as a picture."""
    item = next((f for f in services.files if str(f.n) == request.path("n")), None)
    if item is None:
        raise NotFound(f"{services.id} has no such file")
    page, dots = max(1, int(request.path("page"))), request.number("co", DOTS[0], DOTS)
    await _note_once(request, services, item)
    etag = f'"{item.sha256}-{page}-{dots}-v{DRAWING}"' if item.is_kept else None
    headers = answers.picture_headers(etag)
    if etag is not None and downloads.is_known(request.http, etag):
        return web.Response(status=304, headers={"ETag": etag, "Cache-Control": headers["Cache-Control"]})
    look = await request.deps.looking.look(request.scope(), item, page, dots)
    if not look.picture:
        raise NotFound(f"page {page} of file {item.n} cannot be shown: {look.fault}")
    return web.Response(body=look.picture, headers=headers)


def reader_of(request: PageRequest, services: Previewer, n: int) -> tuple[str, ...]:
    """Return the key of a reading: session, document, file and order; each is logged once."""
    return request.person.session.id, services.id, str(n), request.ask("lenh")


async def _draw_or_read(
    request: PageRequest, services: Previewer, item: LookedFile, page: int, dots: int, *, as_words: bool
) -> PageLook:
    """Draw the file, or read its text; a failure leaves the page without a preview."""
    looking = request.deps.looking
    try:
        if as_words:
            await _note_once(request, services, item)
            return await looking.words(request.scope(), item, page)
        return await looking.look_soon(request.scope(), item, page, dots) or _AWAITED
    except Denied:
        raise
    except GatewayError:
        return PageLook(fault=_PAGE_FAULT)


def _with_pages(
    request: PageRequest,
    services: Previewer,
    empty: FilePreview,
    look: PageLook,
    page: int,
    dots: int,
    *,
    as_words: bool,
) -> FilePreview:
    words: tuple[str | None, ...] = look.words or (None,) * len(look.sizes)
    last = page + len(look.sizes) - 1
    previous_page = max(1, page - WINDOW)
    return replace(
        empty,
        sheets=tuple(
            _sheet(request, services, empty.item, page + n, size, dots, text)
            for n, (size, text) in enumerate(zip(look.sizes, words, strict=True))
        ),
        pages=look.pages,
        previous=_page_address(request, services, trang=str(previous_page) if previous_page > 1 else None)
        if page > 1
        else "",
        next=_page_address(request, services, trang=str(last + 1)) if last < look.pages else "",
        zooms=tuple(_zoom(request, services, zoom, dots) for zoom in DOTS) if not as_words else (),
        as_words=_page_address(request, services, chu="1")
        if not as_words and empty.item.kind == answers.PDF
        else "",
        as_pictures=_page_address(request, services, chu=None) if as_words else "",
        is_large=dots != DOTS[0],
        retry_path="" if look.pages else _page_address(request, services),
    )


def _sheet(
    request: PageRequest,
    services: Previewer,
    item: LookedFile,
    number: int,
    size: Size,
    dots: int,
    words: str | None,
) -> PreviewSheet:
    wide, high = pixels(size, dots)
    if words is not None:
        return PreviewSheet(number=number, wide=wide, high=high, words=words)
    picture = f"trang/{item.n}/{number}"
    return PreviewSheet(
        number=number,
        wide=wide,
        high=high,
        path=_address(request, services, picture, co=str(dots) if dots != DOTS[0] else ""),
        sharp=_address(request, services, picture, co=str(_SHARP)) if dots == DOTS[0] else "",
    )


def _address(request: PageRequest, services: Previewer, tail: str, **query: str) -> str:
    """Return an address below the document, by the same order."""
    return url_for(f"{services.base}/{tail}", **merged({**query, "lenh": request.ask("lenh")}))


def _zoom(request: PageRequest, services: Previewer, zoom: int, dots: int) -> PreviewLink:
    path = _page_address(request, services, co=str(zoom) if zoom != DOTS[0] else None)
    word = request.say("leaf.fits") if zoom == DOTS[0] else f"{zoom} %"
    return PreviewLink(path=path, word=word, is_current=zoom == dots)


def _files(request: PageRequest, services: Previewer, item: LookedFile) -> tuple[PreviewLink, ...]:
    """List the files to choose from; none where there is only one."""
    choices = services.files if len(services.files) > 1 else ()
    return tuple(
        PreviewLink(
            path=_page_address(request, services, tep=str(file.n), trang=None, chu=None),
            word=file.name,
            is_current=file.n == item.n,
        )
        for file in choices
    )


def _page_address(request: PageRequest, services: Previewer, **changes: str | None) -> str:
    """Return the address of this page with another choice in the preview."""
    query = {name: request.ask(name) for name in ("ds", "lenh", "tra-loi", "tep", "trang", "co", "chu")}
    parameters = {name: value for name, value in {**query, **changes}.items() if value}
    return url_for(services.path, **parameters) + "#leaf"


async def _note_once(request: PageRequest, services: Previewer, item: LookedFile) -> None:
    """Log a reading once for a session, a file and an order, before the first byte is sent."""
    looking, reader = request.deps.looking, reader_of(request, services, item.n)
    if not looking.has_noted(reader):
        await services.note(item.name)
        looking.note(reader)
