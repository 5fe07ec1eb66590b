"""Data on stdout in three forms, talk on stderr; nothing from outside can steer the terminal or leave a folder."""

from __future__ import annotations

import ast
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.cli import documents, output
from gateway.cli.command import Invocation, Lang, OutputFormat
from gateway.cli.inbox import safe_name
from gateway.cli.send import recipients
from gateway.cli.typed_times import day, span
from gateway.cli.waiting import parse_goal
from gateway.domain.states import STATES
from gateway.ops.cures import CURES
from gateway.words import labels
from gateway.words.labels import read_catalogue
from tests.support.cases import Cases
from tests.unit.cli.conftest import Terminal

ROOT = Path(__file__).parents[3]
RECORDS = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]
COLUMNS = output.columns("id number")
CELLS = [("a", "1"), ("b", "\x1b[31m2")]


def printed(capsys: pytest.CaptureFixture[str], call: Invocation) -> str:
    output.rows(call, RECORDS, COLUMNS, CELLS, extra={"next_cursor": None})
    return capsys.readouterr().out


def test_a_list_is_a_table_for_people_and_json_or_ids_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = printed(capsys, Invocation(lang=Lang.EN)).splitlines()
    assert lines[0].split() == ["Id", "Number,", "symbol"]
    assert lines[1].split() == ["a", "1"]
    assert "\x1b" not in lines[2]

    json_out = printed(capsys, Invocation(output=OutputFormat.JSON))
    assert json.loads(json_out) == {"data": RECORDS, "next_cursor": None}
    each_line = printed(capsys, Invocation(output=OutputFormat.NDJSON)).splitlines()
    assert [json.loads(line) for line in each_line] == RECORDS
    assert printed(capsys, Invocation(quiet=True)) == "a\nb\n"

    output.rows(Invocation(lang=Lang.EN), [], COLUMNS, [])
    out, err = capsys.readouterr()
    assert (out, err) == ("", "Nothing matches.\n")
    long = "x" * 300
    output.rows(Invocation(), [{"id": long}], COLUMNS[:1], [(long,)])
    assert long in capsys.readouterr().out  # it is not cut in a pipe


