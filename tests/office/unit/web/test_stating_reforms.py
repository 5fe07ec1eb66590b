"""A change of the organisation in the wizard: which fields a kind needs, what a step lacks, what is carried on."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.domain.registry_reform import QueuedMail, ReformKind
from gateway_office.web.pages.agencies import change_wizard, common
from gateway_office.web.pages.agencies.change_wizard import MOST_ROWS, Wizard

TODAY = date(2026, 11, 20)
DECIDED = {"number": "12/QD", "issued": "01/11/2026", "issuer": "UBND", "effective": "2027-01-01"}


def stated(**fields: str) -> Wizard:
    return change_wizard.read_fields(fields, TODAY)


@pytest.mark.parametrize(
    ("fields", "missing"),
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
def test_each_kind_says_which_agencies_it_lacks(fields: dict[str, str], missing: list[str]) -> None:
    assert [name for name, _ in stated(**fields).faults(2)] == missing


def test_a_kind_that_is_none_and_a_day_that_is_none_are_faults_of_their_steps() -> None:
    wizard = stated(kind="marry", number="1", issued="soon", issuer="A", effective="")

    assert wizard.faults(1) == [("kind", "missing")]
    assert wizard.faults(3) == [("effective", "missing"), ("issued", "day")]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Sở Văn hóa, Thể thao và Du lịch\nZ91.01", ("Sở Văn hóa, Thể thao và Du lịch", "Z91.01")),
        ("Z91.01, z91.02,Z91.03", ("Z91.01", "z91.02", "Z91.03")),
        (" Sở  Mẫu (Z91.01) ;; Z91.02 ,\n", ("Sở Mẫu (Z91.01)", "Z91.02 ,")),
    ],
)
def test_a_comma_is_part_of_a_name_and_stands_between_codes(text: str, names: tuple[str, ...]) -> None:
    assert common.split_names(text) == names


def test_typed_values_become_the_intended_reform() -> None:
    wizard = stated(
        kind="consolidate",
        sources="Z91.01\r\nZ91.02 , Z91.03;",
        code_1="z91.31",
        name_1="A",
        parent_1="z91",
        queued="return",
        parent="Z99",
        **DECIDED,
    )

    reform = wizard.reform()

    assert reform.sources == ("Z91.01", "Z91.02", "Z91.03")
    assert [(t.code, t.name, t.parent) for t in reform.targets] == [("Z91.31", "A", "Z91")]
    assert (reform.effective_on, reform.decision.issued_on) == (date(2027, 1, 1), date(2026, 11, 1))
    assert (reform.queued, reform.parent) == (QueuedMail.RETURN, None), "a parent is of a move alone"


@pytest.mark.parametrize(
    ("mail", "expected"),
    [("", (None, False)), ("triage", (None, True)), ("Z91.31", ("Z91.31", False)), ("Z99", (None, False))],
)
def test_mail_of_a_split_goes_to_an_heir_or_to_a_person(mail: str, expected: tuple[str | None, bool]) -> None:
    wizard = stated(
        kind="split", sources="Z91.01", code_1="Z91.31", code_2="Z91.32", mail=mail, **DECIDED
    ).reform()

    assert (wizard.mail_to, wizard.triage) == expected


def test_a_step_carries_what_all_others_said_and_nothing_of_its_own() -> None:
    wizard = stated(kind="rename", sources="Z91.01", name="A", other="x", **DECIDED)

    assert set(wizard.hidden(2)) == {"kind", *DECIDED}
    assert set(wizard.hidden(5)) == {"kind", "sources", "name", *DECIDED}
    assert wizard.kind is ReformKind.RENAME


@pytest.mark.parametrize(("rows", "count"), [("", 3), ("2", 3), ("9", 9), ("999", MOST_ROWS), ("x", 3)])
def test_rows_grow_as_asked_and_not_for_ever(rows: str, count: int) -> None:
    assert stated(kind="create", rows=rows).rows == count
    assert stated(kind="create", rows=rows, code_7="Z91.37").rows == max(count, 7)
    assert stated(kind="recode", rows=rows).rows == 1
