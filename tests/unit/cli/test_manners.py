"""Every command shares its manners with common tools: `-`, pipes that end early, a quiet that is quiet, narrow windows,
one shape of errors, nothing installed unasked."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gateway import __version__
from gateway.cli import command, output, tables
from gateway.cli.command import Invocation, Lang
from gateway.clock import SystemClock
from gateway.words import labels
from gateway_labs.authority import Authority
from tests.unit.cli.conftest import Terminal

ROOT = Path(__file__).parents[3]
LETTER = ROOT / "tests" / "samples" / "cong-van.pdf"
PROGRAM = (sys.executable, "-c", "from gateway.program import main; main()")
KEYS = {"code", "title", "detail", "hint", "where", "reasons"}


class Piped:
    """A standard input with something in it."""

    def __init__(self, octets: bytes) -> None:
        self.buffer = io.BytesIO(octets)

    def isatty(self) -> bool:
        return False


class Keyboard(Piped):
    """A standard input at which a person sits."""

    def isatty(self) -> bool:
        return True


def test_a_dash_is_standard_input(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spooled file is removed when the command ends."""
    by_name = terminal.type("read", LETTER, "-o", "json").json
    monkeypatch.setattr("sys.stdin", Piped(LETTER.read_bytes()))
    assert terminal.type("read", "-", "-o", "json").json["fields"] == by_name["fields"]

    monkeypatch.setattr("sys.stdin", Piped(b"abc"))
    with command.spooled({"file": Path("-"), "other": 1}) as spooled:
        spool = spooled["file"]
        assert (spool.read_bytes(), spooled["other"]) == (b"abc", 1)
        assert spool.parent.stat().st_mode & 0o077 == 0
    assert not spool.exists()


@pytest.mark.parametrize(
    ("stdin", "paths"),
    [(Keyboard(b""), {"file": Path("-")}), (Piped(b"x"), {"file": Path("-"), "meta": Path("-")})],
    ids=["terminal", "twice"],
)
def test_a_dash_that_nothing_can_be_read_from_is_a_wrong_use(
    stdin: Piped, paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)

    with pytest.raises(typer.BadParameter), command.spooled(paths):
        raise AssertionError("the command must not run")


def test_an_error_has_one_shape_and_version_and_completion_are_printed(terminal: Terminal) -> None:
    for words in (("version",), ("doctor", "--nowhere"), ("nonsense",)):
        run = terminal.type(*words, "--nonsense", "-o", "json")
        assert (run.code, run.err) == (2, "")
        assert run.json["error"].keys() == KEYS
    # One of the node too, and it stands on one line of a stream.
    (line,) = terminal.type("outbox", "list", "-o", "ndjson").out.splitlines()
    assert json.loads(line)["error"].keys() == KEYS

    assert terminal.type("--version").out == f"gateway {__version__}\n"
    assert terminal.type("version", "-o", "json").json["gateway"] == __version__
    assert terminal.type("-o", "json", "version").json["gateway"] == __version__
    assert terminal.type("version", "-o", "ndjson").out.count("\n") == 1

    # On request, and nothing is installed.
    assert "_GATEWAY_COMPLETE" in terminal.type("completion", "bash").out
    assert "completion for the current shell" not in terminal.type("--help").out
    extra = {"_GATEWAY_COMPLETE": "complete_bash", "COMP_WORDS": "gateway ver", "COMP_CWORD": "1"}

    shell = subprocess.run(PROGRAM, env={**os.environ, **extra}, cwd=ROOT, capture_output=True, check=False)

    assert shell.stdout.split() == [b"verify", b"version"]


