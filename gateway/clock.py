"""Real time behind the `Clock` promise: aware UTC now, a wait, and new ULIDs. Tests bring their own."""

import asyncio
import time
from datetime import UTC, datetime
from functools import lru_cache

from gateway import chance

LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's
_OF_BYTE = (LETTERS * 8).encode()  # five bits of each byte
_PAIRS = [first + second for first in LETTERS for second in LETTERS]


def moment(ms: int) -> str:
    """The head of the ULIDs of a moment."""
    return _quarter(ms >> 20) + _PAIRS[ms >> 10 & 1023] + _PAIRS[ms & 1023]


@lru_cache(maxsize=4)
def _quarter(number: int) -> str:
    """Of some seventeen minutes."""
    return "".join(_PAIRS[number >> shift & 1023] for shift in (20, 10, 0))


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self, prefix: str = "") -> str:
        """A ULID: sortable by time, unique by chance of 2^-80."""
        return prefix + moment(time.time_ns() // 1_000_000) + chance.sixteen().translate(_OF_BYTE).decode()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
