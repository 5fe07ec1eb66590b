"""What tests say on the wire and to the node: drafts, models of packets between the demonstration's agencies, and
receipts that are true unless a field is changed. A town signs, sends and delivers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from io import BytesIO
from typing import Any

from pypdf import PdfWriter

from gateway.domain.document import Draft, Kind, OutgoingDocument, Recipient, Signer
from gateway.domain.identity import DocumentId
from gateway.domain.proof import Receipt
from gateway.domain.wall_clock import local
from gateway.edxml.envelope import (
    Business,
    Code,
    Envelope,
    Organisation,
    ReplacementInfo,
    ResponseFor,
    StatusReport,
    TraceHeader,
)
from gateway_labs.demo import stage
from tests.support import envelopes
from tests.support.clock import START
from tests.support.strategies import Files

PROVINCE, DEPARTMENT, COMMUNE = (stage.cast().code(actor) for actor in stage.ACTORS)


def pdf(pages: int = 1) -> bytes:
    """A good PDF of so many empty pages."""
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(width=595, height=842)
    content = BytesIO()
    writer.write(content)
    return content.getvalue()


PDF = pdf()
TODAY = START.date()


def draft(number: str, *to: str, **fields: Any) -> Draft:
    """Metadata of a document that may be sent."""
    values: dict[str, Any] = {
        "number": number,
        "symbol": "STD-VP",
        "issued_on": TODAY,
        "type_name": "Công văn",
        "subject": "Về việc báo cáo dự toán",
        "signer": Signer(name="Nguyễn Văn Mẫu"),
        "recipients": tuple(Recipient(code=code) for code in to),
        "reply_required": False,
    }
    return Draft(**(values | fields))


def document(
    number: str = "200",
    files: Files = (("van-ban.pdf", PDF),),
    *,
    sender: str = DEPARTMENT,
    to: Sequence[str] = (PROVINCE,),
    **changes: Any,
) -> Envelope:
    """The model of a good incoming document from a hosted agency."""
    values: dict[str, Any] = {
        "sender": Organisation(organ_id=sender, organ_name="Cơ quan Mẫu"),
        "to": tuple(Organisation(organ_id=code) for code in to),
        "document_id": document_id(number, sender),
        "code": Code(number=number, notation="STD-VP"),
        "promulgation_date": TODAY,
        "due_date": None,
        "response_for": (),
        "trace": (TraceHeader(organ_id=sender, timestamp=local(START)),),
    }
    return envelopes.document(files, **(values | changes))


def update_of(
    number: str = "200", *, sender: str = DEPARTMENT, files: Files = (("van-ban.pdf", PDF),), **changes: Any
) -> Envelope:
    business = replace(_business(envelopes.update()), document_id=document_id(number, sender))
    return document(number, files, sender=sender, kind=Kind.UPDATE, business=business, **changes)


def recall_of(number: str = "200", *, sender: str = DEPARTMENT, target: str | None = None) -> Envelope:
    target_id = target or document_id(number, sender)
    business = Business(doc_type=1, document_id=target_id, reason="Ban hành nhầm")
    return document(number, (), sender=sender, kind=Kind.RECALL, business=business)


def replacement_of(replaced: str, number: str, *, sender: str = DEPARTMENT, **changes: Any) -> Envelope:
    info = ReplacementInfo(document_id=document_id(replaced, sender), organ_ids=(PROVINCE,))
    business = Business(doc_type=3, reason="Thay thế", paper=0, replacements=(info,))
    return document(number, sender=sender, kind=Kind.REPLACEMENT, business=business, **changes)


def status_about(
    code: str,
    subject_id: str,
    *,
    sender: str = PROVINCE,
    to: str = DEPARTMENT,
    at: datetime = START,
    note: str = "Ghi chú",
) -> Envelope:
    """The model of a status of `sender` about the document with this DocumentId, told to `to`."""
    response = ResponseFor(organ_id=to, code="15/STD-VP", document_id=subject_id, promulgation_date=TODAY)
    report = StatusReport(code=code, description=note, timestamp=local(at))
    organisation = Organisation(organ_id=sender, organ_name="Cơ quan Mẫu")
    return Envelope(kind=Kind.STATUS, sender=organisation, response_for=(response,), status=report)


def receipt_for(sent: OutgoingDocument, code: str, **changes: Any) -> Receipt:
    """A true receipt for what we sent, unless a field is changed."""
    true = Receipt(
        of_packet_id=sent.packet_id,
        of_document_id=sent.document_id,
        of_sender=sent.document_id.split(",", 1)[0],
        body_digest=sent.body_digest,
        file_digest=sent.envelope_digest,
        size=sent.envelope_size,
        received_at=START,
        status_code=code,
        verdict="valid",
    )
    return replace(true, **changes)


def document_id(number: str = "200", sender: str = DEPARTMENT, day: date = TODAY) -> DocumentId:
    return DocumentId(f"{sender},{day:%Y/%m/%d},{number}/STD-VP")


def _business(model: Envelope) -> Business:
    assert model.business is not None
    return model.business
