"""Relations between documents here: copies of one document from another source, look-alikes (R117, duplicates), the order
of two changes (A6, order), replacements, and our documents that a new one answers (R52, reply links; R83, closed codes).
In: one document in its transaction. Out: the related documents, or the document marked and linked. Two copies with two
arrival numbers are two lines of the book about one document, so the clerk who enters the second sees the first. Once a
replacement is taken in, the documents that it names are marked as replaced, whichever came first, unless a change signed
later is already in force. A packet without a signed time is never the older one."""

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
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind, RequestState, fold_incoming
from gateway.domain.text import number_word
from gateway.incoming import check, settle
from gateway.incoming.services import IncomingServices, is_ours

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_ENDED = (InState.REJECTED, InState.RECALLED, InState.REPLACED, InState.SEALED)
_NO_NUMBER = "–"
REPEATED_LEAD = "lead_again"
_MAX_ALIKE = 5
STALE_MARK = "stale"
STALE_CODE = "MSG-STALE"
SentUnderFormer = Mapping[ReplyLink, Sequence[OutgoingDocument] | None]
"""Documents that were sent under a former code of ours, by the reply link; None where this agency itself sent them."""


async def other_copies(work: SqlWork, document: IncomingDocument) -> list[IncomingDocument]:
    """Find the copies of the document that came from the other source (axis or paper), newest first. A document without
    number and day has none, since many others would match."""
    return copies_among(
        await work.incoming.numbered(document.number.strip(), document.symbol.strip()), document
    )


def copies_among(peers: Sequence[IncomingDocument], document: IncomingDocument) -> list[IncomingDocument]:
    """Select the copies of the document among those with its number and symbol."""
    if not document.kind.is_whole or not document.number.strip():
        return []
    by_hand = document.source is not Source.AXIS
    copies = _select_copies(peers, document.issued_on, document.sender_code, by_hand=by_hand)
    return [d for d in copies if d.id != document.id]


async def copies_like(
    work: SqlWork, number: str, symbol: str, issued_on: date | None, *, sender_code: str, by_hand: bool
) -> list[IncomingDocument]:
    """Find copies from the other source, by the fields of a document. A typed letter may lack the sender's code;
    different codes mean different senders."""
    if not number.strip() or issued_on is None:
        return []
    peers = await work.incoming.numbered(number.strip(), symbol.strip())
    return _select_copies(peers, issued_on, sender_code, by_hand=by_hand)


def _select_copies(
    peers: Sequence[IncomingDocument], issued_on: date | None, sender_code: str, *, by_hand: bool
) -> list[IncomingDocument]:
    same_day = [d for d in peers if issued_on is not None and d.issued_on == issued_on]
    return [d for d in same_day if _is_other_copy(d, sender_code, by_hand=by_hand)]


def _is_other_copy(other: IncomingDocument, sender_code: str, *, by_hand: bool) -> bool:
    codes = {code.casefold() for code in (other.sender_code, sender_code.strip()) if code}
    is_of_other_source = (other.source is Source.AXIS) is by_hand
    return is_of_other_source and other.state not in _ENDED and len(codes) < 2


def copy_mark(name: str, twin: IncomingDocument) -> str:
    return f"{name}:{number_of_copy(twin)}"


def number_of_copy(twin: IncomingDocument) -> str:
    """Return the copy's arrival number; a dash while it has none."""
    return twin.register_no or _NO_NUMBER


def marks_with_copy(document: IncomingDocument, copies: list[IncomingDocument]) -> tuple[str, ...]:
    """Return the document's marks, with one for the newest copy on paper."""
    other_marks = tuple(mark for mark in document.marks if not mark.startswith(f"{PAPER_COPY}:"))
    return (*other_marks, copy_mark(PAPER_COPY, copies[0])) if copies else document.marks


def marks_with_lead(document: IncomingDocument, twins: Sequence[IncomingDocument]) -> tuple[str, ...]:
    """Return the document's marks, with one where the sender's newest document in force has the same lead file under
    another number. A document that this one replaces may have the same file."""
    own_number = number_word(document.number, document.symbol)
    replaced = {n for n, _ in document.change.replaces} if document.change is not None else set()
    for twin in twins:
        is_other = number_word(twin.number, twin.symbol) != own_number and twin.document_id not in replaced
        if is_other and twin.kind.is_whole and twin.state not in _ENDED:
            return (*document.marks, f"{REPEATED_LEAD}:{twin.code or _NO_NUMBER}")
    return document.marks


async def look_alikes(work: SqlWork, document: IncomingDocument) -> list[IncomingDocument]:
    """Find documents that look the same: same identity, same sender and number on one day, or copies. A recall or an
    update is no copy of the document it is about."""
    if not document.kind.is_whole:
        return []
    alike = {
        d.id: d
        for d in await work.incoming.by_document_id(document.sender_code, document.document_id)
        if d.kind.is_whole
    }
    if document.source is Source.AXIS and document.code:
        peers = await work.incoming.numbered(document.number, document.symbol)
        same_name = [d for d in peers if _has_same_name(d, document)]
        alike = {d.id: d for d in same_name[:_MAX_ALIKE]} | alike
    alike |= {d.id: d for d in await other_copies(work, document)}
    return [d for id, d in alike.items() if id != document.id and not _is_of_one_life(d, document)]


