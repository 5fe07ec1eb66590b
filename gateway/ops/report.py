"""The report that an engineer attaches when asking for help: versions, names of settings that differ, findings, and of a
node that opens its line, queues, certificates, jobs and last error codes. In: settings, findings, an open node. Out: plain
values. No secret, no value of a setting, nothing of any document."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from gateway import __version__
from gateway.bootstrap.node import Node
from gateway.domain.node_history import KEPT
from gateway.domain.pace import paces
from gateway.ops import axis_now, status
from gateway.ops.doctor import Finding
from gateway.ops.metrics import days_left
from gateway.policy import heartbeat
from gateway.settings import Settings, describing
from gateway.store import looking, reporting
from gateway.store.reporting import Load
from gateway.workers.pulse import beats, slots

MOST_ERRORS = 50
# A sentence may name a document; a code never does.
_CODE = re.compile(r"[A-Z]{2,}(?:-[A-Z0-9]+)+")


def of_settings(settings: Settings, findings: Sequence[Finding], now: datetime) -> dict[str, object]:
    """What can be said of a node that does not open, too."""
    shown, origins = describing.shown(settings), describing.sources(settings)
    return {
        "at": now.isoformat(timespec="seconds"),
        "node": settings.node.name,
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "database": settings.database.url.partition(":")[0],
        "axis_kind": settings.axis.kind,
        "settings_not_default": [name for name in shown if origins[name] != "default"],
        "checks": [{"check": each.check, "level": each.level, "cause": each.cause} for each in findings],
    }


async def of_node(node: Node) -> dict[str, object]:
    """What an open node knows besides."""
    now = node.clock.now()
    axis, hosted = await axis_now.look(node.axis, node.pulse.folder, now), await node.store.hosted()
    backup = status.last_backup(node.settings.node.data_dir)
    days = await node.store.history.days((now - KEPT).date())
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
        },
        "certificates_days": {
            each.code: round(days_left(node, each.code, now), 1) for each in hosted if each.left_at is None
        },
        "disk_free_bytes": node.room.space().bytes,
        "database_bytes": await looking.size(node.store),
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
            for each in heartbeat.lines(days, now)
        },
        "errors": await _errors(node),
    }


def _queues(load: Load) -> list[Mapping[str, object]]:
    made: list[Mapping[str, object]] = []
    for queue, piles in (("outbox", load.outbox), ("inbox", load.inbox), ("job", load.jobs)):
        made += [
            {"queue": queue, "part": part, "count": each.count, "oldest": _iso(each.oldest)}
            for part, each in sorted(piles.items())
        ]
    made.append({"queue": "outbox", "part": "failed", "count": load.outbox_failed, "oldest": None})
    return made


async def _errors(node: Node) -> list[Mapping[str, object]]:
    """The newest first."""
    told = await looking.faults(node.store, MOST_ERRORS)
    return [{"at": _iso(at), "where": where, "code": _code(said)} for at, where, said in told]


def _code(said: str) -> str:
    found = _CODE.search(said)
    return found.group() if found is not None else "-"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds") if at is not None else None
