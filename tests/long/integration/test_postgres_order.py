"""Two units of work on one PostgreSQL meet at a row: one waits for the other, never each for the other; and decisions
from before the wait still hold after it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import update
from sqlmodel import col

from gateway.clock import SystemClock
from gateway.domain.account import HostedAgency
from gateway.domain.document import DocumentChange, Kind, OutgoingDocument, OutState, Recipient
from gateway.domain.pace import clocks_agree
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway.errors import Misconfigured, NotFound
from gateway.incoming import handover
from gateway.outgoing import manage, requests
from gateway.outgoing.services import OutgoingServices
from gateway.settings import load
from gateway.store import leases
from gateway.store.accounts import to_hosted_row
from gateway.store.store import SqlStore
from gateway.store.tables_node import HostedAgencyRow
from gateway_labs.demo import stage
from tests.support.clock import ManualClock
from tests.support.node import Town
from tests.support.stores import (
    NORTH,
    committing,
    delivery,
    digest,
    draft,
    incoming,
    outbox_item,
    outgoing,
    seed_incoming,
    with_agencies,
)
from tests.support.waiting import wait_until, within_limit

# As their ids sort. A document names its recipients in the other order.
FIRST, LAST = "Z91.02", "Z91.03"
Meeting = Callable[[OutgoingServices, OutgoingDocument], Awaitable[object]]


@pytest.fixture
async def store(migrated_postgres_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with with_agencies(migrated_postgres_url, clock) as opened:
        yield opened


async def until_it_waits(url: str, task: asyncio.Future[Any]) -> None:
    """Wait until a session waits for a lock of another, or the task is over because no lock blocked it."""
    connection = await asyncpg.connect(url)
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    async def is_held_up() -> bool:
        return task.done() or bool(await connection.fetchval(query))

    try:
        await wait_until(is_held_up, "somebody waits for a lock")
    finally:
        await connection.close()


async def sent(store: SqlStore, clock: ManualClock, state: str) -> OutgoingDocument:
    """Store a document with two deliveries in that state, and its envelope in the outbox."""
    document = outgoing(
        clock,
        draft=draft(recipients=(Recipient(code=LAST), Recipient(code=FIRST))),
        state=OutState.PACKED,
        envelope_digest=digest("envelope"),
        envelope_size=1,
    )
    async with committing(store) as work:
        await work.outgoing.add(document)
        await work.deliveries.add([delivery(document, code, state) for code in (LAST, FIRST)])
        for code in (LAST, FIRST):
            fact = Fact(track=Track.TRANSPORT, code=state, at=clock.now())
            await work.facts.add(delivery(document, code).id, fact)
        await work.outbox.add(outbox_item(clock, subject_id=document.id))
    return document


async def cancelling(services: OutgoingServices, document: OutgoingDocument) -> object:
    return await manage.cancel(services, NORTH, document.id)


async def resending(services: OutgoingServices, document: OutgoingDocument) -> object:
    return await manage.resend(services, NORTH, document.id)


async def asking(services: OutgoingServices, document: OutgoingDocument) -> object:
    child = replace(document, kind=Kind.UPDATE, parent_id=document.id, change=DocumentChange(reason="Sửa"))
    async with services.store.begin(NORTH) as work:
        await requests.ask_recipients(services, work, child, RequestKind.UPDATE)
        await work.commit()
    return child


async def withdrawing(services: OutgoingServices, document: OutgoingDocument) -> object:
    child = replace(document, kind=Kind.UPDATE, parent_id=document.id)
    async with services.store.begin(NORTH) as work:
        await requests.withdraw_requests(services, work, child)
        await work.commit()
    return child


@pytest.mark.parametrize("meeting", [cancelling, resending, asking, withdrawing])
async def test_whoever_changes_several_deliveries_goes_through_them_as_a_courier_does(
    town: Town, store: SqlStore, clock: ManualClock, migrated_postgres_url: str, meeting: Meeting
) -> None:
    document = await sent(store, clock, "failed")
    services = replace(town.node.out, store=store, clock=clock)

    async with committing(store) as courier:
        await courier.facts.of_subject(delivery(document, FIRST).id)
        other = asyncio.ensure_future(meeting(services, document))
        await until_it_waits(migrated_postgres_url, other)
        await courier.facts.of_subject(delivery(document, LAST).id)

    await within_limit(other, "the other one is let in")


async def test_handing_over_a_document_does_not_wait_for_who_works_on_it(
    town: Town, store: SqlStore, clock: ManualClock
) -> None:
    document = await seed_incoming(store, incoming(clock))
    services = replace(town.node.inn, store=store, clock=clock)
    async with committing(store) as work:
        await work.handovers.offer(document.id)

    async with store.begin(NORTH) as clerk:
        await clerk.incoming.get(document.id)
        leased = await within_limit(handover.lease(services, NORTH, "qlvb", 10, 60), "a lease")

    assert [row.id for row in leased] == [document.id]


async def test_an_agency_does_not_leave_while_a_document_is_being_accepted_for_it(
    store: SqlStore, clock: ManualClock, migrated_postgres_url: str
) -> None:
    document = outgoing(clock)
    async with committing(store) as work:
        await work.agency()
        leaving = asyncio.ensure_future(store.accounts.leave(NORTH.agency_id))
        await until_it_waits(migrated_postgres_url, leaving)
        await work.outgoing.add(document)
        await work.jobs.add("pack", document.id)

    assert await within_limit(leaving, "the agency leaves") == {"jobs": 1}


async def test_what_is_to_be_accepted_while_an_agency_leaves_hears_that_it_left(
    store: SqlStore, clock: ManualClock, migrated_postgres_url: str
) -> None:
    """The question waits for the change of the agency, and is answered from the new row."""
    (north, _) = await store.hosted()
    closed_body = to_hosted_row(replace(north, left_at=clock.now())).body

    async def accepting() -> HostedAgency:
        async with store.begin(NORTH) as work:
            return await work.agency()

    async with store.writing() as leaving:
        row = col(HostedAgencyRow.id) == NORTH.agency_id
        await leaving.change(update(HostedAgencyRow).where(row).values(body=closed_body))
        accepting_task = asyncio.ensure_future(accepting())
        await until_it_waits(migrated_postgres_url, accepting_task)
        await leaving.commit()

    with pytest.raises(NotFound):
        await within_limit(accepting_task, "the question is answered")


@pytest.mark.parametrize("off_s", [-61, -21, -19, 0, 19, 21, 61])
async def test_a_clock_that_is_off_by_more_than_a_third_of_a_lease_is_refused(
    store: SqlStore, off_s: int
) -> None:
    gap = await store.clock_gap(lambda: SystemClock().now() + timedelta(seconds=off_s))

    assert abs(gap - timedelta(seconds=off_s)) < timedelta(seconds=1)
    if abs(off_s) < 20:
        leases.refuse_gap(gap, 60)
        assert clocks_agree(gap, 60)
        return
    with pytest.raises(Misconfigured) as refused:
        leases.refuse_gap(gap, 60)
    assert "timedatectl" in refused.value.hint


async def test_a_node_does_not_start_on_a_server_whose_clock_is_elsewhere(
    tmp_path: Path, migrated_postgres_url: str
) -> None:
    """The system's own clock is put aside for one that is 61 s ahead, in that database alone."""
    words = {
        "GATEWAY_NODE_NAME": "shared",
        "GATEWAY_NODE_DATA_DIR": str(tmp_path / "node"),
        "GATEWAY_DATABASE_URL": migrated_postgres_url,
    }
    await stage.prepare(load(None, words))
    connection = await asyncpg.connect(migrated_postgres_url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(
        "CREATE SCHEMA ahead; CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$ SELECT pg_catalog.clock_timestamp() + interval '61 s' $$; "
        f'ALTER DATABASE "{name}" SET search_path = ahead, pg_catalog, public'
    )
    await connection.close()

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "gateway", "--lang", "en", "serve", "--role", "worker"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3]), **words},
        stderr=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        _, output = await within_limit(process.communicate(), "the process ends")
    finally:
        if process.returncode is None:
            process.kill()

    assert process.returncode not in (0, None)
    assert "timedatectl" in output.decode(), output.decode()
