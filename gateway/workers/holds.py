"""Brings sealed holds to their end where nobody waits for it: after a crash, or once the head's key is set. In: the clock.
Out: holds that are settled. A hold is frozen, and so unreadable, whether or not this loop turns."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.holding import finish
from gateway.holding.desk import HoldDesk
from gateway.workers.turn import Turn

EVERY = timedelta(minutes=1)


class Holds:
    """Remembers when it last looked."""

    def __init__(self) -> None:
        self._turn = Turn(EVERY)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self, desk: HoldDesk) -> bool:
        """Looks once a minute; the first look is at start."""
        if not self._turn.take(desk.clock.now()):
            return False
        return bool(await finish.settle_all(desk))
