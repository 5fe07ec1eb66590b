"""Seals what came in and is suspected to be a secret, and brings it back (R4); lets go of the content of recalled
documents once their days are over (R70). In: a document or a packet, and why; a hold that a person lifts; the clock.
Out: nobody reads it at this node any more, or everybody who might before may again. Of what is let go the references
are dropped, so that the sweeper removes the bytes; digests, header, register line and history stay."""

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
from gateway.domain.status import Fact, Track, own_fact
from gateway.errors import Clash, StaleVersion
from gateway.holding import HoldServices, Suspect, freeze
from gateway.incoming import settle
from gateway.incoming.related import STALE_MARK
from gateway.incoming.services import IncomingServices

if TYPE_CHECKING:
    from gateway.store.work import SqlWork
    from gateway.trust.hold_seal import KeyUnsealer

SEALED = "sealed"
_CODE = "SECRET"
_NEXT = timedelta(microseconds=1)


async def document(
    services: IncomingServices, hold: HoldServices, scope: AgencyScope, incoming_id: str, why: str
) -> Hold:
    """The document with its replacements and every update and recall, whichever of them is named. Clash when it is sealed
    already."""
    async with services.store.begin(scope) as work:
        named = await work.incoming.get(incoming_id)
        whole = named if named.target_id is None else await work.incoming.get(named.target_id)
        parts = await _parts(work, whole)
        packets = set[str]()
        for one in parts:
            packets |= await packets_of(work, one, await work.facts.of(one.id))
        suspect = Suspect(
            kind=HeldKind.INCOMING,
            subject_id=whole.id,
            before=whole.state,
            owners=_owners(packets),
            sender_code=whole.sender_code,
            document_id=whole.document_id,
            handed_over=any([await work.handovers.withdraw(one.id) for one in parts]),
        )
        begun = await freeze(services.clock, work, suspect, why)
        for one in parts:
            await _seal(services, work, one)
        await work.commit()
    return await holding.settle(hold, scope, begun.id)


async def _parts(work: SqlWork, whole: IncomingDocument) -> Sequence[IncomingDocument]:
    """The document, its updates and recalls, and the same of every document that replaces it."""
    parts, new = dict[str, IncomingDocument](), [whole]
    while new:
        one = new.pop()
        parts[one.id] = one
        if one.target_id is not None:
            continue
        same = await work.incoming.by_document_id(one.sender_code, one.document_id)
        after = [
            *(each for each in same if each.target_id == one.id),
            *(await work.incoming.before(one)).replacing,
        ]
        new += [each for each in after if each.id not in parts]
    return [parts[id] for id in sorted(parts)]


async def packet(
    services: IncomingServices, hold: HoldServices, scope: AgencyScope, inbox_id: str, why: str
) -> Hold:
    """A packet that became no document; of one that did, the document is sealed. Clash while a worker looks at it."""
    async with services.store.begin(scope) as work:
        item = await work.inbox.get(inbox_id)
        if item.incoming_id is None:
            begun = await freeze(services.clock, work, _of_packet(item), why)
            await work.inbox.settle(replace(item, state=SEALED), None)
            await work.commit()
    if item.incoming_id is not None:
        return await document(services, hold, scope, item.incoming_id, why)
    return await holding.settle(hold, scope, begun.id)


async def unread(
    services: IncomingServices,
    work: SqlWork,
    leased: LeasedInbox,
    known: InboxPacket,
    why: str,
    *,
    before: str = SEALED,
) -> Hold:
    """Freeze a packet that says itself that it is a secret, or that goes with a sealed document, in the caller's
    transaction. `before` is the state that it has again when the hold is lifted."""
    begun = await freeze(services.clock, work, replace(_of_packet(known), before=before), why)
    await work.inbox.settle(replace(known, state=SEALED, code=_CODE), leased.lease)
    return begun


async def lift(
    services: IncomingServices,
    hold: HoldServices,
    scope: AgencyScope,
    hold_id: str,
    decision: Decision,
    key: KeyUnsealer | None,
) -> Hold:
    """The exact bytes are where they were, and the document or packet stands as it stood."""
    brought_back = await holding.bring_back(hold, scope, hold_id, key)
    async with services.store.begin(scope) as work:
        lifted = await holding.lift(work, hold_id, decision, brought_back)
        if lifted.kind is HeldKind.PACKET:
            item = await work.inbox.get(lifted.subject_id)
            await work.inbox.settle(replace(item, state=lifted.before), None)
        elif lifted.kind is HeldKind.INCOMING:
            whole = await work.incoming.get(lifted.subject_id)
            for one in await _parts(work, whole):
                if one.state is not InState.SEALED:
                    continue
                stands = await _unseal(services, work, one)
                if stands.state not in (InState.HELD, InState.SEALED) and not lifted.handed_over:
                    await work.handovers.offer(one.id)
        else:
            raise Clash(f"the hold {hold_id} is of an outgoing document")
        await work.commit()
    services.wake()
    return await holding.settle(hold, scope, hold_id)


