"""The node itself, for the pages of operations: its checks, facts and queues, the sealed copies on this machine and their
trial restore. In: an open node and what watches it. Out:
values; words are keys of the labels with their parameters. A
passphrase lives in memory as long as its trial runs, and nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.domain.account import AgencyScope
from gateway.domain.diagnosis import Diagnosis, Tag, check_words
from gateway.domain.event import EventKind
from gateway.domain.pace import HISTORY_KEPT, JobDay, QueueSample
from gateway.domain.queues import OutboxItem
from gateway.errors import Clash, GatewayError, NotFound
from gateway.office.bootstrap.office import Office
from gateway.office.domain.roles import NODE
from gateway.office.store import partners
from gateway.office.store.partners import Flow, TrafficWanted
from gateway.ops import axis_now, backup, restore, status
from gateway.ops.status import NodeStatus
from gateway.ports.services import HealthProbe
from gateway.store import reporting
from gateway.store.reporting import Load


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


@dataclass(slots=True)
class NodeMachine:
    """The node as whoever looks after it sees it."""

    node: Office
    health: HealthProbe

    async def checks(self, tag: Tag = Tag.DOCTOR) -> Sequence[Diagnosis]:
        """What the checks of that selection found, known for some seconds; the test of the line is made each time."""
        return await self.health.found(tag)

    async def standing(self) -> NodeStatus:
        return await status.look(self.node)

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

    async def test_partner(self, code: str, sender: str) -> Sequence[Diagnosis]:
        """The way to one partner, from that agency of this node or the first; nothing is sent."""
        from gateway.ops.partner_check import examine_partner

        return [each async for each in examine_partner(self.node, self.node.axis, sender, code)]

    async def report(self) -> Mapping[str, object]:
        """For whoever is asked for help: no secret, nothing of any document."""
        node, ready, alive = self.node, await self.health.ready(), await self.health.alive()
        return (
            status.report_of_settings(node.settings, await self.checks(), node.clock.now())
            | {"health": check_words(ready), "loops": check_words(alive)}
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
            self._task = self.node.background.begin(self._run(by, path, passphrase.encode(), began))

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
