"""How the axis is now, and what is under way on it with what every worker process of this node holds. In: the axis,
the signs of life of the workers. Out: one `AxisNow`. A broker tells how much waits with it, and nothing of what it
handed out and has not heard of since: that only the process knows that holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gateway.errors import TransportFailure
from gateway.ports import AxisDesk, AxisState
from gateway.workers.pulse import EVERY, beats, own_name

# A process that died is silent; what it held went back to the broker.
HEARD_LATELY: timedelta = 3 * EVERY


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisNow:
    """How the axis is; `counts` is empty and `state.reason` says why where it does not answer."""

    state: AxisState
    counts: Mapping[str, int]


async def look(axis: AxisDesk, heartbeat: Path, now: datetime) -> AxisNow:
    """Counting makes an axis connect, so that its state is told after that."""
    try:
        counts = await count(axis, heartbeat, now)
    except TransportFailure:
        counts = {}
    return AxisNow(state=axis.state(), counts=counts)


async def count(axis: AxisDesk, heartbeat: Path, now: datetime) -> Mapping[str, int]:
    """As `AxisDesk.counts`, with what the other processes hold. TransportFailure while the axis does not answer."""
    counts = dict(await axis.counts())
    for beat in beats(heartbeat, now):
        if beat.process != own_name() and now - beat.at < HEARD_LATELY:
            for part, number in beat.holds.items():
                counts[part] = counts.get(part, 0) + number
    return counts
