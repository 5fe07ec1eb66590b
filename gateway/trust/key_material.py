"""Functions on public keys that exchange keys in files and on tokens have in common: names, ids, algorithms, signing
requests, and the wire form of a signature. In: public keys, certificates, and a function that signs. Out: values; no
private key occurs here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from asn1crypto import core, csr, keys
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from gateway.domain.certificates import CURVE_ORDERS
from gateway.errors import Misconfigured
from gateway.trust.asn1 import make_ready

make_ready()

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
KeyKind: TypeAlias = Literal["ecdsa-p256", "ecdsa-p384", "rsa-3072"]

# An agency code becomes a directory name, so no code may lead out of the key directory or hide in it.
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,74}")

# First bytes of content that a key may sign, so that a key of one purpose signs nothing of another (threat 120).
ENVELOPES = b'<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">'
FEEDS = b"lienthong-registry/1 header\n"
OFFICERS = b"lienthong-registry/2 officer\n"
RECEIPTS = b"lienthong-receipt/1\n"
LETTERS = b"lienthong-letter/1\n"
EXCHANGE = (ENVELOPES, RECEIPTS, LETTERS)
"""What an agency's exchange key signs: envelopes, the node's receipts of signed lists, its letters to other nodes."""

FILE, TOKEN = "file", "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyEntry:
    """Public facts about one key of an agency; those of the certificate are None until one was imported. `storage` is
    `file`, or `token` for a key that never leaves a token."""

    agency_code: str
    key_id: str
    algorithm: str
    storage: str = FILE
    certificate_der: bytes | None = None
    subject: str | None = None
    serial: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None

    @property
    def fingerprint(self) -> str | None:
        """SHA-256 of the certificate, as people compare it; None without one."""
        return sha256(self.certificate_der) if self.certificate_der else None


def entry(agency_code: str, key: PublicKey, storage: str, certificate: x509.Certificate | None) -> KeyEntry:
    """Return the entry of a key and its certificate, if it has one."""
    bare = KeyEntry(agency_code=agency_code, key_id=key_id(key), algorithm=algorithm_of(key), storage=storage)
    if certificate is None:
        return bare
    return replace(
        bare,
        certificate_der=certificate.public_bytes(serialization.Encoding.DER),
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def algorithm_of(key: PublicKey) -> str:
    """Return the name of the signature method for a key (W8, permitted keys)."""
    if isinstance(key, rsa.RSAPublicKey):
        return "rsa-sha256"
    return "ecdsa-sha384" if key.curve.name == "secp384r1" else "ecdsa-sha256"


def signature_length(key: PublicKey) -> int:
    """Return the number of bytes of one signature in wire form."""
    octets = (key.key_size + 7) // 8
    return octets if isinstance(key, rsa.RSAPublicKey) else 2 * octets


def raw_low_s(r: int, s: int, curve: str) -> bytes:
    """Return r and s as fixed-length big-endian numbers, with the lower of s and n - s: of the two valid forms of a
    signature only this one is accepted (W8)."""
    order = CURVE_ORDERS[curve]
    octets = (order.bit_length() + 7) // 8
    return r.to_bytes(octets, "big") + min(s, order - s).to_bytes(octets, "big")


def refuse_other_purpose(data: bytes, purpose: bytes | tuple[bytes, ...], agency_code: str) -> None:
    """Raise Misconfigured for bytes that a key of this purpose must not sign, for any caller."""
    if not data.startswith(purpose):
        raise Misconfigured(
            f"the exchange key of {agency_code or 'the feed'} was asked to sign what is not of its purpose; it did not",
            hint="this is a fault of the program or an attack: look at the log",
        )


def agency_name(agency_code: str, organisation: str) -> x509.Name:
    """Return the subject of an exchange certificate: the code is its common name."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, agency_code),
        ]
    )


def request(key: PublicKey, subject: x509.Name, sign: Callable[[bytes], bytes]) -> bytes:
    """Return a signing request in PEM for a key that `sign` uses, which returns signatures in wire form. It asks for the
    key usage that every receiver checks (K3)."""
    usage = asn1.KeyUsage({"digital_signature", "non_repudiation"})
    extension = {
        "extn_id": "key_usage",
        "critical": True,
        "extn_value": core.ParsableOctetString(usage.dump()),
    }
    request_info = csr.CertificationRequestInfo(
        {
            "version": "v1",
            "subject": asn1.Name.load(subject.public_bytes()),
            "subject_pk_info": keys.PublicKeyInfo.load(spki(key)),
            "attributes": [{"type": "extension_request", "values": [[extension]]}],
        }
    )
    kind, _, digest = algorithm_of(key).partition("-")
    signed = csr.CertificationRequest(
        {
            "certification_request_info": request_info,
            "signature_algorithm": {"algorithm": f"{digest}_{kind}"},
            "signature": _to_der_signature(key, sign(request_info.dump())),
        }
    )
    return x509.load_der_x509_csr(signed.dump()).public_bytes(serialization.Encoding.PEM)


def _to_der_signature(key: PublicKey, raw: bytes) -> bytes:
    if isinstance(key, rsa.RSAPublicKey):
        return raw
    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def read_certificate(pem: bytes, label: str) -> x509.Certificate:
    """Return the certificate in a PEM text; error texts name it by `label`."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except (ValueError, x509.InvalidVersion) as why:
        raise Misconfigured(f"{label} is not a certificate in PEM form") from why


def sha256(certificate_der: bytes) -> str:
    """Return the fingerprint of a certificate in DER form."""
    return hashlib.sha256(certificate_der).hexdigest()


def key_id(key: PublicKey) -> str:
    return hashlib.sha256(spki(key)).hexdigest()[:16]


def spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_pem(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def check_key(key: object, label: str) -> PublicKey:
    """Return the key; raise Misconfigured unless it is RSA or elliptic curve."""
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise Misconfigured(f"{label} holds a key that is neither RSA nor elliptic curve")
    return key


def public_key_of(certificate: x509.Certificate, label: str) -> PublicKey:
    """Return the certificate's key; raise Misconfigured unless it can be read and is RSA or elliptic curve."""
    try:
        key: object = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    return check_key(key, label)


def same_key(certificate: x509.Certificate, key: PublicKey, agency_code: str) -> bytes:
    """Return the certificate in DER; raise Misconfigured when it belongs to another key."""
    if spki(public_key_of(certificate, "the certificate")) != spki(key):
        raise Misconfigured(
            f"the certificate {certificate.serial_number:x} of agency {agency_code} belongs to another key",
            hint="import the certificate that was issued for this key's request",
        )
    return certificate.public_bytes(serialization.Encoding.DER)
