"""Envelopes for tests: a good model of every kind, and the steps from model to bytes and to a signed file.
All agencies, people and numbers are invented."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from uuid import UUID

from gateway.domain.document import DeliveryMode, Kind, RecipientRole
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Binding, Receipt, Terms
from gateway.domain.wall_clock import VIETNAM
from gateway.edxml.attachment import coding_for, extension
from gateway.edxml.build import AttachmentContent, Qualifier, write
from gateway.edxml.envelope import (
    Attachment,
    Business,
    Code,
    DocumentInfo,
    DocumentType,
    Envelope,
    Organisation,
    OtherInfo,
    Receiver,
    ReplacementInfo,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusReport,
    TraceHeader,
)
from gateway.edxml.names import DECLARATION
from gateway.edxml.signature import sign_body
from gateway.ports.services import EnvelopeSigner
from tests.support import pki
from tests.support.strategies import Files as Files

SENDER = "000.00.07.Z91"
RECEIVER = "000.00.12.Z92"
SECOND_RECEIVER = "Z93.05"
DOCUMENT_ID = "000.00.07.Z91,2031/03/04,118/STN-VP"
SIGNED_AT = datetime(2031, 3, 4, 2, 15, 0, tzinfo=UTC)
PACKET_ID = PacketId("01JZ0000000000000000000001")

TWO_FILES: Files = (("cong-van.pdf", b"%PDF-1.4\n%%EOF\n"), ("phu-luc-1.txt", "Phụ lục một\n".encode()))


def document(files: Files = TWO_FILES, **changes: object) -> Envelope:
    """A new document that answers another one, like edxml.md 13.1."""
    envelope = Envelope(
        kind=Kind.DOCUMENT,
        sender=_organisation(SENDER, "Sở Thử nghiệm tỉnh Sao Mai"),
        to=(_organisation(RECEIVER, "Sở Mô phỏng tỉnh Bình Minh"), Organisation(organ_id=SECOND_RECEIVER)),
        document_id=DOCUMENT_ID,
        code=Code(number="118", notation="STN-VP"),
        place="Sao Mai",
        promulgation_date=date(2031, 3, 4),
        document_type=DocumentType(type=2, detail=0, name="Công văn"),
        subject="V/v phối hợp kiểm thử liên thông văn bản",
        content="V/v phối hợp kiểm thử liên thông văn bản",
        signer=SignerInfo(competence="KT. GIÁM ĐỐC", position="Phó Giám đốc", full_name="Người Ký Mẫu"),
        due_date=date(2031, 3, 20),
        other=OtherInfo(
            priority=0,
            sphere_of_promulgation="Liên thông văn bản",
            typer_notation="VT",
            promulgation_amount=2,
            page_amount=3,
            direction=False,
            appendixes=("Phụ lục 1",),
        ),
        response_for=(
            ResponseFor(
                organ_id=RECEIVER,
                code="45/SMP-VP",
                document_id="000.00.12.Z92,2031/02/20,45/SMP-VP",
                promulgation_date=date(2031, 2, 20),
            ),
        ),
        steering_type=0,
        to_places=("Như trên", "Lưu: VT"),
        trace=(TraceHeader(organ_id=SENDER, timestamp=datetime(2031, 3, 4, 9, 15, tzinfo=VIETNAM)),),
        business=Business(doc_type=0, reason="Văn bản điện tử mới", paper=0, staff=(_staff(),)),
    )
    return replace(with_files(envelope, files), **changes)  # type: ignore[arg-type]  # tests name fields freely


def update(files: Files = TWO_FILES) -> Envelope:
    business = Business(
        doc_type=2,
        document_id=DOCUMENT_ID,
        reason="Cập nhật nơi nhận",
        paper=0,
        document_info=DocumentInfo(
            document_info=True,
            document_receiver=True,
            receivers=(
                Receiver(organ_id=SECOND_RECEIVER, added=False),
                Receiver(organ_id="Z94.01", added=True),
            ),
        ),
    )
    return document(files, kind=Kind.UPDATE, business=business)


def recall() -> Envelope:
    business = Business(doc_type=1, document_id=DOCUMENT_ID, reason="Ban hành nhầm")
    target = ResponseFor(
        organ_id=SENDER, code="118/STN-VP", document_id=DOCUMENT_ID, promulgation_date=date(2031, 3, 4)
    )
    return document((), kind=Kind.RECALL, business=business, response_for=(target,))


def replacement(files: Files = TWO_FILES) -> Envelope:
    replaced = ReplacementInfo(document_id=DOCUMENT_ID, organ_ids=(RECEIVER, SECOND_RECEIVER))
    business = Business(doc_type=3, reason="Thay thế công văn 118/STN-VP", paper=0, replacements=(replaced,))
    new_id = "000.00.07.Z91,2031/03/06,121/STN-VP"
    return document(files, kind=Kind.REPLACEMENT, business=business, document_id=new_id)


def status(code: str = "03", *, sender: str = RECEIVER, subject: str = SENDER) -> Envelope:
    """A status; for a 13 give the original sender as `sender`."""
    return Envelope(
        kind=Kind.STATUS,
        sender=_organisation(sender, "Sở Mô phỏng tỉnh Bình Minh"),
        response_for=(
            ResponseFor(
                organ_id=subject,
                code="118/STN-VP",
                document_id=DOCUMENT_ID,
                promulgation_date=date(2031, 3, 4),
            ),
        ),
        status=StatusReport(
            code=code,
            description="Đã vào sổ văn bản đến",
            timestamp=datetime(2031, 3, 4, 10, 2, 17, tzinfo=VIETNAM),
            staff=_staff(),
        ),
    )


def receipt(code: str = "03") -> Receipt:
    return Receipt(
        of_packet_id=PACKET_ID,
        of_document_id=DocumentId(DOCUMENT_ID),
        of_sender=SENDER,
        body_digest=Digest("ab" * 32),
        file_digest=Digest("cd" * 32),
        size=4711,
        received_at=SIGNED_AT - timedelta(seconds=3),
        status_code=code,
        verdict="valid",
    )


def every_kind() -> list[tuple[str, Envelope, Files, Receipt | None]]:
    """One good packet of every kind that goes over the axis, with its files and its receipt if it has one."""
    answers = [
        (f"status {code}", status(code), (), receipt(code))
        for code in ["01", "02", "03", "04", "05", "06", "15", "16"]
    ]
    return [
        ("document", document(), TWO_FILES, None),
        ("document without files", document(()), (), None),
        ("update", update(), TWO_FILES, None),
        ("recall", recall(), (), None),
        ("replacement", replacement(), TWO_FILES, None),
        *answers,
        ("status 13", status("13", sender=SENDER, subject=RECEIVER), (), None),
    ]


def with_files(envelope: Envelope, files: Files) -> Envelope:
    """The envelope with manifest and attachments for these files."""
    attachments = tuple(
        Attachment(
            content_id=f"cid:{uuid_of(n)}",
            attachment_name=name,
            description=f"Tệp {n}",
            content_type=coding_for(name)[1],
        )
        for n, (name, _) in enumerate(files, 1)
    )
    return replace(envelope, attachments=attachments, manifest=attachments)


def contents(files: Files) -> tuple[AttachmentContent, ...]:
    """The bytes of the files, each in one piece."""
    return tuple(
        AttachmentContent(entry_name=f"{uuid_of(n)}.{extension(name) or 'unk'}", open=_opener(raw))
        for n, (name, raw) in enumerate(files, 1)
    )


def _opener(raw: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (raw,)


def timed(model: Envelope) -> Envelope:
    """The same as a timed express letter."""
    return replace(model, other=replace(model.other or OtherInfo(), priority=4))


def wishes(**changes: object) -> Terms:
    """Return all terms that a sender can give, fitting `timed(document())` and similar ones."""
    terms = Terms(
        reply_required=True,
        due_at=datetime(2031, 3, 4, 9, 0, tzinfo=UTC),
        delivery_mode=DeliveryMode.ELECTRONIC,
        roles=((RECEIVER, RecipientRole.TO_ACT), (SECOND_RECEIVER, RecipientRole.TO_KNOW)),
    )
    return replace(terms, **changes)  # type: ignore[arg-type]  # tests name fields freely


REGISTERED = Terms(register_no="1245", register_year=2031)
"""What a receiver says in a 03."""


def qualifier(
    envelope: Envelope, receipt: Receipt | None = None, packet_id: str = PACKET_ID, terms: Terms | None = None
) -> Qualifier:
    return Qualifier(packet_id=PacketId(packet_id), kind=envelope.kind, receipt=receipt, terms=terms)


def native(
    envelope: Envelope | None = None,
    files: Files = TWO_FILES,
    *,
    signer: EnvelopeSigner | None = None,
    receipt: Receipt | None = None,
    at: datetime = SIGNED_AT,
    packet_id: str = PACKET_ID,
    terms: Terms | None = None,
) -> bytes:
    """A signed native file; by default `document()` under its sender's RSA-2048 key."""
    envelope = envelope or document(files)
    files = files if envelope.attachments else ()
    signer = signer or pki.signer(envelope.sender.organ_id or SENDER)
    out = BytesIO()
    write(envelope, contents(files), out, signer, qualifier(envelope, receipt, packet_id, terms), at)
    return out.getvalue()


