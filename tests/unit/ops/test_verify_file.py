"""`gateway verify FILE --trust DIR`: the verdict as data, and the messages for a broken folder (K7, threats 40-43,
101)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.document import Kind
from gateway.errors import Misconfigured, NotFound
from gateway.ops.verify_file import verify_file
from gateway.trust.keys import FileSigner
from gateway_labs.authority import Authority
from tests.support import envelopes
from tests.support.cases import Cases
from tools.pki.parts import Party, key, ocsp_answer, root

AT = envelopes.SIGNED_AT
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@cache
def authority() -> Authority:
    return Authority.create("Demo root", AT - 30 * DAY)


@cache
def signer() -> FileSigner:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = authority().issue(envelopes.SENDER, "Sở Thử nghiệm", key.public_key(), AT - 20 * DAY)
    return FileSigner(envelopes.SENDER, key, certificate)


def certificate() -> x509.Certificate:
    return x509.load_der_x509_certificate(signer().certificate_der)


@cache
def native() -> bytes:
    return envelopes.native(signer=signer())


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    authority().write_trust(folder, {envelopes.SENDER: certificate()})
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "packet.edxml"
    path.write_bytes(native())
    return path


def _lists(trust: Path, revoked: list[tuple[x509.Certificate, datetime]], at: datetime = AT) -> None:
    (trust / "crl").mkdir(exist_ok=True)
    (trust / "crl" / "root.pem").write_bytes(authority().revocation_list(revoked, at))


def test_a_good_file_is_valid_and_the_report_is_complete(file: Path, trust: Path) -> None:
    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["code"], report["path"]) == ("valid", None, "fast")
    serial = f"{certificate().serial_number:x}"
    assert report["signer"] == {
        "code": envelopes.SENDER,
        "subject": certificate().subject.rfc4514_string(),
        "serial": serial,
    }
    assert len(report["body_sha256"]) == 64
    assert [step["n"] for step in report["steps"]] == list(range(1, 13))
    assert [step["ok"] for step in report["steps"]] == [True] * 11 + [None]
    assert report["steps"][9]["detail"] == "revocation not known"
    assert report["at"] == AT.isoformat()
    assert (report["algorithm"], report["weak"]) == ("ecdsa-sha256", False)
    assert report["signing_time"] == AT.isoformat()
    assert [link["anchor"] for link in report["chain"]] == [False, True]
    assert (report["chain"][0]["serial"], len(report["chain"][0]["sha256"])) == (serial, 64)
    assert report["commitment"] == {
        "kind": "proof-of-origin",
        "message": {"id": envelopes.PACKET_ID, "kind": "edoc"},
        "terms": None,
        "receipt": None,
    }
    assert [note["code"] for note in report["notes"]] == ["CERT-REVOCATION-UNKNOWN"]
    json.dumps(report)

    file.write_bytes(native() + b"\n")
    rewrapped = verify_file(file, trust, AT)
    assert (rewrapped["verdict"], rewrapped["path"]) == ("valid", "general")


def test_k7_what_a_file_holds_is_a_verdict_and_never_an_error(file: Path, trust: Path, cases: Cases) -> None:
    changed = native().replace(b"<edXML:Subject>V", b"<edXML:Subject>W")
    rows = {
        "empty": (b"", "ENV-NOT-XML"),
        "zip": (b"PK\x03\x04", "ENV-NOT-XML"),
        "noise": (bytes(range(256)) * 40, "ENV-ENCODING"),
        "cut": (native()[:-1], "ENV-NOT-XML"),
        "changed": (changed, "SIG-DIGEST"),
        "doctype": (b'<?xml version="1.0"?><!DOCTYPE a><a/>', "ENV-FORBIDDEN"),
    }
    for name, (content, code) in rows.items():
        with cases.case(name):
            file.write_bytes(content)
            report = verify_file(file, trust, AT)
            assert (report["verdict"], report["code"], report["path"]) == ("invalid", code, "general")
            assert [step["ok"] for step in report["steps"]].count(False) == 1


def test_k7_43_44_without_a_row_no_binding_and_below_other_anchors_no_chain(file: Path, trust: Path) -> None:
    """K3: the signer's own certificate among the anchors proves nothing either."""
    other = Authority.create("Demo root", AT - 30 * DAY)
    for anchor, is_anchor in ((other.certificate, False), (certificate(), True)):
        (trust / "ca.pem").write_bytes(anchor.public_bytes(Encoding.PEM))
        report = verify_file(file, trust, AT)
        assert (report["verdict"], report["code"]) == ("invalid", "CERT-CHAIN")
        assert [link["anchor"] for link in report["chain"]] == [is_anchor], "as far as it goes"

    (trust / "bindings.csv").write_text("code,certificate\n", encoding="utf-8")
    assert verify_file(file, trust, AT)["code"] == "SIG-NO-BINDING"


