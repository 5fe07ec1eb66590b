"""The promise of what document systems were offered that speak as the national axis's clients do. In: the name of a
system, in the unit of work of one agency. Out: what waits for it, and what it said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.document import IncomingDocument
from gateway.domain.system_box import BoxItem

Place = tuple[datetime, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingDocument:
    """A document that nobody has acknowledged. `place` is behind which the next ones follow."""

    document: IncomingDocument
    offered_at: datetime
    item: BoxItem | None

    @property
    def place(self) -> Place:
        return self.offered_at, self.document.id


class SystemBox(Protocol):
    async def documents(
        self, system: str, client: str, after: Place | None, limit: int
    ) -> Sequence[WaitingDocument]:
        """What is offered or held by that very client and can be read, the oldest first, also what is put off."""

    async def statuses(self, system: str, limit: int) -> Sequence[BoxItem]:
        """Those that are offered now, the oldest first."""

    async def item(self, system: str, doc_id: str) -> BoxItem | None: ...

    async def save(self, item: BoxItem) -> None:
        """New, or as it stands now."""

    async def note(self, system: str, items: Sequence[BoxItem], sequence: int) -> None:
        """Those not noted before; events up to that number were looked through."""

    async def looked_at(self, system: str) -> int:
        """Up to which number of the agency's events."""

    async def offer_again(self, doc_id: str) -> None:
        """Of every system: what they said of it before counts no more."""

    async def forget(self, system: str, doc_id: str) -> None: ...

    async def stuck(self, limit: int) -> Sequence[BoxItem]:
        """Of every system, what a person has to look at and nobody has acknowledged since; the oldest first."""
