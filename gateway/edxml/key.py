"""Step 6: which bound certificate may speak for the claimed sender (K1, F10). In: the code as the model has it, the
registry's bindings, the certificate that the signature names, a time. Out: the one binding, or the refusal. The
certificate in the file is only a hint: what verifies is the registry's own copy.

And whether a signature value was made by a certificate's key, under the lengths and curves of W8 (F11). A
certificate, a method, the signed bytes and the value go in; a code of `verification.md` section 9 comes out, or None
for good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, HashAlgorithm
from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from gateway.edxml.policy import XmlPolicy
from gateway.errors import BadSignature, SignerMismatch, UnknownSender

if TYPE_CHECKING:
    from gateway.domain.proof import Binding

_KEPT = 1024
_ORDERS = {
    "secp256r1": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "secp384r1": int(
        "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16
    ),
}
_CURVES: dict[str, tuple[str, HashAlgorithm]] = {
    "ecdsa-sha256": ("secp256r1", SHA256()),
    "ecdsa-sha384": ("secp384r1", SHA384()),
}


def value_fault(
    certificate_der: bytes,
    algorithm: str,
    data: bytes,
    value: bytes,
    policy: XmlPolicy,
    *,
    native: bool = True,
) -> str | None:
    """The code of what is wrong, or None. `native` demands a low s, which other signers need not give (section 12.5)."""
    key_fault = bound_key_fault(certificate_der, policy)
    if key_fault is not None:
        return key_fault
    if not policy.accepts(algorithm):
        return "SIG-ALGORITHM"
    key = _public_key(certificate_der)
    if isinstance(key, rsa.RSAPublicKey) and algorithm == "rsa-sha256":
        return _rsa_fault(key, data, value)
    if isinstance(key, ec.EllipticCurvePublicKey) and algorithm in _CURVES:
        return _ecdsa_fault(key, algorithm, data, value, native=native)
    return "SIG-ALGORITHM"


def bound_key_fault(certificate_der: bytes, policy: XmlPolicy) -> str | None:
    """`SIG-WEAK` when a bound certificate's key is off W8 in kind, length, exponent or curve; None otherwise."""
    try:
        key = _public_key(certificate_der)
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        return "SIG-WEAK"
    if isinstance(key, rsa.RSAPublicKey):
        strong = (
            policy.min_rsa_bits <= key.key_size <= policy.max_rsa_bits and key.public_numbers().e == 65537
        )
        return None if strong else "SIG-WEAK"
    if isinstance(key, ec.EllipticCurvePublicKey):
        curves = {_CURVES[name][0] for name in _CURVES if policy.accepts(name)}
        return None if key.curve.name in curves else "SIG-WEAK"
    return "SIG-WEAK"


@lru_cache(maxsize=_KEPT)
def _public_key(certificate_der: bytes) -> CertificatePublicKeyTypes:
    """The same few certificates are asked for with every envelope, and reading one takes longer than checking by it."""
    return load_der_x509_certificate(certificate_der).public_key()


def _rsa_fault(key: rsa.RSAPublicKey, data: bytes, value: bytes) -> str | None:
    numbers = key.public_numbers()
    if len(value) != (key.key_size + 7) // 8 or int.from_bytes(value, "big") >= numbers.n:
        return "SIG-VALUE"
    try:
        key.verify(value, data, padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return "SIG-VALUE"
    return None


def _ecdsa_fault(
    key: ec.EllipticCurvePublicKey, algorithm: str, data: bytes, value: bytes, *, native: bool
) -> str | None:
    curve, digest = _CURVES[algorithm]
    if key.curve.name != curve:
        return "SIG-ALGORITHM"
    half = (key.curve.key_size + 7) // 8
    if len(value) != 2 * half:
        return "SIG-VALUE"
    order = _ORDERS[curve]
    r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
    if not (0 < r < order and 0 < s < order) or (native and s > order // 2):
        return "SIG-VALUE"
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(digest))
    except InvalidSignature:
        return "SIG-VALUE"
    return None


MOST_CANDIDATES: Final = 4
"""K1: a roll-over needs two; more would let one code collect keys."""


def active_bindings(code: str, bindings: Sequence[Binding], at: datetime) -> tuple[Binding, ...]:
    """The bindings of exactly this code in force at that time, at most four."""
    return tuple(
        one
        for one in bindings
        if one.code == code
        and (one.valid_from is None or one.valid_from <= at)
        and (one.valid_to is None or at < one.valid_to)
    )[:MOST_CANDIDATES]


def choose_binding(
    code: str, certificate_der: bytes, candidates: Sequence[Binding], policy: XmlPolicy, at: datetime
) -> Binding:
    """The candidate whose certificate the signature names, DER for DER."""
    where = "From/OrganId"
    if not candidates:
        raise UnknownSender(
            "SIG-NO-BINDING",
            f"no certificate is bound to the sender code {code[:80]!r} at {at.isoformat()}",
            step=6,
            where=where,
        )
    for one in candidates:
        if compare_digest(one.certificate_der, certificate_der):
            weakness = bound_key_fault(one.certificate_der, policy)
            if weakness is not None:
                detail = f"the key bound to {code[:80]!r} is too short or of a kind that is not taken"
                raise BadSignature(weakness, detail, step=6, where=where)
            return one
    raise SignerMismatch(
        "SIG-PIN",
        f"signed under a certificate that is not among the {len(candidates)} bound to {code[:80]!r}",
        step=6,
        where=where,
    )
