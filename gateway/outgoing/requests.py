"""Keeps the one request that may be open on a delivery: a recall, a take-back or an update that its recipient has not
answered. In: a delivery, and the packet that asks. Out: facts and events, in the transaction of that packet: the request
is opened with the packet, and withdrawn where the packet never leaves. `add_fact` also updates a delivery's state after
any fact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.states import NOT_HELD, Track
from gateway.domain.status import Fact, RequestKind, RequestState, fold_delivery, open_request
from gateway.errors import Clash
from gateway.outgoing.services import OutgoingServices

if TYPE_CHECKING:
    from gateway.store.work import SqlWork


async def ask_recipients(
    services: OutgoingServices, work: SqlWork, child: OutgoingDocument, kind: RequestKind
) -> None:
    """Open the request of a child document on each delivery of its parent that has the same recipient. Raises Clash while
    another request is open."""
    if child.parent_id is None:
        return
    why = child.change.reason if child.change else None
    codes = {recipient.code.casefold() for recipient in child.draft.recipients}
    for delivery in in_turn(await work.deliveries.of_document(child.parent_id)):
        if delivery.recipient.code.casefold() in codes:
            await ask_recipient(services, work, delivery, kind, child.packet_id, why)


async def ask_recipient(
    services: OutgoingServices,
    work: SqlWork,
    delivery: Delivery,
    kind: RequestKind,
    packet_id: str,
    reason: str | None,
) -> None:
    """Open one request on one delivery, where at most one may be open. An earlier request whose packet never arrived, or
    was refused, will never be answered, so it is withdrawn first; otherwise an earlier one raises Clash."""
    facts = list(await work.facts.of_subject(delivery.id))
    earlier = open_request(fold_delivery(facts))
    if earlier is not None:
        if not await _is_over(work, delivery, earlier.request_id):
            raise Clash(
                f"{delivery.recipient.code} has not yet answered the {earlier.kind} asked on "
                f"{earlier.asked_at:%Y-%m-%d %H:%M}; wait for the answer",
                code="GW-REQUEST-OPEN",
            )
        facts.append(await withdraw_request(services, work, delivery, earlier.request_id))
    fact = Fact(
        track=Track.REQUEST,
        code=RequestState.OPEN,
        at=services.clock.now(),
        request_id=packet_id,
        request_kind=kind,
        reason=reason,
    )
    await add_fact(services, work, delivery, fact, facts)
    event = {"delivery": delivery.id, "to": delivery.recipient.code, "kind": kind, "request": packet_id}
    await work.events.append(EventKind.RECALL_REQUESTED, delivery.document_id, services.clock.now(), event)


async def withdraw_requests(services: OutgoingServices, work: SqlWork, child: OutgoingDocument) -> None:
    """Withdraw the requests that a child document opened, because it was cancelled before it left."""
    if child.parent_id is None:
        return
    for delivery in in_turn(await work.deliveries.of_document(child.parent_id)):
        waiting = open_request(fold_delivery(await work.facts.of_subject(delivery.id)))
        if waiting is not None and waiting.request_id == child.packet_id:
            await withdraw_request(services, work, delivery, child.packet_id)


def in_turn(deliveries: Iterable[Delivery]) -> Sequence[Delivery]:
    """Sort deliveries in the order in which every transaction changes them, so that no two wait for each other."""
    return sorted(deliveries, key=lambda delivery: delivery.id)


async def _is_over(work: SqlWork, delivery: Delivery, packet_id: str) -> bool:
    """Tell whether the packet of a request will never be answered, because it never arrived or was refused."""
    child = await work.outgoing.by_packet_id(packet_id)
    if child is None:
        rows = await work.outbox.of_subject(delivery.id)
        return any(row.packet_id == packet_id and row.state == "failed" for row in rows)
    code = delivery.recipient.code.casefold()
    deliveries = [
        d for d in await work.deliveries.of_document(child.id) if d.recipient.code.casefold() == code
    ]
    return bool(deliveries) and all(d.state in NOT_HELD for d in deliveries)


async def withdraw_request(
    services: OutgoingServices, work: SqlWork, delivery: Delivery, packet_id: str
) -> Fact:
    """Withdraw the request that this packet made on the delivery, and return the added fact."""
    fact = Fact(
        track=Track.REQUEST, code=RequestState.WITHDRAWN, at=services.clock.now(), request_id=packet_id
    )
    await add_fact(services, work, delivery, fact)
    event = {"delivery": delivery.id, "request": packet_id, "state": RequestState.WITHDRAWN}
    await work.events.append(EventKind.REQUEST_ANSWERED, delivery.document_id, services.clock.now(), event)
    return fact


async def add_fact(
    services: OutgoingServices,
    work: SqlWork,
    delivery: Delivery,
    new: Fact,
    earlier: Sequence[Fact] | None = None,
) -> None:
    """Add a fact to the delivery, and save the resulting state. `earlier` are the delivery's facts before it, if already
    loaded."""
    earlier = await work.facts.of_subject(delivery.id) if earlier is None else earlier
    await work.facts.add(delivery.id, new)
    standing = fold_delivery([*earlier, new])
    await work.deliveries.save_state(delivery.id, standing.word, standing.marks, services.clock.now())
