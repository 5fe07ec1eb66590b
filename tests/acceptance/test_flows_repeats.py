"""Exactly once admitted (G3, section 6 of the verification rules): repeats are answered again, conflicts stay out, old
packets played again change nothing, and rubbish that arrives first takes no other packet's place."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.document import InState, Kind
from gateway.errors import Clash, Conflict
from gateway.incoming import process, seal
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    PDF,
    PROVINCE,
    Town,
    document,
    receipt_for,
    status_about,
    update_of,
)

FILES = (("van-ban.pdf", PDF),)
MINUTE = timedelta(minutes=2)


async def test_threat_050_052_a_repeat_is_one_admission_and_gets_a_second_answer(town: Town) -> None:
    """A4: of the same bytes, and of the same body under another packet id, whose bytes are not kept.
    R116 (automatic receipt)."""
    packet = town.forge(document(), FILES)
    first = await town.brought(packet)
    town.clock.advance(MINUTE)
    repeated = await town.brought(packet)
    town.clock.advance(MINUTE)
    copy = town.forge(document(), FILES)
    row = await town.brought(copy)

    assert repeated.id == first.id
    assert (row.state, row.code, row.incoming_id) == ("done", "MSG-REPEAT", first.incoming_id)
    assert len(await town.inbox()) == 2
    assert await town.read(await town.only()) == PDF
    answers_sent = await town.outbox(PROVINCE, Kind.STATUS)
    assert len(answers_sent) == 3
    assert len({item.envelope_digest for item in answers_sent}) == 1  # the same signed answer
    assert "inbox.repeated" in [event.kind for event in await town.events(PROVINCE, first.id)]
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        assert not await work.blobs.holds(copy.digest)
        assert await work.blobs.holds(first.file_digest)


async def test_threat_051_two_statuses_under_one_packet_id_conflict_too(town: Town) -> None:
    sent = await town.act_and_carry(town.send("15"))
    sent = await town.document(sent)
    first = town.forge(status_about("03", sent.document_id), id="s", receipt=receipt_for(sent, "03"))
    second = town.forge(status_about("06", sent.document_id), id="s", receipt=receipt_for(sent, "06"))

    await town.brought(first, DEPARTMENT)
    row = await town.brought(second, DEPARTMENT)

    assert (row.state, row.code) == ("quarantined", "MSG-CONFLICT")
    assert (await town.delivery(sent)).state == "accepted"


@pytest.mark.parametrize("code", ["02", "15", "16"])
async def test_threat_105_an_old_status_played_again_changes_nothing(town: Town, code: str) -> None:
    """A4, threat 105: from the recipient's own signed past, under another transport."""
    sent = await town.act_and_carry(town.send("15"))
    arrived = await town.only()
    if code == "02":
        await town.act_and_carry(town.status(arrived, "02"))
        await town.status(arrived, "03", at=town.clock.now() + timedelta(minutes=1))
    else:
        await town.act_and_carry(town.update(sent))
        await town.status(arrived, code)
    await town.carry()
    (old,) = [x for x in await town.crossed(PROVINCE, Kind.STATUS) if f"StatusCode>{code}<".encode() in x.raw]
    before_repeat = (await town.standing(sent), await town.count("fact"))
    town.clock.advance(timedelta(days=20))

    await town.brought(old, DEPARTMENT)
    row = await town.brought(town.forge(town.model(old), id="another-id"), DEPARTMENT)

    assert (row.state, row.code) == ("done", "MSG-REPEAT")
    assert (await town.standing(sent), await town.count("fact")) == before_repeat


async def test_threat_105_an_old_take_back_played_again_opens_nothing(town: Town) -> None:
    """A4, threat 105."""
    sent = await town.act_and_carry(town.send("15"))
    await town.act_and_carry(town.recall(sent, take_back=True))
    arrived = await town.only()
    await town.act_and_carry(town.status(arrived, "16"))
    (old,) = await town.crossed(DEPARTMENT, Kind.STATUS)

    await town.deliver(old)
    await town.brought(town.forge(town.model(old), id="again"))

    row = (await town.inbox())[0]
    assert (row.state, row.code) == ("done", "MSG-REPEAT")
    assert (await town.reload(arrived)).state is InState.NEW
    assert len([e for e in await town.events(PROVINCE, arrived.id) if e.kind == "inbox.request"]) == 1


