"""The injector strikes as often as planned, each kind before any again, and never one thing in two ways at once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

import pytest

from bench.soak.injector import Injector


@dataclass
class Scratch:
    """A fault that only remembers; `hurt_now` counts what hurts a resource at this moment."""

    name: str
    resource: str
    hurt_now: Counter[str]
    seconds: tuple[float, float] = (0.0, 0.01)
    breaks: bool = False
    most: int = field(default=0)
    healed: int = field(default=0)

    async def hurt(self) -> None:
        self.hurt_now[self.resource] += 1
        self.most = max(self.most, self.hurt_now[self.resource])
        if self.breaks:
            raise OSError("the service is not there")

    async def heal(self) -> None:
        self.hurt_now[self.resource] -= 1
        self.healed += 1


def _injector(*kinds: list[Scratch]) -> Injector:
    return Injector(kinds, Random(4), lambda words: None)


async def test_it_strikes_so_often_and_each_kind_before_any_repeats() -> None:
    now: Counter[str] = Counter()
    kinds = [[Scratch(name, name, now)] for name in ("a", "b", "c", "d")]

    injector = _injector(*kinds)
    await injector.run(10, lambda: 1.0)

    assert injector.counts.total() == 10
    assert {*injector.counts.values()} == {2, 3}
    assert sum(kind[0].healed for kind in kinds) == 10


async def test_one_thing_is_never_hurt_in_two_ways_at_once() -> None:
    now: Counter[str] = Counter()
    kinds = [[Scratch(name, "the broker", now)] for name in ("killed", "restarted", "full")]

    await _injector(*kinds).run(9, lambda: 1.0)

    assert [kind[0].most for kind in kinds] == [1, 1, 1]


async def test_it_waits_for_the_run_to_be_so_far() -> None:
    fault = Scratch("killed", "node", Counter())
    progress = iter([0.0, 0.2, 0.3, 0.6, 0.8])
    moments: list[float] = []

    def next_progress() -> float:
        moments.append(next(progress))
        return moments[-1]

    await _injector([fault]).run(2, next_progress)

    assert (moments, fault.healed) == ([0.0, 0.2, 0.3, 0.6, 0.8], 2)


async def test_what_could_not_be_done_is_healed_and_stops_the_run() -> None:
    fault = Scratch("killed", "node", Counter(), breaks=True)

    with pytest.raises(ExceptionGroup):
        await _injector([fault]).run(1, lambda: 1.0)

    assert fault.healed == 1
