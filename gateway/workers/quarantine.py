"""Looks every few seconds whether packets of nobody's fill the quarantine. In: the clock. Out: the oldest let go. Often,
because a flood must not fill the disk between two looks; a look that finds nothing is one sum."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.incoming import quota
from gateway.incoming.desk import InDesk
from gateway.workers.turn import Turn

EVERY = timedelta(seconds=15)


class Quarantine:
    """Remembers when it last looked."""

    def __init__(self) -> None:
        self._turn = Turn(EVERY)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self, desk: InDesk) -> bool:
        if not self._turn.take(desk.clock.now()):
            return False
        return bool(await quota.keep(desk))
