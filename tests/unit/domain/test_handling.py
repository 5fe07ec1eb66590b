"""Parts that an assignment makes, which of them concern a person, and units as a tree."""

from __future__ import annotations

from datetime import date

from gateway.domain.document import Assignment, Informed, UnitDeadline, UnitPerson
from gateway.domain.handling import Share, Unit, is_below, required_parts, walk_tree

BY, OWN = date(2026, 11, 27), date(2026, 11, 25)


def test_a_unit_with_named_persons_has_a_part_for_each_of_them() -> None:
    assignment = Assignment(
        lead_unit="Phòng A",
        coordinating_units=("Phòng B", "PHÒNG A", "Phòng C"),
        deadline=BY,
        deadlines=(UnitDeadline(unit="Phòng B", deadline=OWN),),
        persons=(
            UnitPerson(unit="Phòng A", person="prn_1"),
            UnitPerson(unit="phòng a", person="prn_2"),
            UnitPerson(unit="Phòng B", person="prn_3"),
        ),
        informed=(
            Informed(unit="Phòng D"),
            Informed(unit="Phòng A", person="prn_4"),
            Informed(unit="Phòng C"),
        ),
    )

    assert [tuple(part) for part in required_parts(assignment)] == [
        ("Phòng A", "prn_1", True, False, BY),
        ("Phòng A", "prn_2", False, False, BY),
        ("Phòng B", "prn_3", False, False, OWN),
        ("Phòng C", None, False, False, BY),
        ("Phòng D", None, False, True, None),
        ("Phòng A", "prn_4", False, True, None),
    ]


def test_a_named_part_concerns_its_person_and_the_head_of_the_unit_alone() -> None:
    assignment = Assignment(lead_unit="Phòng A", persons=(UnitPerson(unit="Phòng A", person="prn_1"),))
    unit = frozenset({"phong a"})
    person, colleague = (Share(units=unit, persons=frozenset({id})) for id in ("prn_1", "prn_2"))
    head, outsider = Share(units=unit, leading=unit), Share(leading=frozenset({"phong b"}))

    assert [s.covers_assignment(assignment) for s in (person, colleague, head, outsider)] == [
        True,
        False,
        True,
        False,
    ]
    assert colleague.covers_assignment(Assignment(lead_unit="PHÒNG A"))
    assert not colleague.covers_assignment(None)


def test_who_is_informed_sees_the_document_and_has_no_work_on_it() -> None:
    assignment = Assignment(lead_unit="Phòng A", informed=(Informed(unit="Phòng B"),))
    informed = Share(units=frozenset({"phong b"}))

    assert (informed.covers_assignment(assignment), informed.works_on(assignment)) == (True, False)


def test_units_are_walked_as_a_tree_and_those_under_a_closed_one_stand_at_the_top() -> None:
    units = [
        Unit(id="3", name="Tổ Một", parent_id="2", position=3),
        Unit(id="1", name="Văn phòng", position=1),
        Unit(id="2", name="Phòng A", position=2),
        Unit(id="4", name="Tổ Hai", parent_id="closed", position=4),
    ]

    assert [(unit.name, depth) for unit, depth in walk_tree(units)] == [
        ("Văn phòng", 0),
        ("Phòng A", 0),
        ("Tổ Một", 1),
        ("Tổ Hai", 0),
    ]
    assert [is_below(units, id, "2") for id in ("2", "3", "1")] == [True, True, False]
