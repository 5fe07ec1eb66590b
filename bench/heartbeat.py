"""Measures how long the event loop keeps others waiting. A task asks to be woken every few milliseconds; its delay is a
stall. In: a running loop. Out: `Stalls`. Other processes on the machine delay it too: read a figure beside the one of an
idle node in the same run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from time import perf_counter

BEAT_S = 0.002


@dataclass(slots=True)
class Stalls:
    """Delays of the beats in milliseconds; filled while `measure_stalls` runs, complete after it."""

    beats: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    max_ms: float = 0.0

    def as_json(self) -> dict[str, float]:
        return asdict(self)


@asynccontextmanager
async def measure_stalls() -> AsyncIterator[Stalls]:
    """Measure the loop's stalls while the body runs."""
    late: list[float] = []
    stalls = Stalls()
    beating = asyncio.create_task(_beat(late))
    try:
        yield stalls
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        late.sort()
        if late:
            stalls.beats = len(late)
            stalls.p50_ms = round(late[len(late) // 2] * 1000, 2)
            stalls.p99_ms = round(late[len(late) * 99 // 100] * 1000, 2)
            stalls.p999_ms = round(late[len(late) * 999 // 1000] * 1000, 2)
            stalls.max_ms = round(late[-1] * 1000, 2)


async def _beat(late: list[float]) -> None:
    due = perf_counter() + BEAT_S
    while True:
        await asyncio.sleep(due - perf_counter())
        woken = perf_counter()
        late.append(max(woken - due, 0.0))
        due = woken + BEAT_S
