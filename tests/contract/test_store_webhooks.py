"""The rows of webhooks on both databases: taken by one worker at a time, kept together with the outcome of each event."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.domain.account import ApiScope
from gateway.domain.event import EventKind
from gateway.domain.webhook import (
    DeliveryState,
    Endpoint,
    EndpointState,
    KeptSecret,
    PauseWhy,
    Try,
    TryCode,
    WebhookDelivery,
)
from gateway.errors import Clash, NotFound, StaleLease, StaleVersion
from gateway.store.store import SqlStore
from gateway.store.webhooks import Report
from tests.support.clock import ManualClock
from tests.support.statements import noted_statements
from tests.support.stores import NORTH, SOUTH, committing

LEASE_S = 60.0


async def added(store: SqlStore, clock: ManualClock, **more: object) -> Endpoint:
    endpoint = Endpoint(
        id=clock.new_id("whk_"),
        agency_id=NORTH.agency_id,
        url="https://qlvb.example.gov.vn/events?key=theirs",
        types=("message.*",),
        scopes=frozenset({ApiScope.MESSAGES_READ}),
        note="qlvb",
        secrets=(KeptSecret(sealed="c2VhbGVk", until=clock.now()),),
        created_at=clock.now(),
        created_by="prn_1",
    )
    endpoint = replace(endpoint, **more)  # type: ignore[arg-type]  # a test's own words
    await store.webhooks.add(NORTH, endpoint)
    return endpoint


async def happened(store: SqlStore, clock: ManualClock, count: int = 3) -> int:
    for n in range(count):
        async with committing(store) as work:
            await work.events.append(EventKind.DELIVERY_SENT, f"msg_{n}", clock.now(), {})
    while await store.number_events():
        pass
    return await store.webhooks.newest(NORTH.agency_id)


def delivery(endpoint: Endpoint, sequence: int, clock: ManualClock, state: DeliveryState) -> WebhookDelivery:
    return WebhookDelivery(
        webhook_id=endpoint.id,
        sequence=sequence,
        event_id=f"evt_1-{sequence}",
        kind="message.sent",
        state=state,
        attempts=1,
        first_at=clock.now(),
        at=clock.now(),
        due_at=clock.now() + timedelta(seconds=5) if state is DeliveryState.WAITING else None,
        tries=(Try(at=clock.now(), code=TryCode.STATUS, status=500, took_ms=3, said="broken"),),
    )


async def test_what_was_kept_is_read_as_it_was_and_an_agency_has_so_many(
    store: SqlStore, clock: ManualClock
) -> None:
    endpoint = await added(store, clock, paused_why=PauseWhy.GONE, paused_at=clock.now())

    assert await store.webhooks.get(NORTH.agency_id, endpoint.id) == endpoint
    assert list(await store.webhooks.list_endpoints(NORTH.agency_id)) == [endpoint]
    assert not await store.webhooks.list_endpoints(SOUTH.agency_id)
    with pytest.raises(NotFound):
        await store.webhooks.get(SOUTH.agency_id, endpoint.id)

    for _ in range(19):
        await added(store, clock)
    with pytest.raises(Clash):
        await added(store, clock)


async def test_one_is_taken_by_one_worker_and_only_when_there_is_something(
    store: SqlStore, clock: ManualClock
) -> None:
    endpoint, rows = await added(store, clock), store.webhooks
    last = await happened(store, clock)
    signs = await store.signs(LEASE_S, ())
    (mine,) = await rows.claim(5, LEASE_S, slow=False)

    assert "webhooks" in signs.due
    assert mine.endpoint == endpoint
    assert not await rows.claim(5, LEASE_S, slow=False)
    clock.advance(LEASE_S + 1)
    (theirs,) = await rows.claim(5, LEASE_S, slow=False)
    with pytest.raises(StaleLease):
        await rows.record(mine, Report(cursor=last, suspects=0))
    await rows.record(theirs, Report(cursor=last, suspects=0))
    assert "webhooks" not in (await store.signs(LEASE_S, ())).due
    assert not await rows.claim(5, LEASE_S, slow=False)


async def test_the_slow_are_taken_apart_and_a_lease_can_be_given_back(
    store: SqlStore, clock: ManualClock
) -> None:
    rows = store.webhooks
    await added(store, clock)
    slow = await added(store, clock, slow=True)
    await happened(store, clock)

    assert len(await rows.claim(5, LEASE_S, slow=False)) == 1
    (mine,) = await rows.claim(5, LEASE_S, slow=True)
    assert mine.endpoint.id == slow.id
    await rows.release(mine)
    assert len(await rows.claim(5, LEASE_S, slow=True)) == 1


async def test_a_report_is_kept_whole_and_what_waits_comes_when_it_is_due(
    store: SqlStore, clock: ManualClock
) -> None:
    endpoint, rows = await added(store, clock), store.webhooks
    last = await happened(store, clock)
    (mine,) = await rows.claim(5, LEASE_S, slow=False)
    delivered = delivery(endpoint, last - 1, clock, DeliveryState.DELIVERED)
    waits = delivery(endpoint, last, clock, DeliveryState.WAITING)
    await rows.record(mine, Report(cursor=last, suspects=1, deliveries=(delivered, waits), slow=True))

    stored = await rows.get(NORTH.agency_id, endpoint.id)
    assert (stored.cursor, stored.suspects, stored.slow, stored.due_at) == (last, 1, True, waits.due_at)
    assert list(await rows.log(NORTH.agency_id, endpoint.id, 9)) == [waits, delivered]
    assert list(await rows.log(NORTH.agency_id, endpoint.id, 9, before_sequence=last)) == [delivered]
    assert list(await rows.log(NORTH.agency_id, endpoint.id, 9, state=DeliveryState.WAITING)) == [waits]
    assert not await rows.claim(5, LEASE_S, slow=True)
    figures = (await rows.figures(NORTH.agency_id, [endpoint.id]))[endpoint.id]
    assert (figures.delivered, figures.failed, figures.waiting, figures.behind) == (1, 0, 1, 0)
    load = await rows.load()
    assert (load.endpoints, load.waiting, load.oldest) == ({"active": 1}, 1, clock.now())

    clock.advance(6)
    (claim,) = await rows.claim(5, LEASE_S, slow=True)
    assert list((await rows.standing(claim.endpoint, 9)).due) == [waits]
    good = replace(waits, state=DeliveryState.DELIVERED, due_at=None, attempts=2)
    await rows.record(claim, Report(cursor=last, suspects=0, deliveries=(good,), last_ok_at=clock.now()))
    assert await rows.delivery(NORTH.agency_id, endpoint.id, last) == good
    assert (await rows.standing(endpoint, 9)).waiting == 0


async def test_figures_of_many_endpoints_take_as_many_queries_as_of_one(
    store: SqlStore, clock: ManualClock
) -> None:
    endpoints, rows = [await added(store, clock) for _ in range(3)], store.webhooks
    last = await happened(store, clock)
    for mine, state in zip(await rows.claim(5, LEASE_S, slow=False), DeliveryState, strict=True):
        deliveries = (delivery(mine.endpoint, last, clock, state),)
        await rows.record(mine, Report(cursor=last - 1, suspects=0, deliveries=deliveries))
    states = {
        endpoint.id: (await rows.log(NORTH.agency_id, endpoint.id, 9))[0].state for endpoint in endpoints
    }
    with noted_statements() as statements_of_one:
        await rows.figures(NORTH.agency_id, [endpoints[0].id])

    with noted_statements() as statements_of_three:
        figures = await rows.figures(NORTH.agency_id, [endpoint.id for endpoint in endpoints])

    assert len(statements_of_three) == len(statements_of_one)
    for id, state in states.items():
        of_state = {DeliveryState.DELIVERED: figures[id].delivered, DeliveryState.FAILED: figures[id].failed}
        assert {**of_state, DeliveryState.WAITING: figures[id].waiting} == {
            s: int(s is state) for s in DeliveryState
        }
        assert figures[id].behind == 1
    assert await rows.figures(NORTH.agency_id, []) == {}


async def test_people_and_workers_do_not_overwrite_each_other(store: SqlStore, clock: ManualClock) -> None:
    endpoint, rows = await added(store, clock), store.webhooks
    last = await happened(store, clock)
    (mine,) = await rows.claim(5, LEASE_S, slow=False)

    def changed(endpoint: Endpoint) -> Endpoint:
        return replace(endpoint, note="other", state=EndpointState.PAUSED, cursor=0, suspects=9)

    await rows.change(NORTH, endpoint.id, changed, EventKind.WEBHOOK_CHANGED, version=1)
    await rows.record(mine, Report(cursor=last, suspects=0, pause=PauseWhy.GONE))

    stored = await rows.get(NORTH.agency_id, endpoint.id)
    assert (stored.note, stored.state, stored.cursor, stored.suspects) == (
        "other",
        EndpointState.PAUSED,
        last,
        0,
    )
    assert stored.paused_why is None, "a person was first"
    with pytest.raises(StaleVersion):
        await rows.change(NORTH, endpoint.id, changed, EventKind.WEBHOOK_CHANGED, version=1)


async def test_told_anew_removed_and_tidied(store: SqlStore, clock: ManualClock) -> None:
    endpoint, rows = await added(store, clock), store.webhooks
    last = await happened(store, clock, 6)
    (mine,) = await rows.claim(5, LEASE_S, slow=False)
    given_up = [delivery(endpoint, last - n, clock, DeliveryState.FAILED) for n in range(4)]
    await rows.record(
        mine, Report(cursor=last, suspects=0, deliveries=tuple(given_up), gave_up=(given_up[0],))
    )

    assert await rows.redeliver(NORTH, endpoint.id, [last - 5, last]) == 2
    assert await rows.redeliver(NORTH, endpoint.id, None) == 3
    assert [d.sequence for d in (await rows.standing(endpoint, 9)).due] == [
        last - 5,
        *range(last - 3, last + 1),
    ]
    with pytest.raises(NotFound):
        await rows.redeliver(NORTH, endpoint.id, [last + 1])
    with pytest.raises(NotFound):
        await rows.redeliver(SOUTH, endpoint.id, None)

    (mine,) = await rows.claim(5, LEASE_S, slow=False)
    ended = [replace(d, state=DeliveryState.DELIVERED, due_at=None) for d in given_up]
    await rows.record(mine, Report(cursor=last, suspects=0, deliveries=tuple(ended)))
    assert await rows.trim(clock.now() - timedelta(days=1), 2) == 2
    clock.advance(100)
    assert await rows.trim(clock.now() - timedelta(seconds=50), 100) == 2
    assert (await rows.standing(endpoint, 9)).waiting == 1, "what waits is not tidied"
    await rows.remove(NORTH, endpoint.id)
    with pytest.raises(NotFound):
        await rows.get(NORTH.agency_id, endpoint.id)
