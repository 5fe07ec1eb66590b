"""Envelopes for tests: a good model of every kind, strategies for many more, and the step from model to bytes.
All agencies, people and numbers are invented."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import TypeVar
from uuid import UUID

from hypothesis import strategies as st

from gateway.domain.document import Kind
from gateway.domain.identity import Digest, DocumentId, PacketId
from gateway.domain.proof import Binding
from gateway.domain.receipt import Receipt
from gateway.edxml.attachment import coding_for, extension
from gateway.edxml.build import Content, Qualifier, write
from gateway.edxml.dates import HANOI
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
    Reference,
    ReplacementInfo,
    ResponseFor,
    SignerInfo,
    StaffInfo,
    StatusReport,
    TraceHeader,
)
from gateway.edxml.names import DECLARATION
from gateway.edxml.sign import signature
from gateway.ports import EnvelopeSigner
from tests.support import pki

T = TypeVar("T")

SENDER = "000.00.07.Z91"
RECEIVER = "000.00.12.Z92"
SECOND_RECEIVER = "Z93.05"
DOCUMENT_ID = "000.00.07.Z91,2031/03/04,118/STN-VP"
SIGNED_AT = datetime(2031, 3, 4, 2, 15, 0, tzinfo=UTC)
PACKET_ID = PacketId("01JZ0000000000000000000001")

Files = Sequence[tuple[str, bytes]]
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
        trace=(TraceHeader(organ_id=SENDER, timestamp=datetime(2031, 3, 4, 9, 15, tzinfo=HANOI)),),
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


def status(code: str = "03", *, sender: str = RECEIVER, about: str = SENDER) -> Envelope:
    """A status; for a 13 give the original sender as `sender`."""
    return Envelope(
        kind=Kind.STATUS,
        sender=_organisation(sender, "Sở Mô phỏng tỉnh Bình Minh"),
        response_for=(
            ResponseFor(
                organ_id=about,
                code="118/STN-VP",
                document_id=DOCUMENT_ID,
                promulgation_date=date(2031, 3, 4),
            ),
        ),
        status=StatusReport(
            code=code,
            description="Đã vào sổ văn bản đến",
            timestamp=datetime(2031, 3, 4, 10, 2, 17, tzinfo=HANOI),
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
        ("status 13", status("13", sender=SENDER, about=RECEIVER), (), None),
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
    manifest = tuple(
        Reference(
            content_id=one.content_id,
            content_type=one.content_type,
            description=one.description,
            attachment_name=one.attachment_name,
        )
        for one in attachments
    )
    return replace(envelope, attachments=attachments, manifest=manifest)


def contents(files: Files) -> tuple[Content, ...]:
    """The bytes of the files, each in one piece."""
    return tuple(
        Content(entry_name=f"{uuid_of(n)}.{extension(name) or 'unk'}", open=_opener(raw))
        for n, (name, raw) in enumerate(files, 1)
    )


def _opener(raw: bytes) -> Callable[[], tuple[bytes, ...]]:
    return lambda: (raw,)


def qualifier(envelope: Envelope, of: Receipt | None = None) -> Qualifier:
    return Qualifier(packet_id=PACKET_ID, kind=envelope.kind, receipt=of)


def native(
    envelope: Envelope | None = None,
    files: Files = TWO_FILES,
    *,
    signer: EnvelopeSigner | None = None,
    of: Receipt | None = None,
    at: datetime = SIGNED_AT,
) -> bytes:
    """A signed native file; by default `document()` under its sender's RSA-2048 key."""
    envelope = envelope or document(files)
    files = files if envelope.attachments else ()
    signer = signer or pki.signer(envelope.sender.organ_id or SENDER)
    out = BytesIO()
    write(envelope, contents(files), out, signer, qualifier(envelope, of), at)
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


# Strategies: any model that the wire can carry


def _writable(text: str) -> bool:
    return bool(text.strip(" \t\r\n")) and text.strip() != "null"


