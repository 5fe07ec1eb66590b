"""Brief work without a thread: it has its part of each turn of the event loop, and the loop has its turns."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from gateway.pool import ThreadPool

MANY = 12


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    with closing(ThreadPool(1)) as pool:
        yield pool


async def test_brief_work_is_done_without_a_thread(pool: ThreadPool) -> None:
    assert await pool.brief(threading.get_ident) == threading.get_ident()
    assert await pool.run(threading.get_ident) != threading.get_ident()


async def test_the_event_loop_goes_on_between_pieces_of_brief_work(pool: ThreadPool) -> None:
    done: list[int] = []
    most = 0

    async def beside() -> None:
        """How much was done at once, at the most."""
        nonlocal most
        seen = 0
        while seen < MANY:
            await asyncio.sleep(0)
            most, seen = max(most, len(done) - seen), len(done)

    def work(n: int) -> None:
        time.sleep(0.006)  # longer than a turn's part: it is what the work takes
        done.append(n)

    await asyncio.gather(beside(), *(pool.brief(lambda n=n: work(n)) for n in range(MANY)))  # type: ignore[misc]  # mypy cannot type a lambda with a default

    assert sorted(done) == list(range(MANY))
    assert most == 1


async def test_an_error_of_brief_work_is_the_callers(pool: ThreadPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.brief(lambda: 1 // 0)
    assert await pool.brief(lambda: 1) == 1
