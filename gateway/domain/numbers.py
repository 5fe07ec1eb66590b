"""Numbers of outgoing documents that the node gives (R32, R34): the states of a number and the changes between them, and
the books whose numbers run by themselves (R33). In: a number as stored, an act, the time. Out: the number after the act,
or None where the act is not allowed. Pure; the store keeps the numbers, one row for each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum


class NumberState(StrEnum):
    """State of one number of a book. Only a number that was never issued may be given to another document."""

    RESERVED = "reserved"
    ISSUED = "issued"
    FREE = "free"
    """Was reserved, and given back unused or not used in time: the next document gets it."""
    VOID = "void"


LAPSED = "lapsed"
"""Reason of a number that became free because its reservation was not used in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenNumber:
    """One number of a book and year. `subject_id` is the draft that it is reserved for, or the document or paper letter
    that has it; `document_id` and `code` are those of the document that it was issued to."""

    book: str
    year: int
    number: int
    state: NumberState
    at: datetime
    by: str
    until: datetime | None = None
    subject_id: str = ""
    document_id: str = ""
    code: str = ""
    reason: str = ""

    @property
    def id(self) -> str:
        """Name of the number for programs and commands."""
        return f"{self.year}.{self.book}.{self.number}"

    def standing(self, now: datetime) -> GivenNumber:
        """Return the state of the number at that time: a reservation that was not used until its end is free."""
        if self.state is NumberState.RESERVED and self.until is not None and self.until <= now:
            return replace(self, state=NumberState.FREE, reason=LAPSED)
        return self

    def serves(self, by: str, subject_id: str) -> bool:
        """Tell whether the reservation is for that document, or of that person and for no document."""
        if self.state is not NumberState.RESERVED:
            return False
        return self.subject_id == subject_id if self.subject_id else self.by == by

    def reserve(self, now: datetime, by: str, end: datetime, subject_id: str = "") -> GivenNumber | None:
        """Reserve a free number."""
        if self.standing(now).state is not NumberState.FREE:
            return None
        return replace(
            self,
            state=NumberState.RESERVED,
            at=now,
            by=by,
            until=end,
            subject_id=subject_id,
            reason="",
        )

    def issue(
        self, now: datetime, by: str, subject_id: str, document_id: str, code: str
    ) -> GivenNumber | None:
        """Issue a reserved number to a document; or a number that was issued already, also a void one, to the same document
        when it is sent again. A reservation that has ended serves while no other document took the number."""
        is_same = document_id == self.document_id or subject_id == self.subject_id
        is_again = self.state in (NumberState.ISSUED, NumberState.VOID) and is_same
        if not (is_again or self.serves(by, subject_id)):
            return None
        return self._issued(now, by, subject_id, document_id, code)

    def give(
        self, now: datetime, by: str, subject_id: str, document_id: str, code: str
    ) -> GivenNumber | None:
        """Issue a free number to the document that gets it without a reservation."""
        if self.standing(now).state is not NumberState.FREE:
            return None
        return self._issued(now, by, subject_id, document_id, code)

    def _issued(self, now: datetime, by: str, subject_id: str, document_id: str, code: str) -> GivenNumber:
        return replace(
            self,
            state=NumberState.ISSUED,
            at=now,
            by=by,
            until=None,
            subject_id=subject_id,
            document_id=document_id,
            code=code,
            reason="",
        )

    def release(self, now: datetime, by: str, reason: str) -> GivenNumber | None:
        """Give a reserved number back."""
        if self.state is not NumberState.RESERVED:
            return None
        return replace(self, state=NumberState.FREE, at=now, by=by, until=None, subject_id="", reason=reason)

    def void(self, now: datetime, by: str, reason: str) -> GivenNumber | None:
        """Make an issued number void: it keeps its reason and goes to no other document."""
        if self.state is not NumberState.ISSUED:
            return None
        return replace(self, state=NumberState.VOID, at=now, by=by, reason=reason)


def free_number(book: str, year: int, number: int, now: datetime) -> GivenNumber:
    """Return a number that was just counted, before any document has it."""
    return GivenNumber(book=book, year=year, number=number, state=NumberState.FREE, at=now, by="")


def printed(number: int) -> str:
    """Return a number as documents print it: below 10 with a leading zero (R35, notation)."""
    return f"{number:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingBook:
    """One book of outgoing documents. A document belongs to the first book with a mark that is part of its notation;
    `by_type` gives each type in it a series of its own."""

    key: str
    name: str
    marks: tuple[str, ...]
    by_type: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One run of numbers: a book, or one type in it. `key` is stored with the counter of the run."""

    key: str
    book: OutgoingBook
    type_key: str = ""
