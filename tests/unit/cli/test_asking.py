"""A running node carries commands out for callers that load nothing: what they print and return is what the command does in
a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest

from gateway import __version__
from gateway.bootstrap.extensions import open_with_storeys
from gateway.cli import asking
from gateway.cli.answering import answering
from gateway.settings import load
from tests.support.cases import Cases
from tests.unit.cli.conftest import CommandRun, Terminal, set_up

# Modules that a command which reads may load with a running node.
MOST_WITH_NODE = 110
# Without one, with those that the interpreter brings: most are the database's library.
MOST_ALONE = 645
READING = ("outbox list", "inbox list", "registry list", "hold list", "tokens list", "host list")


@contextmanager
def running(folder: Path) -> Iterator[None]:
    """Run a node of the folder's settings in a thread, which answers callers."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with open_with_storeys(load(folder / "gateway.toml", {})) as node, answering(node):
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    try:
        assert ready.wait(60)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


class Caller:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def ask(self, *words: str, **environ: str) -> CommandRun | None:
        """Ask the node; None where it belongs in the caller's process."""
        self._capsys.readouterr()
        code = asking.ask(words, environ)
        out, err = self._capsys.readouterr()
        if code is None:
            assert (out, err) == ("", "")
            return None
        return CommandRun(code=code, out=out, err=err)


@pytest.fixture
def caller(capsys: pytest.CaptureFixture[str]) -> Caller:
    return Caller(capsys)


