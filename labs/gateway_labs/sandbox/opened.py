"""A running sandbox: the node, the robots behind its axis, the clock of both, the calls. In: a folder and a port. Out: an
address, until it is stopped; a reset closes everything, clears its folder and opens again as before."""

from __future__ import annotations

import asyncio
import fcntl
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.atomic_files import write_private
from gateway.bootstrap.node import Wrap
from gateway.cli import serve
from gateway.cli.applications import build_application
from gateway.errors import GatewayError, Misconfigured
from gateway.ops.checks import Watch
from gateway.pool import ThreadPool
from gateway.transport.embedded import EmbeddedAxis
from gateway_labs.sandbox import fixtures, stage
from gateway_labs.sandbox.cast import Cast, cast
from gateway_labs.sandbox.clock import SandboxClock
from gateway_labs.sandbox.doors import ROUTES, SandboxDoor
from gateway_labs.sandbox.hall import Hall
from gateway_labs.sandbox.memory import Memory
from gateway_labs.sandbox.verdict.calls import ROUTES as VERDICT_ROUTES
from gateway_labs.sandbox.verdict.calls import VerdictCalls
from gateway_labs.sandbox.verdict.story import Story
from gateway_labs.sandbox.verdict.watch import CallWatch
from gateway_office.bootstrap.office import Office, open_office

if TYPE_CHECKING:
    from collections.abc import Iterator

MB = 1024 * 1024
RUNNING = "running.json"
_ROBOTS_NODE = "robots"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Address and key of a running sandbox."""

    url: str
    key: str
    system: str = ""
    secret: str = ""
    """Secret of the document system that calls as the national axis's library does."""
    folder: Path | None = None
    """Hot folder of its agency, where there is one."""


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """The sandbox of one folder. `wrap` is around the ports of its node: tests bring one that breaks it. With `has_folder`
    documents go out and come in through a hot folder too."""

    folder: Path
    port: int = 0
    host: str = "127.0.0.1"
    wrap: Wrap | None = None
    has_folder: bool = False
    _reset: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, stop: asyncio.Event, ready: Callable[[Running], None]) -> None:
        """Serve until `stop`; `ready` gets the address, again after each new beginning."""
        stage.claim(self.folder)
        with _alone(self.folder):
            if stage.is_half_cleared(self.folder):
                await self._clear()
            while True:
                self._reset = asyncio.Event()
                try:
                    await self._once(stop, ready)
                except ExceptionGroup as several:
                    # One named cause says more to a person than the group it came in.
                    causes = (e for e in several.exceptions if isinstance(e, GatewayError))
                    raise next(causes, several) from None
                if stop.is_set():
                    return
                await self._clear()

    async def _clear(self) -> None:
        await asyncio.to_thread(stage.clear, self.folder)
        stage.claim(self.folder)

    async def _once(self, stop: asyncio.Event, ready: Callable[[Running], None]) -> None:
        clock = SandboxClock(self.folder / stage.CLOCK)
        settings = stage.settings_for(self.folder, self.port, self.host, has_folder=self.has_folder)
        if self.has_folder:
            (self.folder / stage.HOT_FOLDER).mkdir(mode=0o700, exist_ok=True)
        keys = await stage.prepare(settings, self.folder, clock)
        key = stage.api_key(self.folder)
        async with open_office(settings, clock, self.wrap) as node:
            await stage.enter(node, self.folder)
            async with _robots(node, self.folder, keys, clock) as hall:
                clock.tell(node.wakers.ring_all)
                clock.tell(hall.look)
                door = SandboxDoor(
                    cast=hall.cast,
                    hall=hall,
                    clock=clock,
                    reset=self._reset.set,
                    packet_files=partial(_fixtures, node, hall.cast, keys, hall.lead),
                )
                await self._at_work(node, hall, door, key, stop, ready)

    async def _at_work(
        self,
        node: Office,
        hall: Hall,
        door: SandboxDoor,
        key: str,
        stop: asyncio.Event,
        ready: Callable[[Running], None],
    ) -> None:
        """Serve, and stop in order: the API closes first, then robots and workers."""
        health, ending, api = Watch(node=node), asyncio.Event(), node.settings.api
        watch = CallWatch(clock=hall.clock, lead=hall.lead)
        story = Story(hall=hall, watch=watch, webhooks=node.webhooks)
        async with asyncio.TaskGroup() as tasks:
            verdicts = VerdictCalls(watch=watch, story=story, tasks=tasks)
            app = build_application(node, health, (*ROUTES.bind(door), *VERDICT_ROUTES.bind(verdicts)))
            # Outermost, so that it sees each answer as it leaves.
            app.middlewares.insert(0, watch.middleware())
            tasks.create_task(node.run_workers(ending))
            tasks.create_task(hall.run(ending))
            try:
                finish_s = float(node.settings.workers.drain_s)
                async with serve.listening(app, "api", api.host, api.port, finish_s, api.idle_s) as url:
                    # A new beginning answers at the old address.
                    self.port = int(url.rpartition(":")[2])
                    running = self._running(url, key)
                    text = json.dumps(
                        {"url": url, "key": key, "system": running.system, "secret": running.secret}
                    )
                    write_private(self.folder / RUNNING, text.encode())
                    ready(running)
                    await _first_of(stop, self._reset)
            finally:
                (self.folder / RUNNING).unlink(missing_ok=True)
                verdicts.stop()
                ending.set()

    def _running(self, url: str, key: str) -> Running:
        has_folder, own = self.has_folder, self.folder / stage.HOT_FOLDER / cast().code
        return Running(
            url=url,
            key=key,
            system=stage.SYSTEM,
            secret=stage.system_secret(self.folder),
            folder=own if has_folder else None,
        )


