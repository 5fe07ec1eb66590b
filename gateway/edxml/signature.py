"""The one shape of a native Signature (W5, W6): what it says as a value, and that value as bytes. `render` writes it;
`parse` reads it back and takes it only if writing it again gives the very same bytes, so every byte of S is fixed by
what it says (F8). Nothing is verified here: digests, key and time are for `canonical` and `key`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from xml.parsers import expat

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.receipt import Receipt
from gateway.domain.terms import Terms
from gateway.edxml import names, terms
from gateway.edxml.text import escape, instant, parse_instant

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
