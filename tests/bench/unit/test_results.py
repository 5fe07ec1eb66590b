"""Runs that are kept, compared and drawn."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from bench import chart, pair, peer, results, version
from bench.marks import Mark

MACHINE = {"processor": "invented", "cores": 2}


def _run(at: str, cpu_ms: float, documents: int = 8, processor: str = "invented") -> results.Run:
    run = results.Run(at, {**MACHINE, "processor": processor})
    figures: dict[str, Any] = {"rows": [{"register": 1000, "cpu_ms": cpu_ms, "seconds": 1.0}]}
    run.add("growth", {"documents": documents}, figures)
    return run


def test_a_run_is_read_as_it_was_written_and_has_a_chart_for_each_table(tmp_path: Path) -> None:
    run = _run("2026-01-01T00-00-00Z", 10)

    folder = run.write(tmp_path)

    assert results.read(folder / "run.json") == run
    assert "1,000 in the register" in (folder / "growth.svg").read_text()


def test_a_table_is_compared_with_the_newest_run_of_the_same_numbers(tmp_path: Path) -> None:
    """A comparison names the other processor, and is left out where no earlier run exists."""
    assert list(results.compared(_run("2026-01-01T00-00-00Z", 10), "growth", [tmp_path])) == []
    _run("2026-01-01T00-00-00Z", 99, processor="another").write(tmp_path)
    heading, *_ = results.compared(_run("2026-01-02T00-00-00Z", 10), "growth", [tmp_path])
    assert "ANOTHER PROCESSOR" in heading

    _run("2026-01-02T00-00-00Z", 10).write(tmp_path)
    _run("2026-01-03T00-00-00Z", 50, documents=4).write(tmp_path)
    _run("2026-01-05T00-00-00Z", 50).write(tmp_path)
    for now, verdict in ((20.0, "WORSE"), (5.0, "better"), (10.2, "as before")):
        heading, cpu, seconds = results.compared(_run("2026-01-04T00-00-00Z", now), "growth", [tmp_path])
        assert "2026-01-02" in heading
        assert "ANOTHER" not in heading
        assert f"{now:g} ms CPU" in cpu
        assert cpu.endswith(verdict)
        assert seconds.endswith("as before")


def test_a_chart_has_a_bar_for_each_mark_a_scale_for_each_unit_and_a_line_for_a_limit() -> None:
    rows = [Mark("a < b", 50, "ms", 100), Mark("c", 25, "ms"), Mark("d", 3, "times")]

    drawn = ElementTree.fromstring(chart.svg("title & more", rows))

    bars = [float(bar.get("width", "0")) for bar in drawn.iter() if bar.get("class") == "b"]
    assert bars == [170, 85, 340]
    assert len([bar for bar in drawn.iter() if bar.get("class") == "l"]) == 1
    assert {"a < b", "title & more"} <= {bar.text for bar in drawn.iter()}


async def test_another_version_runs_with_its_own_product_and_this_harness(tmp_path: Path) -> None:
    """Given as a folder, because a tree that was unpacked has no revisions."""
    other = tmp_path / "checkout" / "gateway"
    other.mkdir(parents=True)
    (other / "__init__.py").write_text("VERSION = 'another'")

    root = await version.root(str(other.parent), tmp_path / "root")

    code = "import bench.papers, gateway; print(gateway.VERSION, bench.papers.IMAGE)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), cwd=root, env=pair.environment(root), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.split() == [b"another", b"4000000"]
    with pytest.raises(version.NoSuchVersion):
        await version.root("no-such-revision", tmp_path / "none")


def test_our_side_of_the_comparison_does_the_whole_work_with_either_kind_of_key() -> None:
    """It asserts itself that the receipt that came back is the one that was signed."""
    spent = {kind: peer.once(b"%PDF-1.4\n%%EOF\n", kind) for kind in (peer.EQUAL, peer.OWN)}

    assert all(seconds > 0 for seconds in spent.values())
