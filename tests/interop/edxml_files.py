"""Writes files of the national standard as a document system does, from its specification alone: no line is the
gateway's."""

from __future__ import annotations

import base64
import io
import uuid
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_ROOT = '<?xml version="1.0" encoding="UTF-8"?>\n<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
_ENVELOPE = '<edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader>'


def _agency(element: str, code: str) -> str:
    return (
        f"<edXML:{element}><edXML:OrganId>{escape(code)}</edXML:OrganId>"
        f"<edXML:OrganName>Cơ quan {escape(code)}</edXML:OrganName></edXML:{element}>"
    )


def zipped(name: str, raw: bytes, *, packed: bool = True) -> bytes:
    buffer = io.BytesIO()
    how = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", how) as archive:
        archive.writestr(name, raw)
    return buffer.getvalue()


def document(
    sender: str,
    to: Sequence[str],
    files: Sequence[tuple[str, bytes]],
    *,
    number: str = "118",
    notation: str = "STN-VP",
    day: str = "2026/11/20",
    id: str = "",
    subject: str = "V/v phối hợp kiểm thử liên thông văn bản",
    business: int = 0,
    target_id: str = "",
    reason: str = "",
    more: str = "",
    type_name: str = "Công văn",
    packed: bool = True,
    traced: str = "09:15:00",
) -> bytes:
    """Build a document with these files, each zipped as the standard has it. `target_id`, `reason` and `more` belong to the
    business operation."""
    document_id = f"<edXML:DocumentId>{escape(target_id)}</edXML:DocumentId>" if target_id else ""
    why = f"<edXML:BussinessDocReason>{escape(reason)}</edXML:BussinessDocReason>" if reason else ""
    ids = [f"cid:{uuid.uuid4()}" for _ in files]
    references = "".join(
        f"<edXML:Reference><edXML:ContentId>{ref}</edXML:ContentId><edXML:ContentType>application/zip"
        f"</edXML:ContentType><edXML:AttachmentName>{escape(name)}</edXML:AttachmentName></edXML:Reference>"
        for ref, (name, _) in zip(ids, files, strict=True)
    )
    head = (
        f"{_ROOT}{_ENVELOPE}<edXML:MessageHeader>{_agency('From', sender)}"
        + "".join(_agency("To", ref) for ref in to)
        + f"<edXML:DocumentId>{escape(id or f'{sender},{day},{number}/{notation}')}</edXML:DocumentId>"
        f"<edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber>"
        f"<edXML:CodeNotation>{notation}</edXML:CodeNotation></edXML:Code>"
        f"<edXML:PromulgationInfo><edXML:Place>Sao Mai</edXML:Place>"
        f"<edXML:PromulgationDate>{day}</edXML:PromulgationDate></edXML:PromulgationInfo>"
        f"<edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>{type_name}</edXML:TypeName>"
        f"</edXML:DocumentType><edXML:Subject>{escape(subject)}</edXML:Subject>"
        f"<edXML:Content>{escape(subject)}</edXML:Content>"
        f"<edXML:SignerInfo><edXML:Position>Phó Giám đốc</edXML:Position>"
        f"<edXML:FullName>Người Ký Mẫu</edXML:FullName></edXML:SignerInfo>"
        f"<edXML:OtherInfo><edXML:Priority>0</edXML:Priority><edXML:PageAmount>1</edXML:PageAmount>"
        f"</edXML:OtherInfo></edXML:MessageHeader><edXML:TraceHeaderList><edXML:TraceHeader>"
        f"<edXML:OrganId>{escape(sender)}</edXML:OrganId><edXML:Timestamp>{day} {traced}</edXML:Timestamp>"
        f"</edXML:TraceHeader><edXML:Bussiness>{document_id}<edXML:BussinessDocType>{business}</edXML:BussinessDocType>"
        f"{why}<edXML:Paper>0</edXML:Paper>{more}</edXML:Bussiness></edXML:TraceHeaderList></edXML:edXMLHeader>"
        f"<edXML:edXMLBody><edXML:edXMLManifest>{references}</edXML:edXMLManifest></edXML:edXMLBody>"
        "</edXML:edXMLEnvelope><AttachmentEncoded>"
    )
    attachments = "".join(
        f"<Attachment><ContentId>{ref}</ContentId><AttachmentName>{escape(name)}</AttachmentName>"
        "<ContentType>application/zip</ContentType><edXML:ContentTransferEncoded "
        'xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">'
        f"{base64.b64encode(zipped(name, raw, packed=packed)).decode()}"
        "</edXML:ContentTransferEncoded></Attachment>"
        for ref, (name, raw) in zip(ids, files, strict=True)
    )
    return (head + attachments + "</AttachmentEncoded></edXML>").encode()


def status(
    sender: str,
    to: str,
    code: str,
    document_id: str,
    *,
    notation: str = "118/STN-VP",
    day: str = "2026/11/20",
    at: str = "",
    why: str = "",
) -> bytes:
    """Build a status about a document that `to` sent."""
    return (
        f"{_ROOT}{_ENVELOPE}<edXML:MessageHeader>{_agency('From', sender)}"
        f"<edXML:ResponseFor><edXML:OrganId>{escape(to)}</edXML:OrganId>"
        f"<edXML:Code>{escape(notation)}</edXML:Code>"
        f"<edXML:DocumentId>{escape(document_id)}</edXML:DocumentId>"
        f"<edXML:PromulgationDate>{day}</edXML:PromulgationDate></edXML:ResponseFor>"
        "<edXML:StaffInfo><edXML:Department>Văn thư</edXML:Department>"
        "<edXML:Staff>Cán Bộ Nhận Mẫu</edXML:Staff></edXML:StaffInfo>"
        f"<edXML:StatusCode>{code}</edXML:StatusCode>"
        + (f"<edXML:Description>{escape(why)}</edXML:Description>" if why else "")
        + (f"<edXML:Timestamp>{at}</edXML:Timestamp>" if at else "")
        + "</edXML:MessageHeader></edXML:edXMLHeader></edXML:edXMLEnvelope></edXML>"
    ).encode()
