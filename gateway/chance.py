"""Random bytes from the system, drawn in batches: each system call gives up the interpreter, and another thread may keep it
for a while."""

from __future__ import annotations

import os

SIZE, _AT_ONCE = 16, 256
_stock: list[bytes] = []
os.register_at_fork(after_in_child=_stock.clear)  # two processes must never return the same bytes


def sixteen() -> bytes:
    """Return 16 random bytes, never returned before."""
    while True:
        try:
            return _stock.pop()
        except IndexError:
            drawn = os.urandom(SIZE * _AT_ONCE)
            _stock.extend(drawn[start : start + SIZE] for start in range(0, len(drawn), SIZE))
