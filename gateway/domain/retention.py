"""Periods of retention as dated data of each agency (R102, R103): the classes that files of records and types of documents
have, each with its period, its start and its basis. Frozen values; periods are the agency's own, none is shipped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

LONGEST_NAME, LONGEST_BASIS, MOST_ROWS = 50, 300, 2000


class RetentionStart(StrEnum):
    """Event from which a period runs."""

    FILE_CLOSED = "file-closed"
    YEAR_END = "year-end"
    """Last day of the year of the document, or of the year in which the file was closed."""
    RECALL_AGREED = "recall-agreed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRow:
    """Period of a class, in force for what starts between two days. It is for files of this class, for files of a kind that
    name no class, or for documents of a type. `months` is None for a permanent period."""

    name: str
    months: int | None
    start: RetentionStart
    valid_from: date
    basis: str
    valid_until: date | None = None
    document_type: str = ""
    file_kind: str = ""

    def holds(self, on: date) -> bool:
        return self.valid_from <= on and (self.valid_until is None or on <= self.valid_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTable:
    """Table of an agency as one person imported it; the newest one counts."""

    id: str
    agency_id: str
    rows: tuple[RetentionRow, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """Facts about a file of records that decide on its retention."""

    id: str
    code: str
    kind: str
    retention: str | None = None
    closed_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFacts:
    """Facts about a document that decide on its retention; `types` are the key and the name of its type."""

    id: str
    code: str
    types: frozenset[str]
    day: date | None = None
    recalled_on: date | None = None
    files: tuple[FileFacts, ...] = ()


class UnknownExpiry(StrEnum):
    """Reason why no day is known."""

    NO_ROW = "no_row"
    NOT_CLOSED = "not_closed"
    NO_DAY = "no_day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """End of a retention: a day, never, or unknown for a reason. `row` decided."""

    on: date | None = None
    is_permanent: bool = False
    unknown: UnknownExpiry | None = None
    row: RetentionRow | None = None
