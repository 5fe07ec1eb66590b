"""Implements the general path (rules G1-G8), for every envelope that is not in native form. In: the whole file, the
policy, the bindings of a code. Out: `General`, with the canonical octets that were signed and the model read from them
alone, or the InvalidEnvelope that names the step. Place and shape of the Signature are checked before any library sees
it (G3-G5), because libraries ignore transforms they do not know and take the first match of a search. Our own checks
give the codes; signxml, pinned to their values, must agree (G6)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
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
from gateway.edxml import key, names, reader, safe_xml
from gateway.edxml.key import value_fault
from gateway.edxml.properties import (
    LEGACY_C14N,
    LEGACY_DIGEST,
    LEGACY_METHOD,
    SignatureShape,
    ds,
    group,
    leaf,
    octets,
    read_properties,
    structure_fault,
    xades,
)
from gateway.errors import BadSignature, MalformedXml

if TYPE_CHECKING:
    from gateway.domain.proof import Binding
    from gateway.edxml.policy import XmlPolicy
    from gateway.edxml.properties import Properties
    from gateway.edxml.reader import Read

# ElementTree's path to the header, the Signature's one place (W4); signxml adds `ds:Signature`.
_LOCATION: Final = f"./{{{names.QCVN}}}edXMLEnvelope/{{{names.QCVN}}}edXMLHeader/"

# G6 (the reference verifier must agree): any of its exceptions is a refusal; crafted input makes it raise more than its
# own classes.
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
_SIGNATURE: Final = ds("Signature")
_HEADER_PATH: Final = tuple(f"{{{names.QCVN}}}{local}" for local in ("edXMLHeader", "edXMLEnvelope", "edXML"))
_NAME = re.compile(r"[^\W\d][\w.\-]*")
# An identifier that is not registered; the vendor library writes it, and no verifier knows it.
_UNREGISTERED: Final = "http://www.w3.org/TR/xml-exc-c14n#"


@dataclass(frozen=True, slots=True, kw_only=True)
class General:
    """An envelope whose signature holds for a bound certificate. `canonical` are the canonical octets without the
    Signature, from which the model was read."""

    read: Read
    canonical: bytes
    body_digest: Digest
    shape: SignatureShape
    binding: Binding


def judge(
    raw: bytes, policy: XmlPolicy, candidates: Callable[[str], Sequence[Binding]], at: datetime
) -> General:
    """Judge a file by steps 1 to 8 of the checklist. `candidates` returns a code's bindings active at `at`."""
    root = safe_xml.parse(raw, policy.limits)
    body = canonical_body(root)
    read = reader.read([body], policy.limits, strict=policy.own_axis, source="canonical")
    shape = check_structure(root, policy)
    code = read.envelope.sender.organ_id or ""
    binding = key.choose_binding(code, shape.certificate_der, candidates(code), policy, at)
    # G7 (old algorithms): these are the octets that an old system digested. The model is still read from the exclusive
    # form, so that one reader gives one meaning.
    signed_body = (
        body if shape.body_exclusive else canonical_octets(without_signatures(root), exclusive=False)
    )
    _check_digests(shape, signed_body, binding)
    _check_value(shape, binding, policy)
    _recheck(raw, shape, binding, signed_body, at)
    return General(
        read=read,
        canonical=body,
        body_digest=Digest.of_bytes(hashlib.sha256(body).digest()),
        shape=shape,
        binding=binding,
    )