def binding(signer: EnvelopeSigner) -> Binding:
    return Binding(code=signer.agency_code, certificate_der=signer.certificate_der)


def uuid_of(n: int) -> UUID:
    return UUID(f"6b1f0e3c-0000-4d7a-8f10-{n:012x}")


def _organisation(code: str, name: str) -> Organisation:
    return Organisation(
        organ_id=code,
        organization_in_charge="UBND tỉnh Sao Mai",
        organ_name=name,
        organ_add="Số 1 Phố Ví Dụ",
        email="vanthu@sao-mai.example",
        telephone="000 0000 001",
        fax="000 0000 002",
        website="sao-mai.example",
    )


def _staff() -> StaffInfo:
    return StaffInfo(
        department="Văn thư", staff="Cán Bộ Mẫu", email="vanthu@sao-mai.example", mobile="000 0000 003"
    )


# A file taken apart, so that a test can sign other bytes than the writer's


def split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Split into the bytes before the Signature (without the declaration), the Signature, and the rest."""
    a = raw.index(b"<ds:Signature ")
    b = raw.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    return raw[len(DECLARATION) : a], raw[a:b], raw[b:]


def sign_bytes(head: bytes, tail: bytes, signer: EnvelopeSigner, qualifier: Qualifier) -> bytes:
    """Sign the digest of any bytes, canonical or not, as the owner of a key can."""
    digest = Digest(hashlib.sha256(head + tail).hexdigest())
    return DECLARATION + head + sign_body(digest, signer, qualifier, SIGNED_AT) + tail
