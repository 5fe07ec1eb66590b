"""Real time (the `Clock` protocol): the current time in UTC, a wait, and new ULIDs. Tests use clocks of their own.
Retention uses a second clock, which does not follow a jump ahead of the system clock, so that a wrong date ends no
retention."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gateway import random_source, time_source
from gateway.time_source import LETTERS as LETTERS
from gateway.time_source import moment

if TYPE_CHECKING:
    from gateway.ports.services import Clock

_OF_BYTE = (LETTERS * 8).encode()  # maps the lowest five bits of a byte to a letter
_random = random_source.RandomBatch(lambda drawn: drawn.translate(_OF_BYTE).decode()).take
# A clock that was set ahead is accepted after this time, because a wrong date would be corrected within a day.
ACCEPTED_AFTER_S = 24 * 3600.0
_SLEWED = timedelta(seconds=20)


class SystemClock:
    """Clock of the operating system."""

    now = staticmethod(time_source.utc_now)

    def passed_s(self) -> float:
        return time_source.boottime()

    def new_id(self, prefix: str = "") -> str:
        """Return a ULID: sortable by time, unique but for a chance of 2^-80."""
        return prefix + moment(time_source.unix_ns() // 1_000_000) + _random()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SettledClock:
    """Clock for retention. A jump ahead of the system clock is accepted only after a day; until then the time continues
    as before the jump. A clock that is set back is accepted at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_seen = clock.now(), clock.passed_s()
        self._ahead_since: float | None = None

    def begin(self, last: datetime | None) -> None:
        """Start from `last`, the time of the last write. If the system clock is far ahead of it, it may have been wrong
        since, so this counts as a jump."""
        if last is not None:
            self._last_seen = min(last, self._clock.now()), self._clock.passed_s()
            self._ahead_since = None

    def is_settled(self) -> bool:
        """Tell whether the system clock is accepted now."""
        self.now()
        return self._ahead_since is None

    def now(self) -> datetime:
        now, passed_s = self._clock.now(), self._clock.passed_s()
        at, at_s = self._last_seen
        expected = at + timedelta(seconds=passed_s - at_s)
        if now > expected + _SLEWED:
            since = self._ahead_since = passed_s if self._ahead_since is None else self._ahead_since
            if passed_s - since < ACCEPTED_AFTER_S:
                return expected
        self._last_seen, self._ahead_since = (now, passed_s), None
        return now

    def passed_s(self) -> float:
        return self._clock.passed_s()

    def new_id(self, prefix: str = "") -> str:
        return self._clock.new_id(prefix)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
