"""Report on a node as a whole: the screen of `gateway status`, and the report that an engineer attaches when asking for
help. In: an open node; or the settings and findings of a node that cannot be opened. Out: one frozen `NodeStatus` (axis,
queues with their oldest, late documents, certificates, backup, workers, speed); or plain values. A part that does not
answer is shown as such. The report has versions, names of changed settings, findings, and of an open node its axis, queues,
certificates, jobs and last error codes. It has no secret, no value of a setting, and nothing of any document."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from gateway import __version__
from gateway.bootstrap import core
from gateway.bootstrap.node import OpenNode
from gateway.domain.account import HostedAgency
from gateway.domain.diagnosis import Diagnosis
from gateway.domain.pace import HISTORY_KEPT, Pace, paces
from gateway.errors import GatewayError
from gateway.folder.state import FolderState
from gateway.ops import axis_view, certificates, checks_of_parts
from gateway.ops.axis_view import AxisView
from gateway.ops.certificates import IssuerState
from gateway.ops.metrics import days_left
from gateway.ops.subject import Subject
from gateway.policy import upkeep
from gateway.ports.services import ScannerState
from gateway.settings import Settings, reading
from gateway.store import data_folder, reporting
from gateway.store.data_folder import Backup as Backup
from gateway.store.data_folder import Disk
from gateway.store.data_folder import last_backup as last_backup
from gateway.store.reporting import Load
from gateway.workers.heartbeat import ProcessBeat, beats, slots

MOST_ERRORS = 50
# An error's code. The report has only this, because the error's text may name a document.
_ERROR_CODE = re.compile(r"(?<![A-Z])[A-Z]{2,}(?:-[A-Z0-9]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """Status of the node at one moment. `certificates` has the days left by agency's code, 0 without a valid one;
    `partners` the days left of foreign certificates that end soon, by code; `loops` the loops of this process; `disk_days`,
    how long the disk lasts, and `database_bytes` are None when unknown; `backups`: how many the last one's folder has."""

    node: str
    version: str
    at: datetime
    axis: AxisView
    load: Load
    hosted: Sequence[HostedAgency]
    certificates: Mapping[str, float]
    backup: Backup | None
    workers: Sequence[ProcessBeat]
    loops: Mapping[str, bool]
    disk_free: int
    disk_days: int | None
    disks: Sequence[Disk]
    backups: int
    database_bytes: int | None
    authorities: Sequence[IssuerState]
    scanner: ScannerState
    partners: Mapping[str, float]
    paces: Sequence[Pace]
    folders: Sequence[FolderState]

    @property
    def hosted_certificates(self) -> Mapping[str, float]:
        """The days left by code, of agencies that are still hosted here."""
        departed_codes = {agency.code for agency in self.hosted if agency.left_at is not None}
        return {code: days for code, days in self.certificates.items() if code not in departed_codes}


async def look(node: OpenNode) -> NodeStatus:
    """Read the status of the node at this moment."""
    now, subject = node.clock.now(), Subject.within(node)
    hosted = await node.store.hosted()
    codes = [agency.code for agency in hosted]
    status = partial(
        NodeStatus,
        node=node.settings.node.name,
        version=__version__,
        at=now,
        axis=await axis_view.look(node.axis, node.pulse.folder, now),
        load=await reporting.load(node.store, now),
        hosted=hosted,
        loops=node.pulse.loops(),
        disk_days=await checks_of_parts.disk_days(subject),
        database_bytes=await _database_bytes(node),
        authorities=await certificates.load_issuer_states(node.settings.trust.folder, node.store, now),
        scanner=await node.scanner.state(),
        folders=await checks_of_parts.folder_states(subject),
        partners=await ending_partners(node, codes, now),
    )
    # Keys, disks and files are read in the pool: a disk that hangs stops no other call.
    return await node.pool.run(
        lambda: status(
            certificates={code: days_left(node, code, now) for code in codes},
            backup=last_backup(node.settings.node.data_dir),
            backups=data_folder.count_backups(node.settings.node.data_dir, node.settings.node.name),
            workers=beats(node.pulse.folder, now),
            disk_free=checks_of_parts.free_bytes(subject),
            disks=checks_of_parts.judge_disks(subject),
            paces=paces(slots(node.pulse.folder, now)),
        )
    )


async def _database_bytes(node: OpenNode) -> int | None:
    try:
        return await reporting.database_size(node.store)
    except GatewayError:
        return None


