"""A limited number of bytes that concurrent tasks share. In: the size of a task. Out: whether there is room for it now; a
task without room does something else instead of waiting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Share:
    """Number of bytes that tasks may use at the same time."""

    def __init__(self, most: int) -> None:
        self._left = most

    @contextmanager
    def reserve(self, size: int) -> Iterator[bool]:
        """Reserve so many bytes until the end of the body; yield whether there was room."""
        reserved = size if size <= self._left else 0
        self._left -= reserved
        try:
            yield reserved == size
        finally:
            self._left += reserved
