"""Whether a recipient will hear of a document and can answer it: warnings at its pointer, none of which refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.domain.document import Draft, Recipient, RecipientRole, Urgency
from gateway.domain.registry import AgencyEntry, CodeStanding, Resolution, RowSource
from gateway.policy import outgoing
from gateway.policy.verdict import ReasonCode


def answer(
    code: str, source: RowSource = RowSource.IMPORTED, standing: CodeStanding = CodeStanding.ACTIVE
) -> Resolution:
    entry = AgencyEntry(code=code, name=f"Cơ quan {code}", source=source)
    return Resolution(given=code, standing=standing, entry=entry)


def test_who_has_a_certificate_and_an_official_row_is_not_spoken_of() -> None:
    assert not list(outgoing.warnings_of_registry([answer("Z91")], {"Z91"}))


@pytest.mark.parametrize(
    ("source", "bound", "codes"),
    [
        (RowSource.IMPORTED, (), [ReasonCode.RECIPIENT_UNBOUND]),
        (RowSource.STARTER, ("Z91",), [ReasonCode.RECIPIENT_STARTER]),
        (RowSource.STARTER, (), [ReasonCode.RECIPIENT_STARTER, ReasonCode.RECIPIENT_UNBOUND]),
    ],
)
def test_a_starter_row_and_a_missing_certificate_are_told_with_code_and_name(
    source: RowSource, bound: tuple[str, ...], codes: list[ReasonCode]
) -> None:
    found = list(outgoing.warnings_of_registry([answer("Z90"), answer("Z91", source)], {"Z90", *bound}))

    assert [each.code for each in found] == codes
    assert {(each.pointer, each.params["recipient"], each.params["name"]) for each in found} == {
        ("/recipients/1/code", "Z91", "Cơ quan Z91")
    }


@pytest.mark.parametrize("standing", [CodeStanding.CLOSED, CodeStanding.UNKNOWN, CodeStanding.UNCERTAIN])
def test_who_is_not_addressed_is_told_of_by_other_rules(standing: CodeStanding) -> None:
    assert not list(outgoing.warnings_of_registry([answer("Z91", RowSource.STARTER, standing)], ()))
    assert not outgoing.addressed([answer("Z91", standing=standing)])


def test_whom_nobody_receives_for_is_told_at_its_place() -> None:
    to = [Recipient(code="Z91", name="Một"), Recipient(code="Z92", name="Hai")]

    (found,) = outgoing.warnings_of_axis(to, {"Z92"})

    assert (found.code, found.pointer) == (ReasonCode.RECIPIENT_UNHOSTED, "/recipients/1/code")


@pytest.mark.parametrize(
    ("said", "lost"),
    [
        ({"reply_required": False}, set()),
        ({"reply_required": True, "reply_due": date(2026, 12, 1)}, set()),
        ({"reply_required": True}, {"/reply_required"}),
        ({"urgency": Urgency.TIMED_EXPRESS}, {"/due_at"}),
        ({"recipients": (Recipient(code="Z91", role=RecipientRole.TO_KNOW),)}, {"/recipients"}),
        ({"recipients": (Recipient(code="Z92", role=RecipientRole.TO_KNOW),)}, set()),
    ],
)
def test_what_the_axis_of_a_recipient_does_not_carry_is_told(said: dict[str, Any], lost: set[str]) -> None:
    given = replace(Draft(recipients=(Recipient(code="Z91", name="Một"),)), **said)

    found = list(outgoing.warnings_of_loss(given, {"Z91"}))

    assert {each.pointer for each in found} == lost
    assert all(each.code is ReasonCode.AXIS_LOSES for each in found)
    assert not list(outgoing.warnings_of_loss(given, ()))


def test_of_many_recipients_three_are_named() -> None:
    given = Draft(recipients=tuple(Recipient(code=f"Z9{n}") for n in range(4)), urgency=Urgency.TIMED_EXPRESS)

    (found,) = outgoing.warnings_of_loss(given, {"Z90", "Z91", "Z92", "Z93"})

    assert found.params["name"] == "Z90, Z91, Z92…"
