"""Says that the loops of this process turn, and how fast it serves; and keeps the node's memory of itself. In: each step
of each loop; every five minutes the axis, and what else is known of jobs that are no loops. Out: which loops are
stuck, how often each came through or failed, a small file in the data folder every few seconds, so that `gateway
status` sees every process on this node's disk; rows of the history, removed for age. What could not be written is not
told again."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from gateway import errors
from gateway.atomic_files import new_file
from gateway.domain.document import Lane
from gateway.domain.pace import BOUNDS_S, DISK, SAMPLED_EVERY, Metric, QueueSample, Slot, is_recent
from gateway.domain.pace import Beat as Told
from gateway.errors import TransportFailure
from gateway.ports.axis import AxisState
from gateway.ports.services import Clock, Pool
from gateway.workers.loop import Done, Turn

if TYPE_CHECKING:
    from gateway.store.history import SqlHistory

# Below the data folder.
HEARTBEAT = "heartbeat"
EVERY = timedelta(seconds=10)
# The longest honest step is a batch of the largest packets on a slow disk: minutes.
STUCK_S = 15 * 60.0
# A process that died leaves its file; for so long it is shown as one that was not seen since.
FORGOTTEN = timedelta(days=1)
# A process that says nothing for four signs of life is dead, or as good as dead.
HEARD_LATELY = timedelta(seconds=45)
WORKER, WEB = "worker", "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessBeat:
    """The last sign of life of one process. `works`: it has the loops, and does not only answer."""

    process: str
    at: datetime
    since: datetime
    works: bool = True
    stuck: tuple[str, ...] = ()
    holds: Mapping[str, int] = field(default_factory=dict)
    """What it has in hand of the axis, by the names of `AxisDesk.counts`."""
    axes: Mapping[str, AxisState] = field(default_factory=dict)
    """Axes that it finds down or blocked, by name; the whole, and an axis alone, under the empty name."""

    def lives(self, now: datetime) -> bool:
        """A sign from the future was written by a clock that was ahead, and says nothing of today."""
        return abs(now - self.at) < HEARD_LATELY


@dataclass(slots=True, kw_only=True)
class Pulse:
    """One process's sign of life. Made by the wiring, one for each open node. `holds` tells what it has in hand of the
    axis, `axes` how each is, `slots` how long it took to serve, all for those who ask from another process."""

    folder: Path
    clock: Clock
    pool: Pool
    holds: Callable[[], Mapping[str, int]] = dict
    axes: Callable[[], Mapping[str, AxisState]] = dict
    slots: Callable[[], Sequence[Slot]] = tuple
    now_s: Callable[[], float] = time.monotonic
    _turned: dict[str, float] = field(default_factory=dict)
    _told: dict[str, Told] = field(default_factory=dict)
    _since: datetime | None = None
    _turn: Turn = field(default_factory=lambda: Turn(EVERY))

    def counted(
        self, name: str, step: Callable[[], Awaitable[bool | Done]]
    ) -> Callable[[], Awaitable[bool | Done]]:
        """The same step, its turns noted from now on."""
        self._turned[name] = self.now_s()

        async def counting() -> bool | Done:
            self._turned[name] = self.now_s()
            try:
                worked = await step()
            except Exception as error:
                self.failed(name, error)
                raise
            finally:
                self._turned[name] = self.now_s()
            known = self._told.get(name) or Told(job=name)
            self._told[name] = replace(known, at=self.clock.now(), beats=known.beats + 1)
            return worked

        return counting

    def failed(self, name: str, error: Exception) -> None:
        """The job did not do its work: what broke its step, or what it went on in spite of."""
        known = self._told.get(name) or Told(job=name)
        code = error.code if isinstance(error, errors.GatewayError) else type(error).__name__
        self._told[name] = replace(known, failed_at=self.clock.now(), failures=known.failures + 1, code=code)

    def taken(self) -> Sequence[Told]:
        """What the jobs of this process did since the last call; told once."""
        told, self._told = list(self._told.values()), {}
        return told

    def loops(self) -> Mapping[str, bool]:
        """Every loop of this process, and whether it turns."""
        now = self.now_s()
        return {name: now - at < STUCK_S for name, at in self._turned.items()}

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for the next sign of life."""
        return self._turn.has_come(now)

    async def beat(self, *, works: bool = True) -> bool:
        """A step of its own loop: writes the file when it is time. `works`: it has the loops, and does not only answer."""
        now = self.clock.now()
        self._since = self._since or now
        if self._turn.take(now):
            stuck = [name for name, turns in self.loops().items() if not turns]
            told = {
                "at": now.isoformat(),
                "since": self._since.isoformat(),
                "stuck": stuck,
                "holds": dict(self.holds()),
                "axes": {
                    name: _axis_row(state)
                    for name, state in self.axes().items()
                    if state.down_since or state.blocked_since
                },
                "works": works,
                "slots": [_row(each) for each in self.slots()],
            }
            await self.pool.run(partial(_write, self._file, json.dumps(told)))
        return False

    def stop(self) -> None:
        """An orderly end leaves no file."""
        self._turned.clear()
        self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.folder / f"{own_name()}.json"


