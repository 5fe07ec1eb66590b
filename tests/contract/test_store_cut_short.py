"""Failures in the middle of a unit of work, and conflicts between two units: a unit that is cut short hears just that and
leaves nothing behind, what a server refused is not called committed, and what left is not sent again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import func, select, text
from sqlmodel import col

from gateway import errors
from gateway.domain.document import OutState, ReplyLink
from gateway.domain.identity import DocumentId
from gateway.domain.queues import OutboxTarget
from gateway.outgoing import dispatch
from gateway.outgoing.services import OutgoingServices
from gateway.ports.axis import Fate, Outcome
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow
from gateway.store.transaction import _STATEMENTS
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    committing,
    delivery,
    digest,
    draft,
    incoming,
    outbox_item,
    outgoing,
    stored,
)
from tests.support.waiting import wait_until

_WAITS = select(func.pg_sleep(20))
_OTHER_SESSIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND state <> 'idle'"
)
on_a_server = pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)


def blob(name: str, clock: ManualClock) -> BlobRow:
    return BlobRow(digest=digest(name), size=1, stored_at=clock.now())


@on_a_server
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_who_is_cut_short_however_often_hears_that_and_leaves_nothing_open(
    store: SqlStore, times: int
) -> None:
    started = asyncio.Event()

    async def unit() -> None:
        async with store.writing() as tx:
            _STATEMENTS.find(_WAITS, None, tx._dialect)  # from now on the driver itself is asked
            await tx.hold("a name")
            started.set()
            await tx.tuples(_WAITS)

    task = asyncio.create_task(unit())
    await started.wait()

    async def is_waiting() -> bool:
        async with store.viewing_few() as tx:
            return bool((await tx.tuples(_OTHER_SESSIONS))[0][0])

    await wait_until(is_waiting, "the server is asked")
    for _ in range(times):
        task.cancel()
        await asyncio.sleep(0)
    (ended,) = await asyncio.gather(task, return_exceptions=True)

    assert isinstance(ended, asyncio.CancelledError)

    async def is_still() -> bool:
        return not await is_waiting()

    await wait_until(is_still, "nothing is left open")


@pytest.mark.parametrize(("subject", "failure"), [("a\ud800b", errors.StoreFailure), (2**70, errors.BadForm)])
async def test_a_value_that_no_database_has_is_told_in_words(
    store: SqlStore, subject: object, failure: type[errors.GatewayError]
) -> None:
    """A number beyond the span is the caller's."""
    query = select(col(BlobRow.digest)).where(
        (col(BlobRow.digest) if subject != 2**70 else col(BlobRow.size)) == subject
    )
    for _ in range(3):
        with pytest.raises(failure) as failed:
            async with store.writing() as tx:
                await tx.tuples(query)
        assert "ud800b" not in str(failed.value)


async def test_what_was_refused_in_a_unit_is_not_called_committed(
    store: SqlStore, clock: ManualClock
) -> None:
    """On SQLite the rest of it holds; a server has undone all of it."""
    document, messages = outgoing(clock), list[str]()
    with suppress(errors.StoreFailure):
        async with committing(store) as work:
            await work.outgoing.add(document)
            work.when_committed(lambda: messages.append("committed"))
            await work.outgoing.get(document.id)
            with suppress(errors.GatewayError):
                await work.blobs.add(digest("nowhere"), "envelope", document.id)

    async with store.read(NORTH) as view:
        ids = [d.id for d in (await view.outgoing.page(limit=5)).items]
    assert ids == [document.id] * len(messages)


@on_a_server
async def test_what_left_is_not_sent_again_because_a_clerk_has_its_document_in_hand(
    store: SqlStore, clock: ManualClock
) -> None:
    """A courier keeps deliveries, then what they answer; a clerk what is answered, then what answers it."""
    received = incoming(clock, document_id=DocumentId("d-1"))
    link = ReplyLink(
        agency=received.sender_code, number="1/X", date=clock.now().date(), document_id=DocumentId("d-1")
    )
    document = outgoing(clock, state=OutState.PACKED, draft=draft(replies_to=(link,)))
    delivery_row = delivery(document, "Z91.02")
    target = OutboxTarget(code="Z91.02", delivery_id=delivery_row.id)
    item = replace(outbox_item(clock), subject_id=document.id, kind=document.kind, targets=(target,))
    await stored(store, document, delivery_row, received, item)
    (leased,) = await store.claim_outbox(10, 60)
    tools: Any = SimpleNamespace(
        store=store, clock=clock, aging=clock, profile=SimpleNamespace(retry_limit=timedelta(days=1))
    )
    services = cast("OutgoingServices", tools)
    outcome = Outcome(fate=Fate.DELIVERED, code="", detail="")
    tried = dispatch._make_tried_row(services, leased, [target], {"Z91.02": outcome})
    has_it = asyncio.Event()

    async def clerk() -> None:
        async with committing(store) as work:
            await work.incoming.get(received.id)
            has_it.set()
            await asyncio.sleep(0.5)  # the courier waits for what the clerk has
            await work.outgoing.get(document.id)

    async def courier() -> None:
        await has_it.wait()
        await dispatch._record_alone(services, NORTH, tried, clock.now())

    await asyncio.gather(clerk(), courier())

    async with store.read(NORTH) as view:
        assert (await view.outbox.get(leased.item.id)).state == "sent"
