"""What `gateway verify -o json` tells beside the verdict: chain, revocation, commitment, and what would be said today."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.ops.verify_file import verify_file
from gateway.trust.authority import Authority
from gateway.trust.keys import FileSigner
from tests.support import envelopes
from tools.pki.parts import Party, key, ocsp_answer, root

AT = envelopes.SIGNED_AT
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEY = ec.generate_private_key(ec.SECP256R1())
AUTHORITY = Authority.create("Demo root", AT - 30 * DAY)
CERTIFICATE = AUTHORITY.issue(envelopes.SENDER, "Sở Thử nghiệm", KEY.public_key(), AT - 20 * DAY)
SIGNER = FileSigner(envelopes.SENDER, KEY, CERTIFICATE)
NATIVE = envelopes.native(signer=SIGNER)


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


def _list(trust: Path, *revoked: tuple[x509.Certificate, object]) -> None:
    (trust / "crl").mkdir(exist_ok=True)
    made = AUTHORITY.revocation_list(list(revoked), AT + DAY)  # type: ignore[arg-type]  # pairs of certificate and time
    (trust / "crl" / "root.pem").write_bytes(made)


def test_signer_algorithm_chain_and_commitment_are_told(file: Path, trust: Path) -> None:
    report = verify_file(file, trust, AT)

    assert report["at"] == AT.isoformat()
    assert (report["algorithm"], report["weak"], report["signing_time"]) == (
        "ecdsa-sha256",
        False,
        AT.isoformat(),
    )
    assert [each["anchor"] for each in report["chain"]] == [False, True]
    assert report["chain"][0]["serial"] == f"{CERTIFICATE.serial_number:x}"
    assert len(report["chain"][0]["sha256"]) == 64
    assert report["commitment"] == {
        "kind": "proof-of-origin",
        "message": {"id": envelopes.PACKET_ID, "kind": "edoc"},
        "terms": None,
        "receipt": None,
    }
    assert [note["code"] for note in report["notes"]] == ["CERT-REVOCATION-UNKNOWN"]
    json.dumps(report)


def test_a_receipt_is_told_with_what_it_names(file: Path, trust: Path) -> None:
    status = envelopes.status(sender=envelopes.SENDER, about=envelopes.RECEIVER)
    receipt = envelopes.receipt()
    file.write_bytes(envelopes.native(status, files=(), of=receipt, signer=SIGNER))

    told = verify_file(file, trust, AT)["commitment"]

    assert told["kind"] == "proof-of-receipt"
    assert told["receipt"]["body_sha256"] == str(receipt.body_digest)
    assert told["receipt"]["status_code"] == "03"
    assert told["receipt"]["of_message"] == receipt.of_packet_id


def test_threat_042_valid_then_and_revoked_since_are_both_told(file: Path, trust: Path) -> None:
    _list(trust, (CERTIFICATE, AT + HOUR))

    report = verify_file(file, trust, AT, AT + DAY)

    assert (report["verdict"], report["code"]) == ("valid", None)
    assert report["now"] == {
        "at": (AT + DAY).isoformat(),
        "verdict": "invalid",
        "code": "CERT-REVOKED",
    }
    assert report["revocation"] == {
        "state": "good",
        "source": "crl",
        "as_of": (AT + DAY).isoformat(),
        "revoked_at": (AT + HOUR).isoformat(),
        "reason": "keyCompromise",
        "now_state": "revoked",
    }


def test_threat_040_valid_then_and_expired_since_are_both_told(file: Path, trust: Path) -> None:
    report = verify_file(file, trust, AT, CERTIFICATE.not_valid_after_utc + DAY)

    assert (report["verdict"], report["now"]["verdict"], report["now"]["code"]) == (
        "valid",
        "invalid",
        "CERT-TIME",
    )


def test_an_old_file_is_not_doubted_today_for_its_age(file: Path, trust: Path) -> None:
    assert verify_file(file, trust, AT, AT + 300 * DAY)["now"]["verdict"] == "valid"


def test_an_answer_by_ocsp_in_the_folder_counts(file: Path, trust: Path) -> None:
    issuer = Party(certificate=AUTHORITY.certificate, private_key=AUTHORITY._key)
    (trust / "ocsp").mkdir()
    answer = ocsp_answer(CERTIFICATE, issuer, valid=(AT - HOUR, AT + DAY))
    (trust / "ocsp" / "sender.der").write_bytes(answer)

    report = verify_file(file, trust, AT)

    assert report["notes"] == []
    assert report["revocation"]["source"] == "ocsp"
    assert report["revocation"]["as_of"] == (AT - HOUR).isoformat()


def test_threat_045_an_answer_of_another_authority_in_the_folder_leaves_it_unknown(
    file: Path, trust: Path
) -> None:
    same_name = root("Demo root", (AT - DAY, AT + DAY), key("stranger"))
    (trust / "ocsp").mkdir()
    answer = ocsp_answer(CERTIFICATE, same_name, valid=(AT - HOUR, AT + DAY))
    (trust / "ocsp" / "sender.der").write_bytes(answer)

    report = verify_file(file, trust, AT)

    assert (report["verdict"], report["code"]) == ("unknown", "CERT-REVOCATION-UNKNOWN")


def test_a_chain_that_leads_nowhere_is_told_as_far_as_it_goes(file: Path, trust: Path) -> None:
    other = root("Other root", (AT - DAY, AT + 900 * DAY))
    (trust / "ca.pem").write_bytes(other.certificate.public_bytes(Encoding.PEM))

    report = verify_file(file, trust, AT)

    assert report["code"] == "CERT-CHAIN"
    assert [each["anchor"] for each in report["chain"]] == [False]


def test_a_file_that_is_no_envelope_tells_nothing_of_a_signer(file: Path, trust: Path) -> None:
    file.write_bytes(b"no envelope")

    report = verify_file(file, trust, AT, AT + DAY)

    assert report["signer"] is report["algorithm"] is report["revocation"] is report["commitment"] is None
    assert (report["chain"], report["now"]["verdict"]) == ([], "invalid")
