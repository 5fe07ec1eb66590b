"""Packets that were set aside. Dead letters of the axis, grouped by reason: look into one, retry one or a whole group, drop
one; every act describes its effect first, and closing the page changes nothing. Quarantined packets of this node, which did
not become a document: look into one without opening it, decide about it. In: an id. Out: its tree, its bytes, or the act
done by the flows. An operator sees routing and form; a person who reads more is logged first."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from gateway.domain.queues import InboxPacket
from gateway.edxml.parse import View
from gateway.errors import BadForm, Clash, InvalidEnvelope, NotFound, TransportFailure
from gateway.incoming import process
from gateway.ops.plain_data import plain_fields
from gateway.ports.axis import DeadParcel
from gateway.words import labels
from gateway_office.accounts import acting
from gateway_office.domain.roles import Manner, Right
from gateway_office.web import answers
from gateway_office.web.answers import FileContent
from gateway_office.web.display_names import agency_names, claimed_sender
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

_DEAD = f"{PATH}/goi-tin-loi"
_DEAD_ONE = f"{_DEAD}/{{id}}"
_SORTS = (
    ("signature", re.compile(r"signature|certificate|SIG-|CERT-", re.IGNORECASE)),
    ("form", re.compile(r"schema|xml|malformed|parts|ENV-", re.IGNORECASE)),
    ("code", re.compile(r"recipient|unroutable|no queue|agency code", re.IGNORECASE)),
    ("size", re.compile(r"too large|limit of|size", re.IGNORECASE)),
    ("repeat", re.compile(r"duplicate|repeat|already", re.IGNORECASE)),
    ("tries", re.compile(r"times|expired|delivered", re.IGNORECASE)),
)
# Reasons as the axis writes them, and the keys of their words in the reader's language.
_REASONS = (
    ("tries", re.compile(r"(?:delivered|handed out) (?P<count>\d+) times and never settled")),
    ("label", re.compile(r"its label cannot be read")),
    ("refused", re.compile(r"this node could not take it")),
    ("nobody", re.compile(r"none of its codes is hosted here any more")),
)
# A group beside those by reason: the parcels that a person ticked.
_TICKED_GROUP = "chon"
SORTS = (*(name for name, _ in _SORTS), "unknown")


def sort_of(parcel: DeadParcel) -> str:
    """Return the class of its reason, which the axis gives in its own words."""
    return next((name for name, words in _SORTS if words.search(parcel.reason)), "unknown")


def reason_words(request: PageRequest, parcel: DeadParcel) -> str:
    """Write its reason for the reader; in the axis' own words where they are unknown."""
    for key, pattern in _REASONS:
        if match := pattern.search(parcel.reason):
            return request.say(f"operating.dead.why.{key}", **match.groupdict())
    return parcel.reason


async def list_dead_letters(request: PageRequest) -> web.StreamResponse:
    group_name, fault = request.ask("loai"), ""
    parcels: Sequence[DeadParcel] = ()
    try:
        parcels = await request.deps.operations.dead.all()
    except TransportFailure as error:
        fault = str(error)
    groups = {name: [p for p in parcels if sort_of(p) == name] for name in SORTS}
    listed = groups.get(group_name, parcels)
    names = await agency_names(request, {c for p in listed for c in (p.sender, *p.recipient.split())})
    return await tab_page(
        request,
        "dead",
        "dead",
        groups={name: len(p) for name, p in groups.items() if p},
        parcels=[
            (p, sort_of(p), reason_words(request, p), names.get(p.sender, p.sender), _recipients(p, names))
            for p in listed
        ],
        wanted=group_name,
        total=len(parcels),
        fault=fault,
    )


def _recipients(parcel: DeadParcel, names: Mapping[str, str]) -> str:
    return ", ".join(names.get(code, code) for code in parcel.recipient.split())


async def show_dead_letter(request: PageRequest) -> web.StreamResponse:
    parcel = await request.deps.operations.dead.get(request.path("id"))
    claims = await request.deps.operations.dead.claims(parcel.id, request.lang)
    parcel_values = await _parcel_values(request, parcel)
    title = request.say("operating.parcel.title", **parcel_values)
    return await tab_page(request, "dead", "parcel", title=title, claims=claims, **parcel_values)


async def retry(request: PageRequest) -> web.StreamResponse:
    """Retry one parcel. The page before describes the effect of now."""
    parcel = await request.deps.operations.dead.get(request.path("id"))
    if not request.is_act:
        claims = await request.deps.operations.dead.claims(parcel.id, request.lang)
        words = ("operating.parcel_retry.title", "operating.parcel.order", "operating.dead.retry")
        return await _ask_of_parcel(request, "retry", parcel, None, *words, claims=claims)
    await request.deps.operations.dead.retry(request.person.person.id, [parcel.id])
    return request.confirm(_DEAD, "operating.retried")