def test_times_lengths_and_words_are_read_and_written_as_people_write_them() -> None:
    at = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)

    assert output.stamp(at) == "2026-11-21T01:30:00+07:00"
    assert output.clock(at) == "21/11/2026 01:30"
    # A state is never told by colour alone: each has a mark of its shape.
    assert {state.shape for state in STATES.values()} == set(documents.SIGNS)

    for text, seconds in (("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800)):
        assert span(text) == timedelta(seconds=seconds)
    for text in ("", "5", "m", "1.5h", "-3m", "3 days"):
        with pytest.raises(typer.BadParameter):
            span(text)

    assert [day(text) for text in ("2026-11-20", "20/11/2026")] == ["2026-11-20"] * 2
    assert recipients(["Z91.02", "Z91.03=to_know"]) == [
        {"code": "Z91.02", "role": "to_act"},
        {"code": "Z91.03", "role": "to_know"},
    ]
    assert parse_goal(None, "30m") is None
    with pytest.raises(typer.BadParameter, match="sent, delivered, accepted, done"):
        parse_goal("rejected", "30m")

    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway" / "cli").glob("*.py"))

    keys = set(re.findall(r'"(cli\.[a-z_.]+[a-z_])"', source))

    assert sorted(key for key in keys if not labels.has(key)) == []


@given(st.text(max_size=300))
@example("../../etc/passwd")
@example("báo cáo.pdf")
@example("...")
def test_a_pulled_file_stays_in_its_folder_whatever_it_is_called(name: str) -> None:
    """And keeps as much of its name as is safe."""
    safe = safe_name(1, name)

    assert Path(safe).name == safe
    assert safe.startswith("01-")
    assert len(safe.encode()) <= 255
    assert safe.isprintable()
    names = {"../../etc/passwd": "_.._etc_passwd", "báo cáo.pdf": "báo cáo.pdf", "...": "file"}
    assert name not in names or safe == f"01-{names[name]}"


def test_what_would_write_is_not_done_without_a_terminal_or_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())

    assert Invocation(yes=True).agrees("cli.ask.revoke", id="key_1") is True
    assert Invocation(dry_run=True, yes=True).agrees("cli.ask.revoke", id="key_1") is False
    with pytest.raises(typer.BadParameter, match="--yes"):
        Invocation(lang=Lang.EN).agrees("cli.ask.revoke", id="key_1")


def test_config_show_names_value_and_source_and_masks_secrets(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gateway.toml").write_text(
        '[api]\nport = 9\n[keys]\npassword = "hunter-two"\n', encoding="utf-8"
    )
    monkeypatch.setenv("GATEWAY_LOG_LEVEL", "error")

    run = terminal.type("config", "show", "-o", "json")

    rows = {row["id"]: (row["value"], row["source"]) for row in run.json["data"]}
    assert rows["api.port"] == (9, f"file {tmp_path / 'gateway.toml'}")
    assert rows["log.level"] == ("error", "environment GATEWAY_LOG_LEVEL")
    assert rows["keys.password"][0] == "********"
    assert "hunter-two" not in run.out


def test_what_is_typed_wins_over_the_environment_wherever_it_stands(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise --agency would act for another agency than the one that was typed. Every fault is named."""
    (tmp_path / "gateway.toml").write_text("[api]\nport = -1\nhots = 1\n", encoding="utf-8")
    behind = ("config", "check", "--lang", "en")
    in_english = terminal.type(*behind)
    monkeypatch.setenv("GATEWAY_LANG", "vi")

    assert terminal.type(*behind).err == in_english.err
    assert terminal.type("--lang", "en", "config", "check").err == in_english.err
    assert terminal.type("config", "check").err != in_english.err
    assert in_english.code == 1
    assert "api.port: expected a whole number from 0 to 65535, found -1" in in_english.err
    assert "did you mean api.host?" in in_english.err
    assert terminal.type("--config", "other.toml", "config", "check").code == 1


def test_every_command_label_is_used() -> None:
    packages = (ROOT / "gateway", ROOT / "office", ROOT / "foreign")
    files = (path for package in packages for path in package.rglob("*.py"))
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    # keys that are made of a word and something known only when it is said
    keys = ("cli.token.", "explain.", "doctor.revocation.asked.", *re.findall(r'f"(cli\.[a-z_.]+)\{', source))
    keys += tuple(f"cure.{cause}" for cause in CURES)
    keys += tuple(f"{prefix}." for prefix in re.findall(r'[a-z_]:(cli\.[a-z_.]+)[ "]', source))  # of columns

    unused = [
        key
        for subject in ("cli", "doctor", "explain")
        for key in read_catalogue("vi", subject)
        if "#" not in key
        and not key.startswith(keys)
        and f'"{key}"' not in source
        and f'"{key.removeprefix("doctor.")}"' not in source
    ]

    assert unused == []


def column_labels() -> dict[str, set[str]]:
    """Return the labels of all columns of lists of all commands, with the files that declare them."""
    labels_of: dict[str, set[str]] = {}
    for file in sorted(
        [
            *(ROOT / "gateway").rglob("cli/*.py"),
            *(ROOT / "office").rglob("cli/*.py"),
            *(ROOT / "foreign").rglob("cli/*.py"),
            *(ROOT / "labs").rglob("*.py"),
        ]
    ):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("output.columns", "columns"):
                for column in output.columns(ast.literal_eval(node.args[0])):
                    labels_of.setdefault(column.label, set()).add(file.name)
    return labels_of


def test_each_column_of_each_list_has_a_word_in_both_languages(cases: Cases) -> None:
    modules_by_label = column_labels()

    assert len(modules_by_label) > 100
    assert "registry.py" in modules_by_label["cli.column.conflicts"]
    for label, modules in modules_by_label.items():
        with cases.case(label):
            assert all(labels.say(label, lang) for lang in ("vi", "en")), modules