async def ending_partners(node: OpenNode, own: Collection[str], now: datetime) -> Mapping[str, float]:
    """Return the days left by code for foreign certificates that end within 60 days (K5, expiring partners)."""
    watch = core.key_watch(node.store, node.directory, node.keys, node.trust, node.deciding)
    soon = upkeep.due_marks(await watch.endings(now), now)
    return {m.code: (m.ends_at - now).total_seconds() / 86400 for m, _ in soon if m.code not in own}


def report_of_settings(settings: Settings, findings: Sequence[Diagnosis], now: datetime) -> dict[str, object]:
    """Return the part of the report that needs no open node: system, versions, names of changed settings, findings."""
    setting_names, origins = reading.printable(settings), reading.sources(settings)
    return {
        "at": now.isoformat(timespec="seconds"),
        "node": settings.node.name,
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "database": settings.database.url.partition(":")[0],
        "axis_kind": settings.axis_kind,
        "axes": {
            name: axis_settings.axis.kind for name, axis_settings in settings.each_axis().items() if name
        },
        "settings_not_default": [name for name in setting_names if origins[name] != "default"],
        "checks": [
            {"check": finding.check, "level": finding.level, "cause": finding.cause} for finding in findings
        ],
    }


async def report_of_node(node: OpenNode) -> dict[str, object]:
    """Return the part of the report that only an open node knows: workers, axis, certificates, queues, jobs, errors."""
    status = await look(node)
    axis, backup = status.axis, status.backup
    days = await node.store.history.days((status.at - HISTORY_KEPT).date())
    return {
        "workers": [
            {"since": _iso(worker.since), "at": _iso(worker.at), "stuck": list(worker.stuck)}
            for worker in status.workers
        ],
        "paces": [p.to_json() for p in status.paces],
        "axis": {
            "connected_since": _iso(axis.state.connected_since),
            "down_since": _iso(axis.state.down_since),
            "blocked_since": _iso(axis.state.blocked_since),
            **axis.counts,
            "each": {name: _axis_facts(axis_view) for name, axis_view in axis.by_name.items()},
        },
        "certificates_days": {code: round(days, 1) for code, days in status.hosted_certificates.items()},
        "disk_free_bytes": status.disk_free,
        "database_bytes": status.database_bytes,
        "backup_at": _iso(backup.at if backup else None),
        "backup_tested_at": _iso(backup.verified_at if backup else None),
        "queues": _queue_rows(status.load),
        "jobs": {
            job.job: {
                "state": job.word,
                "last": _iso(job.last_at),
                "failed": _iso(job.failed_at),
                "code": job.code,
            }
            for job in upkeep.job_lines(days, status.at)
        },
        "errors": await _errors(node),
    }


def _queue_rows(load: Load) -> list[Mapping[str, object]]:
    rows: list[Mapping[str, object]] = [
        {"queue": queue, "part": part, "count": pile.count, "oldest": _iso(pile.oldest)}
        for queue, piles in (("outbox", load.outbox), ("inbox", load.inbox), ("job", load.jobs))
        for part, pile in sorted(piles.items())
    ]
    return [*rows, {"queue": "outbox", "part": "failed", "count": load.outbox_failed, "oldest": None}]


async def _errors(node: OpenNode) -> list[Mapping[str, object]]:
    """Return the last errors of packets as time, queue and error code, the newest first."""
    faults = await reporting.newest_faults(node.store, MOST_ERRORS)
    return [{"at": _iso(at), "where": part, "code": _error_code(detail)} for at, part, detail in faults]


def _axis_facts(axis: AxisView) -> dict[str, object]:
    state = axis.state
    times = {"connected_since": _iso(state.connected_since), "down_since": _iso(state.down_since)}
    return times | dict(axis.counts)


def _error_code(detail: str) -> str:
    match = _ERROR_CODE.search(detail)
    return match.group() if match is not None else "-"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None


def report_lines(facts: Mapping[str, object], prefix: str = "") -> list[str]:
    """Return facts as lines of text, each with the path of its key; a list has a line for each element."""
    lines = []
    for name, value in facts.items():
        if isinstance(value, Mapping):
            lines += report_lines(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            rows = [e if isinstance(e, str) else json.dumps(e, ensure_ascii=False) for e in value]
            lines += [f"{prefix}{name}: {row}\n" for row in rows or ("-",)]
        else:
            lines.append(f"{prefix}{name}: {'-' if value is None else value}\n")
    return lines
