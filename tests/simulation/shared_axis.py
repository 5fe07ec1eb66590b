"""The product's own axis in a folder of one machine, on which all nodes of a world run. In: a world, the folder. Out: an
embedded axis for each process; a disk that forgets at a power cut, which is one of all nodes; what lies on the axis; a
taker that dies with its lease while all is quiet, whose parcel must come soon after the lease's end."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.bootstrap.axis import open_axis
from gateway.ports.axis import DeadCause
from gateway.transport.embedded import WaiterWaker
from gateway.transport.queue_file import FailuresNamed
from tests.simulation import leases_held
from tests.simulation.disk import Disk
from tests.simulation.loop import current_owner
from tests.simulation.stage import CASTS, NODES, Cast

if TYPE_CHECKING:
    from tests.simulation.world import World

# A lease lasts 90 s, and its end is seen within a second of the next poll.
_LEASE_S, _SOON_S = 90.0, 45.0
_MOST_S = 120.0


@asynccontextmanager
async def open_embedded(settings: Any, clock: Any = None, host_of: Any = None) -> AsyncIterator[Any]:
    """Open the axis of a process as the product does. Its bell rings for itself alone: nodes are processes of their own.
    Its errors, which events keep, do not name the folder of this run."""
    owner: Any = current_owner()
    async with open_axis(settings, clock) as opened:
        axis: Any = opened
        axis._bell.close()
        axis._name += f" {owner.name}"
        axis._bell = WaiterWaker(axis._name)
        name = Path(axis._path.name)
        axis._queue.failures = FailuresNamed(name)
        axis._queue._commit_failures = FailuresNamed(name, unsure=True)
        yield axis


class SharedAxis:
    """The folder, its disk, and what the last power cut left of it until a process starts."""

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self.file = folder / "axis.sqlite"
        self.disk = Disk(folder, f"{world.seed} axis", "axis")
        self.disk.is_shared = True
        self.disk.prepare = lambda connection: leases_held.let_report(connection, _owners_now, world.broken)
        self._left: Path | None = None

    def lose_power(self) -> None:
        self._left = self._folder.with_name(f"{self._folder.name}-left")
        self.disk.image(self._left, power_fails=True)

    def settle(self) -> None:
        """Put what the power cut left in place, before the first process comes back."""
        if self._left is not None:
            self.disk.forget_processes()
            shutil.rmtree(self._folder)
            self._left.rename(self._folder)
            self._left = None
            self.disk.begin()

    def remains(self) -> list[str]:
        """Name the parcels on the axis."""
        words = "SELECT kind, packet_id, recipient, dead_reason FROM queue ORDER BY id"
        return [
            f"on the axis: {kind} {packet} to {recipient} ({dead or 'waits'})"
            for kind, packet, recipient, dead in self._ask(words)
        ]

    def _ask(self, words: str) -> list[Any]:
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(words).fetchall()

    async def retry_dead(self) -> None:
        """Let dead parcels be delivered again, as an administrator does once all faults are over."""
        axis = next(iter(self._world.hosts.values())).running.axis
        for parcel in await axis.dead_list():
            if parcel.cause is DeadCause.TRIES:
                await axis.dead_retry(parcel.id)

    async def lose_taker(self, send: Callable[[Cast, str], Awaitable[object]]) -> None:
        """Let one more letter be taken by a process that dies with the lease, while nothing else is under way. No other
        process writes to the axis then, so that only the clock says when the parcel is due."""
        world = self._world
        chance = world.chance("lost taker")
        sender, receiver = (chance.choice([c for c in CASTS if c.node == n]) for n in chance.sample(NODES, 2))
        host = world.hosts[receiver.node]
        struck = asyncio.Event()

        def strike() -> None:
            process = current_owner()
            if process in host.processes() and self._ask("SELECT 1 FROM queue WHERE token IS NOT NULL"):
                self.disk.after_commit = lambda: None
                struck.set()
                host.kill(process, power_fails=False, back_after_s=1.0)

        self.disk.after_commit = strike
        await send(sender, receiver.code)
        try:
            async with asyncio.timeout(_MOST_S):
                await struck.wait()
        except TimeoutError:
            world.broken(f"nobody took the last letter to {receiver.code} within {_MOST_S:g} s")
            return
        await asyncio.sleep(_LEASE_S + _SOON_S)
        # Its receiver may have answered a moment ago.
        for (packet,) in self._ask("SELECT packet_id FROM queue WHERE kind <> 'status'"):
            world.broken(
                f"the taker of {packet} died {_LEASE_S + _SOON_S:g} s ago, its lease was {_LEASE_S:g} s"
            )


def _owners_now() -> datetime:
    """Return the time by the clock of the node at work."""
    owner: Any = current_owner()
    now: datetime = owner.host.clock.now()
    return now
