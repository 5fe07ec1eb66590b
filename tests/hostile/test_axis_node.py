"""Threat 107 and the rest of 109: a packet that another node than the sender's own published, and bytes that are not those
which the axis announced. Also the way back: a copy that is published first must not keep the true one out."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from sqlalchemy import text

from gateway.domain.document import Kind, Lane
from gateway.domain.identity import Digest
from gateway.domain.queues import MOST_COPIES, InboxPacket
from gateway.errors import StoreFailure
from gateway.incoming import process, receive
from gateway.ports.axis import Arrival, Parcel
from gateway.transport.embedded import EmbeddedAxis
from tests.support.faulty import Faulty
from tests.support.node import (
    DEPARTMENT,
    LEASE_S,
    PDF,
    PROVINCE,
    Packet,
    Town,
    document,
    opened,
    recall_of,
    status_about,
    update_of,
)

FILES = (("van-ban.pdf", PDF),)
THIEF = "thief"


async def hosted_by(town: Town, node: str | None, code: str = DEPARTMENT) -> None:
    """Set the node that the registry names as the host of this code."""
    async with town.node.store.writer.begin() as connection:
        cursor = await connection.execute(
            text("UPDATE agency SET host = :node WHERE code = :code"), {"node": node, "code": code}
        )
    assert cursor.rowcount == 1


async def published(town: Town, packet: Packet, node: str = THIEF, to: str = PROVINCE) -> None:
    """Publish a packet on the same axis from another node, and check that it is delivered."""
    await town._host()
    async with EmbeddedAxis(town.node.settings.axis.folder, node, town.clock, town.node.pool) as axis:
        parcel = Parcel(
            packet_id=packet.id,
            kind=packet.kind,
            sender=packet.sender,
            lane=Lane.NORMAL,
            digest=packet.digest,
            size=len(packet.raw),
            open=lambda: BytesIO(packet.raw),
        )
        assert (await axis.publish(parcel, [to]))[to].fate == "delivered"


async def stolen(town: Town, packet: Packet) -> InboxPacket:
    """Publish a packet from a thief's node, and return its inbox row."""
    await town.act_and_carry(published(town, packet))
    return await town.row(PROVINCE, packet)


async def is_taken_in(town: Town, packet: Packet, *, documents: int = 1) -> None:
    row = await town.row(PROVINCE, packet)
    assert (row.state, row.code) == ("done", None)
    assert len(await town.incoming()) == documents


def own(town: Town) -> str:
    return town.node.settings.node.name


def arrival_of(packet: Packet, **changes: object) -> Arrival:
    """Hand the packet over as an axis with other words would."""
    arrival = Arrival(
        token="t",
        recipient=PROVINCE,
        packet_id=packet.id,
        kind=packet.kind,
        sender=packet.sender,
        lane=Lane.NORMAL,
        digest=packet.digest,
        size=len(packet.raw),
        deliveries=1,
        open=lambda: BytesIO(packet.raw),
    )
    return replace(arrival, **changes)  # type: ignore[arg-type]  # tests name fields freely


async def landed(town: Town, arrival: Arrival) -> InboxPacket:
    """Land an arrival, carry it as far as it goes, and return its row."""
    await town.act_and_carry(receive.run(town.node.inn, arrival))
    with arrival.open() as source:
        digest = Digest(hashlib.sha256(source.read()).hexdigest())
    (row,) = [r for r in await town.inbox() if r.file_digest == digest]
    return row


# --- AXIS-NODE ------------------------------------------------------------------------------------------------


async def test_threat_107_a_packet_signed_with_a_stolen_key_on_a_foreign_node_is_kept_out(town: Town) -> None:
    """A thief who repeats himself is not looked at again."""
    await hosted_by(town, own(town))
    packet = town.forge(document(), FILES)

    for _ in range(3):
        row = await stolen(town, packet)

    assert (row.state, row.code, row.transport_node) == ("quarantined", "AXIS-NODE", THIEF)
    assert row.sender_code is None
    assert [step.n for step in row.steps if step.ok is False] == [11]
    assert await town.incoming() == ()
    assert await town.statuses(PROVINCE) == 0
    events = [event.kind for event in await town.events(PROVINCE, row.id)]
    assert events == ["inbox.landed", "inbox.invalid"]


async def test_threat_107_packets_from_the_node_that_hosts_the_sender_or_its_successor_are_accepted(
    town: Town,
) -> None:
    await hosted_by(town, own(town))

    row = await town.brought(town.forge(document(), FILES))

    assert (row.state, row.transport_node) == ("done", own(town))
    assert row.steps[10].detail == f"published by {own(town)}, which hosts the sender"
    (event, *_) = await town.events(PROVINCE, row.id)
    assert event.data["node"] == own(town)

    # An old code in From must not be a way around the check.
    async with town.node.store.writer.begin() as connection:
        moved = {"new": "Z91.99", "old": DEPARTMENT}
        statement = "UPDATE agency SET code = :new, alias = :old WHERE code = :old"
        await connection.execute(text(statement), moved)
    assert (await stolen(town, town.forge(document(), FILES))).code == "AXIS-NODE"


