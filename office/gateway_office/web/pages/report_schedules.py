"""Reports that are sent after each period, made and ended by people: a list with the next and last sending and their
problems, and a form for one more. In: a clerk or an administrator of the agency; for reports of the whole node its
operator, in the name of an agency. Out: the page; a schedule made, paused, resumed or removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from aiohttp import web

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.figures import NO_UNIT
from gateway.errors import NotFound
from gateway.store.figures import list_units
from gateway_office.book import scheduled
from gateway_office.domain.roles import NODE, Manner, Right
from gateway_office.policy.report_schedules import FORMS, PeriodKind, ReportSchedule, ScheduleWish, may_send
from gateway_office.policy.reports import REPORTS, By
from gateway_office.web import routes
from gateway_office.web.forms import Form
from gateway_office.web.menu import ADMINISTERS, OPERATES
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, Needs

PATH = "/bao-cao-dinh-ky"
OF_NODE = f"{PATH}/toan-he-thong"
KEEPS_SCHEDULES = (*ADMINISTERS, Needs(right=Right.BOOK, manners=(Manner.YES,)))
# By the word in the address.
_ACTS = {"tam-dung": "pause", "gui-tiep": "resume", "bo": "remove"}
_FIELDS = {
    "report": "bao-cao",
    "by": "theo",
    "unit": "don-vi",
    "format": "tep",
    "people": "nguoi",
    "webhook": "phan-mem",
    "under": "duoi",
}
_EVERY = "*"
"""Choice of every webhook that listens."""
_, _, both = routes.sharing(needs=KEEPS_SCHEDULES, key="reports")
_, _, both_of_node = routes.sharing(access=Access.READY, needs=OPERATES, key="reports")


async def show_schedules(request: PageRequest, *, of_node: bool = False) -> web.StreamResponse:
    """Show the schedules with a form for one more, and make the one that the form asks for."""
    deps, form, problems = request.deps, request.form if request.is_act else None, []
    places = [a for a in await deps.store.hosted() if a.left_at is None] if of_node else [request.own_agency]
    if form is not None:
        agency = _chosen_place(places, form.text("co-quan"))
        wish, faults = await scheduled.complete(deps.inn, deps.accounts, agency.id, _read_wish(form, of_node))
        if not faults:
            await scheduled.add(deps.inn, _scope(request, agency.id), wish)
            return request.confirm(_own_path(of_node), "report.schedule.made")
        problems = [
            (_FIELDS[field], request.say(f"report.schedule.fault.{fault}")) for field, fault in faults
        ]
    readers = await scheduled.readers(deps.accounts, NODE if of_node else places[0].id)
    return await request.page(
        "reports/schedules.html",
        title=request.say("report.schedule"),
        problems=problems,
        values=form.flat() if form is not None else {},
        ticked={*form.all("nguoi")} if form is not None else set(),
        rows=[
            (schedule, await scheduled.next_send(deps.inn, place.id, schedule), place)
            for place, schedule in await _schedules(request, of_node)
        ],
        readers=sorted(readers.values(), key=lambda reader: reader.person.name),
        owner=request.say("report.node") if of_node else places[0].name,
        places=[(place.id, f"{place.name} ({place.code})") for place in places] if of_node else (),
        here=_own_path(of_node),
        **await _choices(request, places, of_node),
    )


async def _schedules(request: PageRequest, of_node: bool) -> Sequence[tuple[HostedAgency, ReportSchedule]]:
    """List the schedules of this page, each with its agency."""
    if of_node:
        return await scheduled.list_of_node(request.deps.inn)
    schedules = await scheduled.list_all(request.deps.inn, request.scope())
    return [(request.own_agency, schedule) for schedule in schedules]


def _chosen_place(places: Sequence[HostedAgency], id: str) -> HostedAgency:
    """Return the agency in whose name a report is sent. NotFound on a node that hosts none."""
    place = next((place for place in places if id in ("", place.id)), None)
    if place is None:
        raise NotFound(f"the node hosts no agency {id[:80]}")
    return place


async def _choices(
    request: PageRequest, places: Sequence[HostedAgency], of_node: bool
) -> Mapping[str, object]:
    """Return what the form offers."""
    deps, say = request.deps, request.say
    kinds = [report for report in REPORTS.values() if may_send(report, of_node=of_node)]
    kinds.sort(key=lambda report: not report.of_node)
    lines = {by for report in kinds for by in report.lines if of_node or by is not By.AGENCY}
    webhooks = [
        (endpoint.id, " – ".join(filter(None, (endpoint.host, endpoint.note, place.code if of_node else ""))))
        for place in places
        for endpoint in await deps.store.webhooks.list_endpoints(place.id)
    ]
    units: Sequence[str] = ()
    if not of_node:
        async with deps.store.reading() as tx:
            units = [unit for unit in await list_units(tx, places[0].id) if unit != NO_UNIT]
    return {
        "reports": [(report.key, say(f"report.{report.key}")) for report in kinds],
        "lines": [
            ("", say("report.schedule.by.first")),
            *((by.value, say(f"report.by.{by}")) for by in By if by in lines),
        ],
        "periods": [(kind.value, say(f"report.schedule.period.{kind}")) for kind in PeriodKind],
        "forms": [(form, form.upper()) for form in FORMS],
        "units": [("", say("report.unit.all")), *((unit, unit) for unit in units)] if units else (),
        "programs": [
            ("", say("report.schedule.programs.none")),
            (_EVERY, say("report.schedule.programs.every")),
            *webhooks,
        ],
    }


def _read_wish(form: Form, of_node: bool) -> ScheduleWish:
    chosen = form.text("phan-mem")
    return ScheduleWish(
        report=form.text("bao-cao"),
        by=form.text("theo"),
        period=PeriodKind(form.text("ky")) if form.text("ky") in {*PeriodKind} else PeriodKind.MONTH,
        form=form.text("tep"),
        unit=form.text("don-vi"),
        people=tuple(form.all("nguoi")),
        to_programs=bool(chosen),
        webhook="" if chosen == _EVERY else chosen,
        of_node=of_node,
        under=form.text("duoi") if of_node else "",
    )


def _own_path(of_node: bool) -> str:
    return OF_NODE if of_node else PATH


def _scope(request: PageRequest, agency_id: str) -> AgencyScope:
    return AgencyScope(agency_id=agency_id, principal_id=request.person.person.id)


async def act_on_schedule(request: PageRequest, *, of_node: bool = False) -> web.StreamResponse:
    """Ask whether to pause, resume or remove a schedule, and do so."""
    deps, id, act = request.deps, request.path("id"), _ACTS.get(request.path("act"))
    pairs = [pair for pair in await _schedules(request, of_node) if pair[1].id == id]
    if not pairs or act is None:
        raise NotFound(f"there is no report schedule {id[:80]} here, or no such act")
    place, schedule = pairs[0]
    if not request.is_act:
        return await request.question(
            None,
            f"report.schedule.{act}",
            back=_own_path(of_node),
            grave=act == "remove",
            report=request.say(f"report.{schedule.wish.report}"),
        )
    scope = _scope(request, place.id)
    if act == "remove":
        await scheduled.remove(deps.inn, scope, id, of_node=of_node)
    else:
        await scheduled.set_pause(deps.inn, scope, id, is_paused=act == "pause", of_node=of_node)
    return request.confirm(_own_path(of_node), f"report.schedule.{act}")


_show_of_node, _act_of_node = partial(show_schedules, of_node=True), partial(act_on_schedule, of_node=True)
ROUTES = (
    *both_of_node(OF_NODE, "node_schedules", "node_schedule_made", _show_of_node),
    *both_of_node(f"{OF_NODE}/{{id}}/{{act}}", "node_schedule_ask", "node_schedule_acted", _act_of_node),
    *both(PATH, "report_schedules", "report_schedule_made", show_schedules),
    *both(f"{PATH}/{{id}}/{{act}}", "report_schedule_ask", "report_schedule_acted", act_on_schedule),
)
