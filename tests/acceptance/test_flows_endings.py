"""Every end a packet can come to (G4): its row is visible with its reason, the right sender alone is answered (A7,
104), and the next good packet is handled."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.domain.document import InState
from gateway.domain.queues import InboxPacket
from gateway.errors import Clash, InvalidEnvelope, Refused
from gateway.incoming import process, settle
from tests.support import pki
from tests.support.cases import Cases
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    PDF,
    PROVINCE,
    Packet,
    Town,
    document,
    document_id,
    recall_of,
    resigned,
    status_about,
    update_of,
)

FILES = (("van-ban.pdf", PDF),)


async def next_is_handled(town: Town) -> None:
    """Check that a good packet after the bad one is handled."""
    count_before = len(await town.incoming())
    row = await town.brought(town.forge(document("999"), FILES))
    assert row.state == "done", row.reason
    assert len(await town.incoming()) == count_before + 1


def tampered(packet: Packet) -> Packet:
    return Packet(
        raw=packet.raw.replace("phối hợp".encode(), "phối hộp".encode()),
        id=packet.id,
        kind=packet.kind,
        sender=packet.sender,
    )


async def test_an_allowed_packet_is_admitted_without_a_number_and_answered_01(town: Town) -> None:
    sent = await town.send("15")

    await town.carry()

    arrived = await town.only()
    assert (arrived.state, arrived.register_no, arrived.attempt) == (InState.NEW, None, 1)
    assert await town.read(arrived) == PDF
    (row,) = await town.inbox()
    assert (row.state, row.code, row.incoming_id, row.sender_code) == ("done", None, arrived.id, DEPARTMENT)
    delivery = await town.delivery(sent)
    assert delivery.state == "delivered"
    assert [fact.proved for fact in await town.facts(sent) if fact.code == "01"] == [True]


@pytest.mark.parametrize("answer", ["15", "16"])
async def test_an_update_is_applied_once_the_receiver_agrees(town: Town, answer: str) -> None:
    sent = await town.act_and_carry(town.send("15"))
    await town.act_and_carry(town.update(sent, "Trích yếu mới", (("khac.pdf", PDF + b"\n"),)))
    arrived = await town.only()
    assert arrived.subject != "Trích yếu mới"

    await town.act_and_carry(town.status(arrived, answer, note="Đã xử lý"))

    reloaded = await town.reload(arrived)
    if answer == "15":
        assert reloaded.subject == "Trích yếu mới"
        assert (await town.standing(sent)).marks == ("request_agreed:update",)
    else:
        assert (reloaded.subject, reloaded.files) == (arrived.subject, arrived.files)
        assert (await town.standing(sent)).marks == ("request_refused:update",)


@pytest.mark.parametrize("kind", ["update", "recall", "take-back"])
async def test_a_request_that_overtakes_its_document_waits_and_is_applied(town: Town, kind: str) -> None:
    models = {"update": update_of, "recall": recall_of}
    if kind == "take-back":
        request = town.forge(status_about("13", document_id(), sender=DEPARTMENT, to=PROVINCE))
    else:
        request = town.forge(models[kind](), FILES if kind == "update" else ())
    early = await town.brought(request)
    told_early = await town.statuses(PROVINCE)

    await town.brought(town.forge(document(), FILES))

    assert (early.state, early.code) == ("waiting", "WAITING")
    assert early.needs == (DEPARTMENT, f"{DEPARTMENT},2026/11/20,200/STD-VP")
    assert told_early == (0 if kind == "take-back" else 1)  # 01 on storing, never for a status packet
    assert (await town.row(PROVINCE, request)).state == "done"
    arrived = await town.only()
    if kind == "recall":
        assert arrived.state is InState.RECALLED
        assert await town.statuses(PROVINCE) == 3  # two 01, one 15
    else:
        marks = [
            event.data["kind"] for event in await town.events(PROVINCE, arrived.id) if "kind" in event.data
        ]
        assert ("update" if kind == "update" else "take_back") in marks


@pytest.mark.parametrize("kind", ["update", "recall"])
async def test_a_packet_that_waited_in_vain_is_in_quarantine_after_three_days(town: Town, kind: str) -> None:
    request = town.forge(update_of(), FILES) if kind == "update" else town.forge(recall_of())
    await town.brought(request)

    town.clock.advance(timedelta(days=2, hours=23))
    assert await settle.give_up_overdue(town.node.inn) == 0
    town.clock.advance(timedelta(hours=2))
    assert await settle.give_up_overdue(town.node.inn) >= 1

    row = await town.row(PROVINCE, request)
    assert (row.state, row.code) == ("quarantined", "WAITING-OVER")
    assert "200/STD-VP" in (row.reason or "")
    await next_is_handled(town)


async def test_a_packet_whose_document_came_while_it_was_given_up_is_not_quarantined(town: Town) -> None:
    request = town.forge(recall_of())
    await town.brought(request)
    town.clock.advance(timedelta(days=4))
    overdue = await town.node.store.overdue_waiting(town.clock.now() - timedelta(days=3), 10)
    await town.brought(town.forge(document(), FILES))

    await settle.give_up_waiting(town.node.inn, overdue[0])

    row = await town.row(PROVINCE, request)
    assert row.state == "done"


async def other_content_held(town: Town) -> InboxPacket:
    await town.brought(town.forge(document(), FILES))
    held_item = await town.brought(town.forge(document(subject="Nội dung khác hẳn"), FILES))
    assert (held_item.state, held_item.code) == ("held", "OTHER-CONTENT")
    assert [e.kind for e in await town.events(PROVINCE, held_item.id)][-1] == "inbox.held"
    return held_item


async def test_a_held_packet_is_released_by_a_person_and_admitted_as_another_attempt(town: Town) -> None:
    held_item = await other_content_held(town)

    await process.release(town.node.inn, await town.scope(PROVINCE), held_item.id, "Hai bản đều đúng")
    await town.carry()

    newest, first = await town.incoming()
    assert (newest.attempt, first.attempt) == (2, 1)
    assert newest.subject == "Nội dung khác hẳn"
    assert [row.state for row in await town.inbox()] == ["done", "done"]
    await next_is_handled(town)


async def test_a_held_packet_is_given_back_with_02_and_its_words(town: Town) -> None:
    held_item = await other_content_held(town)
    statuses_before = await town.statuses(PROVINCE)

    await process.give_back(town.node.inn, await town.scope(PROVINCE), held_item.id, "Trùng số", "DUPLICATE")
    await town.carry()

    (row,) = [x for x in await town.inbox() if x.id == held_item.id]
    assert (row.state, row.code, row.reason) == ("returned", "DUPLICATE", "Trùng số")
    assert await town.statuses(PROVINCE) == statuses_before + 1
    assert len(await town.incoming()) == 1
    with pytest.raises(Clash):
        await process.give_back(town.node.inn, await town.scope(PROVINCE), held_item.id, "Lại", "DUPLICATE")
    await next_is_handled(town)


async def test_a_held_packet_is_discarded_with_its_reason_and_answered_by_nobody(town: Town) -> None:
    held_item = await other_content_held(town)
    statuses_before = await town.statuses(PROVINCE)

    with pytest.raises(Refused):
        await process.discard(town.node.inn, await town.scope(PROVINCE), held_item.id, "  ")
    await town.act_and_carry(
        process.discard(town.node.inn, await town.scope(PROVINCE), held_item.id, "Gửi nhầm")
    )

    (row,) = [x for x in await town.inbox() if x.id == held_item.id]
    assert (row.state, row.reason) == ("discarded", "Gửi nhầm")
    assert await town.statuses(PROVINCE) == statuses_before
    with pytest.raises(Clash):
        await process.release(town.node.inn, await town.scope(PROVINCE), held_item.id, "doch")


async def test_a_damaged_file_is_returned_by_itself(town: Town) -> None:
    """The owner of the key signs a file whose base64 cannot be undone."""

    def spoil(raw: bytes) -> bytes:
        return re.sub(rb"(ContentTransferEncoded[^>]*>)[A-Za-z0-9+/]{4}", rb"\1!!!!", raw)

    row = await town.brought(resigned(town, town.forge(document(), FILES), spoil))

    assert (row.state, row.code) == ("returned", "DAMAGED")
    assert "van-ban.pdf" in (row.reason or "")
    assert await town.statuses(PROVINCE) == 1
    assert await town.incoming() == ()
    await next_is_handled(town)


def foreign_key(town: Town) -> Packet:
    return town.forge(document(), FILES, signer=pki.signer(DEPARTMENT))


def unbound(town: Town) -> Packet:
    return town.forge(document(sender="Z91.99"), FILES, signer=pki.signer("Z91.99"))


def broken(town: Town) -> Packet:
    return tampered(town.forge(document(), FILES))


def no_signature(town: Town) -> Packet:
    good = town.forge(document(), FILES)
    raw = re.sub(rb"<ds:Signature .*</ds:Signature>", b"", good.raw, flags=re.DOTALL)
    return Packet(raw=raw, id=good.id, kind=good.kind, sender=good.sender)


def own_words_of_another(town: Town) -> Packet:
    """Forge a document in the department's name, signed with the commune's key."""
    return town.forge(document(), FILES, signer=town.node.keys.signer(COMMUNE, town.clock.now()))


UNPROVED: dict[str, tuple[Callable[[Town], Packet], str]] = {
    "another certificate": (foreign_key, "SIG-PIN"),
    "no binding": (unbound, "SIG-NO-BINDING|SIG-SENDER"),
    "tampered": (broken, "SIG-DIGEST"),
    "no signature": (no_signature, "SIG-ABSENT"),
    "signed by another agency": (own_words_of_another, "SIG-PIN"),
}


async def test_threat_104_an_unproved_packet_is_in_quarantine_with_its_reason_and_answered_by_nobody(
    town: Town, cases: Cases
) -> None:
    """A7, threat 104."""

    async def check(case: tuple[Callable[[Town], Packet], str]) -> None:
        make, code = case
        packet = make(town)
        row = await town.brought(packet)
        await town.deliver(packet)
        town.clock.advance(120)
        await town.carry()

        assert row.state == "quarantined"
        assert re.fullmatch(code, row.code or ""), row.code
        assert row.reason
        assert (row.sender_code, row.document_id) == (None, None)  # nothing that it says is believed
        assert any(step.ok is False for step in row.steps)

    await cases.check_rows_async(UNPROVED, check)
    assert await town.count("job") == 0
    assert await town.statuses(PROVINCE) == 0
    assert await town.incoming() == ()
    await next_is_handled(town)


async def test_a_person_can_neither_answer_nor_let_in_an_unproved_packet(town: Town) -> None:
    """A7; who releases it has it proved anew."""
    row = await town.brought(broken(town))
    scope = await town.scope(PROVINCE)

    with pytest.raises(InvalidEnvelope):
        await process.give_back(town.node.inn, scope, row.id, "Sai chữ ký", "NOT_AUTHENTIC")
    assert (await town.inbox())[0].state == "quarantined"
    await town.act_and_carry(process.release(town.node.inn, scope, row.id, "Xem lại"))

    assert await town.count("job") == 0
    (later_row,) = await town.inbox()
    assert (later_row.state, later_row.code) == ("quarantined", "SIG-DIGEST")
    assert await town.incoming() == ()


async def test_a_packet_that_is_no_envelope_is_malformed_and_answered_by_nobody(
    town: Town, cases: Cases
) -> None:
    utf_16, entity = b"\xff\xfe<\x00a\x00/\x00>\x00", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"
    for raw in (b"", b"not xml at all", b"<edXML>", entity, utf_16):
        with cases.case(raw):
            row = await town.brought(Packet(raw=raw, id="x-1", kind="edoc", sender=DEPARTMENT))

            assert row.state in ("malformed", "quarantined")
            assert (row.code or "").startswith("ENV-")
            assert row.reason
    assert await town.count("job") == 0
    await next_is_handled(town)


RUNS = (("a.pdf", b"MZ\x90\x00" + b"\0" * 200),)


async def test_a_file_that_breaks_a_rule_is_held_for_the_clerk_who_may_take_it_in(town: Town) -> None:
    """Interfaces 1.3: an executable named .pdf is a held document, answered 01 and not handed over."""
    row = await town.brought(town.forge(document(files=RUNS), RUNS))

    held_item = await town.only()
    assert (row.state, held_item.state) == ("done", InState.HELD)
    assert held_item.checks["reasons"]
    assert await town.statuses(PROVINCE) == 1
    async with town.node.store.begin(await town.scope(PROVINCE)) as work:
        assert await work.handovers.lease("key", 10, town.clock.now() + timedelta(minutes=1)) == []

    await town.status(held_item, "03", register_no="9")

    assert (await town.reload(held_item)).state is InState.ACCEPTED
    async with town.node.store.begin(await town.scope(PROVINCE)) as work:
        assert len(await work.handovers.lease("key", 10, town.clock.now() + timedelta(minutes=1))) == 1


async def test_a_held_document_is_given_back_with_02(town: Town) -> None:
    await town.brought(town.forge(document(files=RUNS), RUNS))

    status = await town.act_and_carry(town.status(await town.only(), "02", reason="FORBIDDEN_CONTENT"))

    assert (status.document.state, status.register_no) == (InState.REJECTED, None)
    assert await town.statuses(PROVINCE) == 2


@pytest.mark.parametrize("ahead", [timedelta(minutes=11), -timedelta(days=31)])
async def test_an_odd_signing_time_is_held_and_a_person_may_release_it(town: Town, ahead: timedelta) -> None:
    """K2, rule 12.8."""
    packet = town.forge(document(), FILES, at=town.clock.now())
    if ahead < timedelta():
        town.clock.advance(-ahead)
    else:
        packet = town.forge(document(), FILES, at=town.clock.now() + ahead)
    held_item = await town.brought(packet)
    assert (held_item.state, held_item.code) == ("held", "SIG-TIME")
    assert await town.statuses(PROVINCE) == 0

    await process.release(town.node.inn, await town.scope(PROVINCE), held_item.id, "Đồng hồ nơi gửi sai")
    await town.carry()

    assert (await town.row(PROVINCE, packet)).state == "done"
    assert (await town.only()).state is InState.NEW


async def test_threat_056_112_a_copy_of_our_own_packet_sent_back_to_us_is_handled_once_and_starts_no_loop(
    town: Town,
) -> None:
    """Threats 56 and 112."""
    packet = town.forge(document(sender=DEPARTMENT, to=(PROVINCE,)), FILES)

    await town.act_and_carry(town.deliver(packet, DEPARTMENT))

    states = sorted(row.state for row in await town.inbox(DEPARTMENT))
    assert states in (["returned", "waiting"], ["quarantined", "returned"])
    assert await town.statuses(DEPARTMENT) == 1
    assert await town.incoming(DEPARTMENT) == ()


async def test_the_old_code_of_an_agency_is_ours_too(town: Town) -> None:
    """A5: an alias valid at T in the signed To."""
    alias = (await town.agency(PROVINCE)).aliases[0]
    packet = town.forge(document(to=(alias,)), FILES)
    await town.act_and_carry(town.deliver(packet, alias))

    assert (await town.only()).recipients == (alias,)
