"""A fresh count is not made again, and is used no longer than it may be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from gateway_office.domain.listing import Filter, Side, Tab
from gateway_office.store import lists
from gateway_office.store.lists import COUNT_FRESH, MOST_COUNTED, STILL_MANY, CountCache, ListCount
from tests.support.clock import ManualClock

SENT, FAILED = Filter(side=Side.OUT, tab=Tab.SENT), Filter(side=Side.OUT, tab=Tab.FAILED)


class Counter:
    """Counts one more each time; `SENT` is beyond counting."""

    def __init__(self, clock: ManualClock) -> None:
        self.cache = CountCache(clock)
        self.requests: list[Sequence[Filter]] = []

    async def __call__(self, filters: Sequence[Filter]) -> Sequence[ListCount]:
        self.requests.append(filters)
        await asyncio.sleep(0)
        many = ListCount(n=MOST_COUNTED, more=True)
        return [many if f == SENT else ListCount(n=len(self.requests)) for f in filters]

    async def counts(self, *filters: Filter, agency: str = "agy_a") -> list[int]:
        return [c.n for c in await self.cache.get(agency, self.cache.turn(agency), filters, self)]


async def test_a_count_is_known_for_seconds_and_one_beyond_counting_for_minutes() -> None:
    clock = ManualClock()
    counter = Counter(clock)

    assert await counter.counts(FAILED, SENT, FAILED) == [1, MOST_COUNTED, 1]
    clock.advance(COUNT_FRESH.total_seconds() - 1)
    assert await counter.counts(FAILED, SENT) == [1, MOST_COUNTED]
    clock.advance(2)
    assert await counter.counts(FAILED, SENT) == [2, MOST_COUNTED]
    clock.advance((STILL_MANY + timedelta(seconds=1)).total_seconds())
    await counter.counts(SENT)

    assert counter.requests == [[FAILED, SENT], [FAILED], [SENT]]


async def test_whoever_changes_a_document_sees_the_new_count_at_once() -> None:
    counter = Counter(ManualClock())
    await counter.counts(FAILED)

    counter.cache.changed("agy_b")
    assert await counter.counts(FAILED) == [1]
    counter.cache.changed("agy_a")
    assert await counter.counts(FAILED) == [2]


async def test_a_count_of_before_a_change_is_not_kept_for_after_it() -> None:
    counter = Counter(ManualClock())
    turn_before = counter.cache.turn("agy_a")
    counter.cache.changed("agy_a")

    await counter.cache.get("agy_a", turn_before, [FAILED], counter)

    assert await counter.counts(FAILED) == [2]


async def test_many_who_ask_at_once_count_once_for_each_agency() -> None:
    counter = Counter(ManualClock())

    await asyncio.gather(*(counter.counts(FAILED) for _ in range(20)), counter.counts(FAILED, agency="agy_b"))

    assert len(counter.requests) == 2


async def test_what_is_known_is_bounded() -> None:
    counter = Counter(ManualClock())

    for n in range(lists.MOST_COUNTS_KEPT + 1):
        await counter.counts(Filter(side=Side.OUT, party=str(n)))
    await counter.counts(Filter(side=Side.OUT, party="0"))
    await counter.counts(Filter(side=Side.OUT, party=str(lists.MOST_COUNTS_KEPT)))

    assert len(counter.requests) == lists.MOST_COUNTS_KEPT + 2
