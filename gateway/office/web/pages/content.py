"""What a document says, given out whether it came in or is to go out: its files, the signed packets behind it, the
evidence pack. In: a visit, the document, and how its side writes down who reads. Out: bytes that no browser runs or
guesses at, once it was written down who reads them; the page of one packet, with what its signature is worth and its
text, never rendered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.office.accounts import acting
from gateway.office.web import answers
from gateway.office.web.answers import FileContent
from gateway.office.web.visits import Visit
from gateway.ops.evidence.contents import HeldPacket
from gateway.stored_content import OpenFile

# Writes down that a file is read, by its name.
Note = Callable[[str], Awaitable[None]]
# The head, the signature and the body of a packet; files follow it as long rows of letters that nobody reads.
_PACKET_SHOWN = 64 * 1024


async def note_read(visit: Visit, id: str, file: str, *, assigned: bool) -> None:
    """Written down before content is given out, with the order by which it is."""
    order = visit.ask("lenh") or visit.form.text("lenh")
    await acting.note_reading(
        visit.deps.accounts, visit.person, id, file=file, order=order, assigned=assigned
    )


async def give_opened(visit: Visit, opened: OpenFile, found_type: str, *, inline: bool) -> web.StreamResponse:
    """`found_type` is what the inspector found in it, in its short words."""
    content = FileContent(
        name=opened.name,
        found_type=found_type,
        size=opened.size,
        sha256=opened.sha256,
        pieces=opened.pieces,
    )
    return await answers.give_file(visit.request, content, inline=inline)


async def packet_page(
    visit: Visit, template: str, packet: HeldPacket, note: Note, name: str, **values: object
) -> web.StreamResponse:
    """`name` is that of what is read."""
    text, is_cut = "", False
    if packet.open is not None:
        await note(name)
        text, is_cut = await answers.beginning_of(visit.deps.packets.read(packet), _PACKET_SHOWN)
    return await visit.page(
        template,
        packet=packet,
        opinion=await visit.deps.packets.judge(packet),
        text=text,
        is_cut=is_cut,
        order=visit.ask("lenh"),
        labelled=visit.say_or,
        **values,
    )


async def give_packet(visit: Visit, packet: HeldPacket, note: Note, name: str) -> web.StreamResponse:
    """One signed packet, byte for byte."""
    await note(name)
    content = FileContent(
        name=f"{packet.packet_id}.edxml",
        found_type="xml",
        size=packet.size,
        sha256=packet.digest,
        pieces=visit.deps.packets.read(packet),
    )
    return await answers.give_file(visit.request, content)


async def give_pack(visit: Visit, id: str, note: Note, name: str) -> web.StreamResponse:
    """Everything that proves it; each call makes a pack and leaves an event."""
    await note(name)
    return await answers.give_file(visit.request, await visit.deps.packets.pack(visit.scope(), id))
