"""Opens an address for an application, and ends the process's work in good order. In: an application and its settings;
signals. Out: the address while the body runs; calls under way are answered before it closes. The first signal asks for
an end, a second one is the end: killing a node is safe, and whoever presses twice means it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gateway.errors import Misconfigured

if TYPE_CHECKING:
    from aiohttp import web


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

    from gateway.api.app import server_log
    from gateway.api.connections import CONNECTIONS, Connections, Site

    connections = app.get(CONNECTIONS) or Connections(_CONNECTIONS)
    # A compressed body is refused by whoever reads it; nothing is inflated before that.
    options = {"access_log": None, "logger": server_log(), "auto_decompress": False}
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
