"""One outgoing document: what it is, its files and signatures on the left; on the right each recipient with its own
timeline, and everything that can be done. In: its address. Out: the page, or the region of recipients alone; content handed
to a person: a file to keep or to look at, the signed packets behind its timeline with what their signatures are worth, the
evidence pack, as bytes that no browser runs or guesses at; and the dispatch slip, one sheet for print, black on white. Each
look at content is written down first, and whoever looks by order names its number. Its files stand before whoever works on
it; which acts stand as buttons on it, two at most, what is needed now before what may be wanted; and one page that names
what can be wrong with a document as a clerk knows it, says what each cure does, and leads to its form."""

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
from gateway.domain.status import SILENT, TAKEN, document_word
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Manner, Right
from gateway.office.web import dates, door
from gateway.office.web.listing import list_rows
from gateway.office.web.pages import content, lists
from gateway.office.web.pages.content import Leaf, LeafDesk
from gateway.office.web.pages.outgoing import acts, seen
from gateway.office.web.pages.outgoing.seen import DocumentAct, SeenOutgoing
from gateway.office.web.visits import Visit, merged, where
from gateway.ops.evidence.contents import HeldPacket
from gateway.outgoing import files
from gateway.words import labels

# With more recipients only the timeline that is asked for is written into the page.
_MOST_OPEN = 60


async def document_shown(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    document, code = found.document, found.document.draft.code or visit.say("outgoing.no_number")
    if document.kind.asks and document.parent_id is not None:
        return visit.go(f"/van-ban-di/{document.parent_id}")
    now = visit.deps.clock.now()
    every = seen.recipient_rows(found, now, visit.lang)
    chosen, word, quiet_only = _chosen_rows(visit, every)
    came_from = merged({"ds": visit.ask("ds")})
    region = {
        "found": found,
        "every": len(every),
        "rows": chosen,
        "counts": Counter(each.word for each in every),
        "silent": sum(each.word in SILENT for each in every),
        "late": sum(each.late for each in every),
        "taken": sum(each.word in TAKEN for each in every),
        "recalled": sum(each.way is not None and each.way.given_back_at is not None for each in every),
        "word": word,
        "quiet_only": quiet_only,
        "opened": visit.ask("mo"),
        "lazy": len(every) > _MOST_OPEN,
        # Timelines are read beside those of others.
        "seconds": lambda at: dates.clock_text(at, now, "%H:%M:%S"),
        "labelled": visit.say_or,
        # The same page with another choice of recipients, still in the list that it was opened from.
        "link": lambda **query: where(found.path, **query, **came_from),
        "may_read": visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN, Manner.ORDER)
        and not document.is_sealed,
    }
    if visit.is_piece:
        return visit.piece("outgoing/_recipients.html", **region)
    offers = seen.acts_of(found, now, lambda right, manners: visit.may(right, *manners))
    undo, writes = _may_undo(visit, document), document.state is OutState.DRAFT and bool(offers)
    state = document_word(document.state, [each.word for each in every])
    return await visit.page(
        "outgoing/detail.html",
        title=f"{state_word(state, visit.lang)} – {visit.say('outgoing.title', code=code)}",
        state=state,
        heading=visit.say("outgoing.title", code=code),
        code=code,
        offered=offered(found, offers, undo + writes),
        writes=writes,
        stages=picture([each.way for each in every if each.way is not None]),
        sender=(await seen.names_told(visit, [document.accepted_by]))[document.accepted_by],
        own=visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN),
        audits=visit.may(Right.AUDIT),
        undo=undo,
        recall_ask=await acts.latest_asked(visit, found),
        replaced_by=[each for each in found.children if each.kind is Kind.REPLACEMENT],
        changes=[each for each in found.children if each.kind.asks],
        others=await _states_elsewhere(visit, found),
        answers_to=await _answers_to(visit, document),
        answered=await _answered(visit, found),
        # The whole address, to be sent to a colleague.
        address=f"{'https' if door.is_secure(visit.request) else 'http'}://{visit.request.host}{found.path}",
        beside=await lists.neighbours_of(visit, Side.OUT, document.id),
        tags=await list_rows.tags_on_page(visit, Side.OUT, document.id),
        **region,
    )


