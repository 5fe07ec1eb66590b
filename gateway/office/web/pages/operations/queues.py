"""What waits, and what is tried again: counts with their oldest, and the packets whose sending did not work yet. Nothing is
taken from a queue to be looked at."""

from __future__ import annotations

from aiohttp import web

from gateway.office.web import queue_chart
from gateway.office.web.frame import OPERATES
from gateway.office.web.pages.operations.ground import KEY, PATH, page
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visit import Visit

MOST = 200
_TRIES = f"{PATH}/gui-lai"


async def shown(visit: Visit) -> web.StreamResponse:
    machine, now = visit.deps.operations.machine, visit.deps.clock.now()
    sampled = await machine.sampled(now - queue_chart.SPAN)
    return await page(
        visit,
        "queues",
        "queues",
        queues=await machine.queues(),
        waited=queue_chart.of(sampled, now),
        sparks=queue_chart.sparks(sampled, now),
    )


async def tries(visit: Visit) -> web.StreamResponse:
    found = await visit.deps.operations.machine.tries(MOST)
    return await page(visit, "tries", "tries", items=found, most=MOST, agencies=await _codes(visit))


async def hurry(visit: Visit) -> web.StreamResponse:
    await visit.deps.operations.machine.hurry(visit.person.person.id, visit.path("id"))
    return visit.said(_TRIES, "operating.hurried")


async def _codes(visit: Visit) -> dict[str, str]:
    return {each.id: each.code for each in await visit.deps.store.hosted()}


ROUTES = (
    get(f"{PATH}/hang-doi", "operations_queues", shown, who=Who.READY, needs=OPERATES, key=KEY),
    get(_TRIES, "operations_tries", tries, who=Who.READY, needs=OPERATES, key=KEY),
    post(f"{_TRIES}/{{id}}/ngay", "operations_hurried", hurry, who=Who.READY, needs=OPERATES, key=KEY),
)
