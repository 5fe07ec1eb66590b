"""The page of one incoming document and its content. In: the document, its facts, events and packets; a request whose
address names one of them. Out: the checks with the one fitting button on top, the document's data, its files and
signatures, and its history; its files as downloads or, of a PDF, as a view; the signed packets behind it as text; the
evidence pack. Each reading is logged before bytes are sent. Its files stand before the person who decides, as far as the
person may see them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from urllib.parse import urlencode

from aiohttp import web

from gateway import retention
from gateway.document_view import checks
from gateway.document_view.deadlines import time_left
from gateway.document_view.facts import (
    count_readings,
    history_lines,
    persons_in,
    received_marks,
    received_word,
)
from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import WORKED_ON, IncomingDocument, InState, OutgoingDocument, Source
from gateway.domain.event import Event
from gateway.domain.fields import STATUS
from gateway.domain.handling import UnitPart, unit_key
from gateway.domain.retention import Expiry
from gateway.domain.states import AT_WORK_CODES, CODES, TAKEN_CODES, Track
from gateway.domain.status import Fact, RequestState, incoming_word
from gateway.errors import Clash, Denied, NotFound
from gateway.incoming import document_context, handling, reading
from gateway.incoming.document_context import DocumentContext, SenderRequest
from gateway.ops.evidence.contents import HeldPacket
from gateway.stored_content import Door, refuse_destroyed
from gateway_office import introductions
from gateway_office.book import books
from gateway_office.domain.document_link import SeenLink
from gateway_office.domain.listing import Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import Submission, SubmissionState
from gateway_office.domain.work_file import FileMember, WorkFile
from gateway_office.letters import comments
from gateway_office.letters.links import links_of
from gateway_office.web import answers, duty_table
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.answers import can_show
from gateway_office.web.listing import list_rows
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import content, lists
from gateway_office.web.pages.content import FilePreview, Note, Previewer
from gateway_office.web.pages.incoming import access, assigning, suggesting
from gateway_office.web.pages.incoming.access import IncomingView

_TAKEN_STATES = (*WORKED_ON, InState.DONE)
# Marks that the panel of checks shows.
_IN_CHECKS = frozenset({"revocation_unknown", checks.REVOKED, checks.STOLEN, "old_code"})
# Next status codes of the document itself, by its state.
STEPS: Mapping[InState, tuple[str, ...]] = {
    InState(CODES[own].key): tuple(code for code in AT_WORK_CODES if CODES[code].rank > CODES[own].rank)
    for own in TAKEN_CODES
}
_TAKEN_MESSAGES = ("incoming.registered", "incoming.taken_in")
_TAKES = (Right.TAKE_IN, Manner.YES)
_ID = re.compile(r"inb_[0-9A-Za-z]{1,40}")
_FAULTS = {"PAGE-UNREADABLE": "incoming.leaf.unreadable"}


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
    context: DocumentContext
    ours: Sequence[OutgoingDocument]
    newer: IncomingDocument | None
    unread: bool
    submissions: Sequence[Submission] = ()
    files: Sequence[tuple[WorkFile, FileMember]] = ()
    links: Sequence[SeenLink] = ()
    kept_until: Expiry | None = None

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


async def document_page(
    request: PageRequest, incoming: IncomingView, records: IncomingRecords
) -> web.StreamResponse:
    document = incoming.main
    panel = panel_of(request, incoming, records)
    tags = await list_rows.tags_on_page(request, Side.IN, document.id)
    names = await access.names_of_people(request, persons_in(records.events))
    return await request.form_page(
        "incoming/one.html",
        None,
        title=document.code or request.say("incoming.title.no_number"),
        found=incoming,
        document=document,
        known=records,
        shown=incoming_word(document, records.facts),
        panel=panel,
        grade=panel.grade.key,
        note_draft=note_draft(request, incoming, records),
        mode=records.agency.numbering.value,
        today=request.today,
        left=await _time_left(request, records),
        marks=received_marks(document.marks, request.lang, _IN_CHECKS),
        sender_now=await _sender_name_now(request, document),
        beside=None if request.is_piece else await lists.neighbours_of(request, Side.IN, document.id),
        tags=tags,
        label_hint=await suggesting.suggest_label(request, document, tags) if incoming.content else None,
        story=history_lines(
            records.facts,
            records.events,
            names,
            request.lang,
            sender=document.sender_name or document.sender_code,
            content=incoming.content,
        ),
        readings=count_readings(records.events) if request.may(Right.AUDIT, Manner.YES) else None,
        # Mail that a person entered has no packets.
        **await _discussion_values(request, incoming),
        similar=await suggesting.similar_lines(request, document) if incoming.content else (),
        packets=await request.deps.evidence.packets(request.scope(), document.id)
        if document.source is Source.AXIS
        else (),
        leaf=await make_preview(request, incoming),
        arrival_stamp=books.stamp(records.agency, document) if document.register_no is not None else None,
        done=_recent_taking(request, incoming),
        waits_by=await access.name_of(request, incoming.pending.person_id) if incoming.pending else "",
        submits_to=await usual_leader(request) if incoming.is_open and request.may(*_TAKES) else None,
        query=urlencode(merged({"ds": request.ask("ds")})),
        order=request.ask("lenh"),
        can_show=can_show,
        labelled=request.say_or,
        path_of=access.path_of,
        waits_number=document.state in _TAKEN_STATES
        and document.register_no is None
        and records.agency.numbering is NumberingMode.A,
        **await _work_values(request, incoming, records),
    )


async def _work_values(
    request: PageRequest, incoming: IncomingView, records: IncomingRecords
) -> dict[str, object]:
    """Make the values of what is done with the document after it was taken in, and of the acts."""
    document, parts = incoming.main, records.context.parts
    can = _possible_acts(request, incoming, records)
    own_parts = handling.open_parts(parts, request.share_of(Right.PROGRESS))
    working_parts = [part for part in own_parts if not part.is_informed]
    reports = incoming.works and not incoming.waits and request.may(Right.PROGRESS, Manner.OWN)
    # A head assigns beside the paper; a letter that is assigned already has a page for assigning it again.
    assigns = can["assign"] and document.assignment is None and not can["submit"]
    form = await assigning.form_values(request, document, records.submissions, parts) if assigns else {}
    people = {id for x in records.submissions for id in (x.leader, x.decided_by) if id}
    people |= {id for part in parts for id in (part.person_id, part.ended_by) if id}
    return {
        "can": can,
        "assigns": assigns,
        "steps": STEPS.get(document.state, ()) if reports else (),
        "parts": parts,
        "submissions": records.submissions,
        "submitted_names": await access.names_of_people(request, people),
        "own_part": working_parts,
        "informs": any(part.is_informed for part in own_parts),
        "gives_on": await _list_givable(request, working_parts) if can["hand_back"] else (),
        **form,
    }


def _recent_taking(request: PageRequest, incoming: IncomingView) -> TakingNote | None:
    """Return the next letter, where this one was taken in a moment ago, or is about to be."""
    is_taken = request.ask("told") in _TAKEN_MESSAGES and incoming.main.state in _TAKEN_STATES
    if not is_taken and not (incoming.waits and request.ask("sau")):
        return None
    next_id, list_query = request.ask("sau"), request.ask("ds")
    is_id = _ID.fullmatch(next_id) is not None
    query = {"ds": list_query} if list_query else {}
    return TakingNote(next=url_for(f"/van-ban-den/{next_id}", **query) if is_id else "")


async def usual_leader(request: PageRequest) -> tuple[str, str] | None:
    """Return the leader to whom the agency submitted last, else its only one; None where a clerk has to choose."""
    leaders = dict(await access.leaders_of(request))
    async with request.deps.store.read(request.scope()) as work:
        last = await work.office.submissions.last_leader()
    if last not in leaders:
        last = next(iter(leaders)) if len(leaders) == 1 else None
    return (last, leaders[last]) if last is not None else None


def note_draft(request: PageRequest, incoming: IncomingView, records: IncomingRecords) -> str:
    """Draft the note for the sender: what was doubtful, in Vietnamese. The reasons of a hold stay in the agency."""
    if incoming.main.state is InState.HELD:
        return ""
    panel = panel_of(request, incoming, records, "vi")
    return "" if panel.is_clean else panel.doubts[: STATUS["note"].longest]


def panel_of(
    request: PageRequest, incoming: IncomingView, records: IncomingRecords, lang: str = ""
) -> checks.Panel:
    words = [
        (access.path_of(d.id), f"{access.document_name(request, d)} ({received_word(d.state, request.lang)})")
        for d in records.context.doubles
    ]
    hold_reasons = records.hold_reasons if incoming.main.state is InState.HELD else ()
    return checks.panel(
        incoming.main,
        lang or request.lang,
        doubles=words,
        hold_reasons=hold_reasons,
        content=incoming.content,
    )


async def load_records(request: PageRequest, document: IncomingDocument) -> IncomingRecords:
    office = await request.deps.todo.office(request.own_agency.id)
    async with request.deps.store.read(request.scope()) as work:
        line = await work.office.lists.line(document.id)
        return IncomingRecords(
            agency=await work.agency(),
            facts=await work.facts.of_subject(document.id),
            events=await work.events.of_subject(document.id),
            context=await document_context.load_context(work, document, office),
            # Our own documents that it answers, or that answer it.
            ours=await content.load_present(work.outgoing.get, (*document.answers, *document.answered_by)),
            newer=await work.incoming.get(document.replaced_by) if document.replaced_by else None,
            unread=line is not None and line.unread,
            submissions=(await work.office.submissions.of_documents([document.id]))[document.id],
            files=await work.office.work_files.of_document(document.id),
            links=await links_of(work, document.id),
            kept_until=await retention.expiry_of(work, document),
        )


async def _time_left(request: PageRequest, records: IncomingRecords) -> TimeLeft | None:
    now, office, due = (
        request.deps.clock.now(),
        await request.deps.todo.office(request.own_agency.id),
        records.context.due,
    )
    if due is None:
        return None
    remaining = due.time_left(office, now)
    return TimeLeft(
        ends_at=due.at,
        words=time_left(remaining, due.at, now, request.lang, due.day(office)),
        is_late=now >= due.at,
        duty=request.say(due.words),
    )


async def _sender_name_now(request: PageRequest, document: IncomingDocument) -> str:
    """Return the sender's name of today, where it differs from the signed one."""
    today = request.today
    entry = await request.deps.inn.directory.find(document.sender_code, today)
    return entry.name if entry is not None and entry.name != document.sender_name else ""


