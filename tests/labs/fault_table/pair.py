"""Two nodes at work, each as two real processes that a service manager would restart, with callers of their API, a mail
server and the program of their operators. In: a folder, where their database and axis are, settings. Out: a `Pair`, whose
processes, disks and lines a row of the table harms; all of it ends with the block."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import aiohttp
import asyncpg

from bench.soak import rows, stage
from bench.soak.callers import message_form
from bench.soak.client import Client, Unanswered
from bench.soak.ground import Ground
from bench.soak.papers import Paper
from bench.soak.plan import Plan
from bench.soak.stage import Site
from gateway.clock import SystemClock
from gateway.pool import ThreadPool
from gateway.settings import load
from gateway_labs import trial_node
from gateway_labs.authority import Authority
from tests.labs.fault_table.child import offset_ns
from tests.services import clamav, postgres, rabbit
from tests.services.process import kept_ports
from tests.support import scanner
from tests.support.broker import Broker
from tests.support.hooks import Receiver, receiving
from tests.support.leaks import WATCH
from tests.support.mail_server import MailServer, running
from tests.support.services import missing
from tests.support.tcp_proxy import TcpProxy
from tests.support.topology import Topology
from tests.support.waiting import wait_until, within_limit

ROOT = Path(__file__).parents[3]
CAST: Mapping[str, tuple[str, ...]] = {"north": ("Z91",), "south": ("Z92",)}
ABSENT = "Z93"
ROLES = ("web", "worker")
# As in config/systemd.
RESTART_S = 5.0
AGAIN_S = 0.5
# Larger than what is a row of the database.
SMALL, LARGE = 3_000, 200_000
_SECRET = "c2VjcmV0IG9mIHRoZSBvcGVyYXRvcnM="
PASSWORD = WATCH.remember("keys-of-the-pair-4711")


class OffClock(SystemClock):
    """Clock of a node whose processes are off by the seconds in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        return super().now() + timedelta(microseconds=offset_ns(self._file) / 1000)


@dataclass(slots=True, kw_only=True)
class PairGround(Ground):
    """Ground of one pair: the folders, ports, lines and settings of its nodes."""

    name: str
    metrics: dict[str, int] = field(default_factory=dict)
    common: dict[str, str] = field(default_factory=dict)

    def data_dir(self, node: str) -> Path:
        return self.folder / node

    def database_url(self, node: str) -> str:
        if self.server is None:
            return f"sqlite+aiosqlite:///{self.data_dir(node) / 'gateway.db'}"
        return f"postgresql+asyncpg://{postgres.ADMIN}@127.0.0.1:{self.server.port}/{self.database(node)}"

    def database(self, node: str) -> str:
        return f"{self.name}-{node}"

    def env(self, node: str) -> dict[str, str]:
        env = {
            "GATEWAY_NODE_NAME": self.topology.name(node) if self.topology else node,
            "GATEWAY_NODE_DATA_DIR": str(self.data_dir(node)),
            "GATEWAY_API_PORT": str(self.ports[node]),
            "GATEWAY_METRICS_PORT": str(self.metrics[node]),
            "GATEWAY_KEYS_PASSWORD": PASSWORD,
            "GATEWAY_WORKERS_LEASE_S": "15",
            "GATEWAY_ALARMS_MAIL": f"{node}@example.vn",
        }
        if self.server is not None:
            url = f"{postgres.ADMIN}@127.0.0.1:{self.database_lines[node].port}/{self.database(node)}"
            env["GATEWAY_DATABASE_URL"] = f"postgresql+asyncpg://{url}"
        if self.topology is None:
            return env | {"GATEWAY_AXIS_FOLDER": str(self.folder / "axis")} | self.common
        (line,) = self.axis_lines[node]
        broker = {
            "GATEWAY_AXIS_KIND": "amqp",
            "GATEWAY_AMQP_SERVERS": f"amqp://127.0.0.1:{line.port}",
            "GATEWAY_AMQP_VHOST": self.topology.broker.vhost,
            "GATEWAY_AMQP_PASSWORD": self.topology.passwords[self.topology.name(node)],
            "GATEWAY_AMQP_HEARTBEAT_S": "4",
            "GATEWAY_AMQP_CONFIRM_S": "10",
        }
        return env | broker | self.common


