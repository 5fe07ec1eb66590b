"""Writes and reads the Signature in its one native shape (W5, W6). `render` writes it from its content; `parse` reads it
by a pattern made from the very text that is written, so the content fixes every byte of it (F8). Nothing is verified
here: digests, key and time are checked by `canonical` and `key`.

`sign_body` makes one from a body digest, a qualifier and a signer, in a length known beforehand (W5-W8). The caller
chooses signer, key and time (W9), and the fast path verifies the result before it leaves (W10).

`SignatureWatcher` records the shape of any Signature element it meets, in any namespace, for a person. Only `verify`
judges, and nothing recorded reaches the envelope's model."""

from __future__ import annotations

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, DocumentId, PacketId, known_digest
from gateway.domain.proof import Receipt, Terms
from gateway.edxml import names, terms
from gateway.edxml.names import escape, instant, parse_instant, unescape
from gateway.errors import BreaksRule, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.ports.services import EnvelopeSigner

VERDICTS: Final = frozenset({"valid", "axis"})
_ALGORITHMS: Final = {uri.encode(): name for name, uri in names.ALGORITHM_URIS.items()}
_METHODS: Final = {name: uri for uri, name in _ALGORITHMS.items()}
_KINDS: Final = {kind.value.encode(): kind for kind in Kind}
_MARKUP = re.compile("[&<>\r]")
_ORIGIN, _RECEIVED = names.PROOF_OF_ORIGIN.encode(), names.PROOF_OF_RECEIPT.encode()
# Short texts are cached, because the same few certificates sign many packets, mostly with the same terms.
_CACHE_SIZE: Final = 256
_LONGEST_CACHED: Final = 8192
_DS: Final = f' xmlns:ds="{names.DS}"'
_XADES: Final = f' xmlns:xades="{names.XADES}"'
_AS_DIGEST: Final = rb"([A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=)"
_AS_OCTETS: Final = rb"([A-Za-z0-9+/]++={0,2}+)"
_AS_TIME: Final = rb"([0-9T:Z-]{20})"
_SHA256: Final = f' Algorithm="{names.SHA256_URI}"'
_RECEIPT_CHILDREN: Final = tuple(
    (f"<gw:{name}{attribute}>%s</gw:{name}>".encode(), form)
    for name, attribute, form in (
        ("OfMessageId", "", names.TEXT),
        ("OfDocumentId", "", names.TEXT),
        ("OfFrom", "", names.TEXT),
        ("BodyDigest", _SHA256, _AS_DIGEST),
        ("FileDigest", _SHA256, _AS_DIGEST),
        ("Size", "", rb"(0|[1-9][0-9]*+)"),
        ("Received", "", _AS_TIME),
        ("StatusCode", "", names.TEXT),
        ("Verdict", "", names.TEXT),
    )
)
"""Children of gw:Receipt in order: the written text of each, and the pattern of its value."""
_MAX_TEXT: Final = 1020
_KEPT_TEXTS = frozenset({"SignatureValue", "X509Certificate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureParts:
    """Variable content of a native Signature; everything else in it is fixed text."""

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
        """Octets that reference 2 hashes: the canonical form of SignedProperties as document root (W7)."""
        return _PROPERTIES_AS_APEX % _properties(self)

    @property
    def signed_info(self) -> bytes:
        """Octets that the key signs: the canonical form of SignedInfo as document root (W7)."""
        return _info_as_apex(self.algorithm, self.body_digest, self.properties_digest)


def render(parts: SignatureParts) -> bytes:
    """Return the Signature of a native file as bytes."""
    bare = _base64(parts.value), _base64(parts.certificate_der)
    signed_info = _info(parts.algorithm, parts.body_digest, parts.properties_digest)
    return _TEMPLATE % (*signed_info, *bare, *_properties(parts))


def parse(raw: bytes) -> SignatureParts | None:
    """Return the content of a Signature, or None when it is not in native shape (W5, W6, W6a) byte for byte."""
    match = _SHAPE.fullmatch(raw)
    try:
        return _parts(match) if match is not None and names.are_characters(raw) else None
    except ValueError:
        return None


def _info(algorithm: str, body: Digest, properties: Digest) -> tuple[bytes, ...]:
    return (
        _METHODS[algorithm],
        b2a_base64(bytes.fromhex(body), newline=False),
        b2a_base64(bytes.fromhex(properties), newline=False),
    )


@lru_cache(maxsize=16)
def _info_as_apex(algorithm: str, body: Digest, properties: Digest) -> bytes:
    """Return SignedInfo as document root. Cached, because an envelope needs it to compare with libxml2's form and to
    verify."""
    return _INFO_AS_APEX % _info(algorithm, body, properties)


def _properties(parts: SignatureParts) -> tuple[bytes, ...]:
    return (
        instant(parts.signing_time).encode(),
        _digest_text(parts.certificate_digest),
        *_message(parts.packet_id, parts.kind, parts.terms, parts.receipt),
    )


class WrittenQualifier(NamedTuple):
    """Parts of the Signature that describe the packet, as bytes (W6)."""

    proof: bytes
    packet_id: bytes
    kind: bytes
    terms: bytes
    receipt: bytes


def _message(
    packet_id: PacketId, kind: Kind, packet_terms: Terms | None, receipt: Receipt | None
) -> WrittenQualifier:
    """Write the qualifier (W6): a receipt needs ProofOfReceipt and carries `gw:Receipt`; all else has ProofOfOrigin."""
    return WrittenQualifier(
        _ORIGIN if receipt is None else _RECEIVED,
        escape(packet_id),
        kind.encode(),
        b"" if packet_terms is None else terms.render(packet_terms),
        b"" if receipt is None else _receipt(receipt),
    )


def _receipt(receipt: Receipt) -> bytes:
    """Write gw:Receipt, without absent elements."""
    texts = (
        receipt.of_packet_id,
        receipt.of_document_id,
        receipt.of_sender,
        None if receipt.body_digest is None else _digest_text(receipt.body_digest).decode(),
        None if receipt.file_digest is None else _digest_text(receipt.file_digest).decode(),
        None if receipt.size is None else str(receipt.size),
        None if receipt.received_at is None else instant(receipt.received_at),
        receipt.status_code,
        receipt.verdict,
    )
    children = [
        child % (escape(text) if _MARKUP.search(text) else text.encode())
        for (child, _), text in zip(_RECEIPT_CHILDREN, texts, strict=True)
        if text is not None
    ]
    return b"<gw:Receipt>" + b"".join(children) + b"</gw:Receipt>"


def _parts(match: re.Match[bytes]) -> SignatureParts:
    method, body, properties, value, certificate, time, digest, proof, packet_id, code, raw_terms, *texts = (
        match.groups()
    )
    kind = _KINDS[code]
    receipt = _read_receipt(kind, *texts[1:]) if texts[0] is not None else None
    if proof != (_ORIGIN if receipt is None else _RECEIVED):
        raise ValueError("a proof of receipt has a receipt, and nothing else has one")
    is_short = len(certificate) + len(raw_terms or b"") <= _LONGEST_CACHED
    return SignatureParts(
        algorithm=_ALGORITHMS[method],
        body_digest=known_digest(a2b_base64(body).hex()),
        properties_digest=known_digest(a2b_base64(properties).hex()),
        value=_octets(value),
        certificate_der=(_known_octets if is_short else _octets)(certificate),
        certificate_digest=_known_digest(digest),
        signing_time=_known_instant(time),
        packet_id=PacketId(unescape(packet_id) if b"&" in packet_id else packet_id.decode()),
        kind=kind,
        receipt=receipt,
        terms=None
        if raw_terms is None
        else (_known_terms if is_short else _read_terms)(raw_terms, kind, bool(receipt)),
    )


def _read_terms(raw: bytes, kind: Kind, has_receipt: bool) -> Terms:
    packet_terms = terms.parse(raw)
    if reason := terms.fault(packet_terms, kind, receipt=has_receipt):
        raise ValueError(f"gw:Terms {reason}")
    return packet_terms


def _read_receipt(kind: Kind, *texts: bytes | None) -> Receipt:
    """Read a receipt; ValueError unless it is in a status other than 13 (W6)."""
    packet_id, document_id, sender, body, file, size, received, status_code, verdict = [
        None if t is None else unescape(t) if b"&" in t else t.decode() for t in texts
    ]
    if kind is not Kind.STATUS or status_code is None or status_code == "13" or verdict not in VERDICTS:
        raise ValueError("no receipt may stand here, or its verdict is unknown")
    return Receipt(
        of_packet_id=None if packet_id is None else PacketId(packet_id),
        of_document_id=None if document_id is None else DocumentId(document_id),
        of_sender=sender,
        body_digest=None if body is None else known_digest(a2b_base64(body).hex()),
        file_digest=None if file is None else known_digest(a2b_base64(file).hex()),
        size=None if size is None else int(size),
        received_at=None if received is None else parse_instant(received),
        status_code=status_code,
        verdict=verdict,
    )


def _digest_text(digest: Digest) -> bytes:
    return b2a_base64(bytes.fromhex(digest), newline=False)


def _base64(raw: bytes) -> bytes:
    return b2a_base64(raw, newline=False)


def _octets(text: bytes | str) -> bytes:
    """Decode base64 that equals its own encoding."""
    raw = a2b_base64(text, strict_mode=True)
    if b2a_base64(raw, newline=False) != text:
        raise ValueError("not base64 as an encoder writes it")
    return raw


_known_octets = lru_cache(maxsize=_CACHE_SIZE)(_octets)
_known_digest = lru_cache(maxsize=_CACHE_SIZE)(lambda text: known_digest(a2b_base64(text).hex()))
_known_instant = lru_cache(maxsize=_CACHE_SIZE)(lambda text: parse_instant(text.decode()))
_known_terms = lru_cache(maxsize=_CACHE_SIZE)(_read_terms)

# The Signature as constant text with `%s` for its content: one text to write and to read it.


def _empty_element(name: str, algorithm: str, declared: str = "") -> str:
    return f'<{name}{declared} Algorithm="{algorithm}"></{name}>'


def _reference(attributes: str, *transforms: str) -> str:
    inner = "".join(_empty_element("ds:Transform", uri) for uri in transforms)
    method, value = _empty_element("ds:DigestMethod", names.SHA256_URI), "<ds:DigestValue>%s</ds:DigestValue>"
    return f"<ds:Reference {attributes}><ds:Transforms>{inner}</ds:Transforms>{method}{value}</ds:Reference>"


def _info_text(declared: str = "") -> str:
    return (
        f"<ds:SignedInfo{declared}>"
        + _empty_element("ds:CanonicalizationMethod", names.EXC_C14N)
        + _empty_element("ds:SignatureMethod", "%s")
        + _reference('Id="doc" URI=""', names.ENVELOPED, names.EXC_C14N)
        + _reference(f'Type="{names.SIGNED_PROPERTIES_TYPE}" URI="#sp"', names.EXC_C14N)
        + "</ds:SignedInfo>"
    )


def _properties_text(xades: str = "", ds: str = "") -> str:
    """Return the text of SignedProperties. As document root, `xades` is declared at the top and `ds` on each of its two
    elements (W7)."""
    return (
        f'<xades:SignedProperties{xades} Id="sp"><xades:SignedSignatureProperties>'
        "<xades:SigningTime>%s</xades:SigningTime><xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        + _empty_element("ds:DigestMethod", names.SHA256_URI, ds)
        + f"<ds:DigestValue{ds}>%s</ds:DigestValue>"
        "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2>"
        "</xades:SignedSignatureProperties><xades:SignedDataObjectProperties>"
        '<xades:DataObjectFormat ObjectReference="#doc"><xades:MimeType>application/xml</xades:MimeType>'
        "</xades:DataObjectFormat><xades:CommitmentTypeIndication><xades:CommitmentTypeId>"
        "<xades:Identifier>%s</xades:Identifier></xades:CommitmentTypeId>"
        "<xades:AllSignedDataObjects></xades:AllSignedDataObjects>"
        "<xades:CommitmentTypeQualifiers><xades:CommitmentTypeQualifier>"
        f'<gw:Message xmlns:gw="{names.GW}" version="1"><gw:Id>%s</gw:Id><gw:Kind>%s</gw:Kind>%s%s</gw:Message>'
        "</xades:CommitmentTypeQualifier></xades:CommitmentTypeQualifiers></xades:CommitmentTypeIndication>"
        "</xades:SignedDataObjectProperties></xades:SignedProperties>"
    )


_INFO_AS_APEX: Final = _info_text(_DS).encode()
_PROPERTIES_AS_APEX: Final = _properties_text(_XADES, _DS).encode()
_TEMPLATE: Final = (
    f'<ds:Signature{_DS} Id="sig">{_info_text()}<ds:SignatureValue>%s</ds:SignatureValue>'
    "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    f'<ds:Object><xades:QualifyingProperties{_XADES} Target="#sig">{_properties_text()}'
    "</xades:QualifyingProperties></ds:Object></ds:Signature>"
).encode()


def _fill_pattern(text: bytes, *forms: bytes) -> bytes:
    """Return a pattern that matches the text, with each `%s` replaced by one of the forms."""
    first, *pieces = map(re.escape, text.split(b"%s"))
    return first + b"".join(form + piece for form, piece in zip(forms, pieces, strict=True))


_SHAPE: Final = re.compile(
    _fill_pattern(
        _TEMPLATE,
        b"(%s)" % b"|".join(map(re.escape, _ALGORITHMS)),
        _AS_DIGEST,
        _AS_DIGEST,
        _AS_OCTETS,
        _AS_OCTETS,
        _AS_TIME,
        _AS_DIGEST,
        b"(%s)" % b"|".join(map(re.escape, (_ORIGIN, _RECEIVED))),
        names.TEXT,
        b"(%s)" % b"|".join(map(re.escape, _KINDS)),
        rb"(<gw:Terms>[^\0]*?</gw:Terms>)?",
        b"(<gw:Receipt>%s</gw:Receipt>)?"
        % b"".join(b"(?:%s)?" % _fill_pattern(*child) for child in _RECEIPT_CHILDREN),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Qualifier:
    """Signed statements about the packet (W6): its id, its kind, the terms that the dialect has no field for (W6a) and,
    in an answer, the receipt."""

    packet_id: PacketId
    kind: Kind
    receipt: Receipt | None = None
    terms: Terms | None = None


class Unsigned:
    """Signature prepared before the body's digest is known. Its `size` in bytes is the gap that the writer leaves."""

    def __init__(self, signer: EnvelopeSigner, qualifier: WrittenQualifier, signing_time: datetime) -> None:
        if signer.algorithm not in _METHODS:
            raise Misconfigured(
                f"the key of {signer.agency_code} signs with {signer.algorithm!r}; "
                f"expected one of {', '.join(names.ALGORITHM_URIS)}"
            )
        if signing_time.tzinfo is None:
            raise BreaksRule("the signing time has no zone; give an aware time")
        self._signer = signer
        self._certificate, digest = _of_certificate(signer.certificate_der)
        self._properties = (instant(signing_time).encode(), digest, *qualifier)
        self.size = len(self._fill(_NO_DIGEST, _NO_DIGEST, bytes(signer.signature_length)))

    def sign(self, body_digest: Digest) -> bytes:
        """Sign a body of that digest, and return the Signature's bytes."""
        signer, body = self._signer, _digest_text(body_digest)
        properties = _base64(hashlib.sha256(_PROPERTIES_AS_APEX % self._properties).digest())
        value = signer.sign(_INFO_AS_APEX % (_METHODS[signer.algorithm], body, properties))
        if len(value) != signer.signature_length:
            raise Misconfigured(
                f"the key of {signer.agency_code} gave a signature of {len(value)} bytes where "
                f"{signer.signature_length} were announced; check which algorithm its adapter is set to"
            )
        return self._fill(body, properties, value)

    def _fill(self, body: bytes, properties: bytes, value: bytes) -> bytes:
        method = _METHODS[self._signer.algorithm]
        return _TEMPLATE % (method, body, properties, _base64(value), self._certificate, *self._properties)


_NO_DIGEST: Final = _base64(bytes(32))


@lru_cache(maxsize=256)
def _of_certificate(der: bytes) -> tuple[bytes, bytes]:
    """Return one of our certificates and its digest as base64. Cached, because the same few come with every packet."""
    return _base64(der), _base64(hashlib.sha256(der).digest())


def sign_body(
    body_digest: Digest, signer: EnvelopeSigner, qualifier: Qualifier, signing_time: datetime
) -> bytes:
    """Return the Signature's bytes over a body of that digest."""
    return Unsigned(signer, written_qualifier(qualifier), signing_time).sign(body_digest)


def written_qualifier(qualifier: Qualifier) -> WrittenQualifier:
    """Return a qualifier as bytes; BreaksRule for one that W6 forbids."""
    check_qualifier(qualifier)
    return _message(qualifier.packet_id, qualifier.kind, qualifier.terms, qualifier.receipt)


def check_qualifier(qualifier: Qualifier) -> None:
    """Raise BreaksRule for a qualifier that W6 forbids: a receipt outside a status, or a text or number that cannot be
    written."""
    receipt = qualifier.receipt
    texts: dict[str, str] = {"gw:Id": qualifier.packet_id}
    if receipt is not None:
        if qualifier.kind is not Kind.STATUS or receipt.status_code == "13":
            raise BreaksRule("a receipt stands only in a status, and not in a 13 (W6)")
        if receipt.verdict not in VERDICTS:
            raise BreaksRule(f"gw:Verdict must be one of {sorted(VERDICTS)}, not {receipt.verdict!r}")
        if receipt.size is not None and receipt.size < 0:
            raise BreaksRule(f"gw:Size cannot be {receipt.size}")
        if receipt.received_at is not None and receipt.received_at.tzinfo is None:
            raise BreaksRule("gw:Received has no zone; give an aware time")
        texts |= {
            "gw:StatusCode": receipt.status_code,
            "gw:OfMessageId": receipt.of_packet_id or "-",
            "gw:OfDocumentId": receipt.of_document_id or "-",
            "gw:OfFrom": receipt.of_sender or "-",
        }
    if qualifier.terms is not None and (
        reason := terms.fault(qualifier.terms, qualifier.kind, receipt=receipt is not None)
    ):
        raise BreaksRule(f"gw:Terms {reason}")
    for name, value in texts.items():
        if reason := names.text_fault(value, _MAX_TEXT):
            raise BreaksRule(f"{name} {reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSignature:
    """Shape of one signature as written. `element` is `DigitalSignature` in the .NET flavour, where it is empty."""

    namespace: str
    element: str
    method: str | None = None
    digest_methods: tuple[str, ...] = ()
    transforms: tuple[str, ...] = ()
    value: str | None = None
    certificate: str | None = None

    @property
    def in_xmldsig(self) -> bool:
        """True where a standard verifier would find it; the vendor's Signature is in the envelope's namespace."""
        return self.namespace == names.DS and self.element == "Signature"


class SignatureWatcher:
    """Records one Signature from its start tag on; `open` is False once its end tag has passed."""

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

    def describe(self) -> FoundSignature:
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
