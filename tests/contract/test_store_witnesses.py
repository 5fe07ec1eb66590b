"""Witnesses, their cosignatures, witnessed logs, and counted packets, on both databases: of two processes one counts, old
cosignatures are thinned out, and only packets of the day whose documents are there are counted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.domain.loss_audit import Difference
from gateway.domain.wall_clock import local
from gateway.store import loss_audit, witnesses
from gateway.store.loss_audit import LossCount
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
