"""Lists, receipts and letters are accepted by the one table of algorithms."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

from gateway.domain.algorithms import ALGORITHMS, Algorithms
from gateway.domain.certificates import CURVE_ORDERS
from gateway.registry_authoring import feed_judge
from gateway.registry_authoring.feed_file import FeedRefused
from gateway.trust.key_material import raw_low_s

AT, MESSAGE = datetime(2031, 3, 4, tzinfo=UTC), b"a list"
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
KEYS: dict[str, tuple[Key, str]] = {
    "rsa-1024": (rsa.generate_private_key(65537, 1024), "rsa-sha256"),  # noqa: S505 - a key that is too short is what is tried
    "rsa-2048": (rsa.generate_private_key(65537, 2048), "rsa-sha256"),
    "ecdsa-p256": (ec.generate_private_key(ec.SECP256R1()), "ecdsa-sha256"),
    "ecdsa-p384": (ec.generate_private_key(ec.SECP384R1()), "ecdsa-sha384"),
    "ecdsa-p521": (ec.generate_private_key(ec.SECP521R1()), "ecdsa-sha384"),
}


def check(name: str) -> None:
    """Check a signature of this key as one over a list."""
    key, algorithm = KEYS[name]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    )
    builder = builder.serial_number(1).not_valid_before(AT).not_valid_after(AT + timedelta(days=1))
    certificate = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256())
    else:
        digest = hashes.SHA384() if algorithm == "ecdsa-sha384" else hashes.SHA256()
        r, s = decode_dss_signature(key.sign(MESSAGE, ec.ECDSA(digest)))
        signature = raw_low_s(r, s, key.curve.name) if key.curve.name in CURVE_ORDERS else bytes(132)
    encoded = base64.b64encode(signature).decode()
    feed_judge.check_signature(certificate, encoded, algorithm, MESSAGE, "the seal")


@pytest.mark.parametrize("name", ["rsa-2048", "ecdsa-p256", "ecdsa-p384"])
def test_a_key_of_the_table_signs_until_its_row_is_taken_out(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(name)
    rows = tuple(row for row in ALGORITHMS.rows if row.name != name)
    monkeypatch.setattr(feed_judge, "ALGORITHMS", Algorithms(rows))
    with pytest.raises(FeedRefused, match="does not go with its key"):
        check(name)


@pytest.mark.parametrize("name", ["rsa-1024", "ecdsa-p521"])
def test_a_key_that_the_table_does_not_accept_signs_nothing(name: str) -> None:
    with pytest.raises(FeedRefused, match="does not go with its key"):
        check(name)
