"""How often somebody may call: token buckets by name, in memory, for this process alone. In: a name and a rate. Out: how
many seconds to wait, 0 for none. However many names there are, memory is bounded."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

# Whoever is forgotten starts with a full bucket again, which helps nobody who was waiting: it was the longest unused one.
MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many calls at once, and so many a second afterwards."""

    per_s: float
    burst: float


class Buckets:
    """One bucket for each name."""

    def __init__(self, rate: Rate, now: Callable[[], float] = time.monotonic, most: int = MOST_NAMES) -> None:
        self._rate = rate
        self._now = now
        self._most = most
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def wait_s(self, name: str) -> float:
        """How long until this name may take one; takes nothing."""
        return max(0.0, (1.0 - self._left(name)) / self._rate.per_s)

    def take(self, name: str) -> float:
        """Takes one, or says how long to wait for it."""
        wait = self.wait_s(name)
        if wait == 0.0:
            self._held[name] = (self._left(name) - 1.0, self._now())
            self._held.move_to_end(name)
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        return wait

    def _left(self, name: str) -> float:
        left, since = self._held.get(name, (self._rate.burst, 0.0))
        return min(self._rate.burst, left + max(0.0, self._now() - since) * self._rate.per_s)
