"""Every axis must keep this contract (`ports.axis.Axis`); each adapter is tried through a rig (`tests.support.town.rigs`).
Tests wait for what must come; that nothing comes is shown by a parcel published afterwards, which is the next to come."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from gateway.clock import SystemClock
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.pool import ThreadPool
from gateway.ports.axis import Axis, Fate, Promises
from gateway.transport.embedded import EmbeddedAxis
from gateway_foreign.rest.axis import RestAxis
from tests.support.parcels import LEASE_S, bytes_of, nothing_more, parcel, received
from tests.support.town.foreign_rigs import foreign_rig
from tests.support.town.rigs import Rig, RoutedRig, amqp_rig, embedded_rig
from tests.support.waiting import within_limit

ROOT = Path(__file__).parents[2]
POISON_LIMIT = 3
MAX_BYTES = 64 * 1024 * 1024


LONG = pytest.mark.long


@pytest.fixture(
    params=[
        "embedded",
        "amqp",
        "vxp",
        "lgsp",
        "embedded and embedded",
        pytest.param("embedded and amqp", marks=LONG),
    ]
)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    """Open the rig of one kind; of two axes, the node's mail is split between them by routes."""
    async with AsyncExitStack() as stack:
        rigs: list[Rig] = []
        for n, kind in enumerate(request.param.split(" and ")):
            if kind in ("vxp", "lgsp"):
                hub = foreign_rig(kind, tmp_path, POISON_LIMIT, MAX_BYTES)
                rigs.append(await stack.enter_async_context(hub))
            elif kind == "embedded":
                folder = tmp_path / f"axis{n}"
                opened = embedded_rig(folder, POISON_LIMIT, MAX_BYTES)
                rigs.append(await stack.enter_async_context(opened))
            else:
                broker = request.getfixturevalue("broker")
                opened_on_broker = amqp_rig(broker, tmp_path, POISON_LIMIT, MAX_BYTES)
                rigs.append(await stack.enter_async_context(opened_on_broker))
        if len(rigs) == 1:
            yield rigs[0]
            return
        routed = RoutedRig(rigs[0], rigs[1])
        stack.push_async_callback(routed.reopen)
        yield routed


# What a kind of axis does not keep of the port, as it declares itself; docs/interoperability.md has the same table.
LEFT_OUT = {
    "EmbeddedAxis": frozenset(),
    "AmqpAxis": frozenset(),
    "RoutedAxis": frozenset(),
    "Enveloping": frozenset(
        {
            *("urgent_lane", "unroutable_return", "parts", "node_identity", "byte_identity", "resends"),
            "needs_signature",
        }
    ),
}


async def test_what_an_axis_leaves_out_is_declared(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])

    promises = axis.promises()

    left_out = {name for name in Promises.__slots__ if not getattr(promises, name)}
    assert left_out == LEFT_OUT[type(axis).__name__]


async def test_without_unroutable_return_nobody_is_said_to_be_missing(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])
    if axis.promises().unroutable_return:
        pytest.skip("this axis says who is not hosted")

    assert await axis.unhosted(["Z92", "Z99"]) is None
    outcomes = await axis.publish(parcel(), ["Z99"])
    # No node hosts the receiver; a provincial service may say for certain that it is unknown.
    assert outcomes["Z99"].fate is (Fate.NEVER if getattr(rig, "kind", "") == "lgsp" else Fate.RETRY)
    await nothing_more(axis)


async def needs(rig: Rig, promise: str) -> None:
    """Skip a test of a promise that this kind of axis does not make, as `LEFT_OUT` lists it."""
    if not getattr((await rig.node("one", [])).promises(), promise):
        pytest.skip(f"this axis declares that it has no {promise}")


async def test_what_was_published_arrives_byte_for_byte_and_can_be_opened_more_than_once(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])
    sent = parcel()

    outcomes = await axis.publish(sent, ["Z92"])
    (arrival,) = await received(axis)

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert bytes_of(arrival) == bytes_of(arrival) == b"bytes of a packet"
    assert (arrival.packet_id, arrival.kind, arrival.sender, arrival.lane) == (
        "p1",
        "document",
        "Z91.07",
        Lane.NORMAL,
    )
    assert (arrival.recipient, arrival.digest, arrival.size) == ("Z92", sent.digest, sent.size)
    assert arrival.deliveries == 1


