"""What a person does with an outgoing document once it was accepted: sends it to further agencies (R117), begins a
corrected one, calls it back while it still waits to be packed. In: a document's id, and who else is to get it. Out:
the same number, date and files as a document of its own to these recipients alone; a draft to those who refused with
the same files, for a person to correct and send; or the draft again. The earlier document stays as it is; one that
was called back stays in the book as cancelled, for it was once accepted. Calling back is one transaction: either
both happen, or it goes its way."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, OutgoingDocument, OutState, Recipient
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.errors import Clash, NotFound
from gateway.outgoing import accept, files, manage
from gateway.outgoing.desk import OutDesk
from gateway.outgoing.drafting import remaining
from gateway.outgoing.intake import Accepted, Order, tray


async def send_further(
    desk: OutDesk,
    scope: AgencyScope,
    id: str,
    recipients: tuple[Recipient, ...],
    confirm: tuple[str, ...] = (),
) -> Accepted:
    """Refused with every reason, as any document; a recipient that has it already is one of them."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
    check_has_left(document)
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=recipients)
    return await _accepted_anew(desk, scope, document, Order(draft=draft, confirm=confirm))


async def _accepted_anew(
    desk: OutDesk, scope: AgencyScope, document: OutgoingDocument, order: Order
) -> Accepted:
    """With the files of that document."""
    async with tray(desk) as held:
        for item in document.files:
            opened = await files.open_file(desk, scope, document.id, item.n)
            await held.add(item.role, item.name, item.role, opened.pieces)
        return await accept.accept(desk, scope, order, held, None)


def check_has_left(document: OutgoingDocument) -> None:
    """Clash unless it is a document of its own that has left."""
    files.refuse_sealed(document)
    if document.kind not in (Kind.DOCUMENT, Kind.REPLACEMENT):
        raise Clash(f"{document.id} is itself a {document.kind} packet; send the document that it changes")
    if document.state is not OutState.PACKED:
        raise Clash(f"{document.id} is {document.state}; name its recipients before it is sent")


async def begin_anew(desk: OutDesk, scope: AgencyScope, id: str) -> OutgoingDocument:
    """Clash when nobody refused it."""
    async with desk.store.read(scope) as work:
        document = await work.outgoing.get(id)
        deliveries = await work.deliveries.of(id)
    check_has_left(document)
    refused = tuple(each.recipient for each in deliveries if each.state == "rejected")
    if not refused:
        raise Clash(f"no recipient has refused {id}")
    draft = replace(document.draft, external_id=None, callback_data=None, recipients=refused)
    order = Order(draft=draft, send=False, kind=Kind.DOCUMENT)
    accepted = await _accepted_anew(desk, scope, document, order)
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
