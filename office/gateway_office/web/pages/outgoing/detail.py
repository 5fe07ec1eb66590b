"""Page of one outgoing document: its data, files and signatures on the left; on the right each recipient with its own
timeline, and all acts. In: its address. Out: the page, or the region of recipients alone; content: a file to keep or to
view, the signed packets behind its timeline with the verdict on their signatures, the evidence pack, as bytes that no
browser runs or guesses at; and the dispatch slip, one sheet for print, black on white. Each reading of content is logged
first, and a person who reads by order gives its number. At most two acts stand as buttons, the needed before the optional;
and one page names the faults of a document as a clerk knows them, explains each cure, and leads to its form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from gateway.api.caller import origin
from gateway.document_view.facts import count_readings, state_word
from gateway.document_view.recipients import picture
from gateway.domain.agency_profile import letterhead_of
from gateway.domain.document import FileRole, IncomingDocument, Kind, OutgoingDocument, OutState, ReplyLink
from gateway.domain.event import EventKind
from gateway.domain.states import SILENT, TAKEN_IN, State
from gateway.domain.status import document_word
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.ops.evidence.contents import HeldPacket
from gateway.outgoing import files
from gateway.policy import timers
from gateway.stored_content import Door
from gateway.trust import qr
from gateway.words import labels
from gateway_office.domain.listing import Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.web import dates
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.listing import list_rows
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import content, issued, lists
from gateway_office.web.pages.content import FilePreview, Note, Previewer
from gateway_office.web.pages.outgoing import access, act_pages, recall_approval
from gateway_office.web.pages.outgoing.access import DocumentAct, OutgoingView

# With more recipients the page holds only the requested timeline.
_MOST_OPEN = 60
# With more recipients those who took it in are folded, so that the others are in sight.
_MOST_PLAIN = 20
MOST_BUTTONS = 2
_OPTIONAL = ("fix", "slip", "further")


async def show_document(request: PageRequest) -> web.StreamResponse:
    outgoing = await access.find(request)
    document, code = (outgoing.document, outgoing.document.draft.code or request.say("outgoing.no_number"))
    if document.kind.asks and document.parent_id is not None:
        return request.go(f"/van-ban-di/{document.parent_id}")
    now = request.deps.clock.now()
    rows = access.recipient_rows(outgoing, now, request.lang)
    region = _recipient_values(request, outgoing, rows)
    if request.is_piece and request.ask("vung"):
        return request.piece("outgoing/_recipients.html", **region)
    document_acts = access.acts_of(outgoing, now, lambda right, manners: request.may(right, *manners))
    undo = _may_undo(request, document)
    writes = document.state is OutState.DRAFT and request.can("compose_draft")
    state = document_word(document.state, [row.word for row in rows])
    return await request.page(
        "outgoing/detail.html",
        title=f"{state_word(state, request.lang)} – {request.say('outgoing.title', code=code)}",
        state=state,
        heading=request.say("outgoing.title", code=code),
        code=code,
        offered=choose(outgoing, document_acts, undo + writes),
        writes=writes,
        stages=picture([row.stages for row in rows if row.stages is not None]),
        sent_late=await _is_sent_late(request, document),
        sender=(await access.names_of_people(request, [document.accepted_by]))[document.accepted_by],
        own=request.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN),
        audits=request.may(Right.AUDIT),
        readings=count_readings(outgoing.events) if request.may(Right.AUDIT, Manner.YES) else None,
        undo=undo,
        recall_ask=await recall_approval.latest_request(request, outgoing),
        replaced_by=[child for child in outgoing.children if child.kind is Kind.REPLACEMENT],
        changes=[child for child in outgoing.children if child.kind.asks],
        others=await _namesake_states(request, outgoing),
        answers_to=await _answered_documents(request, document),
        answered=await _answers_received(request, outgoing),
        # The whole address, to be sent to a colleague.
        address=f"{origin(request.http)}{outgoing.path}",
        beside=None if request.is_piece else await lists.neighbours_of(request, Side.OUT, document.id),
        leaf=await make_preview(request, document, outgoing.path)
        if outgoing.content and document.state is not OutState.DRAFT
        else None,
        tags=await list_rows.tags_on_page(request, Side.OUT, document.id),
        **region,
    )


async def _is_sent_late(request: PageRequest, document: OutgoingDocument) -> bool:
    """Tell whether it left later after its signing than R45 allows (the next working morning)."""
    signed_at = document.draft.signed_at
    if signed_at is None or document.state is OutState.DRAFT:
        return False
    office = await request.deps.todo.office(request.scope().agency_id)
    return timers.is_sent_late(office, signed_at, document.created_at)


def _recipient_values(
    request: PageRequest, outgoing: OutgoingView, rows: Sequence[access.RecipientRow]
) -> dict[str, object]:
    """Make the values of the region of recipients, which a script swaps by itself."""
    now = request.deps.clock.now()
    chosen_rows, word, quiet_only = _chosen_rows(request, rows)
    list_query = merged({"ds": request.ask("ds")})
    is_long = len(chosen_rows) > _MOST_PLAIN and not word and not quiet_only
    fine_rows = [row for row in chosen_rows if is_long and _is_fine(row)]
    return {
        "found": outgoing,
        "every": len(rows),
        "rows": [row for row in chosen_rows if not is_long or not _is_fine(row)],
        "fine_rows": fine_rows,
        "fine_open": any(row.delivery.id == request.ask("mo") for row in fine_rows),
        "counts": Counter(row.word for row in rows),
        "silent": sum(row.word in SILENT for row in rows),
        "late": sum(row.late for row in rows),
        "taken": sum(row.word in TAKEN_IN for row in rows),
        "recalled": sum(row.stages is not None and row.stages.given_back_at is not None for row in rows),
        "word": word,
        "quiet_only": quiet_only,
        "opened": request.ask("mo"),
        "lazy": len(rows) > _MOST_OPEN,
        # Timelines are compared with those of others, to the second.
        "seconds": lambda at: dates.clock_text(at, now, "%H:%M:%S"),
        "labelled": request.say_or,
        # The same page with another choice of recipients, still in the list that it was opened from.
        "link": lambda **query: url_for(outgoing.path, vung="1", **query, **list_query),
        "may_read": request.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN, Manner.ORDER)
        and not outgoing.document.is_sealed,
    }


def _is_fine(row: access.RecipientRow) -> bool:
    return row.word in TAKEN_IN and not row.late


async def document_by_id(request: PageRequest) -> web.StreamResponse:
    """Redirect old bookmarks: any document by its id alone."""
    id = request.path("id")
    return request.go(f"/van-ban-den/{id}" if id.startswith("inb_") else f"/van-ban-di/{id}")


def _chosen_rows(
    request: PageRequest, rows: Sequence[access.RecipientRow]
) -> tuple[list[access.RecipientRow], str, bool]:
    word, quiet_only = request.ask("trang-thai"), request.ask("chua") == "1"
    if quiet_only:
        return [row for row in rows if row.word in SILENT], "", True
    if any(row.word == word for row in rows):
        return [row for row in rows if row.word == word], word, False
    return list(rows), "", False


def _may_undo(request: PageRequest, document: OutgoingDocument) -> bool:
    """Tell whether the sender may still call it back."""
    leaves_at = document.leaves_at
    waits = (
        document.state is OutState.QUEUED and leaves_at is not None and leaves_at > request.deps.clock.now()
    )
    return waits and request.may(Right.ISSUE, Manner.YES) and not document.is_sealed


async def _namesake_states(request: PageRequest, outgoing: OutgoingView) -> Mapping[str, str]:
    """Map the same document sent at other times to its state."""
    if not outgoing.namesakes:
        return {}
    async with request.deps.store.read(request.scope()) as work:
        deliveries_by_id = await work.deliveries.of_documents([d.id for d in outgoing.namesakes])
    states = {id: [d.state for d in deliveries] for id, deliveries in deliveries_by_id.items()}
    return {d.id: document_word(d.state, states.get(d.id, ())) for d in outgoing.namesakes}


async def _answered_documents(
    request: PageRequest, document: OutgoingDocument
) -> list[tuple[ReplyLink, str, bool]]:
    """List the documents it answers, each with our page of it, empty where we have none, and whether it is our own."""
    answered = []
    async with request.deps.store.read(request.scope()) as work:
        for link in document.draft.replies_to:
            own = link.agency.casefold() == request.own_agency.code.casefold()
            documents: Sequence[IncomingDocument | OutgoingDocument] = ()
            if link.document_id is not None and own:
                documents = await work.outgoing.by_document_id(link.document_id)
            elif link.document_id is not None:
                documents = await work.incoming.by_document_id(link.agency, link.document_id)
            place = "van-ban-di" if own else "van-ban-den"
            answered.append((link, f"/{place}/{documents[0].id}" if documents else "", own))
    return answered


async def _answers_received(request: PageRequest, outgoing: OutgoingView) -> list[IncomingDocument]:
    """List the documents that came in answer to it."""
    answer_ids = [
        str(event.data.get("by", "")) for event in outgoing.events if event.kind is EventKind.INBOX_ANSWERED
    ]
    async with request.deps.store.read(request.scope()) as work:
        return await content.load_present(work.incoming.get, filter(None, answer_ids))


async def show_packet(request: PageRequest) -> web.StreamResponse:
    """Show one signed packet: the findings of its checks, and its text, never rendered."""
    outgoing = await access.find(request)
    if (order_page := await _order_page(request, outgoing)) is not None:
        return order_page
    packet, note = await _load_packet(request, outgoing)
    title = request.say("outgoing.packet", packet=packet.packet_id)
    name = f"{packet.packet_id}.edxml"
    return await content.packet_page(
        request, "outgoing/packet.html", packet, note, name, title=title, found=outgoing
    )


async def send_packet(request: PageRequest) -> web.StreamResponse:
    """Send the same packet byte for byte, as a download."""
    outgoing = await access.find(request)
    if (order_page := await _order_page(request, outgoing)) is not None:
        return order_page
    packet, note = await _load_packet(request, outgoing)
    return await content.give_packet(request, packet, note, f"{packet.packet_id}.edxml")


async def _load_packet(request: PageRequest, outgoing: OutgoingView) -> tuple[HeldPacket, Note]:
    digest, to = request.path("digest"), request.ask("noi-nhan")
    packet = await content.find_packet(request, outgoing.document.id, digest, to)
    return packet, partial(access.note_read, request, outgoing.document)


async def send_evidence(request: PageRequest) -> web.StreamResponse:
    document = (await access.find(request)).document
    return await content.give_pack(
        request, document.id, partial(access.note_read, request, document), "evidence.zip"
    )


async def send_proof(request: PageRequest) -> web.StreamResponse:
    return await content.give_proof(request, (await access.find(request)).document.id)


async def send_file(request: PageRequest, *, inline: bool = False) -> web.StreamResponse:
    """Send the file as it was handed in, as a download; `inline` shows a PDF in the browser's own reader, other content is
    a download still."""
    outgoing = await access.find(request)
    n = int(request.path("n"))
    item = next((file for file in outgoing.document.files if file.n == n), None)
    if item is None:
        raise NotFound(f"{outgoing.document.id} has no file {n}")
    if (order_page := await _order_page(request, outgoing)) is not None:
        return order_page
    await access.note_read(request, outgoing.document, item.name)
    opened = await files.open_file(*request.outgoing, outgoing.document.id, n, Door.PAGES)
    return await content.send_opened(request, opened, opened.content_type, inline=inline)


async def _order_page(request: PageRequest, outgoing: OutgoingView) -> web.StreamResponse | None:
    """Ask a person who reads by order for its number."""
    if outgoing.manner is not Manner.ORDER or request.ask("lenh"):
        return None
    return await request.page(
        "outgoing/order.html",
        title=request.say("outgoing.order.title"),
        found=outgoing,
        kept={name: value for name, value in request.http.query.items() if name not in ("lenh", "told")},
    )


async def print_slip(request: PageRequest) -> web.StreamResponse:
    outgoing = await access.find(request)
    if objection := access.no_slip(outgoing):
        return await act_pages.show_refusal(request, outgoing, "slip", objection)
    today = local(request.deps.clock.now())
    lead = next((file.sha256 for file in outgoing.document.files if file.role is FileRole.LEAD), None)
    letterhead = letterhead_of(*await request.deps.store.accounts.with_profile(request.own_agency.id))
    return await request.page(
        "outgoing/slip.html",
        title=request.say("outgoing.slip"),
        vi=labels.say,
        found=outgoing,
        emblem=letterhead.emblem,
        place=outgoing.document.draft.place or "",
        day=f"{today:%d}",
        month=f"{today:%m}" if today.month < 3 else str(today.month),
        year=today.year,
        deliveries=outgoing.deliveries,
        proof=await request.deps.evidence.drawn_proof(request.scope(), outgoing.document.id),
        link=qr.path(issued.link_of(request, lead), on_paper=True) if lead else None,
    )


async def make_preview(request: PageRequest, document: OutgoingDocument, path: str) -> FilePreview | None:
    """Make the preview for the page at that address; None where there is no file to see. The caller has checked the
    right."""
    return (
        None
        if document.is_sealed or document.destroyed
        else await content.make_preview(request, _services(request, document, path))
    )


async def send_page(request: PageRequest) -> web.StreamResponse:
    outgoing = await access.find(request)
    files.refuse_sealed(outgoing.document)
    return await content.send_picture(request, _services(request, outgoing.document, outgoing.path))


def _services(request: PageRequest, document: OutgoingDocument, path: str) -> Previewer:
    return Previewer(
        id=document.id,
        path=path,
        base=f"/van-ban-di/{document.id}",
        view="tep/{n}/xem",
        files=request.deps.looking.files(document),
        note=partial(access.note_read, request, document),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Acts as the page offers them. `needed`: the first button does what the document waits for."""

    buttons: tuple[DocumentAct, ...]
    more_acts: tuple[DocumentAct, ...]
    needed: bool


