"""Retention at the command line: a table is looked at, put into force, listed; the end of one document is shown."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Terminal, set_up

TABLE = """class,type,file_kind,months,start,valid_from,valid_until,basis
10 năm,,,120,file-closed,2000-01-01,,QĐ 1
CV,Công văn,,vĩnh viễn,year-end,2000-01-01,,QĐ 1
"""


def test_a_table_is_put_into_force_after_agreement_alone(terminal: Terminal, tmp_path: Path) -> None:
    set_up(terminal)
    table = tmp_path / "thoi-han.csv"
    table.write_text(TABLE, encoding="utf-8-sig")

    assert terminal.type("retention", "list", "-o", "json").json["data"] == []
    looked_at = terminal.type("retention", "import", table, "--dry-run", "--lang", "en", "-o", "json")
    assert looked_at.json["files"] == 0
    assert "a table of 2 rows" in looked_at.err
    assert terminal.type("retention", "import", table).code == 2
    assert terminal.type("retention", "list", "-o", "json").json["data"] == []

    assert terminal.type("retention", "import", table, "--yes").code == 0
    rows = terminal.type("retention", "list", "-o", "json").json["data"]
    assert [(row["class"], row["months"], row["basis"]) for row in rows] == [
        ("10 năm", 120, "QĐ 1"),
        ("CV", "vĩnh viễn", "QĐ 1"),
    ]
    assert "10 năm" in terminal.type("retention", "list").out
    table.write_text(TABLE.replace("120", "-1"), encoding="utf-8")
    refused = terminal.type("retention", "import", table, "--yes")
    assert refused.code == 4
    assert terminal.type("retention", "show", "inb_none").code == 3