async def test_threat_105_an_old_update_played_again_after_a_newer_one_is_a_repeat(town: Town) -> None:
    """A4, A6, threat 105."""
    sent = await town.act_and_carry(town.send("15"))
    arrived = await town.only()
    first = await town.act_and_carry(town.update(sent, "Lần một"))
    await town.act_and_carry(town.status(arrived, "15"))
    await town.act_and_carry(town.update(sent, "Lần hai"))
    await town.act_and_carry(town.status(arrived, "15"))
    (old,) = [x for x in await town.crossed(DEPARTMENT, Kind.UPDATE) if x.id == first.packet_id]

    row = await town.brought(old)

    assert row.state == "done"
    assert len(await town.incoming()) == 3
    assert (await town.reload(arrived)).subject == "Lần hai"


async def test_threat_054_an_update_signed_before_one_already_applied_is_shown_and_not_applied(
    town: Town,
) -> None:
    """A6, MSG-STALE: a delayed packet must not roll back."""
    await town.brought(town.forge(document(), FILES))
    arrived = await town.only()
    delayed = town.forge(update_of(subject="Bản cũ"), FILES)
    town.clock.advance(timedelta(hours=1))
    await town.brought(town.forge(update_of(subject="Bản mới"), FILES))
    await town.status(arrived, "15")
    assert (await town.reload(arrived)).subject == "Bản mới"
    statuses_before = await town.statuses(PROVINCE)

    row = await town.brought(delayed)

    assert (row.state, row.code) == ("done", "MSG-STALE")
    documents = [x for x in await town.incoming() if x.id == row.incoming_id]
    assert [(x.state, x.marks, x.subject) for x in documents] == [
        (InState.DONE, ("revocation_unknown", "stale"), "Bản cũ")
    ]
    reloaded = await town.reload(arrived)
    assert (reloaded.subject, reloaded.state) == ("Bản mới", InState.NEW)
    assert await town.statuses(PROVINCE) == statuses_before + 2  # the 15 on its way, and 01: it is stored
    newer = await town.brought(town.forge(update_of(subject="Bản mới nhất"), FILES))
    assert (newer.state, newer.code) == ("done", None)


async def test_after_02_the_corrected_document_is_a_new_attempt_and_takes_the_number(town: Town) -> None:
    """A9, R117."""
    sent = await town.act_and_carry(town.send("15", COMMUNE))
    refused = await town.act_and_carry(town.status(await town.only(COMMUNE), "02"))
    assert refused.register_no is None

    corrected = await town.act_and_carry(town.send("15", COMMUNE, subject="Đã sửa"))

    assert corrected.attempt == 2
    newest, first = await town.incoming(COMMUNE)
    assert (newest.attempt, first.attempt) == (2, 1)
    assert (newest.state, first.state) == (InState.NEW, InState.REJECTED)
    assert (await town.status(newest, "03")).register_no == "1"
    await town.carry()
    assert (await town.delivery(sent)).state == "rejected"
    assert (await town.delivery(corrected)).state == "accepted"


async def test_a_packet_id_or_body_that_was_held_is_not_claimed(town: Town) -> None:
    await town.brought(town.forge(document(), FILES))
    other = document(subject="Nội dung khác")
    held_item = await town.brought(town.forge(other, FILES, id="h"))
    second_held = await town.brought(town.forge(other, FILES, id="h2"))
    assert [held_item.state, second_held.state] == ["held", "held"]

    await town.act_and_carry(process.release(town.node.inn, await town.scope(PROVINCE), held_item.id, "Nhận"))
    await town.act_and_carry(
        process.release(town.node.inn, await town.scope(PROVINCE), second_held.id, "Nhận")
    )

    states = {row.id: (row.state, row.code) for row in await town.inbox()}
    assert states[held_item.id][0] == "done"
    assert states[second_held.id] == ("done", "MSG-REPEAT")
    assert len(await town.incoming()) == 2


