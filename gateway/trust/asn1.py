"""Makes asn1crypto fit for threads. The library prepares each of its classes when the first object of that class is
made, and a class's map of names when the first name is looked up; two threads that do so at once read through a
half-made class or map, and a sound chain would be called broken. Here one thread prepares them all. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any

from asn1crypto.core import Choice, Sequence, Set, ValueMap

_one_at_a_time = Lock()


def make_ready() -> None:
    """Prepare every structure and every map of names that is loaded by now. Call it below the imports of a module that
    reads with asn1crypto. Objects of the classes still belong to one thread at a time."""
    with _one_at_a_time:
        for base in (Sequence, Set, Choice):
            for cls in _subclasses(base):
                cls()
        for cls in _subclasses(ValueMap):
            if cls._map:
                cls._reverse_map = _NameMap(cls)


class _NameMap(dict[Any, Any]):
    """Map from names to values of one class, complete from the start. A library that is imported later may add names to the
    class, so a missing name is looked up there once more."""

    def __init__(self, kind: Any) -> None:
        super().__init__(_reversed_map(kind))
        self._kind = kind

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self.update(_reversed_map(self._kind))
        return super().__contains__(name)


def _reversed_map(kind: Any) -> dict[Any, Any]:
    return {name: value for value, name in kind._map.items()}


def _subclasses(base: Any) -> Iterator[Any]:  # Any: what readies a class is private to the library
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)
