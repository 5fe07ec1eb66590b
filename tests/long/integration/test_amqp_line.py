"""The line to the broker breaks, falls silent or was never there: nothing is lost, nothing hangs, and the state says so."""

from __future__ import annotations

import asyncio
import io
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from gateway.clock import SystemClock
from gateway.errors import Misconfigured
from gateway.ops import axis_view
from gateway.ports.axis import Fate
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.access import Server
from gateway.transport.amqp.axis import AmqpAxis, AmqpOptions
from gateway.transport.amqp.publisher import SMALL_AT_ONCE
from gateway.workers.heartbeat import Pulse, own_name
from tests.services.rabbit import quoted
from tests.support.parcels import LEASE_S, bytes_of, nothing_more, parcel, received, settled
from tests.support.tcp_proxy import Direction
from tests.support.town.rigs import Stage, until_delivered
from tests.support.waiting import wait_until, within_limit

MB = 1024 * 1024


@pytest.mark.parametrize("passing", [1, 1000, 400_000, 999_000])
async def test_threat_084_a_line_cut_in_the_middle_of_a_publish_says_later_and_loses_nothing(
    stage: Stage, passing: int
) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    content = os.urandom(MB)
    await sender.publish(parcel("before"), ["Z92"])

    stage.out_line.cut_after(passing)
    cut = await within_limit(sender.publish(parcel("p1", content), ["Z92"]), "word of what was cut")
    stage.out_line.heal()
    retries = await until_delivered(sender, content)

    assert cut["Z92"].fate is Fate.RETRY
    assert cut["Z92"].code == "axis-down"
    assert retries
    arrivals = await received(receiver, count=2)
    assert {arrival.packet_id for arrival in arrivals} == {"before", "p1"}
    assert next(bytes_of(arrival) for arrival in arrivals if arrival.packet_id == "p1") == content


async def test_threat_084_a_confirm_that_is_lost_on_its_way_doubles_and_loses_nothing(stage: Stage) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    content = os.urandom(1000)
    await sender.publish(parcel("before"), ["Z92"])

    stage.out_line.cut_after(0, Direction.BACK)
    lost = await sender.publish(parcel("p1", content), ["Z92"])
    stage.out_line.heal()
    await until_delivered(sender, content)

    assert lost["Z92"].fate is Fate.RETRY
    arrivals = await received(receiver, count=3)
    assert sorted(arrival.packet_id for arrival in arrivals) == ["before", "p1", "p1"]
    assert {bytes_of(arrival) for arrival in arrivals if arrival.packet_id == "p1"} == {content}


@pytest.mark.parametrize("passing", [0, 1000, 400_000])
async def test_threat_084_a_line_cut_in_the_middle_of_a_delivery_brings_all_its_bytes_later(
    stage: Stage, passing: int
) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    content = os.urandom(MB)
    await nothing_more(receiver)

    stage.in_line.cut_after(passing, Direction.BACK)
    await sender.publish(parcel("p1", content), ["Z92"])
    await wait_until(
        lambda: stage.in_line.passed[Direction.BACK] > 0 and receiver.state().down_since is not None,
        "the cut",
    )
    stage.in_line.heal()
    (arrival,) = await received(receiver)

    assert bytes_of(arrival) == content
    await settled(receiver, [arrival])
    await nothing_more(receiver)


async def test_while_the_broker_is_gone_publishing_says_later_and_the_state_says_why(stage: Stage) -> None:
    sender = await stage.sender()
    await stage.out_line.refuse()

    outcomes = await within_limit(sender.publish(parcel(), ["Z92", "Z93"]), "word that nobody is there")
    arrivals = await sender.take(10, LEASE_S)
    state = sender.state()
    stage.out_line.heal()
    healed = await until_delivered(sender, b"bytes of a packet")

    assert {(outcome.fate, outcome.code) for outcome in outcomes.values()} == {(Fate.RETRY, "axis-down")}
    assert not arrivals
    assert state.connected_since is None
    assert state.down_since is not None
    assert state.reason
    assert healed
    await wait_until(lambda: sender.state().connected_since is not None, "connected again")
    assert (sender.state().down_since, sender.state().reason) == (None, "")


