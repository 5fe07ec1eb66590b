"""Writes and reads the label of a message, and of a part of a large packet. In: a parcel, or headers and properties of
one delivery. Out: the message, a `Label`, or a `PartLabel` with values of the right shape; Unreadable or PartRefused
with the reason. A label is not signed: it routes and limits, and proves nothing. A part must fit the limits; whether
parts agree with each other is the spool's to check."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.errors import BrokerRefused
from gateway.ports.axis import Parcel
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.topology import LANE, SENDER

LONGEST_TEXT = 255
LARGEST = 16 * 1024 * 1024  # bytes of one message; `amqp.part_mb` allows no more
# stands for bytes that are no UTF-8, and for unprintable characters
BROKEN_SIGN = "\N{REPLACEMENT CHARACTER}"
MB = 1024 * 1024
SET, PART, PARTS = "x-set", "x-part", "x-parts"
WHOLE_SIZE, WHOLE_DIGEST = "x-whole-size", "x-whole-digest"
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_WORD_LENGTH: Final = 128  # longest sender's code, packet id, kind or user; none of ours is longer than 64


class Unreadable(Exception):
    """The label is not one of ours; the sentence says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """Label of a message; its values are not verified."""

    packet_id: str
    kind: str
    sender: str
    digest: Digest
    size: int
    recipients: tuple[str, ...]
    node: str | None
    deliveries: int


def make_message(
    parcel: Parcel,
    body: bytes,
    keys: Sequence[str],
    *,
    user: str | None,
    at: datetime,
    more: Mapping[str, str | int] | None = None,
) -> Message:
    """Make the message of a parcel, or of one part of it, to the first key; the other keys go in a header."""
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


def read(message: AbstractIncomingMessage, own: str | None = None) -> Label:
    """Read a message's label. Unreadable where a field is missing, too long or of the wrong type. `own` is the reader's
    node."""
    headers = message.headers
    return Label(
        packet_id=_text(message.message_id, "message_id"),
        kind=_text(message.type, "type"),
        sender=_text(headers.get(names.SENDER), names.SENDER),
        digest=_digest(headers.get(names.DIGEST)),
        size=_size(headers.get(names.SIZE)),
        recipients=recipients(message),
        node=publishing_node(message, own),
        deliveries=_count(headers.get(names.RETURNED)) + 1,
    )


def must_fit(read: Label, body: bytes) -> None:
    """Check an uncut parcel's bytes against its label. Unreadable where the size is too large or differs."""
    if len(body) > LARGEST:
        raise Unreadable(f"it has more than {LARGEST} bytes: see max_message_size of the broker")
    if read.size != len(body):
        raise Unreadable(f"it says {read.size} bytes and has {len(body)}")


def read_leniently(message: AbstractIncomingMessage) -> Label:
    """Read as much of a label as possible, with defaults for bad fields, so that any dead message can be listed.
    Recipients stay empty: the broker replaced them by its own key."""
    headers = message.headers
    try:
        digest = _digest(headers.get(names.DIGEST))
    except Unreadable:
        digest = Digest(hashlib.sha256(message.body).hexdigest())
    return Label(
        packet_id=printable(message.message_id),
        kind=printable(message.type),
        sender=printable(headers.get(names.SENDER)),
        digest=digest,
        size=len(message.body),
        recipients=(),
        node=message.user_id or None,
        deliveries=_count(headers.get(names.RETURNED)) + 1,
    )


def publishing_node(message: AbstractIncomingMessage, own: str | None) -> str | None:
    """Return the node that the broker vouches for as publisher. For a dead parcel that this node sent again to itself,
    return the first publisher; for one that another node sent again, None."""
    first = message.headers.get(names.FIRST_NODE)
    if first is None:
        return message.user_id or None
    return first if own is not None and message.user_id == own and isinstance(first, str) and first else None


def recipients(message: AbstractIncomingMessage) -> tuple[str, ...]:
    """Return every key that the message was published with; for a message sent again, the original keys."""
    original = texts(message.headers.get(names.FIRST_RECIPIENTS))
    if original:
        return original
    keys = (message.routing_key or "", *texts(message.headers.get(names.MORE_RECIPIENTS)))
    return tuple(dict.fromkeys(key for key in keys if key))


def texts(value: object) -> tuple[str, ...]:
    """Return the short texts of a list; empty where the value is no list."""
    if not isinstance(value, list):
        return ()
    texts = [text.decode(errors="replace") if isinstance(text, bytes) else text for text in value]
    return tuple(text for text in texts if isinstance(text, str) and len(text) <= LONGEST_TEXT)


