"""`gateway serve`: run the API and the workers in one process until told to stop. In: settings. Out: a working node, its
address printed on stderr; running calls are answered before it closes. SIGTERM and Ctrl+C let it finish its work, a second
one ends it at once: killing a node is safe, and pressing twice is deliberate."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import service_manager
from gateway.cli.command import Invocation, option, verb
from gateway.cli.node import at_node
from gateway.errors import GatewayError, Misconfigured

if TYPE_CHECKING:
    from aiohttp import web

    from gateway.bootstrap.node import OpenNode
    from gateway.ops.checks import Watch
    from gateway.ports.services import HealthProbe

ROLES = ("all", "web", "worker")
# Number of new objects after which the garbage collector looks for cycles; and how many such looks go by before one at
# what they left, which takes 20 ms after ten of them.
_YOUNG, _MIDDLE = 5000, 3
# The same while a node is loaded; and how many looks at new objects go by before one at the older ones.
_WHILE_LOADING, _NEVER = 20_000, 1_000_000
# A process looks so often whether it is time, and whether the one that sent the messages before has ended.
_ALARMS_S = 15.0
# Folder below the data folder into which an operator drops certificates.
_CERTIFICATES = "certificates"
# For servers that set no number themselves.
_CONNECTIONS = 64


@verb("", "gateway --config province.toml serve --role worker")
async def serve(
    call: Invocation,
    role: Annotated[str, option("all, web (API and pages) or worker (packs, sends, receives).")] = "all",
    number: Annotated[
        int | None, option("Number of this worker process; it is added to metrics.port.", min=1, max=99)
    ] = None,
) -> None:
    """Run the API, the pages and the workers until stopped. Ctrl+C finishes the work in progress, then stops."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is no role; expected {', '.join(ROLES)}")
    # Until all is loaded (`freeze_loaded`) nearly all objects stay, and looking through them again and again would be
    # a fifth of the start. Garbage, such as the class that one with slots replaces, is looked for among new objects alone.
    gc.set_threshold(_WHILE_LOADING, _NEVER, _NEVER)
    if role != "worker":
        from gateway.http_calls import load_library

        load_library()
    # Files of the node are for its own user alone.
    os.umask(0o077)
    if os.geteuid() == 0:
        call.say("cli.as-root")
    await _serve(call, role, number or 0)


async def _serve(call: Invocation, role: str, number: int) -> None:
    from gateway import log
    from gateway.clock import SystemClock
    from gateway.store import leases

    async with at_node(call.settings()) as node:
        leases.refuse_gap(await node.store.clock_gap(SystemClock().now), node.settings.workers.lease_s)
        log.configure("debug" if call.verbose else node.settings.log.level)
        workers_done, health = asyncio.Event(), None
        has_alarms = bool(node.settings.alarms.mail or node.settings.alarms.url)
        if role != "worker" or node.settings.metrics.port or has_alarms:  # else nothing can ask for it
            from gateway.ops.checks import Watch

            health = Watch(node=node)

        def drain() -> None:
            service_manager.notify("STOPPING=1")
            if health is not None:
                health.drain()

        stop = stop_on_signal(drain)
        try:
            async with open_monitor(node, health, number), asyncio.TaskGroup() as tasks:
                loops = node.run_beside if role == "web" else node.run_workers
                tasks.create_task(_work(loops(stop), workers_done))
                tasks.create_task(service_manager.feed_watchdog(node.pulse.turns, workers_done))
                if role != "web":
                    tasks.create_task(take_certificates(node, stop))
                if health is not None and has_alarms:
                    tasks.create_task(send_alarms(health, stop))
                if role == "worker" or health is None:
                    freeze_loaded()
                    call.say("cli.working", name=node.settings.node.name)
                    service_manager.notify("READY=1")
                else:
                    tasks.create_task(serve_api(call, node, workers_done, health, _say_ready))
        except ExceptionGroup as group:
            # One named cause is worth more to a person than the group it came in.
            raise next((e for e in group.exceptions if isinstance(e, GatewayError)), group) from None
    call.say("cli.served")


async def send_alarms(watch: Watch, stop: asyncio.Event) -> None:
    """Notify persons of the node's faults until the stop, where no other process does."""
    from gateway.ops.alarms import open_alarms
    from gateway.workers.loop import forever

    async with open_alarms(watch) as alarms:
        await forever("alarms", alarms.step, watch.node.wakers["alarms"], stop, _ALARMS_S)