async def test_threat_107_other_kinds_of_packets_are_held_to_it_too(town: Town) -> None:
    for model in (update_of(), recall_of(), status_about("03", "201")):
        await hosted_by(town, own(town), model.sender.organ_id or "")
        packet = town.forge(model, FILES if model.kind is Kind.UPDATE else ())
        assert (await stolen(town, packet)).code == "AXIS-NODE"


async def test_a1_where_the_registry_or_the_axis_is_silent_the_signature_decides_and_it_is_noted(
    town: Town,
) -> None:
    row = await stolen(town, town.forge(document("301"), FILES))
    assert row.state == "done"
    assert "the registry does not say which node hosts the sender" in row.steps[10].detail

    await hosted_by(town, own(town))
    row = await landed(town, arrival_of(town.forge(document(), FILES), node=None))
    assert row.state == "done"
    assert row.steps[10].detail == "the axis vouches for no publisher"


async def test_the_true_packet_is_taken_in_after_a_thiefs_copy_of_it_and_another_copy_changes_nothing(
    town: Town,
) -> None:
    """The same bytes: landing takes them for one row, and a copy that came first must not stand for the true one."""
    await hosted_by(town, own(town))
    packet = town.forge(document(), FILES)
    await stolen(town, packet)
    await town.act_and_carry(town.deliver(packet))
    await is_taken_in(town, packet)

    await stolen(town, packet)
    await is_taken_in(town, packet)


async def test_the_true_packet_is_not_swallowed_while_the_copy_is_not_judged_yet(town: Town) -> None:
    await hosted_by(town, own(town))
    packet = town.forge(document(), FILES)
    await published(town, packet)
    await town.land()

    await town.deliver(packet)
    await town.land()
    await town.carry()

    row = await town.row(PROVINCE, packet)
    assert (row.state, row.transport_node) == ("done", own(town))
    assert (await town.node.axis.counts())["waiting"] == 0
    events = [event.kind for event in await town.events(PROVINCE, row.id)]
    assert events[:2] == ["inbox.landed", "inbox.landed"]


async def test_the_true_packet_never_reaches_the_dead_list_while_the_copy_cannot_be_judged(
    tmp_path: Path,
) -> None:
    """The scanner is down for hours: the axis must not lose its patience with the true packet meanwhile."""
    trust = Faulty("trust", "collect")
    async with opened(tmp_path / "node", wrap=trust) as town:
        await hosted_by(town, own(town))
        packet = town.forge(document(), FILES)
        await published(town, packet)
        await town.land()
        trust.error = StoreFailure("nobody can be asked")
        await town.deliver(packet)
        for _ in range(10):
            await town.carry()
            town.clock.advance(LEASE_S + 1)
        assert await town.node.axis.dead_list() == []
        assert (await town.node.axis.counts())["waiting"] == 0

        trust.error = None
        town.clock.advance(timedelta(hours=2))
        await town.carry()

        assert (await town.row(PROVINCE, packet)).state == "done"
        assert len(await town.incoming()) == 1


async def test_a_recall_whose_copy_came_first_waits_and_is_applied_with_its_document(town: Town) -> None:
    """The axis's statement about the true copy must outlive the verdict that it waits."""
    await hosted_by(town, own(town))
    recall = town.forge(recall_of())
    await stolen(town, recall)
    assert (await town.brought(recall)).state == "waiting"

    await town.brought(town.forge(document(), FILES))

    row = await town.row(PROVINCE, recall)
    assert (row.state, row.code) == ("done", None)
    assert (await town.only()).state == "recalled"


async def test_a_held_packet_whose_copy_came_first_is_admitted_when_a_clerk_releases_it(town: Town) -> None:
    await hosted_by(town, own(town))
    await town.brought(town.forge(document(), FILES))
    other = town.forge(document(subject="Nội dung khác hẳn"), FILES)
    await stolen(town, other)
    held_row = await town.brought(other)
    assert (held_row.state, held_row.code) == ("held", "OTHER-CONTENT")

    await process.release(town.node.inn, await town.scope(PROVINCE), held_row.id, "Hai bản đều đúng")
    await town.carry()

    await is_taken_in(town, other, documents=2)


async def test_a_true_packet_that_comes_while_its_copy_is_held_is_admitted_on_release(town: Town) -> None:
    """An odd signing time is seen before the publisher is: the copy is held, and the true one must not be its repeat."""
    await hosted_by(town, own(town))
    packet = town.forge(document(), FILES, at=town.clock.now() + timedelta(minutes=11))
    await stolen(town, packet)
    held_row = await town.brought(packet)
    assert (held_row.state, held_row.code) == ("held", "SIG-TIME")

    await process.release(town.node.inn, await town.scope(PROVINCE), held_row.id, "Đồng hồ nơi gửi sai")
    await town.carry()

    row = await town.row(PROVINCE, packet)
    assert (row.state, row.transport_node) == ("done", own(town))