async def document_by_id(visit: Visit) -> web.StreamResponse:
    """Old bookmarks: any document by its id alone."""
    id = visit.path("id")
    return visit.go(f"/van-ban-den/{id}" if id.startswith("inb_") else f"/van-ban-di/{id}")


def _chosen_rows(
    visit: Visit, every: Sequence[seen.RecipientRow]
) -> tuple[list[seen.RecipientRow], str, bool]:
    word, quiet_only = visit.ask("trang-thai"), visit.ask("chua") == "1"
    if quiet_only:
        return [each for each in every if each.word in SILENT], "", True
    if any(each.word == word for each in every):
        return [each for each in every if each.word == word], word, False
    return list(every), "", False


def _may_undo(visit: Visit, document: OutgoingDocument) -> bool:
    """While it waits for its sender to think again."""
    leaves_at = document.leaves_at
    waits = document.state is OutState.QUEUED and leaves_at is not None and leaves_at > visit.deps.clock.now()
    return waits and visit.may(Right.ISSUE, Manner.YES) and not document.is_sealed


async def _states_elsewhere(visit: Visit, found: SeenOutgoing) -> Mapping[str, str]:
    """Of the same document sent at other times, the word that stands for it."""
    if not found.others:
        return {}
    async with visit.deps.store.read(visit.scope()) as work:
        sent = await work.deliveries.of_many([each.id for each in found.others])
    states = {id: [each.state for each in deliveries] for id, deliveries in sent.items()}
    return {each.id: document_word(each.state, states.get(each.id, ())) for each in found.others}


async def _answers_to(visit: Visit, document: OutgoingDocument) -> list[tuple[ReplyLink, str, bool]]:
    """What it answers, each with our page of it, empty where we have none, and whether it is our own."""
    made = []
    async with visit.deps.store.read(visit.scope()) as work:
        for link in document.draft.replies_to:
            own = link.agency.casefold() == visit.here.code.casefold()
            known: Sequence[IncomingDocument | OutgoingDocument] = ()
            if link.document_id is not None and own:
                known = await work.outgoing.by_document_id(link.document_id)
            elif link.document_id is not None:
                known = await work.incoming.by_document_id(link.agency, link.document_id)
            place = "van-ban-di" if own else "van-ban-den"
            made.append((link, f"/{place}/{known[0].id}" if known else "", own))
    return made


async def _answered(visit: Visit, found: SeenOutgoing) -> list[IncomingDocument]:
    """What came in answer to it."""
    told = [str(each.data.get("by", "")) for each in found.events if each.kind is EventKind.INBOX_ANSWERED]
    async with visit.deps.store.read(visit.scope()) as work:
        return await content.present(work.incoming.get, filter(None, told))


async def packet_shown(visit: Visit) -> web.StreamResponse:
    """One signed packet: what was found when it was judged, and its text, never rendered."""
    found = await seen.find(visit)
    if (asks := await _order_first(visit, found)) is not None:
        return asks
    packet, note = await _packet(visit, found), partial(seen.note_read, visit, found.document)
    title = visit.say("outgoing.packet", packet=packet.packet_id)
    name = f"{packet.packet_id}.edxml"
    return await content.packet_page(
        visit, "outgoing/packet.html", packet, note, name, title=title, found=found
    )


async def packet_kept(visit: Visit) -> web.StreamResponse:
    """The same packet byte for byte, as a download."""
    found = await seen.find(visit)
    if (asks := await _order_first(visit, found)) is not None:
        return asks
    packet, note = await _packet(visit, found), partial(seen.note_read, visit, found.document)
    return await content.give_packet(visit, packet, note, f"{packet.packet_id}.edxml")


async def _packet(visit: Visit, found: SeenOutgoing) -> HeldPacket:
    digest, to = visit.path("digest"), visit.ask("noi-nhan")
    return await content.find_packet(visit, found.document.id, digest, to)


