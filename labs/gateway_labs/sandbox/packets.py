"""Packets of robots: packets of every kind, true ones and faulty ones. In: sender, receiver and content, and the wanted
flaws. Out: signed bytes ready for the axis. Blocks: call it in the pool.

A flaw is put in where it belongs: into the content (`wrong-recipient`), into the signing (`unbound-certificate`), or into
the finished bytes (`bad-signature`)."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO

from gateway.domain.account import HostedAgency, NumberingMode
from gateway.domain.document import Kind, Lane, Staff, Urgency
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Receipt, StatusPacket, Terms
from gateway.domain.wall_clock import local
from gateway.edxml import build
from gateway.edxml.attachment import coding_for, extension
from gateway.edxml.envelope import (
    Attachment,
    Business,
    Code,
    DocumentInfo,
    DocumentType,
    Envelope,
    Organisation,
    OtherInfo,
    ReplacementInfo,
    ResponseFor,
    SignerInfo,
    TraceHeader,
)
from gateway.edxml.signature import Qualifier
from gateway.ports.axis import Parcel
from gateway.ports.services import EnvelopeSigner
from gateway_labs.sandbox.cast import Cast

TWICE, OTHER_CONTENT, UNBOUND, WRONG_RECIPIENT = (
    "twice",
    "other-content",
    "unbound-certificate",
    "wrong-recipient",
)
BAD_SIGNATURE, CHANGED, NOT_XML, ENTITY, TOO_LARGE, BROKEN_FILE = (
    "bad-signature",
    "changed-after-signing",
    "not-xml",
    "entity",
    "too-large",
    "broken-file",
)
FLAWS = (
    *(TWICE, OTHER_CONTENT, UNBOUND, WRONG_RECIPIENT),
    *(BAD_SIGNATURE, CHANGED, NOT_XML, ENTITY, TOO_LARGE, BROKEN_FILE),
)
LARGE = "large"
_SOMEBODY_ELSE = "T00.99"
_VALUE = re.compile(rb"(<ds:SignatureValue>)([A-Za-z0-9+/])")
_SUBJECT = re.compile(rb"(</(?:\w+:)?Subject>)")
_CODE = re.compile(rb"(<(?:\w+:)?StatusCode>)([0-9]{2})")

Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentReference:
    """The document that a packet is about, as it was sent: sender, number and day."""

    document_id: str
    code: str = ""
    issued_on: date | None = None
    sender: str = ""
    packet_id: str = ""
    body_digest: str = ""
    file_digest: str = ""
    size: int = 0
    received_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """Content of a robot's packet. `kind` with its own fields: a status has `code`, the others a number and a subject;
    `document` is the document it answers, changes or takes back."""

    kind: Kind
    packet_id: str
    to: str
    at: datetime
    code: str = ""
    number: str = ""
    subject: str = ""
    urgency: Urgency = Urgency.NORMAL
    due_on: date | None = None
    document: DocumentReference | None = None
    note: str = ""
    register_no: str = ""
    files: Files = ()
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPacket:
    """A packet ready for the axis."""

    packet_id: str
    kind: Kind
    sender: str
    to: str
    raw: bytes
    lane: Lane
    document_id: str
    times: int = 1

    @property
    def digest(self) -> Digest:
        return Digest(hashlib.sha256(self.raw).hexdigest())

    def parcel(self) -> Parcel:
        return Parcel(
            packet_id=self.packet_id,
            kind=self.kind.value,
            sender=self.sender,
            lane=self.lane,
            digest=self.digest,
            size=len(self.raw),
            open=lambda: BytesIO(self.raw),
        )


def write(cast: Cast, agency: HostedAgency, saying: Saying, signer: EnvelopeSigner) -> WrittenPacket:
    """Write a packet; `signer` is the one that the flaw asks for."""
    if saying.kind is Kind.STATUS:
        model, qualifier = _status(cast, agency, saying)
    else:
        model, qualifier = _document(cast, agency, saying)
    out = BytesIO()
    build.write(model, _contents(saying.files), out, signer, qualifier, saying.at)
    return WrittenPacket(
        packet_id=saying.packet_id,
        kind=saying.kind,
        sender=agency.code,
        to=saying.to,
        raw=_spoiled(out.getvalue(), saying.flaws),
        lane=saying.urgency.lane,
        document_id=(saying.document.document_id if saying.document else "")
        if saying.kind is Kind.STATUS
        else model.document_id or "",
        times=2 if TWICE in saying.flaws else 1,
    )


def unsigned(cast: Cast, sender: str, to: str, number: str, at: datetime, pdf: bytes) -> tuple[bytes, str]:
    """Return a document as a system with the national axis's library builds it, and its DocumentId. Blocks."""
    agency = HostedAgency(id="", code=sender, name=sender, numbering=NumberingMode.A)
    saying = Saying(
        kind=Kind.DOCUMENT,
        packet_id=f"kit-{uuid.uuid4()}",
        to=to,
        at=at,
        number=number,
        subject=cast.says("curl"),
        files=(("van-ban.pdf", pdf),),
    )
    model, _ = _document(cast, agency, saying)
    out = BytesIO()
    build.write(model, _contents(saying.files), out, None, None, at)
    return out.getvalue(), model.document_id or ""


