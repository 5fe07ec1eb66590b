"""State of the node, and the shared parts of its pages of operations: rights and tabs. The facts of health and status in
words, each finding with its cure; workers and their loops; the same as a file for support. The queues and retries: counts
with their oldest, and the packets whose sending has failed so far; looking takes nothing from a queue. The test of the line
to the axis, step by step with time, cause and cure, and the same as text to paste into a mail. The sealed backups on this
machine, and their trial restore beside the running node, with its passphrase; the result tells whether everything in the
copy was equal. Traffic of the last days by day, partner and result, each figure with a link to its rows; counts alone, and
links for persons who also see an agency's lists."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any

from aiohttp import web

from gateway.domain import pace
from gateway.domain.account import HostedAgency
from gateway.domain.diagnosis import Diagnosis, Level, Tag
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Manner, Right
from gateway.office.store.partners import LONGEST_DAYS, RESULTS, Flow, TrafficQuery
from gateway.office.web import answers, charts, dates, routes
from gateway.office.web.forms import Problems
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.pages.agencies import ground
from gateway.office.web.routes import Access, Needs
from gateway.office.web.visits import OPERATES, Visit, url_for
from gateway.ops.status import report_lines
from gateway.policy import upkeep
from gateway.words import labels

KEY = "operations"
PATH = "/van-hanh"
# Clerks decide about packets for their agency; operators see routing and form alone.
DECIDES = (Needs(right=Right.TAKE_IN, manners=(Manner.YES,)),)
LOOKS = (*OPERATES, *DECIDES)
TABS = (
    ("state", PATH),
    ("queues", f"{PATH}/hang-doi"),
    ("dead", f"{PATH}/goi-tin-loi"),
    ("aside", f"{PATH}/cach-ly"),
    ("tries", f"{PATH}/gui-lai"),
    ("line", f"{PATH}/kiem-tra"),
    ("notices", f"{PATH}/thong-bao"),
    ("copies", f"{PATH}/sao-luu"),
    ("jobs", f"{PATH}/tac-vu"),
    ("traffic", f"{PATH}/luu-luong"),
)
get = partial(routes.get, access=Access.READY, needs=OPERATES, key=KEY)
post = partial(routes.post, access=Access.READY, needs=OPERATES, key=KEY)
both = partial(routes.both, access=Access.READY, needs=OPERATES, key=KEY)


async def tab_page(
    visit: Visit, tab: str, name: str, problems: Problems | None = None, /, **values: object
) -> web.Response:
    """Show one page among the tabs; a person who only decides about packets sees their tab alone."""
    values.setdefault("title", visit.say(f"operating.tab.{tab}"))
    return await visit.form_page(f"operations/{name}.html", problems, tabs=_tabs(visit), tab=tab, **values)


async def tab_question(
    visit: Visit, tab: str, which: str, problems: Problems | None, *words: str, **values: Any
) -> web.Response:  # Any: values of a template
    """Show a question among the tabs."""
    options = {
        "which": which,
        "part": "operations/_questions.html",
        "tab": tab,
        "tabs": _tabs(visit),
        **values,
    }
    return await visit.question(problems, *words, **options)


def _tabs(visit: Visit) -> list[tuple[str, str]]:
    return [tab for tab in TABS if is_operator(visit) or tab[0] == "aside"]


def is_operator(visit: Visit) -> bool:
    return visit.may(Right.NOTICES, Manner.YES)


_BEAT_WORDS = (upkeep.GOOD, upkeep.FAULTY, upkeep.LATE, upkeep.MISSING, upkeep.UNKNOWN)


async def show_state(visit: Visit) -> web.StreamResponse:
    machine = visit.deps.operations.machine
    checks, standing = await machine.checks(), await machine.status()
    ordered = sorted(checks, key=lambda c: -c.level.badness)
    return await tab_page(
        visit,
        "state",
        "state",
        title=visit.say("operating.title"),
        standing=standing,
        paces=[_job_row(visit, c) for c in standing.paces],
        checks=[(c, c.says(visit.lang)) for c in ordered],
        counts={level: sum(c.level is level for c in checks) for level in Level},
    )


async def show_jobs(visit: Visit) -> web.StreamResponse:
    """Show thirty days of each job, then the jobs that run in this very moment."""
    machine, now = visit.deps.operations.machine, visit.deps.clock.now()
    days = await machine.job_days()
    return await tab_page(
        visit,
        "jobs",
        "jobs",
        standing=await machine.status(),
        beats=upkeep.job_lines(days, now) if days else (),
        overdue=labels.jobs(upkeep.late_jobs(days, now), visit.lang),
        words=_BEAT_WORDS,
        limits={
            "minutes": int(upkeep.LOOP.total_seconds() // 60),
            "hours": int(upkeep.NIGHTLY.total_seconds() // 3600),
        },
    )


async def send_report(visit: Visit) -> web.StreamResponse:
    """Send the report as JSON, or as lines to paste into a mail."""
    report = await visit.deps.operations.machine.report()
    if visit.ask("dang") == "txt":
        kind, body = "txt", "".join(report_lines(report))
    else:
        kind, body = "json", json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    name = f"chan-doan-{visit.deps.clock.now():%Y%m%dT%H%M%SZ}.{kind}"
    return answers.whole_file(name, kind, body.encode())


def _job_row(visit: Visit, job_pace: pace.Pace) -> tuple[pace.Pace, str, list[str]]:
    """Describe a pace with the name of its axis, and its bounds in words."""
    bounds = [pace.words(bound) for bound in (job_pace.p50, job_pace.p95, job_pace.p99)]
    axis = visit.say_or(f"pace.axis.{job_pace.axis}", job_pace.axis)
    return job_pace, axis, [visit.say(key, n=number) for key, number in bounds]


STATE_ROUTES = (
    get(PATH, "operations", show_state),
    get(f"{PATH}/tac-vu", "operations_jobs", show_jobs),
    get(f"{PATH}/chan-doan", "operations_report", send_report),
)


MOST_TRIES = 200
_TRIES = f"{PATH}/gui-lai"


async def show_queues(visit: Visit) -> web.StreamResponse:
    machine, now = visit.deps.operations.machine, visit.deps.clock.now()
    sampled = await machine.samples(now - charts.QUEUE_SPAN)
    return await tab_page(
        visit,
        "queues",
        "queues",
        queues=await machine.queues(),
        waited=charts.queue_chart(sampled, now),
        sparks=charts.queue_sparks(sampled, now),
    )


async def show_tries(visit: Visit) -> web.StreamResponse:
    packets = await visit.deps.operations.machine.tries(MOST_TRIES)
    return await tab_page(
        visit, "tries", "tries", items=packets, most=MOST_TRIES, agencies=await agency_codes(visit)
    )


async def hurry_try(visit: Visit) -> web.StreamResponse:
    await visit.deps.operations.machine.hurry(visit.person.person.id, visit.path("id"))
    return visit.confirm(_TRIES, "operating.hurried")


async def agency_codes(visit: Visit) -> dict[str, str]:
    return {agency.id: agency.code for agency in await visit.deps.store.hosted()}


QUEUE_ROUTES = (
    get(f"{PATH}/hang-doi", "operations_queues", show_queues),
    get(_TRIES, "operations_tries", show_tries),
    post(f"{_TRIES}/{{id}}/ngay", "operations_hurried", hurry_try),
)


_LONGEST_NAME = 300


async def test_line(visit: Visit) -> web.StreamResponse:
    """Test the line, or the way to one partner. Testing changes nothing, so it is a GET."""
    machine, text = visit.deps.operations.machine, visit.ask("ma").strip()[:_LONGEST_NAME]
    # A code is tested as it was written: the test itself reports an old or unknown one.
    is_name = " " in text
    partner, fault = await ground.known_code(visit, text) if is_name else (text, "")
    steps: Sequence[Diagnosis] = ()
    if partner and not fault:
        sender = visit.agency.code if visit.agency is not None else ""
        steps = await machine.test_partner(partner, sender)
    elif visit.ask("chay") == "1":
        steps = await machine.checks(Tag.LINE)
    rows = [(step, step.says(visit.lang), step.mends(visit.lang) or "") for step in steps]
    return await tab_page(
        visit,
        "line",
        "line",
        rows=rows,
        ran=bool(steps),
        partner=partner,
        problems=[("ma", fault)] if fault else [],
        wrong=sum(step.level is Level.RED for step in steps),
        text=_line_text(visit, rows) if steps else "",
    )


def _line_text(visit: Visit, rows: Sequence[tuple[Diagnosis, str, str]]) -> str:
    at = local(visit.deps.clock.now())
    lines = [visit.say("operating.line.text", at=f"{at:%H:%M %d/%m/%Y}", version=visit.deps.version)]
    for step, says, cure in rows:
        name = visit.say(f"operating.line.step.{step.check}")
        server = f" {step.server}" if step.server else ""
        lines.append(f"{step.level.mark} {name}{server} ({step.ms} ms): {says}")
        if cure:
            lines.append(f"  → {cure}")
    return "\n".join(lines)


LINE_ROUTES = (get(f"{PATH}/kiem-tra", "line_test", test_line),)


_COPIES = f"{PATH}/sao-luu"
_SHORTEST_PASSPHRASE = 12


async def show_copies(visit: Visit) -> web.StreamResponse:
    copies = visit.deps.operations.copies
    drill = copies.drill()
    # Fault and cure in words; an error's own sentence is for the log.
    unknown = visit.say("operating.copies.fault")
    fault_text = visit.say_or(f"operating.copies.fault.{drill.code}", unknown) if drill is not None else ""
    return await tab_page(visit, "copies", "copies", copies=await copies.all(), drill=drill, why=fault_text)


async def begin_trial(visit: Visit) -> web.StreamResponse:
    passphrase, copy = visit.form.text("passphrase"), await _copy_name(visit)
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        return await tab_question(
            visit,
            "copies",
            "copy",
            [("passphrase", visit.say("operating.copies.short"))],
            "operating.copies.test",
            "operating.copies.says",
            "operating.copies.test",
            back=_COPIES,
            look="card",
            copy=copy,
        )
    await visit.deps.operations.copies.begin_drill(visit.person.person.id, copy, passphrase)
    return visit.confirm(_COPIES, "operating.copies.begun")


async def _copy_name(visit: Visit) -> str:
    name = visit.path("name")
    if all(copy.name != name for copy in await visit.deps.operations.copies.all()):
        raise NotFound(f"there is no backup {name[:200]} on this machine")
    return name


COPY_ROUTES = (
    get(_COPIES, "copies", show_copies),
    *both(f"{_COPIES}/{{name}}/thu", "copy_test", "copy_tested", begin_trial),
)


_TRAFFIC = f"{PATH}/luu-luong"
_USUAL_DAYS = 7
_MOST_PARTNERS = 50
_SIDES = {"di": Side.OUT, "den": Side.IN}
# The list's tab for each result; without one, the whole list.
_TABS = {
    (Side.OUT, "waiting"): "queued",
    (Side.OUT, "sent"): "sent",
    (Side.OUT, "refused"): "rejected",
    (Side.OUT, "failed"): "failed",
    (Side.IN, "waiting"): "new",
    (Side.IN, "taken"): "accepted",
    (Side.IN, "refused"): "rejected",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One count, and the address of its rows where there is one for this person."""

    n: int
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLine:
    """One day, or one partner, in one direction; `figures` by result."""

    day: date | None
    partner: str
    side: Side
    total: Figure
    figures: dict[str, Figure]


