"""Work of units on a document that was taken in. Each unit has a part with a deadline; a coordinating unit reports its
part as done; a unit's head hands it back with a reason, and it is assigned anew. In: an open unit of work with a document
that was just assigned, or an agency's scope and a unit. Out: the parts as they are now; each change is an event. The
document's sender learns only the statuses of `act`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from gateway.domain.account import AgencyScope
from gateway.domain.document import WORKED_ON, Assignment, IncomingDocument
from gateway.domain.event import EventKind
from gateway.domain.handling import PartState, UnitPart, required_parts, unit_key
from gateway.errors import Clash, Refused
from gateway.incoming.services import IncomingServices
from gateway.policy.verdict import ReasonCode, Verdict, reason

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

LONGEST_WHY = 500
_ALIKE = 0.85


async def give(
    work: SqlWork, document: IncomingDocument, by: str, now: datetime, new_id: Callable[[str], str]
) -> None:
    """Give out the parts that the document's assignment names; unchanged parts keep their beginning, and others are
    ended. Raises Refused for a unit that the agency does not have, where its units are known."""
    if document.assignment is None:
        return
    await refuse_unknown(work, document.assignment, now)
    needed = {(unit_key(unit), lead, day): unit for unit, lead, day in required_parts(document.assignment)}
    for part in (await work.parts.of_documents([document.id]))[document.id]:
        if part.state is PartState.RETURNED:
            await work.parts.settle(replace(part, state=PartState.SETTLED))
        elif (
            part.state is PartState.OPEN and needed.pop((part.key, part.is_lead, part.deadline), None) is None
        ):
            await work.parts.end(replace(part, state=PartState.CHANGED, ended_by=by, ended_at=now))
    for (_, lead, day), unit in needed.items():
        part = UnitPart(
            id=new_id("prt_"),
            document_id=document.id,
            unit=unit,
            is_lead=lead,
            deadline=day,
            given_by=by,
            given_at=now,
        )
        await work.parts.add(part)


async def refuse_unknown(work: SqlWork, assignment: Assignment, now: datetime) -> None:
    """Raise Refused for units that the agency does not have, each with the nearest known name."""
    units = {unit_key(unit): unit for unit in await work.parts.units(now)}
    named_units = [("lead_unit", assignment.lead_unit)]
    named_units += [(f"coordinating_units/{n}", unit) for n, unit in enumerate(assignment.coordinating_units)]
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
    if reasons:
        raise Refused(Verdict(reasons=reasons))


async def close(work: SqlWork, document: IncomingDocument, by: str, now: datetime) -> None:
    """Close every open part of the document as done."""
    for part in (await work.parts.of_documents([document.id]))[document.id]:
        if part.state is PartState.RETURNED:
            await work.parts.settle(replace(part, state=PartState.SETTLED))
        elif part.state is PartState.OPEN:
            await work.parts.end(replace(part, state=PartState.DONE, ended_by=by, ended_at=now))


async def hand_back(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str,
    why: str,
    expect_version: int | None = None,
) -> UnitPart:
    """Hand the unit's part back to the person who assigns. Refused without a reason, Clash where it has no open part."""
    words = " ".join(why.split())[:LONGEST_WHY]
    if not words:
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    return await _end(services, scope, incoming_id, unit, PartState.RETURNED, words, expect_version)


async def finish(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str,
    expect_version: int | None = None,
) -> UnitPart:
    """End the part of a coordinating unit; a lead unit ends its part with status 06. Clash where it has no open part."""
    return await _end(services, scope, incoming_id, unit, PartState.DONE, "", expect_version)


async def _end(
    services: IncomingServices,
    scope: AgencyScope,
    incoming_id: str,
    unit: str,
    state: PartState,
    why: str,
    expect_version: int | None,
) -> UnitPart:
    """End the unit's open part in this state, with an event; Clash where it may not."""
    now, key = services.clock.now(), unit_key(unit)
    async with services.store.begin(scope) as work:
        document = await work.incoming.get(incoming_id)
        if expect_version is not None:
            document = await work.incoming.save(document, expect_version=expect_version)
        parts = (await work.parts.of_documents([document.id]))[document.id]
        part = next((p for p in parts if p.state is PartState.OPEN and p.key == key), None)
        leads_on = part is not None and part.is_lead and state is PartState.DONE
        if part is None or leads_on or document.state not in WORKED_ON:
            raise Clash(f"{unit!r} has no part in {incoming_id} that it could end so", code="GW-PART")
        ended = replace(part, state=state, ended_by=scope.principal_id, ended_at=now, why=why)
        await work.parts.end(ended)
        kind = EventKind.INBOX_HANDED_BACK if state is PartState.RETURNED else EventKind.INBOX_PART_DONE
        details = {"unit": part.unit, "lead": part.is_lead, **({"reason": why} if why else {})}
        await work.events.append(kind, document.id, now, details)
        await work.commit()
    services.wake()
    return ended
