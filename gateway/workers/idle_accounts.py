"""Looks after accounts that nobody uses, and clears away sessions that are long over. In: the clock. Out: what became of
them, as events."""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.accounts import idle
from gateway.accounts.desk import AccountDesk

EVERY = timedelta(hours=6)


class IdleAccounts:
    """Remembers when it last looked."""

    def __init__(self) -> None:
        self._next: datetime | None = None

    async def step(self, desk: AccountDesk) -> bool:
        """Looks four times a day; the first look is at start."""
        now = desk.clock.now()
        if self._next is not None and now < self._next:
            return False
        self._next = now + EVERY
        return bool(await idle.sweep(desk))
