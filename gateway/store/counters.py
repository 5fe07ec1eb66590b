"""Numbers without gaps that the one writer of an SQLite store counts in memory. In: last numbers, as read from the file.
Out: the last number of each counter, valid until another connection writes to the file."""

from __future__ import annotations


class Counters:
    """Last numbers of counters, by name, as the units of the one writer count them. They are dropped when another
    connection wrote to the file, and restored when a unit is undone."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._before: dict[str, int | None] = {}
        self._version: object = None

    def last(self, name: str) -> int | None:
        """Return the counter's last number; None when it has to be read from the file."""
        return self._last.get(name)

    def count_to(self, name: str, number: int) -> None:
        self._before.setdefault(name, self._last.get(name))
        self._last[name] = number

    def begin_group(self, version: object) -> None:
        """Begin a group of units. When `version`, the file's, has changed since the last group, forget all numbers, because
        another connection wrote to the file."""
        if version != self._version:
            self._version = version
            self._last.clear()

    def begin_unit(self) -> None:
        self._before.clear()

    @property
    def have_moved(self) -> bool:
        """True when this unit changed any counter."""
        return bool(self._before)

    def undo_unit(self) -> None:
        for name, number in self._before.items():
            if number is None:
                del self._last[name]
            else:
                self._last[name] = number
        self._before.clear()
