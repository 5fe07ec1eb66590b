"""The page of one incoming document, and what the document says. In: what was found, its facts, events and packets; a visit
whose address names one of them. Out: the checks with the one button that fits them on top, what is known of the document,
its files and signatures, and its history; its files as downloads or, of a PDF, as a view; the signed packets behind it as
text; the evidence pack. Bytes are given once it was written down who reads them. Its files stand in front of whoever
decides about it, as far as the person may see them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from aiohttp import web

from gateway.domain import status
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import IncomingDocument, InState, OutgoingDocument, Source
from gateway.domain.event import Event
from gateway.domain.handling import PartState, UnitPart, unit_key
from gateway.domain.status import Fact, RequestStanding, Track, fold_incoming, open_request
from gateway.errors import Clash, Denied, NotFound
from gateway.incoming import reading, related
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Submission, SubmissionState
from gateway.office.store.store import OfficeWork
from gateway.office.web import answers
from gateway.office.web.answers import FileContent, can_show
from gateway.office.web.forms import Problems
from gateway.office.web.listing import list_rows
from gateway.office.web.pages import leaf, lists
from gateway.office.web.pages.incoming import checks, seen
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.pages.leaf import Leaf, LeafDesk
from gateway.office.web.visits import Visit, merged, where
from gateway.policy import timers
from gateway.ports import Handover
from gateway.words import labels

_TAKEN = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING, InState.DONE)
_UNDER_WAY = (InState.ACCEPTED, InState.ASSIGNED, InState.PROCESSING)
# Marks that the panel of checks tells of.
_IN_CHECKS = frozenset({"revocation_unknown", checks.REVOKED, checks.STOLEN, "old_code"})
# What the document itself may be told to become next, by the state that it is in.
STEPS: Mapping[InState, tuple[str, ...]] = {
    InState.ACCEPTED: ("04", "05", "06"),
    InState.ASSIGNED: ("05", "06"),
    InState.PROCESSING: ("06",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """What its sender asks for and nobody has answered. `child` is the packet that brought it, where it is one."""

    standing: RequestStanding
    reason: str
    child: IncomingDocument | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    """By when it is to be taken in, decided or answered; in words how long that is on the clock that it runs by."""

    until: datetime
    words: str
    is_late: bool
    duty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """`next` is the address of the next letter of the list, where there is one."""

    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingDetail:
    """Everything that the page tells of one document, from one look at the store."""

    agency: HostedAgency
    facts: Sequence[Fact]
    events: Sequence[Event]
    handover: Handover | None
    request: OpenRequest | None
    ours: Sequence[OutgoingDocument]
    doubles: Sequence[IncomingDocument]
    newer: IncomingDocument | None
    unread: bool
    parts: Sequence[UnitPart] = ()
    submissions: Sequence[Submission] = ()

    @property
    def shown(self) -> str:
        return fold_incoming(self.facts).shown

    @property
    def held(self) -> tuple[str, ...]:
        """Why a clerk put it on hold."""
        return tuple(
            fact.note
            for fact in self.facts
            if fact.track is Track.OTHER and fact.code == "held" and fact.note
        )


async def document_page(
    visit: Visit,
    found: SeenIncoming,
    known: IncomingDetail,
    status: int = 200,
    problems: Problems | None = None,
) -> web.StreamResponse:
    document = found.whole
    panel = panel_of(visit, found, known)
    names = await seen.names_told(visit, {each.principal_id for each in known.events})
    reports = found.assigned and visit.may(Right.PROGRESS, Manner.OWN)
    packets = visit.deps.packets
    return await visit.form_page(
        "incoming/one.html",
        None,
        title=seen.numbered(document) or visit.say("incoming.title.no_number"),
        found=found,
        document=document,
        known=known,
        panel=panel,
        grade=panel.grade.key,
        mode=known.agency.numbering.value,
        can=_rights(visit, found, known),
        steps=STEPS.get(document.state, ()) if reports else (),
        parts=known.parts,
        submissions=known.submissions,
        submitted_names=await seen.names_told(
            visit, {id for each in known.submissions for id in (each.leader, each.decided_by) if id}
        ),
        own_part=own_part(visit, known.parts),
        today=visit.today,
        left=await _time_left(visit, document, known),
        marks=_marks(document, visit),
        sender_now=await _name_now(visit, document),
        beside=None if visit.is_piece else await lists.neighbours_of(visit, Side.IN, document.id),
        tags=await list_rows.tags_on_page(visit, Side.IN, document.id),
        story=checks.history_lines(
            known.facts,
            known.events,
            names,
            visit.lang,
            sender=document.sender_name or document.sender_code,
            content=found.content,
        ),
        # Mail that a person entered has none.
        packets=await packets.of(visit.scope(), document.id) if document.source is Source.AXIS else (),
        leaf=await leaf_of(visit, found),
        done=_done(visit, document),
        query=urlencode(merged({"ds": visit.ask("ds")})),
        order=visit.ask("lenh"),
        can_show=can_show,
        labelled=visit.say_or,
        numbered=seen.numbered,
        path_of=seen.path_of,
        waits_number=document.state in _TAKEN
        and document.register_no is None
        and known.agency.numbering is NumberingMode.A,
    )


_TOLD_TAKEN = ("incoming.registered", "incoming.taken_in")
_ID = re.compile(r"inb_[0-9A-Za-z]{1,40}")


def _done(visit: Visit, document: IncomingDocument) -> Taken | None:
    """Where it was taken in a moment ago: what is next."""
    if visit.ask("told") not in _TOLD_TAKEN or document.state not in _TAKEN:
        return None
    after, listed = visit.ask("sau"), visit.ask("ds")
    known = _ID.fullmatch(after) is not None
    query = {"ds": listed} if listed else {}
    return Taken(next=where(f"/van-ban-den/{after}", **query) if known else "")


def panel_of(visit: Visit, found: SeenIncoming, known: IncomingDetail) -> checks.Panel:
    words = [
        (seen.path_of(each.id), f"{seen.named(visit, each)} ({visit.say(f'state.in.{each.state}')})")
        for each in known.doubles
    ]
    held = known.held if found.whole.state is InState.HELD else ()
    return checks.panel(found.whole, visit.lang, doubles=words, held=held, content=found.content)


async def look_known(visit: Visit, document: IncomingDocument) -> IncomingDetail:
    async with visit.deps.store.read(visit.scope()) as work:
        facts = await work.facts.of(document.id)
        line = await work.office.lists.line(document.id)
        return IncomingDetail(
            agency=await work.agency(),
            facts=facts,
            events=await work.events.of(document.id),
            handover=await _handover(work, document.id),
            request=await _open_request(work, document, facts),
            ours=await _our_documents(work, (*document.answers, *document.answered_by)),
            doubles=await related.look_alikes(work, document),
            newer=await work.incoming.get(document.replaced_by) if document.replaced_by else None,
            unread=line is not None and line.unread,
            submissions=(await work.office.submissions.of([document.id]))[document.id],
            parts=reading.standing_parts((await work.parts.of([document.id]))[document.id]),
        )


async def _handover(work: OfficeWork, id: str) -> Handover | None:
    with suppress(NotFound):
        return await work.handovers.get(id)
    return None


async def _open_request(
    work: OfficeWork, document: IncomingDocument, facts: Sequence[Fact]
) -> OpenRequest | None:
    standing = open_request(fold_incoming(facts))
    if standing is None:
        return None
    asked = next(
        (one for one in facts if one.request_id == standing.request_id and one.code == "asked"), None
    )
    identity = await work.identities.by_packet(document.sender_code, standing.request_id)
    child = None
    if identity is not None and identity.incoming_id is not None:
        child = await work.incoming.get(identity.incoming_id)
    said = (child.change.reason if child is not None and child.change is not None else None) or ""
    return OpenRequest(standing=standing, reason=said or (asked.reason if asked else None) or "", child=child)


async def _our_documents(work: OfficeWork, ids: Sequence[str]) -> list[OutgoingDocument]:
    """Documents of our own that it answers, or that answer it; one of another agency of this node is not ours to open."""
    made = []
    for id in dict.fromkeys(ids):
        with suppress(NotFound):
            made.append(await work.outgoing.get(id))
    return made


async def _time_left(visit: Visit, document: IncomingDocument, known: IncomingDetail) -> TimeLeft | None:
    now, office = visit.deps.clock.now(), await visit.deps.todo.office()
    owed = status.duty_of(document, known.facts)
    if owed is None:
        return None
    due = timers.of_duty(office, owed, document.urgency)
    left = due.left(office, now)
    return TimeLeft(
        until=due.at,
        words=labels.time_left(left, visit.lang, due.day(office)),
        is_late=left < timedelta(),
        duty=visit.say(due.words),
    )


async def _name_now(visit: Visit, document: IncomingDocument) -> str:
    """What the sender is called today, where that is not what it signed with."""
    today = visit.today
    entry = await visit.deps.inn.directory.find(document.sender_code, today)
    return entry.name if entry is not None and entry.name != document.sender_name else ""


def _marks(document: IncomingDocument, visit: Visit) -> list[str]:
    """Those that speak to a receiver; requests stand in the history."""
    made = []
    for mark in document.marks:
        name = mark.partition(":")[0]
        if name in _IN_CHECKS:
            continue
        if labels.has(f"incoming.mark.{name}"):
            made.append(visit.say(f"incoming.mark.{name}"))
        elif labels.has(f"mark.{name}") and not name.startswith("request_"):
            made.append(labels.mark_text(mark, visit.lang))
    return made


def _rights(visit: Visit, found: SeenIncoming, known: IncomingDetail) -> dict[str, bool]:
    """What the page offers. Every act asks again."""
    document, of_unit = found.whole, found.assigned
    is_open = document.state in seen.OPEN and document.source is Source.AXIS
    takes = visit.may(Right.TAKE_IN, Manner.YES)
    instructs = visit.may(Right.INSTRUCT, Manner.YES) or (of_unit and visit.may(Right.INSTRUCT, Manner.OWN))
    return {
        "take": takes and is_open,
        "hold": takes and document.state is InState.NEW and is_open,
        "assign": instructs and document.state in _UNDER_WAY,
        "submit": takes
        and document.state in _UNDER_WAY
        and not any(each.state is SubmissionState.ASKED for each in known.submissions),
        "hand_back": of_unit and document.state in _UNDER_WAY and visit.may(Right.INSTRUCT, Manner.OWN),
        "part_done": of_unit
        and document.state in _UNDER_WAY
        and visit.may(Right.PROGRESS, Manner.OWN)
        and any(not each.is_lead for each in own_part(visit, known.parts)),
        "reopen": document.state is InState.DONE and seen.may_reopen(visit, found),
        "answer": known.request is not None and visit.may(Right.ANSWER, Manner.YES),
        "freeze": visit.may(Right.FREEZE, Manner.YES),
        "reply": found.content
        and visit.may(Right.REPLY)
        and visit.may(Right.DRAFT)
        and document.state in _TAKEN,
        "stamp": visit.may(Right.BOOK, Manner.YES) and document.register_no is not None,
        "audit": visit.may(Right.AUDIT),
        "prove": found.content and document.source is Source.AXIS,
        "read": found.content and document.state is not InState.RECALLED,
    }


def own_part(visit: Visit, parts: Sequence[UnitPart]) -> tuple[UnitPart, ...]:
    """What the person's own unit has open in it."""
    now = visit.deps.clock.now()
    grants = visit.person.rights.grants(Right.PROGRESS, visit.here.id, now, Manner.OWN)
    keys = {unit_key(each.unit) for each in grants if each.unit}
    return tuple(each for each in parts if each.state is PartState.OPEN and each.key in keys)


