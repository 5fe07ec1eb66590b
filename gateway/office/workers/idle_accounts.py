"""Looks after accounts that nobody uses, and clears away sessions that are long over. In: the clock. Out: what became of
them, as events."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.office.accounts import idle
from gateway.office.accounts.desk import AccountDesk
from gateway.workers.turn import Turn

EVERY = timedelta(hours=6)


class IdleAccounts:
    """Remembers when it last looked."""

    def __init__(self) -> None:
        self._turn = Turn(EVERY)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self, desk: AccountDesk) -> bool:
        """Looks four times a day; the first look is at start."""
        if not self._turn.take(desk.clock.now()):
            return False
        return bool(await idle.sweep(desk))
