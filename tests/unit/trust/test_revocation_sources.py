"""The file that says whom to ask about revocation, and files of answers beside it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.errors import Misconfigured
from gateway.trust.authorities import read_sources
from gateway.trust.evidence import AnswerFiles, Answers
from tests.support.cases import Cases
from tools.pki.make import Pki

AT = datetime(2031, 3, 4, 2, 15, tzinfo=UTC)


@cache
def matrix_pki() -> Pki:
    return Pki(AT)


GOOD = '[[issuer]]\ncertificate = "ca.pem"\nocsp = ["http://ocsp.example.invalid/"]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_bytes(matrix_pki().root.certificate.public_bytes(Encoding.PEM))
    return tmp_path


def test_each_certificate_of_the_named_file_has_its_addresses_and_without_it_there_are_no_questions(
    folder: Path,
) -> None:
    assert read_sources(folder) == ()

    (folder / "revocation.toml").write_text(
        GOOD + 'crl = ["https://crl.example.invalid/a.crl"]\nnonce = "required"\n', encoding="utf-8"
    )

    (source,) = read_sources(folder)

    assert source.issuer == matrix_pki().root.certificate
    assert source.ocsp == ("http://ocsp.example.invalid/",)
    assert source.lists == ("https://crl.example.invalid/a.crl",)
    assert source.needs_nonce


def test_threat_046_a_file_that_says_something_else_stops_the_node(folder: Path, cases: Cases) -> None:
    addresses = '["http://ocsp.example.invalid/"]'
    rows = [
        ("", "names no issuer"),
        ("not toml", "cannot be read"),
        ("issuer = 3", "names no issuer"),
        (GOOD + "[other]", "names no issuer"),
        (GOOD + "ocps = []", "expected the keys"),
        (GOOD + GOOD, "stands there twice"),
        (GOOD.replace("ca.pem", "absent.pem"), "no file of"),
        (GOOD.replace("ca.pem", "../ca.pem"), "no file of"),
        (GOOD.replace("ca.pem", "/etc/passwd"), "no file of"),
        (GOOD.replace(addresses, "[]"), "no address to ask"),
        (GOOD.replace(addresses, '"http://a"'), "no list of addresses"),
        (GOOD.replace("http:", "file:"), "no address of a server"),
        (GOOD.replace("ocsp.example", "user:secret@ocsp.example"), "no address of a server"),
        (GOOD + 'nonce = "perhaps"', 'write "optional" or "required"'),
    ]
    for text, word in rows:
        (folder / "revocation.toml").write_text(text, encoding="utf-8")
        with cases.case(text), pytest.raises(Misconfigured, match=word):
            read_sources(folder)


def test_answers_in_files_are_read_by_certificate(folder: Path) -> None:
    leaf, ca = matrix_pki().certificates["good"].certificate, matrix_pki().agencies_ca.certificate
    (folder / "ocsp").mkdir()
    for case in ("good", "unknown", "by-impostor"):
        (folder / "ocsp" / f"{case}.der").write_bytes(matrix_pki().answers(leaf)[case])
    answers = Answers(AnswerFiles(folder))

    (answer,) = answers.statements(leaf, ca)

    assert (answer.source, answer.made_at, answer.revoked_at) == ("ocsp", AT - timedelta(hours=1), None)
    assert answers.expected
    assert answers.statements(matrix_pki().certificates["revoked"].certificate, ca) == []
    (folder / "ocsp" / "bad.der").write_bytes(b"no answer")
    with pytest.raises(Misconfigured, match=r"bad\.der"):
        AnswerFiles(folder)


def test_files_that_come_and_go_are_noticed(folder: Path) -> None:
    leaf, ca = matrix_pki().certificates["revoked"].certificate, matrix_pki().agencies_ca
    answers = Answers(AnswerFiles(folder))
    empty, version_before = answers.statements(leaf, ca.certificate), answers.version
    (folder / "crl").mkdir()
    file = folder / "crl" / "a.pem"
    file.write_bytes(matrix_pki().lists()["agencies"].public_bytes(Encoding.PEM))
    (answer,) = answers.statements(leaf, ca.certificate)
    changed = answers.version
    file.unlink()

    assert empty == []
    assert answer.reason == "keyCompromise"
    assert version_before != changed
    assert answers.statements(leaf, ca.certificate) == []


def test_a_list_whose_issuer_cannot_be_read_is_named_and_not_found_out_with_each_packet(folder: Path) -> None:
    """A disk that lost a bit: the list opens, and its names do not."""
    good = matrix_pki().lists()["agencies"].public_bytes(Encoding.DER)
    (folder / "crl").mkdir()
    for change in ((b"\x0c\x10De", b"\x0c\x10\xff\xfe"), (b"\x0c\x10De", b"\x03\x10De")):
        assert change[0] in good
        text = base64.encodebytes(good.replace(*change))
        listed = b"-----BEGIN X509 CRL-----\n" + text + b"-----END X509 CRL-----\n"
        (folder / "crl" / "a.pem").write_bytes(listed)
        with pytest.raises(Misconfigured, match=r"a\.pem"):
            AnswerFiles(folder)
