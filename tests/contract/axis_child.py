"""Another process on an embedded axis, for the contract tests: `take` prints each packet id it leased, one a line;
`publish` sends one parcel of the bytes it reads from stdin. Run by path with the repository as working folder."""

import asyncio
import hashlib
import io
import sys
from pathlib import Path

from gateway.clock import SystemClock
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports import Parcel
from gateway.transport.embedded import EmbeddedAxis

LEASE_S = 600.0


async def take(axis: EmbeddedAxis) -> None:
    while arrivals := await axis.take(3, LEASE_S):
        for arrival in arrivals:
            print(arrival.packet_id, flush=True)


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
        content = await asyncio.to_thread(sys.stdin.buffer.read)
        if verb == "take":
            await take(axis)
        else:
            await publish(axis, recipient, content)
    pool.close()


asyncio.run(main(*sys.argv[1:]))
