"""Second thoughts of a sender, end to end: recall by itself and by a clerk, take-back, update, replacement; one open
request at a time on both sides; recalled files unreadable at once and purged when their days are over (R70)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.document import DocumentChange, InState, Kind
from gateway.errors import Clash, Refused
from gateway.incoming import process, reading, seal
from gateway.outgoing import manage, recall
from tests.support.api import pdf
from tests.support.comments import add_comment
from tests.support.hosted import save_hosted
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    PDF,
    PROVINCE,
    Town,
    document,
    recall_of,
    replacement_of,
    update_of,
)
from tests.support.stores import committing
from tests.support.strategies import Files

FILES: Files = (("van-ban.pdf", PDF),)
OTHER = pdf(2)
RUNS: Files = (("a.pdf", b"MZ\x90\x00" + b"\0" * 200),)


async def test_a_recall_before_taking_in_is_agreed_by_itself_and_the_files_are_unreadable_at_once(
    town: Town,
) -> None:
    """R70."""
    sent = await town.act_and_carry(town.send("15"))
    arrived = await town.only()

    notice = await town.act_and_carry(town.recall(sent))

    assert (await town.delivery(sent)).state == "request_agreed"
    assert (await town.delivery(notice)).state == "delivered"
    assert (await town.reload(arrived)).state is InState.RECALLED
    for n in (1, 2):
        with pytest.raises(Clash) as clash:
            await town.read(arrived, n)
        assert clash.value.code == "GW-UNREADABLE"
    with pytest.raises(Clash):
        await reading.open_envelope(town.node.inn, await town.scope(PROVINCE), arrived.id)
    assert [e.data.get("by_itself") for e in await town.events(PROVINCE, arrived.id)][-1] is True


async def test_a_profile_may_leave_the_recall_to_the_clerk(town: Town) -> None:
    agency = await town.agency(PROVINCE)
    await save_hosted(town.node.store.accounts, replace(agency, answer_recall=False))
    sent = await town.act_and_carry(town.send("15"))
    await town.act_and_carry(town.recall(sent))

    assert (await town.delivery(sent)).state == "recall_asked"
    assert await town.read(await town.only()) == PDF


@pytest.mark.parametrize(("answer", "state"), [("15", "request_agreed"), ("16", "accepted")])
async def test_threat_054_a_recall_after_taking_in_is_the_clerks_to_answer(
    town: Town, answer: str, state: str
) -> None:
    sent = await town.act_and_carry(town.send("15"))
    arrived = await town.only()
    await town.act_and_carry(town.status(arrived, "03", register_no="77"))
    notice = await town.act_and_carry(town.recall(sent))
    assert (await town.delivery(sent)).state == "recall_asked"
    assert await town.read(arrived) == PDF

    child = await town.as_incoming(notice)
    await town.status(child, answer)  # said to the recall itself, or to its document: the same
    assert (await town.status(arrived, answer)).repeated
    await town.carry()

    assert (await town.delivery(sent)).state == state
    fresh = await town.reload(arrived)
    assert fresh.register_no == "77"
    assert fresh.state is (InState.RECALLED if answer == "15" else InState.ACCEPTED)


async def test_purged_after_thirty_days_while_digests_header_and_register_line_stay(town: Town) -> None:
    """R70; the update's files went into the document, so they go too, and the agency's own comments with them."""
    sent = await town.act_and_carry(town.send("15"))
    arrived = await town.only()
    await town.status(arrived, "03", register_no="77")
    scope = await town.scope(PROVINCE)
    await add_comment(town, scope, arrived.id, "Bên gửi báo sẽ sửa")
    await town.act_and_carry(town.update(sent, files=(("moi.pdf", OTHER),)))
    await town.act_and_carry(town.status(arrived, "15"))
    await town.act_and_carry(town.recall(sent))
    await town.act_and_carry(town.status(arrived, "15"))
    (update,) = [document for document in await town.incoming() if document.kind is Kind.UPDATE]
    with pytest.raises(Clash):
        await town.read(update)

    town.clock.advance(timedelta(days=29, hours=23))
    assert await seal.purge_recalled(town.node.inn) == 0
    town.clock.advance(timedelta(hours=2))
    assert await seal.purge_recalled(town.node.inn) == 1
    assert await seal.purge_recalled(town.node.inn) == 0

    fresh = await town.reload(arrived)
    assert (fresh.state, fresh.register_no, fresh.subject) == (InState.RECALLED, "77", "Nội dung đã sửa")
    assert "purged" in fresh.marks
    assert [file.sha256 for file in fresh.files] == [file.sha256 for file in update.files]
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        assert not await work.blobs.holds(arrived.envelope_digest)
        assert not await work.blobs.holds(update.envelope_digest)
        entries = await work.register.entries("incoming", 2026)
        assert not await work.comments.of_document(arrived.id, 9)
        assert not await work.comments.readers_of(arrived.id)
    assert [entry.number for entry in entries] == ["77"]
    assert (await town.events(PROVINCE, arrived.id))[-1].data["purged"] is True


async def test_a_second_request_is_refused_at_the_sender_while_one_is_open(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    await town.act_and_carry(town.status(await town.only(), "03"))
    await town.update(sent)

    for take_back in (True, False):
        with pytest.raises(Clash) as clash:
            await town.recall(sent, take_back=take_back)
        assert clash.value.code == "GW-REQUEST-OPEN"
    with pytest.raises(Clash):
        await town.update(sent, "Lần nữa")
    await town.carry()
    await town.act_and_carry(town.status(await town.only(), "16"))

    await town.recall(sent)


async def test_threat_054_a_second_request_is_held_at_the_receiver_while_one_is_open(town: Town) -> None:
    await town.brought(town.forge(document(), FILES))
    await town.brought(town.forge(update_of(subject="Một"), FILES))
    second = await town.brought(town.forge(update_of(subject="Hai"), FILES))
    arrived = await town.only()
    assert (second.state, second.code) == ("held", "REQUEST-OPEN")

    await town.status(arrived, "16")
    await process.release(town.node.inn, await town.scope(PROVINCE), second.id, "Đã trả lời yêu cầu trước")
    await town.carry()
    await town.status(arrived, "15")

    assert (await town.reload(arrived)).subject == "Hai"


async def test_threat_054_a_document_recalled_already_agrees_to_a_second_recall(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    await town.act_and_carry(town.recall(sent))
    town.clock.advance(1)  # within one second it would be the same packet body, and a repeat

    await town.act_and_carry(town.recall(sent))
    assert (await town.delivery(sent)).state == "recall_asked"
    status = await town.act_and_carry(town.status(await town.only(), "15"))

    assert not status.repeated
    assert (await town.delivery(sent)).state == "request_agreed"


async def test_threat_054_a_recalled_document_is_not_changed_by_an_update(town: Town) -> None:
    await town.brought(town.forge(document(), FILES))
    await town.brought(town.forge(recall_of()))
    arrived = await town.only()
    await town.brought(town.forge(update_of(subject="Sống lại"), FILES))

    with pytest.raises(Clash):
        await town.status(arrived, "15")
    await town.status(arrived, "16")

    fresh = await town.reload(arrived)
    assert (fresh.state, fresh.subject) == (InState.RECALLED, arrived.subject)


async def test_a_status_said_to_an_update_does_not_take_in_or_refuse_its_document(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    update = await town.act_and_carry(town.update(sent))
    child = await town.as_incoming(update)

    for code in ("02", "03", "04", "06"):
        with pytest.raises(Clash):
            await town.status(child, code)

    assert (await town.only()).state is InState.NEW
    assert (await town.delivery(sent)).state == "update_asked"


async def test_an_answer_said_to_an_update_answers_that_one_and_no_later_one(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    first = await town.act_and_carry(town.update(sent, "Một"))
    child = await town.as_incoming(first)
    await town.act_and_carry(town.status(child, "16"))
    await town.act_and_carry(town.update(sent, "Hai"))

    assert (await town.status(child, "16")).repeated
    with pytest.raises(Clash):
        await town.status(child, "15")

    assert (await town.delivery(sent)).state == "update_asked"


async def test_a_request_that_breaks_a_rule_is_held_and_nothing_is_agreed_by_itself(town: Town) -> None:
    """Interfaces 1.4, 1.5: a macro in an update's file; a person may let it in."""
    await town.brought(town.forge(document(), FILES))

    row = await town.brought(town.forge(update_of(files=RUNS), RUNS))

    assert (row.state, row.code) == ("held", "GW-I-100")
    assert (await town.only()).state is InState.NEW
    await town.act_and_carry(process.release(town.node.inn, await town.scope(PROVINCE), row.id, "Xem rồi"))
    (fresh,) = [x for x in await town.inbox() if x.id == row.id]
    assert fresh.state == "done"


