"""Act on an incoming document that its person may still undo: taking in, refusing, assigning. Until it is due it has no
effect: no number, no event, no answer to the sender. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.document import Assignment, Staff


class ActKind(StrEnum):
    """Kind of the act; `incoming.waits.…` in the labels has the words."""

    TAKE_IN = "take_in"
    REFUSE = "refuse"
    ASSIGN = "assign"


class ActFault(StrEnum):
    """Reason why a due act could not be done; `incoming.fault.…` in the labels has the words."""

    CHANGED = "changed"
    """The document, or its state, is another than the person saw."""
    RIGHTS = "rights"
    """The person may not do it any more."""
    NUMBER = "number"
    """The arrival number is used."""
    REFUSED = "refused"
    """A rule refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActValues:
    """Values of the act as typed. `staff` is the person, as the sender reads it. `leader`: submitted to that person once it
    is taken in. `decides`: the assignment is the opinion on the open submission. `why` explains another assignment."""

    staff: Staff | None = None
    register_no: str | None = None
    note: str | None = None
    reason: str | None = None
    assignment: Assignment | None = None
    leader: str | None = None
    why: str = ""
    decides: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingAct:
    """An act that waits until `due_at`. `version` is that of the document as its person saw it."""

    id: str
    document_id: str
    kind: ActKind
    act_values: ActValues
    version: int
    person_id: str
    made_at: datetime
    due_at: datetime
    failed_at: datetime | None = None
    fault: str = ""

    @property
    def waits(self) -> bool:
        """Tell whether it is still to be done; a failed one is kept for people to see."""
        return self.failed_at is None
