"""The one look for all waiting work: it names work as soon as that is due, and asks nothing while nothing has
changed."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest

from gateway.domain.account import HostedAgency
from gateway.domain.event import EventKind
from gateway.store import due_work
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import committing, opened, outbox_item, stored

LEASE_S, MINUTE = 60.0, timedelta(minutes=1)


class Looks:
    """Counts how often the database was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._asked = 0
        look = due_work.look_for_signs

        # Any: whatever the look is called with
        async def counted(*arguments: object) -> due_work.SignsAsOf:
            self._asked += 1
            return await look(*arguments)  # type: ignore[arg-type]  # as it was called

        monkeypatch.setattr(due_work, "look_for_signs", counted)

    def take(self) -> int:
        count, self._asked = self._asked, 0
        return count


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    return Looks(monkeypatch)


async def due(store: SqlStore) -> Collection[str]:
    return (await store.signs(LEASE_S, ("answer", "pack"))).due


async def quiet(store: SqlStore) -> None:
    """Give every event its number, so that nothing is due."""
    while await store.number_events():
        pass
    assert await due(store) == set()


async def test_while_nobody_writes_a_file_is_asked_once_and_a_server_each_time(
    store: SqlStore, looks: Looks
) -> None:
    await quiet(store)
    looks.take()

    for _ in range(3):
        assert await due(store) == set()

    assert looks.take() == (0 if store.writer.dialect.name == "sqlite" else 3)


async def test_what_is_due_is_asked_for_until_it_is_done(
    store: SqlStore, clock: ManualClock, looks: Looks
) -> None:
    await quiet(store)
    await stored(store, outbox_item(clock))
    looks.take()

    for _ in range(3):
        assert await due(store) == {"dispatcher"}
    assert looks.take() == 3

    assert await store.claim_outbox(1, LEASE_S)
    assert await due(store) == set()


async def test_what_another_process_wrote_is_seen_at_the_next_look(
    store: SqlStore, clock: ManualClock, store_url: str
) -> None:
    await quiet(store)
    signs_before = await store.signs(LEASE_S, ())
    async with opened(store_url, clock) as other:
        await stored(other, outbox_item(clock))
        assert await due(store) == {"dispatcher"}
        await other.accounts.add_hosted(HostedAgency(id="agy_9", code="Z91.09", name="Nine"))

        assert (await store.signs(LEASE_S, ())).marks["hosting"] != signs_before.marks["hosting"]


async def test_what_time_alone_makes_due_is_due_when_it_comes(store: SqlStore, clock: ManualClock) -> None:
    """A wait that ends; also for a clock that is put back meanwhile."""
    async with committing(store) as work:
        await work.jobs.add("pack", "msg-1", clock.now() + 10 * MINUTE)
    await quiet(store)

    for minutes, expected in ((9, set[str]()), (1, {"packer"}), (-5, set[str]()), (5, {"packer"})):
        clock.advance(minutes * MINUTE)
        assert await due(store) == expected


async def test_a_lease_that_runs_out_is_seen_though_nobody_writes(
    store: SqlStore, clock: ManualClock
) -> None:
    await stored(store, outbox_item(clock))
    assert await store.claim_outbox(1, LEASE_S)
    await quiet(store)

    clock.advance(LEASE_S - 1)
    assert await due(store) == set()
    clock.advance(1)
    assert await due(store) == {"dispatcher"}


async def test_events_that_wait_for_their_numbers_are_due(store: SqlStore, clock: ManualClock) -> None:
    await quiet(store)
    async with committing(store) as work:
        await work.events.append(EventKind.MESSAGE_ACCEPTED, "msg-1", clock.now())

    expected = set() if store.writer.dialect.name == "sqlite" else {"sequencer"}
    assert (await store.signs(LEASE_S, ())).due == expected
