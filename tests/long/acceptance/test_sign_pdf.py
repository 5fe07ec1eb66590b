"""A clerk puts the agency's signature on PDFs at a terminal, with a token of SoftHSM. The program runs in processes of its
own. The PIN is typed, and is found nowhere afterwards."""

from __future__ import annotations

import os
import pty
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
    pkcs12,
)
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway.clock import SystemClock
from gateway.trust.pdf_signing.look import holds
from gateway_labs.authority import Authority
from gateway_labs.demo.pictures import seal_png
from gateway_labs.demo.signers import DemoSigners
from tests.services.softhsm import Hsm, Token
from tests.support.areas import area_in_mm
from tests.support.pki import key
from tests.support.printed import sample
from tests.support.tokens import (
    QUESTION,
    ROOT,
    KeyOnToken,
    TerminalRun,
    at_terminal,
    drawer,
    fill,
    surroundings,
)

pytestmark = [pytest.mark.timeout(180)]

HAND = area_in_mm(115, 182, 60, 20)


SEAL = "seal"
NAME = "Ủy ban nhân dân xã Thử Dấu"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A node, a drawer of tokens, and a document that a person has signed."""

    folder: Path
    hsm: Hsm
    tokens: dict[str, Token]
    authority: Authority

    def sign(
        self, *words: str | Path, token: str | None = SEAL, pin: str | None = "", hsm: Hsm | None = None
    ) -> TerminalRun:
        """`pin` empty is that of the token."""
        which = ["--token", token] if token else []
        typed_pin = self.tokens[token or SEAL].pin if pin == "" else pin
        line = ["--lang", "en", "--config", self.folder / "gateway.toml", "sign", *words, *which]
        return at_terminal(line, hsm or self.hsm, self.folder, typed_pin)

    def file(self, name: str) -> Path:
        """A fresh copy of the document that a person has signed."""
        path = self.folder / name
        path.write_bytes((self.folder / "hand.pdf").read_bytes())
        return path

    def events(self) -> list[tuple[str, str]]:
        with sqlite3.connect(self.folder / "state" / "gateway.db") as database:
            return list(database.execute("SELECT subject_id, data FROM event WHERE kind = 'document.signed'"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("signing")
    now = SystemClock().now()
    authority = Authority.create("Trial", now - timedelta(days=800))
    hsm = drawer(folder / "hsm")
    tokens = fill(hsm, _tokens(authority, now))
    words = ["init", "--data-dir", "state", "--code", "Z92.12", "--name", NAME, "--port", "0", "--yes"]
    _gateway(words, folder)
    settings = folder / "gateway.toml"
    settings.write_text(settings.read_text() + f'\n[sign]\nmodule = "{hsm.module}"\n')
    (folder / "state" / "seals").mkdir()
    (folder / "state" / "seals" / "Z92.12.png").write_bytes(seal_png(NAME))
    signers = DemoSigners.create(authority, "Z92.12", NAME, "A Person", now)
    (folder / "hand.pdf").write_bytes(signers.signed_by_person(sample("cong-van.pdf"), HAND, now))
    return Desk(folder=folder, hsm=hsm, tokens=tokens, authority=authority)


def _tokens(authority: Authority, now: datetime) -> Sequence[tuple[str, Sequence[KeyOnToken]]]:
    def on_token(label: str, kind: str, at: datetime = now) -> KeyOnToken:
        private = key(kind, f"token {label}")
        issued = authority.issue(label, NAME, private.public_key(), at)
        return KeyOnToken(label=label, key=private, certificate=issued)

    return (
        ("seal", [on_token("Z92.12 seal", "p256")]),
        ("rsa", [on_token("Z92.12 rsa", "rsa-2048")]),
        ("two keys", [on_token("first", "p256"), on_token("second", "p384")]),
        ("bare", [KeyOnToken(label="bare", key=key("p256", "bare"))]),
        ("old", [on_token("old", "p256", now - timedelta(days=790))]),
        ("empty", []),
    )


def _gateway(words: Sequence[str], folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
        timeout=120,
    )


def sound(path: Path) -> list[bool]:
    with path.open("rb") as stream:
        return [holds(signature) for signature in PdfFileReader(stream).embedded_regular_signatures]


def test_a_clerk_seals_a_document_and_the_pin_is_found_nowhere(desk: Desk) -> None:
    file, pin = desk.file("letter.pdf"), desk.tokens["seal"].pin
    original = file.read_bytes()

    run = desk.sign(file, "-v", "-o", "json")

    out = desk.folder / "letter-signed.pdf"
    assert run.code == 0, run.screen
    assert run.json["file"] == str(out)
    assert sound(out) == [True, True]
    assert file.read_bytes() == original
    assert "Z92.12 seal" in run.screen
    assert pin not in run.screen + run.out
    holding = [
        path for path in desk.folder.rglob("*") if path.is_file() and pin.encode() in path.read_bytes()
    ]
    assert holding == []


def test_the_pin_stands_on_no_command_line_and_in_no_environment_while_the_program_runs(desk: Desk) -> None:
    """The real program, stopped in the middle of its work again and again to look at every process."""
    file, pin = desk.file("watched.pdf"), desk.tokens["seal"].pin
    keyboard, terminal = pty.openpty()
    line = ["--lang", "en", "--config", "gateway.toml", "sign", str(file), "--token", "seal"]
    child = subprocess.Popen(
        [sys.executable, "-m", "gateway", *line],
        stdin=terminal,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=desk.folder,
        env=surroundings(desk.hsm),
        start_new_session=True,
    )
    assert child.stderr is not None
    with child.stderr as talk:
        question = b""
        while not QUESTION.search(question):
            piece = os.read(talk.fileno(), 4096)
            assert piece, question
            question += piece
        os.write(keyboard, pin.encode() + b"\n")
        looks = 0
        while child.poll() is None:
            assert pin.encode() not in of_all_processes("cmdline") + of_all_processes("environ")
            looks += 1
        tail = talk.read()
    os.close(keyboard)
    os.close(terminal)

    assert child.returncode == 0, tail
    assert looks > 1
    assert pin.encode() not in question + tail


def of_all_processes(name: str) -> bytes:
    content = b""
    for path in Path("/proc").glob(f"[0-9]*/{name}"):
        with suppress(OSError):
            content += path.read_bytes() + b"\n"
    return content


def test_every_signing_is_an_event_with_digests_and_certificate(desk: Desk) -> None:
    count = len(desk.events())

    run = desk.sign(desk.file("told.pdf"), "-o", "json")

    subject, data = desk.events()[-1]
    assert len(desk.events()) == count + 1
    assert len(subject) == 16
    assert run.json["sha256"] in data
    assert run.json["serial"] in data
    assert '"seal"' in data


def test_an_rsa_key_signs_as_well(desk: Desk) -> None:
    out = desk.folder / "rsa-out.pdf"

    run = desk.sign(desk.file("rsa.pdf"), "--out", out, token="rsa")

    assert run.code == 0, run.screen
    assert sound(out) == [True, True]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--copy",), "SAO Y"),
        (("--copy", "--form", "trs"), "TRÍCH SAO"),
        (("--copy", "--form", "sl"), "SAO LỤC"),
        (("--appendix", "--number", "118/UBND-VP"), "Số: 118/UBND-VP"),
    ],
)
def test_a_mark_says_what_the_file_is(desk: Desk, words: tuple[str, ...], text: str) -> None:
    file = desk.folder / f"{words[-1].replace('/', '-')}.pdf"
    file.write_bytes(sample("cong-van.pdf"))

    run = desk.sign(file, *words)

    assert run.code == 0, run.screen
    out = file.with_name(f"{file.stem}-signed.pdf")
    assert sound(out) == [True]
    with out.open("rb") as stream:
        assert PdfFileReader(stream).embedded_regular_signatures[0].sig_object["/Reason"] == text
    text_of_page = subprocess.run(
        ["pdftotext", out, "-"], capture_output=True, check=True, timeout=60
    ).stdout.decode()
    assert text in text_of_page
    assert (NAME in text_of_page) is ("--copy" in words)
    assert "+07:00" in text_of_page


def test_a_wrong_pin_is_tried_once_and_says_so(desk: Desk) -> None:
    file = desk.file("wrong.pdf")

    run = desk.sign(file, pin="0000-0000")

    assert run.code == 5
    assert run.screen.count("PIN of") == 1
    assert "does not take this PIN" in run.screen
    assert "0000-0000" not in run.screen
    assert not (desk.folder / "wrong-signed.pdf").exists()


@pytest.mark.parametrize(
    ("token", "code", "words"),
    [
        (None, 4, "6 tokens that could be meant"),
        ("two keys", 4, "several keys: 'first' (01), 'second' (02)"),
        ("bare", 3, "no key on the token 'bare' has a certificate"),
        ("empty", 3, "no key to sign with"),
        ("old", 4, "valid from"),
    ],
)
def test_a_token_that_will_not_do_is_named_with_the_way_out(
    desk: Desk, token: str | None, code: int, words: str
) -> None:
    run = desk.sign(desk.file(f"{token}.pdf"), token=token)

    assert run.code == code, run.screen
    assert words in run.screen
    assert "Traceback" not in run.screen


def test_of_several_keys_one_can_be_named(desk: Desk) -> None:
    run = desk.sign(desk.file("named.pdf"), "--key", "second", token="two keys")

    assert run.code == 0, run.screen
    assert "CN=second" in run.screen


def test_without_a_token_nobody_is_asked_for_a_pin(desk: Desk, tmp_path: Path) -> None:
    run = desk.sign(desk.file("none.pdf"), token=None, hsm=drawer(tmp_path / "none"))

    assert run.code == 3
    assert "there is no token" in run.screen
    assert "PIN" not in run.screen


def test_a_document_is_not_sealed_twice(desk: Desk) -> None:
    desk.sign(desk.file("twice.pdf"))

    run = desk.sign(desk.folder / "twice-signed.pdf")

    assert run.code == 4
    assert "has signed this file already" in run.screen


def test_what_cannot_be_signed_is_refused_before_a_pin_is_asked_for(desk: Desk) -> None:
    unsigned, broken = desk.folder / "unsigned.pdf", desk.folder / "broken.pdf"
    unsigned.write_bytes(sample("cong-van.pdf"))
    broken.write_bytes(b"%PDF-1.7 and nothing more")

    runs = [desk.sign(x) for x in (unsigned, broken)]

    assert [x.code for x in runs] == [4, 4]
    assert "not signed by a competent person" in runs[0].screen
    assert "is no PDF, or is damaged" in runs[1].screen
    assert not any("PIN" in x.screen for x in runs)


def test_a_pin_is_not_taken_from_a_file(desk: Desk) -> None:
    pin_file = desk.folder / "typed beforehand"
    pin_file.write_text(desk.tokens[SEAL].pin + "\n")
    file = str(desk.file("given.pdf"))
    line = ["--lang", "en", "--config", "gateway.toml", "sign", file, "--token", SEAL]

    run = at_terminal(line, desk.hsm, desk.folder, None, instead=pin_file)

    pin_file.unlink()
    assert run.code == 5
    assert "typed at a terminal" in run.screen
    assert not (desk.folder / "given-signed.pdf").exists()


def test_a_dry_run_shows_the_place_and_draws_the_page(desk: Desk) -> None:
    page = desk.folder / "page.png"

    run = desk.sign(desk.file("dry.pdf"), "--dry-run", "--preview", page, pin=None)

    assert run.code == 0, run.screen
    assert "Page 1:" in run.screen
    assert page.read_bytes().startswith(b"\x89PNG")
    assert not (desk.folder / "dry-signed.pdf").exists()


def test_threat_120_the_nodes_own_exchange_key_is_refused_even_in_a_key_file(desk: Desk) -> None:
    (pem,) = (desk.folder / "state" / "keys" / "Z92.12").glob("*.key.pem")
    private = load_pem_private_key(pem.read_bytes(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    issued = desk.authority.issue("Z92.12", NAME, private.public_key(), SystemClock().now())
    lock = BestAvailableEncryption(b"trial-pass")
    p12 = pkcs12.serialize_key_and_certificates(b"x", private, issued, None, lock)
    (desk.folder / "exchange.p12").write_bytes(p12)

    run = desk.sign(
        desk.file("exchange.pdf"), "--p12", desk.folder / "exchange.p12", token=None, pin="trial-pass"
    )

    assert run.code == 4
    assert "signs packets and may never sign a document" in run.screen
    assert "trial-pass" not in run.screen


def test_the_agencys_key_and_the_exchange_keys_never_share_a_token(desk: Desk) -> None:
    settings = desk.folder / "shared.toml"
    text = (desk.folder / "gateway.toml").read_text()
    keys = f'[keys]\npkcs11_module = "{desk.hsm.module}"\ntoken = "seal"\n'
    settings.write_text(text.replace("[keys]\n", keys) if "[keys]" in text else text + "\n" + keys)
    file = str(desk.file("shared.pdf"))
    line = ["--lang", "en", "--config", str(settings), "sign", file, "--token", "seal"]

    run = at_terminal(line, desk.hsm, desk.folder, None)

    assert run.code == 1
    assert "must lie on another one" in run.screen
