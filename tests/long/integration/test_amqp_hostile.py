"""A registered node that means ill, or whose program is broken: its messages harm no other mail, end in the dead queue of
the receiver, and can be looked at and dropped there."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import aio_pika
import pytest
from pamqp import encode

from gateway.clock import SystemClock
from gateway.domain.document import Lane
from gateway.errors import BrokerRefused, Unreachable
from gateway.transport.amqp import label
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.connection import Link
from tests.long.integration.conftest import channel_of, dead
from tests.support.parcels import nothing_more, parcel, received, settled
from tests.support.town.rigs import Stage
from tests.support.waiting import within_limit

TOO_LATE = struct.pack(">Q", 2**62)
EVIL = "evil"


def table(inside: bytes) -> bytes:
    return struct.pack(">I", len(inside)) + inside


def nested(depth: int) -> bytes:
    content = table(b"")
    for _ in range(depth):
        content = table(b"\x00F" + content)
    return content


async def publish_raw(stage: Stage, monkeypatch: pytest.MonkeyPatch, headers: Mapping[str, bytes]) -> None:
    """A message to Z92 whose properties of these kinds are these bytes on the wire."""
    text = encode.short_string
    async with channel_of(stage.topology.access("one")) as channel:
        lane = await channel.get_exchange(names.lane_exchange(Lane.NORMAL), ensure=False)
        message = aio_pika.Message(
            b"x", message_id=EVIL, headers={"some": 1}, timestamp=datetime.now(UTC), delivery_mode=2
        )
        with monkeypatch.context() as patched:
            for kind, raw in headers.items():
                patched.setitem(
                    encode.METHODS,
                    kind,
                    lambda value, kind=kind, raw=raw: (
                        text(value) if kind == "shortstr" and value != EVIL else raw
                    ),
                )
            await lane.publish(message, "z92")


@pytest.mark.parametrize(
    "headers",
    [
        {"timestamp": TOO_LATE},
        {"table": table(b"\x02atT" + TOO_LATE)},
        {"table": table(b"\x02\xff\xfet\x01")},
        {"table": nested(5000)},
        {"shortstr": b"\x02\xff\xfe"},
        {"shortstr": b"\xff" + b"\xff" * 255},
    ],
    ids=["timestamp", "time in a table", "name in a table", "depth", "text", "long text"],
)
async def test_threat_084_a_message_that_no_library_reads_harms_nobody_beside_it_and_can_be_dropped(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, headers: Mapping[str, bytes]
) -> None:
    sender = await stage.sender()
    good = [f"good{n}" for n in range(8)]
    for packet_id in good[:4]:
        await sender.publish(parcel(packet_id), ["Z92"])
    await publish_raw(stage, monkeypatch, headers)
    for packet_id in good[4:]:
        await sender.publish(parcel(packet_id), ["Z92"])
    receiver = await stage.receiver()

    arrivals = await received(receiver, count=8)
    await settled(receiver, arrivals)

    (letter,) = await dead(receiver)
    with await receiver.dead_open(letter.id) as opened:
        dead_bytes = opened.read()
    await receiver.dead_drop(letter.id, "nobody can read it")

    assert sorted(arrival.packet_id for arrival in arrivals) == good
    assert {arrival.deliveries for arrival in arrivals} == {1}
    assert "its label cannot be read" in letter.reason
    assert dead_bytes == b"x"
    assert (await receiver.counts())["dead"] == 0
    await nothing_more(receiver)


async def test_what_cannot_be_written_again_is_not_sent_again_and_stays(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each octet that was no UTF-8 takes three as the sign in its place: too many for a short text."""
    receiver = await stage.receiver()
    await publish_raw(stage, monkeypatch, {"shortstr": b"\xff" + b"\xff" * 255})
    await receiver.wait(0.01)
    (letter,) = await dead(receiver)

    with pytest.raises(BrokerRefused, match="cannot be written again"):
        await receiver.dead_retry(letter.id)

    assert [d.id for d in await dead(receiver)] == [letter.id]


