"""Seals what came in and is suspected to be a secret, and brings it back (R4). In: a document or a packet, and why; or a
hold that a person lifts. Out: nobody reads it at this node any more, or everybody who might before may again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.hold import Decision, HeldKind, Hold
from gateway.domain.status import Fact, Track, own_fact
from gateway.errors import Clash
from gateway.holding import decide, finish
from gateway.holding.desk import HoldDesk
from gateway.holding.freeze import Suspect, freeze
from gateway.incoming import purge, settle
from gateway.incoming.desk import InDesk
from gateway.ports import InboxItem, LeasedInbox, Unsealer, Work

SEALED = "sealed"
_CODE = "SECRET"
_NEXT = timedelta(microseconds=1)


async def document(desk: InDesk, hold: HoldDesk, scope: AgencyScope, incoming_id: str, why: str) -> Hold:
    """The document with every update and recall of it, whichever of them is named. Clash when it is sealed already."""
    async with desk.store.begin(scope) as work:
        named = await work.incoming.get(incoming_id)
        whole = named if named.target_id is None else await work.incoming.get(named.target_id)
        facts = await work.facts.of(whole.id)
        packets = await purge.packets(work, whole, facts)
        suspect = Suspect(
            kind=HeldKind.INCOMING,
            subject_id=whole.id,
            before=whole.state,
            owners=_owners(packets),
            sender_code=whole.sender_code,
            document_id=whole.document_id,
            handed_over=await _withdrawn(work, whole),
        )
        begun = await freeze(desk.clock, work, suspect, why)
        await _mark(desk, work, whole, list(facts), SEALED)
        await work.commit()
    return await finish.settle(hold, scope, begun.id)


async def packet(desk: InDesk, hold: HoldDesk, scope: AgencyScope, inbox_id: str, why: str) -> Hold:
    """A packet that became no document; of one that did, the document is sealed. Clash while a worker looks at it."""
    async with desk.store.begin(scope) as work:
        item = await work.inbox.get(inbox_id)
        if item.incoming_id is None:
            begun = await freeze(desk.clock, work, _of_packet(item), why)
            await work.inbox.settle(replace(item, state=SEALED), None)
            await work.commit()
    if item.incoming_id is not None:
        return await document(desk, hold, scope, item.incoming_id, why)
    return await finish.settle(hold, scope, begun.id)


async def declared(desk: InDesk, work: Work, leased: LeasedInbox, known: InboxItem, why: str) -> Hold:
    """A packet that says itself that it is a secret: unread into the hold, in the caller's transaction."""
    begun = await freeze(desk.clock, work, _of_packet(known), why)
    await work.inbox.settle(replace(known, state=SEALED, code=_CODE), leased.lease)
    return begun


async def lift(
    desk: InDesk, hold: HoldDesk, scope: AgencyScope, hold_id: str, decision: Decision, key: Unsealer | None
) -> Hold:
    """The exact bytes are where they were, and the document or packet stands as it stood."""
    brought_back = await decide.bring_back(hold, scope, hold_id, key)
    async with desk.store.begin(scope) as work:
        lifted = await decide.lift(work, hold_id, decision, brought_back)
        if lifted.kind is HeldKind.PACKET:
            item = await work.inbox.get(lifted.subject_id)
            await work.inbox.settle(replace(item, state=lifted.before), None)
        elif lifted.kind is HeldKind.INCOMING:
            whole = await work.incoming.get(lifted.subject_id)
            stands = await _mark(desk, work, whole, list(await work.facts.of(whole.id)), "unsealed")
            if stands.state not in (InState.HELD, InState.SEALED) and not lifted.handed_over:
                await work.handovers.offer(whole.id)
        else:
            raise Clash(f"the hold {hold_id} is of an outgoing document")
        await work.commit()
    desk.wake()
    return await finish.settle(hold, scope, hold_id)


def _of_packet(item: InboxItem) -> Suspect:
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


async def _withdrawn(work: Work, whole: IncomingDocument) -> bool:
    """Offered to no document system any more; whether one has any part of it."""
    found = await work.incoming.by_document_id(whole.sender_code, whole.document_id)
    parts = {whole.id, *(one.id for one in found if one.target_id == whole.id)}
    return any([await work.handovers.withdraw(id) for id in sorted(parts)])


async def _mark(
    desk: InDesk, work: Work, whole: IncomingDocument, facts: list[Fact], code: str
) -> IncomingDocument:
    """Later than every earlier word of our own, also where the clock was set back: the later of two rules."""
    ours = [fact.at for fact in facts if fact.track is Track.OTHER]
    at = max(desk.clock.now(), *(each + _NEXT for each in ours)) if ours else desk.clock.now()
    fact = own_fact(Track.OTHER, code, at)
    await work.facts.add(whole.id, fact)
    return await settle.stand(work, whole, [*facts, fact])
