"""Room for so many bytes at a time, which works in hand share. In: the size of a work. Out: whether there is room for it
now; who finds none does it in another way, and nobody waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Share:
    """Room for so many bytes at a time."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def taken(self, size: int) -> Iterator[bool]:
        """Whether there is room for them; then they have it to the end of the body."""
        taken = size if size <= self._left else 0
        self._left -= taken
        try:
            yield taken == size
        finally:
            self._left += taken
