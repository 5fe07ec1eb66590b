"""One upload for many recipients: each has its own outcome, the bytes go up once, and each node gets one copy for all of
its agencies. Who vouches for the sender is the broker."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import BinaryIO

from gateway.domain.document import Lane
from gateway.ports.axis import Fate, Outcome
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.axis import AmqpOptions
from tests.services.rabbit import quoted
from tests.support.parcels import bytes_of, nothing_more, parcel, received, settled
from tests.support.tcp_proxy import Direction
from tests.support.town.rigs import Stage, until_delivered

MB = 1024 * 1024


async def test_among_three_hundred_one_unknown_is_known_at_once_and_the_bytes_go_up_once(
    stage: Stage,
) -> None:
    ours = [f"Z92.{n:03}" for n in range(200)]
    theirs = [f"Z93.{n:03}" for n in range(99)]
    stage.topology.host({"two": ["Z92", *ours], "three": theirs})
    sender, receiver = await stage.sender(), await stage.receiver(codes=["Z92", *ours])
    three = await stage.axis("three", theirs, stage.in_line)
    content = os.urandom(2 * MB)
    sent_before = stage.out_line.passed[Direction.TO]

    outcomes = await sender.publish(parcel("p1", content), [*ours, "Z99.404", *theirs])
    went_up = stage.out_line.passed[Direction.TO] - sent_before

    assert outcomes["Z99.404"] == Outcome(
        fate=Fate.NEVER, code="unroutable", detail="Z99.404 is not connected to the axis"
    )
    assert {outcomes[code].fate for code in (*ours, *theirs)} == {Fate.DELIVERED}
    assert len(content) < went_up < 1.1 * len(content)
    at_two = await received(receiver, count=200, limit=16)
    at_three = await received(three, count=99, limit=16)
    assert sorted(arrival.recipient for arrival in at_two) == ours
    assert sorted(arrival.recipient for arrival in at_three) == theirs
    assert bytes_of(at_two[0]) == bytes_of(at_three[0]) == content


async def test_a_copy_for_several_agencies_is_forgotten_only_when_all_have_it(stage: Stage) -> None:
    stage.topology.host({"two": ["Z92", "Z92.1"]})
    sender, receiver = await stage.sender(), await stage.receiver(codes=["Z92", "Z92.1"])
    await sender.publish(parcel("p1"), ["Z92", "Z92.1"])
    first, _ = await received(receiver, count=2)

    await receiver.settle(first, is_done=True)
    await stage.in_line.cut()
    arrivals = await received(receiver, count=2)

    assert {arrival.recipient for arrival in arrivals} == {"Z92", "Z92.1"}
    await settled(receiver, arrivals)
    await nothing_more(receiver)


async def test_more_recipients_than_one_message_can_name_go_in_several(stage: Stage) -> None:
    codes = [f"Z92.{n:04}" for n in range(1010)]
    stage.topology.host({"two": ["Z92", *codes]})
    sender, receiver = await stage.sender(), await stage.receiver(codes=["Z92", *codes])

    outcomes = await sender.publish(parcel("p1"), codes)

    assert {outcomes[code].fate for code in codes} == {Fate.DELIVERED}
    assert sorted(arrival.recipient for arrival in await received(receiver, count=1010, limit=500)) == codes


async def test_a_large_packet_for_many_travels_in_parts_and_all_of_them_get_every_byte(stage: Stage) -> None:
    stage.topology.host({"two": ["Z92", "Z92.1"], "three": ["Z93"]})
    options = AmqpOptions(part_bytes=MB)
    sender, receiver = await stage.sender(options), await stage.receiver(codes=["Z92", "Z92.1"])
    three = await stage.axis("three", ["Z93"], stage.in_line)
    content = os.urandom(5 * MB + 17)

    outcomes = await sender.publish(parcel("p1", content), ["Z92", "Z93", "Z92.1"])
    at_two, at_three = await received(receiver, count=2), await received(three)

    assert {a.fate for a in outcomes.values()} == {Fate.DELIVERED}
    assert {a.recipient for a in at_two} == {"Z92", "Z92.1"}
    assert {bytes_of(a) for a in (*at_two, *at_three)} == {content}
    assert {(a.size, a.digest) for a in at_two} == {(len(content), parcel("p1", content).digest)}
    await settled(receiver, at_two)
    await nothing_more(receiver)


async def test_parts_resume_after_a_line_that_broke_between_them(stage: Stage) -> None:
    sender, receiver = await stage.sender(AmqpOptions(part_bytes=MB)), await stage.receiver()
    content = os.urandom(6 * MB)
    await sender.publish(parcel("before"), ["Z92"])

    stage.out_line.cut_after(3 * MB + MB // 2)
    cut = await sender.publish(parcel("p1", content), ["Z92"])
    stage.out_line.heal()
    await until_delivered(sender, content)
    arrivals = await received(receiver, count=2)

    assert cut["Z92"].fate is Fate.RETRY
    assert {a.packet_id: bytes_of(a) == content for a in arrivals} == {"before": False, "p1": True}
    await settled(receiver, arrivals)
    await nothing_more(receiver)


async def test_a_joined_packet_that_is_given_back_returns(stage: Stage) -> None:
    sender, receiver = await stage.sender(AmqpOptions(part_bytes=MB)), await stage.receiver()
    content = os.urandom(3 * MB)
    await sender.publish(parcel("p1", content), ["Z92"])

    await settled(receiver, await received(receiver), is_done=False)
    (arrival,) = await received(receiver)

    assert bytes_of(arrival) == content
    await settled(receiver, [arrival])
    await nothing_more(receiver)


async def test_the_broker_vouches_for_the_node_that_published_and_a_code_that_no_message_can_carry_is_nobodys(
    stage: Stage,
) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()

    await sender.publish(parcel(), ["Z92"])
    (arrival,) = await received(receiver)

    assert arrival.node == stage.topology.name("one")

    sender = await stage.sender()

    outcomes = await sender.publish(parcel(), ["Z92", "", "Z" * 256])

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert {outcomes[code].fate for code in ("", "Z" * 256)} == {Fate.NEVER}


async def test_bindings_that_are_half_made_are_told_and_may_heal(stage: Stage) -> None:
    """A node claims to host the codes, but neither is bound to the lane: the fate is not "never"."""
    stage.topology.host({"two": ["Z92", "Z92.1"]})
    sender = await stage.sender()
    queue = quoted(names.lane_queue(stage.topology.name("two"), Lane.NORMAL))
    for key in ("z92", "z92.1"):
        stage.topology.broker.ask(
            "DELETE", f"/api/bindings/{{vhost}}/e/{names.lane_exchange(Lane.NORMAL)}/q/{queue}/{key}"
        )

    outcomes = await sender.publish(parcel(), ["Z92", "Z92.1"])

    assert {(outcome.fate, outcome.code) for outcome in outcomes.values()} == {(Fate.RETRY, "axis-bindings")}
    assert "gateway axis apply" in outcomes["Z92"].detail


async def test_a_code_that_leaves_its_node_during_the_upload_is_not_believed_delivered(stage: Stage) -> None:
    """Hosted when it was asked for, bound to nothing when the bytes came: no recipient has it."""
    stage.topology.host({"two": ["Z92"], "three": ["Z94"]})
    sender, receiver = await stage.sender(), await stage.receiver()
    original = parcel()

    def leaving() -> BinaryIO:
        stage.topology.host({"three": []})
        return original.open()

    outcomes = await sender.publish(replace(original, open=leaving), ["Z92", "Z94"])

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert (outcomes["Z94"].fate, outcomes["Z94"].code) == (Fate.RETRY, "axis-bindings")
    assert [arrival.recipient for arrival in await received(receiver)] == ["Z92"]


async def test_the_same_packet_published_twice_at_once_has_the_right_outcome_per_code(stage: Stage) -> None:
    """The library finds a returned message by its id: one that came back must never speak for its twin."""
    sender, receiver = await stage.sender(), await stage.receiver(AmqpOptions(prefetch=40))

    pairs = await asyncio.gather(
        *(sender.publish(parcel("p1"), [code]) for _ in range(20) for code in ("Z92", "Z99"))
    )

    fates = [(code, outcome.fate) for pair in pairs for code, outcome in pair.items()]
    assert set(fates) == {("Z92", Fate.DELIVERED), ("Z99", Fate.NEVER)}
    await settled(receiver, await received(receiver, count=20))
    await nothing_more(receiver)
