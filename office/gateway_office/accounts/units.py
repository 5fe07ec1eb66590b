"""The units of an agency, kept by its administrator: added, renamed, moved under another, closed. In: the administrator, an
agency, a unit. Out: the changed unit, with an event in the agency's log. Posts and open parts follow a rename in the
same unit of work. A unit with persons or open parts is not closed: `UnitDetail` lists them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.document import IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.handling import Share, Unit, UnitMember, UnitPart, is_below, unit_key, walk_tree
from gateway.errors import Clash
from gateway_office.accounts.acting import Administrator, over_agency
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

LONGEST_NAME = 200
MOST_PARTS = 100
_DEEPEST = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDetail:
    """A unit with its depth in the tree, the persons in it and its open parts, at most `MOST_PARTS`."""

    unit: Unit
    depth: int
    members: Sequence[UnitMember]
    parts: Sequence[tuple[UnitPart, IncomingDocument]]

    @property
    def may_close(self) -> bool:
        return not self.members and not self.parts


async def list_units(
    services: AccountServices, by: Administrator, agency_id: str
) -> tuple[Sequence[UnitDetail], Sequence[Unit]]:
    """Return the open units in the order of their tree, and the closed ones by name."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        await over_agency(view, by, agency_id, now)
        units = await view.units_of(agency_id).all()
        members = await view.units_of(agency_id).members(now)
        keys = frozenset(unit.key for unit in units)
        parts = await view.parts_of(agency_id).open_of(Share(leading=keys), MOST_PARTS * 10)
    details = [
        UnitDetail(
            unit=unit,
            depth=depth,
            members=[member for member in members if unit_key(member.unit) == unit.key],
            parts=[(part, document) for part, document in parts if part.key == unit.key][:MOST_PARTS],
        )
        for unit, depth in walk_tree(unit for unit in units if unit.closed_at is None)
    ]
    return details, sorted((u for u in units if u.closed_at is not None), key=lambda u: u.key)


async def names_of_units(services: AccountServices, agency_id: str) -> Sequence[tuple[str, int]]:
    """Return the names of open units in the order of their tree, each with its depth."""
    async with services.accounts.read() as view:
        units = await view.units_of(agency_id).open()
    return [(unit.name, depth) for unit, depth in walk_tree(units)]


async def add_unit(
    services: AccountServices, by: Administrator, agency_id: str, name: str, parent_id: str = ""
) -> Unit:
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        return await _add(work, agency_id, name, now, parent_id or None)


async def _add(
    work: AccountWork, agency_id: str, name: str, now: datetime, parent_id: str | None = None
) -> Unit:
    store = work.units_of(agency_id)
    units = await store.all()
    if parent_id is not None:
        _check_parent(units, "", parent_id)
    unit = Unit(
        id=work.new_id("unt_"),
        name=_checked_name(units, name),
        parent_id=parent_id,
        position=max((unit.position for unit in units), default=-1) + 1,
    )
    await store.add(unit)
    await work.events.append(EventKind.UNIT_ADDED, unit.id, now, {"agency": agency_id, "unit": unit.name})
    return unit


