"""Room for so many bytes at a time, which concurrent works share. In: the size of a work. Out: whether there is room for
it now; a work without room takes another course, and none waits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Share:
    """Room for so many bytes at a time."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def reserve(self, size: int) -> Iterator[bool]:
        """Reserve room to the end of the body; yield whether there was enough."""
        reserved = size if size <= self._left else 0
        self._left -= reserved
        try:
            yield reserved == size
        finally:
            self._left += reserved