async def test_a_replacement_marks_the_old_one_only_when_it_is_taken_in(town: Town) -> None:
    """Interfaces 1.3."""
    sent = await town.act_and_carry(town.send("15"))
    old = await town.only()
    new = await town.act_and_carry(town.replacement(sent, "16"))
    arrived = await town.as_incoming(new)
    assert (await town.reload(old)).state is InState.NEW

    await town.status(arrived, "02")
    assert (await town.reload(old)).state is InState.NEW
    town.clock.advance(1)
    await town.status(arrived, "03")

    fresh = await town.reload(old)
    assert (fresh.state, fresh.replaced_by) == (InState.REPLACED, arrived.id)
    await town.carry()
    assert (await town.delivery(new)).state == "accepted"


async def test_a_replacement_signed_before_one_already_taken_in_replaces_nothing(town: Town) -> None:
    """A6."""
    await town.brought(town.forge(document(), FILES))
    old = await town.only()
    delayed = town.forge(replacement_of("200", "201"), FILES)
    town.clock.advance(timedelta(hours=1))
    await town.brought(town.forge(replacement_of("200", "202"), FILES))
    newer = (await town.incoming())[0]
    await town.status(newer, "03", register_no="1")
    await town.brought(delayed)
    older = (await town.incoming())[0]

    status = await town.status(older, "03", register_no="2")

    assert (await town.reload(old)).replaced_by == newer.id
    assert "stale" in status.document.marks


