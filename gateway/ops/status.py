"""What is told of a node as a whole: the screen of `gateway status`, and the report that an engineer attaches when
asking for help. In: an open node; of one that does not open its settings and findings. Out: one frozen `NodeStatus`
(axis, queues with their oldest, late documents, certificates, backup, workers, speed); or plain values.

Where a part does not answer, its place on the screen says so, because the screen is for such days. The report has
versions, names of settings that differ, findings, and of a node that opens its line, queues, certificates, jobs and
last error codes. No secret, no value of a setting, nothing of any document."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway import __version__
from gateway.bootstrap import ground
from gateway.bootstrap.node import OpenNode
from gateway.domain.account import HostedAgency
from gateway.domain.diagnosis import Diagnosis
from gateway.domain.pace import HISTORY_KEPT, Pace, paces
from gateway.errors import GatewayError
from gateway.folder.state import FolderState
from gateway.ops import axis_now, certificates, checks_of_parts
from gateway.ops.axis_now import AxisNow
from gateway.ops.certificates import IssuerState
from gateway.ops.metrics import days_left
from gateway.ops.subject import Subject
from gateway.policy import upkeep
from gateway.ports.services import ScannerState
from gateway.settings import Settings, reading
from gateway.store import reporting
from gateway.store.data_folder import Backup as Backup
from gateway.store.data_folder import Disk
from gateway.store.data_folder import last_backup as last_backup
from gateway.store.reporting import Load
from gateway.workers.pulse import ProcessBeat, beats, slots


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Facts of the node at one moment. `certificates` are days left by agency, 0 where none is in force; `partners` those
    of certificates that are bound here and end soon, by code; `loops` are those of this process; `disk_days`, how long
    the disk lasts, and `database_bytes` are None where that is not known."""

    node: str
    version: str
    at: datetime
    axis: AxisNow
    load: Load
    hosted: Sequence[HostedAgency]
    certificates: Mapping[str, float]
    backup: Backup | None
    workers: Sequence[ProcessBeat]
    loops: Mapping[str, bool]
    disk_free: int
    disk_days: int | None
    disks: Sequence[Disk]
    database_bytes: int | None
    authorities: Sequence[IssuerState]
    scanner: ScannerState
    partners: Mapping[str, float]
    paces: Sequence[Pace]
    folders: Sequence[FolderState]

    @property
    def certificates_here(self) -> Mapping[str, float]:
        """Of the agencies that are hosted here yet."""
        left = {agency.code for agency in self.hosted if agency.left_at is not None}
        return {code: days for code, days in self.certificates.items() if code not in left}


async def look(node: OpenNode) -> NodeStatus:
    """The status now."""
    now, subject = node.clock.now(), Subject.within(node)
    hosted = await node.store.hosted()
    codes = [agency.code for agency in hosted]
    return NodeStatus(
        node=node.settings.node.name,
        version=__version__,
        at=now,
        axis=await axis_now.look(node.axis, node.pulse.folder, now),
        load=await reporting.load(node.store, now),
        hosted=hosted,
        certificates=await node.pool.run(lambda: {code: days_left(node, code, now) for code in codes}),
        backup=last_backup(node.settings.node.data_dir),
        workers=beats(node.pulse.folder, now),
        loops=node.pulse.loops(),
        disk_free=checks_of_parts.free_bytes(subject),
        disk_days=await checks_of_parts.disk_days(subject),
        disks=checks_of_parts.judged_disks(subject),
        database_bytes=await _database_bytes(node),
        authorities=await certificates.authorities_asked(node.settings.trust.folder, node.store, now),
        scanner=await node.scanner.state(),
        paces=paces(slots(node.pulse.folder, now)),
        folders=await checks_of_parts.folder_states(subject),
        partners=await ending_partners(node, codes, now),
    )


async def _database_bytes(node: OpenNode) -> int | None:
    try:
        return await reporting.database_size(node.store)
    except GatewayError:
        return None


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
    found = await look(node)
    axis, backup = found.axis, found.backup
    days = await node.store.history.days((found.at - HISTORY_KEPT).date())
    return {
        "workers": [
            {"since": _iso(each.since), "at": _iso(each.at), "stuck": list(each.stuck)}
            for each in found.workers
        ],
        "paces": [each.told() for each in found.paces],
        "axis": {
            "connected_since": _iso(axis.state.connected_since),
            "down_since": _iso(axis.state.down_since),
            "blocked_since": _iso(axis.state.blocked_since),
            **axis.counts,
            "each": {name: _axis_told(one) for name, one in axis.each.items()},
        },
        "certificates_days": {code: round(days, 1) for code, days in found.certificates_here.items()},
        "disk_free_bytes": found.disk_free,
        "database_bytes": found.database_bytes,
        "backup_at": _iso(backup.at if backup else None),
        "backup_tested_at": _iso(backup.verified_at if backup else None),
        "queues": _queues(found.load),
        "jobs": {
            each.job: {
                "state": each.word,
                "last": _iso(each.last_at),
                "failed": _iso(each.failed_at),
                "code": each.code,
            }
            for each in upkeep.job_lines(days, found.at)
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


def report_lines(told: Mapping[str, object], before: str = "") -> list[str]:
    """Write told facts as lines for a mail, each with its place before it; a list has a line for each of its things."""
    made = []
    for name, value in told.items():
        if isinstance(value, Mapping):
            made += report_lines(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            rows = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in value]
            made += [f"{before}{name}: {row}\n" for row in rows or ("-",)]
        else:
            made.append(f"{before}{name}: {'-' if value is None else value}\n")
    return made
