"""The store knows when each agency was heard last, and to which of them mail went, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.domain.identity import PacketId
from gateway.domain.proof import Identity
from gateway.store.inbox import REPEAT
from gateway_office.store import partners
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import START, ManualClock
from tests.support.stores import NORTH, SOUTH, committing, delivery, digest, inbox_item, outgoing, stored

CODE, OTHER = "Z91.07", "Z91.08"
BOTH = (NORTH.agency_id, SOUTH.agency_id)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def add_arrival(
    store: SqlOfficeStore,
    clock: ManualClock,
    code: str,
    at: datetime,
    *,
    scope: AgencyScope = NORTH,
    kind: Kind = Kind.STATUS,
) -> None:
    """Add a packet of that code that arrived and was admitted at that moment."""
    landed = inbox_item(clock, scope=scope, received_at=at)
    async with committing(store, scope) as work:
        await work.inbox.land(landed)
        await work.identities.claim(
            Identity(
                sender=code,
                body_digest=digest(landed.id),
                kind=kind,
                packet_id=PacketId(landed.id),
                document_id=None,
                inbox_id=landed.id,
                incoming_id=None,
                at=at,
            )
        )
    await settled(store, landed.id, code, at, scope=scope)


async def settled(
    store: SqlOfficeStore,
    id: str,
    code: str,
    at: datetime,
    *,
    scope: AgencyScope = NORTH,
    state: str = "done",
    why: str | None = None,
) -> None:
    async with committing(store, scope) as work:
        item = await work.inbox.get(id)
        await work.inbox.settle(replace(item, state=state, sender_code=code, code=why, settled_at=at), None)


async def last(store: SqlOfficeStore, *agencies: str) -> dict[str, datetime]:
    return dict(await partners.last_seen(store, [CODE, OTHER], START, agencies))


async def sent(store: SqlOfficeStore, clock: ManualClock, at: datetime, *states: tuple[str, str]) -> None:
    document = outgoing(clock, created_at=at)
    await stored(store, document, *(delivery(document, code, state) for code, state in states))


async def test_the_newest_that_was_admitted_counts_whatever_it_was(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await add_arrival(store, clock, CODE, START - 3 * HOUR, kind=Kind.DOCUMENT)
    await add_arrival(store, clock, CODE, START - HOUR)
    await add_arrival(store, clock, CODE, START - 2 * HOUR)
    await add_arrival(store, clock, OTHER, START - 300 * DAY)
    await add_arrival(store, clock, OTHER, START - 200 * DAY)

    assert await last(store, *BOTH) == {CODE: START - HOUR, OTHER: START - 200 * DAY}


async def test_an_agency_hears_by_its_own_mail_alone_of_however_many_codes(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await add_arrival(store, clock, CODE, START - 2 * DAY)
    await add_arrival(store, clock, CODE, START - DAY, scope=SOUTH)
    await add_arrival(store, clock, OTHER, START - 90 * DAY, scope=SOUTH)

    assert await last(store, NORTH.agency_id) == {CODE: START - 2 * DAY}
    assert await last(store, *BOTH) == {CODE: START - DAY, OTHER: START - 90 * DAY}
    assert await last(store) == {}
    lately = START - 30 * DAY
    assert await partners.heard_since(store, [CODE, OTHER], lately, [SOUTH.agency_id]) == {CODE}
    assert await partners.heard_since(store, [OTHER], lately, BOTH) == set()

    await add_arrival(store, clock, CODE, START - DAY)
    await add_arrival(store, clock, OTHER, START - 90 * DAY)
    many = [f"Z90.{n}" for n in range(1200)]

    times = await partners.last_seen(store, [*many, CODE, OTHER], START, BOTH)

    assert times == {CODE: START - DAY, OTHER: START - 90 * DAY}


@pytest.mark.parametrize(("state", "why"), [("quarantined", "SIG-BAD"), ("done", REPEAT)])
async def test_what_was_not_admitted_or_came_again_is_no_answer(
    store: SqlOfficeStore, clock: ManualClock, state: str, why: str
) -> None:
    landed = inbox_item(clock, received_at=START - HOUR)
    await stored(store, landed)
    await settled(store, landed.id, CODE, START - HOUR, state=state, why=why)

    assert await last(store, *BOTH) == {}


async def test_only_what_left_the_node_since_then_went_to_somebody(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await sent(store, clock, START - DAY, (CODE, "sent"), (OTHER, "failed"), ("Z91.09", "queued"))
    await sent(store, clock, START - 200 * DAY, (OTHER, "done"))

    assert await partners.sent_to_since(store, START - 183 * DAY, BOTH) == {CODE}
    assert await partners.sent_to_since(store, START - 201 * DAY, BOTH) == {CODE, OTHER}
    assert await partners.sent_to_since(store, START - 201 * DAY, [SOUTH.agency_id]) == set()
