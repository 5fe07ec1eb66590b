"""Accepted means that it can be sent: blank is absent at every door, a document that could never be packed is refused
before it is accepted, and a packet that cannot be made after all ends visibly as failed."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from gateway.domain.document import (
    Assignment,
    IncomingDocument,
    OutgoingDocument,
    OutState,
    Recipient,
    ReplyLink,
    Signer,
    Staff,
)
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.proof import StatusPacket
from gateway.domain.status import RequestKind
from gateway.errors import Refused
from gateway.outgoing import drafting, manage, recall, requests
from gateway_office import todo as gather
from gateway_office.domain.task import Task, TaskKind
from tests.support.cases import Cases
from tests.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, Town
from tests.support.stored_content import Lying

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


@pytest.mark.usefixtures("lies_in")
@pytest.mark.usefixtures("keys_away")
async def test_a_document_whose_packing_can_never_succeed_fails_with_its_reason_an_event_and_a_task(
    town: Town,
) -> None:
    """It can be cancelled; and once the file is whole again it is packed and sent on demand."""
    sent = await town.send("15", PROVINCE, COMMUNE)
    other = await town.send("16")
    scope, lying = await town.scope(DEPARTMENT), Lying.in_node(town.node)
    await lying.write(sent.files[0].sha256, PDF[:-1] + b"?")  # both have the same file

    await town.carry()

    document = await town.document(sent)
    assert {x.state for x in (await town.deliveries(sent)).values()} == {"failed"}
    assert (document.state_reason or "").startswith("GW-S-410")
    failed = [x for x in await town.events(DEPARTMENT, sent.id) if x.kind.value == "message.failed"]
    assert sorted(x.data["to"] for x in failed) == sorted((PROVINCE, COMMUNE))
    assert await town.count("job") == 0
    todo = await gather.gather(town.node.todo, scope)
    assert [x.kind for x in todo.tasks] == [TaskKind.FAILED] * 3

    assert (await manage.cancel(town.node.out, scope, sent.id)).state is OutState.CANCELLED
    await lying.write(other.files[0].sha256, PDF)
    await manage.resend(town.node.out, scope, other.id)
    await town.carry()
    assert (await town.delivery(other)).state == "delivered"
    assert (await town.document(other)).state_reason is None


async def test_an_answer_that_nobody_can_write_ends_with_an_event_and_a_task(town: Town) -> None:
    await town.send()
    await town.carry()
    arrived = await town.only()
    scope = await town.scope(PROVINCE)
    async with town.node.store.begin(scope) as work:
        await work.jobs.add("answer", arrived.inbox_id, payload=_unwritable(arrived))
        await work.commit()

    await town.carry()

    failed = [e for e in await town.events(PROVINCE, arrived.inbox_id) if e.kind.value == "message.failed"]
    assert [x.data["code"] for x in failed] == ["GW-I-100"]
    async with town.node.store.read(scope) as work:
        assert "forbidden character" in (await work.jobs.error_of(arrived.inbox_id) or "")
    assert (await town.node.store.counts())["job.waiting"] == 0
    todo = await gather.gather(town.node.todo, scope)
    assert [x.kind for x in todo.tasks if x.kind is TaskKind.STATUS] == [TaskKind.STATUS]


async def test_a_take_back_that_nobody_can_write_ends_with_an_event_and_a_task(town: Town) -> None:
    sent = await town.send()
    await town.carry()
    await _take_back_unwritable(town, sent)
    scope = await town.scope(DEPARTMENT)

    await town.carry()

    delivery = await town.delivery(sent)
    failed = [e for e in await town.events(DEPARTMENT, delivery.id) if e.kind.value == "message.failed"]
    assert [(event.data["code"], event.data["to"]) for event in failed] == [("GW-I-100", PROVINCE)]
    assert delivery.state == "delivered", "it is asked no more"
    (task,) = await _take_back_tasks(town)
    assert (task.id, task.subject_id) == (f"take_back:{delivery.id}", sent.id)
    assert (task.counterpart, task.document) == (PROVINCE, sent.draft.code)
    assert not task.is_incoming
    assert await _take_back_tasks(town, PROVINCE) == []
    async with town.node.store.read(scope) as work:
        assert "forbidden character" in (await work.jobs.error_of(delivery.id) or "")

    # Once it was asked for again it is no task any more.
    town.clock.advance(60)
    await town.recall(sent, take_back=True)
    assert await _take_back_tasks(town) == []
    await town.carry()
    assert (await town.delivery(sent)).state == "take_back_asked"
    assert await _take_back_tasks(town) == []


async def _take_back_unwritable(town: Town, sent: OutgoingDocument) -> None:
    delivery = await town.delivery(sent)
    arrived = await town.only()
    packet = replace(
        _unwritable(arrived),
        sender_code=DEPARTMENT,
        to_code=PROVINCE,
        code="13",
        document_id=sent.document_id,
    )
    async with town.node.store.begin(await town.scope(DEPARTMENT)) as work:
        await work.jobs.add("answer", delivery.id, payload=packet)
        town.clock.advance(1)
        kind = RequestKind.TAKE_BACK
        await requests.ask_recipient(
            town.node.out, work, delivery, kind, packet.packet_id, packet.description
        )
        await work.commit()


async def _take_back_tasks(town: Town, code: str = DEPARTMENT) -> list[Task]:
    view = await gather.gather(town.node.todo, await town.scope(code))
    return [task for task in view.tasks if task.kind is TaskKind.TAKE_BACK]


def _unwritable(arrived: IncomingDocument) -> StatusPacket:
    return StatusPacket(
        packet_id=PacketId("pkt_unwritable"),
        sender_code=PROVINCE,
        to_code=arrived.sender_code,
        code="03",
        document_id=arrived.document_id,
        document_code=None,
        issued_on=None,
        stated_at=arrived.arrived_at,
        description="\x0b",
    )