# The head, the signature and the body of a packet; files follow it as long rows of letters that nobody reads.
PACKET_SHOWN = 64 * 1024


async def file_given(visit: Visit) -> web.StreamResponse:
    """As its sender attached it; with `xem` a PDF is shown in place."""
    found = await seen.find(visit)
    n = _file_number(visit)
    opened = await reading.open_file(visit.deps.inn, visit.scope(), found.document.id, n)
    await seen.note_read(visit, found, opened.name)
    content = FileContent(
        name=opened.name,
        found_type=next(each.found_type or "" for each in found.document.files if each.n == n),
        size=opened.size,
        sha256=opened.sha256,
        pieces=opened.pieces,
    )
    return await answers.give_file(visit.request, content, inline=visit.ask("xem") == "1")


async def file_viewed(visit: Visit) -> web.StreamResponse:
    """A page around the browser's own viewer, whose call reads the file. By order the page alone says what it is called."""
    found = await seen.find(visit)
    n = _file_number(visit)
    item = next((each for each in found.document.files if each.n == n), None)
    if item is None or not answers.can_show(item.found_type):
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
        shown=[each for each in found.document.files if answers.can_show(each.found_type)],
    )


async def packet_shown(visit: Visit) -> web.StreamResponse:
    """The beginning of one signed packet as text, and whether it holds today."""
    found = await seen.find(visit)
    digest, packets = visit.path("digest"), visit.deps.packets
    named = await packets.find(visit.scope(), found.whole.id, digest)
    text, is_cut = "", False
    if named.absent is None:
        await seen.note_read(visit, found, f"goi-tin {named.packet_id}")
        pieces = await packets.read(visit.scope(), found.whole.id, digest)
        text, is_cut = await answers.beginning_of(pieces, PACKET_SHOWN)
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


