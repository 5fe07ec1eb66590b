"""Two people set a node up, bind a partner and replace a key with nothing but the command line. What they type unseen is in
no argument, no file of the node and no output."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.clock import SystemClock
from gateway.trust import qr
from gateway.trust.key_material import sha256
from gateway.trust.keys import KeyDirectory
from gateway_labs.authority import Authority
from tests.long.acceptance.test_pages_run import environment
from tests.support.cli_people import typing
from tests.unit.cli.conftest import Terminal
from tests.unit.cli.conftest import terminal as terminal

PASSPHRASE = "four words that nobody guesses"


def enrolled(name: str, code: str) -> str:
    """Enrol a person at the program itself, which shows the secret once; return that secret."""
    with subprocess.Popen(
        [sys.executable, "-m", "gateway", "people", "enrol", name, "-o", "ndjson"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{code}\n{PASSPHRASE}\n{PASSPHRASE}\n")
        process.stdin.flush()
        factor = json.loads(process.stdout.readline())
        out, err = process.communicate(pyotp.TOTP(factor["secret"]).now() + "\n", timeout=60)
    assert process.returncode == 0, err
    assert PASSPHRASE not in out + err
    return str(factor["secret"])


class Person:
    """Person who types; a code is good once, so each command takes the next one."""

    def __init__(self, name: str, totp: str) -> None:
        self.name, self._totp, self._ahead = name, pyotp.TOTP(totp), 0

    def lines(self, *more: str) -> str:
        self._ahead += 1
        code = self._totp.at(SystemClock().now(), counter_offset=self._ahead)
        return "\n".join((PASSPHRASE, code, *more)) + "\n"


@pytest.fixture
def authority() -> Authority:
    return Authority.create("Trial", SystemClock().now())


def issued(authority: Authority, code: str, folder: Path) -> Path:
    """A partner's certificate, as it comes by mail."""
    keys = KeyDirectory(folder / "partner", None)
    entry = keys.generate(code)
    cert = authority.issue_for_request(keys.request(code, entry.key_id, "Partner"), SystemClock().now())
    path = folder / f"{code}.pem"
    path.write_bytes(cert.public_bytes(Encoding.PEM))
    return path


def well(terminal: Terminal, *words: str | Path, stdin: str = "") -> Any:
    with typing(stdin):
        run = terminal.type(*words, "-o", "json")
    assert run.code == 0, run.err + run.out
    assert PASSPHRASE not in run.out + run.err
    return run.json


