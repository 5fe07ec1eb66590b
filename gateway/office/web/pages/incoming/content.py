"""What an incoming document says: its files as downloads or, of a PDF, as a view; the signed packets behind it as text; the
evidence pack. In: a visit whose address names one of them. Out: the bytes, once it was written down who reads them."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.document import InState
from gateway.errors import Clash, Denied, NotFound
from gateway.incoming import files
from gateway.office.web import files_out
from gateway.office.web.files_out import Content
from gateway.office.web.pages.incoming import found as seen
from gateway.office.web.visit import Visit

# The head, the signature and the body of a packet; files follow it as long rows of letters that nobody reads.
SHOWN = 64 * 1024


async def file(visit: Visit) -> web.StreamResponse:
    """As its sender attached it; with `xem` a PDF is shown in place."""
    found = await seen.find(visit)
    n = _number(visit)
    opened = await files.open_file(visit.deps.inn, visit.scope(), found.document.id, n)
    await seen.read(visit, found, opened.name)
    content = Content(
        name=opened.name,
        found_type=next(each.found_type or "" for each in found.document.files if each.n == n),
        size=opened.size,
        sha256=opened.sha256,
        pieces=opened.pieces,
    )
    return await files_out.give(visit.request, content, inline=visit.ask("xem") == "1")


async def view(visit: Visit) -> web.StreamResponse:
    """A page around the browser's own viewer, whose call reads the file. By order the page alone says what it is called."""
    found = await seen.find(visit)
    n = _number(visit)
    item = next((each for each in found.document.files if each.n == n), None)
    if item is None or not files_out.can_show(item.found_type):
        raise NotFound(f"{found.document.id} has no file {n} that a page may show")
    if found.whole.state in (InState.RECALLED, InState.SEALED):
        raise Clash(f"the files of {found.whole.id} cannot be read", code="GW-UNREADABLE")
    found = await seen.by_order(visit, found, item.name)
    if not found.content:
        raise Denied("content is seen by order alone; give the number of the order", code="GW-ORDER")
    return await visit.page(
        "incoming/file.html",
        title=item.name,
        found=found,
        document=found.document,
        item=item,
        order=visit.ask("lenh"),
        labelled=visit.say_or,
        verdicts=[each for each in found.document.signatures if each.n == n],
        shown=[each for each in found.document.files if files_out.can_show(each.found_type)],
    )


async def packet(visit: Visit) -> web.StreamResponse:
    """The beginning of one signed packet as text, and whether it holds today."""
    found = await seen.find(visit)
    digest, packets = visit.path("digest"), visit.deps.packets
    named = await packets.find(visit.scope(), found.whole.id, digest)
    text, is_cut = "", False
    if named.absent is None:
        await seen.read(visit, found, f"goi-tin {named.packet_id}")
        pieces = await packets.read(visit.scope(), found.whole.id, digest)
        text, is_cut = await files_out.beginning(pieces, SHOWN)
    return await visit.page(
        "incoming/packet.html",
        title=visit.say("incoming.packet.title", name=found.name),
        found=found,
        packet=named,
        opinion=await packets.judge(visit.scope(), found.whole.id, digest),
        text=text,
        is_cut=is_cut,
        order=visit.ask("lenh"),
        labelled=visit.say_or,
    )


async def packet_file(visit: Visit) -> web.StreamResponse:
    """One signed packet, byte for byte."""
    found = await seen.find(visit)
    digest, packets = visit.path("digest"), visit.deps.packets
    named = await packets.find(visit.scope(), found.whole.id, digest)
    await seen.read(visit, found, f"goi-tin {named.packet_id}")
    content = files_out.of_packet(named, await packets.read(visit.scope(), found.whole.id, digest))
    return await files_out.give(visit.request, content)


async def evidence(visit: Visit) -> web.StreamResponse:
    """Everything that proves it; each call makes a pack and leaves an event."""
    found = await seen.find(visit)
    await seen.read(visit, found, "chung-cu")
    made = await visit.deps.packets.pack(visit.scope(), found.whole.id)
    return await files_out.give(visit.request, files_out.of_pack(made))


def _number(visit: Visit) -> int:
    n = visit.path("n")
    if len(n) > 5:
        raise NotFound(f"there is no file {n[:20]!r}")
    return int(n)
