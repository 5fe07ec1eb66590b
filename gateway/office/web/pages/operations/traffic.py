"""Traffic of the last days: how much went each day, with whom, and what became of it, and from each figure to the rows
behind it. Counts alone; who also may see an agency's lists gets links into them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from aiohttp import web

from gateway.domain.account import HostedAgency
from gateway.office.domain.listing import Side
from gateway.office.domain.roles import Right
from gateway.office.ports.node import LONGEST_DAYS, RESULTS, Flow, TrafficWanted
from gateway.office.web import charts, dates
from gateway.office.web.forms import Problems
from gateway.office.web.listing.asking import PATHS
from gateway.office.web.pages.operations.state import PATH, get, tab_page
from gateway.office.web.visits import Visit, where

_PATH = f"{PATH}/luu-luong"
_DAYS = 7
_MOST = 50
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


async def shown(visit: Visit) -> web.StreamResponse:
    today = visit.today
    hosted = [each for each in await visit.deps.store.hosted() if each.left_at is None]
    wanted, problems = _asked(visit, today, hosted)
    flows = [] if problems else await visit.deps.operations.machine.traffic(wanted)
    result = visit.ask("ket-qua")
    if result in RESULTS:
        flows = [each for each in flows if each.result == result]
    partners, every = _partners(visit, wanted, flows), ("", visit.say("traffic.all"))
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
        by_day=_days(visit, wanted, flows),
        by_partner=partners[:_MOST],
        most=_MOST if len(partners) > _MOST else 0,
        plot=_plot(wanted, flows),
        longest=LONGEST_DAYS,
    )


def _asked(visit: Visit, today: date, hosted: Sequence[HostedAgency]) -> tuple[TrafficWanted, Problems]:
    problems = []
    read = {"tu": today - timedelta(days=_DAYS - 1), "den": today}
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


def _days(visit: Visit, wanted: TrafficWanted, flows: Sequence[Flow]) -> list[TrafficLine]:
    """Newest first; each day of the time, also one without anything."""
    by_day: dict[tuple[date, Side], list[Flow]] = defaultdict(list)
    for each in flows:
        by_day[each.day, each.side].append(each)
    sides = (wanted.side,) if wanted.side is not None else tuple(Side)
    days = [wanted.first + timedelta(days=n) for n in range((wanted.last - wanted.first).days, -1, -1)]
    return [
        _row(visit, wanted, by_day[day, side], side, day=day, partner=wanted.partner)
        for day in days
        for side in sides
    ]


def _partners(visit: Visit, wanted: TrafficWanted, flows: Sequence[Flow]) -> list[TrafficLine]:
    """Those with the most documents first."""
    by_partner: dict[tuple[str, Side], list[Flow]] = defaultdict(list)
    for each in flows:
        by_partner[each.partner, each.side].append(each)
    counted = {key: sum(each.n for each in mine) for key, mine in by_partner.items()}
    ordered = sorted(counted, key=lambda key: (-counted[key], key))[: _MOST + 1]
    return [_row(visit, wanted, by_partner[key], key[1], day=None, partner=key[0]) for key in ordered]


def _row(
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
        path = _rows(side, first, last, partner, result) if n and sees else ""
        return Figure(n=n, path=path)

    return TrafficLine(
        day=day,
        partner=partner,
        side=side,
        total=figure(counted.total()),
        figures={result: figure(n, result) for result, n in counted.items()},
    )


def _rows(side: Side, first: date, last: date, partner: str, result: str) -> str:
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


ROUTES = (get(_PATH, "operations_traffic", shown),)
