"""Views of a PDF's contents for programs, the same for sent and received documents. In: verdicts on its signatures, and
legal value; fields and recipients that were read. Out: the members `legal_value`, `legal_value_text` and `signatures`;
fields with their certainty, and recipients with offers. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from pydantic import Field

from gateway.api.shapes import Moment, ResponseModel, stamp
from gateway.api.words import Lang, say
from gateway.document_view.facts import code_text
from gateway.document_view.seals import signer_text, value_text
from gateway.domain.pdf import Field as PdfField
from gateway.domain.pdf import PdfFields
from gateway.domain.registry import Offer
from gateway.domain.signatures import FileVerdict, LegalValue
from gateway.policy import etsi
from gateway.words import labels

# Field names of the domain and of the API, which are those of a message.
FIELD_NAMES = {
    "number": "number",
    "symbol": "symbol",
    "issued_on": "date",
    "type_key": "type",
    "subject": "subject",
    "signer": "signer_name",
    "title": "signer_title",
    "competence": "signer_competence",
    "pages": "pages",
    "signed_at": "signed_at",
    "recipients": "recipients_block",
}


class PdfSignerOut(ResponseModel):
    """One signature: the signer, the claimed and the trusted time, and the verdict."""

    name: str
    organisation: str
    role: str | None = Field(description="agency or person; null without a certificate")
    claimed_at: Moment | None = Field(description="Time by the signer's own clock; it proves nothing")
    trusted_at: Moment | None = Field(description="Time of a trusted timestamp")
    verdict: str = Field(description="valid, invalid or unknown, at the proved time")
    verdict_text: str
    why: str | None
    why_text: str | None
    indication: str = Field(description="The verdict in the words of ETSI EN 319 102-1")
    sub_indication: str | None = Field(description="Its reason in the words of that standard")
    now: str = Field(description="The same at the day of the last check")
    now_why: str | None
    serial: str
    issuer: str
    copy_form: str | None = Field(description="SY, TrS or SL if the signature makes an electronic copy")
    seal: str | None = Field(
        description="Whose seal it is, seen from the sender: own, entitled, other, unknown or unregistered; null for a"
        " person, or where it was not compared"
    )
    seal_code: str = Field(description="Code of the agency whose seal it is; empty where it is not known")
    seal_act: str = Field(description="Written act by which that agency may seal for the sender")
    person: str | None = Field(
        description="known, unknown, ended or foreign for a person's signature; else null"
    )
    person_name: str = Field(description="Registered name of a known person")
    position: str = Field(description="Registered position of a known person")
    capacity: str = Field(description="TM., KT., TL., TUQ. or Q., if registered")
    signer_text: str = Field(description="The same in words")


class FileSignaturesOut(ResponseModel):
    """The signatures of one file; the verdict is that of the worst."""

    n: int
    file: str
    verdict: str = Field(description="valid, invalid, unknown or unsigned")
    verdict_text: str
    why: str | None
    why_text: str | None
    rule: int = Field(
        description="Version of the rule: 1 did not ask whose seals they are, 2 does, 3 also who the person is"
    )
    signers: list[PdfSignerOut]


def signatures(verdicts: Sequence[FileVerdict], lang: Lang) -> list[FileSignaturesOut]:
    """Describe every file whose signatures were checked."""
    return [
        FileSignaturesOut.from_object(
            verdict,
            verdict_text=say(f"signature.{verdict.verdict}", lang),
            why_text=code_text(verdict.why, lang),
            signers=[
                PdfSignerOut.from_object(
                    signer,
                    verdict_text=say(f"signature.{signer.verdict}", lang),
                    why_text=code_text(signer.why, lang),
                    indication=conclusion.indication,
                    sub_indication=conclusion.reason,
                    signer_text=signer_text(signer, lang),
                )
                for signer in verdict.signers
                for conclusion in [etsi.conclude(signer)]
            ],
        )
        for verdict in verdicts
    ]


def legal_value_text(value: LegalValue | None, lead: FileVerdict | None, lang: Lang) -> str:
    """Say in words what a document is worth beside paper."""
    return value_text(value, lead, lang)


class PlaceOut(ResponseModel):
    """Place in points (1/72 inch) from the top-left corner of the displayed page."""

    page: int
    left: float
    top: float
    width: float
    height: float


class FieldOut(ResponseModel):
    """One field as written in the file."""

    value: str | int | None
    sure: str = Field(description="`sure`, `doubtful` (a person must look), or `none`")
    why: str | None = Field(description="Reasons for doubt")
    why_text: str | None
    place: PlaceOut | None


class FieldsOut(ResponseModel):
    """Every field of a message that a document shows."""

    number: FieldOut
    symbol: FieldOut
    date: FieldOut
    type: FieldOut
    subject: FieldOut
    signer_name: FieldOut
    signer_title: FieldOut
    signer_competence: FieldOut
    pages: FieldOut
    signed_at: FieldOut
    recipients_block: FieldOut


class OfferedOut(ResponseModel):
    """An agency that a recipient means or may mean."""

    code: str
    name: str
    parent: str | None


class OfferOut(ResponseModel):
    """One recipient as written, and the agencies that it may mean."""

    text: str
    kind: str
    kind_text: str
    settled: bool = Field(description="False: a person must choose")
    role: str | None
    group: str | None
    agencies: list[OfferedOut]


def fields(pdf_fields: PdfFields, lang: str) -> FieldsOut:
    return FieldsOut.model_validate({FIELD_NAMES[name]: field(f, lang) for name, f in pdf_fields.items()})


def field(read_field: PdfField[object], lang: str) -> FieldOut:
    place = None
    if read_field.page is not None and read_field.area is not None:
        area = read_field.area
        size = {"width": round(area.width, 2), "height": round(area.height, 2)}
        place = PlaceOut.from_object(area, page=read_field.page, **size)
    return FieldOut.from_object(
        read_field,
        value=field_value(read_field.value),
        why_text=labels.say(f"doubt.{read_field.why}", lang) if read_field.why else None,
        place=place,
    )


def field_value(value: object) -> str | int | None:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, int) or value is None else str(value)


def offer(offered: Offer, lang: str) -> OfferOut:
    return OfferOut.from_object(
        offered,
        text=offered.item.text,
        kind_text=labels.say(f"offer.{offered.kind}", lang),
        role=offered.item.role,
    )
