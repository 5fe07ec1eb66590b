"""Every command teaches itself: whole examples, the common options, no heavy imports before it is asked for; and says who
may give it."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.api.resources import ROUTES
from gateway.cli import main, operations
from gateway.cli.command import TABLE, CommandRow, known_words
from tests.support.cases import Cases
from tests.unit.cli.conftest import Terminal

ROOT = Path(__file__).parents[3]
DUE = {
    *[
        "serve",
        "demo",
        "init",
        "join",
        "send",
        "verify",
        "read",
        "explain",
        "doctor",
        "watch",
        "version",
        "completion",
    ],
    *("alarms", "backup", "restore", "restored", "maintenance"),
    *("config show", "config check", "migrate status", "migrate up"),
    *(f"witness {name}" for name in ("list", "logs", "add", "settle", "serve")),
    *(f"outbox {name}" for name in ("list", "show", "events", "send", "resend", "cancel", "recall")),
    *(f"outbox {name}" for name in ("update", "replace", "seal")),
    *(f"inbox {name}" for name in ("list", "show", "pull", "accept", "reject", "reopen", "hand-back")),
    *(f"inbox {name}" for name in ("part-done", "status", "assign", "ack", "release", "return", "discard")),
    *(f"registry {name}" for name in ("list", "show", "resolve", "search", "import", "imports", "undo")),
    "registry axis-lists",
    *(f"registry {name}" for name in ("export", "diff", "verify", "sync", "publish", "set-host")),
    *(f"registry seals {name}" for name in ("list", "rights", "show", "read", "propose")),
    *(f"registry seals {name}" for name in ("entitle", "withdraw", "export")),
    *(f"registry feed {name}" for name in ("status", "refusals", "receipts", "proposals", "propose")),
    *(f"registry {name}" for name in ("bindings", "countersign")),
    *(f"registry trust {name}" for name in ("show", "propose", "recall", "strike", "end", "compare")),
    *(f"registry trust {name}" for name in ("lists", "rows", "propose-list")),
    *("agency profile show", "agency profile set", "agency profile emblem"),
    *("numbers list", "numbers next", "numbers reserve", "numbers release", "numbers void"),
    *(f"rules {name}" for name in ("list", "show", "check", "timers", "dossier")),
    *(f"keys {name}" for name in ("list", "new", "csr", "password", "import", "retire", "stolen")),
    *(f"keys {name}" for name in ("propose", "propose-all", "approve", "withdraw")),
    *(f"people {name}" for name in ("list", "add", "enrol", "roles", "reset", "block", "end-set-up")),
    *(f"people {name}" for name in ("account", "post", "changes", "confirm", "refuse", "link", "stand")),
    *(f"people {name}" for name in ("unlock", "sessions", "sign-out")),
    *("people requests", "people request", "people answer", "people personal-data", "people erase"),
    *("people review", "inbox seal", "conformance run", "sign", "trust show", "trust refresh"),
    "trust algorithms",
    *(f"proposals {name}" for name in ("list", "show", "approve", "reject", "anchor")),
    *(f"tokens {name}" for name in ("bind", "list", "new", "retire", "revoke", "rotate")),
    *("capacity", "ping", "status", "host list", "host add", "host remove"),
    *(f"axis {name}" for name in ("status", "definitions", "apply", "check", "route", "odd", "agencies")),
    *("figures check", "figures rebuild", "report list", "report show", "report export"),
    *(f"report {name}" for name in ("schedules", "schedule", "pause", "resume", "remove")),
    *(f"audit {name}" for name in ("verify", "search", "export", "publish", "losses", "states", "erase")),
    *(f"sandbox {name}" for name in ("clock", "fixtures", "reset", "robots")),
    *(f"hold {name}" for name in ("list", "show", "lift", "key", "notice", "purge")),
    *(f"preserve {name}" for name in ("list", "add", "ask-end", "end")),
    *(f"destruction {name}" for name in ("list", "show", "propose", "stop", "export")),
    *(f"retention {name}" for name in ("list", "import", "show")),
    *(f"archive {name}" for name in ("check", "make", "receipt", "list")),
    *(f"content {name}" for name in ("show", "move")),
    *(f"evidence {name}" for name in ("make", "verify", "page", "list", "show")),
    *(f"book {name}" for name in ("show", "export", "enter", "catch-up", "sent", "strike", "paper")),
    *(f"book {name}" for name in ("files", "file-list", "hand-over")),
    *("folder check", "folder status", "simulate vxp", "simulate lgsp"),
    *(f"calendar {name}" for name in ("list", "add", "remove", "import")),
    *(f"todo {name}" for name in ("list", "take", "snooze", "close", "wake", "submit", "opinion")),
    *(f"registry change {name}" for name in ("plan", "show", "approve", "undo", "list", "report", "legacy")),
    *(f"compat {name}" for name in ("list", "add", "rotate", "revoke", "stuck", "again")),
    *(f"webhooks {name}" for name in ("list", "add", "show", "test", "rotate", "pause", "resume", "remove")),
    *(f"webhooks {name}" for name in ("log", "redeliver", "listen", "trigger")),
    *(f"queue {name}" for name in ("list", "peek", "drain")),
    *(f"queue dead {name}" for name in ("list", "show", "retry", "drop")),
}


def commands(tree: Any) -> Iterator[str]:
    for word, command in tree.commands.items():
        below = commands(command) if hasattr(command, "commands") else ("",)
        yield from (f"{word} {name}".strip() for name in below)


def test_every_command_that_is_due_exists_and_its_help_begins_with_what_the_first_help_says() -> None:
    assert set(commands(main.build())) == DUE

    short_helps = {word: command.get_short_help_str(1000) for word, command in main.build().commands.items()}

    assert short_helps == known_words()


def test_the_first_help_loads_no_command() -> None:
    code = """
