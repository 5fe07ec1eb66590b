"""The Signature. Its one native shape (W5, W6): what it says as a value, and that value as bytes. `render` writes it;
`parse` reads it back and takes it only if writing it again gives the very same bytes, so every byte of S is fixed by
what it says (F8). Nothing is verified here: digests, key and time are for `canonical` and `key`.

`sign_body` makes it: the digest of the body, a qualifier and a signer go in; the bytes of S come out, in a length
that was known before (W5-W8). It signs what it is told: who may sign, and with which key at which time (W9), is
decided by the caller, and the fast path verifies the result before it leaves (W10).

`SignatureWatcher` notes for a person what any Signature element looks like while it passes, whatever its namespace.
The verdict is `verify`'s alone, and nothing of it reaches the envelope's model (verification.md 11)."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Receipt, Terms
from gateway.edxml import names, terms
from gateway.edxml.names import escape, instant, parse_instant
from gateway.errors import BreaksRule, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.ports import EnvelopeSigner

VERDICTS: Final = frozenset({"valid", "axis"})
_ALGORITHM_NAMES: Final = {uri: name for name, uri in names.ALGORITHM_URIS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureParts:
    """All that a native Signature says; everything else in it is fixed."""

    algorithm: str
    body_digest: Digest
    properties_digest: Digest
    value: bytes
    certificate_der: bytes
    certificate_digest: Digest
    signing_time: datetime
    packet_id: PacketId
    kind: Kind
    receipt: Receipt | None = None
    terms: Terms | None = None

    @property
    def signed_properties(self) -> bytes:
        """What reference 2 hashes: the canonical form of SignedProperties as apex (W7)."""
        return _signed_properties(self, apex=True)

    @property
    def signed_info(self) -> bytes:
        """What the key signs: the canonical form of SignedInfo as apex (W7)."""
        return _signed_info(self, apex=True)


def render(parts: SignatureParts) -> bytes:
    """S as it stands in a native file."""
    return b"".join(
        (
            _open("ds:Signature", ("xmlns:ds", names.DS), ("Id", "sig")),
            _signed_info(parts, apex=False),
            _leaf("ds:SignatureValue", _base64(parts.value)),
            b"<ds:KeyInfo><ds:X509Data>",
            _leaf("ds:X509Certificate", _base64(parts.certificate_der)),
            b"</ds:X509Data></ds:KeyInfo><ds:Object>",
            _open("xades:QualifyingProperties", ("xmlns:xades", names.XADES), ("Target", "#sig")),
            _signed_properties(parts, apex=False),
            b"</xades:QualifyingProperties></ds:Object></ds:Signature>",
        )
    )


def parse(raw: bytes) -> SignatureParts | None:
    """What S says, or None when it is not W5, W6 and W6a byte for byte."""
    try:
        parts = _parts(_leaves(raw))
    except (expat.ExpatError, ValueError, LookupError):
        return None
    return parts if render(parts) == raw else None


def _signed_info(parts: SignatureParts, *, apex: bool) -> bytes:
    declared = (("xmlns:ds", names.DS),) if apex else ()
    return b"".join(
        (
            _open("ds:SignedInfo", *declared),
            _algorithm("ds:CanonicalizationMethod", names.EXC_C14N),
            _algorithm("ds:SignatureMethod", names.ALGORITHM_URIS[parts.algorithm]),
            _open("ds:Reference", ("Id", "doc"), ("URI", "")),
            _reference((names.ENVELOPED, names.EXC_C14N), parts.body_digest),
            _open("ds:Reference", ("Type", names.SIGNED_PROPERTIES_TYPE), ("URI", "#sp")),
            _reference((names.EXC_C14N,), parts.properties_digest),
            b"</ds:SignedInfo>",
        )
    )


def _reference(transforms: tuple[str, ...], digest: Digest) -> bytes:
    """The inside and the end tag of one Reference."""
    return b"".join(
        (
            b"<ds:Transforms>",
            *(_algorithm("ds:Transform", uri) for uri in transforms),
            b"</ds:Transforms>",
            _algorithm("ds:DigestMethod", names.SHA256_URI),
            _leaf("ds:DigestValue", _base64(digest.raw)),
            b"</ds:Reference>",
        )
    )


def _signed_properties(parts: SignatureParts, *, apex: bool) -> bytes:
    """As apex, `xades` is declared on top and `ds` again on each of the two elements that use it (W7)."""
    xades = (("xmlns:xades", names.XADES),) if apex else ()
    ds = (("xmlns:ds", names.DS),) if apex else ()
    return b"".join(
        (
            _open("xades:SignedProperties", *xades, ("Id", "sp")),
            b"<xades:SignedSignatureProperties>",
            _leaf("xades:SigningTime", instant(parts.signing_time)),
            b"<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>",
            _algorithm("ds:DigestMethod", names.SHA256_URI, *ds),
            _leaf("ds:DigestValue", _base64(parts.certificate_digest.raw), *ds),
            b"</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>",
            b"</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>",
            _open("xades:DataObjectFormat", ("ObjectReference", "#doc")),
            _leaf("xades:MimeType", "application/xml"),
            b"</xades:DataObjectFormat>",
            _commitment(parts),
            b"</xades:SignedDataObjectProperties></xades:SignedProperties>",
        )
    )


def _commitment(parts: SignatureParts) -> bytes:
    """W6: a receipt says ProofOfReceipt and carries `gw:Receipt`; everything else says ProofOfOrigin."""
    identifier = names.PROOF_OF_ORIGIN if parts.receipt is None else names.PROOF_OF_RECEIPT
    return b"".join(
        (
            b"<xades:CommitmentTypeIndication><xades:CommitmentTypeId>",
            _leaf("xades:Identifier", identifier),
            b"</xades:CommitmentTypeId><xades:AllSignedDataObjects></xades:AllSignedDataObjects>",
            b"<xades:CommitmentTypeQualifiers><xades:CommitmentTypeQualifier>",
            _open("gw:Message", ("xmlns:gw", names.GW), ("version", "1")),
            _leaf("gw:Id", parts.packet_id),
            _leaf("gw:Kind", parts.kind.value),
            b"" if parts.terms is None else terms.render(parts.terms),
            b"" if parts.receipt is None else _receipt(parts.receipt),
            b"</gw:Message></xades:CommitmentTypeQualifier></xades:CommitmentTypeQualifiers>",
            b"</xades:CommitmentTypeIndication>",
        )
    )


def _receipt(receipt: Receipt) -> bytes:
    """R2: in this order, absent where nothing is to be said."""
    sha256 = ("Algorithm", names.SHA256_URI)
    size = None if receipt.size is None else str(receipt.size)
    received = None if receipt.received_at is None else instant(receipt.received_at)
    children = (
        _optional("gw:OfMessageId", receipt.of_packet_id),
        _optional("gw:OfDocumentId", receipt.of_document_id),
        _optional("gw:OfFrom", receipt.of_sender),
        _optional("gw:BodyDigest", _digest_text(receipt.body_digest), sha256),
        _optional("gw:FileDigest", _digest_text(receipt.file_digest), sha256),
        _optional("gw:Size", size),
        _optional("gw:Received", received),
        _leaf("gw:StatusCode", receipt.status_code),
        _leaf("gw:Verdict", receipt.verdict),
    )
    return b"<gw:Receipt>" + b"".join(children) + b"</gw:Receipt>"


@cache
def _open(name: str, *attributes: tuple[str, str]) -> bytes:
    """A start tag; every attribute value of S is a constant that needs no escaping, so there are few to keep."""
    written = "".join(f' {key}="{value}"' for key, value in attributes)
    return f"<{name}{written}>".encode()


def _leaf(name: str, text: str, *attributes: tuple[str, str]) -> bytes:
    return _open(name, *attributes) + escape(text) + _close(name)


@cache
def _close(name: str) -> bytes:
    return f"</{name}>".encode()


def _optional(name: str, text: str | None, *attributes: tuple[str, str]) -> bytes:
    return b"" if text is None else _leaf(name, text, *attributes)


@cache
def _algorithm(name: str, uri: str, *declared: tuple[str, str]) -> bytes:
    return _leaf(name, "", *declared, ("Algorithm", uri))


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii")


def _digest_text(digest: Digest | None) -> str | None:
    return None if digest is None else _base64(digest.raw)


class _Leaves:
    """The texts of S by local name, and where it stands the signature method. Order and nesting need no check here:
    writing the parts again and comparing settles both."""

    def __init__(self) -> None:
        self.method = ""
        self.texts: dict[str, list[str]] = defaultdict(list)
        self.terms: list[terms.Child] = []
        self._text: list[str] = []
        self._attributes: dict[str, str] = {}

    def start(self, name: str, attributes: list[str]) -> None:
        self._text = []
        self._attributes = dict(zip(attributes[::2], attributes[1::2], strict=True)) if attributes else {}
        if name == "ds:SignatureMethod":
            self.method = self._attributes["Algorithm"]

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, name: str) -> None:
        text = "".join(self._text)
        self.texts[name].append(text)
        if (local := name.removeprefix("gw:")) in terms.NAMES:
            code, role = (self._attributes.get(key, "") for key in ("Code", "Role"))
            self.terms.append(terms.Child(name=local, text=text, code=code, role=role))
        self._text = []

    def one(self, name: str) -> str:
        """The text of an element that must be there and say something."""
        text = self.texts[name][0]
        if not text:
            raise ValueError(f"{name} is empty")
        return text

    def optional(self, name: str) -> str | None:
        return self.one(name) if name in self.texts else None

    def digest(self, name: str, n: int = 0) -> Digest:
        return Digest.of_bytes(b64decode(self.texts[name][n], validate=True))


def _leaves(raw: bytes) -> _Leaves:
    leaves = _Leaves()
    parser = expat.ParserCreate("UTF-8")
    parser.ordered_attributes = True
    parser.StartElementHandler = leaves.start
    parser.EndElementHandler = leaves.end
    parser.CharacterDataHandler = leaves.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.Parse(raw, True)
    return leaves


def _refuse_doctype(*_: object) -> None:
    raise ValueError("a Signature has no document type")


def _parts(leaves: _Leaves) -> SignatureParts:
    return SignatureParts(
        algorithm=_ALGORITHM_NAMES[leaves.method],
        body_digest=leaves.digest("ds:DigestValue", 0),
        properties_digest=leaves.digest("ds:DigestValue", 1),
        value=b64decode(leaves.one("ds:SignatureValue"), validate=True),
        certificate_der=b64decode(leaves.one("ds:X509Certificate"), validate=True),
        certificate_digest=leaves.digest("ds:DigestValue", 2),
        signing_time=parse_instant(leaves.one("xades:SigningTime")),
        packet_id=PacketId(leaves.one("gw:Id")),
        kind=(kind := Kind(leaves.one("gw:Kind"))),
        receipt=(receipt := _read_receipt(leaves, kind) if "gw:Receipt" in leaves.texts else None),
        terms=_read_terms(leaves, kind, receipt) if "gw:Terms" in leaves.texts else None,
    )


def _read_terms(leaves: _Leaves, kind: Kind, receipt: Receipt | None) -> Terms:
    found = terms.read(leaves.terms)
    if reason := terms.fault(found, kind, receipt=receipt is not None):
        raise ValueError(f"gw:Terms {reason}")
    return found


def _read_receipt(leaves: _Leaves, kind: Kind) -> Receipt:
    """A receipt stands only in a status, and never in a 13 (W6)."""
    status_code, verdict = leaves.one("gw:StatusCode"), leaves.one("gw:Verdict")
    if kind is not Kind.STATUS or status_code == "13" or verdict not in VERDICTS:
        raise ValueError("no receipt may stand here, or its verdict is unknown")
    packet_id, document_id = leaves.optional("gw:OfMessageId"), leaves.optional("gw:OfDocumentId")
    size, received = leaves.optional("gw:Size"), leaves.optional("gw:Received")
    if size is not None and not (size.isascii() and size.isdecimal()):
        raise ValueError("gw:Size is not a decimal number")
    return Receipt(
        of_packet_id=None if packet_id is None else PacketId(packet_id),
        of_document_id=None if document_id is None else DocumentId(document_id),
        of_sender=leaves.optional("gw:OfFrom"),
        body_digest=leaves.digest("gw:BodyDigest") if "gw:BodyDigest" in leaves.texts else None,
        file_digest=leaves.digest("gw:FileDigest") if "gw:FileDigest" in leaves.texts else None,
        size=None if size is None else int(size),
        received_at=None if received is None else parse_instant(received),
        status_code=status_code,
        verdict=verdict,
    )


_NO_DIGEST: Final = Digest("0" * 64)
_MAX_TEXT: Final = 1020


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualifier:
    """What the signature says about the packet (W6): its id, its kind, what the dialect has no field for
    (W6a) and, in an answer, the receipt."""

    packet_id: PacketId
    kind: Kind
    receipt: Receipt | None = None
    terms: Terms | None = None


def sign_body(
    body_digest: Digest, signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime
) -> bytes:
    """S over a body whose digest is known."""
    parts = replace(_unsigned(signer, qualifier, signing_time), body_digest=body_digest)
    properties = hashlib.sha256(parts.signed_properties).digest()
    parts = replace(parts, properties_digest=Digest.of_bytes(properties))
    value = signer.sign(parts.signed_info)
    if len(value) != signer.signature_length:
        raise Misconfigured(
            f"the key of {signer.agency_code} gave a signature of {len(value)} bytes where "
            f"{signer.signature_length} were announced; check which algorithm its adapter is set to"
        )
    return render(replace(parts, value=value))


def signature_size(signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime) -> int:
    """The length of S in bytes, before there is a digest to sign: the gap that the writer leaves."""
    return len(render(_unsigned(signer, qualifier, signing_time)))


def _unsigned(signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime) -> SignatureParts:
    if signer.algorithm not in names.ALGORITHM_URIS:
        raise Misconfigured(
            f"the key of {signer.agency_code} signs with {signer.algorithm!r}; "
            f"expected one of {', '.join(names.ALGORITHM_URIS)}"
        )
    if signing_time.tzinfo is None:
        raise BreaksRule("the signing time has no zone; give an aware time")
    check_qualifier(qualifier)
    certificate = signer.certificate_der
    return SignatureParts(
        algorithm=signer.algorithm,
        body_digest=_NO_DIGEST,
        properties_digest=_NO_DIGEST,
        value=bytes(signer.signature_length),
        certificate_der=certificate,
        certificate_digest=Digest.of_bytes(hashlib.sha256(certificate).digest()),
        signing_time=signing_time,
        packet_id=qualifier.packet_id,
        kind=qualifier.kind,
        receipt=qualifier.receipt,
        terms=qualifier.terms,
    )


def check_qualifier(qualifier: Qualifier) -> None:
    """BreaksRule for what W6 does not allow it to say."""
    receipt = qualifier.receipt
    said: dict[str, str] = {"gw:Id": qualifier.packet_id}
    if receipt is not None:
        if qualifier.kind is not Kind.STATUS or receipt.status_code == "13":
            raise BreaksRule("a receipt stands only in a status, and not in a 13 (W6)")
        if receipt.verdict not in VERDICTS:
            raise BreaksRule(f"gw:Verdict must be one of {sorted(VERDICTS)}, not {receipt.verdict!r}")
        if receipt.size is not None and receipt.size < 0:
            raise BreaksRule(f"gw:Size cannot be {receipt.size}")
        if receipt.received_at is not None and receipt.received_at.tzinfo is None:
            raise BreaksRule("gw:Received has no zone; give an aware time")
        said |= {
            "gw:StatusCode": receipt.status_code,
            "gw:OfMessageId": receipt.of_packet_id or "-",
            "gw:OfDocumentId": receipt.of_document_id or "-",
            "gw:OfFrom": receipt.of_sender or "-",
        }
    if qualifier.terms is not None and (
        reason := terms.fault(qualifier.terms, qualifier.kind, receipt=receipt is not None)
    ):
        raise BreaksRule(f"gw:Terms {reason}")
    for where, value in said.items():
        if reason := names.text_fault(value, _MAX_TEXT):
            raise BreaksRule(f"{where} {reason}")


_KEPT_TEXTS = frozenset({"SignatureValue", "X509Certificate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignature:
    """The shape of one signature, as written. `element` tells the .NET flavour's empty `DigitalSignature`."""

    namespace: str
    element: str
    method: str | None = None
    digest_methods: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    value: str | None = None
    certificate: str | None = None

    @property
    def in_xmldsig(self) -> bool:
        """Whether a standard verifier would find it at all; the vendor's stands in the envelope's namespace."""
        return self.namespace == names.DS and self.element == "Signature"


