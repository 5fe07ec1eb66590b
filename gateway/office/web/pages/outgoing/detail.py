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

from gateway.document_view.facts import state_word
from gateway.document_view.recipients import picture
from gateway.domain.document import IncomingDocument, Kind, OutgoingDocument, OutState, ReplyLink
from gateway.domain.event import EventKind
from gateway.domain.status import SILENT, TAKEN_IN, document_word
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Manner, Right
from gateway.office.web import dates, door
from gateway.office.web.listing import list_rows
from gateway.office.web.pages import content, lists
from gateway.office.web.pages.content import FilePreview, Previewer
from gateway.office.web.pages.outgoing import acts, seen
from gateway.office.web.pages.outgoing.seen import DocumentAct, OutgoingView
from gateway.office.web.visits import Visit, merged, url_for
from gateway.ops.evidence.contents import HeldPacket
from gateway.outgoing import files
from gateway.words import labels

# With more recipients the page holds only the requested timeline.
_MOST_OPEN = 60


async def show_document(visit: Visit) -> web.StreamResponse:
    outgoing = await seen.find(visit)
    document, code = (outgoing.document, outgoing.document.draft.code or visit.say("outgoing.no_number"))
    if document.kind.asks and document.parent_id is not None:
        return visit.go(f"/van-ban-di/{document.parent_id}")
    now = visit.deps.clock.now()
    rows = seen.recipient_rows(outgoing, now, visit.lang)
    chosen_rows, word, quiet_only = _chosen_rows(visit, rows)
    list_query = merged({"ds": visit.ask("ds")})
    region = {
        "found": outgoing,
        "every": len(rows),
        "rows": chosen_rows,
        "counts": Counter(row.word for row in rows),
        "silent": sum(row.word in SILENT for row in rows),
        "late": sum(row.late for row in rows),
        "taken": sum(row.word in TAKEN_IN for row in rows),
        "recalled": sum(row.stages is not None and row.stages.given_back_at is not None for row in rows),
        "word": word,
        "quiet_only": quiet_only,
        "opened": visit.ask("mo"),
        "lazy": len(rows) > _MOST_OPEN,
        # Timelines are compared with those of others, to the second.
        "seconds": lambda at: dates.clock_text(at, now, "%H:%M:%S"),
        "labelled": visit.say_or,
        # The same page with another choice of recipients, still in the list that it was opened from.
        "link": lambda **query: url_for(outgoing.path, **query, **list_query),
        "may_read": visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN, Manner.ORDER)
        and not document.is_sealed,
    }
    if visit.is_piece:
        return visit.piece("outgoing/_recipients.html", **region)
    document_acts = seen.acts_of(outgoing, now, lambda right, manners: visit.may(right, *manners))
    undo, writes = _may_undo(visit, document), document.state is OutState.DRAFT and bool(document_acts)
    state = document_word(document.state, [row.word for row in rows])
    return await visit.page(
        "outgoing/detail.html",
        title=f"{state_word(state, visit.lang)} – {visit.say('outgoing.title', code=code)}",
        state=state,
        heading=visit.say("outgoing.title", code=code),
        code=code,
        offered=choose(outgoing, document_acts, undo + writes),
        writes=writes,
        stages=picture([row.stages for row in rows if row.stages is not None]),
        sender=(await seen.names_of_people(visit, [document.accepted_by]))[document.accepted_by],
        own=visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN),
        audits=visit.may(Right.AUDIT),
        undo=undo,
        recall_ask=await acts.latest_request(visit, outgoing),
        replaced_by=[child for child in outgoing.children if child.kind is Kind.REPLACEMENT],
        changes=[child for child in outgoing.children if child.kind.asks],
        others=await _namesake_states(visit, outgoing),
        answers_to=await _answered_documents(visit, document),
        answered=await _answers_received(visit, outgoing),
        # The whole address, to be sent to a colleague.
        address=f"{'https' if door.is_secure(visit.request) else 'http'}://{visit.request.host}{outgoing.path}",
        beside=await lists.neighbours_of(visit, Side.OUT, document.id),
        tags=await list_rows.tags_on_page(visit, Side.OUT, document.id),
        **region,
    )


