"""The calls of keys are kept once, found by outcome and route, listed a page at a time, and removed for age and for
number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.account import ApiCall, ApiScope, CallCount, PrincipalKind
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH


async def key(store: SqlStore, name: str) -> str:
    principal = await store.accounts.principal_for(PrincipalKind.PROGRAM, name, NORTH.agency_id)
    new_row = await store.accounts.add_key(
        secret_hash=name * 8,
        principal=principal,
        agency_ids=[NORTH.agency_id],
        scopes={ApiScope.MESSAGES_READ},
    )
    return new_row.id


def call(clock: ManualClock, key_id: str, status: int = 200, route: str = "/api/v1/me") -> ApiCall:
    clock.advance(1)
    return ApiCall(
        id=clock.new_id("cal_"),
        key_id=key_id,
        at=clock.now(),
        method="GET",
        route=route,
        status=status,
        took_ms=12,
        problem="" if status < 400 else "forbidden",
        address="192.0.2.7",
        request_id="req_1",
    )


@pytest.fixture
async def seeded(store: SqlStore, clock: ManualClock) -> tuple[str, list[ApiCall]]:
    """Store one key with five calls, two of them refused."""
    id = await key(store, "qlvb")
    calls = [call(clock, id, status) for status in (200, 403, 200, 404)]
    calls.append(call(clock, id, 200, "/api/v1/inbox"))
    await store.calls.keep(calls)
    return id, calls


async def test_calls_come_newest_first_are_counted_since_a_moment_and_go_for_age_and_number(
    store: SqlStore, seeded: tuple[str, list[ApiCall]], clock: ManualClock
) -> None:
    id, calls = seeded
    newest = list(reversed(calls))
    await store.calls.keep(calls)
    await store.calls.keep([call(clock, await key(store, "other"))])

    assert list(await store.calls.list_calls(id, 9)) == newest
    first = await store.calls.list_calls(id, 2)
    assert list(await store.calls.list_calls(id, 9, before_id=first[-1].id)) == newest[2:]
    assert [x.status for x in await store.calls.list_calls(id, 9, errors=True)] == [404, 403]
    assert list(await store.calls.list_calls(id, 9, route="/api/v1/inbox")) == newest[:1]
    assert list(await store.calls.routes(id)) == ["/api/v1/inbox", "/api/v1/me"]

    assert await store.calls.counts([id], calls[0].at) == {id: CallCount(calls=5, errors=2)}
    assert await store.calls.counts([id], calls[3].at) == {id: CallCount(calls=2, errors=1)}
    assert await store.calls.counts([id], clock.now() + timedelta(seconds=1)) == {}
    assert await store.calls.counts([], calls[0].at) == {}

    quiet = await key(store, "quiet")
    alone = [call(clock, quiet) for _ in range(3)]
    await store.calls.keep(alone)

    await store.calls.trim([id], calls[1].at, 3)
    assert list(await store.calls.list_calls(id, 9)) == list(reversed(calls[2:]))
    await store.calls.trim([], alone[1].at, 1)

    assert list(await store.calls.list_calls(id, 9)) == []
    assert list(await store.calls.list_calls(quiet, 9)) == list(reversed(alone[1:]))
