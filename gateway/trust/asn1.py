"""Makes asn1crypto safe to use from several threads. The library prepares each of its classes when the first object of
that class is made, and a class's map of names when the first name is looked up. Two threads that do this at once use a
half-made class or map, and a sound certificate chain would be reported as broken. `make_ready` prepares them all in one
thread. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any

from asn1crypto.core import Choice, Sequence, Set, ValueMap

_one_at_a_time = Lock()


def make_ready() -> None:
    """Prepare every structure and every map of names of the modules loaded so far. Modules that read with asn1crypto
    call it below their imports. An object of these classes must still be used by one thread only."""
    with _one_at_a_time:
        for base in (Sequence, Set, Choice):
            for cls in _subclasses(base):
                cls()
        for cls in _subclasses(ValueMap):
            if cls._map:
                cls._reverse_map = _NameMap(cls)


class _NameMap(dict[Any, Any]):
    """Complete map from names to values of one class. A library that is imported later may add names to the class, so a
    missing name is looked up in the class once more."""

    def __init__(self, kind: Any) -> None:
        super().__init__(_reversed_map(kind))
        self._kind = kind

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self.update(_reversed_map(self._kind))
        return super().__contains__(name)


def _reversed_map(kind: Any) -> dict[Any, Any]:
    return {name: value for value, name in kind._map.items()}


# Any: the parts of a class that are prepared are private to the library.
def _subclasses(base: Any) -> Iterator[Any]:
    for cls in base.__subclasses__():
        yield cls
        yield from _subclasses(cls)
