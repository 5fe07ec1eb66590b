"""A recall that a clerk asks the agency's head for: nothing leaves before another person has agreed. Frozen values; a row
of it is made once and closed once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AskState(StrEnum):
    """`recall_ask.…` in the labels has the words. All but the first are for good."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallAsk:
    """`document_id` is the row of the document to be recalled, `recipients` are codes. `asked_for` and `decided_for` name
    the person on whose behalf somebody asked or decided. `result` is the recall that left."""

    id: str
    document_id: str
    reason: str
    notice_no: str
    take_back: bool
    recipients: tuple[str, ...]
    asked_by: str
    asked_at: datetime
    asked_for: str | None = None
    state: AskState = AskState.ASKED
    decided_by: str | None = None
    decided_for: str | None = None
    decided_at: datetime | None = None
    why: str = ""
    result: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state is AskState.ASKED

    @property
    def askers(self) -> frozenset[str]:
        """Everybody whose asking it is."""
        return frozenset(each for each in (self.asked_by, self.asked_for) if each)
