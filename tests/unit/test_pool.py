"""Brief work without a thread: one piece in each turn of the event loop, in the order of asking."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial

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
    finished: list[int] = []
    most = 0

    async def count() -> None:
        """Measure the most work done in one turn of the loop."""
        nonlocal most
        counted = 0
        while counted < MANY:
            await asyncio.sleep(0)
            most, counted = max(most, len(finished) - counted), len(finished)

    async with asyncio.timeout(10):
        await asyncio.gather(count(), *(pool.brief(partial(finished.append, n)) for n in range(MANY)))

    assert finished == list(range(MANY))
    assert most == 1


async def test_who_gives_up_waiting_holds_nobody_up(pool: ThreadPool) -> None:
    finished: list[int] = []
    waiting = [asyncio.ensure_future(pool.brief(partial(finished.append, n))) for n in range(MANY)]
    await asyncio.sleep(0)  # all wait now, the first is done
    for given_up in waiting[1::2]:
        given_up.cancel()

    async with asyncio.timeout(10):
        await asyncio.gather(*waiting, return_exceptions=True)
        await pool.brief(partial(finished.append, MANY))

    assert finished == [*range(0, MANY, 2), MANY]


async def test_an_error_of_brief_work_is_the_callers(pool: ThreadPool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.brief(lambda: 1 // 0)
    assert await pool.brief(lambda: 1) == 1


async def test_who_gives_up_with_the_turn_in_hand_passes_it_on(pool: ThreadPool) -> None:
    finished: list[int] = []
    first, given_up, last = (asyncio.ensure_future(pool.brief(partial(finished.append, n))) for n in range(3))
    await first
    given_up.cancel()  # it has been woken, and has not run yet

    async with asyncio.timeout(10):
        await last
        await pool.brief(partial(finished.append, 3))

    assert given_up.cancelled()
    assert finished == [0, 2, 3]
