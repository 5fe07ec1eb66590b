"""A document that is not very large is signed before it is accepted, and leaves with one commit; whatever stands in the
way of that, a job does it later."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.account import HostedAgency
from gateway.domain.document import OutState
from gateway.domain.pace import SMALL
from gateway.domain.share import Share
from gateway.edxml import build
from gateway.edxml.envelope import Envelope
from gateway.errors import SignerDown
from gateway.outgoing import manage, package
from gateway.outgoing.services import SIGNED_AT_ONCE
from gateway.store.work import SqlWork
from gateway.trust.keys import FileSigner
from gateway.workers import couriers
from tests.support.node import DEPARTMENT, LEASE_S, PDF, Town

LARGE = PDF + bytes(100_000)


async def test_one_commit_accepts_it_and_puts_its_envelope_into_the_outbox(town: Town) -> None:
    """No file is kept beside the envelope, whether they lie in rows or in files."""
    lists = ([("15.pdf", PDF)], [("16.pdf", LARGE)], [("17.pdf", LARGE), ("a.txt", b"phu luc")])
    for files in lists:
        sent = await town.send(files[0][0].removesuffix(".pdf"), files=tuple(files))

        assert sent.state is OutState.PACKED
        assert await town.pack() == 0
        assert sent.packet_id in {row.packet_id for row in await town.outbox(DEPARTMENT)}
        kinds = [event.kind for event in await town.events(DEPARTMENT, sent.id)]
        assert kinds == ["message.accepted", "message.queued"]
        assert await town.ownerless() == 0
        async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
            assert not any([await work.blobs.holds(file.sha256) for file in sent.files])
            assert sent.envelope_digest is not None
            assert await work.blobs.holds(sent.envelope_digest)

        await town.carry()
        assert await town.read(await town.as_incoming(sent)) == files[0][1]
        assert (await town.delivery(sent)).state == "delivered"


@pytest.mark.usefixtures("keys_away")
async def test_nobody_who_hands_in_waits_for_a_key_in_a_token(town: Town) -> None:
    await packed_by_a_job(town, PDF)


async def test_what_is_larger_still_is_packed_by_a_job_and_where_enough_is_signed_already(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with town.node.out.signed_at_once.reserve(SIGNED_AT_ONCE - len(LARGE) + 1) as fits:
        assert fits
        await packed_by_a_job(town, LARGE)
    monkeypatch.setattr(package, "AT_ONCE", len(LARGE) - 1)
    await packed_by_a_job(town, LARGE, number="16")


async def test_a_key_that_cannot_sign_now_turns_nobody_away(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(signer: FileSigner, data: bytes) -> bytes:
        raise SignerDown("the key is away")

    with monkeypatch.context() as broken:
        broken.setattr(FileSigner, "sign", fails)
        both = [await town.send(n, files=((f"{n}.pdf", raw),)) for n, raw in (("15", PDF), ("16", LARGE))]
    assert {sent.state for sent in both} == {OutState.QUEUED}
    await town.carry()

    assert {(await town.delivery(sent)).state for sent in both} == {"delivered"}


async def test_what_could_not_be_signed_for_hours_is_signed_once_a_worker_is_restarted(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(signer: FileSigner, data: bytes) -> bytes:
        raise SignerDown("the key is away")

    packer = couriers.Packer(town.node.out)
    with monkeypatch.context() as broken:
        broken.setattr(FileSigner, "sign", fails)
        sent = await town.send("15")
        for _ in range(10):
            await packer.step(10, LEASE_S)
            town.clock.advance(timedelta(minutes=20))
    assert not await packer.step(10, LEASE_S), "its next attempt is later"

    await couriers.Packer(town.node.out).step(10, LEASE_S)
    await town.carry()

    assert (await town.delivery(sent)).state == "delivered"


async def test_an_envelope_that_says_something_else_than_it_was_to_say_never_leaves(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W10: canonical, signed and of the right form, and still not what the document says."""
    write = build.write

    def writes_another(envelope: Envelope, *arguments: Any) -> build.WrittenEnvelope:
        return write(replace(envelope, subject="Một việc khác"), *arguments)

    with monkeypatch.context() as broken:
        broken.setattr(build, "write", writes_another)
        sent = await town.send("15")
        assert sent.state is OutState.QUEUED
        await town.pack()

    assert (await town.document(sent)).state is OutState.QUEUED
    assert await town.outbox(DEPARTMENT) == ()


@pytest.mark.parametrize("few", [1, 2])
async def test_a_circular_is_written_in_a_thread(
    town: Town, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    """It has one recipient and one file: two in all."""
    await town.send("14")  # opens the key
    monkeypatch.setattr(package, "_FEW", few)
    threads, sign = set[bool](), FileSigner.sign

    def noted(signer: FileSigner, data: bytes) -> bytes:
        threads.add(threading.current_thread() is threading.main_thread())
        return sign(signer, data)

    with monkeypatch.context() as noting:
        noting.setattr(FileSigner, "sign", noted)
        assert (await town.send("15")).state is OutState.PACKED

    assert threads == {few == 2}


async def test_a_long_header_makes_no_second_signature(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is small, the envelope is not."""
    sign, signed = FileSigner.sign, []

    def counted(signer: FileSigner, data: bytes) -> bytes:
        signed.append(len(data))
        return sign(signer, data)

    places = tuple(f"Phòng {n} {'của một cơ quan mẫu ' * 6}".strip() for n in range(500))
    with monkeypatch.context() as counting:
        counting.setattr(FileSigner, "sign", counted)
        sent = await town.send("15", to_places=places)

    assert sent.state is OutState.PACKED
    assert sent.envelope_size is not None
    assert sent.envelope_size > SMALL
    assert len(signed) == 1
    await town.carry()
    assert await town.read(await town.only()) == PDF
    assert await town.ownerless() == 0


async def packed_by_a_job(town: Town, content: bytes, number: str = "15") -> None:
    sent = await town.send(number, files=((f"{number}.pdf", content),))
    assert sent.state is OutState.QUEUED
    assert sent.id not in {row.subject_id for row in await town.outbox(DEPARTMENT)}
    assert await town.pack() == 1
    await town.carry()
    assert (await town.delivery(sent)).state == "delivered"


async def test_what_was_signed_at_once_makes_room_for_the_next(town: Town) -> None:
    share = Share(len(LARGE))
    town = replace(town, node=replace(town.node, out=replace(town.node.out, signed_at_once=share)))

    for number in ("15", "16"):
        assert (await town.send(number, files=(("15.pdf", LARGE),))).state is OutState.PACKED


async def test_what_can_be_called_back_is_not_signed_before_its_time(town: Town) -> None:
    draft = await town.send("15", send=False)
    scope = await town.scope(DEPARTMENT)

    await manage.send_draft(town.node.out, scope, draft.id, wait=timedelta(seconds=10))

    assert await town.outbox(DEPARTMENT) == ()
    assert (await manage.cancel(town.node.out, scope, draft.id)).state is OutState.CANCELLED


async def test_an_agency_that_took_another_name_meanwhile_is_written_under_the_new_one(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the signing and the commit."""
    agency = SqlWork.agency

    async def renamed(work: SqlWork) -> HostedAgency:
        return replace(await agency(work), name="Sở Thử nghiệm, tên mới")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(SqlWork, "agency", renamed)
        sent = await town.send("15")

    assert sent.state is OutState.QUEUED
    assert await town.outbox(DEPARTMENT) == ()
    assert await town.pack() == 1