def _possible_acts(request: PageRequest, incoming: IncomingView, records: IncomingRecords) -> dict[str, bool]:
    """Map acts to whether the page offers them. Every act checks again."""
    document, of_unit = incoming.main, incoming.works and not incoming.waits
    may_take = request.may(*_TAKES) and not incoming.waits
    may_instruct = not incoming.waits and (
        request.may(Right.INSTRUCT, Manner.YES) or (of_unit and request.may(Right.INSTRUCT, Manner.OWN))
    )
    return {
        "take": may_take and incoming.is_open,
        "hold": may_take and document.state is InState.NEW and incoming.is_open,
        "assign": may_instruct and document.state in WORKED_ON,
        "submit": may_take
        and document.state in WORKED_ON
        and not any(x.state is SubmissionState.OPEN for x in records.submissions),
        "hand_back": of_unit and document.state in WORKED_ON and request.may(Right.INSTRUCT, Manner.OWN),
        "part_done": of_unit
        and document.state in WORKED_ON
        and request.may(Right.PROGRESS, Manner.OWN)
        and any(
            not part.is_lead and not part.is_informed
            for part in handling.open_parts(records.context.parts, request.share_of(Right.PROGRESS))
        ),
        "undo": incoming.pending is not None
        and (not incoming.waits or incoming.pending.person_id == request.person.person.id)
        and (request.may(*_TAKES) or request.may(Right.INSTRUCT, Manner.YES, Manner.OWN)),
        "reopen": document.state is InState.DONE and access.may_reopen(request, incoming),
        "answer": records.request is not None
        and not incoming.waits
        and request.may(Right.ANSWER, Manner.YES),
        "freeze": request.may(Right.FREEZE, Manner.YES),
        "register": introductions.is_introduction(document) and duty_table.may_register(request),
        "reply": incoming.content
        and request.may(Right.REPLY)
        and request.may(Right.DRAFT)
        and document.state in _TAKEN_STATES,
        "stamp": request.may(Right.BOOK, Manner.YES) and document.register_no is not None,
        "slip": incoming.content and document.state in _TAKEN_STATES,
        "audit": request.may(Right.AUDIT),
        "prove": incoming.content and document.source is Source.AXIS,
        "read": incoming.content and document.is_readable,
    }


