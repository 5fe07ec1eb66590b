"""The sign of life of a worker process: which loops turn, the file that others read, and the history of jobs beside it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from gateway.domain.document import Lane
from gateway.domain.pace import SAMPLED_EVERY, Beat, Metric, QueueSample, paces
from gateway.errors import StoreFailure, TransportFailure, Unreachable
from gateway.pool import ThreadPool
from gateway.stopwatch import Stopwatch
from gateway.store.history import SqlHistory
from gateway.workers.heartbeat import EVERY, FORGOTTEN, STUCK_S, Chronicle, Pulse, beats, slots
from tests.support.clock import START, ManualClock
from tests.support.waiting import within_limit


@pytest.fixture
def pulse(tmp_path: Path) -> Iterator[Pulse]:
    pool = ThreadPool(1)
    yield Pulse(folder=tmp_path / "heartbeat", clock=ManualClock(), pool=pool)
    pool.close()


async def test_files_of_processes_that_died_go_after_a_day(pulse: Pulse) -> None:
    pulse.folder.mkdir()
    for name, days in (("gone-1.json", 2), (".gone-1.json.part", 2), ("other-2.json", 0), ("note.txt", 2)):
        (pulse.folder / name).write_text("{}")
        past = time.time() - days * FORGOTTEN.total_seconds()
        os.utime(pulse.folder / name, (past, past))

    await pulse.beat()

    files_left = {x.name for x in pulse.folder.iterdir()} - {pulse._file.name}
    assert files_left == {"other-2.json", "note.txt"}


async def test_the_file_is_written_every_ten_seconds_and_no_oftener(pulse: Pulse) -> None:
    clock = pulse.clock
    assert isinstance(clock, ManualClock)
    await pulse.beat()
    clock.advance(EVERY - timedelta(seconds=1))
    await pulse.beat()
    assert beats(pulse.folder, clock.now())[0].at == START

    clock.advance(1)
    await pulse.beat()

    assert beats(pulse.folder, clock.now())[0].at == START + EVERY


async def test_a_step_that_never_ends_is_found_stuck_and_other_processes_learn_it(pulse: Pulse) -> None:
    now = 1000.0
    watched = replace(pulse, now_s=lambda: now)
    begun = asyncio.Event()

    async def hangs() -> bool:
        begun.set()
        await asyncio.Event().wait()
        return False

    async def idles() -> bool:
        return False

    idle = watched.counted("idle", idles)
    hanging = asyncio.ensure_future(watched.counted("hanging", hangs)())
    await within_limit(begun.wait(), "a step that hangs")
    now += STUCK_S
    await idle()
    assert watched.loops() == {"hanging": False, "idle": True}

    await watched.beat()

    assert beats(pulse.folder, START)[0].stuck == ("hanging",)
    hanging.cancel()
    await asyncio.gather(hanging, return_exceptions=True)
    watched.stop()


async def test_a_beat_is_read_by_others_until_an_orderly_end(pulse: Pulse) -> None:
    """That of a process that died is shown for a day."""
    await pulse.beat()
    (beat,) = beats(pulse.folder, START)
    almost, forgotten_at = START + FORGOTTEN - timedelta(seconds=1), START + FORGOTTEN
    assert (len(beats(pulse.folder, almost)), beats(pulse.folder, forgotten_at)) == (1, [])
    pulse.stop()

    assert (beat.at, beat.since, beat.stuck) == (START, START, ())
    assert beats(pulse.folder, START) == []


async def test_a_file_that_cannot_be_read_hides_no_other(pulse: Pulse) -> None:
    await pulse.beat()
    for text in ("", "{", "[]", '{"at": 3}', '{"at": "x", "since": "y", "stuck": []}'):
        (pulse.folder / "another.json").write_text(text)
        assert len(beats(pulse.folder, START)) == 1


async def test_a_folder_that_cannot_be_made_is_a_failure_of_the_store(pulse: Pulse) -> None:
    pulse.folder.write_text("a file is in the way")

    with pytest.raises(StoreFailure, match="data folder"):
        await pulse.beat()


async def test_how_long_it_took_is_read_by_others_also_from_a_process_that_only_answers(pulse: Pulse) -> None:
    stopwatch = Stopwatch("amqp", pulse.clock)
    stopwatch.record(Metric.ACCEPT, Lane.URGENT, START - timedelta(seconds=4))
    answering = replace(pulse, slots=stopwatch.slots)

    await answering.beat(works=False)

    assert slots(pulse.folder, START) == stopwatch.slots()
    assert [(pace.axis, pace.p95) for pace in paces(slots(pulse.folder, START))] == [("amqp", 4.0)]
    assert beats(pulse.folder, START) == []
    assert slots(pulse.folder, START + timedelta(hours=2)) == []


async def test_slots_that_another_version_wrote_in_its_own_way_are_left_out(pulse: Pulse) -> None:
    stopwatch = Stopwatch("embedded", pulse.clock)
    stopwatch.record(Metric.ACCEPT, Lane.NORMAL, START)
    await replace(pulse, slots=stopwatch.slots).beat()
    short, huge = '[1, "accept", "normal", "x", [1]]', '[1e99, "accept", "normal", "x", []]'
    for row in ("3", "[]", short, huge, '{"a": 1}'):
        (pulse.folder / "another.json").write_text(f'{{"slots": [{row}]}}')
        (pulse.folder / "further.json").write_text(f'{{"slots": {row}}}')
        assert slots(pulse.folder, START) == stopwatch.slots()


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
