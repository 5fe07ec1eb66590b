"""What the pages ask about notices: a stop that is planned, an incident (R97, R98). Kept by an adapter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from gateway.office.domain.notice import Notice, Wish


class NoticeBoard(Protocol):
    async def all(self, limit: int) -> Sequence[Notice]:
        """Newest first, ended ones too."""

    async def get(self, id: str) -> Notice: ...

    async def earliest(self) -> datetime:
        """From when on a stop may begin that is announced now: one working day of the office later (T13)."""

    async def faults(self, wish: Wish) -> Sequence[tuple[str, str]]:
        """(field, what is wrong with it); nothing when it may be given."""

    async def publish(self, by: str, wish: Wish) -> Notice:
        """Shown on every page at once, and told in every agency's feed. BadForm for one with faults."""

    async def end(self, by: str, id: str) -> Notice:
        """It is over, or called off. Clash when it ended before."""
