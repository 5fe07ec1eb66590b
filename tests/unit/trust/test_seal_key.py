"""The key of the log: one for each node, for seals alone."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.certificates import CURVE_ORDERS
from gateway.domain.sealed_log import NO_SEAL, Seal
from gateway.errors import InvalidProof, Misconfigured
from gateway.trust import seals
from gateway.trust.keys import KeyDirectory
from tests.support.cases import Cases
from tests.support.pki import key

SEAL = Seal(
    log_id="0" * 32,
    number=1,
    tree_size=3,
    root=b"r" * 32,
    previous=NO_SEAL,
    at=datetime(2026, 11, 20, tzinfo=UTC),
)
ORDER = CURVE_ORDERS["secp256r1"]
P256 = key("p256", "seal")
assert isinstance(P256, ec.EllipticCurvePrivateKey)
SIGNED = seals.SealKey(P256).sign(SEAL)


def test_threat_120_a_seal_that_it_signed_holds_by_anybodys_verifier_and_it_signs_nothing_else() -> None:
    seals.check_seal(SIGNED)

    public = serialization.load_der_public_key(SIGNED.key)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    r, s = int.from_bytes(SIGNED.signature[:32], "big"), int.from_bytes(SIGNED.signature[32:], "big")
    public.verify(encode_dss_signature(r, s), SEAL.to_bytes(), ec.ECDSA(hashes.SHA256()))
    assert s <= ORDER // 2

    # Its signed bytes always begin with the domain tag: no envelope, status or pack does.
    offered = [name for name in dir(seals.SealKey) if not name.startswith("_")]

    assert offered == ["sign"]
    with pytest.raises(AttributeError):
        seals.SealKey(P256).sign(b"<SignedInfo/>")  # type: ignore[arg-type]  # that is the attack


def test_another_seal_signature_or_key_does_not_hold(cases: Cases) -> None:
    signature = SIGNED.signature
    twin = signature[:32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    rsa_key = key("rsa-2048").public_key()
    der = rsa_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    changed = {
        "size": replace(SIGNED, seal=replace(SEAL, tree_size=4)),
        "log": replace(SIGNED, seal=replace(SEAL, log_id="1" * 32)),
        "short": replace(SIGNED, signature=signature[:-1]),
        "long": replace(SIGNED, signature=signature + b"\x00"),
        "zero": replace(SIGNED, signature=b"\x00" * 64),
        "the twin with high s": replace(SIGNED, signature=twin),
        "no key": replace(SIGNED, key=b"no key"),
        "another key": replace(SIGNED, key=seals.SealKey(ec.generate_private_key(ec.SECP256R1())).public),
    }
    for name, seal in changed.items():
        with cases.case(name), pytest.raises(InvalidProof):
            seals.check_seal(seal)
    with cases.case("a key of another kind"), pytest.raises(InvalidProof, match="P-256"):
        seals.check_seal(replace(SIGNED, key=der))


@given(signature=st.binary(min_size=64, max_size=64), der=st.binary(max_size=100))
def test_no_bytes_break_the_check(signature: bytes, der: bytes) -> None:
    with pytest.raises(InvalidProof):
        seals.check_seal(replace(SIGNED, signature=signature))
    with pytest.raises(InvalidProof):
        seals.check_seal(replace(SIGNED, key=der))


def test_the_key_is_made_once_and_is_the_nodes_own(tmp_path: Path) -> None:
    """Also by processes that start together. One that does not open says so without the password."""
    with ThreadPoolExecutor(4) as threads:
        public_keys = set(threads.map(lambda _: seals.open_seal_key(tmp_path, b"secret").public, range(8)))

    file = tmp_path / "_log" / "seal.key.pem"
    assert len(public_keys) == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in file.read_bytes()
    assert [path.name for path in file.parent.iterdir()] == ["seal.key.pem"]
    assert KeyDirectory(tmp_path, b"secret").entries() == (), "it is no agency's key"
    with pytest.raises(Misconfigured) as caught:
        seals.open_seal_key(tmp_path, b"hunter-two")
    assert "hunter" not in str(caught.value) + caught.value.hint
    with pytest.raises(Misconfigured, match="lost"):
        seals.open_seal_key(tmp_path / "emptied", None, is_first=False)
    assert not (tmp_path / "emptied").exists()
    file.write_bytes(b"rubbish")
    with pytest.raises(Misconfigured):
        seals.open_seal_key(tmp_path, None)
