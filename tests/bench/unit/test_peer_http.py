"""The report compares two sides that were measured in turns. The run itself needs an environment with the other program."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from bench import __main__ as bench
from bench import as2_served, marks, report, results
from bench.peer_http import OURS, THEIRS, Case, Turn, compare

CASE = Case(10_000, 40)


def _turn(seconds: float, cpu_s: float) -> Turn:
    return Turn(documents=40, seconds=seconds, cpu_s=cpu_s, callers_cpu_s=0.04, waited_s=[seconds / 5] * 40)


def _row() -> dict[str, Any]:
    """Compare runs in which the node does 2, 4 and 4 times as many; the machine was slow in the second turn."""
    theirs = [_turn(4.0, 2.4), _turn(16.0, 2.4), _turn(4.0, 4.8)]
    ours = [_turn(2.0, 0.8), _turn(4.0, 0.8), _turn(1.0, 0.4)]
    return compare(CASE, {THEIRS: theirs, OURS: ours})


def _figures() -> dict[str, Any]:
    return {
        "libraries": as2_served.LIBRARIES,
        "callers": 8,
        "rows": [_row()],
        "missing": "",
        "processes": {THEIRS: 2, OURS: 1},
        "database": {"journal": "delete", "synchronous": "2"},
        "load": {"before": 0.1, "after": 1.9},
    }


def test_sides_are_compared_turn_by_turn_and_told_by_their_medians() -> None:
    row = _row()

    assert (row["ratio"], row["ratios"]) == (4.0, [2.0, 4.0, 4.0])
    assert (row[THEIRS]["per_second"], row[OURS]["per_second"]) == (10.0, 20.0)
    assert (row[THEIRS]["cpu_ms"], row[OURS]["cpu_ms"], row["cpu_ratio"]) == (60.0, 20.0, 3.0)
    assert row[OURS]["callers_cpu_ms"] == 1.0
    assert row[OURS]["waited_s"] == {"p50": 0.4, "p95": 0.8, "p99": 0.8, "max": 0.8}
    assert row["documents"] == 120


def test_the_text_of_a_case_is_read_back_as_the_same_case() -> None:
    assert Case.parse(str(CASE)) == CASE


def test_a_run_says_how_many_times_what_each_took_and_on_what_it_stood() -> None:
    text = "\n".join(report.peer_http(_figures()))

    for words in (
        "10 KB: node 4.0 times as many (turns: 2.0, 4.0, 4.0, wanted 6), 3.0 times as little CPU (120 sent by each)",
        "node: 20.0 a second, 20.0 ms CPU",
        "django-pyas2==1.2.3: 10.0 a second, 60.0 ms CPU",
        "journal delete and synchronous 2",
        "load 0.1 before, 1.9 after",
    ):
        assert words in text


def test_a_chart_shows_both_and_later_runs_are_compared_by_what_is_better() -> None:
    drawn = {(mark.name, mark.unit): mark for mark in marks.peer_http(_figures())}

    times = drawn["10 KB, times as many", "times"]
    assert (times.value, times.limit, times.less_is_better) == (4.0, 6.0, False)
    assert drawn["10 KB, node", "a second"].value == 20.0
    assert not drawn["10 KB, django-pyas2", "a second"].less_is_better
    assert drawn["10 KB, django-pyas2", "ms CPU"].less_is_better


def test_where_the_other_program_is_missing_that_is_said_and_nothing_breaks(tmp_path: Path) -> None:
    words = ["--venv", str(tmp_path / "none"), "--out", str(tmp_path / "out"), "--folder", str(tmp_path)]
    assert bench.main(["peer_http", *words]) == 0

    (out,) = (tmp_path / "out").iterdir()
    figures = results.read(out / "run.json").tables["peer_http"].figures
    assert figures["rows"] == []
    assert "no environment" in figures["missing"]
    assert "left out" in "\n".join(report.peer_http(figures))


def test_an_installation_signs_with_its_own_key_and_asks_its_partner_for_a_signed_receipt() -> None:
    """The database of each side holds the partner's certificate without the partner's key."""
    keys = {name: f"{name}'s key -----BEGIN CERTIFICATE----- of {name}".encode() for name in as2_served.SIDES}
    key, certificate, organization, partner = (
        row["fields"] for row in as2_served.partners("sender", "receiver", keys, "http://127.0.0.1:1/pyas2/")
    )

    assert base64.b64decode(key["key"]) == keys["sender"]
    assert base64.b64decode(certificate["certificate"]) == b"-----BEGIN CERTIFICATE----- of receiver"
    assert organization == {"name": "sender", "signature_key": 1}
    assert (partner["signature"], partner["mdn_mode"], partner["mdn_sign"]) == ("sha256", "SYNC", "sha256")