def document_id(agency: HostedAgency, day: date, number: str, symbol: str) -> DocumentId:
    return DocumentId(f"{agency.code},{day:%Y/%m/%d},{number}/{symbol}")


def _status(cast: Cast, agency: HostedAgency, saying: Saying) -> tuple[Envelope, Qualifier]:
    subject = saying.document or DocumentReference(document_id="")
    packet = StatusPacket(
        packet_id=PacketId(saying.packet_id),
        sender_code=agency.code,
        to_code=saying.to,
        code=saying.code,
        document_id=DocumentId(subject.document_id),
        document_code=subject.code or None,
        issued_on=subject.issued_on,
        stated_at=saying.at,
        description=saying.note or f"{cast.says('note', name=agency.name)} · {saying.packet_id}",
        staff=Staff(name=agency.name),
        receipt=_receipt(saying, subject) if subject.packet_id else None,
        terms=Terms(register_no=saying.register_no, register_year=local(saying.at).year)
        # The number stands in a receipt alone.
        if saying.register_no and saying.code == "03" and subject.packet_id
        else None,
    )
    return build.status_envelope(packet, agency), build.status_qualifier(packet)


def _receipt(saying: Saying, subject: DocumentReference) -> Receipt:
    return Receipt(
        of_packet_id=PacketId(subject.packet_id),
        of_document_id=DocumentId(subject.document_id),
        of_sender=subject.sender,
        body_digest=Digest(subject.body_digest),
        file_digest=Digest(subject.file_digest),
        size=subject.size,
        received_at=subject.received_at,
        status_code=saying.code,
        verdict="valid",
    )


def _document(cast: Cast, agency: HostedAgency, saying: Saying) -> tuple[Envelope, Qualifier]:
    day, symbol = local(saying.at).date(), cast.says("symbol")
    reference = saying.document
    # An update and a recall are about the document of that id; the others have one of their own.
    same = reference is not None and saying.kind in (Kind.UPDATE, Kind.RECALL)
    number = reference.code.partition("/")[0] if same and reference else saying.number
    issued = reference.issued_on or day if same and reference else day
    receiver = _SOMEBODY_ELSE if WRONG_RECIPIENT in saying.flaws else saying.to
    subject = f"{saying.subject} (2)" if OTHER_CONTENT in saying.flaws else saying.subject
    parts = _attachments(saying)
    model = Envelope(
        kind=saying.kind,
        sender=build.organisation_of(agency),
        to=(Organisation(organ_id=receiver),),
        document_id=document_id(agency, issued, number, symbol),
        code=Code(number=number, notation=symbol),
        place=cast.says("place"),
        promulgation_date=issued,
        document_type=DocumentType(name=cast.says("type")),
        subject=subject,
        signer=SignerInfo(position=cast.says("title"), full_name=cast.says("signer")),
        due_date=saying.due_on,
        other=OtherInfo(priority=int(saying.urgency)),
        response_for=(_answers(reference),)
        if reference and saying.kind in (Kind.DOCUMENT, Kind.RECALL)
        else (),
        trace=(TraceHeader(organ_id=agency.code, timestamp=build.wall_clock(saying.at)),),
        business=_business(cast, saying),
        manifest=parts,
        attachments=parts,
    )
    terms = None if saying.kind is Kind.RECALL else Terms(reply_required=saying.due_on is not None)
    return model, Qualifier(packet_id=PacketId(saying.packet_id), kind=saying.kind, terms=terms)


