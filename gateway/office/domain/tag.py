"""An agency's own labels on its documents, of both directions: words of its own for finding them again. They never travel,
and no other agency sees them. Frozen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

LONGEST_NAME = 40
MOST_TAGS = 200
MOST_ON_ONE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """One label. Two names that read the same without accents and case are one."""

    id: str
    name: str
    made_by: str
    made_at: datetime