async def take_certificates(node: OpenNode, stop: asyncio.Event) -> None:
    """Take the certificates that are dropped into the node's folder for them, until the stop."""
    from gateway.workers.loop import forever

    folder = node.settings.node.data_dir / _CERTIFICATES

    async def step() -> bool:
        if not await node.pool.run(lambda: any(folder.glob("*.pem"))):
            return False
        from gateway.cli.renewal import take_dropped

        return await take_dropped(node, folder)

    await forever("certificates", step, node.wakers["certificates"], stop, _ALARMS_S)


def _say_ready(_url: str) -> None:
    service_manager.notify("READY=1")


async def _work(loops: Awaitable[None], workers_done: asyncio.Event) -> None:
    """Run the loops until the stop. While they finish, calls are still answered, and `/readyz` reports the end."""
    try:
        await loops
    finally:
        workers_done.set()


def freeze_loaded() -> None:
    """Freeze loaded objects: they live to the end, and walking them in each collection would hold up every call and worker
    for a tenth of a second. Later objects are collected when there are more than one document makes."""
    gc.collect(0)
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, 30)


async def serve_api(
    call: Invocation,
    node: OpenNode,
    stop: asyncio.Event,
    health: HealthProbe,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the API until the stop; running calls are answered first. `ready` gets its address."""
    from gateway.cli.answering import answering
    from gateway.cli.applications import build_application

    api, finish_s = node.settings.api, float(node.settings.workers.drain_s)
    app = build_application(node, health)
    async with (
        answering(node),
        listening(app, "api", api.host, api.port, finish_s, api.idle_s) as url,
    ):
        call.say("cli.serving", url=url, name=node.settings.node.name)
        freeze_loaded()
        if ready is not None:
            ready(url)
        await stop.wait()


@asynccontextmanager
async def open_monitor(node: OpenNode, health: HealthProbe | None, number: int = 0) -> AsyncIterator[None]:
    """Serve monitoring, where the settings ask for it, to the very end of the process."""
    metrics_settings = node.settings.metrics
    if health is None or not metrics_settings.port:
        yield
        return
    from gateway.http_calls import load_library

    load_library()
    from gateway.api.server import monitoring
    from gateway.ops import metrics

    app = monitoring(metrics.Scrape(node=node).text, metrics.CONTENT_TYPE, health)
    async with listening(app, "metrics", metrics_settings.host, metrics_settings.port + number, 1.0):
        yield


def stop_on_signal(on_stop: Callable[[], None] = lambda: None) -> asyncio.Event:
    """Return an event that Ctrl+C or SIGTERM sets, instead of ending the process; `on_stop` is called before."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def first() -> None:
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(signal_number)
            signal.signal(signal_number, signal.SIG_DFL)
        on_stop()
        stop.set()

    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, first)
    return stop


@asynccontextmanager
async def listening(
    app: web.Application, section: str, host: str, port: int, finish_s: float, idle_s: float = 75.0
) -> AsyncIterator[str]:
    """Listen while the body runs, and yield the address. `section` names the settings to change when it is taken; running
    calls have `finish_s` seconds to end, and the headers of a call `idle_s` to come."""
    from aiohttp import web

    from gateway.api.server import ACCEPTS_CONTROL, CONNECTIONS, LONGEST_HEADER, Connections, Site

    connections = app.get(CONNECTIONS) or Connections(_CONNECTIONS)
    # A compressed body is refused by its reader; nothing is inflated before that.
    options: dict[str, Any] = {"access_log": None, "auto_decompress": False}
    if longest := app.get(LONGEST_HEADER):
        options |= {"max_field_size": longest}
    if app.get(ACCEPTS_CONTROL):
        options |= {"accepts_control": True}
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=finish_s)
    await runner.setup()
    try:
        try:
            await Site(runner, host, port, connections, keepalive_timeout=idle_s, **options).start()
        except OSError as error:
            raise Misconfigured(
                f"the node cannot listen on {host}:{port}: {error.strerror}",
                hint=f"choose another with {section}.host and {section}.port, or stop the program that has it",
            ) from error
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
