"""The one bounded thread pool for CPU and file work, behind the `Pool` promise. Small on purpose: more cores are
used by more worker processes, not by more threads (design 6)."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class ThreadPool:
    """Runs blocking work in `size` threads; what is submitted beyond that waits its turn."""

    def __init__(self, size: int = 4) -> None:
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="gateway")

    async def run(self, work: Callable[[], T]) -> T:
        here = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(here.run, work))

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
