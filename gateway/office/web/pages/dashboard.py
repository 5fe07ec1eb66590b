"""Home: what this person has to do today, each line with its button; the newest mail; the day by the hour. Whoever sees the
own unit's alone sees that; who looks after the node sees three lights, each with its cure. What is late and how mail flows
stands below, in tiles that open their lists and in charts that are drawn when somebody asks for them. In: the to-do list as
it is known, a page of letters, counts that the store keeps. Out: one page; for a node without documents the first steps.
The tasks of the agency stand in groups, those that are late first; whoever decides for the agency sees first what waits for
a decision, whoever takes in mail everything else, and all of a unit's list is its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from gateway.domain.diagnosis import Diagnosis, Level, Tag, worst
from gateway.errors import Denied
from gateway.office.domain.listing import ListOrder, Side, Tab, Wanted
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Task, TaskKind
from gateway.office.store.lists import ListCount, Tiles
from gateway.office.store.lists_figures import Charts
from gateway.office.todo import TodoList
from gateway.office.web import charts
from gateway.office.web.charts import QueueChart
from gateway.office.web.door import AGENCY
from gateway.office.web.listing import list_rows
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.listing.list_rows import Sees, ShownLine
from gateway.office.web.pages import tasks
from gateway.office.web.pages.lists import asked_of
from gateway.office.web.pages.news import HEARS
from gateway.office.web.pages.operations.state import PATH as PAGES
from gateway.office.web.pages.operations.state import is_operator
from gateway.office.web.pages.tasks import ShownTask
from gateway.office.web.routes import Who, get, post
from gateway.office.web.visits import Visit, bell_kinds, where

_EXPIRING = timedelta(days=90)
_SIDES = {path: side for side, path in PATHS.items()}
_NONE = ListCount(n=0)
_NOTHING = Tiles(
    late=_NONE, urgent=_NONE, today=_NONE, unsent=_NONE, silent=_NONE, rejected=_NONE, failed=_NONE
)
PATH = "/tong-quan"
MAIL = 8
_PRESSING = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number and the list behind it. `calls` when it is one that should be nothing."""

    key: str
    count: ListCount
    path: str
    calls: bool = False


async def shown(visit: Visit) -> web.StreamResponse:
    if visit.agency is None:
        if not is_operator(visit):
            return visit.go(AGENCY, next=visit.request.rel_url.raw_path_qs)
        return await _page(visit, title=visit.say("menu.dashboard"), lamps=await _lamps(visit))
    if not visit.may(Right.SEE_CONTENT):
        raise Denied("this person sees no documents here", code="GW-RIGHT")
    seen = list_rows.seen_by(visit)
    if seen.unit is not None:
        return await _own(visit, seen)
    values: dict[str, object] = {"title": visit.say("menu.dashboard")}
    letters = await _letters(visit) if seen.content else None
    if letters is not None:
        found = await visit.deps.bell.listed(visit.scope())
        values |= {
            "title": visit.say("dashboard.today"),
            "work": of_agency(visit, found, {each.line.id: each for each in letters if each.can_take}),
            "mail": letters[:MAIL],
        }
    wants_charts = visit.ask("bieu-do") == "1"
    async with visit.deps.store.read(visit.scope()) as work:
        tiles = await work.office.lists.tiles(visit.today)
        day = await work.office.lists.day(visit.today)
        figures = await work.office.lists.charts(visit.today) if wants_charts else None
    values |= await _drawn(visit, figures) if figures is not None else {}
    return await _page(
        visit,
        tiles=_tiles(visit, tiles, await _endings(visit)),
        strip=charts.day_strip(day.received, day.sent),
        sums=(sum(day.received), sum(day.sent)),
        has_day=True,
        lamps=await _lamps(visit) if is_operator(visit) else (),
        **values,
    )


async def tour_away(visit: Visit) -> web.StreamResponse:
    await visit.deps.rings.put_tour_away(visit.scope())
    return visit.said(PATH, "tour.away")


async def _tour(visit: Visit) -> str:
    """Whose tour is shown, until it is put away: who takes in mail has other steps."""
    if not bell_kinds(visit):
        return ""
    wanted = visit.ask("huong-dan") == "1"
    if not wanted and (await visit.deps.rings.desk(visit.scope())).toured_at is not None:
        return ""
    return "clerk" if visit.may(Right.TAKE_IN, Manner.YES) else "other"


async def _page(visit: Visit, **values: object) -> web.Response:
    whole: dict[str, object] = {
        "work": None,
        "own": None,
        "mail": None,
        "tiles": (),
        "strip": (),
        "has_day": False,
        "figures": None,
        "lamps": (),
        "tour": await _tour(visit),
        "may_issue": visit.agency is not None and visit.may(Right.ISSUE, Manner.YES),
        "may_take": visit.agency is not None and visit.may(Right.TAKE_IN, Manner.YES),
    }
    return await visit.page("dashboard/page.html", **whole | values)


