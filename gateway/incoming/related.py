"""Relations between documents here: the order of two changes (A6, order), replacements, and our documents that a new one
answers (R52, reply links; R83, closed codes). In: one document in its transaction. Out: the related documents, or the
document linked. Once a replacement is taken in, the documents that it names are marked as replaced, whichever came first,
unless a change signed later is already in force. A packet without a signed time is never the older one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    IncomingDocument,
    OutgoingDocument,
    ReplyLink,
)
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind, RequestState, fold_incoming
from gateway.incoming import check, settle
from gateway.incoming.services import IncomingServices, is_ours

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

STALE_MARK = "stale"
STALE_CODE = "MSG-STALE"
SentUnderFormer = Mapping[ReplyLink, Sequence[OutgoingDocument] | None]
"""Documents that were sent under a former code of ours, by the reply link; None where this agency itself sent them."""


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
