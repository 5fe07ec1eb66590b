"""Preservation orders of the agency (R129): the list, a new order for a document or by conditions, and its end, which a
clerk or head asks for and another head agrees to. In: the form, an order's id. Out: the page, or the order as it now is."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from gateway import preservation
from gateway.domain.preservation import LONGEST_DECISION, LONGEST_REASON, Extent, PreservationOrder
from gateway.errors import Clash, NotFound
from gateway_office.domain.roles import Manner, Right
from gateway_office.web import dates, display_names, routes
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.agencies import common
from gateway_office.web.routes import Needs

PATH = "/so-van-ban/giu-nguyen"
_ROWS, _MOST_NAMES = 50, 5
_ENDS = (Needs(right=Right.PRESERVE, manners=(Manner.YES,)),)
get, post, both = routes.sharing(needs=(Needs(right=Right.PRESERVE),), key="books")


async def show_orders(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    cursor = request.ask("sau")[:200] or None
    async with request.deps.store.read(request.scope()) as work:
        page = await work.preservation.page(limit=_ROWS, cursor=cursor)
        ids = [id for order in page.items for id in order.extent.documents[:_MOST_NAMES]]
        lines = await work.office.lists.lines(ids)
    people = {id for order in page.items for id in _people_of(order)}
    return await request.form_page(
        "books/preservation.html",
        problems,
        title=request.say("books.preservation"),
        orders=page.items,
        lines=lines,
        most=_MOST_NAMES,
        following=page.next_cursor,
        names=await display_names.names_of(request, people, "incoming.by"),
        document=request.ask("van-ban")[:80],
        may_end=request.may(Right.PRESERVE, Manner.YES),
        person=request.person.person.id,
        longest={"reason": LONGEST_REASON, "decision": LONGEST_DECISION},
    )


@faults_on(show_orders, Clash, NotFound)
async def add(request: PageRequest) -> web.StreamResponse:
    text, problems = request.form.text, Problems()
    extent = Extent(
        documents=tuple(text("documents").split()),
        since=dates.typed_day(text("since"), request.today),
        until=dates.typed_day(text("until"), request.today),
        file_code=text("file"),
    )
    if text("partner"):
        code, fault = await common.known_code(request, text("partner"))
        extent = replace(extent, partner=code)
        problems += [("partner", fault)] if fault else []
    for name in ("since", "until"):
        if text(name) and getattr(extent, name) is None:
            problems.append((name, request.say("books.day.unreadable")))
    if problems:
        return await show_orders(request, problems)
    deps = request.deps
    await preservation.begin(
        deps.store, deps.clock, request.scope(), extent, text("reason"), text("decision")
    )
    return request.confirm(PATH, "books.preservation.added")


async def end(request: PageRequest) -> web.StreamResponse:
    """Ask for an order's end, as its first person; or end it, as the second one."""
    deps, scope, id = request.deps, request.scope(), request.path("id")
    async with deps.store.read(scope) as work:
        order = await work.preservation.get(id)
    is_second = order.asked_end is not None and request.may(Right.PRESERVE, Manner.YES)
    key = "books.preservation.end" if is_second else "books.preservation.ask"
    problems = Problems()
    if request.is_act:
        try:
            if is_second:
                await preservation.end(deps.store, deps.clock, scope, id)
            else:
                await preservation.ask_end(deps.store, deps.clock, scope, id, request.form.text("reason"))
            return request.confirm(
                PATH, "books.preservation.ended" if is_second else "books.preservation.asked"
            )
        except Clash as error:
            problems.append(("" if is_second else "reason", request.why(error)))
    return await request.question(
        problems,
        key,
        f"{key}.text",
        key,
        back=PATH,
        extent=(order.decision, order.asked_end.why if is_second and order.asked_end else order.reason),
        part="" if is_second else "books/_preservation_end.html",
        look="card",
        grave=is_second,
    )


def _people_of(order: PreservationOrder) -> list[str]:
    return [id for id in (order.by, order.asked_end.by if order.asked_end else "", order.ended_by) if id]


ROUTES = (
    get(PATH, "preservation", show_orders),
    post(PATH, "preservation_ordered", add),
    *both(f"{PATH}/{{id}}/ket-thuc", "preservation_end", "preservation_ended", end),
)
