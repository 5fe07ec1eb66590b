"""Messages that go to the broker, or come from it, together: each keeps an answer of its own."""

from __future__ import annotations

import asyncio
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.ports.axis import Fate, Parcel
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.axis import AmqpOptions
from gateway.transport.amqp.publisher import SMALL_AT_ONCE
from tests.services.rabbit import quoted
from tests.support.broker import Broker
from tests.support.parcels import nothing_more, parcel, received, settled
from tests.support.town.rigs import Stage, staged
from tests.support.waiting import wait_until


@pytest.fixture
async def stage(broker: Broker, tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(broker, tmp_path) as stage:
        yield stage


@contextmanager
def counted_tasks() -> Iterator[Counter[str]]:
    """Count the tasks that are made meanwhile, by the function that each runs."""
    loop, tasks = asyncio.get_running_loop(), Counter[str]()

    def make(running: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        tasks[work.__qualname__] += 1
        return asyncio.Task(work, loop=running, **more)

    loop.set_task_factory(make)
    try:
        yield tasks
    finally:
        loop.set_task_factory(None)


def in_memory(packet_id: str) -> Parcel:
    """Return a parcel as a node hands over a small one: its bytes were read before."""
    return replace(parcel(packet_id), open=partial(io.BytesIO, b"bytes of a packet"))


async def test_messages_of_one_moment_go_out_together_and_a_returned_one_is_its_own_senders(
    stage: Stage,
) -> None:
    """One task writes all, and one waits for all: their bytes lie in memory, so no caller waits for a thread."""
    sender, receiver = await stage.sender(), await stage.receiver(AmqpOptions(prefetch=SMALL_AT_ONCE))
    await sender.publish(parcel("before"), ["Z92"])

    with counted_tasks() as tasks:
        outcomes = await asyncio.gather(
            *(sender.publish(in_memory(f"p{n}"), ["Z92" if n % 3 else "Z99"]) for n in range(SMALL_AT_ONCE))
        )

    fates = [fate for outcome in outcomes for fate in (answer.fate for answer in outcome.values())]
    assert fates == [Fate.DELIVERED if n % 3 else Fate.NEVER for n in range(SMALL_AT_ONCE)]
    assert tasks["AmqpAxis.publish"] == SMALL_AT_ONCE
    assert (tasks["ConfirmedChannel._send"], tasks["_deliver"]) == (1, 1)
    assert tasks.keys().isdisjoint(("Exchange.publish", "Channel.basic_publish"))
    arrivals = await received(receiver, count=1 + sum(fate is Fate.DELIVERED for fate in fates))
    await settled(receiver, arrivals)
    await nothing_more(receiver)


async def test_a_full_queue_refuses_its_own_messages_and_leaves_those_beside_them_confirmed(
    stage: Stage,
) -> None:
    stage.topology.host({"three": ["Z93"]})
    sender, receiver = await stage.sender(), await stage.receiver()
    queue = names.lane_queue(stage.topology.name("three"), names.LANES[1])
    full = {"max-length": 1, "overflow": "reject-publish"}
    policy = {"pattern": f"^{queue}$".replace(".", "[.]"), "definition": full, "priority": 100}
    stage.topology.broker.ask("PUT", f"/api/policies/{{vhost}}/{quoted('full')}", policy)
    filled = 0

    async def is_full() -> bool:
        nonlocal filled
        filled += 1
        return (await sender.publish(parcel(f"f{filled}"), ["Z93"]))["Z93"].code == "axis-refused"

    await wait_until(is_full, "a full queue")
    await sender.publish(parcel("p0"), ["Z92"])
    outcomes = await asyncio.gather(
        *(sender.publish(parcel(f"p{n}"), ["Z92" if n % 2 else "Z93"]) for n in range(1, 21))
    )

    answers = {(code, answer.fate, answer.code) for o in outcomes for code, answer in o.items()}
    assert answers == {("Z92", Fate.DELIVERED, ""), ("Z93", Fate.RETRY, "axis-refused")}
    ids = sorted(arrival.packet_id for arrival in await received(receiver, count=11))
    assert ids == sorted(["p0", *(f"p{n}" for n in range(1, 21, 2))])


@pytest.mark.parametrize("given_back", [False, True])
async def test_a_message_that_is_not_done_is_never_among_those_that_one_acknowledgement_ends(
    stage: Stage, given_back: bool
) -> None:
    """The first is at work when the line breaks, or goes back to its queue while the others end."""
    sender, receiver = await stage.sender(), await stage.receiver(AmqpOptions(prefetch=40))
    for n in range(20):
        await sender.publish(parcel(f"p{n:02}"), ["Z92"])
    arrivals = {arrival.packet_id: arrival for arrival in await received(receiver, count=20, limit=40)}
    first, *following = (arrivals[name] for name in sorted(arrivals))

    settling = [receiver.settle(arrival, is_done=True) for arrival in following]
    await asyncio.gather(*([receiver.settle(first, is_done=False)] if given_back else []), *settling)
    if not given_back:
        await stage.in_line.cut()

    (repeated,) = await received(receiver)
    assert repeated.packet_id == "p00"
    await settled(receiver, [repeated])
    await nothing_more(receiver)
