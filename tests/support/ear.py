"""This listener counts the rings that one process heard from others so far; a test waits until it heard those that it
should."""

from __future__ import annotations

from collections.abc import Collection

from gateway.store.store import SqlStore
from gateway.store.wake import ANY
from tests.support.waiting import wait_until


class Ear:
    """Listens from the moment it is made."""

    def __init__(self, store: SqlStore) -> None:
        self.names: list[str] = []
        store.wake.listen(self._note)
        store.wake.start()

    def _note(self, names: Collection[str]) -> None:
        self.names += names

    async def wait_for(self, *names: str) -> None:
        await wait_until(lambda: set(names) <= set(self.names), f"the rings {', '.join(names)}")


async def listening(store: SqlStore) -> Ear:
    """Return an ear that a ring cannot miss: on a server, once its line is there."""
    ear = Ear(store)
    if store.writer.dialect.name == "postgresql":
        await ear.wait_for(ANY)
    return ear
