"""The office calendar: holidays and swap days of a year, those that ship with the program and those that this node set;
every clock of office hours runs by it. In: days as typed, or as a file. Out: the year's days, and the changes from now
on."""

from __future__ import annotations

from aiohttp import web

from gateway.domain.office_calendar import SHIPPED, CalendarDay, DayKind
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound
from gateway.policy import timers
from gateway_office.domain.roles import NODE
from gateway_office.policy import calendar_file
from gateway_office.web import dates, forms, routes
from gateway_office.web.forms import Problems
from gateway_office.web.menu import OPERATES
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.routes import Access, FormBody

PATH = "/quan-tri/lich"
# The calendar is the node's: its operators set it.
get, post, _ = routes.sharing(access=Access.READY, needs=OPERATES, key="administration")


async def add_day(request: PageRequest) -> web.StreamResponse:
    day = dates.typed_day(request.form.text("day"), request.today)
    kind, name = request.form.text("kind"), request.form.text("name")
    if day is None:
        return await show_days(request, [("day", request.say("books.day.unreadable"))])
    if kind not in tuple(DayKind) or len(name) > calendar_file.LONGEST_NAME:
        return await show_days(request, [("name", request.say("office.name.long"))])
    calendar_day = CalendarDay(day=day, kind=DayKind(kind), name=name)
    await request.deps.todo.calendar.save([calendar_day], request.deps.clock.now(), request.person.person.id)
    return request.confirm(PATH, "office.added", nam=str(day.year))


async def remove_day(request: PageRequest) -> web.StreamResponse:
    now, by = request.deps.clock.now(), request.person.person.id
    day = dates.typed_day(request.form.text("day"), local(now).date())
    if day is None or not await request.deps.todo.calendar.remove(day, now, by):
        raise NotFound("this node has said nothing of its own about that day")
    return request.confirm(PATH, "office.removed", nam=str(day.year))


async def import_days(request: PageRequest) -> web.StreamResponse:
    """Import all days of the file, or none."""
    content = bytearray()
    async for part in forms.parts(request.http, request.token):
        await forms.hold(part, content, calendar_file.MOST_BYTES, "the calendar file is too large")
    try:
        days = calendar_file.read(bytes(content))
    except Clash as error:
        # Its faults are named with their lines; they are few and short.
        return await show_days(request, [("file", f"{request.say('clash.GW-CALENDAR')} {error}")])
    await request.deps.todo.calendar.save(days, request.deps.clock.now(), request.person.person.id)
    return request.confirm(PATH, "office.imported", nam=str(days[0].day.year))


async def show_days(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    year = request.query_year()
    own = await request.deps.todo.calendar.days()
    days = [d for d in timers.merged_days(SHIPPED, own) if d.day.year == year]
    return await request.form_page(
        "office/days.html",
        problems,
        title=request.say("office.title"),
        year=year,
        days=days,
        names={d.day: request.say(d.name) if d.shipped else d.name for d in days},
        kinds=[(k.value, request.say(f"day_kind.{k}")) for k in DayKind],
        spans=(await request.deps.todo.office(NODE)).spans,
    )


ROUTES = (
    get(PATH, "office_days", show_days),
    post(f"{PATH}/them", "office_day_added", add_day),
    post(f"{PATH}/bo", "office_day_removed", remove_day),
    post(f"{PATH}/nhap", "office_days_imported", import_days, body=FormBody.PARTS),
)