async def document_by_id(visit: Visit) -> web.StreamResponse:
    """Redirect old bookmarks: any document by its id alone."""
    id = visit.path("id")
    return visit.go(f"/van-ban-den/{id}" if id.startswith("inb_") else f"/van-ban-di/{id}")


def _chosen_rows(
    visit: Visit, rows: Sequence[seen.RecipientRow]
) -> tuple[list[seen.RecipientRow], str, bool]:
    word, quiet_only = visit.ask("trang-thai"), visit.ask("chua") == "1"
    if quiet_only:
        return [row for row in rows if row.word in SILENT], "", True
    if any(row.word == word for row in rows):
        return [row for row in rows if row.word == word], word, False
    return list(rows), "", False


def _may_undo(visit: Visit, document: OutgoingDocument) -> bool:
    """Tell whether the sender may still call it back."""
    leaves_at = document.leaves_at
    waits = document.state is OutState.QUEUED and leaves_at is not None and leaves_at > visit.deps.clock.now()
    return waits and visit.may(Right.ISSUE, Manner.YES) and not document.is_sealed


async def _namesake_states(visit: Visit, outgoing: OutgoingView) -> Mapping[str, str]:
    """Map the same document sent at other times to its state."""
    if not outgoing.namesakes:
        return {}
    async with visit.deps.store.read(visit.scope()) as work:
        deliveries_by_id = await work.deliveries.of_many([d.id for d in outgoing.namesakes])
    states = {id: [d.state for d in deliveries] for id, deliveries in deliveries_by_id.items()}
    return {d.id: document_word(d.state, states.get(d.id, ())) for d in outgoing.namesakes}


async def _answered_documents(visit: Visit, document: OutgoingDocument) -> list[tuple[ReplyLink, str, bool]]:
    """List the documents it answers, each with our page of it, empty where we have none, and whether it is our own."""
    answered = []
    async with visit.deps.store.read(visit.scope()) as work:
        for link in document.draft.replies_to:
            own = link.agency.casefold() == visit.own_agency.code.casefold()
            documents: Sequence[IncomingDocument | OutgoingDocument] = ()
            if link.document_id is not None and own:
                documents = await work.outgoing.by_document_id(link.document_id)
            elif link.document_id is not None:
                documents = await work.incoming.by_document_id(link.agency, link.document_id)
            place = "van-ban-di" if own else "van-ban-den"
            answered.append((link, f"/{place}/{documents[0].id}" if documents else "", own))
    return answered


async def _answers_received(visit: Visit, outgoing: OutgoingView) -> list[IncomingDocument]:
    """List the documents that came in answer to it."""
    answer_ids = [
        str(event.data.get("by", "")) for event in outgoing.events if event.kind is EventKind.INBOX_ANSWERED
    ]
    async with visit.deps.store.read(visit.scope()) as work:
        return await content.load_present(work.incoming.get, filter(None, answer_ids))


async def show_packet(visit: Visit) -> web.StreamResponse:
    """Show one signed packet: the findings of its checks, and its text, never rendered."""
    outgoing = await seen.find(visit)
    if (order_page := await _order_page(visit, outgoing)) is not None:
        return order_page
    packet, note = (await _load_packet(visit, outgoing), partial(seen.note_read, visit, outgoing.document))
    title = visit.say("outgoing.packet", packet=packet.packet_id)
    name = f"{packet.packet_id}.edxml"
    return await content.packet_page(
        visit, "outgoing/packet.html", packet, note, name, title=title, found=outgoing
    )


async def send_packet(visit: Visit) -> web.StreamResponse:
    """Send the same packet byte for byte, as a download."""
    outgoing = await seen.find(visit)
    if (order_page := await _order_page(visit, outgoing)) is not None:
        return order_page
    packet, note = (await _load_packet(visit, outgoing), partial(seen.note_read, visit, outgoing.document))
    return await content.give_packet(visit, packet, note, f"{packet.packet_id}.edxml")


