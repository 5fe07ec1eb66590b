"""Step 7 of the way out recalls a sent document. In: the document and a reason. Out: a recall packet (type 1) or the bare
status 13, and an open request on each delivery. At the receiver nothing changes before it answers. Updates and
replacements carry files and go through `accept` with their kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    Delivery,
    DeliveryMode,
    DocumentChange,
    Kind,
    OutgoingDocument,
    OutState,
    Urgency,
)
from gateway.domain.event import EventKind
from gateway.domain.fields import tidy
from gateway.domain.identity import PacketId
from gateway.domain.proof import StatusPacket
from gateway.domain.states import NEVER_LEFT
from gateway.domain.status import RequestKind, last_sent
from gateway.errors import Clash
from gateway.outgoing import accept, requests, translate
from gateway.outgoing.check import expect, select_deliveries
from gateway.outgoing.services import OutgoingServices
from gateway.policy import outgoing as rules
from gateway.policy.verdict import Verdict
from gateway.store.work import SqlWork


async def recall(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    *,
    reason: str,
    approved_by: str | None,
    notice_no: str | None,
    take_back: bool = False,
    recipients: Sequence[str] = (),
    expect_version: int | None = None,
) -> OutgoingDocument:
    """Ask every recipient (or those named) to cancel the document. Returns the document of the recall packet, or with
    `take_back`, which sends only a status 13, the document itself. Raises Clash while an earlier request is open."""
    change = tidy(DocumentChange(reason=reason, approved_by=approved_by, notice_no=notice_no))
    async with services.store.changing(scope) as work:
        expect(await work.outgoing.get(id), expect_version)
        parent = await load_recallable(work, id, change, take_back=take_back, recipients=recipients)
        parent = await work.outgoing.save(parent, expect_version=expect_version)
        recalled = await recall_in(services, work, parent, change, take_back=take_back, recipients=recipients)
    services.wake()
    return recalled


async def load_recallable(
    work: SqlWork, id: str, change: DocumentChange, *, take_back: bool, recipients: Sequence[str]
) -> OutgoingDocument:
    """Return the document, if these recipients can be asked to cancel it now; raise Clash or Refused otherwise."""
    await work.agency()
    parent = await work.outgoing.get(id)
    _check_recallable(parent, change, take_back)
    await _check_latest(work, parent, _select_deliveries(await work.deliveries.of_document(id), recipients))
    return parent


async def recall_in(
    services: OutgoingServices,
    work: SqlWork,
    parent: OutgoingDocument,
    change: DocumentChange,
    *,
    take_back: bool,
    recipients: Sequence[str],
) -> OutgoingDocument:
    """Recall the document in the caller's transaction, which has checked it with `load_recallable`."""
    chosen = _select_deliveries(await work.deliveries.of_document(parent.id), recipients)
    if not take_back:
        return await _send_notice(services, work, parent, chosen, change)
    await _send_take_back(services, work, await work.agency(), parent, chosen, change.reason)
    return parent


def _check_recallable(parent: OutgoingDocument, change: DocumentChange, take_back: bool) -> None:
    """Raise Clash or Refused unless this is a document of its own, and the change has what a recall needs."""
    if not parent.kind.is_whole:
        raise Clash(
            f"{parent.id} is itself a {parent.kind} packet; recall the document {parent.parent_id}",
            code="GW-RECALL-OTHER",
            params={"existing": parent.parent_id},
        )
    verdict = rules.check_change(change, Kind.RECALL, parent)
    if take_back:
        verdict = Verdict(reasons=tuple(r for r in verdict.reasons if r.pointer == "/reason"))
    verdict.raise_if_refused()


def _select_deliveries(deliveries: Sequence[Delivery], recipients: Sequence[str]) -> list[Delivery]:
    """Return the deliveries that have left, of these recipients or of all; Clash where there are none."""
    chosen = select_deliveries(deliveries, recipients) if recipients else deliveries
    reached = [d for d in chosen if d.state not in NEVER_LEFT]
    if not reached:
        raise Clash("the document has not left for any of these recipients; cancel it instead")
    return reached


async def _check_latest(work: SqlWork, parent: OutgoingDocument, chosen: Sequence[Delivery]) -> None:
    """Check that no later attempt went to these recipients: a recall names only the DocumentId, so they would apply it to
    the newest document."""
    codes = {delivery.recipient.code.casefold() for delivery in chosen}
    for other in await work.outgoing.by_document_id(parent.document_id):
        if not other.kind.is_whole or other.created_at <= parent.created_at:
            continue
        other_codes = {d.recipient.code.casefold() for d in await work.deliveries.of_document(other.id)}
        if other.state is not OutState.CANCELLED and codes & other_codes:
            raise Clash(
                f"{other.id} brought {parent.draft.code} anew to the same recipients; recall that one",
                code="GW-RECALL-OTHER",
                params={"existing": other.id},
            )


async def _send_notice(
    services: OutgoingServices,
    work: SqlWork,
    parent: OutgoingDocument,
    chosen: Sequence[Delivery],
    change: DocumentChange,
) -> OutgoingDocument:
    """Queue a recall packet to these recipients, as a child document, and return that."""
    child = OutgoingDocument(
        id=services.clock.new_id("msg_"),
        agency_id=work.scope.agency_id,
        kind=Kind.RECALL,
        packet_id=PacketId(services.clock.new_id("pkt_")),
        document_id=parent.document_id,
        draft=replace(
            parent.draft,
            external_id=None,
            recipients=tuple(d.recipient for d in chosen),
            replies_to=(),
            delivery_mode=DeliveryMode.ELECTRONIC,
        ),
        files=(),
        state=OutState.QUEUED,
        created_at=services.clock.now(),
        accepted_by=work.scope.principal_id,
        parent_id=parent.id,
        change=replace(change, target=parent.document_id),
    )
    translate.refuse_unsendable(child, await work.agency(), services.clock.now())
    await work.outgoing.add(child)
    await work.events.append(
        EventKind.MESSAGE_ACCEPTED,
        child.id,
        services.clock.now(),
        {"kind": child.kind, "document_id": child.document_id, "parent": parent.id},
    )
    await accept.queue(services, work, child)
    return child


async def _send_take_back(
    services: OutgoingServices,
    work: SqlWork,
    agency: HostedAgency,
    parent: OutgoingDocument,
    chosen: Sequence[Delivery],
    why: str,
) -> None:
    """Queue a status 13 to each of these recipients, and open a request on its delivery. A document that was sent to the
    successor of an ended recipient is taken back from there."""
    facts = await work.facts.of_subjects([delivery.id for delivery in chosen])
    for delivery in requests.in_turn(chosen):
        sent = last_sent(facts[delivery.id])
        packet = StatusPacket(
            packet_id=PacketId(services.clock.new_id("pkt_")),
            sender_code=agency.code,
            to_code=(sent and sent.heir) or delivery.recipient.code,
            code="13",
            document_id=parent.document_id,
            document_code=parent.draft.code,
            issued_on=parent.draft.issued_on,
            stated_at=services.clock.now(),
            description=why,
            staff=parent.draft.staff,
            urgent=parent.draft.urgency > Urgency.NORMAL,
        )
        translate.refuse_unsendable_status(packet, agency)
        await work.jobs.add("answer", delivery.id, payload=packet)
        await requests.ask_recipient(services, work, delivery, RequestKind.TAKE_BACK, packet.packet_id, why)
