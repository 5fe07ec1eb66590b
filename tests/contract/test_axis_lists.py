"""The lists of agencies that foreign axes give, on either database: new agencies are added, known ones are changed only by
people, what contradicts is shown, and two processes ask once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.domain.axis_list import AxisListState
from gateway.errors import Clash
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.axis_lists import MOST_KEPT, SqlAxisLists, newest_by_axis, to_look_at
from gateway.registry_authoring.changes import SqlDirectoryChanges
from gateway.store.store import SqlStore
from tests.support.clock import ManualClock
from tests.support.measuring import measured
from tests.support.stores import opened
from tests.support.town import lgsp

EVERY = timedelta(hours=6)
KNOWN_AGENCIES = """code,name,parent
Z91,UBND tỉnh Sao Mai,
Z91.01,Sở Tài chính,Z91
Z91.02,Sở Nội vụ,Z91
"""
HEADING = "code,name,alias\n"


@pytest.fixture
async def store(store_url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
    async with opened(store_url, clock) as node_store:
        yield node_store


@pytest.fixture
async def changes(store: SqlStore, clock: ManualClock) -> SqlDirectoryChanges:
    changes = SqlDirectoryChanges(store.writer, store.reader, clock)
    await changes.apply(await changes.plan_import(KNOWN_AGENCIES.encode()), "operator")
    return changes


@pytest.fixture
def directory(store: SqlStore, clock: ManualClock) -> SqlDirectory:
    return SqlDirectory(store.reader, store.memory, clock)


@pytest.fixture
def lists(store: SqlStore, changes: SqlDirectoryChanges, clock: ManualClock) -> SqlAxisLists:
    return lists_of(store, changes, clock)


def lists_of(
    store: SqlStore, changes: SqlDirectoryChanges, clock: ManualClock, most_new: int = 5_000
) -> SqlAxisLists:
    return SqlAxisLists(store.writer, store.reader, clock, changes, every=EVERY, most_new=most_new)


async def claimed(lists: SqlAxisLists, axis: str = "bc") -> str:
    id = await lists.claim(axis)
    assert id is not None
    return id


async def test_4000_codes_with_40_conflicts_are_taken_and_the_conflicts_are_listed(
    lists: SqlAxisLists,
    directory: SqlDirectory,
    changes: SqlDirectoryChanges,
    clock: ManualClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [f"Z92.{n // 80 + 10}.{n % 80 + 10},Đơn vị {n}," for n in range(3_958)]
    lines += [f"Z93.{n + 10},Đơn vị trùng {n},000.00.77.Z93" for n in range(20)]
    lines += [f"{lines[n].split(',')[0]},Tên khác {n}," for n in range(21)]
    lines += ["Z91.01,Sở Tài chính và Đầu tư,"]

    with measured() as took:
        new_list = await lists.take(await claimed(lists), (HEADING + "\n".join(lines) + "\n").encode(), 7)
    with capsys.disabled():
        print(f"\n4,000 codes with 40 conflicts: {took}", end="")

    assert (new_list.state, new_list.waiting, new_list.left_out) == (AxisListState.WAITING, 1, 7)
    assert (new_list.added, new_list.conflicts) == (3_959, 40), "one of the twenty with one alias keeps it"
    assert new_list.problems[0]["advice"]
    assert {problem["code"][:4] for problem in new_list.problems} == {"Z93.", "Z92."}
    today = clock.now().date()
    new = await directory.find("Z92.10.10", today)
    assert new is not None
    assert new.name == "Đơn vị 0"
    known_agency = await directory.find("Z91.01", today)
    assert known_agency is not None
    assert known_agency.name == "Sở Tài chính", "a known agency is changed by two people"
    plan = await changes.plan_import(await lists.waiting_lines(new_list.id))
    assert [change.code for change in plan.changed] == ["Z91.01"]
    (change, *_) = [c for c in await changes.list_applied(limit=10) if c.by == "axis:bc"]
    assert change.summary["added"] == 3_959


async def test_too_many_new_agencies_wait_for_a_person(
    store: SqlStore, directory: SqlDirectory, changes: SqlDirectoryChanges, clock: ManualClock
) -> None:
    lists = lists_of(store, changes, clock, most_new=2)
    content = f"{HEADING}Z92,Tỉnh khác,\nZ92.01,Sở A,\nZ92.02,Sở B,\n".encode()

    large_list = await lists.take(await claimed(lists), content, 0)

    assert (large_list.is_large, large_list.added, large_list.waiting) == (True, 0, 3)
    assert await directory.find("Z92", clock.now().date()) is None
    assert len((await changes.plan_import(await lists.waiting_lines(large_list.id))).added) == 3

    clock.advance(EVERY.total_seconds())
    same = await lists.take(await claimed(lists), UNCHANGED_AGENCIES, 0)
    assert (same.state, same.added, same.waiting) == (AxisListState.DONE, 0, 0)
    with pytest.raises(Clash, match="no line"):
        await lists.waiting_lines(large_list.id)
    assert [x.id for x in newest_by_axis(await lists.listed())] == [same.id]


UNCHANGED_AGENCIES = f"{HEADING}Z91,UBND tỉnh Sao Mai,\nZ91.01,Sở Tài chính,\n".encode()


async def test_a_list_is_asked_once_in_its_hours_and_old_lists_go(
    lists: SqlAxisLists, clock: ManualClock
) -> None:
    first = await asyncio.gather(lists.claim("bc"), lists.claim("bc"))
    assert sorted(id is None for id in first) == [False, True]
    await lists.fail(next(filter(None, first)), "no answer")
    assert (await lists.listed())[0].fault == "no answer"
    clock.advance(EVERY.total_seconds())
    waiting = await lists.take(await claimed(lists), f"{HEADING}Z91.01,Tên khác,\n".encode(), 0)
    clock.advance(EVERY.total_seconds())
    await lists.fail(await claimed(lists), "no answer")
    lists_in_sight = to_look_at(await lists.listed())
    assert [x.state for x in lists_in_sight] == [AxisListState.FAILED, AxisListState.WAITING], (
        "what waits stays in sight"
    )
    assert await lists.waiting_lines(waiting.id)
    assert await lists.claim("north") is not None, "another axis has its own lists"
    for _ in range(MOST_KEPT + 3):
        clock.advance(EVERY.total_seconds())
        await lists.take(await claimed(lists), UNCHANGED_AGENCIES, 0)
    assert len([x for x in await lists.listed() if x.axis == "bc"]) == MOST_KEPT


async def test_a_list_without_the_columns_of_a_list_is_refused(lists: SqlAxisLists) -> None:
    with pytest.raises(Clash, match="cannot be taken"):
        await lists.take(await claimed(lists), b"colour,name\nred,x\n", 0)


async def test_the_list_of_a_service_is_read_as_it_comes(
    tmp_path: Path, clock: ManualClock, directory: SqlDirectory, lists: SqlAxisLists
) -> None:
    codes = ["Z91.01", "Z94.01", "Z94.02", "TEST.EXTRA"]
    async with (
        lgsp.of_agencies(tmp_path, codes, now=clock.now) as hub,
        lgsp.client(tmp_path / "node", hub.url, "Z94.01", clock) as axis,
    ):
        content, left_out = await axis.read_agencies()
    assert content.startswith(HEADING.encode())
    assert left_out == 1

    service_list = await lists.take(await claimed(lists), content, left_out)

    assert service_list.added == 2
    entry = await directory.find("Z94.02", clock.now().date())
    assert entry is not None
    assert replace(entry, source=entry.source).code == "Z94.02"
