"""Work of units on a document that was taken in. Each unit, or named person of it, has a part with a deadline; a
coordinating part is reported as done; a unit's head hands the part back with a reason, and it is assigned anew, or gives
it to a person of the unit. Units and persons who are only informed have a part until they have seen the document. In: an
open unit of work with a document that was just assigned, or an agency's scope and a share of its work. Out: the parts as
they are now; each change is an event. The document's sender learns only the statuses of `act`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import WORKED_ON, Assignment, IncomingDocument, UnitPerson
from gateway.domain.event import EventKind
from gateway.domain.handling import PartState, Share, UnitPart, required_parts, unit_key
from gateway.errors import Clash, Refused
from gateway.incoming.services import IncomingServices
from gateway.policy.verdict import Reason, ReasonCode, Verdict, reason

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

LONGEST_WHY = 500
_ALIKE = 0.85


async def give(
    work: SqlWork, document: IncomingDocument, by: str, now: datetime, new_id: Callable[[str], str]
) -> None:
    """Give out the parts that the document's assignment names; unchanged parts keep their beginning, and others are
    ended. Units and persons that have seen the document are not informed again. `resolve` has checked the names."""
    if document.assignment is None:
        return
    needed = {part.key: part for part in required_parts(document.assignment)}
    for part in (await work.parts.of_documents([document.id]))[document.id]:
        key = (part.key, part.person_id, part.is_lead, part.is_informed, part.deadline)
        if part.state is PartState.RETURNED:
            await work.parts.settle(replace(part, state=PartState.SETTLED))
        elif part.state is PartState.OPEN and needed.pop(key, None) is None:
            await work.parts.change_open(replace(part, state=PartState.CHANGED, ended_by=by, ended_at=now))
        elif part.state is PartState.DONE and part.is_informed:
            needed.pop(key, None)
    for required in needed.values():
        part = UnitPart(
            id=new_id("prt_"),
            document_id=document.id,
            unit=required.unit,
            is_lead=required.is_lead,
            deadline=required.deadline,
            given_by=by,
            given_at=now,
            person_id=required.person_id,
            is_informed=required.is_informed,
        )
        await work.parts.add(part)


async def resolve(work: SqlWork, assignment: Assignment, now: datetime) -> Assignment:
    """Return the assignment with the ids of its persons, who may be named by their sign-in names. Raise Refused for units
    that the agency does not have, where it has units, and for persons who are not in the unit."""
    if not assignment.persons and not assignment.informed:
        await _refuse_unknown(work, assignment)
        return assignment
    own_units = {unit_key(unit) for unit in (assignment.lead_unit, *assignment.coordinating_units)}
    members = {
        (unit_key(member.unit), name): member.person_id
        for member in await work.units.members(now)
        for name in (member.person_id, member.login)
        if name
    }
    unknown = [
        (f"persons/{n}", entry.person)
        for n, entry in enumerate(assignment.persons)
        if unit_key(entry.unit) not in own_units or (unit_key(entry.unit), entry.person) not in members
    ]
    unknown += [
        (f"informed/{n}", entry.person)
        for n, entry in enumerate(assignment.informed)
        if entry.person is not None and (unit_key(entry.unit), entry.person) not in members
    ]
    await _refuse_unknown(
        work,
        assignment,
        [reason(ReasonCode.UNIT_PERSON, f"/assignment/{place}", text=name) for place, name in unknown],
    )
    return replace(
        assignment,
        persons=tuple(replace(e, person=members[unit_key(e.unit), e.person]) for e in assignment.persons),
        informed=tuple(
            replace(e, person=members[unit_key(e.unit), e.person]) if e.person is not None else e
            for e in assignment.informed
        ),
    )


async def _refuse_unknown(work: SqlWork, assignment: Assignment, other: Sequence[Reason] = ()) -> None:
    """Raise Refused for units that the agency does not have, each with the nearest name that it has, and for the other
    reasons."""
    units = {unit.key: unit.name for unit in await work.units.open()}
    named_units = [("lead_unit", assignment.lead_unit)]
    named_units += [(f"coordinating_units/{n}", unit) for n, unit in enumerate(assignment.coordinating_units)]
    named_units += [(f"informed/{n}", entry.unit) for n, entry in enumerate(assignment.informed)]
    reasons = tuple(
        reason(
            ReasonCode.UNIT_UNKNOWN,
            f"/assignment/{place}",
            text=unit,
            units=", ".join(units.values()),
            suggest=next(
                (units[key] for key in get_close_matches(unit_key(unit), units, n=1, cutoff=_ALIKE)), None
            ),
        )
        for place, unit in named_units
        if units and unit_key(unit) not in units
    )
    if reasons or other:
        raise Refused(Verdict(reasons=(*reasons, *other)))


async def close(work: SqlWork, document: IncomingDocument, by: str, now: datetime) -> None:
    """Close every open part of the document as done. Informed units and persons have yet to see it."""
    for part in (await work.parts.of_documents([document.id]))[document.id]:
        if part.is_informed:
            continue
        if part.state is PartState.RETURNED:
            await work.parts.settle(replace(part, state=PartState.SETTLED))
        elif part.state is PartState.OPEN:
            await work.parts.change_open(replace(part, state=PartState.DONE, ended_by=by, ended_at=now))


async def hand_back(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str | Share,
    why: str,
    expect_version: int | None = None,
) -> UnitPart:
    """Hand the part of the unit, or the first within the share, back to the person who assigns. Refused without a reason,
    Clash where there is no open part."""
    words = " ".join(why.split())[:LONGEST_WHY]
    if not words:
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    return await _end(services, scope, incoming_id, unit, PartState.RETURNED, words, expect_version)


async def finish(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str | Share,
    expect_version: int | None = None,
) -> UnitPart:
    """End the part of a coordinating unit; a lead unit ends its part with status 06. Clash where it has no open part."""
    return await _end(services, scope, incoming_id, unit, PartState.DONE, "", expect_version)


async def _end(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str | Share,
    state: PartState,
    why: str,
    expect_version: int | None,
) -> UnitPart:
    """End the unit's open part in this state, with an event; Clash where it may not."""
    now, is_done = services.clock.now(), state is PartState.DONE
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(incoming_id)
        if expect_version is not None:
            document = await work.incoming.save(document, expect_version=expect_version)
        parts = open_parts((await work.parts.of_documents([document.id]))[document.id], _share(unit))
        part = next((p for p in parts if not p.is_informed and not (p.is_lead and is_done)), None)
        if part is None or document.state not in WORKED_ON:
            owner = repr(unit) if isinstance(unit, str) else "this person"
            raise Clash(f"{owner} has no part in {incoming_id} that it could end so", code="GW-PART")
        ended = replace(part, state=state, ended_by=scope.principal_id, ended_at=now, why=why)
        await work.parts.change_open(ended)
        kind = EventKind.INBOX_PART_DONE if is_done else EventKind.INBOX_HANDED_BACK
        details = {"unit": part.unit, "lead": part.is_lead, **({"reason": why} if why else {})}
        await work.events.append(kind, document.id, now, details | _person(part))
    services.wake()
    return ended