def running(folder: Path) -> Running:
    """Return the running sandbox of this folder. Misconfigured where there is none."""
    try:
        content = json.loads((folder / RUNNING).read_text("ascii"))
        system, secret = content.get("system", ""), content.get("secret", "")
        return Running(url=content["url"], key=content["key"], system=system, secret=secret)
    except (OSError, ValueError, KeyError) as why:
        raise Misconfigured(
            f"no sandbox is at work in {folder}", hint="start it with gateway sandbox, or name its folder"
        ) from why


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.ensure_future(e.wait()) for e in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for e in waiting:
            e.cancel()


@asynccontextmanager
async def _robots(
    node: Office, folder: Path, keys: stage.RobotKeys, clock: SandboxClock
) -> AsyncIterator[Hall]:
    """Open the robots on an axis of their own over the same folder, as another node of this machine has it."""
    pool = ThreadPool(2)
    memory = Memory(folder / stage.ROBOTS / "memory.sqlite")
    try:
        async with EmbeddedAxis(node.settings.axis.folder, _ROBOTS_NODE, clock, pool) as axis:
            # Before the first packet can go to them: mail to a code that is not hosted fails at once.
            await axis.host(list(cast().robots))
            yield Hall(
                cast=cast(),
                axis=axis,
                memory=memory,
                clock=clock,
                pool=pool,
                bound=node.directory.bindings,
                signer=keys.signer,
                lead=stage.lead(folder),
                limit=node.settings.limits.file_mb * MB,
            )
    finally:
        # A thread may still use it.
        pool.close()
        memory.close()


async def _fixtures(node: Office, players: Cast, keys: stage.RobotKeys, lead: bytes) -> bytes:
    bound, roots = await node.pool.run(partial(stage.certificates, node.settings))
    return await node.pool.run(partial(fixtures.archive, players, keys, bound, roots, lead))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the folder for one process."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as why:
            raise Misconfigured(
                f"a sandbox is at work in {folder} already", hint="use that one, or name another folder"
            ) from why
        yield
