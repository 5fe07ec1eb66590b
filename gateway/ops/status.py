"""What is told of a node as a whole: the screen of `gateway status`, and the report that an engineer attaches when
asking for help. In: an open node; of one that does not open its settings and findings. Out: one frozen `NodeStatus`
(axis, queues with their oldest, late documents, certificates, backup, workers, speed); or plain values.

Where a part does not answer, its place on the screen says so, because the screen is for such days. The report has
versions, names of settings that differ, findings, and of a node that opens its line, queues, certificates, jobs and
last error codes. No secret, no value of a setting, nothing of any document."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway import __version__
from gateway.bootstrap import ground
from gateway.bootstrap.node import OpenNode
from gateway.domain.pace import HISTORY_KEPT, Pace, paces
from gateway.folder.state import FolderState
from gateway.ops import axis_now, certificates
from gateway.ops.axis_now import AxisNow
from gateway.ops.certificates import IssuerState
from gateway.ops.doctor import Diagnosis
from gateway.ops.hot_folders import hot_folders
from gateway.ops.metrics import days_left, judged_disks
from gateway.policy import upkeep
from gateway.ports import ScannerState
from gateway.settings import Settings, reading
from gateway.store import reporting
from gateway.store.data_folder import Backup as Backup
from gateway.store.data_folder import Disk
from gateway.store.data_folder import last_backup as last_backup
from gateway.store.reporting import Load
from gateway.workers.pulse import ProcessBeat, beats, slots


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Everything that the screen shows. `certificates` are days left by agency, 0 where none is in force."""

    node: str
    version: str
    at: datetime
    axis: AxisNow
    load: Load
    certificates: Mapping[str, float]
    backup: Backup | None
    workers: Sequence[ProcessBeat]
    disk_free: int
    disks: Sequence[Disk]
    authorities: Sequence[IssuerState] = ()
    scanner: ScannerState = field(default_factory=lambda: ScannerState(word="off"))
    partners: Mapping[str, float] = field(default_factory=dict)
    """Days left of certificates that are bound here and end soon, by code."""
    paces: Sequence[Pace] = ()
    folders: Sequence[FolderState] = ()


async def look(node: OpenNode) -> NodeStatus:
    """The status now."""
    now = node.clock.now()
    hosted = await node.store.hosted()
    return NodeStatus(
        node=node.settings.node.name,
        version=__version__,
        at=now,
        axis=await axis_now.look(node.axis, node.pulse.folder, now),
        load=await reporting.load(node.store, now),
        certificates={agency.code: days_left(node, agency.code, now) for agency in hosted},
        backup=last_backup(node.settings.node.data_dir),
        workers=beats(node.pulse.folder, now),
        disk_free=node.room.space().bytes,
        disks=judged_disks(node),
        authorities=await certificates.authorities_asked(node.settings.trust.folder, node.store, now),
        scanner=await node.scanner.state(),
        paces=paces(slots(node.pulse.folder, now)),
        folders=await hot_folders(node),
        partners=await ending_partners(node, {agency.code for agency in hosted}, now),
    )


async def ending_partners(node: OpenNode, own: Collection[str], now: datetime) -> Mapping[str, float]:
    """Of each code that is not ours the certificate that ends last, where it has 60 days or fewer (K5)."""
    watch = ground.key_watch(node.store, node.directory, node.keys, node.trust, node.deciding)
    soon = upkeep.due_marks(await watch.endings(now), now)
    return {each.code: (each.until - now).total_seconds() / 86400 for each, _ in soon if each.code not in own}


MOST_ERRORS = 50
# A sentence may name a document; a code never does.
_ERROR_CODE = re.compile(r"(?<![A-Z])[A-Z]{2,}(?:-[A-Z0-9]+)+")


def report_of_settings(settings: Settings, findings: Sequence[Diagnosis], now: datetime) -> dict[str, object]:
    """What can be said of a node that does not open, too."""
    shown, origins = reading.shown(settings), reading.sources(settings)
    return {
        "at": now.isoformat(timespec="seconds"),
        "node": settings.node.name,
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "database": settings.database.url.partition(":")[0],
        "axis_kind": settings.axis_kind,
        "axes": {name: alone.axis.kind for name, alone in settings.each_axis().items() if name},
        "settings_not_default": [name for name in shown if origins[name] != "default"],
        "checks": [{"check": each.check, "level": each.level, "cause": each.cause} for each in findings],
    }


async def report_of_node(node: OpenNode) -> dict[str, object]:
    """What an open node knows besides."""
    now = node.clock.now()
    axis, hosted = await axis_now.look(node.axis, node.pulse.folder, now), await node.store.hosted()
    backup = last_backup(node.settings.node.data_dir)
    days = await node.store.history.days((now - HISTORY_KEPT).date())
    return {
        "workers": [
            {"since": _iso(each.since), "at": _iso(each.at), "stuck": list(each.stuck)}
            for each in beats(node.pulse.folder, now)
        ],
        "paces": [each.told() for each in paces(slots(node.pulse.folder, now))],
        "axis": {
            "connected_since": _iso(axis.state.connected_since),
            "down_since": _iso(axis.state.down_since),
            "blocked_since": _iso(axis.state.blocked_since),
            **axis.counts,
            "each": {name: _axis_told(one) for name, one in axis.each.items()},
        },
        "certificates_days": {
            each.code: round(days_left(node, each.code, now), 1) for each in hosted if each.left_at is None
        },
        "disk_free_bytes": node.room.space().bytes,
        "database_bytes": await reporting.database_size(node.store),
        "backup_at": _iso(backup.at if backup else None),
        "backup_tested_at": _iso(backup.verified_at if backup else None),
        "queues": _queues(await reporting.load(node.store, now)),
        "jobs": {
            each.job: {
                "state": each.word,
                "last": _iso(each.last_at),
                "failed": _iso(each.failed_at),
                "code": each.code,
            }
            for each in upkeep.job_lines(days, now)
        },
        "errors": await _errors(node),
    }


def _queues(load: Load) -> list[Mapping[str, object]]:
    made: list[Mapping[str, object]] = [
        {"queue": queue, "part": part, "count": each.count, "oldest": _iso(each.oldest)}
        for queue, piles in (("outbox", load.outbox), ("inbox", load.inbox), ("job", load.jobs))
        for part, each in sorted(piles.items())
    ]
    return [*made, {"queue": "outbox", "part": "failed", "count": load.outbox_failed, "oldest": None}]


async def _errors(node: OpenNode) -> list[Mapping[str, object]]:
    """The newest first."""
    told = await reporting.newest_faults(node.store, MOST_ERRORS)
    return [{"at": _iso(at), "where": where, "code": _error_code(said)} for at, where, said in told]


def _axis_told(axis: AxisNow) -> dict[str, object]:
    state = axis.state
    times = {"connected_since": _iso(state.connected_since), "down_since": _iso(state.down_since)}
    return times | dict(axis.counts)


def _error_code(said: str) -> str:
    found = _ERROR_CODE.search(said)
    return found.group() if found is not None else "-"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None