def printable(value: object) -> str:
    """Make any value printable for a person, cut to 255 characters."""
    text = str(value or "")[:LONGEST_TEXT]
    return "".join(sign if sign.isprintable() else BROKEN_SIGN for sign in text)


def _text(value: object, name: str) -> str:
    """Return a valid short printable text, or raise Unreadable."""
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= LONGEST_TEXT
        or not value.isprintable()
        or BROKEN_SIGN in value
    ):
        raise Unreadable(f"{name} is missing or no printable text of up to {LONGEST_TEXT} characters")
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
    """Return a positive count; 0 for any other value."""
    return value if isinstance(value, int) and value > 0 else 0


class PartRefused(BrokerRefused):
    """A part that cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """Limits on what one node may make us store before anything is verified. Any node on the axis can fill this much
    disk without a key."""

    parts: int = 4096
    part_bytes: int = 16 * MB
    set_bytes: int = 100 * MB
    open_sets: int = 128
    """Per node, unfinished or not yet landed. Whole sets that only wait for us make the next one wait; the others
    are the sender's own, and use it up."""
    open_bytes: int = 4096 * MB
    """Per node, as its sets announce themselves: a set that fits at its first part fits to its last."""
    recipients: int = 1000
    offers: int = 6
    """How often a set is handed out before it is put aside, for a person."""
    age: timedelta = timedelta(hours=24)
    remembered: int = 10_000
    """Ended sets of one node, remembered for `age` so that late repeats do not begin them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLabel:
    """Unverified label of one part: part `n` of `of`, counted from 1. `user` is the node that the broker vouches for, or
    None."""

    user: str | None
    set_id: str
    n: int
    of: int
    whole_size: int
    whole_digest: Digest
    packet_id: str
    kind: str
    sender: str
    lane: Lane

    @classmethod
    def read(
        cls,
        headers: Mapping[str, object],
        user: str | None,
        *,
        packet_id: object,
        kind: object,
        limits: PartLimits,
    ) -> Self:
        """Read a part's label. PartRefused for a field that is missing, of another type, or over a limit."""
        parts = _number(headers, PARTS, limits.parts)
        whole_size = _number(headers, WHOLE_SIZE, limits.set_bytes)
        if whole_size < parts:
            raise PartRefused(
                f"{parts} parts of {whole_size} bytes together: each part needs one byte at the least"
            )
        return cls(
            user=None if user is None else _word("user_id", user),
            set_id=_digest_in(headers, SET),
            n=_number(headers, PART, parts),
            of=parts,
            whole_size=whole_size,
            whole_digest=Digest(_digest_in(headers, WHOLE_DIGEST)),
            packet_id=_word("message_id", packet_id),
            kind=_word("type", kind),
            sender=_word(SENDER, headers.get(SENDER)),
            lane=_lane(headers.get(LANE)),
        )

    @property
    def set_fields(self) -> dict[str, str | int]:
        """Fields that every part of one set must have in common, by header name."""
        return {
            PARTS: self.of,
            WHOLE_SIZE: self.whole_size,
            WHOLE_DIGEST: self.whole_digest,
            "message_id": self.packet_id,
            "type": self.kind,
            SENDER: self.sender,
            LANE: self.lane.value,
        }


def _number(headers: Mapping[str, object], name: str, most: int) -> int:
    """Return a whole number from 1 to `most`, or raise PartRefused."""
    value = headers.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise PartRefused(f"{name} is {_in_words(value)}; a whole number from 1 to {most} is expected")
    return value


def _digest_in(headers: Mapping[str, object], name: str) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise PartRefused(f"{name} is {_in_words(value)}; 64 hexadecimal digits in lower case are expected")
    return value


def _word(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _WORD_LENGTH or not value.isprintable():
        raise PartRefused(
            f"{name} is {_in_words(value)}; 1 to {_WORD_LENGTH} printable characters are expected"
        )
    return value


def _lane(value: object) -> Lane:
    for lane in Lane:
        if value == lane.value:
            return lane
    raise PartRefused(f"{LANE} is {_in_words(value)}; one of {', '.join(Lane)} is expected")


def _in_words(value: object) -> str:
    """Describe an unsigned value for the log, short and on one line. A huge number is named by its type, because writing
    it out only to cut it would be slow."""
    if isinstance(value, str | bytes):
        return repr(value[:40])
    return "missing" if value is None else repr(value)[:40] if _is_small(value) else type(value).__name__


def _is_small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 10**18
