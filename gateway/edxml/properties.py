"""Reads SignedProperties and our qualifier from a Signature that another system may have re-wrapped (G4, W5, W6, W6a).
In: the SignedProperties element at its one position. Out: `Properties`, or BadSignature. `general` and `verify` decide
whether they were signed, and whether the qualifier agrees with the packet. The readers of Signature parts are here too:
an element is a group or a leaf, at one position, with exactly its permitted attributes, else SIG-STRUCTURE. Nothing is
searched for, so that a decoy elsewhere cannot be found first (G4)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lxml import etree

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Finding, Receipt, Terms
from gateway.edxml import names, terms
from gateway.edxml.signature import VERDICTS
from gateway.errors import BadSignature

if TYPE_CHECKING:
    from gateway.edxml.policy import XmlPolicy

# G7 (old algorithms): accepted only under a sender's dated permission.
LEGACY_METHOD: Final = {"http://www.w3.org/2000/09/xmldsig#rsa-sha1": "rsa-sha1"}
LEGACY_DIGEST: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
LEGACY_C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"

_SPACE = re.compile(r"[ \t\r\n]+")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_KINDS: Final = {kind.value: kind for kind in Kind}
_RECEIPT: Final = (
    "OfMessageId",
    "OfDocumentId",
    "OfFrom",
    "BodyDigest",
    "FileDigest",
    "Size",
    "Received",
    "StatusCode",
    "Verdict",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureShape:
    """Content of a Signature of right structure. `method` is our name of the algorithm; `info_exclusive` and
    `body_exclusive` tell which canonical form was signed; `properties` is None where only the first reference exists."""

    element: etree._Element
    signed_info: etree._Element
    info_exclusive: bool
    method: str
    body_digest: bytes
    body_digest_method: str
    body_exclusive: bool
    properties_digest: bytes | None
    properties: Properties | None
    value: bytes
    certificate_der: bytes
    weak: bool


def group(
    element: etree._Element, tag: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> list[etree._Element]:
    """Return the children of an element that holds only elements and white space between them; else BadSignature."""
    _check(element, tag, required, optional)
    children = list(element)
    texts = [element.text, *(child.tail for child in children)]
    if any(text and text.strip(" \t\r\n") for text in texts):
        raise structure_fault(element, "holds text where only elements stand")
    if any(not isinstance(child.tag, str) for child in children):
        raise structure_fault(element, "holds a comment or instruction")
    return children


def leaf(
    element: etree._Element, tag: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()
) -> str:
    """Return the text of an element that holds only text and is not empty; else BadSignature."""
    _check(element, tag, required, optional)
    if len(element):
        raise structure_fault(element, "holds elements where only text stands")
    if not element.text:
        raise structure_fault(element, "is empty")
    return element.text


def octets(text: str, element: etree._Element, *, spaced: bool = False) -> bytes:
    """Decode base64 that equals its own encoding; `spaced`: after white space is removed (G3)."""
    bare = _SPACE.sub("", text) if spaced else text
    try:
        raw = b64decode(bare, validate=True)
    except (binascii.Error, ValueError) as why:
        raise structure_fault(element, "is not base64") from why
    if not raw or b64encode(raw).decode("ascii") != bare:
        raise structure_fault(element, "is not base64 as an encoder writes it")
    return raw


def structure_fault(element: etree._Element, problem: str) -> BadSignature:
    """Return SIG-STRUCTURE with the element's name and the problem."""
    local = etree.QName(element).localname if isinstance(element.tag, str) else "comment"
    return BadSignature("SIG-STRUCTURE", f"{local} {problem}", step=5, location=local)


