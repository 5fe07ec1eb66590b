"""Converts an envelope of ours into the form that an axis wants: without its signature, or in the .NET flavour. In: the
standard file, signed by our own writer, and the form's name. Out: another file of the same meaning: same identity, same
texts, the encoded bytes of its files untouched. The same file in the same form always gives the same bytes, so no copy
is stored for a resend; the file is spliced while it is read, never whole in memory.

The new file is unsigned: only an axis whose own session vouches for the sender may carry it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from gateway.domain.forms import Form, Handed
from gateway.domain.identity import Digest
from gateway.edxml import canonical, names
from gateway.edxml import envelope as envelopes
from gateway.edxml.attachment import pieces
from gateway.edxml.model import bare_content_id
from gateway.edxml.names import escape, escape_attribute
from gateway.errors import AlteredContent

if TYPE_CHECKING:
    from gateway.edxml.canonical import Fast
    from gateway.edxml.envelope import Attachment, Outline
    from gateway.edxml.policy import XmlPolicy

Opener = Callable[[], BinaryIO]
Piece = bytes | tuple[int, int]
"""A part of the new file: bytes, or start and end of a range of the standard file."""
_HEAD = (
    '<?xml version="1.0" encoding="utf-8"?><edXML xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    f' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="{names.QCVN}"><edXMLEnvelope><edXMLHeader>'
).encode()
_ACTOR = "http://schemas.xmlsoap.org/soap/actor/next"
_XLINK = "http://www.w3.org/1999/xlink"
# Elements whose children the .NET flavour orders differently; such an order names every child.
_ORDER: Mapping[str, tuple[str, ...]] = {
    "MessageHeader": (
        "From",
        "To",
        "Code",
        "PromulgationInfo",
        "DocumentType",
        "Subject",
        "Content",
        "SignerInfo",
        "DueDate",
        "ToPlaces",
        "OtherInfo",
        "ResponseFor",
        "SteeringType",
        "ResponseForTask",
        "ApplicationType",
        "StaffInfo",
        "StatusCode",
        "Description",
        "Timestamp",
        "DocumentId",
    ),
    "Bussiness": (
        "DocumentId",
        "BussinessDocType",
        "BussinessDocReason",
        "StaffInfo",
        "Paper",
        "BussinessDocumentInfo",
        "ReplacementInfoList",
    ),
    "StaffInfo": ("Department", "Staff", "Mobile", "Email"),
    "Reference": ("Description", "AttachmentName", "ContentType", "ContentId"),
}
_NEVER = frozenset({"Direction"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaped:
    """A file in another form; each `open` reads it from its beginning."""

    handed: Handed
    open: Opener


def reshape(form: Form, opener: Opener, size: int, policy: XmlPolicy) -> Shaped | None:
    """Return the file in that form; None where our own writer did not make it, and it leaves unchanged. Sync: reads it
    twice, once to parse and once for the digest."""
    fast = canonical.read_closed(partial(pieces, opener), size, policy)
    if fast is None:
        return None
    parts: Sequence[Piece] = ((0, fast.a), (fast.b, size))
    if form is Form.DOTNET:
        parts = tuple(_merge_bytes(_dotnet(fast)))
    opened = partial(_open_spliced, opener, parts)
    hasher, length = hashlib.sha256(), 0
    for piece in pieces(opened):
        hasher.update(piece)
        length += len(piece)
    handed = Handed(form=form, digest=Digest.of_bytes(hasher.digest()), size=length)
    return Shaped(handed=handed, open=opened)


def _open_spliced(opener: Opener, parts: Sequence[Piece]) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Spliced(opener(), parts)))


def reopen(handed: Handed, opener: Opener, size: int, policy: XmlPolicy) -> Opener:
    """Return an opener that makes the file sent earlier from the standard one; sync. AlteredContent where its bytes
    differ from `handed`."""

    def opened() -> BinaryIO:
        copy = reshape(handed.form, opener, size, policy)
        if copy is None or copy.handed != handed:
            raise AlteredContent(
                f"the envelope gives another file in the form {handed.form} than the axis was handed ({handed.digest})"
            )
        return copy.open()

    return opened


class _Spliced(io.RawIOBase):
    """File object over bytes and ranges of another file; it only reads forward."""

    def __init__(self, file: BinaryIO, parts: Sequence[Piece]) -> None:
        super().__init__()
        self._file, self._parts = file, iter(parts)
        self._buffer, self._remaining = io.BytesIO(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            read = self._buffer.readinto(buffer)
            if not read and self._remaining:
                piece = self._file.read(min(self._remaining, len(buffer)))
                self._remaining -= len(piece) or self._remaining
                buffer[: len(piece)] = piece
                read = len(piece)
            if read:
                return read
            part = next(self._parts, None)
            if part is None:
                return 0
            if isinstance(part, bytes):
                self._buffer = io.BytesIO(part)
            else:
                self._file.seek(part[0])
                self._remaining = part[1] - part[0]

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _merge_bytes(parts: Iterator[Piece]) -> Iterator[Piece]:
    pending: list[bytes] = []
    for part in parts:
        if isinstance(part, bytes):
            pending.append(part)
            continue
        yield b"".join(pending)
        yield part
        pending = []
    yield b"".join(pending)


# --- the .NET flavour ----------------------------------------------------------------------------------------------


def _dotnet(fast: Fast) -> Iterator[Piece]:
    """Yield the envelope in the .NET flavour: on one line, without prefixes."""
    model = fast.envelope
    header = envelopes.outline_header(model)
    yield _HEAD
    yield _element("MessageHeader", cast("Outline", header["MessageHeader"]))
    if model.status is None:
        trace = cast("Outline", header["TraceHeaderList"])
        # From the file's own digest, so that it is the same each time.
        id = fast.body_digest[:8]
        attrs = {"id": id, "version": "1.0", "mustUnderstand": "1", "actor": _ACTOR}
        yield _element("TraceHeaderList", trace, attrs, always=True)
        yield b"<DigitalSignature />"
    yield b"</edXMLHeader>"
    if model.status is None:
        yield b'<edXMLBody><edXMLManifest version="1.0">'
        for line in model.manifest:
            yield _reference(line)
        yield b"</edXMLManifest></edXMLBody>"
    yield b"</edXMLEnvelope>"
    if model.attachments:
        yield b"<AttachmentEncoded>"
        for part, file in zip(model.attachments, fast.files, strict=True):
            fields = {"ContentType": part.content_type, "ContentId": bare_content_id(part.content_id)}
            yield b"<Attachment>" + _children(fields | {"Description": part.description})
            yield b"<ContentTransferEncoded>"
            yield file.offset, file.offset + file.length
            yield b"</ContentTransferEncoded>" + _children({"AttachmentName": part.attachment_name})
            yield b"</Attachment>"
        yield b"</AttachmentEncoded>"
    yield b"</edXML>"


def _reference(line: Attachment) -> bytes:
    href = line.content_id or ""
    attrs = {"xmlns:xlink": _XLINK, "xlink:href": href, "xlink:role": "edXML", "xlink:type": "simple"}
    return _element("Reference", envelopes.outline(line), attrs)


def _element(
    name: str, tree: Outline, attrs: Mapping[str, str] | None = None, *, always: bool = False
) -> bytes:
    """Render an element; empty for a group without content, unless `always`."""
    order = _ORDER.get(name, tuple(tree))
    inside = _children({k: tree.get(k) for k in order if k not in _NEVER})
    if not inside and not always:
        return b""
    attributes = b"".join(
        b" " + key.encode() + b'="' + escape_attribute(value) + b'"' for key, value in (attrs or {}).items()
    )
    tag = name.encode()
    return b"<" + tag + attributes + b">" + inside + b"</" + tag + b">"


def _children(tree: Outline) -> bytes:
    return b"".join(_child(name, value) for name, value in tree.items())


def _child(name: str, value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, str):
        tag = name.encode()
        return b"<" + tag + b">" + escape(value) + b"</" + tag + b">"
    if isinstance(value, Mapping):
        return _element(name, cast("Outline", value))
    return b"".join(_child(name, v) for v in cast("Sequence[object]", value))
