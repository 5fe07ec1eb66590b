"""Explain tells what an envelope says, with fixed keys, null for what is absent, and no verdict that it did not make."""

from __future__ import annotations

import base64
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from gateway.domain.document import Urgency
from gateway.edxml import names
from gateway.errors import MalformedXml, NotFound
from gateway.ops import explain
from tests.support import envelopes, pki
from tests.support.cases import Cases

SAMPLES = Path(__file__).parents[2] / "interop" / "samples"
SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
UNREGISTERED = '"http://www.w3.org/TR/xml-exc-c14n#"'
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"


def sample(name: str) -> Path:
    return SAMPLES / f"{name}.edxml"


def test_a_document_is_told_in_full() -> None:
    explained = explain.explain(sample("a-new"))

    assert explained == {
        "dialect": "A",
        "kind": "document",
        "from": {"code": "000.00.07.Z91", "name": "Sở Thử nghiệm tỉnh Sao Mai"},
        "to": [
            {"code": "000.00.12.Z92", "name": "Sở Mô phỏng tỉnh Bình Minh"},
            {"code": "Z93.05", "name": "Sở Giả định tỉnh Hoàng Hôn"},
        ],
        "document_id": "000.00.07.Z91,2031/03/04,118/STN-VP",
        "code_number": "118",
        "code_notation": "STN-VP",
        "issued_date": "2031-03-04",
        "document_type": "Công văn",
        "subject": "V/v phối hợp kiểm thử liên thông văn bản",
        "signer": "Người Ký Mẫu",
        "urgency": int(Urgency.NORMAL),
        "due_date": "2031-03-20",
        "replies_to": [
            {
                "organ_id": "000.00.12.Z92",
                "code": "45/SMP-VP",
                "document_id": "000.00.12.Z92,2031/02/20,45/SMP-VP",
                "issued_date": "2031-02-20",
            }
        ],
        "status": None,
        "attachments": [
            {
                "name": "cong-van.pdf",
                "content_type": "application/pdf",
                "size": 15,
                "sha256": "14bcd090baf31edba64e9cbd8cdfc15f943344aa72cb3675ad8e91bfcbce03ad",
            },
            {
                "name": "phu-luc-1.txt",
                "content_type": "application/zip",
                "size": 27,
                "sha256": "1d60f6a26d9b60c8b8c4df436d4bce0c454c2b499ffa65d3ec10e66b1c3ea07b",
            },
        ],
        "signature": {
            "present": False,
            "verdict": "absent",
            "algorithm": None,
            "weak": False,
            "subject": None,
        },
        "findings": [],
    }


def test_each_kind_has_its_word_and_every_key() -> None:
    keys = (
        "dialect kind from to document_id code_number code_notation issued_date document_type subject signer "
        "urgency due_date replies_to status attachments signature findings"
    )
    words = ("document", "update", "recall", "replacement", "status")
    for name, kind in zip(("a-new", "a-update", "a-recall", "a-replacement", "a-status"), words, strict=True):
        explained = explain.explain(sample(name))
        assert explained["kind"] == kind
        assert list(explained) == keys.split()
        json.dumps(explained)


def test_a_status_tells_its_code_words_and_person_and_invents_nothing_else() -> None:
    status = explain.explain(sample("a-status"))

    assert status["status"] == {"code": "03", "text": "Đã vào sổ văn bản đến", "staff": "Cán Bộ Nhận Mẫu"}
    assert status["replies_to"][0]["code"] == "118/STN-VP"
    absent = ["document_id", "code_number", "issued_date", "document_type", "subject", "signer", "urgency"]
    assert [status[key] for key in absent] == [None] * len(absent)
    assert status["attachments"] == []


def test_what_the_sender_left_out_is_null_and_a_damaged_file_has_neither_size_nor_digest() -> None:
    bare, damaged = explain.explain(sample("bare-header")), explain.explain(sample("attachment-damaged-zip"))

    assert [bare[key] for key in ("code_number", "issued_date", "urgency", "signer")] == [None] * 4
    assert {finding["code"] for finding in bare["findings"]} == {"MISSING", "TRACE-ABSENT"}
    assert (damaged["attachments"][1]["size"], damaged["attachments"][1]["sha256"]) == (None, None)
    assert damaged["findings"][0]["code"] == "ATTACHMENT-DAMAGED"


# Signatures: the shape, not a verdict


def test_a_native_signature_is_present_and_not_verified() -> None:
    signer = pki.signer(envelopes.SENDER)

    signature = explain.explain_pieces([envelopes.native(signer=signer)])["signature"]

    assert (signature["present"], signature["verdict"]) == (True, "present-not-verified")
    assert (signature["algorithm"], signature["weak"]) == (names.RSA_SHA256, False)
    certificate = x509.load_der_x509_certificate(signer.certificate_der)
    assert signature["subject"] == certificate.subject.rfc4514_string()