async def change_unit(
    services: AccountServices, by: Administrator, agency_id: str, id: str, name: str, parent_id: str = ""
) -> Unit:
    """Rename the unit and move it under another, or to the top."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        store = work.units_of(agency_id)
        units, unit = await store.all(), await store.get(id)
        _check_open(unit)
        details: dict[str, object] = {"agency": agency_id, "unit": unit.name}
        if parent_id:
            _check_parent(units, id, parent_id)
        if (parent_id or None) != unit.parent_id:
            unit = replace(unit, parent_id=parent_id or None)
            await store.save(unit)
            above = next((u.name for u in units if u.id == parent_id), "")
            details |= {"above": above}
        if (new_name := _checked_name(units, name, id)) != unit.name:
            unit = await store.rename(unit, new_name)
            details |= {"name": new_name}
        if len(details) > 2:
            await work.events.append(EventKind.UNIT_CHANGED, unit.id, now, details)
    return unit


async def move_up(services: AccountServices, by: Administrator, agency_id: str, id: str) -> None:
    """Put the unit before its neighbour under the same unit."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        store = work.units_of(agency_id)
        unit = await store.get(id)
        ordered = [u for u, _ in walk_tree(await store.open()) if u.parent_id == unit.parent_id]
        place = ordered.index(unit)
        if place == 0:
            return
        neighbour = ordered[place - 1]
        # Two units may have one position, as those from before the list; all are counted anew.
        ordered[place - 1 : place + 1] = [unit, neighbour]
        positions = sorted({u.position for u in ordered})
        free = (
            positions if len(positions) == len(ordered) else range(positions[0], positions[0] + len(ordered))
        )
        for moved, position in zip(ordered, free, strict=True):
            if moved.position != position:
                await store.save(replace(moved, position=position))
        details = {"agency": agency_id, "unit": unit.name, "before": neighbour.name}
        await work.events.append(EventKind.UNIT_CHANGED, unit.id, now, details)


async def close_unit(services: AccountServices, by: Administrator, agency_id: str, id: str) -> Unit:
    """Close the unit; units under it stand at the top then. Raise Clash while persons or open parts are in it."""
    async with services.changing(by.principal_id) as (work, now):
        await over_agency(work, by, agency_id, now)
        store = work.units_of(agency_id)
        unit = await store.get(id)
        _check_open(unit)
        has_members = any(unit_key(member.unit) == unit.key for member in await store.members(now))
        parts = await work.parts_of(agency_id).open_of(Share(leading=frozenset({unit.key})), 1)
        if has_members or parts:
            raise Clash(f"the unit {unit.name} still has persons or open parts", code="GW-UNIT")
        closed = replace(unit, closed_at=now)
        await store.save(closed)
        for below in await store.open():
            if below.parent_id == id:
                await store.save(replace(below, parent_id=unit.parent_id))
        await work.events.append(
            EventKind.UNIT_CLOSED, unit.id, now, {"agency": agency_id, "unit": unit.name}
        )
    return closed


async def listed_name(work: AccountWork, agency_id: str, name: str, now: datetime) -> str:
    """Return the unit's name as the list has it, also for one of its former names; a new one is
    added. Raise Clash for a closed one."""
    tidy = " ".join(name.split())[:LONGEST_NAME]
    if not tidy:
        return ""
    key = unit_key(tidy)
    unit = next((unit for unit in await work.units_of(agency_id).all() if key in unit.keys), None)
    if unit is None:
        unit = await _add(work, agency_id, tidy, now)
    _check_open(unit)
    return unit.name


def _checked_name(units: Sequence[Unit], name: str, id: str = "") -> str:
    """Return the tidied name. Raise Clash for none, and for one that another unit has or had."""
    tidy = " ".join(name.split())
    if not tidy or len(tidy) > LONGEST_NAME:
        raise Clash(f"a unit has a name of 1 to {LONGEST_NAME} letters", code="GW-UNIT")
    if any(unit_key(tidy) in unit.keys for unit in units if unit.id != id):
        raise Clash(f"another unit has or had the name {tidy!r}", code="GW-UNIT-NAME")
    return tidy


def _check_parent(units: Sequence[Unit], id: str, parent_id: str) -> None:
    parents = {unit.id: unit.parent_id for unit in units if unit.closed_at is None}
    if parent_id not in parents or is_below(units, parent_id, id):
        raise Clash("a unit stands under an open unit that is not under it", code="GW-UNIT-PARENT")
    depth, at = 0, parents.get(parent_id)
    while at is not None and depth <= _DEEPEST:
        depth, at = depth + 1, parents.get(at)
    if depth + 1 > _DEEPEST:
        raise Clash(f"units stand at most {_DEEPEST} deep", code="GW-UNIT-PARENT")


def _check_open(unit: Unit) -> None:
    if unit.closed_at is not None:
        raise Clash(f"the unit {unit.name} is closed", code="GW-UNIT")
