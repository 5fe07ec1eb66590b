"""The node's record of its own work. In: reports of job runs (beats) and queue depths (samples), every few minutes from
each process, each one short transaction. Out: samples, and job runs by day. Part of the store; get it as
`store.history`."""

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
from gateway.store.repository import OwnTransactions
from gateway.store.tables import InboxRow, JobRow, OutboxRow
from gateway.store.tables_node import JobDayRow, QueueSampleRow
from gateway.store.transaction import Transaction

_LONGEST_CODE = 40


class SqlHistory(OwnTransactions):
    """Repository of queue depths and job runs. All processes report them, each is counted once; deleted after 30 days."""

    async def record(
        self,
        beats: Sequence[Beat],
        other_samples: Sequence[QueueSample],
        now: datetime,
        removed_jobs: Collection[str] = (),
        trims: bool = True,
    ) -> None:
        """Record job runs, the depths of the database's queues, and `other_samples` of the caller. A beat or sample that
        several processes report counts once. `trims` deletes records that are too old; the days of `removed_jobs`, which
        this node does not run any more, are always deleted."""
        samples = [*await self._sample_queues(now), *other_samples]
        oldest = now - HISTORY_KEPT
        async with self._changing() as tx:
            # Without this lock, of two processes that add to the same day one would overwrite the other's beats.
            await tx.hold("job_day")
            for sample in samples:
                await tx.insert_new(QueueSampleRow.from_value(sample, at=_slot(now)))
            for day in _changed_days(await _days(tx, local(oldest).date()), beats, local(oldest).date()):
                await tx.upsert(JobDayRow.from_value(day))
            is_outdated: ColumnElement[bool] = col(JobDayRow.job).in_(sorted(removed_jobs))
            if trims:
                await tx.change(delete(QueueSampleRow).where(col(QueueSampleRow.at) < oldest))
                is_outdated = or_(col(JobDayRow.day) < local(oldest).date(), is_outdated)
            await tx.change(delete(JobDayRow).where(is_outdated))

    async def samples(self, since: datetime, queue: str | None = None) -> Sequence[QueueSample]:
        """Return the samples since `since` of one queue, or of all, the oldest first."""
        query = (
            select(QueueSampleRow)
            .where(col(QueueSampleRow.at) >= since)
            .order_by(col(QueueSampleRow.at), col(QueueSampleRow.queue))
        )
        if queue is not None:
            query = query.where(col(QueueSampleRow.queue) == queue)
        return await self._values(QueueSample, query)

    async def days(self, since: date) -> Sequence[JobDay]:
        """Return the days of all jobs since `since`, the oldest first."""
        async with self._reading() as tx:
            return await _days(tx, since)

    async def _sample_queues(self, now: datetime) -> list[QueueSample]:
        """Return the depth and oldest age of the outbox, the inbox and the jobs. Only rows that wait for a worker count,
        not those that wait for a person, because the samples show whether the node keeps up."""
        queues: tuple[tuple[str, Any, Any, Any], ...] = (  # Any: what sqlmodel types its columns as
            ("outbox", OutboxRow, col(OutboxRow.created_at), outbox.is_open()),
            ("inbox", InboxRow, col(InboxRow.received_at), inbox.is_open()),
            ("job", JobRow, col(JobRow.created_at), jobs.is_open()),
        )
        samples = []
        async with self._reading() as tx:
            for queue, table, at, is_open in queues:
                query = select(func.count(), func.min(at)).select_from(table).where(is_open)
                ((depth, oldest),) = await tx.tuples(query)
                age = max(0, round((now - oldest).total_seconds())) if oldest is not None else None
                samples.append(QueueSample(at=now, queue=queue, depth=depth, oldest_s=age))
        return samples


def _slot(now: datetime) -> datetime:
    """Round a time down to the sampling interval, so that the samples of all processes have the same time."""
    every = int(SAMPLED_EVERY.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // every * every, UTC)


def _changed_days(stored_days: Sequence[JobDay], beats: Sequence[Beat], first: date) -> list[JobDay]:
    """Return the days from `first` on that the beats change, with these beats counted. A beat that is not newer than the
    job's last stored one was counted before."""
    days = {(day.job, day.day): day for day in stored_days}
    changed = set()
    for beat in beats:
        job_days = [day for day in days.values() if day.job == beat.job]
        last = max((day.last_at for day in job_days if day.last_at), default=None)
        failed = max((day.failed_at for day in job_days if day.failed_at), default=None)
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
    query = select(JobDayRow).where(col(JobDayRow.day) >= since)
    return await tx.values(JobDay, query.order_by(col(JobDayRow.day), col(JobDayRow.job)))
