"""First numbers of an agency's events on a server, while another process gives some to the same agency. In: two connections
that are halted at the moment between them. Out: numbers without gaps or repeats."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from gateway.domain.event import EventKind
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing
from tests.support.waiting import wait_until, within_limit

_BLOCKED = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'")
_NUMBER_FIRST = text(
    "UPDATE event SET node_seq = 1000, agency_seq = 1"
    " WHERE position = (SELECT min(position) FROM event WHERE node_seq IS NULL)"
)


async def test_an_agency_whose_first_counter_another_process_has_just_written_is_numbered_after_it(
    store: SqlStore, store_url: str, clock: ManualClock
) -> None:
    if not store_url.startswith("postgresql"):
        pytest.skip("one process at a time writes an SQLite file")
    async with committing(store, SOUTH) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-0", clock.now())
    assert await store.number_events() == 1
    async with committing(store) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())
        await work.events.append(EventKind.MESSAGE_QUEUED, "msg-1", clock.now())
    other = create_async_engine(store_url.replace("postgresql://", "postgresql+asyncpg://"))
    try:
        async with other.connect() as connection:
            # The other process numbers the first event. This one finds its row locked, when its own statement has begun.
            await connection.execute(_NUMBER_FIRST)
            numbering = asyncio.create_task(store.number_events())
            async with other.connect() as onlooker:

                async def is_blocked() -> bool:
                    return bool((await onlooker.execute(_BLOCKED)).scalar_one())

                await wait_until(is_blocked, "the sequencer at the locked row")
            await connection.execute(
                text("INSERT INTO event_counter (agency_id, last) VALUES (:agency, 1)"),
                {"agency": NORTH.agency_id},
            )
            await connection.commit()
        assert await within_limit(numbering, "the sequencer") == 1
    finally:
        await other.dispose()

    events = await store.events_after(NORTH.agency_id, 0, 10)
    assert [event.agency_seq for event in events] == [1, 2]