async def show_traffic(visit: Visit) -> web.StreamResponse:
    today = visit.today
    hosted = [a for a in await visit.deps.store.hosted() if a.left_at is None]
    query, problems = _read_traffic_query(visit, today, hosted)
    flows = [] if problems else await visit.deps.operations.machine.traffic(query)
    result = visit.ask("ket-qua")
    if result in RESULTS:
        flows = [flow for flow in flows if flow.result == result]
    partners, any_choice = _lines_by_partner(visit, query, flows), ("", visit.say("traffic.all"))
    return await tab_page(
        visit,
        "traffic",
        "traffic",
        problems,
        given={name: visit.ask(name) for name in ("doi-tac", "chieu", "ket-qua", "co-quan")},
        first=visit.ask("tu") or dates.day_text(query.first),
        last=visit.ask("den") or dates.day_text(query.last),
        agencies=[any_choice, *((a.code, a.code) for a in hosted)],
        sides=[any_choice, *((key, visit.say(f"traffic.side.{side}")) for key, side in _SIDES.items())],
        results=[any_choice, *((r, visit.say(f"traffic.result.{r}")) for r in RESULTS)],
        shown_results=[r for r in RESULTS if any(flow.result == r for flow in flows)],
        by_day=_lines_by_day(visit, query, flows),
        by_partner=partners[:_MOST_PARTNERS],
        most=_MOST_PARTNERS if len(partners) > _MOST_PARTNERS else 0,
        plot=_plot(query, flows),
        longest=LONGEST_DAYS,
    )


