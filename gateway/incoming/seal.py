"""Seals incoming documents and packets that may be secret, and lifts the seal (R4, sealed hold); purges the content of
recalled documents after a number of days (R70, recall). In: a document or packet, and why; a hold that a person lifts;
the clock. Out: a document that is unreadable at this node, or readable as before. A purge drops the references, so that
the sweeper removes the bytes; digests, header, register line and history stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from gateway import holding
from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.hold import Decision, HeldKind, Hold
from gateway.domain.queues import InboxPacket, LeasedInbox
from gateway.domain.states import Track
from gateway.domain.status import Fact, own_fact
from gateway.errors import Clash, StaleVersion
from gateway.holding import HoldService, Suspect, freeze
from gateway.incoming import settle
from gateway.incoming.related import STALE_MARK
from gateway.incoming.services import IncomingServices

if TYPE_CHECKING:
    from gateway.store.work import SqlWork
    from gateway.trust.hold_seal import KeyUnsealer

SEALED = "sealed"
_CODE = "SECRET"
_NEXT = timedelta(microseconds=1)
PURGED = "purged"


async def document(
    services: IncomingServices, hold: HoldService, scope: AgencyScope, incoming_id: str, why: str
) -> Hold:
    """Seal the document with its replacements, updates and recalls, whichever is named. Clash when it is sealed
    already."""
    async with services.store.changing(scope) as work:
        requested = await work.incoming.get(incoming_id)
        main = requested if requested.target_id is None else await work.incoming.get(requested.target_id)
        parts = await _collect_parts(work, main)
        packets = set[str]()
        for part in parts:
            packets |= await packets_of(work, part, await work.facts.of_subject(part.id))
        suspect = Suspect(
            kind=HeldKind.INCOMING,
            subject_id=main.id,
            prior_state=main.state,
            owners=_owners(packets),
            sender_code=main.sender_code,
            document_id=main.document_id,
            handed_over=any([await work.handovers.withdraw(part.id) for part in parts]),
        )
        begun = await freeze(services.clock, work, suspect, why)
        for part in parts:
            await _seal(services, work, part)
    return await holding.settle(hold, scope, begun.id)


async def _collect_parts(work: SqlWork, main: IncomingDocument) -> Sequence[IncomingDocument]:
    """Return the document with its updates and recalls, and with the documents that replace it and theirs."""
    parts, new = dict[str, IncomingDocument](), [main]
    while new:
        part = new.pop()
        parts[part.id] = part
        if part.target_id is not None:
            continue
        siblings = await work.incoming.by_document_id(part.sender_code, part.document_id)
        followers = [
            *(d for d in siblings if d.target_id == part.id),
            *(await work.incoming.find_prior(part)).replacing,
        ]
        new += [d for d in followers if d.id not in parts]
    return [parts[id] for id in sorted(parts)]


async def packet(
    services: IncomingServices, hold: HoldService, scope: AgencyScope, inbox_id: str, why: str
) -> Hold:
    """Seal a packet, or the document that it became. Raises Clash while a worker holds it."""
    async with services.store.begin(scope) as work:
        row = await work.inbox.get(inbox_id)
        if row.incoming_id is None:
            begun = await freeze(services.clock, work, _suspect_packet(row), why)
            await work.inbox.settle(replace(row, state=SEALED), None)
            await work.commit()
    if row.incoming_id is not None:
        return await document(services, hold, scope, row.incoming_id, why)
    return await holding.settle(hold, scope, begun.id)


async def unread(
    services: IncomingServices,
    work: SqlWork,
    leased: LeasedInbox,
    row: InboxPacket,
    why: str,
    *,
    state_before: str = SEALED,
) -> Hold:
    """Seal a packet on arrival, in the caller's transaction: it declares itself secret, or belongs to a sealed document.
    `state_before` is the state that it gets when the hold is lifted."""
    begun = await freeze(services.clock, work, replace(_suspect_packet(row), prior_state=state_before), why)
    await work.inbox.settle(replace(row, state=SEALED, code=_CODE), leased.lease)
    return begun


async def lift(
    services: IncomingServices,
    hold: HoldService,
    scope: AgencyScope,
    hold_id: str,
    decision: Decision,
    key: KeyUnsealer | None,
) -> Hold:
    """Lift the hold: restore the exact bytes, and the former state of the document or packet."""
    brought_back = await holding.bring_back(hold, scope, hold_id, key)
    async with services.store.begin(scope) as work:
        lifted = await holding.lift(work, hold_id, decision, brought_back)
        if lifted.kind is HeldKind.PACKET:
            row = await work.inbox.get(lifted.subject_id)
            await work.inbox.settle(replace(row, state=lifted.before), None)
        elif lifted.kind is HeldKind.INCOMING:
            main = await work.incoming.get(lifted.subject_id)
            for part in await _collect_parts(work, main):
                if part.state is not InState.SEALED:
                    continue
                unsealed = await _unseal(services, work, part)
                if unsealed.state not in (InState.HELD, InState.SEALED) and not lifted.handed_over:
                    await work.handovers.offer(part.id)
        else:
            raise Clash(f"the hold {hold_id} is of an outgoing document")
        await work.commit()
    services.wake()
    return await holding.settle(hold, scope, hold_id)


def _suspect_packet(row: InboxPacket) -> Suspect:
    return Suspect(
        kind=HeldKind.PACKET,
        subject_id=row.id,
        prior_state=row.state,
        owners=_owners({row.id}),
        sender_code=row.sender_code,
        document_id=row.document_id,
    )


def _owners(packets: Iterable[str]) -> list[tuple[str, str]]:
    return [("inbox", id) for id in sorted(packets)]


async def _seal(services: IncomingServices, work: SqlWork, part: IncomingDocument) -> IncomingDocument:
    if part.target_id is not None:
        return await work.incoming.save(replace(part, state=InState.SEALED))
    return await _add_fact(services, work, part, list(await work.facts.of_subject(part.id)), SEALED)


async def _unseal(services: IncomingServices, work: SqlWork, part: IncomingDocument) -> IncomingDocument:
    """Unseal one part. An update or a recall has no facts, so its marks show whether it is done: answered, or stale."""
    if part.target_id is not None:
        answered = any(mark.startswith("request_") or mark == STALE_MARK for mark in part.marks)
        return await work.incoming.save(replace(part, state=InState.DONE if answered else InState.NEW))
    return await _add_fact(services, work, part, list(await work.facts.of_subject(part.id)), "unsealed")


async def _add_fact(
    services: IncomingServices, work: SqlWork, document: IncomingDocument, facts: list[Fact], code: str
) -> IncomingDocument:
    """Add a fact that is later than all of this track, even if the clock was set back, since the latest counts."""
    times = [fact.at for fact in facts if fact.track is Track.OTHER]
    at = max(services.clock.now(), *(t + _NEXT for t in times)) if times else services.clock.now()
    fact = own_fact(Track.OTHER, code, at)
    await work.facts.add(document.id, fact)
    return await settle.stand(work, document, [*facts, fact])


async def purge_recalled(services: IncomingServices) -> int:
    """Purge every recalled document whose recall was agreed to before the profile's days, unless a preservation order is
    about it (R129); return how many."""
    purged = 0
    for agency in await services.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        cursor: str | None = None
        while True:
            async with services.store.read(scope) as work:
                page = await work.incoming.page(
                    limit=200, cursor=cursor, states=(InState.RECALLED,), without_mark=PURGED
                )
            for document in page.items:
                purged += await _purge(services, scope, document)
            cursor = page.next_cursor
            if cursor is None:
                break
    return purged


async def _purge(services: IncomingServices, scope: AgencyScope, document: IncomingDocument) -> bool:
    """Drop the document's content if it is due; return whether it was purged now."""
    from gateway import preservation

    async with services.store.begin(scope) as work:
        facts = await work.facts.of_subject(document.id)
        agreed = [fact.at for fact in facts if fact.track is Track.REQUEST and fact.code == "15"]
        if not agreed or max(agreed) + services.profile.recall_purge > services.clock.now():
            return False
        if await preservation.order_over(work, document) is not None:
            return False
        for inbox_id in sorted(await packets_of(work, document, facts)):
            await work.blobs.drop("inbox", inbox_id)
        await work.comments.remove_of(document.id)
        try:
            await work.incoming.save(
                replace(document, marks=(*document.marks, PURGED)), expect_version=document.version
            )
        except StaleVersion:
            return False
        await work.events.append(
            EventKind.INBOX_STATUS,
            document.id,
            work.now(),
            {"state": document.state, "purged": True, "envelope": document.envelope_digest},
        )
        await work.commit()
    return True


async def packets_of(work: SqlWork, document: IncomingDocument, facts: Sequence[Fact]) -> set[str]:
    """Return the ids of inbox rows with this document's bytes: its packet in every envelope, updates and recalls."""
    siblings = await work.incoming.by_document_id(document.sender_code, document.document_id)
    rows = {document.inbox_id, *(d.inbox_id for d in siblings if d.target_id == document.id)}
    rows |= {proof.inbox_id for proof in document.proofs}
    for request_id in dict.fromkeys([fact.request_id for fact in facts if fact.request_id]):
        identity = await work.identities.by_packet(document.sender_code, request_id)
        if identity is not None:
            rows.add(identity.inbox_id)
    return rows
