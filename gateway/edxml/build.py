"""Writes a native envelope (W1-W8). The model and the attachments' bytes go in; one file in canonical form comes out in
a single pass, hashed as it is written, with a gap where the Signature is put at the end. `BreaksRule` for a model
that the wire cannot carry; nothing is repaired on the way, because what is signed must be what the caller said.

And a status of ours as the wire's envelope, and how one of our agencies names itself there. Both ways use it: one
says that a document is taken back, the other what became of one."""

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
"""The number of BussinessDocType for each kind (edxml.md 2.4)."""
_IDENTITIES = frozenset({"OrganId", "DocumentId", "ContentId"})
# Its certificate, digests and value, and a receipt of the longest texts.
_REST_OF_SIGNATURE = 65_536
_LIMITS = EnvelopeLimits()
_STATUS_CODE = re.compile(r"[0-9]{2}")
_PATH_SIGNS = frozenset("/\\\t\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentContent:
    """The bytes of one attachment: `open` is called once. `entry_name` names them inside the ZIP where they are
    zipped: a random UUID, a dot and the file's own extension (`unk` when it has none). `known` are size and digest of bytes
    that were in memory all the time since they were hashed; of any others they are taken as they are written."""

    entry_name: str
    open: Callable[[], Iterable[bytes]]
    known: tuple[int, Digest] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenEnvelope:
    """What was written: the digest that the signature covers, the size of the file, and where each attachment lies."""

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
    """One file into `out`, which is empty and can seek. Without a signer the file carries no Signature; with one it
    needs the qualifier that says the same as the envelope. After an error `out` holds rubbish."""
    if (signer is None) is not (qualifier is None):
        raise BreaksRule("a signed envelope needs a signer and a qualifier, an unsigned one neither")
    parts = check(envelope, contents, qualifier)
    unsigned = Unsigned(signer, parts.said, signing_time) if signer and parts.said else None
    body = _Body(out)
    body.put(ROOT.start + ENVELOPE.start + HEADER.start + parts.head)
    gap_at = body.position
    if unsigned is not None:
        body.skip(unsigned.size)
    body.put(HEADER.end + parts.tail + ENVELOPE.end)
    files = _write_attachments(envelope.attachments, parts.listed, contents, body, signing_time)
    body.put(ROOT.end)
    if unsigned is not None:
        out.seek(gap_at)
        out.write(unsigned.over(body.digest))
        out.seek(body.position)
    return WrittenEnvelope(body_digest=body.digest, size=body.position, files=files)


@dataclass(frozen=True, slots=True)
class WrittenParts:
    """What is written around the signature and the files' bytes: before S, after it, and beside each file; and what S says
    of the packet."""

    head: bytes
    tail: bytes
    listed: tuple[bytes, ...]
    said: WrittenQualifier | None


def check(
    envelope: Envelope, contents: Sequence[AttachmentContent], qualifier: Qualifier | None
) -> WrittenParts:
    """What `write` needs no bytes of files for. BreaksRule for what it would refuse; what passes here can be written, and
    read again."""
    said = _check(envelope, contents, qualifier)
    head = _written(HEADER, envelopes.outline_header(envelope)).encode()
    tail = b""
    if envelope.status is None:
        lines = _written(MANIFEST, {"Reference": [envelopes.outline(line) for line in envelope.manifest]})
        tail = BODY.start + MANIFEST.start + lines.encode() + MANIFEST.end + BODY.end
    listed = tuple(
        [
            _written(ATTACHMENT, envelopes.outline(one), f"Attachment {n}").encode()
            for n, one in enumerate(envelope.attachments, 1)
        ]
    )
    most = min(_LIMITS.text_total, _LIMITS.header_bytes) - _LIMITS.signature_bytes
    size = len(head) + len(tail) + sum(map(len, listed))
    if size > most:
        raise BreaksRule(f"all it says beside its files takes {size} bytes, at most {most} can be read again")
    most = _LIMITS.signature_bytes - _REST_OF_SIGNATURE
    if said is not None and len(said.terms) > most:
        size = len(said.terms)
        raise BreaksRule(f"gw:Terms has {size} bytes, at most {most} are read; name fewer recipients")
    return WrittenParts(head, tail, listed, said)


class _Body:
    """The file so far: its position and the running digest of everything but the declaration and S (W7)."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._hash = hashlib.sha256()
        self.position = out.write(DECLARATION)

    @property
    def digest(self) -> Digest:
        return Digest.of_bytes(self._hash.digest())

    def put(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._out.write(piece)
            self._hash.update(piece)
            self.position += len(piece)

    def skip(self, length: int) -> None:
        """Leaves a gap that is no part of the body."""
        self._out.write(bytes(length))
        self.position += length


def _written(parent: Element, tree: Outline, where: str = "") -> str:
    """What is there of `parent`'s children, in the closed table's order. Nothing is written for what is absent, nor
    for a group with nothing in it."""
    pieces: list[str] = []
    for element in parent.children.values():
        if element.local not in tree:
            continue
        value: Any = tree[element.local]  # a text, a tree or several: the closed table says which
        for one in value if element.many else (value,):
            if element.leaf:
                text = one if element.usual.fullmatch(one) else _text(element, one, where)
                pieces += element.start_text, text, element.end_text
                continue
            inside = _written(element, one, f"{where}/{element.local}" if where else element.local)
            if inside:
                pieces += element.start_text, inside, element.end_text
            elif element.many:
                raise BreaksRule(f"{_below(where, element)} has nothing in it; leave it out instead")
    return "".join(pieces)


def _text(element: Element, text: str, where: str) -> str:
    """Any text, looked at closely."""
    if reason := text_fault(text, element.max_length):
        raise BreaksRule(f"{_below(where, element)} {reason}")
    if element.local in _IDENTITIES and text.strip() == "null":
        raise BreaksRule(f"{_below(where, element)} is the text null, which readers take for absent")
    return escape(text).decode()


def _below(where: str, element: Element) -> str:
    return f"{where}/{element.local}" if where else element.local


def _write_attachments(
    attachments: Sequence[Attachment],
    listed: Sequence[bytes],
    contents: Sequence[AttachmentContent],
    body: _Body,
    at: datetime,
) -> tuple[FileSlice, ...]:
    if not attachments:
        return ()
    body.put(ATTACHMENTS.start)
    files = []
    for n, (one, beside, content) in enumerate(zip(attachments, listed, contents, strict=True), 1):
        body.put(ATTACHMENT.start, beside, CONTENT.start)
        files.append(_write_content(n, one, content, body, at))
        body.put(CONTENT.end, ATTACHMENT.end)
    body.put(ATTACHMENTS.end)
    return tuple(files)


def _write_content(
    n: int, one: Attachment, content: AttachmentContent, body: _Body, at: datetime
) -> FileSlice:
    name, offset, plain = one.attachment_name or "", body.position, _Tally()
    pieces = content.open() if content.known else plain.watch(content.open())
    for piece in attachment.encoded_pieces(name, content.entry_name, pieces, at.astimezone(VIETNAM)):
        body.put(piece)
    size, digest = content.known or plain.found()
    return FileSlice(
        n=n,
        name=name,
        content_id=one.content_id,
        content_type=one.content_type,
        description=one.description,
        offset=offset,
        length=body.position - offset,
        coding=attachment.coding_for(name)[0],
        size=size,
        sha256=digest,
    )


class _Tally:
    """Counts and hashes a file's own bytes on their way into the coding."""

    def __init__(self) -> None:
        self.size = 0
        self.hash = hashlib.sha256()

    def watch(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.size += len(piece)
            self.hash.update(piece)
            yield piece

    def found(self) -> tuple[int, Digest]:
        return self.size, Digest.of_bytes(self.hash.digest())


def _check(
    envelope: Envelope,
    contents: Sequence[AttachmentContent],
    qualifier: Qualifier | None,
) -> WrittenQualifier | None:
    """What the parts of an envelope must have in common before a byte is written. Gives what S says of it."""
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
    said = written_qualifier(qualifier)
    if qualifier.kind is not envelope.kind:
        raise BreaksRule(f"gw:Kind would say {qualifier.kind} in an envelope of kind {envelope.kind}")
    if qualifier.terms is not None and (wrong := terms.against(qualifier.terms, envelope)):
        raise BreaksRule(wrong[1])
    if qualifier.receipt is not None and envelope.status is not None:
        code, meant = qualifier.receipt.status_code, envelope.status.code
        if code != meant:
            raise BreaksRule(f"gw:StatusCode would say {code} in a status {meant}")
    return said


def _check_kind(envelope: Envelope) -> None:
    if envelope.kind is Kind.STATUS:
        elsewhere = (
            envelope.business,
            *envelope.to,
            *envelope.trace,
            *envelope.manifest,
            *envelope.attachments,
        )
        if envelope.status is None or any(part is not None for part in elsewhere):
            raise BreaksRule("a status has a StatusCode, and neither To, trace, business nor files")
        if not _STATUS_CODE.fullmatch(envelope.status.code):
            raise BreaksRule(f"StatusCode is two digits, not {envelope.status.code!r}")
        if len(envelope.response_for) != 1:
            raise BreaksRule(f"a status answers one document, not {len(envelope.response_for)}")
        return
    said = envelope.business.doc_type if envelope.business else 0
    if envelope.status is not None or (said or 0) != OPERATIONS[envelope.kind]:
        raise BreaksRule(
            f"an envelope of kind {envelope.kind} needs BussinessDocType {OPERATIONS[envelope.kind]} "
            f"and no StatusCode; it has {said}"
        )


def _check_attachments(envelope: Envelope, contents: Sequence[AttachmentContent]) -> None:
    if not len(envelope.attachments) == len(envelope.manifest) == len(contents):
        raise BreaksRule(
            f"{len(envelope.manifest)} manifest lines, {len(envelope.attachments)} attachments and "
            f"{len(contents)} contents were given; they must be as many"
        )
    seen = set()
    for n, (line, one, content) in enumerate(
        zip(envelope.manifest, envelope.attachments, contents, strict=True), 1
    ):
        if line.content_id != one.content_id or line.attachment_name != one.attachment_name:
            raise BreaksRule(f"attachment {n} has another id or name in the manifest than beside its bytes")
        bare = bare_content_id(one.content_id)
        if bare is None or bare in seen:
            raise BreaksRule(f"attachment {n} has no ContentId, or one that was used before")
        seen.add(bare)
        _check_names(n, one, line.content_type, content.entry_name)


def _check_names(n: int, one: Attachment, listed_type: str | None, entry_name: str) -> None:
    name = one.attachment_name
    if name is None or not _PATH_SIGNS.isdisjoint(name):
        raise BreaksRule(f"attachment {n} needs a name without path separators")
    if name != attachment.wire_name(name):
        raise BreaksRule(f"attachment {n} must end in zip in small letters, or older readers zip it again")
    expected = attachment.coding_for(name)[1]
    if (one.content_type, listed_type) != (expected, expected):
        raise BreaksRule(
            f"attachment {n} must be {expected} in the manifest and beside its bytes, because that is how it is "
            f"written; it is {listed_type} and {one.content_type}"
        )
    if not attachment.is_entry_name(entry_name, name):
        raise BreaksRule(f"the entry name of attachment {n} must be a UUID and the file's own extension")


def status_envelope(packet: StatusPacket, agency: HostedAgency) -> Envelope:
    """The envelope of a status packet."""
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
    """What the signature of a status packet says of it."""
    return Qualifier(packet_id=packet.packet_id, kind=Kind.STATUS, receipt=packet.receipt, terms=packet.terms)


def prove_status(packet: StatusPacket, agency: HostedAgency) -> None:
    """BreaksRule where this status could never be written, by the writer's own checks."""
    check(status_envelope(packet, agency), (), status_qualifier(packet))


def organisation_of(agency: HostedAgency) -> Organisation:
    """How one of our agencies names itself."""
    return Organisation(
        organ_id=agency.code,
        organization_in_charge=fitting(agency.parent_name, DRAFT["recipients/*/name"]),
        organ_name=fitting(agency.name, DRAFT["recipients/*/name"]),
        email=keep_if_fits(agency.email, DRAFT["staff/email"]),
    )


def staff_of(person: Staff) -> StaffInfo:
    return StaffInfo(department=person.department, staff=person.name, email=person.email, mobile=person.phone)


def wall_clock(at: datetime) -> datetime:
    """A time in whole seconds, on the Vietnamese wall clock that the wire writes (edxml.md 6)."""
    return local(at).replace(microsecond=0)
