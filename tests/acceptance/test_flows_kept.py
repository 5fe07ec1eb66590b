"""After all flows every file of every document is readable and equal by digest, no blob is without an owner after the
sweeper, and events are numbered densely with every act among them."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from gateway.domain.document import IncomingFile
from gateway.incoming import process, seal
from gateway.outgoing import manage
from gateway.workers.clocks import Clocks
from tests.hostile import forge as forging
from tests.support.api import pdf
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    PDF,
    PROVINCE,
    Town,
    document,
    recall_of,
    resigned,
    update_of,
)

FILES = (("van-ban.pdf", PDF), ("phu-luc.pdf", pdf(3)))


async def everything(town: Town) -> None:
    """Bring a town to one document of each ending."""
    sent = await town.send("15", PROVINCE, COMMUNE, files=FILES)
    draft = await town.send("16", send=False)
    cancelled = await town.send("17")
    await town.act_and_carry(manage.cancel(town.node.out, await town.scope(DEPARTMENT), cancelled.id))
    await town.act_and_carry(town.update(sent, "Mới", (("moi.pdf", pdf(2)),)))
    await town.status(await town.only(), "15")
    await town.status(await town.only(COMMUNE), "16")
    recalled = await town.act_and_carry(town.send("18", files=(("thu-hoi.pdf", pdf(4)),)))
    await town.recall(recalled)
    packet = town.forge(document(files=FILES), FILES)
    await town.brought(packet)
    await town.brought(town.forge(document(files=FILES), FILES))  # the same body
    held_item = await town.brought(town.forge(document(files=FILES, subject="Khác"), FILES))
    await process.discard(town.node.inn, await town.scope(PROVINCE), held_item.id, "Trùng")
    await town.brought(town.forge(recall_of("404")))
    await town.brought(town.forge(document("405", FILES, to=(COMMUNE,)), FILES))
    await town.brought(resigned(town, town.forge(document("406", FILES), FILES), indented))
    assert draft.state == "draft"


def indented(raw: bytes) -> bytes:
    """Lay a file out as another system does: a line and an indent before each element outside the Signature."""
    head, signature, tail = forging.split(raw)
    return laid_out(head) + signature + laid_out(tail)


def laid_out(raw: bytes) -> bytes:
    return raw.replace(b"><edXML:", b">\r\n    <edXML:").replace(b"></edXML:", b">\r\n</edXML:")


async def test_an_envelope_laid_out_by_another_system_is_admitted_with_its_files(town: Town) -> None:
    """The general path (G): indented, CRLF; its files are slices of the canonical octets, kept beside the envelope."""
    packet = resigned(town, town.forge(document(files=FILES), FILES), indented)
    assert b"\r\n" in packet.raw

    row = await town.brought(packet)

    assert (row.state, row.code) == ("done", None), row.reason
    arrived = await town.only()
    assert arrived.checks["envelope_signature"] == "valid"
    assert [await town.read(arrived, n) for n in (1, 2)] == [raw for _, raw in FILES]
    assert {file.source for file in arrived.files}.isdisjoint({packet.digest})
    assert arrived.envelope_digest == packet.digest
    town.clock.advance(timedelta(days=3))
    await town.node.blobs.sweep(town.clock.now())
    assert [await town.read(arrived, n) for n in (1, 2)] == [raw for _, raw in FILES]
    await town.act_and_carry(town.status(arrived, "03"))
    assert await town.statuses(PROVINCE) == 2


async def test_a_recalled_general_path_document_leaves_no_octets_behind(town: Town) -> None:
    await town.brought(resigned(town, town.forge(document(files=FILES), FILES), indented))
    arrived = await town.only()
    await town.brought(town.forge(recall_of()))
    town.clock.advance(timedelta(days=31))

    assert await seal.purge_recalled(town.node.inn) == 1

    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        assert not await work.blobs.holds(arrived.envelope_digest)
        assert not await work.blobs.holds(arrived.files[0].source)


async def test_after_all_flows_and_the_sweeper_each_blob_has_an_owner_and_each_file_is_complete(
    town: Town,
) -> None:
    await everything(town)

    town.clock.advance(timedelta(days=40))
    await Clocks(town.node.settings.node.data_dir).step(town.node.inn)
    assert await town.ownerless() == 0

    readable = 0
    for agency in (PROVINCE, COMMUNE, DEPARTMENT):
        for arrived in await town.incoming(agency):
            if arrived.state == "recalled":
                assert "purged" in arrived.marks
                continue
            if arrived.target_id is not None and await of_recalled(town, arrived.target_id, agency):
                continue
            for file in arrived.files:
                assert digest(await town.read(arrived, file.n)) == file.sha256
                readable += 1
    assert readable >= 8


async def of_recalled(town: Town, target: str, agency: str) -> bool:
    return any(x.id == target and x.state == "recalled" for x in await town.incoming(agency))


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


async def test_events_are_numbered_densely_and_tell_every_act(town: Town) -> None:
    await everything(town)
    await town.number()

    events = await town.node.store.events_after(None, 0, 10_000)
    assert [event.node_seq for event in events] == list(range(1, len(events) + 1))
    for agency in (PROVINCE, COMMUNE, DEPARTMENT):
        mine = await town.node.store.events_after((await town.agency(agency)).id, 0, 10_000)
        assert [event.agency_seq for event in mine] == list(range(1, len(mine) + 1))
    kinds = {event.kind.value for event in events}
    assert kinds >= {
        "message.accepted",
        "message.queued",
        "message.cancelled",
        "message.sent",
        "message.status",
        "message.recall.requested",
        "message.recall.answered",
        "inbox.landed",
        "inbox.received",
        "inbox.waiting",
        "inbox.held",
        "inbox.invalid",
        "inbox.returned",
        "inbox.status",
        "inbox.request",
    }
    for agency in (PROVINCE, COMMUNE, DEPARTMENT):
        for row in await town.inbox(agency):  # G4
            event_kinds = [event.kind for event in await town.events(agency, row.id)]
            assert event_kinds[0] == "inbox.landed"
            ends = row.incoming_id is not None or row.kind == "status" or len(event_kinds) > 1
            assert ends, (row.state, row.code, event_kinds)


async def test_an_update_of_another_agencys_layout_is_applied_with_readable_files(town: Town) -> None:
    await town.brought(town.forge(document(files=FILES), FILES))
    new = (("moi.pdf", pdf(5)),)
    row = await town.brought(resigned(town, town.forge(update_of(files=new), new), indented))
    assert row.state == "done", row.reason

    await town.status(await town.only(), "15")

    arrived = await town.only()
    assert await town.read(arrived) == new[0][1]
    assert isinstance(arrived.files[0], IncomingFile)