def _check(element: etree._Element, tag: str, required: Sequence[str], optional: Sequence[str]) -> None:
    if element.tag != tag:
        raise structure_fault(element, f"stands where {etree.QName(tag).localname} is expected")
    present = set(element.attrib)
    if not set(required) <= present or not present <= {*required, *optional}:
        attributes = ", ".join(sorted(str(a) for a in present)) or "none"
        raise structure_fault(
            element, f"has the attributes {attributes}; expected {', '.join(required) or 'none'}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadQualifier:
    """Content of `gw:Message`, which describes the packet. `kind` is None for a word that is no kind of ours."""

    packet_id: PacketId
    kind: Kind | None
    receipt: Receipt | None = None
    terms: Terms | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Properties:
    """Content of SignedProperties. `format_of` is the reference that DataObjectFormat names."""

    element: etree._Element
    id: str
    signing_time: datetime
    certificate_digest: bytes
    format_of: str | None = None
    qualifier: ReadQualifier | None = None
    findings: tuple[Finding, ...] = ()


def read_properties(element: etree._Element, policy: XmlPolicy, *, unsigned: bool) -> Properties:
    """Read SignedProperties. `unsigned`: UnsignedProperties follow them, which a foreign axis may write."""
    children = group(element, xades("SignedProperties"), required=("Id",))
    if not children or len(children) > 2:
        raise structure_fault(element, "must hold SignedSignatureProperties and SignedDataObjectProperties")
    about_signature = group(children[0], xades("SignedSignatureProperties"))
    if len(about_signature) != 2:
        raise structure_fault(children[0], "must hold SigningTime and SigningCertificateV2 alone")
    findings = (
        [Finding(code="UNSIGNED-PROPERTIES", place="UnsignedProperties", detail="ignored")]
        if unsigned
        else []
    )
    format_of, qualifier = _about_objects(children[1]) if len(children) == 2 else (None, None)
    return Properties(
        element=element,
        id=str(element.get("Id")),
        signing_time=_moment(leaf(about_signature[0], xades("SigningTime")), about_signature[0]),
        certificate_digest=_certificate_digest(about_signature[1]),
        format_of=format_of,
        qualifier=qualifier,
        findings=tuple(findings),
    )


def _certificate_digest(element: etree._Element) -> bytes:
    certificates = group(element, xades("SigningCertificateV2"))
    if len(certificates) != 1:
        raise structure_fault(element, "must name the one signing certificate")
    children = group(certificates[0], xades("Cert"))
    if not children or len(children) > 2:
        raise structure_fault(certificates[0], "must hold CertDigest")
    if len(children) == 2:
        leaf(children[1], xades("IssuerSerialV2"))
    digest = group(children[0], xades("CertDigest"))
    if len(digest) != 2:
        raise structure_fault(children[0], "must hold DigestMethod and DigestValue")
    return _sha256(digest[1], leaf(digest[1], ds("DigestValue")), _method(digest[0]))


def _method(element: etree._Element) -> str:
    if group(element, ds("DigestMethod"), required=("Algorithm",)):
        raise structure_fault(element, "must be empty: no parameters are taken")
    return str(element.get("Algorithm"))


def _about_objects(element: etree._Element) -> tuple[str | None, ReadQualifier | None]:
    format_of: str | None = None
    children = group(element, xades("SignedDataObjectProperties"))
    if children and children[0].tag == xades("DataObjectFormat"):
        first = children.pop(0)
        inside = group(first, xades("DataObjectFormat"), required=("ObjectReference",))
        locals_ = [etree.QName(child).localname for child in inside]
        if locals_ not in (["MimeType"], ["Description", "MimeType"]):
            raise structure_fault(first, "must hold MimeType")
        for child in inside:
            leaf(child, xades(etree.QName(child).localname))
        format_of = first.get("ObjectReference")
    if len(children) > 1:
        raise structure_fault(
            element, "holds more than one DataObjectFormat and one CommitmentTypeIndication"
        )
    return format_of, _commitment(children[0]) if children else None


def _commitment(element: etree._Element) -> ReadQualifier | None:
    """Read the commitment (W6). One without qualifiers has no `gw:Message`, which step 11 reports."""
    children = group(element, xades("CommitmentTypeIndication"))
    if len(children) not in (2, 3):
        raise structure_fault(
            element, "must hold CommitmentTypeId, AllSignedDataObjects and CommitmentTypeQualifiers"
        )
    identifiers = group(children[0], xades("CommitmentTypeId"))
    if len(identifiers) != 1:
        raise structure_fault(children[0], "must hold one Identifier")
    identifier = leaf(identifiers[0], xades("Identifier"))
    if identifier not in (names.PROOF_OF_ORIGIN, names.PROOF_OF_RECEIPT):
        raise structure_fault(identifiers[0], "is neither proof of origin nor proof of receipt")
    if group(children[1], xades("AllSignedDataObjects")):
        raise structure_fault(children[1], "must be empty")
    if len(children) == 2:
        return None
    qualifiers = group(children[2], xades("CommitmentTypeQualifiers"))
    if len(qualifiers) > 1:
        raise structure_fault(children[2], "must hold one CommitmentTypeQualifier")
    messages = group(qualifiers[0], xades("CommitmentTypeQualifier")) if qualifiers else []
    if len(messages) > 1:
        raise structure_fault(qualifiers[0], "must hold one gw:Message")
    return _message(messages[0], receipt=identifier == names.PROOF_OF_RECEIPT) if messages else None


def _message(element: etree._Element, *, receipt: bool) -> ReadQualifier:
    children = group(element, gw("Message"), required=("version",))
    if element.get("version") != "1":
        raise structure_fault(element, f"has version {str(element.get('version'))[:20]!r}; only 1 is known")
    tail = children[2:]
    terms_element = tail.pop(0) if tail and tail[0].tag == gw("Terms") else None
    if len(children) < 2 or len(tail) != (1 if receipt else 0):
        raise structure_fault(
            element, "must hold Id and Kind, then Terms if any, and Receipt exactly in a proof of receipt"
        )
    packet_id = PacketId(leaf(children[0], gw("Id")))
    kind = _KINDS.get(leaf(children[1], gw("Kind")))
    signed_receipt = _receipt(tail[0]) if receipt else None
    if signed_receipt is not None and signed_receipt.status_code == "13":
        raise structure_fault(tail[0], "does not stand in a 13")
    # Step 11 reports a kind that is unknown or not the envelope's.
    signed_terms = None if terms_element is None else _terms(terms_element, kind, receipt=receipt)
    return ReadQualifier(packet_id=packet_id, kind=kind, receipt=signed_receipt, terms=signed_terms)


def _terms(element: etree._Element, kind: Kind | None, *, receipt: bool) -> Terms:
    """Read gw:Terms (W6a) as strictly as in native form: a system that re-wraps a Signature must not change them."""
    try:
        signed_terms = terms.read([_term(child) for child in group(element, gw("Terms"))])
    except ValueError as why:
        raise structure_fault(element, f"is not as W6a has it: {why}") from why
    if reason := terms.fault(signed_terms, kind, receipt=receipt):
        raise structure_fault(element, reason)
    return signed_terms


def _term(element: etree._Element) -> terms.Child:
    qualified = etree.QName(element)
    if qualified.namespace != names.GW or qualified.localname != terms.RECIPIENT:
        return terms.Child(name=qualified.localname, text=leaf(element, gw(qualified.localname)))
    if group(element, gw(terms.RECIPIENT), required=("Code", "Role")) or element.text:
        raise structure_fault(element, "must be empty")
    return terms.Child(name=terms.RECIPIENT, code=str(element.get("Code")), role=str(element.get("Role")))


def _receipt(element: etree._Element) -> Receipt:
    """Read gw:Receipt: each child at most once and in order; StatusCode and Verdict must be present."""
    by_name: dict[str, etree._Element] = {}
    place = -1
    for child in group(element, gw("Receipt")):
        local = etree.QName(child).localname
        if local not in _RECEIPT or _RECEIPT.index(local) <= place:
            raise structure_fault(child, "is not known here, stands twice, or in another order")
        place = _RECEIPT.index(local)
        by_name[local] = child
    if "StatusCode" not in by_name or "Verdict" not in by_name:
        raise structure_fault(element, "must say StatusCode and Verdict")
    texts = {
        local: leaf(child, gw(local), required=("Algorithm",) if local.endswith("Digest") else ())
        for local, child in by_name.items()
    }
    if texts["Verdict"] not in VERDICTS:
        raise structure_fault(by_name["Verdict"], f"is none of {', '.join(sorted(VERDICTS))}")
    size = texts.get("Size")
    if size is not None and not re.fullmatch(r"[0-9]{1,18}", size):
        raise structure_fault(by_name["Size"], "is not a decimal number")
    return Receipt(
        of_packet_id=PacketId(texts["OfMessageId"]) if "OfMessageId" in texts else None,
        of_document_id=DocumentId(texts["OfDocumentId"]) if "OfDocumentId" in texts else None,
        of_sender=texts.get("OfFrom"),
        body_digest=_digest(by_name["BodyDigest"], texts["BodyDigest"]) if "BodyDigest" in texts else None,
        file_digest=_digest(by_name["FileDigest"], texts["FileDigest"]) if "FileDigest" in texts else None,
        size=None if size is None else int(size),
        received_at=_moment(texts["Received"], by_name["Received"]) if "Received" in texts else None,
        status_code=texts["StatusCode"],
        verdict=texts["Verdict"],
    )


def _digest(element: etree._Element, text: str) -> Digest:
    return Digest.of_bytes(_sha256(element, text, str(element.get("Algorithm"))))


def _sha256(element: etree._Element, text: str, method: str) -> bytes:
    raw = octets(text, element)
    if method != names.SHA256_URI or len(raw) != 32:
        raise structure_fault(element, "is not a SHA-256 digest")
    return raw


def _moment(text: str, element: etree._Element) -> datetime:
    """Read an ISO time with a zone. Fractions beyond a microsecond are cut."""
    if not _MOMENT.fullmatch(text):
        raise structure_fault(element, "is not a time with a zone, like 2026-03-02T08:00:00Z")
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).astimezone(UTC)
    except (ValueError, OverflowError) as why:
        raise structure_fault(element, "is no moment of the calendar") from why


def xades(local: str) -> str:
    return f"{{{names.XADES}}}{local}"


def ds(local: str) -> str:
    return f"{{{names.DS}}}{local}"


def gw(local: str) -> str:
    return f"{{{names.GW}}}{local}"
