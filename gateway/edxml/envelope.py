"""The frozen model that mirrors the XML of one packet, and this model as texts under their local names, ready for the
closed table to put in order. Text is as it stands in the canonical octets; absent is None, never invented. `reader`
makes the model, `build` writes it; nobody else knows the wire's shape. Dates, times and numbers get their one written
form here (`edxml.md` 6), and `BreaksRule` is raised for a value that has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from gateway.domain.document import Kind
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import BreaksRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    organ_id: str | None = None
    organization_in_charge: str | None = None
    organ_name: str | None = None
    organ_add: str | None = None
    email: str | None = None
    telephone: str | None = None
    fax: str | None = None
    website: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    number: str | None = None
    notation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType:
    type: int | None = None
    detail: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerInfo:
    competence: str | None = None
    position: str | None = None
    full_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherInfo:
    priority: int | None = None
    sphere_of_promulgation: str | None = None
    typer_notation: str | None = None
    promulgation_amount: int | None = None
    page_amount: int | None = None
    reply_fors: str | None = None
    direction: bool | None = None
    reference_codes: str | None = None
    appendixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFor:
    """The document answered, or (in a status) the document reported on. `code` is number/notation."""

    organ_id: str | None = None
    code: str | None = None
    document_id: str | None = None
    promulgation_date: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHeader:
    organ_id: str | None = None
    timestamp: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffInfo:
    department: str | None = None
    staff: str | None = None
    email: str | None = None
    mobile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One line of an update's receiver list; `added` False means removed."""

    organ_id: str
    added: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    document_info: bool | None = None
    document_receiver: bool | None = None
    receivers: tuple[Receiver, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementInfo:
    document_id: str
    organ_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """`Bussiness`, as the wire misspells it: 0 new, 1 recall, 2 update, 3 replacement."""

    doc_type: int | None = None
    document_id: str | None = None
    reason: str | None = None
    paper: int | None = None
    document_info: DocumentInfo | None = None
    replacements: tuple[ReplacementInfo, ...] = ()
    staff: tuple[StaffInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What a line of the manifest says of a file, and the same beside its bytes; the bytes themselves are a
    `domain.proof.FileSlice`."""

    content_id: str | None = None
    attachment_name: str | None = None
    description: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    code: str
    description: str | None = None
    timestamp: datetime | None = None
    staff: StaffInfo | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One packet. A status has `status` and one `response_for`; the other kinds have the full header."""

    kind: Kind
    sender: Organisation
    to: tuple[Organisation, ...] = ()
    document_id: str | None = None
    code: Code | None = None
    place: str | None = None
    promulgation_date: date | None = None
    document_type: DocumentType | None = None
    subject: str | None = None
    content: str | None = None
    signer: SignerInfo | None = None
    due_date: date | None = None
    other: OtherInfo | None = None
    response_for: tuple[ResponseFor, ...] = ()
    steering_type: int | None = None
    to_places: tuple[str, ...] = ()
    task_codes: tuple[str, ...] = ()
    application_type: str | None = None
    trace: tuple[TraceHeader, ...] = ()
    business: Business | None = None
    manifest: tuple[Attachment, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    status: StatusReport | None = None


Outline: TypeAlias = "Mapping[str, str | Sequence[str] | Outline | Sequence[Outline] | None]"
_MAX_NUMBER = 999_999_999


def outline_header(envelope: Envelope) -> Outline:
    """MessageHeader and TraceHeaderList."""
    trace: Outline = {
        "TraceHeader": [_hop(hop) for hop in envelope.trace],
        "Bussiness": _business(envelope.business) if envelope.business else None,
    }
    return {"MessageHeader": _message(envelope), "TraceHeaderList": trace}


def outline_manifest(lines: Sequence[Attachment]) -> Outline:
    """The lines of edXMLManifest."""
    return {"Reference": [outline_attachment(one) for one in lines]}


def outline_attachment(one: Attachment) -> Outline:
    """What is said of a file."""
    return {
        "ContentId": one.content_id,
        "AttachmentName": one.attachment_name,
        "Description": one.description,
        "ContentType": one.content_type,
    }


def _message(envelope: Envelope) -> Outline:
    code, kind, signer, status = envelope.code, envelope.document_type, envelope.signer, envelope.status
    return {
        "From": _organisation(envelope.sender),
        "To": [_organisation(one) for one in envelope.to],
        "DocumentId": envelope.document_id,
        "Code": {"CodeNumber": code.number, "CodeNotation": code.notation} if code else None,
        "PromulgationInfo": {"Place": envelope.place, "PromulgationDate": _date(envelope.promulgation_date)},
        "DocumentType": {
            "Type": _number(kind.type),
            "TypeDetail": _number(kind.detail),
            "TypeName": kind.name,
        }
        if kind
        else None,
        "Subject": envelope.subject,
        "Content": envelope.content,
        "SignerInfo": {
            "Competence": signer.competence,
            "Position": signer.position,
            "FullName": signer.full_name,
        }
        if signer
        else None,
        "DueDate": _date(envelope.due_date),
        "OtherInfo": _other(envelope.other) if envelope.other else None,
        "ResponseFor": [_response(one) for one in envelope.response_for],
        "SteeringType": _number(envelope.steering_type),
        "ToPlaces": {"Place": envelope.to_places},
        "ResponseForTask": {"TaskCode": envelope.task_codes},
        "ApplicationType": envelope.application_type,
        "StaffInfo": _staff(status.staff) if status and status.staff else None,
        "StatusCode": status.code if status else None,
        "Description": status.description if status else None,
        "Timestamp": _time(status.timestamp) if status else None,
    }


def _organisation(one: Organisation) -> Outline:
    return {
        "OrganId": one.organ_id,
        "OrganizationInCharge": one.organization_in_charge,
        "OrganName": one.organ_name,
        "OrganAdd": one.organ_add,
        "Email": one.email,
        "Telephone": one.telephone,
        "Fax": one.fax,
        "Website": one.website,
    }


def _other(one: OtherInfo) -> Outline:
    return {
        "Priority": _number(one.priority),
        "SphereOfPromulgation": one.sphere_of_promulgation,
        "TyperNotation": one.typer_notation,
        "PromulgationAmount": _number(one.promulgation_amount),
        "PageAmount": _number(one.page_amount),
        "ReplyFors": one.reply_fors,
        "Direction": _flag(one.direction, "true", "false"),
        "ReferenceCodes": one.reference_codes,
        "Appendixes": {"Appendix": one.appendixes},
    }


def _response(one: ResponseFor) -> Outline:
    return {
        "OrganId": one.organ_id,
        "Code": one.code,
        "DocumentId": one.document_id,
        "PromulgationDate": _date(one.promulgation_date),
    }


def _staff(one: StaffInfo) -> Outline:
    return {"Department": one.department, "Staff": one.staff, "Email": one.email, "Mobile": one.mobile}


def _hop(one: TraceHeader) -> Outline:
    return {"OrganId": one.organ_id, "Timestamp": _time(one.timestamp)}


def _business(one: Business) -> Outline:
    replaced: list[Outline] = [
        {"DocumentId": item.document_id, "OrganIdList": {"OrganId": item.organ_ids}}
        for item in one.replacements
    ]
    return {
        "DocumentId": one.document_id,
        "BussinessDocType": _number(one.doc_type),
        "BussinessDocReason": one.reason,
        "Paper": _number(one.paper),
        "BussinessDocumentInfo": _document_info(one.document_info) if one.document_info else None,
        "ReplacementInfoList": {"ReplacementInfo": replaced},
        "StaffInfo": [_staff(person) for person in one.staff],
    }


def _document_info(one: DocumentInfo) -> Outline:
    receivers: list[Outline] = [
        {"OrganId": item.organ_id, "ReceiverType": _flag(item.added, "1", "0")} for item in one.receivers
    ]
    return {
        "DocumentInfo": _flag(one.document_info, "1", "0"),
        "DocumentReceiver": _flag(one.document_receiver, "1", "0"),
        "ReceiverList": {"Receiver": receivers},
    }


def _flag(value: bool | None, yes: str, no: str) -> str | None:
    return None if value is None else yes if value else no


def _number(value: int | None) -> str | None:
    if value is None:
        return None
    if not 0 <= value <= _MAX_NUMBER:
        raise BreaksRule(f"the number {value} cannot be written; expected 0 to {_MAX_NUMBER}")
    return str(value)


def _date(value: date | None) -> str | None:
    return None if value is None else f"{value.year:04}/{value.month:02}/{value.day:02}"


def _time(value: datetime | None) -> str | None:
    """The wall clock in Hanoi, in whole seconds."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise BreaksRule("a time without a zone cannot be written; give an aware time")
    try:
        local = value.astimezone(VIETNAM)
    except OverflowError as error:
        raise BreaksRule(f"the time {value} is out of range") from error
    return f"{_date(local)} {local.hour:02}:{local.minute:02}:{local.second:02}"
