"""The one wake-up of a process that has nothing to do: asks what is due, and rings for those whose it is. In: the clock,
the rows that wait, what other processes changed. Out: rings; everybody else sleeps until then. It decides nothing: whoever
is rung looks for himself, and does so without a ring too, at the latest after `longest_sleep_s`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.ports import Clock
from gateway.ports.rows import Signs
from gateway.workers.loop import Bell

Due = Callable[[datetime], bool]

# Other nodes' parcels ring no bell here, so this is what each of them waits; an empty look costs one read.
LANDING_POLL_S = 0.2
# Without a ring a loop sleeps for so many looks: the net under them, for what no look tells of, or when looks fail. Files
# with answers of authorities change without a sign, and the sign of life must come also while the database is away.
_LOOKS, _LOOKS_OF = 15, {"lookout": 1, "revocation": 5, "pulse": 5}
LONGEST_S = 60.0


def longest_sleep_s(name: str, poll_s: float) -> float:
    """For how long the loop of that name sleeps when nobody rings; `poll_s` is from one look to the next."""
    if name == "landing":
        return min(poll_s, LANDING_POLL_S)
    return max(poll_s, min(poll_s * _LOOKS_OF.get(name, _LOOKS), LONGEST_S))


class Bells(Protocol):
    """One for each loop."""

    def __getitem__(self, name: str, /) -> Bell: ...


@dataclass(slots=True, kw_only=True)
class Lookout:
    """One per process. `times`: whether the clock alone makes it somebody's turn. `look`: what the store says."""

    clock: Clock
    bells: Bells
    times: Mapping[str, Due]
    look: Callable[[], Awaitable[Signs]]
    _seen: Mapping[str, object] = field(default_factory=dict)

    async def step(self) -> bool:
        """Times first: they count also while the database is away. Whoever keeps up with changes looks after the first
        look too: what changed since he began would else not be told of."""
        now = self.clock.now()
        self._ring(name for name, is_due in self.times.items() if is_due(now))
        signs = await self.look()
        self._ring(signs.due)
        self._ring(name for name, mark in signs.marks.items() if self._seen.get(name) != mark)
        self._seen = signs.marks
        return False

    def _ring(self, names: Iterable[str]) -> None:
        for name in names:
            self.bells[name].ring()