@dataclass(kw_only=True)
class ServeProcess:
    """One process of a node, started again when it ends, unless it was stopped."""

    node: str
    role: str
    env: dict[str, str]
    label: str
    clock: Path
    logs: Path
    statuses: list[int] = field(default_factory=list)
    _process: Process | None = None
    _serving: asyncio.Task[None] | None = None
    _marks: dict[Path, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.node} {self.label}"

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, *, is_well: bool = True, **env: str) -> None:
        """Start it, and wait until it works where it is well."""
        self.env = self.env | env
        starts = len(self.files())
        self._serving = asyncio.create_task(self._serve(), name=self.name)
        if is_well:
            await wait_until(lambda: self._is_at_work(starts), f"{self.name} at work")

    def _is_at_work(self, starts: int) -> bool:
        words = "http://127.0.0.1" if self.role == "web" else "is running"
        return any(words in file.read_text() for file in self.files()[starts:])

    def files(self) -> list[Path]:
        """Return the log of each of its starts."""
        return sorted(self.logs.glob(f"{self.node}-{self.label}-*.log"))

    async def _serve(self) -> None:
        while True:
            with (self.logs / f"{self.node}-{self.label}-{len(self.files()):03}.log").open("wb") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.labs.fault_table.child", str(self.clock)),
                    *("--role", self.role),
                    env={n: v for n, v in os.environ.items() if not n.startswith("GATEWAY_")} | self.env,
                    cwd=ROOT,
                    stdin=PIPE,
                    stdout=DEVNULL,
                    stderr=log,
                )
            self.statuses.append(await self._process.wait())
            await asyncio.sleep(RESTART_S)

    def tell(self, how: signal.Signals) -> None:
        if self.is_alive and self._process is not None:
            self._process.send_signal(how)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int | None:
        """Stop it for good; return its status, None where it did not run."""
        if self._serving is None:
            return None
        # First of all, so that whatever follows, it is not started again.
        self._serving.cancel()
        with suppress(asyncio.CancelledError):
            await self._serving
        self._serving = None
        if not self.is_alive or self._process is None:
            return None
        self.tell(signal.SIGCONT)
        self.tell(how)
        try:
            return await within_limit(self._process.wait(), f"the end of {self.name}")
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
            raise

    def begin_count(self) -> None:
        """Count lines from here on."""
        self._marks = {file: file.read_bytes().count(b"\n") for file in self.files()}

    def count_lines(self) -> int:
        """Return the most lines that one process wrote, from one start to its end."""
        lines = (file.read_bytes().count(b"\n") - self._marks.get(file, 0) for file in self.files())
        return max(lines, default=0)

    def text(self) -> str:
        return "".join(file.read_text() for file in self.files())