def _check_digests(shape: SignatureShape, signed_body: bytes, binding: Binding) -> None:
    """Check the digests of both references, and that the properties name the bound certificate (step 7; F9, F10)."""
    legacy = shape.body_digest_method == LEGACY_DIGEST
    # SHA-1 is possible only by an administrator's dated permission (G7).
    body = hashlib.sha1(signed_body, usedforsecurity=False) if legacy else hashlib.sha256(signed_body)
    if not compare_digest(body.digest(), shape.body_digest):
        detail = "the digest of the document is not the signed one"
        raise BadSignature("SIG-DIGEST", detail, step=7, location="Reference 1")
    if shape.properties is None or shape.properties_digest is None:
        return
    properties = canonical_octets(shape.properties.element)
    if not compare_digest(hashlib.sha256(properties).digest(), shape.properties_digest):
        detail = "the digest of SignedProperties is not the signed one"
        raise BadSignature("SIG-PROPERTIES", detail, step=7, location="Reference 2")
    certificate_digest = hashlib.sha256(binding.certificate_der).digest()
    if not compare_digest(certificate_digest, shape.properties.certificate_digest):
        place = "SigningCertificateV2"
        raise BadSignature("SIG-PROPERTIES", f"{place} names another certificate", step=7, location=place)


def _check_value(shape: SignatureShape, binding: Binding, policy: XmlPolicy) -> None:
    """Check the value with the key from the registry (step 8, F11). A high s is accepted here, never in native form."""
    signed = canonical_octets(shape.signed_info, exclusive=shape.info_exclusive)
    if shape.method in LEGACY_METHOD.values():
        code = _sha1_fault(binding.certificate_der, signed, shape.value)
    else:
        code = value_fault(binding.certificate_der, shape.method, signed, shape.value, policy, native=False)
    if code is not None:
        detail = f"not made by the bound key with {shape.method}"
        raise BadSignature("SIG-VALUE", detail, step=8, location="SignatureValue")


def _sha1_fault(certificate_der: bytes, signed: bytes, value: bytes) -> str | None:
    key = x509.load_der_x509_certificate(certificate_der).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return "SIG-ALGORITHM"
    try:
        key.verify(value, signed, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - G7, by dated permission alone
    except InvalidSignature:
        return "SIG-VALUE"
    return None


def _recheck(raw: bytes, shape: SignatureShape, binding: Binding, signed_body: bytes, at: datetime) -> None:
    """Require that signxml, with everything pinned, accepts the file and returns exactly the octets judged here (G6)."""
    certificate = x509.load_der_x509_certificate(binding.certificate_der)
    pinned = SignatureConfiguration(
        require_x509=True,
        location=_LOCATION,
        expect_references=2 if shape.properties is not None else 1,
        signature_methods=frozenset({SignatureMethod(_method_uri(shape.method))}),
        digest_algorithms=frozenset({DigestAlgorithm(shape.body_digest_method), DigestAlgorithm.SHA256}),
        # Step 9 judges the certificate's validity at arrival; a refusal here would hide its code.
        verification_time=min(max(at, certificate.not_valid_before_utc), certificate.not_valid_after_utc),
    )
    verifier = XAdESVerifier() if shape.properties is not None else XMLVerifier()
    try:
        # x509_cert is the registry's certificate; signxml then uses no key from the file.
        verified: Any = verifier.verify(
            raw, x509_cert=certificate, parser=safe_xml.parser(), expect_config=pinned
        )
    except _REFUSALS as why:
        detail = f"the reference verifier refuses: {type(why).__name__}"
        raise BadSignature("SIG-VALUE", detail, step=8, location="Signature") from why
    verifications = verified if isinstance(verified, list) else [verified]
    expected = [signed_body]
    if shape.properties is not None:
        expected.append(canonical_octets(shape.properties.element))
    if [r.signed_data for r in verifications] != expected or not signed_body:
        detail = "the reference verifier signed other octets than were judged"
        raise BadSignature("SIG-STRUCTURE", detail, step=5, location="Signature")


def _method_uri(method: str) -> str:
    legacy = {name: uri for uri, name in LEGACY_METHOD.items()}
    return legacy[method] if method in legacy else names.ALGORITHM_URIS[method]


def canonical_body(root: etree._Element) -> bytes:
    """Return the exclusive canonical form of the document without any Signature."""
    return canonical_octets(without_signatures(root))


def without_signatures(root: etree._Element) -> etree._Element:
    """Copy the tree without any xmldsig Signature, keeping the text after each."""
    copy = deepcopy(root)
    for signature in list(copy.iter(_SIGNATURE)):
        parent = signature.getparent()
        if parent is None:
            continue
        if signature.tail:
            sibling = signature.getprevious()
            if sibling is None:
                parent.text = (parent.text or "") + signature.tail
            else:
                sibling.tail = (sibling.tail or "") + signature.tail
        parent.remove(signature)
    return copy


def canonical_octets(element: etree._Element, *, exclusive: bool = True) -> bytes:
    """Return the canonical form of an element as document root, without comments."""
    try:
        return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=False)
    except etree.C14NError as why:  # libxml2 parses some namespaces that it cannot write canonically
        raise MalformedXml("ENV-FORBIDDEN", "the file has no canonical form", step=3) from why


