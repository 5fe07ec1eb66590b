"""Bells wake waiters of the same queue in this process, whatever event loop they wait in."""

import asyncio
import threading

from gateway.transport.embedded import WaiterWaker, ring
from tests.support.waiting import LIMIT_S, within_limit

QUEUE = "/nowhere/axis.sqlite"


async def others_run() -> None:
    for _ in range(2):
        await asyncio.sleep(0)


async def test_a_ring_before_the_wait_is_kept_for_it_and_ends_one_wait() -> None:
    """A bell of another queue is not heard, and one that was closed is forgotten."""
    waker, closed = WaiterWaker(QUEUE), WaiterWaker(QUEUE)
    closed.close()
    closed.close()
    ring(QUEUE)
    await within_limit(waker.wait(), "a wait after the ring")

    ring("/nowhere/other.sqlite")
    waiting = asyncio.ensure_future(waker.wait())
    await others_run()
    assert not waiting.done()
    ring(QUEUE)
    await within_limit(waiting, "a wait before the ring")
    waker.close()


def test_a_ring_reaches_a_waiter_in_another_event_loop() -> None:
    started = threading.Event()

    async def wait_elsewhere() -> None:
        waker = WaiterWaker(QUEUE)
        waiting = asyncio.ensure_future(waker.wait())
        await asyncio.sleep(0)
        started.set()
        await within_limit(waiting, "a ring from another loop")
        waker.close()

    async def ring_in_loop() -> None:
        ring(QUEUE)

    other = threading.Thread(target=lambda: asyncio.run(wait_elsewhere()))
    other.start()
    assert started.wait(LIMIT_S)
    asyncio.run(ring_in_loop())
    other.join(LIMIT_S)
    assert not other.is_alive()
