"""Real time behind the `Clock` promise: aware UTC now, a wait, and new ULIDs. Tests bring their own."""

import asyncio
import os
from datetime import UTC, datetime

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _CROCKFORD for second in _CROCKFORD]


def ulid_at(at: datetime, randomness: bytes) -> str:
    """The ULID of a moment and ten random bytes: sortable by time, unique by chance of 2^-80."""
    number = (int(at.timestamp() * 1000) << 80) | int.from_bytes(randomness, "big")
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def new_id(self, prefix: str = "") -> str:
        return prefix + ulid_at(self.now(), os.urandom(10))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