async def test_a_confirmed_parcel_survives_a_restart_of_everything(rig: Rig) -> None:
    """G2: DELIVERED means durable."""
    await (await rig.node("one", ["Z92"])).publish(parcel(), ["Z92"])

    await rig.reopen()
    (arrival,) = await received(await rig.node("one", ["Z92"]))

    assert bytes_of(arrival) == b"bytes of a packet"


async def test_a_settled_parcel_never_comes_again_and_settling_again_is_harmless(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel(), ["Z92"])
    (arrival,) = await received(axis)

    for is_done in (True, True, False):
        await axis.settle(arrival, is_done=is_done)
    await nothing_more(axis)
    await rig.lose_consumer()

    await nothing_more(axis)
    await rig.reopen()
    await nothing_more(await rig.node("one", ["Z92"]))


async def test_a_parcel_held_by_a_consumer_is_not_given_to_another(rig: Rig) -> None:
    axis, twin = await rig.node("one", ["Z92"]), await rig.node("one", ["Z92"])
    await axis.publish(parcel(), ["Z92"])

    assert len(await received(axis, twin)) == 1
    await nothing_more(axis, twin)


async def test_a_parcel_of_a_lost_consumer_comes_again_and_is_counted(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel(), ["Z92"])
    (first,) = await received(axis)

    await rig.lose_consumer()
    (second,) = await received(axis, await rig.node("one", ["Z92"]))

    assert (first.deliveries, second.deliveries) == (1, 2)
    assert bytes_of(second) == b"bytes of a packet"


async def test_a_consumer_that_wakes_late_changes_nothing(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel(), ["Z92"])
    (stale,) = await received(axis)
    await rig.lose_consumer()
    (owner,) = await received(axis)

    await axis.settle(stale, is_done=True)
    await axis.settle(stale, is_done=False)

    await nothing_more(axis)
    assert bytes_of(owner) == b"bytes of a packet"
    await rig.lose_consumer()
    # What was settled a moment before the line broke may come once more; the other one must.
    while "p1" not in (packet_ids := [a.packet_id for a in await received(axis)]):
        assert packet_ids == ["marker"]
    assert {*packet_ids} <= {"p1", "marker"}


async def test_a_parcel_given_back_comes_again_at_once(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel(), ["Z92"])
    (arrival,) = await received(axis)

    await axis.settle(arrival, is_done=False)
    (arrivals,) = await received(axis)

    assert arrivals.deliveries == 2


async def test_the_urgent_lane_goes_first(rig: Rig) -> None:
    """R46: an urgent document never waits behind a bulk send."""
    axis = await rig.node("one", ["Z92", "Z93"])
    for n in range(4):
        await axis.publish(parcel(f"bulk{n}"), ["Z92"])
    await axis.publish(parcel("urgent1", lane=Lane.URGENT), ["Z93"])
    await axis.publish(parcel("urgent2", lane=Lane.URGENT), ["Z92"])

    await rig.wait_for_parcels(axis, 6)

    first = await axis.take(3, LEASE_S)
    arrivals = await axis.take(10, LEASE_S)

    assert {a.packet_id for a in first[:2]} == {"urgent1", "urgent2"}
    assert [a.packet_id for a in first[2:]] == ["bulk0"]
    assert first[0].lane is Lane.URGENT
    assert {a.packet_id for a in arrivals} == {"bulk1", "bulk2", "bulk3"}


@pytest.mark.parametrize("limit", [1, 4])
async def test_ordinary_mail_moves_while_the_urgent_lane_is_never_empty(rig: Rig, limit: int) -> None:
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel("bulk"), ["Z92"])
    for n in range(4 * limit):
        await axis.publish(parcel(f"urgent{n}", lane=Lane.URGENT), ["Z92"])
    await rig.wait_for_parcels(axis, 4 * limit + 1)

    packet_ids = [a.packet_id for _ in range(4) for a in await axis.take(limit, LEASE_S)]

    assert "bulk" in packet_ids
    assert len(packet_ids) == 4 * limit