def _read_traffic_query(
    visit: Visit, today: date, hosted: Sequence[HostedAgency]
) -> tuple[TrafficQuery, Problems]:
    problems = []
    days = {"tu": today - timedelta(days=_USUAL_DAYS - 1), "den": today}
    for name in ("tu", "den"):
        if (text := visit.ask(name)) and (day := dates.typed_day(text, today)) is None:
            problems.append((name, visit.say("traffic.wrong_day")))
        elif text and day is not None:
            days[name] = day
    first, last = days["tu"], days["den"]
    if last < first:
        problems.append(("den", visit.say("traffic.wrong_order")))
    elif (last - first).days >= LONGEST_DAYS:
        problems.append(("tu", visit.say("traffic.too_long", days=LONGEST_DAYS)))
    agency_id = next((agency.id for agency in hosted if agency.code == visit.ask("co-quan")), "")
    query = TrafficQuery(
        first=first,
        last=last,
        agency_id=agency_id,
        partner=visit.ask("doi-tac")[:75],
        side=_SIDES.get(visit.ask("chieu")),
    )
    return query, problems


def _lines_by_day(visit: Visit, query: TrafficQuery, flows: Sequence[Flow]) -> list[TrafficLine]:
    """List the days, newest first, also days without traffic."""
    by_day: dict[tuple[date, Side], list[Flow]] = defaultdict(list)
    for flow in flows:
        by_day[flow.day, flow.side].append(flow)
    sides = (query.side,) if query.side is not None else tuple(Side)
    days = [query.first + timedelta(days=n) for n in range((query.last - query.first).days, -1, -1)]
    return [
        _traffic_row(visit, query, by_day[day, side], side, day=day, partner=query.partner)
        for day in days
        for side in sides
    ]


