"""Defines the wire's words: namespaces, algorithm identifiers, the writer's closed table of dialect A, and the canonical
form of texts. `build` writes children in the table's order; `canonical` accepts a path only if the table has it (F4).
One function escapes texts, both to write an envelope and to compare a parsed one with its bytes (F5); `text_fault` names
what no native text may hold. Spellings of other writers are the reader's own matter."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from gateway.domain.text import LETTERS
from gateway.edxml.envelope import Attachment, Business, Envelope, StatusReport, TraceHeader, rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QCVN: Final = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
DIALECT_B: Final = "http://www.go.vn/eDoc"
DIALECT_C: Final = "http://www.e-doc.vn/Schema/"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
GW: Final = "urn:gateway:qualifier:1"

EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256_URI: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
SIGNED_PROPERTIES_TYPE: Final = "http://uri.etsi.org/01903#SignedProperties"
PROOF_OF_ORIGIN: Final = "http://uri.etsi.org/01903/v1.2.2#ProofOfOrigin"
PROOF_OF_RECEIPT: Final = "http://uri.etsi.org/01903/v1.2.2#ProofOfReceipt"

ALGORITHM_URIS: Final[Mapping[str, str]] = {
    "rsa-sha256": RSA_SHA256,
    "ecdsa-sha256": ECDSA_SHA256,
    "ecdsa-sha384": ECDSA_SHA384,
}
"""The wire's URI for each name that `EnvelopeSigner.algorithm` and `XmlPolicy.algorithms` use."""

DECLARATION: Final = b'<?xml version="1.0" encoding="UTF-8"?>\n'
"""W1: the first 39 bytes of every native file."""

SIGNATURE: Final = "ds:Signature"
"""W4: only the last child of `HEADER`, outside the closed table; `signature` writes and reads it."""
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
# These texts can only be too long: printable ASCII that does not begin with a space, or has none.
_PLAIN_TEXT = re.compile("[!-~][ -~]*+")
_PLAIN_WORD = re.compile("[!-~]++")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
TEXT: Final = rb"((?!<)[^&<>\r\x00-\x08\x0b\x0c\x0e-\x1f]*+(?:&(?:amp|lt|gt|#xD);[^&<>\r\x00-\x08\x0b\x0c\x0e-\x1f]*+)*+)"
"""Pattern of texts as `escape` writes them, of one character or more; `are_characters` checks what it leaves open."""


