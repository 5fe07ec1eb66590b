"""Reports at the command line, on a real node: written as a file, and sent by the calendar."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.office.unit.cli.test_book import node as node
from tests.unit.cli.conftest import Terminal


def test_a_report_and_the_list_of_files_are_written_in_each_form(node: Terminal, tmp_path: Path) -> None:
    for ending in ("xlsx", "csv", "pdf"):
        assert node.type("report", "export", "incoming", tmp_path / f"report.{ending}").code == 0
    runs = [node.type("book", "file-list", tmp_path / f"files.{ending}") for ending in ("pdf", "xlsx", "doc")]
    unknown = node.type("book", "file-list", tmp_path / "one.pdf", "--code", "Z92.01.2026.1")

    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert zipfile.is_zipfile(tmp_path / "report.xlsx")
    assert node.type("report", "export", "incoming", tmp_path / "report.doc").code == 2
    assert [run.code for run in runs] == [0, 0, 2]
    assert node.type("book", "files", "-o", "json").json["data"] == []
    assert unknown.code != 0
    assert not (tmp_path / "one.pdf").exists()


def test_a_schedule_is_made_paused_resumed_and_removed(node: Terminal) -> None:
    wish = ("report", "schedule", "deadlines", "--period", "quarter")
    without_receivers = node.type(*wish, "--yes")
    created = node.type(*wish, "--by", "unit", "--programs", "--yes", "-o", "json").json
    paused = node.type("report", "pause", created["id"], "--yes", "-o", "json").json
    table = node.type("report", "schedules")
    resumed = node.type("report", "resume", created["id"], "--yes", "-o", "json").json

    assert without_receivers.code == 2
    assert (created["report"], created["by"], created["period"], created["state"]) == (
        *("deadlines", "unit", "quarter"),
        "active",
    )
    assert (paused["state"], resumed["state"]) == ("paused", "active")
    assert "Đang tạm dừng" in table.out
    assert node.type("report", "remove", created["id"], "--yes").code == 0
    assert node.type("report", "schedules", "-o", "json").json["data"] == []
