"""Metrics of an open node. In: the node. Out: the counters of this process, gauges of the whole node as read at that
moment, and findings of its checks, in the text format of Prometheus. A part that does not answer is left out and reported
in `gateway_up`; no label names a document, or an agency that is not hosted here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cryptography import x509
from prometheus_client import PROCESS_COLLECTOR, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from gateway import __version__, meters
from gateway.bootstrap.node import OpenNode
from gateway.domain.diagnosis import Level, Tag
from gateway.domain.pace import HISTORY_KEPT
from gateway.errors import GatewayError
from gateway.folder.state import FolderState
from gateway.ops import axis_view, checks_of_lines, checks_of_parts
from gateway.ops.checks import Watch
from gateway.ops.checks_of_lines import Peer
from gateway.ops.subject import Subject
from gateway.policy import upkeep
from gateway.ports.axis import AxisState, each_axis
from gateway.registry_authoring.decisions import SqlDecision
from gateway.store import data_folder, reporting
from gateway.store.alarm_file import read_alarms
from gateway.store.reporting import Load, Pile
from gateway.workers.heartbeat import WORKER, living

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
# Longest wait for a part, because a scrape that waits for a database that is down would fail as a whole.
SCRAPE_PATIENCE_S = 5.0
_DAY_S = 86400.0
_HOUR = timedelta(hours=1)
_MOST_LISTS = 20
_LEVELS = {Level.YELLOW: 1.0, Level.RED: 2.0}


@dataclass(slots=True, eq=False)
class _Families(Collector):
    """Collector of metrics that are read already, in the form that the library expects."""

    families: Sequence[Metric]

    def collect(self) -> Iterable[Metric]:
        return self.families


def of_process() -> Iterator[Metric]:
    """Return the counters and timings of this process."""
    for meter in meters.METERS:
        form: Any = CounterMetricFamily if isinstance(meter, meters.Count) else HistogramMetricFamily
        family: Any = form(
            meter.name, meter.says, labels=meter.labels
        )  # Any: their samples have different forms
        for sample in meter.samples():
            family.add_metric(*sample)
        yield family


@dataclass(slots=True, kw_only=True)
class Scrape:
    """Maker of the metrics of one node, scrape by scrape."""

    node: OpenNode
    _watch: Watch = field(init=False)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _ends: dict[tuple[str, str], datetime] = field(default_factory=dict)
    _asked_at: datetime | None = None
    _untaken_since: datetime | None = None

    def __post_init__(self) -> None:
        self._watch = Watch(node=self.node)

    async def text(self) -> bytes:
        async with self._one_at_a_time:
            families = [family async for family in self._families()]
        registry = CollectorRegistry()
        registry.register(_Families([*of_process(), *families]))
        registry.register(PROCESS_COLLECTOR)
        return generate_latest(registry)

    async def _families(self) -> AsyncIterator[Metric]:
        up = _gauge("up", "Whether this part of the node answered the scrape.", "part")
        now = self.node.clock.now()
        parts: Mapping[str, Callable[[], AsyncIterator[Metric]]] = {
            "database": lambda: self._database(now),
            "axis": lambda: self._axis(now),
            "disk": self._disk,
            "keys": lambda: self._keys(now),
            "bindings": self._bindings,
            "scanner": self._scanner,
            "servers": lambda: self._servers(now),
            "folders": self._folders,
            "webhooks": lambda: self._webhooks(now),
            "systems": self._systems,
            "workers": lambda: self._workers(now),
            "tasks": lambda: self._tasks(now),
            "checks": self._checks,
        }
        # All parts are read concurrently, because a monitoring system waits only some ten seconds for the whole scrape.
        for part, (answered, families) in zip(
            parts, await asyncio.gather(*map(_collect, parts.values())), strict=True
        ):
            up.add_metric([part], float(answered))
            for family in families:
                yield family
        yield up
        gap = abs(self.node.guard.gap().total_seconds())
        yield _scalar("clock_gap_seconds", "How far this machine's clock is from the database server's.", gap)
        info = _gauge("info", "The version that runs.", "version")
        info.add_metric([__version__], 1)
        yield info

    async def _database(self, now: datetime) -> AsyncIterator[Metric]:
        for family in load_gauges(await reporting.load(self.node.store, now), now):
            yield family

    async def _axis(self, now: datetime) -> AsyncIterator[Metric]:
        """Yield the gauges of the axis's connection, then the counts of parcels. The connection's state is in memory, and
        is needed most while the axis does not answer."""
        axis, description = self.node.axis, "Parcels on the axis, as far as this node may see."
        for family in axis_gauges(axis_view.worst_states(axis, self.node.pulse.folder, now), now):
            yield family
        if "" in each_axis(axis):
            depth = _gauge("axis_parcels", description, "state")
            for state, count in (await axis_view.count(axis, self.node.pulse.folder, now)).items():
                depth.add_metric([state], count)
        else:
            depth = GaugeMetricFamily("gateway_axis_parcels", description, labels=["axis", "state"])
            for name, view in (await axis_view.look(axis, self.node.pulse.folder, now)).by_name.items():
                for state, count in view.counts.items():
                    depth.add_metric([name, state], count)
        yield depth

    async def _checks(self) -> AsyncIterator[Metric]:
        """Yield the worst level of each check that is tagged for metrics, which are those of little cost."""
        levels: dict[str, float] = {}
        for finding in await self._watch.list_findings(Tag.METRICS):
            if finding.level is Level.SKIPPED:
                continue
            levels[finding.check] = max(levels.get(finding.check, 0.0), _LEVELS.get(finding.level, 0.0))
        yield _gauges("check", "What the doctor says of it: 0 green, 1 yellow, 2 red.", "check", levels)

    async def _tasks(self, now: datetime) -> AsyncIterator[Metric]:
        """Yield how long ago each periodic job last succeeded, and the number of open alarms by level."""
        node, data_dir = self.node, self.node.settings.node.data_dir
        days = await node.store.history.days((now - HISTORY_KEPT).date())
        notes = await node.pool.run(partial(data_folder.backup_notes, data_dir))
        book = await node.pool.run(partial(read_alarms, data_dir))
        successes = {line.job: line.last_at for line in upkeep.job_lines(days, now)}
        successes |= {"backup": notes.at, "drill": notes.verified_at, "sample": notes.sampled_at}
        successes |= {"copy": notes.copied_at, "alarms": book.looked_at}
        ages = {task: (now - at).total_seconds() for task, at in successes.items() if at is not None}
        yield _gauges("last_success_seconds", "How long ago the task last succeeded.", "task", ages)
        levels = Counter(str(alarm.finding.level) for alarm in book.standing())
        counts = {str(level): float(levels[level]) for level in _LEVELS}
        yield _gauges("alarms", "Open alarms of the node.", "level", counts)

    async def _workers(self, now: datetime) -> AsyncIterator[Metric]:
        counts = await self.node.pool.run(partial(living, self.node.pulse.folder, now))
        text = "Processes of the node that gave a sign of life within 45 s."
        yield _gauges("workers", text, "role", {role: float(number) for role, number in counts.items()})
        oldest = await self._oldest_at_axis(now, has_worker=counts[WORKER] > 0)
        age = (now - oldest).total_seconds() if oldest is not None else 0.0
        yield _scalar(
            "axis_oldest_seconds", "Since when the oldest parcel waits at the axis for this node.", age
        )

    async def _oldest_at_axis(self, now: datetime, *, has_worker: bool) -> datetime | None:
        """Return since when the oldest parcel waits on the axis. A broker does not know this; then, if parcels wait and no
        worker runs, return when that was first seen."""
        oldest = await self.node.axis.oldest()
        if oldest is not None:
            return oldest
        is_untaken = not has_worker and (await self.node.axis.counts()).get("waiting", 0) > 0
        self._untaken_since = (self._untaken_since or now) if is_untaken else None
        return self._untaken_since

    async def _disk(self) -> AsyncIterator[Metric]:
        space = await self.node.pool.run(self.node.room.space)
        yield _scalar("disk_free_bytes", "Free space where the content lies.", space.bytes)
        if space.inodes is not None:
            yield _scalar("disk_free_inodes", "Files that may still be made there.", space.inodes)
        disks = await self.node.pool.run(partial(checks_of_parts.judge_disks, Subject.within(self.node)))
        free = {place: float(disk.space.bytes) for disk in disks for place in disk.places}
        full = {place: float(disk.word == data_folder.FULL) for disk in disks for place in disk.places}
        yield _gauges(
            "place_free_bytes", "Free space where each place of the node is mounted.", "place", free
        )
        yield _gauges("place_full", "1 while the disk of that place is nearly full.", "place", full)

    async def _scanner(self) -> AsyncIterator[Metric]:
        """Yield whether the scanner works, also 1 when none is configured."""
        try:
            async with asyncio.timeout(SCRAPE_PATIENCE_S / 2):
                word = (await self.node.scanner.state()).word
        except TimeoutError:
            word = "silent"
        yield _scalar(
            "scanner_works", "0 while the scanner for malware does not scan.", float(word in ("ok", "off"))
        )

    async def _servers(self, now: datetime) -> AsyncIterator[Metric]:
        """Yield the days left of the servers' certificates. Servers are asked once an hour, at the same time; one that does
        not answer soon keeps its last value."""
        if self._asked_at is None or now - self._asked_at >= _HOUR:
            with suppress(TimeoutError):
                async with asyncio.timeout(SCRAPE_PATIENCE_S / 2):
                    peers = checks_of_lines.servers_of(self.node.settings)
                    await asyncio.gather(*map(self._ask_server, peers))
            self._asked_at = now
        days_gauge = GaugeMetricFamily(
            "gateway_server_certificate_days_left",
            "Days left of the certificate that the broker or the database shows.",
            labels=["part", "server"],
        )
        for (part, server), ends_at in sorted(self._ends.items()):
            days_gauge.add_metric([part, server], (ends_at - now).total_seconds() / _DAY_S)
        yield days_gauge

    async def _ask_server(self, peer: Peer) -> None:
        # Silent servers would take the threads of the node's own pool for seconds.
        ends_at = await asyncio.to_thread(checks_of_lines.certificate_ends, peer)
        if ends_at is not None:
            self._ends[peer.part, str(peer)] = ends_at

    async def _folders(self) -> AsyncIterator[Metric]:
        """Yield the gauges of the agencies' hot folders; nothing when none is configured."""
        folders = await checks_of_parts.folder_states(Subject.within(self.node))
        if not folders:
            return
        parts: Mapping[str, tuple[str, Callable[[FolderState], float]]] = {
            "works": ("0 while the node cannot work in the hot folder.", lambda f: float(not f.trouble)),
            "waiting": ("Names in the hot folder's out.", lambda f: f.waiting),
            "oldest_seconds": ("How long the oldest of them lies there.", lambda f: f.oldest_s),
            "errors": ("What was refused and lies in error.", lambda f: f.errors),
            "unacked": ("Incoming documents nobody has taken away.", lambda f: f.unacked),
        }
        for name, (description, measure) in parts.items():
            yield _gauges(f"folder_{name}", description, "agency", {f.code: measure(f) for f in folders})

    async def _webhooks(self, now: datetime) -> AsyncIterator[Metric]:
        load = await self.node.store.webhooks.load()
        states = {**dict.fromkeys(("active", "failing", "paused"), 0), **load.endpoints}
        yield _gauges("webhooks", "Webhooks, by how they go.", "state", states)
        yield _scalar("webhooks_dead", "Webhooks that were paused because they took nothing.", load.dead)
        yield _scalar("webhook_events_waiting", "Events that wait for another try.", load.waiting)
        age = (now - load.oldest).total_seconds() if load.oldest else 0.0
        yield _scalar("webhook_oldest_seconds", "Since when the oldest of them is tried.", age)

    async def _systems(self) -> AsyncIterator[Metric]:
        """Yield the number of stuck items of each document system at the compatibility interface."""
        stuck = await self.node.store.systems.stuck_by_system()
        says = "What a document system could not take, and a person has to look at."
        yield _gauges("system_stuck", says, "system", {name: float(count) for name, count in stuck.items()})

    async def _keys(self, now: datetime) -> AsyncIterator[Metric]:
        days_gauge = _gauge("certificate_days_left", "Days left of the certificate that signs.", "agency")
        for agency in await self.node.store.hosted():
            days = await self.node.pool.run(lambda code=agency.code: days_left(self.node, code, now))  # type: ignore[misc]  # mypy cannot type a lambda with a default
            days_gauge.add_metric([agency.code], days)
        yield days_gauge

    async def _bindings(self) -> AsyncIterator[Metric]:
        """Yield the number of bindings in force by what they rest on, and the newest lists of certificates by state."""
        bindings = GaugeMetricFamily(
            "gateway_bindings",
            "Certificates bound to codes: by two people, by the policy for an issuer, or by its approved list.",
            labels=["source", "issuer"],
        )
        async with self.node.store.reading() as tx:
            view = SqlDecision(tx, self.node.clock, self.node.pool, "")
            sources, received = await view.listed.sources(), await view.lists.newest(_MOST_LISTS)
        counts = Counter[tuple[str, str]]()
        for source in sources:
            counts[source.origin.kind, source.origin.issuer] += source.count
        for labels, count in sorted(counts.items()):
            bindings.add_metric(list(labels), count)
        yield bindings
        states = Counter(str(listed.state) for listed in received)
        text = "The newest lists of certificates by state."
        yield _gauges("lists", text, "state", {state: float(n) for state, n in states.items()})


