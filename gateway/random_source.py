"""Source of randomness: the product takes keys, salts, tokens, names and jitter here alone. In: the system's random bytes.
Out: bytes, texts and numbers made of them. A simulator replaces the source of its process, so that it can repeat a run;
nothing else does."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

SIZE, _AT_ONCE = 16, 256
T = TypeVar("T", str, bytes)
_draw: Callable[[int], bytes] = os.urandom
_batches: list[RandomBatch[str] | RandomBatch[bytes]] = []


@contextmanager
def replaced(draw: Callable[[int], bytes]) -> Iterator[None]:
    """Let all threads of this process take their randomness from `draw` meanwhile, which returns so many bytes. Only tests
    do this: what can be repeated can be guessed."""
    global _draw
    earlier_draw, _draw = _draw, draw
    _forget_drawn()
    try:
        yield
    finally:
        _draw = earlier_draw
        _forget_drawn()


def _forget_drawn() -> None:
    for batch in _batches:
        batch.unused.clear()


# After a fork two processes must not return the same values.
os.register_at_fork(after_in_child=_forget_drawn)


class RandomBatch(Generic[T]):
    """Random values of sixteen bytes or letters, drawn many at a time: each system call releases the interpreter lock, and
    another thread may then hold it for a while. `read` converts the bytes drawn."""

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self._read: Callable[[bytes], T] = read
        self.unused: list[T] = []
        _batches.append(self)

    def take(self) -> T:
        while True:
            try:
                return self.unused.pop()
            except IndexError:
                drawn = self._read(_draw(SIZE * _AT_ONCE))
                self.unused.extend([drawn[at : at + SIZE] for at in range(0, len(drawn), SIZE)])


random_16 = RandomBatch(bytes).take


def token_bytes(size: int) -> bytes:
    return _draw(size)


def token_hex(size: int) -> str:
    return _draw(size).hex()


def token_urlsafe(size: int) -> str:
    """Return a text of so many random bytes for an address or a header."""
    return base64.urlsafe_b64encode(_draw(size)).rstrip(b"=").decode()


def fraction() -> float:
    """Return a number from 0 up to, but not including, 1."""
    return (int.from_bytes(_draw(7)) >> 3) * 2.0**-53


def uniform(low: float, high: float) -> float:
    return low + (high - low) * fraction()


def below(bound: int) -> int:
    return int(fraction() * bound)


def backoff_s(attempt: int, first_s: float, longest_s: float) -> float:
    """Return the pause after an attempt, counted from 1: random, below a bound that doubles up to the longest."""
    return uniform(0, min(first_s * 2.0 ** min(attempt - 1, 60), longest_s))
