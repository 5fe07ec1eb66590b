"""The node's memory of itself, on both databases: samples and days of jobs, told by several processes, removed for age."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from gateway.domain.pace import HISTORY_KEPT, SAMPLED_EVERY, Beat, QueueSample
from gateway.domain.wall_clock import local
from gateway.store.store import SqlStore
from tests.support.clock import START, ManualClock
from tests.support.stores import committing

LONG_AGO = START - timedelta(days=365)


async def test_what_waits_is_sampled_with_the_age_of_the_oldest_once_for_all_processes(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.jobs.add("pack", "msg_1")
    clock.advance(90)
    axis = QueueSample(at=clock.now(), queue="axis", depth=7)

    await asyncio.gather(*(store.history.record([], [axis], clock.now()) for _ in range(3)))

    depths = {
        sample.queue: (sample.depth, sample.oldest_s) for sample in await store.history.samples(LONG_AGO)
    }
    assert depths == {"axis": (7, None), "inbox": (0, None), "job": (1, 90), "outbox": (0, None)}
    assert len(await store.history.samples(LONG_AGO)) == len(depths)


async def test_a_job_grows_its_day_and_the_longest_pause_is_kept(store: SqlStore, clock: ManualClock) -> None:
    for minutes in (0, 5, 65, 70):
        at = START + timedelta(minutes=minutes)
        await store.history.record([Beat(job="landing", at=at, beats=10)], [], at)
    failed = Beat(job="landing", failed_at=START + timedelta(minutes=71), failures=2, code="GW-T-101")
    await store.history.record([failed], [], clock.now())

    (day,) = await store.history.days(local(START).date())
    assert (day.job, day.day, day.beats, day.failures, day.gap_s) == (
        "landing",
        local(START).date(),
        40,
        2,
        3600,
    )
    assert (day.last_at, day.code) == (START + timedelta(minutes=70), "GW-T-101")


async def test_what_was_told_before_counts_once(store: SqlStore, clock: ManualClock) -> None:
    backup = Beat(job="backup", at=START, failed_at=START - timedelta(hours=1), code="GW-S-501")
    for _ in range(3):
        clock.advance(300)
        await store.history.record([backup], [], clock.now())

    (day,) = [s for s in await store.history.days(local(LONG_AGO).date()) if s.beats]
    assert (day.beats, day.last_at) == (1, START)
    assert sum(s.failures for s in await store.history.days(local(LONG_AGO).date())) == 1


async def test_several_processes_add_to_the_same_day(store: SqlStore, clock: ManualClock) -> None:
    beats = [Beat(job="landing", at=START + timedelta(seconds=n), failed_at=START, beats=1) for n in range(4)]

    await asyncio.gather(*(store.history.record([s], [], clock.now()) for s in beats))

    (day,) = await store.history.days(local(LONG_AGO).date())
    assert 1 <= day.beats <= len(beats)
    assert (day.last_at, day.failures) == (START + timedelta(seconds=3), 1)


async def test_age_ends_both(store: SqlStore, clock: ManualClock) -> None:
    await store.history.record([Beat(job="landing", at=START)], [], START)
    clock.advance(HISTORY_KEPT)
    await store.history.record([], [], clock.now())
    assert {sample.at for sample in await store.history.samples(LONG_AGO)} >= {
        START - timedelta(seconds=START.timestamp() % SAMPLED_EVERY.total_seconds())
    }
    clock.advance(timedelta(days=1))

    await store.history.record([], [], clock.now())

    assert await store.history.days(local(LONG_AGO).date()) == []
    assert all(sample.at > START for sample in await store.history.samples(LONG_AGO))


async def test_a_job_that_is_not_set_up_any_more_is_forgotten(store: SqlStore, clock: ManualClock) -> None:
    await store.history.record([Beat(job="digest", at=START), Beat(job="landing", at=START)], [], START)
    await store.history.record([], [], clock.now(), {"digest"})

    assert [day.job for day in await store.history.days(local(LONG_AGO).date())] == ["landing"]
