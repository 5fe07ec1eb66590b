"""The register books: their lines cell by cell, the run of their numbers, the arrival stamp, and letters that left on
paper, which are lines of the same book as the documents of the exchange. Frozen values; the store reads their contents, and
their words are a matter of labels. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.document import OutgoingDocument

Cell = str | int | date | None
"""Text stays text ("01" is not 1), a date is a date; None leaves the cell empty."""


# No run skips that many numbers on purpose.
_FAR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterEntry:
    """One line of the book of incoming documents. `catch_up` is the outage that made it late; a struck line keeps its
    number."""

    incoming_id: str
    book: str
    year: int
    number: str
    entered_at: datetime
    entered_by: str | None = None
    """The principal; None for lines older than this field."""
    catch_up: str | None = None
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = None


def end_of_run(numbers: Iterable[int], first: int) -> int:
    """Return the last number that the run from `first` reaches. A number far ahead of the others was a typing error."""
    last = first
    for number in sorted(numbers):
        if number > last + _FAR:
            break
        last = max(last, number)
    return last


class Book(StrEnum):
    """The two registers, and the book that follows incoming documents to their end."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    FOLLOW_UP = "follow_up"


class BookForm(StrEnum):
    """The columns: of decree 30/2020, or the shorter ones of circular 07/2012 that many still print."""

    DECREE_30 = "nd30"
    CIRCULAR_07 = "tt07"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A selected part of a book: one year, and in it the days from `since` to `until`."""

    year: int
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLine:
    """One line. `on` is the day under which it stands; `cells` are by column, those of no form left out on showing. A
    struck line keeps its number and says why in its note. `by_hand`: a person entered it, and may correct it."""

    subject_id: str
    number: str
    on: date | None
    cells: Mapping[str, Cell]
    struck: bool = False
    series: str = ""
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Numbers that no line has, both ends missing too."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRun:
    """Result of checking one run of numbers. `gaps` are the first ones in order, `missing` counts all."""

    series: str = ""
    first: int | None = None
    last: int | None = None
    missing: int = 0
    gaps: tuple[Gap, ...] = ()
    doubled: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.missing and not self.doubled


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures on a book's cover and under its last line. `digest` is the SHA-256 of all its lines, the same in every form
    of export."""

    lines: int = 0
    struck: int = 0
    first: str | None = None
    last: str | None = None
    since: date | None = None
    until: date | None = None
    runs: tuple[NumberRun, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalStamp:
    """The block "arrived" of 35 by 50 mm that goes on a print or a copy, never on the signed file (PL IV.V)."""

    agency: str
    number: str | None
    on: date
    forwarded_to: str = ""
    file_code: str = ""
    width_mm: int = 50
    height_mm: int = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """The first page of a printed book."""

    agency: str
    parent: str | None
    book: Book
    form: BookForm
    year: int
    volume: int
    summary: Summary = field(default_factory=Summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLetter:
    """Outgoing mail that went on paper, as its line of the book."""

    id: str
    number: str
    symbol: str
    issued_on: date
    type_name: str
    subject: str
    signer: str
    recipients: str
    entered_at: datetime
    entered_by: str
    copy_holder: str = ""
    copies: int | None = None
    dispatched_on: date | None = None
    note: str = ""
    catch_up: str | None = None
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = None

    @property
    def code(self) -> str:
        return f"{self.number}/{self.symbol}"


OutgoingLine = OutgoingDocument | PaperLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Outgoing mail that may be one and the same: of one DocumentId, newest first; of one number and notation in one year,
    on paper too; the newest few with one lead file."""

    of_id: Sequence[OutgoingDocument] = ()
    of_number: Sequence[OutgoingLine] = ()
    of_lead: Sequence[OutgoingDocument] = ()
