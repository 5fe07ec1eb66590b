"""What a person does with an outgoing document once it was accepted: begins a corrected one, or calls it back while it
still waits to be packed. In: a document's id. Out: a draft to those who refused with the same files, for a person to
correct and send; or the draft again. The earlier document stays as it is; one that was called back stays in the book as
cancelled, for it was once accepted. Calling back is one transaction: either both happen, or it goes its way."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.errors import Clash, NotFound
from gateway.outgoing import files, further, manage
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.drafting import remaining
from gateway.outgoing.intake import Order


async def begin_anew(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash when nobody refused it."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
        deliveries = await work.deliveries.of(id)
    further.check_has_left(document)
    refused = tuple(each.recipient for each in deliveries if each.state == "rejected")
    if not refused:
        raise Clash(f"no recipient has refused {id}")
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=refused)
    order = Order(draft=draft, send=False, kind=Kind.DOCUMENT)
    accepted = await further.accepted_anew(desk, scope, document, order)
    if accepted.document is None:
        raise NotFound("the draft was begun, and is not there")
    return accepted.document


async def call_back(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash as soon as it is being packed: then it is cancelled or recalled instead."""
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        document = await work.outgoing.get(id)
        files.refuse_sealed(document)
        if document.state not in (OutState.QUEUED, OutState.PAPER):
            raise Clash(f"{id} is {document.state}: it cannot be called back", code="GW-ALREADY-SENT")
        draft = replace(
            document,
            id=desk.clock.new_id("msg_"),
            packet_id=PacketId(desk.clock.new_id("pkt_")),
            draft=replace(
                document.draft, external_id=None, recipients=remaining(document.draft, document.change)
            ),
            state=OutState.DRAFT,
            created_at=now,
            accepted_by=scope.principal_id,
            attempt=1,
            version=1,
            leaves_at=None,
        )
        await work.outgoing.add(draft)
        for item in draft.files:
            await work.blobs.add(item.sha256, "source", draft.id)
        await manage.cancel_in(desk, work, document, {"undone": draft.id})
        told = {"kind": draft.kind, "document_id": draft.document_id, "code": draft.draft.code, "undone": id}
        await work.events.append(EventKind.MESSAGE_ACCEPTED, draft.id, now, told)
        await work.commit()
    return draft
