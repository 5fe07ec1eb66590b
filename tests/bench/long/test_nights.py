"""A folder of incremental backups grows by the content of the day, and restores all of it."""

from __future__ import annotations

from pathlib import Path

from bench import nights


async def test_a_night_adds_the_content_of_its_day_once_and_all_comes_back(tmp_path: Path) -> None:
    result = await nights.measure(tmp_path, nights=3, day_bytes=4_000_000, size=500_000)

    # Each night the changed parts of tables are added, here about the size of all rows.
    assert result["folder"] <= 1.02 * result["content"] + 3 * result["rows"]
    assert result["content_again"] == result["content"] > 3 * 4_000_000
