"""Home, in one screen: what presses in one line, the person's tasks of today in groups of five rows, the newest mail and
the day by the hour beside them, the figures of the person's role in one line. A person limited to the own unit sees that
unit alone; an operator of the node sees three lights, each with its cure. Charts are drawn on request. In: the to-do list,
a page of letters, counts from the store. Out: one page; for a node without documents the first steps. The agency's tasks
stand in groups, those with express ones first, then those with late ones; the person who decides for the agency sees the
tasks that wait for a decision and the board of the agency, the clerk all others, and a unit's person the unit's whole
list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.domain.diagnosis import Diagnosis, Level, Tag, worst
from gateway.errors import Denied
from gateway_office.domain.listing import Filter, ListOrder, Side, Tab
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import Task, TaskKind
from gateway_office.store.lists import ListCount, Tiles
from gateway_office.store.lists_figures import Charts
from gateway_office.todo import TodoList
from gateway_office.web import charts, duty_table
from gateway_office.web.addresses import url_for
from gateway_office.web.display_names import agency_names
from gateway_office.web.duty_table import Duty
from gateway_office.web.listing import list_rows
from gateway_office.web.listing.asking import PATHS
from gateway_office.web.listing.list_rows import ListSight, ShownLine
from gateway_office.web.notification_menu import bell_kinds
from gateway_office.web.page_handling import AGENCY
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import board, tasks
from gateway_office.web.pages.administration import home
from gateway_office.web.pages.lists import read_query
from gateway_office.web.pages.news import HEARS
from gateway_office.web.pages.operations.state import PATH as PAGES
from gateway_office.web.pages.operations.state import is_operator
from gateway_office.web.pages.tasks import ShownTask, list_address
from gateway_office.web.routes import Access, get, post

_EXPIRING = timedelta(days=90)
_SIDES = {path: side for side, path in PATHS.items()}
_NONE = ListCount(n=0)
_NOTHING = Tiles(
    late=_NONE, urgent=_NONE, today=_NONE, unsent=_NONE, silent=_NONE, rejected=_NONE, failed=_NONE
)
PATH = "/tong-quan"
MAIL = 5
_PRESSING = 20
_OWN_LISTS = {"given": "/van-ban-den?tab=processing", "back": "/van-ban-di?tab=attention"}
_LAMP_PAGES = {"axis": "/van-hanh/kiem-tra?chay=1", "machine": PAGES, "copies": "/van-hanh/sao-luu"}
_LIGHTS = {"up": Level.GREEN, "down": Level.RED}
_OF_CLERKS = frozenset({"today", "unsent", "silent", "rejected", "failed", "expiring"})
_OF_LEADERS = frozenset({"late", "urgent", "today", "silent", "rejected"})
MOST_LINES = 5
"""Most lines of one group; the to-do list has them all, and what presses is counted and led to above the groups."""
_NO_LETTERS: Mapping[str, ShownLine] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number and the list behind it. `calls` when it should be zero."""

    key: str
    count: ListCount
    path: str
    calls: bool = False


async def show_dashboard(request: PageRequest) -> web.StreamResponse:
    if request.agency is None:
        if not is_operator(request):
            return request.go(AGENCY, next=request.http.rel_url.raw_path_qs)
        today = await today_of(request)
        return await _page(
            request, title=request.say("menu.dashboard"), lamps=await _lamps(request), work=today
        )
    if home.has_own_home(request):
        return await home.show(request)
    if not request.may(Right.SEE_CONTENT):
        raise Denied("this person sees no documents here", code="GW-RIGHT")
    sight = list_rows.seen_by(request)
    if sight.share is not None:
        return await _unit_page(request, sight)
    values: dict[str, object] = {"title": request.say("menu.dashboard")}
    letters = await _letters(request) if sight.content else None
    if letters is not None:
        todo_list = await request.deps.bell.listed(request.scope())
        values |= {
            "title": request.say("dashboard.today"),
            "work": await today_of(
                request, todo_list, {letter.line.id: letter for letter in letters if letter.can_take}
            ),
            "mail": letters[:MAIL],
            "board": await board.of_agency(request, todo_list),
        }
    elif (today := await today_of(request)).mine:
        values["work"] = today
    shows_charts = request.ask("bieu-do") == "1"
    async with request.deps.store.read(request.scope()) as work:
        tiles = await work.office.lists.tiles(request.today)
        day = await work.office.lists.day(request.today)
        figures = await work.office.lists.charts(request.today) if shows_charts else None
    values |= await _chart_values(request, figures) if figures is not None else {}
    return await _page(
        request,
        tiles=_own_tiles(request, _tiles(request, tiles, await _count_expiring(request))),
        strip=charts.day_strip(day.received, day.sent),
        sums=(sum(day.received), sum(day.sent)),
        has_day=True,
        lamps=await _lamps(request) if is_operator(request) else (),
        **values,
    )


