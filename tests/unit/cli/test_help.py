"""Every command teaches itself: whole examples, the common options, no heavy imports before it is asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.cli.command import known_words
from tests.unit.cli.conftest import Terminal

ROOT = Path(__file__).parents[3]
DUE = {
    *(
        "serve",
        "demo",
        "init",
        "send",
        "verify",
        "read",
        "explain",
        "doctor",
        "watch",
        "version",
        "completion",
    ),
    *("backup", "restore", "restored"),
    *("config show", "config check", "migrate status", "migrate up"),
    *(
        f"outbox {name}"
        for name in ("list", "show", "events", "send", "resend", "cancel", "recall", "update", "replace")
    ),
    *(
        f"inbox {name}"
        for name in (
            "list",
            "show",
            "pull",
            "accept",
            "reject",
            "reopen",
            "hand-back",
            "part-done",
            "status",
            "assign",
            "ack",
            "release",
            "return",
            "discard",
        )
    ),
    *(f"registry {name}" for name in ("list", "show", "resolve", "search", "import", "imports", "undo")),
    *(f"registry {name}" for name in ("export", "diff", "verify", "sync", "publish")),
    *(f"registry feed {name}" for name in ("status", "refusals", "proposals", "propose")),
    *(f"keys {name}" for name in ("list", "new", "csr", "import", "retire", "stolen")),
    *(f"keys {name}" for name in ("propose", "propose-all", "approve", "withdraw")),
    *(f"people {name}" for name in ("list", "add", "enrol", "roles", "reset", "block", "end-set-up")),
    *(
        f"people {name}"
        for name in ("account", "post", "link", "stand", "unlock", "sessions", "sign-out", "review")
    ),
    *(f"proposals {name}" for name in ("list", "show", "approve", "reject", "anchor")),
    *(f"tokens {name}" for name in ("bind", "list", "new", "revoke")),
    *("ping", "status", "axis status", "axis definitions", "axis apply", "axis check", "axis route"),
    *("registry set-host", "host list", "host add", "host remove"),
    *(f"audit {name}" for name in ("verify", "search", "export", "publish", "erase")),
    *(f"sandbox {name}" for name in ("clock", "fixtures", "reset", "robots")),
    "conformance run",
    *("sign", "trust show", "trust refresh", "inbox seal", "outbox seal"),
    *(f"hold {name}" for name in ("list", "show", "lift", "key", "notice", "purge")),
    *(f"evidence {name}" for name in ("make", "verify", "list", "show")),
    *(
        f"book {name}"
        for name in ("show", "export", "enter", "catch-up", "sent", "strike", "paper", "hand-over")
    ),
    *(f"calendar {name}" for name in ("list", "add", "remove", "import")),
    *(f"todo {name}" for name in ("list", "take", "snooze", "close", "wake", "submit", "opinion")),
    *(f"registry change {name}" for name in ("plan", "show", "approve", "undo", "list", "report", "legacy")),
    *(f"compat {name}" for name in ("list", "add", "rotate", "revoke", "stuck", "again")),
    *(f"webhooks {name}" for name in ("list", "add", "show", "test", "rotate", "pause", "resume", "remove")),
    *(f"webhooks {name}" for name in ("log", "redeliver")),
    *("folder check", "folder status", "simulate vxp", "simulate lgsp", "axis odd", "axis agencies"),
    *(f"queue {name}" for name in ("list", "peek", "drain")),
    *(f"queue dead {name}" for name in ("list", "show", "retry", "drop")),
}


def commands(tree: Any) -> Iterator[str]:
    for word, command in tree.commands.items():
        below = commands(command) if hasattr(command, "commands") else ("",)
        yield from (f"{word} {name}".strip() for name in below)


def test_every_command_that_is_due_exists() -> None:
    assert set(commands(main.build())) == DUE


def test_what_the_first_help_says_of_a_command_is_what_its_own_help_begins_with() -> None:
    said = {word: command.get_short_help_str(1000) for word, command in main.build().commands.items()}

    assert said == known_words()


def test_the_first_help_loads_no_command() -> None:
    code = """
import sys
from gateway import house
house.run(["--help"])
print(sorted(name for name in sys.modules if ".cli." in name), file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert all(f"  {word} " in ended.stdout for word in known_words())
    assert not [word for word in known_words() if f".cli.{word}'" in ended.stderr and word != "completion"]


@pytest.mark.parametrize("command", sorted(DUE))
def test_the_help_of_each_command_has_two_or_three_examples_of_itself(
    terminal: Terminal, command: str
) -> None:
    said = terminal.type(*command.split(), "--help")

    examples = [line.strip() for line in said.out.split("Examples:")[1].splitlines() if line.strip()]
    assert said.code == 0
    assert len(examples) in (2, 3)
    for example in examples:
        without_options = re.sub(r"--config \S+ ", "", example)
        assert without_options.startswith(f"gateway {command}")


@pytest.mark.parametrize("command", sorted(DUE))
def test_every_command_takes_the_common_options(terminal: Terminal, command: str) -> None:
    out = terminal.type(*command.split(), "--help").out

    for option in ("--output", "--quiet", "--lang", "--config", "--agency", "--verbose"):
        assert option in out


def test_examples_name_only_options_that_exist(terminal: Terminal) -> None:
    for command in sorted(DUE):
        out = terminal.type(*command.split(), "--help").out
        usage, _, examples = out.partition("Examples:")
        for option in re.findall(r"(?<=\s)(--[a-z-]+)", examples):
            assert option in usage, f"{command}: {option}"


@pytest.mark.parametrize(
    ("words", "meant"),
    [(("sned",), "'send'"), (("outbox", "lst"), "'list'"), (("outbox", "list", "--sate"), "--state")],
)
def test_a_typing_error_is_answered_with_what_was_probably_meant(
    terminal: Terminal, words: tuple[str, ...], meant: str
) -> None:
    said = terminal.type(*words)

    assert said.code == 2
    assert meant in said.err
    assert said.out == ""


def test_a_wrong_use_points_to_the_help_of_that_command(terminal: Terminal) -> None:
    assert "→ gateway outbox list --help" in terminal.type("--lang", "en", "outbox", "list", "--sate").err
    assert "→ gateway queue dead drop --help" in terminal.type("queue", "dead", "drop", "7").err


def test_no_words_at_all_show_the_help(terminal: Terminal) -> None:
    said = terminal.type()

    assert said.code == 2
    assert said.err.startswith("Usage: gateway")


def test_the_version_needs_none_of_the_heavy_libraries() -> None:
    """What is not imported cannot be slow: a time would say the same less reliably."""
    script = (
        "import sys; from gateway import house; house.run(['version', '-q']);"
        "heavy = {'sqlalchemy', 'aiohttp', 'lxml', 'cryptography', 'signxml', 'rich', 'pypdf', 'alembic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )

    out = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert out.splitlines()[-1] == "[]"


def test_version_speaks_json_and_one_line_json(terminal: Terminal) -> None:
    assert terminal.type("version", "-o", "json").json["gateway"] == "0.1.0"
    assert terminal.type("version", "-o", "ndjson").out.count("\n") == 1
    assert terminal.type("-o", "json", "version").json["gateway"] == "0.1.0"
