"""Quarantined packets of this node, which did not become a document. In: an id. Out: the list, a packet's tree and bytes
without opening it, or a decision about it, made by the flows. An operator sees routing and form; a person who reads
more is logged first."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.queues import InboxPacket
from gateway.edxml.parse import View
from gateway.errors import Clash, InvalidEnvelope, NotFound
from gateway.incoming import process
from gateway.store import reporting
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.domain.roles import Manner, Right
from gateway_office.node import exchange
from gateway_office.web import answers
from gateway_office.web.answers import FileContent
from gateway_office.web.display_names import claimed_sender
from gateway_office.web.forms import Problems, whole_number
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.operations.findings import PATH
from gateway_office.web.pages.operations.state import (
    DECIDES,
    LOOKS,
    both,
    get,
    hosted_names,
    is_operator,
    tab_page,
    tab_question,
)
from gateway_office.web.routes import Access

_QUARANTINE = f"{PATH}/cach-ly"
_QUARANTINED = f"{_QUARANTINE}/{{id}}"
MOST_QUARANTINED = 200
# A number stands in the packet's file, so a list reads it of its first rows, and of no large file.
_MOST_NUMBERED = 50
_LARGE = 2 * 1024 * 1024
_ACTS = {"tha": "release", "tra-lai": "return", "loai-bo": "discard"}
_OPEN = ("held", "waiting", "quarantined", "malformed")
# The packet was changed after it was signed: it is never let in.
_TAMPERED = frozenset({"SIG-DIGEST", "SIG-PROPERTIES", "SIG-VALUE"})
_LONGEST_NUMBER = 60
_DECIDED = {"access": Access.MEMBER, "needs": DECIDES}


async def list_quarantine(request: PageRequest) -> web.StreamResponse:
    agency_id = _agency_scope(request)
    packets = await reporting.parked_packets(request.deps.store, agency_id, MOST_QUARANTINED)
    return await tab_page(
        request,
        "aside",
        "aside",
        items=[
            (
                p,
                await claimed_sender(request, p),
                await _claimed_number(request, p) if n < _MOST_NUMBERED else "",
            )
            for n, p in enumerate(packets)
        ],
        names=await hosted_names(request),
        most=MOST_QUARANTINED,
        everywhere=not agency_id,
    )


async def show_packet(request: PageRequest) -> web.StreamResponse:
    packet = await _load_item(request)
    may_read = _is_open_here(request, packet) and request.may(Right.SEE_CONTENT, Manner.YES)
    tree, is_absent = None, packet.state not in _OPEN
    if may_read:
        await acting.note_reading(request.deps.accounts, request.person, packet.id, file="tree")
    try:
        if not is_absent:
            tree = await exchange.packet_tree(request.deps, packet, routing_only=not may_read)
    except NotFound:
        is_absent = True
    return await tab_page(
        request,
        "aside",
        "packet",
        title=await _heading(request, packet, tree),
        sender=await claimed_sender(request, packet),
        item=packet,
        tree=tree,
        absent=is_absent,
        reads=may_read,
        decides=_decides(request, packet),
        acts=sorted(_ACTS, key=lambda act: act != ("tra-lai" if packet.code in _TAMPERED else "tha")),
        labelled=request.say_or,
    )


async def show_packet_bytes(request: PageRequest) -> web.StreamResponse:
    packet = await _item_to_read(request, "hex")
    start = whole_number(request.ask("tu"), 11) or 0
    window = await exchange.packet_window(request.deps, packet, start)
    return await tab_page(
        request,
        "aside",
        "packet_bytes",
        title=request.say("operating.packet.bytes.title", sender=await claimed_sender(request, packet)),
        item=packet,
        window=window,
    )


async def packet_file(request: PageRequest) -> web.StreamResponse:
    """Send the packet as it arrived, to be kept; never shown."""
    packet = await _item_to_read(request, "file")
    content = FileContent(
        name=f"{packet.id}.bin",
        found_type="",
        size=packet.size,
        sha256=str(packet.file_digest),
        pieces=await exchange.read_packet(request.deps, packet),
    )
    return await answers.give_file(request.http, content)


async def decide(request: PageRequest) -> web.StreamResponse:
    if (name := _ACTS.get(request.path("act"))) is None:
        raise NotFound("there is no such act")
    packet = await _load_item(request)
    if request.is_act and not _decides(request, packet):
        raise Clash(f"{packet.id} is {packet.state}; there is nothing to decide")
    reason, code = request.form.text("reason"), request.form.text("code")
    problems = request.short_reason()
    if name == "return" and code not in _decision_reasons():
        problems.append(request.missing("code", "operating.packet.code"))
    if problems or not request.is_act:
        return await _decision_page(request, name, packet, problems)
    scope, services = request.scope(), request.deps.inn
    message = f"operating.packet.{name}"
    if name == "return":
        try:
            await process.give_back(services, scope, packet.id, reason, code)
        except InvalidEnvelope:
            await process.return_unanswered(
                services, scope, packet.id, f"{request.say(f'reason.{code}')}: {reason}"
            )
            message = "operating.packet.return.unanswered"
    else:
        await (process.release if name == "release" else process.discard)(services, scope, packet.id, reason)
    return request.confirm(_QUARANTINE, message)


async def _decision_page(
    request: PageRequest, name: str, packet: InboxPacket, problems: Problems
) -> web.Response:
    is_open, unproved_note = _decides(request, packet), request.say("operating.packet.return.unproved")
    return await tab_question(
        request,
        "aside",
        name,
        problems,
        f"operating.packet.{name}",
        back=f"{_QUARANTINE}/{packet.id}" if is_open else _QUARANTINE,
        closed="" if is_open else request.say("operating.packet.closed"),
        more=(unproved_note,) if name == "return" and packet.sender_code is None else (),
        grave=name == "discard",
        sender=await claimed_sender(request, packet),
        item=packet,
        reasons=[
            ("", request.say("operating.choose")),
            *((key, request.say(f"reason.{key}")) for key in _decision_reasons()),
        ],
    )


async def _heading(request: PageRequest, packet: InboxPacket, tree: View | None) -> str:
    """Write the title: the claimed sender and number."""
    sender = await claimed_sender(request, packet)
    if not (number := _number_in(tree)):
        return request.say("operating.packet.title", sender=sender)
    return request.say("operating.packet.title.numbered", sender=sender, number=number)


async def _claimed_number(request: PageRequest, packet: InboxPacket) -> str:
    """Return the number that the packet claims, which is routing and no content; empty where it has none."""
    if packet.size > _LARGE:
        return ""
    try:
        return _number_in(await exchange.packet_tree(request.deps, packet, routing_only=True))
    except NotFound:
        return ""


def _number_in(tree: View | None) -> str:
    return "/".join(filter(None, (_first_text(tree, "CodeNumber"), _first_text(tree, "CodeNotation"))))


def _first_text(tree: View | None, element: str) -> str:
    texts = (line for line in tree.lines if line.kind == "text") if tree is not None else ()
    return next(
        (line.value[:_LONGEST_NUMBER] for line in texts if line.name.rpartition(":")[2] == element), ""
    )


def _agency_scope(request: PageRequest) -> str:
    """Return the agency whose packets they are; of an operator all."""
    return "" if is_operator(request) else request.own_agency.id


async def _load_item(request: PageRequest) -> InboxPacket:
    return await reporting.find_packet(request.deps.store, _agency_scope(request), request.path("id"))


async def _item_to_read(request: PageRequest, file: str) -> InboxPacket:
    """Load a packet to read; refused for metadata alone, and logged before the first byte. A packet that became a document
    is read as that document, where recalls and seals are known."""
    packet = await _load_item(request)
    if not _is_open_here(request, packet):
        raise NotFound(f"there is no packet {packet.id} here")
    await acting.note_reading(request.deps.accounts, request.person, packet.id, file=file)
    return packet


def _is_open_here(request: PageRequest, packet: InboxPacket) -> bool:
    return packet.state in _OPEN and request.agency is not None and packet.agency_id == request.agency.id


def _decides(request: PageRequest, packet: InboxPacket) -> bool:
    return _is_open_here(request, packet) and request.may(Right.TAKE_IN, Manner.YES)


def _decision_reasons() -> list[str]:
    keys = labels.tails("reason")
    return [key for key in keys if key.isupper() or "_" in key]


ROUTES = (
    get(_QUARANTINE, "quarantine", list_quarantine, needs=LOOKS),
    get(_QUARANTINED, "quarantined", show_packet, needs=LOOKS),
    get(f"{_QUARANTINED}/byte", "quarantined_bytes", show_packet_bytes, **_DECIDED),
    get(f"{_QUARANTINED}/tai", "quarantined_file", packet_file, **_DECIDED),
    *both(
        f"{_QUARANTINED}/quyet-dinh/{{act}}",
        "quarantined_ask",
        "quarantined_decided",
        decide,
        **_DECIDED,
    ),
)
