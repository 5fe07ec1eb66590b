"""The store keeps what document systems were offered, on both databases: each agency's own, in order, and the offers that
are given up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway import errors
from gateway.domain import system_box
from gateway.domain.account import ApiKey, ApiScope, PrincipalKind
from gateway.domain.system_box import MOST_TRIES, PAUSES, BoxItem, BoxKind, BoxState
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, incoming, seed_incoming


def status(clock: ManualClock, id: str) -> BoxItem:
    return BoxItem(
        system="q",
        doc_id=id,
        kind=BoxKind.STATUS,
        subject_id="msg_1",
        offered_at=clock.now(),
        updated_at=clock.now(),
    )


async def test_documents_are_taken_held_and_given_back(store: SqlStore, clock: ManualClock) -> None:
    document = await seed_incoming(store, incoming(clock))
    ends_at = clock.now() + timedelta(minutes=30)
    async with committing(store) as work:
        await work.handovers.offer(document.id)
        assert await work.handovers.take(document.id, "vxp:q", ends_at)
    async with store.read(NORTH) as work:
        (mine,) = await work.systems.documents("q", "vxp:q", None, 10)
        assert (mine.document.id, mine.item) == (document.id, None)
        assert await work.systems.documents("q", "vxp:q", mine.place, 10) == []
        assert await work.systems.documents("r", "vxp:r", None, 10) == []
    async with committing(store) as work:
        with pytest.raises(errors.Clash):
            await work.handovers.take(document.id, "vxp:r", ends_at)
        await work.handovers.give_back(document.id, "vxp:r")
        await work.handovers.give_back(document.id, "vxp:q")
        assert await work.handovers.take(document.id, "vxp:r", ends_at)
        await work.handovers.ack(document.id, "vxp:r", clock.now())
        assert not await work.handovers.take(document.id, "vxp:q", ends_at)
    async with store.read(NORTH) as work:
        assert await work.systems.documents("q", "vxp:q", None, 10) == []


async def test_statuses_wait_pause_and_are_given_up(store: SqlStore, clock: ManualClock) -> None:
    item = status(clock, "evt_1")
    async with committing(store) as work:
        await work.systems.note("q", [item, status(clock, "evt_2")], 7)
        await work.systems.note(
            "q", [item], 5
        )  # looked through twice it is there once, and nothing goes back
    async with committing(store) as work:
        assert await work.systems.read_position("q") == 7
        assert [k.doc_id for k in await work.systems.statuses("q", 10)] == ["evt_1", "evt_2"]
        item = system_box.failed(item, "  disk\n full ", clock.now())
        await work.systems.save(item)
        assert [k.doc_id for k in await work.systems.statuses("q", 10)] == ["evt_2"]
    clock.advance(PAUSES[0])
    async with committing(store) as work:
        assert await work.systems.item("q", "evt_1") == item
        assert len(await work.systems.statuses("q", 10)) == 2
        for _ in range(MOST_TRIES - 1):
            item = system_box.failed(item, "disk full", clock.now())
        await work.systems.save(item)
    async with store.read(SOUTH) as work:
        assert await work.systems.stuck(10) == []
        assert await work.systems.item("q", "evt_1") is None
    async with store.read(NORTH) as work:
        assert [k.state for k in await work.systems.stuck(10)] == [BoxState.STUCK]
    assert await store.systems.stuck_by_system() == {"q": 1}


async def test_what_is_settled_is_kept_for_a_while(store: SqlStore, clock: ManualClock) -> None:
    async with committing(store) as work:
        await work.systems.note("q", [replace(status(clock, "evt_1"), state=BoxState.DONE)], 1)
    clock.advance(system_box.RETENTION + timedelta(days=1))
    async with store.begin(NORTH) as work:
        assert await work.systems.item("q", "evt_1") is not None
        await work.systems.note("q", [], 2)
        assert await work.systems.item("q", "evt_1") is None


async def test_a_system_has_one_credential_unless_it_changes_over(
    store: SqlStore, clock: ManualClock
) -> None:
    accounts = store.accounts
    key = ApiKey(
        id="key_1",
        principal=await accounts.principal_for(PrincipalKind.PROGRAM, "q"),
        agency_ids=(NORTH.agency_id,),
        scopes=frozenset({ApiScope.INBOX_READ}),
        created_at=clock.now(),
        system="q",
        sealed="sealed",
    )
    await accounts.add_system_key(key)
    with pytest.raises(errors.Clash):
        await accounts.add_system_key(replace(key, id="key_2"))
    clock.advance(timedelta(seconds=1))
    end = clock.now() + timedelta(hours=1)
    await accounts.add_system_key(replace(key, id="key_3", created_at=clock.now()), old_ends_at=end)

    keys = await accounts.keys_of_system("q")

    assert [(k.id, k.expires_at, k.sealed) for k in keys] == [
        ("key_3", None, "sealed"),
        ("key_1", end, "sealed"),
    ]
    assert await accounts.keys_of_system("r") == ()
