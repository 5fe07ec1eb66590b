"""How a process that is told to stop ends its work. In: its loops and the stop. Out: each loop ended with the step it was
in, or was cut short when the time for that was over; leases that are still held are given back, so that another process
goes on at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from gateway import log
from gateway.errors import GatewayError
from gateway.ports import Store

_log = logging.getLogger(__name__)


async def bounded(
    loops: Sequence[asyncio.Task[None]], stop: asyncio.Event, limit_s: float, store: Store
) -> None:
    """Returns when every loop has ended; those that are still at work `limit_s` after the stop are cut short."""
    await stop.wait()
    _, late = await asyncio.wait(loops, timeout=limit_s)

    def cut() -> None:
        for task in late:
            log.action(_log, "drain.cut_short", f"{task.get_name()} was still at work after {limit_s:g} s")
            task.cancel()

    try:
        await store.let_go(cut)
    except GatewayError as error:
        # Nothing is lost: what is held runs out by itself.
        log.action(_log, "drain.leases_kept", str(error), code=error.code)
        cut()
    if late:
        await asyncio.wait(late)