def check_structure(root: etree._Element, policy: XmlPolicy) -> SignatureShape:
    """Check and read the one Signature of a file. Codes: SIG-ABSENT, -PLACEHOLDER, -MANY, -PLACE, -STRUCTURE, -ID,
    -ALGORITHM."""
    signature = _find_signature(root)
    _check_ids(root)
    children = group(signature, ds("Signature"), optional=("Id",))
    tags = [etree.QName(child).localname for child in children]
    parts = ["SignedInfo", "SignatureValue", "KeyInfo", "Object"]
    if tags not in (parts, parts[:3]):
        content = ", ".join(tags) or "nothing"
        raise structure_fault(signature, f"holds {content}; expected {', '.join(parts)}")
    signed_info, value, key = children[:3]
    method, references = _signed_info(signed_info, policy)
    properties = _properties(signature, children[3:], policy)
    properties_digest = _second_reference(references[1], properties, policy) if references[1:] else None
    transforms, digest_method, body_digest = _reference(references[0], policy)
    _body_reference(references[0], transforms, policy)
    if properties is not None:
        _check_format(properties, references[0])
    c14n = group(signed_info, ds("SignedInfo"))[0].get("Algorithm")
    legacy = method in LEGACY_METHOD or digest_method == LEGACY_DIGEST or c14n == LEGACY_C14N
    return SignatureShape(
        element=signature,
        signed_info=signed_info,
        info_exclusive=c14n == names.EXC_C14N,
        method=method,
        body_digest=body_digest,
        body_digest_method=digest_method,
        body_exclusive=names.EXC_C14N in transforms,
        properties_digest=properties_digest,
        properties=properties if references[1:] else None,
        value=octets(leaf(value, ds("SignatureValue")), value, spaced=True),
        certificate_der=_certificate(key),
        weak=legacy or names.EXC_C14N not in transforms or len(references) == 1,
    )


def _find_signature(root: etree._Element) -> etree._Element:
    proper = list(root.iter(_SIGNATURE))
    foreign = [e for e in root.iter("{*}Signature", "{*}DigitalSignature") if e.tag != _SIGNATURE]
    if not proper and foreign:
        detail = f"a {foreign[0].tag} stands in the place of a signature; it signs nothing"
        raise BadSignature("SIG-PLACEHOLDER", detail, step=5)
    if not proper:
        detail = "the envelope has no ds:Signature; expected one in edXMLHeader"
        raise BadSignature("SIG-ABSENT", detail, step=5)
    if any(e.get("Algorithm") == _UNREGISTERED for e in proper[0].iter()):
        detail = f"the Signature uses {_UNREGISTERED}, which no verifier knows"
        raise BadSignature("SIG-PLACEHOLDER", detail, step=5)
    if len(proper) + len(foreign) > 1:
        raise BadSignature(
            "SIG-MANY", f"{len(proper) + len(foreign)} signatures; expected exactly one", step=5
        )
    signature = proper[0]
    above = tuple(e.tag for e in signature.iterancestors())
    last = signature.getnext() is None and not (signature.tail or "").strip(" \t\r\n")
    if above != _HEADER_PATH or not last:
        path = "/".join(etree.QName(tag).localname for tag in reversed(above))
        detail = f"the Signature stands in {path}; expected last in edXMLHeader"
        raise BadSignature("SIG-PLACE", detail, step=5, location=path)
    return signature


