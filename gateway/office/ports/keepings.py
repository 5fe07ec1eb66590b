"""The promise behind what a page keeps for the page that follows it: found again whichever process of the node is asked,
by the same session alone, for its time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """`key` cannot be guessed; `body` is the page's own matter."""

    key: str
    session_id: str
    body: bytes = field(repr=False)
    at: datetime
    until: datetime


class Keepings(Protocol):
    async def keep(self, keeping: Keeping) -> None:
        """Durable on return. What is over goes, and of a session all but the newest few."""

    async def find(self, key: str, session_id: str, now: datetime) -> bytes | None:
        """The body; none for another session, or when its time is over."""

    async def forget(self, key: str) -> None:
        """Harmless where there is none."""
