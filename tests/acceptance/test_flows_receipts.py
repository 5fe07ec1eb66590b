"""Statuses and receipts (R3 to R5, A5): a proved one moves the delivery it names, a wrong one moves nothing, whoever was
not asked is not heard, and contradictions stand as told whatever the order of arrival."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.document import Kind, OutgoingDocument
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.errors import Clash
from gateway.incoming import settle
from gateway.ports import InboxPacket
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


async def sent_and_arrived(town: Town, *to: str, number: str = "15") -> OutgoingDocument:
    sent = await town.send(number, *to)
    await town.carry()
    return await town.document(sent)


async def say(
    town: Town,
    sent: OutgoingDocument,
    code: str,
    *,
    by: str = PROVINCE,
    minutes: float = 0,
    about: str | None = None,
    receipt: bool = True,
    note: str = "Ghi chú",
    **wrong: Any,
) -> InboxPacket:
    """A status of `by` about what the department sent, with a receipt that is true but for `wrong`."""
    model = status_about(
        code,
        about or sent.document_id,
        sender=by,
        at=START + timedelta(minutes=minutes),
        note=note,
    )
    told = receipt_for(sent, code, **wrong) if receipt else None
    return await town.brought(town.forge(model, receipt=told), DEPARTMENT)


async def test_a_true_receipt_is_a_proved_fact_of_that_delivery_alone(town: Town) -> None:
    """R3."""
    sent = await sent_and_arrived(town, PROVINCE, COMMUNE)

    row = await say(town, sent, "03", by=COMMUNE, minutes=1)

    assert (row.state, row.code) == ("done", None)
    deliveries = await town.deliveries(sent)
    assert {code: one.state for code, one in deliveries.items()} == {
        PROVINCE: "delivered",
        COMMUNE: "accepted",
    }


async def test_a_status_without_a_receipt_counts_as_unproved(town: Town) -> None:
    """R3, last line."""
    sent = await sent_and_arrived(town)

    await say(town, sent, "03", receipt=False)

    assert (await town.delivery(sent)).state == "accepted"
    assert [fact.proved for fact in await town.facts(sent) if fact.code == "03"] == [False]


OTHER = Digest("ab" * 32)
WRONG: dict[str, dict[str, Any]] = {
    "body of another document": {"body_digest": OTHER},
    "no body digest": {"body_digest": None},
    "another document": {"of_document_id": DocumentId(document_id("77"))},
    "a packet never sent": {"of_packet_id": PacketId("pkt_unknown")},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
async def test_threat_110_a_receipt_for_other_bytes_moves_nothing(town: Town, wrong: dict[str, Any]) -> None:
    """R3, threat 110: RCPT-DIGEST."""
    sent = await sent_and_arrived(town)

    row = await say(town, sent, "06", **wrong)

    assert (row.state, row.code) == ("quarantined", "RCPT-DIGEST")
    assert (await town.delivery(sent)).state == "delivered"


async def test_a_receipt_whose_wrapper_differs_is_still_proved(town: Town) -> None:
    """R3: the body decides."""
    sent = await sent_and_arrived(town)

    row = await say(town, sent, "03", file_digest=OTHER)

    assert row.state == "done"
    assert [fact.proved for fact in await town.facts(sent) if fact.code == "03"] == [True]


async def test_threat_110_a_receipt_copied_from_another_delivery_moves_neither(town: Town) -> None:
    """Threat 110: the status speaks of one document, its receipt of another."""
    first = await sent_and_arrived(town, number="15")
    second = await sent_and_arrived(town, number="16")

    row = await say(town, first, "06", about=second.document_id)

    assert (row.state, row.code) == ("quarantined", "RCPT-DIGEST")
    assert [(await town.delivery(one)).state for one in (first, second)] == ["delivered", "delivered"]


async def test_threat_110_a_receipt_of_another_agencys_packet_is_not_ours(town: Town) -> None:
    sent = await sent_and_arrived(town)

    row = await say(town, sent, "03", of_sender=COMMUNE)

    assert (row.state, row.code) == ("quarantined", "MSG-NOT-PARTY")
    assert (await town.delivery(sent)).state == "delivered"


@pytest.mark.parametrize("receipt", [True, False])
async def test_threat_053_110_who_was_no_recipient_is_not_heard(town: Town, receipt: bool) -> None:
    """A5, threats 53 and 110."""
    sent = await sent_and_arrived(town)

    row = await say(town, sent, "02", by=COMMUNE, receipt=receipt)

    assert (row.state, row.code) == ("quarantined", "MSG-NOT-PARTY")
    assert (await town.delivery(sent)).state == "delivered"


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


@pytest.mark.parametrize("order", [("02", "03"), ("03", "02")])
@pytest.mark.parametrize(
    ("minute_02", "minute_03", "rules"), [(1, 2, "accepted"), (2, 1, "rejected"), (1, 1, "rejected")]
)
async def test_threat_110_02_and_03_stand_beside_each_other_and_the_later_stated_rules(
    town: Town, order: tuple[str, str], minute_02: int, minute_03: int, rules: str
) -> None:
    """R5: a tie is 02; the order of arrival plays no part."""
    sent = await sent_and_arrived(town)
    for code in order:
        await say(town, sent, code, minutes=minute_02 if code == "02" else minute_03)

    delivery = await town.delivery(sent)

    assert (delivery.state, delivery.marks) == (rules, ("contradiction",))
    assert {fact.code for fact in await town.facts(sent)} >= {"01", "02", "03"}


@pytest.mark.parametrize("year", [1999, 2099])
async def test_a_status_from_a_clock_that_is_years_off_is_kept_marked_and_rules_nothing_for_ever(
    town: Town, year: int
) -> None:
    """Two statuses of one recipient, the odd one first or last as it would win; what counts is when they came."""
    sent = await sent_and_arrived(town)
    years_off = (START.replace(year=year) - START).total_seconds() / 60
    odd, true = ("02", "03") if year == 2099 else ("03", "02")
    for code in ("02", "03"):
        town.clock.advance(timedelta(minutes=1))
        minutes = years_off if code == odd else (town.clock.now() - START).total_seconds() / 60
        assert (await say(town, sent, code, minutes=minutes)).state == "done"

    delivery = await town.delivery(sent)

    assert (delivery.state, delivery.marks) == ("accepted", ("contradiction", f"odd_time:{odd}"))
    stated = {fact.code: fact.stated_at for fact in await town.facts(sent) if fact.stated_at}
    assert (stated[odd].year, stated[true].year) == (year, START.year)


@pytest.mark.parametrize("order", [("02", "03"), ("03", "02")])
async def test_a_proved_03_goes_before_a_later_unproved_02(town: Town, order: tuple[str, str]) -> None:
    """R5."""
    sent = await sent_and_arrived(town)
    for code in order:
        await say(town, sent, code, minutes=9 if code == "02" else 1, receipt=code == "03")

    assert (await town.delivery(sent)).state == "accepted"


@pytest.mark.parametrize(
    "codes", [("06", "05", "04", "03"), ("03", "04", "05", "06"), ("05", "06", "03", "04")]
)
async def test_codes_in_any_order_and_twice_give_the_highest(town: Town, codes: tuple[str, ...]) -> None:
    """Interfaces 1.7 e."""
    sent = await sent_and_arrived(town)

    for code in (*codes, *codes):
        await say(town, sent, code, minutes=int(code))

    assert (await town.delivery(sent)).state == "done"
    assert len([fact for fact in await town.facts(sent) if fact.track == "business"]) == 5


async def test_an_unknown_code_is_kept_and_moves_nothing(town: Town) -> None:
    sent = await sent_and_arrived(town)

    row = await say(town, sent, "42")

    assert row.state == "done"
    delivery = await town.delivery(sent)
    assert (delivery.state, delivery.marks) == ("delivered", ("unknown:42",))


async def test_threat_053_a_status_about_an_unknown_document_waits_and_ends_in_quarantine(town: Town) -> None:
    """Threat 53: held, then refused."""
    model = status_about("03", document_id("88"), sender=PROVINCE)
    packet = town.forge(model)
    row = await town.brought(packet, DEPARTMENT)
    assert (row.state, row.needs) == ("waiting", (PROVINCE, document_id("88")))

    town.clock.advance(timedelta(days=3, hours=1))
    await settle.give_up_overdue(town.node.inn)

    after = await town.row(DEPARTMENT, packet)
    assert (after.state, after.code) == ("quarantined", "WAITING-OVER")
    assert await town.statuses(DEPARTMENT) == 0


@pytest.mark.parametrize("code", ["15", "16"])
async def test_threat_054_an_answer_that_nobody_asked_for_is_a_mark(town: Town, code: str) -> None:
    sent = await sent_and_arrived(town)

    await say(town, sent, code)

    delivery = await town.delivery(sent)
    assert (delivery.state, delivery.marks) == ("delivered", (f"stray:{code}",))


async def test_threat_112_no_status_is_ever_answered_by_a_status(town: Town) -> None:
    """Threat 112."""
    sent = await sent_and_arrived(town)
    for code in ("03", "06", "99"):
        await say(town, sent, code)
    before = (await town.statuses(DEPARTMENT), await town.statuses(PROVINCE))
    town.clock.advance(timedelta(minutes=5))

    for packet in await town.crossed(PROVINCE, Kind.STATUS):
        await town.deliver(packet, DEPARTMENT)
    await town.carry()

    assert (await town.statuses(DEPARTMENT), await town.statuses(PROVINCE)) == before == (0, 1)


@pytest.mark.parametrize("answer", ["15", "16"])
async def test_the_answer_to_a_take_back_is_proved_by_the_bytes_of_the_13(town: Town, answer: str) -> None:
    sent = await sent_and_arrived(town)
    await town.recall(sent, take_back=True)
    await town.carry()
    assert (await town.delivery(sent)).state == "take_back_asked"

    await town.status(await town.only(), answer)
    await town.carry()

    assert (await town.delivery(sent)).state == ("request_agreed" if answer == "15" else "delivered")
    assert [fact.proved for fact in await town.facts(sent) if fact.code == answer] == [True]


@pytest.mark.parametrize("take_back", [True, False])
async def test_an_earlier_attempt_cannot_be_recalled_once_a_newer_one_went_out(
    town: Town, take_back: bool
) -> None:
    """The request names a DocumentId, which both have: the receiver would cancel the newer."""
    first = await sent_and_arrived(town)
    await town.status(await town.only(), "02")
    await town.carry()
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
    await town.recall(first, take_back=True)
    await town.carry()
    await town.status(arrived, "16")
    await town.status(arrived, "02")
    await town.carry()
    town.clock.advance(1)
    second = await sent_and_arrived(town)
    asked = next(fact.request_id for fact in await town.facts(first) if fact.code == "asked")

    model = status_about("15", first.document_id, at=START + timedelta(hours=1))
    row = await town.brought(
        town.forge(model, receipt=receipt_for(first, "15", of_packet_id=asked)), DEPARTMENT
    )

    assert row.state == "done"
    assert "15" in {fact.code for fact in await town.facts(first)}
    assert "15" not in {fact.code for fact in await town.facts(second)}


async def test_threat_054_only_the_issuer_may_recall_update_or_take_back(town: Town) -> None:
    """A5, threat 54: MSG-NOT-PARTY, and nobody is answered."""
    sent = await sent_and_arrived(town)
    files = (("van-ban.pdf", PDF),)
    before = await town.statuses(PROVINCE)
    models = (
        (recall_of("900", sender=COMMUNE, target=sent.document_id), ()),
        (status_about("13", sent.document_id, sender=COMMUNE, to=PROVINCE), ()),
        (_update(update_of("901", sender=COMMUNE), sent.document_id), files),
    )

    for model, carried in models:
        row = await town.brought(town.forge(model, carried))
        assert (row.state, row.code) == ("quarantined", "MSG-NOT-PARTY"), model.kind

    assert (await town.only()).state == "new"
    assert await town.statuses(PROVINCE) == before


def _update(model: Any, target: str) -> Any:
    return replace(model, business=replace(model.business, document_id=target))