async def test_a_release_is_not_forgotten_while_the_packet_waits_for_its_document(town: Town) -> None:
    recall = town.forge(recall_of(), at=town.clock.now() + timedelta(minutes=11))
    held_row = await town.brought(recall)
    assert (held_row.state, held_row.code) == ("held", "SIG-TIME")
    await process.release(town.node.inn, await town.scope(PROVINCE), held_row.id, "Đồng hồ nơi gửi sai")
    await town.carry()
    assert (await town.row(PROVINCE, recall)).state == "waiting"

    await town.brought(town.forge(document(), FILES))

    assert (await town.row(PROVINCE, recall)).state == "done"
    assert (await town.only()).state == "recalled"


async def test_copies_without_end_stay_with_the_axis_and_the_row_stays_small(town: Town) -> None:
    packet = town.forge(document(), FILES)
    await town.deliver(packet)
    await town.land()
    for n in range(2 * MOST_COPIES):
        await receive.run(town.node.inn, arrival_of(packet, packet_id=f"lie-{n}"))

    (row,) = await town.inbox()
    assert len(row.untried) == MOST_COPIES
    await town.carry()
    assert (await town.row(PROVINCE, packet)).state == "done"


async def test_a_release_does_not_bear_with_a_foreign_publisher_until_the_registry_says_so(
    town: Town,
) -> None:
    """The agency moved to another node; the registry learns of it later."""
    await hosted_by(town, own(town))
    packet = town.forge(document(), FILES)
    await town.act_and_carry(published(town, packet, "its-new-node"))
    row = await town.row(PROVINCE, packet)

    await town.act_and_carry(process.release(town.node.inn, await town.scope(PROVINCE), row.id, "Xem lại"))
    assert (await town.row(PROVINCE, packet)).code == "AXIS-NODE"

    await hosted_by(town, "its-new-node")
    await process.release(town.node.inn, await town.scope(PROVINCE), row.id, "Đã cập nhật danh mục")
    await town.carry()
    assert (await town.row(PROVINCE, packet)).state == "done"


# --- other bytes than were announced (A2, threat 109) ---------------------------------------------------------


async def test_threat_109_bytes_that_are_not_those_announced_are_quarantined_and_answered_by_nobody(
    town: Town,
) -> None:
    """The same bytes rightly announced are taken in afterwards. False words: tests/threats/test_again.py."""
    packet = town.forge(document(), FILES)
    row = await landed(town, arrival_of(packet, digest=Digest("ab" * 32)))
    assert (row.state, row.code) == ("quarantined", "MSG-ID")
    assert row.reason == f"the axis announced SHA-256 {'ab' * 32}, the bytes that came have {packet.digest}"
    assert await town.statuses(PROVINCE) == 0
    assert [event.kind for event in await town.events(PROVINCE, row.id)] == ["inbox.landed", "inbox.invalid"]
    await town.brought(packet)
    await is_taken_in(town, packet)


async def test_threat_109_another_sender_than_the_signed_one_is_quarantined_however_often(town: Town) -> None:
    packet = town.forge(document(), FILES)
    for _ in range(2):
        row = await landed(town, arrival_of(packet, sender="Z91.55"))
        assert (row.state, row.code) == ("quarantined", "MSG-ID")
    assert "the axis names the sender 'Z91.55'" in (row.reason or "")
    await town.brought(packet)
    await is_taken_in(town, packet)


# --- parts that never came (threat 108) -----------------------------------------------------------------------


async def test_threat_108_a_flawed_parcel_with_or_without_a_byte_is_seen_in_quarantine_and_never_looked_into(
    town: Town,
) -> None:
    packet = town.forge(document(), FILES)
    half = packet.raw[: len(packet.raw) // 2]
    flawed = arrival_of(
        packet, open=lambda: BytesIO(half), size=len(half), flaw="3 of 7 parts came", digest=Digest("ab" * 32)
    )

    row = await landed(town, flawed)

    assert (row.state, row.code) == ("quarantined", "AXIS-PARTS")
    assert row.reason == "the axis has no whole packet: 3 of 7 parts came"
    assert row.steps == ()
    assert row.settled_at is not None
    assert [event.kind for event in await town.events(PROVINCE, row.id)] == ["inbox.landed", "inbox.invalid"]
    assert await town.statuses(PROVINCE) == 0
    assert (await town.brought(packet)).state == "done"

    row = await landed(town, arrival_of(packet, open=lambda: BytesIO(b""), size=0, flaw="0 of 7 parts came"))

    assert (row.state, row.code, row.size) == ("quarantined", "AXIS-PARTS", 0)


async def test_threat_108_true_bytes_under_a_false_flaw_change_nothing_before_or_after_the_true_packet(
    town: Town,
) -> None:
    """A liar sends all bytes of another's packet, and announces one part more."""
    await hosted_by(town, own(town))
    packet = town.forge(document(), FILES)
    flawed = arrival_of(packet, flaw="7 of 8 parts came", node=THIEF)
    await landed(town, flawed)
    await town.brought(packet)
    await is_taken_in(town, packet)
    answers = await town.statuses(PROVINCE)
    town.clock.advance(120)

    await landed(town, flawed)

    await is_taken_in(town, packet)
    assert await town.statuses(PROVINCE) == answers
