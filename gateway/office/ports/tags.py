"""The promise behind an agency's own labels on its documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.office.domain.listing import Side
from gateway.office.domain.tag import Tag


class Tags(Protocol):
    """The labels of one agency."""

    async def all(self) -> Sequence[Tag]:
        """By name."""

    async def named(self, name: str) -> Tag | None:
        """Letter case and accents do not matter."""

    async def add(self, tag: Tag) -> None:
        """Clash when there is one that reads the same."""

    async def remove(self, id: str) -> bool:
        """With every mark of it. Whether there was one."""

    async def of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Tag]]:
        """What these documents carry, by name; only those that carry any."""

    async def mark(self, id: str, side: Side, document_id: str, at: datetime, by: str) -> bool:
        """Whether the document did not carry it yet."""

    async def unmark(self, id: str, document_id: str) -> bool:
        """Whether the document carried it."""

    async def counts(self) -> Mapping[tuple[str, Side], int]:
        """How many documents of each direction carry each label; only those that some carry."""
