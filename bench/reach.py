"""Nodes on a broker and a PostgreSQL of their own, each node a process and each behind a line that counts its bytes, with
one document system for all of them. In: the codes of each node. Out: a `Reach` to send through and to observe."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from aiohttp import ClientSession, ClientTimeout, FormData

from bench.pair import Broken
from bench.soak import ground, stage
from bench.soak.ground import Ground
from bench.soak.plan import Plan
from bench.soak.processes import Worker
from bench.soak.stage import Site
from tests.support.tcp_proxy import Direction, TcpProxy

LOOK_S = 0.25
_PIECE = 1024 * 1024
_TIMEOUT = ClientTimeout(total=300, connect=10)


def plan(
    cast: Mapping[str, tuple[str, ...]],
    absent: tuple[str, ...] = (),
    settings: Mapping[str, str] | None = None,
) -> Plan:
    """Plan one process a node; `settings` are an administrator's changes."""
    return Plan(
        n=0,
        kills=0,
        seed=1,
        axis="amqp",
        database="postgresql",
        lease_s=60,  # the product's own
        cast=cast,
        absent=absent,
        settings=settings or {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A document that was answered with 202."""

    id: str
    code: str
    at: float
    answered_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """All nodes up, with the calls to ask them."""

    ground: Ground
    sites: dict[str, Site]
    workers: dict[str, Worker]
    session: ClientSession

    def site(self, code: str) -> Site:
        """Return the site of the agency with that code."""
        return next(s for s in self.sites.values() if code in s.agencies)

    def line(self, node: str) -> TcpProxy:
        """Return the line between the node and the broker."""
        return self.ground.axis_lines[node][0]

    def uploaded(self, node: str) -> int:
        """Return the bytes from the node to the broker, of every kind, since the start."""
        return self.line(node).passed[Direction.TO]

    async def send(
        self, code: str, to: tuple[str, ...], paper: Path, number: int, urgency: str = "thuong"
    ) -> Sent:
        """Send a document of the agency with that code."""
        at = monotonic()
        with paper.open("rb") as file:
            form = FormData(quote_fields=False)
            form.add_field(
                "meta", json.dumps(document_json(to, number, urgency)), content_type="application/json"
            )
            form.add_field("lead", file, filename=paper.name, content_type="application/pdf")
            message = await self.ask(code, "POST", "/messages", form=form, key=f"reach-{number}")
        return Sent(id=message["id"], code=code, at=at, answered_s=monotonic() - at)

    async def states(self, sent: Sent) -> dict[str, str]:
        """Return the shown state of each recipient."""
        message = await self.ask(sent.code, "GET", f"/messages/{sent.id}")
        return {r["code"]: r["state"] for r in message["recipients"]}

    async def wait_for_states(self, sent: Sent, expected: Mapping[str, str], patience_s: float) -> float:
        """Wait until each of these recipients is shown in its state; return the seconds from the first byte."""
        end = sent.at + patience_s
        while True:
            states = await self.states(sent)
            now, late = (
                monotonic(),
                {code: states.get(code) for code in expected if states.get(code) != expected[code]},
            )
            if not late:
                return now - sent.at
            if now > end:
                raise Broken(f"after {patience_s:.0f} s {len(late)} of {len(expected)} are not there: {late}")
            await asyncio.sleep(LOOK_S)

    async def reason(self, sent: Sent, code: str) -> str:
        """Return why the delivery to that recipient failed, as its line says; nothing where it did not."""
        timeline = await self.ask(sent.code, "GET", f"/messages/{sent.id}/events")
        (line,) = (r for r in timeline["recipients"] if r["code"] == code)
        return next((fact["reason"] for fact in line["facts"] if fact["code"] == "failed"), "")

    async def measured(self, code: str, path: str) -> tuple[int, str]:
        """Return size and SHA-256 of the API's answer there."""
        hasher, size = hashlib.sha256(), 0
        async with self._request(code, "GET", path) as answer:
            _check(answer.status, path, "")
            async for piece in answer.content.iter_chunked(_PIECE):
                hasher.update(piece)
                size += len(piece)
        return size, hasher.hexdigest()

    async def ask(
        self,
        code: str,
        method: str,
        path: str,
        *,
        form: FormData | None = None,
        body: object = None,
        key: str = "",
    ) -> Any:  # Any: JSON
        """Make one call for the agency with that code, with parts or with JSON."""
        async with self._request(code, method, path, form, body, key) as answer:
            text = await answer.text()
        _check(answer.status, path, text)
        return json.loads(text)

    def _request(
        self,
        code: str,
        method: str,
        path: str,
        form: FormData | None = None,
        body: object = None,
        key: str = "",
    ) -> Any:  # Any: aiohttp's own context manager
        site = self.site(code)
        headers = {"Authorization": f"Bearer {site.keys[code]}"} | ({"Idempotency-Key": key} if key else {})
        return self.session.request(
            method, f"{site.url}/api/v1{path}", data=form, json=body, headers=headers, timeout=_TIMEOUT
        )


@asynccontextmanager
async def opened(plan: Plan, folder: Path) -> AsyncIterator[Reach]:
    """Run every node; stopped at the end whatever happened."""
    async with AsyncExitStack() as stack:
        below = await stack.enter_async_context(ground.prepared(plan, folder))
        sites = await stage.prepare(below)
        workers = {name: _worker(below, site) for name, site in sites.items()}
        for worker in workers.values():
            stack.push_async_callback(worker.stop)
        await asyncio.gather(*(worker.start() for worker in workers.values()))
        session = await stack.enter_async_context(ClientSession())
        reach = Reach(ground=below, sites=sites, workers=workers, session=session)
        await _until_answered(reach)
        yield reach


async def _until_answered(reach: Reach) -> None:
    """Wait until every API answers: `ready` is said when a node is open, and its API listens a moment later."""
    for site in reach.sites.values():
        code = next(iter(site.agencies))
        async with asyncio.timeout(60):
            while not await _answers(reach, code):  # noqa: ASYNC110 - a closed port cannot notify us
                await asyncio.sleep(LOOK_S)


async def _answers(reach: Reach, code: str) -> bool:
    try:
        await reach.ask(code, "GET", "/me")
    except OSError:
        return False
    return True


def _worker(below: Ground, site: Site) -> Worker:
    log = below.folder / f"{site.node}.log"
    worker = Worker(site, below.switches(site.node), log, below.plan.chance(site.node), api=True)
    worker.offset = 0.0
    return worker


def _check(status: int, path: str, text: str) -> None:
    if status not in (200, 202):
        raise Broken(f"{path}: {status} {text[:1000]}")


def document_json(to: tuple[str, ...], number: int, urgency: str) -> dict[str, object]:
    return {
        "number": str(number),
        "symbol": "TN-DO",
        "date": (datetime.now(UTC) - timedelta(days=1)).date().isoformat(),
        "type": "cong_van",
        "subject": f"Về việc đo khả năng gửi, văn bản {number}",
        "urgency": urgency,
        "signer": {"name": "Người Ký Mẫu"},
        "reply_required": False,
        "recipients": [{"code": code, "role": "to_act"} for code in to],
        "confirm": ["recipient-unhosted"],  # one of them is on no node, on purpose
    }
