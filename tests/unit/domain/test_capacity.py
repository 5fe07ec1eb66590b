"""The manual's table of what a node needs is what `gateway capacity` reckons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.domain.capacity import WORKING_DAYS, Load, need

MANUAL = Path(__file__).parents[3] / "docs" / "install.md"
ROW = re.compile(r"\| ([\d,]+), ([\d.]+) \| (SQLite|PostgreSQL) \| (.+) \|")


def test_the_table_of_the_manual_is_reckoned_by_the_command() -> None:
    rows = ROW.findall(MANUAL.read_text(encoding="utf-8"))
    assert len(rows) == 3
    for documents, mb, database, cells in rows:
        load = Load(
            documents=int(documents.replace(",", "")), mb=float(mb), on_server=database == "PostgreSQL"
        )
        year = need(load, WORKING_DAYS)
        numbers = (year.rows / 1e6, year.database_gb, year.content_gb, year.backups_gb, year.window)
        assert cells.split(" | ") == [f"{number:,.1f}" for number in numbers], documents


def test_small_content_is_in_the_database_and_more_that_arrives_takes_less() -> None:
    small = need(Load(documents=1_000, mb=0.06), 1)
    large = need(Load(documents=1_000, mb=0.07), 1)

    assert small.content_gb == 0
    assert large.content_gb == pytest.approx(0.0933, abs=0.001)
    assert small.database_gb > large.database_gb
    assert need(Load(documents=1_000, mb=1, received=1.0), 1).rows < need(Load(documents=1_000, mb=1), 1).rows
