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
from typing import Any

from aiohttp import web

from gateway.domain import pace
from gateway.domain.account import HostedAgency
from gateway.domain.diagnosis import Diagnosis, Level, Tag
from gateway.domain.wall_clock import local
from gateway.errors import NotFound
from gateway.ops import status
from gateway.ops.status import report_lines
from gateway.policy import upkeep
from gateway.store import reporting
from gateway.words import labels
from gateway_office.domain.listing import Side
from gateway_office.domain.roles import Manner, Right
from gateway_office.node import machine
from gateway_office.node.machine import QueuePile
from gateway_office.store.partners import LONGEST_DAYS, RESULTS, Flow, TrafficQuery, load_flows
from gateway_office.web import answers, charts, dates, routes
from gateway_office.web.addresses import url_for
from gateway_office.web.display_names import agency_names
from gateway_office.web.forms import Problems
from gateway_office.web.listing.asking import PATHS
from gateway_office.web.menu import OPERATES
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages.agencies import common
from gateway_office.web.pages.operations.findings import PATH as PATH
from gateway_office.web.pages.operations.findings import describe_findings, first_step, name_agencies
from gateway_office.web.routes import Access, Needs

KEY = "operations"
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
get, post, both = routes.sharing(access=Access.READY, needs=OPERATES, key=KEY)
_BEAT_WORDS = (upkeep.GOOD, upkeep.FAULTY, upkeep.LATE, upkeep.MISSING, upkeep.UNKNOWN)
MOST_TRIES = 200
_TRIES = f"{PATH}/gui-lai"
_LONGEST_NAME = 300
_COPIES = f"{PATH}/sao-luu"
_SHORTEST_PASSPHRASE = 12
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


async def tab_page(
    request: PageRequest, tab: str, name: str, problems: Problems | None = None, /, **values: object
) -> web.Response:
    """Show one page among the tabs; a person who only decides about packets sees their tab alone."""
    values.setdefault("title", request.say(f"operating.tab.{tab}"))
    return await request.form_page(
        f"operations/{name}.html", problems, tabs=_tabs(request), tab=tab, **values
    )


async def tab_question(
    request: PageRequest, tab: str, which: str, problems: Problems | None, *words: str, **values: Any
) -> web.Response:  # Any: values of a template
    """Show a question among the tabs."""
    options = {
        "which": which,
        "part": "operations/_questions.html",
        "tab": tab,
        "tabs": _tabs(request),
        **values,
    }
    return await request.question(problems, *words, **options)


def _tabs(request: PageRequest) -> list[tuple[str, str]]:
    return [tab for tab in TABS if is_operator(request) or tab[0] == "aside"]


def is_operator(request: PageRequest) -> bool:
    return request.may(Right.NOTICES, Manner.YES)


async def show_state(request: PageRequest) -> web.StreamResponse:
    deps = request.deps
    checks, standing = await deps.health.list_findings(Tag.DOCTOR), await status.look(deps)
    names = {agency.code: agency.name for agency in standing.hosted}
    lines = describe_findings(checks, request.lang, names)
    return await tab_page(
        request,
        "state",
        "state",
        title=request.say("operating.title"),
        standing=standing,
        paces=[_job_row(request, c) for c in standing.paces],
        many_axes=len({c.axis for c in standing.paces}) > 1,
        names=names,
        lines=lines,
        first=first_step(lines),
        counts={level: sum(c.level is level for c in checks) for level in Level},
    )