def texts(max_length: int) -> st.SearchStrategy[str]:
    """Text of every kind that may be written: markup signs, tab and line feed, and the last code point."""
    signs = st.sampled_from("&<>\"' \t\n]ắĐ\U0010ffff\u2028")
    letters = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
    raw = st.text(st.one_of(signs, letters), min_size=1, max_size=max(max_length // 3, 1))
    return raw.map(lambda text: unicodedata.normalize("NFC", text)[:max_length]).filter(
        lambda text: _writable(text) and unicodedata.is_normalized("NFC", text)
    )


def _maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    return st.none() | strategy


def _some(strategy: st.SearchStrategy[T], most: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(strategy, max_size=most).map(tuple)


_numbers = st.integers(0, 999_999_999)
_dates = st.dates(date(1900, 1, 1), date(2199, 12, 31))
_times = st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)).map(
    lambda at: at.replace(microsecond=0, tzinfo=HANOI)
)
_ids = texts(75)
_staffs = st.builds(
    StaffInfo,
    department=texts(200),
    staff=_maybe(texts(200)),
    email=_maybe(texts(100)),
    mobile=_maybe(texts(20)),
)
_organisations = st.builds(
    Organisation,
    organ_id=_ids,
    organization_in_charge=_maybe(texts(500)),
    organ_name=_maybe(texts(200)),
    organ_add=_maybe(texts(500)),
    email=_maybe(texts(100)),
    telephone=_maybe(texts(20)),
    fax=_maybe(texts(20)),
    website=_maybe(texts(100)),
)
_responses = st.builds(
    ResponseFor,
    organ_id=_ids,
    code=_maybe(texts(75)),
    document_id=_maybe(texts(255)),
    promulgation_date=_maybe(_dates),
)
_others = st.builds(
    OtherInfo,
    priority=_numbers,
    sphere_of_promulgation=_maybe(texts(100)),
    typer_notation=_maybe(texts(10)),
    promulgation_amount=_maybe(_numbers),
    page_amount=_maybe(_numbers),
    reply_fors=_maybe(texts(100)),
    direction=_maybe(st.booleans()),
    reference_codes=_maybe(texts(100)),
    appendixes=_some(texts(100)),
)
_changes = st.builds(
    DocumentInfo,
    document_info=st.booleans(),
    document_receiver=_maybe(st.booleans()),
    receivers=_some(st.builds(Receiver, organ_id=_ids, added=st.booleans())),
)
_replaced = st.builds(ReplacementInfo, document_id=texts(255), organ_ids=_some(_ids))
_OPERATIONS = {Kind.DOCUMENT: 0, Kind.RECALL: 1, Kind.UPDATE: 2, Kind.REPLACEMENT: 3}


@st.composite
def documents(draw: st.DrawFn) -> Envelope:
    """Any packet that carries a full header, without files."""
    kind = draw(st.sampled_from(list(_OPERATIONS)))
    business = st.builds(
        Business,
        doc_type=st.just(_OPERATIONS[kind]),
        document_id=_maybe(texts(255)),
        reason=_maybe(texts(500)),
        paper=_maybe(_numbers),
        document_info=_maybe(_changes),
        replacements=_some(_replaced),
        staff=_some(_staffs),
    )
    return draw(
        st.builds(
            Envelope,
            kind=st.just(kind),
            sender=_organisations,
            to=_some(_organisations),
            document_id=_maybe(texts(255)),
            code=_maybe(st.builds(Code, number=texts(11), notation=_maybe(texts(30)))),
            place=_maybe(texts(50)),
            promulgation_date=_maybe(_dates),
            document_type=_maybe(
                st.builds(DocumentType, type=_numbers, detail=_maybe(_numbers), name=_maybe(texts(100)))
            ),
            subject=_maybe(texts(500)),
            content=_maybe(texts(500)),
            signer=_maybe(
                st.builds(
                    SignerInfo,
                    competence=_maybe(texts(100)),
                    position=_maybe(texts(100)),
                    full_name=texts(255),
                )
            ),
            due_date=_maybe(_dates),
            other=_maybe(_others),
            response_for=_some(_responses),
            steering_type=_maybe(_numbers),
            to_places=_some(texts(150)),
            task_codes=_some(texts(75)),
            application_type=_maybe(texts(100)),
            trace=_some(st.builds(TraceHeader, organ_id=_ids, timestamp=_maybe(_times))),
            business=business if kind is not Kind.DOCUMENT else _maybe(business),
        )
    )


def statuses() -> st.SearchStrategy[Envelope]:
    """Any status packet."""
    report = st.builds(
        StatusReport,
        code=st.sampled_from(["01", "02", "03", "04", "05", "06", "13", "15", "16"]),
        description=_maybe(texts(500)),
        timestamp=_maybe(_times),
        staff=_maybe(_staffs),
    )
    return st.builds(
        Envelope,
        kind=st.just(Kind.STATUS),
        sender=_organisations,
        response_for=_responses.map(lambda one: (one,)),
        status=report,
    )


def file_sets() -> st.SearchStrategy[Files]:
    """Files of any content; two may have one name."""
    ends = st.sampled_from(["pdf", "PDF", "zip", "txt", "docx", "xml", "tên.odt", "jpg"])
    letters = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff/\\\u2028.")
    stems = st.text(letters, min_size=1, max_size=20).map(lambda text: unicodedata.normalize("NFC", text))
    name = st.tuples(stems.filter(_writable), ends).map(".".join)
    good = name.filter(lambda text: unicodedata.is_normalized("NFC", text))
    return st.lists(st.tuples(good, st.binary(max_size=2000)), max_size=4)


# A file taken apart, so that a test can sign other bytes than the writer's


def split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """What stands before the Signature (declaration apart), the Signature, what stands after it."""
    a = raw.index(b"<ds:Signature ")
    b = raw.index(b"</ds:Signature>") + len(b"</ds:Signature>")
    return raw[len(DECLARATION) : a], raw[a:b], raw[b:]


def sign_bytes(before: bytes, after: bytes, signer: EnvelopeSigner, of: Qualifier) -> bytes:
    """What an owner of a key can do: sign the digest of any bytes at all, canonical or not."""
    digest = Digest(hashlib.sha256(before + after).hexdigest())
    return DECLARATION + before + signature(digest, signer, of, SIGNED_AT) + after
