"""Files of records that were closed and have to go to the archive (T24). Frozen values; labels have the texts of their
kinds: `timer.file.kind.usual`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.domain.wall_clock import months_later

LONGEST_CODE, LONGEST_TITLE = 50, 500


class FileKind(StrEnum):
    USUAL = "usual"
    CONSTRUCTION = "construction"


_MONTHS = {FileKind.USUAL: 12, FileKind.CONSTRUCTION: 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFile:
    """One closed file. `closed_on` is the day on which its work ended; for construction the day of the final accounts.
    `owner` is the person who hands it in."""

    id: str
    code: str
    title: str
    kind: FileKind
    closed_on: date
    owner: str
    archived_on: date | None = None

    @property
    def due_on(self) -> date:
        """Last day for handing it in to the archive (T24)."""
        return months_later(self.closed_on, _MONTHS[self.kind])
