"""`gateway sandbox` and `gateway conformance` at the keyboard, without a sandbox at work: what they list, and how they
refuse. At work they are in tests/unit/sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.sandbox.cast import cast
from tests.unit.cli.conftest import Terminal


def test_the_robots_are_listed_for_programs(terminal: Terminal) -> None:
    said = terminal.type("sandbox", "robots", "-o", "json")

    rows = said.json["data"]
    assert said.code == 0
    assert {row["code"] for row in rows} == set(cast().robots)
    assert {row["alias"]: row["does"] for row in rows}["TEST.REJECT"] == "2s 01, 5s 02"


@pytest.mark.parametrize("words", [("clock", "+3d"), ("reset", "--yes")])
def test_what_needs_a_sandbox_at_work_says_that_there_is_none(
    terminal: Terminal, words: tuple[str, ...], tmp_path: Path
) -> None:
    said = terminal.type("--lang", "en", "sandbox", *words, "--folder", tmp_path)

    assert said.code == 1
    assert "no sandbox is at work" in said.err
    assert said.out == ""


def test_a_sandbox_that_died_is_said_to_be_silent(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "running.json").write_text(json.dumps({"url": "http://127.0.0.1:9", "key": "sbx_x"}), "ascii")

    said = terminal.type("--lang", "en", "sandbox", "clock", "+3d", "--folder", tmp_path)

    assert said.code == 6
    assert "does not answer" in said.err
    assert "sbx_x" not in said.out + said.err


def test_a_folder_of_something_else_is_left_alone(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine", "utf-8")

    assert terminal.type("sandbox", "--folder", tmp_path, "--port", "0").code == 1
    assert terminal.type("sandbox", "fixtures", tmp_path).code == 2
    assert [each.name for each in tmp_path.iterdir()] == ["letter.txt"]


def test_an_option_before_the_verb_is_not_lost_in_silence(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal.type("sandbox", "--folder", tmp_path, "clock", "+3d")

    assert said.code == 2
    assert "write --folder behind clock" in said.err


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--target", "http://127.0.0.1:9"),
        ("--self", "--target", "http://127.0.0.1:9"),
        ("--target", "http://127.0.0.1:9", "--key", "sbx_x", "--bench", "http://127.0.0.1:9"),
    ],
)
def test_the_kit_asks_for_whom_to_judge(terminal: Terminal, words: tuple[str, ...]) -> None:
    said = terminal.type("--lang", "en", "conformance", "run", *words)

    assert said.code == 2
    assert "--self" in said.err


def test_a_subject_that_answers_nobody_is_no_score(terminal: Terminal) -> None:
    said = terminal.type(
        "conformance", "run", "--target", "http://127.0.0.1:9", "--key", "sbx_x", "-o", "json"
    )

    assert said.code == 6
    assert said.json["error"]["code"] == "GW-SANDBOX-SILENT"
