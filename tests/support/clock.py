"""Tests own these clocks: one stands still, jumps when told or slept on, and counts out ULIDs in order; others run too."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from gateway.clock import LETTERS, SystemClock
from gateway.time_source import moment

START = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)


class ManualClock:
    """Satisfies the `Clock` promise without the machine's time or randomness."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._wrong = timedelta()
        self._ids = 0

    def now(self) -> datetime:
        return self._now + self._wrong

    def passed_s(self) -> float:
        return (self.now() - self._wrong).timestamp()

    def jump(self, by: timedelta) -> None:
        """Set the clock without any time passing."""
        self._wrong += by

    def advance(self, by: timedelta | float) -> None:
        """Move time forward by a span, or by so many seconds."""
        self._now += by if isinstance(by, timedelta) else timedelta(seconds=by)

    def new_id(self, prefix: str = "") -> str:
        """Return the next ULID: sorted by time and, within one moment, by the order of asking."""
        self._ids += 1
        tail = "".join(LETTERS[self._ids >> shift & 31] for shift in range(75, -1, -5))
        return prefix + moment(int(self._now.timestamp() * 1000)) + tail

    async def sleep(self, seconds: float) -> None:
        """Jump over the wait, and let other tasks run once."""
        self.advance(seconds)
        await asyncio.sleep(0)


class LeaseClock(ManualClock):
    """Leases run out when the tests say so; a wait takes real time, so that a missed wake-up is seen."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class MovableClock(LeaseClock):
    """Goes as fast as the machine's, from the hour at which all tests begin, and forward when told."""

    def __init__(self, start: datetime = START) -> None:
        super().__init__(start)
        self._began, self._stands = time.monotonic(), False

    def now(self) -> datetime:
        elapsed_s = 0.0 if self._stands else time.monotonic() - self._began
        return self._now + self._wrong + timedelta(seconds=elapsed_s)

    def new_id(self, prefix: str = "") -> str:
        return SystemClock().new_id(prefix)

    def skip(self, by: timedelta) -> None:
        self.advance(by)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Stop the clock, so that no term ends on a slow machine: an act can be called back for half a minute."""
        self._now, self._stands = self.now() - self._wrong, True
        try:
            yield
        finally:
            self._began, self._stands = time.monotonic(), False
