"""The shapes that envelopes come in, as tables: which element may stand where, what else it is called, and what
kind of value it holds. In: a namespace and a local name. Out: the place it has in the model, or none.
`reader` walks these tables; a difference between dialects is a row here and never a branch there (edxml.md 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.edxml import names

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XLINK = "http://www.w3.org/1999/xlink"


class Holds(Enum):
    """What an element's content is to the reader."""

    ELEMENTS = "elements"
    TEXT = "text"
    EITHER = "either"
    FILE = "file"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Slot:
    """One permitted child: what it holds, the type of its own children, and whether it may be repeated."""

    holds: Holds = Holds.TEXT
    type: str = ""
    many: bool = False
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Dialect:
    """One shape. `types` maps a type of element to its children; `aliases` maps other spellings to ours."""

    name: str
    namespace: str
    root_type: str
    types: Mapping[str, Mapping[str, Slot]]
    aliases: Mapping[str, str]


def _of(type_name: str, *, many: bool = False) -> Slot:
    return Slot(Holds.ELEMENTS, type_name, many)


_LEAF = Slot()
_LEAVES = Slot(many=True)
_ID = Slot(identity=True)
_IDS = Slot(many=True, identity=True)
_FILE = Slot(Holds.FILE)
_SIGNATURE = Slot(Holds.SIGNATURE)


def _leaves(*names: str) -> dict[str, Slot]:
    return dict.fromkeys(names, _LEAF)


_HEADER: dict[str, dict[str, Slot]] = {
    "organisation": {
        "OrganId": _ID,
        **_leaves("OrganizationInCharge", "OrganName", "OrganAdd", "Email", "Telephone", "Fax", "Website"),
    },
    "code": _leaves("CodeNumber", "CodeNotation"),
    "promulgation": _leaves("Place", "PromulgationDate", "Promulgator"),
    "document-type": _leaves("Type", "TypeDetail", "TypeName"),
    "signer": _leaves("Competence", "Position", "FullName"),
    "other": {
        **_leaves("Priority", "SphereOfPromulgation", "TyperNotation", "PromulgationAmount", "PageAmount"),
        **_leaves("ReplyFors", "Direction", "ReferenceCodes"),
        "Appendixes": _of("appendixes"),
    },
    "appendixes": {"Appendix": _LEAVES},
    "response": {"OrganId": _ID, "Code": _LEAF, "DocumentId": _ID, "PromulgationDate": _LEAF},
    "places": {"Place": _LEAVES},
    "task": {"TaskCode": _LEAVES},
    "staff": _leaves("Department", "DepartmentId", "Staff", "StaffId", "Email", "Mobile"),
    "message": {
        "From": _of("organisation"),
        "To": _of("organisation", many=True),
        "DocumentId": _ID,
        "Code": _of("code"),
        "PromulgationInfo": _of("promulgation"),
        "DocumentType": _of("document-type"),
        "SignerInfo": _of("signer"),
        "OtherInfo": _of("other"),
        "ResponseFor": _of("response", many=True),
        "ToPlaces": _of("places"),
        "ResponseForTask": _of("task", many=True),
        "StaffInfo": _of("staff"),
        **_leaves("Subject", "Content", "DueDate", "SteeringType", "ApplicationType"),
        **_leaves("StatusCode", "Description", "Timestamp"),
    },
    "trace": {
        "TraceHeader": _of("hop", many=True),
        "Bussiness": _of("business"),
        "Paper": _LEAF,
    },
    "hop": {"OrganId": _ID, "Timestamp": _LEAF},
    "business": {
        "DocumentId": _ID,
        **_leaves("BussinessDocType", "BussinessDocReason", "Paper"),
        "BussinessDocumentInfo": _of("change"),
        "ReplacementInfoList": _of("replacements"),
        "StaffInfo": _of("staff", many=True),
    },
    "change": {**_leaves("DocumentInfo", "DocumentReceiver"), "ReceiverList": _of("receivers")},
    "receivers": {"Receiver": _of("receiver", many=True)},
    "receiver": {"OrganId": _ID, "ReceiverType": _LEAF},
    "replacements": {"ReplacementInfo": _of("replacement", many=True)},
    "replacement": {"DocumentId": _ID, "OrganIdList": _of("organs")},
    "organs": {"OrganId": _IDS},
}

