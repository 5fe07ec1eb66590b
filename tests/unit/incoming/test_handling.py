"""The parts of units in a document that was taken in: each with its own day, handed back with a reason, done, and closed
with the whole; its sender hears 04 once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.domain.document import Assignment, IncomingDocument, Informed, UnitDeadline, UnitPerson
from gateway.domain.handling import PartState, Share, UnitMember, UnitPart, unit_key
from gateway.errors import Clash, Refused
from gateway.incoming import act, handling
from gateway.policy.verdict import ReasonCode, Verdict
from tests.support.node import COMMUNE, PROVINCE, Town
from tests.support.units import add_units

LEAD, HELP, OTHER = "Phòng Tổng hợp", "Phòng Tài chính", "Phòng Kinh tế"
BY, OWN = date(2026, 11, 27), date(2026, 11, 25)
ASSIGNED = Assignment(
    lead_unit=LEAD,
    coordinating_units=(HELP,),
    deadline=BY,
    deadlines=(UnitDeadline(unit=HELP, deadline=OWN),),
)


async def assigned(town: Town) -> IncomingDocument:
    scope = await town.scope(PROVINCE)
    await add_units(town.node.store, town.clock, scope.agency_id, LEAD, HELP, OTHER)
    await town.send("15")
    await town.carry()
    arrived = await town.only()
    await town.status(arrived, "03", register_no="4")
    outcome = await town.status(arrived, "04", assignment=ASSIGNED)
    return outcome.document


async def parts_of(town: Town, document: IncomingDocument) -> Sequence[UnitPart]:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        return (await work.parts.of_documents([document.id]))[document.id]


async def event_data(town: Town, document: IncomingDocument, kind: str) -> list[dict[str, object]]:
    return [dict(event.data) for event in await town.events(PROVINCE, document.id) if event.kind == kind]


async def test_each_unit_has_its_part_with_its_own_day(town: Town) -> None:
    """The part that is due first leads, and a unit's list has its own parts alone. R63 (lead, support, limit)."""
    document = await assigned(town)

    parts = await parts_of(town, document)
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        everything = await work.parts.open_of(None, 9)
        theirs = await work.parts.open_of(Share(units=frozenset({"phong tai chinh"})), 9)

    assert [(part.unit, part.is_lead, part.deadline, part.state) for part in parts] == [
        (LEAD, True, BY, PartState.OPEN),
        (HELP, False, OWN, PartState.OPEN),
    ]
    assert [part.unit for part, _ in everything] == [HELP, LEAD]
    assert [(part.unit, d.id) for part, d in theirs] == [(HELP, document.id)]


async def test_nothing_is_handed_back_without_a_reason_or_by_whom_it_was_not_given_to(town: Town) -> None:
    document = await assigned(town)
    services, scope = town.node.inn, await town.scope(PROVINCE)

    with pytest.raises(Refused, match="missing"):
        await handling.hand_back(services, scope, document.id, HELP, "  ")
    with pytest.raises(Clash, match="no part"):
        await handling.hand_back(services, scope, document.id, OTHER, "Không phải của phòng")

    assert {part.state for part in await parts_of(town, document)} == {PartState.OPEN}


async def test_what_a_head_hands_back_waits_until_it_is_assigned_anew_and_the_sender_hears_04_once(
    town: Town,
) -> None:
    """R65 (back to the assigner)."""
    document = await assigned(town)
    services, scope = town.node.inn, await town.scope(PROVINCE)
    await town.carry()
    statuses = await town.statuses(PROVINCE)

    back = await handling.hand_back(services, scope, document.id, HELP.upper(), "Không thuộc việc của phòng")
    async with town.node.store.read(scope) as work:
        waiting = [part.unit for part, _ in await work.parts.returned(9)]
    town.clock.advance(timedelta(minutes=1))
    await act.assign(
        services, scope, document.id, Assignment(lead_unit=LEAD, coordinating_units=(OTHER,), deadline=BY)
    )
    await town.carry()

    assert (back.state, waiting) == (PartState.RETURNED, [HELP])
    assert await event_data(town, document, "inbox.handed_back") == [
        {"unit": HELP, "lead": False, "reason": "Không thuộc việc của phòng"}
    ]
    assert {part.unit: part.state for part in await parts_of(town, document)} == {
        LEAD: PartState.OPEN,
        HELP: PartState.SETTLED,
        OTHER: PartState.OPEN,
    }
    assert await town.statuses(PROVINCE) == statuses


