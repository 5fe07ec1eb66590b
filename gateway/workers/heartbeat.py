"""Heartbeat of this process (its loops run, how fast it serves), and the node's history. In: each step of each loop; every
five minutes the counts of the axis, and reports on jobs that are no loops. Out: stuck loops, successes and failures of
each; a small file in the data folder every few seconds, so that `gateway status` sees every process on this node's disk;
rows of the history, deleted for their age. Beats that could not be written are lost."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway import errors, time_source
from gateway.atomic_files import new_file
from gateway.domain.document import Lane
from gateway.domain.pace import BOUNDS_S, DISK, SAMPLED_EVERY, Beat, Metric, QueueSample, Slot, is_recent
from gateway.errors import TransportFailure
from gateway.ports.axis import AxisState
from gateway.ports.services import Clock, Pool
from gateway.workers.loop import StepResult, Turn

if TYPE_CHECKING:
    from gateway.store.history import SqlHistory

# Name of the folder of heartbeat files, below the data folder.
HEARTBEAT = "heartbeat"
EVERY = timedelta(seconds=10)
# A loop whose step takes longer counts as stuck; a batch of the largest packets on a slow disk takes minutes.
STUCK_S = 15 * 60.0
# How long a process that died is shown as missing, by the file that it left.
FORGOTTEN = timedelta(days=1)
# A process whose last heartbeat is older has missed four, and counts as dead.
HEARD_LATELY = timedelta(seconds=45)
WORKER, WEB = "worker", "web"
_LONGEST_REASON = 500
# The first record waits so long, because after a pause jobs count as late until they have run once.
_SOON = timedelta(seconds=20)
_SAMPLED = {"waiting": "axis", "dead": "dead"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessBeat:
    """The last heartbeat of one process. `works`: it runs the worker loops, and does not only answer calls."""

    process: str
    at: datetime
    since: datetime
    works: bool = True
    stuck: tuple[str, ...] = ()
    holds: Mapping[str, int] = field(default_factory=dict)
    """Parcels of the axis that it holds, by the names of `ManagedAxis.counts`."""
    axes: Mapping[str, AxisState] = field(default_factory=dict)
    """States of the axes as it sees them, by name; the empty name stands for all together, or the only one."""
    version: str = ""
    settings: str = ""
    faults: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with this process itself, such as keys that it cannot open, by check."""

    def lives(self, now: datetime) -> bool:
        """Tell whether the heartbeat is recent. One from the future, which a clock that was ahead wrote, is not."""
        return abs(now - self.at) < HEARD_LATELY


