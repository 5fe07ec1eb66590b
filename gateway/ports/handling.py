"""The promise of the parts that units have in incoming documents. In: a part, ids of documents, units by their key.
Out: parts of the scope's agency alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from gateway.domain.document import IncomingDocument
from gateway.domain.handling import UnitPart


class UnitParts(Protocol):
    async def add(self, part: UnitPart) -> None: ...

    async def end(self, part: UnitPart) -> None:
        """It is as this value says from now on. Clash when another ended it."""

    async def settle(self, part: UnitPart) -> None:
        """What was handed back is assigned anew."""

    async def of(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[UnitPart]]:
        """All parts of each, the earliest first."""

    async def open_of(
        self, units: Collection[str] | None, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """What is still worked on by these units, or by all; what is due first leads, sealed documents never."""

    async def overdue(
        self, by: date, arrived_before: datetime, limit: int
    ) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """What is still worked on and was due by that day, or has no day and came before that moment."""

    async def units(self, at: datetime) -> Sequence[str]:
        """The units that persons of the agency belong to at that moment, by name."""

    async def returned(self, limit: int) -> Sequence[tuple[UnitPart, IncomingDocument]]:
        """What was handed back and waits to be assigned anew, the oldest first."""
