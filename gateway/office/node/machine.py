"""The node itself, for the pages of operations: its standing and queues, how long its disk lasts, the test of its line
to the axis, the sealed copies on this machine and their trial restore. In: an open node and what watches it. Out:
values; words are keys of the labels with their parameters. The line is tested step by step with this node's own rights,
with time, cause and cure, in the order in which a person would mend things; it changes nothing and sends nothing. A
passphrase lives in memory as long as its trial runs, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.event import EventKind
from gateway.domain.pace import DISK, HISTORY_KEPT, JobDay, Pace, QueueSample, paces
from gateway.edxml.key import value_fault
from gateway.edxml.policy import XmlPolicy
from gateway.errors import Clash, GatewayError, NotFound, StoreFailure, TransportFailure
from gateway.office.bootstrap.office import Office
from gateway.office.domain.roles import NODE
from gateway.office.store import partners
from gateway.office.store.partners import Flow, TrafficWanted
from gateway.ops import axis_now, backup, doctor, restore, status
from gateway.ops.doctor_checks import CLOCK_SKEW
from gateway.ops.metrics import days_left
from gateway.outgoing import desk
from gateway.ports import AxisState, HealthProbe, OutboxItem
from gateway.store import reporting
from gateway.store.reporting import Load
from gateway.trust.key_material import ENVELOPES
from gateway.workers.pulse import ProcessBeat, beats, slots

if TYPE_CHECKING:
    from gateway.transport.broker.check import AxisFinding


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStanding:
    """The node at one moment. `axes` are those of several, by name; `certificates` are days left by agency, 0 where none is
    in force; `database_bytes` is None where a server does not tell; `disk_days`, how long the disk lasts, where that is
    not known or it does not fill."""

    node: str
    version: str
    at: datetime
    axis: AxisState
    axes: Mapping[str, AxisState]
    well: bool
    parts: Mapping[str, str]
    certificates: Mapping[str, float]
    workers: Sequence[ProcessBeat]
    loops: Mapping[str, bool]
    disk_free: int
    disk_days: int | None
    paces: Sequence[Pace]
    database_bytes: int | None
    backup_at: datetime | None
    tested_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePile:
    """Work of one sort that waits: which queue, which part of it, how much, since when the oldest."""

    queue: str
    part: str
    count: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """`axis_fault` says why the axis did not tell, `blocked` whether it takes nothing for now."""

    piles: Sequence[QueuePile]
    failed: int
    late: int
    leases: Mapping[str, int]
    axis_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStep:
    """One step of the test of the line: `mark` is fine, warned, wrong or skipped."""

    server: str
    name: str
    mark: str
    ms: int
    says: str
    cure: str = ""
    params: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One sealed copy on this machine's disk. `tested_at` is when it was last restored on trial."""

    name: str
    size: int
    at: datetime
    tested_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A trial restore. `word`: running, equal or failed; `code` says why it failed, `fault` in words for engineers."""

    name: str
    word: str
    began_at: datetime
    ended_at: datetime | None = None
    rows: int = 0
    files: int = 0
    code: str = ""
    fault: str = ""


DISK_LOOKED_AT = timedelta(days=7)
_SHORTEST_KNOWN = timedelta(days=1)
_MB = 1024 * 1024
# Longer is no forecast any more.
MOST_DISK_DAYS = 3650


def disk_days_left(samples: Sequence[QueueSample], free_bytes: int) -> int | None:
    known = sorted((each.at, each.depth) for each in samples if each.queue == DISK)
    if not known or known[-1][0] - known[0][0] < _SHORTEST_KNOWN:
        return None
    (began, first), (ended, last) = known[0], known[-1]
    a_day = (first - last) / ((ended - began) / timedelta(days=1))
    return min(MOST_DISK_DAYS, int(free_bytes / _MB / a_day)) if a_day > 0 else None


FINE, WARNED, WRONG, SKIPPED = "fine", "warned", "wrong", "skipped"


class _Fault(Exception):
    """The step ended badly, for this cause."""

    def __init__(self, cause: str, **params: object) -> None:
        super().__init__(cause)
        self.cause, self.params = cause, params


async def _broker_steps(node: Office, hosted: Sequence[HostedAgency]) -> AsyncIterator[LineStep]:
    """Of a broker or a foreign axis, or of each of several axes."""
    from gateway.ops.axis_check import examine_axes

    codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
    async for name, each in examine_axes(node.settings, codes):
        yield _line_step(each, "axis", name)


def _line_step(found: AxisFinding, words: str, axis: str = "") -> LineStep:
    """`words`: below which the labels of its causes and cures stand."""
    return LineStep(
        server=" ".join(filter(None, (axis, found.server))),
        name=found.step,
        mark=found.mark.name.lower(),
        ms=found.ms,
        says=f"{words}.check.{found.cause}",
        cure=f"{words}.cure.{found.cure}" if found.cure else "",
        params=found.params,
    )


async def _step(name: str, step: Callable[[], Awaitable[Mapping[str, object]]], server: str = "") -> LineStep:
    began = time.monotonic()
    mark, cause, cure = FINE, f"operating.line.{name}.fine", ""
    params: Mapping[str, object]
    try:
        params = await step()
    except _Fault as fault:
        mark, params = WRONG, fault.params
        cause, cure = f"operating.line.{name}.{fault.cause}", f"operating.line.{name}.cure"
    except GatewayError as error:
        mark, params = WRONG, {"detail": str(error)}
        cause, cure = "operating.line.failed", f"operating.line.{name}.cure"
    ms = round((time.monotonic() - began) * 1000)
    return LineStep(server=server, name=name, mark=mark, ms=ms, says=cause, cure=cure, params=params)


async def _try_folder(node: Office) -> Mapping[str, object]:
    if not node.settings.axis.folder.is_dir():
        raise _Fault("missing")
    return {}


async def _try_count(node: Office) -> Mapping[str, object]:
    try:
        counts = await axis_now.count(node.axis, node.pulse.folder, node.clock.now())
    except TransportFailure as error:
        raise _Fault("down", detail=node.axis.state().reason or str(error)) from error
    state, _ = axis_now.whole_and_each(node.axis, node.pulse.folder, node.clock.now())
    if state.blocked_since is not None:
        raise _Fault("blocked", detail=state.reason)
    return {"count": counts.get("waiting", 0)}


async def _try_signing(node: Office, agency: HostedAgency) -> Mapping[str, object]:
    """What the agency's key signs must hold under the certificate that is bound to it."""
    # The key signs what begins like an envelope's signature, and this is none: it has no end.
    now, data = node.clock.now(), ENVELOPES + secrets.token_bytes(32)
    use = await desk.signing_keys_from(node.directory, node.store, agency.code, now)

    def there_and_back() -> tuple[str, str | None]:
        signer = node.keys.signer(agency.code, now, use)
        fault = value_fault(
            signer.certificate_der, signer.algorithm, data, signer.sign(data), XmlPolicy(), native=False
        )
        return signer.algorithm, fault

    algorithm, fault = await node.pool.run(there_and_back)
    if fault is not None:
        raise _Fault("differs", code=agency.code, fault=fault)
    return {"code": agency.code, "algorithm": algorithm}


