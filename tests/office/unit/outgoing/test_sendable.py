"""A packet that can never be written fails with its reason, an event, and a task for a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.domain.document import (
    IncomingDocument,
    OutgoingDocument,
    OutState,
)
from gateway.domain.identity import PacketId
from gateway.domain.proof import StatusPacket
from gateway.domain.status import RequestKind
from gateway.outgoing import manage, requests
from gateway_office import todo as gather
from gateway_office.domain.task import Task, TaskKind
from tests.office.support.node import COMMUNE, DEPARTMENT, PDF, PROVINCE, OfficeTown
from tests.support.stored_content import Lying


@pytest.mark.usefixtures("lies_in")
@pytest.mark.usefixtures("keys_away")
async def test_a_document_whose_packing_can_never_succeed_fails_with_its_reason_an_event_and_a_task(
    town: OfficeTown,
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


async def test_an_answer_that_nobody_can_write_ends_with_an_event_and_a_task(town: OfficeTown) -> None:
    await town.send()
    await town.carry()
    arrived = await town.only()
    scope = await town.scope(PROVINCE)
    async with town.node.store.changing(scope) as work:
        await work.jobs.add("answer", arrived.inbox_id, payload=_unwritable(arrived))

    await town.carry()

    failed = [e for e in await town.events(PROVINCE, arrived.inbox_id) if e.kind.value == "message.failed"]
    assert [x.data["code"] for x in failed] == ["GW-I-100"]
    async with town.node.store.read(scope) as work:
        assert "forbidden character" in (await work.jobs.error_of(arrived.inbox_id) or "")
    assert (await town.node.store.counts())["job.waiting"] == 0
    todo = await gather.gather(town.node.todo, scope)
    assert [x.kind for x in todo.tasks if x.kind is TaskKind.STATUS] == [TaskKind.STATUS]


async def test_a_take_back_that_nobody_can_write_ends_with_an_event_and_a_task(town: OfficeTown) -> None:
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


async def _take_back_unwritable(town: OfficeTown, sent: OutgoingDocument) -> None:
    delivery = await town.delivery(sent)
    arrived = await town.only()
    packet = replace(
        _unwritable(arrived),
        sender_code=DEPARTMENT,
        to_code=PROVINCE,
        code="13",
        document_id=sent.document_id,
    )
    async with town.node.store.changing(await town.scope(DEPARTMENT)) as work:
        await work.jobs.add("answer", delivery.id, payload=packet)
        town.clock.advance(1)
        kind = RequestKind.TAKE_BACK
        await requests.ask_recipient(
            town.node.out, work, delivery, kind, packet.packet_id, packet.description
        )


async def _take_back_tasks(town: OfficeTown, code: str = DEPARTMENT) -> list[Task]:
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