async def tour_away(request: PageRequest) -> web.StreamResponse:
    await request.deps.rings.put_tour_away(request.scope())
    return request.confirm(PATH, "tour.away")


async def _tour(request: PageRequest) -> str:
    """Return the tour to show, until it is put away: clerks have other steps."""
    if not bell_kinds(request):
        return ""
    is_asked = request.ask("huong-dan") == "1"
    if not is_asked and (await request.deps.rings.services(request.scope())).toured_at is not None:
        return ""
    return "clerk" if request.may(Right.TAKE_IN, Manner.YES) else "other"


async def _page(request: PageRequest, **values: object) -> web.Response:
    defaults: dict[str, object] = {
        "work": None,
        "own": None,
        "mail": None,
        "board": None,
        "marked": lambda text: ((text, False),),
        "tiles": (),
        "strip": (),
        "has_day": False,
        "figures": None,
        "lamps": (),
        "tour": await _tour(request),
        "may_issue": request.agency is not None and request.may(Right.ISSUE, Manner.YES),
        "may_take": request.agency is not None and request.may(Right.TAKE_IN, Manner.YES),
    }
    return await request.page("dashboard/page.html", **defaults | values)


async def _letters(request: PageRequest) -> list[ShownLine]:
    """List the newest letters, then the urgent waiting ones."""
    newest = Filter(side=Side.IN, sort=ListOrder.NEWEST)
    async with request.deps.store.read(request.scope()) as work:
        lines = list((await work.office.lists.page(newest, limit=MAIL)).lines)
        pressing = await work.office.lists.page(Filter(side=Side.IN, tab=Tab.NEW), limit=_PRESSING)
    ids = {line.id for line in lines}
    lines += [line for line in pressing.lines if line.id not in ids]
    return (await list_rows.row_renderer(request, Side.IN)).rows(lines)


async def _unit_page(request: PageRequest, sight: ListSight) -> web.StreamResponse:
    """Show the page limited to the own unit: its tasks, its other documents, the person's returned ones, and the counts of
    their lists; no figures of the agency."""
    tiles = []
    todo_list = await request.deps.bell.listed(request.scope(), request.share)
    parts = {task.subject_id for task in todo_list.tasks}
    assigned_filter = Filter(side=Side.IN, tab=Tab.PROCESSING, viewer=sight.viewer(Side.IN))
    attention_filter = Filter(side=Side.OUT, attention=True, viewer=sight.viewer(Side.OUT))
    async with request.deps.store.read(request.scope()) as work:
        lists_of_person = {
            "given": [
                line
                for line in (await work.office.lists.page(assigned_filter, limit=MAIL)).lines
                if line.id not in parts
            ],
            "back": (await work.office.lists.page(attention_filter, limit=MOST_LINES)).lines,
        }
        counts = {
            "given": await work.office.lists.count(assigned_filter),
            "back": await work.office.lists.count(attention_filter),
        }
        for tile in _tiles(request, _NOTHING, await _count_expiring(request)):
            path, _, query = tile.path.partition("?")
            if (side := _SIDES.get(path)) is not None:
                question = read_query(request, side, dict(parse_qsl(query)), sight)
                tile = replace(tile, count=await work.office.lists.count(question.criteria))
            tiles.append(tile)
    teller = await list_rows.row_renderer(request, Side.IN)
    return await _page(
        request,
        title=request.say("dashboard.today"),
        work=await today_of(request, todo_list) if parts else None,
        board=board.of_unit(request, todo_list),
        own={
            key: (teller.rows(lines), counts[key], _OWN_LISTS[key]) for key, lines in lists_of_person.items()
        },
        tiles=tiles,
    )


async def _lamps(request: PageRequest) -> Sequence[tuple[str, Diagnosis, str, str]]:
    """List line, machine and backups: each with its finding, in words, and the page of its cure."""
    light, health = request.deps.light(), request.deps.health
    home_checks = {c.check: c for c in await health.list_findings(Tag.HOME)}
    gravest = worst(
        [
            *await health.list_findings(Tag.DOCTOR),
            *(home_checks[check] for check in home_checks if check == "disk"),
        ]
    )
    if gravest is None or gravest.level is Level.GREEN:
        gravest = Diagnosis("machine", Level.GREEN, "machine.well", words="lamp")
    line = Diagnosis("axis", _LIGHTS.get(light.word, Level.YELLOW), light.word, words="page.axis")
    findings = {"axis": line, "machine": gravest, "copies": home_checks["copies"]}
    return [(key, findings[key], findings[key].says(request.lang), path) for key, path in _LAMP_PAGES.items()]


