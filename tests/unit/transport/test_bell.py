"""Bells wake waiters of the same queue in this process, whatever event loop they wait in."""

import asyncio
import threading
from pathlib import Path

from gateway.transport.embedded import WaiterBell, ring

QUEUE = Path("/nowhere/axis.sqlite")


async def test_a_ring_before_the_wait_is_kept_for_it() -> None:
    bell = WaiterBell(QUEUE)

    ring(QUEUE)

    async with asyncio.timeout(60):
        await bell.wait()
    bell.close()


async def test_one_ring_ends_one_wait() -> None:
    bell = WaiterBell(QUEUE)
    ring(QUEUE)
    await bell.wait()

    waiting = asyncio.ensure_future(bell.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert not waiting.done()
    ring(QUEUE)
    async with asyncio.timeout(60):
        await waiting
    bell.close()


async def test_another_queue_rings_its_own_bells_only() -> None:
    bell = WaiterBell(QUEUE)

    ring(QUEUE.with_name("other.sqlite"))
    waiting = asyncio.ensure_future(bell.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert not waiting.done()
    waiting.cancel()
    bell.close()


async def test_a_closed_bell_is_forgotten() -> None:
    bell, other = WaiterBell(QUEUE), WaiterBell(QUEUE)
    bell.close()
    bell.close()

    ring(QUEUE)

    async with asyncio.timeout(60):
        await other.wait()
    other.close()


def test_a_ring_reaches_a_waiter_in_another_event_loop() -> None:
    started = threading.Event()

    async def wait_elsewhere() -> None:
        bell = WaiterBell(QUEUE)
        waiting = asyncio.ensure_future(bell.wait())
        await asyncio.sleep(0)
        started.set()
        async with asyncio.timeout(60):
            await waiting
        bell.close()

    async def ring_here() -> None:
        ring(QUEUE)

    other = threading.Thread(target=lambda: asyncio.run(wait_elsewhere()))
    other.start()
    assert started.wait(60)
    asyncio.run(ring_here())
    other.join(60)

    assert not other.is_alive()
