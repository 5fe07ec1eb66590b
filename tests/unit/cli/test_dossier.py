"""`gateway rules dossier`: the same file from a running node and from one that stands still; it overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gateway.trust.page_drawing.docx import read_docx
from tests.unit.cli.conftest import Terminal, set_up
from tests.unit.cli.test_asking import running


def sections(file: Path) -> dict[str, list[dict[str, str]]]:
    dossier: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return {section["key"]: section["rows"] for section in dossier["sections"]}


def test_a_node_that_stands_still_and_a_running_one_give_the_same_account(terminal: Terminal) -> None:
    set_up(terminal)
    still = terminal.type("rules", "dossier", "--to", "still.json", "-o", "json")
    assert still.code == 0, still.err
    assert (still.json["format"], still.json["unread"]) == ("json", [])
    assert "Đang đọc: Quy tắc" in still.err
    with running(Path()):
        at_work = terminal.type("rules", "dossier", "--to", "at-work.json")
        assert at_work.code == 0, at_work.err

    first, second = sections(Path("still.json")), sections(Path("at-work.json"))
    assert first.keys() == second.keys()
    for key in ("node", "acts", "settings", "programs", "certificates", "controls", "witnesses"):
        assert first[key] == second[key], key
    examined = {row["name"]: row["value"] for row in second["log"]}
    assert examined["Kết quả kiểm tra"] == "nguyên vẹn"
    assert Path("still.json").stat().st_mode & 0o077 == 0


def test_the_form_follows_the_name_or_the_option_and_nothing_is_overwritten(terminal: Terminal) -> None:
    set_up(terminal)
    record = terminal.type("rules", "dossier", "--to", ".", "--quick", "--lang", "en", "-o", "json").json

    file = Path(record["path"])
    assert file.suffix == ".docx"
    words = "".join(read_docx(file))
    assert "Dossier of the system's security level" in words
    second = terminal.type("rules", "dossier", "--to", file, "--quick")
    assert (second.code, "never overwrites" in second.err) == (4, True)
    assert terminal.type("rules", "dossier", "--to", "d.txt", "--format", "json", "--quick").code == 0
    quick = {row["name"]: row["value"] for row in sections(Path("d.txt"))["log"]}
    assert quick["Kết quả kiểm tra"] == ""


def test_a_table_of_controls_that_cannot_be_read_stops_the_command(terminal: Terminal) -> None:
    set_up(terminal)
    Path("controls.csv").write_text("number,heading\n", "utf-8")
    settings = Path("gateway.toml")
    settings.write_text(
        settings.read_text("utf-8").replace("[node]", '[node]\ncontrols = "controls.csv"', 1), "utf-8"
    )

    refused = terminal.type("rules", "dossier", "--to", "d.docx", "--quick")

    assert refused.code == 1
    assert "lacks the columns evidence, measure, requirement, who" in refused.err
    assert not Path("d.docx").exists()


def test_a_day_to_come_names_what_will_lack(terminal: Terminal) -> None:
    day_earlier = terminal.type("rules", "check", "--on", "2026-12-31").out
    from_then = terminal.type("rules", "check", "--on", "2027-01-01").out

    assert "security-dossier" not in day_earlier
    assert "security-dossier: có một phần (áp dụng từ 01/01/2027)" in from_then
    record = terminal.type("rules", "check", "--on", "2027-01-01", "-o", "json").json
    assert [f["since"] for f in record["findings"] if f["subject"] == "security-dossier"] == ["2027-01-01"]
