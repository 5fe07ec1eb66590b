"""Numbers without gaps that the one writer of an SQLite store counts in memory. In: numbers as they were read once.
Out: the last of each, for as long as no other connection wrote to the file."""

from __future__ import annotations


class Counters:
    """Last numbers that the units of the one writer gave, by name: they stay in memory until another connection wrote
    to the file, and a unit that is undone leaves them unchanged."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._before: dict[str, int | None] = {}
        self._version: object = None

    def last(self, name: str) -> int | None:
        """Return the last number; None where it has to be read."""
        return self._last.get(name)

    def count_to(self, name: str, number: int) -> None:
        self._before.setdefault(name, self._last.get(name))
        self._last[name] = number

    def begin_group(self, version: object) -> None:
        """Begin a group. `version`: another one whenever another connection wrote since the last group."""
        if version != self._version:
            self._version = version
            self._last.clear()

    def begin_unit(self) -> None:
        self._before.clear()

    @property
    def have_moved(self) -> bool:
        """True when this unit counted anything."""
        return bool(self._before)

    def undo_unit(self) -> None:
        for name, number in self._before.items():
            if number is None:
                del self._last[name]
            else:
                self._last[name] = number
        self._before.clear()