async def test_an_unknown_recipient_is_returned_and_the_others_are_served(rig: Rig) -> None:
    await needs(rig, "unroutable_return")
    axis = await rig.node("one", ["Z92"])

    outcomes = await axis.publish(parcel(), ["Z92", "Z99"])

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert (outcomes["Z99"].fate, outcomes["Z99"].code) == (Fate.NEVER, "unroutable")
    assert "Z99 is not connected to the axis" in outcomes["Z99"].detail
    assert [a.recipient for a in await received(axis)] == ["Z92"]

    outcomes = await axis.publish(parcel(), ["Z98", "Z99"])

    assert {outcome.code for outcome in outcomes.values()} == {"unroutable"}
    await nothing_more(axis)


async def test_who_is_not_hosted_is_told_without_sending_anything(rig: Rig) -> None:
    await needs(rig, "unroutable_return")
    north, south = await rig.node("one", ["Z92"]), await rig.node("two", ["Z93"])

    assert await north.unhosted(["Z93"]) == frozenset()
    assert await north.unhosted(["Z99"]) == frozenset({"Z99"})
    assert await north.unhosted(["z93", "Z92", "Z99", "Z98"]) == frozenset({"Z99", "Z98"})
    assert not await south.take(10, 60)


async def test_a_parcel_over_the_limit_is_refused_for_good(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])

    outcomes = await axis.publish(replace(parcel(), size=MAX_BYTES + 1), ["Z92"])

    assert (outcomes["Z92"].fate, outcomes["Z92"].code) == (Fate.NEVER, "too-large")
    await nothing_more(axis)


async def test_routing_ignores_letter_case_and_nothing_else(rig: Rig) -> None:
    await needs(rig, "unroutable_return")
    axis = await rig.node("one", ["Z92.DN"])

    outcomes = await axis.publish(parcel(), ["z92.dn", "Z92", "Z92.DN.01"])
    (arrival,) = await received(axis)

    assert {route: outcome.fate for route, outcome in outcomes.items()} == {
        "z92.dn": Fate.DELIVERED,
        "Z92": Fate.NEVER,
        "Z92.DN.01": Fate.NEVER,
    }
    assert arrival.recipient == "Z92.DN"


async def test_each_node_gets_only_what_is_for_its_codes(rig: Rig) -> None:
    first, two = await rig.node("one", ["Z91"]), await rig.node("two", ["Z92", "Z93"])

    await first.publish(parcel(), ["Z91", "Z92", "Z93"])

    assert [a.recipient for a in await received(first)] == ["Z91"]
    assert sorted(a.recipient for a in await received(two, count=2)) == ["Z92", "Z93"]


async def test_a_packet_for_several_agencies_of_a_node_is_settled_per_agency(rig: Rig) -> None:
    """One of them gave it back: that one has it again, and in the end each was served."""
    axis = await rig.node("one", ["Z92", "Z93"])
    await axis.publish(parcel(), ["Z92", "Z93"])

    first, second = await received(axis, count=2)
    await axis.settle(first, is_done=True)
    await axis.settle(second, is_done=False)
    arrival = await received(axis)

    assert second.recipient in {a.recipient for a in arrival}
    for a in [*arrival, *await axis.take(10, LEASE_S)]:
        await axis.settle(a, is_done=True)
    await nothing_more(axis)


async def test_one_by_one_is_enough_to_have_all(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92", "Z93", "Z94"])
    await axis.publish(parcel(), ["Z92", "Z93", "Z94"])

    arrivals = await received(axis, count=3, limit=1)

    assert sorted(arrival.recipient for arrival in arrivals) == ["Z92", "Z93", "Z94"]


async def test_hosting_replaces_what_the_node_said_before(rig: Rig) -> None:
    await needs(rig, "unroutable_return")
    axis = await rig.node("one", ["Z91", "Z92"])

    await rig.host("one", axis, ["Z92"])
    outcomes = await axis.publish(parcel(), ["Z91", "Z92"])

    assert outcomes["Z91"].fate is Fate.NEVER
    assert outcomes["Z92"].fate is Fate.DELIVERED


async def test_publishing_again_is_harmless(rig: Rig) -> None:
    """At least once: the receiver knows a repeat by its verified content (G3)."""
    await needs(rig, "resends")
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel(), ["Z92"])

    outcomes = await axis.publish(parcel(), ["Z92"])
    arrivals = await received(axis, count=2)

    assert outcomes["Z92"].fate is Fate.DELIVERED
    assert {bytes_of(a) for a in arrivals} == {b"bytes of a packet"}
    await axis.settle(arrivals[0], is_done=True)
    assert all(bytes_of(a) == b"bytes of a packet" for a in arrivals[1:])


async def test_a_parcel_nobody_can_settle_goes_to_the_dead_list_with_its_reason(rig: Rig) -> None:
    """G4: nothing is dropped silently, and one bad parcel does not stop the others."""
    axis = await rig.node("one", ["Z92"])
    await axis.publish(parcel("poison"), ["Z92"])
    for n in range(POISON_LIMIT):
        (arrival,) = await received(axis)
        assert arrival.deliveries == n + 1
        await rig.lose_consumer()
    await axis.publish(parcel("healthy"), ["Z92"])

    packet_ids = [a.packet_id for a in await received(axis)]
    ((dead, reason),) = await rig.dead()

    assert packet_ids == ["healthy"]
    assert dead == "poison"
    assert "3 times" in reason


async def test_a_parcel_set_aside_lies_on_the_dead_list_at_once_and_comes_again_when_it_is_taken_back(
    rig: Rig,
) -> None:
    axis = await rig.node("one", ["Z92", "Z93"])
    await axis.publish(parcel("large"), ["Z92", "Z93"])
    first, second = await received(axis, count=2)
    content = bytes_of(second)
    await axis.settle(first, is_done=True)

    await axis.put_aside(second)
    await axis.put_aside(second)
    await rig.dead()
    (dead,) = await axis.dead_list()
    await axis.dead_retry(dead.id)
    second_arrivals = await received(axis)

    assert dead.is_aside
    assert (dead.packet_id, dead.sender) == ("large", second.sender)
    assert second.recipient in {arrival.recipient for arrival in second_arrivals}
    assert {bytes_of(arrival) for arrival in second_arrivals} == {content}


async def test_a_foreign_axis_keeps_what_its_node_has_no_room_for(rig: Rig) -> None:
    """Once a packet of a sender was set aside, its next ones are not fetched: here they would only fill the disk."""
    axis = await rig.node("one", ["Z92"])
    foreign_axis = getattr(axis, "axis", None)
    if not isinstance(foreign_axis, RestAxis):
        return
    await axis.publish(parcel("first"), ["Z92"])
    (first,) = await received(axis)
    await axis.put_aside(first)

    await axis.publish(parcel("second", b"others"), ["Z92"])
    await foreign_axis.look()
    counts = await axis.counts()
    (dead,) = await axis.dead_list()
    await axis.dead_retry(dead.id)
    foreign_axis._fetcher._put_off.clear()
    await foreign_axis.look()

    assert (counts["waiting"], counts["dead"]) == (0, 1)
    assert {arrival.size for arrival in await received(axis, count=2)} == {17, 6}


async def test_many_consumers_share_the_parcels_without_overlap(rig: Rig) -> None:
    axes = [await rig.node("one", ["Z92"]) for _ in range(3)]
    for n in range(30):
        await axes[0].publish(parcel(f"p{n}"), ["Z92"])

    packet_ids: list[str] = []

    async def drain(axis: Axis) -> None:
        while len(packet_ids) < 30:
            packet_ids.extend(a.packet_id for a in await axis.take(2, LEASE_S))
            await asyncio.sleep(0)

    await within_limit(asyncio.gather(*(drain(axis) for axis in axes)), "all are taken")

    assert sorted(packet_ids) == sorted(f"p{n}" for n in range(30))