def choose(outgoing: OutgoingView, document_acts: Sequence[DocumentAct], shown_buttons: int) -> Offered:
    """Choose the buttons; `shown_buttons` of them stand there already: to call it back, to open the draft."""
    possible = {act.key: act for act in document_acts if not act.why}
    failed = any(act.state == State.FAILED for act in outgoing.deliveries)
    # Acts that the document waits for, the worst case first.
    awaited = ("anew", *(("resend",) if failed else ()), "urge")
    if outgoing.document.state in (OutState.DRAFT, OutState.BLOCKED):
        awaited = ("discard", "cancel")
    needed = [key for key in awaited if key in possible]
    order = [*needed, *(key for key in _OPTIONAL if key in possible)]
    buttons = tuple(possible[key] for key in order[: max(0, MOST_BUTTONS - shown_buttons)])
    more_acts = [act for act in document_acts if act not in buttons]
    more_acts.sort(key=lambda act: bool(act.why))
    return Offered(buttons=buttons, more_acts=tuple(more_acts), needed=bool(needed) and not shown_buttons)


async def choose_fix(request: PageRequest) -> web.StreamResponse:
    outgoing = await access.find(request)
    return await request.page(
        "outgoing/fix.html",
        title=access.heading(request, "outgoing.act.fix"),
        found=outgoing,
        fixes=access.fixes_of(outgoing),
    )
