"""The bundled level-1 list: complete, honest about itself, and never in the way of an import."""

from __future__ import annotations

import csv
from datetime import date
from importlib import resources

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.domain.registry import AgencyCode, CodeStanding, RowSource
from tests.unit.registry.conftest import Registry

TODAY = date(2026, 11, 20)


def bundled() -> list[dict[str, str]]:
    text = resources.files("gateway.registry_authoring").joinpath("starter.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_it_has_the_confirmed_ministries_and_all_former_provinces() -> None:
    """Rules 14.3 and 14.4. Each row names its source and what must be checked, R83: historical until confirmed."""
    codes = [row["code"] for row in bundled()]
    notes = {row["code"]: row["check_note"] for row in bundled()}

    assert len(codes) == len(set(codes)) == 28 + 63
    assert [code for code in codes if code.startswith("H")] == [f"H{n:02}" for n in range(1, 64)]
    assert not {"G23", "G25", "G26", "G29", "G31", "G32", "G33", "G35"} & set(codes)
    assert all(AgencyCode.parse(code).level == 1 for code in codes)
    assert all(row["source"] and row["decision"] for row in bundled())
    assert all(note.startswith("2025 reorganisation") for note in notes.values())
    # Rows that follow only from the order say so.
    assert "not confirmed" not in notes["H49"]
    assert notes["H50"].endswith("not confirmed")


def test_what_was_dissolved_in_2025_is_closed_on_its_day_by_a_named_resolution() -> None:
    """29 of 63 provinces from 1 July, 7 ministries and bodies of their rank from 1 March."""
    closed = [row for row in bundled() if row["valid_to"]]
    provinces = [row for row in closed if row["code"].startswith("H")]
    ministries = {row["code"] for row in closed} - {row["code"] for row in provinces}

    assert (len(provinces), 63 - len(provinces)) == (29, 34)
    assert ministries == {"G04", "G05", "G07", "G10", "G13", "G14", "G21"}
    assert {row["valid_to"] for row in provinces} == {"2025-06-30"}
    assert {row["valid_to"] for row in closed if row["code"] in ministries} == {"2025-02-28"}
    for row in closed:
        act = "NQ 202/2025/QH15" if row in provinces else "NQ 176/2025/QH15"
        assert all(act in row[column] for column in ("decision", "check_note", "source"))


def test_a_successor_is_in_force_by_the_same_list_and_its_note_names_unconfirmed_codes() -> None:
    rows = {row["code"]: row for row in bundled()}
    for row in rows.values():
        heir = rows[row["successor"]] if row["successor"] else None
        assert heir is None or (heir["valid_to"] == "" and row["valid_to"])
        if row["valid_to"]:
            assert ("not confirmed" if heir else "not known here") in row["check_note"]
            assert heir is None or "not confirmed" in heir["check_note"]

    assert (rows["H02"]["successor"], rows["H30"]["successor"]) == ("H05", "H13")
    assert {code for code, row in rows.items() if row["valid_to"] and not row["successor"]} == {
        *("G10", "G13", "G21")
    }


async def test_a_dissolved_province_is_told_as_closed_with_its_successor_and_refuses_nothing(
    registry: Registry,
) -> None:
    await registry.changes.load_starter()

    today = await registry.directory.resolve("Ủy ban nhân dân tỉnh Hải Dương", TODAY)
    resolution = await registry.directory.resolve("H23", date(2025, 6, 30))

    assert (today.standing, today.successor, today.may_refuse) == (CodeStanding.CLOSED, "H24", False)
    assert resolution.standing is CodeStanding.ACTIVE


async def test_rows_of_an_earlier_list_are_brought_up_to_date_and_imported_ones_stay(
    registry: Registry, writer: AsyncEngine
) -> None:
    await registry.changes.load_starter()
    planned = await registry.plan("code,name\nH23,Tên đã nhập\n")
    await registry.changes.apply(planned, "operator")
    async with writer.begin() as connection:
        await connection.execute(text("UPDATE agency SET valid_to = NULL, successor = NULL"))
        await connection.execute(text("DELETE FROM registry_change"))

    assert await registry.changes.load_starter() == 90

    assert (await registry.directory.resolve("H02", TODAY)).successor == "H05"
    assert (await registry.directory.resolve("H23", TODAY)).standing is CodeStanding.ACTIVE
    imported = await registry.directory.find("H23", TODAY)
    assert imported is not None
    assert (imported.name, imported.source) == ("Tên đã nhập", RowSource.IMPORTED)


async def test_it_is_loaded_once_and_its_rows_warn_and_carry_their_check_note(registry: Registry) -> None:
    assert await registry.changes.load_starter() == 91
    assert await registry.changes.load_starter() == 0
    assert len(await registry.changes.list_applied()) == 1

    answer = await registry.directory.resolve("Ủy ban nhân dân tỉnh Quảng Ninh", TODAY)

    assert (answer.standing, answer.may_refuse) == (CodeStanding.MAPPED, False)
    assert answer.entry is not None
    assert (answer.entry.code, answer.entry.source) == ("H49", RowSource.STARTER)
    assert answer.entry.check == "2025 reorganisation: stays a unit of its own (NQ 202/2025/QH15)"


async def test_an_imported_row_replaces_a_starter_row_entirely(registry: Registry) -> None:
    await registry.changes.load_starter()

    planned = await registry.plan("code,name\nH49,Ủy ban nhân dân tỉnh Quảng Ninh\n")
    await registry.changes.apply(planned, "operator")
    entry = await registry.directory.find("H49", TODAY)

    (change,) = planned.changed
    assert change.fields["source"] == ("starter", "imported")
    assert entry is not None
    assert (entry.source, entry.check) == (RowSource.IMPORTED, None)
    assert (await registry.directory.resolve("H49", TODAY)).may_refuse
