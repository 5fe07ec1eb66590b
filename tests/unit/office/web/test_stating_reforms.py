"""A change of the organisation as it is typed: which fields a kind needs, what a step lacks, what is carried on."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.domain.registry_reform import QueuedMail, ReformKind
from gateway.office.web.pages.agencies import change_wizard, common
from gateway.office.web.pages.agencies.change_wizard import MOST_ROWS, Wizard

TODAY = date(2026, 11, 20)
DECIDED = {"number": "12/QD", "issued": "01/11/2026", "issuer": "UBND", "effective": "2027-01-01"}


def stated(**given: str) -> Wizard:
    return change_wizard.read_fields(given, TODAY)


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({"kind": "merge"}, ["sources", "code_1"]),
        ({"kind": "dissolve"}, ["sources"]),
        ({"kind": "rename", "sources": "Z91.01"}, ["name"]),
        ({"kind": "move", "sources": "Z91.01"}, ["parent"]),
        ({"kind": "recode", "sources": "Z91.01"}, ["code_1"]),
        ({"kind": "recode", "sources": "Z91.01", "code_1": "Z91.02"}, []),
        ({"kind": "create", "code_1": "Z91.31", "code_2": "Z91.32", "name_2": "B"}, ["name_1"]),
        ({"kind": "split", "sources": "Z91.01", "code_1": "Z91.31"}, []),
    ],
)
def test_each_kind_says_which_agencies_it_lacks(given: dict[str, str], missing: list[str]) -> None:
    assert [name for name, _ in stated(**given).faults(2)] == missing


def test_a_kind_that_is_none_and_a_day_that_is_none_are_faults_of_their_steps() -> None:
    said = stated(kind="marry", number="1", issued="soon", issuer="A", effective="")

    assert said.faults(1) == [("kind", "missing")]
    assert said.faults(3) == [("effective", "missing"), ("issued", "day")]


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("Sở Văn hóa, Thể thao và Du lịch\nZ91.01", ("Sở Văn hóa, Thể thao và Du lịch", "Z91.01")),
        ("Z91.01, z91.02,Z91.03", ("Z91.01", "z91.02", "Z91.03")),
        (" Sở  Mẫu (Z91.01) ;; Z91.02 ,\n", ("Sở Mẫu (Z91.01)", "Z91.02 ,")),
    ],
)
def test_a_comma_is_part_of_a_name_and_stands_between_codes(typed: str, names: tuple[str, ...]) -> None:
    assert common.split_names(typed) == names


def test_what_was_typed_becomes_the_reform_that_is_meant() -> None:
    said = stated(
        kind="consolidate",
        sources="Z91.01\r\nZ91.02 , Z91.03;",
        code_1="z91.31",
        name_1="A",
        parent_1="z91",
        queued="return",
        parent="Z99",
        **DECIDED,
    )

    made = said.reform()

    assert made.sources == ("Z91.01", "Z91.02", "Z91.03")
    assert [(each.code, each.name, each.parent) for each in made.targets] == [("Z91.31", "A", "Z91")]
    assert (made.effective_on, made.decision.issued_on) == (date(2027, 1, 1), date(2026, 11, 1))
    assert (made.queued, made.parent) == (QueuedMail.RETURN, None), "a parent is of a move alone"


@pytest.mark.parametrize(
    ("mail", "expected"),
    [("", (None, False)), ("triage", (None, True)), ("Z91.31", ("Z91.31", False)), ("Z99", (None, False))],
)
def test_mail_of_a_split_goes_to_an_heir_or_to_a_person(mail: str, expected: tuple[str | None, bool]) -> None:
    said = stated(
        kind="split", sources="Z91.01", code_1="Z91.31", code_2="Z91.32", mail=mail, **DECIDED
    ).reform()

    assert (said.mail_to, said.triage) == expected


def test_a_step_carries_what_all_others_said_and_nothing_of_its_own() -> None:
    said = stated(kind="rename", sources="Z91.01", name="A", other="x", **DECIDED)

    assert set(said.hidden(2)) == {"kind", *DECIDED}
    assert set(said.hidden(5)) == {"kind", "sources", "name", *DECIDED}
    assert said.kind is ReformKind.RENAME


@pytest.mark.parametrize(("rows", "count"), [("", 3), ("2", 3), ("9", 9), ("999", MOST_ROWS), ("x", 3)])
def test_rows_grow_as_asked_and_not_for_ever(rows: str, count: int) -> None:
    assert stated(kind="create", rows=rows).rows == count
    assert stated(kind="create", rows=rows, code_7="Z91.37").rows == max(count, 7)
    assert stated(kind="recode", rows=rows).rows == 1
