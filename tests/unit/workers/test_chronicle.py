"""The job history of a process: turns and failures from the pulse, other jobs beside, the axis where it answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from gateway.domain.pace import SAMPLED_EVERY, Beat, QueueSample
from gateway.errors import TransportFailure, Unreachable
from gateway.pool import ThreadPool
from gateway.store.history import SqlHistory
from gateway.workers.heartbeat import Chronicle, Pulse
from tests.support.clock import START, ManualClock


@dataclass
class KeptHistory:
    """Remembers what it was told."""

    beats: list[Beat] = field(default_factory=list)
    samples_: list[QueueSample] = field(default_factory=list)
    calls: int = 0

    async def record(
        self,
        beats: Sequence[Beat],
        sampled: Sequence[QueueSample],
        now: datetime,
        jobs_off: Collection[str] = (),
        trims: bool = True,
    ) -> None:
        self.calls += 1
        self.beats += beats
        self.samples_ += sampled


@dataclass
class Line:
    down: bool = False

    async def counts(self) -> Mapping[str, int]:
        if self.down:
            raise TransportFailure("the axis does not answer")
        return {"waiting": 3, "leased": 1, "dead": 2}


async def nothing_else() -> Sequence[Beat]:
    return ()


async def some_space() -> int:
    return 5000


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Pulse]:
    pool = ThreadPool(1)
    yield Pulse(folder=tmp_path, clock=ManualClock(), pool=pool)
    pool.close()


def chronicle(
    pulse: Pulse, kept_history: KeptHistory, line: Line | None = None, jobs_off: frozenset[str] = frozenset()
) -> Chronicle:
    return Chronicle(
        history=cast(SqlHistory, kept_history),
        pulse=pulse,
        axis=line or Line(),
        clock=pulse.clock,
        other_beats=nothing_else,
        free_mb=some_space,
        silent_jobs=jobs_off,
    )


def advance(pulse: Pulse, seconds: float) -> None:
    assert isinstance(pulse.clock, ManualClock)
    pulse.clock.advance(seconds)


async def well() -> bool:
    return True


async def broken() -> bool:
    raise Unreachable("no mail server")


async def test_turns_and_failures_are_told_once_every_five_minutes(pulse: Pulse) -> None:
    kept_history = KeptHistory()
    writing = chronicle(pulse, kept_history)
    landing, digest = pulse.counted("landing", well), pulse.counted("digest", broken)
    for _ in range(3):
        await landing()
        with pytest.raises(Unreachable):
            await digest()

    await writing.step()
    assert kept_history.calls == 0
    for seconds in (20, 1, SAMPLED_EVERY.total_seconds()):
        advance(pulse, seconds)
        await writing.step()

    assert kept_history.calls == 2
    by_job = {beat.job: beat for beat in kept_history.beats}
    assert len(kept_history.beats) == 2
    assert (by_job["landing"].beats, by_job["landing"].at, by_job["landing"].failures) == (3, START, 0)
    assert (by_job["digest"].at, by_job["digest"].failures, by_job["digest"].failed_at) == (None, 3, START)
    assert by_job["digest"].code == Unreachable("x").code


async def test_the_axis_is_sampled_and_its_silence_stops_nothing(pulse: Pulse) -> None:
    kept_history, silent = KeptHistory(), KeptHistory()

    for writing in (chronicle(pulse, kept_history), chronicle(pulse, silent, Line(down=True))):
        await writing.step()
        advance(pulse, 20)
        await writing.step()

    assert {x.queue: x.depth for x in kept_history.samples_} == {"axis": 3, "dead": 2, "disk": 5000}
    assert (silent.calls, [x.queue for x in silent.samples_]) == (1, ["disk"])


async def test_a_job_that_is_not_set_up_here_is_not_told_of(pulse: Pulse) -> None:
    kept_history = KeptHistory()
    await pulse.counted("digest", well)()

    writing = chronicle(pulse, kept_history, jobs_off=frozenset({"digest"}))
    await writing.step()
    advance(pulse, 20)
    await writing.step()

    assert (kept_history.calls, kept_history.beats) == (1, [])
