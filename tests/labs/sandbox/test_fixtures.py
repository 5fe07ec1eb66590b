"""Fixtures are what their index says: each is judged by the reader that the node uses, and every file has its row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.proof import Binding
from gateway.edxml import attachment, verify
from gateway.edxml.policy import XmlPolicy
from gateway.errors import InvalidEnvelope
from gateway_labs.sandbox import fixtures


@pytest.fixture(scope="module")
def fixture_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fixtures")
    assert fixtures.write(folder) > 20
    return folder


def judged(raw: bytes, trust: Path) -> str:
    def bound(code: str) -> Sequence[Binding]:
        pem = (trust / f"{code}.pem").read_bytes()
        return [
            Binding(code=code, certificate_der=x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
        ]

    source = verify.EnvelopeSource(size=len(raw), open=lambda: attachment.pieces(lambda: BytesIO(raw)))
    try:
        verify.examine(source, policy=XmlPolicy(), bindings=bound, at=datetime.now(UTC))
    except InvalidEnvelope as refused:
        return refused.code
    return "valid"


def test_each_is_judged_as_the_index_says(fixture_folder: Path) -> None:
    """Every packet has a row, and every row a packet."""
    packets = json.loads((fixture_folder / fixtures.INDEX).read_text("utf-8"))["packets"]
    rows = {packet["file"]: packet["verify"] for packet in packets}

    assert {
        name: judged((fixture_folder / name).read_bytes(), fixture_folder / "trust") for name in rows
    } == rows
    assert {packet["exit"] for packet in packets if packet["verify"] != "valid"} == {7}
    assert {path.relative_to(fixture_folder).as_posix() for path in fixture_folder.rglob("*.edxml")} == set(
        rows
    )


def test_a_changed_pdf_is_not_the_signed_one(fixture_folder: Path) -> None:
    signed, changed = (
        (fixture_folder / "pdf" / f"{name}.pdf").read_bytes() for name in ("signed", "changed-after-signing")
    )
    assert len(signed) == len(changed)
    assert sum(byte != other for byte, other in zip(signed, changed, strict=True)) == 1