async def _collect(ask: Callable[[], AsyncIterator[Metric]]) -> tuple[bool, Sequence[Metric]]:
    """Read the metrics of a part; return whether it answered in time, and the metrics, also those read before a failure."""
    families: list[Metric] = []
    try:
        async with asyncio.timeout(SCRAPE_PATIENCE_S):
            async for family in ask():
                families.append(family)  # noqa: PERF401 - a comprehension would lose families that came before a timeout
    except (GatewayError, TimeoutError):
        return False, families
    return True, families


def days_left(node: OpenNode, code: str, now: datetime) -> float:
    """Return the days left of the certificate with which the agency signs; 0 when it has no valid one."""
    try:
        signer = node.keys.signer(code, now)
    except GatewayError:
        return 0.0
    ends = x509.load_der_x509_certificate(signer.certificate_der).not_valid_after_utc
    return (ends - now).total_seconds() / _DAY_S


def load_gauges(load: Load, now: datetime) -> Iterator[Metric]:
    """Yield the gauges of the rows that wait in the database."""
    yield from _piles("outbox", "Envelopes that wait for the axis.", "lane", load.outbox, now)
    yield from _piles("inbox", "Packets that have no end yet, or need a person.", "state", load.inbox, now)
    yield from _piles("jobs", "Envelopes to be made.", "kind", load.jobs, now)
    quarantined = [load.inbox[state] for state in ("quarantined", "malformed") if state in load.inbox]
    yield _scalar("quarantine", "Packets set apart.", sum(pile.count for pile in quarantined))
    yield _scalar("outbox_failed", "Envelopes whose tries are used up.", load.outbox_failed)
    yield _scalar("events_unnumbered", "Events that no reader sees yet.", load.unnumbered)
    yield _scalar("late_deliveries", "Deliveries of which nothing was heard for 30 minutes.", load.late.count)
    yield _gauges("deliveries", "Deliveries under way, by the state shown.", "state", load.deliveries)
    yield _gauges("leases", "Rows that some worker holds now.", "table", load.leases)