def _share(unit: str | Share) -> Share:
    """Return the share of a unit, with the parts of its persons."""
    return unit if isinstance(unit, Share) else Share(leading=frozenset({unit_key(unit)}))


def open_parts(parts: Sequence[UnitPart], share: Share) -> list[UnitPart]:
    """List the open parts within the share; a person's own come first."""
    covered = [p for p in parts if p.state is PartState.OPEN and share.covers(p.key, p.person_id)]
    return sorted(covered, key=lambda p: p.person_id not in share.persons)


def _person(part: UnitPart) -> dict[str, object]:
    return {"person": part.person_id} if part.person_id else {}


async def give_on(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    share: Share,
    part_id: str,
    person: str,
    expect_version: int | None = None,
) -> UnitPart:
    """Give a part of a unit that the share leads to a person of that unit, by id; an empty one gives it to the unit. Clash
    where it has no such open part; Refused for a person who is not in the unit."""
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(incoming_id)
        parts = (await work.parts.of_documents([document.id]))[document.id]
        part = next((p for p in open_parts(parts, Share(leading=share.leading)) if p.id == part_id), None)
        if part is None or part.is_informed or document.assignment is None or document.state not in WORKED_ON:
            raise Clash(f"there is no part in {incoming_id} that could be given on", code="GW-PART")
        members = {m.person_id for m in await work.units.members(now) if unit_key(m.unit) == part.key}
        if person and person not in members:
            refusal = reason(ReasonCode.UNIT_PERSON, "/person", text=person)
            raise Refused(Verdict(reasons=(refusal,)))
        if any(p is not part and p.person_id == (person or None) for p in parts if _is_like(p, part)):
            raise Clash("this person has a part of the document already", code="GW-PART")
        new_part = replace(part, person_id=person or None)
        await work.parts.change_open(new_part)
        changed = replace(document, assignment=_with_person(document.assignment, part, person))
        await work.incoming.save(changed, expect_version=expect_version)
        details = {"unit": part.unit, "lead": part.is_lead, "person": person}
        await work.events.append(EventKind.INBOX_PART_GIVEN, document.id, now, details)
    services.wake()
    return new_part


def _is_like(part: UnitPart, pattern: UnitPart) -> bool:
    """Tell whether it is open work of the same unit."""
    return part.state is PartState.OPEN and not part.is_informed and part.key == pattern.key


def _with_person(assignment: Assignment, part: UnitPart, person: str) -> Assignment:
    """Return the assignment in which that part is the person's, in the place of the person who had it."""
    persons = list(assignment.persons)
    place = next(
        (n for n, e in enumerate(persons) if unit_key(e.unit) == part.key and e.person == part.person_id),
        len(persons),
    )
    # The name of the assignment stays: the unit may have been renamed since.
    names = (assignment.lead_unit, *assignment.coordinating_units)
    unit = next((name for name in names if unit_key(name) == part.key), part.unit)
    persons[place : place + 1] = [UnitPerson(unit=unit, person=person)] if person else []
    return replace(assignment, persons=tuple(persons))


async def confirm_reading(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str | Share,
    expect_version: int | None = None,
) -> Sequence[UnitPart]:
    """End the parts of the unit, or within the share, that were for information. Clash where there is none."""
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        document = await work.incoming.get(incoming_id)
        if expect_version is not None:
            document = await work.incoming.save(document, expect_version=expect_version)
        parts = open_parts((await work.parts.of_documents([document.id]))[document.id], _share(unit))
        read_parts = [
            replace(part, state=PartState.DONE, ended_by=scope.principal_id, ended_at=now)
            for part in parts
            if part.is_informed
        ]
        if not read_parts:
            raise Clash(f"there is nothing in {incoming_id} to mark as seen", code="GW-PART")
        for part in read_parts:
            await work.parts.change_open(part)
            details = {"unit": part.unit} | _person(part)
            await work.events.append(EventKind.INBOX_INFORMED, document.id, now, details)
    services.wake()
    return read_parts
