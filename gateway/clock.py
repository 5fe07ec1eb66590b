"""Real time behind the `Clock` promise: aware UTC now, a wait, and new ULIDs. Tests bring their own. By another clock
things grow old: it does not follow a machine's that jumps ahead, so that no retention ends by a wrong date."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway import chance

if TYPE_CHECKING:
    from gateway.ports.services import Clock

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's
_OF_BYTE = (LETTERS * 8).encode()  # five bits of each byte
_random = chance.Drawn(lambda drawn: drawn.translate(_OF_BYTE).decode()).take
_PAIRS = [first + second for first in LETTERS for second in LETTERS]


@lru_cache(maxsize=16)
def moment(ms: int) -> str:
    """The head of the ULIDs of a moment, in which many may be made."""
    return "".join([_PAIRS[ms >> shift & 1023] for shift in (40, 30, 20, 10, 0)])


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def passed_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def new_id(self, prefix: str = "") -> str:
        """A ULID: sortable by time, unique by chance of 2^-80."""
        return prefix + moment(time.time_ns() // 1_000_000) + _random()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


# A clock that was set ahead is believed after so long: nobody left it wrong for a whole day, or everybody agrees with it.
BELIEVED_AFTER_S = 24 * 3600.0
_SLEWED = timedelta(seconds=20)


class SettledClock:
    """The time by which things grow old: as the clock says, but for a jump ahead, which is believed after a day. Until
    then it goes on from before the jump. A clock that is set back is believed at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen = clock.now(), clock.passed_s()
        self._ahead_since: float | None = None

    def begin(self, last: datetime | None) -> None:
        """`last`: when something was last written. A start long after that is a jump: the clock may be wrong since then."""
        if last is not None:
            self._seen = min(last, self._clock.now()), self._clock.passed_s()
            self._ahead_since = None

    def is_settled(self) -> bool:
        """Whether the clock is believed now."""
        self.now()
        return self._ahead_since is None

    def now(self) -> datetime:
        now, passed_s = self._clock.now(), self._clock.passed_s()
        at, at_s = self._seen
        expected = at + timedelta(seconds=passed_s - at_s)
        if now > expected + _SLEWED:
            since = self._ahead_since = passed_s if self._ahead_since is None else self._ahead_since
            if passed_s - since < BELIEVED_AFTER_S:
                return expected
        self._seen, self._ahead_since = (now, passed_s), None
        return now

    def passed_s(self) -> float:
        return self._clock.passed_s()

    def new_id(self, prefix: str = "") -> str:
        return self._clock.new_id(prefix)

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