async def test_a_silent_broker_holds_nobody_up_for_longer_than_the_limit(stage: Stage) -> None:
    sender, receiver = await stage.sender(AmqpOptions(confirm_s=0.3)), await stage.receiver()
    # What so short a limit says of a busy broker is no matter here.
    await until_delivered(sender, b"bytes of a packet", "before")

    stage.out_line.stall()
    publishing = asyncio.gather(*(sender.publish(parcel(f"p{n}"), ["Z92"]) for n in range(3)))
    outcomes = await within_limit(publishing, "word of a silent broker")
    stage.out_line.heal()
    await until_delivered(sender, b"bytes of a packet")

    assert {o["Z92"].code for o in outcomes} == {"axis-slow"}
    assert {o["Z92"].fate for o in outcomes} == {Fate.RETRY}
    assert "before" in {o.packet_id for o in await received(receiver, count=2)}


async def test_the_next_server_of_a_cluster_is_tried(stage: Stage) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        dead = Server(host="127.0.0.1", port=nobody.getsockname()[1], tls=False)
        access = stage.topology.access("one", stage.out_line.port)
        both = replace(access, servers=(dead, *access.servers, dead))
        axis = AmqpAxis(
            both, stage.topology.name("one"), stage.folder, SystemClock(), stage.pool, AmqpOptions()
        )
        async with axis:
            await wait_until(lambda: axis.state().connected_since is not None, "connected")

            assert axis.state().servers == tuple(str(server) for server in both.servers)


class Counted(io.BytesIO):
    """A payload that tells that it was opened."""

    def __init__(self, content: bytes, opened: list[int]) -> None:
        super().__init__(content)
        opened.append(1)


async def test_only_so_many_payloads_wait_for_their_confirm_at_once(stage: Stage) -> None:
    """G8: three hundred at once, and a line on which nothing moves."""
    sender, receiver = await stage.sender(), await stage.receiver()
    await sender.publish(parcel("before"), ["Z92"])
    opened: list[int] = []
    content = b"x" * 10_000

    def counted() -> BinaryIO:
        return Counted(content, opened)

    stage.out_line.stall()
    sending = [
        asyncio.create_task(sender.publish(replace(parcel(f"p{n}", content), open=counted), ["Z92"]))
        for n in range(300)
    ]
    await wait_until(lambda: len(opened) == SMALL_AT_ONCE, "as many as may be")
    for _ in range(100):
        await asyncio.sleep(0)
    open_while_stalled = len(opened)
    stage.out_line.heal()
    outcomes = await asyncio.gather(*sending)

    assert open_while_stalled == SMALL_AT_ONCE
    assert {a["Z92"].fate for a in outcomes} == {Fate.DELIVERED}
    arrived_ids: set[str] = set()
    while len(arrived_ids) < 301:
        arrivals = await received(receiver)
        arrived_ids |= {a.packet_id for a in arrivals}
        await settled(receiver, arrivals)
    assert len(opened) == 300


async def test_a_lease_that_runs_out_gives_the_parcel_back(stage: Stage) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    await sender.publish(parcel("p1"), ["Z92"])

    (first,) = await received(receiver, lease_s=0.1)
    (second,) = await received(receiver)
    await receiver.settle(first, is_done=True)

    assert (first.deliveries, second.deliveries) == (1, 2)
    await settled(receiver, [second])
    await nothing_more(receiver)


async def test_what_nobody_takes_goes_back_to_the_broker_and_comes_when_it_is_asked_for(stage: Stage) -> None:
    """A worker whose disk is full does not keep the broker waiting until that breaks the line."""
    sender, receiver = await stage.sender(), await stage.receiver(AmqpOptions(rest_s=3.0))
    await receiver.wait(0.01)
    await sender.publish(parcel("p1"), ["Z92"])
    await receiver.wait(20)
    assert (await receiver.counts())["fetched"] == 1

    async def back_at_the_broker() -> bool:
        counts = await receiver.counts()
        return (counts["waiting"], counts["fetched"]) == (1, 0)

    await wait_until(back_at_the_broker, "back at the broker")
    (arrival,) = await received(receiver)

    assert arrival.packet_id == "p1"


