"""Sealed holds on either database: one open at a time, never removed, and what they keep is read through nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.domain.hold import OWNER, HeldContent, HeldKind, Hold, HoldState
from gateway.errors import Clash, NotFound
from gateway.store.blob_refs import ReadableContent
from gateway.store.store import SqlStore
from gateway.store.tables import BlobRow
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, digest


def hold(clock: ManualClock, subject: str = "inb_1", **fields: Any) -> Hold:
    new_hold = Hold(
        id=clock.new_id("hld_"),
        agency_id=NORTH.agency_id,
        kind=HeldKind.INCOMING,
        subject_id=subject,
        state=HoldState.FROZEN,
        why="A stamp",
        begun_at=clock.now(),
        begun_by="prn_north",
        before="new",
        contents=(HeldContent(digest=digest(subject), size=5, owner_kind="inbox", owner_id="inx_1"),),
    )
    return replace(new_hold, **fields)


async def add(store: SqlStore, *holds: Hold) -> None:
    async with committing(store) as work:
        for hold in holds:
            await work.holds.add(hold)


async def test_a_hold_reads_back_as_it_was_saved(store: SqlStore, clock: ManualClock) -> None:
    new_hold = hold(clock)
    await add(store, new_hold)
    settled = replace(new_hold, state=HoldState.SEALED, recipient="f" * 64, is_settled=True)

    async with committing(store) as work:
        await work.holds.save(settled)

    async with store.read(NORTH) as view:
        assert await view.holds.get(new_hold.id) == settled
        assert await view.holds.open_of("inb_1") == settled
    async with store.read(SOUTH) as view:
        assert await view.holds.open_of("inb_1") is None
        with pytest.raises(NotFound):
            await view.holds.get(new_hold.id)


async def test_one_hold_of_a_subject_is_open_at_a_time_and_a_closed_one_makes_room(
    store: SqlStore, clock: ManualClock
) -> None:
    first, second, third = hold(clock), hold(clock), hold(clock)
    await add(store, first)

    with pytest.raises(Clash) as clash:
        await add(store, second)
    assert clash.value.code == "GW-SEALED"
    async with committing(store) as work:
        await work.holds.save(replace(first, state=HoldState.LIFTED))
    await add(store, third)


@pytest.mark.parametrize(
    ("state", "keeps"),
    [
        (HoldState.FROZEN, True),
        (HoldState.SEALED, True),
        (HoldState.PURGED, True),
        (HoldState.LIFTED, False),
    ],
)
async def test_content_that_is_held_or_purged_is_not_to_be_stored_a_second_time(
    store: SqlStore, clock: ManualClock, state: HoldState, keeps: bool
) -> None:
    await add(store, hold(clock, state=state))

    async with store.read(NORTH) as view:
        assert await view.holds.keeps(digest("inb_1")) is keeps
        assert await view.holds.keeps(digest("other")) is False
    async with store.read(SOUTH) as view:
        assert await view.holds.keeps(digest("inb_1")) is False


async def test_holds_are_listed_newest_first_counted_and_found_while_unsettled(
    store: SqlStore, clock: ManualClock
) -> None:
    holds = []
    for n in range(3):
        clock.advance(timedelta(minutes=1))
        holds.append(hold(clock, f"inb_{n}", is_settled=n == 1))
    holds[2] = replace(holds[2], state=HoldState.SEALED)
    await add(store, *holds)

    async with store.read(NORTH) as view:
        first = await view.holds.page(limit=2)
        second_page = await view.holds.page(limit=2, cursor=first.next_cursor)
        assert [h.id for h in (*first.items, *second_page.items)] == [h.id for h in reversed(holds)]
        assert (await view.holds.page(limit=9, states=[HoldState.SEALED])).items == (holds[2],)
    assert await store.unsettled_holds() == [holds[0], holds[2]]
    assert await store.open_holds() == {"frozen": 2, "sealed": 1}


async def test_what_a_hold_keeps_is_read_through_nothing_else(store: SqlStore) -> None:
    content = digest("content")
    async with store.writing() as tx:
        tx.insert(BlobRow(digest=content, size=5, stored_at=ManualClock().now(), body=b"bytes"))
        await tx.commit()
    async with committing(store, SOUTH) as work:
        await work.blobs.add(content, "inbox", "inx_9")
    async with committing(store) as work:
        await work.blobs.add(content, "inbox", "inx_1")
        assert await work.blobs.of_owner("inbox", "inx_1") == {content: 5}

        assert await work.blobs.find(content) == ReadableContent(b"bytes")
        assert await work.blobs.find_frozen(content, "hld_1") is None

        await work.blobs.freeze("inbox", "inx_1", "hld_1")

        assert await work.blobs.holds(content) is False
        assert await work.blobs.find(content) is None
        assert await work.blobs.find_frozen(content, "hld_1") == ReadableContent(b"bytes")
        assert await work.blobs.find_frozen(content, "hld_2") is None
        assert await work.blobs.of_owner("inbox", "inx_1") == {}
        assert await work.blobs.of_owner(OWNER, "hld_1") == {content: 5}
        assert await work.blobs.count_other_owners(content, "hld_1") == 1
    async with store.read(SOUTH) as view:
        assert await view.blobs.holds(content) is True


@pytest.mark.parametrize(
    ("state", "is_settled", "open_work"),
    [
        (HoldState.FROZEN, False, {"holds": 1}),
        (HoldState.SEALED, True, {"holds": 1}),
        (HoldState.PURGED, False, {"holds": 1}),
        (HoldState.PURGED, True, {}),
        (HoldState.LIFTED, True, {}),
    ],
)
async def test_an_agency_stays_while_a_hold_of_it_is_open_or_not_brought_to_its_end(
    store: SqlStore, clock: ManualClock, state: HoldState, is_settled: bool, open_work: dict[str, int]
) -> None:
    """An agency that left has no person to decide on its holds, and no worker ends them."""
    await add(store, hold(clock, state=state, is_settled=is_settled))

    assert await store.accounts.leave(SOUTH.agency_id) == {}
    assert await store.accounts.leave(NORTH.agency_id) == open_work