_ALIASES = {
    "Business": "Bussiness",
    "BusinessDocType": "BussinessDocType",
    "BusinessDocReason": "BussinessDocReason",
    "BusinessDocumentInfo": "BussinessDocumentInfo",
    "OrganInCharge": "OrganizationInCharge",
    "OrganizationId": "OrganId",
    "OrganizationName": "OrganName",
    "TypeNotation": "TyperNotation",
    "TimeStamp": "Timestamp",
}

DIALECT_A = Dialect(
    name="A",
    namespace=names.QCVN,
    root_type="edxml",
    types={
        **_HEADER,
        "edxml": {"edXMLEnvelope": _of("envelope"), "AttachmentEncoded": _of("encoded")},
        "envelope": {
            "edXMLHeader": _of("header"),
            "edXMLBody": _of("body"),
            "edXMLAttachments": _of("inline"),
        },
        "header": {
            "MessageHeader": _of("message"),
            "TraceHeaderList": _of("trace"),
            "Signature": _SIGNATURE,
        },
        "body": {
            "edXMLManifest": _of("manifest"),
            "edXMLAttachments": _of("inline"),
            "Content": _LEAF,
        },
        "manifest": {"Reference": _of("reference", many=True)},
        "reference": {
            "ContentId": _ID,
            **_leaves("ContentType", "Description", "AttachmentName"),
        },
        "encoded": {"Attachment": _of("attachment", many=True)},
        "attachment": {
            "ContentId": _ID,
            **_leaves("AttachmentName", "Description", "ContentType", "Format", "FieldName", "MimeType"),
            "ContentTransferEncoded": _FILE,
        },
        "inline": {"Attachment": _of("inline-attachment", many=True)},
        "inline-attachment": {
            **_leaves("AttachmentName", "AttachmentType", "AttachmentSize"),
            "AttachmentData": _FILE,
        },
    },
    aliases={**_ALIASES, "DigitalSignature": "Signature", "Manifest": "edXMLManifest"},
)

DIALECT_B = Dialect(
    name="B",
    namespace=names.DIALECT_B,
    root_type="edxml",
    types={
        **_HEADER,
        "edxml": {
            "MessageHeader": _of("message"),
            "TraceHeaderList": _of("trace"),
            "Manifest": _of("flat-manifest"),
            "Attachment": _of("flat-attachment", many=True),
            "Signature": _SIGNATURE,
        },
        "flat-manifest": {"Attachment": _of("flat-attachment", many=True)},
        "flat-attachment": {**_leaves("FileName", "FileType"), "Content": _FILE},
        # the first version writes DocumentType as a text, the later one as elements
        "message": {**_HEADER["message"], "DocumentType": Slot(Holds.EITHER, "document-type")},
        "signer": {**_HEADER["signer"], "Signer": _LEAF},
    },
    aliases=_ALIASES,
)

ROOTS: Mapping[tuple[str, str], Dialect] = {
    (names.QCVN, "edXML"): DIALECT_A,
    (names.DIALECT_B, "edXMLEnvelope"): DIALECT_B,
    (names.DIALECT_B, "EdXMLEnvelope"): DIALECT_B,
}

ROOTS_OF_C = frozenset({(SOAP, "Envelope"), (names.DIALECT_C, "Envelope"), (names.DIALECT_C, "AllDocument")})
"""Dialect C, the SOAP generation of 2012: named, so that a person knows what came, and refused (edxml.md 9)."""

ATTACHMENT_NAMES: Mapping[str, tuple[str, str]] = {
    "attachment": ("AttachmentName", "ContentType"),
    "inline-attachment": ("AttachmentName", "AttachmentType"),
    "flat-attachment": ("FileName", "FileType"),
}
"""Types of element that carry a file, and what they call its name and its content type."""

# What only the .NET flavour writes (edxml.md 8): any one of these makes "A" into "A-net".
NET_ELEMENTS = frozenset({"DigitalSignature"})
NET_ATTRIBUTES = frozenset(
    {
        ("TraceHeaderList", "", "mustUnderstand"),
        ("TraceHeaderList", "", "actor"),
        ("Reference", XLINK, "href"),
    }
)

# Attributes that the samples carry and that say nothing to the model.
KNOWN_ATTRIBUTES = NET_ATTRIBUTES | {
    ("edXMLManifest", "", "version"),
    ("TraceHeaderList", "", "id"),
    ("TraceHeaderList", "", "version"),
    ("Reference", XLINK, "role"),
    ("Reference", XLINK, "type"),
}