async def test_threat_050_repeats_of_a_purged_document_are_still_repeats(town: Town) -> None:
    """Threat 50: tombstones outlive the purge."""
    sent = await town.act_and_carry(town.send("15"))
    await town.act_and_carry(town.recall(sent))
    town.clock.advance(timedelta(days=31))
    assert await seal.purge_recalled(town.node.inn) == 1
    await town.node.blobs.sweep(town.clock.now() + timedelta(days=2))

    (old,) = await town.crossed(DEPARTMENT, Kind.DOCUMENT)
    await town.brought(old)

    assert len(await town.incoming()) == 2
    assert (await town.only()).state is InState.RECALLED


@pytest.mark.parametrize("reason_held", ["other content", "an odd signing time"])
async def test_what_was_given_back_by_hand_is_a_repeat_in_another_wrapping(
    town: Town, reason_held: str
) -> None:
    """A3, A4: the 02 is signed for this body, so its identity is taken with it."""
    model = document(subject="Nội dung khác hẳn")
    if reason_held == "other content":
        await town.brought(town.forge(document(), FILES))
        held_item = await town.brought(town.forge(model, FILES))
    else:
        held_item = await town.brought(town.forge(model, FILES, at=town.clock.now() + timedelta(minutes=11)))
    count_before = len(await town.incoming())
    await process.give_back(town.node.inn, await town.scope(PROVINCE), held_item.id, "Sai mẫu", "BAD_FORM")
    await town.carry()
    statuses_before = await town.statuses(PROVINCE)
    town.clock.advance(timedelta(minutes=12))

    repeated = await town.brought(town.forge(model, FILES))

    assert (repeated.state, repeated.code) == ("done", "MSG-REPEAT")
    assert len(await town.incoming()) == count_before
    assert await town.statuses(PROVINCE) == statuses_before + 1  # the same 02 once more


async def test_after_a_02_by_hand_the_corrected_document_is_a_new_attempt(town: Town) -> None:
    """A9, R117."""
    odd = town.clock.now() + timedelta(minutes=11)
    held_item = await town.brought(town.forge(document(), FILES, at=odd))
    await process.give_back(town.node.inn, await town.scope(PROVINCE), held_item.id, "Sai mẫu", "BAD_FORM")

    await town.brought(town.forge(document(subject="Đã sửa"), FILES))

    assert [(x.attempt, x.state) for x in await town.incoming()] == [(2, InState.NEW)]


async def test_a_copy_of_what_was_admitted_cannot_be_given_back(town: Town) -> None:
    """One body has one answer: 03 and 02 for the same packet would contradict each other."""
    odd = town.forge(document(), FILES, at=town.clock.now() + timedelta(minutes=11))
    held_item = await town.brought(odd)
    admitted = await town.brought(town.forge(document(), FILES))
    conflict = await town.brought(town.forge(document("201"), FILES, id=(await town.only()).packet_id))
    statuses_before = await town.statuses(PROVINCE)

    scope = await town.scope(PROVINCE)
    with pytest.raises(Clash, match=admitted.incoming_id):
        await process.give_back(town.node.inn, scope, held_item.id, "Trùng", "DUPLICATE")
    with pytest.raises(Conflict, match="the first stays"):
        await process.give_back(town.node.inn, scope, conflict.id, "Trùng", "DUPLICATE")

    assert await town.statuses(PROVINCE) == statuses_before
    town.clock.advance(MINUTE)
    await town.act_and_carry(process.release(town.node.inn, scope, held_item.id, "Là bản sao"))
    row = await town.row(PROVINCE, odd)
    assert (row.state, row.code) == ("done", "MSG-REPEAT")
