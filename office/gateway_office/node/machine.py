"""The node itself, for the pages of operations: its checks, facts and queues, the sealed copies on this machine and their
trial restore. In: an open node and its health probe. Out: values; words are keys of the labels with their parameters. A
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
from gateway.errors import Clash, GatewayError, NotFound
from gateway.ops import axis_view, backup, restore, status
from gateway.ports.services import HealthProbe
from gateway.store import reporting
from gateway.store.data_folder import BACKUP_SUFFIX, SNAPSHOT_SUFFIX
from gateway.store.reporting import Load
from gateway_office.bootstrap.office import Office
from gateway_office.domain.roles import NODE

_LOG = logging.getLogger(__name__)
RUNNING, EQUAL, FAILED = "running", "equal", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePile:
    """Work of one sort that waits: which queue, which part of it, how much, since when the oldest."""

    queue: str
    part: str
    count: int
    oldest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Queues:
    """Work that waits in the node. `axis_fault` says why the axis gave no counts."""

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


async def load_queues(node: Office) -> Queues:
    """Load the work that waits in the node and on the axis."""
    load = await reporting.load(node.store, node.clock.now())
    axis = await axis_view.look(node.axis, node.pulse.folder, node.clock.now())
    piles = [QueuePile(queue="axis", part=part, count=count) for part, count in axis.counts.items()]
    return Queues(
        piles=[*piles, *_piles(load)],
        failed=load.outbox_failed,
        late=load.late.count,
        leases=load.leases,
        axis_fault="" if axis.counts else axis.state.reason,
    )


async def hurry_packet(node: Office, by: str, id: str) -> None:
    """Make the packet due at once. NotFound when it does not wait."""
    now = node.clock.now()
    packet = await reporting.hurry_packet(node.store, id, now)
    async with node.store.changing(AgencyScope(agency_id=packet.agency_id, principal_id=by)) as work:
        event_data = {"packet": packet.packet_id, "attempts": packet.attempts}
        await work.events.append(EventKind.MESSAGE_HURRIED, packet.id, now, event_data)
    node.store.wake.ring("dispatcher", "sequencer")


async def test_partner(node: Office, code: str, sender: str) -> Sequence[Diagnosis]:
    """Examine the way to one partner, from that agency of this node or the first; nothing is sent."""
    from gateway.ops.partner_check import examine_partner

    return [diagnosis async for diagnosis in examine_partner(node, node.axis, sender, code)]


async def make_report(node: Office, health: HealthProbe) -> Mapping[str, object]:
    """Make a report for people who are asked for help: no secret, nothing of any document."""
    ready, alive = await health.ready(), await health.alive()
    findings = await health.list_findings(Tag.DOCTOR)
    return (
        status.report_of_settings(node.settings, findings, node.clock.now())
        | {"health": check_words(ready), "loops": check_words(alive)}
        | await status.report_of_node(node)
    )


def _piles(load: Load) -> Sequence[QueuePile]:
    queue_piles = []
    for queue, piles in (("outbox", load.outbox), ("inbox", load.inbox), ("job", load.jobs)):
        queue_piles += [
            QueuePile(queue=queue, part=part, count=pile.count, oldest=pile.oldest)
            for part, pile in sorted(piles.items())
        ] or [QueuePile(queue=queue, part="", count=0)]
    return [*queue_piles, QueuePile(queue="event", part="", count=load.unnumbered)]


@dataclass(slots=True)
class BackupCopies:
    """Sealed copies on this machine, and their trial restores, one at a time."""

    node: Office
    _drill: Drill | None = None
    _task: asyncio.Task[None] | None = None
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def all(self) -> Sequence[Copy]:
        """List copies, newest first."""
        last = status.last_backup(self.node.settings.node.data_dir)
        files = await self.node.pool.run(partial(_files, self._places()))
        return [
            Copy(
                name=path.name,
                size=size,
                at=at,
                tested_at=last.verified_at if last and Path(last.path).name == path.name else None,
            )
            for path, size, at in files
        ]

    def drill(self) -> Drill | None:
        """Return the trial under way, or the last one of this process."""
        return self._drill

    async def begin_drill(self, by: str, name: str, passphrase: str) -> None:
        """Restore into a scratch database, beside the node. Clash while another trial runs, NotFound for a missing copy."""
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
        """List the folder of this node's copies, and that of the last one."""
        data_dir = self.node.settings.node.data_dir
        last_backup = status.last_backup(data_dir)
        places = [data_dir / "backups", *([Path(last_backup.path).parent] if last_backup else [])]
        return list(dict.fromkeys(places))

    async def _run(self, by: str, path: Path, passphrase: bytes, began: Drill) -> None:
        try:
            restored = await self._restore(path, passphrase)
            ended = replace(began, word=EQUAL, rows=restored.manifest.rows, files=restored.files)
        except GatewayError as error:
            ended = replace(began, word=FAILED, code=error.code, fault=str(error))
        except Exception:
            # No caller waits for this task: an unforeseen error must reach the page and the log.
            _LOG.exception("a trial restore failed in a way nobody foresaw", extra={"action": "drill.broke"})
            ended = replace(began, word=FAILED)
        self._drill = replace(ended, ended_at=self.node.clock.now())
        await self._log_drill(by, self._drill)

    async def _restore(self, path: Path, passphrase: bytes) -> restore.Restored:
        node = self.node
        data_dir = node.settings.node.data_dir
        restored = await restore.drill(
            path, passphrase, data_dir, None, node.clock, node.pool, lambda name, count: None
        )
        await node.pool.run(partial(backup.note, data_dir, path, restored.description.at, node.clock.now()))
        return restored

    async def _log_drill(self, by: str, drill: Drill) -> None:
        event_data = {
            "file": drill.name,
            "outcome": drill.word,
            "rows": drill.rows,
            "files": drill.files,
            "detail": drill.fault[:500],
        }
        async with self.node.store.changing(AgencyScope(agency_id=NODE, principal_id=by)) as work:
            await work.events.append(EventKind.BACKUP_TESTED, "backup", self.node.clock.now(), event_data)


def _files(places: Sequence[Path]) -> list[tuple[Path, int, datetime]]:
    """List files with size and time, newest first."""
    files = []
    for place in places:
        for path in place.iterdir() if place.is_dir() else ():
            if path.suffix in (BACKUP_SUFFIX, SNAPSHOT_SUFFIX):
                status = path.stat()
                files.append((path, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC)))
    return sorted(files, key=lambda file: file[2], reverse=True)