@dataclass(kw_only=True)
class Pair:
    """The nodes at work, and what is around them. `papers` are those that were accepted, by their number."""

    key: PairKey
    servers: Servers | None
    clamd: clamav.Clamd | None
    ground: PairGround
    sites: dict[str, Site]
    processes: dict[str, ServeProcess]
    client: Client
    mails: MailServer
    hook: Receiver
    pool: ThreadPool
    papers: dict[int, tuple[Paper, str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def processes_of(self, node: str) -> list[ServeProcess]:
        return [process for process in self.processes.values() if process.node == node]

    def web(self, node: str) -> ServeProcess:
        return self.processes[f"{node} web"]

    def worker(self, node: str) -> ServeProcess:
        return self.processes[f"{node} worker"]

    def second_worker(self, node: str) -> ServeProcess:
        """Return another worker of the node, which has not started."""
        worker = replace(self.worker(node), label="worker2", statuses=[], _process=None, _serving=None)
        return self.processes.setdefault(worker.name, worker)

    def data(self, node: str) -> Path:
        return self.ground.data_dir(node)

    def clock(self, node: str) -> OffClock:
        return OffClock(self.clock_file(node))

    def clock_file(self, node: str) -> Path:
        return self.ground.folder / f"{node}.clock"

    async def stop_node(self, node: str) -> None:
        await asyncio.gather(*(process.stop() for process in self.processes_of(node)))

    async def start_node(self, node: str, *, is_well: bool = True, **env: str) -> None:
        await asyncio.gather(*(process.start(is_well=is_well, **env) for process in self.processes_of(node)))

    async def command(self, node: str, *words: str, text: str = "") -> tuple[int, str, str]:
        """Run a command of the node's operator; return its status and what it wrote."""
        env = {n: v for n, v in os.environ.items() if not n.startswith("GATEWAY_")} | self.web(node).env
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "--lang", "en", *words),
            env=env,
            cwd=ROOT,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await within_limit(process.communicate(text.encode()), f"the command {words[0]}")
        return process.returncode or 0, out.decode(), err.decode()

    async def send(self, sender: str, to: str, size: int = SMALL) -> int:
        """Send a document, and ask again until it is accepted, as a document system does; return its number."""
        number = next(self._numbers)
        paper = Paper(n=number, sender=sender, recipients=(to,), size=size, urgent=False, seed=7)
        while True:
            with suppress(Unanswered):
                confirm = ("recipient-unhosted",) if to == ABSENT else ()
                form = message_form(paper, paper.body(), confirm)
                status, answer = await self.client.call(sender, "POST", "/messages", form=form, key=paper.key)
                assert status == 202, answer
                self.papers[number] = (paper, answer["id"])
                return number
            await asyncio.sleep(AGAIN_S)

    async def lacking(self) -> list[str]:
        """Name the documents that have no 01 yet, or that did not arrive exactly once, byte for byte."""
        lacking = []
        holdings = {name: await rows.read(site) for name, site in self.sites.items()}
        codes = {code: name for name, codes in CAST.items() for code in codes}
        for number, (paper, id) in self.papers.items():
            if ABSENT in paper.recipients:
                continue
            sent, received = holdings[codes[paper.sender]], holdings[codes[paper.recipients[0]]]
            states = {row["state"] for row in sent.deliveries if row["document_id"] == id}
            (packet,) = {row["packet_id"] for row in sent.outgoing if row["id"] == id}
            copies = [row["id"] for row in received.incoming if row["packet_id"] == packet]
            digests = Counter(value for copy in copies for value in received.files[copy].values())
            if states != {"delivered"} or list(digests.values()) != [1]:
                lacking.append(f"{number}: {states} {digests}")
        return lacking

    async def all_arrived(self) -> None:
        async def is_complete() -> bool:
            try:
                return not await self.lacking()
            except Exception:  # reason: a database that does not answer is asked again
                return False

        try:
            await wait_until(is_complete, "all documents once, with 01")
        except TimeoutError:
            raise AssertionError(await self.lacking()) from None

    def posted(self, node: str) -> list[dict[str, Any]]:
        """Return the messages about alarms of a node at the operators' program."""
        name = self.ground.env(node)["GATEWAY_NODE_NAME"]
        return [body for body in self.hook.bodies if body.get("node") == name and "data" in body]

    def mailed(self, node: str) -> list[str]:
        return [mail.text for mail in self.mails.mails if mail.to == [f"{node}@example.vn"]]


@dataclass(frozen=True, kw_only=True)
class PairKey:
    """Kind of a pair that a row needs. `servers`: PostgreSQL and a broker; `scanner`: a scanner for malware; `mounts` are
    file systems of their own."""

    servers: bool = False
    scanner: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    mounts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Servers of this run, which rows may hurt."""

    postgres: postgres.Server
    broker: rabbit.Cluster

    def topology(self, name: str) -> Topology:
        """Make a vhost for a pair."""
        (node,) = self.broker.nodes
        vhost = Broker(
            host="127.0.0.1",
            port=node.amqp_port,
            api=node.api,
            vhost=name,
            user=rabbit.ADMIN,
            password=node.password,
        )
        vhost.ask("PUT", "/api/vhosts/{vhost}", {})
        rights = {"configure": ".*", "write": ".*", "read": ".*"}
        vhost.ask("PUT", f"/api/permissions/{{vhost}}/{rabbit.ADMIN}", rights)
        return Topology(vhost)


class Pairs:
    """Pairs at work, by what rows need. A pair that is in order after a row serves the next row of its kind."""

    def __init__(self) -> None:
        self._stack, self._servers = AsyncExitStack(), list[Servers]()
        self._idle: list[tuple[Pair, AsyncExitStack]] = []
        self._starting = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._close_idle()
        finally:
            await self._stack.aclose()

    @asynccontextmanager
    async def lend(self, key: PairKey) -> AsyncIterator[Pair]:
        """Yield a pair of that kind that is at work. After an error it is closed."""
        pair, end = await self._take(key)
        try:
            yield pair
        except BaseException as error:
            # Its processes are killed: what state they are in is not known.
            await end.__aexit__(type(error), error, error.__traceback__)
            raise
        self._idle.append((pair, end))

    async def _take(self, key: PairKey) -> tuple[Pair, AsyncExitStack]:
        for entry in self._idle:
            if entry[0].key == key:
                self._idle.remove(entry)
                return entry
        # Each process takes memory, and time while it starts: not more pairs than rows at work.
        async with self._starting:
            await self._close_idle()
            servers = await self._open_servers() if key.servers else None
            end = AsyncExitStack()
            return await end.enter_async_context(at_work(servers, key)), end

    async def _close_idle(self) -> None:
        while self._idle:
            _, end = self._idle.pop()
            await end.aclose()

    async def _open_servers(self) -> Servers:
        if self._servers:
            return self._servers[0]
        if not rabbit.installed() or not postgres.installed():
            missing("RabbitMQ or PostgreSQL is not installed")
        folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="gateway-faults-")))
        folder.chmod(0o755)  # PostgreSQL runs as a user of its own
        server = await asyncio.to_thread(postgres.start, folder / "postgres")
        self._stack.push_async_callback(asyncio.to_thread, server.stop)
        broker = await asyncio.to_thread(rabbit.start, folder)
        self._stack.push_async_callback(asyncio.to_thread, broker.stop)
        self._servers.append(Servers(postgres=server, broker=broker))
        return self._servers[0]


@asynccontextmanager
async def at_work(servers: Servers | None, key: PairKey) -> AsyncIterator[Pair]:
    """Set up a pair of that kind and let it work."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fault-")))
        name = f"f{secrets.token_hex(4)}"
        topology = await asyncio.to_thread(servers.topology, name) if servers is not None else None
        mails = await stack.enter_async_context(running(MailServer()))
        hook = await stack.enter_async_context(receiving())
        ports = stack.enter_context(kept_ports(2 * len(CAST)))
        ground = PairGround(
            plan=Plan(n=0, kills=0, seed=7, cast=CAST, absent=(ABSENT,)),
            folder=folder,
            name=name,
            server=servers.postgres if servers is not None else None,
            topology=topology,
            ports=dict(zip(CAST, ports, strict=False)),
            metrics=dict(zip(CAST, ports[len(CAST) :], strict=True)),
        )
        ground.common = {
            "GATEWAY_MAIL_HOST": "127.0.0.1",
            "GATEWAY_MAIL_PORT": str(mails.port),
            "GATEWAY_MAIL_SECURITY": "none",
            "GATEWAY_MAIL_SENDER": "gateway@example.vn",
            "GATEWAY_ALARMS_URL": hook.url,
            "GATEWAY_ALARMS_SECRET": _SECRET,
            "GATEWAY_LOG_LEVEL": "info",
            **dict(key.settings),
        }
        clamd = stack.enter_context(scanner.running()) if key.scanner else None
        if clamd is not None:
            ground.common["GATEWAY_SCANNER_ADDRESS"] = clamd.unix
        for mount in key.mounts:
            stack.enter_context(mounted(folder / mount))
        if servers is not None:
            await _open_lines(ground, servers, stack)
        sites = await _staged(ground)
        logs = folder / "logs"
        logs.mkdir()
        processes = {
            f"{node} {role}": ServeProcess(
                node=node,
                role=role,
                label=role,
                env=_env_of(site, role),
                clock=folder / f"{node}.clock",
                logs=logs,
            )
            for node, site in sites.items()
            for role in ROLES
        }
        pool = ThreadPool(4)
        stack.callback(pool.close)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        pair = Pair(
            key=key,
            servers=servers,
            clamd=clamd,
            ground=ground,
            sites=sites,
            processes=processes,
            client=Client(session, sites),
            mails=mails,
            hook=hook,
            pool=pool,
        )
        try:
            await asyncio.gather(*(pair.start_node(node) for node in CAST))
            yield pair
            statuses = {process.name: await process.stop() for process in processes.values()}
            assert set(statuses.values()) <= {0, None}, statuses
        finally:
            await asyncio.gather(*(process.stop(signal.SIGKILL) for process in processes.values()))
            for process in processes.values():
                WATCH.take_output(process.text())


