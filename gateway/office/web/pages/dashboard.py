"""The dashboard: what is late and whether mail flows, in ten seconds. In: tiles and figures that the store keeps.
Out: tiles that open their lists, charts drawn on the server, each with its table; for a node without documents the
first steps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.office.domain.roles import Manner, Right
from gateway.office.ports.lists import Charts, ListCount, Tiles
from gateway.office.web import charts
from gateway.office.web.charts import QueueChart
from gateway.office.web.listing import list_rows
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.listing.list_rows import Sees
from gateway.office.web.pages.lists import asked_of
from gateway.office.web.pages.operations.state import is_operator
from gateway.office.web.routes import Needs, get
from gateway.office.web.visits import Visit

SEES = (Needs(right=Right.SEE_CONTENT),)
_EXPIRING = timedelta(days=90)
_SIDES = {path: side for side, path in PATHS.items()}
_NONE = ListCount(n=0)
_NOTHING = Tiles(
    late=_NONE, urgent=_NONE, today=_NONE, unsent=_NONE, silent=_NONE, rejected=_NONE, failed=_NONE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number and the list behind it. `calls` when it is one that should be nothing."""

    key: str
    count: ListCount
    path: str
    calls: bool = False


async def shown(visit: Visit) -> web.StreamResponse:
    seen = list_rows.seen_by(visit)
    if seen.unit is not None:
        return await _own(visit, seen)
    async with visit.deps.store.read(visit.scope()) as work:
        tiles = await work.office.lists.tiles(visit.today)
        figures = await work.office.lists.charts(visit.today)
    return await visit.page(
        "dashboard/page.html",
        title=visit.say("menu.dashboard"),
        tiles=_tiles(tiles, await _endings(visit)),
        figures=figures,
        traffic=_traffic(figures),
        speed=_speed(figures),
        states=charts.stack(dict(figures.states)),
        slowest=charts.bars([(each.code, each.n, each.seconds) for each in figures.slowest]),
        names=await _names(visit, figures),
        shades=charts.shades(figures.hours),
        is_operator=is_operator(visit),
        waited=await _waited(visit),
        is_new=not any(day.sent or day.received for day in figures.days) and not figures.states,
        may_issue=visit.may(Right.ISSUE, Manner.YES),
    )


async def _own(visit: Visit, seen: Sees) -> web.StreamResponse:
    """For those who see the own unit's alone: what their lists find, and no figures of the agency."""
    tiles = []
    async with visit.deps.store.read(visit.scope()) as work:
        for each in _tiles(_NOTHING, await _endings(visit)):
            path, _, query = each.path.partition("?")
            if (side := _SIDES.get(path)) is not None:
                asked = asked_of(visit, side, dict(parse_qsl(query)), seen)
                each = replace(each, count=await work.office.lists.count(asked.wanted))
            tiles.append(each)
    return await visit.page(
        "dashboard/page.html",
        title=visit.say("menu.dashboard"),
        tiles=tiles,
        figures=None,
        is_new=False,
        may_issue=visit.may(Right.ISSUE, Manner.YES),
    )


def _tiles(tiles: Tiles, endings: int) -> list[Tile]:
    return [
        Tile(key="late", count=tiles.late, path="/van-ban-den?tab=new&qua-han=1", calls=True),
        Tile(key="urgent", count=tiles.urgent, path="/van-ban-den?tab=new&khan=1", calls=True),
        Tile(key="today", count=tiles.today, path="/van-ban-den?ngay=hom-nay"),
        Tile(key="unsent", count=tiles.unsent, path="/van-ban-di?tab=unsent", calls=True),
        Tile(key="silent", count=tiles.silent, path="/van-ban-di?tab=silent"),
        Tile(key="rejected", count=tiles.rejected, path="/van-ban-di?tab=rejected", calls=True),
        Tile(key="failed", count=tiles.failed, path="/van-ban-di?tab=failed", calls=True),
        Tile(key="expiring", count=ListCount(n=endings), path="/co-quan?chung-thu=90"),
    ]


async def _endings(visit: Visit) -> int:
    """Certificates that end within 90 days: our own ones."""
    now = visit.deps.clock.now()
    found = await visit.deps.todo.certificates(now)
    codes = {visit.here.code, *visit.here.aliases}
    return sum(each.code in codes and each.until <= now + _EXPIRING for each in found)


async def _waited(visit: Visit) -> QueueChart | None:
    """The queues of the whole node, for who looks after it."""
    if not is_operator(visit):
        return None
    now = visit.deps.clock.now()
    return charts.queue_chart(await visit.deps.operations.machine.sampled(now - charts.QUEUE_SPAN), now)


def _traffic(figures: Charts) -> charts.Lines:
    return charts.lines(
        _day_names(figures),
        {
            "sent": [float(day.sent) for day in figures.days],
            "received": [float(day.received) for day in figures.days],
        },
    )


def _speed(figures: Charts) -> charts.Lines:
    """In minutes: until 01, and from there until 03; median and 90th percentile."""
    delivered, taken = [day.delivered for day in figures.days], [day.taken_in for day in figures.days]
    return charts.lines(
        _day_names(figures),
        {
            "delivered": [round(each.median / 60, 1) if each else None for each in delivered],
            "delivered90": [round(each.p90 / 60, 1) if each else None for each in delivered],
            "taken_in": [round(each.median / 60, 1) if each else None for each in taken],
            "taken_in90": [round(each.p90 / 60, 1) if each else None for each in taken],
        },
    )


def _day_names(figures: Charts) -> list[str]:
    return [day.day.strftime("%d/%m") for day in figures.days]


async def _names(visit: Visit, figures: Charts) -> dict[str, str]:
    """The agencies that the charts name, as they are called today."""
    today = visit.deps.out.today()
    found = {}
    for each in figures.slowest:
        entry = await visit.deps.inn.directory.find(each.code, today)
        found[each.code] = entry.name if entry is not None else each.code
    return found


ROUTES = (get("/tong-quan", "dashboard", shown, needs=SEES, key="dashboard"),)