async def test_a_unit_that_helps_ends_its_part_and_06_ends_all_until_the_work_is_reopened(town: Town) -> None:
    document = await assigned(town)
    services, scope = town.node.inn, await town.scope(PROVINCE)

    await handling.finish(services, scope, document.id, HELP)
    with pytest.raises(Clash, match="no part"):
        await handling.finish(services, scope, document.id, LEAD)
    await town.status(document, "06")
    states = {part.unit: part.state for part in await parts_of(town, document)}
    with pytest.raises(Clash, match="no part"):
        await handling.hand_back(services, scope, document.id, LEAD, "Muộn rồi, đã xong")
    await town.status(document, "05", note="Đóng nhầm", reopens=True)

    assert states == {LEAD: PartState.DONE, HELP: PartState.DONE}
    assert await event_data(town, document, "inbox.part_done") == [{"unit": HELP, "lead": False}]
    opened = [part.unit for part in await parts_of(town, document) if part.state is PartState.OPEN]
    assert sorted(opened) == sorted([LEAD, HELP])


async def test_a_unit_that_the_agency_does_not_have_is_given_nothing(town: Town) -> None:
    document = await assigned(town)
    services, scope = town.node.inn, await town.scope(PROVINCE)
    await act.assign(
        services, scope, document.id, Assignment(lead_unit=LEAD.upper(), coordinating_units=(OTHER,))
    )

    for assignment, place, suggestion in (
        (Assignment(lead_unit="Phòng Kinh tê 2"), "lead_unit", OTHER),
        (Assignment(lead_unit=LEAD, coordinating_units=(OTHER, "Ban X")), "coordinating_units/1", None),
    ):
        with pytest.raises(Refused) as refused:
            await act.assign(services, scope, document.id, assignment)
        verdict = refused.value.verdict
        assert isinstance(verdict, Verdict)
        (broken,) = verdict.reasons
        assert broken.code is ReasonCode.UNIT_UNKNOWN
        assert (broken.pointer, broken.suggest) == (f"/assignment/{place}", suggestion)
    document_before = await town.reload(document)
    with pytest.raises(Refused, match="unit-unknown"):
        await town.status(document, "04", assignment=Assignment(lead_unit="Ban X"))
    assert await town.reload(document) == document_before


async def test_any_unit_is_taken_where_the_agency_has_none(town: Town) -> None:
    await town.send("15", COMMUNE, sender=PROVINCE)
    await town.carry()
    arrived, assignment = await town.only(COMMUNE), Assignment(lead_unit="Ban X")
    scope = await town.scope(COMMUNE)
    await add_units(town.node.store, town.clock, scope.agency_id, "Phòng Tổng hợp")
    async with town.node.store.changing(scope) as work:
        for unit in await work.units.all():
            await work.units.save(replace(unit, closed_at=town.node.inn.clock.now()))

    assigned_document = await act.assign(town.node.inn, scope, arrived.id, assignment)

    assert assigned_document.assignment == assignment


async def member(town: Town, document: IncomingDocument, unit: str) -> UnitMember:
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        members = await work.units.members(town.node.inn.clock.now())
    return next(m for m in members if unit_key(m.unit) == unit_key(unit))


def share(unit: str, person: str = "", *, leads: bool = False) -> Share:
    keys = frozenset({unit_key(unit)})
    return Share(units=keys, leading=keys if leads else frozenset(), persons=frozenset({person}))


