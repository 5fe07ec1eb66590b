"""Landing and processing when the node's own storage fails, and when two workers have one packet."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.errors import Clash, StaleLease, StoreFailure
from gateway.incoming import process, receive, verify
from gateway.policy import upkeep
from gateway.ports.services import Pool
from gateway.registry.directory import SqlDirectory
from gateway.store.blob_refs import KeptContent
from gateway.store.blobs import FileBlobs, FileScratch
from gateway.store.transaction import Transaction
from gateway.workers import couriers
from gateway.workers.loop import StepResult
from tests.support.faulty import Faulty, Meanwhile
from tests.support.node import COMMUNE, LEASE_S, PDF, PROVINCE, Packet, Town, document, opened
from tests.support.secret import plain_places
from tests.support.stored_content import Lying
from tests.support.waiting import LIMIT_S

FILES = (("van-ban.pdf", PDF),)


async def landed(town: Town, number: str = "200") -> Packet:
    """Land a good packet that is not processed yet."""
    packet = town.forge(document(number), FILES)
    await town.deliver(packet)
    await town.land()
    return packet


async def test_threat_091_a_disk_that_takes_nothing_loses_nothing_and_intake_goes_on_by_itself(
    tmp_path: Path,
) -> None:
    """G2, threat 91: the axis keeps what was not landed, however long that lasts."""
    blobs = Faulty("blobs", "keep", "keep_small")
    async with opened(tmp_path / "node", wrap=blobs) as town:
        packet = town.forge(document(), FILES)
        await town.deliver(packet)
        blobs.error = StoreFailure("no space left on the disk")
        intake = couriers.Intake()
        for _ in range(30):
            with pytest.raises(StoreFailure):
                await intake.step(town.node.inn, 10, LEASE_S)
            town.clock.advance(LEASE_S + 1)
        assert await town.inbox() == ()

        blobs.error = None
        assert await intake.step(town.node.inn, 10, LEASE_S) is StepResult.ALL
        await town.carry()

        assert (await town.row(PROVINCE, packet)).state == "done"
        assert await town.node.axis.dead_list() == []


async def test_threat_091_a_store_that_fails_while_a_packet_is_looked_at_puts_it_off_and_it_heals(
    tmp_path: Path,
) -> None:
    """A packet that the storage refuses while it takes others is poison in the end."""
    trust = Faulty("trust", "collect")
    async with opened(tmp_path / "node", wrap=trust) as town:
        refused, packet = await landed(town, "201"), town.forge(document(), FILES)
        trust.error = StoreFailure("the folder of revocation lists cannot be read")
        for _ in range(upkeep.MOST_UNFORESEEN + 1):
            await town.process()
            town.clock.advance(timedelta(hours=1))
        row = await town.row(PROVINCE, refused)
        assert (row.state, row.code) == ("quarantined", "GW-POISON")

        await town.brought(packet)
        assert (await town.row(PROVINCE, packet)).state == "landed"
        assert await town.process() == 0

        trust.error = None
        town.clock.advance(5)
        await town.carry()

        assert (await town.row(PROVINCE, packet)).state == "done"


@pytest.mark.usefixtures("lies_in")
async def test_a_packet_damaged_on_our_disk_is_healed_when_its_sender_repeats_it(town: Town) -> None:
    """The damaged file keeps its size, so only its digest shows the damage."""
    packet = await landed(town)
    await Lying.in_node(town.node).change(packet.digest, lambda raw: raw.replace(b"200", b"201"))
    await town.process()
    assert (await town.row(PROVINCE, packet)).state == "landed"

    await town.deliver(packet)
    town.clock.advance(LEASE_S)
    await town.carry()

    assert (await town.row(PROVINCE, packet)).state == "done"
    assert await town.read(await town.only()) == PDF


class Forgetful:
    """Blobs whose content is forgotten by another holder between `keep` and the first reference."""

    def __init__(self, real: FileBlobs) -> None:
        self._real = real

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    async def keep(self, scratch: FileScratch, digest: Digest, size: int) -> KeptContent:
        is_new = await self._real.keep(scratch, digest, size)
        await self._real.forget([digest])
        return is_new


def lost_for_now(lies_in: str) -> AbstractContextManager[pytest.ExceptionInfo[StoreFailure] | None]:
    """Expect the loss for files alone: a row is written in the transaction that refers to it, a file before it."""
    return pytest.raises(StoreFailure, match="hand it in again") if lies_in == "files" else nullcontext()


async def test_content_that_another_lets_go_of_before_it_is_referred_to_loses_no_packet(
    town: Town, lies_in: str
) -> None:
    packet = town.forge(document(), FILES)
    await town.deliver(packet)
    (arrival,) = await town.node.inn.axis.take(1, LEASE_S)
    blobs = cast(FileBlobs, Forgetful(town.node.inn.blobs))

    with lost_for_now(lies_in):
        await receive.run(replace(town.node.inn, blobs=blobs), arrival)
    assert len(await town.inbox()) == (lies_in == "rows")

    town.clock.advance(LEASE_S + 1)
    await town.carry()
    assert (await town.row(PROVINCE, packet)).state == "done"
    assert await town.read(await town.only()) == PDF


async def test_content_that_another_lets_go_of_before_it_is_referred_to_refuses_a_sender_for_now_and_stores_nothing(
    town: Town, lies_in: str
) -> None:
    """The refusal asks for another try, which succeeds; it does not say that content is missing."""
    blobs = cast(FileBlobs, Forgetful(town.node.out.blobs))
    hindered = replace(town, node=replace(town.node, out=replace(town.node.out, blobs=blobs)))

    with lost_for_now(lies_in) as failure:
        await hindered.send("15", files=(("15.pdf", PDF + bytes(100_000)),))
    assert failure is None or not failure.value.permanent
    assert await town.count("outgoing_document") == (lies_in == "rows")

    assert await town.deliveries(await town.send("16"))


async def test_a_packet_whose_receiver_leaves_while_it_lands_stays_with_the_axis(town: Town) -> None:
    await town.deliver(town.forge(document(), FILES))
    scope = await town.scope(PROVINCE)

    async def leave() -> None:
        assert await town.node.store.accounts.leave(scope.agency_id) == {}

    (arrival,) = await town.node.axis.take(1, LEASE_S)
    pool = cast(Pool, Meanwhile(town.node.inn.pool, "run", leave))
    await receive.run(replace(town.node.inn, pool=pool), arrival)

    assert await town.count("inbox") == 0
    town.clock.advance(LEASE_S + 1)
    (redelivered,) = await town.node.axis.take(1, LEASE_S)
    assert redelivered.packet_id == arrival.packet_id


async def test_threat_055_two_workers_with_one_packet_admit_it_once(town: Town) -> None:
    """G3, G7: the first one's lease ran out."""
    packet = await landed(town)
    (slow,) = await town.node.store.claim_inbox(10, LEASE_S)
    town.clock.advance(LEASE_S + 1)
    (quick,) = await town.node.store.claim_inbox(10, LEASE_S)

    await process.run(town.node.inn, quick)
    await process.run(town.node.inn, slow)
    await town.carry()

    assert len(await town.incoming()) == 1
    assert await town.statuses(PROVINCE) == 1
    assert (await town.row(PROVINCE, packet)).code is None


