"""The promise behind saved views of lists: each belongs to one person in one agency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.office.domain.listing import Side
from gateway.office.domain.saved_view import SavedView


class SavedViews(Protocol):
    async def of(self, person_id: str, side: Side) -> Sequence[SavedView]:
        """By name."""

    async def save(self, view: SavedView) -> None:
        """In place of one of the same name; letter case and accents do not matter. The list opens with at most one."""

    async def remove(self, person_id: str, side: Side, name: str) -> bool:
        """Whether there was one."""
