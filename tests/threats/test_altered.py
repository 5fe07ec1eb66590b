"""Threat 99: the stored content is changed between one look and the next. The bytes that are read are the ones that were
hashed; content that differs from what landed is neither judged in its place nor given out, and the change is reported."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.domain.event import EventKind
from gateway.errors import AlteredContent
from gateway.incoming import reading
from tests.support.cases import Cases
from tests.support.node import DEPARTMENT, LEASE_S, PDF, PROVINCE, Town, document
from tests.support.stored_content import Lying

pytestmark = pytest.mark.usefixtures("lies_in")
FILES = (("van-ban.pdf", PDF),)
Change = Callable[[bytes], bytes]
CHANGES: dict[str, Change] = {
    "one letter of the file": lambda raw: raw.replace(b">JVBERi", b">JVBERj"),
    "no base64 any more": lambda raw: raw.replace(b">JVBERi", b">!!!!!!"),
    "cut": lambda raw: raw[: len(raw) // 2],
    "nothing": lambda raw: b"",
}


async def test_threat_099_a_file_that_was_changed_after_it_came_is_not_given_out_and_raises_an_alert(
    town: Town, cases: Cases
) -> None:
    packet = town.forge(document(), FILES)
    await town.brought(packet)
    arrived = await town.only()
    lying = Lying.in_node(town.node)
    for number, (name, change) in enumerate(CHANGES.items(), start=1):
        with cases.case(name):
            await lying.change(packet.digest, change)

            with pytest.raises(AlteredContent, match="bring the content folder back"):
                await town.read(arrived)
            with pytest.raises(AlteredContent):
                await reading.open_envelope(town.node.inn, await town.scope(PROVINCE), arrived.id)

            kinds = [event.kind for event in await town.events(PROVINCE, arrived.id)]
            assert kinds.count(EventKind.ALERT_CONTENT) == 2 * number
            await lying.write(packet.digest, packet.raw)
            assert await town.read(arrived) == PDF


async def test_threat_099_a_packet_that_was_changed_after_it_landed_is_neither_judged_nor_lost(
    town: Town, cases: Cases
) -> None:
    """It waits, as for a disk that fails; once the true bytes are back it comes in."""
    lying = Lying.in_node(town.node)
    for number, (name, change) in enumerate(CHANGES.items(), start=300):
        with cases.case(name):
            packet = town.forge(document(str(number)), FILES)
            await town.deliver(packet)
            await town.land()
            await lying.change(packet.digest, change)

            await town.process()

            row = await town.row(PROVINCE, packet)
            assert (row.state, row.incoming_id) == ("landed", None)
            await lying.write(packet.digest, packet.raw)
            town.clock.advance(10 * LEASE_S)
            await town.carry()
            assert (await town.row(PROVINCE, packet)).state == "done"


async def test_threat_099_another_good_packet_in_the_place_of_one_is_not_taken_for_it(town: Town) -> None:
    packet = town.forge(document("200"), FILES)
    other = town.forge(document("201"), FILES)
    await town.deliver(packet)
    await town.land()
    await Lying.in_node(town.node).write(packet.digest, other.raw)

    await town.process()

    assert (await town.row(PROVINCE, packet)).state == "landed"
    assert await town.incoming() == ()
    assert await town.statuses(PROVINCE) == 0
    row = await town.brought(town.forge(document("202", sender=DEPARTMENT), FILES))
    assert row.state == "done"
