"""What a monitoring system asks of an open node: whether it can serve, and its metrics. In: the node. Out: a
`Condition` for a load balancer, a supervisor and the metrics; the counters of this process, and gauges of the whole
node asked for at that moment, in the text format of Prometheus.

The node is looked at every two seconds at most, however often it is asked, because these addresses need no key and
must not become a way to load the database (threat 91). A part that does not answer is left out and said in
`gateway_up`; no label names a document, or an agency that is not hosted here."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from cryptography import x509
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gateway import __version__, meters
from gateway.bootstrap import ground
from gateway.bootstrap.node import OpenNode
from gateway.errors import GatewayError, Misconfigured, StoreFailure
from gateway.folder.state import FolderState
from gateway.ops import axis_now, doctor_checks
from gateway.ops.hot_folders import hot_folders
from gateway.policy import upkeep
from gateway.ports import AxisState, Condition, each_axis
from gateway.store import data_folder, migrate, reporting
from gateway.store.data_folder import Disk, disks
from gateway.store.reporting import Load, Pile
from gateway.workers.pulse import WORKER, living

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# A scrape that waits for a database that is down would fail as a whole, and its counters with it.
SCRAPE_PATIENCE_S = 5.0
_DAY_S = 86400.0
_HOUR = timedelta(hours=1)


@dataclass(slots=True, eq=False)
class _Families(Collector):
    """Families that are known already, as the library wants them."""

    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


@dataclass(slots=True, kw_only=True)
class Scrape:
    """Answers one scrape after the other for one node."""

    node: OpenNode
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ends: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _asked_at: datetime | None = None
    _untaken_since: datetime | None = None

    async def text(self) -> bytes:
        async with self._one_at_a_time:
            families = [family async for family in self._families()]
        gauges = CollectorRegistry()
        gauges.register(_Families(families))
        return generate_latest(meters.REGISTRY) + generate_latest(gauges)

    async def _families(self) -> AsyncIterator[Metric]:
        up = _gauge("up", "Whether this part of the node answered the scrape.", "part")
        now = self.node.clock.now()
        parts: Mapping[str, Callable[[], AsyncIterator[Metric]]] = {
            "database": lambda: self._database(now),
            "axis": lambda: self._axis(now),
            "disk": self._disk,
            "keys": lambda: self._keys(now),
            "scanner": self._scanner,
            "servers": lambda: self._servers(now),
            "folders": self._folders,
            "webhooks": lambda: self._webhooks(now),
            "systems": self._systems,
            "workers": lambda: self._workers(now),
        }
        # Side by side: a monitoring system waits some ten seconds for all of it.
        for part, (answered, told) in zip(
            parts, await asyncio.gather(*map(_asked, parts.values())), strict=True
        ):
            up.add_metric([part], float(answered))
            for family in told:
                yield family
        yield up
        gap = abs(self.node.guard.gap().total_seconds())
        yield _one("clock_gap_seconds", "How far this machine's clock is from the database server's.", gap)
        info = _gauge("info", "The version that runs.", "version")
        info.add_metric([__version__], 1)
        yield info

    async def _database(self, now: datetime) -> AsyncIterator[Metric]:
        for family in load_gauges(await reporting.load(self.node.store, now), now):
            yield family

    async def _axis(self, now: datetime) -> AsyncIterator[Metric]:
        """The line first: how it is stands in memory, and is wanted most while nobody answers."""
        axis, says = self.node.axis, "Parcels on the axis, as far as this node may see."
        for family in axis_gauges(axis_now.worst_states(axis, self.node.pulse.folder, now), now):
            yield family
        if "" in each_axis(axis):
            depth = _gauge("axis_parcels", says, "state")
            for state, count in (await axis_now.count(axis, self.node.pulse.folder, now)).items():
                depth.add_metric([state], count)
        else:
            depth = GaugeMetricFamily("gateway_axis_parcels", says, labels=["axis", "state"])
            for name, one in (await axis_now.look(axis, self.node.pulse.folder, now)).each.items():
                for state, count in one.counts.items():
                    depth.add_metric([name, state], count)
        yield depth

    async def _workers(self, now: datetime) -> AsyncIterator[Metric]:
        counts = await self.node.pool.run(partial(living, self.node.pulse.folder, now))
        says = "Processes of the node that gave a sign of life within 45 s."
        yield _by("workers", says, "role", {role: float(number) for role, number in counts.items()})
        oldest = await self._oldest_at_axis(now, has_worker=counts[WORKER] > 0)
        age = (now - oldest).total_seconds() if oldest is not None else 0.0
        yield _one(
            "axis_oldest_seconds", "Since when the oldest parcel waits at the axis for this node.", age
        )

    async def _oldest_at_axis(self, now: datetime, *, has_worker: bool) -> datetime | None:
        """A broker does not tell how old a message is. Nobody takes any while no worker lives, so they wait since then."""
        oldest = await self.node.axis.oldest()
        if oldest is not None:
            return oldest
        is_untaken = not has_worker and (await self.node.axis.counts()).get("waiting", 0) > 0
        self._untaken_since = (self._untaken_since or now) if is_untaken else None
        return self._untaken_since

    async def _disk(self) -> AsyncIterator[Metric]:
        space = await self.node.pool.run(self.node.room.space)
        yield _one("disk_free_bytes", "Free space where the content lies.", space.bytes)
        if space.inodes is not None:
            yield _one("disk_free_inodes", "Files that may still be made there.", space.inodes)
        judged = await self.node.pool.run(partial(judged_disks, self.node))
        free = {place: float(disk.space.bytes) for disk in judged for place in disk.places}
        full = {place: float(disk.word == data_folder.FULL) for disk in judged for place in disk.places}
        yield _by("place_free_bytes", "Free space where each place of the node is mounted.", "place", free)
        yield _by("place_full", "1 while the disk of that place is nearly full.", "place", full)

    async def _scanner(self) -> AsyncIterator[Metric]:
        """1 where none is set up: then nothing waits for it."""
        try:
            async with asyncio.timeout(SCRAPE_PATIENCE_S / 2):
                word = (await self.node.scanner.state()).word
        except TimeoutError:
            word = "silent"
        yield _one(
            "scanner_works", "0 while the scanner for malware does not scan.", float(word in ("ok", "off"))
        )

    async def _servers(self, now: datetime) -> AsyncIterator[Metric]:
        """Asked once an hour; one that does not answer keeps what it showed before."""
        if self._asked_at is None or now - self._asked_at >= _HOUR:
            self._asked_at = now
            for peer in doctor_checks.servers_of(self.node.settings):
                until = await self.node.pool.run(partial(doctor_checks.certificate_ends, peer))
                if until is not None:
                    self._ends[peer.part, str(peer)] = until
        left = GaugeMetricFamily(
            "gateway_server_certificate_days_left",
            "Days left of the certificate that the broker or the database shows.",
            labels=["part", "server"],
        )
        for (part, server), until in sorted(self._ends.items()):
            left.add_metric([part, server], (until - now).total_seconds() / _DAY_S)
        yield left

    async def _folders(self) -> AsyncIterator[Metric]:
        """Nothing where no hot folder is set."""
        found = await hot_folders(self.node)
        if not found:
            return
        parts: Mapping[str, tuple[str, Callable[[FolderState], float]]] = {
            "works": ("0 while the node cannot work in the hot folder.", lambda one: float(not one.trouble)),
            "waiting": ("Names in the hot folder's out.", lambda one: one.waiting),
            "oldest_seconds": ("How long the oldest of them lies there.", lambda one: one.oldest_s),
            "errors": ("What was refused and lies in error.", lambda one: one.errors),
            "unacked": ("Incoming documents nobody has taken away.", lambda one: one.unacked),
        }
        for name, (says, of) in parts.items():
            yield _by(f"folder_{name}", says, "agency", {one.code: of(one) for one in found})

    async def _webhooks(self, now: datetime) -> AsyncIterator[Metric]:
        load = await self.node.store.webhooks.load()
        states = {**dict.fromkeys(("active", "failing", "paused"), 0), **load.endpoints}
        yield _by("webhooks", "Webhooks, by how they go.", "state", states)
        yield _one("webhooks_dead", "Webhooks that were paused because they took nothing.", load.dead)
        yield _one("webhook_events_waiting", "Events that wait for another try.", load.waiting)
        age = (now - load.oldest).total_seconds() if load.oldest else 0.0
        yield _one("webhook_oldest_seconds", "Since when the oldest of them is tried.", age)

    async def _systems(self) -> AsyncIterator[Metric]:
        """Document systems at the compatibility door."""
        stuck = await self.node.store.systems.stuck_by_system()
        says = "What a document system could not take, and a person has to look at."
        yield _by("system_stuck", says, "system", {name: float(count) for name, count in stuck.items()})

    async def _keys(self, now: datetime) -> AsyncIterator[Metric]:
        left = _gauge("certificate_days_left", "Days left of the certificate that signs.", "agency")
        for agency in await self.node.store.hosted():
            days = await self.node.pool.run(lambda code=agency.code: days_left(self.node, code, now))  # type: ignore[misc]  # mypy cannot type a lambda with a default
            left.add_metric([agency.code], days)
        yield left


def judged_disks(node: OpenNode) -> Sequence[Disk]:
    return disks(ground.places(node.settings), node.room.reserve)


async def _asked(ask: Callable[[], AsyncIterator[Metric]]) -> tuple[bool, Sequence[Metric]]:
    """Whether the part answered in time, and what it told, also before it fell silent."""
    told: list[Metric] = []
    try:
        async with asyncio.timeout(SCRAPE_PATIENCE_S):
            async for family in ask():
                told.append(family)  # noqa: PERF401 - a comprehension would lose what was told
    except (GatewayError, TimeoutError):
        return False, told
    return True, told


def days_left(node: OpenNode, code: str, now: datetime) -> float:
    """Of the certificate in force; 0 when there is none."""
    try:
        signer = node.keys.signer(code, now)
    except GatewayError:
        return 0.0
    ends = x509.load_der_x509_certificate(signer.certificate_der).not_valid_after_utc
    return (ends - now).total_seconds() / _DAY_S


def load_gauges(load: Load, now: datetime) -> Iterator[Metric]:
    """The gauges of what waits in the database."""
    yield from _piles("outbox", "Envelopes that wait for the axis.", "lane", load.outbox, now)
    yield from _piles("inbox", "Packets that have no end yet, or need a person.", "state", load.inbox, now)
    yield from _piles("jobs", "Envelopes to be made.", "kind", load.jobs, now)
    quarantined = [load.inbox[state] for state in ("quarantined", "malformed") if state in load.inbox]
    yield _one("quarantine", "Packets set apart.", sum(pile.count for pile in quarantined))
    yield _one("outbox_failed", "Envelopes whose tries are used up.", load.outbox_failed)
    yield _one("events_unnumbered", "Events that no reader sees yet.", load.unnumbered)
    yield _one("late_deliveries", "Deliveries of which nothing was heard for 30 minutes.", load.late.count)
    yield _by("deliveries", "Deliveries under way, by the state shown.", "state", load.deliveries)
    yield _by("leases", "Rows that some worker holds now.", "table", load.leases)


def axis_gauges(states: Mapping[str, AxisState], now: datetime) -> Iterator[Metric]:
    """The gauges of the line to the axis; of several one for each, by the label `axis`."""
    connected = {name: float(state.connected_since is not None) for name, state in states.items()}
    blocked = {name: float(state.blocked_since is not None) for name, state in states.items()}
    down = {
        name: (now - state.down_since).total_seconds() if state.down_since else 0.0
        for name, state in states.items()
    }
    for gauge, says, values in (
        ("axis_connected", "1 while the axis is connected.", connected),
        ("axis_blocked", "1 while the axis takes nothing.", blocked),
        ("axis_down_seconds", "For how long the axis has not answered.", down),
    ):
        yield _one(gauge, says, values[""]) if "" in values else _by(gauge, says, "axis", values)


def _piles(
    name: str, says: str, label: str, piles: Mapping[str, Pile], now: datetime
) -> Iterator[GaugeMetricFamily]:
    yield _by(name, says, label, {each: pile.count for each, pile in piles.items()})
    ages = {each: (now - pile.oldest).total_seconds() for each, pile in piles.items() if pile.oldest}
    yield _by(f"{name}_oldest_seconds", f"Age of the oldest. {says}", label, ages)


def _by(name: str, says: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = _gauge(name, says, label)
    for each, value in sorted(values.items()):
        family.add_metric([each], value)
    return family


def _gauge(name: str, says: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gateway_{name}", says, labels=[label])


def _one(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gateway_{name}", says, value=value)


PARTLY = "partly"
OK, DOWN, READ_ONLY, FULL, LOW, BLOCKED = "ok", "down", "read-only", "full", "low", "blocked"
OLD, NEWER = "old-schema", "newer-schema"
STUCK, DRAINING, OFF, NONE, APART = "stuck", "draining", "off", "none", "apart"
UNSEALED, UNSTAMPED = "unsealed", "unstamped"
REMEMBERED_S = 2.0
# A database that answers later than this does not answer callers either.
PATIENCE_S = 5.0
SCHEMA_EVERY_S = 60.0


@dataclass(slots=True, kw_only=True)
class Watch:
    """Keeps the promise of `ports.HealthProbe` for one open node."""

    node: OpenNode
    now_s: Callable[[], float] = time.monotonic
    _draining: bool = False
    _seen: Condition | None = None
    _seen_at: float = 0.0
    _fitted_at: float = -math.inf
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    def drain(self) -> None:
        """From now on not ready: whoever spreads the calls sends them elsewhere, while those under way are answered."""
        self._draining = True

    async def alive(self) -> Condition:
        loops = self.node.pulse.loops()
        checks = {f"loop.{name}": OK if turns else STUCK for name, turns in loops.items()}
        return Condition(well=all(loops.values()), checks=checks)

    async def ready(self) -> Condition:
        if self._draining:
            return Condition(well=False, checks={"process": DRAINING})
        async with self._one_at_a_time:
            if self._seen is None or self.now_s() - self._seen_at >= REMEMBERED_S:
                self._seen = await self._look()
                self._seen_at = self.now_s()
            return self._seen

    async def _look(self) -> Condition:
        node = self.node
        database, disk = await self._database(), await self._disk()
        whole, axes = await node.pool.run(
            partial(axis_now.whole_and_each, node.axis, node.pulse.folder, node.clock.now())
        )
        axis = axis_word(whole)
        workers = await self._workers()
        log = await self._log() if database == OK else database
        # Without it nothing is lost: packets wait, and what is handed in is asked to come again.
        scanner = (await self.node.scanner.state()).word
        return Condition(
            well=self.node.guard.agrees() and database == OK and disk in (OK, LOW) and log != UNSTAMPED,
            degraded=disk != OK or axis != OK or log != OK or workers != OK or scanner not in (OK, OFF),
            checks={"database": database, "disk": disk, "axis": axis, "log": log, "workers": workers}
            | {f"axis.{name}": axis_word(state) for name, state in axes.items()}
            | ({} if self.node.guard.agrees() else {"clock": APART})
            | ({"scanner": scanner} if scanner != OFF else {})
            | ({"trial": "on"} if self.node.settings.node.trial == "on" else {}),
        )

    async def _workers(self) -> str:
        """The node's, in whatever process: this one answers all the same, so that it stays ready."""
        if self.node.pulse.loops():
            return OK
        counts = await self.node.pool.run(partial(living, self.node.pulse.folder, self.node.clock.now()))
        return OK if counts[WORKER] else NONE

    async def _log(self) -> str:
        """Nothing that waits for its seal is lost: that alone stops no call. A timestamp that is demanded does."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                if await self.node.gate.is_closed():
                    return UNSTAMPED
                head = await self.node.store.log.head()
        except (GatewayError, TimeoutError):
            return DOWN
        return UNSEALED if upkeep.is_unsealed(head, self.node.clock.now()) else OK

    async def _database(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reporting.answers(self.node.store)
                await self._fits()
        except migrate.NewerSchema:
            return NEWER
        except Misconfigured:
            return OLD
        except (GatewayError, TimeoutError):
            return DOWN
        return await self._takes()

    async def _fits(self) -> None:
        """Misconfigured when somebody moved the schema on under this process; asked rarely, because it costs."""
        now = self.now_s()
        if now - self._fitted_at >= SCHEMA_EVERY_S:
            await migrate.check(self.node.store.reader)
            self._fitted_at = now

    async def _takes(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await reporting.writable(self.node.store)
        except StoreFailure:
            return READ_ONLY
        except TimeoutError:
            # One long transaction of another worker, on a database with one writer: it serves, and it is slow.
            return OK
        return OK

    async def _disk(self) -> str:
        try:
            self.node.room.check()
        except StoreFailure:
            return FULL
        judged = await self.node.pool.run(partial(judged_disks, self.node))
        return LOW if any(disk.word == data_folder.FULL for disk in judged) else OK


def axis_word(state: AxisState) -> str:
    """One word for it. An axis that nobody needed yet is well; of several, some may be and some not."""
    if state.blocked_since is not None:
        return BLOCKED
    if state.down_since is None:
        return OK
    return DOWN if state.connected_since is None else PARTLY
