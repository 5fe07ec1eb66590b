"""File that is uploaded in parts before the document that carries it: its announcement, its parts, and the facts about
the complete file. Frozen values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain.document import FileItem
from gateway.domain.identity import Digest
from gateway.domain.signatures import FileVerdict

MIB = 1024 * 1024
LEAST_PART, USUAL_PART, MOST_PART = MIB, 8 * MIB, 64 * MIB
MOST_PARTS = 1000
MOST_OF_AGENCY = 100
"""The most uploads of one agency at a time."""
OWNER = "upload"
"""Kind of owner of the references to parts' content."""
RETENTION = timedelta(hours=24)
"""Time for which an upload is kept after its last part or its completion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPart:
    n: int
    size: int
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """Upload of one file. `announced` is the digest that its sender stated beforehand. `file` and `signatures` are set at
    the end."""

    id: str
    agency_id: str
    name: str
    size: int
    part_size: int
    created_at: datetime
    created_by: str
    expires_at: datetime
    announced: Digest | None = None
    file: FileItem | None = None
    signatures: FileVerdict | None = None

    @property
    def count(self) -> int:
        """Number of its parts."""
        return count_of(self.size, self.part_size)

    def size_of(self, n: int) -> int:
        """Return the size of part `n`, counted from 1; all parts but the last are equally large."""
        return min(self.part_size, self.size - (n - 1) * self.part_size)


def count_of(size: int, part_size: int) -> int:
    return max(1, -(-size // part_size))
