"""Makes the reader of certificates and signatures fit for threads. It readies each of its classes when the first object
of that class is made, and two threads that do so at once read through a half-made class: a sound chain would be called
broken. Here one thread makes them ready. Out: nothing; no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

from asn1crypto.core import Asn1Value, Choice, Sequence, Set

_one_at_a_time = Lock()


def make_ready() -> None:
    """Every structure that the reader knows by now: called below the imports of a module that reads with them. Names of
    algorithms and the like are left alone, as a library may still add its own. What the classes read, their objects, still
    belongs to one thread at a time."""
    with _one_at_a_time:
        for base in (Sequence, Set, Choice):
            for each in _below(base):
                each()


def _below(base: type[Asn1Value]) -> Iterator[type[Asn1Value]]:
    for each in base.__subclasses__():
        yield each
        yield from _below(each)
