"""Files of records (R44): opened for a year, listed by the head, filled with documents of both directions, closed, and
handed in to the archive (T24). Frozen values; labels have the texts of their kinds: `timer.file.kind.usual`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from gateway.domain.wall_clock import months_later

if TYPE_CHECKING:
    from gateway.domain.retention import FileFacts

LONGEST_CODE, LONGEST_TITLE, LONGEST_RETENTION = 120, 500, 50
LONGEST_RECEIPT, LONGEST_NOTE = 50, 500


class FileKind(StrEnum):
    USUAL = "usual"
    CONSTRUCTION = "construction"


_MONTHS = {FileKind.USUAL: 12, FileKind.CONSTRUCTION: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFile:
    """One file. `closed_on` is the day on which its work ended; for construction the day of the final accounts. `owner` is
    the person who keeps it and hands it in, `retention` the class that decides for how long. The head issued the list with
    it on `listed_on`."""

    id: str
    code: str
    title: str
    kind: FileKind
    owner: str
    year: int
    opened_on: date | None = None
    closed_on: date | None = None
    archived_on: date | None = None
    retention: str | None = None
    listed_by: str | None = None
    listed_on: date | None = None

    @property
    def notation(self) -> str:
        """Part of the code that stays the same from year to year."""
        return self.code.rpartition(f".{self.year}.")[2]

    @property
    def due_on(self) -> date | None:
        """Last day for handing it in to the archive (T24); None while its work goes on."""
        return months_later(self.closed_on, _MONTHS[self.kind]) if self.closed_on else None

    @property
    def facts(self) -> FileFacts:
        """Facts that decide how long it is kept."""
        from gateway.domain.retention import FileFacts

        return FileFacts(
            id=self.id,
            code=self.code,
            kind=self.kind.value,
            retention=self.retention,
            closed_on=self.closed_on,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMember:
    """A document in a file. `partner` and `symbol` are those of the other side, and tell where the next one may belong."""

    file_id: str
    document_id: str
    partner: str
    symbol: str
    by: str
    at: datetime


class HandOverState(StrEnum):
    """State of a hand-over to the historical archive: packed until the archive answers."""

    PACKED = "packed"
    RECEIVED = "received"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOver:
    """Package of one file of records for the historical archive, under whose id it lies at `target`; and the archive's
    answer: `receipt` is the number of its receipt or of its letter, of the day `answered_on`."""

    id: str
    file_id: str
    code: str
    target: str
    sha256: str
    size: int
    documents: int
    files: int
    by: str
    at: datetime
    state: HandOverState = HandOverState.PACKED
    receipt: str | None = None
    answered_on: date | None = None
    note: str | None = None
    noted_by: str | None = None
    noted_at: datetime | None = None
