"""Leases on jobs, outbox and inbox rows: one worker at a time, fenced, and never lost with a dead worker (G7)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import pytest

from gateway import errors
from gateway.domain.account import HostedAgency
from gateway.domain.document import Kind, Lane
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.proof import StatusPacket
from gateway.domain.queues import Lease, OutboxTarget, Stopped
from gateway.domain.routes import Trail
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.interleave import Order, orders, play
from tests.support.stores import NORTH, SOUTH, committing, inbox_item, opened, outbox_item, refused, stored

LEASE_S = 60
WORKERS = {"job": "packer", "outbox": "dispatcher", "inbox": "receiver"}
TABLES = ("job", "outbox", "inbox")


async def add_row(store: SqlStore, clock: ManualClock, table: str) -> None:
    async with committing(store) as work:
        if table == "job":
            await work.jobs.add("pack", "msg-1")
        elif table == "outbox":
            await work.outbox.add(outbox_item(clock))
        else:
            await work.inbox.land(inbox_item(clock))


async def claim(store: SqlStore, table: str, limit: int = 10) -> Sequence[Lease]:
    """Claim rows as a worker does; check that the look that wakes it said truly whether any are due."""
    is_due = await due(store, table)
    claims = await take(store, table, limit)
    assert is_due is bool(claims)
    return claims


async def take(store: SqlStore, table: str, limit: int) -> list[Lease]:
    if table == "job":
        return [job.lease for job in await store.claim_jobs("pack", limit, LEASE_S)]
    if table == "outbox":
        return [row.lease for row in await store.claim_outbox(limit, LEASE_S)]
    return [row.lease for row in await store.claim_inbox(limit, LEASE_S)]


async def due(store: SqlStore, table: str) -> bool:
    """Tell whether the look of a sleeping process finds a due row."""
    return WORKERS[table] in (await store.signs(LEASE_S, ("answer", "pack"))).due


async def finish(store: SqlStore, clock: ManualClock, table: str, lease: Lease) -> None:
    async with committing(store) as work:
        if table == "job":
            await work.jobs.finish(lease)
        elif table == "outbox":
            await work.outbox.mark_sent([lease], clock.now())
        else:
            item = await work.inbox.get(lease.id)
            await work.inbox.settle(replace(item, state="done"), lease)


class Race:
    """Two workers at one row, and the lease running out; beside them the plain model that says who must win."""

    def __init__(self, store: SqlStore, clock: ManualClock, table: str) -> None:
        self.store, self.clock, self.table = store, clock, table
        self.leases: dict[str, Lease] = {}
        self.holder: str | None = None
        self.is_live = self.is_done = False
        self.finished_by: list[str] = []

    def steps(self) -> dict[str, Callable[[], Awaitable[None]]]:
        return {
            "A claims": lambda: self.claims("A"),
            "A finishes": lambda: self.finishes("A"),
            "B claims": lambda: self.claims("B"),
            "B finishes": lambda: self.finishes("B"),
            "lease runs out": self.runs_out,
        }

    async def claims(self, worker: str) -> None:
        expected = not self.is_done and not self.is_live
        claims = await claim(self.store, self.table)
        assert bool(claims) is expected
        if claims:
            self.leases[worker], self.holder, self.is_live = claims[0], worker, True

    async def finishes(self, worker: str) -> None:
        if worker not in self.leases:
            return
        if self.holder == worker and not self.is_done:
            await finish(self.store, self.clock, self.table, self.leases[worker])
            self.is_done = True
            self.finished_by.append(worker)
        else:
            with pytest.raises(errors.StaleLease):
                await finish(self.store, self.clock, self.table, self.leases[worker])

    async def runs_out(self) -> None:
        self.clock.advance(LEASE_S)
        self.is_live = False


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "order",
    orders(["A claims", "A finishes"], ["B claims", "B finishes"], ["lease runs out"]),
    ids=", ".join,
)
async def test_g7_two_workers_in_any_order_finish_a_row_at_most_once(
    store: SqlStore, clock: ManualClock, table: str, order: Order
) -> None:
    await add_row(store, clock, table)
    race = Race(store, clock, table)

    await play(order, race.steps())

    assert len(race.finished_by) <= 1
    clock.advance(LEASE_S)
    assert bool(await claim(store, table)) is not race.is_done


@pytest.mark.parametrize("table", TABLES)
async def test_two_processes_claim_disjoint_rows_and_leave_none(
    store: SqlStore, clock: ManualClock, store_url: str, table: str
) -> None:
    for _ in range(12):
        await add_row(store, clock, table)

    async with opened(store_url, clock) as second:
        claims = await asyncio.gather(*(take(through, table, 2) for through in (store, second) * 4))

    ids = [lease.id for leases in claims for lease in leases]
    assert len(ids) == len(set(ids)) == 12


@pytest.mark.parametrize("table", TABLES)
async def test_a_claim_counts_attempts_and_a_renewed_lease_holds_longer(
    store: SqlStore, clock: ManualClock, table: str
) -> None:
    await add_row(store, clock, table)
    (first,) = await claim(store, table)
    clock.advance(LEASE_S - 1)
    renewed = await store.renew(table, first, LEASE_S)
    clock.advance(LEASE_S - 1)

    assert await claim(store, table) == []
    assert (first.attempt, renewed.token) == (1, first.token)
    clock.advance(1)
    (second,) = await claim(store, table)
    assert second.attempt == 2
    with pytest.raises(errors.StaleLease):
        await store.renew(table, renewed, LEASE_S)
    await finish(store, clock, table, second)
    with pytest.raises(errors.StaleLease):
        await store.renew(table, second, LEASE_S)


async def test_a_lease_is_worth_nothing_in_another_agency_and_is_of_a_table_that_has_leases(
    store: SqlStore, clock: ManualClock
) -> None:
    await add_row(store, clock, "job")
    (lease,) = await claim(store, "job")

    async with refused(store, SOUTH, errors.StaleLease) as work:
        await work.jobs.finish(lease)

    with pytest.raises(errors.NotFound, match="job, outbox, inbox"):
        await store.renew("event", lease, LEASE_S)


async def test_a_discarded_result_takes_its_whole_transaction_along(
    store: SqlStore, clock: ManualClock
) -> None:
    await add_row(store, clock, "job")
    (late,) = await claim(store, "job")
    clock.advance(LEASE_S)
    (present,) = await claim(store, "job")

    async def bring_late() -> None:
        async with committing(store) as work:
            await work.outbox.add(outbox_item(clock))
            await work.jobs.finish(late)

    with pytest.raises(errors.StaleLease):
        await bring_late()

    assert await store.claim_outbox(10, LEASE_S) == []
    await finish(store, clock, "job", present)


async def test_r46_the_urgent_lane_goes_first_then_the_oldest(store: SqlStore, clock: ManualClock) -> None:
    lanes = [Lane.NORMAL, Lane.NORMAL, Lane.URGENT, Lane.URGENT]
    out_ids, in_ids = [], []
    async with committing(store) as work:
        for lane in lanes:
            item, landed = outbox_item(clock, lane=lane), inbox_item(clock, lane=lane)
            await work.outbox.add(item)
            await work.inbox.land(landed)
            out_ids.append(item.id)
            in_ids.append(landed.id)
            clock.advance(1)

    outbox = [row.item.id for row in await store.claim_outbox(3, LEASE_S)]
    inbox = [row.item.id for row in await store.claim_inbox(3, LEASE_S)]

    assert outbox == [out_ids[2], out_ids[3], out_ids[0]]
    assert inbox == [in_ids[2], in_ids[3], in_ids[0]]


async def test_a_retried_outbox_row_waits_with_the_recipients_that_remain(
    store: SqlStore, clock: ManualClock
) -> None:
    await add_row(store, clock, "outbox")
    (claim,) = await store.claim_outbox(1, LEASE_S)
    remaining = (OutboxTarget(code="Z91.03", delivery_id="dlv-2"),)
    due_at = clock.now() + timedelta(seconds=30)

    async with committing(store) as work:
        await work.outbox.retry(claim.lease, due_at, remaining, "broker is away")

    assert await store.claim_outbox(1, LEASE_S) == []
    clock.advance(30)
    (second_claim,) = await store.claim_outbox(1, LEASE_S)
    assert second_claim.item.targets == remaining
    assert (second_claim.item.attempts, second_claim.lease.attempt, second_claim.item.last_error) == (
        2,
        2,
        "broker is away",
    )
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.outbox.mark_failed(claim.lease, clock.now(), "too late")


@pytest.mark.parametrize("table", ["outbox", "job"])
async def test_rows_that_wait_for_another_attempt_are_made_due_the_oldest_first_and_no_others(
    store: SqlStore, clock: ManualClock, table: str
) -> None:
    for _ in range(3):
        await add_row(store, clock, table)
        clock.advance(1)
    claimed, next_at = await take(store, table, 3), clock.now() + timedelta(hours=1)
    async with committing(store) as work:
        for lease in claimed[:2]:
            retried = work.jobs.retry if table == "job" else partial(work.outbox.retry, targets=())
            await retried(lease, next_at, error="the line is away")
        await work.jobs.add("pack", "msg-1", not_before=next_at)
    assert await claim(store, table) == []

    hasten = store.hasten_outbox if table == "outbox" else partial(store.hasten_jobs, "pack")
    assert [await hasten(1) for _ in range(3)] == [1, 1, 0]

    assert [lease.id for lease in await claim(store, table)] == [lease.id for lease in claimed[:2]]


async def test_several_outbox_rows_are_sent_at_once_or_none_of_them(
    store: SqlStore, clock: ManualClock
) -> None:
    for _ in range(3):
        await add_row(store, clock, "outbox")
    stale = (await store.claim_outbox(1, LEASE_S))[0].lease
    clock.advance(LEASE_S + 1)
    together = [row.lease for row in await store.claim_outbox(2, LEASE_S)]
    (alone,) = [row.lease for row in await store.claim_outbox(1, LEASE_S)]
    assert stale.id in {lease.id for lease in together}

    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.outbox.mark_sent([alone, stale], clock.now())
    assert (await store.counts())["outbox.waiting"] == 3
    async with refused(store, SOUTH, errors.StaleLease) as work:
        await work.outbox.mark_sent(together, clock.now())

    async with committing(store) as work:
        await work.outbox.mark_sent([*together, alone], clock.now())
        await work.outbox.mark_sent([], clock.now())
    assert (await store.counts()).get("outbox.waiting", 0) == 0
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.outbox.mark_sent(together, clock.now())


async def test_a_failed_or_sent_outbox_row_is_final(store: SqlStore, clock: ManualClock) -> None:
    await add_row(store, clock, "outbox")
    await add_row(store, clock, "outbox")
    first, second = await store.claim_outbox(2, LEASE_S)

    async with committing(store) as work:
        await work.outbox.mark_sent([first.lease], clock.now())
        await work.outbox.mark_failed(second.lease, clock.now(), "no such recipient")
    clock.advance(LEASE_S)

    assert await store.claim_outbox(2, LEASE_S) == []
    async with store.read(NORTH) as view:
        by_state = {item.state: item for item in await view.outbox.of_subject("msg-1")}
        assert by_state["failed"].last_error == "no such recipient"
        assert [item.id for item in (await view.outbox.page(limit=5, states=["sent"])).items] == [
            first.item.id
        ]
    assert (await store.counts())["outbox.failed"] == 1


async def test_an_outbox_row_at_rest_is_stopped_and_tells_whether_it_may_have_left(
    store: SqlStore, clock: ManualClock
) -> None:
    """Not while a courier has it. A try that wrote no word, or a word of doubt, may have reached the axis."""
    fresh, silent, doubted, refused = (outbox_item(clock) for _ in range(4))
    for item in (silent, doubted, refused):
        await stored(store, item)
    leases = {row.item.id: row.lease for row in await store.claim_outbox(3, LEASE_S)}

    async with committing(store) as work:
        await work.outbox.add(fresh)
        for item in (silent, doubted, refused):
            assert await work.outbox.stop(item.id, clock.now()) is None
        target = replace(doubted.targets[0], tried=1)
        unsure = replace(target, trail=Trail(axis="north", unsure=True))
        await work.outbox.retry(leases[doubted.id], clock.now(), (target, unsure), "no answer")
        await work.outbox.retry(leases[refused.id], clock.now(), (target,), "refused")

    clock.advance(LEASE_S)
    async with committing(store) as work:
        outcomes = [
            await work.outbox.stop(item.id, clock.now()) for item in (fresh, refused, silent, doubted)
        ]
        assert outcomes == [Stopped.NEVER_LEFT] * 2 + [Stopped.MAY_HAVE_LEFT] * 2
        assert await work.outbox.stop(fresh.id, clock.now()) is None

    assert await store.claim_outbox(5, LEASE_S) == []


async def test_jobs_wait_for_their_time_their_kind_and_their_turn_oldest_first(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.jobs.add("pack", "msg-late", not_before=clock.now() + timedelta(seconds=10))
        await work.jobs.add("pack", "msg-1")
        await work.jobs.add("answer", "box-1")
    clock.advance(1)
    async with committing(store, SOUTH) as work:
        await work.jobs.add("pack", "msg-2")

    due = await store.claim_jobs("pack", 10, LEASE_S)
    clock.advance(10)
    jobs = await store.claim_jobs("pack", 10, LEASE_S)

    assert [(job.agency_id, job.subject_id) for job in due] == [
        (NORTH.agency_id, "msg-1"),
        (SOUTH.agency_id, "msg-2"),
    ]
    assert [job.subject_id for job in jobs] == ["msg-late"]
    assert (await store.counts())["job.waiting"] == 4

    for subject in ("msg-1", "msg-2", "msg-3"):
        async with committing(store) as work:
            await work.jobs.add("pack", subject)
        clock.advance(1)

    assert [job.subject_id for job in await store.claim_jobs("pack", 2, LEASE_S)] == ["msg-1", "msg-2"]


async def test_a_jobs_payload_comes_back_as_it_was(store: SqlStore, clock: ManualClock) -> None:
    packet = StatusPacket(
        packet_id=PacketId("p"),
        sender_code="Z91.01",
        to_code="Z91.02",
        code="01",
        document_id=DocumentId("d"),
        document_code="12/UBND",
        issued_on=clock.now().date(),
        stated_at=clock.now(),
    )
    async with committing(store) as work:
        await work.jobs.add("answer", "box-1", payload=packet)

    (job,) = await store.claim_jobs("answer", 1, LEASE_S)

    assert job.payload == packet


async def test_a_job_says_why_it_waits_and_can_be_cancelled_unless_someone_is_at_it(
    store: SqlStore, clock: ManualClock
) -> None:
    await add_row(store, clock, "job")
    (lease,) = await claim(store, "job")

    async with committing(store) as work:
        assert await work.jobs.cancel("pack", "msg-1") is False
        assert await work.jobs.error_of("msg-1") is None
        await work.jobs.retry(lease, clock.now() + timedelta(seconds=30), "the signer is down")
        assert await work.jobs.error_of("msg-1") == "the signer is down"
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.jobs.retry(lease, clock.now(), "again")
    async with committing(store) as work:
        assert await work.jobs.cancel("pack", "msg-1") is True
        assert await work.jobs.cancel("pack", "msg-1") is False

    clock.advance(30)
    assert await claim(store, "job") == []


async def test_the_outbox_keeps_an_item_once_and_as_it_was(store: SqlStore, clock: ManualClock) -> None:
    item = outbox_item(clock, kind=Kind.STATUS, lane=Lane.URGENT, targets=(OutboxTarget(code="Z91.02"),))

    async with committing(store) as work:
        await work.outbox.add(item)
        assert await work.outbox.get(item.id) == item
    async with refused(store, NORTH, errors.Clash) as work:
        await work.outbox.add(item)
    async with store.begin(NORTH) as work:
        with pytest.raises(errors.NotFound):
            await work.outbox.add(outbox_item(clock, scope=SOUTH))


@pytest.mark.parametrize("table", TABLES)
async def test_a_lease_is_over_once_the_clock_is_right_and_is_kept_while_clocks_are_only_minutes_apart(
    store: SqlStore, clock: ManualClock, table: str
) -> None:
    clock.advance(timedelta(days=400))
    await add_row(store, clock, table)
    (ahead,) = await claim(store, table)

    clock.advance(timedelta(days=-400))
    (right,) = await claim(store, table)

    # A lease that is not over by a right clock goes to no other worker.
    assert await claim(store, table) == []
    with pytest.raises(errors.StaleLease):
        await finish(store, clock, table, ahead)
    await finish(store, clock, table, right)

    # The one that is ahead may take what seems over to it, and then brings it to its end.
    gap = timedelta(minutes=4)
    await add_row(store, clock, table)
    (behind,) = await claim(store, table)
    clock.advance(gap)
    (ahead,) = await claim(store, table)
    clock.advance(-gap)

    assert await claim(store, table) == []
    with pytest.raises(errors.StaleLease):
        await finish(store, clock, table, behind)
    await finish(store, clock, table, ahead)

    clock.advance(LEASE_S)  # as a machine whose clock is a little ahead of this one's
    await add_row(store, clock, table)
    assert len(await claim(store, table)) == 1

    clock.advance(-LEASE_S)

    assert await claim(store, table) == []


@pytest.mark.parametrize("table", TABLES)
async def test_a_retry_planned_while_the_clock_was_ahead_is_due_once_it_is_right_and_the_longest_delay_is_waited_for(
    store: SqlStore, clock: ManualClock, table: str
) -> None:
    clock.advance(timedelta(days=400))
    await add_row(store, clock, table)
    (claimed,) = await claim(store, table)
    await put_off(store, table, claimed, clock.now() + timedelta(hours=1))
    assert await claim(store, table) == []

    clock.advance(timedelta(days=-400))

    assert len(await claim(store, table)) == 1

    await add_row(store, clock, table)
    (claimed,) = await claim(store, table)
    await put_off(store, table, claimed, clock.now() + timedelta(hours=2))

    assert await claim(store, table) == []


async def test_a_time_that_a_person_set_is_kept_and_one_that_no_program_sets_is_not(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.jobs.add("signatures", "in-soon", not_before=clock.now() + timedelta(hours=6))
        await work.jobs.add("signatures", "in-ahead", not_before=clock.now() + timedelta(days=400))

    assert [job.subject_id for job in await store.claim_jobs("signatures", 10, LEASE_S)] == ["in-ahead"]

    async with committing(store) as work:
        await work.jobs.add("pack", "msg-planned", not_before=clock.now() + timedelta(days=400))

    assert await claim(store, "job") == []
    clock.advance(timedelta(days=400))
    assert len(await claim(store, "job")) == 1


async def put_off(store: SqlStore, table: str, lease: Lease, retry_at: datetime) -> None:
    async with committing(store) as work:
        if table == "job":
            await work.jobs.retry(lease, retry_at, "the signer is away")
        elif table == "outbox":
            await work.outbox.retry(lease, retry_at, (), "the broker is away")
        else:
            await work.inbox.postpone(lease, retry_at, "the disk is full")


@pytest.mark.parametrize("limit", [1, 3, 16])
@pytest.mark.parametrize("table", ["outbox", "inbox"])
async def test_ordinary_mail_moves_under_a_steady_stream_of_urgent_mail(
    store: SqlStore, clock: ManualClock, table: str, limit: int
) -> None:
    await add_row(store, clock, table)
    ids: list[str] = []
    for _ in range(8):
        clock.advance(1)
        async with committing(store) as work:
            for _ in range(limit):
                if table == "outbox":
                    await work.outbox.add(outbox_item(clock, lane=Lane.URGENT))
                else:
                    await work.inbox.land(inbox_item(clock, lane=Lane.URGENT))
        lanes = await lanes_of_a_batch(store, table, limit)
        assert len(lanes) == limit
        assert lanes == sorted(lanes, reverse=True)  # urgent before ordinary within the batch, too
        ids += lanes
    oldest = ids.index(Lane.NORMAL)

    assert oldest < 4 * limit
    assert ids.count(Lane.NORMAL) == 1


async def test_the_share_is_the_oldest_ordinary_rows_and_no_more_than_a_quarter(
    store: SqlStore, clock: ManualClock
) -> None:
    ordinary = []
    async with committing(store) as work:
        for _ in range(6):
            item = outbox_item(clock)
            await work.outbox.add(item)
            ordinary.append(item.id)
            clock.advance(1)
        for _ in range(20):
            await work.outbox.add(outbox_item(clock, lane=Lane.URGENT))

    batch = [row.item for row in await store.claim_outbox(8, LEASE_S)]

    assert [d.id for d in batch if d.lane is Lane.NORMAL] == ordinary[:2]
    assert [d.lane for d in batch][:6] == [Lane.URGENT] * 6


async def lanes_of_a_batch(store: SqlStore, table: str, limit: int) -> list[Lane]:
    if table == "outbox":
        return [row.item.lane for row in await store.claim_outbox(limit, LEASE_S)]
    return [row.item.lane for row in await store.claim_inbox(limit, LEASE_S)]


@pytest.mark.parametrize("table", TABLES)
async def test_one_look_says_of_a_row_what_its_claim_would_say(
    store: SqlStore, clock: ManualClock, table: str
) -> None:
    """Due, held, held too long, done: a worker that waits to be rung for misses none of them."""
    assert not await due(store, table)

    await add_row(store, clock, table)
    assert await due(store, table)

    await claim(store, table)
    assert not await due(store, table)

    clock.advance(timedelta(seconds=LEASE_S + 1))
    assert await due(store, table)

    (lease,) = await claim(store, table)
    await finish(store, clock, table, lease)
    assert not await due(store, table)


async def test_one_look_tells_of_jobs_that_are_asked_for_events_without_a_number_and_a_changed_register(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.jobs.add("answer", "box-1")
        await work.jobs.add("signatures", "in-1")

    assert (await store.signs(LEASE_S, ("pack",))).due == set()
    assert (await store.signs(LEASE_S, ("answer", "pack"))).due == {"packer"}

    signs_before = await store.signs(LEASE_S, ("pack",))
    assert signs_before.due == set()

    async with committing(store) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now(), {})
    await store.accounts.add_hosted(HostedAgency(id="agy_new", code="Z91.99", name="Cơ quan mới"))

    signs_after = await store.signs(LEASE_S, ("pack",))
    # With one writer at a time there is nothing left to number.
    assert signs_after.due == (set() if store.writer.dialect.name == "sqlite" else {"sequencer"})
    assert signs_after.marks["hosting"] != signs_before.marks["hosting"]
    assert signs_after.marks["revocation"] == signs_before.marks["revocation"]


async def test_a_row_that_is_written_under_a_lease_ends_under_it_and_is_claimed_once_that_is_over(
    store: SqlStore, clock: ManualClock
) -> None:
    items = [outbox_item(clock) for _ in range(3)]
    assert store.own_rows.lease(items[0].id) is None
    store.own_rows.open(lambda: None, 10, LEASE_S)
    leases = {item.id: store.own_rows.lease(item.id) for item in items}
    async with committing(store) as work:
        for item in items:
            await work.outbox.add(item, leases[item.id])
    assert await claim(store, "outbox") == []

    first, second, third = (lease for lease in leases.values() if lease is not None)
    async with committing(store) as work:
        await work.outbox.mark_sent([first], clock.now())
    clock.advance(LEASE_S)
    assert {(lease.id, lease.attempt) for lease in await claim(store, "outbox")} == {
        (second.id, 2),
        (third.id, 2),
    }
    async with refused(store, NORTH, errors.StaleLease) as work:
        await work.outbox.mark_sent([second, third], clock.now())


async def test_a_process_that_goes_gives_back_what_it_leased_to_itself(
    store: SqlStore, clock: ManualClock
) -> None:
    item = outbox_item(clock)
    store.own_rows.open(lambda: None, 10, LEASE_S)
    async with committing(store) as work:
        await work.outbox.add(item, store.own_rows.lease(item.id))

    await store.release_leases()

    assert [lease.attempt for lease in await claim(store, "outbox")] == [2]