@pytest.mark.parametrize("winner", ["worker", "person"])
async def test_a_person_and_a_worker_do_not_decide_one_packet_twice(town: Town, winner: str) -> None:
    await town.brought(town.forge(document(), FILES))
    on_hold = await town.brought(town.forge(document(subject="Khác"), FILES))
    scope = await town.scope(PROVINCE)
    await process.release(town.node.inn, scope, on_hold.id, "Nhận")
    (leased,) = await town.node.store.claim_inbox(10, LEASE_S)

    with pytest.raises(Clash):
        await process.discard(town.node.inn, scope, on_hold.id, "Bỏ")
    if winner == "worker":
        await process.run(town.node.inn, leased)
    with pytest.raises(Clash):
        await process.give_back(town.node.inn, scope, on_hold.id, "Trả", "OTHER")
    await town.carry()
    town.clock.advance(LEASE_S + 1)
    await town.carry()

    assert len(await town.incoming()) == 2


async def test_one_bad_packet_in_a_batch_stops_no_other_packet(town: Town) -> None:
    good = [town.forge(document(str(300 + n)), FILES) for n in range(3)]
    bad = [Packet(raw=raw, id=f"{raw!r}", kind="edoc", sender="Z91.07") for raw in (b"<a/>", b"\0")]
    for packet in (good[0], bad[0], good[1], bad[1], good[2]):
        await town.deliver(packet)

    await couriers.land_batch(town.node.inn, 10, LEASE_S)
    await couriers.process_batch(town.node.inn, 10, LEASE_S)

    assert len(await town.incoming()) == 3
    rows = [await town.row(PROVINCE, p) for p in bad]
    assert all(row.reason for row in rows)


