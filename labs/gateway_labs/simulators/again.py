"""An envelope written anew, as the library of an axis does it: elements in that library's order, lines of two spaces
that end in CR LF, no comments, nothing empty, no Description in the manifest, `Direction` always there, one hop of the
trace added, a signature that signs nothing in the envelope's own namespace, files packed by the library's rule. In: a
file as `reader` read it. Out: pieces of another file with the same meaning and other bytes. For simulators of such
axes; our own writer is `build`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO, cast

from gateway.domain.proof import FileSlice
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml import attachment, names
from gateway.edxml.attachment import pieces
from gateway.edxml.envelope import (
    Attachment,
    Envelope,
    OtherInfo,
    Outline,
    TraceHeader,
    outline,
    outline_header,
)
from gateway.edxml.names import Element, escape
from gateway.edxml.reader import Read

_LINE = b"\r\n"
_PLACEHOLDER = (
    b"<Signature><SignedInfo><CanonicalizationMethod "
    b'Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod>'
    b'<SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"></SignatureMethod></SignedInfo>'
    b"<SignatureValue>AAAA</SignatureValue><KeyInfo><X509Data><X509Certificate>MIIFqTCCBJG</X509Certificate>"
    b"</X509Data></KeyInfo></Signature>"
)


def write_envelope(read: Read, opener: Callable[[], BinaryIO], hop: str, at: datetime) -> Iterator[bytes]:
    """Write the envelope anew. `opener` opens the file of `read`; `hop` is the axis's code, `at` when it had the file."""
    model = read.envelope
    if model.status is None:
        trace = (*model.trace, TraceHeader(organ_id=hop, timestamp=at.astimezone(VIETNAM)))
        other = replace(
            model.other or OtherInfo(), direction=(model.other and model.other.direction) or False
        )
        model = replace(model, trace=trace, other=other)
    model = _with_ids(model)
    yield names.DECLARATION.rstrip() + _LINE
    yield names.ROOT.start + _LINE
    yield b"  " + names.ENVELOPE.start + _LINE
    yield b"    " + names.HEADER.start + _LINE
    yield from _children(names.HEADER, outline_header(model), 3)
    if read.signature is not None:
        yield b"      " + _PLACEHOLDER + _LINE
    yield b"    " + names.HEADER.end + _LINE
    if model.status is None:
        yield from _body(model)
    yield b"  " + names.ENVELOPE.end + _LINE
    if model.attachments:
        yield b"  " + names.ATTACHMENTS.start + _LINE
        for part, attached in zip(read.files, model.attachments, strict=True):
            yield from _file(part, attached, opener, at)
        yield b"  " + names.ATTACHMENTS.end + _LINE
    yield names.ROOT.end + _LINE


def _with_ids(model: Envelope) -> Envelope:
    """Give each file an id: files that stood in the envelope itself have none and no line in the manifest."""
    files = tuple(
        a if a.content_id else replace(a, content_id=f"cid:{uuid.uuid5(uuid.NAMESPACE_OID, str(n))}")
        for n, a in enumerate(model.attachments)
    )
    return replace(model, attachments=files, manifest=model.manifest or files)


def _body(model: Envelope) -> Iterator[bytes]:
    yield b"    " + names.BODY.start + _LINE + b"      " + names.MANIFEST.start + _LINE
    lines = [outline(replace(a, description=None)) for a in model.manifest]
    yield from _children(names.MANIFEST, {"Reference": lines}, 4)
    yield b"      " + names.MANIFEST.end + _LINE + b"    " + names.BODY.end + _LINE


def _file(
    part: FileSlice, attached: Attachment, opener: Callable[[], BinaryIO], at: datetime
) -> Iterator[bytes]:
    """Write a file, packed by the library's rule; a damaged one passes unchanged."""
    name, content = part.name or "file", pieces(opener, part.offset, part.length)
    if part.damaged is None:
        attached = replace(attached, content_type=attachment.coding_for(name)[1])
        entry = f"{uuid.uuid5(uuid.NAMESPACE_OID, str(part.sha256))}.{attachment.extension(name) or 'unk'}"
        content = attachment.encoded_pieces(
            name, entry, attachment.decoded_pieces(content, part.coding), at.astimezone(VIETNAM)
        )
    yield b"    " + names.ATTACHMENT.start + _LINE
    yield from _children(names.ATTACHMENT, outline(attached), 3)
    yield b"      " + names.CONTENT.start
    yield from content
    yield names.CONTENT.end + _LINE + b"    " + names.ATTACHMENT.end + _LINE


def _children(parent: Element, tree: Outline, depth: int) -> Iterator[bytes]:
    space = b"  " * depth
    for element in parent.children.values():
        value = tree.get(element.local)
        if not value:
            continue
        for child in cast("Sequence[str | Outline]", value if element.many else (value,)):
            if element.leaf:
                yield space + element.start + escape(str(child)) + element.end + _LINE
            elif inside := b"".join(_children(element, cast("Mapping[str, None]", child), depth + 1)):
                yield space + element.start + _LINE + inside + space + element.end + _LINE
