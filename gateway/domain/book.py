"""The register books: their lines with cells, the run of their numbers, the arrival stamp, and letters that left on
paper, which have lines in the same book as exchanged documents. Frozen values; the store reads their contents, and labels
have their words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.agency_profile import Letterhead
from gateway.domain.document import OutgoingDocument

Cell = str | int | date | None
"""Text stays text ("01" is not 1), a date is a date; None leaves the cell empty."""


# No run of numbers skips that many on purpose.
_FAR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterEntry:
    """Line of the book of incoming documents. `catch_up` names the outage that delayed it; a struck one keeps its
    number."""

    incoming_id: str
    book: str
    year: int
    number: str
    entered_at: datetime
    entered_by: str | None = None
    """Principal; None for lines older than this field."""
    catch_up: str | None = None
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = None


def end_of_run(numbers: Iterable[int], first: int) -> int:
    """Return the last number of the run that starts at `first`. A number far ahead of the others is a typing error."""
    last = first
    for number in sorted(numbers):
        if number > last + _FAR:
            break
        last = max(last, number)
    return last


class Book(StrEnum):
    """Book of a register: of incoming or outgoing documents, or the one that follows incoming documents to their end."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    FOLLOW_UP = "follow_up"


class BookForm(StrEnum):
    """Form of a book's columns: that of decree 30/2020, or the shorter one of circular 07/2012, still in use."""

    DECREE_30 = "nd30"
    CIRCULAR_07 = "tt07"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Part of a book: one year, and in it the days from `since` to `until`."""

    year: int
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLine:
    """Line of a book. `on` is the day of its entry; `cells` are by column, of all forms. A struck line keeps its number,
    with the reason in its note. `by_hand`: a person entered it, and may correct it."""

    subject_id: str
    number: str
    on: date | None
    cells: Mapping[str, Cell]
    struck: bool = False
    series: str = ""
    by_hand: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Run of numbers without lines; `first` and `last` are missing too."""

    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberRun:
    """Result of checking one run of numbers. `gaps` are the first ones in order; `missing` counts all missing numbers."""

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
    """Figures on a book's cover and below its last line. `digest` is the SHA-256 of all its lines, the same in every form
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
    """Stamp "arrived" of 35 by 50 mm, for a print or a copy, never for the signed file (PL IV.V)."""

    agency: str
    number: str | None
    on: date
    forwarded_to: str = ""
    file_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cover:
    """First page of a printed book."""

    letterhead: Letterhead
    book: Book
    form: BookForm
    year: int
    volume: int
    summary: Summary = field(default_factory=Summary)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperEntry:
    """Content of a line of the book about a letter on paper. `catch_up`: the reason of a late entry, after a stop."""

    number: str
    symbol: str
    issued_on: date
    type_name: str
    subject: str
    signer: str
    recipients: str
    copy_holder: str = ""
    copies: int | None = None
    dispatched_on: date | None = None
    note: str = ""
    catch_up: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLetter(PaperEntry):
    """Outgoing letter on paper, as a line of the book."""

    id: str
    entered_at: datetime
    entered_by: str
    struck_at: datetime | None = None
    struck_by: str | None = None
    struck_reason: str | None = None

    @property
    def code(self) -> str:
        return f"{self.number}/{self.symbol}"


OutgoingLine = OutgoingDocument | PaperLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """Outgoing mail that may be the same: of one DocumentId, newest first; of one number and notation in one year, on
    paper too; the newest few with the same lead file."""

    of_id: Sequence[OutgoingDocument] = ()
    of_number: Sequence[OutgoingLine] = ()
    of_lead: Sequence[OutgoingDocument] = ()
