"""One outgoing document: what it is, its files and signatures on the left; on the right each recipient with its own
timeline, and everything that can be done. In: its address. Out: the page, or the region of recipients alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from gateway.domain.document import IncomingDocument, Kind, OutgoingDocument, OutState, ReplyLink
from gateway.domain.event import EventKind
from gateway.errors import NotFound
from gateway.office.domain.listing import TAKEN, Side
from gateway.office.domain.right import Manner, Right
from gateway.office.web import moments
from gateway.office.web.listing import neighbours, tags
from gateway.office.web.pages.outgoing import acts, recall_step, rows, seen
from gateway.office.web.pages.outgoing.seen import Found
from gateway.office.web.visit import Visit, where

# With more recipients only the timeline that is asked for is written into the page.
_MOST_OPEN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A document that this one answers, or of `own` ones corrects; `path` is empty where we do not have it."""

    link: ReplyLink
    path: str
    own: bool = False


async def shown(visit: Visit) -> web.StreamResponse:
    found = await seen.find(visit)
    document = found.document
    if document.kind in (Kind.RECALL, Kind.UPDATE) and document.parent_id is not None:
        return visit.go(f"/van-ban-di/{document.parent_id}")
    now = visit.deps.clock.now()
    every = rows.rows(found, now, visit.lang)
    chosen, word, quiet_only = _chosen(visit, every)
    region = {
        "found": found,
        "every": len(every),
        "rows": chosen,
        "counts": rows.counts(every),
        "silent": rows.silent(every),
        "late": sum(each.late for each in every),
        "taken": sum(each.word in TAKEN for each in every),
        "word": word,
        "quiet_only": quiet_only,
        "opened": visit.ask("mo"),
        "lazy": len(every) > _MOST_OPEN,
        "seconds": lambda at: moments.seconds(at, now),
        "labelled": visit.say_or,
        "link": _link(visit, found),
        "may_read": visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN, Manner.ORDER)
        and not document.is_sealed,
    }
    if visit.is_piece:
        return visit.piece("outgoing/_recipients.html", **region)
    return await visit.page(
        "outgoing/detail.html",
        title=f"{_word(visit, found)} – {_title(visit, document)}",
        heading=_title(visit, document),
        code=_code(visit, document),
        acts=acts.acts(found, now, lambda right, manners: visit.may(right, *manners)),
        sender=(await seen.names(visit, [document.accepted_by]))[document.accepted_by],
        own=visit.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN),
        audits=visit.may(Right.AUDIT),
        undo=_may_undo(visit, document, found),
        recall_ask=await recall_step.latest(visit, found),
        replaced_by=[each for each in found.children if each.kind is Kind.REPLACEMENT],
        changes=[each for each in found.children if each.kind in (Kind.RECALL, Kind.UPDATE)],
        others=await _states(visit, found),
        answers_to=await _answers_to(visit, document),
        answered=await _answered(visit, found),
        address=_address(visit, found),
        beside=await neighbours.of(visit, Side.OUT, document.id),
        tags=await tags.of_page(visit, Side.OUT, document.id),
        **region,
    )


async def by_id(visit: Visit) -> web.StreamResponse:
    """Old bookmarks: any document by its id alone."""
    id = visit.path("id")
    return visit.go(f"/van-ban-den/{id}" if id.startswith("inb_") else f"/van-ban-di/{id}")


def _word(visit: Visit, found: Found) -> str:
    """The one word that its list shows."""
    state = found.line.state if found.line is not None else found.document.state
    return visit.say(f"state.{state}", code="")


def _title(visit: Visit, document: OutgoingDocument) -> str:
    return visit.say("outgoing.title", code=_code(visit, document))


def _code(visit: Visit, document: OutgoingDocument) -> str:
    draft = document.draft
    return draft.code if draft.number or draft.symbol else visit.say("outgoing.no_number")


def _chosen(visit: Visit, every: Sequence[rows.Row]) -> tuple[list[rows.Row], str, bool]:
    word, quiet_only = visit.ask("trang-thai"), visit.ask("chua") == "1"
    if quiet_only:
        return [each for each in every if each.word in rows.SILENT], "", True
    if any(each.word == word for each in every):
        return [each for each in every if each.word == word], word, False
    return list(every), "", False


def _may_undo(visit: Visit, document: OutgoingDocument, found: Found) -> bool:
    """While it waits for its sender to think again."""
    leaves_at = document.leaves_at
    waits = document.state is OutState.QUEUED and leaves_at is not None and leaves_at > visit.deps.clock.now()
    return waits and visit.may(Right.ISSUE, Manner.YES) and not found.document.is_sealed


async def _states(visit: Visit, found: Found) -> Mapping[str, str]:
    """Of the same document sent at other times, the word that its list shows."""
    async with visit.deps.store.read(visit.scope()) as work:
        lines = {each.id: await work.office.lists.line(each.id) for each in found.others}
    return {
        each.id: line.state if (line := lines[each.id]) is not None else each.state for each in found.others
    }


async def _answers_to(visit: Visit, document: OutgoingDocument) -> list[Answered]:
    """What it answers, each with our own page of it."""
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
            made.append(Answered(link=link, path=f"/{place}/{known[0].id}" if known else "", own=own))
    return made


async def _answered(visit: Visit, found: Found) -> list[IncomingDocument]:
    """What came in answer to it."""
    ids = [str(each.data.get("by", "")) for each in found.events if each.kind is EventKind.INBOX_ANSWERED]
    came = []
    async with visit.deps.store.read(visit.scope()) as work:
        for id in dict.fromkeys(each for each in ids if each):
            try:
                came.append(await work.incoming.get(id))
            except NotFound:
                continue
    return came


def _link(visit: Visit, found: Found) -> Callable[..., str]:
    """The same page with another choice of recipients, still in the list that it was opened from."""
    came_from = {"ds": visit.ask("ds")} if visit.ask("ds") else {}
    return lambda **query: where(found.path, **query, **came_from)


def _address(visit: Visit, found: Found) -> str:
    """The whole address, to be sent to a colleague."""
    said = visit.request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip()
    scheme = "https" if visit.request.secure or said == "https" else "http"
    return f"{scheme}://{visit.request.host}{found.path}"
