"""What stands on a message beside its bytes. In: a parcel, or a message of the broker. Out: the message, or a `Label`.
Nothing here is signed: it routes and limits, and decides nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from gateway.domain.identity import Digest
from gateway.ports import Parcel
from gateway.transport.amqp import topology as names

LONGEST_TEXT = 255


class Unreadable(Exception):
    """The label is not one of ours; the sentence says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Read from a message, before anything is believed of it."""

    packet_id: str
    kind: str
    sender: str
    digest: Digest
    size: int
    recipients: tuple[str, ...]
    node: str | None
    deliveries: int


def written(
    parcel: Parcel,
    body: bytes,
    keys: Sequence[str],
    *,
    user: str | None,
    at: datetime,
    more: Mapping[str, str | int] | None = None,
) -> Message:
    """The message of a parcel, or of one part of it, to the first key; the others ride along."""
    headers: dict[str, Any] = {
        names.SENDER: parcel.sender,
        names.LANE: parcel.lane.value,
        names.DIGEST: str(parcel.digest),
        names.SIZE: parcel.size,
        **(more or {}),
    }
    if len(keys) > 1:
        headers[names.MORE_RECIPIENTS] = list(keys[1:])
    return Message(
        body,
        headers=headers,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=parcel.packet_id,
        type=parcel.kind,
        app_id=names.APP_ID,
        user_id=user,
        timestamp=at,
    )


def read(message: AbstractIncomingMessage) -> Label:
    """Unreadable where a field is missing, too long or of the wrong type."""
    headers = message.headers
    return Label(
        packet_id=_text(message.message_id, "message_id"),
        kind=_text(message.type, "type"),
        sender=_text(headers.get(names.SENDER), names.SENDER),
        digest=_digest(headers.get(names.DIGEST)),
        size=_size(headers.get(names.SIZE)),
        recipients=recipients(message),
        node=message.user_id or None,
        deliveries=_count(headers.get(names.RETURNED)) + 1,
    )


def guessed(message: AbstractIncomingMessage) -> Label:
    """As `read`, with what can be known filled in: a dead message is shown however bad its label is. Whom it was for is
    not known here: the broker wrote its own key over it."""
    headers = message.headers
    try:
        digest = _digest(headers.get(names.DIGEST))
    except Unreadable:
        digest = Digest(hashlib.sha256(message.body).hexdigest())
    return Label(
        packet_id=str(message.message_id or ""),
        kind=str(message.type or ""),
        sender=str(headers.get(names.SENDER) or "")[:LONGEST_TEXT],
        digest=digest,
        size=len(message.body),
        recipients=(),
        node=message.user_id or None,
        deliveries=_count(headers.get(names.RETURNED)) + 1,
    )


def recipients(message: AbstractIncomingMessage) -> tuple[str, ...]:
    """Every key that the message was published with; for one that was sent again, those of the first time."""
    kept = texts(message.headers.get(names.FIRST_RECIPIENTS))
    if kept:
        return kept
    keys = (message.routing_key or "", *texts(message.headers.get(names.MORE_RECIPIENTS)))
    return tuple(dict.fromkeys(key for key in keys if key))


def texts(value: object) -> tuple[str, ...]:
    """The short texts of a list; nothing of what is no such list."""
    if not isinstance(value, list):
        return ()
    texts = [each.decode(errors="replace") if isinstance(each, bytes) else each for each in value]
    return tuple(each for each in texts if isinstance(each, str) and len(each) <= LONGEST_TEXT)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_TEXT:
        raise Unreadable(f"{name} is missing or no text of up to {LONGEST_TEXT} characters")
    return value


def _digest(value: object) -> Digest:
    try:
        return Digest(value if isinstance(value, str) else "")
    except ValueError as cause:
        raise Unreadable(f"{names.DIGEST} is no SHA-256") from cause


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Unreadable(f"{names.SIZE} is no size")
    return value


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