async def _chart_values(request: PageRequest, figures: Charts) -> Mapping[str, object]:
    """Make the charts that have figures."""
    codes, days = [slow.code for slow in figures.slowest], figures.days.values()
    return {
        "figures": figures,
        "traffic": _traffic(figures) if any(day.sent or day.received for day in days) else None,
        "speed": _speed(figures) if any(day.delivered or day.taken_in for day in days) else None,
        "states": charts.stack(dict(figures.states)),
        "slowest": charts.bars([(s.code, s.n, s.seconds) for s in figures.slowest]),
        "names": {code: code for code in codes} | await agency_names(request, codes),
        "shades": charts.shades(figures.hours) if any(map(any, figures.hours)) else None,
    }


def _tiles(request: PageRequest, tiles: Tiles, endings: int) -> list[Tile]:
    certificates = url_for(f"/co-quan/{request.own_agency.code}", muc="chung-thu-so")
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


def _own_tiles(request: PageRequest, tiles: Sequence[Tile]) -> list[Tile]:
    """Choose the figures of the person's role: what presses a clerk stands above already; others send and renew nothing."""
    keys = _OF_CLERKS if request.may(Right.TAKE_IN, Manner.YES) else _OF_LEADERS
    return [tile for tile in tiles if tile.key in keys]


async def _count_expiring(request: PageRequest) -> int:
    """Count our own certificates that end within 90 days."""
    now = request.deps.clock.now()
    certificates = await request.deps.todo.certificates(now)
    codes = {request.own_agency.code, *request.own_agency.aliases}
    return sum(c.code in codes and c.ends_at <= now + _EXPIRING for c in certificates)


def _traffic(figures: Charts) -> charts.Lines:
    return charts.lines(
        _day_names(figures),
        {
            "sent": [float(day.sent) for day in figures.days.values()],
            "received": [float(day.received) for day in figures.days.values()],
        },
    )


def _speed(figures: Charts) -> charts.Lines:
    """Chart minutes: until 01, and from there until 03; median and 90th percentile."""
    delivered = [day.delivered for day in figures.days.values()]
    taken_in = [day.taken_in for day in figures.days.values()]
    return charts.lines(
        _day_names(figures),
        {
            "delivered": [round(s.median / 60, 1) if s else None for s in delivered],
            "delivered90": [round(s.p90 / 60, 1) if s else None for s in delivered],
            "taken_in": [round(s.median / 60, 1) if s else None for s in taken_in],
            "taken_in90": [round(s.p90 / 60, 1) if s else None for s in taken_in],
        },
    )


def _day_names(figures: Charts) -> list[str]:
    return [day.strftime("%d/%m") for day in figures.days]


ROUTES = (
    # The handler refuses a person who sees no document here and does not operate the node: without an agency there is
    # one to choose first.
    get(PATH, "dashboard", show_dashboard, access=Access.READY, key="dashboard"),
    post(f"{PATH}/huong-dan/cat", "tour_away", tour_away, needs=HEARS, key="dashboard"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """Line of one task. `letter` where the task may be done here with one press."""

    row: ShownTask
    letter: ShownLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkGroup:
    """A duty with the first of its tasks as lines."""

    duty: Duty
    lines: tuple[WorkLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """What presses among the person's own tasks: express ones, late ones, both together, and the first of them."""

    express: int
    late: int
    total: int
    first: ShownTask
    path: str = list_address(gap="1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Duties of today: `mine` are this person's, `others` those of other persons of the agency; `total` counts the
    person's own, as the menu does; `alarm` is None where nothing presses."""

    mine: tuple[WorkGroup, ...]
    others: tuple[Duty, ...] = ()
    total: int = 0
    alarm: Alarm | None = None


async def today_of(
    request: PageRequest, todo_list: TodoList | None = None, letters: Mapping[str, ShownLine] = _NO_LETTERS
) -> Today:
    """Group the person's duties; `letters` by id are those that one press takes in."""
    table = await duty_table.of_person(request)
    groups = []
    for duty in table.own:
        lines = [_line(request, todo_list, t, letters) for t in duty.tasks[:MOST_LINES]] if todo_list else ()
        groups.append(WorkGroup(duty=duty, lines=tuple(lines)))
    own_tasks = [task for duty in table.own for task in duty.tasks]
    alarm = _alarm(request, todo_list, own_tasks) if todo_list is not None else None
    return Today(mine=tuple(groups), others=table.others, total=table.total, alarm=alarm)


def _alarm(request: PageRequest, todo_list: TodoList, own_tasks: Sequence[Task]) -> Alarm | None:
    pressing = [task for task in own_tasks if task.is_pressing]
    if not pressing:
        return None
    return Alarm(
        express=sum(task.is_express for task in pressing),
        late=sum(task.is_late for task in pressing),
        total=len(pressing),
        first=tasks.row(request, todo_list, min(pressing, key=todo_list.remaining)),
    )


def _line(
    request: PageRequest, todo_list: TodoList, task: Task, letters: Mapping[str, ShownLine]
) -> WorkLine:
    letter = letters.get(task.subject_id) if task.kind is TaskKind.TAKE_IN else None
    return WorkLine(row=tasks.row(request, todo_list, task), letter=letter)
