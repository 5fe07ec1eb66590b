"""Statuses and receipts (R3 to R5, A5): a proved one moves the delivery it names, a wrong one moves nothing, an agency
that was not asked is ignored, and contradictions stand in any order of arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.document import Kind, OutgoingDocument
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.queues import InboxPacket
from gateway.errors import Clash
from gateway.incoming import settle
from tests.support.cases import Cases
from tests.support.clock import START
from tests.support.node import (
    COMMUNE,
    DEPARTMENT,
    PDF,
    PROVINCE,
    Town,
    document_id,
    recall_of,
    receipt_for,
    resigned,
    status_about,
    update_of,
)

OTHER = Digest("ab" * 32)


async def sent_and_arrived(town: Town, *to: str, number: str = "15") -> OutgoingDocument:
    sent = await town.act_and_carry(town.send(number, *to))
    return await town.document(sent)


async def say(
    town: Town,
    sent: OutgoingDocument,
    code: str,
    *,
    by: str = PROVINCE,
    minutes: float = 0,
    about_id: str | None = None,
    receipt: bool = True,
    note: str = "Ghi chú",
    **wrong: Any,
) -> InboxPacket:
    """Bring in a status of `by` about the document that the department sent, with a receipt that is true but for
    `wrong`."""
    model = status_about(
        code,
        about_id or sent.document_id,
        sender=by,
        at=START + timedelta(minutes=minutes),
        note=note,
    )
    signed_receipt = receipt_for(sent, code, **wrong) if receipt else None
    return await town.brought(town.forge(model, receipt=signed_receipt), DEPARTMENT)


async def test_a_true_receipt_is_a_proved_fact_of_that_delivery_alone(town: Town) -> None:
    """R3."""
    sent = await sent_and_arrived(town, PROVINCE, COMMUNE)

    row = await say(town, sent, "03", by=COMMUNE, minutes=1)

    assert (row.state, row.code) == ("done", None)
    deliveries = await town.deliveries(sent)
    assert {code: x.state for code, x in deliveries.items()} == {
        PROVINCE: "delivered",
        COMMUNE: "accepted",
    }


@pytest.mark.parametrize(
    ("receipt", "is_proved"),
    [({"receipt": False}, False), ({"file_digest": OTHER}, True)],
    ids=["none", "whose wrapper differs"],
)
async def test_the_body_decides_whether_a_receipt_proves(
    town: Town, receipt: dict[str, Any], is_proved: bool
) -> None:
    """R3; a status without a receipt counts, and proves nothing."""
    sent = await sent_and_arrived(town)

    row = await say(town, sent, "03", **receipt)

    assert row.state == "done"
    assert (await town.delivery(sent)).state == "accepted"
    assert [fact.proved for fact in await town.facts(sent) if fact.code == "03"] == [is_proved]


async def test_threat_053_110_a_status_that_its_receipt_or_its_sender_cannot_say_moves_nothing(
    town: Town, cases: Cases
) -> None:
    """R3 and A5: other bytes, another delivery's receipt, and an agency that was no recipient."""
    sent = await sent_and_arrived(town)
    other = await sent_and_arrived(town, number="16")
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "body of another document": ({"body_digest": OTHER}, "RCPT-DIGEST"),
        "no body digest": ({"body_digest": None}, "RCPT-DIGEST"),
        "another document": ({"of_document_id": DocumentId(document_id("77"))}, "RCPT-DIGEST"),
        "a packet never sent": ({"of_packet_id": PacketId("pkt_unknown")}, "RCPT-DIGEST"),
        "copied from another delivery": ({"of_document_id": other.document_id}, "RCPT-DIGEST"),
        "of another agency's packet": ({"of_sender": COMMUNE}, "MSG-NOT-PARTY"),
        "of no recipient": ({"by": COMMUNE}, "MSG-NOT-PARTY"),
        "of no recipient, without a receipt": ({"by": COMMUNE, "receipt": False}, "MSG-NOT-PARTY"),
    }

    for minute, (name, (fields, code)) in enumerate(wrong.items()):
        with cases.case(name):
            row = await say(town, sent, "06", minutes=minute, **fields)

            assert (row.state, row.code) == ("quarantined", code)
            assert [(await town.delivery(x)).state for x in (sent, other)] == ["delivered", "delivered"]


async def test_threat_106_a_status_for_another_agencys_document_is_not_ours_to_hear(town: Town) -> None:
    """A5, threat 106."""
    sent = await sent_and_arrived(town)
    model = status_about("03", sent.document_id, sender=PROVINCE, to=DEPARTMENT)

    row = await town.brought(town.forge(model, receipt=receipt_for(sent, "03")), COMMUNE)

    assert (row.state, row.code) == ("quarantined", "MSG-NOT-PARTY")


async def test_threat_110_a_qualifier_that_says_another_code_is_refused(town: Town) -> None:
    """Threat 110: gw:StatusCode is 02, StatusCode is 03."""
    sent = await sent_and_arrived(town)
    good = town.forge(status_about("03", sent.document_id), receipt=receipt_for(sent, "03"))
    packet = resigned(
        town,
        good,
        lambda raw: raw.replace(b"<edXML:StatusCode>03<", b"<edXML:StatusCode>02<"),
    )

    row = await town.brought(packet, DEPARTMENT)

    assert (row.state, row.code) == ("quarantined", "RCPT-DIGEST")
    assert (await town.delivery(sent)).state == "delivered"


