"""Cuts a large parcel into parts that fit the broker. In: a parcel and the size of a part. Out: parts in order, read as
they are asked for, so that one is in memory. The last is given only once the whole was what the parcel announced: what
a rotten file begins, it never completes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.errors import BrokerRefused
from gateway.ports import Parcel
from gateway.transport.amqp.parts_label import PART, PARTS, SET, WHOLE_DIGEST, WHOLE_SIZE
from gateway.transport.amqp.topology import LANE, SENDER

PIECE = 256 * 1024  # bytes read at a time (design G8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Part `n` of `of`, counted from 1."""

    set_id: str
    n: int
    of: int
    whole_size: int
    whole_digest: Digest
    sender: str
    lane: Lane
    body: bytes

    def headers(self) -> dict[str, str | int]:
        """What goes with the bytes; unsigned, like all that a broker carries."""
        return {
            SET: self.set_id,
            PART: self.n,
            PARTS: self.of,
            WHOLE_SIZE: self.whole_size,
            WHOLE_DIGEST: self.whole_digest,
            SENDER: self.sender,
            LANE: self.lane.value,
        }


def set_id(digest: Digest, part_bytes: int) -> str:
    """The same bytes cut in the same way are the same set, however often they are sent."""
    return hashlib.sha256(f"lienthong/parts/1\n{digest}\n{part_bytes}\n".encode()).hexdigest()


def pieces(parcel: Parcel, part_bytes: int) -> Iterator[Part]:
    """BrokerRefused instead of the last part when the bytes are not those that the parcel announced. Sync: each step
    reads a file, so take it in the pool."""
    if part_bytes < 1:
        raise ValueError(f"a part has one byte at the least, not {part_bytes}")
    of = max(1, -(-parcel.size // part_bytes))
    name, hasher = set_id(parcel.digest, part_bytes), hashlib.sha256()
    with parcel.open() as source:
        for n in range(1, of + 1):
            body = _read(source, part_bytes)
            hasher.update(body)
            if n == of:
                _check(parcel, hasher.hexdigest(), (n - 1) * part_bytes + len(body) + len(source.read(1)))
            yield Part(
                set_id=name,
                n=n,
                of=of,
                whole_size=parcel.size,
                whole_digest=parcel.digest,
                sender=parcel.sender,
                lane=parcel.lane,
                body=body,
            )


def _read(source: BinaryIO, size: int) -> bytes:
    body = BytesIO()
    while size > 0 and (piece := source.read(min(PIECE, size))):
        size -= body.write(piece)
    return body.getvalue()


def _check(parcel: Parcel, digest: str, size: int) -> None:
    if (digest, size) != (parcel.digest, parcel.size):
        raise BrokerRefused(
            f"packet {parcel.packet_id}: its bytes are not what was announced: expected {parcel.size} bytes with"
            f" SHA-256 {parcel.digest}, found {size} or more with {digest}; check the content store"
        )