def _has_same_name(other: IncomingDocument, document: IncomingDocument) -> bool:
    """Tell whether two documents have the same sender, number, symbol and day."""
    names = [(d.sender_code.casefold(), d.number, d.symbol, d.issued_on) for d in (other, document)]
    return names[0] == names[1]


def _is_of_one_life(other: IncomingDocument, document: IncomingDocument) -> bool:
    """Tell whether the other is no double, but an expected predecessor or successor: refused, recalled, replaced, sealed,
    or arrived later."""
    return other.state in _ENDED or document.id == other.replaced_by or other.arrived_at > document.arrived_at


async def is_stale(work: SqlWork, target: IncomingDocument, change: IncomingDocument) -> bool:
    """Tell whether a change that was signed later than this one has already been applied to the target."""
    return any(is_older(change, c) for c in await _applied_changes(work, target) if c.id != change.id)


def is_older(change: IncomingDocument, applied: IncomingDocument) -> bool:
    """Tell whether the change was signed before the applied one; False where either has no signed time."""
    change_time, applied_time = _signed_at(change), _signed_at(applied)
    return change_time is not None and applied_time is not None and change_time < applied_time


async def _applied_changes(work: SqlWork, target: IncomingDocument) -> list[IncomingDocument]:
    """List the changes in force on the target: updates that were agreed to, and the replacement that was taken in."""
    changes = [await work.incoming.get(target.replaced_by)] if target.replaced_by else []
    for request in fold_incoming(await work.facts.of_subject(target.id)).requests:
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
    """Mark the documents that this replacement names. Returns it, itself marked where one of them has a newer change."""
    for replaced_id, _ in document.change.replaces if document.change is not None else ():
        for old in await work.incoming.by_document_id(document.sender_code, replaced_id):
            if not old.kind.is_whole or old.id == document.id:
                continue
            if await is_stale(work, old, document):
                document = replace(document, marks=tuple(dict.fromkeys((*document.marks, STALE_MARK))))
                continue
            facts = list(await work.facts.of_subject(old.id))
            replaced = replaced_fact(document, now)
            await work.facts.add(old.id, replaced)
            await settle.stand(work, replace(old, replaced_by=document.id), [*facts, replaced])
    return document


async def ruling_of(work: SqlWork, replacements: Sequence[IncomingDocument]) -> IncomingDocument | None:
    """Return the replacement in force among those that were taken in before their document; of several, the one that
    would be in force if the document had come first."""
    taken_in = []
    for replacement in replacements:
        at = min(
            (fact.at for fact in await work.facts.of_subject(replacement.id) if _is_03(fact)), default=None
        )
        if at is not None:
            taken_in.append((at, replacement.id, replacement))
    ruling: IncomingDocument | None = None
    for _, _, replacement in sorted(taken_in, key=lambda fact: fact[:2]):
        if ruling is None or not is_older(replacement, ruling):
            ruling = replacement
    return ruling


def _is_03(fact: Fact) -> bool:
    return fact.track is Track.BUSINESS and fact.code == "03"


async def sent_under_former(
    services: IncomingServices, agency: HostedAgency, links: Sequence[ReplyLink]
) -> SentUnderFormer:
    """Load the documents that these links name under a former code of ours, before the unit of work; other links are left
    out."""
    remote = [link for link in links if link.document_id is not None and not is_ours(agency, link.agency)]
    if not remote:
        return {}
    codes = await check.codes_of_sender(services, agency.code)
    return {
        link: await _sent_by(services, link) for link in remote if link.agency.strip().casefold() in codes
    }


async def _sent_by(services: IncomingServices, link: ReplyLink) -> Sequence[OutgoingDocument] | None:
    for agency in await services.store.hosted():
        if is_ours(agency, link.agency):
            async with services.store.read(AgencyScope(agency_id=agency.id, principal_id="node")) as work:
                return await work.outgoing.by_document_id(link.document_id or DocumentId(""))
    return None


async def answered_by(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    document: IncomingDocument,
    former: SentUnderFormer,
) -> tuple[str, ...]:
    """Return the ids of our documents that this one answers, and record an event for each."""
    answered_ids = []
    for link in document.replies_to:
        for own_document in await _find_answered(work, agency, link, former):
            if not own_document.kind.is_whole:
                continue
            answered_ids.append(own_document.id)
            details = {"by": document.id, "from": document.sender_code}
            await work.events.append(EventKind.INBOX_ANSWERED, own_document.id, services.clock.now(), details)
    return tuple(answered_ids)


async def _find_answered(
    work: SqlWork, agency: HostedAgency, link: ReplyLink, former: SentUnderFormer
) -> Sequence[OutgoingDocument]:
    if link.document_id is None or not (is_ours(agency, link.agency) or link in former):
        return ()
    sent = former.get(link)
    return await work.outgoing.by_document_id(link.document_id) if sent is None else sent
