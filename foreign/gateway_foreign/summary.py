"""Reads the fields of an envelope that an axis needs to route and find it. In: the opener of a file. Out: an
`EnvelopeSummary`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from gateway.edxml import reader
from gateway.edxml.attachment import pieces
from gateway.edxml.envelope import Envelope
from gateway.edxml.policy import EnvelopeLimits
from gateway.errors import MalformedXml

_URGENT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeSummary:
    """Fields of an envelope that an axis uses. `identity` is the same in every copy: for a document its kind, sender and
    id; for a status also its code and time, with the id of the document that it answers."""

    kind: str
    sender: str
    recipients: tuple[str, ...]
    identity: str
    notation: str
    title: str
    is_urgent: bool


def summarise(opener: Callable[[], BinaryIO], limits: EnvelopeLimits) -> EnvelopeSummary | None:
    """Return the summary of an envelope; None for a file that is no envelope of a known form."""
    try:
        model = reader.read(pieces(opener), limits).envelope
    except MalformedXml:
        return None
    target, status = model.response_for[0] if model.response_for else None, model.status
    identity = f"{model.kind} {_sender(model)} {model.document_id or ''}"
    notation = f"{model.code.number or ''}/{model.code.notation or ''}" if model.code else ""
    receivers = model.to
    if status is not None:
        when = status.timestamp.isoformat() if status.timestamp else ""
        identity = f"{model.kind} {_sender(model)} {(target.document_id if target else '') or ''} {status.code} {when}"
        notation = (target.code if target else "") or ""
    codes = [target.organ_id if target else None] if status is not None else [r.organ_id for r in receivers]
    priority = model.other.priority if model.other else None
    return EnvelopeSummary(
        kind=model.kind.value,
        sender=_sender(model),
        recipients=tuple(code.strip() for code in codes if code),
        identity=identity,
        notation=notation,
        title=model.subject or "",
        is_urgent=priority is not None and _URGENT <= priority <= 4,
    )


def _sender(model: Envelope) -> str:
    return (model.sender.organ_id or "").strip()
