"""The promise behind imports of codes that two people decide, and behind undoing an import as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.registry_change import ImportRecord, Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOnImport:
    """What stands on an import: each field names what would lose its ground were it undone."""

    begun: Sequence[str] = ()
    """Codes that came with it."""
    changed: Sequence[str] = ()
    """Codes of it that are not as it wrote them, or could not stand as they were."""
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


class Imports(Protocol):
    async def alone(self) -> None:
        """Nobody else changes the registry until the unit of work ends."""

    async def plan(self, csv_bytes: bytes, today: date) -> Plan:
        """What the file would do to the registry as it is now."""

    async def apply(self, plan: Plan, id: str, by: str, at: datetime) -> None:
        """The rows are as the plan says, and the change is kept under that id. Clash when the plan has problems."""

    async def get(self, id: str) -> ImportRecord:
        """NotFound when no import of that id was applied."""

    async def lines(self, id: str) -> Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]]:
        """Of each code that it changed what stood there before and what stands there now, field by field."""

    async def built_on(self, id: str) -> BuiltOnImport: ...

    async def undo(self, id: str, by: str, at: datetime) -> None:
        """Every row is as before; what was believed is kept. Clash when it is undone already, or cannot be so."""
