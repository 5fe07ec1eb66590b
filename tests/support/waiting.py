"""Waiting for something that another task, thread or process makes true. One limit for every test: it only ends a run that
hangs, and no test depends on how long something takes."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

# Ten times what the slowest wait takes on a machine that does eight other things.
LIMIT_S = 180.0
PAUSE_S = 0.02


@overload
async def wait_until(condition: Callable[[], Awaitable[T]], description: str) -> T: ...
@overload
async def wait_until(condition: Callable[[], T], description: str) -> T: ...
async def wait_until(condition: Callable[[], Any], description: str) -> Any:
    """Return the first true answer of the condition; TimeoutError names what never came."""
    end = time.monotonic() + LIMIT_S
    while True:
        answer = condition()
        value = await answer if inspect.isawaitable(answer) else answer
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"never came: {description}")
        await asyncio.sleep(PAUSE_S)


async def within_limit(task: Awaitable[T], description: str) -> T:
    """Return what an awaitable returns; TimeoutError names what never ended."""
    try:
        return await asyncio.wait_for(task, LIMIT_S)
    except TimeoutError:
        raise TimeoutError(f"never ended: {description}") from None


def block_until(condition: Callable[[], T], description: str) -> T:
    """Return the first true answer, for tests and helpers without an event loop."""
    end = time.monotonic() + LIMIT_S
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"never came: {description}")
        time.sleep(PAUSE_S)
    return value