def _env_of(site: Site, role: str) -> dict[str, str]:
    return site.env | ({} if role == "web" else {"GATEWAY_METRICS_PORT": "0"})


async def _open_lines(ground: PairGround, servers: Servers, stack: AsyncExitStack) -> None:
    """Open the lines to the servers, which can be cut, and make the nodes' databases."""
    assert ground.topology is not None
    await asyncio.to_thread(ground.topology.host, CAST)
    (broker,) = servers.broker.nodes
    for node in CAST:
        ground.axis_lines[node] = [await stack.enter_async_context(TcpProxy("127.0.0.1", broker.amqp_port))]
    connection = await asyncpg.connect(servers.postgres.url)
    for node in CAST:
        await connection.execute(f'CREATE DATABASE "{ground.database(node)}"')
        ground.database_lines[node] = await stack.enter_async_context(
            TcpProxy("127.0.0.1", servers.postgres.port)
        )
    await connection.close()


_sqlite_stage: list[tuple[TemporaryDirectory[str], dict[str, Site]]] = []


async def _staged(ground: PairGround) -> dict[str, Site]:
    """Set both nodes up; what is files alone is set up once and copied."""
    if ground.server is not None or ground.topology is not None:
        return await _prepare(ground)
    if not _sqlite_stage:
        place = TemporaryDirectory(prefix="gateway-pair-")
        staged = replace(ground, folder=Path(place.name))
        _sqlite_stage.append((place, await _prepare(staged)))
    place, sites = _sqlite_stage[0]
    await asyncio.to_thread(shutil.copytree, place.name, ground.folder, dirs_exist_ok=True)
    return {node: _at(ground, site) for node, site in sites.items()}


def _at(ground: PairGround, site: Site) -> Site:
    env = ground.env(site.node)
    settings = load(None, env)
    return replace(
        site,
        settings=settings,
        env=env,
        database_url=ground.database_url(site.node),
        url=f"http://127.0.0.1:{settings.api.port}",
    )


async def _prepare(ground: PairGround) -> dict[str, Site]:
    sites = await stage.prepare(ground)
    authority = Authority.load(ground.folder / "authority")
    for site in sites.values():
        trial_node.write_revocation(site.settings.trust.folder, authority, SystemClock().now())
    return sites


@contextmanager
def mounted(folder: Path, room: str = "8g") -> Iterator[None]:
    """Mount a file system in memory there, which takes memory only for what is written."""
    if os.geteuid() != 0:
        missing("mounting needs root")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
