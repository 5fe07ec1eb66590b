"""The courier: retries that grow and end visibly, recipients who fail alone, leases that ran out, bytes that are gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.diagnosis import Tag
from gateway.domain.document import OutState
from gateway.errors import BrokerRefused, Misconfigured, Unreachable
from gateway.ops import checks, checks_of_parts
from gateway.ops.subject import Subject
from gateway.outgoing import manage, package
from tests.support.faulty import Faulty
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PROVINCE, Town, opened

NOBODY = "Z91.12.999"


async def test_retries_grow_and_end_in_a_failure_that_everybody_sees(broken: tuple[Town, Faulty]) -> None:
    town, axis = broken
    axis.error = Unreachable("the axis does not answer")
    sent = await town.send("15")
    await town.pack()
    waits = []

    for _ in range(200):
        if not await town.dispatch():
            (row,) = await town.outbox(DEPARTMENT)
            if row.state != "waiting":
                break
            assert row.not_before is not None
            waits.append(row.not_before - town.clock.now())
            town.clock.advance(row.not_before - town.clock.now())

    grown = waits[:9]
    assert grown == sorted(grown)
    assert grown[0] < timedelta(seconds=3)
    assert grown[-1] >= timedelta(hours=1)
    assert sum(waits, timedelta()) == timedelta(hours=72)  # the last try is at the limit
    delivery = await town.delivery(sent)
    assert delivery.state == "failed"
    (row,) = await town.outbox(DEPARTMENT)
    assert (row.state, "does not answer" in (row.last_error or "")) == ("failed", True)
    kinds = [event.kind.value for event in await town.events(DEPARTMENT, sent.id)]
    assert kinds.count("message.retry") == len(waits)
    assert kinds[-1] == "message.failed"


async def test_an_axis_that_comes_back_gets_the_same_bytes(broken: tuple[Town, Faulty]) -> None:
    """R137 (moments of sending and receipt)."""
    town, axis = broken
    axis.error = Unreachable("the axis does not answer")
    sent = await town.send("15")
    await town.carry()
    packed = await town.document(sent)
    assert (await town.delivery(sent)).state == "sending"

    axis.error = None
    town.clock.advance(5)
    await town.carry()

    assert (await town.delivery(sent)).state == "delivered"
    arrived = await town.only()
    assert arrived.envelope_digest == packed.envelope_digest
    sent_at = [fact.at for fact in await town.facts(sent) if fact.code == "sent"]
    assert [*sent_at, arrived.arrived_at] == [town.clock.now()] * 2, (
        "when the axis took it, not when it was tried"
    )


async def test_a_delivery_that_the_axis_refuses_for_good_fails_at_once_and_may_be_resent(
    broken: tuple[Town, Faulty],
) -> None:
    town, axis = broken
    axis.error = BrokerRefused("the packet is over the limit")
    sent = await town.send("15")
    await town.carry()
    assert (await town.delivery(sent)).state == "failed"
    assert axis.calls == 1

    axis.error = None
    town.clock.advance(1)
    await manage.resend(town.node.out, await town.scope(DEPARTMENT), sent.id)
    assert (await town.delivery(sent)).state == "queued"
    await town.carry()

    assert (await town.delivery(sent)).state == "delivered"
    assert len(await town.incoming()) == 1


async def test_an_unroutable_recipient_fails_at_once_while_the_others_are_delivered(town: Town) -> None:
    plan = await town.node.directory_changes.plan_import(f"code,name\n{NOBODY},Cơ quan chưa nối\n".encode())
    await town.node.directory_changes.apply(plan, "test")

    sent = await town.send("15", PROVINCE, NOBODY, COMMUNE, confirm=("recipient-unhosted",))
    await town.carry()

    states = {code: delivery.state for code, delivery in (await town.deliveries(sent)).items()}
    assert states == {PROVINCE: "delivered", NOBODY: "failed", COMMUNE: "delivered"}
    failed = [e for e in await town.events(DEPARTMENT, sent.id) if e.kind.value == "message.failed"]
    assert [event.data["to"] for event in failed] == [NOBODY]


async def test_a_recipient_that_received_before_and_has_no_queue_now_is_tried_again_and_told_at_once(
    town: Town,
) -> None:
    """A broker that was restored without its definitions looks like this."""
    await town.send("14")
    await town.carry()
    everybody = [agency.code for agency in await town.node.store.hosted()]
    await town.node.axis.host([code for code in everybody if code != PROVINCE])

    sent = await town.send("15", confirm=("recipient-unhosted",))
    await town.pack()
    await town.dispatch()

    delivery = await town.delivery(sent)
    assert (delivery.state, delivery.marks) == ("sending", ("no_queue",))
    (row,) = [row for row in await town.outbox(DEPARTMENT) if row.state == "waiting"]
    assert (row.last_error or "").startswith("no_queue: ")
    subject = Subject.within(town.node)
    (finding,) = [f for f in await checks.examine(subject) if f.check == "outbox.queue"]
    assert (finding.level, finding.params["count"]) == ("yellow", 1)
    town.clock.advance(checks_of_parts.QUEUE_MISSING + timedelta(seconds=1))
    (finding,) = [f for f in await checks.examine(subject, Tag.METRICS) if f.check == "outbox.queue"]
    assert finding.level == "red"

    await town.node.axis.host(everybody)
    await town.carry()
    delivery = await town.delivery(sent)
    assert (delivery.state, delivery.marks) == ("delivered", ())


async def test_a_signer_that_is_down_leaves_the_document_queued_with_its_reason_and_heals(
    tmp_path: Path,
) -> None:
    """Design 4.3."""
    keys = Faulty("keys", "signer")
    async with opened(tmp_path / "node", wrap=keys) as town:
        keys.error = Misconfigured("the token is not plugged in")
        sent = await town.send("15")
        await town.carry()

        assert (await town.document(sent)).state is OutState.QUEUED
        assert (await town.delivery(sent)).state == "queued"
        async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
            assert "not plugged in" in (await work.jobs.error_of(sent.id) or "")
        for seconds in (2, 5, 15):
            town.clock.advance(seconds)
            assert await town.pack() == 1
        town.clock.advance(30)
        assert await town.pack() == 0  # it waits longer each time

        keys.error = None
        town.clock.advance(60)
        await town.carry()
        assert (await town.delivery(sent)).state == "delivered"


async def test_a_signer_that_is_down_holds_back_answers_too_and_none_is_lost(tmp_path: Path) -> None:
    keys = Faulty("keys", "signer")
    async with opened(tmp_path / "node", wrap=keys) as town:
        sent = await town.send("15")
        await town.pack()
        keys.error = Misconfigured("the token is not plugged in")
        await town.carry()
        await town.status(await town.only(), "03")
        assert await town.statuses(PROVINCE) == 0

        keys.error = None
        town.clock.advance(60)
        await town.carry()
        assert (await town.delivery(sent)).state == "accepted"


@pytest.mark.usefixtures("keys_away")
async def test_two_packers_with_one_job_make_one_outbox_row(town: Town) -> None:
    """G7."""
    sent = await town.send("15")
    (slow,) = await town.node.store.claim_jobs("pack", 10, LEASE_S)
    town.clock.advance(LEASE_S + 1)
    (quick,) = await town.node.store.claim_jobs("pack", 10, LEASE_S)

    await package.run(town.node.out, quick)
    first = await town.document(sent)
    await package.run(town.node.out, slow)

    assert len(await town.outbox(DEPARTMENT)) == 1
    assert (await town.document(sent)).envelope_digest == first.envelope_digest
    assert await town.count("job") == 0
