"""What the pages ask of the sealed log: lines that somebody may see, whether it is whole, and a part of it as text. Kept by
an adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is looked for; everything empty does not matter. `within` are kinds, or beginnings of kinds with a `*`, to which
    the person's role confines it; `agency_id` None is the whole node. `people`: also what the node tells of the people
    who have a post in that agency."""

    agency_id: str | None = None
    people: bool = False
    principal_id: str = ""
    within: tuple[str, ...] = ()
    kind: str = ""
    subject_id: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line. `leaf` is its number in the sealed log, None while it waits for its seal; `who` is a name where it is
    known, `place` the address and the device of the session, where the event names one that is still kept."""

    position: int
    id: str
    at: datetime
    kind: str
    subject_id: str
    principal_id: str
    who: str
    agency: str
    leaf: int | None
    place: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Where the log stands. `word`: whole, broken, running or unknown, as of `checked_at`; `broken_at` is the first line
    that does not hold."""

    size: int
    sealed_at: datetime | None
    unsealed_since: datetime | None
    word: str = "unknown"
    checked_at: datetime | None = None
    lines: int = 0
    broken_at: str = ""
    faults: tuple[tuple[str, str, Mapping[str, object]], ...] = ()


class Journal(Protocol):
    async def page(self, ask: Ask, *, before: int | None, limit: int) -> Sequence[Entry]:
        """Newest first, before that position."""

    async def kinds(self) -> Sequence[str]:
        """Every kind of event there is."""

    async def named(self, text: str) -> Sequence[str]:
        """Ids of persons with that name or login."""

    async def seal(self) -> Seal: ...

    async def check(self) -> None:
        """Begins to examine the whole log anew, unless that is under way."""

    async def export(self, by: str, agency_id: str, ask: Ask, most: int) -> AsyncIterator[Entry]:
        """Oldest last; told in the log before the first line is given."""
