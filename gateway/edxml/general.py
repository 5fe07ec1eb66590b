"""The general path (G1-G8): every envelope that is not in our own canonical form. In: the whole file, the policy, the
bindings of a code. Out: `General`, with the canonical octets that were signed and the model read from them alone, or
the InvalidEnvelope that names the step. Our own checks give the codes; signxml, pinned to them, must agree."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier
from signxml.xades.xades import XAdESVerifier

from gateway.domain.identity import Digest
from gateway.edxml import binding, names, reader, safe_xml, structure
from gateway.edxml.key import value_fault
from gateway.edxml.shape import LEGACY_DIGEST, LEGACY_METHOD
from gateway.errors import BadSignature

if TYPE_CHECKING:
    from gateway.domain.proof import Binding
    from gateway.edxml.policy import XmlPolicy
    from gateway.edxml.reader import Read
    from gateway.edxml.shape import Shape

# ElementTree's path, to the one place of W4; signxml adds `ds:Signature`.
_LOCATION: Final = f"./{{{names.QCVN}}}edXMLEnvelope/{{{names.QCVN}}}edXMLHeader/"

# G6: every exception of signxml is a refusal. Crafted input makes it raise more than its own classes.
_REFUSALS: Final = (
    SignXMLException,
    InvalidSignature,
    UnsupportedAlgorithm,
    etree.LxmlError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """An envelope whose signature holds for a bound certificate. `canonical` is C: what the model was read from."""

    read: Read
    canonical: bytes
    body_digest: Digest
    shape: Shape
    binding: Binding


def judge(
    data: bytes, policy: XmlPolicy, candidates: Callable[[str], Sequence[Binding]], at: datetime
) -> General:
    """Steps 1 to 8 of the checklist. `candidates` gives the bindings of a code that are active at `at`."""
    root = safe_xml.parse(data, policy.limits)
    body = structure.canonical_body(root)
    read = reader.read([body], policy.limits, strict=policy.own_axis, source="canonical")
    shape = structure.check(root, policy)
    code = read.envelope.sender.organ_id or ""
    chosen = binding.choose(code, shape.certificate_der, candidates(code), policy, at)
    signed_body = body if shape.body_exclusive else _inclusive_body(root)
    _check_digests(shape, signed_body, chosen)
    _check_value(shape, chosen, policy)
    _agree(data, shape, chosen, signed_body, at)
    return General(
        read=read,
        canonical=body,
        body_digest=Digest.of_bytes(hashlib.sha256(body).digest()),
        shape=shape,
        binding=chosen,
    )


def _inclusive_body(root: etree._Element) -> bytes:
    """G7: what an old system digested. The model is read from C all the same: one meaning, one reader."""
    return structure.canonical(structure.without_signatures(root), exclusive=False)


def _check_digests(shape: Shape, signed_body: bytes, chosen: Binding) -> None:
    """Step 7: both references, and that the properties name the bound certificate (F9, F10)."""
    legacy = shape.body_digest_method == LEGACY_DIGEST
    # SHA-1 only where an administrator's dated permission put it on the list (G7).
    body = hashlib.sha1(signed_body, usedforsecurity=False) if legacy else hashlib.sha256(signed_body)
    if not compare_digest(body.digest(), shape.body_digest):
        raise BadSignature(
            "SIG-DIGEST", "the digest of the document is not the signed one", step=7, where="Reference 1"
        )
    if shape.properties is None or shape.properties_digest is None:
        return
    properties = structure.canonical(shape.properties.element)
    if not compare_digest(hashlib.sha256(properties).digest(), shape.properties_digest):
        raise BadSignature(
            "SIG-PROPERTIES",
            "the digest of SignedProperties is not the signed one",
            step=7,
            where="Reference 2",
        )
    named = hashlib.sha256(chosen.certificate_der).digest()
    if not compare_digest(named, shape.properties.certificate_digest):
        raise BadSignature(
            "SIG-PROPERTIES",
            "SigningCertificateV2 names another certificate",
            step=7,
            where="SigningCertificateV2",
        )


def _check_value(shape: Shape, chosen: Binding, policy: XmlPolicy) -> None:
    """Step 8, with the key from the registry (F11). A high s is taken here, never in native form (12.5)."""
    signed = structure.canonical(shape.signed_info, exclusive=shape.info_exclusive)
    if shape.method in LEGACY_METHOD.values():
        code = _sha1_fault(chosen.certificate_der, signed, shape.value)
    else:
        code = value_fault(chosen.certificate_der, shape.method, signed, shape.value, policy, native=False)
    if code is not None:
        detail = f"not made by the bound key with {shape.method}"
        raise BadSignature("SIG-VALUE", detail, step=8, where="SignatureValue")


def _sha1_fault(certificate_der: bytes, signed: bytes, value: bytes) -> str | None:
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return "SIG-ALGORITHM"
    try:
        key.verify(value, signed, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - G7, by dated permission alone
    except InvalidSignature:
        return "SIG-VALUE"
    return None


def _agree(data: bytes, shape: Shape, chosen: Binding, signed_body: bytes, at: datetime) -> None:
    """G6: the library, with everything pinned, accepts, and returns exactly the octets that we judged."""
    certificate = x509.load_der_x509_certificate(chosen.certificate_der)
    pinned = SignatureConfiguration(
        require_x509=True,
        location=_LOCATION,
        expect_references=2 if shape.properties is not None else 1,
        signature_methods=frozenset({SignatureMethod(_method_uri(shape.method))}),
        digest_algorithms=frozenset({DigestAlgorithm(shape.body_digest_method), DigestAlgorithm.SHA256}),
        # Step 9 judges the certificate's validity at T; here it must not stand in the way of that code.
        verification_time=min(max(at, certificate.not_valid_before_utc), certificate.not_valid_after_utc),
    )
    verifier = XAdESVerifier() if shape.properties is not None else XMLVerifier()
    try:
        # x509_cert is the registry's certificate; signxml then uses no key of the file
        result: Any = verifier.verify(
            data, x509_cert=certificate, parser=safe_xml.parser(), expect_config=pinned
        )
    except _REFUSALS as why:
        raise BadSignature(
            "SIG-VALUE", f"the reference verifier refuses: {type(why).__name__}", step=8, where="Signature"
        ) from why
    results = result if isinstance(result, list) else [result]
    expected = [signed_body]
    if shape.properties is not None:
        expected.append(structure.canonical(shape.properties.element))
    if [each.signed_data for each in results] != expected or not signed_body:
        raise BadSignature(
            "SIG-STRUCTURE",
            "the reference verifier signed other octets than were judged",
            step=5,
            where="Signature",
        )


def _method_uri(method: str) -> str:
    legacy = {name: uri for uri, name in LEGACY_METHOD.items()}
    return legacy[method] if method in legacy else names.ALGORITHM_URIS[method]