@dataclass(slots=True, kw_only=True)
class Pulse:
    """Heartbeat of this process, one for each open node. For readers in other processes its file includes `holds`, the
    parcels of the axis that this process holds, `axes`, the states of the axes, `slots`, the times of serving, and what it
    `sees` of itself: version, digest of the settings, and faults by check."""

    folder: Path
    clock: Clock
    pool: Pool
    holds: Callable[[], Mapping[str, int]] = dict
    axes: Callable[[], Mapping[str, AxisState]] = dict
    slots: Callable[[], Sequence[Slot]] = tuple
    sees: Callable[[], Mapping[str, object]] = dict
    now_s: Callable[[], float] = time_source.monotonic
    _turned: dict[str, float] = field(default_factory=dict)
    _beats: dict[str, Beat] = field(default_factory=dict)
    _since: datetime | None = None
    _turn: Turn = field(default_factory=lambda: Turn(EVERY))

    def counted(
        self, name: str, step: Callable[[], Awaitable[bool | StepResult]]
    ) -> Callable[[], Awaitable[bool | StepResult]]:
        """Wrap a loop's step so that its runs and failures are counted."""
        self._turned[name] = self.now_s()

        async def counting() -> bool | StepResult:
            self._turned[name] = self.now_s()
            try:
                worked = await step()
            except Exception as error:
                self.failed(name, error)
                raise
            finally:
                self._turned[name] = self.now_s()
            beat = self._beats.get(name) or Beat(job=name)
            self._beats[name] = replace(beat, at=self.clock.now(), beats=beat.beats + 1)
            return worked

        return counting

    def failed(self, name: str, error: Exception) -> None:
        """Count a failure of a job, with the error that ended its step, or that it survived."""
        beat = self._beats.get(name) or Beat(job=name)
        code = error.code if isinstance(error, errors.GatewayError) else type(error).__name__
        self._beats[name] = replace(beat, failed_at=self.clock.now(), failures=beat.failures + 1, code=code)

    def take_beats(self) -> Sequence[Beat]:
        """Return the runs and failures of this process's jobs since the last call."""
        job_beats, self._beats = list(self._beats.values()), {}
        return job_beats

    def loops(self) -> Mapping[str, bool]:
        """Return for every loop of this process whether it runs, that is, is not stuck."""
        now = self.now_s()
        return {name: now - at < STUCK_S for name, at in self._turned.items()}

    def turns(self) -> bool:
        """Tell whether every loop of this process runs."""
        return all(self.loops().values())

    def is_due(self, now: datetime) -> bool:
        """Tell whether it is time for the next heartbeat."""
        return self._turn.has_come(now)

    async def beat(self, *, works: bool = True) -> bool:
        """Write the heartbeat file when it is time; this is the step of a loop of its own. `works`: this process runs the
        worker loops, and does not only answer calls."""
        now = self.clock.now()
        self._since = self._since or now
        if self._turn.take(now):
            stuck = [name for name, turns in self.loops().items() if not turns]
            content = {
                "at": now.isoformat(),
                "since": self._since.isoformat(),
                "stuck": stuck,
                "holds": dict(self.holds()),
                "axes": {name: _axis_row(state) for name, state in self.axes().items()},
                "works": works,
                "slots": [_slot_row(s) for s in self.slots()],
            }
            content |= await self.pool.run(self.sees)
            await self.pool.run(partial(_write, self._file, json.dumps(content)))
        return False

    def stop(self) -> None:
        """Delete the heartbeat file, because a process that ends in order leaves none."""
        self._turned.clear()
        self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.folder / f"{own_name()}.json"


def own_name() -> str:
    """Return the name of this process, which differs from those of the node's other processes."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _write(file: Path, text: str) -> None:
    """Write a heartbeat file, and delete files of processes that died long ago, by the file system's own time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with new_file(file, alone=True, durable=False) as out:
            out.write(text.encode())
        forgotten = file.stat().st_mtime - FORGOTTEN.total_seconds()
        for other in file.parent.iterdir():
            with suppress(FileNotFoundError):  # another process may delete it first
                if other.suffix in (".json", ".part") and other.stat().st_mtime < forgotten:
                    other.unlink()
    except OSError as cause:
        raise errors.StoreFailure(
            f"the data folder does not take {file.name}: {cause.strerror}; check its disk"
        ) from cause


def beats(folder: Path, now: datetime) -> Sequence[ProcessBeat]:
    """Return the last heartbeat of every worker process that wrote one within a day, sorted by name."""
    return [beat for beat in all_beats(folder, now) if beat.works]


def living(folder: Path, now: datetime) -> Mapping[str, int]:
    """Count the node's processes with a recent heartbeat by role; a role without any has 0."""
    counts = {WORKER: 0, WEB: 0}
    for beat in all_beats(folder, now):
        counts[WORKER if beat.works else WEB] += beat.lives(now)
    return counts