async def test_one_file_for_two_agencies_of_a_node_is_two_rows_and_one_blob(town: Town) -> None:
    packet = town.forge(document(to=(PROVINCE, COMMUNE)), FILES)

    for code in (PROVINCE, COMMUNE):
        await town.deliver(packet, code)
    await town.carry()

    assert (await town.only()).envelope_digest == (await town.only(COMMUNE)).envelope_digest
    assert await town.read(await town.only(COMMUNE)) == PDF


async def test_a_disk_that_is_full_for_a_day_makes_no_good_packet_poison(tmp_path: Path) -> None:
    blobs = Faulty("blobs", "scratch")
    async with opened(tmp_path / "node", wrap=blobs) as town:
        packet = await landed(town)
        blobs.error = StoreFailure("the disk is full", code="GW-S-507")
        for _ in range(3 * upkeep.MOST_UNFORESEEN):
            assert await town.process() == 1
            town.clock.advance(process.STORAGE_PAUSE)
        town.clock.advance(timedelta(days=1))
        assert (await town.row(PROVINCE, packet)).state == "landed"

        blobs.error = None
        await town.process()

        assert (await town.row(PROVINCE, packet)).state == "done"


@pytest.mark.usefixtures("lies_in")
@pytest.mark.parametrize("when", ["before it writes", "after it wrote"])
async def test_a_worker_whose_lease_ran_out_brings_no_plain_octets_back(town: Town, when: str) -> None:
    """R4: meanwhile another worker has the packet, and may have put it under seal."""
    await landed(town)
    (late,) = await town.node.store.claim_inbox(1, LEASE_S)
    octets = b"canonical octets of what is a secret by now" * 100
    proved = await verify.run(town.node.inn, late.item)
    proved = replace(proved, judged=replace(proved.judged, canonical=octets))

    async def taken_over() -> None:
        town.clock.advance(LEASE_S + 1)
        assert len(await town.node.store.claim_inbox(1, LEASE_S)) == 1

    services = town.node.inn
    if when == "before it writes":
        await taken_over()
    else:
        services = replace(services, blobs=cast(FileBlobs, Meanwhile(services.blobs, "keep", taken_over)))
    with pytest.raises(StaleLease):
        await process._keep_octets(services, late, proved)

    assert plain_places(town.node.settings.node.data_dir, octets) == []


async def test_no_thread_waits_while_the_directory_is_asked_for_a_senders_certificates(town: Town) -> None:
    """Else as many packets as there are threads stop the whole node while a directory is slow."""
    packet = await landed(town)
    threads = town.node.settings.workers.threads
    meeting = threading.Barrier(threads)

    async def every_thread_is_free() -> None:
        await asyncio.gather(*(town.node.pool.run(lambda: meeting.wait(LIMIT_S)) for _ in range(threads)))

    directory = cast(SqlDirectory, Meanwhile(town.node.inn.directory, "bindings", every_thread_is_free))
    (leased,) = await town.node.store.claim_inbox(1, LEASE_S)
    await process.run(replace(town.node.inn, directory=directory), leased)

    assert (await town.row(PROVINCE, packet)).state == "done"


