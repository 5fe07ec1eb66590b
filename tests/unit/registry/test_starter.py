"""The bundled level-1 list: complete, honest about itself, and never in the way of an import."""

from __future__ import annotations

import csv
from datetime import date
from importlib import resources

from gateway.domain.agency_code import AgencyCode
from gateway.domain.registry import RowSource, Standing
from gateway.registry.directory import SqlDirectory

TODAY = date(2026, 11, 20)


def bundled() -> list[dict[str, str]]:
    text = resources.files("gateway.registry").joinpath("starter.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_it_has_the_confirmed_ministries_and_all_former_provinces() -> None:
    """Rules 14.3 and 14.4"""
    codes = [row["code"] for row in bundled()]

    assert len(codes) == len(set(codes)) == 28 + 63
    assert [code for code in codes if code.startswith("H")] == [f"H{n:02}" for n in range(1, 64)]
    assert not {"G23", "G25", "G26", "G29", "G31", "G32", "G33", "G35"} & set(codes)
    assert all(AgencyCode.parse(code).level == 1 for code in codes)


def test_every_row_names_its_source_and_what_must_be_checked() -> None:
    """R83: historical until confirmed."""
    for row in bundled():
        assert row["source"]
        assert row["decision"]
        assert row["check_note"].startswith("2025 reorganisation")


def test_rows_that_follow_only_from_the_order_say_so() -> None:
    notes = {row["code"]: row["check_note"] for row in bundled()}

    assert notes["H49"] == "2025 reorganisation"
    assert notes["H50"].endswith("not confirmed")


async def test_it_is_loaded_once(directory: SqlDirectory) -> None:
    assert await directory.load_starter() == 91
    assert await directory.load_starter() == 0
    assert len(await directory.changes()) == 1


async def test_its_rows_warn_and_carry_their_check_note(directory: SqlDirectory) -> None:
    await directory.load_starter()

    answer = await directory.resolve("Ủy ban nhân dân tỉnh Quảng Ninh", TODAY)

    assert (answer.standing, answer.may_refuse) == (Standing.MAPPED, False)
    assert answer.entry is not None
    assert (answer.entry.code, answer.entry.source, answer.entry.check) == (
        "H49",
        RowSource.STARTER,
        "2025 reorganisation",
    )


async def test_it_never_overwrites_an_imported_row(directory: SqlDirectory) -> None:
    planned = await directory.plan_import("code,name\nH49,Tên đã nhập\n".encode())
    await directory.apply(planned, "operator")

    assert await directory.load_starter() == 90
    entry = await directory.find("H49", TODAY)

    assert entry is not None
    assert (entry.name, entry.source) == ("Tên đã nhập", RowSource.IMPORTED)


async def test_an_imported_row_replaces_a_starter_row_whole(directory: SqlDirectory) -> None:
    await directory.load_starter()

    planned = await directory.plan_import("code,name\nH49,Ủy ban nhân dân tỉnh Quảng Ninh\n".encode())
    await directory.apply(planned, "operator")
    entry = await directory.find("H49", TODAY)

    (change,) = planned.changed
    assert change.fields["source"] == ("starter", "imported")
    assert entry is not None
    assert (entry.source, entry.check) == (RowSource.IMPORTED, None)
    assert (await directory.resolve("H49", TODAY)).may_refuse