def answer(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Let a person sit at the terminal who types these lines."""
    keys = StringIO("".join(f"{line}\n" for line in lines))
    keys.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", keys)


def test_a_running_node_says_what_the_command_would_say(
    terminal: Terminal, caller: Caller, tmp_path: Path, cases: Cases
) -> None:
    set_up(terminal)
    assert terminal.type("numbers", "reserve", "--book", "2026", "--yes").code in (0, 2)
    alone = {line: terminal.type(*line.split()) for line in LINES.strip().splitlines()}

    with running(tmp_path):
        for line, expected in alone.items():
            with cases.case(line):
                assert caller.ask(*line.split()) == expected
        with cases.case("an agency and a language of the caller's environment"):
            assert caller.ask("outbox", "list", GATEWAY_LANG="en", GATEWAY_AGENCY="Z91.02") == terminal.type(
                *("outbox", "list", "--lang", "en")
            )


LINES = """
outbox list
outbox list -o json
outbox list --lang en -o ndjson
outbox list --state nonsense
outbox list --limit 0
outbox show 12/VP
outbox show 12/VP -o json
outbox cancel msg_1 --yes
outbox
outbox lst
inbox list -q
registry list
registry list -q
registry show G01 -o json
registry resolve 000.00.00.G01
agency show
host list -o json
tokens list
tokens list -o json
people list
proposals list
webhooks list
numbers list
queue list
hold list -o json
rules timers
registry search Công
--agency Z99 outbox list
--agency Z99 -o json outbox list
book show 2026
todo list
"""


def test_what_belongs_in_the_callers_process_is_sent_back(
    terminal: Terminal, caller: Caller, tmp_path: Path, cases: Cases, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(terminal)
    (tmp_path / "letter.pdf").write_bytes(b"%PDF")
    with running(tmp_path):
        for words in (
            ("--help",),
            ("outbox", "list", "--help"),
            ("outbox", "list", "-v"),
            ("version",),
            ("config", "show"),
            ("send", "letter.pdf"),
            ("keys", "new", "--yes"),
            ("people", "enrol", "A"),
            ("people", "add", "A", "--role", "trust", "--as", "B", "--yes"),
            ("outbox", "list", "--config", "other/gateway.toml"),
        ):
            with cases.case(" ".join(words)):
                assert caller.ask(*words) is None
        with cases.case("a setting that the node does not have"):
            assert caller.ask("outbox", "list", GATEWAY_API_PORT="1") is None
        with cases.case("another version"):
            monkeypatch.setattr(asking, "__version__", f"{__version__}.1")
            assert caller.ask("outbox", "list") is None
    with cases.case("no node runs"):
        assert not (tmp_path / "state" / asking.SOCKET).exists()
        assert caller.ask("outbox", "list") is None
    with cases.case("one that was killed"), socket.socket(socket.AF_UNIX) as stale:
        stale.bind(f"state/{asking.SOCKET}")  # a long name is too long for the call
        stale.close()
        assert caller.ask("outbox", "list") is None


def test_no_node_is_asked_where_the_settings_cannot_be_read(
    terminal: Terminal, caller: Caller, tmp_path: Path, cases: Cases
) -> None:
    set_up(terminal)
    (tmp_path / "broken.toml").write_text("[node\n")
    (tmp_path / "data").symlink_to("state")  # the folder of settings that name none
    (tmp_path / "bare.toml").write_text("")
    with running(tmp_path):
        for name, is_asked in (("gateway", True), ("bare", True), ("broken", False), ("missing", False)):
            with cases.case(name):
                assert (caller.ask("outbox", "list", f"--config={name}.toml") is not None) is is_asked


def test_a_person_is_asked_where_they_sit(
    terminal: Terminal, caller: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_up(terminal)
    (key,) = terminal.type("tokens", "list", "-q").out.split()
    with running(tmp_path):
        words = ("tokens", "revoke", key, "--lang", "en")

        unseen = caller.ask(*words)
        assert unseen is not None
        assert (unseen.code, "--yes" in unseen.err) == (2, True)

        answer(monkeypatch, "perhaps", "n")
        refused = caller.ask(*words)
        assert refused is not None
        assert (refused.code, refused.out, refused.err.count(" [y/N]: ")) == (1, "", 2)

        answer(monkeypatch)
        unanswered = caller.ask(*words)
        assert unanswered is not None
        assert unanswered.code == 130

        answer(monkeypatch, "y")
        agreed = caller.ask(*words)
        assert agreed is not None
        assert (agreed.code, agreed.err.count(" [y/N]: ")) == (0, 1)
        second = caller.ask(*words, "--yes")
        assert second is not None
        assert second.code != 0 or "revoked" in terminal.type("tokens", "list", "-o", "json").out


def test_only_the_nodes_own_user_is_answered(terminal: Terminal, tmp_path: Path) -> None:
    set_up(terminal)
    with running(tmp_path):
        place = tmp_path / "state" / asking.SOCKET
        assert place.stat().st_mode & 0o777 == 0o600
        if os.geteuid() == 0:
            place.chmod(0o666)
            for folder in (place.parent, *place.parents):
                folder.chmod(folder.stat().st_mode | 0o011)
            stranger = subprocess.run(
                [sys.executable, "-c", STRANGER, f"state/{place.name}"],
                capture_output=True,
                text=True,
                check=True,
            )
            assert stranger.stdout == "b''\n"


STRANGER = """
import os, socket, sys
os.setuid(65534)
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
try:
    line.sendall(b"{}\\n")
    print(line.recv(100))
except ConnectionError:
    print(b"")
"""


# The libraries that no command can do without are loaded once; each command then goes on in a process of its own.
ALONE = """
import os, sys
import aiosqlite, pydantic, sqlalchemy.dialects.sqlite.aiosqlite, sqlalchemy.ext.asyncio, typer
from gateway.program import run
for words in sys.argv[1:]:
    if not (child := os.fork()):
        code = run(words.split())
        print(code, len(sys.modules), words, sep="\\t", file=sys.stderr, flush=True)
        os._exit(code)
    os.waitpid(child, 0)
"""


def test_a_command_loads_little(terminal: Terminal, tmp_path: Path, cases: Cases) -> None:
    set_up(terminal)
    line = [sys.executable, "-c", ALONE, *READING]
    errors = subprocess.run(line, capture_output=True, text=True, check=True).stderr
    rows = [row.split("\t") for row in errors.splitlines() if "\t" in row]
    assert [words for *_, words in rows] == list(READING)
    for code, loaded, words in rows:
        with cases.case(f"{words}, alone"):
            assert code == "0"
            assert int(loaded) <= MOST_ALONE
    with running(tmp_path):
        for words in READING:
            with cases.case(f"{words}, with a node"):
                line = [sys.executable, "-X", "importtime", "-m", "gateway", *words.split()]
                errors = subprocess.run(line, capture_output=True, text=True, check=True).stderr
                assert errors.count("import time:") <= MOST_WITH_NODE
