"""Faults of nodes, disks and lines. Each fault harms one thing, and heals it again; `resource` names the thing, so that two
faults never hold the same one. Faults of the servers are in `server_faults`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol

from bench.soak.disk import Disk
from bench.soak.processes import Worker
from tests.support.tcp_proxy import Direction, TcpProxy

KB = 1000


class Fault(Protocol):
    """A fault, as the injector knows it."""

    @property
    def name(self) -> str: ...

    @property
    def resource(self) -> str: ...

    @property
    def seconds(self) -> tuple[float, float]:
        """Return how long it lasts at least and at most."""

    async def hurt(self) -> None:
        """Do the harm; it is done on return, or comes by itself."""

    async def heal(self) -> None:
        """Heal the thing; it can be used again on return."""


@dataclass
class Killed:
    """A process of a node gets SIGKILL, and is started again on another clock."""

    worker: Worker
    name: str = "worker killed"
    seconds: tuple[float, float] = (0.5, 1.0)

    @property
    def resource(self) -> str:
        return self.worker.name

    async def hurt(self) -> None:
        self.worker.kill()

    async def heal(self) -> None:
        await self.worker.ready()


@dataclass
class Moved(Killed):
    """A process ends in order, and comes back with another clock error."""

    name: str = "clock moved"

    async def hurt(self) -> None:
        self.worker.end()


@dataclass
class Frozen(Killed):
    """A process stands still for longer than its leases last, and then goes on as if nothing had been."""

    name: str = "worker frozen"
    seconds: tuple[float, float] = (3.0, 18.0)

    async def hurt(self) -> None:
        self.worker.freeze()

    async def heal(self) -> None:
        self.worker.thaw()


@dataclass
class Full:
    """The node's disk takes nothing more: neither content nor a database that is a file."""

    disk: Disk
    switch: Path
    name: str = "disk full"
    seconds: tuple[float, float] = (2.0, 6.0)

    @property
    def resource(self) -> str:
        return f"disk of {self.disk.folder.name}"

    async def hurt(self) -> None:
        if self.disk.real:
            await asyncio.to_thread(self.disk.fill)
        else:
            self.switch.touch()

    async def heal(self) -> None:
        if self.disk.real:
            await asyncio.to_thread(self.disk.empty)
        else:
            self.switch.unlink()


@dataclass
class Twice:
    """Every parcel goes onto the axis two times, and arrivals are taken in another order."""

    switches: Sequence[Path]
    name: str = "parcels doubled and shuffled"
    resource: str = "copies"
    seconds: tuple[float, float] = (2.0, 5.0)

    async def hurt(self) -> None:
        for switch in self.switches:
            switch.touch()

    async def heal(self) -> None:
        for switch in self.switches:
            switch.unlink()


@dataclass
class Cut:
    """The lines of a node to one service break: at once, or in the middle of a transfer."""

    lines: Sequence[TcpProxy]
    to: str
    chance: Random
    seconds: tuple[float, float] = (0.5, 3.0)

    @property
    def name(self) -> str:
        return f"line to {self.to.split()[0]} cut"

    @property
    def resource(self) -> str:
        return f"line to {self.to}"

    async def hurt(self) -> None:
        direction = self.chance.choice((None, Direction.TO, Direction.BACK))
        passing = self.chance.randint(1, 60 * KB)
        for line in self.lines:
            if direction is None:
                await line.cut()
            else:
                line.cut_after(passing, direction)

    async def heal(self) -> None:
        for line in self.lines:
            line.heal()


@dataclass
class Unreachable(Cut):
    """The service cannot be reached at all."""

    seconds: tuple[float, float] = (2.0, 6.0)

    @property
    def name(self) -> str:
        return f"{self.to.split()[0]} out of reach"

    async def hurt(self) -> None:
        for line in self.lines:
            await line.refuse()


@dataclass
class Silent(Unreachable):
    """The lines pass nothing, without an error to either side."""

    seconds: tuple[float, float] = (3.0, 10.0)

    @property
    def name(self) -> str:
        return f"line to {self.to.split()[0]} silent"

    async def hurt(self) -> None:
        for line in self.lines:
            line.stall()
