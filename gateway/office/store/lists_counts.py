"""Counts that were worked out a moment ago. In: an agency, the questions, and who counts. Out: a count for each question;
those that are known are not counted again. A small count is kept for seconds, and no longer than until this process
changes a document of that agency; one that is beyond counting stays so for minutes. How many are kept is bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.office.ports.lists import Count, Wanted
from gateway.ports.services import Clock

FRESH = timedelta(seconds=5)
STILL_MANY = timedelta(minutes=5)
MOST_KEPT = 2_000
Counting = Callable[[Sequence[Wanted]], Awaitable[Sequence[Count]]]
_Key = tuple[str, Wanted]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    count: Count
    at: datetime
    turn: int


class KnownCounts:
    """One for each process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[_Key, _Known] = OrderedDict()
        self._turns: defaultdict[str, int] = defaultdict(int)
        self._counting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, agency_id: str) -> int:
        """How often its documents were changed; to be asked before they are looked at."""
        return self._turns[agency_id]

    def changed(self, agency_id: str) -> None:
        self._turns[agency_id] += 1

    async def of(
        self, agency_id: str, turn: int, asked: Sequence[Wanted], counting: Counting
    ) -> Sequence[Count]:
        """Who comes while somebody counts for the same agency waits, and mostly finds what it wants."""
        async with self._counting[agency_id]:
            found = {wanted: count for wanted in asked if (count := self._fresh(agency_id, wanted))}
            unknown = [wanted for wanted in dict.fromkeys(asked) if wanted not in found]
            if unknown:
                for wanted, count in zip(unknown, await counting(unknown), strict=True):
                    found[wanted] = count
                    self._keep(agency_id, wanted, count, turn)
        return [found[wanted] for wanted in asked]

    def _fresh(self, agency_id: str, wanted: Wanted) -> Count | None:
        known = self._known.get((agency_id, wanted))
        if known is None:
            return None
        age = self._clock.now() - known.at
        if known.count.more:
            return known.count if timedelta() <= age < STILL_MANY else None
        same = known.turn == self._turns[agency_id]
        return known.count if same and timedelta() <= age < FRESH else None

    def _keep(self, agency_id: str, wanted: Wanted, count: Count, turn: int) -> None:
        self._known[agency_id, wanted] = _Known(count=count, at=self._clock.now(), turn=turn)
        self._known.move_to_end((agency_id, wanted))
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)
