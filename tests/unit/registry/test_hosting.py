"""The node of a code is a column of the registry like others: imported, shown, moved, and listed by day."""

from __future__ import annotations

from datetime import date

from gateway.domain.registry import Hosting
from gateway.registry.directory import SqlDirectory
from gateway.registry_authoring.changes import SqlDirectoryChanges
from tests.support.cases import Cases
from tests.unit.registry.conftest import Registry

LIST = """code,alias,name,valid_from,valid_to,host
Z91,000.00.00.Z91,One,,,north
Z91.02,,Two,2026-01-01,2026-06-30,north
Z92,,Three,,,south.2
Z93,,Four,,,
"""


async def taken_in(changes: SqlDirectoryChanges, text: str) -> None:
    await changes.apply(await changes.plan_import(text.encode()), "operator")


async def on(directory: SqlDirectory, day: date) -> list[Hosting]:
    return [hosting async for hosting in directory.hosting(day)]


async def test_a_day_lists_the_codes_in_force_that_have_a_node(registry: Registry) -> None:
    await taken_in(registry.changes, LIST)

    north = Hosting(node="north", code="Z91", alias="000.00.00.Z91")
    other_north = Hosting(node="north", code="Z91.02")
    south = Hosting(node="south.2", code="Z92")
    assert await on(registry.directory, date(2026, 6, 30)) == [north, other_north, south]
    assert await on(registry.directory, date(2026, 7, 1)) == [north, south]
    assert await on(registry.directory, date(2025, 12, 31)) == [north, south]


async def test_a_move_is_a_recorded_change_and_touches_nothing_else(registry: Registry) -> None:
    await taken_in(registry.changes, LIST)
    old = await registry.directory.entry("Z91")

    planned = await registry.changes.plan_import(b"code,name,host\nZ91,One,south.2\n")
    change = await registry.changes.apply(planned, "operator")
    new = await registry.directory.entry("Z91")

    assert [dict(x.fields) for x in planned.changed] == [{"host": ("north", "south.2")}]
    assert change.summary["changed"] == 1
    assert old is not None
    assert new is not None
    assert (new.host, new.alias, new.name) == ("south.2", old.alias, old.name)


async def test_a_planned_move_holds_from_its_day_and_a_later_change_keeps_it(registry: Registry) -> None:
    moves = "code,name,next_host,next_host_from\nZ91,One,south.2,2026-11-01\nZ92,Three,,01/12/2026\n"
    await taken_in(registry.changes, LIST)
    await taken_in(registry.changes, moves)

    days = (date(2026, 10, 31), date(2026, 11, 1), date(2026, 12, 1))
    nodes = [{hosting.code: hosting.node for hosting in await on(registry.directory, day)} for day in days]
    assert nodes == [
        {"Z91": "north", "Z92": "south.2"},
        {"Z91": "south.2", "Z92": "south.2"},
        {"Z91": "south.2"},
    ]
    await taken_in(registry.changes, "code,name,phone\nZ91,One,0900000000\n")
    later_nodes = {hosting.code: hosting.node for hosting in await on(registry.directory, days[2])}
    assert later_nodes == {"Z91": "south.2"}

    undated = await registry.changes.plan_import(b"code,name,next_host,next_host_from\nZ93,Four,north,\n")
    assert [(p.column, p.found) for p in undated.problems] == [("next_host", "north")]


async def test_an_empty_cell_leaves_a_code_without_a_node_and_no_column_keeps_it(registry: Registry) -> None:
    await taken_in(registry.changes, LIST)
    await taken_in(registry.changes, "code,name\nZ91,One\n")
    untouched = await registry.directory.entry("Z91")
    await taken_in(registry.changes, "code,name,host\nZ91,One,\n")
    emptied = await registry.directory.entry("Z91")

    assert untouched is not None
    assert emptied is not None
    assert (untouched.host, emptied.host) == ("north", None)


async def test_a_name_that_no_node_can_have_is_a_problem_of_its_line(
    registry: Registry, cases: Cases
) -> None:
    odd = ("sink", "Guest", "a/b", "a b", ".a", "a-", "a..b", "@a", "x" * 64, "nút", "a*", "a#")
    for name in odd:
        with cases.case(name):
            planned = await registry.changes.plan_import(f"code,name,host\nZ91,One,{name}\n".encode())
            assert [(x.line, x.column) for x in planned.problems] == [(2, "host")]
    for name in ("n", "Z91.02", "province-1", "a_b", "x" * 63):
        with cases.case(name):
            await taken_in(registry.changes, f"code,name,host\nZ91,One,{name}\n")
            assert [x.node for x in await on(registry.directory, date(2026, 11, 20))] == [name]
