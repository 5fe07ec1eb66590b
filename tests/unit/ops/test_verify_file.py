"""`gateway verify FILE --trust DIR`: the verdict as data, and what a broken folder is told (K7, threats 40-43, 101)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.document import Kind
from gateway.errors import GatewayError, Misconfigured, NotFound
from gateway.ops.verify_file import verify_file
from gateway.trust.authority import Authority
from gateway.trust.keys import FileSigner
from tests.support import envelopes

AT = envelopes.SIGNED_AT
DAY = timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = Authority.create("Demo root", AT - 30 * DAY)
CERTIFICATE = AUTHORITY.issue(envelopes.SENDER, "Sở Thử nghiệm", KEY.public_key(), AT - 20 * DAY)
NATIVE = envelopes.native(signer=FileSigner(envelopes.SENDER, KEY, CERTIFICATE))


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    AUTHORITY.write_trust(folder, {envelopes.SENDER: CERTIFICATE})
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "packet.edxml"
    path.write_bytes(NATIVE)
    return path


def _lists(trust: Path, revoked: list[tuple[x509.Certificate, datetime]], at: datetime = AT) -> None:
    (trust / "crl").mkdir(exist_ok=True)
    (trust / "crl" / "root.pem").write_bytes(AUTHORITY.revocation_list(revoked, at))


def test_a_good_file_is_valid_and_everything_is_told(file: Path, trust: Path) -> None:
    report = verify_file(file, trust, AT)

    assert report["verdict"] == "valid"
    assert report["code"] is None
    assert report["path"] == "fast"
    assert report["signer"] == {
        "code": envelopes.SENDER,
        "subject": CERTIFICATE.subject.rfc4514_string(),
        "serial": f"{CERTIFICATE.serial_number:x}",
    }
    assert len(report["body_sha256"]) == 64
    assert [step["n"] for step in report["steps"]] == list(range(1, 13))
    assert [step["ok"] for step in report["steps"]] == [True] * 11 + [None]
    assert report["steps"][9]["detail"] == "revocation not known"
    json.dumps(report)


def test_a_rewrapped_file_is_valid_on_the_general_path(file: Path, trust: Path) -> None:
    file.write_bytes(NATIVE + b"\n")

    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["path"]) == ("valid", "general")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "ENV-NOT-XML"),
        (b"PK\x03\x04", "ENV-NOT-XML"),
        (bytes(range(256)) * 40, "ENV-ENCODING"),
        (NATIVE[:-1], "ENV-NOT-XML"),
        (NATIVE.replace(b"<edXML:Subject>V", b"<edXML:Subject>W"), "SIG-DIGEST"),
        (b'<?xml version="1.0"?><!DOCTYPE a><a/>', "ENV-FORBIDDEN"),
    ],
    ids=["empty", "zip", "noise", "cut", "changed", "doctype"],
)
def test_k7_what_a_file_holds_is_a_verdict_and_never_an_error(
    content: bytes, code: str, file: Path, trust: Path
) -> None:
    file.write_bytes(content)

    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["code"], report["path"]) == ("invalid", code, "general")
    assert [step["ok"] for step in report["steps"]].count(False) == 1


def test_k7_a_code_without_a_row_has_no_binding(file: Path, trust: Path) -> None:
    (trust / "bindings.csv").write_text("code,certificate\n", encoding="utf-8")

    assert verify_file(file, trust, AT)["code"] == "SIG-NO-BINDING"


def test_42_a_revoked_certificate_makes_it_invalid(file: Path, trust: Path) -> None:
    _lists(trust, [(CERTIFICATE, AT - timedelta(hours=1))])

    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["code"]) == ("invalid", "CERT-REVOKED")
    assert report["signer"]["code"] == envelopes.SENDER


def test_k4_a_list_too_old_makes_it_unknown(file: Path, trust: Path) -> None:
    _lists(trust, [], AT - 9 * DAY)

    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["code"]) == ("unknown", "CERT-REVOCATION-UNKNOWN")


def test_k4_a_fresh_list_makes_it_good(file: Path, trust: Path) -> None:
    _lists(trust, [])

    report = verify_file(file, trust, AT)

    assert report["verdict"] == "valid"
    assert report["steps"][9]["detail"] == f"good at arrival, by crl of {AT.isoformat()}"


@pytest.mark.parametrize(
    ("moved", "verdict", "code"),
    [
        (timedelta(days=40), "unknown", "SIG-TIME"),
        (timedelta(minutes=-11), "unknown", "SIG-TIME"),
        (timedelta(days=-2), "invalid", "SIG-TIME"),
        (timedelta(days=5000), "invalid", "CERT-TIME"),
        (timedelta(days=-100), "invalid", "CERT-TIME"),
    ],
)
def test_k2_the_time_given_is_the_time_of_arrival(
    moved: timedelta, verdict: str, code: str, file: Path, trust: Path
) -> None:
    report = verify_file(file, trust, AT + moved)

    assert (report["verdict"], report["code"]) == (verdict, code)


def test_43_another_root_of_the_same_name_is_no_chain(file: Path, trust: Path) -> None:
    other = Authority.create("Demo root", AT - 30 * DAY)
    (trust / "ca.pem").write_bytes(other.certificate.public_bytes(Encoding.PEM))

    assert verify_file(file, trust, AT)["code"] == "CERT-CHAIN"


def _break_table(folder: Path, text: str) -> None:
    (folder / "bindings.csv").write_text(text, encoding="utf-8")


def _unknown_key(folder: Path) -> None:
    path = folder / f"{envelopes.SENDER}.pem"
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    for kind in ("06072a8648ce3d0201", "06092a864886f70d010101"):  # elliptic curve, RSA
        known = bytes.fromhex(kind)
        der = der.replace(known, known[:-1] + b"\x7f")
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))


BROKEN: list[tuple[str, Any, str]] = [
    ("unknown-key", _unknown_key, "no kind that can be read"),
    ("no-anchors", lambda folder: (folder / "ca.pem").unlink(), "ca.pem"),
    ("no-table", lambda folder: (folder / "bindings.csv").unlink(), "bindings.csv"),
    ("other-columns", lambda folder: _break_table(folder, "a,b\n"), "columns"),
    ("row-too-long", lambda folder: _break_table(folder, "code,certificate\na,b,c\n"), "line 2"),
    ("absent-file", lambda folder: _break_table(folder, "code,certificate\nZ91,no.pem\n"), r"no\.pem"),
    ("path", lambda folder: _break_table(folder, "code,certificate\nZ91,../x.pem\n"), "not a file name"),
    (
        "no-certificate",
        lambda folder: _break_table(folder, "code,certificate\nZ91,bindings.csv\n"),
        "not a certificate",
    ),
    (
        "one-key-two-codes",
        lambda folder: _break_table(
            folder,
            f"code,certificate\n{envelopes.SENDER},{envelopes.SENDER}.pem\nZ93,{envelopes.SENDER}.pem\n",
        ),
        "is bound to",
    ),
    ("not-text", lambda folder: (folder / "bindings.csv").write_bytes(b"\xff\xfe"), "UTF-8"),
    (
        "nul-in-name",
        lambda folder: _break_table(folder, "code,certificate\nZ91,a\0.pem\n"),
        "not a file name",
    ),
    ("lists-no-folder", lambda folder: (folder / "crl").write_bytes(b""), "no folder"),
    ("chain-no-folder", lambda folder: (folder / "chain").write_bytes(b""), "no folder"),
]


@pytest.mark.parametrize(("damage", "says"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_folder_is_an_error_that_names_what_to_mend(
    damage: Any, says: str, file: Path, trust: Path
) -> None:
    damage(trust)

    with pytest.raises(Misconfigured, match=says):
        verify_file(file, trust, AT)


def test_a_folder_that_is_not_there_and_a_time_without_zone_are_errors(file: Path, trust: Path) -> None:
    with pytest.raises(Misconfigured, match="not there"):
        verify_file(file, trust / "absent", AT)
    with pytest.raises(Misconfigured, match="no zone"):
        verify_file(file, trust, AT.replace(tzinfo=None))


def test_a_file_that_is_not_there_is_an_error(trust: Path) -> None:
    for path in (trust, trust / "absent"):
        with pytest.raises(NotFound) as found:
            verify_file(path, trust, AT)
        assert isinstance(found.value, GatewayError)


@pytest.mark.parametrize(("moved", "code"), [(0, "MSG-ID"), (5000, "CERT-TIME")], ids=["good", "expired"])
def test_a_contradiction_gives_the_code_only_when_the_certificate_holds(
    moved: int, code: str, file: Path, trust: Path
) -> None:
    signer = FileSigner(envelopes.SENDER, KEY, CERTIFICATE)
    before, after = envelopes.split(NATIVE)[::2]
    of = replace(envelopes.qualifier(envelopes.document()), kind=Kind.RECALL)
    file.write_bytes(envelopes.sign_bytes(before, after, signer, of))

    report = verify_file(file, trust, AT + moved * DAY)

    assert (report["verdict"], report["code"]) == ("invalid", code)
    assert report["signer"]["code"] == envelopes.SENDER


def test_44_an_anchor_that_is_no_authority_breaks_the_chain(file: Path, trust: Path) -> None:
    """K3: the signer's own certificate among the anchors proves nothing either."""
    (trust / "ca.pem").write_bytes(CERTIFICATE.public_bytes(Encoding.PEM))

    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["code"]) == ("invalid", "CERT-CHAIN")
