"""An operator sets up two offices on one machine with nothing but the command line, and a document goes from one to
the other and is taken in. The nodes run as processes of their own; commands are typed at the program's entry."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway import program
from gateway.clock import SystemClock
from gateway_labs.authority import Authority
from tests.long.acceptance.test_pages_run import run
from tests.support.cli_people import FIRST, SECOND, Deciders, typing
from tests.support.leaks import WATCH
from tests.support.printed import FOLDER
from tests.support.waiting import block_until

pytestmark = [pytest.mark.timeout(300)]

LETTER = FOLDER / "bao-cao.pdf"
AGENCIES = """code,name,alias,parent,valid_from,valid_to,successor,email,address,phone,decision
Z91,Province Trial,,,,,,,,,
Z91.01,Office One,,Z91,,,,,,,
Z91.02,Office Two,,Z91,,,,,,,
"""
META = {
    "symbol": "VP",
    "date": "2026-01-15",
    "type": "cong_van",
    "signer": {"name": "A Signer"},
    "reply_required": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRun:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """One node as its operator sees it."""

    code: str
    folder: Path

    @property
    def settings(self) -> Path:
        return self.folder / "gateway.toml"

    def type(self, *words: str | Path) -> CommandRun:
        return run_command("--config", self.settings, *words)

    def well(self, *words: str | Path) -> Any:
        """Run a command that must succeed; return its JSON."""
        run = self.type(*words, "-o", "json")
        assert run.code == 0, run.err + run.out
        return run.json


def run_command(*words: str | Path) -> CommandRun:
    """Run the program's entry in this process: the same words and the same outputs, without a start for each."""
    root, ours = logging.getLogger(), logging.getLogger("gateway")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    ours.setLevel(logging.NOTSET)  # what a person sees, not what the watch over all tests hears
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program.run([str(word) for word in words])
    finally:
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
    WATCH.take_output(err.getvalue())
    return CommandRun(code=code, out=out.getvalue(), err=err.getvalue())


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Office]]:
    """Set up two offices by hand, and run their nodes."""
    folder = tmp_path_factory.mktemp("offices")
    now = SystemClock().now()
    authority = Authority.create("Trial", now)
    authority.save(folder)
    (folder / "agencies.csv").write_text(AGENCIES, encoding="utf-8")
    pair = (Office(code="Z91.01", folder=folder / "one"), Office(code="Z91.02", folder=folder / "two"))
    for office in pair:
        set_up(office, authority, folder)
    for office in pair:
        bound(office, pair)
    running = [start(office) for office in pair]
    try:
        both_hosted(folder / "axis" / "axis.sqlite", pair)
        yield pair
    finally:
        for process in running:
            process.terminate()
        for process in running:
            assert process.wait(timeout=60) == 0
            assert process.stderr is not None
            process.stderr.close()


def both_hosted(axis: Path, pair: tuple[Office, Office]) -> None:
    """Wait until the axis knows both codes: no document can be sent before, and any test may run first."""
    codes = {office.code for office in pair}
    with contextlib.closing(sqlite3.connect(axis)) as database:

        def are_hosted() -> bool:
            return codes <= {code for (code,) in database.execute("SELECT code FROM hosting")}

        block_until(are_hosted, "both are on the axis")


def bound(office: Office, partners: tuple[Office, ...]) -> None:
    """Bind all partners by two people, in one proposal, as at any first set-up."""
    table = office.folder / "bindings.csv"
    rows = [f"{other.code},{other.folder / 'cert.pem'}" for other in partners]
    table.write_text("\n".join(("code,certificate", *rows)) + "\n", encoding="utf-8")
    deciders = Deciders.add_to(office.settings)
    with typing(deciders.lines(FIRST)):
        proposal = office.well("keys", "propose-all", table, "--as", FIRST, "--yes")
    digits = [sha256[-16:] for sha256 in proposal["sha256"]]
    with typing(deciders.lines(SECOND, *digits)):
        office.well("keys", "approve", proposal["id"], "--as", SECOND, "--yes")