async def packet_given(visit: Visit) -> web.StreamResponse:
    """One signed packet, byte for byte."""
    found, packets, scope = await seen.find(visit), visit.deps.packets, visit.scope()
    named = await packets.find(scope, found.whole.id, visit.path("digest"))
    await seen.note_read(visit, found, f"goi-tin {named.packet_id}")
    content = answers.packet_content(named, await packets.read(scope, found.whole.id, visit.path("digest")))
    return await answers.give_file(visit.request, content)


async def evidence_given(visit: Visit) -> web.StreamResponse:
    """Everything that proves it; each call makes a pack and leaves an event."""
    found = await seen.find(visit)
    await seen.note_read(visit, found, "chung-cu")
    made = await visit.deps.packets.pack(visit.scope(), found.whole.id)
    return await answers.give_file(visit.request, answers.pack_content(made))


def _file_number(visit: Visit) -> int:
    n = visit.path("n")
    if len(n) > 5:
        raise NotFound(f"there is no file {n[:20]!r}")
    return int(n)


_UNREADABLE = (InState.RECALLED, InState.SEALED)
_FAULTS = {"PAGE-UNREADABLE": "incoming.leaf.unreadable"}


async def by_order(visit: Visit, found: SeenIncoming) -> SeenIncoming:
    """As `seen.by_order`, with the file that the page shows."""
    desk = _desk(visit, found)
    item = leaf.chosen(visit, desk) if desk is not None else None
    found = await seen.by_order(visit, found, item.name if item is not None else "")
    if desk is not None and item is not None and found.content and found.manner is Manner.ORDER:
        visit.deps.looking.note(leaf.reader_of(visit, desk, item.n))
    return found


