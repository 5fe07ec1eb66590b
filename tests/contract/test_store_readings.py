"""Readings of documents by programs are counted by day until an event records them, and each is recorded once (R123)."""

from __future__ import annotations

from datetime import timedelta

from gateway.store.store import SqlStore
from tests.support.clock import START
from tests.support.stores import NORTH, SOUTH, committing

KEY, OTHER = "prn_1", "prn_2"


async def test_the_first_is_told_at_once_and_further_ones_are_folded_by_day(store: SqlStore) -> None:
    noon, next_day = START, START + timedelta(days=1)
    async with committing(store, NORTH) as work:
        assert await work.readings.note("inb_1", KEY, noon) == (True, None)
        assert await work.readings.note("inb_1", OTHER, noon) == (True, None)
        assert await work.readings.note("inb_1", KEY, noon + timedelta(minutes=1)) == (False, None)
        assert await work.readings.note("inb_1", KEY, noon + timedelta(minutes=2)) == (False, None)
    async with committing(store, SOUTH) as work:
        assert await work.readings.note("inb_1", KEY, noon) == (True, None)

    assert await store.untold_readings(noon) == []
    (first_reading,) = await store.untold_readings(next_day)
    async with committing(store, NORTH) as work:
        _, owed = await work.readings.note("inb_1", KEY, next_day)
    assert (first_reading.reader_id, first_reading.count, owed) == (KEY, 2, first_reading)
    (second_reading,) = await store.untold_readings(next_day + timedelta(days=1))
    async with committing(store, NORTH) as work:
        assert await work.readings.take(first_reading) is None
        assert await work.readings.take(second_reading) == second_reading
        assert await work.readings.take(second_reading) is None
    assert await store.untold_readings(next_day + timedelta(days=1)) == []
