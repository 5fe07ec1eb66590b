"""A clock that tests own: it stands still, jumps when told or slept on, and counts out ULIDs in order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from gateway.clock import LETTERS, moment

START = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


class ManualClock:
    """Satisfies the `Clock` promise without the machine's time or randomness."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._ids = 0

    def now(self) -> datetime:
        return self._now

    def advance(self, by: timedelta | float) -> None:
        """Moves time forward by a span, or by so many seconds."""
        self._now += by if isinstance(by, timedelta) else timedelta(seconds=by)

    def new_id(self, prefix: str = "") -> str:
        """The next ULID: sorted by time and, within one moment, by the order of asking."""
        self._ids += 1
        tail = "".join(LETTERS[self._ids >> shift & 31] for shift in range(75, -1, -5))
        return prefix + moment(int(self._now.timestamp() * 1000)) + tail

    async def sleep(self, seconds: float) -> None:
        """Jumps over the wait, and lets other tasks run once."""
        self.advance(seconds)
        await asyncio.sleep(0)
