"""The world of one seed: three nodes with a disk each, one axis, and the processes that run on them. In: a seed and a
folder. Out: nodes that run, that can be killed at any step and come back, and calls to them that end like a caller's: with
an answer, an error, or a line that breaks."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from gateway.bootstrap import node as node_wiring
from gateway.bootstrap.node import OpenNode, Wrap, open_node
from gateway.errors import Misconfigured
from gateway.folder import places, submit
from gateway.settings import Settings
from gateway.workers import loop as worker_loops
from tests.simulation import leases_held
from tests.simulation.axis import Hub, Rates, SimulatedAxis
from tests.simulation.disk import FIRST_NUMBERS, Disk
from tests.simulation.film import Film
from tests.simulation.loop import Owner, VirtualLoop, context_of, current_owner
from tests.simulation.ports import ProcessCalls, WatchPorts
from tests.simulation.shared_axis import SharedAxis, open_embedded
from tests.simulation.stage import Site, StageClock

T = TypeVar("T")
OpenNodeCall = Callable[[Settings, StageClock, Wrap], AbstractAsyncContextManager[OpenNode]]
_LANDING_S, _EMBEDDED_LANDING_S = 30.0, 5.0
_LANDING_FIRST_S = 1.0
# So long after a disturbance a process may have failed to open.
_OPENING_S = 60.0
_LEASES_OF_PACKET = (
    "SELECT lease_until FROM outbox WHERE packet_id = ? AND state NOT IN ('sent', 'cancelled', 'failed')"
)
_LANDED = "SELECT 1 FROM inbox WHERE state = 'landed' LIMIT 1"


class Lost(Exception):
    """The line to a process broke: whether the call had its effect is not known."""


class Process(Owner):
    """One process of a node."""

    def __init__(self, host: Host) -> None:
        super().__init__(f"{host.name}.{host.starts}")
        self.host = host
        self.number = 1000 + host.starts
        self.disk = host.disk
        self.began_at = host.clock.now()
        self.began_s = host.world.loop.now
        self.was_alone = True
        self.shared_disk = host.world.axis.disk if host.world.axis is not None else None
        self.is_cancelled = False
        self.node: OpenNode | None = None
        self.opened = asyncio.Event()
        self.stop = asyncio.Event()
        self.calls: dict[asyncio.Task[Any], asyncio.Future[Any]] = {}
        self.kept: list[asyncio.Task[Any]] = []
        self.main: asyncio.Task[None] | None = None
        self.seen = ProcessCalls(host.disk, host.names, self.reaches)

    async def run(self) -> None:
        host = self.host
        async with host.world.open_node(host.site.settings, host.clock, WatchPorts(self.seen)) as node:
            node.guard.measure = None
            self.node = node
            self.opened.set()
            await node.run_workers(self.stop)

    async def call(self, make: Callable[[OpenNode], Awaitable[T]]) -> T:
        """Make a call as a caller outside does. Lost when the process ends before it has answered; a caller that is
        cancelled hangs up, which cancels the call."""
        if self.node is None or self.is_dead or self.stop.is_set():
            raise Lost
        loop = self.host.world.loop
        answer: asyncio.Future[T] = loop.create_future()
        task = loop.create_task(_awaited(make(self.node)), context=context_of(self))
        self.calls[task] = answer
        self.reaches("call")
        task.add_done_callback(self._pass_on)
        try:
            return await answer
        except asyncio.CancelledError:
            task.cancel()
            raise

    def _pass_on(self, task: asyncio.Task[Any]) -> None:
        answer = self.calls.pop(task, None)
        if answer is None or answer.done():
            if not task.cancelled():
                task.exception()
        elif task.cancelled():
            answer.set_exception(Lost())
        elif (error := task.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(task.result())

    def end_calls(self) -> None:
        for answer in self.calls.values():
            if not answer.done():
                answer.set_exception(Lost())
        self.calls.clear()


async def _awaited(call: Awaitable[T]) -> T:
    return await call


class Host:
    """One node: its disk, its clock, and the process that runs now."""

    def __init__(self, world: World, site: Site) -> None:
        self.world, self.site, self.name = world, site, site.name
        self.clock = StageClock()
        self.folder = site.settings.node.data_dir
        self.disk = Disk(self.folder, f"{world.seed} {site.name}")
        self.disk.prepare = lambda connection: leases_held.let_report(
            connection, self.clock.now, world.broken
        )
        self.starts = 0
        self.was_killed = self.had_killed_beside = self.had_wrong_clock = False
        self.disturbances, self.disturbed_at_s = 0, 0.0
        self.at_first_rest: dict[str, int] = {}
        self.calls = 0
        self.names: dict[str, None] = {}  # of the calls that its processes made to ports
        self.process: Process | None = None
        self.second: Process | None = None
        self.left: Path | None = None

    @contextmanager
    def disturbed(self) -> Iterator[None]:
        """Note that a fault lasts which may keep the node from renewing its leases."""
        self.disturbances += 1
        try:
            yield
        finally:
            self.disturbances -= 1
            self.disturbed_at_s = self.world.loop.now

    def is_disturbed(self, since_s: float) -> bool:
        return bool(self.disturbances) or self.disturbed_at_s >= since_s

    @property
    def running(self) -> OpenNode:
        """The open node; it must have one."""
        assert self.process is not None
        assert self.process.node is not None
        return self.process.node

    def fill(self, *, is_full: bool) -> None:
        """Let the node's disk be full, or have room again, and the folder of an axis on the same machine too."""
        self.disk.fill(is_full=is_full)
        if self.world.axis is not None:
            self.world.axis.disk.fill(is_full=is_full)

    async def next_landing(self, most_s: float) -> None:
        """Wait for a commit with which a parcel lies landed in the inbox, at most so long."""
        landed = asyncio.Event()

        def look() -> None:
            with closing(sqlite3.connect(f"file:{self.folder / 'gateway.db'}?mode=ro", uri=True)) as file:
                if file.execute(_LANDED).fetchone():
                    landed.set()

        self.disk.after_commit = look
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await landed.wait()
        finally:
            self.disk.after_commit = lambda: None

    def databases(self) -> list[Path]:
        shared = [] if self.world.axis is None else [self.world.axis.file]
        return [self.folder / "gateway.db", *shared]

    def start(self) -> None:
        """Start a process, in the folder that the last one left, unless another one runs by now."""
        if self.process is not None and not self.process.is_dead:
            return
        if self.world.axis is not None:
            self.world.axis.settle()
        if self.left is not None:
            self.disk.forget_processes()
            self.world.loop.close_files_of_dead()
            self.folder.rename(self.folder.with_name(f"{self.name}-{self.starts}"))
            self.left.rename(self.folder)
            shutil.rmtree(self.folder.with_name(f"{self.name}-{self.starts}"))
            self.left = None
        self.disk.begin()
        self.process = self._begin_process()

    def _begin_process(self) -> Process:
        self.starts += 1
        process = Process(self)
        self.world.tell("node.started", process.name)
        process.main = self.world.loop.create_task(process.run(), context=context_of(process))
        process.main.add_done_callback(partial(self._ended, process), context=context_of(None))
        return process

    def start_second(self) -> Process | None:
        """Start a second process on the same folder."""
        if self.process is None or self.process.is_dead or self.second is not None:
            return None
        self.second = self._begin_process()
        self.process.was_alone = self.second.was_alone = False
        self.disk.is_shared = True
        return self.second

    def processes(self) -> list[Process]:
        return [p for p in (self.process, self.second) if p is not None and not p.is_dead]

    def ring_landing(self) -> None:
        for process in self.processes():
            if process.node is not None:
                process.node.wakers["landing"].ring()

    def _ended(self, process: Process, main: asyncio.Task[None]) -> None:
        if process not in (self.process, self.second) or process.is_dead:
            return
        self.world.tell("node.ended", process.name)
        process.end_calls()
        error = None if main.cancelled() else main.exception()
        # Its supervisor starts it again, as it does where another program or a slow disk keeps the database locked.
        was_locked_out = isinstance(error, Misconfigured) and self.is_disturbed(
            self.world.loop.now - _OPENING_S
        )
        if not process.is_cancelled and not was_locked_out and (main.cancelled() or error is not None):
            self.world.broken(f"{process.name} ended by itself: {error!r}", error)
        elif not process.stop.is_set() and not was_locked_out:
            self.world.broken(f"{process.name} ended, and was not stopped")
        elif not process.is_cancelled:
            self._check_release(process)
        self._leave(process)
        if self.process is None and not self.world.is_over:
            self.world.loop.call_later(2.0, self.start, context=context_of(None))

    def _check_release(self, process: Process) -> None:
        """Check that a process which was stopped holds no lease any more: another one goes on at once."""
        if process.was_alone and not self.is_disturbed(process.began_s):
            for row in leases_held.remaining(self.folder / "gateway.db", process.began_at, self.clock.now()):
                self.world.broken(f"{process.name} was stopped, and keeps the lease of {row}")

    def _leave(self, process: Process) -> None:
        """Let the process that goes on, if one does, be the only one."""
        if process is self.process:
            self.process = self.second
        self.second = None
        self.disk.is_shared = False

    def kill(self, process: Process, *, power_fails: bool, back_after_s: float) -> None:
        """Kill a process at this very step; where the power fails, every process of the node, and what was not synced is
        lost. Nodes that share the folder of an axis are one machine, whose power fails for all of them."""
        if process.is_dead or process not in self.processes():
            return
        self._bury(process, "kill.power" if power_fails else "kill.process")
        axis = self.world.axis
        if axis is not None and not power_fails:
            axis.disk.close_connections_of(process)
        if not power_fails and len(self.processes()) == 1:
            self.world.loop.close_files_of_dead()
            self.disk.close_connections_of(process)
            self.had_killed_beside = True
            self._leave(process)
            return
        self._go_down(process, power_fails=power_fails, back_after_s=back_after_s)
        if axis is not None and power_fails:
            axis.lose_power()
            for other in [host for host in self.world.hosts.values() if host.processes()]:
                other._go_down(other.processes()[0], power_fails=True, back_after_s=back_after_s)

    def _go_down(self, process: Process, *, power_fails: bool, back_after_s: float) -> None:
        """Leave what the next process will find, which comes after that time."""
        for other in self.processes():
            self._bury(other, "kill.power")
        self.left = self.folder.with_name(f"{self.name}-left-{self.starts}")
        self.disk.image(self.left, power_fails=power_fails)
        self.process = process
        self._leave_dead()
        self.world.loop.call_later(back_after_s, self.start, context=context_of(None))

    def _leave_dead(self) -> None:
        self.second = None
        self.disk.is_shared = False

    def _bury(self, process: Process, kind: str) -> None:
        process.is_dead = self.was_killed = True
        self.world.kills += 1
        self.world.points.update(process.seen.points())
        self.world.tell(kind, process.name, f"turn {process.turns}")
        process.kept = list(process.tasks)
        for task in process.kept:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.world.graves.append(process)
        process.end_calls()

    async def call(self, make: Callable[[OpenNode], Awaitable[T]]) -> T:
        processes = self.processes()
        if not processes:
            raise Lost
        self.calls += 1
        return await processes[self.calls % len(processes)].call(make)