def _check_ids(root: etree._Element) -> None:
    """Check that every attribute that any verifier could take for an Id is a name and occurs once in the file (G5)."""
    ids: set[str] = set()
    for element in root.iter(etree.Element):
        for name, raw in element.attrib.items():
            if etree.QName(name).localname.lower() != "id":
                continue
            value = str(raw)
            if value in ids or not _NAME.fullmatch(value):
                why = "stands twice" if value in ids else "is no name"
                raise BadSignature("SIG-ID", f"the Id {value[:80]!r} {why}", step=5, location=element.tag)
            ids.add(value)


def _signed_info(signed_info: etree._Element, policy: XmlPolicy) -> tuple[str, list[etree._Element]]:
    children = group(signed_info, ds("SignedInfo"))
    if len(children) < 2:
        raise structure_fault(signed_info, "holds no CanonicalizationMethod, SignatureMethod and References")
    allowed = {names.EXC_C14N} | ({LEGACY_C14N} if policy.allow_legacy else set())
    _algorithm(children[0], "CanonicalizationMethod", allowed)
    methods = {uri: name for name, uri in names.ALGORITHM_URIS.items() if policy.accepts(name)}
    if policy.allow_legacy:
        methods |= LEGACY_METHOD
    method = _algorithm(children[1], "SignatureMethod", methods)
    references = children[2:]
    if len(references) not in ((1, 2) if policy.allow_single_reference else (2,)):
        raise structure_fault(
            signed_info,
            f"holds {len(references)} references; expected the document and its signed properties",
        )
    return methods[method], references


def _reference(element: etree._Element, policy: XmlPolicy) -> tuple[tuple[str, ...], str, bytes]:
    """Return transforms, digest method and digest of one Reference."""
    children = group(element, ds("Reference"), required=("URI",), optional=("Id", "Type"))
    if len(children) != 3:
        raise structure_fault(element, "must hold Transforms, DigestMethod and DigestValue")
    transforms = tuple(_algorithm(child, "Transform") for child in group(children[0], ds("Transforms")))
    allowed = {names.SHA256_URI} | ({LEGACY_DIGEST} if policy.allow_legacy else set())
    method = _algorithm(children[1], "DigestMethod", allowed)
    digest = octets(leaf(children[2], ds("DigestValue")), children[2])
    if len(digest) != (32 if method == names.SHA256_URI else 20):
        raise structure_fault(children[2], f"is a digest of {len(digest)} bytes")
    return transforms, method, digest


def _body_reference(element: etree._Element, transforms: tuple[str, ...], policy: XmlPolicy) -> None:
    if element.get("URI") != "" or element.get("Type") is not None:
        raise structure_fault(element, 'must be the whole document: URI=""')
    allowed: set[tuple[str, ...]] = {(names.ENVELOPED, names.EXC_C14N)}
    if policy.allow_legacy:
        allowed |= {(names.ENVELOPED,), (names.ENVELOPED, LEGACY_C14N)}
    if transforms not in allowed:
        raise structure_fault(
            element, "must have the transforms enveloped-signature and exclusive canonical form, no others"
        )


def _second_reference(element: etree._Element, properties: Properties | None, policy: XmlPolicy) -> bytes:
    """Return the digest of the reference to SignedProperties, which must name them by their Id: Ids are unique (G5), so
    equal text means the same element."""
    transforms, method, digest = _reference(element, policy)
    if method != names.SHA256_URI:
        raise _off_list(element, method, {names.SHA256_URI})
    if properties is None:
        raise structure_fault(element, "names signed properties, but there is no Object")
    if element.get("Type") != names.SIGNED_PROPERTIES_TYPE or element.get("URI") != f"#{properties.id}":
        raise structure_fault(element, "must name the SignedProperties at their place by their Id")
    if transforms != (names.EXC_C14N,):
        raise structure_fault(element, "must have the one transform exclusive canonical form")
    return digest