async def _load_packet(visit: Visit, outgoing: OutgoingView) -> HeldPacket:
    digest, to = visit.path("digest"), visit.ask("noi-nhan")
    return await content.find_packet(visit, outgoing.document.id, digest, to)


async def send_evidence(visit: Visit) -> web.StreamResponse:
    document = (await seen.find(visit)).document
    return await content.give_pack(
        visit, document.id, partial(seen.note_read, visit, document), "evidence.zip"
    )


async def send_file(visit: Visit, *, inline: bool = False) -> web.StreamResponse:
    """Send the file as it was handed in, as a download; `inline` shows a PDF in the browser's own reader, other content is
    a download still."""
    outgoing = await seen.find(visit)
    n = int(visit.path("n"))
    item = next((file for file in outgoing.document.files if file.n == n), None)
    if item is None:
        raise NotFound(f"{outgoing.document.id} has no file {n}")
    if (order_page := await _order_page(visit, outgoing)) is not None:
        return order_page
    await seen.note_read(visit, outgoing.document, item.name)
    opened = await files.open_file(visit.deps.out, visit.scope(), outgoing.document.id, n)
    return await content.send_opened(visit, opened, opened.content_type, inline=inline)


async def _order_page(visit: Visit, outgoing: OutgoingView) -> web.StreamResponse | None:
    """Ask a person who reads by order for its number."""
    if outgoing.manner is not Manner.ORDER or visit.ask("lenh"):
        return None
    return await visit.page(
        "outgoing/order.html",
        title=visit.say("outgoing.order.title"),
        found=outgoing,
        kept={name: value for name, value in visit.request.query.items() if name not in ("lenh", "told")},
    )


async def print_slip(visit: Visit) -> web.StreamResponse:
    outgoing = await seen.find(visit)
    if objection := seen.no_slip(outgoing):
        return await acts.show_refusal(visit, outgoing, "slip", objection)
    today = local(visit.deps.clock.now())
    return await visit.page(
        "outgoing/slip.html",
        title=visit.say("outgoing.slip"),
        vi=labels.say,
        found=outgoing,
        place=outgoing.document.draft.place or "",
        day=f"{today:%d}",
        month=f"{today:%m}" if today.month < 3 else str(today.month),
        year=today.year,
        deliveries=outgoing.deliveries,
    )


async def make_preview(visit: Visit, document: OutgoingDocument, path: str) -> FilePreview | None:
    """Make the preview for the page at that address; None where there is no file to see. The caller has checked the
    right."""
    return None if document.is_sealed else await content.make_preview(visit, _desk(visit, document, path))


async def send_page(visit: Visit) -> web.StreamResponse:
    outgoing = await seen.find(visit)
    files.refuse_sealed(outgoing.document)
    return await content.send_picture(visit, _desk(visit, outgoing.document, outgoing.path))


def _desk(visit: Visit, document: OutgoingDocument, path: str) -> Previewer:
    return Previewer(
        id=document.id,
        path=path,
        base=f"/van-ban-di/{document.id}",
        view="tep/{n}/xem",
        files=visit.deps.looking.files(document),
        note=partial(seen.note_read, visit, document),
    )


MOST_BUTTONS = 2
_OPTIONAL = ("fix", "slip", "further")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """Acts as the page offers them. `needed`: the first button does what the document waits for."""

    buttons: tuple[DocumentAct, ...]
    more_acts: tuple[DocumentAct, ...]
    needed: bool


def choose(outgoing: OutgoingView, document_acts: Sequence[DocumentAct], shown_buttons: int) -> Offered:
    """Choose the buttons; `shown_buttons` of them stand there already: to call it back, to open the draft."""
    possible = {act.key: act for act in document_acts if not act.why}
    failed = any(act.state == "failed" for act in outgoing.deliveries)
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


async def choose_fix(visit: Visit) -> web.StreamResponse:
    outgoing = await seen.find(visit)
    return await visit.page(
        "outgoing/fix.html",
        title=seen.heading(visit, "outgoing.act.fix"),
        found=outgoing,
        fixes=seen.fixes_of(outgoing),
    )