async def show_jobs(request: PageRequest) -> web.StreamResponse:
    """Show thirty days of each job, then the jobs that run in this very moment."""
    deps, now = request.deps, request.deps.clock.now()
    days = await deps.store.history.days((now - pace.HISTORY_KEPT).date())
    return await tab_page(
        request,
        "jobs",
        "jobs",
        standing=await status.look(deps),
        beats=upkeep.job_lines(days, now) if days else (),
        overdue=labels.jobs(upkeep.late_jobs(days, now), request.lang),
        words=_BEAT_WORDS,
        job_names=lambda names: labels.jobs(tuple(names), request.lang),
        limits={
            "minutes": int(upkeep.LOOP.total_seconds() // 60),
            "hours": int(upkeep.NIGHTLY.total_seconds() // 3600),
        },
    )


async def send_report(request: PageRequest) -> web.StreamResponse:
    """Send the report as JSON, or as lines to paste into a mail."""
    report = await machine.make_report(request.deps, request.deps.health)
    if request.ask("dang") == "txt":
        kind, body = "txt", "".join(report_lines(report))
    else:
        kind, body = "json", json.dumps(report, indent=1, ensure_ascii=False) + "\n"
    name = f"chan-doan-{request.deps.clock.now():%Y%m%dT%H%M%SZ}.{kind}"
    return answers.whole_file(name, kind, body.encode())


def _job_row(request: PageRequest, job_pace: pace.Pace) -> tuple[pace.Pace, str, list[str]]:
    """Describe a pace with the name of its axis, and its bounds in words."""
    bounds = [pace.words(bound) for bound in (job_pace.p50, job_pace.p95, job_pace.p99)]
    axis = request.say_or(f"pace.axis.{job_pace.axis}", job_pace.axis)
    return job_pace, axis, [request.say(key, n=number) for key, number in bounds]


STATE_ROUTES = (
    get(PATH, "operations", show_state),
    get(f"{PATH}/tac-vu", "operations_jobs", show_jobs),
    get(f"{PATH}/chan-doan", "operations_report", send_report),
)


async def show_queues(request: PageRequest) -> web.StreamResponse:
    deps, now = request.deps, request.deps.clock.now()
    sampled = await deps.store.history.samples(now - charts.QUEUE_SPAN)
    queues = await machine.load_queues(deps)
    piles: dict[str, list[QueuePile]] = defaultdict(list)
    for pile in queues.piles:
        piles[pile.queue].append(pile)
    busy = {queue for queue, parts in piles.items() if any(part.count for part in parts)}
    return await tab_page(
        request,
        "queues",
        "queues",
        queues=queues,
        dead=sum(pile.count for pile in piles["axis"] if pile.part == "dead"),
        busy=[(queue, parts) for queue, parts in piles.items() if queue in busy],
        idle=[(queue, parts) for queue, parts in piles.items() if queue not in busy],
        waited=charts.queue_chart(sampled, now),
        sparks=charts.queue_sparks(sampled, now),
    )


async def show_tries(request: PageRequest) -> web.StreamResponse:
    packets = await reporting.packets_tried(request.deps.store, MOST_TRIES)
    codes = {p.sender_code for p in packets} | {target.code for p in packets for target in p.targets}
    names = await agency_names(request, codes)
    items = [
        (p, names.get(p.sender_code, p.sender_code), ", ".join(names.get(t.code, t.code) for t in p.targets))
        for p in packets
    ]
    return await tab_page(request, "tries", "tries", items=items, most=MOST_TRIES)


async def hurry_try(request: PageRequest) -> web.StreamResponse:
    await machine.hurry_packet(request.deps, request.person.person.id, request.path("id"))
    return request.confirm(_TRIES, "operating.hurried")


async def hosted_names(request: PageRequest) -> dict[str, str]:
    return {agency.id: agency.name for agency in await request.deps.store.hosted()}


QUEUE_ROUTES = (
    get(f"{PATH}/hang-doi", "operations_queues", show_queues),
    get(_TRIES, "operations_tries", show_tries),
    post(f"{_TRIES}/{{id}}/ngay", "operations_hurried", hurry_try),
)


async def test_line(request: PageRequest) -> web.StreamResponse:
    """Test the line, or the way to one partner. Testing changes nothing, so it is a GET."""
    text = request.ask("ma").strip()[:_LONGEST_NAME]
    # A code is tested as it was written: the test itself reports an old or unknown one.
    is_name = " " in text
    partner, fault = await common.known_code(request, text) if is_name else (text, "")
    steps: Sequence[Diagnosis] = ()
    if partner and not fault:
        sender = request.agency.code if request.agency is not None else ""
        steps = await machine.test_partner(request.deps, partner, sender)
    elif request.ask("chay") == "1":
        steps = await request.deps.health.list_findings(Tag.LINE)
    names = {agency.code: agency.name for agency in await request.deps.store.hosted()}
    named_steps = [name_agencies(step, names) for step in steps]
    rows = [(step, step.says(request.lang), step.mends(request.lang) or "") for step in named_steps]
    return await tab_page(
        request,
        "line",
        "line",
        rows=rows,
        ran=bool(steps),
        partner=partner,
        problems=[("ma", fault)] if fault else [],
        wrong=sum(step.level is Level.RED for step in steps),
        text=_line_text(request, rows) if steps else "",
    )


def _line_text(request: PageRequest, rows: Sequence[tuple[Diagnosis, str, str]]) -> str:
    at = local(request.deps.clock.now())
    lines = [request.say("operating.line.text", at=f"{at:%H:%M %d/%m/%Y}", version=request.deps.version)]
    for step, says, cure in rows:
        name = request.say(f"operating.line.step.{step.check}")
        server = f" {step.server}" if step.server else ""
        lines.append(f"{step.level.mark} {name}{server} ({step.ms} ms): {says}")
        if cure:
            lines.append(f"  → {cure}")
    return "\n".join(lines)


LINE_ROUTES = (get(f"{PATH}/kiem-tra", "line_test", test_line),)


async def show_copies(request: PageRequest) -> web.StreamResponse:
    copies = request.deps.copies
    drill = copies.drill()
    # Fault and cure in words; an error's own sentence is for the log.
    unknown = request.say("operating.copies.fault")
    fault_text = request.say_or(f"operating.copies.fault.{drill.code}", unknown) if drill is not None else ""
    return await tab_page(request, "copies", "copies", copies=await copies.all(), drill=drill, why=fault_text)


async def begin_trial(request: PageRequest) -> web.StreamResponse:
    passphrase, copy = request.form.text("passphrase"), await _copy_name(request)
    if len(passphrase) < _SHORTEST_PASSPHRASE:
        return await tab_question(
            request,
            "copies",
            "copy",
            [("passphrase", request.say("operating.copies.short"))],
            "operating.copies.test",
            "operating.copies.says",
            "operating.copies.test",
            back=_COPIES,
            look="card",
            copy=copy,
        )
    await request.deps.copies.begin_drill(request.person.person.id, copy, passphrase)
    return request.confirm(_COPIES, "operating.copies.begun")


async def _copy_name(request: PageRequest) -> str:
    name = request.path("name")
    if all(copy.name != name for copy in await request.deps.copies.all()):
        raise NotFound(f"there is no backup {name[:200]} on this machine")
    return name


COPY_ROUTES = (
    get(_COPIES, "copies", show_copies),
    *both(f"{_COPIES}/{{name}}/thu", "copy_test", "copy_tested", begin_trial),
)


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


async def show_traffic(request: PageRequest) -> web.StreamResponse:
    today = request.today
    hosted = [a for a in await request.deps.store.hosted() if a.left_at is None]
    partner, fault = request.ask("doi-tac")[:_LONGEST_NAME], ""
    if " " in partner:
        partner, fault = await common.known_code(request, partner)
    query, problems = _read_traffic_query(request, today, hosted, partner)
    problems += [("doi-tac", fault)] if fault else []
    flows = [] if problems else await load_flows(request.deps.store, query)
    result = request.ask("ket-qua")
    if result in RESULTS:
        flows = [flow for flow in flows if flow.result == result]
    partners, any_choice = _lines_by_partner(request, query, flows), ("", request.say("traffic.all"))
    return await tab_page(
        request,
        "traffic",
        "traffic",
        problems,
        given={name: request.ask(name) for name in ("doi-tac", "chieu", "ket-qua", "co-quan")},
        first=request.ask("tu") or dates.day_text(query.first),
        last=request.ask("den") or dates.day_text(query.last),
        agencies=[any_choice, *((a.code, a.name) for a in hosted)],
        sides=[any_choice, *((key, request.say(f"traffic.side.{side}")) for key, side in _SIDES.items())],
        results=[any_choice, *((r, request.say(f"traffic.result.{r}")) for r in RESULTS)],
        shown_results=[r for r in RESULTS if any(flow.result == r for flow in flows)],
        by_day=_lines_by_day(request, query, flows),
        by_partner=partners[:_MOST_PARTNERS],
        names=await agency_names(request, {line.partner for line in partners}),
        most=_MOST_PARTNERS if len(partners) > _MOST_PARTNERS else 0,
        longest=LONGEST_DAYS,
    )


def _read_traffic_query(
    request: PageRequest, today: date, hosted: Sequence[HostedAgency], partner: str
) -> tuple[TrafficQuery, Problems]:
    problems = []
    days = {"tu": today - timedelta(days=_USUAL_DAYS - 1), "den": today}
    for name in ("tu", "den"):
        if (text := request.ask(name)) and (day := dates.typed_day(text, today)) is None:
            problems.append((name, request.say("traffic.wrong_day")))
        elif text and day is not None:
            days[name] = day
    first, last = days["tu"], days["den"]
    if last < first:
        problems.append(("den", request.say("traffic.wrong_order")))
    elif (last - first).days >= LONGEST_DAYS:
        problems.append(("tu", request.say("traffic.too_long", days=LONGEST_DAYS)))
    agency_id = next((agency.id for agency in hosted if agency.code == request.ask("co-quan")), "")
    query = TrafficQuery(
        first=first,
        last=last,
        agency_id=agency_id,
        partner=partner[:75],
        side=_SIDES.get(request.ask("chieu")),
    )
    return query, problems


def _lines_by_day(request: PageRequest, query: TrafficQuery, flows: Sequence[Flow]) -> list[TrafficLine]:
    """List the days, newest first, also days without traffic."""
    by_day: dict[tuple[date, Side], list[Flow]] = defaultdict(list)
    for flow in flows:
        by_day[flow.day, flow.side].append(flow)
    sides = (query.side,) if query.side is not None else tuple(Side)
    days = [query.first + timedelta(days=n) for n in range((query.last - query.first).days, -1, -1)]
    return [
        _traffic_row(request, query, by_day[day, side], side, day=day, partner=query.partner)
        for day in days
        for side in sides
    ]


def _lines_by_partner(request: PageRequest, query: TrafficQuery, flows: Sequence[Flow]) -> list[TrafficLine]:
    """List the partners, those with the most documents first."""
    by_partner: dict[tuple[str, Side], list[Flow]] = defaultdict(list)
    for flow in flows:
        by_partner[flow.partner, flow.side].append(flow)
    counted = {key: sum(flow.n for flow in flows_of_partner) for key, flows_of_partner in by_partner.items()}
    ordered = sorted(counted, key=lambda key: (-counted[key], key))[: _MOST_PARTNERS + 1]
    return [
        _traffic_row(request, query, by_partner[key], key[1], day=None, partner=key[0]) for key in ordered
    ]


def _traffic_row(
    request: PageRequest,
    query: TrafficQuery,
    flows: Sequence[Flow],
    side: Side,
    *,
    day: date | None,
    partner: str,
) -> TrafficLine:
    counted: Counter[str] = Counter()
    for flow in flows:
        counted[flow.result] += flow.n
    first, last = (day, day) if day is not None else (query.first, query.last)
    # Lists show the chosen agency, so only figures of that agency alone link to them.
    agency = request.agency
    may_see = (
        agency is not None
        and request.may(Right.SEE_CONTENT)
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


TRAFFIC_ROUTES = (get(_TRAFFIC, "operations_traffic", show_traffic),)
