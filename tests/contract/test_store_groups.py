"""Saved groups of recipients: each agency's own, found by a name however it is typed, never overwritten unseen."""

from __future__ import annotations

import pytest

from gateway import errors
from gateway.domain.document import RecipientRole
from gateway.domain.registry import GroupMember
from gateway.outgoing import addressing
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH

MEMBERS = (GroupMember(code="Z91.02", role=RecipientRole.TO_KNOW), GroupMember(code="Z91.03"))


async def names(store: SqlStore, scope: object = NORTH) -> list[str]:
    return [group.name for group in await addressing.groups(store, scope)]  # type: ignore[arg-type]  # a scope


async def test_a_group_comes_back_as_it_was_saved(store: SqlStore, clock: ManualClock) -> None:
    saved = await addressing.save_group(store, NORTH, "  Các  sở, ban, ngành ", MEMBERS, clock.now())

    assert list(await addressing.groups(store, NORTH)) == [saved]
    assert (saved.name, saved.members, saved.version) == ("Các sở, ban, ngành", MEMBERS, 1)
    async with store.read(NORTH) as work:
        assert await work.groups.find_by_name("CAC SO, BAN, NGANH") == saved


async def test_another_agency_neither_sees_nor_removes_it(store: SqlStore, clock: ManualClock) -> None:
    await addressing.save_group(store, NORTH, "Nhóm", MEMBERS, clock.now())
    await addressing.save_group(store, SOUTH, "Nhóm", MEMBERS[:1], clock.now())
    await addressing.remove_group(store, SOUTH, "nhóm")

    assert await names(store) == ["Nhóm"]
    assert await names(store, SOUTH) == []


async def test_two_groups_whose_names_read_the_same_are_one(store: SqlStore, clock: ManualClock) -> None:
    await addressing.save_group(store, NORTH, "Nhóm một", MEMBERS, clock.now())

    with pytest.raises(errors.Clash):
        await addressing.save_group(store, NORTH, "NHOM MOT", MEMBERS[:1], clock.now())
    assert (await addressing.groups(store, NORTH))[0].members == MEMBERS


async def test_a_change_over_a_change_nobody_saw_is_refused(store: SqlStore, clock: ManualClock) -> None:
    first = await addressing.save_group(store, NORTH, "Nhóm", MEMBERS, clock.now())
    second = await addressing.save_group(store, NORTH, "Nhóm", MEMBERS[:1], clock.now(), first.version)

    with pytest.raises(errors.Clash):
        await addressing.save_group(store, NORTH, "Nhóm", MEMBERS, clock.now(), first.version)
    assert list(await addressing.groups(store, NORTH)) == [second]


@pytest.mark.parametrize(("name", "members"), [("  ", MEMBERS), ("x" * 101, MEMBERS), ("Nhóm", ())])
async def test_what_is_no_group_is_refused(
    store: SqlStore, clock: ManualClock, name: str, members: tuple[GroupMember, ...]
) -> None:
    with pytest.raises(errors.Clash):
        await addressing.save_group(store, NORTH, name, members, clock.now())
    assert await names(store) == []


async def test_a_group_that_is_not_there_cannot_be_removed(store: SqlStore) -> None:
    with pytest.raises(errors.NotFound):
        await addressing.remove_group(store, NORTH, "Nhóm")
