"""A list as one person likes to see it: a name for filters and columns that are chosen again and again. Frozen; what the
filters mean is the pages' to say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.office.domain.listing import Side

LONGEST_NAME = 60
LONGEST_QUERY = 2_000
MOST_VIEWS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """`query` is the part of the list's address behind the question mark. `is_first`: the list opens with it."""

    person_id: str
    side: Side
    name: str
    query: str
    saved_at: datetime
    is_first: bool = False