@pytest.mark.parametrize("files", [FILES, RUNS], ids=["good", "held by the rules"])
async def test_an_original_that_comes_after_its_replacement_was_taken_in_is_admitted_as_replaced(
    town: Town, files: Files
) -> None:
    """Interfaces 1.3: the order of arrival plays no part."""
    await town.brought(town.forge(replacement_of("200", "201"), FILES))
    newer = await town.only()
    await town.status(newer, "03", register_no="1")
    statuses_before = await town.statuses(PROVINCE)

    row = await town.brought(town.forge(document(files=files), files))

    (old,) = [x for x in await town.incoming() if x.id == row.incoming_id]
    assert (old.state, old.replaced_by) == (InState.REPLACED, newer.id)
    assert bool(old.checks.get("reasons")) is (files is RUNS)
    assert await town.statuses(PROVINCE) == statuses_before + 2  # the 03 on its way, and 01 for the original
    assert [e.data.get("replaced_by") for e in await town.events(PROVINCE, old.id)] == [newer.id]
    status = await town.status(old, "03", register_no="2")
    assert (status.document.state, status.register_no) == (InState.REPLACED, "2")


@pytest.mark.parametrize("code", [None, "02"])
async def test_an_original_that_comes_before_its_replacement_is_taken_in_is_new(
    town: Town, code: str | None
) -> None:
    await town.brought(town.forge(replacement_of("200", "201"), FILES))
    newer = await town.only()
    if code:
        await town.status(newer, code)

    row = await town.brought(town.forge(document(), FILES))

    (old,) = [x for x in await town.incoming() if x.id == row.incoming_id]
    assert (old.state, old.replaced_by) == (InState.NEW, None)
    town.clock.advance(1)
    await town.status(newer, "03", register_no="1")
    assert (await town.reload(old)).replaced_by == newer.id


async def test_an_original_that_comes_last_of_all_is_linked_to_the_newest_replacement(town: Town) -> None:
    """A6: as if it had come first."""
    delayed = town.forge(replacement_of("200", "201"), FILES)
    town.clock.advance(timedelta(hours=1))
    newest = await town.brought(town.forge(replacement_of("200", "202"), FILES))
    await town.status((await town.incoming())[0], "03", register_no="1")
    town.clock.advance(1)
    await town.brought(delayed)
    await town.status((await town.incoming())[0], "03", register_no="2")

    row = await town.brought(town.forge(document(), FILES))

    (old,) = [x for x in await town.incoming() if x.id == row.incoming_id]
    assert (old.state, old.replaced_by) == (InState.REPLACED, newest.incoming_id)


