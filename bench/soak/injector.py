"""Chooses faults from a shuffled deck and spreads them over the run by its progress, some of them at once. In: kinds of
faults, how many, and the progress of the run. Out: the faults by name and count, and how long the longest lasted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from bench.soak.faults import Fault

_AT_ONCE = 3
_LOOK_S = 0.1


@dataclass(slots=True)
class Injector:
    """Injects the faults. `kinds` are faults that differ only in their target; each kind comes once per round."""

    kinds: Sequence[Sequence[Fault]]
    chance: Random
    say: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    _struck: set[str] = field(default_factory=set)
    _deck: list[Sequence[Fault]] = field(default_factory=list)

    async def run(self, strikes: int, progress: Callable[[], float]) -> None:
        """Inject so many faults; `progress` runs from 0 to 1. Returns when everything is healed."""
        async with asyncio.TaskGroup() as tasks:
            for n in range(strikes):
                while progress() < (n + 0.5) / strikes or len(self._struck) >= _AT_ONCE:  # noqa: ASYNC110 - a few a second
                    await asyncio.sleep(_LOOK_S)
                fault = await self._drawn()
                self._struck.add(fault.resource)
                self.counts[fault.name] += 1
                tasks.create_task(self._strike(fault, n + 1))

    async def _drawn(self) -> Fault:
        while True:
            if not self._deck:
                self._deck = list(self.kinds)
                self.chance.shuffle(self._deck)
            for kind in self._deck:
                free = [fault for fault in kind if fault.resource not in self._struck]
                if free:
                    self._deck.remove(kind)
                    return self.chance.choice(free)
            await asyncio.sleep(_LOOK_S)

    async def _strike(self, fault: Fault, n: int) -> None:
        begun = time.monotonic()
        self.say(f"fault {n}: {fault.name} ({fault.resource})")
        try:
            try:
                await fault.hurt()
                await asyncio.sleep(self.chance.uniform(*fault.seconds))
            finally:
                await fault.heal()
        finally:
            self._struck.discard(fault.resource)
            self.longest_s = max(self.longest_s, time.monotonic() - begun)