async def test_what_a_worker_holds_is_counted_by_another_process_of_the_node(
    stage: Stage, tmp_path: Path
) -> None:
    """`gateway axis status` counts like this beside `gateway serve`; the broker does not count fetched messages."""
    sender, receiver = await stage.sender(), await stage.receiver()
    for n in range(3):
        await sender.publish(parcel(f"p{n}"), ["Z92"])
    (leased,) = await received(receiver, limit=1)
    await wait_until(lambda: _has(receiver, "fetched", 2), "all at the worker")
    beat = Pulse(folder=tmp_path / "heartbeat", clock=SystemClock(), pool=stage.pool, holds=receiver.in_hand)
    await beat.beat()
    (tmp_path / "heartbeat" / f"{own_name()}.json").rename(tmp_path / "heartbeat" / "worker-1.json")
    looking = await stage.receiver()

    alone = await looking.counts()
    state = await axis_view.look(looking, tmp_path / "heartbeat", SystemClock().now())

    assert (alone["waiting"], alone["leased"]) == (0, 0)
    assert (state.counts["waiting"], state.counts["fetched"], state.counts["leased"]) == (2, 2, 1)
    await settled(receiver, [leased])


async def test_a_large_packet_that_lies_on_disk_in_parts_is_counted(stage: Stage) -> None:
    sender = await stage.sender(AmqpOptions(part_bytes=100_000))
    receiver = await stage.receiver(AmqpOptions(part_bytes=100_000))
    await sender.publish(parcel("large", os.urandom(350_000)), ["Z92"])

    (arrival,) = await received(receiver)
    while_held = await receiver.counts()
    await settled(receiver, [arrival])

    assert (while_held["parts"], while_held["leased"]) == (1, 1)
    assert (await receiver.counts())["parts"] == 0


async def _has(axis: AmqpAxis, part: str, count: int) -> bool:
    return (await axis.counts())[part] == count


async def test_a_node_that_the_broker_does_not_know_is_told_the_cure_and_a_wrong_password_is_named(
    stage: Stage,
) -> None:
    access = stage.topology.access("one")
    async with AmqpAxis(access, "stranger", stage.folder, SystemClock(), stage.pool, AmqpOptions()) as axis:
        with pytest.raises(Misconfigured) as caught:
            await axis.host(["Z91"])

    assert "lienthong.stranger.urgent" in str(caught.value)
    assert "gateway axis apply" in caught.value.hint

    access = replace(stage.topology.access("one"), password="not-this-one")
    async with AmqpAxis(
        access, stage.topology.name("one"), stage.folder, SystemClock(), stage.pool, AmqpOptions()
    ) as axis:
        await wait_until(lambda: bool(axis.state().reason), "a reason")

        assert "check amqp.user and the password" in axis.state().reason
        assert "not-this-one" not in axis.state().reason


async def test_fetching_resumes_from_a_queue_that_was_removed_and_recreated(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    sender, receiver = await stage.sender(), await stage.receiver()
    await nothing_more(receiver)
    queue = quoted(names.lane_queue(stage.topology.name("two"), names.LANES[1]))

    stage.topology.broker.ask("DELETE", f"/api/queues/{{vhost}}/{queue}")
    await wait_until(lambda: "gateway axis apply" in receiver.state().reason, "the reason in the state")
    assert receiver.state().word == "down"
    assert [r.levelname for r in caplog.records if getattr(r, "action", "") == "axis.not_fetching"] == [
        "ERROR"
    ]
    stage.topology.host({"two": ["Z92"]})
    await until_delivered(sender, b"bytes of a packet")

    assert [arrival.packet_id for arrival in await received(receiver)] == ["p1"]
    await wait_until(lambda: receiver.state().word == "up", "the axis works again")


async def test_a_line_that_we_close_is_no_outage(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Each command closes its own, and its warning went into mails of timers."""
    async with AmqpAxis(
        *(stage.topology.access("one"), stage.topology.name("one"), stage.folder, SystemClock(), stage.pool),
        AmqpOptions(),
    ) as axis:
        await wait_until(lambda: axis.state().connected_since is not None, "connected")

    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == []
