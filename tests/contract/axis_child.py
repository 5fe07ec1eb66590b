"""Another process on an embedded axis, for the contract tests: `take` begins at the first line of stdin, prints each
packet id it leased, then `done`, and holds all of them until stdin ends; `publish` sends one parcel of the bytes it
reads from stdin. Run by path with the repository as working folder."""

import asyncio
import hashlib
import io
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports.axis import Parcel
from gateway.transport.embedded import EmbeddedAxis

LEASE_S = 600.0


async def take(axis: EmbeddedAxis) -> None:
    await asyncio.to_thread(sys.stdin.buffer.readline)
    while arrivals := await axis.take(3, LEASE_S):
        for arrival in arrivals:
            print(arrival.packet_id, flush=True)
    print("done", flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


async def publish(axis: EmbeddedAxis, recipient: str, content: bytes) -> None:
    digest = Digest(hashlib.sha256(content).hexdigest())
    parcel = Parcel(
        packet_id="from-child",
        kind="document",
        sender="Z91",
        lane=Lane.NORMAL,
        digest=digest,
        size=len(content),
        open=lambda: io.BytesIO(content),
    )
    outcomes = await axis.publish(parcel, [recipient])
    print(outcomes[recipient].fate.value, flush=True)


async def main(verb: str, folder: str, node: str, recipient: str) -> None:
    pool = ThreadPool(1)
    async with EmbeddedAxis(Path(folder), node, SystemClock(), pool) as axis:
        print("ready", flush=True)
        if verb == "take":
            await take(axis)
        else:
            await publish(axis, recipient, await asyncio.to_thread(sys.stdin.buffer.read))
    pool.close()


asyncio.run(main(*sys.argv[1:]))
