"""How the node is, and what its pages of operations share: who may come, and their tabs. The facts of health and status in
words, each finding with its cure; workers and their loops; the same as a file for whoever is asked for help. What waits,
and what is tried again: counts with their oldest, and the packets whose sending did not work yet; nothing is taken from a
queue to be looked at. The test of the line to the axis, step by step with time, cause and cure, and the same as text to
paste into a mail. The sealed copies on this machine, and their trial restore beside the running node: a passphrase goes
with the trial, and out comes whether everything in the copy was found equal. Traffic of the last days: how much went each
day, with whom, and what became of it, and from each figure to the rows behind it; counts alone, and links for who also may
see an agency's lists."""

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
from gateway.office.store.partners import LONGEST_DAYS, RESULTS, Flow, TrafficWanted
from gateway.office.web import answers, charts, dates, routes
from gateway.office.web.forms import Problems
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.pages.agencies import ground
from gateway.office.web.routes import Needs, Who
from gateway.office.web.visits import OPERATES, Visit, where
from gateway.ops.status import report_lines
from gateway.policy import upkeep
from gateway.words import labels

KEY = "operations"
PATH = "/van-hanh"
# Clerks decide about what arrived for their agency; operators look, at routing and form alone.
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
get = partial(routes.get, who=Who.READY, needs=OPERATES, key=KEY)
post = partial(routes.post, who=Who.READY, needs=OPERATES, key=KEY)
both = partial(routes.both, who=Who.READY, needs=OPERATES, key=KEY)


async def tab_page(
    visit: Visit, tab: str, name: str, problems: Problems | None = None, /, **values: object
) -> web.Response:
    """One page among the tabs; who only decides about packets sees no tab of what is closed to it."""
    values.setdefault("title", visit.say(f"operating.tab.{tab}"))
    return await visit.form_page(f"operations/{name}.html", problems, tabs=_tabs(visit), tab=tab, **values)


async def tab_question(
    visit: Visit, tab: str, which: str, problems: Problems | None, *words: str, **values: Any
) -> web.Response:  # Any: what a template is given
    """A question among the tabs."""
    told = {"which": which, "part": "operations/_questions.html", "tab": tab, "tabs": _tabs(visit), **values}
    return await visit.question(problems, *words, **told)


def _tabs(visit: Visit) -> list[tuple[str, str]]:
    return [each for each in TABS if is_operator(visit) or each[0] == "aside"]


def is_operator(visit: Visit) -> bool:
    return visit.may(Right.NOTICES, Manner.YES)


_BEAT_WORDS = (upkeep.GOOD, upkeep.FAULTY, upkeep.LATE, upkeep.MISSING, upkeep.UNKNOWN)


async def state_shown(visit: Visit) -> web.StreamResponse:
    machine = visit.deps.operations.machine
    checks, standing = await machine.checks(), await machine.standing()
    ordered = sorted(checks, key=lambda each: -each.level.badness)
    return await tab_page(
        visit,
        "state",
        "state",
        title=visit.say("operating.title"),
        standing=standing,
        paces=[_job_row(visit, each) for each in standing.paces],
        checks=[(each, each.says(visit.lang)) for each in ordered],
        counts={level: sum(each.level is level for each in checks) for level in Level},
    )