async def _discussion_values(request: PageRequest, incoming: IncomingView) -> dict[str, object]:
    """Make the values of the comments; none for a person who reads by order, or sees no content."""
    if not incoming.may_comment:
        return {"discussion": None}
    discussion = await comments.look(*request.incoming, incoming.main.id)
    people = {comment.person_id for comment in discussion.comments}
    people |= {reader.person_id for reader in discussion.readers}
    return {"discussion": discussion, "commenters": await access.names_of_people(request, people)}


async def _list_givable(
    request: PageRequest, parts: Sequence[UnitPart]
) -> list[tuple[UnitPart, list[tuple[str, str]]]]:
    """List the parts of units that the person leads, each with the persons to whom it may be given."""
    led_units = request.share_of(Right.INSTRUCT).leading
    own_parts = [part for part in parts if part.key in led_units]
    if not own_parts:
        return []
    async with request.deps.store.read(request.scope()) as work:
        members = await work.units.members(request.deps.clock.now())
    nobody = ("", request.say("incoming.part.whole_unit"))
    return [
        (part, [nobody, *{m.person_id: m.name for m in members if unit_key(m.unit) == part.key}.items()])
        for part in own_parts
    ]


async def send_routing_slip(request: PageRequest) -> web.StreamResponse:
    """Send the slip for settling the letter, with what was decided at the node."""
    from gateway_office.book import routing_slip

    incoming = await access.find(request)
    if not incoming.content or incoming.main.state not in _TAKEN_STATES:
        raise NotFound("a slip is made of a letter that was taken in, for those who may read it")
    document, records = incoming.main, await load_records(request, incoming.main)
    parts, decided = records.context.parts, next((s for s in records.submissions if s.decided_at), None)
    people = {id for part in parts for id in (part.person_id, part.given_by) if id}
    names = await access.names_of_people(request, people | ({decided.decided_by or ""} if decided else set()))
    assigned = min(parts, key=lambda part: part.given_at, default=None)
    by = decided.decided_by if decided else assigned.given_by if assigned else None
    instruction = (document.assignment.instruction if document.assignment else None) or ""
    slip = routing_slip.Slip(
        letter=document,
        opinion=instruction or (decided.opinion if decided else ""),
        decided_by=names.get(by or "", ""),
        decided_at=decided.decided_at if decided else assigned.given_at if assigned else None,
        parts=parts,
        names=names,
    )
    deps = request.deps
    letterhead = await deps.store.accounts.letterhead(request.own_agency.id)
    with deps.blobs.scratch() as scratch:
        await deps.pool.run(lambda: routing_slip.write(slip, letterhead, request.today, scratch.file))
        return await request.send_scratch_file(scratch.file, f"phieu-giai-quyet-{document.id}.pdf", "pdf")