async def test_a_cancelled_update_leaves_no_open_request(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    update = await town.update(sent)
    assert (await town.delivery(sent)).state == "update_asked"

    await manage.cancel(town.node.out, await town.scope(DEPARTMENT), update.id)

    assert (await town.delivery(sent)).state == "delivered"
    await town.carry()
    assert len(await town.incoming()) == 1
    await town.recall(sent)


async def test_a_draft_update_asks_nothing_before_it_is_sent(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    change = DocumentChange(reason="Sửa", target=sent.document_id)
    update = await town.send(
        "15", kind=Kind.UPDATE, parent_id=sent.id, change=change, subject="Mới", send=False
    )
    assert (await town.delivery(sent)).state == "delivered"

    await manage.send_draft(town.node.out, await town.scope(DEPARTMENT), update.id)
    assert (await town.delivery(sent)).state == "update_asked"
    await town.carry()
    await town.status(await town.only(), "15")

    assert (await town.only()).subject == "Mới"


async def test_a_request_whose_packet_was_refused_may_be_repeated(town: Town) -> None:
    """Else one 02 to a damaged update would lock the document for ever."""
    sent = await town.act_and_carry(town.send("15"))
    update = await town.update(sent)
    packet_id = update.packet_id
    await town._host()
    await town.pack()
    await town.dispatch()
    await town.land()
    row = next(x for x in await town.inbox() if x.transport_packet_id == packet_id)
    async with committing(town.node.store, await town.scope(PROVINCE)) as work:
        await work.inbox.settle(replace(row, state="held", code="GW-I-100"), None)
    await process.give_back(town.node.inn, await town.scope(PROVINCE), row.id, "Tệp hỏng", "DAMAGED")
    await town.carry()
    assert (await town.delivery(update)).state == "rejected"
    assert (await town.delivery(sent)).state == "update_asked"

    await town.act_and_carry(town.update(sent, "Lần nữa"))
    await town.act_and_carry(town.status(await town.only(), "15"))

    assert (await town.only()).subject == "Lần nữa"
    assert (await town.delivery(sent)).state == "delivered"


async def test_a_recall_names_its_approver_its_notice_and_recipients_that_have_the_document(
    town: Town,
) -> None:
    sent = await town.send("15", PROVINCE, COMMUNE)
    scope = await town.scope(DEPARTMENT)
    await town.carry()

    with pytest.raises(Refused) as refused:
        await recall.recall(town.node.out, scope, sent.id, reason="", approved_by=None, notice_no=None)
    assert {x.pointer for x in refused.value.verdict.reasons} == {"/reason", "/approved_by", "/notice_no"}  # type: ignore[attr-defined]
    with pytest.raises(Refused):
        await recall.recall(
            town.node.out,
            scope,
            sent.id,
            reason="Nhầm",
            approved_by="A",
            notice_no="1",
            recipients=["Z91.99"],
        )
    await recall.recall(
        town.node.out, scope, sent.id, reason="Nhầm", approved_by="A", notice_no="1", recipients=[COMMUNE]
    )
    await town.carry()

    states = {code: x.state for code, x in (await town.deliveries(sent)).items()}
    assert states == {PROVINCE: "delivered", COMMUNE: "request_agreed"}


async def test_what_has_not_left_cannot_be_recalled(town: Town) -> None:
    sent = await town.send("15")

    with pytest.raises(Clash, match="cancel it instead"):
        await town.recall(sent)


async def test_a_used_number_is_refused_on_the_way_out_even_when_two_ask_at_once(town: Town) -> None:
    """R117 at the sender."""
    outcomes = await asyncio.gather(
        *(town.send("15", subject=f"Bản {n}") for n in range(4)), return_exceptions=True
    )

    refused = [x for x in outcomes if isinstance(x, Refused)]
    assert len(refused) == 3
    assert all("number-taken" in str(x) for x in refused)
    await town.carry()
    assert len(await town.incoming()) == 1
    with pytest.raises(Refused, match="number-taken"):
        await town.send("15", COMMUNE, files=(("khac.pdf", OTHER),))
    await town.send("15", COMMUNE)  # the very same files to a further recipient