def test_42_k4_a_list_revokes_says_good_or_is_too_old_to_say(file: Path, trust: Path) -> None:
    _lists(trust, [(certificate(), AT - HOUR)])
    revoked = verify_file(file, trust, AT)
    _lists(trust, [], AT - 9 * DAY)
    unknown = verify_file(file, trust, AT)
    _lists(trust, [])
    good = verify_file(file, trust, AT)

    assert (revoked["verdict"], revoked["code"]) == ("invalid", "CERT-REVOKED")
    assert revoked["signer"]["code"] == envelopes.SENDER
    assert (unknown["verdict"], unknown["code"]) == ("unknown", "CERT-REVOCATION-UNKNOWN")
    assert good["verdict"] == "valid"
    assert good["steps"][9]["detail"] == f"good at arrival, by crl of {AT.isoformat()}"


def _break_table(folder: Path, text: str) -> None:
    (folder / "bindings.csv").write_text(text, encoding="utf-8")


def _unknown_key(folder: Path) -> None:
    path = folder / f"{envelopes.SENDER}.pem"
    der = x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    for kind in ("06072a8648ce3d0201", "06092a864886f70d010101"):  # elliptic curve, RSA
        oid = bytes.fromhex(kind)
        der = der.replace(oid, oid[:-1] + b"\x7f")
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))


def _table(*rows: str) -> Callable[[Path], object]:
    return lambda folder: _break_table(folder, "".join(f"{row}\n" for row in ("code,certificate", *rows)))


SENDER_ROW = f"{envelopes.SENDER},{envelopes.SENDER}.pem"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "unknown key": (_unknown_key, "no kind that can be read"),
    "no anchors": (lambda folder: (folder / "ca.pem").unlink(), "ca.pem"),
    "no table": (lambda folder: (folder / "bindings.csv").unlink(), "bindings.csv"),
    "other columns": (lambda folder: _break_table(folder, "a,b\n"), "columns"),
    "row too long": (_table("a,b,c"), "line 2"),
    "absent file": (_table("Z91,no.pem"), r"no\.pem"),
    "path": (_table("Z91,../x.pem"), "not a file name"),
    "no certificate": (_table("Z91,bindings.csv"), "not a certificate"),
    "one key, two codes": (_table(SENDER_ROW, SENDER_ROW.replace(envelopes.SENDER, "Z93", 1)), "is bound to"),
    "not text": (lambda folder: (folder / "bindings.csv").write_bytes(b"\xff\xfe"), "UTF-8"),
    "NUL in a name": (_table("Z91,a\0.pem"), "not a file name"),
    "lists no folder": (lambda folder: (folder / "crl").write_bytes(b""), "no folder"),
    "chain no folder": (lambda folder: (folder / "chain").write_bytes(b""), "no folder"),
}


def test_a_broken_folder_is_an_error_that_names_what_to_mend(
    file: Path, trust: Path, tmp_path: Path, cases: Cases
) -> None:
    for name, (damage, says) in BROKEN.items():
        folder = Path(shutil.copytree(trust, tmp_path / name))
        damage(folder)
        with cases.case(name), pytest.raises(Misconfigured, match=says):
            verify_file(file, folder, AT)
    with pytest.raises(Misconfigured, match="not there"):
        verify_file(file, trust / "absent", AT)
    with pytest.raises(Misconfigured, match="no zone"):
        verify_file(file, trust, AT.replace(tzinfo=None))
    for path in (trust, trust / "absent"):
        with pytest.raises(NotFound):
            verify_file(path, trust, AT)


