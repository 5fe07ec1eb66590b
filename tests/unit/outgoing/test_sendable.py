"""Accepted means that it can be sent: blank is absent at every door, a document that could never be packed is refused
before it is accepted, and a packet that cannot be made after all ends visibly as failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.domain.document import (
    Assignment,
    Recipient,
    ReplyLink,
    Signer,
    Staff,
)
from gateway.domain.identity import DocumentId
from gateway.errors import Refused
from gateway.outgoing import drafting, recall
from tests.support.cases import Cases
from tests.support.node import DEPARTMENT, PROVINCE, Town

BLANKS = ("", " ", "\t", "\u00a0", "\u3000 ", "\u200b", "\r\n")
LINK = ReplyLink(agency=PROVINCE, number="7/UBND-VP", date=date(2026, 11, 2), document_id=DocumentId(" "))


async def test_blank_text_is_absent_and_the_document_arrives(town: Town, cases: Cases) -> None:
    for n, blank in enumerate(BLANKS):
        with cases.case(repr(blank)):
            sent = await town.send(
                f"1{n}",
                place=blank,
                content=blank,
                sphere=blank,
                drafter=blank,
                external_id=blank,
                signer=Signer(name="Lê Thử", title=blank, competence=blank),
                staff=Staff(name=blank, department=blank, phone=blank, email=blank),
                to_places=(blank, "Lưu: VT", blank),
                appendixes=(blank,),
                replies_to=(replace(LINK, document_id=DocumentId(blank)),),
            )
            await town.carry()

            arrived = await town.as_incoming(sent)
            assert arrived.signer == Signer(name="Lê Thử")
            assert (sent.draft.place, sent.draft.external_id, sent.draft.staff) == (None, None, None)
            assert (sent.draft.to_places, sent.draft.appendixes) == (("Lưu: VT",), ())
            assert arrived.replies_to[0].document_id is None


async def test_a_draft_saved_with_blanks_says_nothing_there_and_an_over_long_text_is_not_kept(
    town: Town,
) -> None:
    begun, scope = await town.send("15", send=False), await town.scope(DEPARTMENT)
    blank = replace(begun.draft, place=" ", to_places=(" ",))
    long = replace(begun.draft, subject="a" * 501)

    saved = await drafting.save(town.node.out, scope, begun.id, blank)
    with pytest.raises(Refused, match="too-long at /subject"):
        await drafting.save(town.node.out, scope, begun.id, long)
    with pytest.raises(Refused, match="too-long at /subject"):
        await town.send("16", send=False, subject="a" * 501)

    assert (saved.draft.place, saved.draft.to_places) == (None, ())
    assert (await town.document(begun)).draft.subject == begun.draft.subject


async def test_a_status_with_blank_texts_reaches_the_sender(town: Town, cases: Cases) -> None:
    for n, blank in enumerate(BLANKS):
        sent = await town.send(f"1{n}")
        await town.carry()
        staff = Staff(name="Trần Thử", phone=blank, email=blank, department=blank)
        for code, state in (("03", "accepted"), ("05", "processing")):
            with cases.case((code, blank)):
                await town.status(await town.as_incoming(sent), code, staff=staff, note=blank)
                await town.carry()
                assert (await town.delivery(sent)).state == state


async def test_a_status_that_could_never_be_sent_is_refused_and_nothing_changes(
    town: Town, cases: Cases
) -> None:
    sent = await town.send()
    await town.carry()
    arrived = await town.only()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"note": "Đã\x0bnhận"}, "bad-characters at /note"),
        ({"note": "Đã\ufffenhận"}, "bad-characters at /note"),
        ({"note": "Đ" * 401}, "too-long at /note"),
        ({"staff": Staff(name="A", phone="0" * 21)}, "too-long at /staff/phone"),
        ({"staff": Staff(name="A", email="a" * 101)}, "too-long at /staff/email"),
        ({"staff": Staff(name="A\x00")}, "bad-characters at /staff/name"),
        ({"register_no": "1" * 51}, "too-long at /register_no"),
        ({"assignment": Assignment(lead_unit="Đ" * 201)}, "too-long at /assignment/lead_unit"),
    ]
    for fields, pointer in wrong:
        with cases.case(pointer), pytest.raises(Refused, match=pointer):
            await town.status(arrived, "03", **fields)
        assert (await town.reload(arrived)).state == arrived.state

    await town.carry()
    assert (await town.delivery(sent)).state == "delivered"


async def test_the_longest_note_goes_whole_with_the_longest_reason(town: Town) -> None:
    sent = await town.send()
    await town.carry()
    note = "Đ" * 399 + "."

    await town.status(await town.only(), "02", reason="FORBIDDEN_CONTENT", note=note)
    await town.carry()

    assert note in (await town.notes_of(sent))


async def test_what_could_never_be_packed_is_refused_before_it_is_accepted(town: Town, cases: Cases) -> None:
    long_id, null = (replace(LINK, document_id=DocumentId(text)) for text in ("Z" * 256, "null"))
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"staff": Staff(name="A", phone="0" * 21)}, "too-long at /staff/phone"),
        ({"staff": Staff(name="A", email="a" * 101)}, "too-long at /staff/email"),
        ({"replies_to": (long_id,)}, "too-long at /replies_to/0/document_id"),
        ({"replies_to": (null,)}, "unsendable"),
        ({"subject": "a" * 20_000}, "too-long at /subject"),
        ({"content": "x\x0by"}, "bad-characters at /content"),
    ]
    # More recipients than one envelope takes are refused even as a draft.
    for count in (1001, 5000):
        many = {"recipients": tuple(Recipient(code=f"Z93.{n}") for n in range(count))}
        wrong += [
            ({**many, "send": send}, f"too-many at /recipients .*count={count}") for send in (True, False)
        ]
    for changes, message in wrong:
        with cases.case(message), pytest.raises(Refused, match=message):
            await town.send("15", **changes)

    assert await town.count("outgoing_document") == 0


async def test_a_recall_and_a_take_back_with_a_reason_that_nobody_can_write_are_refused(town: Town) -> None:
    sent = await town.send()
    await town.carry()

    for take_back in (False, True):
        with pytest.raises(Refused, match="bad-characters at /reason"):
            await recall.recall(
                town.node.out,
                await town.scope(DEPARTMENT),
                sent.id,
                reason="Gửi\x0bnhầm",
                approved_by="Giám đốc Mẫu",
                notice_no="7/TB",
                take_back=take_back,
            )

    assert (await town.delivery(sent)).state == "delivered"
