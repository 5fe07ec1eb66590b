"""Warnings for a recipient that may not receive a document or cannot answer it: at its pointer, and none refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from gateway.domain.document import Draft, Recipient, RecipientRole, Urgency
from gateway.domain.registry import AgencyEntry, CodeStanding, Resolution, RowSource
from gateway.policy import outgoing
from gateway.policy.verdict import ReasonCode


def answer(
    code: str, source: RowSource = RowSource.IMPORTED, standing: CodeStanding = CodeStanding.ACTIVE
) -> Resolution:
    entry = AgencyEntry(code=code, name=f"Cơ quan {code}", source=source)
    return Resolution(query=code, standing=standing, entry=entry)


def test_a_starter_row_and_a_missing_certificate_are_told_with_code_and_name() -> None:
    """A recipient with a certificate and an official row raises no warning."""
    unbound, starter = ReasonCode.RECIPIENT_UNBOUND, ReasonCode.RECIPIENT_STARTER
    rows: list[tuple[RowSource, set[str], list[ReasonCode]]] = [
        (RowSource.IMPORTED, {"Z91"}, []),
        (RowSource.IMPORTED, set(), [unbound]),
        (RowSource.STARTER, {"Z91"}, [starter]),
        (RowSource.STARTER, set(), [starter, unbound]),
    ]
    for source, bound, codes in rows:
        warnings = list(
            outgoing.warnings_of_registry([answer("Z90"), answer("Z91", source)], {"Z90", *bound})
        )
        assert [warning.code for warning in warnings] == codes
        for warning in warnings:
            assert warning.pointer == "/recipients/1/code"
            assert (warning.params["recipient"], warning.params["name"]) == ("Z91", "Cơ quan Z91")


def test_whom_nobody_receives_for_is_told_at_its_place_and_who_is_not_addressed_by_other_rules() -> None:
    to = [Recipient(code="Z91", name="Một"), Recipient(code="Z92", name="Hai")]

    (reason,) = outgoing.unhosted_reasons(to, {"Z92"})

    assert (reason.code, reason.pointer) == (ReasonCode.RECIPIENT_UNHOSTED, "/recipients/1/code")

    for standing in (CodeStanding.CLOSED, CodeStanding.UNKNOWN, CodeStanding.UNCERTAIN):
        assert not list(outgoing.warnings_of_registry([answer("Z91", RowSource.STARTER, standing)], ()))
        assert not outgoing.addressed_agencies([answer("Z91", standing=standing)])


def test_fields_that_the_axis_of_a_recipient_does_not_carry_are_warned_of() -> None:
    """The warning names three of many recipients."""
    rows_to_know = (Recipient(code="Z91", role=RecipientRole.TO_KNOW),)
    rows: list[tuple[dict[str, Any], set[str]]] = [
        ({"reply_required": False}, set()),
        ({"reply_required": True, "reply_due": date(2026, 12, 1)}, set()),
        ({"reply_required": True}, {"/reply_required"}),
        ({"urgency": Urgency.TIMED_EXPRESS}, {"/due_at"}),
        ({"recipients": rows_to_know}, {"/recipients"}),
        ({"recipients": (replace(rows_to_know[0], code="Z92"),)}, set()),
    ]
    for fields, lost in rows:
        new_draft = replace(Draft(recipients=(Recipient(code="Z91", name="Một"),)), **fields)
        warnings = list(outgoing.warnings_of_loss(new_draft, {"Z91"}))
        assert {warning.pointer for warning in warnings} == lost
        assert all(warning.code is ReasonCode.AXIS_LOSES for warning in warnings)
        assert not list(outgoing.warnings_of_loss(new_draft, ()))
    many = tuple(Recipient(code=f"Z9{n}") for n in range(4))
    new_draft = Draft(recipients=many, urgency=Urgency.TIMED_EXPRESS)
    (warning,) = outgoing.warnings_of_loss(new_draft, {recipient.code for recipient in many})
    assert warning.params["name"] == "Z90, Z91, Z92…"
