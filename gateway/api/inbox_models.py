"""What a caller may say about incoming documents, as pydantic models with their crossing into the domain. In: JSON
members. Out: `StatusCall` and `Assignment`. Which status is allowed now is asked by the use case, not here."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import AwareDatetime, Field

from gateway.api.failing import BadCall, Fault
from gateway.api.models import StaffIn
from gateway.api.shapes import Asked, Code, Line, Text
from gateway.api.vocabulary import closed
from gateway.domain.document import Assignment
from gateway.domain.status import CODES, code_of
from gateway.incoming.act import StatusCall

RefusalReason = Literal[
    "WRONG_ADDRESSEE",
    "OUT_OF_AUTHORITY",
    "NOT_AUTHENTIC",
    "DAMAGED",
    "MISSING_FILE",
    "BAD_FORM",
    "DUPLICATE",
    "SECRET",
    "FORBIDDEN_CONTENT",
    "MALWARE",
    "OTHER",
]


# 01 is the node's own, 13 the sender's (interfaces.md 1.2).
SETTABLE = ("02", "03", "04", "05", "06", "15", "16")


class AssignmentIn(Asked):
    """Who works on it, and until when (R63)."""

    lead_unit: Line = Field(min_length=1)
    coordinating_units: list[Line] = Field(default_factory=list, max_length=100)
    deadline: dt.date | None = None
    instruction: Text | None = None

    def to_assignment(self) -> Assignment:
        return Assignment(
            lead_unit=self.lead_unit,
            coordinating_units=tuple(self.coordinating_units),
            deadline=self.deadline,
            instruction=self.instruction,
        )


class StatusIn(Asked):
    """What the agency did with the document: a code 02 to 06, 15, 16, or its word (`accepted`)."""

    code: Code = Field(
        description="02 to 06, 15, 16, or the word of /codes",
        json_schema_extra=closed((*SETTABLE, *(CODES[code].key for code in SETTABLE))),
    )
    register_no: Line | None = Field(None, description="Arrival number in your book, with 03")
    register_year: int | None = Field(None, ge=1900, le=2999)
    at: AwareDatetime | None = Field(
        None,
        description="When it was done: between its arrival and now, give or take ten minutes; now where absent",
    )
    staff: StaffIn | None = None
    note: Text | None = None
    reason: RefusalReason | None = Field(None, description="Required with 02")
    assignment: AssignmentIn | None = Field(None, description="With 04")
    answered_by: Line | None = Field(None, description="With 06: id of our message that answers it")

    def to_call(self) -> StatusCall:
        code = code_of(self.code)
        if code not in SETTABLE:
            params = {"field": "code", "expected": ", ".join(SETTABLE)}
            raise BadCall("bad-request", Fault(code="bad-value", pointer="/code", params=params))
        return StatusCall(
            code=code,
            register_no=self.register_no,
            register_year=self.register_year,
            at=self.at,
            staff=self.staff.to_staff() if self.staff else None,
            note=self.note,
            reason=self.reason,
            assignment=self.assignment.to_assignment() if self.assignment else None,
            answered_by=self.answered_by,
        )