def _answers(subject: DocumentReference) -> ResponseFor:
    return ResponseFor(
        organ_id=subject.sender,
        code=subject.code,
        document_id=subject.document_id,
        promulgation_date=subject.issued_on,
    )


def _business(cast: Cast, saying: Saying) -> Business:
    document = saying.document.document_id if saying.document else None
    kind = build.OPERATIONS[saying.kind]
    if saying.kind is Kind.RECALL:
        return Business(
            doc_type=kind, document_id=document, reason=saying.note or cast.says("recall"), paper=0
        )
    if saying.kind is Kind.UPDATE:
        info = DocumentInfo(document_info=True, document_receiver=False)
        reason = saying.note or cast.says("update")
        return Business(doc_type=kind, document_id=document, reason=reason, paper=0, document_info=info)
    if saying.kind is Kind.REPLACEMENT:
        replaced = ReplacementInfo(document_id=document or "", organ_ids=(saying.to,))
        reason = saying.note or cast.says("replace")
        return Business(doc_type=kind, reason=reason, paper=0, replacements=(replaced,))
    return Business(doc_type=kind, paper=0)


def _attachments(saying: Saying) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            content_id=f"cid:{saying.packet_id}-{n}",
            attachment_name=name,
            content_type=coding_for(name)[1],
        )
        for n, (name, _) in enumerate(saying.files, 1)
    )


def _contents(files: Files) -> list[build.AttachmentContent]:
    return [
        build.AttachmentContent(entry_name=f"{uuid.uuid4()}.{extension(name) or 'unk'}", open=_opener(raw))
        for name, raw in files
    ]


def _opener(raw: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (raw,)


def _spoiled(raw: bytes, flaws: Sequence[str]) -> bytes:
    for flaw in flaws:
        if flaw in _SPOIL:
            raw = _SPOIL[flaw](raw)
    return raw


def _bad_signature(raw: bytes) -> bytes:
    return _VALUE.sub(lambda match: match[1] + (b"B" if match[2] != b"B" else b"C"), raw, count=1)


def _changed(raw: bytes) -> bytes:
    """Change the subject; of a status, the code."""
    if _SUBJECT.search(raw):
        return _SUBJECT.sub(rb" \1", raw, count=1)
    return _CODE.sub(lambda match: match[1] + (b"06" if match[2] != b"06" else b"05"), raw, count=1)


def _not_xml(raw: bytes) -> bytes:
    return raw[: len(raw) * 2 // 3]


def _entity(raw: bytes) -> bytes:
    """Add a document type with an entity, as attacks on readers have it."""
    head, mark, tail = raw.partition(b"?>")
    return head + mark + b'<!DOCTYPE edXML [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + tail


_SPOIL: Mapping[str, Callable[[bytes], bytes]] = {
    BAD_SIGNATURE: _bad_signature,
    CHANGED: _changed,
    NOT_XML: _not_xml,
    ENTITY: _entity,
}


def files_for(flaws: Sequence[str], lead: bytes, limit: int) -> Files:
    """Return the lead file and an appendix; by a flaw also one too large for the rules, or of a false type."""
    files = [("van-ban.pdf", lead), ("phu-luc.txt", b"Phu luc (thu nghiem)\n")]
    if TOO_LARGE in flaws:
        files.append(("qua-lon.pdf", lead + b"%" * (limit + 1 - len(lead))))
    if LARGE in flaws:
        files.append(("lon.pdf", lead + b"%" * (limit // 2)))
    if BROKEN_FILE in flaws:
        files.append(("hong.zip", b"PK\x03\x04" + b"\x00" * 64))
    return tuple(files)


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
