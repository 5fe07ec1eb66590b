"""The quarantine as a weapon (threat 122): a packet without a proved sender is never judged again by itself, and never
fills the disk."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.event import EventKind
from gateway.errors import NotFound
from gateway.incoming import process, settle
from gateway.workers.clocks import QuarantineClock
from tests.support.node import PDF, PROVINCE, Packet, Town, document
from tests.support.stored_content import Lying

FILES = (("van-ban.pdf", PDF),)


def limited(town: Town, most: int) -> Town:
    profile = replace(town.node.inn.profile, max_quarantine_bytes=most)
    return replace(town, node=replace(town.node, inn=replace(town.node.inn, profile=profile)))


def forged(town: Town, number: str) -> Packet:
    """Forge a packet whose signature does not hold, so that it has no proved sender."""
    packet = town.forge(document(number), FILES)
    return replace(packet, raw=packet.raw.replace("phối hợp".encode(), "phối hộp".encode()))


async def flood(town: Town, count: int) -> list[Packet]:
    packets = []
    for n in range(count):
        packets.append(forged(town, str(300 + n)))
        await town.brought(packets[-1])
        town.clock.advance(timedelta(seconds=1))
    return packets


async def states(town: Town, packets: list[Packet]) -> list[str]:
    return [(await town.row(PROVINCE, packet)).state for packet in packets]


@pytest.mark.usefixtures("lies_in")
async def test_threat_122_the_oldest_unproved_packets_go_with_their_bytes_and_their_digests_stay(
    town: Town,
) -> None:
    packets = await flood(town, 4)
    lying = Lying.in_node(town.node)
    room = sum(len(x.raw) for x in packets[2:])

    assert await settle.keep_quota(limited(town, room).node.inn) == 2
    assert await settle.keep_quota(limited(town, room).node.inn) == 0

    assert await states(town, packets) == ["dropped", "dropped", "quarantined", "quarantined"]
    assert [await lying.is_there(x.digest) for x in packets] == [False, False, True, True]
    row = await town.row(PROVINCE, packets[0])
    (event_data,) = [x.data for x in await town.events(PROVINCE, row.id) if x.kind is EventKind.INBOX_DROPPED]
    assert (event_data["file"], event_data["size"], event_data["code"]) == (
        packets[0].digest,
        len(packets[0].raw),
        row.code,
    )
    assert (await town.brought(town.forge(document("200"), FILES))).state == "done"


async def test_threat_122_what_a_proved_sender_sent_is_never_let_go(town: Town) -> None:
    first = await town.brought(town.forge(document("200"), FILES, id="one"))
    conflict = await town.brought(town.forge(document("201"), FILES, id="one"))
    held_item = await town.brought(town.forge(document("200", subject="Nội dung khác"), FILES))
    assert (first.state, conflict.state, held_item.state) == ("done", "quarantined", "held")

    assert await settle.keep_quota(limited(town, 0).node.inn) == 0

    assert [x.state for x in await town.inbox()] == ["held", "quarantined", "done"]


async def test_threat_122_a_packet_that_was_discarded_is_checked_a_second_time_when_it_returns(
    town: Town,
) -> None:
    (packet,) = await flood(town, 1)
    await settle.keep_quota(limited(town, 0).node.inn)
    assert (await town.row(PROVINCE, packet)).state == "dropped"

    row = await town.brought(packet)

    assert (row.state, row.code) == ("quarantined", "SIG-DIGEST")
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        assert await town.node.blobs.open(work, packet.digest) is not None


async def test_threat_122_nobody_looks_into_it_and_no_log_tells_its_names(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    """Only a person who releases it has it verified again, from the first step."""
    files = (("ten-tep-doc-hai.pdf", PDF),)
    packet = town.forge(document("300", files=files), files)
    packet = replace(packet, raw=packet.raw.replace("phối hợp".encode(), "phối hộp".encode()))

    with caplog.at_level(logging.DEBUG, logger="gateway"):
        row = await town.brought(packet)
        await town.carry()
        scope = await town.scope(PROVINCE)
        with pytest.raises(NotFound):
            async with town.node.store.read(scope) as work:
                await work.incoming.get(row.id)
        await town.act_and_carry(process.release(town.node.inn, scope, row.id, "Thử lại"))

    assert (await town.row(PROVINCE, packet)).state == "quarantined"
    assert "ten-tep-doc-hai" not in caplog.text
    assert not any("ten-tep" in str(event.data) for event in await town.events(PROVINCE, row.id))


async def test_threat_122_a_flood_is_let_go_by_the_node_itself(town: Town) -> None:
    packets = await flood(town, 3)
    loop, services = QuarantineClock(), limited(town, 1).node.inn

    assert await loop.step(services)

    assert await states(town, packets) == ["dropped"] * 3
    assert not await loop.step(services)
