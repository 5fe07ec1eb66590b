"""What a part of a large packet says about itself, and how much of that is believed: nothing, until it fits the limits.
In: headers and properties of one delivery, all unsigned. Out: a `PartLabel` with values of the right shape, or
PartRefused with the reason. Pure; whether parts agree with each other is for the spool to say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.errors import BrokerRefused
from gateway.transport.amqp.topology import LANE, SENDER

MB = 1024 * 1024
SET, PART, PARTS = "x-set", "x-part", "x-parts"
WHOLE_SIZE, WHOLE_DIGEST = "x-whole-size", "x-whole-digest"

_HEX: Final = re.compile(r"[0-9a-f]{64}")
_WORD_LENGTH: Final = 128  # of a sender's code, a packet id, a kind, a user: none of ours is longer than 64


class PartRefused(BrokerRefused):
    """A part that cannot be taken; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLimits:
    """What one node may make us keep before anything is verified (A2). A larger value is disk that any node on the axis
    can fill without a key."""

    parts: int = 4096
    part_bytes: int = 16 * MB
    set_bytes: int = 100 * MB
    open_sets: int = 128
    """Of one node, unfinished or not yet landed. Whole ones that only wait for us make the next one wait; the others
    are the sender's own, and use it up."""
    open_bytes: int = 4096 * MB
    """Of one node, as its sets announce themselves: a set that fits at its first part fits to its last."""
    recipients: int = 1000
    offers: int = 6
    """So often a set is handed out; then it is put aside, for a person."""
    age: timedelta = timedelta(hours=24)
    remembered: int = 10_000
    """Sets of one node that are over, remembered for `age` so that late repeats begin none anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLabel:
    """One part as it names itself. `user` is the node that the broker vouches for, None where it vouches for nobody."""

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
        """PartRefused for whatever is missing, of another type, or over a limit."""
        of = _number(headers, PARTS, limits.parts)
        whole_size = _number(headers, WHOLE_SIZE, limits.set_bytes)
        if whole_size < of:
            raise PartRefused(
                f"{of} parts of {whole_size} bytes together: each part needs one byte at the least"
            )
        return cls(
            user=None if user is None else _word("user_id", user),
            set_id=_digest(headers, SET),
            n=_number(headers, PART, of),
            of=of,
            whole_size=whole_size,
            whole_digest=Digest(_digest(headers, WHOLE_DIGEST)),
            packet_id=_word("message_id", packet_id),
            kind=_word("type", kind),
            sender=_word(SENDER, headers.get(SENDER)),
            lane=_lane(headers.get(LANE)),
        )

    @property
    def about_the_set(self) -> dict[str, str | int]:
        """What every part of one set must say alike."""
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
    value = headers.get(name)
    if type(value) is not int or not 1 <= value <= most:
        raise PartRefused(f"{name} is {_shown(value)}; a whole number from 1 to {most} is expected")
    return value


def _digest(headers: Mapping[str, object], name: str) -> str:
    value = headers.get(name)
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise PartRefused(f"{name} is {_shown(value)}; 64 hexadecimal digits in lower case are expected")
    return value


def _word(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _WORD_LENGTH or not value.isprintable():
        raise PartRefused(f"{name} is {_shown(value)}; 1 to {_WORD_LENGTH} printable characters are expected")
    return value


def _lane(value: object) -> Lane:
    for lane in Lane:
        if value == lane.value:
            return lane
    raise PartRefused(f"{LANE} is {_shown(value)}; one of {', '.join(Lane)} is expected")


def _shown(value: object) -> str:
    """Unsigned words go to logs: short, and on one line. A huge number is not written out to be cut."""
    if isinstance(value, str | bytes):
        return repr(value[:40])
    return "missing" if value is None else repr(value)[:40] if _is_small(value) else type(value).__name__


def _is_small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 10**18
