"""One operated node, `gateway serve` in one process or several, and its callers: programs that know nothing but the API.
In: a folder, the servers below the node, and the program's version. Out: a `Served` to send through and to ask, also for
the CPU of each part."""

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

from bench import machine, pair, servers, stage
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A node that is set up and not at work: the settings of its processes, the key of its caller, the servers below."""

    folder: Path
    env: Mapping[str, str]
    key: str
    below: Servers | None

    @property
    def url(self) -> str:
        return load(None, self.env).database.url


@dataclass(slots=True, kw_only=True)
class Served:
    """The node at work. Its agency sends to another one that it hosts too."""

    store: SqlOfficeStore
    session: ClientSession
    key: str
    urls: list[str]
    processes: list[Process]
    below: Servers | None
    sent: int = 0
    _turns: Any = field(init=False)

    def __post_init__(self) -> None:
        self._turns = cycle(self.urls)

    async def send(self, content: bytes, urgency: str = "thuong", number: int = 0) -> str:
        """Send a document, the next one or that of the number, and return its id, once it is answered with 202."""
        self.sent += not number
        number = number or self.sent
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
    async with prepared(folder, servers_below=servers_below) as ground, at_work(ground, roles) as served:
        yield served


@asynccontextmanager
async def prepared(folder: Path, *, servers_below: bool, root: Path | None = None) -> AsyncIterator[Ground]:
    """Set the node up, by a process of the version in `root`, whose schema it has then."""
    async with AsyncExitStack() as stack:
        below, env = None, _embedded(folder)
        if servers_below:
            below = await stack.enter_async_context(servers.opened(folder, "node", {"node": _CODES}))
            await below.tell('CREATE DATABASE "node"')
            env = below.settings("node")
        process = await pair.start("bench.stage", "--key", *_CODES, piped=True, root=root, variables=env)
        key, _ = await process.communicate()
        if process.returncode:
            raise Broken("the node could not be set up")
        yield Ground(folder=folder, env=env, key=key.decode().strip(), below=below)


@asynccontextmanager
async def at_work(ground: Ground, roles: Sequence[str], sent: int = 0) -> AsyncIterator[Served]:
    """Start a process of that node for each role; `sent`: the number of the last document that was sent through it."""
    async with AsyncExitStack() as stack:
        store = SqlOfficeStore(ground.url, SystemClock())
        stack.push_async_callback(store.close)
        ports = free_ports(len(roles))
        started = [
            await stack.enter_async_context(process(ground, port, role))
            for port, role in zip(ports, roles, strict=True)
        ]
        session = await stack.enter_async_context(new_session())
        urls = [url_of(port) for port, role in zip(ports, roles, strict=True) if role != "worker"]
        served = Served(
            store=store,
            session=session,
            key=ground.key,
            urls=urls,
            processes=started,
            below=ground.below,
            sent=sent,
        )
        for url in urls:
            await until_ready(session, url, started, ground.folder)
        yield served


def new_session() -> ClientSession:
    """Return a session with as many connections as there are callers."""
    return ClientSession(connector=TCPConnector(limit=0))


def url_of(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _embedded(folder: Path) -> dict[str, str]:
    return {
        "GATEWAY_NODE_NAME": "node",
        "GATEWAY_NODE_DATA_DIR": str(folder / "node"),
        "GATEWAY_AXIS_FOLDER": str(folder / "axis"),
    }


@asynccontextmanager
async def process(
    ground: Ground, port: int, role: str, root: Path | None = None, ends_s: float = 0.0
) -> AsyncIterator[Process]:
    """Start one process of the node, of the version in `root`; at the end it is killed, or told to end and waited for."""
    at = {"PYTHONPATH": pair.environment(root)["PYTHONPATH"]} if root else {}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    with log_of(ground.folder).open("ab") as log_file:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--role", role),
            env={**plain, **ground.env, **_OPEN, **at, "GATEWAY_API_PORT": str(port)},
            stdin=DEVNULL,
            stdout=log_file,
            stderr=log_file,
            cwd=root,
        )
    try:
        yield started
    finally:
        if started.returncode is None and ends_s:
            started.terminate()
            await asyncio.wait([asyncio.create_task(started.wait())], timeout=ends_s)
        if started.returncode is None:
            started.kill()  # its folder is thrown away
        await started.wait()


def log_of(folder: Path) -> Path:
    return folder / "node.log"


async def until_ready(session: ClientSession, url: str, processes: Sequence[Process], folder: Path) -> None:
    """Wait until that process answers; `Broken` with the end of the log where one of them has ended."""
    end = monotonic() + START_S
    while not await _is_ready(session, url):
        if any(started.returncode is not None for started in processes) or monotonic() > end:
            words = log_of(folder).read_text(errors="replace")[-2000:]
            raise Broken(f"the node does not answer; it said: {words}")
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