async def evidence_given(visit: Visit) -> web.StreamResponse:
    document = (await seen.find(visit)).document
    return await content.give_pack(
        visit, document.id, partial(seen.note_read, visit, document), "evidence.zip"
    )


async def file_given(visit: Visit, *, inline: bool = False) -> web.StreamResponse:
    """The file as it was handed in, as a download; `inline` shows a PDF in the browser's own reader, and whatever is none
    by its content is a download still."""
    found = await seen.find(visit)
    n = int(visit.path("n"))
    item = next((each for each in found.document.files if each.n == n), None)
    if item is None:
        raise NotFound(f"{found.document.id} has no file {n}")
    if (asks := await _order_first(visit, found)) is not None:
        return asks
    await seen.note_read(visit, found.document, item.name)
    opened = await files.open_file(visit.deps.out, visit.scope(), found.document.id, n)
    return await content.give_opened(visit, opened, opened.content_type, inline=inline)


async def _order_first(visit: Visit, found: SeenOutgoing) -> web.StreamResponse | None:
    """The page that asks whoever looks by order for its number."""
    if found.manner is not Manner.ORDER or visit.ask("lenh"):
        return None
    return await visit.page(
        "outgoing/order.html",
        title=visit.say("outgoing.order.title"),
        found=found,
        kept={name: value for name, value in visit.request.query.items() if name not in ("lenh", "told")},
    )


async def slip_printed(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    if why := seen.no_slip(found):
        return await acts.refused(visit, found, "slip", why)
    today = local(visit.deps.clock.now())
    return await visit.page(
        "outgoing/slip.html",
        title=visit.say("outgoing.slip"),
        vi=labels.say,
        found=found,
        place=found.document.draft.place or "",
        day=f"{today:%d}",
        month=f"{today:%m}" if today.month < 3 else str(today.month),
        year=today.year,
        deliveries=found.deliveries,
    )


async def leaf_of(visit: Visit, document: OutgoingDocument, path: str) -> Leaf | None:
    """As the page at that address shows it; None where there is nothing to see. Who calls has asked the right."""
    return None if document.is_sealed else await content.leaf_of(visit, _desk(visit, document, path))


async def page_given(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    files.refuse_sealed(found.document)
    return await content.picture_given(visit, _desk(visit, found.document, found.path))


def _desk(visit: Visit, document: OutgoingDocument, path: str) -> LeafDesk:
    return LeafDesk(
        id=document.id,
        path=path,
        base=f"/van-ban-di/{document.id}",
        view="tep/{n}/xem",
        files=visit.deps.looking.files(document),
        note=partial(seen.note_read, visit, document),
    )


MOST_BUTTONS = 2
_WANTED = ("fix", "slip", "further")


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """`needed`: the first button does what the document waits for."""

    buttons: tuple[DocumentAct, ...]
    rest: tuple[DocumentAct, ...]
    needed: bool


def offered(found: SeenOutgoing, offers: Sequence[DocumentAct], taken: int) -> Offered:
    """`taken` buttons stand there already: to call it back, to open the draft."""
    can = {each.key: each for each in offers if not each.why}
    failed = any(each.state == "failed" for each in found.deliveries)
    # What somebody waits for, the worst first.
    awaited = ("anew", *(("resend",) if failed else ()), "urge")
    if found.document.state in (OutState.DRAFT, OutState.BLOCKED):
        awaited = ("discard", "cancel")
    needed = [key for key in awaited if key in can]
    order = [*needed, *(key for key in _WANTED if key in can)]
    buttons = tuple(can[key] for key in order[: max(0, MOST_BUTTONS - taken)])
    rest = [each for each in offers if each not in buttons]
    rest.sort(key=lambda each: bool(each.why))
    return Offered(buttons=buttons, rest=tuple(rest), needed=bool(needed) and not taken)


async def choosing(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    return await visit.page(
        "outgoing/fix.html",
        title=seen.heading(visit, "outgoing.act.fix"),
        found=found,
        fixes=seen.fixes_of(found),
    )
