"""The model as texts under their local names, ready for the closed table to put in order. In: `Envelope`. Out: a tree
of what is there; absent stays absent. Dates, times and numbers get their one written form here (`edxml.md` 6), and
`BreaksRule` is raised for a value that has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeAlias

from gateway.domain.wall_clock import VIETNAM
from gateway.errors import BreaksRule

if TYPE_CHECKING:
    from gateway.edxml.envelope import (
        Attachment,
        Business,
        DocumentInfo,
        Envelope,
        Organisation,
        OtherInfo,
        Reference,
        ResponseFor,
        StaffInfo,
        TraceHeader,
    )

Outline: TypeAlias = "Mapping[str, str | Sequence[str] | Outline | Sequence[Outline] | None]"
_MAX_NUMBER = 999_999_999


def header(envelope: Envelope) -> Outline:
    """MessageHeader and TraceHeaderList."""
    trace: Outline = {
        "TraceHeader": [_hop(hop) for hop in envelope.trace],
        "Bussiness": _business(envelope.business) if envelope.business else None,
    }
    return {"MessageHeader": _message(envelope), "TraceHeaderList": trace}


def manifest(references: Sequence[Reference]) -> Outline:
    """The lines of edXMLManifest."""
    return {"Reference": [_reference(one) for one in references]}


def attachment(one: Attachment) -> Outline:
    """What stands beside an attachment's bytes."""
    return {
        "ContentId": one.content_id,
        "AttachmentName": one.attachment_name,
        "Description": one.description,
        "ContentType": one.content_type,
    }


def _reference(one: Reference) -> Outline:
    return {
        "ContentId": one.content_id,
        "ContentType": one.content_type,
        "Description": one.description,
        "AttachmentName": one.attachment_name,
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
