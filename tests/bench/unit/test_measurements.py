"""Every measurement runs in the smallest form of its command: the tests check its output, its files, and that nothing
was lost. How fast anything was is no part of it. `fan_out`, `large` and `upload` have their tests in
tests/bench/long/faults/test_reach.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench import amounts, environments, peer
from bench.measurements import MEASUREMENTS


def _run(folder: Path, *words: str) -> dict[str, Any]:
    """Run a measurement; return the tables that it kept."""
    assert bench.main([*words, "--out", str(folder / "out"), "--folder", str(folder)]) == 0
    (out,) = (folder / "out").iterdir()
    run: dict[str, Any] = json.loads((out / "run.json").read_text())
    for name in run["tables"]:
        assert (out / f"{name}.svg").read_text().startswith("<svg ")
    return {name: table["figures"] for name, table in run["tables"].items()}


@pytest.mark.long
def test_cost_of_callers_at_once_is_told_beside_the_bare_operations(tmp_path: Path) -> None:
    cost = _run(tmp_path, "cost", "--cases", "10000:4:4", "--turns", "1")["cost"]

    (row,) = cost["rows"]
    assert (row["bytes"], row["at_once"], row["documents"]) == (10_000, 4, 4)
    now = row["now"]
    assert now["cpu_s"] == pytest.approx(now["sender_cpu_s"] + now["receiver_cpu_s"], abs=2e-5)
    assert now["ratio"] == pytest.approx(now["cpu_s"] / row["primitives_cpu_s"], rel=0.01)


@pytest.mark.long
def test_each_kind_of_axis_is_told_beside_the_embedded_one(tmp_path: Path) -> None:
    words = "axes --kinds embedded lgsp vxp --documents 4 --at-once 2 --turns 1"
    axes = _run(tmp_path, *words.split())["axes"]

    assert list(axes["axes"]) == ["embedded", "lgsp", "vxp"]
    embedded = axes["axes"]["embedded"]
    assert (embedded["cpu_ratio"], embedded["seconds_ratio"]) == (1.0, 1.0)
    for row in axes["axes"].values():
        both = row["sender_cpu_ms"] + row["receiver_cpu_ms"]
        assert row["cpu_ms"] == pytest.approx(both, abs=0.2)
        assert row["cpu_ratio"] == pytest.approx(row["cpu_ms"] / embedded["cpu_ms"], rel=0.02)
        assert row["seconds"] > 0


@pytest.mark.long
def test_stalls_of_a_busy_node_stand_beside_those_of_an_idle_one(tmp_path: Path) -> None:
    stalls = _run(
        tmp_path,
        *["stalls", "--documents", "8", "--per-second", "20", "--at-once", "4", "--busy-processes", "2"],
    )["stalls"]

    for which in ("busy", "idle"):
        row = stalls[which]
        assert row["beats"] > 0
        assert row["p50_ms"] <= row["p99_ms"] <= row["p999_ms"] <= row["max_ms"]


@pytest.mark.long
def test_a_burst_by_the_api_has_every_01_once_and_says_whose_cpu_it_was(tmp_path: Path) -> None:
    words = "--per-second 8 --seconds 1 --most 8 --at-once 4 --large 2 --large-size 1000000"
    burst = _run(tmp_path, "burst", "--grounds", "sqlite", "sqlite-split", *words.split())["burst"]["grounds"]

    assert {ground: row["processes"] for ground, row in burst.items()} == {"sqlite": 1, "sqlite-split": 2}
    for row in burst.values():
        assert row["once"]
        assert row["documents"] == 8
        for times in (row["accept"], row["to_01"]):
            assert 0 < times["p50"] <= times["p95"] <= times["p99"] <= times["max"]
        assert row["urgent_s"] > 0
        assert set(row["cpu_ms"]) == {"load", "node"}


@pytest.mark.long
def test_a_register_grows_by_copies_and_documents_still_go_there_and_back(tmp_path: Path) -> None:
    run = _run(tmp_path, *["growth", "--registers", "1000", "--documents", "4", "--at-once", "4"])["growth"]

    (row,) = run["rows"]
    assert 1000 <= row["register"] < 1100
    assert row["cpu_ms"] > 0


def test_the_other_library_is_measured_beside_us_where_it_was_installed(tmp_path: Path) -> None:
    if not environments.is_made([peer.LIBRARY]):
        pytest.skip("`python -m bench peer` has not made its environment here")
    words = "peer --sizes 10000 --seconds 0.2 --turns 1"
    (row,) = _run(tmp_path, *words.split())["peer"]["rows"]

    assert row["ratio"] == pytest.approx(row["theirs_ms"] / row["ours_ms"], rel=0.01)


def test_where_the_other_library_is_missing_that_is_said_and_nothing_breaks(tmp_path: Path) -> None:
    peer = _run(tmp_path, "peer", "--venv", str(tmp_path / "none"))["peer"]

    assert peer["rows"] == []
    assert "no environment" in peer["missing"]


@pytest.mark.long
def test_throughput_and_one_large_document_are_told_with_their_legs(tmp_path: Path) -> None:
    words = "throughput there_and_back --documents 8 --at-once 4 --size 10000 --rounds 1"
    tables = _run(tmp_path, *words.split())

    assert tables["throughput"]["per_second"] > 0
    writer = tables["throughput"]["writer"]
    assert writer["commits_per_document"] > 0
    assert 0 < writer["busy"] < 1
    legs = list(tables["there_and_back"]["legs"].values())
    assert legs == sorted(legs)


@pytest.mark.long
def test_memory_is_judged(tmp_path: Path) -> None:
    memory = _run(tmp_path, "memory", "--size", "2000000")["memory"]

    assert set(memory["above_idle_mb"]) == {"sender", "receiver", "backup", "restore", "demo"}
    assert memory["holds"]


def test_every_measurement_has_words_marks_and_smaller_numbers_for_a_quick_run() -> None:
    for name, m in MEASUREMENTS.items():
        assert [m.module.__name__, m.words.__name__, m.marks.__name__] == [
            f"bench.{name}",
            name,
            name,
        ]
        full, quick = (
            amounts.numbers_json(amounts.numbers_for(m.module.Numbers, quick=quick))
            for quick in (False, True)
        )
        assert full != quick, name


def test_the_help_tells_every_measurement_and_the_options_of_the_one_that_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And an unknown measurement is refused with the known ones."""

    def run(*words: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            bench.main(list(words))
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    for words, expected in (
        (("--help",), (*MEASUREMENTS, "--quick", "--record")),
        (("cost", "--help"), ("--before",)),
    ):
        code, out, _ = run(*words)
        assert code == 0
        assert all(word in out for word in expected)
    code, _, err = run("speed")
    assert (code, "there_and_back" in err) == (2, True)


@pytest.mark.long
def test_a_node_without_work_is_measured_as_an_administrator_starts_it(tmp_path: Path) -> None:
    words = (
        "idle",
        "--settle-s",
        "1",
        "--watch-s",
        "2",
        "--out",
        str(tmp_path / "out"),
        "--folder",
        str(tmp_path),
    )
    bench.main(words)  # whether it stayed within its limits is for a machine that does nothing else

    (out,) = (tmp_path / "out").iterdir()
    figures = json.loads((out / "run.json").read_text())["tables"]["idle"]["figures"]
    assert figures["start_cpu_s"] > 0
    assert figures["watch_s"] >= 2
    assert figures["idle_mb"] > 50
    assert figures["share"] >= 0