async def _try_clock(node: Office) -> Mapping[str, object]:
    gap = abs(await node.store.clock_gap(node.clock.now))
    if gap > CLOCK_SKEW:
        raise _Fault("apart", seconds=round(gap.total_seconds()))
    return {"seconds": round(gap.total_seconds(), 1)}


_REMEMBERED = timedelta(seconds=20)


@dataclass(slots=True)
class NodeMachine:
    """The node as whoever looks after it sees it."""

    node: Office
    health: HealthProbe
    _checks: tuple[datetime, Sequence[doctor.Diagnosis]] | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def checks(self) -> Sequence[doctor.Diagnosis]:
        """Known for some seconds: it opens everything anew."""
        async with self._one_at_a_time:
            now = self.node.clock.now()
            if self._checks is None or not timedelta() <= now - self._checks[0] < _REMEMBERED:
                patient = doctor.patient_of(self.node.settings, self.node.pool, self.node.clock)
                self._checks = now, await doctor.examine(patient)
            return self._checks[1]

    async def standing(self) -> NodeStanding:
        node, now = self.node, self.node.clock.now()
        alive, ready = await self.health.alive(), await self.health.ready()
        axis, axes = axis_now.whole_and_each(node.axis, node.pulse.folder, now)
        free, sampled = _disk_free(node), await node.store.history.samples(now - DISK_LOOKED_AT, DISK)
        backup = status.last_backup(node.settings.node.data_dir)
        hosted = [each for each in await node.store.hosted() if each.left_at is None]
        return NodeStanding(
            node=node.settings.node.name,
            version=__version__,
            at=now,
            axis=axis,
            axes=axes,
            well=alive.well and ready.well,
            parts=ready.checks,
            certificates={
                each.code: await node.pool.run(lambda code=each.code: days_left(node, code, now))  # type: ignore[misc]  # mypy cannot type a lambda with a default
                for each in hosted
            },
            workers=beats(node.pulse.folder, now),
            loops=node.pulse.loops(),
            disk_free=free,
            disk_days=disk_days_left(sampled, free),
            paces=paces(slots(node.pulse.folder, now)),
            database_bytes=await _database_size(node),
            backup_at=backup.at if backup else None,
            tested_at=backup.verified_at if backup else None,
        )

    async def queues(self) -> Queues:
        node = self.node
        load = await reporting.load(node.store, node.clock.now())
        axis = await axis_now.look(node.axis, node.pulse.folder, node.clock.now())
        piles = [QueuePile(queue="axis", part=part, count=count) for part, count in axis.counts.items()]
        return Queues(
            piles=[*piles, *_piles(load)],
            failed=load.outbox_failed,
            late=load.late.count,
            leases=load.leases,
            axis_fault="" if axis.counts else axis.state.reason,
        )

    async def tries(self, limit: int) -> Sequence[OutboxItem]:
        """Packets that were tried and are not through, of every agency, the next try first."""
        return await reporting.packets_tried(self.node.store, limit)

    async def hurry(self, by: str, id: str) -> None:
        """The packet is due at once. NotFound when it does not wait."""
        node, now = self.node, self.node.clock.now()
        item = await reporting.hurry_packet(node.store, id, now)
        scope = AgencyScope(agency_id=item.agency_id, principal_id=by)
        async with node.store.begin(scope) as work:
            told = {"packet": item.packet_id, "attempts": item.attempts}
            await work.events.append(EventKind.MESSAGE_HURRIED, item.id, now, told)
            await work.commit()
        node.store.wake.ring("dispatcher", "sequencer")

    async def test_line(self) -> Sequence[LineStep]:
        """Every step; what needs a line is not tried without one. Changes nothing."""
        node = self.node
        hosted = [each for each in await node.store.hosted() if each.left_at is None]
        if node.settings.axes or node.settings.axis.kind != "embedded":
            steps = [each async for each in _broker_steps(node, hosted)]
        else:
            steps = [
                await _step("folder", lambda: _try_folder(node)),
                await _step("count", lambda: _try_count(node)),
            ]
        for agency in hosted:
            steps.append(await _step("sign", partial(_try_signing, node, agency), server=agency.code))
        steps.append(await _step("clock", lambda: _try_clock(node)))
        return steps

    async def test_partner(self, code: str, sender: str) -> Sequence[LineStep]:
        """The way to one partner, from that agency of this node or the first; nothing is sent."""
        from gateway.ops.partner_check import examine_partner

        found = examine_partner(self.node, self.node.axis, sender, code)
        return [_line_step(each, "ping") async for each in found]

    async def report(self) -> Mapping[str, object]:
        """For whoever is asked for help: no secret, nothing of any document."""
        node, ready, alive = self.node, await self.health.ready(), await self.health.alive()
        return (
            status.report_of_settings(node.settings, await self.checks(), node.clock.now())
            | {"health": dict(ready.checks), "loops": dict(alive.checks)}
            | await status.report_of_node(node)
        )

    async def sampled(self, since: datetime) -> Sequence[QueueSample]:
        """What waited, every few minutes, oldest first."""
        return await self.node.store.history.samples(since)

    async def job_days(self) -> Sequence[JobDay]:
        """What each periodic job did on each day that is remembered."""
        return await self.node.store.history.days((self.node.clock.now() - HISTORY_KEPT).date())

    async def traffic(self, wanted: TrafficWanted) -> Sequence[Flow]:
        return await partners.flows(self.node.store, wanted)


