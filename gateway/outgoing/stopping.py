"""Keeps waiting deliveries of a document from leaving, and ends a document when nothing of it leaves any more. In: the
document. Out: its outbox rows are not tried again, and its deliveries are cancelled, with a mark where an earlier attempt
may have reached the axis; an ended document with its number, and no request of it is open."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway import ending
from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.queues import Stopped
from gateway.domain.states import State, Track
from gateway.domain.status import MAY_HAVE_LEFT, own_fact
from gateway.outgoing import requests
from gateway.outgoing.services import OutgoingServices

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

UNSENT = (State.QUEUED, State.SENDING, State.FAILED, State.PAPER)
"""States of a delivery that has not left, as far as we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedRows:
    """Ids of deliveries whose packet was not stopped in time: a courier has it now (`in_hand`), or an earlier attempt may
    have reached the axis (`in_doubt`)."""

    in_hand: Collection[str | None] = ()
    in_doubt: Collection[str | None] = ()


async def stop_rows(services: OutgoingServices, work: SqlWork, document_id: str) -> StoppedRows:
    """Stop the document's waiting outbox rows, and return the deliveries that were not certainly stopped."""
    now, in_hand, in_doubt = services.clock.now(), set[str | None](), set[str | None]()
    for item in await work.outbox.of_subject(document_id):
        if item.state != "waiting":
            continue
        deliveries = {target.delivery_id for target in item.targets}
        match await work.outbox.stop(item.id, now):
            case None:
                in_hand |= deliveries
            case Stopped.MAY_HAVE_LEFT:
                in_doubt |= deliveries
            case Stopped.NEVER_LEFT:
                pass
    return StoppedRows(in_hand=in_hand, in_doubt=in_doubt)


async def end_document(
    services: OutgoingServices,
    work: SqlWork,
    document: OutgoingDocument,
    deliveries: Sequence[Delivery],
    rows: StoppedRows,
    facts: Mapping[str, object],
    expect_version: int | None = None,
) -> OutgoingDocument:
    """End a document whose packets were stopped: its deliveries, the requests that it made, its state and its number."""
    ended = await ending.end(work, document, facts, services.clock.now(), expect_version)
    await cancel_deliveries(services, work, deliveries, rows)
    await requests.withdraw_requests(services, work, ended)
    return ended


async def cancel_deliveries(
    services: OutgoingServices, work: SqlWork, deliveries: Iterable[Delivery], rows: StoppedRows
) -> None:
    """Cancel these deliveries, apart from those in a courier's hands, and mark those in doubt."""
    now = services.clock.now()
    for delivery in requests.in_turn(deliveries):
        if delivery.id not in rows.in_hand:
            doubt = MAY_HAVE_LEFT if delivery.id in rows.in_doubt else None
            fact = own_fact(Track.TRANSPORT, State.CANCELLED, now, reason=doubt)
            await requests.add_fact(services, work, delivery, fact)