async def _letters(visit: Visit) -> list[ShownLine]:
    """The newest that came, and behind them those that wait and press."""
    newest = Wanted(side=Side.IN, sort=ListOrder.NEWEST)
    async with visit.deps.store.read(visit.scope()) as work:
        lines = list((await work.office.lists.page(newest, limit=MAIL)).lines)
        pressing = await work.office.lists.page(Wanted(side=Side.IN, tab=Tab.NEW), limit=_PRESSING)
    known = {each.id for each in lines}
    lines += [each for each in pressing.lines if each.id not in known]
    return (await list_rows.teller_of(visit, Side.IN)).rows(lines)


async def _own(visit: Visit, seen: Sees) -> web.StreamResponse:
    """For those who see the own unit's alone: what it has to do, what else was given to it, what came back of their own,
    and what their lists count; no figures of the agency."""
    tiles = []
    work_here = await visit.deps.bell.listed(visit.scope(), visit.units)
    parts = {each.subject_id for each in work_here.tasks}
    given = Wanted(side=Side.IN, tab=Tab.PROCESSING, viewer=seen.viewer(Side.IN))
    calls = Wanted(side=Side.OUT, attention=True, viewer=seen.viewer(Side.OUT))
    async with visit.deps.store.read(visit.scope()) as work:
        own = {
            "given": [
                each
                for each in (await work.office.lists.page(given, limit=MAIL)).lines
                if each.id not in parts
            ],
            "back": (await work.office.lists.page(calls, limit=MOST_LINES)).lines,
        }
        counts = {"given": await work.office.lists.count(given), "back": await work.office.lists.count(calls)}
        for each in _tiles(visit, _NOTHING, await _endings(visit)):
            path, _, query = each.path.partition("?")
            if (side := _SIDES.get(path)) is not None:
                asked = asked_of(visit, side, dict(parse_qsl(query)), seen)
                each = replace(each, count=await work.office.lists.count(asked.wanted))
            tiles.append(each)
    teller = await list_rows.teller_of(visit, Side.IN)
    return await _page(
        visit,
        title=visit.say("dashboard.today"),
        work=of_unit(visit, work_here) if parts else None,
        own={key: (teller.rows(lines), counts[key], _OWN_LISTS[key]) for key, lines in own.items()},
        tiles=tiles,
    )


_OWN_LISTS = {"given": "/van-ban-den?tab=processing", "back": "/van-ban-di?tab=attention"}


_LAMPS = {"axis": "/van-hanh/kiem-tra?chay=1", "machine": PAGES, "copies": "/van-hanh/sao-luu"}
_LIGHTS = {"up": Level.GREEN, "down": Level.RED}


async def _lamps(visit: Visit) -> Sequence[tuple[str, Diagnosis, str, str]]:
    """The line, the machine, the copies: each with what was found, in words, and where that is mended."""
    light, machine = visit.deps.light(), visit.deps.operations.machine
    home = {each.check: each for each in await machine.checks(Tag.HOME)}
    gravest = worst([*await machine.checks(), *(home[check] for check in home if check == "disk")])
    if gravest is None or gravest.level is Level.GREEN:
        gravest = Diagnosis("machine", Level.GREEN, "machine.well", words="lamp")
    line = Diagnosis("axis", _LIGHTS.get(light.word, Level.YELLOW), light.word, words="page.axis")
    found = {"axis": line, "machine": gravest, "copies": home["copies"]}
    return [(key, found[key], found[key].says(visit.lang), path) for key, path in _LAMPS.items()]


async def _drawn(visit: Visit, figures: Charts) -> Mapping[str, object]:
    """The charts, each where there is something to see."""
    return {
        "figures": figures,
        "traffic": _traffic(figures) if any(day.sent or day.received for day in figures.days) else None,
        "speed": _speed(figures) if any(day.delivered or day.taken_in for day in figures.days) else None,
        "states": charts.stack(dict(figures.states)),
        "slowest": charts.bars([(each.code, each.n, each.seconds) for each in figures.slowest]),
        "names": await _names(visit, figures),
        "shades": charts.shades(figures.hours) if any(map(any, figures.hours)) else None,
        "is_operator": is_operator(visit),
        "waited": await _waited(visit),
    }


