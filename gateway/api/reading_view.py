"""What was read from a PDF, as it is told to programs: fields with how sure each is, and recipients with offers. In: domain
values. Out: pydantic models. Pure."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from gateway.api.shapes import Told, stamp
from gateway.domain.page_text import Found, PdfFields
from gateway.domain.recipients import Offer
from gateway.domain.registry import AgencyEntry
from gateway.words import labels

# Fields of the domain and their names in the API, which are those of a message.
NAMES = {
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


class PlaceOut(Told):
    """In points (1/72 inch) from the top-left corner of the page as it is seen."""

    page: int
    left: float
    top: float
    width: float
    height: float


class FieldOut(Told):
    """One field as it stands in the file."""

    value: str | int | None
    sure: str = Field(description="`sure`, `doubtful` (a person must look), or `none`")
    why: str | None = Field(description="What speaks against it")
    why_text: str | None
    place: PlaceOut | None


class FieldsOut(Told):
    """Every field that a message has and a document shows."""

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


class OfferedOut(Told):
    """An agency that a recipient is, or may be."""

    code: str
    name: str
    parent: str | None


class OfferOut(Told):
    """One recipient as it is written, and what it was understood as."""

    text: str
    kind: str
    kind_text: str
    settled: bool = Field(description="False: a person must choose")
    role: str | None
    group: str | None
    agencies: list[OfferedOut]


def fields(found: PdfFields, lang: str) -> FieldsOut:
    return FieldsOut.model_validate({NAMES[name]: field(one, lang) for name, one in found.named()})


def field(one: Found[object], lang: str) -> FieldOut:
    place = None
    if one.page is not None and one.area is not None:
        area = one.area
        place = PlaceOut(
            page=one.page,
            left=area.left,
            top=area.top,
            width=round(area.width, 2),
            height=round(area.height, 2),
        )
    return FieldOut(
        value=told(one.value),
        sure=one.sure,
        why=one.why,
        why_text=labels.say(f"doubt.{one.why}", lang) if one.why else None,
        place=place,
    )


def told(value: object) -> str | int | None:
    """A value as JSON has it."""
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, date):
        return value.isoformat()
    return value if isinstance(value, int) or value is None else str(value)


def offer(one: Offer, lang: str) -> OfferOut:
    return OfferOut(
        text=one.item.text,
        kind=one.kind,
        kind_text=labels.say(f"offer.{one.kind}", lang),
        settled=one.settled,
        role=one.item.role,
        group=one.group,
        agencies=[_agency(each) for each in one.agencies],
    )


def _agency(entry: AgencyEntry) -> OfferedOut:
    return OfferedOut(code=entry.code, name=entry.name, parent=entry.parent)
