"""Tokens in software with an agency's own keys on them, and a person at a terminal who types a PIN. Everything that touches
the PKCS#11 library runs in processes of its own."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.services import softhsm
from tests.services.softhsm import CONF, Hsm, Token
from tests.support.pki import PrivateKey
from tests.support.services import missing
from tests.support.typist import type_line
from tests.support.waiting import LIMIT_S, block_until

ROOT = Path(__file__).parents[2]
QUESTION = re.compile(rb"PIN of [^\n]*: $")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyOnToken:
    label: str
    key: PrivateKey
    certificate: x509.Certificate | None = None

    def as_json(self) -> dict[str, str]:
        der = self.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        fields = {"label": self.label, "key": _text(der)}
        if self.certificate is not None:
            fields["certificate"] = _text(self.certificate.public_bytes(Encoding.DER))
            fields["subject"] = _text(self.certificate.subject.public_bytes())
        return fields


def drawer(folder: Path) -> Hsm:
    """A place for tokens, with none in it; the test is over where SoftHSM is missing."""
    if not softhsm.installed():
        missing("SoftHSM is not installed (package softhsm2)")
    (folder / "tokens").mkdir(parents=True)
    hsm = Hsm(folder=folder)
    hsm.conf.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    return hsm


def fill(hsm: Hsm, tokens: Sequence[tuple[str, Sequence[KeyOnToken]]]) -> dict[str, Token]:
    """New tokens by label, with these keys."""
    labelled = {label: hsm.token(label) for label, _ in tokens}
    plan = {
        "module": str(hsm.module),
        "tokens": [
            {"label": label, "pin": labelled[label].pin, "keys": [key.as_json() for key in keys]}
            for label, keys in tokens
        ],
    }
    subprocess.run(
        [sys.executable, "-m", "tests.support.provision_token"],
        input=json.dumps(plan),
        text=True,
        env=os.environ | {CONF: str(hsm.conf)},
        cwd=ROOT,
        check=True,
        timeout=LIMIT_S,
    )
    return labelled


@dataclass(frozen=True, slots=True, kw_only=True)
class TerminalRun:
    """Outcome of one command line at a terminal. `seen` is everything that stood on it but the data."""

    code: int
    out: str
    screen: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def at_terminal(
    words: Sequence[str | Path], hsm: Hsm, folder: Path, pin: str | None, instead: Path | None = None
) -> TerminalRun:
    """Run a command line at a terminal; type the PIN when it is asked for, once. None: no person is there to type.
    `instead`: a file in the terminal's place."""
    keyboard, terminal = pty.openpty()
    name = str(instead) if instead is not None else os.ttyname(terminal)
    run_folder = Path(tempfile.mkdtemp(prefix="typed-", dir=folder.parent))
    out, err = run_folder / "out", run_folder / "err"
    err.touch()
    out.touch()
    line = [str(word) for word in words]
    child = _forked().Process(
        target=type_line, args=(line, name, str(out), str(err), str(folder), surroundings(hsm))
    )
    child.start()
    try:
        _answer(child, keyboard, err, pin)
        child.join(LIMIT_S)
        screen = err.read_bytes() + _echo(keyboard)
        return TerminalRun(
            code=-1 if child.exitcode is None else child.exitcode,
            out=out.read_text("utf-8"),
            screen=screen.decode("utf-8", errors="replace"),
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
        child.kill()
        child.join()
        child.close()


def surroundings(hsm: Hsm) -> dict[str, str]:
    """The environment of a command that is to find these tokens and no other settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return own | {CONF: str(hsm.conf), "PYTHONPATH": str(ROOT)}


@cache
def _forked() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([type_line.__module__])
    return context


def _answer(child: ForkServerProcess, keyboard: int, err: Path, pin: str | None) -> None:
    """Waits for the question, which ends without a line feed, or for the end of the program."""
    if pin is None:
        return
    block_until(lambda: QUESTION.search(err.read_bytes()) or not child.is_alive(), "the question for the PIN")
    if child.is_alive():
        os.write(keyboard, pin.encode() + b"\n")


def _echo(keyboard: int) -> bytes:
    """Return the typed characters that the terminal showed."""
    os.set_blocking(keyboard, False)
    with suppress(OSError):
        return os.read(keyboard, 65536)
    return b""


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