class Complaints(logging.Handler):
    """Errors that nodes log, with the time of each."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world
        self.lines: list[tuple[float, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        owner = current_owner()
        if isinstance(owner, Process) and not owner.is_dead:
            self.lines.append((self._world.loop.now, f"{owner.name}: {record.getMessage()}"))


class World:
    """All of it, on one loop."""

    def __init__(self, seed: str, loop: VirtualLoop, film: Film, rates: Rates) -> None:
        self.seed, self.loop, self.film = seed, loop, film
        self.hub = Hub(loop, Random(f"{seed} axis"), rates, film.tell, self._check_lease, self._writes)
        self.axis: SharedAxis | None = None  # in place of the hub
        self.hosts: dict[str, Host] = {}
        self.graves: list[Process] = []
        self.broken_promises: list[str] = []
        self.errors: list[BaseException] = []
        self.kills = 0
        self.points: Counter[str] = Counter()
        self.is_over = False
        self.collected_s = loop.now
        self.open_node: OpenNodeCall = open_node
        self.complaints = Complaints(self)

    def chance(self, part: str) -> Random:
        return Random(f"{self.seed} {part}")

    def tell(self, kind: str, place: str = "", words: str = "") -> None:
        self.film.tell(kind, place, words)

    def broken(self, promise: str, error: BaseException | None = None) -> None:
        """Note a broken promise; the run ends at the first one."""
        self.broken_promises.append(promise)
        if error is not None:
            self.errors.append(error)
        self.tell("BROKEN", "", promise)

    def _check_lease(self, node: str, packet_id: str, since_s: float) -> None:
        """Check that a process has kept the lease of what it sends, unless a fault kept it from renewing that."""
        host = self.hosts[node]
        if host.is_disturbed(since_s):
            return
        with closing(sqlite3.connect(f"file:{host.folder / 'gateway.db'}?mode=ro", uri=True)) as file:
            rows = file.execute(_LEASES_OF_PACKET, (packet_id,)).fetchall()
        # A packet may be sent for several rows, as when it is answered anew; the one that is sent now has its lease.
        now, ends = host.clock.now().replace(tzinfo=None), [ends for (ends,) in rows]
        if ends and not any(at is not None and datetime.fromisoformat(at) > now for at in ends):
            self.broken(f"{node} still sends {packet_id}, and its leases ended at {ends}")

    def _writes(self, node: str) -> bool:
        """Tell whether units of work wait at a node, which it writes together."""
        return any(p.node is not None and p.node.store._shared._waiting for p in self.hosts[node].processes())

    def open(self, sites: dict[str, Site]) -> None:
        for name, site in sites.items():
            self.hosts[name] = Host(self, site)
            self.hub.bells[name] = self.hosts[name].ring_landing

    async def all_open(self) -> None:
        for host in self.hosts.values():
            while host.process is None or host.process.is_dead or not host.process.opened.is_set():
                await asyncio.sleep(1.0)
                if self.broken_promises:
                    return

    async def cut_power(self) -> None:
        """Cut the power of every node at rest: all that was not synced is lost, and nothing that was answered."""
        disks = [host.disk for host in self.hosts.values()] + ([] if self.axis is None else [self.axis.disk])
        for disk in disks:
            disk.lost_share = 1.0
        for host in self.hosts.values():
            was_killed = host.was_killed
            for process in host.processes():
                host.kill(process, power_fails=True, back_after_s=1.0)
            host.was_killed = was_killed  # it was writing nothing
        await self.all_open()

    async def stop(self) -> None:
        """Stop every process in order."""
        self.is_over = True
        for host in self.hosts.values():
            for process in host.processes():
                process.stop.set()
                if process.main is not None:
                    await asyncio.wait([process.main])


_real_getpid, _real_mark_of = os.getpid, places.mark_of


def _process_number() -> int:
    owner = current_owner()
    return owner.number if isinstance(owner, Process) else _real_getpid()


def _mark_of(stat_result: os.stat_result) -> places.Mark:
    """Give a file that was copied after a kill the number that it had: it is the same file."""
    mark = _real_mark_of(stat_result)
    return replace(mark, node=FIRST_NUMBERS.get(mark.node, mark.node))


def install(world: World) -> None:
    """Put the world's axis where the product takes its own. Nothing rings for a parcel in a shared folder."""
    worker_loops.LANDING_POLL_S = _LANDING_S if world.axis is None else _EMBEDDED_LANDING_S
    os.getpid = _process_number
    places.mark_of = submit.mark_of = _mark_of  # type: ignore[attr-defined]  # imported there
    node_wiring.LANDING_FIRST_S = _LANDING_FIRST_S  # type: ignore[attr-defined]  # imported there

    @asynccontextmanager
    async def open_axis(
        settings: Any, clock: Any = None, host_of: Any = None
    ) -> AsyncIterator[SimulatedAxis]:
        axis = SimulatedAxis(world.hub, settings.node.name)
        try:
            yield axis
        finally:
            await axis.close()

    node_wiring.open_axis = open_axis if world.axis is None else open_embedded  # type: ignore[attr-defined]  # imported there