def _piles(load: Load) -> Sequence[QueuePile]:
    made = []
    for queue, piles in (("outbox", load.outbox), ("inbox", load.inbox), ("job", load.jobs)):
        made += [
            QueuePile(queue=queue, part=part, count=each.count, oldest=each.oldest)
            for part, each in sorted(piles.items())
        ] or [QueuePile(queue=queue, part="", count=0)]
    return [*made, QueuePile(queue="event", part="", count=load.unnumbered)]


def _disk_free(node: Office) -> int:
    try:
        return node.room.space().bytes
    except StoreFailure:
        return 0


async def _database_size(node: Office) -> int | None:
    try:
        return await reporting.database_size(node.store)
    except GatewayError:
        return None


_LOG = logging.getLogger(__name__)

SUFFIX = ".backup"
RUNNING, EQUAL, FAILED = "running", "equal", "failed"


@dataclass(slots=True)
class BackupCopies:
    """One trial at a time."""

    node: Office
    _drill: Drill | None = None
    _task: asyncio.Task[None] | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def all(self) -> Sequence[Copy]:
        """Newest first."""
        known = status.last_backup(self.node.settings.node.data_dir)
        files = await self.node.pool.run(partial(_files, self._places()))
        return [
            Copy(
                name=path.name,
                size=size,
                at=at,
                tested_at=known.verified_at if known and Path(known.path).name == path.name else None,
            )
            for path, size, at in files
        ]

    def drill(self) -> Drill | None:
        """The one under way, or the last of this process."""
        return self._drill

    async def begin_drill(self, by: str, name: str, passphrase: str) -> None:
        """Into a scratch database, beside the node. Clash while another one runs, NotFound for a copy that is not there."""
        async with self._one_at_a_time:
            if self._drill is not None and self._drill.word == RUNNING:
                raise Clash("another trial restore is under way; wait for its end")
            files = await self.node.pool.run(partial(_files, self._places()))
            path = next((path for path, _, _ in files if path.name == name), None)
            if path is None:
                raise NotFound(f"there is no backup {name[:200]} on this machine")
            self._drill = began = Drill(name=name, word=RUNNING, began_at=self.node.clock.now())
            self._task = self.node.beside.begin(self._run(by, path, passphrase.encode(), began))

    def _places(self) -> Sequence[Path]:
        """The folder of this node's copies, and where the last one went."""
        data_dir = self.node.settings.node.data_dir
        known = status.last_backup(data_dir)
        places = [data_dir / "backups", *([Path(known.path).parent] if known else [])]
        return list(dict.fromkeys(places))

    async def _run(self, by: str, path: Path, passphrase: bytes, began: Drill) -> None:
        try:
            done = await self._restored(path, passphrase)
            ended = replace(began, word=EQUAL, rows=done.manifest.rows, files=done.files)
        except GatewayError as error:
            ended = replace(began, word=FAILED, code=error.code, fault=str(error))
        except Exception:
            # Nobody waits for this task: what is unforeseen must reach the page and the log.
            _LOG.exception("a trial restore failed in a way nobody foresaw", extra={"action": "drill.broke"})
            ended = replace(began, word=FAILED)
        self._drill = replace(ended, ended_at=self.node.clock.now())
        await self._tell(by, self._drill)

    async def _restored(self, path: Path, passphrase: bytes) -> restore.Restored:
        node = self.node
        data_dir = node.settings.node.data_dir
        done = await restore.drill(
            path, passphrase, data_dir, None, node.clock, node.pool, lambda what, count: None
        )
        await node.pool.run(partial(backup.note, data_dir, path, done.about.at, node.clock.now()))
        return done

    async def _tell(self, by: str, drill: Drill) -> None:
        told = {
            "file": drill.name,
            "outcome": drill.word,
            "rows": drill.rows,
            "files": drill.files,
            "detail": drill.fault[:500],
        }
        async with self.node.store.begin(AgencyScope(agency_id=NODE, principal_id=by)) as work:
            await work.events.append(EventKind.BACKUP_TESTED, "backup", self.node.clock.now(), told)
            await work.commit()


def _files(places: Sequence[Path]) -> list[tuple[Path, int, datetime]]:
    """Newest first."""
    found = []
    for place in places:
        for path in place.glob(f"*{SUFFIX}") if place.is_dir() else ():
            known = path.stat()
            found.append((path, known.st_size, datetime.fromtimestamp(known.st_mtime, UTC)))
    return sorted(found, key=lambda each: each[2], reverse=True)