async def test_waiting_ends_after_the_time_or_when_a_parcel_arrives(rig: Rig) -> None:
    axis = await rig.node("one", ["Z92"])

    await within_limit(axis.wait(0.05), "a wait without a parcel")

    assert not await axis.take(1, LEASE_S)

    waiting = asyncio.create_task(axis.wait(3600.0))
    await axis.publish(parcel(), ["Z92"])

    await within_limit(waiting, "the wait for a parcel")


class Pattern(io.RawIOBase):
    """A long file that is never whole in memory."""

    def __init__(self, size: int) -> None:
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert 0 < size <= 1024 * 1024, "whoever reads a payload reads it in pieces (G8)"
        size = min(size, self._left)
        self._left -= size
        return b"\x5a" * size


def long_file(size: int) -> Callable[[], BinaryIO]:
    return lambda: Pattern(size)  # type: ignore[return-value]  # a reader of the one method that is used


def digest_in_pieces(pieces: Iterator[bytes]) -> str:
    hasher = hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest()


async def test_thirty_megabytes_pass_in_pieces(rig: Rig) -> None:
    """G8"""
    axis = await rig.node("one", ["Z92"])
    size = 30 * 1024 * 1024
    source = Pattern(size)
    digest = Digest(digest_in_pieces(iter(lambda: source.read(65536), b"")))
    large = replace(parcel(), size=size, digest=digest, open=long_file(size))

    await axis.publish(large, ["Z92"])
    (arrival,) = await received(axis)

    with arrival.open() as opened:
        assert digest_in_pieces(iter(lambda: opened.read(65536), b"")) == digest


# What follows needs several processes on one machine, which only the embedded axis has.


async def child(
    stack: AsyncExitStack, verb: str, folder: Path, recipient: str = "Z92"
) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests/contract/axis_child.py"),
        *(verb, str(folder), "one", recipient),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    stack.push_async_callback(process.wait)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"
    return process


async def take_all(process: asyncio.subprocess.Process) -> list[str]:
    """Return the packets that the child leased; it stays open, because closing gives them back."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"go\n")
    packet_ids: list[str] = []
    while (line := await process.stdout.readline()) != b"done\n":
        packet_ids.append(line.decode().strip())
    return packet_ids


async def test_consumers_in_two_processes_never_hold_the_same_parcel(tmp_path: Path) -> None:
    pool = ThreadPool(2)
    async with AsyncExitStack() as stack:
        stack.callback(pool.close)
        axes = [
            await stack.enter_async_context(EmbeddedAxis(tmp_path, "one", SystemClock(), pool))
            for _ in range(2)
        ]
        await axes[0].host(["Z92"])
        for n in range(90):
            await axes[0].publish(parcel(f"p{n}"), ["Z92"])
        process = await child(stack, "take", tmp_path)
        packet_ids = [a.packet_id for axis in axes for a in await axis.take(3, 600.0)]

        async def drain(axis: Axis) -> None:
            while arrivals := await axis.take(3, 600.0):
                packet_ids.extend(arrival.packet_id for arrival in arrivals)

        ours = asyncio.gather(*(drain(axis) for axis in axes))
        theirs, _ = await within_limit(asyncio.gather(take_all(process), ours), "all are taken")
        await process.communicate(b"")

    assert sorted(packet_ids + theirs) == sorted(f"p{n}" for n in range(90))


async def test_a_publish_of_another_process_ends_the_wait(tmp_path: Path) -> None:
    pool = ThreadPool(2)
    async with AsyncExitStack() as stack:
        stack.callback(pool.close)
        axis = await stack.enter_async_context(EmbeddedAxis(tmp_path, "one", SystemClock(), pool))
        await axis.host(["Z92"])
        process = await child(stack, "publish", tmp_path)

        both = asyncio.gather(axis.wait(600.0), process.communicate(b"bytes from elsewhere"))
        _, (arrivals, _) = await within_limit(both, "the wait for a parcel of another process")
        (arrival,) = await axis.take(1, LEASE_S)

    assert arrivals == b"delivered\n"
    assert arrival.packet_id == "from-child"
