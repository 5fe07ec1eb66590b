"""How the node is: the facts of health and status in words, each finding with its cure; workers and their loops; and the
same as a file for whoever is asked for help."""

from __future__ import annotations

import json
from datetime import timedelta

from aiohttp import web

from gateway.domain import pace
from gateway.office.web import files_out
from gateway.office.web.frame import OPERATES
from gateway.office.web.pages.operations.ground import KEY, PATH, page
from gateway.office.web.ports_operations import Check
from gateway.office.web.routes import Who, get
from gateway.office.web.visit import Visit
from gateway.ops import plain_lines
from gateway.policy import heartbeat
from gateway.words import labels

_LEVELS = {"red": 0, "yellow": 1, "green": 2}
_LATE = timedelta(seconds=60)
_BEAT_WORDS = (heartbeat.GOOD, heartbeat.FAULTY, heartbeat.LATE, heartbeat.MISSING, heartbeat.UNKNOWN)


async def shown(visit: Visit) -> web.StreamResponse:
    machine = visit.deps.operations.machine
    checks, standing = await machine.checks(), await machine.standing()
    ordered = sorted(checks, key=lambda each: _LEVELS.get(each.level, 0))
    return await page(
        visit,
        "state",
        "state",
        title=visit.say("operating.title"),
        standing=standing,
        paces=[_row(visit, each) for each in standing.paces],
        checks=[(each, says(visit, each)) for each in ordered],
        counts={level: sum(each.level == level for each in checks) for level in _LEVELS},
    )


async def jobs(visit: Visit) -> web.StreamResponse:
    """Thirty days of each job, then what runs in this very moment."""
    machine, now = visit.deps.operations.machine, visit.deps.clock.now()
    days = await machine.job_days()
    return await page(
        visit,
        "jobs",
        "jobs",
        standing=await machine.standing(),
        late=_LATE,
        beats=heartbeat.lines(days, now) if days else (),
        overdue=labels.jobs(heartbeat.late(days, now), visit.lang),
        words=_BEAT_WORDS,
        limits={
            "minutes": int(heartbeat.LOOP.total_seconds() // 60),
            "hours": int(heartbeat.NIGHTLY.total_seconds() // 3600),
        },
    )


async def report(visit: Visit) -> web.StreamResponse:
    """As JSON, or as lines to paste into a mail."""
    told = await visit.deps.operations.machine.report()
    is_text = visit.ask("dang") == "txt"
    body = (
        "".join(plain_lines.lines(told)) if is_text else json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    )
    now = visit.deps.clock.now()
    kind = "txt" if is_text else "json"
    return files_out.whole(f"chan-doan-{now:%Y%m%dT%H%M%SZ}.{kind}", kind, body.encode())


def says(visit: Visit, check: Check) -> str:
    known = labels.has(check.says)
    return labels.finding_text(check.says, check.params, visit.lang) if known else check.says


def _row(visit: Visit, found: pace.Pace) -> tuple[pace.Pace, str, list[str]]:
    """With the name of its axis, and its bounds in words."""
    told = [pace.words(bound) for bound in (found.p50, found.p95, found.p99)]
    axis = visit.say_or(f"pace.axis.{found.axis}", found.axis)
    return found, axis, [visit.say(key, n=number) for key, number in told]


ROUTES = (
    get(PATH, "operations", shown, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{PATH}/tac-vu", "operations_jobs", jobs, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{PATH}/chan-doan", "operations_report", report, who=Who.READY, needs=OPERATES, key=KEY),
)