async def test_a_packet_whose_sender_is_not_the_one_that_the_axis_named_is_judged_by_its_own(
    town: Town,
) -> None:
    for n, sender in enumerate((COMMUNE, "Z91.99", "no code")):
        packet = town.forge(document(f"20{n}"), FILES)
        await town.deliver(replace(packet, sender=sender))
        await town.land()
        (leased,) = await town.node.store.claim_inbox(1, LEASE_S)

        opener = await verify._open_stored(town.node.inn, leased.item)
        proved = await verify._examine(town.node.inn, leased.item, opener)

        assert proved.verified.signed.sender_code == packet.sender


async def test_a_packet_that_breaks_every_try_ends_in_quarantine_and_stops_nobody(tmp_path: Path) -> None:
    """G4: what our own code cannot get through is not tried for ever; a person sees it, byte for byte."""
    trust = Faulty("trust", "collect")
    async with opened(tmp_path / "node", wrap=trust) as town:
        packet = await landed(town)
        trust.error = RuntimeError("a fault of our own")
        for _ in range(upkeep.MOST_UNFORESEEN + 1):
            await town.process()
            town.clock.advance(timedelta(hours=1))

        row = await town.row(PROVINCE, packet)
        assert (row.state, row.code) == ("quarantined", "GW-POISON")
        trust.error = None
        assert (await town.brought(town.forge(document("999"), FILES))).state == "done"

        await process.release(town.node.inn, await town.scope(PROVINCE), row.id, "mended")
        await town.carry()
        assert (await town.row(PROVINCE, packet)).state == "done"


async def test_a_large_packet_is_landed_by_its_second_name_and_no_byte_of_it_is_copied(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "node") as town:
        large = PDF + b"\n%" + b" " * 200_000
        packet = town.forge(document(), (("van-ban.pdf", large),))
        await town.deliver(packet)
        (payload,) = tmp_path.rglob(f"payload/{packet.digest}")
        payload_stat = payload.stat()
        await town.land()

        assert not payload.exists()
        (content,) = [path for path in tmp_path.rglob(f"{packet.digest}") if path.is_file()]
        assert (content.stat().st_ino, content.stat().st_nlink) == (payload_stat.st_ino, 1)
        assert content.stat().st_mode & 0o077 == 0
        assert content.read_bytes() == packet.raw
        await town.carry()
        assert (await town.row(PROVINCE, packet)).state == "done"


async def test_a_large_document_for_an_agency_of_the_same_node_lies_on_the_disk_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "node") as town:
        sent = await town.send("15", files=(("15.pdf", PDF + b"\n%" + b" " * 200_000),))
        await town.node.axis.host([PROVINCE])
        await town.pack()
        await town.dispatch()
        (payload,) = [path for path in tmp_path.rglob("payload/*") if path.is_file()]
        number = payload.stat().st_ino
        await town.carry()

        assert (await town.delivery(sent)).state == "delivered"
        large = [path for path in tmp_path.rglob("*") if path.is_file() and path.name == payload.name]
        assert [(path.stat().st_ino, path.stat().st_nlink) for path in large] == [(number, 1)]
        assert not [path for path in tmp_path.rglob("scratch/*") if path.is_file()]


async def test_a_commit_of_unknown_fate_is_told_once(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database committed the landing, and its answer was lost."""
    commit, lost_answers = Transaction.commit, ["one"]

    async def commit_without_answer(tx: Transaction) -> None:
        await commit(tx)
        if lost_answers:
            lost_answers.pop()
            raise StoreFailure("the database did not say that it committed")

    packet = town.forge(document(), FILES)
    await town.deliver(packet)
    (arrival,) = await town.node.inn.axis.take(50, LEASE_S)
    monkeypatch.setattr(Transaction, "commit", commit_without_answer)
    await receive.run(town.node.inn, arrival)
    await town.carry()

    row = await town.row(PROVINCE, packet)
    kinds = [event.kind for event in await town.events(PROVINCE, row.id)]
    assert kinds.count(EventKind.INBOX_LANDED) == 1
    assert row.state == "done"
    assert len(await town.incoming()) == 1


async def test_characters_that_turn_the_writing_round_are_written_out(town: Town) -> None:
    turned = "Về việc \u202eoàb oáb"
    await town.brought(town.forge(document("200", subject=turned), (("a.pdf", PDF),)))

    assert (await town.only()).subject == "Về việc [U+202E]oàb oáb"