async def leaf_of(visit: Visit, found: SeenIncoming) -> Leaf | None:
    """None for whoever may not read it, and where there is no file."""
    desk = _desk(visit, found)
    if desk is None or not found.content or found.whole.state in _UNREADABLE:
        return None
    return await leaf.leaf_of(visit, desk)


async def page_given(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if found.whole.files and found.whole.state in _UNREADABLE:
        raise Clash(f"the files of {found.whole.id} cannot be read", code="GW-UNREADABLE")
    return await leaf.picture_given(visit, _desk(visit, found), found.whole.id)


def _desk(visit: Visit, found: SeenIncoming) -> LeafDesk | None:
    """None where there is no file."""
    document, looking = found.whole, visit.deps.looking
    lead = document.lead
    if lead is None:
        return None

    def by_order(path: str, **query: str) -> str:
        return where(f"{found.path}/{path}", **merged({**query, "lenh": visit.ask("lenh")}))

    async def note(name: str) -> None:
        await seen.note_read(visit, found, name)

    return LeafDesk(
        id=document.id,
        path=found.path,
        files=tuple(looking.incoming(document, each) for each in document.files),
        lead=looking.incoming(document, lead),
        keep=lambda n: by_order(f"tep/{n}"),
        original=lambda n: by_order(f"xem/{n}"),
        picture=lambda n, page, query: by_order(f"trang/{n}/{page}", **query),
        note=note,
        kept=("ds", "lenh"),
        reader=visit.ask("lenh"),
        faults=_FAULTS,
    )
