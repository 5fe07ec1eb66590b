"""Looks every few seconds whether packets of nobody's fill the quarantine. In: the clock. Out: the oldest let go. Often,
because a flood must not fill the disk between two looks; a look that finds nothing is one sum."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.incoming import quota
from gateway.incoming.desk import InDesk

EVERY = timedelta(seconds=15)


class Quarantine:
    """Remembers when it last looked."""

    def __init__(self) -> None:
        self._next: datetime | None = None

    async def step(self, desk: InDesk) -> bool:
        now = desk.clock.now()
        if self._next is not None and now < self._next:
            return False
        self._next = now + EVERY
        return bool(await quota.keep(desk))