def _tiles(visit: Visit, tiles: Tiles, endings: int) -> list[Tile]:
    certificates = where(f"/co-quan/{visit.here.code}", muc="chung-thu-so")
    return [
        Tile(key="late", count=tiles.late, path="/van-ban-den?tab=new&qua-han=1", calls=True),
        Tile(key="urgent", count=tiles.urgent, path="/van-ban-den?tab=new&khan=1", calls=True),
        Tile(key="today", count=tiles.today, path="/van-ban-den?ngay=hom-nay"),
        Tile(key="unsent", count=tiles.unsent, path="/van-ban-di?tab=unsent", calls=True),
        Tile(key="silent", count=tiles.silent, path="/van-ban-di?tab=silent"),
        Tile(key="rejected", count=tiles.rejected, path="/van-ban-di?tab=rejected", calls=True),
        Tile(key="failed", count=tiles.failed, path="/van-ban-di?tab=failed", calls=True),
        Tile(key="expiring", count=ListCount(n=endings), path=certificates),
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


ROUTES = (
    # Who sees no document here, and does not look after the node, is told so by the handler: without an agency there is
    # one to choose first.
    get(PATH, "dashboard", shown, who=Who.READY, key="dashboard"),
    post(f"{PATH}/huong-dan/cat", "tour_away", tour_away, needs=HEARS, key="dashboard"),
)


# What waits for the head of the agency alone.
FOR_HEADS = frozenset({TaskKind.APPROVE_RECALL, TaskKind.OPINION, TaskKind.REASSIGN, TaskKind.WORK})
MOST_LINES = 5
"""Of one group; the to-do list has them all."""
MOST_PRESSING = 50
"""Of what is late or express in one group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """`letter` where the task may be done here with one press."""

    shown: ShownTask
    letter: ShownLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkGroup:
    """The tasks of one kind, the first of them as lines; `path` lists them all."""

    kind: TaskKind
    lines: tuple[WorkLine, ...]
    total: int
    late: int
    pressing: int

    @property
    def path(self) -> str:
        return f"/can-xu-ly?{urlencode({'loai': self.kind.value})}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """`mine` is what this person does; `others` what waits for somebody else of the agency. The counts are of both, as in
    the menu and the list."""

    mine: tuple[WorkGroup, ...]
    others: tuple[WorkGroup, ...]

    @property
    def total(self) -> int:
        return sum(group.total for group in (*self.mine, *self.others))

    @property
    def late(self) -> int:
        return sum(group.late for group in (*self.mine, *self.others))


def is_mine(visit: Visit, kind: TaskKind) -> bool:
    if kind in FOR_HEADS:
        return visit.may(Right.INSTRUCT, Manner.YES)
    return visit.may(Right.TAKE_IN, Manner.YES)


def of_agency(visit: Visit, found: TodoList, letters: Mapping[str, ShownLine]) -> Today:
    """`letters` by id: those that a press takes in."""
    mine = [each for each in found.tasks if is_mine(visit, each.kind)]
    others = [each for each in found.tasks if not is_mine(visit, each.kind)]
    return Today(
        mine=tuple(_group(visit, found, each, letters) for each in _by_kind(mine)),
        others=tuple(_group(visit, found, each, {}) for each in _by_kind(others)),
    )


def of_unit(visit: Visit, found: TodoList) -> Today:
    return Today(mine=tuple(_group(visit, found, each, {}) for each in _by_kind(found.tasks)), others=())


def _by_kind(found: Iterable[Task]) -> list[list[Task]]:
    """In the order of the list, so a group stands where its first task does; groups with express tasks first, then those
    with late ones."""
    groups: dict[TaskKind, list[Task]] = {}
    for each in found:
        groups.setdefault(each.kind, []).append(each)
    return sorted(groups.values(), key=lambda group: min(map(_weight, group)))


def _weight(task: Task) -> tuple[bool, bool]:
    """Return what sorts express tasks before late ones, and both before the others."""
    return not task.is_express, not task.is_late


def _group(visit: Visit, found: TodoList, group: list[Task], letters: Mapping[str, ShownLine]) -> WorkGroup:
    ordered = sorted(group, key=_weight)
    pressing = sum(task.is_pressing for task in group)
    shown = max(MOST_LINES, min(pressing, MOST_PRESSING))
    return WorkGroup(
        kind=group[0].kind,
        lines=tuple(_line(visit, found, each, letters) for each in ordered[:shown]),
        total=len(group),
        late=sum(each.is_late for each in group),
        pressing=pressing,
    )


def _line(visit: Visit, found: TodoList, task: Task, letters: Mapping[str, ShownLine]) -> WorkLine:
    letter = letters.get(task.subject_id) if task.kind is TaskKind.TAKE_IN else None
    return WorkLine(shown=tasks.row(visit, found, task), letter=letter)
