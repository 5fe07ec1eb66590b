"""Bytes that nobody can guess, from the system, many at a time: each call to it gives up the interpreter, and a thread that
wants it keeps it for a while."""

from __future__ import annotations

import os

SIZE, _AT_ONCE = 16, 256
_left: list[bytes] = []
os.register_at_fork(after_in_child=_left.clear)  # two processes must never hand out the same


def sixteen() -> bytes:
    """Bytes that were handed out to nobody else, as a digest or a name has."""
    while True:
        try:
            return _left.pop()
        except IndexError:
            drawn = os.urandom(SIZE * _AT_ONCE)
            _left.extend(drawn[at : at + SIZE] for at in range(0, len(drawn), SIZE))
