"""Work on a document within the agency: the part of each unit, and its deadline. A part is made once and ends once: done,
handed back by the unit's head, or replaced by another assignment. A part that was handed back waits for another
assignment. Other agencies do not learn of parts; the sender gets 04 once. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.document import Assignment, IncomingDocument
from gateway.domain.text import fold


class PartState(StrEnum):
    """The texts are under `part.…` in the labels. All states but the first two are final."""

    OPEN = "open"
    RETURNED = "returned"
    """Handed back, and waiting for another assignment."""
    SETTLED = "settled"
    """Handed back, and assigned again since."""
    DONE = "done"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPart:
    """Part of one unit in one document. `given_by` and `ended_by` are principals."""

    id: str
    document_id: str
    unit: str
    is_lead: bool
    deadline: date | None
    given_by: str
    given_at: datetime
    state: PartState = PartState.OPEN
    ended_by: str | None = None
    ended_at: datetime | None = None
    why: str = ""

    def is_late(self, today: date) -> bool:
        return self.state is PartState.OPEN and self.deadline is not None and self.deadline < today

    @property
    def key(self) -> str:
        return unit_key(self.unit)


def unit_key(unit: str) -> str:
    """Return the key of a unit, which is the same for all spellings of its name."""
    return fold(unit)


def is_given(document: IncomingDocument, unit: str) -> bool:
    """Tell whether that unit leads or helps with the document."""
    assignment = document.assignment
    if assignment is None or not unit.strip():
        return False
    return unit_key(unit) in map(unit_key, (assignment.lead_unit, *assignment.coordinating_units))


def required_parts(assignment: Assignment) -> tuple[tuple[str, bool, date | None], ...]:
    """Return unit, whether it leads, and deadline of each part. A coordinating unit without a deadline of its own has the
    assignment's."""
    own_deadlines = {unit_key(d.unit): d.deadline for d in assignment.deadlines}
    helping = [
        (unit, False, own_deadlines.get(unit_key(unit), assignment.deadline))
        for unit in assignment.coordinating_units
        if unit_key(unit) != unit_key(assignment.lead_unit)
    ]
    return ((assignment.lead_unit, True, assignment.deadline), *helping)
