"""Witnesses, their cosignatures, witnessed logs, and counted packets, on both databases: of two processes one counts, old
cosignatures are thinned out, and only packets of the day whose documents are there are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.domain.document import Kind
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.domain.loss_audit import Difference
from gateway.domain.state_audit import StateDifference
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway.domain.wall_clock import local
from gateway.pool import ThreadPool
from gateway.store import loss_audit, state_audit, witnesses
from gateway.store.loss_audit import LossCount
from gateway.store.state_audit import StateCount
from gateway.store.store import SqlStore
from gateway.store.witnesses import Cosignature, LogNews, Witness, WitnessedLog
from tests.support.clock import ManualClock
from tests.support.stores import SOUTH, committing, delivery, inbox_item, incoming, outgoing

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def test_one_process_asks_and_later_letters_win(store: SqlStore, clock: ManualClock) -> None:
    now = clock.now()
    claims = [await witnesses.claim_question(store, "south", HOUR, at) for at in (now, now, now + HOUR)]
    assert claims == [True, False, True]
    news = [LogNews(kind=EventKind.WITNESS_KEYS, subject="log", data={"witness": "south"})]
    first = Witness(name="south", held_size=5, said_at=now)
    assert await witnesses.record_answer(store, clock, first, news=news)
    assert not await witnesses.record_answer(store, clock, replace(first, held_size=3), news=news)
    (row,) = await witnesses.list_witnesses(store)
    assert (row.held_size, row.asked_at) == (5, now + HOUR)
    (last,) = await witnesses.newest_events(store, "log")
    assert last.kind is EventKind.WITNESS_KEYS


async def test_hourly_cosignatures_become_daily_ones(store: SqlStore, clock: ManualClock) -> None:
    begun = clock.now()
    await witnesses.claim_question(store, "south", HOUR, begun)
    for n in range(10):
        for hour in range(2):
            at = begun + n * DAY + hour * HOUR
            day = witnesses.day_of(at)
            cosignature = Cosignature(
                witness="south", tree_size=10 * n + hour + 1, day=day, at=at, body="— a b\n"
            )
            answer = Witness(name="south", held_size=cosignature.tree_size, said_at=at, cosigned_at=at)
            await witnesses.record_answer(store, clock, answer, cosignature)
    sizes = [c.tree_size for c in await witnesses.list_cosignatures(store, 0)]
    assert sizes[:4] == [2, 12, 21, 22], "of the first two days the last one"
    assert [c.tree_size for c in await witnesses.newest_cosignatures(store)] == [92]


async def test_a_witnessed_log_is_replaced_only_as_it_was_read(store: SqlStore, clock: ManualClock) -> None:
    now = clock.now()
    log = WitnessedLog(
        origin="log/a",
        node="north",
        code="Z91",
        keys="k",
        note="n",
        size=1,
        first_at=now,
        asked_at=now,
        said_at=now,
    )
    grown = replace(log, size=2, said_at=now + HOUR)
    assert await witnesses.record_witnessed(store, clock, log, None)
    assert not await witnesses.record_witnessed(store, clock, grown, None)
    assert await witnesses.record_witnessed(store, clock, grown, log)
    assert not await witnesses.record_witnessed(store, clock, replace(grown, size=3), log)
    assert await witnesses.find_witnessed(store, "log/a") == grown
    assert list(await witnesses.list_witnessed(store)) == [grown]


async def test_packets_of_a_day_are_counted_where_their_documents_are(
    store: SqlStore, clock: ManualClock
) -> None:
    today = local(clock.now()).date()
    sent, failed = (outgoing(clock, packet_id=PacketId(clock.new_id("pkt_"))) for _ in range(2))
    taken_in = incoming(clock, scope=SOUTH)
    arrived = inbox_item(
        clock, scope=SOUTH, transport_packet_id=clock.new_id("pkt_"), incoming_id=taken_in.id
    )
    waiting = inbox_item(clock, scope=SOUTH, transport_packet_id=clock.new_id("pkt_"))
    removed = inbox_item(
        clock, scope=SOUTH, transport_packet_id=clock.new_id("pkt_"), incoming_id="inb_removed"
    )
    clock.advance(DAY)
    tomorrow = outgoing(clock, packet_id=PacketId(clock.new_id("pkt_")))
    async with committing(store) as work:
        for document, state in ((sent, "delivered"), (failed, "failed"), (tomorrow, "sent")):
            await work.outgoing.add(document)
            await work.deliveries.add([delivery(document, "Z91.02", state)])
    async with committing(store, SOUTH) as work:
        for item in (arrived, waiting, removed):
            await work.inbox.land(item)
        await work.incoming.add(taken_in)

    out = await loss_audit.sent_packets(store, today)
    received = await loss_audit.received_packets(store, today)

    assert {(p.id, p.was_sent) for p in out["Z91.01", "Z91.02"]} == {
        (sent.packet_id, True),
        (failed.packet_id, False),
    }
    assert {p.id for packets in received.values() for p in packets} == {
        arrived.transport_packet_id,
        waiting.transport_packet_id,
    }


async def test_a_comparison_tells_of_news_alone(store: SqlStore, clock: ManualClock) -> None:
    day = local(clock.now()).date()
    lost = Difference(key="0123456789ab", is_here=True, name="1/A", found_at=clock.now(), times=2)
    count = LossCount(
        node="south",
        day=day,
        sender="Z91.01",
        recipient="Z91.02",
        is_sender=True,
        own_count=1,
        other_count=0,
        compared_at=clock.now(),
        differences=(lost,),
    )
    settled = replace(count, differences=(replace(lost, closed_at=clock.now()),))
    for entry in (count, count, settled):
        await loss_audit.record_counts(store, clock, [entry])
        assert list(await loss_audit.list_counts(store, day)) == [entry]
    assert await loss_audit.list_counts(store, day, open_only=True) == []
    while await store.number_events():
        pass
    kinds = [event.kind for event in await store.events_after(None, 0, 10)]
    assert kinds == [EventKind.LOSS_DETECTED, EventKind.LOSS_SETTLED]


async def test_states_of_a_day_are_those_that_the_sender_is_to_know(
    store: SqlStore, clock: ManualClock
) -> None:
    today, began = local(clock.now()).date(), clock.now()
    names = ("delivered", "queued", "heir", "failed")
    sent = {name: outgoing(clock, packet_id=PacketId(clock.new_id("pkt_"))) for name in names}
    recall = outgoing(clock, packet_id=PacketId(clock.new_id("pkt_")), kind=Kind.RECALL)
    closed, unanswered = (
        incoming(clock, scope=SOUTH, packet_id=PacketId(clock.new_id("pkt_")), sender_code="Z91.01")
        for _ in range(2)
    )
    clock.advance(DAY)
    tomorrow = outgoing(clock, packet_id=PacketId(clock.new_id("pkt_")))
    async with committing(store) as work:
        for name, document in {**sent, "recall": recall, "tomorrow": tomorrow}.items():
            await work.outgoing.add(document)
            own = delivery(document, "Z91.02", name if name in ("queued", "failed") else "delivered")
            await work.deliveries.add([own])
            if name == "heir":
                fact = Fact(track=Track.BUSINESS, code="01", at=began, heir="Z91.03")
                await work.facts.add(own.id, fact)
    async with committing(store, SOUTH) as work:
        for taken_in in (closed, unanswered):
            await work.incoming.add(taken_in)
        for code, note in (("01", None), ("06", None), ("05", "opened by mistake")):
            at = began + timedelta(minutes=int(code))
            fact = Fact(track=Track.BUSINESS, code=code, at=at, stated_at=at, note=note)
            await work.facts.add(closed.id, fact)
        await work.facts.add(unanswered.id, Fact(track=Track.OTHER, code="held", at=began))

    out = await state_audit.sent_states(store, today)
    received = await state_audit.received_states(store, ThreadPool(1), today)

    assert {(s.id, s.word) for s in out["Z91.01", "Z91.02"]} == {
        (sent["delivered"].packet_id, "delivered"),
        (sent["failed"].packet_id, "failed"),
    }
    (state,) = received["Z91.01", "Z91.02"]
    assert (state.id, state.word, state.changed_at) == (
        closed.packet_id,
        "done",
        began + timedelta(minutes=6),
    )


async def test_a_comparison_of_states_tells_of_news_and_of_the_repair(
    store: SqlStore, clock: ManualClock
) -> None:
    day, now = local(clock.now()).date(), clock.now()
    difference = StateDifference(
        key="0123456789ab", name="1/A", own="done", other="sent", first_at=now, counted_at=now, times=2
    )
    count = StateCount(
        node="south",
        day=day,
        sender="Z91.01",
        recipient="Z91.02",
        is_sender=False,
        compared_at=now,
        counts={"done": (1, 0), "sent": (0, 1)},
        differences=(replace(difference, times=1),),
    )
    open_count = replace(count, differences=(difference,))
    settled = replace(count, differences=(replace(difference, closed_at=now, settled_as="done"),))
    for entry in (count, open_count, open_count, settled):
        await state_audit.record_counts(store, clock, [entry])
        assert list(await state_audit.list_counts(store, day)) == [entry]
    assert await state_audit.list_counts(store, day, open_only=True) == []
    while await store.number_events():
        pass
    differ, agree = await store.events_after(None, 0, 10)
    assert (differ.kind, agree.kind) == (EventKind.STATES_DIFFER, EventKind.STATES_AGREE)
    words = {"packet": difference.key, "own": "done", "other": "sent"}
    assert differ.data["packets"] == [words]
    assert agree.data["packets"] == [words | {"settled_as": "done", "repaired_at": "there"}]
