"""Bytes that nobody can guess, from the system, many at a time: each call to it gives up the interpreter, and a thread that
wants it keeps it for a while."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

SIZE, _AT_ONCE = 16, 256
T = TypeVar("T", str, bytes)


class Drawn(Generic[T]):
    """Sixteen at a time, handed out to nobody else, as a digest or a name has. `read` makes as many letters of bytes."""

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self._read: Callable[[bytes], T] = read
        self._left: list[T] = []
        os.register_at_fork(after_in_child=self._left.clear)  # two processes must never hand out the same

    def take(self) -> T:
        while True:
            try:
                return self._left.pop()
            except IndexError:
                drawn = self._read(os.urandom(SIZE * _AT_ONCE))
                self._left.extend([drawn[at : at + SIZE] for at in range(0, len(drawn), SIZE)])


sixteen = Drawn(bytes).take
