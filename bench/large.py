"""A 100 MB document in parts over a broker that is killed and started again when half of the bytes are up. In: nothing;
tests bring nodes and smaller numbers. Out: the time, the bytes that went up, whether the receiver's API hands out the same
bytes, and each node's memory: idle (one small document behind it), and the most that was resident until the end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from bench import machine, pair, reach
from bench.amounts import number
from bench.machine import MB
from bench.reach import Reach, Sent
from bench.soak.processes import Worker

SENDER, RECEIVER = "Z91", "Z92"
LIMITS = {
    "GATEWAY_LIMITS_FILE_MB": "150",
    "GATEWAY_LIMITS_DOCUMENT_MB": "150",
    "GATEWAY_LIMITS_ENVELOPE_MB": "250",
}
SMALL = 10_000
# The 32 parts of 2 MB that a receiver gets ahead of its disk, whatever the document's size.
LIMIT = 64 * MB


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(100 * MB, "bytes of the large document", quick=20 * MB)
    patience_s: float = number(600.0, "seconds until it is given up")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure on nodes of its own."""
    plan = reach.plan({"sender": (SENDER,), "receiver": (RECEIVER,)}, settings=LIMITS)
    async with reach.opened(plan, folder) as nodes:
        return await run(nodes, folder, numbers)


async def run(nodes: Reach, folder: Path, numbers: Numbers, receiver: str = "receiver") -> dict[str, Any]:
    """Run it. `holds`: the same bytes came once, no process began anew, and both sides stayed within the limit."""
    (small,) = await pair.papers(folder / "papers", SMALL, 1)
    (large,) = await pair.papers(folder / "papers", numbers.size, 1)
    workers = {"sender": nodes.workers["sender"], "receiver": nodes.workers[receiver]}
    await _arrived(nodes, await nodes.send(SENDER, (RECEIVER,), small, 101), numbers.patience_s)
    idle = memory(workers, "VmRSS")
    for worker in workers.values():
        machine.forget_peak(worker.pid)
    loaded, uploaded_before = machine.load(), nodes.uploaded("sender")
    restarting = asyncio.create_task(_restart_at_half(nodes, numbers))
    sent = await nodes.send(SENDER, (RECEIVER,), large, 102)
    seconds = await _arrived(nodes, sent, numbers.patience_s)
    restart = await restarting
    uploaded = nodes.uploaded("sender") - uploaded_before
    envelope, _ = await nodes.measured(SENDER, f"/messages/{sent.id}/envelope")
    digests = await received_digests(nodes, numbers.size)
    peak = memory(workers, "VmHWM")
    starts = {name: worker.starts for name, worker in workers.items()}
    above = {name: peak[name] - idle[name] for name in peak}
    same = digests == [hashlib.sha256(await asyncio.to_thread(large.read_bytes)).hexdigest()]
    return {
        "bytes": numbers.size,
        "seconds": round(seconds, 1),
        **restart,
        "envelope": envelope,
        "uploaded": uploaded,
        "came": len(digests),
        "same": same,
        "starts": starts,
        "idle_mb": {name: in_mb(size) for name, size in idle.items()},
        "peak_mb": {name: in_mb(size) for name, size in peak.items()},
        "above_idle_mb": {name: in_mb(size) for name, size in above.items()},
        "limit_mb": in_mb(LIMIT),
        "load": loaded,
        "holds": same
        and restart["up_at_kill"] < envelope < uploaded
        and max(above.values()) <= LIMIT
        and set(starts.values()) == {1},
    }


async def _arrived(nodes: Reach, sent: Sent, patience_s: float) -> float:
    return await nodes.wait_for_states(sent, {RECEIVER: "delivered"}, patience_s)


async def _restart_at_half(nodes: Reach, numbers: Numbers) -> dict[str, Any]:
    """Restart the broker when half of the envelope is up, two thirds of the document in base64."""
    line, uploaded_before = nodes.line("sender"), nodes.uploaded("sender")
    await line.until_passed(uploaded_before + numbers.size * 2 // 3)
    line.stall()  # a fast machine must not finish while the broker is being killed
    at, up, cluster = monotonic(), nodes.uploaded("sender") - uploaded_before, nodes.ground.cluster
    assert cluster is not None
    await asyncio.to_thread(cluster.stop)
    line.heal()
    await asyncio.to_thread(cluster.restart)
    return {"up_at_kill": up, "down_s": round(monotonic() - at, 1)}


async def received_digests(nodes: Reach, size: int) -> list[str]:
    """Return digests of the documents of that size in the receiver's API: one, when nothing is doubled."""
    inbox = await nodes.ask(RECEIVER, "GET", "/inbox")
    digests = []
    for item in inbox["data"]:
        for file in item["files"]:
            if file["size"] == size:
                _, digest = await nodes.measured(RECEIVER, f"/inbox/{item['id']}/files/{file['n']}")
                digests.append(digest)
    return digests


def memory(workers: Mapping[str, Worker], name: str) -> dict[str, int]:
    return {side: machine.status(name, worker.pid) for side, worker in workers.items()}


def in_mb(size: int) -> float:
    return round(size / MB, 1)
