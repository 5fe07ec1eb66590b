"""Large packets go over a real broker: a burst that comes faster than it is taken waits and loses nothing, and a part
that died joins its set when it is sent again."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import aio_pika

from gateway.domain.document import Lane
from gateway.ports.axis import DeadParcel, Fate
from gateway.transport.amqp import label
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.transport.amqp.publisher import Part, parts_of
from tests.long.integration.conftest import channel_of
from tests.support.parcels import bytes_of, parcel, received, settled
from tests.support.parts import LIMITS, opened
from tests.support.town.rigs import Stage
from tests.support.waiting import wait_until

SMALL_PARTS = AmqpOptions(part_bytes=1024)
MORE_THAN_THE_QUOTA = LIMITS.open_sets + 12


async def dead(axis: AmqpAxis, count: int = 1) -> list[DeadParcel]:
    async def are_dead() -> bool:
        await axis.take(10, 60)
        return (await axis.counts())["dead"] == count

    await wait_until(are_dead, f"{count} dead")
    return list(await axis.dead_list())


async def publish(stage: Stage, node: str, message: aio_pika.Message, lane: Lane = Lane.NORMAL) -> None:
    """Publish a message past our own publisher, under the node's own name."""
    async with channel_of(stage.topology.access(node)) as channel:
        exchange = await channel.get_exchange(names.lane_exchange(lane), ensure=False)
        await exchange.publish(message, names.routing_key("Z92"))


async def put_part(stage: Stage, part: Part, content: bytes) -> None:
    user = stage.topology.access("one").user
    joined = parcel("p1", content)
    message = label.make_message(
        joined, part.body, ["z92"], user=user, at=datetime.now(UTC), more=part.headers()
    )
    await publish(stage, "one", message)


async def test_a_burst_that_comes_faster_than_it_is_taken_is_held_back_and_all_of_it_lands(
    stage: Stage,
) -> None:
    sender, receiver = await stage.sender(SMALL_PARTS), await stage.receiver(SMALL_PARTS)
    spool = opened(stage.folder / "parts-two")
    contents = {f"big{n}": f"{n:06d}".encode() * 300 for n in range(MORE_THAN_THE_QUOTA)}
    outcomes = await asyncio.gather(
        *(sender.publish(parcel(id, bytes), ["Z92"]) for id, bytes in contents.items())
    )
    assert {outcome["Z92"].fate for outcome in outcomes} == {Fate.DELIVERED}

    waiting = await received(receiver)

    async def quota_is_full() -> bool:
        return spool.counts()["whole"] == LIMITS.open_sets

    await wait_until(quota_is_full, "as many whole sets as may be open")
    assert (await receiver.counts())["dead"] == 0
    landed: dict[str, bytes] = {}
    while len(landed) < len(contents):
        for arrival in waiting or await received(receiver):
            landed[arrival.packet_id] = bytes_of(arrival)
            assert arrival.flaw == ""
            await receiver.settle(arrival, is_done=True)
        waiting = []

    assert landed == contents
    assert (await receiver.counts())["dead"] == 0
    assert spool.counts()["sets"] == 0


async def test_a_part_that_died_joins_its_set_when_it_is_resent(stage: Stage) -> None:
    """The node that sends it again vouches for its first sender, to itself."""
    receiver = await stage.receiver(SMALL_PARTS, codes=["Z92.07"])
    content = os.urandom(2500)
    first, *later_parts = parts_of(parcel("p1", content), 1024)
    await put_part(stage, first, content)
    (died,) = await dead(receiver)
    await receiver.host(["Z92"])
    for part in later_parts:
        await put_part(stage, part, content)

    await receiver.dead_retry(died.id)
    (arrival,) = await received(receiver)

    assert (bytes_of(arrival), arrival.flaw) == (content, "")
    assert arrival.node == stage.topology.access("one").user
    await settled(receiver, [arrival])
    assert (await receiver.counts())["dead"] == 0


async def test_a_parcel_sent_again_twice_still_names_its_first_sender(stage: Stage) -> None:
    sender, receiver = await stage.sender(), await stage.receiver(codes=["Z92.07"])
    await sender.publish(parcel("p1"), ["Z92"])
    for _ in range(2):
        (died,) = await dead(receiver)
        await receiver.dead_retry(died.id)
    await dead(receiver)
    await receiver.host(["Z92"])
    await receiver.dead_retry((await dead(receiver))[0].id)
    (arrival,) = await received(receiver)

    assert arrival.node == stage.topology.access("one").user


async def test_a_first_sender_that_another_node_names_does_not_count(stage: Stage) -> None:
    receiver = await stage.receiver()
    user = stage.topology.access("one").user
    forged = label.make_message(parcel("p1"), b"bytes of a packet", ["z92"], user=user, at=datetime.now(UTC))
    forged.headers[names.FIRST_NODE] = stage.topology.access("two").user
    await publish(stage, "one", forged)
    (arrival,) = await received(receiver)

    assert arrival.node is None


async def test_a_message_without_a_vouched_sender_has_none_when_it_is_resent(stage: Stage) -> None:
    receiver = await stage.receiver(codes=["Z92.07"])
    unnamed = label.make_message(parcel("p1"), b"bytes of a packet", ["z92"], user=None, at=datetime.now(UTC))
    await publish(stage, "one", unnamed)
    (died,) = await dead(receiver)
    await receiver.host(["Z92"])

    await receiver.dead_retry(died.id)
    (arrival,) = await received(receiver)

    assert arrival.node is None


async def test_a_joined_packet_that_is_never_settled_is_on_the_dead_list(stage: Stage) -> None:
    options = AmqpOptions(part_bytes=1024, delivery_limit=1)
    sender, receiver = await stage.sender(options), await stage.receiver(options)
    content = os.urandom(2500)
    await sender.publish(parcel("p1", content), ["Z92"])
    for _ in range(2):
        await settled(receiver, await received(receiver), is_done=False)

    (died,) = await dead(receiver)
    with await receiver.dead_open(died.id) as source:
        assert source.read() == content
    assert (died.packet_id, died.deliveries) == ("p1", 2)
    await receiver.dead_retry(died.id)
    (arrival,) = await received(receiver)
    assert (arrival.deliveries, bytes_of(arrival)) == (1, content)
    await settled(receiver, [arrival], is_done=False)
    await settled(receiver, await received(receiver), is_done=False)

    (died,) = await dead(receiver)
    await receiver.dead_drop(died.id, "a test")
    assert await receiver.dead_list() == []
