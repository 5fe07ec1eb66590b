"""The promise of the paper dispatch list: which recipients get a document on paper, and when and how it was handed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperPart:
    """The letter on paper to one recipient. While `handed_over` is None somebody has to carry it; `means` is a word of
    `policy.paper.Means`."""

    delivery_id: str
    document_id: str
    opened_at: datetime
    handed_over: date | None = None
    means: str | None = None
    note: str = ""
    closed_at: datetime | None = None
    closed_by: str | None = None


class PaperParts(Protocol):
    async def open(self, document_id: str, delivery_ids: Sequence[str], at: datetime) -> None:
        """They wait from now on."""

    async def of(self, document_id: str) -> Sequence[PaperPart]: ...

    async def close(self, part: PaperPart) -> None:
        """As this value says; said again it is written anew. NotFound for what does not go on paper."""

    async def waiting(self, limit: int) -> Sequence[PaperPart]:
        """Not handed over and not cancelled, the longest waiting first."""

    async def handed(self, first: date, last: date, limit: int) -> Sequence[PaperPart]:
        """Handed over in these days, in their order."""