async def test_a_named_person_has_the_units_part_and_one_who_is_informed_ends_it_by_seeing(
    town: Town,
) -> None:
    """The head of a unit gives the part on; an informed person has no day, and the sender learns nothing of it."""
    document = await assigned(town)
    scope, services = await town.scope(PROVINCE), town.node.inn
    person, informed = await member(town, document, HELP), await member(town, document, OTHER)
    assignment = replace(
        ASSIGNED,
        persons=(UnitPerson(unit=HELP, person=person.person_id),),
        informed=(Informed(unit=OTHER, person=informed.person_id),),
    )
    await act.assign(services, scope, document.id, assignment)

    parts = [p for p in await parts_of(town, document) if p.state is PartState.OPEN]
    assert {(p.unit, p.person_id, p.is_informed, p.deadline) for p in parts} == {
        (LEAD, None, False, BY),
        (HELP, person.person_id, False, OWN),
        (OTHER, informed.person_id, True, None),
    }
    with pytest.raises(Clash):
        await handling.finish(services, scope, document.id, share(OTHER, informed.person_id))
    with pytest.raises(Clash):
        await handling.confirm_reading(services, scope, document.id, share(OTHER, "prn_other"))
    await handling.confirm_reading(services, scope, document.id, share(OTHER, informed.person_id))
    await act.assign(services, scope, document.id, assignment)
    parts = [p for p in await parts_of(town, document) if p.state is PartState.OPEN]
    assert not any(p.is_informed for p in parts)
    assert await event_data(town, document, "inbox.informed") == [
        {"unit": OTHER, "person": informed.person_id}
    ]
    ended_part = await handling.finish(services, scope, document.id, share(HELP, person.person_id))
    assert ended_part.person_id == person.person_id


async def test_a_head_gives_the_part_of_the_unit_to_a_person_of_it_and_back_to_the_unit(town: Town) -> None:
    document = await assigned(town)
    scope, services = await town.scope(PROVINCE), town.node.inn
    person, stranger = await member(town, document, HELP), await member(town, document, OTHER)
    part = next(p for p in await parts_of(town, document) if p.unit == HELP)
    head = share(HELP, leads=True)

    with pytest.raises(Refused, match="unit-person"):
        await handling.give_on(services, scope, document.id, head, part.id, stranger.person_id)
    with pytest.raises(Clash):
        await handling.give_on(services, scope, document.id, share(HELP), part.id, person.person_id)
    given_part = await handling.give_on(services, scope, document.id, head, part.id, person.person_id)
    assignment = (await town.reload(document)).assignment
    assert assignment is not None
    assert (given_part.person_id, given_part.deadline) == (person.person_id, OWN)
    assert assignment.persons == (UnitPerson(unit=HELP, person=person.person_id),)
    assert not share(HELP, "prn_colleague").covers_assignment(assignment)

    await handling.give_on(services, scope, document.id, head, part.id, "")
    assignment = (await town.reload(document)).assignment
    assert assignment is not None
    assert assignment.persons == ()


async def test_persons_are_of_the_unit_that_is_assigned(town: Town) -> None:
    document = await assigned(town)
    scope, person = await town.scope(PROVINCE), await member(town, document, HELP)
    for wrong, place in (
        (replace(ASSIGNED, persons=(UnitPerson(unit=LEAD, person=person.person_id),)), "persons/0"),
        (replace(ASSIGNED, persons=(UnitPerson(unit=OTHER, person=person.person_id),)), "persons/0"),
        (replace(ASSIGNED, informed=(Informed(unit=HELP, person="nobody"),)), "informed/0"),
    ):
        with pytest.raises(Refused, match="unit-person") as refusal:
            await act.assign(town.node.inn, scope, document.id, wrong)
        verdict = refusal.value.verdict
        assert isinstance(verdict, Verdict)
        assert verdict.reasons[0].pointer == f"/assignment/{place}"
    assert (await town.reload(document)).assignment == document.assignment
