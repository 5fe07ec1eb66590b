"""Who may sign registry feeds, and whether one did. In: the folder of certificates that the operator put there, a header
line and its seal. Out: nothing, or FeedRefused; and the seal of a feed of our own. The certificates are pinned: being in
the folder is the permission, taking one out of it is the withdrawal."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.errors import Misconfigured
from gateway.ports import EnvelopeSigner
from gateway.registry import feed_form as form
from gateway.registry.feed_file import Ends
from gateway.registry.feed_form import FeedRefused, Seal

# What is signed begins with its purpose, so that no signature over anything else is one over a feed, or the reverse.
TAG = b"lienthong-registry/1 header\n"
MOST_ISSUERS = 32
LARGEST_CERTIFICATE = 64 * 1024
LEAST_RSA = 2048
_CURVES: Mapping[str, tuple[str, int, hashes.HashAlgorithm]] = {
    "ecdsa-sha256": (
        "secp256r1",
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        hashes.SHA256(),
    ),
    "ecdsa-sha384": (
        "secp384r1",
        int(
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
            16,
        ),
        hashes.SHA384(),
    ),
}


def issuers(folder: Path) -> Mapping[str, x509.Certificate]:
    """The certificates in the folder by their SHA-256; empty where there is no folder. Misconfigured for a file that is
    no certificate."""
    files = sorted(folder.glob("*.pem"))[: MOST_ISSUERS + 1]
    if len(files) > MOST_ISSUERS:
        raise Misconfigured(f"{folder} holds more than {MOST_ISSUERS} certificates", hint="keep those in use")
    found: dict[str, x509.Certificate] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read(LARGEST_CERTIFICATE))
        except (OSError, ValueError, x509.InvalidVersion) as cause:
            raise Misconfigured(
                f"{path.name} in {folder} is not a certificate in PEM form", hint="replace it or take it away"
            ) from cause
        found[hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()] = certificate
    return found


def check(known: Mapping[str, x509.Certificate], found: Ends, at: datetime) -> None:
    """FeedRefused unless a certificate of ours, in its time, signed this header for the issuer that it names."""
    certificate = known.get(found.seal.certificate)
    if certificate is None:
        raise FeedRefused(
            f"signed by the certificate {found.seal.certificate}, which may not sign feeds here",
            code="FEED-ISSUER",
            hint="when it should, two people compare it and put it below trust/feed/",
        )
    _check_signature(certificate, found)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise FeedRefused("the certificate of its issuer is not in its time", code="FEED-ISSUER")
    if issuer_of(certificate) != found.header.issuer:
        raise FeedRefused(
            f"the certificate speaks for {issuer_of(certificate)!r}, not for {found.header.issuer!r}",
            code="FEED-ISSUER",
        )


def issuer_of(certificate: x509.Certificate) -> str:
    """The name that a feed certificate speaks for: its one common name. A successor with the same name is that issuer."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if len(names) == 1 else ""


def seal(header_line: bytes, signer: EnvelopeSigner) -> bytes:
    """The last line of a feed of ours."""
    return form.encoded(
        Seal(
            signature=base64.b64encode(signer.sign(TAG + header_line)).decode(),
            algorithm=signer.algorithm,  # type: ignore[arg-type]  # pydantic refuses any other
            certificate=hashlib.sha256(signer.certificate_der).hexdigest(),
        )
    )


def _check_signature(certificate: x509.Certificate, found: Ends) -> None:
    signature = form.unpacked(found.seal.signature, "the seal")
    message, algorithm = TAG + found.header_line, found.seal.algorithm
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "rsa-sha256" and key.key_size >= LEAST_RSA:
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _CURVES:
            _check_curve(key, signature, message, algorithm)
        else:
            raise FeedRefused(f"{algorithm} does not go with the issuer's key", code="FEED-SIGNATURE")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as cause:
        raise FeedRefused("the signature over the header does not hold", code="FEED-SIGNATURE") from cause


def _check_curve(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes, algorithm: str) -> None:
    """r and s joined, and s the low one of the two that would hold: a signature has one form."""
    name, order, digest = _CURVES[algorithm]
    half = (key.key_size + 7) // 8
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    if key.curve.name != name or len(signature) != 2 * half or not 0 < s <= order // 2:
        raise ValueError
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