async def retry_group(request: PageRequest) -> web.StreamResponse:
    """Retry the parcels that the page before named, and no later ones."""
    if not request.is_act:
        return await _group_page(request)
    retried = await request.deps.operations.dead.retry(request.person.person.id, request.form.all("parcel"))
    return request.confirm(_DEAD, "operating.retried" if retried else "operating.retried.none")


async def _group_page(request: PageRequest) -> web.Response:
    name = request.path("sort")
    if name not in (*SORTS, _TICKED_GROUP):
        raise BadForm("there is no such group")
    chosen = set(request.http.query.getall("parcel", []))
    parcels = [
        parcel
        for parcel in await request.deps.operations.dead.all()
        if (parcel.id in chosen if name == _TICKED_GROUP else sort_of(parcel) == name)
    ]
    names = await agency_names(request, {c for p in parcels for c in (p.sender, *p.recipient.split())})
    title = request.say("operating.dead.retry" if name == _TICKED_GROUP else "operating.dead.group")
    return await tab_page(
        request, "dead", "parcels_retry", title=title, parcels=parcels, sort=name, names=names
    )


async def drop(request: PageRequest) -> web.StreamResponse:
    parcel, reason = await request.deps.operations.dead.get(request.path("id")), request.form.text("reason")
    if (problems := request.short_reason()) or not request.is_act:
        words = ("operating.parcel_drop.title", "", "operating.dead.drop")
        return await _ask_of_parcel(request, "drop", parcel, problems, *words, grave=True)
    await request.deps.operations.dead.drop(request.person.person.id, parcel.id, reason)
    return request.confirm(_DEAD, "operating.dropped")


async def dead_letter_file(request: PageRequest) -> web.StreamResponse:
    """Send the axis' record of it. Its bytes hold a document, which an operator does not read."""
    parcel = await request.deps.operations.dead.get(request.path("id"))
    names = "id packet=packet_id kind sender recipient lane size sha256=digest deliveries dead_at reason"
    facts = plain_fields(parcel, names)
    return answers.whole_file(f"goi-tin-loi-{parcel.id}.json", "json", json.dumps(facts).encode())


async def _ask_of_parcel(
    request: PageRequest,
    which: str,
    parcel: DeadParcel,
    problems: Problems | None,
    *words: str,
    **values: object,
) -> web.Response:
    back, values_of_parcel = f"{_DEAD}/{parcel.id}", await _parcel_values(request, parcel)
    ask = partial(tab_question, request, "dead", which, problems, *words)
    return await ask(back=back, **values_of_parcel, **values)


async def _parcel_values(request: PageRequest, parcel: DeadParcel) -> dict[str, object]:
    names = await agency_names(request, (parcel.sender, *parcel.recipient.split()))
    return {
        "parcel": parcel,
        "names": names,
        "sender": names.get(parcel.sender, parcel.sender),
        "recipients": _recipients(parcel, names),
        "sort": sort_of(parcel),
        "why": reason_words(request, parcel),
    }


_QUARANTINE = f"{PATH}/cach-ly"
_QUARANTINED = f"{_QUARANTINE}/{{id}}"
MOST_QUARANTINED = 200
# A number stands in the packet's file, so a list reads it of its first rows, and of no large file.
_MOST_NUMBERED, _LARGE = 50, 2 * 1024 * 1024
_ACTS = {"tha": "release", "tra-lai": "return", "loai-bo": "discard"}
_OPEN = ("held", "waiting", "quarantined", "malformed")
# The packet was changed after it was signed: it is never let in.
_TAMPERED = frozenset({"SIG-DIGEST", "SIG-PROPERTIES", "SIG-VALUE"})
_LONGEST_NUMBER = 60


async def list_quarantine(request: PageRequest) -> web.StreamResponse:
    agency_id = _agency_scope(request)
    packets = await request.deps.operations.quarantine.waiting(agency_id, MOST_QUARANTINED)
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
            tree = await request.deps.operations.quarantine.tree(packet, routing_only=not may_read)
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
    window = await request.deps.operations.quarantine.window(packet, start)
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
        pieces=await request.deps.operations.quarantine.read(packet),
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
        return _number_in(await request.deps.operations.quarantine.tree(packet, routing_only=True))
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
    return await request.deps.operations.quarantine.get(_agency_scope(request), request.path("id"))


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


_DECIDED = {"access": Access.MEMBER, "needs": DECIDES}


ROUTES = (
    get(_DEAD, "dead_letters", list_dead_letters),
    *both(f"{_DEAD}/nhom/{{sort}}/gui-lai", "dead_letters_ask", "dead_letters_retried", retry_group),
    get(_DEAD_ONE, "dead_letter", show_dead_letter),
    get(f"{_DEAD_ONE}/tai", "dead_letter_file", dead_letter_file),
    *both(f"{_DEAD_ONE}/gui-lai", "dead_letter_retry", "dead_letter_retried", retry),
    *both(f"{_DEAD_ONE}/bo", "dead_letter_drop", "dead_letter_dropped", drop),
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