@pytest.mark.parametrize(
    ("message_id", "kind", "sender"),
    [
        ("a\x00b", "document", "Z91"),
        ("p1", "docu\nment", "Z91"),
        ("p1", "document", "Z\x0091"),
        ("p\u202e1", "d", "Z91"),
    ],
)
async def test_threat_084_a_word_that_no_store_keeps_or_no_screen_shows_is_put_aside_at_once(
    stage: Stage, message_id: str, kind: str, sender: str
) -> None:
    receiver = await stage.receiver()
    headers: dict[str, str | int] = {
        names.SENDER: sender,
        names.LANE: "normal",
        names.DIGEST: hashlib.sha256(b"x").hexdigest(),
        names.SIZE: 1,
    }
    async with channel_of(stage.topology.access("one")) as channel:
        lane = await channel.get_exchange(names.lane_exchange(Lane.NORMAL), ensure=False)
        message = aio_pika.Message(
            b"x", message_id=message_id, type=kind, headers=dict(headers), delivery_mode=2
        )
        await lane.publish(message, "z92")
    await receiver.wait(0.01)

    (letter,) = await dead(receiver)

    assert "printable" in letter.reason
    assert (letter.packet_id + letter.kind + letter.sender + letter.recipient).isprintable()
    await nothing_more(receiver)


async def test_threat_084_a_message_larger_than_any_of_ours_is_put_aside(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label, "LARGEST", 1000)
    sender, receiver = await stage.sender(), await stage.receiver()

    await sender.publish(parcel("p1", bytes(1001)), ["Z92"])
    await sender.publish(parcel("p2", bytes(1000)), ["Z92"])
    (arrival,) = await received(receiver)
    (letter,) = await dead(receiver)

    assert (arrival.packet_id, letter.packet_id) == ("p2", "p1")
    assert "max_message_size" in letter.reason
    await settled(receiver, [arrival])


async def test_a_refused_parcel_is_sent_again_to_all_its_codes_or_to_none(stage: Stage) -> None:
    """One of two codes is bound nowhere any more: the other one must not make the broker's word good for both."""
    stage.topology.host({"two": ["Z92", "Z92.01"], "three": ["Z93"]})
    sender, receiver = await stage.sender(), await stage.receiver()
    three = await stage.axis("three", ["Z93"], stage.in_line)
    await sender.publish(parcel("p1"), ["Z92.01", "Z93"])
    await settled(three, await received(three))
    await receiver.wait(0.01)

    (letter,) = await dead(receiver)
    stage.topology.host({"two": ["Z92"]})
    with pytest.raises(BrokerRefused, match=r"nobody hosts z92\.01; nothing was sent") as caught:
        await receiver.dead_retry(letter.id)
    still = await receiver.dead_list()
    await nothing_more(three, code="Z93")

    stage.topology.host({"three": ["Z93", "Z92.01"]})
    await three.host(["Z93", "Z92.01"])
    await receiver.dead_retry(letter.id)
    arrivals = await received(three, count=2)

    assert "gateway axis apply" in caught.value.hint
    assert [d.id for d in still] == [letter.id]
    assert sorted(d.recipient for d in arrivals) == ["Z92.01", "Z93"]
    assert await receiver.dead_list() == []
    await settled(three, arrivals)


async def test_a_silent_line_that_is_given_up_ends_nobody_who_waits_for_a_channel(stage: Stage) -> None:
    """The library then cancels pending calls, which is no cancellation of ours."""
    access = replace(stage.topology.access("one", stage.out_line.port), heartbeat_s=1)
    link = Link(access, "one", SystemClock())
    try:
        await link.ready(60)
        stage.out_line.stall()
        asking = [asyncio.create_task(link.channel(5.0, confirms=True)) for _ in range(3)]
        everybody = asyncio.gather(*asking, return_exceptions=True)
        answers = await within_limit(everybody, "a channel, or word that there is none")
    finally:
        stage.out_line.heal()
        await link.close()

    assert [type(answer) for answer in answers] == [Unreachable] * 3
    assert not [answer for answer in answers if "Cancelled" in str(answer)]


async def test_fetching_that_ended_by_itself_begins_again_when_it_is_asked_for(stage: Stage) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    await nothing_more(receiver)
    fetching = receiver._consumer._fetching
    assert fetching is not None
    fetching.cancel()
    await asyncio.gather(fetching, return_exceptions=True)

    await sender.publish(parcel("p1"), ["Z92"])

    assert [arrival.packet_id for arrival in await received(receiver)] == ["p1"]
