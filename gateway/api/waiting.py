"""Long polls: an answer that waits until there is something to say. In: a look at what there is, asked again whenever
something happened. Out: what was found, or nothing when the time is up. It ends early when the caller goes or the node
stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from gateway.api.call import Call

T = TypeVar("T")
STOPPING = web.AppKey("stopping", asyncio.Event)

# How often a waiting call looks whether its client is still there, and whether another process did something.
_LOOK_S = 1.0


async def until(
    call: Call, wait_s: float, look: Callable[[], Awaitable[T]], enough: Callable[[T], bool]
) -> T:
    """What `look` found last: enough, or all there is."""
    loop = asyncio.get_running_loop()
    end = loop.time() + min(wait_s, call.deps.options.poll_s)
    while True:
        found = await look()
        left = end - loop.time()
        if enough(found) or left <= 0 or _is_over(call.request):
            return found
        await call.deps.store.wait_events(min(left, _LOOK_S))


def _is_over(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more, or the node is stopping."""
    transport = request.transport
    return transport is None or transport.is_closing() or request.app[STOPPING].is_set()