def own_name() -> str:
    """Of this process, among all of the node."""
    return f"{socket.gethostname()}-{os.getpid()}"


def _write(file: Path, text: str) -> None:
    """Files of processes that died go when they are told of no more, by the file system's own time."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with new_file(file, alone=True, durable=False) as out:
            out.write(text.encode())
        forgotten = file.stat().st_mtime - FORGOTTEN.total_seconds()
        for other in file.parent.iterdir():
            with suppress(FileNotFoundError):  # another process looks too
                if other.suffix in (".json", ".part") and other.stat().st_mtime < forgotten:
                    other.unlink()
    except OSError as cause:
        raise errors.StoreFailure(
            f"the data folder does not take {file.name}: {cause.strerror}; check its disk"
        ) from cause


def beats(folder: Path, now: datetime) -> Sequence[ProcessBeat]:
    """Every worker process that wrote here within a day, by name."""
    return [beat for beat in _every_beat(folder, now) if beat.works]


def living(folder: Path, now: datetime) -> Mapping[str, int]:
    """Processes of the node that gave a sign of life lately, by role; none of a role is 0."""
    counts = {WORKER: 0, WEB: 0}
    for beat in _every_beat(folder, now):
        counts[WORKER if beat.works else WEB] += beat.lives(now)
    return counts


def _every_beat(folder: Path, now: datetime) -> Sequence[ProcessBeat]:
    """A file that is being replaced is left out."""
    found = []
    for process, told in _files(folder):
        try:
            beat = ProcessBeat(
                process=process,
                at=datetime.fromisoformat(told["at"]),
                since=datetime.fromisoformat(told["since"]),
                works=bool(told.get("works", True)),
                stuck=tuple(told["stuck"]),
                holds={str(part): int(number) for part, number in told.get("holds", {}).items()},
                axes={str(name): _axis_state(*row) for name, row in told.get("axes", {}).items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if now - beat.at < FORGOTTEN:
            found.append(beat)
    return found


def slots(folder: Path, now: datetime) -> Sequence[Slot]:
    """The last hour of every process that wrote here, those that only answer too. What another version wrote in its own
    way is left out."""
    found = []
    for _, told in _files(folder):
        rows = told.get("slots")
        for row in rows if isinstance(rows, list) else ():
            try:
                slot = _slot(row)
            except (ValueError, TypeError, OverflowError, OSError):
                continue
            if is_recent(slot, now):
                found.append(slot)
    return found


def _files(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each process wrote, by its name."""
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            told = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(told, dict):
            yield file.stem, told


_LONGEST_REASON = 500


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


def _row(slot: Slot) -> list[object]:
    return [slot.began_at.timestamp(), slot.way, slot.lane, slot.axis, list(slot.counts)]


def _slot(row: Any) -> Slot:
    """Any: it is read from a file."""
    began_at, way, lane, axis, counts = row
    if len(counts) != len(BOUNDS_S) + 1:
        raise ValueError("it was counted below other bounds")
    return Slot(
        began_at=datetime.fromtimestamp(began_at, UTC),
        way=Metric(way),
        lane=Lane(lane),
        axis=str(axis),
        counts=tuple(map(int, counts)),
    )


# After a pause, jobs are late until they are heard of again.
_SOON = timedelta(seconds=20)
_SAMPLED = {"waiting": "axis", "dead": "dead"}


class AxisCounting(Protocol):
    """What is asked of the axis."""

    async def counts(self) -> Mapping[str, int]: ...


@dataclass(slots=True, kw_only=True)
class Chronicle:
    """One per process; several may write at once. `besides` tells of jobs that are no loops here, `free_mb` of
    the disk; while `trims` says no, nothing is removed for its age: the clock is not believed. Those in `off` are not
    set up on this node, and their loops turn for nothing."""

    history: SqlHistory
    pulse: Pulse
    axis: AxisCounting
    clock: Clock
    besides: Callable[[], Awaitable[Sequence[Told]]]
    free_mb: Callable[[], Awaitable[int]]
    off: Collection[str] = ()
    trims: Callable[[], bool] = lambda: True
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
        await self.history.record(beats, [disk, *await self._of_axis(now)], now, self.off, self.trims())
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
