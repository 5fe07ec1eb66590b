"""What stands on a message of the broker beside its bytes: the table of headers as it comes over the wire, the label of
a parcel, the label of a part. Whatever is there is read or refused with a reason that is short enough to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from aio_pika.abc import AbstractIncomingMessage
from pamqp import encode

from gateway.transport.amqp import connection, label, topology
from gateway.transport.amqp.label import (
    PART,
    PARTS,
    SET,
    WHOLE_DIGEST,
    WHOLE_SIZE,
    PartLabel,
    PartLimits,
    PartRefused,
)
from tests.fuzz.target import Target

_LIMITS = PartLimits()
_HEX = "ab" * 32


@dataclass(frozen=True, kw_only=True)
class _Message:
    """What of a message the labels look at. The broker library builds its own from a connection only."""

    headers: Mapping[str, Any]
    body: bytes
    message_id: Any = None
    type: Any = None
    user_id: Any = None
    routing_key: Any = None


def wire(data: bytes) -> None:
    """The first bytes are short texts, the rest is the table."""
    words, at = [], 0
    for _ in range(4):
        used, word = connection.read_short_text(data[at:])
        words.append(word)
        at += used
    used, headers = connection.read_table(data[at:])
    assert used >= 4
    connection.read_time(data[at + used :])
    _of_a_parcel(headers, words, data)
    _of_a_part(headers, words)


def _of_a_parcel(headers: Mapping[str, Any], words: list[str], body: bytes) -> None:
    delivery = _Message(
        headers=headers, body=body, message_id=words[0], type=words[1], user_id=words[2], routing_key=words[3]
    )
    message = cast(AbstractIncomingMessage, delivery)
    guessed = label.read_leniently(message)
    for text in (guessed.packet_id, guessed.kind, guessed.sender):
        assert len(text) <= label.LONGEST_TEXT
        assert text.isprintable()
    try:
        read_label = label.read(message, "own")
        label.must_fit(read_label, body)
    except label.Unreadable as why:
        _can_be_shown(str(why))
        return
    assert read_label.size == len(body)
    assert read_label.packet_id.isprintable()


def _of_a_part(headers: Mapping[str, Any], words: list[str]) -> None:
    try:
        part = PartLabel.read(headers, words[2] or None, packet_id=words[0], kind=words[1], limits=_LIMITS)
    except PartRefused as why:
        _can_be_shown(str(why))
        return
    assert 1 <= part.n <= part.of <= _LIMITS.parts
    assert part.of <= part.whole_size <= _LIMITS.set_bytes
    assert part.set_id == part.set_id.lower()


def _can_be_shown(reason: str) -> None:
    assert 0 < len(reason) < 500
    assert reason.isprintable()


def _seeds() -> Iterator[bytes]:
    texts = b"".join(encode.short_string(t) for t in ("pkt-1", "edoc", "node-a", "z91"))
    parcel = {topology.SENDER: "Z91", topology.DIGEST: _HEX, topology.SIZE: 300, topology.LANE: "normal"}
    part = {SET: _HEX, PART: 1, PARTS: 2, WHOLE_SIZE: 300, WHOLE_DIGEST: _HEX}
    more = {topology.MORE_RECIPIENTS: ["z92", "z93"], topology.RETURNED: 2, topology.FIRST_NODE: "node-b"}
    broker = {"x-death": [{"count": 1, "queue": "q", "reason": "rejected"}]}
    for table in (parcel, parcel | part, parcel | more, parcel | broker, {}):
        yield texts + encode.field_table(cast(Any, table)) + bytes(8)


TARGETS = (Target(name="amqp", run=wire, seeds=_seeds, longest=4_096),)
