"""`gateway serve`: runs the API and the workers in one process until it is told to stop. In: settings. Out: a node
at work, its address said on stderr; SIGTERM and Ctrl+C let it finish what it holds."""

from __future__ import annotations

import asyncio
import gc
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.command import Call, verb
from gateway.cli.node import at_node, run
from gateway.errors import GatewayError, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.bootstrap import Node


def register(app: typer.Typer) -> None:
    verb(app, "serve", examples=("gateway serve", "gateway --config province.toml serve --role worker"))(
        serve
    )


def serve(
    call: Call,
    role: Annotated[
        str, typer.Option(help="all, api (answers programs) or worker (packs, sends, receives).")
    ] = "all",
) -> None:
    """Run the API and the workers until stopped. Ctrl+C finishes what is under way, then stops."""
    if role not in ("all", "api", "worker"):
        raise typer.BadParameter(f"{role!r} is no role; expected all, api or worker")
    run(_serve(call, role))


async def _serve(call: Call, role: str) -> None:
    from gateway import log

    async with at_node(call) as node:
        log.configure("debug" if call.verbose else node.settings.log.level)
        stop = stop_on_signal()
        try:
            async with asyncio.TaskGroup() as tasks:
                if role != "api":
                    tasks.create_task(node.run_workers(stop))
                if role == "worker":
                    keep_what_is_loaded()
                    call.say("cli.working", name=node.settings.node.name)
                else:
                    tasks.create_task(answer(call, node, stop))
        except ExceptionGroup as several:
            # One named cause is worth more to a person than the group it came in.
            raise next(
                (each for each in several.exceptions if isinstance(each, GatewayError)), several
            ) from None
    call.say("cli.served")


def stop_on_signal() -> asyncio.Event:
    """An event that Ctrl+C or SIGTERM sets, instead of ending the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    return stop


def keep_what_is_loaded() -> None:
    """What is in memory once the node is open stays to the end. Told so, the garbage collector need not walk it again
    and again, which would hold up every call and worker for a tenth of a second."""
    gc.collect()
    gc.freeze()


async def answer(
    call: Call, node: Node, stop: asyncio.Event, ready: Callable[[str], None] | None = None
) -> None:
    """The API until the stop; calls that are under way are answered first. `ready` hears its address."""
    from aiohttp import web

    from gateway.api.app import server_log

    runner = web.AppRunner(node.application(), access_log=None, logger=server_log())
    await runner.setup()
    try:
        site = web.TCPSite(runner, node.settings.api.host, node.settings.api.port)
        try:
            await site.start()
        except OSError as why:
            raise Misconfigured(
                f"the API cannot listen on {node.settings.api.host}:{node.settings.api.port}: {why.strerror}",
                hint="choose another with api.host and api.port, or stop the program that has it",
            ) from why
        host, port = runner.addresses[0][:2]
        call.say("cli.serving", url=f"http://{host}:{port}", name=node.settings.node.name)
        keep_what_is_loaded()
        if ready is not None:
            ready(f"http://{host}:{port}")
        await stop.wait()
    finally:
        await runner.cleanup()
