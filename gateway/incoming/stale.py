"""Is this change older than one already applied to the same document (A6)? A delayed or replayed update, or replacement,
must not roll back what a later one brought. In: a document we hold and the change that has come. Out: yes or no, by the
signed times alone; a packet without a signed time cannot be told to be older."""

from __future__ import annotations

from datetime import datetime

from gateway.domain.document import IncomingDocument
from gateway.domain.status import RequestKind, RequestState, fold_incoming
from gateway.ports import Work

STALE = "stale"
CODE = "MSG-STALE"


async def is_stale(work: Work, target: IncomingDocument, change: IncomingDocument) -> bool:
    """Whether a change signed later than this one was applied before it."""
    return any(is_older(change, one) for one in await _applied(work, target) if one.id != change.id)


def is_older(change: IncomingDocument, applied: IncomingDocument) -> bool:
    """By their signed times; where one has none, it cannot be told."""
    signed, other = _signed_at(change), _signed_at(applied)
    return signed is not None and other is not None and signed < other


async def _applied(work: Work, target: IncomingDocument) -> list[IncomingDocument]:
    """The updates agreed to, and the replacement taken in."""
    changes = [await work.incoming.get(target.replaced_by)] if target.replaced_by else []
    for request in fold_incoming(await work.facts.of(target.id)).requests:
        if request.kind is RequestKind.UPDATE and request.state is RequestState.AGREED:
            identity = await work.identities.by_packet(target.sender_code, request.request_id)
            if identity is not None and identity.incoming_id is not None:
                changes.append(await work.incoming.get(identity.incoming_id))
    return changes


def _signed_at(document: IncomingDocument) -> datetime | None:
    text = document.checks.get("signing_time")
    return datetime.fromisoformat(text) if text else None
