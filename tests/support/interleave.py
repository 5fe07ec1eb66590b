"""Every order in which workers' named steps can happen, each worker keeping its own order. A small cousin of the
isolation tests of PostgreSQL: the test says what each step does and plays one order after another."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

Order = tuple[str, ...]


def orders(*workers: Sequence[str]) -> list[Order]:
    """All merges of the workers' step lists; step names must differ between workers."""
    return list(_merge([list(worker) for worker in workers]))


def _merge(waiting: list[list[str]]) -> Iterator[Order]:
    if not any(waiting):
        yield ()
    for n, steps in enumerate(waiting):
        if steps:
            others_left = [*waiting[:n], steps[1:], *waiting[n + 1 :]]
            yield from ((steps[0], *tail) for tail in _merge(others_left))


async def play(order: Order, steps: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """Does the steps in that order, one at a time."""
    for name in order:
        await steps[name]()
