"""`gateway serve`: runs the API and the workers in one process until it is told to stop. In: settings. Out: a node at
work, its address said on stderr; calls under way are answered before it closes. SIGTERM and Ctrl+C let it finish what
it holds, a second one ends it at once: killing a node is safe, and whoever presses twice means it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.command import Invocation, verb
from gateway.cli.node import at_node
from gateway.errors import GatewayError, Misconfigured

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.bootstrap.node import OpenNode
    from gateway.ports.services import HealthProbe

ROLES = ("all", "web", "worker")
# Things that may have been made and not gone before somebody looks which of them only hold each other.
_YOUNG = 5_000
# The same while a node is loaded; and how many looks at new objects go by before one at the older ones.
_WHILE_LOADING, _NEVER = 20_000, 1_000_000


@verb("", "gateway --config province.toml serve --role worker")
async def serve(
    call: Invocation,
    role: Annotated[
        str, typer.Option(help="all, web (answers programs and people) or worker (packs, sends, receives).")
    ] = "all",
    number: Annotated[
        int | None,
        typer.Option(min=1, max=99, help="Which worker process this is; its metrics.port is so much higher."),
    ] = None,
) -> None:
    """Run the API, the pages and the workers until stopped. Ctrl+C finishes what is under way, then stops."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is no role; expected {', '.join(ROLES)}")
    from gateway.http_calls import load_library

    # Until all is loaded (`keep_what_is_loaded`) nearly all objects stay, and looking through them again and again would be
    # a fifth of the start. Garbage, such as the class that one with slots replaces, is looked for among new objects alone.
    gc.set_threshold(_WHILE_LOADING, _NEVER, _NEVER)
    load_library()
    # What the node writes is for its own user alone, whoever starts it.
    os.umask(0o077)
    if os.geteuid() == 0:
        call.say("cli.as-root")
    await _serve(call, role, number or 0)


async def _serve(call: Invocation, role: str, number: int) -> None:
    from gateway import log
    from gateway.clock import SystemClock
    from gateway.ops.checks import Watch
    from gateway.store import leases

    async with at_node(call) as node:
        leases.refuse_gap(await node.store.clock_gap(SystemClock().now), node.settings.workers.lease_s)
        log.configure("debug" if call.verbose else node.settings.log.level)
        health, worked = Watch(node=node), asyncio.Event()
        stop = stop_on_signal(health.drain)
        try:
            async with watched(node, health, number), asyncio.TaskGroup() as tasks:
                loops = node.run_beside if role == "web" else node.run_workers
                tasks.create_task(_work(loops(stop), worked))
                if role == "worker":
                    keep_what_is_loaded()
                    call.say("cli.working", name=node.settings.node.name)
                else:
                    tasks.create_task(answer(call, node, worked, health))
        except ExceptionGroup as several:
            # One named cause is worth more to a person than the group it came in.
            raise next(
                (each for each in several.exceptions if isinstance(each, GatewayError)), several
            ) from None
    call.say("cli.served")


async def _work(loops: Awaitable[None], worked: asyncio.Event) -> None:
    """The loops until the stop. While they finish, calls are still answered, and `/readyz` says that this process
    goes; then everything closes."""
    try:
        await loops
    finally:
        worked.set()


def keep_what_is_loaded() -> None:
    """What is in memory once the node is open stays to the end. Told so, the garbage collector need not walk it again
    and again, which would hold up every call and worker for a tenth of a second. What is made later it looks through
    when there is more than one document makes: nearly all of that is gone by itself."""
    gc.collect(0)
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)


async def answer(
    call: Invocation,
    node: OpenNode,
    stop: asyncio.Event,
    health: HealthProbe,
    ready: Callable[[str], None] | None = None,
) -> None:
    """The API until the stop; calls that are under way are answered first. `ready` hears its address."""
    from gateway.cli.doors import application

    api, finish_s = node.settings.api, float(node.settings.workers.drain_s)
    async with listening(application(node, health), "api", api.host, api.port, finish_s, api.idle_s) as url:
        call.say("cli.serving", url=url, name=node.settings.node.name)
        keep_what_is_loaded()
        if ready is not None:
            ready(url)
        await stop.wait()


@asynccontextmanager
async def watched(node: OpenNode, health: HealthProbe, number: int = 0) -> AsyncIterator[None]:
    """The door for monitoring, where the settings ask for one: open to the very end, so that it says how the end goes."""
    from gateway.api.server import monitoring
    from gateway.ops import metrics

    where = node.settings.metrics
    if not where.port:
        yield
        return
    app = monitoring(metrics.Scrape(node=node).text, metrics.CONTENT_TYPE, health)
    async with listening(app, "metrics", where.host, where.port + number, 1.0):
        yield


# Of a door that sets no number itself.
_CONNECTIONS = 64


def stop_on_signal(asked: Callable[[], None] = lambda: None) -> asyncio.Event:
    """An event that Ctrl+C or SIGTERM sets, instead of ending the process; `asked` is called before that."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(each)
            signal.signal(each, signal.SIG_DFL)
        asked()
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, first)
    return stop


@asynccontextmanager
async def listening(
    app: web.Application, section: str, host: str, port: int, finish_s: float, idle_s: float = 75.0
) -> AsyncIterator[str]:
    """The address, open while the body runs. `section` names the settings to change when it is taken; calls under way
    have `finish_s` seconds to end, and the headers of a call `idle_s` to come."""
    from aiohttp import web

    from gateway.api.server import CONNECTIONS, LONGEST_HEADER, Connections, Site

    connections = app.get(CONNECTIONS) or Connections(_CONNECTIONS)
    # A compressed body is refused by whoever reads it; nothing is inflated before that.
    options: dict[str, Any] = {"access_log": None, "auto_decompress": False}
    if longest := app.get(LONGEST_HEADER):
        options |= {"max_field_size": longest}
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=finish_s)
    await runner.setup()
    try:
        try:
            await Site(runner, host, port, connections, keepalive_timeout=idle_s, **options).start()
        except OSError as why:
            raise Misconfigured(
                f"the node cannot listen on {host}:{port}: {why.strerror}",
                hint=f"choose another with {section}.host and {section}.port, or stop the program that has it",
            ) from why
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
