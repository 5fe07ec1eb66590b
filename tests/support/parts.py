"""Large packets in parts, small: a parcel cut into parts, and what a receiving node reads from each of them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.ports.axis import Parcel
from gateway.ports.services import Clock
from gateway.transport.amqp.parts_spool import JoinedParts, Landing, PartLabel, PartLimits, Spool
from gateway.transport.amqp.publisher import Part, parts_of
from tests.support.clock import ManualClock

LIMITS = PartLimits(part_bytes=1000, set_bytes=100_000)
TO = ("Z92.01", "Z92.02")


def parcel(content: bytes, packet_id: str = "p1", lane: Lane = Lane.NORMAL) -> Parcel:
    return Parcel(
        packet_id=packet_id,
        kind="edoc",
        sender="Z91.07",
        lane=lane,
        digest=Digest(hashlib.sha256(content).hexdigest()),
        size=len(content),
        open=lambda: io.BytesIO(content),
    )


def cut(content: bytes, size: int = 10) -> list[Part]:
    return list(parts_of(parcel(content), size))


def label_of(
    part: Part, user: str | None = "n1", lies: Mapping[str, object] = MappingProxyType({})
) -> PartLabel:
    """Read a label as the receiving node does, with some headers replaced by a liar."""
    headers = {**part.headers(), **lies}
    return PartLabel.read(headers, user, packet_id="p1", kind="edoc", limits=LIMITS)


def opened(folder: Path, clock: Clock | None = None, limits: PartLimits = LIMITS) -> Spool:
    return Spool(folder, limits, clock or ManualClock())


def land(
    spool: Spool,
    part: Part,
    user: str | None = "n1",
    to: Sequence[str] = TO,
    lies: Mapping[str, object] = MappingProxyType({}),
) -> Landing:
    return spool.land(label_of(part, user, lies), part.body, to)


def bytes_of(joined: JoinedParts) -> bytes:
    with joined.open() as source:
        return source.read()


def files_in(folder: Path) -> int:
    """Bytes of everything that lies below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
