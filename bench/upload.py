"""A 400 MB file in parts over a line that breaks five times, then a document that carries it, to a receiver. In: nothing;
tests bring nodes and smaller numbers. Out: how often the line broke, the bytes that passed it, whether the receiver's API
hands out the same bytes, and the memory of both nodes: idle, and the most that was resident until the end."""

from __future__ import annotations

import asyncio
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from bench import large, pair, reach
from bench.amounts import number
from bench.large import LIMIT, RECEIVER, SENDER
from bench.machine import MB, forget_peak, load
from bench.reach import Reach, Sent
from tests.support.tcp_proxy import Direction, TcpProxy

LIMITS = {
    "GATEWAY_LIMITS_FILE_MB": "450",
    "GATEWAY_LIMITS_DOCUMENT_MB": "450",
    "GATEWAY_LIMITS_ENVELOPE_MB": "650",
}
_PATIENT = ClientTimeout(total=600, connect=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Amounts to send."""

    size: int = number(400 * MB, "bytes of the file", quick=40 * MB)
    breaks: int = number(5, "how often the line breaks")
    part: int = number(8 * 1024 * 1024, "bytes of a part")
    patience_s: float = number(900.0, "seconds until it is given up")


async def measure(folder: Path, numbers: Numbers) -> dict[str, Any]:
    """Measure on nodes of its own."""
    plan = reach.plan({"sender": (SENDER,), "receiver": (RECEIVER,)}, settings=LIMITS)
    async with reach.opened(plan, folder) as nodes:
        return await run(nodes, folder, numbers)


async def run(
    nodes: Reach, folder: Path, numbers: Numbers, receiver: str = "receiver", first: int = 301
) -> dict[str, Any]:
    """Run it. `holds` says whether the same bytes came, the line broke as often as it was to, the repeated bytes are no
    more than a part for each break, and both sides stayed within the limit."""
    (small,) = await pair.papers(folder / "papers", large.SMALL, 1)
    (paper,) = await pair.papers(folder / "papers", numbers.size, 1)
    workers = {"sender": nodes.workers["sender"], "receiver": nodes.workers[receiver]}
    sent = await nodes.send(SENDER, (RECEIVER,), small, first)
    await nodes.wait_for_states(sent, {RECEIVER: "delivered"}, numbers.patience_s)
    idle = large.memory(workers, "VmRSS")
    for worker in workers.values():
        forget_peak(worker.pid)
    loaded, at = load(), monotonic()
    id, broke, passed = await _upload(nodes, paper, numbers)
    uploaded_s = monotonic() - at
    sent = await _send(nodes, id, first + 1)
    await nodes.wait_for_states(sent, {RECEIVER: "delivered"}, numbers.patience_s)
    digests = await large.received_digests(nodes, numbers.size)
    peak = large.memory(workers, "VmHWM")
    above = {name: peak[name] - idle[name] for name in peak}
    same = digests == [await asyncio.to_thread(_digest, paper)]
    return {
        "bytes": numbers.size,
        "parts": -(-numbers.size // numbers.part),
        "broke": broke,
        "passed": passed,
        "upload_seconds": round(uploaded_s, 1),
        "seconds": round(monotonic() - at, 1),
        "same": same,
        "idle_mb": {name: large.in_mb(size) for name, size in idle.items()},
        "peak_mb": {name: large.in_mb(size) for name, size in peak.items()},
        "above_idle_mb": {name: large.in_mb(size) for name, size in above.items()},
        "limit_mb": large.in_mb(LIMIT),
        "load": loaded,
        "holds": same
        and broke == numbers.breaks
        and passed < numbers.size + (numbers.breaks + 1) * numbers.part
        and max(above.values()) <= LIMIT,
    }


async def _upload(nodes: Reach, paper: Path, numbers: Numbers) -> tuple[str, int, int]:
    """Upload the file; return its id, how often the line broke, and the bytes that passed."""
    site = nodes.site(SENDER)
    address = urlsplit(site.url)
    every = numbers.size // (numbers.breaks + 1)
    headers = {"Authorization": f"Bearer {site.keys[SENDER]}"}
    announced = {"name": paper.name, "size": numbers.size, "part_size": numbers.part}
    async with (
        TcpProxy(address.hostname or "127.0.0.1", address.port or 80) as line,
        ClientSession(f"http://{line.host}:{line.port}", headers=headers, timeout=_PATIENT) as session,
    ):
        sender = _Sender(session=session, paper=paper, part=numbers.part)
        upload = await sender.tell("POST", "/uploads", json=announced, once="upload")
        line.cut_after(every)
        broke = 0
        while upload["missing"]:
            try:
                for n in upload["missing"]:
                    await sender.put_part(upload["id"], n)
            except (ClientError, OSError):
                broke += 1
                line.heal()
                if broke < numbers.breaks:
                    line.cut_after(every)
            upload = await sender.tell("GET", f"/uploads/{upload['id']}")
        await sender.tell("POST", f"/uploads/{upload['id']}/complete")
        return upload["id"], broke, line.passed[Direction.TO]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sender:
    """A document system, with HTTP alone."""

    session: ClientSession
    paper: Path
    part: int

    async def tell(self, method: str, path: str, once: str = "", json: object = None) -> Any:  # Any: JSON
        headers = {"Idempotency-Key": once} if once else {}
        async with self.session.request(method, f"/api/v1{path}", headers=headers, json=json) as answer:
            answer.raise_for_status()
            return await answer.json()

    async def put_part(self, id: str, n: int) -> None:
        content = await asyncio.to_thread(self._read, n)
        headers = {"Content-Type": "application/octet-stream"}
        path = f"/api/v1/uploads/{id}/parts/{n}"
        async with self.session.put(path, headers=headers, data=content) as answer:
            answer.raise_for_status()

    def _read(self, n: int) -> BinaryIO:
        with self.paper.open("rb") as file:
            file.seek((n - 1) * self.part)
            return io.BytesIO(file.read(self.part))


async def _send(nodes: Reach, id: str, number: int) -> Sent:
    at = monotonic()
    meta = reach.document_json((RECEIVER,), number, "thuong") | {"files": [{"id": id, "role": "lead"}]}
    message = await nodes.ask(SENDER, "POST", "/messages", body=meta, key=f"upload-{number}")
    return Sent(id=message["id"], code=SENDER, at=at, answered_s=monotonic() - at)


def _digest(paper: Path) -> str:
    with paper.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
