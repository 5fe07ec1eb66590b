"""Random bytes from the system, drawn in batches: each system call releases the interpreter lock, and another thread may
then hold it for a while."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

SIZE, _AT_ONCE = 16, 256
T = TypeVar("T", str, bytes)


class RandomBatch(Generic[T]):
    """Source of random values of sixteen bytes or letters, drawn many at a time. `read` converts the bytes drawn."""

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self._read: Callable[[bytes], T] = read
        self._unused: list[T] = []
        # After a fork two processes must not return the same values.
        os.register_at_fork(after_in_child=self._unused.clear)

    def take(self) -> T:
        while True:
            try:
                return self._unused.pop()
            except IndexError:
                drawn = self._read(os.urandom(SIZE * _AT_ONCE))
                self._unused.extend([drawn[at : at + SIZE] for at in range(0, len(drawn), SIZE)])


random_16 = RandomBatch(bytes).take