async def send_file(request: PageRequest) -> web.StreamResponse:
    """Send the file as its sender attached it; with `xem` a PDF is shown in place."""
    incoming = await access.find(request)
    n = _file_number(request)
    opened = await reading.open_file(*request.incoming, incoming.document.id, n, Door.PAGES)
    await access.note_read(request, incoming, opened.name)
    kind = next(f.found_type or "" for f in incoming.document.files if f.n == n)
    return await content.send_opened(request, opened, kind, inline=request.ask("xem") == "1")


async def view_file(request: PageRequest) -> web.StreamResponse:
    """Show a page around the browser's own viewer, whose request reads the file. By order the page alone shows its name."""
    incoming = await access.find(request)
    n = _file_number(request)
    item = next((x for x in incoming.document.files if x.n == n), None)
    if item is None or not answers.can_show(item.found_type):
        raise NotFound(f"{incoming.document.id} has no file {n} that a page may show")
    _refuse_unreadable(incoming)
    incoming = await access.by_order(request, incoming, item.name)
    if not incoming.content:
        raise Denied("content is seen by order alone; give the number of the order", code="GW-ORDER")
    return await request.page(
        "incoming/file.html",
        title=item.name,
        found=incoming,
        document=incoming.document,
        item=item,
        order=request.ask("lenh"),
        labelled=request.say_or,
        verdicts=[x for x in incoming.document.signatures if x.n == n],
        shown=[x for x in incoming.document.files if answers.can_show(x.found_type)],
    )


