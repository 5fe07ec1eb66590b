"""The processes of the nodes, kept running as a service manager keeps them: one that ends is started again. In: a site and
a stream of chance. Out: processes to kill, to freeze and to stop; each start has another clock error."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path
from random import Random

from bench.soak.stage import Site

# Clock errors in seconds; two of them differ by less than the tolerance of trust (10 minutes).
OFFSETS = (0.0, 0.0, 2.0, -2.0, 20.0, -20.0, 90.0, -90.0)
# Beside a database server a process that is far off claims nothing: only one process of a node may be.
NEAR = (0.0, 0.0, 2.0, -2.0, 4.0, -4.0)
_AGAIN_S = 0.3
_READY_S = 120.0
_STOP_S = 90.0


class Worker:
    """One process of one node."""

    def __init__(self, site: Site, switches: Path, log: Path, chance: Random, *, api: bool) -> None:
        self.name = f"{site.node}{'' if api else '-2'}"
        self._site, self._switches, self._log, self._chance, self._api = site, switches, log, chance, api
        self._process: Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._up = asyncio.Event()
        self._stopping = False
        self.offset: float | None = None
        """Fixed for every start from now on, and the database server's clock is off by as much; None lets chance choose."""
        self.starts = 0
        self.ended_by_itself: list[int] = []
        self._expected = False

    @property
    def pid(self) -> int:
        """Return the id of the process that runs now."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    async def start(self) -> None:
        self._stopping = False
        self._keeping = asyncio.create_task(self._keep(), name=self.name)
        await self.ready()

    async def ready(self) -> None:
        async with asyncio.timeout(_READY_S):
            await self._up.wait()

    def kill(self) -> None:
        """Kill it in the middle of its work; it is started again."""
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP, ends=False)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT, ends=False)

    def end(self) -> None:
        """End it in order; it is started again."""
        self._signal(signal.SIGTERM)

    async def stop(self) -> bool:
        """Stop it in order, for good. False when it did not end by itself and was killed."""
        self._stopping = True
        self.thaw()
        self.end()
        if self._keeping is None:
            return True
        finished, _ = await asyncio.wait({self._keeping}, timeout=_STOP_S)
        if not finished:
            self.kill()
        await self._keeping
        return bool(finished)

    def _signal(self, how: signal.Signals, *, ends: bool = True) -> None:
        if self._process is not None and self._process.returncode is None:
            self._expected = self._expected or ends
            os.kill(self._process.pid, how)

    async def _keep(self) -> None:
        while not self._stopping:
            self._expected = False
            with self._log.open("ab") as log:
                self._process = await self._launch(log.fileno())
            self.starts += 1
            if self._process.stdout is not None and await self._process.stdout.readline() == b"ready\n":
                self._up.set()
            status = await self._process.wait()
            self._up.clear()
            if not self._expected:
                self.ended_by_itself.append(status)
            if not self._stopping:
                await asyncio.sleep(_AGAIN_S)

    async def _launch(self, log: int) -> Process:
        offsets = NEAR if self._site.has_server and not self._api else OFFSETS
        offset = self._chance.choice(offsets) if self.offset is None else self.offset
        words = ["--offset", str(offset), "--switches", str(self._switches)]
        if self.offset is not None:
            words.append("--server-too")
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.soak.child",
            *words,
            "--role",
            "all" if self._api else "worker",
            env={**_plain_environment(), **self._site.env},
            stdin=PIPE,  # its end tells the process that its starter is gone
            stdout=PIPE,
            stderr=log or DEVNULL,
        )


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
