"""Chooses the bound certificate that may speak for the claimed sender (step 6; K1, F10). In: the code as the model has
it, the registry's bindings, the certificate that the signature names, a time. Out: the one binding, or the refusal. The
certificate in the file is only a hint: the registry's own copy verifies.

Also here: the check that a certificate's key made a signature value, within the key lengths and curves of W8 (F11). In:
a certificate, a method, the signed bytes and the value. Out: a code of docs/verification.md, or None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.x509 import InvalidVersion, load_der_x509_certificate

from gateway.domain.algorithms import ALGORITHMS, Algorithms, Judge, name_of_curve
from gateway.domain.certificates import CURVE_ORDERS
from gateway.edxml.policy import XmlPolicy
from gateway.errors import BadSignature, SignerMismatch, UnknownSender

if TYPE_CHECKING:
    from gateway.domain.proof import Binding

_CACHE_SIZE = 1024
_CURVES: Final[Mapping[str, tuple[str, ec.ECDSA]]] = {
    "ecdsa-sha256": ("secp256r1", ec.ECDSA(SHA256())),
    "ecdsa-sha384": ("secp384r1", ec.ECDSA(SHA384())),
}
_DIGEST: Final = "sha256"
_DIGESTS: Final[Mapping[str, tuple[str, ...]]] = {"secp384r1": ("sha384", _DIGEST)}
"""Digests of a signature and of its references, by the curve; SHA-256 for other keys."""
_METHODS: Final[Mapping[str, str]] = {curve: name for name, (curve, _) in _CURVES.items()}
_PADDING, _RSA_DIGEST = padding.PKCS1v15(), SHA256()
MOST_CANDIDATES: Final = 4
"""K1: a change of keys needs two bindings; more would let one code collect keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """Key of a certificate, with the properties that W8 (permitted keys) limits; neither `rsa` nor `ec` for another
    kind. `name` is that of its row in the table of algorithms."""

    rsa: rsa.RSAPublicKey | None = None
    ec: ec.EllipticCurvePublicKey | None = None
    bits: int = 0
    exponent: int = 0
    modulus: int = 0
    curve: str = ""
    name: str = ""


@lru_cache(maxsize=_CACHE_SIZE)
def _key(certificate_der: bytes) -> _Key:
    """Read a certificate's key. Cached, because the same few certificates come with every envelope, and reading one is
    slower than verifying with it."""
    key = load_der_x509_certificate(certificate_der).public_key()
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        name = ALGORITHMS.name_of_rsa(key.key_size)
        return _Key(rsa=key, bits=key.key_size, exponent=numbers.e, modulus=numbers.n, name=name)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _Key(ec=key, bits=key.key_size, curve=key.curve.name, name=name_of_curve(key.curve.name))
    return _Key()


def value_fault(
    certificate_der: bytes,
    algorithm: str,
    signed: bytes,
    value: bytes,
    policy: XmlPolicy,
    *,
    native: bool = True,
    at: datetime | None = None,
) -> str | None:
    """Return the code of the fault in a signature value, or None. `native` demands a low s, which other writers need not
    give."""
    key_fault = bound_key_fault(certificate_der, policy, at)
    if key_fault is not None:
        return key_fault
    key = _key(certificate_der)
    if algorithm != _METHODS.get(key.curve) and not policy.accepts(
        algorithm
    ):  # the curve's own method was accepted with the key
        return "SIG-ALGORITHM"
    try:
        if key.rsa is not None and algorithm == "rsa-sha256":
            if len(value) != (key.bits + 7) // 8 or int.from_bytes(value, "big") >= key.modulus:
                return "SIG-VALUE"
            key.rsa.verify(value, signed, _PADDING, _RSA_DIGEST)
            return None
        if key.ec is not None and algorithm in _CURVES:
            curve, method = _CURVES[algorithm]
            if key.curve != curve:
                return "SIG-ALGORITHM"
            pair = _split_pair(value, key, native=native)
            if pair is None:
                return "SIG-VALUE"
            key.ec.verify(encode_dss_signature(*pair), signed, method)
            return None
    except InvalidSignature:
        return "SIG-VALUE"
    return "SIG-ALGORITHM"


def bound_key_fault(certificate_der: bytes, policy: XmlPolicy, at: datetime | None = None) -> str | None:
    """Return `SIG-WEAK` when a bound certificate's key breaks W8 in kind, length, exponent or curve, or when it or its
    digest is not accepted at that time, where one is given; None otherwise."""
    try:
        key = _key(certificate_der)
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        return "SIG-WEAK"
    if key.rsa is not None:
        strong = key.bits <= policy.max_rsa_bits and key.exponent == 65537
    else:
        strong = key.curve in _METHODS and policy.accepts(_METHODS[key.curve])
    span = _accepted_span(certificate_der, policy.table, policy.allow_p384)
    accepted = span is not None and (at is None or span[0] <= at < span[1])
    return None if strong and accepted else "SIG-WEAK"


@lru_cache(maxsize=_CACHE_SIZE)
def _accepted_span(
    certificate_der: bytes, table: Algorithms, allow_p384: bool
) -> tuple[datetime, datetime] | None:
    """Return between which moments the key of a certificate is accepted with its digests; None where it never is."""
    key, judge = _key(certificate_der), Judge.ENVELOPE_384 if allow_p384 else Judge.ENVELOPE
    return table.span((key.name, *_DIGESTS.get(key.curve, (_DIGEST,))), judge)


def _split_pair(value: bytes, key: _Key, *, native: bool) -> tuple[int, int] | None:
    """Return r and s of an ECDSA value; None where they are out of range, or s is high in native form."""
    half = (key.bits + 7) // 8
    if len(value) != 2 * half:
        return None
    order = CURVE_ORDERS[key.curve]
    r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
    if not (0 < r < order and 0 < s < order) or (native and s > order // 2):
        return None
    return r, s


def active_bindings(code: str, bindings: Sequence[Binding], at: datetime) -> tuple[Binding, ...]:
    """Return the bindings of exactly this code that are in force at that time, at most four."""
    active = [binding for binding in bindings if binding.code == code and binding.is_in_force(at)]
    return tuple(active[:MOST_CANDIDATES])


def choose_binding(
    code: str, certificate_der: bytes, candidates: Sequence[Binding], policy: XmlPolicy, at: datetime
) -> Binding:
    """Return the candidate whose certificate equals the one in the signature, DER for DER; UnknownSender, SignerMismatch
    or BadSignature otherwise."""
    place = "From/OrganId"
    if not candidates:
        raise UnknownSender(
            "SIG-NO-BINDING",
            f"no certificate is bound to the sender code {code[:80]!r} at {at.isoformat()}",
            step=6,
            location=place,
        )
    for candidate in candidates:
        if compare_digest(candidate.certificate_der, certificate_der):
            weakness = bound_key_fault(candidate.certificate_der, policy, at)
            if weakness is not None:
                detail = f"the key bound to {code[:80]!r} is too short or of a kind that is not taken"
                if bound_key_fault(candidate.certificate_der, policy) is None:
                    detail += f" any more at {at.isoformat()}"
                raise BadSignature(weakness, detail, step=6, location=place)
            return candidate
    raise SignerMismatch(
        "SIG-PIN",
        f"signed under a certificate that is not among the {len(candidates)} bound to {code[:80]!r}",
        step=6,
        location=place,
    )
