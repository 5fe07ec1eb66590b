"""The page of one incoming document, and what the document says. In: what was found, its facts, events and packets; a visit
whose address names one of them. Out: the checks with the one button that fits them on top, what is known of the document,
its files and signatures, and its history; its files as downloads or, of a PDF, as a view; the signed packets behind it as
text; the evidence pack. Bytes are given once it was written down who reads them. Its files stand in front of whoever
decides about it, as far as the person may see them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from gateway.document_view import checks
from gateway.document_view.facts import history_lines, received_marks, received_word
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import UNREADABLE, WORKED_ON, IncomingDocument, InState, OutgoingDocument, Source
from gateway.domain.event import Event
from gateway.domain.handling import PartState, UnitPart, unit_key
from gateway.domain.status import AT_WORK_CODES, CODES, TAKEN_CODES, Fact, RequestState, Track, incoming_word
from gateway.errors import Clash, Denied, NotFound
from gateway.incoming import reading
from gateway.incoming.reading import AroundDocument, SenderRequest
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Submission, SubmissionState
from gateway.office.web import answers
from gateway.office.web.answers import can_show
from gateway.office.web.listing import list_rows
from gateway.office.web.pages import content, lists
from gateway.office.web.pages.content import Leaf, LeafDesk, Note
from gateway.office.web.pages.incoming import seen
from gateway.office.web.pages.incoming.seen import SeenIncoming
from gateway.office.web.visits import Visit, merged, where
from gateway.ops.evidence.contents import HeldPacket
from gateway.words import labels

_TAKEN = (*WORKED_ON, InState.DONE)
# Marks that the panel of checks tells of.
_IN_CHECKS = frozenset({"revocation_unknown", checks.REVOKED, checks.STOLEN, "old_code"})
# What the document itself may be told to become next, by the state that it is in.
STEPS: Mapping[InState, tuple[str, ...]] = {
    InState(CODES[own].key): tuple(code for code in AT_WORK_CODES if CODES[code].rank > CODES[own].rank)
    for own in TAKEN_CODES
}


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
    around: AroundDocument
    ours: Sequence[OutgoingDocument]
    newer: IncomingDocument | None
    unread: bool
    submissions: Sequence[Submission] = ()

    @property
    def request(self) -> SenderRequest | None:
        """What its sender asks for and nobody has answered."""
        asked = self.around.request
        return asked if asked is not None and asked.state is RequestState.ASKED else None

    @property
    def held(self) -> tuple[str, ...]:
        """Why a clerk put it on hold."""
        return tuple(
            fact.note
            for fact in self.facts
            if fact.track is Track.OTHER and fact.code == "held" and fact.note
        )


async def document_page(visit: Visit, found: SeenIncoming, known: IncomingDetail) -> web.StreamResponse:
    document = found.whole
    panel = panel_of(visit, found, known)
    names = await seen.names_told(visit, {each.principal_id for each in known.events})
    reports = found.assigned and visit.may(Right.PROGRESS, Manner.OWN)
    return await visit.form_page(
        "incoming/one.html",
        None,
        title=document.code or visit.say("incoming.title.no_number"),
        found=found,
        document=document,
        known=known,
        shown=incoming_word(document, known.facts),
        panel=panel,
        grade=panel.grade.key,
        mode=known.agency.numbering.value,
        can=_rights(visit, found, known),
        steps=STEPS.get(document.state, ()) if reports else (),
        parts=known.around.parts,
        submissions=known.submissions,
        submitted_names=await seen.names_told(
            visit, {id for each in known.submissions for id in (each.leader, each.decided_by) if id}
        ),
        own_part=own_part(visit, known.around.parts),
        today=visit.today,
        left=await _time_left(visit, known),
        marks=received_marks(document.marks, visit.lang, _IN_CHECKS),
        sender_now=await _name_now(visit, document),
        beside=None if visit.is_piece else await lists.neighbours_of(visit, Side.IN, document.id),
        tags=await list_rows.tags_on_page(visit, Side.IN, document.id),
        story=history_lines(
            known.facts,
            known.events,
            names,
            visit.lang,
            sender=document.sender_name or document.sender_code,
            content=found.content,
        ),
        # Mail that a person entered has none.
        packets=await visit.deps.evidence.packets(visit.scope(), document.id)
        if document.source is Source.AXIS
        else (),
        leaf=await leaf_of(visit, found),
        done=_done(visit, document),
        query=urlencode(merged({"ds": visit.ask("ds")})),
        order=visit.ask("lenh"),
        can_show=can_show,
        labelled=visit.say_or,
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
        (seen.path_of(each.id), f"{seen.named(visit, each)} ({received_word(each.state, visit.lang)})")
        for each in known.around.doubles
    ]
    held = known.held if found.whole.state is InState.HELD else ()
    return checks.panel(found.whole, visit.lang, doubles=words, held=held, content=found.content)


async def look_known(visit: Visit, document: IncomingDocument) -> IncomingDetail:
    office = await visit.deps.todo.office()
    async with visit.deps.store.read(visit.scope()) as work:
        line = await work.office.lists.line(document.id)
        return IncomingDetail(
            agency=await work.agency(),
            facts=await work.facts.of(document.id),
            events=await work.events.of(document.id),
            around=await reading.around_one(work, document, office),
            # Documents of our own that it answers, or that answer it.
            ours=await content.present(work.outgoing.get, (*document.answers, *document.answered_by)),
            newer=await work.incoming.get(document.replaced_by) if document.replaced_by else None,
            unread=line is not None and line.unread,
            submissions=(await work.office.submissions.of([document.id]))[document.id],
        )


async def _time_left(visit: Visit, known: IncomingDetail) -> TimeLeft | None:
    now, office, due = visit.deps.clock.now(), await visit.deps.todo.office(), known.around.due
    if due is None:
        return None
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


def _rights(visit: Visit, found: SeenIncoming, known: IncomingDetail) -> dict[str, bool]:
    """What the page offers. Every act asks again."""
    document, of_unit = found.whole, found.assigned
    takes = visit.may(Right.TAKE_IN, Manner.YES)
    instructs = visit.may(Right.INSTRUCT, Manner.YES) or (of_unit and visit.may(Right.INSTRUCT, Manner.OWN))
    return {
        "take": takes and found.is_open,
        "hold": takes and document.state is InState.NEW and found.is_open,
        "assign": instructs and document.state in WORKED_ON,
        "submit": takes
        and document.state in WORKED_ON
        and not any(each.state is SubmissionState.ASKED for each in known.submissions),
        "hand_back": of_unit and document.state in WORKED_ON and visit.may(Right.INSTRUCT, Manner.OWN),
        "part_done": of_unit
        and document.state in WORKED_ON
        and visit.may(Right.PROGRESS, Manner.OWN)
        and any(not each.is_lead for each in own_part(visit, known.around.parts)),
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


async def file_given(visit: Visit) -> web.StreamResponse:
    """As its sender attached it; with `xem` a PDF is shown in place."""
    found = await seen.find(visit)
    n = _file_number(visit)
    opened = await reading.open_file(visit.deps.inn, visit.scope(), found.document.id, n)
    await seen.note_read(visit, found, opened.name)
    kind = next(each.found_type or "" for each in found.document.files if each.n == n)
    return await content.give_opened(visit, opened, kind, inline=visit.ask("xem") == "1")


async def file_viewed(visit: Visit) -> web.StreamResponse:
    """A page around the browser's own viewer, whose call reads the file. By order the page alone says what it is called."""
    found = await seen.find(visit)
    n = _file_number(visit)
    item = next((each for each in found.document.files if each.n == n), None)
    if item is None or not answers.can_show(item.found_type):
        raise NotFound(f"{found.document.id} has no file {n} that a page may show")
    _refuse_unreadable(found)
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
    found, packet, note = await _packet(visit)
    title = visit.say("incoming.packet.title", name=found.name)
    name = f"goi-tin {packet.packet_id}"
    return await content.packet_page(
        visit, "incoming/packet.html", packet, note, name, title=title, found=found
    )