async def show_packet(request: PageRequest) -> web.StreamResponse:
    """Show the beginning of one signed packet as text, and whether it is valid today."""
    incoming, packet, note = await _load_packet(request)
    title = request.say("incoming.packet.title", name=incoming.name)
    name = f"goi-tin {packet.packet_id}"
    return await content.packet_page(
        request, "incoming/packet.html", packet, note, name, title=title, found=incoming
    )


async def send_packet(request: PageRequest) -> web.StreamResponse:
    _, packet, note = await _load_packet(request)
    return await content.give_packet(request, packet, note, f"goi-tin {packet.packet_id}")


async def _load_packet(request: PageRequest) -> tuple[IncomingView, HeldPacket, Note]:
    incoming = await access.find(request)
    packet = await content.find_packet(request, incoming.main.id, request.path("digest"))
    return incoming, packet, partial(access.note_read, request, incoming)


async def send_evidence(request: PageRequest) -> web.StreamResponse:
    incoming = await access.find(request)
    return await content.give_pack(
        request, incoming.main.id, partial(access.note_read, request, incoming), "chung-cu"
    )


async def send_proof(request: PageRequest) -> web.StreamResponse:
    return await content.give_proof(request, (await access.find(request)).main.id)


def _file_number(request: PageRequest) -> int:
    n = request.path("n")
    if len(n) > 5:
        raise NotFound(f"there is no file {n[:20]!r}")
    return int(n)


async def by_order(request: PageRequest, incoming: IncomingView) -> IncomingView:
    """Apply `seen.by_order` with the file that the page shows."""
    services = _services(request, incoming)
    item = content.chosen_file(request, services)
    incoming = await access.by_order(request, incoming, item.name if item is not None else "")
    if item is not None and incoming.content and incoming.manner is Manner.ORDER:
        request.deps.looking.note(content.reader_of(request, services, item.n))
    return incoming


async def make_preview(request: PageRequest, incoming: IncomingView, path: str = "") -> FilePreview | None:
    """Make the preview for the page at that address, else for the document's own; None for a person who may not read it,
    and where there is no file."""
    if not incoming.content or not incoming.main.is_readable:
        return None
    previewer = _services(request, incoming)
    return await content.make_preview(request, replace(previewer, path=path) if path else previewer)


async def send_page(request: PageRequest) -> web.StreamResponse:
    incoming = await access.find(request)
    _refuse_unreadable(incoming)
    return await content.send_picture(request, _services(request, incoming))


def _refuse_unreadable(incoming: IncomingView) -> None:
    refuse_destroyed(incoming.main)
    if not incoming.main.is_readable:
        raise Clash(f"the files of {incoming.main.id} cannot be read", code="GW-UNREADABLE")


def _services(request: PageRequest, incoming: IncomingView) -> Previewer:
    document = incoming.main
    return Previewer(
        id=document.id,
        path=incoming.path,
        base=incoming.path,
        view="xem/{n}",
        files=request.deps.looking.files(document),
        note=partial(access.note_read, request, incoming),
        faults=_FAULTS,
    )
