"""Keeps the node's memory of itself: every five minutes what its jobs did and what waits. In: the pulse of this process,
the axis, what else is known of jobs that are no loops. Out: rows, removed for age. What could not be written is not told
again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.domain.node_history import DISK, SAMPLED_EVERY, Beat, QueueSample
from gateway.errors import TransportFailure
from gateway.ports import Clock
from gateway.ports.history import NodeHistory
from gateway.workers.pulse import Pulse

# After a pause, jobs are late until they are heard of again.
_SOON = timedelta(seconds=20)
_SAMPLED = {"waiting": "axis", "dead": "dead"}


class Counting(Protocol):
    """What is asked of the axis."""

    async def counts(self) -> Mapping[str, int]: ...


@dataclass(slots=True, kw_only=True)
class Chronicle:
    """One per process; several may write at once. `besides` tells of jobs that are no loops here, `free_mb` of
    the disk; those in `off` are not set up on this node, and their loops turn for nothing."""

    history: NodeHistory
    pulse: Pulse
    axis: Counting
    clock: Clock
    besides: Callable[[], Awaitable[Sequence[Beat]]]
    free_mb: Callable[[], Awaitable[int]]
    off: Collection[str] = ()
    _next: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        return self._next is None or not self._next - SAMPLED_EVERY <= now < self._next

    async def step(self) -> bool:
        """Looks every five minutes; the first look waits until every loop has turned once."""
        now = self.clock.now()
        if self._next is None:
            self._next = now + _SOON
        if not self.is_due(now):
            return False
        self._next = now + SAMPLED_EVERY
        beats = [each for each in (*self.pulse.taken(), *await self.besides()) if each.job not in self.off]
        disk = QueueSample(at=now, queue=DISK, depth=await self.free_mb())
        await self.history.record(beats, [disk, *await self._of_axis(now)], now, self.off)
        return False

    async def _of_axis(self, now: datetime) -> list[QueueSample]:
        try:
            counts = await self.axis.counts()
        except TransportFailure:
            return []
        return [
            QueueSample(at=now, queue=queue, depth=counts[part])
            for part, queue in _SAMPLED.items()
            if part in counts
        ]
