"""`gateway sandbox` and `gateway conformance` at the keyboard, without a sandbox at work: what they list, and how they
refuse. At work they are in tests/unit/sandbox."""

from __future__ import annotations

import json
from pathlib import Path

from gateway_labs.sandbox.cast import cast
from tests.unit.cli.conftest import CommandRun, Terminal


def test_the_robots_are_listed_for_programs(terminal: Terminal) -> None:
    output = terminal.type("sandbox", "robots", "-o", "json")

    rows = output.json["data"]
    assert output.code == 0
    assert {row["code"] for row in rows} == set(cast().robots)
    assert {row["alias"]: row["does"] for row in rows}["TEST.REJECT"] == "2s 01, 5s 02"


def test_what_needs_a_sandbox_at_work_says_that_there_is_none(terminal: Terminal, tmp_path: Path) -> None:
    def ask(*words: str) -> CommandRun:
        return terminal.type("--lang", "en", "sandbox", *words, "--folder", tmp_path)

    for words in (("clock", "+3d"), ("reset", "--yes")):
        output = ask(*words)
        assert (output.code, output.out) == (1, "")
        assert "no sandbox is at work" in output.err
    # One that died is said to be silent.
    (tmp_path / "running.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "key": "sbx_x"}), "ascii")
    output = ask("clock", "+3d")
    assert (output.code, "does not answer" in output.err) == (6, True)
    assert "sbx_x" not in output.out + output.err
    # An option before the verb is not lost in silence.
    output = terminal.type("sandbox", "--folder", tmp_path, "clock", "+3d")
    assert (output.code, "write --folder behind clock" in output.err) == (2, True)


def test_a_folder_of_something_else_is_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine", "utf-8")

    assert terminal.type("sandbox", "--folder", tmp_path, "--port", "0").code == 1
    assert terminal.type("sandbox", "fixtures", tmp_path).code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_the_kit_asks_for_whom_to_judge(terminal: Terminal) -> None:
    target, key = ("--target", "http://127.0.0.1:9"), ("--key", "sbx_x")
    for words in ((), target, ("--self", *target), (*target, *key, "--bench", "http://127.0.0.1:9")):
        output = terminal.type("--lang", "en", "conformance", "run", *words)
        assert output.code == 2
        assert "--self" in output.err

    # A run without any answer is no score.
    silent = terminal.type("conformance", "run", *target, *key, "-o", "json")
    assert (silent.code, silent.json["error"]["code"]) == (6, "GW-SANDBOX-SILENT")
