"""Calls a document back while it still waits to be packed: nothing of it left, and what was written is a draft again. In: a
document's id. Out: the new draft. One transaction: either both happen, or the document goes its way; the document that was
called back stays in the book as cancelled, for it was once accepted."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.errors import Clash
from gateway.outgoing import manage, seal
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.drafting import remaining


async def run(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash as soon as it is being packed: then it is cancelled or recalled instead."""
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        document = await work.outgoing.get(id)
        seal.refuse_sealed(document)
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