async def test_threat_054_110_what_is_told_is_folded_as_the_table_of_states_says(town: Town) -> None:
    """R5: one story of each kind; all orders and ties are those of `domain.status`. R69 (feedback)."""
    with_later, odd, marked = [await sent_and_arrived(town, number=number) for number in ("15", "16", "17")]
    town.clock.advance(timedelta(minutes=9))
    await say(town, with_later, "03", minutes=2)
    await say(town, with_later, "02", minutes=1)
    decades = (START.replace(year=2099) - START).total_seconds() / 60
    await say(town, odd, "02", minutes=decades)
    town.clock.advance(timedelta(minutes=1))
    await say(town, odd, "03", minutes=10)
    for code in ("42", "15", "16"):
        assert (await say(town, marked, code)).state == "done"

    deliveries = [await town.delivery(x) for x in (with_later, odd, marked)]

    assert [(x.state, x.marks) for x in deliveries] == [
        ("accepted", ("contradiction",)),
        ("accepted", ("contradiction", "odd_time:02")),
        ("delivered", ("stray:15", "stray:16", "unknown:42")),
    ]
    assert {fact.code for fact in await town.facts(with_later)} >= {"01", "02", "03"}
    stated = {fact.code: fact.stated_at for fact in await town.facts(odd) if fact.stated_at}
    assert (stated["02"].year, stated["03"].year) == (2099, START.year)


async def test_threat_053_a_status_about_an_unknown_document_waits_and_ends_in_quarantine(town: Town) -> None:
    """Threat 53: held, then refused."""
    model = status_about("03", document_id("88"), sender=PROVINCE)
    packet = town.forge(model)
    row = await town.brought(packet, DEPARTMENT)
    assert (row.state, row.needs) == ("waiting", (PROVINCE, document_id("88")))

    town.clock.advance(timedelta(days=3, hours=1))
    await settle.give_up_overdue(town.node.inn)

    later_row = await town.row(DEPARTMENT, packet)
    assert (later_row.state, later_row.code) == ("quarantined", "WAITING-OVER")
    assert await town.statuses(DEPARTMENT) == 0


async def test_threat_112_no_status_is_ever_answered_by_a_status(town: Town) -> None:
    """Threat 112."""
    sent = await sent_and_arrived(town)
    for code in ("03", "06", "99"):
        await say(town, sent, code)
    statuses_before = (await town.statuses(DEPARTMENT), await town.statuses(PROVINCE))
    town.clock.advance(timedelta(minutes=5))

    for packet in await town.crossed(PROVINCE, Kind.STATUS):
        await town.deliver(packet, DEPARTMENT)
    await town.carry()

    assert (await town.statuses(DEPARTMENT), await town.statuses(PROVINCE)) == statuses_before == (0, 1)


@pytest.mark.parametrize("answer", ["15", "16"])
async def test_the_answer_to_a_take_back_is_proved_by_the_bytes_of_the_13(town: Town, answer: str) -> None:
    sent = await sent_and_arrived(town)
    await town.act_and_carry(town.recall(sent, take_back=True))
    assert (await town.delivery(sent)).state == "take_back_asked"

    await town.act_and_carry(town.status(await town.only(), answer))

    assert (await town.delivery(sent)).state == ("request_agreed" if answer == "15" else "delivered")
    assert [fact.proved for fact in await town.facts(sent) if fact.code == answer] == [True]


@pytest.mark.parametrize("take_back", [True, False])
async def test_an_earlier_attempt_cannot_be_recalled_once_a_newer_one_went_out(
    town: Town, take_back: bool
) -> None:
    """The request names a DocumentId, which both have: the receiver would cancel the newer."""
    first = await sent_and_arrived(town)
    await town.act_and_carry(town.status(await town.only(), "02"))
    town.clock.advance(1)
    second = await sent_and_arrived(town)

    with pytest.raises(Clash, match=second.id):
        await town.recall(first, take_back=take_back)

    assert (await town.delivery(first)).state == "rejected"
    await town.recall(second, take_back=take_back)


async def test_a_later_answer_to_a_take_back_of_an_earlier_attempt_stays_with_that_attempt(
    town: Town,
) -> None:
    first = await sent_and_arrived(town)
    arrived = await town.only()
    await town.act_and_carry(town.recall(first, take_back=True))
    await town.status(arrived, "16")
    await town.act_and_carry(town.status(arrived, "02"))
    town.clock.advance(1)
    second = await sent_and_arrived(town)
    request_id = next(fact.request_id for fact in await town.facts(first) if fact.code == "asked")

    model = status_about("15", first.document_id, at=START + timedelta(hours=1))
    row = await town.brought(
        town.forge(model, receipt=receipt_for(first, "15", of_packet_id=request_id)), DEPARTMENT
    )

    assert row.state == "done"
    assert "15" in {fact.code for fact in await town.facts(first)}
    assert "15" not in {fact.code for fact in await town.facts(second)}


async def test_threat_054_only_the_issuer_may_recall_update_or_take_back(town: Town) -> None:
    """A5, threat 54: MSG-NOT-PARTY, and no answer is sent."""
    sent = await sent_and_arrived(town)
    files = (("van-ban.pdf", PDF),)
    statuses_before = await town.statuses(PROVINCE)
    models = (
        (recall_of("900", sender=COMMUNE, target=sent.document_id), ()),
        (status_about("13", sent.document_id, sender=COMMUNE, to=PROVINCE), ()),
        (_update(update_of("901", sender=COMMUNE), sent.document_id), files),
    )

    for model, attachments in models:
        row = await town.brought(town.forge(model, attachments))
        assert (row.state, row.code) == ("quarantined", "MSG-NOT-PARTY"), model.kind

    assert (await town.only()).state == "new"
    assert await town.statuses(PROVINCE) == statuses_before


def _update(model: Any, target: str) -> Any:
    return replace(model, business=replace(model.business, document_id=target))