def _lines_by_partner(visit: Visit, query: TrafficQuery, flows: Sequence[Flow]) -> list[TrafficLine]:
    """List the partners, those with the most documents first."""
    by_partner: dict[tuple[str, Side], list[Flow]] = defaultdict(list)
    for flow in flows:
        by_partner[flow.partner, flow.side].append(flow)
    counted = {key: sum(flow.n for flow in flows_of_partner) for key, flows_of_partner in by_partner.items()}
    ordered = sorted(counted, key=lambda key: (-counted[key], key))[: _MOST_PARTNERS + 1]
    return [_traffic_row(visit, query, by_partner[key], key[1], day=None, partner=key[0]) for key in ordered]


def _traffic_row(
    visit: Visit, query: TrafficQuery, flows: Sequence[Flow], side: Side, *, day: date | None, partner: str
) -> TrafficLine:
    counted: Counter[str] = Counter()
    for flow in flows:
        counted[flow.result] += flow.n
    first, last = (day, day) if day is not None else (query.first, query.last)
    # Lists show the chosen agency, so only figures of that agency alone link to them.
    agency = visit.agency
    may_see = (
        agency is not None
        and visit.may(Right.SEE_CONTENT)
        and all(flow.agency_id == agency.id for flow in flows)
    )

    def figure(n: int, result: str = "") -> Figure:
        path = _path_of_rows(side, first, last, partner, result) if n and may_see else ""
        return Figure(n=n, path=path)

    return TrafficLine(
        day=day,
        partner=partner,
        side=side,
        total=figure(counted.total()),
        figures={result: figure(n, result) for result, n in counted.items()},
    )


def _path_of_rows(side: Side, first: date, last: date, partner: str, result: str) -> str:
    days = {"tu": dates.day_text(first), "den": dates.day_text(last)}
    tab = _TABS.get((side, result), "all")
    return url_for(PATHS[side], tab=tab, **days, **({"co-quan": partner} if partner else {}))


def _plot(query: TrafficQuery, flows: Sequence[Flow]) -> charts.Lines:
    days = [query.first + timedelta(days=n) for n in range(max(0, (query.last - query.first).days) + 1)]
    counted: Counter[tuple[Side, date]] = Counter()
    for flow in flows:
        counted[flow.side, flow.day] += flow.n
    keys = {Side.OUT: "sent", Side.IN: "received"}
    return charts.lines(
        [day.strftime("%d/%m") for day in days[:LONGEST_DAYS]],
        {
            key: [float(counted[side, day]) for day in days[:LONGEST_DAYS]]
            for side, key in keys.items()
            if query.side in (None, side)
        },
    )


TRAFFIC_ROUTES = (get(_TRAFFIC, "operations_traffic", show_traffic),)