def all_beats(folder: Path, now: datetime) -> Sequence[ProcessBeat]:
    """Read every heartbeat of the last day, leaving out unreadable files, such as one that is being replaced."""
    process_beats = []
    for process, content in _read_files(folder):
        try:
            beat = ProcessBeat(
                process=process,
                at=datetime.fromisoformat(content["at"]),
                since=datetime.fromisoformat(content["since"]),
                works=bool(content.get("works", True)),
                stuck=tuple(content["stuck"]),
                holds={str(part): int(number) for part, number in content.get("holds", {}).items()},
                axes={str(name): _axis_state(*row) for name, row in content.get("axes", {}).items()},
                version=str(content.get("version", "")),
                settings=str(content.get("settings", "")),
                faults={str(check): str(why) for check, why in content.get("faults", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if now - beat.at < FORGOTTEN:
            process_beats.append(beat)
    return process_beats


def slots(folder: Path, now: datetime) -> Sequence[Slot]:
    """Return the recent times of serving of every process, also of those that only answer calls. Rows in the form of
    another version are left out."""
    recent_slots = []
    for _, content in _read_files(folder):
        rows = content.get("slots")
        for row in rows if isinstance(rows, list) else ():
            try:
                slot = _parse_slot(row)
            except (ValueError, TypeError, OverflowError, OSError):
                continue
            if is_recent(slot, now):
                recent_slots.append(slot)
    return recent_slots


def _read_files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each process with the content of its file, sorted by name."""
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            yield file.stem, content


def _axis_row(state: AxisState) -> list[str]:
    times = (state.connected_since, state.down_since, state.blocked_since)
    return [*(at.isoformat() if at else "" for at in times), state.reason[:_LONGEST_REASON]]


def _axis_state(connected: str, down: str, blocked: str, reason: str) -> AxisState:
    connected_since, down_since, blocked_since = (
        datetime.fromisoformat(at) if at else None for at in (connected, down, blocked)
    )
    return AxisState(
        connected_since=connected_since,
        down_since=down_since,
        blocked_since=blocked_since,
        reason=str(reason),
    )


def _slot_row(slot: Slot) -> list[object]:
    return [slot.began_at.timestamp(), slot.way, slot.lane, slot.axis, list(slot.counts)]


def _parse_slot(row: Any) -> Slot:
    """Parse a slot from a heartbeat file. ValueError for other bounds. Any: it is read from a file."""
    began_at, metric, lane, axis, counts = row
    if len(counts) != len(BOUNDS_S) + 1:
        raise ValueError("it was counted below other bounds")
    return Slot(
        began_at=datetime.fromtimestamp(began_at, UTC),
        way=Metric(metric),
        lane=Lane(lane),
        axis=str(axis),
        counts=tuple(map(int, counts)),
    )


class AxisCounting(Protocol):
    """The part of the axis that the history needs."""

    async def counts(self) -> Mapping[str, int]: ...


@dataclass(slots=True, kw_only=True)
class Chronicle:
    """Writer of the node's history; one per process, several may write at once. `other_beats` returns beats of jobs that
    are no loops here, `free_mb` the free space of the disk. While `trims` returns False, because the clock is not trusted,
    nothing is deleted for its age. Jobs in `silent_jobs` are not configured on this node; their beats are not recorded."""

    history: SqlHistory
    pulse: Pulse
    axis: AxisCounting
    clock: Clock
    other_beats: Callable[[], Awaitable[Sequence[Beat]]]
    free_mb: Callable[[], Awaitable[int]]
    silent_jobs: Collection[str] = ()
    trims: Callable[[], bool] = lambda: True
    _next: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        return self._next is None or not self._next - SAMPLED_EVERY <= now < self._next

    async def step(self) -> bool:
        """Record beats and samples every five minutes; at first some seconds after the start, when all loops have run."""
        now = self.clock.now()
        if self._next is None:
            self._next = now + _SOON
        if not self.is_due(now):
            return False
        self._next = now + SAMPLED_EVERY
        beats = [
            b for b in (*self.pulse.take_beats(), *await self.other_beats()) if b.job not in self.silent_jobs
        ]
        disk = QueueSample(at=now, queue=DISK, depth=await self.free_mb())
        await self.history.record(
            beats, [disk, *await self._of_axis(now)], now, self.silent_jobs, self.trims()
        )
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
