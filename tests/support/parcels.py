"""Parcels for tests of an axis, and how to wait for them. In: bytes and recipients. Out: parcels, arrivals."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.ports.axis import Arrival, Axis, Fate, Parcel
from tests.support.waiting import PAUSE_S, wait_until

LEASE_S = 60.0


def parcel(packet_id: str = "p1", content: bytes = b"bytes of a packet", lane: Lane = Lane.NORMAL) -> Parcel:
    return Parcel(
        packet_id=packet_id,
        kind="document",
        sender="Z91.07",
        lane=lane,
        digest=Digest(hashlib.sha256(content).hexdigest()),
        size=len(content),
        open=lambda: io.BytesIO(content),
    )


def bytes_of(arrival: Arrival) -> bytes:
    with arrival.open() as source:
        return source.read()


async def received(*axes: Axis, count: int = 1, limit: int = 10, lease_s: float = LEASE_S) -> list[Arrival]:
    """Take so many arrivals from these consumers; a broker pushes to any, at any time."""
    arrivals: list[Arrival] = []

    async def are_here() -> bool:
        for axis in axes:
            arrivals.extend(await axis.take(limit, lease_s))
            if len(arrivals) < count:
                await axis.wait(PAUSE_S)
        return len(arrivals) >= count

    await wait_until(are_here, f"{count} parcels")
    return arrivals


async def nothing_more(*axes: Axis, code: str = "Z92") -> None:
    """Check that no parcel waits: the next one to come is a marker published now. It leaves no trace."""
    assert (await axes[0].publish(parcel("marker", b"marker"), [code]))[code].fate is Fate.DELIVERED
    arrivals = await received(*axes)
    assert [a.packet_id for a in arrivals] == ["marker"]
    for axis in axes:
        await axis.settle(arrivals[0], is_done=True)


async def settled(axis: Axis, arrivals: Sequence[Arrival], *, is_done: bool = True) -> None:
    for arrival in arrivals:
        await axis.settle(arrival, is_done=is_done)
