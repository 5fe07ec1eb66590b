"""Writes an envelope in native form (rules W1-W8). In: the model and the attachments' bytes. Out: one file in canonical
form, written in a single pass and hashed meanwhile, with a gap that the Signature fills at the end. BreaksRule for a
model that the wire cannot carry; nothing is repaired, because the signed text must be the caller's own.

Also here: the envelope of a status of ours, and the organisation block of one of our agencies, for outgoing and incoming
flows: a status answers a document or asks to take one back."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO

from gateway.domain.account import HostedAgency
from gateway.domain.document import Kind, Staff
from gateway.domain.fields import DRAFT, fitting, keep_if_fits
from gateway.domain.identity import Digest
from gateway.domain.proof import FileSlice, StatusPacket
from gateway.domain.wall_clock import VIETNAM, local
from gateway.edxml import attachment, terms
from gateway.edxml import envelope as envelopes
from gateway.edxml.envelope import Envelope, Organisation, ResponseFor, StaffInfo, StatusReport
from gateway.edxml.model import KIND_OF_BUSINESS, bare_content_id
from gateway.edxml.names import (
    ATTACHMENT,
    ATTACHMENTS,
    BODY,
    CONTENT,
    DECLARATION,
    ENVELOPE,
    HEADER,
    MANIFEST,
    ROOT,
    Element,
    escape,
    text_fault,
)
from gateway.edxml.policy import EnvelopeLimits
from gateway.edxml.signature import Qualifier, Unsigned, WrittenQualifier, written_qualifier
from gateway.errors import BreaksRule

if TYPE_CHECKING:
    from gateway.edxml.envelope import Attachment, Outline
    from gateway.ports.services import EnvelopeSigner

__all__ = ["AttachmentContent", "Qualifier", "WrittenEnvelope", "write"]

OPERATIONS = {kind: number for number, kind in KIND_OF_BUSINESS.items()}
"""The number of BussinessDocType for each kind."""
_IDENTITIES = frozenset({"OrganId", "DocumentId", "ContentId"})
# Most bytes of a Signature without terms: certificate, digests, value, and a receipt with the longest texts.
_SIGNATURE_WITHOUT_TERMS = 65_536
_LIMITS = EnvelopeLimits()
_STATUS_CODE = re.compile(r"[0-9]{2}")
_PATH_SIGNS = frozenset("/\\\t\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentContent:
    """Bytes of one attachment; `open` is called once. `entry_name` is the file's name inside the ZIP: a random UUID, a
    dot and the file's extension (`unk` when it has none). `size_and_digest` is given for bytes that were hashed as they
    came a moment ago; otherwise both are computed while the bytes are written."""

    entry_name: str
    open: Callable[[], Iterable[bytes]]
    size_and_digest: tuple[int, Digest] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenEnvelope:
    """Result of writing: the digest that the signature covers, the size of the file, and the place of each attachment."""

    body_digest: Digest
    size: int
    files: tuple[FileSlice, ...] = ()


def write(
    envelope: Envelope,
    contents: Sequence[AttachmentContent],
    out: BinaryIO,
    signer: EnvelopeSigner | None,
    qualifier: Qualifier | None,
    signing_time: datetime,
) -> WrittenEnvelope:
    """Write one envelope into `out`, which is empty and can seek. Without a signer it gets no Signature; a signer needs
    a qualifier that agrees with the envelope. After an error the content of `out` is useless."""
    if (signer is None) is not (qualifier is None):
        raise BreaksRule("a signed envelope needs a signer and a qualifier, an unsigned one neither")
    parts = check(envelope, contents, qualifier)
    unsigned = Unsigned(signer, parts.qualifier, signing_time) if signer and parts.qualifier else None
    body = _Body(out)
    body.append(ROOT.start + ENVELOPE.start + HEADER.start + parts.head)
    gap_at = body.position
    if unsigned is not None:
        body.skip(unsigned.size)
    body.append(HEADER.end + parts.tail + ENVELOPE.end)
    files = _write_attachments(envelope.attachments, parts.listed, contents, body, signing_time)
    body.append(ROOT.end)
    if unsigned is not None:
        out.seek(gap_at)
        out.write(unsigned.sign(body.digest))
        out.seek(body.position)
    return WrittenEnvelope(body_digest=body.digest, size=body.position, files=files)


@dataclass(frozen=True, slots=True)
class WrittenParts:
    """Bytes before and after the Signature, bytes beside each file, and the qualifier that the Signature carries."""

    head: bytes
    tail: bytes
    listed: tuple[bytes, ...]
    qualifier: WrittenQualifier | None


def check(
    envelope: Envelope, contents: Sequence[AttachmentContent], qualifier: Qualifier | None
) -> WrittenParts:
    """Write the parts that need no file bytes. BreaksRule for an envelope that `write` would refuse; one that passes can
    be written, and read again."""
    wire_qualifier = _check_parts(envelope, contents, qualifier)
    head = _render(HEADER, envelopes.outline_header(envelope)).encode()
    tail = b""
    if envelope.status is None:
        lines = _render(MANIFEST, {"Reference": [envelopes.outline(line) for line in envelope.manifest]})
        tail = BODY.start + MANIFEST.start + lines.encode() + MANIFEST.end + BODY.end
    listed = tuple(
        [
            _render(ATTACHMENT, envelopes.outline(file), f"Attachment {n}").encode()
            for n, file in enumerate(envelope.attachments, 1)
        ]
    )
    most = min(_LIMITS.text_total, _LIMITS.header_bytes) - _LIMITS.signature_bytes
    size = len(head) + len(tail) + sum(map(len, listed))
    if size > most:
        raise BreaksRule(f"all it says beside its files takes {size} bytes, at most {most} can be read again")
    most = _LIMITS.signature_bytes - _SIGNATURE_WITHOUT_TERMS
    if wire_qualifier is not None and len(wire_qualifier.terms) > most:
        size = len(wire_qualifier.terms)
        raise BreaksRule(f"gw:Terms has {size} bytes, at most {most} are read; name fewer recipients")
    return WrittenParts(head, tail, listed, wire_qualifier)


class _Body:
    """Output so far: its position, and the running digest of all bytes but the declaration and the Signature (rule W7)."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.position = out.write(DECLARATION)

    @property
    def digest(self) -> Digest:
        return Digest.of_bytes(self._hash.digest())

    def append(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._out.write(piece)
            self._hash.update(piece)
            self.position += len(piece)

    def skip(self, length: int) -> None:
        """Leave a gap for the Signature, which the body's digest does not cover."""
        self._out.write(bytes(length))
        self.position += length


def _render(parent: Element, tree: Outline, path: str = "") -> str:
    """Render the children of `parent` that the tree has, in the order of the closed table, without empty groups."""
    pieces: list[str] = []
    for element in parent.children.values():
        if element.local not in tree:
            continue
        value: Any = tree[element.local]  # a text, a tree, or a list of either, as the closed table has it
        for content in value if element.many else (value,):
            if element.leaf:
                text = content if element.usual.fullmatch(content) else _render_text(element, content, path)
                pieces += element.start_text, text, element.end_text
                continue
            inside = _render(element, content, f"{path}/{element.local}" if path else element.local)
            if inside:
                pieces += element.start_text, inside, element.end_text
            elif element.many:
                raise BreaksRule(f"{_child_path(path, element)} has nothing in it; leave it out instead")
    return "".join(pieces)


def _render_text(element: Element, text: str, path: str) -> str:
    """Check and escape a text that the pattern of usual texts does not match."""
    if reason := text_fault(text, element.max_length):
        raise BreaksRule(f"{_child_path(path, element)} {reason}")
    if element.local in _IDENTITIES and text.strip() == "null":
        raise BreaksRule(f"{_child_path(path, element)} is the text null, which readers take for absent")
    return escape(text).decode()


def _child_path(path: str, element: Element) -> str:
    return f"{path}/{element.local}" if path else element.local


def _write_attachments(
    attachments: Sequence[Attachment],
    listed: Sequence[bytes],
    contents: Sequence[AttachmentContent],
    body: _Body,
    at: datetime,
) -> tuple[FileSlice, ...]:
    if not attachments:
        return ()
    body.append(ATTACHMENTS.start)
    files = []
    for n, (file, details, content) in enumerate(zip(attachments, listed, contents, strict=True), 1):
        body.append(ATTACHMENT.start, details, CONTENT.start)
        files.append(_write_content(n, file, content, body, at))
        body.append(CONTENT.end, ATTACHMENT.end)
    body.append(ATTACHMENTS.end)
    return tuple(files)


def _write_content(
    n: int, file: Attachment, content: AttachmentContent, body: _Body, at: datetime
) -> FileSlice:
    name, offset, plain = file.attachment_name or "", body.position, _Tally()
    pieces = content.open() if content.size_and_digest else plain.watch(content.open())
    for piece in attachment.encoded_pieces(name, content.entry_name, pieces, at.astimezone(VIETNAM)):
        body.append(piece)
    size, digest = content.size_and_digest or plain.totals()
    return FileSlice(
        n=n,
        name=name,
        content_id=file.content_id,
        content_type=file.content_type,
        description=file.description,
        offset=offset,
        length=body.position - offset,
        coding=attachment.coding_for(name)[0],
        size=size,
        sha256=digest,
    )


class _Tally:
    """Size and digest of a file's own bytes, counted before they are encoded."""

    def __init__(self) -> None:
        self.size = 0
        self.hash = hashlib.sha256()

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self.hash.update(piece)
            yield piece

    def totals(self) -> tuple[int, Digest]:
        return self.size, Digest.of_bytes(self.hash.digest())


def _check_parts(
    envelope: Envelope,
    contents: Sequence[AttachmentContent],
    qualifier: Qualifier | None,
) -> WrittenQualifier | None:
    """Check that the parts of an envelope agree, before any byte is written; return the qualifier for the Signature."""
    if envelope.sender.organ_id is None:
        raise BreaksRule("From has no OrganId; nobody could tell whose key to expect")
    _check_kind(envelope)
    _check_attachments(envelope, contents)
    if len(envelope.to) > _LIMITS.recipients or len(envelope.attachments) > _LIMITS.attachments:
        raise BreaksRule(
            f"one envelope takes at most {_LIMITS.recipients} recipients and {_LIMITS.attachments} files; split it"
        )
    if qualifier is None:
        return None
    wire_qualifier = written_qualifier(qualifier)
    if qualifier.kind is not envelope.kind:
        raise BreaksRule(f"gw:Kind would say {qualifier.kind} in an envelope of kind {envelope.kind}")
    if qualifier.terms is not None and (wrong := terms.against(qualifier.terms, envelope)):
        raise BreaksRule(wrong[1])
    if qualifier.receipt is not None and envelope.status is not None:
        code, expected = qualifier.receipt.status_code, envelope.status.code
        if code != expected:
            raise BreaksRule(f"gw:StatusCode would say {code} in a status {expected}")
    return wire_qualifier


def _check_kind(envelope: Envelope) -> None:
    if envelope.kind is Kind.STATUS:
        other_parts = (
            envelope.business,
            *envelope.to,
            *envelope.trace,
            *envelope.manifest,
            *envelope.attachments,
        )
        if envelope.status is None or any(part is not None for part in other_parts):
            raise BreaksRule("a status has a StatusCode, and neither To, trace, business nor files")
        if not _STATUS_CODE.fullmatch(envelope.status.code):
            raise BreaksRule(f"StatusCode is two digits, not {envelope.status.code!r}")
        if len(envelope.response_for) != 1:
            raise BreaksRule(f"a status answers one document, not {len(envelope.response_for)}")
        return
    doc_type = envelope.business.doc_type if envelope.business else 0
    if envelope.status is not None or (doc_type or 0) != OPERATIONS[envelope.kind]:
        raise BreaksRule(
            f"an envelope of kind {envelope.kind} needs BussinessDocType {OPERATIONS[envelope.kind]} "
            f"and no StatusCode; it has {doc_type}"
        )


def _check_attachments(envelope: Envelope, contents: Sequence[AttachmentContent]) -> None:
    if not len(envelope.attachments) == len(envelope.manifest) == len(contents):
        raise BreaksRule(
            f"{len(envelope.manifest)} manifest lines, {len(envelope.attachments)} attachments and "
            f"{len(contents)} contents were given; they must be as many"
        )
    ids = set()
    for n, (line, file, content) in enumerate(
        zip(envelope.manifest, envelope.attachments, contents, strict=True), 1
    ):
        if line.content_id != file.content_id or line.attachment_name != file.attachment_name:
            raise BreaksRule(f"attachment {n} has another id or name in the manifest than beside its bytes")
        bare = bare_content_id(file.content_id)
        if bare is None or bare in ids:
            raise BreaksRule(f"attachment {n} has no ContentId, or one that was used before")
        ids.add(bare)
        _check_names(n, file, line.content_type, content.entry_name)


def _check_names(n: int, file: Attachment, listed_type: str | None, entry_name: str) -> None:
    name = file.attachment_name
    if name is None or not _PATH_SIGNS.isdisjoint(name):
        raise BreaksRule(f"attachment {n} needs a name without path separators")
    if name != attachment.wire_name(name):
        raise BreaksRule(f"attachment {n} must end in zip in small letters, or older readers zip it again")
    expected = attachment.coding_for(name)[1]
    if (file.content_type, listed_type) != (expected, expected):
        raise BreaksRule(
            f"attachment {n} must be {expected} in the manifest and beside its bytes, because that is how it is "
            f"written; it is {listed_type} and {file.content_type}"
        )
    if not attachment.is_entry_name(entry_name, name):
        raise BreaksRule(f"the entry name of attachment {n} must be a UUID and the file's own extension")


def status_envelope(packet: StatusPacket, agency: HostedAgency) -> Envelope:
    """Return the envelope of a status packet."""
    return Envelope(
        kind=Kind.STATUS,
        sender=organisation_of(agency),
        response_for=(
            ResponseFor(
                organ_id=packet.to_code,
                code=packet.document_code,
                document_id=packet.document_id,
                promulgation_date=packet.issued_on,
            ),
        ),
        status=StatusReport(
            code=packet.code,
            description=packet.description,
            timestamp=wall_clock(packet.stated_at),
            staff=staff_of(packet.staff) if packet.staff and packet.staff != Staff() else None,
        ),
    )


def status_qualifier(packet: StatusPacket) -> Qualifier:
    """Return the qualifier for the signature of a status packet."""
    return Qualifier(packet_id=packet.packet_id, kind=Kind.STATUS, receipt=packet.receipt, terms=packet.terms)


def prove_status(packet: StatusPacket, agency: HostedAgency) -> None:
    """Raise BreaksRule where the writer would refuse this status."""
    check(status_envelope(packet, agency), (), status_qualifier(packet))


def organisation_of(agency: HostedAgency) -> Organisation:
    """Return the organisation block of one of our agencies."""
    return Organisation(
        organ_id=agency.code,
        organization_in_charge=fitting(agency.parent_name, DRAFT["recipients/*/name"]),
        organ_name=fitting(agency.name, DRAFT["recipients/*/name"]),
        email=keep_if_fits(agency.email, DRAFT["staff/email"]),
    )


def staff_of(person: Staff) -> StaffInfo:
    return StaffInfo(department=person.department, staff=person.name, email=person.email, mobile=person.phone)


def wall_clock(at: datetime) -> datetime:
    """Return a time in Vietnam's zone in whole seconds, as the wire writes it."""
    return local(at).replace(microsecond=0)
