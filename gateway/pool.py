"""The one bounded thread pool for CPU and file work, behind the `Pool` promise. Small on purpose: more cores are
used by more worker processes, not by more threads (design 6). What takes a millisecond is done without a thread."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")
# Of one turn of the event loop, for brief work; who comes later waits for the next one.
_TURN_S = 0.005


class ThreadPool:
    """Runs blocking work in `size` threads; what is submitted beyond that waits its turn."""

    def __init__(self, size: int = 4) -> None:
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="gateway")
        self._turn, self._turn_ends = 0, 0.0

    async def run(self, work: Callable[[], T]) -> T:
        here = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(here.run, work))

    async def brief(self, work: Callable[[], T]) -> T:
        """On the event loop. A thread that needs the interpreter while the loop does takes it away at each statement of the
        database and gives it back, which costs more than the work."""
        while time.monotonic() >= self._turn_ends:
            turn = self._turn
            await asyncio.sleep(0)
            if self._turn == turn:  # the first to go on in this turn
                self._turn, self._turn_ends = turn + 1, time.monotonic() + _TURN_S
        return work()

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
