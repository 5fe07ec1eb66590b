"""The page of one incoming document and its content. In: the document, its facts, events and packets; a visit whose address
names one of them. Out: the checks with the one fitting button on top, the document's data, its files and signatures, and
its history; its files as downloads or, of a PDF, as a view; the signed packets behind it as text; the evidence pack. Each
reading is logged before bytes are sent. Its files stand before the person who decides, as far as the person may see
them."""

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
from gateway.office.web.pages.content import FilePreview, Note, Previewer
from gateway.office.web.pages.incoming import seen
from gateway.office.web.pages.incoming.seen import IncomingView
from gateway.office.web.visits import Visit, merged, url_for
from gateway.ops.evidence.contents import HeldPacket
from gateway.words import labels

_TAKEN_STATES = (*WORKED_ON, InState.DONE)
# Marks that the panel of checks shows.
_IN_CHECKS = frozenset({"revocation_unknown", checks.REVOKED, checks.STOLEN, "old_code"})
# Next status codes of the document itself, by its state.
STEPS: Mapping[InState, tuple[str, ...]] = {
    InState(CODES[own].key): tuple(code for code in AT_WORK_CODES if CODES[code].rank > CODES[own].rank)
    for own in TAKEN_CODES
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLeft:
    """Time until it is to be taken in, decided or answered; in words on the clock that it runs by."""

    ends_at: datetime
    words: str
    is_late: bool
    duty: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TakingNote:
    """Note that it was taken in. `next` is the address of the next letter of the list, where there is one."""

    next: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingRecords:
    """Records that the page shows of one document, from one read of the store."""

    agency: HostedAgency
    facts: Sequence[Fact]
    events: Sequence[Event]
    context: AroundDocument
    ours: Sequence[OutgoingDocument]
    newer: IncomingDocument | None
    unread: bool
    submissions: Sequence[Submission] = ()

    @property
    def request(self) -> SenderRequest | None:
        """Return the sender's open request."""
        request = self.context.request
        return request if request is not None and request.state is RequestState.OPEN else None

    @property
    def hold_reasons(self) -> tuple[str, ...]:
        """List the reasons why a clerk put it on hold."""
        return tuple(
            fact.note
            for fact in self.facts
            if fact.track is Track.OTHER and fact.code == "held" and fact.note
        )


async def document_page(visit: Visit, incoming: IncomingView, records: IncomingRecords) -> web.StreamResponse:
    document = incoming.main
    panel = panel_of(visit, incoming, records)
    names = await seen.names_of_people(visit, {x.principal_id for x in records.events})
    reports = incoming.assigned and visit.may(Right.PROGRESS, Manner.OWN)
    return await visit.form_page(
        "incoming/one.html",
        None,
        title=document.code or visit.say("incoming.title.no_number"),
        found=incoming,
        document=document,
        known=records,
        shown=incoming_word(document, records.facts),
        panel=panel,
        grade=panel.grade.key,
        mode=records.agency.numbering.value,
        can=_possible_acts(visit, incoming, records),
        steps=STEPS.get(document.state, ()) if reports else (),
        parts=records.context.parts,
        submissions=records.submissions,
        submitted_names=await seen.names_of_people(
            visit, {id for x in records.submissions for id in (x.leader, x.decided_by) if id}
        ),
        own_part=own_part(visit, records.context.parts),
        today=visit.today,
        left=await _time_left(visit, records),
        marks=received_marks(document.marks, visit.lang, _IN_CHECKS),
        sender_now=await _sender_name_now(visit, document),
        beside=None if visit.is_piece else await lists.neighbours_of(visit, Side.IN, document.id),
        tags=await list_rows.tags_on_page(visit, Side.IN, document.id),
        story=history_lines(
            records.facts,
            records.events,
            names,
            visit.lang,
            sender=document.sender_name or document.sender_code,
            content=incoming.content,
        ),
        # Mail that a person entered has no packets.
        packets=await visit.deps.evidence.packets(visit.scope(), document.id)
        if document.source is Source.AXIS
        else (),
        leaf=await make_preview(visit, incoming),
        done=_recent_taking(visit, document),
        query=urlencode(merged({"ds": visit.ask("ds")})),
        order=visit.ask("lenh"),
        can_show=can_show,
        labelled=visit.say_or,
        path_of=seen.path_of,
        waits_number=document.state in _TAKEN_STATES
        and document.register_no is None
        and records.agency.numbering is NumberingMode.A,
    )


_TAKEN_MESSAGES = ("incoming.registered", "incoming.taken_in")
_ID = re.compile(r"inb_[0-9A-Za-z]{1,40}")


def _recent_taking(visit: Visit, document: IncomingDocument) -> TakingNote | None:
    """Return the next letter, where this one was taken in a moment ago."""
    if visit.ask("told") not in _TAKEN_MESSAGES or document.state not in _TAKEN_STATES:
        return None
    next_id, list_query = visit.ask("sau"), visit.ask("ds")
    is_id = _ID.fullmatch(next_id) is not None
    query = {"ds": list_query} if list_query else {}
    return TakingNote(next=url_for(f"/van-ban-den/{next_id}", **query) if is_id else "")


def panel_of(visit: Visit, incoming: IncomingView, records: IncomingRecords) -> checks.Panel:
    words = [
        (seen.path_of(d.id), f"{seen.document_name(visit, d)} ({received_word(d.state, visit.lang)})")
        for d in records.context.doubles
    ]
    hold_reasons = records.hold_reasons if incoming.main.state is InState.HELD else ()
    return checks.panel(
        incoming.main, visit.lang, doubles=words, hold_reasons=hold_reasons, content=incoming.content
    )


async def load_records(visit: Visit, document: IncomingDocument) -> IncomingRecords:
    office = await visit.deps.todo.office()
    async with visit.deps.store.read(visit.scope()) as work:
        line = await work.office.lists.line(document.id)
        return IncomingRecords(
            agency=await work.agency(),
            facts=await work.facts.of(document.id),
            events=await work.events.of(document.id),
            context=await reading.around_one(work, document, office),
            # Our own documents that it answers, or that answer it.
            ours=await content.load_present(work.outgoing.get, (*document.answers, *document.answered_by)),
            newer=await work.incoming.get(document.replaced_by) if document.replaced_by else None,
            unread=line is not None and line.unread,
            submissions=(await work.office.submissions.of_documents([document.id]))[document.id],
        )


async def _time_left(visit: Visit, records: IncomingRecords) -> TimeLeft | None:
    now, office, due = visit.deps.clock.now(), await visit.deps.todo.office(), records.context.due
    if due is None:
        return None
    time_left = due.time_left(office, now)
    return TimeLeft(
        ends_at=due.at,
        words=labels.time_left(time_left, visit.lang, due.day(office)),
        is_late=time_left < timedelta(),
        duty=visit.say(due.words),
    )


async def _sender_name_now(visit: Visit, document: IncomingDocument) -> str:
    """Return the sender's name of today, where it differs from the signed one."""
    today = visit.today
    entry = await visit.deps.inn.directory.find(document.sender_code, today)
    return entry.name if entry is not None and entry.name != document.sender_name else ""


def _possible_acts(visit: Visit, incoming: IncomingView, records: IncomingRecords) -> dict[str, bool]:
    """Map acts to whether the page offers them. Every act checks again."""
    document, of_unit = incoming.main, incoming.assigned
    may_take = visit.may(Right.TAKE_IN, Manner.YES)
    may_instruct = visit.may(Right.INSTRUCT, Manner.YES) or (
        of_unit and visit.may(Right.INSTRUCT, Manner.OWN)
    )
    return {
        "take": may_take and incoming.is_open,
        "hold": may_take and document.state is InState.NEW and incoming.is_open,
        "assign": may_instruct and document.state in WORKED_ON,
        "submit": may_take
        and document.state in WORKED_ON
        and not any(x.state is SubmissionState.OPEN for x in records.submissions),
        "hand_back": of_unit and document.state in WORKED_ON and visit.may(Right.INSTRUCT, Manner.OWN),
        "part_done": of_unit
        and document.state in WORKED_ON
        and visit.may(Right.PROGRESS, Manner.OWN)
        and any(not x.is_lead for x in own_part(visit, records.context.parts)),
        "reopen": document.state is InState.DONE and seen.may_reopen(visit, incoming),
        "answer": records.request is not None and visit.may(Right.ANSWER, Manner.YES),
        "freeze": visit.may(Right.FREEZE, Manner.YES),
        "reply": incoming.content
        and visit.may(Right.REPLY)
        and visit.may(Right.DRAFT)
        and document.state in _TAKEN_STATES,
        "stamp": visit.may(Right.BOOK, Manner.YES) and document.register_no is not None,
        "audit": visit.may(Right.AUDIT),
        "prove": incoming.content and document.source is Source.AXIS,
        "read": incoming.content and document.state is not InState.RECALLED,
    }


def own_part(visit: Visit, parts: Sequence[UnitPart]) -> tuple[UnitPart, ...]:
    """List the open parts of the person's own unit."""
    now = visit.deps.clock.now()
    grants = visit.person.rights.grants(Right.PROGRESS, visit.own_agency.id, now, Manner.OWN)
    keys = {unit_key(x.unit) for x in grants if x.unit}
    return tuple(x for x in parts if x.state is PartState.OPEN and x.key in keys)


async def send_file(visit: Visit) -> web.StreamResponse:
    """Send the file as its sender attached it; with `xem` a PDF is shown in place."""
    incoming = await seen.find(visit)
    n = _file_number(visit)
    opened = await reading.open_file(visit.deps.inn, visit.scope(), incoming.document.id, n)
    await seen.note_read(visit, incoming, opened.name)
    kind = next(f.found_type or "" for f in incoming.document.files if f.n == n)
    return await content.send_opened(visit, opened, kind, inline=visit.ask("xem") == "1")


async def view_file(visit: Visit) -> web.StreamResponse:
    """Show a page around the browser's own viewer, whose request reads the file. By order the page alone shows its name."""
    incoming = await seen.find(visit)
    n = _file_number(visit)
    item = next((x for x in incoming.document.files if x.n == n), None)
    if item is None or not answers.can_show(item.found_type):
        raise NotFound(f"{incoming.document.id} has no file {n} that a page may show")
    _refuse_unreadable(incoming)
    incoming = await seen.by_order(visit, incoming, item.name)
    if not incoming.content:
        raise Denied("content is seen by order alone; give the number of the order", code="GW-ORDER")
    return await visit.page(
        "incoming/file.html",
        title=item.name,
        found=incoming,
        document=incoming.document,
        item=item,
        order=visit.ask("lenh"),
        labelled=visit.say_or,
        verdicts=[x for x in incoming.document.signatures if x.n == n],
        shown=[x for x in incoming.document.files if answers.can_show(x.found_type)],
    )


async def show_packet(visit: Visit) -> web.StreamResponse:
    """Show the beginning of one signed packet as text, and whether it is valid today."""
    incoming, packet, note = await _load_packet(visit)
    title = visit.say("incoming.packet.title", name=incoming.name)
    name = f"goi-tin {packet.packet_id}"
    return await content.packet_page(
        visit, "incoming/packet.html", packet, note, name, title=title, found=incoming
    )


async def send_packet(visit: Visit) -> web.StreamResponse:
    _, packet, note = await _load_packet(visit)
    return await content.give_packet(visit, packet, note, f"goi-tin {packet.packet_id}")


async def _load_packet(visit: Visit) -> tuple[IncomingView, HeldPacket, Note]:
    incoming = await seen.find(visit)
    packet = await content.find_packet(visit, incoming.main.id, visit.path("digest"))
    return incoming, packet, partial(seen.note_read, visit, incoming)


async def send_evidence(visit: Visit) -> web.StreamResponse:
    incoming = await seen.find(visit)
    return await content.give_pack(
        visit, incoming.main.id, partial(seen.note_read, visit, incoming), "chung-cu"
    )


def _file_number(visit: Visit) -> int:
    n = visit.path("n")
    if len(n) > 5:
        raise NotFound(f"there is no file {n[:20]!r}")
    return int(n)


_FAULTS = {"PAGE-UNREADABLE": "incoming.leaf.unreadable"}


async def by_order(visit: Visit, incoming: IncomingView) -> IncomingView:
    """Apply `seen.by_order` with the file that the page shows."""
    desk = _desk(visit, incoming)
    item = content.chosen_file(visit, desk)
    incoming = await seen.by_order(visit, incoming, item.name if item is not None else "")
    if item is not None and incoming.content and incoming.manner is Manner.ORDER:
        visit.deps.looking.note(content.reader_of(visit, desk, item.n))
    return incoming


async def make_preview(visit: Visit, incoming: IncomingView) -> FilePreview | None:
    """Make the preview; None for a person who may not read it, and where there is no file."""
    if not incoming.content or incoming.main.state in UNREADABLE:
        return None
    return await content.make_preview(visit, _desk(visit, incoming))


async def send_page(visit: Visit) -> web.StreamResponse:
    incoming = await seen.find(visit)
    _refuse_unreadable(incoming)
    return await content.send_picture(visit, _desk(visit, incoming))


def _refuse_unreadable(incoming: IncomingView) -> None:
    if incoming.main.state in UNREADABLE:
        raise Clash(f"the files of {incoming.main.id} cannot be read", code="GW-UNREADABLE")


def _desk(visit: Visit, incoming: IncomingView) -> Previewer:
    document = incoming.main
    return Previewer(
        id=document.id,
        path=incoming.path,
        base=incoming.path,
        view="xem/{n}",
        files=visit.deps.looking.files(document),
        note=partial(seen.note_read, visit, incoming),
        faults=_FAULTS,
    )
