"""Inbox rows: landed once per file, settled by a worker or a person, reopened, and never dropped silently (G2, G4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import errors
from gateway.domain.document import InState
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId
from gateway.domain.proof import Step
from gateway.domain.queues import MOST_COPIES, AxisNote, InboxPacket, Lease, LeasedInbox
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, inbox_item, incoming, refused, stored

LEASE_S = 60


async def landed(store: SqlStore, clock: ManualClock) -> LeasedInbox:
    await stored(store, inbox_item(clock))
    (claim,) = await store.claim_inbox(1, LEASE_S)
    return claim


async def settled(store: SqlStore, clock: ManualClock, **fields: object) -> InboxPacket:
    claim = await landed(store, clock)
    async with committing(store) as work:
        await work.inbox.settle(replace(claim.item, **fields), claim.lease)  # type: ignore[arg-type]  # test fields
    async with store.read(NORTH) as view:
        return await view.inbox.get(claim.item.id)


async def test_a3_the_same_bytes_land_once_per_agency_and_transport_ids_claim_nothing(
    store: SqlStore, clock: ManualClock
) -> None:
    first = inbox_item(clock)
    second = replace(inbox_item(clock), file_digest=first.file_digest, transport_packet_id="other")
    elsewhere = replace(inbox_item(clock, scope=SOUTH), file_digest=first.file_digest)

    async with committing(store) as work:
        assert await work.inbox.land(first) == first
        assert await work.inbox.land(second) == first
    async with committing(store, SOUTH) as work:
        assert await work.inbox.land(elsewhere) == elsewhere

    forged = replace(inbox_item(clock), transport_packet_id=first.transport_packet_id)

    async with store.begin(NORTH) as work:
        await work.inbox.land(first)

        assert (await work.inbox.land(forged)).id == forged.id


def lease_of(item: InboxPacket, clock: ManualClock) -> Lease:
    return Lease(
        id=item.id, token=clock.new_id(), ends_at=clock.now() + timedelta(seconds=LEASE_S), attempt=1
    )


async def land_and_settle(
    store: SqlStore, clock: ManualClock, item: InboxPacket, other: Lease | None = None
) -> None:
    lease = lease_of(item, clock)
    async with committing(store) as work:
        work.inbox.land_to_settle(item, lease)
        await work.events.append(EventKind.INBOX_LANDED, item.id, clock.now(), {})
        await work.inbox.settle(replace(item, state="done"), other or lease)


async def load_packet(store: SqlStore, id: str) -> InboxPacket:
    async with store.read(NORTH) as view:
        return await view.inbox.get(id)


@pytest.mark.parametrize("asked_between", [False, True])
async def test_what_lands_and_is_settled_in_one_unit_is_there_as_it_ended(
    store: SqlStore, clock: ManualClock, asked_between: bool
) -> None:
    item = inbox_item(clock)
    lease = lease_of(item, clock)
    end = replace(item, state="done", code="OK", sender_code="Z91.02", settled_at=clock.now())

    async with committing(store) as work:
        work.inbox.land_to_settle(item, lease)
        if asked_between:
            assert (await work.inbox.get(item.id)).state == "landed"
            await work.inbox.check_held(lease)
        arrives = incoming(clock, sender_code="Z91.02", document_id=DocumentId("d"))
        assert (await work.incoming.find_prior(arrives)).waiting == []
        await work.inbox.settle(end, lease)

    assert await load_packet(store, item.id) == replace(end, attempts=1)
    clock.advance(2 * LEASE_S)
    assert await store.claim_inbox(1, LEASE_S) == []


async def test_what_lands_to_be_settled_is_settled_by_its_lease_alone_and_else_waits_for_a_worker(
    store: SqlStore, clock: ManualClock
) -> None:
    item = inbox_item(clock)

    with pytest.raises(errors.StaleLease):
        await land_and_settle(store, clock, item, lease_of(item, clock))

    async with store.read(NORTH) as view:
        assert not (await view.inbox.page(limit=5)).items

    async with committing(store) as work:
        work.inbox.land_to_settle(item, lease_of(item, clock))

    clock.advance(2 * LEASE_S)
    (claim,) = await store.claim_inbox(1, LEASE_S)
    assert (claim.item.id, claim.lease.attempt) == (item.id, 2)


async def test_a3_bytes_that_are_here_land_in_no_other_unit_and_leave_nothing_of_it(
    store: SqlStore, clock: ManualClock
) -> None:
    first = await landed(store, clock)
    second = replace(inbox_item(clock), file_digest=first.item.file_digest)

    with pytest.raises(errors.Clash):
        await land_and_settle(store, clock, second)

    async with store.read(NORTH) as view:
        assert [packet.id for packet in (await view.inbox.page(limit=5)).items] == [first.item.id]
        assert not await view.events.of_subject(second.id)


async def test_a_verdict_is_written_with_its_steps(store: SqlStore, clock: ManualClock) -> None:
    steps = (Step(n=1, name="size", ok=True), Step(n=2, name="encoding", ok=False, detail="BOM"))

    packet = await settled(
        store,
        clock,
        state="quarantined",
        code="ENV-INVALID",
        reason="BOM",
        sender_code="Z91.02",
        document_id="d",
        kind="edoc",
        steps=steps,
    )

    assert (packet.state, packet.code, packet.reason, packet.steps) == (
        "quarantined",
        "ENV-INVALID",
        "BOM",
        steps,
    )
    assert (packet.settled_at, packet.attempts) == (clock.now(), 1)
    assert (await store.counts())["inbox.quarantined"] == 1


async def test_a_postponed_packet_is_landed_and_due_later(store: SqlStore, clock: ManualClock) -> None:
    claim = await landed(store, clock)

    async with committing(store) as work:
        await work.inbox.postpone(claim.lease, clock.now() + timedelta(seconds=30), "revocation unknown")
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.inbox.postpone(claim.lease, clock.now(), "again")

    assert await store.claim_inbox(1, LEASE_S) == []
    clock.advance(30)
    (second,) = await store.claim_inbox(1, LEASE_S)
    assert (second.item.state, second.item.attempts) == ("landed", 2)


async def test_a_person_acts_only_when_no_worker_holds_the_row(store: SqlStore, clock: ManualClock) -> None:
    claim = await landed(store, clock)
    discarded = replace(claim.item, state="discarded", reason="test packet")

    async with committing(store) as work:
        with pytest.raises(errors.Clash):
            await work.inbox.settle(discarded, None)
        clock.advance(LEASE_S)
        await work.inbox.settle(discarded, None)
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.inbox.settle(replace(claim.item, state="done"), claim.lease)
    async with store.begin(NORTH) as work:
        with pytest.raises(errors.NotFound):
            await work.inbox.settle(replace(discarded, id="none"), None)
        assert (await work.inbox.get(claim.item.id)).state == "discarded"


async def test_waiting_packets_are_found_by_what_they_need(store: SqlStore, clock: ManualClock) -> None:
    waiting = await settled(store, clock, state="waiting", needs=("Z91.02", "d-1"))

    async with store.read(NORTH) as view:
        for sender, document_id, packet in (
            ("z91.02", "d-1", [waiting.id]),
            ("Z91.02", "D-1", []),
            ("Z91.03", "d-1", []),
        ):
            document = incoming(clock, sender_code=sender, document_id=DocumentId(document_id))
            assert (await view.incoming.find_prior(document)).waiting == packet
    assert await store.overdue_waiting(waiting.received_at, 10) == []
    assert await store.overdue_waiting(waiting.received_at + timedelta(seconds=1), 10) == [waiting]
    clock.advance(1)
    await settled(store, clock, state="waiting", needs=("Z91.02", "d-2"))
    assert await store.overdue_waiting(clock.now() + timedelta(days=1), 1) == [waiting]


@pytest.mark.parametrize("state", ["waiting", "held", "quarantined"])
async def test_a_reopened_packet_is_verified_from_the_start(
    store: SqlStore, clock: ManualClock, state: str
) -> None:
    settled_packet = await settled(store, clock, state=state, code="X", reason="y")

    async with committing(store) as work:
        await work.inbox.reopen(settled_packet.id)

    (second,) = await store.claim_inbox(1, LEASE_S)
    assert (second.item.id, second.item.code, second.item.attempts) == (settled_packet.id, None, 1)
    async with store.begin(NORTH) as work:
        with pytest.raises(errors.Clash):
            await work.inbox.reopen(settled_packet.id)


async def test_what_was_told_of_other_copies_is_tried_in_turn_and_survives_verdicts(
    store: SqlStore, clock: ManualClock
) -> None:
    claim = await landed(store, clock)
    copies = [AxisNote(packet_id=f"copy-{n}", kind="edoc", sender="Z91.02", node="n") for n in range(2)]
    async with committing(store) as work:
        for note in (*copies, copies[0], claim.item.routing):
            assert await work.inbox.add_routing(claim.item.id, note)
    async with committing(store) as work:
        await work.inbox.settle(replace(claim.item, state="held", code="X"), claim.lease)
        await work.inbox.reopen(claim.item.id)

    for note in copies:
        (second,) = await store.claim_inbox(1, LEASE_S)
        async with committing(store) as work:
            assert await work.inbox.try_next(second.lease) == note
        async with store.read(NORTH) as view:
            assert (await view.inbox.get(second.item.id)).routing == note

    (last,) = await store.claim_inbox(1, LEASE_S)
    async with store.begin(NORTH) as work:
        assert await work.inbox.try_next(last.lease) is None
    assert (last.item.routing, last.item.untried, last.item.attempts) == (copies[1], (), 1)


async def test_only_so_many_copies_are_remembered_and_only_the_owner_of_a_lease_tries_one(
    store: SqlStore, clock: ManualClock
) -> None:
    claim = await landed(store, clock)
    async with committing(store) as work:
        answers = [
            await work.inbox.add_routing(claim.item.id, AxisNote(packet_id=str(n), kind="k", sender="s"))
            for n in range(MOST_COPIES + 2)
        ]
    assert answers == [True] * MOST_COPIES + [False] * 2
    clock.advance(LEASE_S + 1)
    await store.claim_inbox(1, LEASE_S)
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.inbox.try_next(claim.lease)


@pytest.mark.parametrize(("state", "stays"), [("waiting", True), ("held", False), ("quarantined", False)])
async def test_a_release_is_used_up_by_the_next_verdict_but_that_it_waits(
    store: SqlStore, clock: ManualClock, state: str, stays: bool
) -> None:
    settled_packet = await settled(store, clock, state="held", code="X")
    async with committing(store) as work:
        await work.inbox.reopen(settled_packet.id, released=True)
    (second,) = await store.claim_inbox(1, LEASE_S)
    assert second.item.released
    async with committing(store) as work:
        await work.inbox.settle(replace(second.item, state=state), second.lease)
        await work.inbox.reopen(settled_packet.id)

    (last,) = await store.claim_inbox(1, LEASE_S)
    assert last.item.released is stays


async def test_a_finished_packet_is_not_reopened(store: SqlStore, clock: ManualClock) -> None:
    finished = await settled(store, clock, state="done", incoming_id="inc-1")

    async with store.begin(NORTH) as work:
        with pytest.raises(errors.Clash, match="is done"):
            await work.inbox.reopen(finished.id)
        with pytest.raises(errors.NotFound):
            await work.inbox.reopen("none")


async def test_inbox_pages_filter_by_state(store: SqlStore, clock: ManualClock) -> None:
    held_packet = await settled(store, clock, state="held")
    clock.advance(1)
    quarantined = await settled(store, clock, state="quarantined")

    async with store.read(NORTH) as view:
        everything = await view.inbox.page(limit=1)
        second_page = await view.inbox.page(limit=1, cursor=everything.next_cursor)
        only_held = await view.inbox.page(limit=5, states=["held"])

    assert (everything.items, second_page.items, only_held.items) == (
        (quarantined,),
        (held_packet,),
        (held_packet,),
    )
    assert second_page.next_cursor is None


async def test_bytes_of_a_partner_count_until_somebody_has_dealt_with_them(
    store: SqlStore, clock: ManualClock
) -> None:
    """Open packets, and documents without a decision; not what is settled, fetched, or of a sender that is not proved."""
    packets = [
        inbox_item(clock, size=1),
        inbox_item(clock, size=20, state="held", sender_code="Z91.02"),
        inbox_item(clock, size=300, state="quarantined", sender_code="Z91.03"),
        inbox_item(clock, size=4_000, state="quarantined"),
        *(
            inbox_item(clock, size=size, state="done", sender_code="z91.02")
            for size in (50_000, 600_000, 7_000_000, 80_000_000)
        ),
    ]
    new, held_packet, taken_in, fetched = packets[-4:]
    documents = [
        incoming(clock, inbox_id=new.id, sender_code="z91.02"),
        incoming(clock, inbox_id=held_packet.id, state=InState.HELD),
        incoming(clock, inbox_id=taken_in.id, state=InState.ACCEPTED),
        incoming(clock, inbox_id=fetched.id),
    ]
    await stored(store, *packets, *documents)
    await stored(store, inbox_item(clock, scope=SOUTH, size=5), scope=SOUTH)
    async with committing(store) as work:
        await work.handovers.offer(documents[-1].id)
    async with committing(store) as work:
        await work.handovers.lease("program", 1, clock.now() + timedelta(minutes=1))
    async with committing(store) as work:
        await work.handovers.ack(documents[-1].id, "program", clock.now())

    north, south = {"z91.02": 650_021, "z91.03": 300}, {"z91.02": 5}
    assert await store.partner_bytes(NORTH.agency_id) == {NORTH.agency_id: north}
    assert await store.partner_bytes() == {NORTH.agency_id: north, SOUTH.agency_id: south}
