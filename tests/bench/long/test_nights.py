"""A folder of incremental backups grows by what came in, and gives all of it back."""

from __future__ import annotations

from pathlib import Path

from bench import nights


async def test_each_night_adds_the_content_of_its_day_once_and_all_of_it_comes_back(tmp_path: Path) -> None:
    result = await nights.measure(tmp_path, nights=3, day_bytes=4_000_000, size=500_000)

    # Beside content a night writes the parts of tables that changed: about as much as the rows of this small node.
    assert result["folder"] <= 1.02 * result["content"] + 3 * result["rows"]
    assert result["content_again"] == result["content"] > 3 * 4_000_000