def _of_packet(item: InboxPacket) -> Suspect:
    return Suspect(
        kind=HeldKind.PACKET,
        subject_id=item.id,
        before=item.state,
        owners=_owners({item.id}),
        sender_code=item.sender_code,
        document_id=item.document_id,
    )


def _owners(packets: Iterable[str]) -> list[tuple[str, str]]:
    return [("inbox", id) for id in sorted(packets)]


async def _seal(services: IncomingServices, work: SqlWork, one: IncomingDocument) -> IncomingDocument:
    if one.target_id is not None:
        return await work.incoming.save(replace(one, state=InState.SEALED))
    return await _mark(services, work, one, list(await work.facts.of(one.id)), SEALED)


async def _unseal(services: IncomingServices, work: SqlWork, one: IncomingDocument) -> IncomingDocument:
    """The state of an update or recall is no fact: it is done once it has the mark of its answer, or of being too old."""
    if one.target_id is not None:
        answered = any(mark.startswith("request_") or mark == STALE_MARK for mark in one.marks)
        return await work.incoming.save(replace(one, state=InState.DONE if answered else InState.NEW))
    return await _mark(services, work, one, list(await work.facts.of(one.id)), "unsealed")


async def _mark(
    services: IncomingServices, work: SqlWork, whole: IncomingDocument, facts: list[Fact], code: str
) -> IncomingDocument:
    """Later than every earlier word of our own, also where the clock was set back: the later of two rules."""
    ours = [fact.at for fact in facts if fact.track is Track.OTHER]
    at = max(services.clock.now(), *(each + _NEXT for each in ours)) if ours else services.clock.now()
    fact = own_fact(Track.OTHER, code, at)
    await work.facts.add(whole.id, fact)
    return await settle.stand(work, whole, [*facts, fact])


PURGED = "purged"


async def purge_recalled(services: IncomingServices) -> int:
    """Purges every recalled document whose agreement is older than the profile's days; how many."""
    done = 0
    for agency in await services.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        cursor: str | None = None
        while True:
            async with services.store.read(scope) as work:
                page = await work.incoming.page(limit=200, cursor=cursor, states=(InState.RECALLED,))
            for document in page.items:
                done += await _purge(services, scope, document)
            cursor = page.next_cursor
            if cursor is None:
                break
    return done


async def _purge(services: IncomingServices, scope: AgencyScope, document: IncomingDocument) -> bool:
    if PURGED in document.marks:
        return False
    async with services.store.begin(scope) as work:
        facts = await work.facts.of(document.id)
        agreed = [fact.at for fact in facts if fact.track is Track.REQUEST and fact.code == "15"]
        if not agreed or max(agreed) + services.profile.recall_purge > services.clock.now():
            return False
        for inbox_id in await packets_of(work, document, facts):
            await work.blobs.drop("inbox", inbox_id)
        try:
            await work.incoming.save(
                replace(document, marks=(*document.marks, PURGED)), expect_version=document.version
            )
        except StaleVersion:
            return False
        await work.events.append(
            EventKind.INBOX_STATUS,
            document.id,
            services.clock.now(),
            {"state": document.state, "purged": True, "envelope": document.envelope_digest},
        )
        await work.commit()
    return True


async def packets_of(work: SqlWork, document: IncomingDocument, facts: Sequence[Fact]) -> set[str]:
    """The inbox rows whose bytes are this document: its own packet, in every envelope, and every update or recall of it."""
    same = await work.incoming.by_document_id(document.sender_code, document.document_id)
    rows = {document.inbox_id, *(one.inbox_id for one in same if one.target_id == document.id)}
    rows |= {proof.inbox_id for proof in document.proofs}
    for request_id in {fact.request_id for fact in facts if fact.request_id}:
        identity = await work.identities.by_packet(document.sender_code, request_id)
        if identity is not None:
            rows.add(identity.inbox_id)
    return rows