def set_up(office: Office, authority: Authority, folder: Path) -> None:
    office.folder.mkdir()
    answers = ("--data-dir", office.folder / "data", "--code", office.code, "--name", f"Office {office.code}")
    answer = office.well("init", *answers, "--ca", folder / "ca.pem", "--port", "0", "--yes")
    with office.settings.open("a", encoding="utf-8") as file:
        file.write('\n[axis]\nfolder = "../axis"\n\n[workers]\npoll_s = 0.2\n')
    request = Path(answer["request"]).read_bytes()
    certificate = authority.issue_for_request(request, SystemClock().now())
    (office.folder / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    office.well("keys", "import", office.folder / "cert.pem", "--yes")
    office.well("registry", "import", folder / "agencies.csv", "--apply", "--yes")


def start(office: Office) -> subprocess.Popen[str]:
    """Start `gateway serve`, which is up when it prints its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "--config", str(office.settings), "--lang", "en", "serve"],
        cwd=office.folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    if line.startswith("Warning: the node runs as root"):
        line = process.stderr.readline()
    assert "http://127.0.0.1:" in line
    return process


def meta(office: Office, **fields: object) -> Path:
    path = office.folder / "meta.json"
    path.write_text(json.dumps(META | fields), encoding="utf-8")
    return path


def sent(office: Office, to: Office, number: str, *more: str) -> Any:
    """Send a document whose file is another letter's, and confirm it, because the sender is asked about that."""
    metadata = meta(office, number=number, subject=f"Letter {number}")
    return office.well(
        "send", LETTER, "--to", to.code, "--meta", metadata, "--confirm", "first-page-other", *more
    )


def eventually(office: Office, *words: str, has: str) -> CommandRun:
    """Type the same after each event at that office until the answer has that word: the other node works at its own
    pace."""
    lines = office.type("watch", "--after", "0", "--once", "-o", "ndjson").out.splitlines()
    run = office.type(*words)
    if has not in run.out:
        with happening(office, start=json.loads(lines[-1])["seq"] if lines else 0) as events:
            for _ in events:
                run = office.type(*words)
                if has in run.out:
                    break
    assert has in run.out, run.out + run.err
    return run


@contextlib.contextmanager
def happening(office: Office, *, start: int) -> Iterator[Iterator[str]]:
    """Yield a line for each event after `start`, for a minute."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gateway", "--config", str(office.settings)),
            *("watch", "--after", str(start), "-o", "ndjson"),
        ],
        cwd=office.folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    end = threading.Timer(60, process.kill)
    end.start()
    try:
        yield process.stdout
    finally:
        end.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_document_is_sent_taken_in_and_seen_as_taken_in(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices

    message = sent(sender, recipient, "88", "--wait", "delivered", "--timeout", "60s")
    view = recipient.well("inbox", "accept", "88/VP", "--register-no", "17", "--staff", "A Clerk", "--yes")

    assert message["state"] == "delivered"
    assert (view["state"], view["register_no"]) == ("accepted", "17")
    page = eventually(sender, "outbox", "show", "88/VP", "--lang", "en", has="Accepted").out
    assert page.startswith("88/VP  15/01/2026  Letter 88\nLegal value: For information only\n")
    assert "\n1 recipient: 1 accepted\n" in page
    assert "Z91.02  Office Two  Accepted" in page
    assert "(A Clerk)" in page


def test_the_way_to_a_partner_is_examined_without_sending_anything(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    sent(sender, recipient, "87", "--wait", "delivered", "--timeout", "60s")
    count = len(recipient.well("inbox", "list")["data"])

    steps = {step["step"]: step for step in sender.well("ping", recipient.code)["data"]}
    strange = sender.type("ping", "Z91.20", "--lang", "en")

    assert {name: step["state"] for name, step in steps.items()} == dict.fromkeys(
        ("registry", "way", "led", "certificate", "heard", "mail"), "fine"
    )
    assert "Office Two" in steps["registry"]["says"]
    assert steps["heard"]["cause"] == "heard.status"
    assert strange.code == 6
    assert "the registry does not know Z91.20" in strange.out
    assert "no node hosts it" in strange.out
    assert len(recipient.well("inbox", "list")["data"]) == count


def test_lists_show_the_document_on_both_sides(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    document = sent(sender, recipient, "89", "--wait", "delivered", "--timeout", "60s")

    outgoing = sender.well("outbox", "list", "--query", "89")["data"]
    incoming = recipient.well("inbox", "list", "--query", "89")["data"]
    events = [x["kind"] for x in sender.well("outbox", "events", document["id"])["data"]]

    assert [x["id"] for x in outgoing] == [document["id"]]
    assert [x["from"]["code"] for x in incoming] == ["Z91.01"]
    assert events[:4] == ["message.accepted", "message.confirmed", "message.queued", "message.sent"]
    assert sender.type("outbox", "list", "--query", "89", "-q").out == document["id"] + "\n"


def test_a_refusal_goes_back_with_its_reason(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    sent(sender, recipient, "90", "--wait", "delivered", "--timeout", "60s")

    recipient.well("inbox", "reject", "90/VP", "--reason", "MISSING_FILE", "--note", "page 3", "--yes")

    page = eventually(sender, "outbox", "show", "90/VP", has="✗").out
    assert "page 3" in page
    assert "Z91.02" in page


def test_what_breaks_rules_is_refused_with_every_reason_and_nothing_is_stored(
    offices: tuple[Office, Office],
) -> None:
    node, _ = offices

    run = node.type("send", LETTER, "--to", "Z91.99", "--number", "91", "--subject", "Refused", "-o", "json")

    assert run.code == 4
    assert {reason["pointer"] for reason in run.json["error"]["reasons"]} >= {
        "/recipients/0/code",
        "/signer/name",
        "/symbol",
    }
    assert node.well("outbox", "list", "--query", "Refused")["data"] == []


def test_a_dry_run_checks_and_sends_nothing(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    metadata = meta(sender, number="92", subject="Dry")

    words = ("--to", recipient.code, "--meta", metadata, "--confirm", "first-page-other")
    run = sender.type("send", LETTER, *words, "--dry-run", "--lang", "en")

    assert run.code == 0
    assert "Dry run: the document may be sent, to 1 recipient: Z91.02" in run.err
    assert sender.well("outbox", "list", "--query", "Dry")["data"] == []


def test_pulled_documents_are_whole_proved_and_offered_no_more(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    sent(sender, recipient, "93", "--wait", "delivered", "--timeout", "60s")
    trust = recipient.folder / "data" / "trust"
    (trust / "one.pem").write_bytes((sender.folder / "cert.pem").read_bytes())
    (trust / "bindings.csv").write_text("code,certificate\nZ91.01,one.pem\n", encoding="utf-8")

    pulled = recipient.well("inbox", "pull", recipient.folder / "pulled", "--yes")["data"]
    mine = next(d for d in pulled if d["document_id"].endswith("93/VP"))
    folder = Path(mine["folder"])

    assert (folder / "01-bao-cao.pdf").read_bytes() == LETTER.read_bytes()
    assert recipient.type("verify", folder / "envelope.edxml", "--trust", trust).code == 0
    assert recipient.well("explain", folder / "envelope.edxml")["subject"] == "Letter 93"
    assert recipient.well("inbox", "pull", recipient.folder / "pulled")["data"] == []


def test_a_changed_envelope_is_not_valid_and_says_where(
    offices: tuple[Office, Office], tmp_path: Path
) -> None:
    sender, recipient = offices
    sent(sender, recipient, "94", "--wait", "delivered", "--timeout", "60s")
    pulled = recipient.well("inbox", "pull", tmp_path / "pulled", "--keep")["data"]
    envelope = Path(next(d["folder"] for d in pulled if d["document_id"].endswith("94/VP")))
    forged = tmp_path / "forged.edxml"
    forged.write_bytes((envelope / "envelope.edxml").read_bytes().replace(b"Letter 94", b"Letter 95"))
    trust = tmp_path / "trust"
    trust.mkdir()
    (trust / "ca.pem").write_bytes((recipient.folder / "data" / "trust" / "ca.pem").read_bytes())
    (trust / "one.pem").write_bytes((sender.folder / "cert.pem").read_bytes())
    (trust / "bindings.csv").write_text("code,certificate\nZ91.01,one.pem\n", encoding="utf-8")

    run = recipient.type("verify", forged, "--trust", trust, "-o", "json")

    assert run.code == 7
    assert run.json["verdict"] == "invalid"
    assert [step["n"] for step in run.json["steps"] if step["ok"] is False] == [7]


def test_a_document_is_recalled_and_the_other_side_agrees(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    document = sent(sender, recipient, "96", "--wait", "delivered", "--timeout", "60s")
    recipient.well("inbox", "accept", "96/VP", "--register-no", "96", "--yes")
    eventually(sender, "outbox", "show", document["id"], "-o", "json", has='"accepted"')

    why = ("--reason", "Wrong figures", "--approved-by", "A. Leader", "--notice-no", "1/TB")
    sender.well("outbox", "recall", "96/VP", *why, "--yes")
    eventually(recipient, "inbox", "show", "96/VP", "-o", "json", has='"recall_asked"')
    recipient.well("inbox", "status", "96/VP", "15", "--yes")

    eventually(sender, "outbox", "show", document["id"], "-o", "json", has='"request_agreed"')


def test_the_doctor_finds_both_offices_able_to_work(offices: tuple[Office, Office]) -> None:
    for office in offices:
        run = office.type("doctor", "-o", "json")

        assert run.code == 0, run.out
        assert [check for check in run.json["checks"] if check["level"] == "red"] == []


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(offices: tuple[Office, Office]) -> None:
    sender, _ = offices

    key = sender.well("tokens", "new", "qlvb", "--yes")
    revoked = sender.well("tokens", "revoke", key["id"], "--yes")

    listed = sender.type("tokens", "list", "-o", "json")
    assert key["secret"].startswith("gwk_")
    assert key["secret"] not in listed.out
    assert revoked["revoked_now"] is True
    states = {k["id"]: k["state"] for k in listed.json["data"]}
    assert states[key["id"]] == "revoked"


def test_the_feed_has_what_happened_as_lines(offices: tuple[Office, Office]) -> None:
    sender, recipient = offices
    document = sent(sender, recipient, "97", "--wait", "delivered", "--timeout", "60s")

    lines = eventually(
        sender, "watch", "--id", document["id"], "--once", "-o", "ndjson", has="message.status"
    ).out.splitlines()

    events = [json.loads(line) for line in lines]
    assert events[0]["kind"] == "message.accepted"
    assert [e["seq"] for e in events] == sorted(e["seq"] for e in events)


def test_nothing_is_made_where_no_node_was_set_up(tmp_path: Path) -> None:
    outcome = run(["-m", "gateway", "outbox", "list", "--lang", "en"], tmp_path)

    assert outcome.returncode == 1
    assert "→ set one up with: gateway init" in outcome.stderr
    assert list(tmp_path.iterdir()) == []