import sys
from gateway import program
program.run(["--help"])
print(sorted(name for name in sys.modules if ".cli." in name), file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert all(f"  {word} " in ended.stdout for word in known_words())
    assert not [word for word in known_words() if f".cli.{word}'" in ended.stderr and word != "completion"]


def test_help_of_a_word_waits_for_no_database_and_no_envelope() -> None:
    code = """
import contextlib, sys
from gateway import program
from gateway.cli.command import known_words
for word in known_words():
    with contextlib.suppress(SystemExit):
        program.run([word, "--help"])
print(sorted(name for name in ("sqlalchemy", "lxml", "aiohttp", "aio_pika") if name in sys.modules), file=sys.stderr)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ended.stderr == "[]\n"


def test_the_help_of_each_command_has_two_or_three_examples_of_itself(
    terminal: Terminal, cases: Cases
) -> None:
    """And the common options, and no example names an option that it has not."""

    def check(command: str) -> None:
        run = terminal.type(*command.split(), "--help")
        assert run.code == 0
        usage, _, examples = run.out.partition("Examples:")
        lines = [line.strip() for line in examples.splitlines() if line.strip()]
        assert len(lines) in (2, 3)
        for line in lines:
            assert re.sub(r"--config \S+ ", "", line).startswith(f"gateway {command}")
        for option in ("--output", "--quiet", "--lang", "--config", "--agency", "--verbose"):
            assert option in run.out
        for option in re.findall(r"(?<=\s)(--[a-z-]+)", examples):
            assert option in usage

    cases.check_rows(sorted(DUE), check)


def test_a_typing_error_is_answered_with_the_likely_word(terminal: Terminal) -> None:
    for words, suggestion in (
        (("sned",), "'send'"),
        (("outbox", "lst"), "'list'"),
        (("outbox", "list", "--sate"), "--state"),
    ):
        run = terminal.type(*words)
        assert (run.code, run.out) == (2, "")
        assert suggestion in run.err

    # A wrong use points to the help of that command, and no words at all show the help.
    assert "→ gateway outbox list --help" in terminal.type("--lang", "en", "outbox", "list", "--sate").err
    assert "→ gateway queue dead drop --help" in terminal.type("queue", "dead", "drop", "7").err
    bare = terminal.type()
    assert (bare.code, bare.err.startswith("Usage: gateway")) == (2, True)


def test_the_version_needs_none_of_the_heavy_libraries() -> None:
    """A library that is not imported cannot be slow; measuring the time would be less reliable."""
    script = (
        "import sys; from gateway import program; program.run(['version', '-q']);"
        "heavy = {'sqlalchemy', 'aiohttp', 'lxml', 'cryptography', 'signxml', 'rich', 'pypdf', 'alembic'};"
        "print(sorted(heavy & set(sys.modules)))"
    )

    out = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert out.splitlines()[-1] == "[]"


# Always with the passphrase and second factor of a person.
BY_A_PERSON = {
    *("hold lift", "hold purge", "people end-set-up"),
    *("preserve add", "preserve ask-end", "preserve end", "people erase"),
    *("destruction propose", "destruction stop"),
    *("keys propose", "keys propose-all", "keys approve"),
    *("proposals approve", "proposals reject", "proposals anchor"),
    *("registry undo", "registry change approve", "registry change undo", "registry feed propose"),
    *(f"registry trust {name}" for name in ("propose", "propose-list", "recall", "strike", "end")),
    *("registry seals propose", "registry seals entitle"),
}
# A person too, where what is typed asks for one, or where persons administer by now.
BY_A_PERSON_PERHAPS = {
    *("people add", "people roles", "people reset", "people account", "people post", "people link"),
    *("people stand", "people review", "people changes", "people confirm", "people refuse"),
    *("people requests", "people request", "people answer"),
    *("registry import", "registry change plan", "archive make"),
}
# Commands of the operator and of persons alone: no key of a program opens any of them.
NEVER_BY_A_KEY = {
    "people",
    "tokens",
    "compat",
    "hold",
    "preserve",
    "retention",
    "destruction",
    "keys",
    "trust",
    "proposals",
    "queue",
    "host",
    "audit",
}
SEALS = {"inbox seal", "outbox seal"}


def _table() -> dict[str, CommandRow]:
    for word in known_words():
        main.build().commands[word]
    return {row.words.removeprefix("gateway "): row for row in TABLE.values()}


def test_the_whole_table_by_principal() -> None:
    table = _table()
    signs_in = {
        words: parameters["as_"].default
        for words, row in table.items()
        if "as_" in (parameters := inspect.signature(row.function).parameters)
    }

    assert {words for words, default in signs_in.items() if default is inspect.Parameter.empty} == BY_A_PERSON
    assert {words for words, default in signs_in.items() if default is None} == BY_A_PERSON_PERHAPS
    reads = {"people review", "people changes", "people requests"}
    assert all(table[words].writes for words in signs_in if words not in reads)


def test_a_command_that_a_key_may_do_too_is_a_call_with_a_scope_and_no_other_is_one() -> None:
    calls = {
        words: operations.COMMANDS[row.function]
        for words, row in _table().items()
        if row.function in operations.COMMANDS
    }
    scopes = {route.name: route.scopes for route in ROUTES}

    assert len(calls) >= 16
    assert all(scopes[name] for name in calls.values())
    assert not [words for words in calls if words.split()[0] in NEVER_BY_A_KEY or words in SEALS]
