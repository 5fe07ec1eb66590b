"""Reports that are sent after each period, made and ended by people: a list with the next and last sending and their
problems, and a form for one more. In: a clerk or an administrator of the agency. Out: the page; a schedule made, paused,
resumed or removed."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.figures import NO_UNIT
from gateway.errors import NotFound
from gateway.office.book import scheduled
from gateway.office.domain.roles import Manner, Right
from gateway.office.policy.report_schedules import FORMS, PeriodKind, ScheduleWish
from gateway.office.policy.reports import REPORTS, By
from gateway.office.web import routes
from gateway.office.web.page_requests import ADMINISTERS, PageRequest
from gateway.office.web.routes import Needs
from gateway.store.figures import list_units

PATH = "/bao-cao-dinh-ky"
KEEPS_SCHEDULES = (*ADMINISTERS, Needs(right=Right.BOOK, manners=(Manner.YES,)))
# By the word in the address.
_ACTS = {"tam-dung": "pause", "gui-tiep": "resume", "bo": "remove"}
_FIELDS = {
    "report": "bao-cao",
    "by": "theo",
    "unit": "don-vi",
    "partner": "co-quan",
    "format": "tep",
    "people": "nguoi",
}


async def show_schedules(request: PageRequest) -> web.StreamResponse:
    """Show the schedules with a form for one more, and make the one that the form asks for."""
    deps, agency, form = request.deps, request.own_agency, request.form if request.is_act else None
    problems = []
    if form is not None:
        wish = ScheduleWish(
            report=form.text("bao-cao"),
            by=form.text("theo"),
            period=PeriodKind(form.text("ky")) if form.text("ky") in {*PeriodKind} else PeriodKind.MONTH,
            form=form.text("tep"),
            unit=form.text("don-vi"),
            people=tuple(form.all("nguoi")),
            to_programs=bool(form.text("phan-mem")),
        )
        wish, faults = await scheduled.complete(deps.accounts, agency.id, wish)
        if not faults:
            await scheduled.add(deps.inn, request.scope(), wish)
            return request.confirm(PATH, "report.schedule.made")
        problems = [
            (_FIELDS[field], request.say(f"report.schedule.fault.{fault}")) for field, fault in faults
        ]
    async with deps.store.reading() as tx:
        units = [unit for unit in await list_units(tx, agency.id) if unit != NO_UNIT]
    schedules = await scheduled.list_all(deps.inn, request.scope())
    readers = await scheduled.readers(deps.accounts, agency.id)
    return await request.page(
        "reports/schedules.html",
        title=request.say("report.schedule"),
        problems=problems,
        values=form.flat() if form is not None else {},
        ticked={*form.all("nguoi")} if form is not None else set(),
        rows=[(s, await scheduled.next_send(deps.inn, agency.id, s)) for s in schedules],
        readers=sorted(readers.values(), key=lambda reader: reader.person.name),
        reports=[(key, request.say(f"report.{key}")) for key, r in REPORTS.items() if not r.of_node],
        lines=[("", request.say("report.schedule.by.first")), *_lines(request)],
        periods=[(kind.value, request.say(f"report.schedule.period.{kind}")) for kind in PeriodKind],
        forms=[(form, form.upper()) for form in FORMS],
        units=[("", request.say("report.unit.all")), *((unit, unit) for unit in units)],
        here=PATH,
    )


def _lines(request: PageRequest) -> list[tuple[str, str]]:
    return [(by.value, request.say(f"report.by.{by}")) for by in By if by is not By.AGENCY]


async def act_on_schedule(request: PageRequest) -> web.StreamResponse:
    """Ask whether to pause, resume or remove a schedule, and do so."""
    deps, id, act = request.deps, request.path("id"), _ACTS.get(request.path("act"))
    schedule = next((s for s in await scheduled.list_all(deps.inn, request.scope()) if s.id == id), None)
    if schedule is None or act is None:
        raise NotFound(f"the agency has no report schedule {id[:80]}, or there is no such act")
    if not request.is_act:
        return await request.question(
            None,
            f"report.schedule.{act}",
            back=PATH,
            grave=act == "remove",
            report=request.say(f"report.{schedule.wish.report}"),
        )
    if act == "remove":
        await scheduled.remove(deps.inn, request.scope(), id)
    else:
        await scheduled.set_pause(deps.inn, request.scope(), id, is_paused=act == "pause")
    return request.confirm(PATH, f"report.schedule.{act}")


_, _, both = routes.sharing(needs=KEEPS_SCHEDULES, key="reports")
ROUTES = (
    *both(PATH, "report_schedules", "report_schedule_made", show_schedules),
    *both(f"{PATH}/{{id}}/{{act}}", "report_schedule_ask", "report_schedule_acted", act_on_schedule),
)
