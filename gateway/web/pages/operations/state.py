"""How the node is: the facts of health and status in words, each finding with its cure; workers and their loops; and the
same as a file for whoever is asked for help."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from aiohttp import web

from gateway import labels
from gateway.web.frame import OPERATES
from gateway.web.pages.operations.ground import KEY, PATH, page
from gateway.web.ports_operations import Check
from gateway.web.routes import Who, get
from gateway.web.streaming import File, headers
from gateway.web.visit import Visit

_LEVELS = {"red": 0, "yellow": 1, "green": 2}
_LATE = timedelta(seconds=60)


async def shown(visit: Visit) -> web.StreamResponse:
    machine = visit.deps.operations.machine
    checks = await machine.checks()
    ordered = sorted(checks, key=lambda each: _LEVELS.get(each.level, 0))
    return await page(
        visit,
        "state",
        "state",
        title=visit.say("operating.title"),
        standing=await machine.standing(),
        checks=[(each, says(visit, each)) for each in ordered],
        counts={level: sum(each.level == level for each in checks) for level in _LEVELS},
    )


async def jobs(visit: Visit) -> web.StreamResponse:
    standing = await visit.deps.operations.machine.standing()
    return await page(visit, "jobs", "jobs", standing=standing, late=_LATE)


async def report(visit: Visit) -> web.StreamResponse:
    """As JSON, or as lines to paste into a mail."""
    told = await visit.deps.operations.machine.report()
    is_text = visit.ask("dang") == "txt"
    body = "".join(_lines(told)) if is_text else json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    now = visit.deps.clock.now()
    response = web.Response(body=body.encode())
    kind = "txt" if is_text else "json"
    response.headers.update(
        headers(File(name=f"chan-doan-{now:%Y%m%dT%H%M%SZ}.{kind}", content_type="text/plain"))
    )
    return response


def says(visit: Visit, check: Check) -> str:
    params = {
        name: labels.megabytes(int(str(value)), visit.lang) if name.endswith("_bytes") else value
        for name, value in check.params.items()
    }
    return visit.say(check.says, **params) if labels.has(check.says) else check.says


def _lines(told: Mapping[str, object], before: str = "") -> list[str]:
    made = []
    for name, value in told.items():
        if isinstance(value, Mapping):
            made += _lines(value, f"{before}{name}.")
        elif isinstance(value, list | tuple):
            rows = [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in value]
            made += [f"{before}{name}: {row}\n" for row in rows or ("-",)]
        else:
            made.append(f"{before}{name}: {'-' if value is None else value}\n")
    return made


ROUTES = (
    get(PATH, "operations", shown, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{PATH}/tac-vu", "operations_jobs", jobs, who=Who.READY, needs=OPERATES, key=KEY),
    get(f"{PATH}/chan-doan", "operations_report", report, who=Who.READY, needs=OPERATES, key=KEY),
)
