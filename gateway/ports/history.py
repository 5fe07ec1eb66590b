"""The promise behind the node's memory of itself: samples of its queues, beats of its jobs, removed for age."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Protocol

from gateway.domain.node_history import Beat, JobDay, QueueSample


class NodeHistory(Protocol):
    async def record(
        self, beats: Sequence[Beat], sampled: Sequence[QueueSample], now: datetime, off: Collection[str] = ()
    ) -> None:
        """Keeps what jobs did, what waits in the database now, and what the caller sampled elsewhere; forgets what is too
        old. A beat that was told before counts once, and so does a moment that several processes sampled. Jobs in
        `off` are not set up here any more: nobody waits for them, and their days are forgotten."""

    async def samples(self, since: datetime, queue: str | None = None) -> Sequence[QueueSample]:
        """Oldest first; of that queue alone, or of all."""

    async def days(self, since: date) -> Sequence[JobDay]:
        """Of every job, oldest first."""