class SignatureWatcher:
    """Follows one Signature from its start tag on; `open` is False once its end tag has passed."""

    def __init__(self, namespace: str, element: str) -> None:
        self._namespace, self._element = namespace, element
        self._path: list[str] = [element]
        self._algorithms: dict[str, list[str]] = {}
        self._texts: dict[str, list[str]] = {}
        self.size = 0

    @property
    def open(self) -> bool:
        return bool(self._path)

    def start(self, local: str, attributes: Sequence[tuple[str, str, str]]) -> None:
        self._path.append(local)
        if local in _KEPT_TEXTS:
            self._texts.setdefault(local, []).append("")
        self.size += len(local) + sum(len(name) + len(value) for _, name, value in attributes)
        for _, name, value in attributes:
            if name == "Algorithm":
                self._algorithms.setdefault(local, []).append(value)

    def data(self, text: str) -> None:
        self.size += len(text)
        if self._path[-1] in _KEPT_TEXTS:
            self._texts[self._path[-1]][-1] += text

    def end(self) -> None:
        self._path.pop()

    def found(self) -> FoundSignature:
        methods = self._algorithms.get("SignatureMethod", [])
        return FoundSignature(
            namespace=self._namespace,
            element=self._element,
            method=methods[0] if methods else None,
            digest_methods=tuple(self._algorithms.get("DigestMethod", ())),
            transforms=tuple(self._algorithms.get("Transform", ())),
            value=self._first_text("SignatureValue"),
            certificate=self._first_text("X509Certificate"),
        )

    def _first_text(self, local: str) -> str | None:
        texts = self._texts.get(local)
        return (texts[0].strip() or None) if texts else None