def axis_gauges(states: Mapping[str, AxisState], now: datetime) -> Iterator[Metric]:
    """Yield the gauges of the connection to the axis; for several axes with the label `axis`."""
    connected = {name: float(state.connected_since is not None) for name, state in states.items()}
    blocked = {name: float(state.blocked_since is not None) for name, state in states.items()}
    down = {
        name: (now - state.down_since).total_seconds() if state.down_since else 0.0
        for name, state in states.items()
    }
    for gauge, description, values in (
        ("axis_connected", "1 while the axis is connected.", connected),
        ("axis_blocked", "1 while the axis takes nothing.", blocked),
        ("axis_down_seconds", "For how long the axis has not answered.", down),
    ):
        yield (
            _scalar(gauge, description, values[""])
            if "" in values
            else _gauges(gauge, description, "axis", values)
        )


def _piles(
    name: str, says: str, label: str, piles: Mapping[str, Pile], now: datetime
) -> Iterator[GaugeMetricFamily]:
    yield _gauges(name, says, label, {p: q.count for p, q in piles.items()})
    ages = {p: (now - q.oldest).total_seconds() for p, q in piles.items() if q.oldest}
    yield _gauges(f"{name}_oldest_seconds", f"Age of the oldest. {says}", label, ages)


def _gauges(name: str, says: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = _gauge(name, says, label)
    for label_value, value in sorted(values.items()):
        family.add_metric([label_value], value)
    return family


def _gauge(name: str, says: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gateway_{name}", says, labels=[label])


def _scalar(name: str, says: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"gateway_{name}", says, value=value)
