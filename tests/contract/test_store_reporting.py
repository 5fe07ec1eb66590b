"""The report about the database is true on both: piles with their oldest, leases, whether it takes changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from gateway import errors
from gateway.domain.document import Lane
from gateway.domain.event import EventKind
from gateway.store import reporting
from gateway.store.reporting import PartnerMail, Pile
from gateway.store.store import SqlStore
from tests.support.clock import START, ManualClock
from tests.support.stores import (
    NORTH,
    SOUTH,
    committing,
    delivery,
    inbox_item,
    opened,
    outbox_item,
    outgoing,
    stored,
)

AFTER_SILENCE = START + timedelta(minutes=31)


async def test_an_empty_node_has_nothing_to_report_and_takes_changes(store: SqlStore) -> None:
    load = await reporting.load(store, START)

    assert (load.outbox, load.inbox, load.jobs, load.deliveries) == ({}, {}, {}, {})
    assert load.late == Pile(count=0, oldest=None)
    assert load.leases == {"job": 0, "outbox": 0, "inbox": 0}
    assert load.unnumbered == load.outbox_failed == 0

    await reporting.check_answers(store)
    await reporting.check_writable(store)


async def test_every_pile_has_its_count_and_oldest_over_all_agencies(
    store: SqlStore, clock: ManualClock
) -> None:
    for scope in (NORTH, SOUTH):
        document = outgoing(clock, scope=scope)
        async with committing(store, scope) as work:
            await work.outgoing.add(document)
            await work.deliveries.add(
                [replace(delivery(document, "Z91.09", "sent"), agency_id=scope.agency_id)]
            )
            await work.outbox.add(outbox_item(clock, scope=scope, lane=Lane.URGENT))
            await work.inbox.land(inbox_item(clock, scope=scope))
            await work.inbox.land(inbox_item(clock, scope=scope, state="quarantined"))
            await work.inbox.land(inbox_item(clock, scope=scope, state="done"))
            await work.jobs.add("pack", document.id)
            await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, clock.now())
        clock.advance(60)

    load = await reporting.load(store, AFTER_SILENCE)

    two = Pile(count=2, oldest=START)
    assert load.outbox == {"urgent": two}
    assert load.inbox == {"landed": two, "quarantined": two}
    assert load.jobs == {"pack": two}
    assert load.deliveries == {"sent": 2}
    assert load.unnumbered == (0 if store.writer.dialect.name == "sqlite" else 2)
    # The second was sent a minute later, and is not silent for half an hour yet.
    assert load.late == Pile(count=1, oldest=START)


async def test_mail_to_one_partner_is_counted_by_what_becomes_of_it(
    store: SqlStore, clock: ManualClock
) -> None:
    async def add(code: str, *states: str) -> None:
        for state in states:
            document = outgoing(clock)
            await stored(store, document, delivery(document, code, state))

    await add("Z91.09", "failed", "sent")
    clock.advance(8 * 24 * 3600)
    await add("Z91.09", "queued", "sending", "sent", "failed", "delivered")
    await add("Z91.10", "queued", "failed")

    mail = await reporting.under_way_to(store, [NORTH.agency_id], ["Z91.09"], clock.now())
    nobodys = await reporting.under_way_to(store, [SOUTH.agency_id], ["Z91.09"], clock.now())

    # The first failed eight days ago; the last was sent a moment ago.
    assert mail == PartnerMail(waiting=2, silent=1, failed=1)
    assert nobodys == PartnerMail(waiting=0, silent=0, failed=0)
    assert await reporting.last_packet_times(store, [NORTH.agency_id], ["Z91.09"]) == {}


async def test_what_a_process_holds_is_due_at_once_when_it_lets_go(
    store: SqlStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.outbox.add(outbox_item(clock))
        await work.inbox.land(inbox_item(clock))
        await work.jobs.add("pack", "msg-1")
    (leased,) = await store.claim_outbox(1, 60)
    await store.claim_inbox(1, 60)
    await store.claim_jobs("pack", 1, 60)
    clock.advance(59)
    await store.renew("outbox", leased.lease, 60)
    assert (await reporting.load(store, clock.now())).leases == {"job": 1, "outbox": 1, "inbox": 1}

    await store.release_leases()

    assert (await reporting.load(store, clock.now())).leases == {"job": 0, "outbox": 0, "inbox": 0}
    (claim,) = await store.claim_outbox(1, 60)
    # The try stays counted: the packet may have left before its courier was cut short.
    assert claim.lease.attempt == 2
    with pytest.raises(errors.StaleLease):
        async with committing(store) as work:
            await work.outbox.mark_sent([leased.lease], clock.now())


async def test_another_process_keeps_what_it_holds(
    store: SqlStore, store_url: str, clock: ManualClock
) -> None:
    await stored(store, outbox_item(clock))
    async with opened(store_url, clock) as other:
        await other.claim_outbox(1, 60)

        await store.release_leases()

        assert (await reporting.load(store, clock.now())).leases["outbox"] == 1


async def test_a_server_that_became_a_standby_answers_and_takes_nothing(
    migrated_postgres_url: str, clock: ManualClock
) -> None:
    name = migrated_postgres_url.rpartition("/")[2]
    admin = await asyncpg.connect(migrated_postgres_url)
    async with opened(migrated_postgres_url, clock) as store_before:
        await reporting.check_writable(store_before)
    await admin.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    async with opened(migrated_postgres_url, clock) as store:
        await reporting.check_answers(store)
        with pytest.raises(errors.StoreFailure, match="read-only"):
            await reporting.check_writable(store)
    await admin.close()
