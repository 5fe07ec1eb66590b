"""The promise behind reforms of the registry: what is known around one that is planned, and one unit of work in which it
comes into force, or is undone, whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from gateway.domain.registry_life import Life
from gateway.domain.registry_reform import Reform, ReformRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the registry knows around a reform: see `policy.reform.RegistryView`."""

    lives: Mapping[str, Life]
    aliases: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, Sequence[str]] = field(default_factory=dict)
    same_name: Mapping[str, str] = field(default_factory=dict)
    certificates: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What lies under codes on this node: our mail to them that has not left, documents that are open, agencies hosted."""

    queued: Mapping[str, int] = field(default_factory=dict)
    open_documents: Mapping[str, int] = field(default_factory=dict)
    hosted: frozenset[str] = frozenset()
    exchanged: tuple[str, ...] = ()
    """Those of the codes under which any document came or went."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaning:
    """What stands on a reform, and the lives around its codes now."""

    lives: Mapping[str, Life]
    reforms: Sequence[str] = ()
    rows: Sequence[str] = ()
    certificates: Sequence[str] = ()


class Reforms(Protocol):
    async def around(self, reform: Reform) -> Around: ...

    async def alone(self) -> None:
        """Nobody else changes the registry until the unit of work ends."""

    async def apply(
        self, record: ReformRecord, before: Mapping[str, Life | None], after: Mapping[str, Life]
    ) -> None:
        """The lives are as `after`, and the reform is kept with both. Certificates are never touched (K6)."""

    async def get(self, id: str) -> ReformRecord:
        """NotFound when none of that id was approved."""

    async def lives_of(self, id: str) -> tuple[Mapping[str, Life | None], Mapping[str, Life | None]]:
        """Before and after, as they were written."""

    async def listed(self, limit: int, code: str | None = None) -> Sequence[ReformRecord]:
        """Latest to take effect first; with a code those that touch or name it."""

    async def unreported(self, on: date, limit: int) -> Sequence[ReformRecord]:
        """Those in effect on that day that nobody has reported yet."""

    async def leaning_on(self, id: str) -> Leaning: ...

    async def undo(self, id: str, by: str, at: datetime, why: str) -> None:
        """The lives are as before. Clash when it is undone already."""

    async def report(self, id: str, by: str, at: datetime, how: str) -> None:
        """The duty of R80 is done. Clash when it was before."""


class Waits(Protocol):
    """Asks the rows of documents."""

    async def of(self, codes: Sequence[str]) -> Waiting: ...
