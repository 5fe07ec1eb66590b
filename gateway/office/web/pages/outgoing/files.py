"""Content of one outgoing document handed to a person: a file to keep or to look at, the signed packets behind its timeline
with what their signatures are worth, the evidence pack. In: an address. Out: bytes that no browser runs or guesses at;
each look is written down first, and whoever looks by order names its number."""

from __future__ import annotations

from aiohttp import web

from gateway.errors import NotFound
from gateway.office.domain.right import Manner
from gateway.office.web import files_out
from gateway.office.web.files_out import Content
from gateway.office.web.pages.outgoing import seen
from gateway.office.web.pages.outgoing.seen import Found
from gateway.office.web.visit import Visit
from gateway.outgoing import files

# What a page shows of one packet; the whole is a download.
_MOST_SHOWN = 32 * 1024


async def kept(visit: Visit) -> web.StreamResponse:
    """The file as it was handed in, as a download."""
    return await _file(visit, inline=False)


async def viewed(visit: Visit) -> web.StreamResponse:
    """A PDF in the browser's own reader; whatever is none by its content is a download."""
    return await _file(visit, inline=True)


async def packet(visit: Visit) -> web.StreamResponse:
    """One signed packet: what was found when it was judged, and its text, never rendered."""
    found = await seen.find(visit)
    if (asks := await _order_first(visit, found)) is not None:
        return asks
    packets, scope = visit.deps.packets, visit.scope()
    told = await packets.find(scope, found.document.id, visit.path("digest"), visit.ask("noi-nhan"))
    opinion = await packets.judge(scope, found.document.id, told.digest)
    text, cut = "", False
    if opinion is not None:
        await seen.read(visit, found.document, f"{told.packet_id}.edxml")
        pieces = await packets.read(scope, found.document.id, told.digest)
        text, cut = await files_out.beginning(pieces, _MOST_SHOWN)
    return await visit.page(
        "outgoing/packet.html",
        title=visit.say("outgoing.packet", packet=told.packet_id),
        found=found,
        packet=told,
        opinion=opinion,
        text=text,
        cut=cut,
        order=visit.ask("lenh"),
        labelled=visit.say_or,
    )


async def packet_kept(visit: Visit) -> web.StreamResponse:
    """The same packet byte for byte, as a download."""
    found = await seen.find(visit)
    if (asks := await _order_first(visit, found)) is not None:
        return asks
    packets, scope = visit.deps.packets, visit.scope()
    told = await packets.find(scope, found.document.id, visit.path("digest"), visit.ask("noi-nhan"))
    await seen.read(visit, found.document, f"{told.packet_id}.edxml")
    content = files_out.of_packet(told, await packets.read(scope, found.document.id, told.digest))
    return await files_out.give(visit.request, content)


async def evidence(visit: Visit) -> web.StreamResponse:
    """Made anew by each press of its button; an event tells of it."""
    found = await seen.find(visit)
    await seen.read(visit, found.document, "evidence.zip")
    made = await visit.deps.packets.pack(visit.scope(), found.document.id)
    return await files_out.give(visit.request, files_out.of_pack(made))


async def _file(visit: Visit, *, inline: bool) -> web.StreamResponse:
    found = await seen.find(visit)
    n = int(visit.path("n"))
    item = next((each for each in found.document.files if each.n == n), None)
    if item is None:
        raise NotFound(f"{found.document.id} has no file {n}")
    if (asks := await _order_first(visit, found)) is not None:
        return asks
    await seen.read(visit, found.document, item.name)
    opened = await files.open_file(visit.deps.out, visit.scope(), found.document.id, n)
    content = Content(
        name=opened.name,
        found_type=opened.content_type,
        size=opened.size,
        sha256=opened.sha256,
        pieces=opened.pieces,
    )
    return await files_out.give(visit.request, content, inline=inline)


async def _order_first(visit: Visit, found: Found) -> web.StreamResponse | None:
    """The page that asks whoever looks by order for its number."""
    if found.manner is not Manner.ORDER or visit.ask("lenh"):
        return None
    return await visit.page(
        "outgoing/order.html",
        title=visit.say("outgoing.order.title"),
        found=found,
        kept={name: value for name, value in visit.request.query.items() if name not in ("lenh", "told")},
    )
