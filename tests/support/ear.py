"""What one process heard of the rings of others so far; a test waits until it heard what it should."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from gateway.office.store.store import SqlOfficeStore


class Ear:
    """Listens from the moment it is made."""

    def __init__(self, store: SqlOfficeStore) -> None:
        self.names: list[str] = []
        self._stirred = asyncio.Event()
        store.wake.listen(self._heard)
        store.wake.start()

    def _heard(self, names: Collection[str]) -> None:
        self.names += names
        self._stirred.set()

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(60):
            while not set(names) <= set(self.names):
                self._stirred.clear()
                await self._stirred.wait()
