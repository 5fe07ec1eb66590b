"""The store finds recipients that could not be reached lately and have not been heard from since, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, delivery, incoming, outgoing, stored

CODE, OTHER = "Z91.07", "Z91.08"
WEEK = timedelta(days=7)


async def sent(store: SqlStore, clock: ManualClock, *states: tuple[str, str]) -> None:
    document = outgoing(clock)
    await stored(store, document, *(delivery(document, code, state) for code, state in states))
    clock.advance(60)


async def silent(store: SqlStore, clock: ManualClock) -> set[str]:
    async with store.read(NORTH) as work:
        return set(await work.deliveries.silent([CODE, OTHER], clock.now() - WEEK))


async def test_only_who_was_not_reached_and_said_nothing_since(store: SqlStore, clock: ManualClock) -> None:
    await sent(store, clock, (CODE, "accepted"), (OTHER, "accepted"))
    failed_at = clock.now()
    await sent(store, clock, (CODE, "failed"), (OTHER, "sent"))

    assert await silent(store, clock) == {CODE}
    async with store.read(NORTH) as work:
        assert await work.deliveries.silent([CODE], clock.now() - WEEK) == {CODE: failed_at}
        assert await work.deliveries.silent([OTHER], clock.now() - WEEK) == {}
    async with store.read(SOUTH) as work:
        assert await work.deliveries.silent([CODE], clock.now() - WEEK) == {}


@pytest.mark.parametrize("state", ["delivered", "rejected", "done"])
async def test_an_answer_ends_it(store: SqlStore, clock: ManualClock, state: str) -> None:
    await sent(store, clock, (CODE, "failed"))
    await sent(store, clock, (CODE, "sending"))
    assert await silent(store, clock) == {CODE}

    await sent(store, clock, (CODE, state))

    assert await silent(store, clock) == set()


async def test_a_document_from_there_ends_it_and_so_does_a_week(store: SqlStore, clock: ManualClock) -> None:
    await sent(store, clock, (CODE, "failed"), (OTHER, "failed"))
    await stored(store, incoming(clock, sender_code=CODE.lower()))

    assert await silent(store, clock) == {OTHER}
    clock.advance(WEEK.total_seconds())
    assert await silent(store, clock) == set()
