"""The node's memory of itself, on SQL. In: beats and samples, every few minutes from each process. Out: samples and
days. Part of the store; get it as `store.history`. One short write for everything that was told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlmodel import col

from gateway.domain.pace import HISTORY_KEPT, SAMPLED_EVERY, Beat, JobDay, QueueSample
from gateway.domain.wall_clock import local
from gateway.store import inbox, jobs, outbox
from gateway.store.row import value_of
from gateway.store.tables import InboxRow, JobRow, OutboxRow
from gateway.store.tables_node import JobDayRow, QueueSampleRow
from gateway.store.transaction import Open, Transaction

_J, _S = JobDayRow, QueueSampleRow
_COLUMNS = ("beats", "failures", "gap_s", "last_at", "failed_at", "code")
_LONGEST_CODE = 40


class SqlHistory:
    """What waited and what jobs did, told by every process and counted once; removed after 30 days."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading

    async def record(
        self,
        beats: Sequence[Beat],
        sampled: Sequence[QueueSample],
        now: datetime,
        off: Collection[str] = (),
        trims: bool = True,
    ) -> None:
        """Keeps what jobs did, what waits in the database now, and what the caller sampled elsewhere; forgets what is too
        old, if it `trims`. A beat that was told before counts once, and so does a moment that several processes sampled.
        Jobs in `off` are not set up here any more: nobody waits for them, and their days are forgotten."""
        samples = [*await self._waiting(now), *sampled]
        oldest = now - HISTORY_KEPT
        async with self._writing() as tx:
            # Two processes that add to the same day would each write what only one of them knows.
            await tx.hold("job_day")
            for each in samples:
                await tx.put_new(_S.of(each, at=_slot(now)))
            for day in _grown(await _days(tx, local(oldest).date()), beats, local(oldest).date()):
                await tx.put_over(_J.of(day), *_COLUMNS)
            gone: ColumnElement[bool] = col(_J.job).in_(sorted(off))
            if trims:
                await tx.change(delete(_S).where(col(_S.at) < oldest))
                gone = or_(col(_J.day) < local(oldest).date(), gone)
            await tx.change(delete(_J).where(gone))
            await tx.commit()

    async def samples(self, since: datetime, queue: str | None = None) -> Sequence[QueueSample]:
        """Oldest first; of that queue alone, or of all."""
        query = select(_S).where(col(_S.at) >= since).order_by(col(_S.at), col(_S.queue))
        if queue is not None:
            query = query.where(col(_S.queue) == queue)
        async with self._reading() as tx:
            rows = await tx.rows(_S, query)
        return [value_of(QueueSample, row) for row in rows]

    async def days(self, since: date) -> Sequence[JobDay]:
        """Of every job, oldest first."""
        async with self._reading() as tx:
            return await _days(tx, since)

    async def _waiting(self, now: datetime) -> list[QueueSample]:
        """What goes on by itself; what waits for a person is no measure of how the node keeps up."""
        asked: tuple[tuple[str, Any, Any, Any], ...] = (  # Any: what sqlmodel types its columns as
            ("outbox", OutboxRow, col(OutboxRow.created_at), outbox.is_open()),
            ("inbox", InboxRow, col(InboxRow.received_at), inbox.is_open()),
            ("job", JobRow, col(JobRow.created_at), jobs.is_open()),
        )
        made = []
        async with self._reading() as tx:
            for queue, table, at, among in asked:
                query = select(func.count(), func.min(at)).select_from(table).where(among)
                ((depth, oldest),) = await tx.tuples(query)
                age = max(0, round((now - oldest).total_seconds())) if oldest is not None else None
                made.append(QueueSample(at=now, queue=queue, depth=depth, oldest_s=age))
        return made


def _slot(now: datetime) -> datetime:
    """The moment under which every process samples, so that each is kept once."""
    every = int(SAMPLED_EVERY.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // every * every, UTC)


def _grown(known: Sequence[JobDay], beats: Sequence[Beat], first: date) -> list[JobDay]:
    """The days that are others now. What is not newer than what is known was told before."""
    days = {(each.job, each.day): each for each in known}
    changed = set()
    for beat in beats:
        mine = [each for each in days.values() if each.job == beat.job]
        last = max((each.last_at for each in mine if each.last_at), default=None)
        failed = max((each.failed_at for each in mine if each.failed_at), default=None)
        if beat.at is not None and (last is None or beat.at > last):
            key = beat.job, local(beat.at).date()
            gap = round((beat.at - last).total_seconds()) if last is not None else 0
            days[key] = _with_beat(days.get(key) or JobDay(job=beat.job, day=key[1]), beat, gap)
            changed.add(key)
        if beat.failed_at is not None and (failed is None or beat.failed_at > failed):
            key = beat.job, local(beat.failed_at).date()
            days[key] = _with_failure(days.get(key) or JobDay(job=beat.job, day=key[1]), beat)
            changed.add(key)
    return [days[key] for key in sorted(changed) if key[1] >= first]


def _with_beat(day: JobDay, beat: Beat, gap_s: int) -> JobDay:
    beats, longest = day.beats + max(1, beat.beats), max(day.gap_s, gap_s)
    return replace(day, beats=beats, gap_s=longest, last_at=beat.at)


def _with_failure(day: JobDay, beat: Beat) -> JobDay:
    failures, code = day.failures + max(1, beat.failures), beat.code[:_LONGEST_CODE]
    return replace(day, failures=failures, failed_at=beat.failed_at, code=code)


async def _days(tx: Transaction, since: date) -> list[JobDay]:
    query = select(_J).where(col(_J.day) >= since).order_by(col(_J.day), col(_J.job))
    return [value_of(JobDay, row) for row in await tx.rows(_J, query)]