@cache
def _usual_pattern(longest: int) -> re.Pattern[str]:
    return re.compile(rf"(?!null *\Z)[0-9A-Za-z{LETTERS}][ -%'-;=?-~{LETTERS}]{{0,{longest - 1}}}+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One element of the native form at its exact path. A leaf has no children and holds text; any other element holds
    no text. `max_length` is the writer's limit in characters, None where bytes are streamed."""

    local: str
    prefix: str = ""
    many: bool = False
    max_length: int | None = None
    declaration: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    children: Mapping[str, Element] = field(default_factory=dict)

    name: str = field(init=False)
    """The name as written."""

    written_attributes: tuple[str, ...] = field(init=False)
    """Names and values in turn, as the file carries them, the namespace declaration among them."""

    start: bytes = field(init=False)
    """The one canonical start tag: declarations first, then attributes. No value here needs escaping."""

    end: bytes = field(init=False)

    start_text: str = field(init=False)
    """The start tag as text."""

    end_text: str = field(init=False)

    leaf: bool = field(init=False)

    usual: re.Pattern[str] = field(init=False)
    """Pattern of a text without faults and with nothing to escape."""

    def __post_init__(self) -> None:
        name = f"{self.prefix}:{self.local}" if self.prefix else self.local
        pairs = (((self.declaration, QCVN),) if self.declaration else ()) + self.attributes
        attributes_text = "".join(f' {key}="{value}"' for key, value in pairs)
        for attribute, value in (
            ("name", name),
            ("written_attributes", tuple(part for pair in pairs for part in pair)),
            ("start", f"<{name}{attributes_text}>".encode()),
            ("end", f"</{name}>".encode()),
            ("start_text", f"<{name}{attributes_text}>"),
            ("end_text", f"</{name}>"),
            ("leaf", not self.children),
            ("usual", _usual_pattern(self.max_length or 1)),
        ):
            # The dataclass is frozen; these follow from the other fields.
            object.__setattr__(self, attribute, value)


def _leaf(local: str, max_length: int, *, many: bool = False) -> Element:
    return Element(local=local, prefix="edXML", max_length=max_length, many=many)


def _group(local: str, *children: Element, many: bool = False, version: str | None = None) -> Element:
    attributes = (("version", version),) if version else ()
    return Element(local=local, prefix="edXML", many=many, attributes=attributes, children=_by_name(children))


def _plain(local: str, *children: Element, max_length: int | None = None, many: bool = False) -> Element:
    return Element(local=local, max_length=max_length, many=many, children=_by_name(children))


def _by_name(children: tuple[Element, ...]) -> dict[str, Element]:
    return {child.name: child for child in children}


def _children(*parts: type) -> Iterator[Element]:
    """Yield the elements of parts of the model that are siblings on the wire."""
    groups: dict[str, list[Element]] = {}
    for row in (row for part in parts for row in rows(part)):
        if row.is_part:
            element = _group(row.local, *_children(row.holds), many=row.many)
        else:
            element = _leaf(row.local, row.longest, many=row.many)
        if not row.above:
            groups[row.local] = [element]
        else:
            groups.setdefault(f"{row.above}/", []).append(element)
    for local, elements in groups.items():
        yield _group(local.removesuffix("/"), *elements) if local.endswith("/") else elements[0]


HEADER: Final = _group(
    "edXMLHeader",
    _group("MessageHeader", *_children(Envelope, StatusReport)),
    _group(
        "TraceHeaderList",
        _group("TraceHeader", *_children(TraceHeader), many=True),
        _group("Bussiness", *_children(Business)),
    ),
)

MANIFEST: Final = _group(
    "edXMLManifest",
    _group(
        "Reference",
        _leaf("ContentId", 255),
        _leaf("ContentType", 100),
        _leaf("Description", 500),
        _leaf("AttachmentName", 255),
        many=True,
    ),
    version="1.0",
)

BODY: Final = _group("edXMLBody", MANIFEST)

CONTENT: Final = Element(local="ContentTransferEncoded", prefix="edXML", declaration="xmlns:edXML")
"""The leaf that holds an attachment's base64: the only text without a length limit of its own."""

ATTACHMENT: Final = _plain(
    "Attachment",
    *(_plain(row.local, max_length=row.longest) for row in rows(Attachment)),
    CONTENT,
    many=True,
)

ATTACHMENTS: Final = _plain("AttachmentEncoded", ATTACHMENT)

ENVELOPE: Final = Element(
    local="edXMLEnvelope",
    prefix="edXML",
    declaration="xmlns:edXML",
    children=_by_name((HEADER, BODY)),
)

ROOT: Final = Element(local="edXML", declaration="xmlns", children=_by_name((ENVELOPE, ATTACHMENTS)))
"""The closed table (W2): everything a native file may hold but the Signature, in writing order."""


def paths(element: Element = ROOT, above: str = "") -> Iterator[tuple[str, Element]]:
    """Yield every path of the closed table with its element, in writing order; for documentation and tests."""
    path = f"{above}/{element.name}"
    yield path, element
    for child in element.children.values():
        yield from paths(child, path)


def escape(text: str) -> bytes:
    """Return a text node in canonical form."""
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    if ">" in text:
        text = text.replace(">", "&gt;")
    if "\r" in text:
        text = text.replace("\r", "&#xD;")
    return text.encode()


def are_characters(raw: bytes) -> bool:
    """Tell whether octets matched by `TEXT` are characters that XML permits. ValueError where they are not UTF-8."""
    return raw.isascii() or not {"\ufffe", "\uffff"} & set(raw.decode())


def unescape(raw: bytes) -> str:
    """Return the text that `escape` wrote."""
    if b"&" in raw:
        raw = (
            raw.replace(b"&lt;", b"<").replace(b"&gt;", b">").replace(b"&#xD;", b"\r").replace(b"&amp;", b"&")
        )
    return raw.decode()


def escape_attribute(value: str) -> bytes:
    """Return an attribute value in canonical form, without its quotes."""
    raw = value.encode().replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b'"', b"&quot;")
    return raw.replace(b"\t", b"&#x9;").replace(b"\n", b"&#xA;").replace(b"\r", b"&#xD;")


def text_fault(text: str, max_length: int | None = None) -> str | None:
    """Return why a text cannot be written (W1), or None. The reason gives the position, never the text."""
    if not _PLAIN_TEXT.fullmatch(text):
        if not text.strip(" \t\r\n"):
            return "is blank; what is absent must be None"
        if match := _UNWRITABLE.search(text):
            return f"has the forbidden character U+{ord(match.group()):04X} at position {match.start()}"
        if not text.isascii() and not unicodedata.is_normalized("NFC", text):
            return "is not in Unicode form NFC"
    if max_length is not None and len(text) > max_length:
        return f"has {len(text)} characters, at most {max_length} are allowed"
    return None


def word_fault(text: str, max_length: int | None = None) -> str | None:
    """Return why a text cannot be a code or number of the terms (W6a): a fault of `text_fault`, space around it, or a
    control character."""
    if reason := text_fault(text, max_length):
        return reason
    if _PLAIN_WORD.fullmatch(text):
        return None
    if text != text.strip():
        return "begins or ends with a space"
    if match := _CONTROL.search(text):
        return f"has the forbidden character U+{ord(match.group()):04X} at position {match.start()}"
    return None


def instant(at: datetime) -> str:
    """Return an aware time in the form of SigningTime and gw:Received: whole seconds, UTC, `Z`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def parse_instant(text: str) -> datetime:
    """Read a time that `instant` wrote; ValueError for any other form."""
    if not _TIME.fullmatch(text):
        raise ValueError("not a time in the form YYYY-MM-DDThh:mm:ssZ")
    return datetime.fromisoformat(text)
