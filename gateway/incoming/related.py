"""What documents here have to do with each other: other copies of one document, those that look alike (R117), the older
of two changes (A6), replacements and what they replace (interfaces.md 1.3), and which of ours a new one answers (R52,
R83). In: one document in its transaction. Out: the others, or the same marked and linked.
Two copies with two arrival numbers are two lines of a book about one document, so whoever enters the second is told
of the first. From the moment that a replacement is taken in, what it names shows as replaced, whichever came first;
one signed before another already taken in replaces nothing. A packet without a signed time cannot be told to be
older."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    PAPER_COPY,
    IncomingDocument,
    InState,
    OutgoingDocument,
    ReplyLink,
    Source,
)
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId
from gateway.domain.status import Fact, RequestKind, RequestState, Track, fold_incoming
from gateway.domain.text import number_word
from gateway.incoming import check, settle
from gateway.incoming.services import IncomingServices, is_ours

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_ENDED = (InState.REJECTED, InState.RECALLED, InState.REPLACED, InState.SEALED)
_NO_NUMBER = "–"


async def other_copies(work: SqlWork, document: IncomingDocument) -> list[IncomingDocument]:
    """The newest first. A document without number and day is like many others."""
    return copies_among(
        await work.incoming.numbered(document.number.strip(), document.symbol.strip()), document
    )


def copies_among(near: Sequence[IncomingDocument], document: IncomingDocument) -> list[IncomingDocument]:
    """The same, of what has its number and notation."""
    if not document.kind.is_whole or not document.number.strip():
        return []
    by_hand = document.source is not Source.AXIS
    found = _copies(near, document.issued_on, document.sender_code, by_hand=by_hand)
    return [each for each in found if each.id != document.id]


async def copies_like(
    work: SqlWork, number: str, symbol: str, issued_on: date | None, *, sender_code: str, by_hand: bool
) -> list[IncomingDocument]:
    """Those that came the other way. What a person typed may lack the sender's code; two codes that differ are two
    senders."""
    if not number.strip() or issued_on is None:
        return []
    near = await work.incoming.numbered(number.strip(), symbol.strip())
    return _copies(near, issued_on, sender_code, by_hand=by_hand)


def _copies(
    near: Sequence[IncomingDocument], issued_on: date | None, sender_code: str, *, by_hand: bool
) -> list[IncomingDocument]:
    same_day = [each for each in near if issued_on is not None and each.issued_on == issued_on]
    return [each for each in same_day if _is_other_copy(each, sender_code, by_hand=by_hand)]


def _is_other_copy(other: IncomingDocument, sender_code: str, *, by_hand: bool) -> bool:
    codes = {code.casefold() for code in (other.sender_code, sender_code.strip()) if code}
    came_the_other_way = (other.source is Source.AXIS) is by_hand
    return came_the_other_way and other.state not in _ENDED and len(codes) < 2


def copy_mark(name: str, twin: IncomingDocument) -> str:
    return f"{name}:{number_of_copy(twin)}"


def number_of_copy(twin: IncomingDocument) -> str:
    """Its arrival number; a dash while it has none."""
    return twin.register_no or _NO_NUMBER


def marks_with_copy(document: IncomingDocument, found: list[IncomingDocument]) -> tuple[str, ...]:
    """Of what came over the axis, with that of the newest copy on paper."""
    others = tuple(each for each in document.marks if not each.startswith(f"{PAPER_COPY}:"))
    return (*others, copy_mark(PAPER_COPY, found[0])) if found else document.marks


LEAD_AGAIN = "lead_again"


def marks_with_lead(document: IncomingDocument, found: Sequence[IncomingDocument]) -> tuple[str, ...]:
    """With the newest document of that sender, still in force, whose lead file came again under another number. What a
    replacement names may bear its file."""
    own = number_word(document.number, document.symbol)
    replaced = {named for named, _ in document.change.replaces} if document.change is not None else set()
    for other in found:
        is_other = number_word(other.number, other.symbol) != own and other.document_id not in replaced
        if is_other and other.kind.is_whole and other.state not in _ENDED:
            return (*document.marks, f"{LEAD_AGAIN}:{other.code or _NO_NUMBER}")
    return document.marks


_MOST_ALIKE = 5


async def look_alikes(work: SqlWork, document: IncomingDocument) -> list[IncomingDocument]:
    """A recall or an update is no second copy of what it is about."""
    if not document.kind.is_whole:
        return []
    found = {
        each.id: each
        for each in await work.incoming.by_document_id(document.sender_code, document.document_id)
        if each.kind.is_whole
    }
    if document.source is Source.AXIS and document.code:
        near = await work.incoming.numbered(document.number, document.symbol)
        same = [each for each in near if _is_same(each, document)]
        found = {each.id: each for each in same[:_MOST_ALIKE]} | found
    found |= {each.id: each for each in await other_copies(work, document)}
    return [each for id, each in found.items() if id != document.id and not _is_of_one_life(each, document)]


def _is_same(other: IncomingDocument, document: IncomingDocument) -> bool:
    """Of that sender, under that very number, on that day."""
    names = [
        (each.sender_code.casefold(), each.number, each.symbol, each.issued_on) for each in (other, document)
    ]
    return names[0] == names[1]


def _is_of_one_life(other: IncomingDocument, document: IncomingDocument) -> bool:
    """An attempt that was refused, and what was replaced, came before on purpose."""
    return other.state in _ENDED or document.id == other.replaced_by or other.arrived_at > document.arrived_at


STALE_MARK = "stale"
STALE_CODE = "MSG-STALE"


async def is_stale(work: SqlWork, target: IncomingDocument, change: IncomingDocument) -> bool:
    """Whether a change signed later than this one was applied before it."""
    return any(is_older(change, one) for one in await _applied(work, target) if one.id != change.id)


def is_older(change: IncomingDocument, applied: IncomingDocument) -> bool:
    """By their signed times; where one has none, it cannot be told."""
    signed, other = _signed_at(change), _signed_at(applied)
    return signed is not None and other is not None and signed < other


async def _applied(work: SqlWork, target: IncomingDocument) -> list[IncomingDocument]:
    """The updates agreed to, and the replacement taken in."""
    changes = [await work.incoming.get(target.replaced_by)] if target.replaced_by else []
    for request in fold_incoming(await work.facts.of(target.id)).requests:
        if request.kind is RequestKind.UPDATE and request.state is RequestState.AGREED:
            identity = await work.identities.by_packet(target.sender_code, request.request_id)
            if identity is not None and identity.incoming_id is not None:
                changes.append(await work.incoming.get(identity.incoming_id))
    return changes


def _signed_at(document: IncomingDocument) -> datetime | None:
    text = document.checks.get("signing_time")
    return datetime.fromisoformat(text) if text else None


def replaced_fact(by: IncomingDocument, at: datetime) -> Fact:
    return Fact(track=Track.OTHER, code="replaced", at=at, note=by.id)


async def mark_replaced(work: SqlWork, document: IncomingDocument, now: datetime) -> IncomingDocument:
    """The replacement, marked where one of its documents has a newer one already."""
    for replaced_id, _ in document.change.replaces if document.change is not None else ():
        for old in await work.incoming.by_document_id(document.sender_code, replaced_id):
            if not old.kind.is_whole or old.id == document.id:
                continue
            if await is_stale(work, old, document):
                document = replace(document, marks=tuple({*document.marks, STALE_MARK}))
                continue
            facts = list(await work.facts.of(old.id))
            replaced = replaced_fact(document, now)
            await work.facts.add(old.id, replaced)
            await settle.stand(work, replace(old, replaced_by=document.id), [*facts, replaced])
    return document


async def ruling_of(work: SqlWork, replacements: Sequence[IncomingDocument]) -> IncomingDocument | None:
    """Of the replacements of a document the one that was taken in before it arrived; of several the one that would rule
    if they had been taken in after it."""
    found = []
    for one in replacements:
        at = min((each.at for each in await work.facts.of(one.id) if _is_03(each)), default=None)
        if at is not None:
            found.append((at, one.id, one))
    ruling: IncomingDocument | None = None
    for _, _, one in sorted(found, key=lambda each: each[:2]):
        if ruling is None or not is_older(one, ruling):
            ruling = one
    return ruling


def _is_03(fact: Fact) -> bool:
    return fact.track is Track.BUSINESS and fact.code == "03"


SentUnderFormer = Mapping[ReplyLink, Sequence[OutgoingDocument] | None]
"""Of links that name a former code of ours, what the agency of that code sent; None where that is this agency."""


async def sent_under_former(
    services: IncomingServices, agency: HostedAgency, links: Sequence[ReplyLink]
) -> SentUnderFormer:
    """To be asked before the unit of work begins. A link without an entry is for nobody here, or for this agency itself."""
    others = [link for link in links if link.document_id is not None and not is_ours(agency, link.agency)]
    if not others:
        return {}
    known_as = await check.codes_of_sender(services, agency.code)
    return {
        link: await _sent_by(services, link) for link in others if link.agency.strip().casefold() in known_as
    }


async def _sent_by(services: IncomingServices, link: ReplyLink) -> Sequence[OutgoingDocument] | None:
    for other in await services.store.hosted():
        if is_ours(other, link.agency):
            async with services.store.read(AgencyScope(agency_id=other.id, principal_id="node")) as before:
                return await before.outgoing.by_document_id(link.document_id or DocumentId(""))
    return None


async def answered_by(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    document: IncomingDocument,
    before: SentUnderFormer,
) -> tuple[str, ...]:
    """In the transaction that admits it."""
    answered = []
    for link in document.replies_to:
        for ours in await _named_in(work, agency, link, before):
            if not ours.kind.is_whole:
                continue
            answered.append(ours.id)
            told = {"by": document.id, "from": document.sender_code}
            await work.events.append(EventKind.INBOX_ANSWERED, ours.id, services.clock.now(), told)
    return tuple(answered)


async def _named_in(
    work: SqlWork, agency: HostedAgency, link: ReplyLink, before: SentUnderFormer
) -> Sequence[OutgoingDocument]:
    if link.document_id is None or not (is_ours(agency, link.agency) or link in before):
        return ()
    found = before.get(link)
    return await work.outgoing.by_document_id(link.document_id) if found is None else found
