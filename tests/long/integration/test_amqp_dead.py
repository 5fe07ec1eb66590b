"""What cannot be delivered ends in the node's dead queue and nowhere else; a person can look into it, send it again or
drop it, and a crash in between doubles and loses nothing."""

from __future__ import annotations

import os

import aio_pika
import pytest

from gateway.domain.document import Lane
from gateway.errors import NotFound, Unreachable
from gateway.ports.axis import DeadParcel
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.axis import AmqpAxis
from gateway.transport.amqp.publisher import Publisher
from tests.long.integration.conftest import channel_of, dead
from tests.support.parcels import bytes_of, nothing_more, parcel, received, settled
from tests.support.town.rigs import Stage


async def poisoned(axis: AmqpAxis, packet_id: str) -> DeadParcel:
    """Gives it back until the broker has had enough."""
    for _ in range(names.DELIVERY_LIMIT + 1):
        (arrival, *more) = await received(axis)
        assert arrival.packet_id == packet_id
        await settled(axis, [arrival, *more, *await axis.take(10, 60)], is_done=False)
    (letter,) = await dead(axis)
    return letter


async def test_a_poisoned_parcel_is_listed_opened_and_sent_again_to_its_node_alone(stage: Stage) -> None:
    stage.topology.host({"two": ["Z92"], "three": ["Z93"]})
    sender, receiver = await stage.sender(), await stage.receiver()
    three = await stage.axis("three", ["Z93"], stage.in_line)
    content = os.urandom(1000)
    await sender.publish(parcel("p1", content), ["Z92", "Z93"])
    await settled(three, await received(three))

    letter = await poisoned(receiver, "p1")
    with await receiver.dead_open(letter.id) as opened:
        dead_bytes = opened.read()
    second_list = await receiver.dead_list()
    await receiver.dead_retry(letter.id)
    second_death = await poisoned(receiver, "p1")
    await receiver.dead_retry(second_death.id)
    (arrival,) = await received(receiver)

    assert dead_bytes == content
    assert second_death.recipient == "z92 z93"  # still known, though it went to its node alone
    assert [d.id for d in second_list] == [letter.id]
    assert (letter.packet_id, letter.kind, letter.sender, letter.lane) == (
        "p1",
        "document",
        "Z91.07",
        Lane.NORMAL,
    )
    assert (letter.recipient, letter.size, letter.deliveries) == ("z92 z93", 1000, names.DELIVERY_LIMIT + 1)
    assert letter.dead_at is not None
    assert "6 times" in letter.reason
    assert (arrival.recipient, arrival.deliveries, arrival.node) == ("Z92", 1, stage.topology.name("one"))
    assert bytes_of(arrival) == content
    await settled(receiver, [arrival])
    assert (await receiver.counts())["dead"] == 0
    await nothing_more(receiver)
    await nothing_more(three, code="Z93")


async def test_a_dead_parcel_that_is_dropped_is_gone_and_the_others_stay(stage: Stage) -> None:
    sender, axis = await stage.sender(), await stage.receiver()
    for packet_id in ("p1", "p2"):
        await sender.publish(parcel(packet_id), ["Z92"])
        for _ in range(names.DELIVERY_LIMIT + 1):
            await settled(axis, await received(axis), is_done=False)
    first, second = await dead(axis, 2)

    await axis.dead_drop(first.id, "asked for by nobody")

    assert [d.id for d in await dead(axis)] == [second.id]
    for act in (axis.dead_open(first.id), axis.dead_retry(first.id), axis.dead_drop(first.id, "again")):
        with pytest.raises(NotFound):
            await act
    assert [d.id for d in await dead(axis)] == [second.id]


async def test_a_crash_between_sending_again_and_removing_doubles_and_loses_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    await sender.publish(parcel("p1"), ["Z92"])
    letter = await poisoned(receiver, "p1")
    resend = Publisher.resend

    async def resend_and_die(self: Publisher, message: aio_pika.Message, exchange: str, key: str) -> None:
        await resend(self, message, exchange, key)
        raise Unreachable("the line broke here")

    monkeypatch.setattr(Publisher, "resend", resend_and_die)
    with pytest.raises(Unreachable):
        await receiver.dead_retry(letter.id)

    assert [p.packet_id for p in await received(receiver)] == ["p1"]
    assert [p.id for p in await dead(receiver)] == [letter.id]


async def test_threat_084_a_parcel_for_nobody_here_is_put_aside_and_goes_where_its_code_is_today(
    stage: Stage,
) -> None:
    """Its agency moved while it lay in the old node's queue."""
    stage.topology.host({"two": ["Z92", "Z94"]})
    sender, receiver = await stage.sender(), await stage.receiver()
    await sender.publish(parcel("p1"), ["Z94"])
    await receiver.wait(0.01)

    (letter,) = await dead(receiver)
    stage.topology.host({"two": ["Z92"], "three": ["Z94"]})
    three = await stage.axis("three", ["Z94"], stage.in_line)
    await receiver.dead_retry(letter.id)
    (arrival,) = await received(three)

    assert letter.recipient == "z94"
    assert "none of its codes is hosted here" in letter.reason
    assert (arrival.recipient, arrival.packet_id) == ("Z94", "p1")


@pytest.mark.parametrize(
    ("headers", "message_id", "why"),
    [
        ({}, "p1", "x-sender"),
        ({"x-sender": "Z91", "x-digest": "ab", "x-size": 1}, "p1", "x-digest"),
        ({"x-sender": "Z91", "x-digest": "a" * 64, "x-size": "1"}, "p1", "x-size"),
        ({"x-sender": "Z91", "x-digest": "a" * 64, "x-size": 7}, "p1", "it says 7 bytes and has 1"),
        ({"x-sender": "Z" * 300, "x-digest": "a" * 64, "x-size": 1}, "p1", "x-sender"),
        ({"x-set": "../../etc", "x-part": 1, "x-parts": 2}, "p1", "x-sender"),
    ],
)
async def test_threat_084_what_carries_no_label_of_ours_is_put_aside_with_its_reason_and_stops_nobody(
    stage: Stage, headers: dict[str, str | int], message_id: str, why: str
) -> None:
    receiver = await stage.receiver()
    await receiver.wait(0.01)
    async with channel_of(stage.topology.access("one")) as channel:
        lane = await channel.get_exchange(names.lane_exchange(Lane.NORMAL), ensure=False)
        message = aio_pika.Message(b"x", headers=dict(headers), message_id=message_id, type="document")
        await lane.publish(message, "z92")

    (letter,) = await dead(receiver)

    assert why in letter.reason
    assert letter.recipient == "z92"
    with await receiver.dead_open(letter.id) as opened:
        assert opened.read() == b"x"
    await nothing_more(receiver)
