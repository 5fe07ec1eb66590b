"""Seals what went out, or was to go, and is suspected to be a secret; and brings it back (R4). In: a document and why; or a
hold that a person lifts. Out: nobody reads it at this node and nothing of it leaves any more. What has left is the
recipients' to seal: the notice says so, and a recall still works."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, OutgoingDocument, OutState
from gateway.domain.hold import Decision, HeldKind, Hold
from gateway.domain.status import Track, fold_delivery, own_fact
from gateway.errors import Clash
from gateway.holding import decide, finish
from gateway.holding.desk import HoldDesk
from gateway.holding.freeze import Suspect, freeze
from gateway.outgoing import request
from gateway.outgoing.desk import OutDesk
from gateway.ports import Unsealer, Work


async def document(desk: OutDesk, hold: HoldDesk, scope: AgencyScope, id: str, why: str) -> Hold:
    """The document with its updates, whichever of them is named. Clash when it is sealed already."""
    async with desk.store.begin(scope) as work:
        named = await work.outgoing.get(id)
        is_part = named.kind is Kind.UPDATE and named.parent_id is not None
        whole = await work.outgoing.get(named.parent_id or "") if is_part else named
        parts = [whole, *(one for one in await work.outgoing.children(whole.id) if one.kind is Kind.UPDATE)]
        suspect = Suspect(
            kind=HeldKind.OUTGOING,
            subject_id=whole.id,
            before=whole.state,
            owners=[(kind, one.id) for one in parts for kind in ("source", "envelope")],
            document_id=whole.document_id,
            leftovers=[file.sha256 for one in parts for file in one.files],
        )
        begun = await freeze(desk.clock, work, suspect, why)
        for one in parts:
            await _stop(desk, work, one)
        await work.commit()
    return await finish.settle(hold, scope, begun.id)


async def lift(
    desk: OutDesk, hold: HoldDesk, scope: AgencyScope, hold_id: str, decision: Decision, key: Unsealer | None
) -> Hold:
    """The exact bytes are where they were. What was stopped stays stopped: it is sent as a new document."""
    brought_back = await decide.bring_back(hold, scope, hold_id, key)
    async with desk.store.begin(scope) as work:
        lifted = await decide.lift(work, hold_id, decision, brought_back)
        if lifted.kind is not HeldKind.OUTGOING:
            raise Clash(f"the hold {hold_id} is of something that came in")
        whole = await work.outgoing.get(lifted.subject_id)
        for one in (whole, *await work.outgoing.children(whole.id)):
            if one.is_sealed:
                await work.outgoing.save(replace(one, is_sealed=False))
        await work.commit()
    return await finish.settle(hold, scope, hold_id)


def refuse_sealed(document: OutgoingDocument) -> None:
    """Clash for a document of which nothing may leave or be read."""
    if document.is_sealed:
        raise Clash(f"the content of {document.id} cannot be read: it is sealed", code="GW-UNREADABLE")


async def _stop(desk: OutDesk, work: Work, document: OutgoingDocument) -> None:
    """Nothing that still waits leaves. A packet that a courier holds at this moment has left."""
    if document.state is OutState.QUEUED:
        await work.jobs.cancel("pack", document.id)
    for item in await work.outbox.of_subject(document.id):
        if item.state == "waiting":
            await work.outbox.cancel(item.id)
    now = desk.clock.now()
    for delivery in request.in_turn(await work.deliveries.of(document.id)):
        if delivery.state in ("queued", "paper"):
            fact = own_fact(Track.TRANSPORT, "cancelled", now)
            facts = [*await work.facts.of(delivery.id), fact]
            await work.facts.add(delivery.id, fact)
            standing = fold_delivery(facts)
            await work.deliveries.save_state(delivery.id, standing.shown, standing.marks, now)
    stopped = document.state in (OutState.QUEUED, OutState.PAPER, OutState.BLOCKED)
    state = OutState.CANCELLED if stopped else document.state
    await work.outgoing.save(replace(document, state=state, is_sealed=True))