def test_two_people_set_up_a_node_bind_a_partner_and_replace_its_key(
    terminal: Terminal, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    people = ("--person", "A. Clerk", "--person", "A. Leader")
    setup = well(
        terminal,
        *("init", "--data-dir", "state", "--code", "Z91.02", "--name", "Office", "--ca", "root.pem"),
        *("--port", "0", *people, "--yes"),
    )
    codes = {person["name"]: person["code"] for person in setup["people"]}
    clerk, leader = (Person(name, enrolled(name, codes[name])) for name in ("A. Clerk", "A. Leader"))
    listed = well(terminal, "people", "list")["data"]
    assert [(person["name"], person["state"]) for person in listed] == [
        ("A. Clerk", "active"),
        ("A. Leader", "active"),
    ]
    refused = terminal.type("people", "add", "A. Third", "--role", "trust", "--yes", "-o", "json")
    assert (refused.code, refused.json["error"]["code"]) == (5, "GW-TWO-ROLE")

    partner = issued(authority, "Z91.07", tmp_path)
    proposing = ("keys", "propose", "Z91.07", partner, "--as", clerk.name, "--yes")
    proposal = well(terminal, *proposing, stdin=clerk.lines())
    (digest,) = proposal["sha256"]
    page = terminal.type("proposals", "show", proposal["id"], "-o", "json")
    assert digest[:-16] in page.out
    assert digest[-16:] not in page.out, "the approver has it from the partner"
    (waiting,) = well(terminal, "proposals", "list")["data"]
    assert (waiting["state"], waiting["proposed_by"]) == ("open", "A. Clerk")
    approving = ("keys", "approve", proposal["id"], "--as", leader.name, "--yes")
    with typing(leader.lines(digest[-16:].upper())):
        approval = terminal.type(*approving, "--lang", "en")
    assert approval.code == 0, approval.err
    assert well(terminal, "proposals", "list")["data"] == []
    Path("agencies.csv").write_text("code,name\nZ91.07,Partner\n")
    well(terminal, "registry", "import", "agencies.csv", "--apply", "--yes")
    (bound,) = well(terminal, "registry", "show", "Z91.07")["certificates"]
    assert digest in bound.values()

    assert '"set_up"' in terminal.type("audit", "search", "--kind", "proposal.approved", "-o", "json").out
    assert "end-set-up" in terminal.type("doctor", "--lang", "en").out

    entry = well(terminal, "keys", "list")["data"][0]
    assert (entry["where"], entry["state"]) == ("file", "waiting")
    certificate = authority.issue_for_request(Path(setup["request"]).read_bytes(), SystemClock().now())
    Path("own.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    well(terminal, "keys", "import", "own.pem", "--yes")
    assert well(terminal, "keys", "list")["data"][0]["state"] == "signs"
    retired = well(terminal, "keys", "retire", entry["id"], "--at", "now", "--yes")
    assert retired["id"] == entry["id"]
    assert well(terminal, "keys", "list")["data"][0]["state"] == "ended"
    well(terminal, "keys", "withdraw", "Z91.07", digest, "--reason", "told by telephone", "--yes")
    search = terminal.type("audit", "search", "--kind", "binding.withdrawn", "-o", "json")
    assert digest in search.out
    assert PASSPHRASE.encode() not in b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )


def test_enrolling_at_a_terminal_shows_the_code_to_scan_and_a_pipe_has_none(
    terminal: Terminal, tmp_path: Path
) -> None:
    setup = well(
        terminal,
        *("init", "--data-dir", "state", "--code", "Z91.02", "--name", "Office", "--port", "0"),
        *("--person", "A. Clerk", "--yes"),
    )
    code = setup["people"][0]["code"]
    terminal_side, screen = os.openpty()
    enrolling = subprocess.run(
        [sys.executable, "-m", "gateway", "people", "enrol", "A. Clerk"],
        input=f"{code}\n{PASSPHRASE}\n{PASSPHRASE}\n000000\n",
        stdout=screen,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        check=False,
    )
    os.close(screen)
    with os.fdopen(terminal_side, "rb", buffering=0) as file:
        screen_bytes = b""
        with contextlib.suppress(OSError):  # a terminal reports a closed writing end as this error
            while part := file.read(65536):
                screen_bytes += part
    lines = screen_bytes.decode().splitlines()
    (uri,) = [word for line in lines for word in line.split() if word.startswith("otpauth://")]

    assert enrolling.returncode != 0, "the digits were none of the device's"
    assert qr.lines(uri)[0] in lines
    assert qr.lines(uri)[5] in lines


def test_a_stolen_key_stops_signing_at_once(terminal: Terminal, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    setup = well(
        terminal,
        *("init", "--data-dir", "state", "--code", "Z91.02", "--name", "Office", "--ca", "root.pem"),
        *("--port", "0", "--yes"),
    )
    certificate = authority.issue_for_request(Path(setup["request"]).read_bytes(), SystemClock().now())
    Path("own.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    well(terminal, "keys", "import", "own.pem", "--yes")
    since = (SystemClock().now() - timedelta(hours=3)).isoformat()

    report = well(terminal, "keys", "stolen", setup["key_id"], "--since", since, "--yes")

    assert report["data"] == []
    (entry,) = well(terminal, "keys", "list")["data"]
    assert (entry["state"], entry["sha256"]) == ("ended", sha256(certificate.public_bytes(Encoding.DER)))
    repeat = terminal.type("keys", "import", "own.pem", "--yes", "-o", "json")
    assert (repeat.code, "stolen" in repeat.json["error"]["detail"]) == (4, True)
    nobody = terminal.type("keys", "stolen", "0" * 64, "--since", since, "--yes")
    assert nobody.code == 3


def test_what_a_person_does_not_answer_is_a_wrong_use(terminal: Terminal, tmp_path: Path) -> None:
    well(
        terminal,
        "init",
        "--data-dir",
        "state",
        "--code",
        "Z91.02",
        "--name",
        "Office",
        "--port",
        "0",
        "--yes",
    )
    authority = Authority.create("Trial", SystemClock().now())
    partner = issued(authority, "Z91.07", tmp_path)

    with typing(""):
        run = terminal.type("keys", "propose", "Z91.07", partner, "--as", "Nobody", "--yes")
    with typing(f"{PASSPHRASE}\n123456\n"):
        unknown = terminal.type("keys", "propose", "Z91.07", partner, "--as", "Nobody", "--yes")

    assert run.code == 2
    assert unknown.code == 5
    assert PASSPHRASE not in unknown.err
