"""Bounded thread pool for CPU and file work (the `Pool` protocol). It is small on purpose: more worker processes, not
more threads, use more cores. Work of about a millisecond runs without a thread."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class ThreadPool:
    """Pool that runs blocking work in `size` threads; further work waits in a queue."""

    def __init__(self, size: int = 4) -> None:
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix="gateway")
        self._has_turn = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def run(self, work: Callable[[], T]) -> T:
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(context.run, work))

    async def brief(self, work: Callable[[], T]) -> T:
        """Run short work on the event loop, one piece in each turn of the loop. A thread would compete with the loop for
        the interpreter lock at each database statement, which costs more than the work."""
        if self._has_turn:
            await self._wait_for_turn()
        else:
            self._has_turn = True
        try:
            return work()
        finally:
            self._pass_turn()

    async def _wait_for_turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn had just been passed to this caller
                self._pass_turn()
            raise

    def _pass_turn(self) -> None:
        """Wake the caller that has waited longest. Where none waits, free the turn only in the loop's next turn, so that
        a caller that comes in this one waits."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        if self._waiting:
            self._pass_turn()
        else:
            self._has_turn = False

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)
