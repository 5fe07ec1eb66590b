"""Makes the reader of certificates and signatures fit for threads. It readies each of its classes when the first object
of that class is made, and the table of a class's names when the first name is asked for; two threads that do so at once
read through a half-made class or table: a sound chain would be called broken. Here one thread makes them ready. Out:
nothing; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Any

from asn1crypto.core import Choice, Sequence, Set, ValueMap

_one_at_a_time = Lock()


def make_ready() -> None:
    """Every structure and every name that the reader knows by now: called below the imports of a module that reads with
    them. What the classes read, their objects, still belongs to one thread at a time."""
    with _one_at_a_time:
        for base in (Sequence, Set, Choice):
            for each in _below(base):
                each()
        for each in _below(ValueMap):
            if each._map:
                each._reverse_map = _Names(each)


class _Names(dict[Any, Any]):
    """The table of a class from names to values, whole from the beginning. A library that is imported later may add names
    of its own to the class, so a name that is not found is looked for there once more."""

    def __init__(self, kind: Any) -> None:
        super().__init__(_turned(kind))
        self._kind = kind

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self.update(_turned(self._kind))
        return super().__contains__(name)


def _turned(kind: Any) -> dict[Any, Any]:
    return {name: value for value, name in kind._map.items()}


def _below(base: Any) -> Iterator[Any]:  # Any: what readies a class is private to the library
    for each in base.__subclasses__():
        yield each
        yield from _below(each)
