"""One operated node, `gateway serve` in one process or several, and its callers: programs that know nothing but the API.
In: a folder, and the servers below the node. Out: a `Served` to send through and to ask, also for the CPU of each part."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import cycle
from pathlib import Path
from time import monotonic, process_time
from typing import Any

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, FormData, TCPConnector
from sqlalchemy import func, select
from sqlmodel import col

from bench import machine, servers, stage
from bench.pair import Broken
from bench.servers import Servers
from gateway.clock import SystemClock
from gateway.domain.event import EventKind
from gateway.settings import load
from gateway.store.row import among
from gateway.store.tables_node import EventRow
from gateway_office.store.store import SqlOfficeStore
from tests.services.process import free_ports

LOOK_S = 0.25
START_S = 120.0
_TIMEOUT = ClientTimeout(total=300, connect=30)
_CODES = [stage.SENDER, stage.RECEIVER]
# One caller acts for as many as there are in a province.
_OPEN = {"GATEWAY_API_RATE_PER_S": "100000", "GATEWAY_API_BURST": "1000000", "GATEWAY_LOG_LEVEL": "warning"}
_RECEIPTS = (
    select(col(EventRow.subject_id), func.count())
    .where(col(EventRow.kind) == EventKind.DELIVERY_STATUS.value)
    .group_by(col(EventRow.subject_id))
)
_RECEIPTS_OF = _RECEIPTS.where(among(col(EventRow.subject_id), "ids"))


@dataclass(slots=True, kw_only=True)
class Served:
    """The node at work. Its agency sends to another one that it hosts too."""

    store: SqlOfficeStore
    session: ClientSession
    key: str
    urls: list[str]
    processes: list[Process]
    below: Servers | None
    _sent: int = 0
    _turns: Any = field(init=False)

    def __post_init__(self) -> None:
        self._turns = cycle(self.urls)

    async def send(self, content: bytes, urgency: str = "thuong") -> str:
        """Send a document and return its id, once it is answered with 202."""
        self._sent += 1
        number = self._sent
        form = FormData(quote_fields=False)
        form.add_field("meta", json.dumps(_metadata(number, urgency)), content_type="application/json")
        form.add_field("lead", content, filename="van-ban.pdf", content_type="application/pdf")
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": f"bench-{number}"}
        url = f"{next(self._turns)}/api/v1/messages"
        async with self.session.post(url, data=form, headers=headers, timeout=_TIMEOUT) as answer:
            text = await answer.text()
        if answer.status != 202:
            raise Broken(f"a document was answered with {answer.status}: {text[:500]}")
        id: str = json.loads(text)["id"]
        return id

    async def count(self, kind: EventKind) -> int:
        """Count the events of that kind."""
        async with self.store.reading() as tx:
            query = select(func.count()).select_from(EventRow).where(col(EventRow.kind) == kind.value)
            ((number,),) = await tx.tuples(query)
            return int(number)

    async def until_answered(self, documents: int, patience_s: float) -> None:
        """Wait until so many documents in all have their 01."""
        end = monotonic() + patience_s
        while (answered := await self.count(EventKind.DELIVERY_STATUS)) < documents:
            if monotonic() > end:
                raise Broken(
                    f"after {patience_s:.0f} s only {answered} of {documents} documents have their 01"
                )
            await asyncio.sleep(LOOK_S)

    async def until_has(self, kind: EventKind, id: str, patience_s: float) -> None:
        """Wait until there is an event of that kind about the document."""
        end = monotonic() + patience_s
        while id not in await self.times(kind):
            if monotonic() > end:
                raise Broken(f"after {patience_s:.0f} s there is no {kind.value} about {id}")
            await asyncio.sleep(LOOK_S)

    async def times(self, kind: EventKind) -> Mapping[str, datetime]:
        """Return when the first event of that kind about each document was recorded."""
        async with self.store.reading() as tx:
            query = (
                select(col(EventRow.subject_id), func.min(col(EventRow.at)))
                .where(col(EventRow.kind) == kind.value)
                .group_by(col(EventRow.subject_id))
            )
            return {row[0]: row[1] for row in await tx.tuples(query)}

    async def receipts(self, ids: Sequence[str] = ()) -> Mapping[str, int]:
        """Return how many times the 01 of each document was recorded, of those that have one; of all by default."""
        async with self.store.viewing_few() as tx:
            return dict(await (tx.tuples(_RECEIPTS_OF, ids=list(ids)) if ids else tx.tuples(_RECEIPTS)))

    def cpu(self) -> dict[str, float]:
        """Return the seconds so far of each part; `load` is this process, which plays the callers."""
        seconds = {"load": process_time(), "node": sum(machine.cpu(p.pid) for p in self.processes)}
        if self.below is not None:
            seconds |= {"database": self.below.database_cpu(), "broker": self.below.broker_cpu()}
        return seconds


@asynccontextmanager
async def opened(folder: Path, roles: Sequence[str], *, servers_below: bool) -> AsyncIterator[Served]:
    """Start the node, a process for each role, and wait until it answers; stopped at the end whatever happened. On
    PostgreSQL and RabbitMQ where servers are below, else on one SQLite file and the embedded axis."""
    async with AsyncExitStack() as stack:
        below, env = None, _embedded(folder)
        if servers_below:
            below = await stack.enter_async_context(servers.opened(folder, "node", {"node": _CODES}))
            await below.tell('CREATE DATABASE "node"')
            env = below.settings("node")
        settings = load(None, env)
        await stage.prepare_one(settings, _CODES)
        key = await stage.key_of(settings, stage.SENDER)
        store = SqlOfficeStore(settings.database.url, SystemClock())
        stack.push_async_callback(store.close)
        log = folder / "node.log"
        ports = free_ports(len(roles))
        started = {
            port: await stack.enter_async_context(_serve({**env, **_OPEN}, port, role, log))
            for port, role in zip(ports, roles, strict=True)
        }
        session = await stack.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        answering = {
            f"http://127.0.0.1:{port}": started[port]
            for port, role in zip(ports, roles, strict=True)
            if role != "worker"
        }
        for url, process in answering.items():
            await _until_ready(session, url, process, log)
        processes = [*started.values()]
        served = Served(
            store=store, session=session, key=key, urls=[*answering], processes=processes, below=below
        )
        yield served


def _embedded(folder: Path) -> dict[str, str]:
    return {
        "GATEWAY_NODE_NAME": "node",
        "GATEWAY_NODE_DATA_DIR": str(folder / "node"),
        "GATEWAY_AXIS_FOLDER": str(folder / "axis"),
    }


@asynccontextmanager
async def _serve(env: Mapping[str, str], port: int, role: str, log: Path) -> AsyncIterator[Process]:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    with log.open("ab") as log_file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--role", role),
            env={**plain, **env, "GATEWAY_API_PORT": str(port)},
            stdin=DEVNULL,
            stdout=log_file,
            stderr=log_file,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()  # its folder is thrown away
        await process.wait()


async def _until_ready(session: ClientSession, url: str, process: Process, log: Path) -> None:
    end = monotonic() + START_S
    while not await _is_ready(session, url):
        if process.returncode is not None or monotonic() > end:
            raise Broken(f"the node does not answer; it said: {log.read_text(errors='replace')[-2000:]}")
        await asyncio.sleep(LOOK_S)


async def _is_ready(session: ClientSession, url: str) -> bool:
    try:
        async with session.get(f"{url}/readyz") as answer:
            return answer.status == 200
    except ClientConnectionError:
        return False


def _metadata(number: int, urgency: str) -> dict[str, object]:
    return {
        "number": str(number),
        "symbol": "TN-BENCH",
        "date": datetime.now().astimezone().date().isoformat(),
        "type": "cong_van",
        "subject": f"Về việc đo khả năng gửi, văn bản {number}",
        "urgency": urgency,
        "signer": {"name": "Người Ký Mẫu"},
        "reply_required": False,
        "recipients": [{"code": stage.RECEIVER, "role": "to_act"}],
    }
