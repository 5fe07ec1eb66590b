"""Faults of a world, each at its own rate. In: a seed. Out: kills at any step and within any commit, power cuts, full and
slow disks, files that another program locks, nodes cut off from the axis, clocks that are set wrong, stops in order."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import timedelta
from zlib import crc32

from tests.simulation.world import Host, Process, World

# `hang_up` is the callers' own, who draw it for each call.
KINDS = ("kill", "power", "away", "full", "slow", "locked", "clock", "stop", "second", "breaks", "hang_up")
_DISTURBING = ("full", "slow", "locked", "clock", "breaks")
_SEEDS_FOR_ALL = 16
# A world has so many times the usual share of a kind.
_SHARES = (0, 1, 1, 2, 6)
# How far a clock is set wrong, in seconds. By hours, as one that has local time for UTC, what one node signs another holds,
# until a person releases it.
_WRONG_S = (-90, -20, 20, 90, -7 * 3600, 7 * 3600, 7 * 3600)
# Nodes that share the folder of an axis are one machine, whose clock has no two times that are hours apart.
_SLIGHTLY_WRONG_S = _WRONG_S[:4]
# How often a disk is full as a parcel lands, how long it waits for that, and how long it is full then at least.
_AT_LANDING, _LANDS_S, _TRIES_S = 0.4, 300.0, 900.0
# How often a node is sending when it is stopped or its clock is set, for how long, and how long an answer takes then.
_AT_WORK, _SENDS_S, _UNTIL_ANSWERED_S = 0.7, 60.0, (30.0, 150.0)


class Faults:
    def __init__(self, world: World, pause_s: float, without: frozenset[str]) -> None:
        """`pause_s` is the mean time between two faults."""
        self._world, self._pause_s = world, pause_s
        self._chance = world.chance("faults")
        self.count = 0
        kinds: dict[str, tuple[int, Callable[[Host], Awaitable[None]]]] = {
            "kill": (8, self._kill),
            "power": (8, self._cut_power),
            "away": (3, self._cut_off),
            "full": (2, self._fill),
            "slow": (2, self._slow),
            "locked": (2, self._lock),
            "clock": (3, self._set_clock),
            "stop": (2, self._stop),
            "second": (4, self._run_second),
            "breaks": (2, self._break),
        }
        # Each kind is often, seldom or never there: many faults of one kind meet what a mixture does not.
        weights = {name: weight * self._chance.choice(_SHARES) for name, (weight, _) in kinds.items()}
        fit = [name for name in kinds if name not in without and weights[name]]
        self._kinds = {name: (weights[name], kinds[name][1]) for name in fit}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._chance.expovariate(1.0) * self._pause_s)
            names = list(self._kinds)
            if not names:
                return
            (name,) = self._chance.choices(names, [self._kinds[n][0] for n in names])
            host = self._world.hosts[self._chance.choice(list(self._world.hosts))]
            self.count += 1
            self._world.tell(f"fault.{name}", host.name)
            task = self._world.loop.create_task(self._last(name, host))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _last(self, name: str, host: Host) -> None:
        disturbed = (
            [] if name not in _DISTURBING else [*self._world.hosts.values()] if name == "slow" else [host]
        )
        with ExitStack() as stack:
            for disturbed_host in disturbed:
                stack.enter_context(disturbed_host.disturbed())
            await self._kinds[name][1](host)

    def heal(self) -> None:
        """End every fault."""
        world = self._world
        for task in self._tasks:
            task.cancel()
        world.hub.away.clear()
        world.hub.answers_at_s.clear()
        world.hub.hasten()
        world.loop.slowness = world.loop.usual_slowness
        world.hub.rates.calm()
        for host in world.hosts.values():
            host.fill(is_full=False)
            host.clock.wrong = timedelta()
            for process in host.processes():
                process.turns_left = process.strikes_after = None
                process.seen.broken = ""
            if host.second is not None:
                host.second.stop.set()
        world.tell("faults.end")

    def _kill_later(self, host: Host, *, power_fails: bool) -> None:
        """Let a kill strike a process of the node."""
        if processes := host.processes():
            self._strike_later(host, self._chance.choice(processes), power_fails=power_fails)

    def _strike_later(self, host: Host, process: Process, *, power_fails: bool) -> None:
        """Let a kill strike so many steps of the process from now, or from when it is next at work: at a call, at the axis,
        at its disk, at moves of files in its hot folder, or at a point of its ports."""
        back_s = self._chance.choice((1.0, 20.0, 300.0))
        process.strike = lambda: host.kill(process, power_fails=power_fails, back_after_s=back_s)
        moves = ("folder",) * 3 if host.site.settings.folder.root is not None else ()
        moment = self._chance.choice(("", "call", "axis", "disk", "disk", "point", "point", "point", *moves))
        turns = 1 + int(self._chance.expovariate(1.0) * self._chance.choice((3, 30, 300)))
        if moment == "point":
            process.strikes_after = self._draw_point(host), 0
        elif moment:
            process.strikes_after = moment, turns
        else:
            process.turns_left = turns

    def _draw_point(self, host: Host) -> str:
        """Draw a point of the node's ports, half the time one that this seed is to meet and has not met."""
        points = _points_of(host)
        own = [p for p in points if self._meets(p) and p not in self._world.points]
        return self._chance.choice((self._chance.random() < 0.5 and own) or points or ["call"])

    def _meets(self, point: str) -> bool:
        """Say whether the point is among those of this seed: so many seeds in a row meet them all."""
        return crc32(point.encode()) % _SEEDS_FOR_ALL == int(self._world.seed) % _SEEDS_FOR_ALL

    async def _run_second(self, host: Host) -> None:
        """Run a second process on the same folder for a while; then one of both ends, in order or killed."""
        second, first = host.start_second(), host.process
        if second is None or first is None:
            return
        try:
            await asyncio.sleep(self._chance.expovariate(1.0) * self._chance.choice((5.0, 60.0, 600.0)))
        finally:
            if len(host.processes()) == 2:
                leaves = self._chance.choice((first, second))
                if self._chance.random() < 0.5:
                    self._strike_later(host, leaves, power_fails=False)
                else:
                    leaves.stop.set()

    async def _kill(self, host: Host) -> None:
        self._kill_later(host, power_fails=False)

    async def _cut_power(self, host: Host) -> None:
        self._kill_later(host, power_fails=True)

    async def _cut_off(self, host: Host) -> None:
        self._world.hub.away.add(host.name)
        try:
            await asyncio.sleep(self._chance.expovariate(1.0) * 900.0)
        finally:
            self._world.hub.away.discard(host.name)

    async def _fill(self, host: Host) -> None:
        """Fill the disk; sometimes as a parcel has landed that waits for its turn, for longer than a packet has tries."""
        last_s = self._chance.expovariate(1.0) * 600.0
        try:
            if self._chance.random() < _AT_LANDING:
                last_s += _TRIES_S
                await host.next_landing(_LANDS_S)
            host.fill(is_full=True)
            await asyncio.sleep(last_s)
        finally:
            host.fill(is_full=False)

    async def _slow(self, host: Host) -> None:
        self._world.loop.slowness = self._chance.choice((20.0, 300.0))
        try:
            await asyncio.sleep(self._chance.expovariate(1.0) * 300.0)
        finally:
            self._world.loop.slowness = self._world.loop.usual_slowness

    async def _lock(self, host: Host) -> None:
        """Lock the database file as another program would, for a moment or for longer than a node waits."""
        if host.process is None or host.left is not None:
            return
        files = host.databases()
        file = self._chance.choice(files) if len(files) > 1 else files[0]
        connection = sqlite3.connect(file, timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(self._chance.choice((0.05, 2.0, 30.0, 300.0)))
        except sqlite3.OperationalError:
            pass
        finally:
            connection.close()

    async def _set_clock(self, host: Host) -> None:
        """Set the clock wrong, and right again; often as the machine starts anew, with work leased until a false time."""
        if self._chance.random() < _AT_WORK:
            # Leases end, another courier takes the same rows, and both get their answers.
            await self._send(host, self._chance.uniform(*_UNTIL_ANSWERED_S))
        host.had_wrong_clock = True
        wrong_s = _WRONG_S if self._world.axis is None else _SLIGHTLY_WRONG_S
        host.clock.wrong = timedelta(seconds=self._chance.choice(wrong_s))
        try:
            await asyncio.sleep(self._chance.expovariate(1.0) * 600.0)
            if self._chance.random() < 0.5 and (processes := host.processes()):
                host.kill(self._chance.choice(processes), power_fails=False, back_after_s=1.0)
        finally:
            host.clock.wrong = timedelta()

    async def _break(self, host: Host) -> None:
        """Let one call of a port break each time, before or after its work, with an error that no code foresees."""
        process = host.process
        if process is None or not host.names:
            return
        process.seen.broken = self._chance.choice(_points_of(host))
        self._world.tell("breaks", process.name, process.seen.broken)
        await asyncio.sleep(self._chance.expovariate(1.0) * 600.0)
        process.seen.broken = ""

    async def _stop(self, host: Host) -> None:
        """Stop a process in order, at any turn; sometimes all that it does is cancelled while it stops."""
        processes = host.processes()
        if not processes:
            return
        process, loop = self._chance.choice(processes), self._world.loop
        if self._chance.random() < _AT_WORK:
            await self._stop_at_work(host, process)
            return
        turns = int(self._chance.expovariate(1.0) * self._chance.choice((20, 300)))
        loop.at_turn(turns, process.stop.set)
        if self._chance.random() < 0.5:
            more_turns = int(self._chance.expovariate(1.0) * self._chance.choice((5, 50)))
            loop.at_turn(turns + 1 + more_turns, lambda: _cancel(process))

    async def _stop_at_work(self, host: Host, process: Process) -> None:
        """Stop a process whose couriers get their answers just before its work is cut short."""
        await self._send(host, host.site.settings.workers.drain_s)
        process.stop.set()

    async def _send(self, host: Host, wait_s: float) -> None:
        """Let the node send for a while, and wait for the answers so long afterwards."""
        loop, sends_s = self._world.loop, self._chance.uniform(0.0, _SENDS_S)
        self._world.hub.answers_at_s[host.name] = loop.now + sends_s + wait_s
        await asyncio.sleep(sends_s)


def _points_of(host: Host) -> list[str]:
    return [f"{when} {name}" for name in host.names for when in ("before", "after")]


def _cancel(process: Process) -> None:
    if process.main is not None and not process.is_dead:
        process.is_cancelled = True
        process.main.cancel()
