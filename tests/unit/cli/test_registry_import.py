"""A list of agency codes from a file at the command line: read as offices have it, applied by one person where it adds, by
two where it changes, undone whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.support.fixtures import cheap_passwords as cheap_passwords
from tests.unit.cli.conftest import Terminal

LIST = "Mã định danh;Tên cơ quan;Điện thoại\nZ92;UBND tỉnh;0111\nZ92.02;Sở Nội vụ;\n"


@pytest.fixture
def node(terminal: Terminal, tmp_path: Path) -> Terminal:
    assert terminal.type("init", "--code", "Z92.01", "--name", "Office", "--yes").code == 0
    (tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    run = terminal.type("registry", "import", "list.csv", "--apply", "--yes", "-o", "json")
    assert run.code == 0, run.err
    return terminal


def show_agency(node: Terminal, code: str) -> Any:
    return node.type("registry", "show", code, "-o", "json").json


def test_headings_of_offices_and_old_letters_are_read(node: Terminal, tmp_path: Path) -> None:
    assert show_agency(node, "Z92")["phone"] == "0111"
    (tmp_path / "old.csv").write_bytes("code;name\nZ92.05;Së N«ng nghiÖp\n".encode("latin-1"))
    run = node.type("registry", "import", "old.csv", "--apply", "--yes", "--lang", "en")
    assert run.code == 0, run.err
    assert "TCVN3" in run.err
    assert show_agency(node, "Z92.05")["name"] == "Sở Nông nghiệp"

    # An unknown column is a problem and not left out.
    (tmp_path / "odd.csv").write_text("code,name,colour\nZ92.06,Sở,blue\n", encoding="utf-8")
    odd = node.type("registry", "import", "odd.csv", "--lang", "en")
    assert (odd.code, "colour" in odd.out) == (4, True)
    # A proposal needs a number and a name.
    for words in (("--number", "4/QD"), ("--as", FIRST), ("--apply", "--number", "4/QD", "--as", FIRST)):
        assert node.type("registry", "import", "list.csv", "--propose", *words).code == 2


def test_codes_of_other_schemes_are_told_in_the_preview_and_in_the_list(
    node: Terminal, tmp_path: Path
) -> None:
    (tmp_path / "others.csv").write_text(
        "Mã;Tên;Lược đồ\n0199990000;Công ty Mẫu;DN\nCHO-01;Sở Sắp có;PENDING\n", encoding="utf-8"
    )

    run = node.type("registry", "import", "others.csv", "--apply", "--yes")
    preview = node.type("registry", "import", "others.csv", "--preview", "--lang", "en")

    assert (run.code, preview.code) == (0, 0), run.err
    assert "0 added" in preview.out
    table = node.type("registry", "list", "--lang", "en")
    assert table.code == 0, table.err
    lines = {line.split()[0]: line for line in table.out.splitlines()}
    assert [name in lines[code] for code, name in (("0199990000", "DN"), ("CHO-01", "PENDING"))] == [True] * 2
    assert "VN-GOV" not in table.out
    assert show_agency(node, "Z92")["scheme"] == "VN-GOV"


def test_what_changes_agencies_is_proposed_approved_and_undone(node: Terminal, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text(
        "code,name,phone\nZ92,UBND tỉnh,0222\nZ92.07,Sở Y tế,\n", encoding="utf-8"
    )
    preview = node.type("registry", "import", "new.csv", "--lang", "en")
    alone = node.type("registry", "import", "new.csv", "--apply", "--yes", "-o", "json")
    assert "--propose" in preview.err
    assert (alone.code, alone.json["error"]["code"]) == (4, "REG-TWO-PEOPLE")
    assert show_agency(node, "Z92")["phone"] == "0111"

    both = Deciders.add_to(tmp_path / "gateway.toml")
    options = ("--propose", "--number", "45/QD", "--as", FIRST, "--yes", "-o", "json")
    with typing(both.lines(FIRST)):
        proposal = node.type("registry", "import", "new.csv", *options)
    assert proposal.code == 0, proposal.err
    id = proposal.json["id"]
    waiting = node.type("proposals", "show", id, "-o", "json")
    assert waiting.json["imports"] == [{"file": "new.csv", "added": 1, "changed": 1, "closed": 0}]
    assert "45/QD" not in waiting.out, "the approver has it from the document"
    with typing(both.lines(SECOND, "45/qd")):
        approval = node.type("proposals", "approve", id, "--as", SECOND, "--yes", "-o", "json")
    assert approval.code == 0, approval.err
    assert show_agency(node, "Z92")["phone"] == "0222"

    with typing(both.lines(SECOND)):
        undone = node.type(
            "registry", "undo", id, "--as", SECOND, "--reason", "Wrong list", "--yes", "-o", "json"
        )
    assert undone.code == 0, undone.err
    assert show_agency(node, "Z92")["phone"] == "0111"
    assert node.type("registry", "show", "Z92.07").code == 3
    listed = node.type("registry", "imports", "-o", "json").json["data"]
    assert [(row["id"] == id, row["undone"]) for row in listed] == [(True, True), (False, False)]


COUNTRY = 120_000
MOST_MB = 200
_MEASURED = (
    "import re, sys\n"
    "from gateway.program import main\n"
    "sys.argv = ['gateway', *sys.argv[1:]]\n"
    "try:\n    main()\n"
    "finally:\n"
    "    kept = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())\n"
    "    print('VmHWM', kept[1], file=sys.stderr)\n"
)


def measured(folder: Path, *words: str) -> tuple[str, int]:
    """Run the program; return its output and its peak memory in MB."""
    run = subprocess.run(
        [sys.executable, "-c", _MEASURED, *words, "--config", str(folder / "gateway.toml"), "--lang", "en"],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
    )
    return run.stdout, int(run.stderr.rpartition("VmHWM ")[2]) // 1024


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_list_of_the_whole_country_says_its_totals_first_in_less_than_200_mb_also_the_second_time(
    node: Terminal, tmp_path: Path
) -> None:
    with (tmp_path / "country.csv").open("w", encoding="utf-8") as file:
        file.write("code,name,alias,parent,valid_from,phone,decision,host\n")
        for n in range(COUNTRY // 2000):
            root = f"Y{n:02}"
            file.write(f"{root},Ủy ban nhân dân tỉnh số {n},,,2025-07-01,0240000000,12/QĐ-UBND,node-{n}\n")
            for m in range(1, 2000):
                alias = f"{m:03}.{m % 100:02}.{n:02}.Y{m:04}{n:02}"
                file.write(
                    f"{root}.{m:04},Ủy ban nhân dân xã số {m} tỉnh {n},{alias},{root},2025-07-01,02400{m:05},"
                    f"12/QĐ-UBND,node-{n}\n"
                )

    preview, preview_mb = measured(tmp_path, "registry", "import", "country.csv")
    _, apply_mb = measured(tmp_path, "registry", "import", "country.csv", "--apply", "--yes")
    second, again_mb = measured(tmp_path, "registry", "import", "country.csv")
    _, same_mb = measured(tmp_path, "registry", "import", "country.csv", "--apply", "--yes")

    assert preview.startswith(f"{COUNTRY} added, 0 changed, 0 closed")
    assert len(preview.splitlines()) < 150
    assert second.startswith(f"0 added, 0 changed, 0 closed, {COUNTRY} unchanged")
    assert max(preview_mb, apply_mb, again_mb, same_mb) < MOST_MB


def test_rows_beyond_the_first_hundred_are_printed_on_request(node: Terminal, tmp_path: Path) -> None:
    rows = "".join(f"Z92.9{n:03},Phòng {n},Z92\n" for n in range(150))
    (tmp_path / "many.csv").write_text(f"code,name,parent\n{rows}", encoding="utf-8")

    short = node.type("registry", "import", "many.csv", "--lang", "en")
    detailed = node.type("registry", "import", "many.csv", "--details", "--lang", "en")
    plan = node.type("registry", "import", "many.csv", "-o", "json").json

    assert short.out.startswith("150 added, ")
    assert "50 more lines are not shown; add --details" in short.err
    assert "Z92.9149" not in short.out
    assert "+ Z92.9149  Phòng 149" in detailed.out
    assert "--details" not in detailed.err
    assert (plan["totals"]["added"], len(plan["added"]), plan["more"]) == (150, 100, 50)
