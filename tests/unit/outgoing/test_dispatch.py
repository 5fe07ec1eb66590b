"""The courier: retries that grow and end visibly, recipients who fail alone, leases that ran out, bytes that are gone; rows
that go in one pass each end as they would alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.diagnosis import Tag
from gateway.domain.document import OutgoingDocument, OutState
from gateway.domain.queues import LeasedOutbox
from gateway.errors import BrokerRefused, Misconfigured, StoreFailure, Unreachable
from gateway.ops import checks, checks_of_parts
from gateway.ops.subject import Subject
from gateway.outgoing import dispatch, manage, package
from gateway.outgoing.services import OutgoingServices
from gateway.ports.axis import AxisState, Fate, ManagedAxis, Outcome, Parcel
from gateway.store.work import SqlWork
from gateway.workers import couriers
from tests.support.clock import START
from tests.support.faulty import Faulty
from tests.support.node import COMMUNE, DEPARTMENT, LEASE_S, PROVINCE, Town, opened
from tests.support.stored_content import Lying

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


class Line:
    """The axis with a line that is away while its publishing fails."""

    def __init__(self, axis: ManagedAxis, faulty: Faulty) -> None:
        self._axis, self._faulty = axis, faulty

    def state(self) -> AxisState:
        return self._axis.state() if self._faulty.error is None else AxisState(down_since=START)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._axis, name)


async def test_what_waited_while_the_axis_was_away_for_hours_goes_as_soon_as_it_works(
    broken: tuple[Town, Faulty], monkeypatch: pytest.MonkeyPatch
) -> None:
    town, axis = broken
    monkeypatch.setattr(couriers, "MOST_HASTENED", 2)
    services = replace(town.node.out, axis=cast(ManagedAxis, Line(town.node.out.axis, axis)))
    dispatcher = couriers.Dispatcher(services)
    axis.error = Unreachable("the axis does not answer")
    sent = [await town.send(number) for number in ("15", "16", "17")]
    await town.pack()
    for _ in range(20):
        await dispatcher.step(10, LEASE_S)
        town.clock.advance(timedelta(minutes=20))
    assert not dispatcher.is_due(town.clock.now())
    tries = axis.calls

    axis.error = None
    assert dispatcher.is_due(town.clock.now())
    while await dispatcher.step(10, LEASE_S):
        pass
    await town.carry()

    assert [(await town.delivery(document)).state for document in sent] == ["delivered"] * 3
    assert axis.calls == tries + 3 + 3, "each document once, and its answer"


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


UNFORESEEN = "an error that nobody foresaw"


class _Port:
    """A port of the node, some of whose calls are others."""

    def __init__(self, real: object, **calls: Callable[..., Any]) -> None:
        self._real, self._calls = real, calls

    def __getattr__(self, name: str) -> Any:  # Any: it answers for the port
        return self._calls.get(name) or getattr(self._real, name)


def at_axis(services: OutgoingServices, act: Callable[[Parcel], Awaitable[None]]) -> OutgoingServices:
    """Make services that call `act` before each parcel goes."""

    async def publish(parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        await act(parcel)
        return await services.axis.publish(parcel, routes)

    axis: Any = _Port(services.axis, publish=publish)
    return replace(services, axis=axis)


def without(services: OutgoingServices, recipient: str) -> OutgoingServices:
    """Make an axis that takes nothing for one recipient now."""

    async def publish(parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        postponed = Outcome(fate=Fate.RETRY, code="axis-down", detail=f"{recipient} is away")
        outcomes = await services.axis.publish(parcel, [code for code in routes if code != recipient])
        return {**outcomes, **{code: postponed for code in routes if code == recipient}}

    axis: Any = _Port(services.axis, publish=publish)
    return replace(services, axis=axis)


def at_units(services: OutgoingServices, begun: list[str], *errors: BaseException) -> OutgoingServices:
    """Make services that raise each error in place of a first unit of work; those that are begun are noted in `begun`."""
    pending_errors = list(errors)

    async def share(
        scope: AgencyScope, body: Callable[[SqlWork], Awaitable[None]], *, patience_s: float
    ) -> None:
        if pending_errors:
            raise pending_errors.pop(0)
        begun.append(scope.agency_id)
        await services.store.share(scope, body, patience_s=patience_s)

    store: Any = _Port(services.store, share=share)
    return replace(services, store=store)


async def packed(town: Town, *numbers: str) -> list[OutgoingDocument]:
    await town._host()
    sent = [await town.send(number, PROVINCE) for number in numbers]
    await town.pack()
    return sent


async def claimed(town: Town, limit: int = 10) -> Sequence[LeasedOutbox]:
    """Claim all rows, which must fit into one pass."""
    (rows,) = dispatch.group_into_passes(await town.node.store.claim_outbox(limit, LEASE_S))
    return rows


async def event_kinds(town: Town, document: OutgoingDocument) -> list[str]:
    events = await town.events(DEPARTMENT, document.id)
    return [event.kind.value for event in events if event.kind.value != "message.accepted"]


async def states(town: Town, *documents: OutgoingDocument) -> list[str]:
    return [(await town.delivery(document)).state for document in documents]


async def test_rows_of_one_pass_are_recorded_in_one_unit(town: Town) -> None:
    sent = await packed(town, "15", "16", "17")
    begun: list[str] = []

    await dispatch.run(at_units(town.node.out, begun), await claimed(town))

    assert len(begun) == 1
    assert await states(town, *sent) == ["sent"] * 3
    for document in sent:
        assert await event_kinds(town, document) == ["message.queued", "message.sent"]
    await town.carry()
    assert await states(town, *sent) == ["delivered"] * 3


async def test_rows_of_two_agencies_and_large_ones_go_in_passes_of_their_own(town: Town) -> None:
    await packed(town, "15", "16")
    await town.send("17", DEPARTMENT, sender=PROVINCE)
    await town.pack()
    first, second, other = await town.node.store.claim_outbox(10, LEASE_S)
    large = replace(first, item=replace(first.item, envelope_size=1 << 20))

    assert dispatch.group_into_passes([first, other, second]) == [[first, second], [other]]
    assert dispatch.group_into_passes([large, second]) == [[large], [second]]


async def test_a_stale_lease_costs_its_neighbour_nothing(town: Town) -> None:
    """G7: another courier took one of the rows meanwhile; its word holds for that one, ours for the other."""
    lost, sent = await packed(town, "15", "16")
    slow = await claimed(town)
    town.clock.advance(LEASE_S + 1)
    quick = await claimed(town, limit=1)
    assert [row.item.subject_id for row in quick] == [lost.id]

    await dispatch.run(town.node.out, slow)

    assert await states(town, lost, sent) == ["queued", "sent"]
    assert await event_kinds(town, lost) == ["message.queued"]
    await dispatch.run(town.node.out, quick)
    await town.carry()
    assert await states(town, lost, sent) == ["delivered", "delivered"]
    await dispatch.run(town.node.out, slow)
    await town.carry()
    for document in (lost, sent):
        assert (await event_kinds(town, document)).count("message.sent") == 1
    assert len(await town.incoming()) == 2


@pytest.mark.usefixtures("lies_in")
async def test_bytes_that_are_gone_hold_up_that_row_alone(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    lost, good = await packed(town, "15", "16")
    digest = (await town.document(lost)).envelope_digest
    assert digest is not None
    await Lying.in_node(town.node).lose(digest)

    await dispatch.run(town.node.out, await claimed(town))

    assert await states(town, lost, good) == ["sending", "sent"]
    assert await event_kinds(town, lost) == ["message.queued", "message.retry"]
    assert UNFORESEEN not in caplog.messages
    rows = {row.subject_id: row for row in await town.outbox(DEPARTMENT)}
    assert digest in (rows[lost.id].last_error or "")
    assert [rows[document.id].state for document in (lost, good)] == ["waiting", "sent"]
    town.clock.advance(timedelta(hours=73))
    await town.carry()
    assert await states(town, lost, good) == ["failed", "delivered"]


async def test_a_crash_between_publishing_and_recording_resends_the_same_bytes(town: Town) -> None:
    sent = await packed(town, "15", "16")
    digests = {(await town.document(x)).envelope_digest for x in sent}
    with pytest.raises(asyncio.CancelledError):
        await dispatch.run(at_units(town.node.out, [], asyncio.CancelledError()), await claimed(town))
    assert await states(town, *sent) == ["queued", "queued"]

    town.clock.advance(LEASE_S + 1)
    await dispatch.run(town.node.out, await claimed(town))

    arrived = await town.node.inn.axis.take(10, LEASE_S)
    assert len(arrived) == 4
    assert {x.digest for x in arrived} == digests
    for arrival in arrived:
        await town.node.inn.axis.settle(arrival, is_done=False)
    await town.carry()
    assert await states(town, *sent) == ["delivered", "delivered"]
    assert len(await town.incoming()) == 2


async def test_a_unit_that_fails_for_all_rows_is_retried_row_by_row(town: Town) -> None:
    """The second of them fails alone too, and its row waits; what left is not lost."""
    first, second = await packed(town, "15", "16")
    services = at_units(town.node.out, [], StoreFailure("busy"), StoreFailure("busy"))

    await dispatch.run(services, await claimed(town))

    assert sorted(await states(town, first, second)) == ["sending", "sent"]
    town.clock.advance(60)
    await town.carry()
    assert await states(town, first, second) == ["delivered", "delivered"]
    assert len(await town.incoming()) == 2


async def test_what_nobody_foresaw_breaks_its_own_row_alone(
    town: Town, caplog: pytest.LogCaptureFixture
) -> None:
    broken, good = await packed(town, "15", "16")

    async def fail_publishing(parcel: Parcel) -> None:
        if parcel.packet_id == broken.packet_id:
            raise RuntimeError("nobody foresaw this")

    await dispatch.run(at_axis(town.node.out, fail_publishing), await claimed(town))

    assert await states(town, broken, good) == ["sending", "sent"]
    (row,) = [row for row in await town.outbox(DEPARTMENT) if row.subject_id == broken.id]
    assert (row.state, row.last_error) == ("waiting", "GW-000: RuntimeError: nobody foresaw this")
    assert UNFORESEEN in caplog.messages
    town.clock.advance(LEASE_S + 1)
    await town.carry()
    assert await states(town, broken, good) == ["delivered", "delivered"]


async def test_two_rows_for_one_delivery_have_their_own_outcomes(town: Town) -> None:
    (sent,) = await packed(town, "15")
    rows = await claimed(town)
    await dispatch.run(town.node.out, rows)
    scope = await town.scope(DEPARTMENT)
    for _ in range(2):
        town.clock.advance(timedelta(seconds=1))
        async with town.node.store.changing(scope) as work:
            duplicate = replace(rows[0].item, id=town.clock.new_id("obx_"), attempts=0)
            await work.outbox.add(duplicate)

    both = await claimed(town)
    assert len(both) == 2
    await dispatch.run(town.node.out, both)

    assert {row.state for row in await town.outbox(DEPARTMENT)} == {"sent"}
    assert (await event_kinds(town, sent)).count("message.sent") == 3


async def test_one_recipient_waits_while_the_rest_of_the_pass_is_over(town: Town) -> None:
    """A row for two, one of whom cannot be reached now, beside a row that goes through."""
    await town._host()
    two = await town.send("15", PROVINCE, COMMUNE)
    document = await town.send("16", PROVINCE)
    await town.pack()

    await dispatch.run(without(town.node.out, COMMUNE), await claimed(town))

    delivery_states = {code: delivery.state for code, delivery in (await town.deliveries(two)).items()}
    assert delivery_states == {PROVINCE: "sent", COMMUNE: "sending"}
    assert await event_kinds(town, two) == ["message.queued", "message.sent", "message.retry"]
    assert await event_kinds(town, document) == ["message.queued", "message.sent"]
    rows = {row.subject_id: row for row in await town.outbox(DEPARTMENT)}
    assert [target.code for target in rows[two.id].targets] == [COMMUNE]
    town.clock.advance(60)
    await town.carry()
    assert {delivery.state for delivery in (await town.deliveries(two)).values()} == {"delivered"}