async def packet_given(visit: Visit) -> web.StreamResponse:
    _, packet, note = await _packet(visit)
    return await content.give_packet(visit, packet, note, f"goi-tin {packet.packet_id}")


async def _packet(visit: Visit) -> tuple[SeenIncoming, HeldPacket, Note]:
    found = await seen.find(visit)
    packet = await content.find_packet(visit, found.whole.id, visit.path("digest"))
    return found, packet, partial(seen.note_read, visit, found)


async def evidence_given(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    return await content.give_pack(visit, found.whole.id, partial(seen.note_read, visit, found), "chung-cu")


def _file_number(visit: Visit) -> int:
    n = visit.path("n")
    if len(n) > 5:
        raise NotFound(f"there is no file {n[:20]!r}")
    return int(n)


_FAULTS = {"PAGE-UNREADABLE": "incoming.leaf.unreadable"}


async def by_order(visit: Visit, found: SeenIncoming) -> SeenIncoming:
    """As `seen.by_order`, with the file that the page shows."""
    desk = _desk(visit, found)
    item = content.chosen(visit, desk)
    found = await seen.by_order(visit, found, item.name if item is not None else "")
    if item is not None and found.content and found.manner is Manner.ORDER:
        visit.deps.looking.note(content.reader_of(visit, desk, item.n))
    return found


async def leaf_of(visit: Visit, found: SeenIncoming) -> Leaf | None:
    """None for whoever may not read it, and where there is no file."""
    if not found.content or found.whole.state in UNREADABLE:
        return None
    return await content.leaf_of(visit, _desk(visit, found))


async def page_given(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    _refuse_unreadable(found)
    return await content.picture_given(visit, _desk(visit, found))


def _refuse_unreadable(found: SeenIncoming) -> None:
    if found.whole.state in UNREADABLE:
        raise Clash(f"the files of {found.whole.id} cannot be read", code="GW-UNREADABLE")


def _desk(visit: Visit, found: SeenIncoming) -> LeafDesk:
    document = found.whole
    return LeafDesk(
        id=document.id,
        path=found.path,
        base=found.path,
        view="xem/{n}",
        files=visit.deps.looking.files(document),
        note=partial(seen.note_read, visit, found),
        faults=_FAULTS,
    )