def test_g7_a_shape_that_is_no_signature_is_a_placeholder() -> None:
    for name, algorithm, weak in (
        ("signature-in-envelope-namespace", RSA_SHA1, True),
        ("signature-in-xmldsig-namespace", RSA_SHA1, True),
        ("a-net", None, False),
    ):
        assert explain.explain(sample(name))["signature"] == {
            "present": True,
            "verdict": "placeholder",
            "algorithm": algorithm,
            "weak": weak,
            "subject": None,
        }


def test_weak_algorithms_and_broken_parts_are_listed(cases: Cases) -> None:
    good, no_signature = "present-not-verified", "placeholder"
    rows = [
        (names.RSA_SHA256, RSA_SHA1, good, True),
        (names.RSA_SHA256, "rsa-sha256", good, False),
        (names.SHA256_URI, SHA1, good, True),
        (f'"{names.EXC_C14N}"></ds:Transform>', f"{UNREGISTERED}></ds:Transform>", no_signature, False),
        (names.DS, names.QCVN, no_signature, False),
        ("<ds:X509Certificate>", "<ds:X509Certificate>MIID", no_signature, False),
        ("<ds:X509Certificate>", "<ds:X509Certificate>chữ ký", no_signature, False),
        ("<ds:SignatureValue>", "<ds:SignatureValue>?", no_signature, False),
        ("<ds:SignatureValue>", "<ds:SignatureValue>chữ ký", no_signature, False),
    ]
    raw = envelopes.native().decode()
    for old, new, verdict, weak in rows:
        with cases.case(new):
            assert old in raw
            signature = explain.explain_pieces([raw.replace(old, new).encode()])["signature"]
            assert (signature["verdict"], signature["weak"]) == (verdict, weak)


# Unreadable files


def test_what_cannot_be_read_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(MalformedXml) as caught:
        explain.explain(sample("c-soap"))
    explained = explain.failure(caught.value)["error"]
    assert (explained["code"], explained["where"]) == ("ENV-DIALECT", "Envelope")
    assert "dialect C" in explained["detail"]

    with pytest.raises(MalformedXml) as caught:
        explain.explain(sample("mismatched-tags"))
    explained = explain.failure(caught.value)["error"]
    assert explained["code"] == "ENV-NOT-XML"
    assert explained["where"].startswith("line ")
    assert ", byte " in explained["where"]

    with pytest.raises(NotFound, match=r"nothing\.edxml cannot be opened"):
        explain.explain(tmp_path / "nothing.edxml")


# For people


def test_the_text_holds_what_a_person_asks_for() -> None:
    for lang in ("vi", "en"):
        text = explain.to_text(explain.explain(sample("a-new")), lang)
        for sentence in (
            "Sở Thử nghiệm tỉnh Sao Mai",
            "118/STN-VP",
            "phu-luc-1.txt",
            "Người Ký Mẫu",
            "2031-03-20",
        ):
            assert sentence in text


def test_a_senders_text_cannot_forge_a_line_or_steer_the_terminal() -> None:
    model = replace(envelopes.document(()), subject="a\nkind: recall@31m\u202eb")
    # Our own writer refuses it.
    raw = envelopes.native(model, ()).replace(b"recall@", "recall\u009b".encode())

    text = explain.to_text(explain.explain_pieces([raw]))

    assert "a kind: recall 31m b" in text


def test_a_large_file_is_told_in_bounded_memory(tmp_path: Path) -> None:
    head, tail = sample("plain").read_bytes().split(b"JVBERi0xLjQKJSVFT0YK")
    path = tmp_path / "large.edxml"
    with path.open("wb") as file:
        file.write(head)
        for _ in range(400):
            file.write(base64.b64encode(bytes(48 * 1024)))
        file.write(tail)

    tracemalloc.start()
    explained = explain.explain(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert explained["attachments"][0]["size"] == 400 * 48 * 1024
    assert peak < 4 * 1024 * 1024


def test_a_code_is_shown_trimmed_and_the_space_is_a_finding() -> None:
    """edxml.md 4: for display a code is the trimmed text; a certificate is bound to the exact one (F10)."""
    code, spaced = b">000.00.07.Z91</edXML:OrganId>", b"> 000.00.07.Z91\n</edXML:OrganId>"

    explained = explain.explain_pieces([sample("a-new").read_bytes().replace(code, spaced)])

    assert explained["from"]["code"] == "000.00.07.Z91"
    assert "ID-SPACE" in [finding["code"] for finding in explained["findings"]]
