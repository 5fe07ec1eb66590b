"""Tells what a certificate says of the agency's own key. In: a certificate. Out: `KeyFacts`; nothing is decided here."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.pdf_signing import KeyFacts
from gateway.trust.chain import usage_holds

_LEAST_RSA = 2048
_LEAST_EC = 256


def facts_of(certificate: x509.Certificate) -> KeyFacts:
    """The facts; `signs` is False for a use, a kind or a size of key that no receiver would take."""
    der = certificate.public_bytes(Encoding.DER)
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return KeyFacts(
        certificate_der=der,
        fingerprint=hashlib.sha256(der).hexdigest(),
        key_id=hashlib.sha256(spki).hexdigest()[:16],
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        signs=usage_holds(certificate) and _strong(certificate),
    )


def _strong(certificate: x509.Certificate) -> bool:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _LEAST_RSA
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _LEAST_EC
