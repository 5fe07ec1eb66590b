"""The promise behind the log of programs' calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from gateway.domain.api_call import ApiCall, CallCount


class ApiCalls(Protocol):
    """The calls of every key of the node."""

    async def keep(self, calls: Sequence[ApiCall]) -> None:
        """Durable on return. A repeat is harmless."""

    async def trim(self, key_ids: Collection[str], before: datetime, most: int) -> None:
        """Takes out what is older, of every key, and of these keys what is beyond the newest `most`."""

    async def listed(
        self, key_id: str, limit: int, *, errors: bool = False, route: str = "", before: str = ""
    ) -> Sequence[ApiCall]:
        """Newest first, those before the call of that id; `errors` alone, or of one route."""

    async def routes(self, key_id: str) -> Sequence[str]:
        """Which routes it called, by name."""

    async def counts(self, key_ids: Collection[str], since: datetime) -> Mapping[str, CallCount]:
        """Of each key that called since then."""