def _check_format(properties: Properties, reference: etree._Element) -> None:
    target = properties.format_of
    if target is not None and (reference.get("Id") is None or target != f"#{reference.get('Id')}"):
        raise structure_fault(reference, "is not the object that DataObjectFormat speaks of")


def _properties(
    signature: etree._Element, objects: list[etree._Element], policy: XmlPolicy
) -> Properties | None:
    """Read SignedProperties from the one Object, whose one QualifyingProperties must name this Signature (G4)."""
    if not objects:
        return None
    inside = group(objects[0], ds("Object"))
    if len(inside) != 1:
        raise structure_fault(objects[0], "must hold QualifyingProperties alone")
    children = group(inside[0], xades("QualifyingProperties"), required=("Target",), optional=("Id",))
    if signature.get("Id") is None or inside[0].get("Target") != f"#{signature.get('Id')}":
        raise structure_fault(inside[0], "has a Target that is not this Signature")
    if len(children) != (1 if policy.own_axis else len(children[:2])) or not children:
        raise structure_fault(inside[0], "must hold SignedProperties alone")
    if len(children) == 2 and children[1].tag != xades("UnsignedProperties"):
        raise structure_fault(inside[0], "holds more than one SignedProperties")
    return read_properties(children[0], policy, unsigned=len(children) == 2)


def _certificate(key: etree._Element) -> bytes:
    """Read the certificate of one X509Data; a subject name or issuer and serial beside it are ignored (G3)."""
    x509_data = group(key, ds("KeyInfo"))
    if len(x509_data) != 1:
        raise structure_fault(key, "must hold one X509Data alone")
    children = group(x509_data[0], ds("X509Data"))
    certificates = [child for child in children if child.tag == ds("X509Certificate")]
    if len(certificates) != 1:
        raise structure_fault(
            x509_data[0], f"holds {len(certificates)} certificates; expected one, the signing certificate"
        )
    for child in children:
        if child is not certificates[0]:
            _check_ignored(child)
    return octets(leaf(certificates[0], ds("X509Certificate")), certificates[0], spaced=True)


def _check_ignored(element: etree._Element) -> None:
    if element.tag == ds("X509SubjectName"):
        leaf(element, element.tag)
        return
    children = group(element, ds("X509IssuerSerial"))
    if [etree.QName(child).localname for child in children] != ["X509IssuerName", "X509SerialNumber"]:
        raise structure_fault(element, "must hold X509IssuerName and X509SerialNumber")
    for child, local in zip(children, ("X509IssuerName", "X509SerialNumber"), strict=True):
        leaf(child, ds(local))


def _algorithm(element: etree._Element, local: str, allowed: Iterable[str] | None = None) -> str:
    """Return the Algorithm of an element that must be empty, so that it has no parameter, PrefixList or
    HMACOutputLength. An algorithm that is not allowed is reported as such first."""
    parameters = group(element, ds(local), required=("Algorithm",))
    algorithm = str(element.get("Algorithm"))
    if allowed is not None and algorithm not in allowed:
        raise _off_list(element, algorithm, allowed)
    if parameters:
        raise structure_fault(element, "must be empty: no parameters are taken")
    return algorithm


def _off_list(element: etree._Element, algorithm: str, allowed: Iterable[str]) -> BadSignature:
    local = etree.QName(element).localname
    return BadSignature(
        "SIG-ALGORITHM",
        f"{local} is {algorithm[:120]!r}; allowed are {', '.join(sorted(allowed))}",
        step=5,
        location=local,
    )