def test_explain_and_verify_end_with_the_same_code(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = tmp_path / "trust"
    Authority.create("Trial authority", SystemClock().now()).write_trust(trust, {})
    (tmp_path / "broken.edxml").write_bytes(b"<edXML")
    for name, code in (("broken.edxml", 7), ("missing.edxml", 3)):
        assert terminal.type("explain", tmp_path / name).code == code
        assert terminal.type("verify", tmp_path / name, "--trust", trust).code == code

    monkeypatch.setenv("GATEWAY_TRUST", str(trust))
    assert terminal.type("verify", tmp_path / "missing.edxml").code == 3


def test_explain_says_that_a_pdf_is_one_and_what_is_read_from_it(terminal: Terminal) -> None:
    run = terminal.type("--lang", "en", "explain", LETTER)
    quiet = terminal.type("-q", "explain", LETTER)

    assert run.code == 0
    assert labels.say("explain.pdf", "en") in run.err
    assert run.out == terminal.type("--lang", "en", "read", LETTER).out
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")  # its exit code is the answer


def run_half(output: str, *words: str | Path) -> tuple[int, bytes]:
    """Run the program with one output that is never read; return its exit code and its other output."""
    with subprocess.Popen(
        [*PROGRAM, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        outputs = {"stdout": running.stdout, "stderr": running.stderr}
        outputs.pop(output).close()
        (other,) = outputs.values()
        stdout = other.read()
    return running.returncode, stdout


@pytest.mark.long
def test_work_goes_on_where_nobody_reads_the_talk_about_it_any_more(tmp_path: Path) -> None:
    code, out = run_half("stderr", "demo", "--once", "--keep", tmp_path / "told", "-o", "json")

    assert (code, json.loads(out)["lost"]) == (0, 0)


def test_a_demonstration_is_told_in_a_new_folder_alone(terminal: Terminal, tmp_path: Path) -> None:
    used = tmp_path / "used"
    used.mkdir()
    (used / "gateway.db").write_bytes(b"somebody's")

    assert terminal.type("demo", "--once", "--keep", used).code == 2
    assert [path.name for path in used.iterdir()] == ["gateway.db"]


def test_a_broker_of_the_demonstration_is_named_whole_or_not_at_all(
    terminal: Terminal, tmp_path: Path
) -> None:
    """A password in its address is refused and not repeated."""
    keep, password = tmp_path / "kept", tmp_path / "password"
    broker = ("--broker", "amqp://127.0.0.1:5672")
    for words, why in (
        (broker, "demo.axes.broker_needs"),
        (("--axes", *broker), "demo.axes.broker_who"),
        (("--axes", "--broker-user", "admin"), "demo.axes.broker_alone"),
    ):
        run = terminal.type("--lang", "en", "demo", "--once", "--keep", keep, *words)
        assert run.code == 2
        assert labels.say(why, "en") in " ".join(run.err.replace("│", " ").split())
        assert not keep.exists()

    password.write_text("mat khau\n", encoding="utf-8")
    open_one = ("--broker", "amqp://admin:hunter2@127.0.0.1:5672", "--broker-user", "admin")
    run = terminal.type("demo", "--axes", "--once", *open_one, "--broker-password-file", password)
    assert run.code != 0
    assert "hunter2" not in run.err + run.out
    assert "mat khau" not in run.err + run.out


ID = "msg_01JABCDEFGHJKMNPQRSTVWXYZ0"
COLUMNS = "id number state"


def at_width(width: int, environ: dict[str, str]) -> tuple[str, str]:
    """Show a list on a terminal of that width; return its text and its stderr."""
    telling = (
        "from gateway.cli import output; from gateway.cli.command import Invocation, Lang;"
        f"output.rows(Invocation(lang=Lang.EN), [{{'id': '{ID}'}}], output.columns({COLUMNS!r}),"
        f" [('{ID}', '15/UBND', 'a long state')])"
    )
    ours, theirs = pty.openpty()
    run = subprocess.run(
        (sys.executable, "-c", telling),
        env={**os.environ, "COLUMNS": str(width), "TERM": "xterm", **environ},
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=True,
    )
    os.close(theirs)
    screen = os.read(ours, 65536).decode()
    os.close(ours)
    return screen, run.stderr.decode()


def test_an_id_is_never_broken_and_what_finds_no_room_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns are taken from the first as long as they fit; a list in a pipe keeps every one."""
    for width in (20, 40, 120):
        screen, err = at_width(width, {})
        assert ID in screen
        assert ("Status" in screen) == (width == 120)
        assert ("Status" in err) == (width != 120)
    assert [tables.count_fitting([30, 10, 10], width) for width in (54, 53, 5)] == [3, 2, 1]

    output.rows(
        Invocation(lang=Lang.EN),
        [{"id": ID}],
        output.columns(COLUMNS),
        [(ID, "15/UBND", "a long state " * 10)],
    )
    outputs = capsys.readouterr()
    assert ("a long state " * 10).strip() in outputs.out
    assert outputs.err == ""


def test_no_color_means_no_control_sequence_and_a_reader_that_has_enough_ends_the_program_well() -> None:
    for environ in ({"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}):
        assert "\x1b" not in at_width(120, environ)[0]
    assert "\x1b" in at_width(120, {"NO_COLOR": ""})[0]

    assert run_half("stdout", "--help") == (0, b"")