def test_a_contradiction_gives_the_code_only_when_the_certificate_holds(file: Path, trust: Path) -> None:
    head, tail = envelopes.split(native())[::2]
    qualifier = replace(envelopes.qualifier(envelopes.document()), kind=Kind.RECALL)
    file.write_bytes(envelopes.sign_bytes(head, tail, signer(), qualifier))

    for moved, code in ((0, "MSG-ID"), (5000, "CERT-TIME")):
        report = verify_file(file, trust, AT + moved * DAY)
        assert (report["verdict"], report["code"]) == ("invalid", code)
        assert report["signer"]["code"] == envelopes.SENDER


# --- beside the verdict: revocation, commitment, and the verdict of today --------------------------------------


def test_a_receipt_is_told_with_what_it_names(file: Path, trust: Path) -> None:
    status = envelopes.status(sender=envelopes.SENDER, subject=envelopes.RECEIVER)
    receipt = envelopes.receipt()
    file.write_bytes(envelopes.native(status, files=(), receipt=receipt, signer=signer()))

    commitment = verify_file(file, trust, AT)["commitment"]

    assert commitment["kind"] == "proof-of-receipt"
    assert commitment["receipt"]["body_sha256"] == str(receipt.body_digest)
    assert commitment["receipt"]["status_code"] == "03"
    assert commitment["receipt"]["of_message"] == receipt.of_packet_id


def test_threat_042_the_report_has_valid_then_and_revoked_since(file: Path, trust: Path) -> None:
    _lists(trust, [(certificate(), AT + HOUR)], AT + DAY)

    report = verify_file(file, trust, AT, AT + DAY)

    next_day = (AT + DAY).isoformat()
    assert (report["verdict"], report["code"]) == ("valid", None)
    assert report["now"] == {"at": next_day, "verdict": "invalid", "code": "CERT-REVOKED"}
    assert report["revocation"] == {
        "state": "good",
        "source": "crl",
        "as_of": next_day,
        "revoked_at": (AT + HOUR).isoformat(),
        "reason": "keyCompromise",
        "now_state": "revoked",
    }


def test_threat_040_the_report_has_valid_then_and_expired_since(file: Path, trust: Path) -> None:
    report = verify_file(file, trust, AT, certificate().not_valid_after_utc + DAY)

    assert report["verdict"] == "valid"
    assert (report["now"]["verdict"], report["now"]["code"]) == ("invalid", "CERT-TIME")
    # Of its age alone an old file is not doubted today.
    assert verify_file(file, trust, AT, AT + 300 * DAY)["now"]["verdict"] == "valid"


def test_threat_045_an_answer_by_ocsp_in_the_folder_counts_and_one_of_another_authority_does_not(
    file: Path, trust: Path
) -> None:
    issuer = Party(certificate=authority().certificate, private_key=authority()._key)
    same_name = root("Demo root", (AT - DAY, AT + DAY), key("stranger"))
    (trust / "ocsp").mkdir()

    def answered(by: Party) -> dict[str, Any]:
        answer = ocsp_answer(certificate(), by, valid=(AT - HOUR, AT + DAY))
        (trust / "ocsp" / "sender.der").write_bytes(answer)
        return verify_file(file, trust, AT)

    report, other = answered(issuer), answered(same_name)

    assert report["notes"] == []
    assert report["revocation"]["source"] == "ocsp"
    assert report["revocation"]["as_of"] == (AT - HOUR).isoformat()
    assert (other["verdict"], other["code"]) == ("unknown", "CERT-REVOCATION-UNKNOWN")


def test_a_file_that_is_no_envelope_tells_nothing_of_a_signer(file: Path, trust: Path) -> None:
    file.write_bytes(b"no envelope")

    report = verify_file(file, trust, AT, AT + DAY)

    assert report["signer"] is report["algorithm"] is report["revocation"] is report["commitment"] is None
    assert (report["chain"], report["now"]["verdict"]) == ([], "invalid")
