"""The units of an agency: the list as a tree, a new unit, and one unit with the persons in it and its open parts, where it
is renamed, moved or closed. In: an administrator; an agency. Out: pages; a unit that cannot be closed says why not."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.domain.handling import is_below
from gateway.errors import Clash, NotFound
from gateway_office.accounts import units
from gateway_office.accounts.units import UnitDetail
from gateway_office.web.forms import Problems
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.pages.administration.accounts import (
    HOME,
    Place,
    administrator,
    both,
    chosen_agency,
    get,
    list_agencies,
    post,
)

PATH = f"{HOME}/don-vi"
_UNIT_PATH = f"{PATH}/{{id:unt_[0-9A-Za-z]{{1,40}}}}"
_FIELDS = {"GW-UNIT-PARENT": "parent"}


async def list_units(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    place = await chosen_agency(request)
    details, closed = await units.list_units(request.deps.accounts, administrator(request), place.id)
    return await request.form_page(
        "admin/units.html",
        problems,
        title=request.say("admin.units"),
        details=details,
        closed=closed,
        here=place,
        places=[(p.key, p.name) for p in await list_agencies(request)],
        parents=_parents(request, details),
        values=request.form.flat(),
    )


@faults_on(list_units, Clash, fields=_FIELDS, other="name")
async def add_unit(request: PageRequest) -> web.StreamResponse:
    form, place = request.form, await chosen_agency(request)
    services, by = request.deps.accounts, administrator(request)
    await units.add_unit(services, by, place.id, form.text("name"), form.text("parent"))
    return request.confirm(PATH, "admin.unit_added", **{"co-quan": place.key})


async def show_unit(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    place = await chosen_agency(request)
    details, detail = await _load(request, place)
    listed = [other.unit for other in details]
    values = (
        request.form.flat() if problems else {"name": detail.unit.name, "parent": detail.unit.parent_id or ""}
    )
    return await request.form_page(
        "admin/unit.html",
        problems,
        title=detail.unit.name,
        detail=detail,
        here=place,
        parents=_parents(request, [d for d in details if not is_below(listed, d.unit.id, detail.unit.id)]),
        values=values,
    )


@faults_on(show_unit, Clash, fields=_FIELDS, other="name")
async def change_unit(request: PageRequest) -> web.StreamResponse:
    form, place = request.form, await chosen_agency(request)
    services, by, id = request.deps.accounts, administrator(request), request.path("id")
    if form.text("up") == "1":
        await units.move_up(services, by, place.id, id)
    else:
        await units.change_unit(services, by, place.id, id, form.text("name"), form.text("parent"))
    return request.confirm(PATH, "admin.unit_changed", **{"co-quan": place.key})


async def close_unit(request: PageRequest) -> web.StreamResponse:
    place = await chosen_agency(request)
    _, detail = await _load(request, place)
    if request.is_act and detail.may_close:
        await units.close_unit(request.deps.accounts, administrator(request), place.id, detail.unit.id)
        return request.confirm(PATH, "admin.unit_closed", **{"co-quan": place.key})
    closed = "" if detail.may_close else request.say("admin.unit.close.not")
    return await request.question(
        None,
        "admin.unit.close",
        back=PATH,
        query={"co-quan": place.key},
        hidden={"place": place.key},
        name=detail.unit.name,
        part="admin/_unit.html",
        detail=detail,
        closed=closed,
        grave=True,
    )


async def _load(request: PageRequest, place: Place) -> tuple[Sequence[UnitDetail], UnitDetail]:
    details, _ = await units.list_units(request.deps.accounts, administrator(request), place.id)
    detail = next((d for d in details if d.unit.id == request.path("id")), None)
    if detail is None:
        raise NotFound("there is no such unit, or it is closed")
    return details, detail


def _parents(request: PageRequest, details: Sequence[UnitDetail]) -> list[tuple[str, str]]:
    """List the units under which another may stand, deeper ones behind dashes, as a list of choices shows no tree."""
    names = [(d.unit.id, f"{'– ' * d.depth}{d.unit.name}") for d in details]
    return [("", request.say("admin.unit.top")), *names]


ROUTES = (
    get(PATH, "units", list_units),
    post(PATH, "unit_added", add_unit),
    get(_UNIT_PATH, "unit", show_unit),
    post(_UNIT_PATH, "unit_changed", change_unit),
    *both(f"{_UNIT_PATH}/dong", "unit_close", "unit_closed", close_unit),
)
