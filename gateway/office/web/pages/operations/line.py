"""The test of the line to the axis: step by step with time, cause and cure, and the same as text to paste into a mail."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.domain.wall_clock import local
from gateway.office.web.frame import OPERATES
from gateway.office.web.pages.operations.ground import KEY, PATH, page
from gateway.office.web.ports_operations import Step
from gateway.office.web.routes import Who, get
from gateway.office.web.visit import Visit
from gateway.words import labels

_MARKS = {"fine": "✓", "wrong": "✗", "skipped": "–"}


async def shown(visit: Visit) -> web.StreamResponse:
    """Testing changes nothing, so it is asked for by an address."""
    steps = await visit.deps.operations.machine.test_line() if visit.ask("chay") == "1" else ()
    rows = [(each, _says(visit, each.says, each), _says(visit, each.cure, each)) for each in steps]
    return await page(
        visit,
        "line",
        "line",
        rows=rows,
        marks=_MARKS,
        ran=bool(steps),
        wrong=sum(each.mark == "wrong" for each in steps),
        text=_text(visit, rows) if steps else "",
    )


def _says(visit: Visit, key: str, step: Step) -> str:
    return visit.say(key, **step.params) if labels.has(key) else ""


def _text(visit: Visit, rows: Sequence[tuple[Step, str, str]]) -> str:
    at = local(visit.deps.clock.now())
    lines = [visit.say("operating.line.text", at=f"{at:%H:%M %d/%m/%Y}", version=visit.deps.version)]
    for step, says, cure in rows:
        name = visit.say(f"operating.line.step.{step.name}")
        where = f" {step.server}" if step.server else ""
        lines.append(f"{_MARKS[step.mark]} {name}{where} ({step.ms} ms): {says}")
        if cure:
            lines.append(f"  → {cure}")
    return "\n".join(lines)


ROUTES = (get(f"{PATH}/kiem-tra", "line_test", shown, who=Who.READY, needs=OPERATES, key=KEY),)