async def jobs_shown(visit: Visit) -> web.StreamResponse:
    """Thirty days of each job, then what runs in this very moment."""
    machine, now = visit.deps.operations.machine, visit.deps.clock.now()
    days = await machine.job_days()
    return await tab_page(
        visit,
        "jobs",
        "jobs",
        standing=await machine.standing(),
        beats=upkeep.job_lines(days, now) if days else (),
        overdue=labels.jobs(upkeep.late_jobs(days, now), visit.lang),
        words=_BEAT_WORDS,
        limits={
            "minutes": int(upkeep.LOOP.total_seconds() // 60),
            "hours": int(upkeep.NIGHTLY.total_seconds() // 3600),
        },
    )


async def report_given(visit: Visit) -> web.StreamResponse:
    """As JSON, or as lines to paste into a mail."""
    told = await visit.deps.operations.machine.report()
    if visit.ask("dang") == "txt":
        kind, body = "txt", "".join(report_lines(told))
    else:
        kind, body = "json", json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    name = f"chan-doan-{visit.deps.clock.now():%Y%m%dT%H%M%SZ}.{kind}"
    return answers.whole_file(name, kind, body.encode())


def _job_row(visit: Visit, found: pace.Pace) -> tuple[pace.Pace, str, list[str]]:
    """With the name of its axis, and its bounds in words."""
    told = [pace.words(bound) for bound in (found.p50, found.p95, found.p99)]
    axis = visit.say_or(f"pace.axis.{found.axis}", found.axis)
    return found, axis, [visit.say(key, n=number) for key, number in told]


STATE_ROUTES = (
    get(PATH, "operations", state_shown),
    get(f"{PATH}/tac-vu", "operations_jobs", jobs_shown),
    get(f"{PATH}/chan-doan", "operations_report", report_given),
)


MOST_TRIES = 200
_TRIES = f"{PATH}/gui-lai"


async def queues_shown(visit: Visit) -> web.StreamResponse:
    machine, now = visit.deps.operations.machine, visit.deps.clock.now()
    sampled = await machine.sampled(now - charts.QUEUE_SPAN)
    return await tab_page(
        visit,
        "queues",
        "queues",
        queues=await machine.queues(),
        waited=charts.queue_chart(sampled, now),
        sparks=charts.queue_sparks(sampled, now),
    )


async def tries_shown(visit: Visit) -> web.StreamResponse:
    found = await visit.deps.operations.machine.tries(MOST_TRIES)
    return await tab_page(
        visit, "tries", "tries", items=found, most=MOST_TRIES, agencies=await agency_codes(visit)
    )


async def tries_hurried(visit: Visit) -> web.StreamResponse:
    await visit.deps.operations.machine.hurry(visit.person.person.id, visit.path("id"))
    return visit.said(_TRIES, "operating.hurried")


async def agency_codes(visit: Visit) -> dict[str, str]:
    return {each.id: each.code for each in await visit.deps.store.hosted()}


QUEUE_ROUTES = (
    get(f"{PATH}/hang-doi", "operations_queues", queues_shown),
    get(_TRIES, "operations_tries", tries_shown),
    post(f"{_TRIES}/{{id}}/ngay", "operations_hurried", tries_hurried),
)


_LONGEST_NAME = 300


async def line_tested(visit: Visit) -> web.StreamResponse:
    """Testing changes nothing, so it is asked for by an address; of the line, or of the way to one partner."""
    machine, text = visit.deps.operations.machine, visit.ask("ma").strip()[:_LONGEST_NAME]
    # A code is tested as it was written: the test itself says whether it is an old one, or nobody's.
    is_name = " " in text
    partner, fault = await ground.known_code(visit, text) if is_name else (text, "")
    steps: Sequence[Diagnosis] = ()
    if partner and not fault:
        sender = visit.agency.code if visit.agency is not None else ""
        steps = await machine.test_partner(partner, sender)
    elif visit.ask("chay") == "1":
        steps = await machine.checks(Tag.LINE)
    rows = [(each, each.says(visit.lang), each.mends(visit.lang) or "") for each in steps]
    return await tab_page(
        visit,
        "line",
        "line",
        rows=rows,
        ran=bool(steps),
        partner=partner,
        problems=[("ma", fault)] if fault else [],
        wrong=sum(each.level is Level.RED for each in steps),
        text=_line_text(visit, rows) if steps else "",
    )


def _line_text(visit: Visit, rows: Sequence[tuple[Diagnosis, str, str]]) -> str:
    at = local(visit.deps.clock.now())
    lines = [visit.say("operating.line.text", at=f"{at:%H:%M %d/%m/%Y}", version=visit.deps.version)]
    for step, says, cure in rows:
        name = visit.say(f"operating.line.step.{step.check}")
        where = f" {step.server}" if step.server else ""
        lines.append(f"{step.level.mark} {name}{where} ({step.ms} ms): {says}")
        if cure:
            lines.append(f"  → {cure}")
    return "\n".join(lines)


LINE_ROUTES = (get(f"{PATH}/kiem-tra", "line_test", line_tested),)


_COPIES = f"{PATH}/sao-luu"
_SHORTEST_PASSPHRASE = 12


async def copies_shown(visit: Visit) -> web.StreamResponse:
    copies = visit.deps.operations.copies
    drill = copies.drill()
    # What was wrong and what to do; an error's own sentence is for the log.
    unknown = visit.say("operating.copies.fault")
    why = visit.say_or(f"operating.copies.fault.{drill.code}", unknown) if drill is not None else ""
    return await tab_page(visit, "copies", "copies", copies=await copies.all(), drill=drill, why=why)


async def trial_begun(visit: Visit) -> web.StreamResponse:
    passphrase, copy = visit.form.text("passphrase"), await _copy_named(visit)
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
    return visit.said(_COPIES, "operating.copies.begun")


async def _copy_named(visit: Visit) -> str:
    name = visit.path("name")
    if all(each.name != name for each in await visit.deps.operations.copies.all()):
        raise NotFound(f"there is no backup {name[:200]} on this machine")
    return name


COPY_ROUTES = (
    get(_COPIES, "copies", copies_shown),
    *both(f"{_COPIES}/{{name}}/thu", "copy_test", "copy_tested", trial_begun),
)


_TRAFFIC = f"{PATH}/luu-luong"
_USUAL_DAYS = 7
_MOST_PARTNERS = 50
_SIDES = {"di": Side.OUT, "den": Side.IN}
# The tab of a list that holds what became so; where none does, the whole list.
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


async def traffic_shown(visit: Visit) -> web.StreamResponse:
    today = visit.today
    hosted = [each for each in await visit.deps.store.hosted() if each.left_at is None]
    wanted, problems = _traffic_asked(visit, today, hosted)
    flows = [] if problems else await visit.deps.operations.machine.traffic(wanted)
    result = visit.ask("ket-qua")
    if result in RESULTS:
        flows = [each for each in flows if each.result == result]
    partners, every = _lines_by_partner(visit, wanted, flows), ("", visit.say("traffic.all"))
    return await tab_page(
        visit,
        "traffic",
        "traffic",
        problems,
        given={name: visit.ask(name) for name in ("doi-tac", "chieu", "ket-qua", "co-quan")},
        first=visit.ask("tu") or dates.day_text(wanted.first),
        last=visit.ask("den") or dates.day_text(wanted.last),
        agencies=[every, *((each.code, each.code) for each in hosted)],
        sides=[every, *((key, visit.say(f"traffic.side.{side}")) for key, side in _SIDES.items())],
        results=[every, *((each, visit.say(f"traffic.result.{each}")) for each in RESULTS)],
        shown_results=[each for each in RESULTS if any(flow.result == each for flow in flows)],
        by_day=_lines_by_day(visit, wanted, flows),
        by_partner=partners[:_MOST_PARTNERS],
        most=_MOST_PARTNERS if len(partners) > _MOST_PARTNERS else 0,
        plot=_plot(wanted, flows),
        longest=LONGEST_DAYS,
    )


def _traffic_asked(
    visit: Visit, today: date, hosted: Sequence[HostedAgency]
) -> tuple[TrafficWanted, Problems]:
    problems = []
    read = {"tu": today - timedelta(days=_USUAL_DAYS - 1), "den": today}
    for name in ("tu", "den"):
        if (text := visit.ask(name)) and (day := dates.typed_day(text, today)) is None:
            problems.append((name, visit.say("traffic.wrong_day")))
        elif text and day is not None:
            read[name] = day
    first, last = read["tu"], read["den"]
    if last < first:
        problems.append(("den", visit.say("traffic.wrong_order")))
    elif (last - first).days >= LONGEST_DAYS:
        problems.append(("tu", visit.say("traffic.too_long", days=LONGEST_DAYS)))
    ours = next((each.id for each in hosted if each.code == visit.ask("co-quan")), "")
    wanted = TrafficWanted(
        first=first,
        last=last,
        agency_id=ours,
        partner=visit.ask("doi-tac")[:75],
        side=_SIDES.get(visit.ask("chieu")),
    )
    return wanted, problems


def _lines_by_day(visit: Visit, wanted: TrafficWanted, flows: Sequence[Flow]) -> list[TrafficLine]:
    """Newest first; each day of the time, also one without anything."""
    by_day: dict[tuple[date, Side], list[Flow]] = defaultdict(list)
    for each in flows:
        by_day[each.day, each.side].append(each)
    sides = (wanted.side,) if wanted.side is not None else tuple(Side)
    days = [wanted.first + timedelta(days=n) for n in range((wanted.last - wanted.first).days, -1, -1)]
    return [
        _traffic_row(visit, wanted, by_day[day, side], side, day=day, partner=wanted.partner)
        for day in days
        for side in sides
    ]


def _lines_by_partner(visit: Visit, wanted: TrafficWanted, flows: Sequence[Flow]) -> list[TrafficLine]:
    """Those with the most documents first."""
    by_partner: dict[tuple[str, Side], list[Flow]] = defaultdict(list)
    for each in flows:
        by_partner[each.partner, each.side].append(each)
    counted = {key: sum(each.n for each in mine) for key, mine in by_partner.items()}
    ordered = sorted(counted, key=lambda key: (-counted[key], key))[: _MOST_PARTNERS + 1]
    return [_traffic_row(visit, wanted, by_partner[key], key[1], day=None, partner=key[0]) for key in ordered]


def _traffic_row(
    visit: Visit, wanted: TrafficWanted, flows: Sequence[Flow], side: Side, *, day: date | None, partner: str
) -> TrafficLine:
    counted: Counter[str] = Counter()
    for each in flows:
        counted[each.result] += each.n
    first, last = (day, day) if day is not None else (wanted.first, wanted.last)
    # Lists are of the agency that one works for, so only what is its own alone leads there.
    here = visit.agency
    sees = (
        here is not None and visit.may(Right.SEE_CONTENT) and all(each.agency_id == here.id for each in flows)
    )

    def figure(n: int, result: str = "") -> Figure:
        path = _path_of_rows(side, first, last, partner, result) if n and sees else ""
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
    return where(PATHS[side], tab=tab, **days, **({"co-quan": partner} if partner else {}))


def _plot(wanted: TrafficWanted, flows: Sequence[Flow]) -> charts.Lines:
    days = [wanted.first + timedelta(days=n) for n in range(max(0, (wanted.last - wanted.first).days) + 1)]
    counted: Counter[tuple[Side, date]] = Counter()
    for each in flows:
        counted[each.side, each.day] += each.n
    keys = {Side.OUT: "sent", Side.IN: "received"}
    return charts.lines(
        [day.strftime("%d/%m") for day in days[:LONGEST_DAYS]],
        {
            key: [float(counted[side, day]) for day in days[:LONGEST_DAYS]]
            for side, key in keys.items()
            if wanted.side in (None, side)
        },
    )


TRAFFIC_ROUTES = (get(_TRAFFIC, "operations_traffic", traffic_shown),)
