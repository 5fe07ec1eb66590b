"""Translates between an inbox row and `InboxItem`, both ways. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.domain.proof import Step
from gateway.ports.rows import InboxItem, Told
from gateway.store.columns import from_json, to_json
from gateway.store.tables import InboxRow


def to_domain(row: InboxRow, attempts: int) -> InboxItem:
    """`attempts` apart from the row: a claim counts one more than the row it read."""
    needs = (row.needs_sender, row.needs_document_id)
    return InboxItem(
        id=row.id,
        agency_id=row.agency_id,
        file_digest=Digest(row.file_digest),
        size=row.size,
        received_at=row.received_at,
        transport_packet_id=row.transport_packet_id,
        transport_kind=row.transport_kind,
        transport_sender=row.transport_sender,
        transport_node=row.transport_node,
        lane=Lane(row.lane),
        state=row.state,
        code=row.code,
        reason=row.reason,
        sender_code=row.sender_code,
        document_id=row.document_id,
        kind=row.kind,
        needs=(needs[0], needs[1]) if needs[0] is not None and needs[1] is not None else None,
        incoming_id=row.incoming_id,
        steps=from_json(tuple[Step, ...], row.steps),
        attempts=attempts,
        settled_at=row.settled_at,
        untried=from_json(tuple[Told, ...], row.untried),
        released=row.released,
    )


def from_domain(item: InboxItem) -> InboxRow:
    return InboxRow(
        agency_id=item.agency_id,
        id=item.id,
        file_digest=item.file_digest,
        size=item.size,
        received_at=item.received_at,
        lane=item.lane.value,
        attempts=item.attempts,
        untried=untried_value(item.untried),
        **told_values(item.told),
        **settled_values(item, item.settled_at),
    )


def told_values(told: Told) -> dict[str, Any]:
    return {
        "transport_packet_id": told.packet_id,
        "transport_kind": told.kind,
        "transport_sender": told.sender,
        "transport_node": told.node,
    }


def untried_value(untried: tuple[Told, ...]) -> str:
    return to_json(tuple[Told, ...], untried)


def settled_values(item: InboxItem, settled_at: datetime | None) -> dict[str, Any]:
    """The columns that a verdict or a person's act writes; what the transport said stays. A release is used up by the
    verdict that follows it, unless that is to wait."""
    needs_sender, needs_document_id = item.needs or (None, None)
    return {
        "state": item.state,
        "code": item.code,
        "reason": item.reason,
        "sender_code": item.sender_code,
        "document_id": item.document_id,
        "kind": item.kind,
        "needs_sender": needs_sender,
        "needs_document_id": needs_document_id,
        "incoming_id": item.incoming_id,
        "steps": to_json(tuple[Step, ...], item.steps),
        "settled_at": settled_at,
        "released": item.released and item.state in ("landed", "waiting"),
    }
