"""Defines the frozen model of one packet's XML, and with it the one table of its elements: each attribute names its
element, in the order of the file, with the longest text that we write. `names` derives the writer's closed table from
it, `dialects` the reader's table, and `model` reads by it; this module turns the model into texts in that order. Text is
as in the canonical octets; absent is None, never invented. Dates, times and numbers get their one written form here;
BreaksRule for a value that has none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, TypeAlias, get_origin, get_type_hints

from gateway.domain.document import Draft, Kind, Signer
from gateway.domain.fields import DRAFT as _D
from gateway.domain.fields import FIELDS, Field, annotated, fields_of
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import BreaksRule

# Ids of other systems may be as long as the reader takes.
_CODE, _ECHOED_ID = _D["recipients/*/code"].longest, 1020
Outline: TypeAlias = "Mapping[str, str | Sequence[str] | Outline | Sequence[Outline] | None]"
_MAX_NUMBER = 999_999_999
_LONGEST = {date: 10, datetime: 19, int: 9}
_Path: TypeAlias = tuple[str, str]
_Group: TypeAlias = tuple[str, Callable[[object], Sequence[Any]], list[tuple[_Path, int]]]


@dataclass(frozen=True, slots=True)
class Wire:
    """Element of an attribute: its path below its part's element, and the length of the longest text we write.
    `valid_range`: numbers with a meaning. `words`: texts for true and false. `identity`: it is read exactly, without
    trimming (F10)."""

    path: str
    longest: int = 0
    valid_range: range | None = None
    words: tuple[str, str] = ("1", "0")
    identity: bool = False


def _id(path: str, longest: int) -> Wire:
    return Wire(path, longest, identity=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    organ_id: Annotated[str | None, _id("OrganId", _CODE)] = None
    organization_in_charge: Annotated[str | None, Wire("OrganizationInCharge", 500)] = (
        None  # cơ quan chủ quản
    )
    organ_name: Annotated[str | None, Wire("OrganName", _D["recipients/*/name"].longest)] = None
    organ_add: Annotated[str | None, Wire("OrganAdd", 500)] = None
    email: Annotated[str | None, Wire("Email", 100)] = None
    telephone: Annotated[str | None, Wire("Telephone", 20)] = None
    fax: Annotated[str | None, Wire("Fax", 20)] = None
    website: Annotated[str | None, Wire("Website", 100)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    number: Annotated[str | None, Wire("CodeNumber", _D["number"].longest)] = None
    notation: Annotated[str | None, Wire("CodeNotation", _D["symbol"].longest)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentType:
    type: Annotated[int | None, Wire("Type")] = None
    detail: Annotated[int | None, Wire("TypeDetail")] = None
    name: Annotated[str | None, Wire("TypeName", _D["type"].longest)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerInfo:
    competence: Annotated[str | None, Wire("Competence", _D["signer/competence"].longest)] = None
    position: Annotated[str | None, Wire("Position", _D["signer/title"].longest)] = None
    full_name: Annotated[str | None, Wire("FullName", 255)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherInfo:
    priority: Annotated[int | None, Wire("Priority", valid_range=range(5))] = None
    sphere_of_promulgation: Annotated[str | None, Wire("SphereOfPromulgation", _D["sphere"].longest)] = None
    typer_notation: Annotated[str | None, Wire("TyperNotation", _D["drafter"].longest)] = None
    promulgation_amount: Annotated[int | None, Wire("PromulgationAmount")] = None
    page_amount: Annotated[int | None, Wire("PageAmount")] = None
    reply_fors: Annotated[str | None, Wire("ReplyFors", 500)] = None
    direction: Annotated[bool | None, Wire("Direction", words=("true", "false"))] = None
    reference_codes: Annotated[str | None, Wire("ReferenceCodes", 500)] = None
    appendixes: Annotated[tuple[str, ...], Wire("Appendixes/Appendix", _D["appendixes/*"].longest)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFor:
    """The document answered, or (in a status) the document reported on. `code` is number/notation."""

    organ_id: Annotated[str | None, _id("OrganId", _CODE)] = None
    code: Annotated[str | None, Wire("Code", 300)] = None
    document_id: Annotated[str | None, _id("DocumentId", _ECHOED_ID)] = None
    promulgation_date: Annotated[date | None, Wire("PromulgationDate")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceHeader:
    organ_id: Annotated[str | None, _id("OrganId", _CODE)] = None
    timestamp: Annotated[datetime | None, Wire("Timestamp")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffInfo:
    department: Annotated[str | None, Wire("Department", _D["staff/department"].longest)] = None
    staff: Annotated[str | None, Wire("Staff", _D["staff/name"].longest)] = None
    email: Annotated[str | None, Wire("Email", _D["staff/email"].longest)] = None
    mobile: Annotated[str | None, Wire("Mobile", _D["staff/phone"].longest)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One line of an update's receiver list; `added` False means removed."""

    organ_id: Annotated[str, _id("OrganId", _CODE)]
    added: Annotated[bool, Wire("ReceiverType")]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentInfo:
    document_info: Annotated[bool | None, Wire("DocumentInfo")] = None
    document_receiver: Annotated[bool | None, Wire("DocumentReceiver")] = None
    receivers: Annotated[tuple[Receiver, ...], Wire("ReceiverList/Receiver")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacementInfo:
    document_id: Annotated[str, _id("DocumentId", _ECHOED_ID)]
    organ_ids: Annotated[tuple[str, ...], _id("OrganIdList/OrganId", _CODE)] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Business:
    """`Bussiness`, as the wire misspells it: type 0 new, 1 recall, 2 update, 3 replacement. The reason ends with the
    words of `domain.notice_words`."""

    document_id: Annotated[str | None, _id("DocumentId", _ECHOED_ID)] = None
    doc_type: Annotated[int | None, Wire("BussinessDocType")] = None
    reason: Annotated[str | None, Wire("BussinessDocReason", 500)] = None
    paper: Annotated[int | None, Wire("Paper")] = None
    document_info: Annotated[DocumentInfo | None, Wire("BussinessDocumentInfo")] = None
    replacements: Annotated[tuple[ReplacementInfo, ...], Wire("ReplacementInfoList/ReplacementInfo")] = ()
    staff: Annotated[tuple[StaffInfo, ...], Wire("StaffInfo")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """Description of a file, in its manifest line and again beside its bytes; these are a `domain.proof.FileSlice`."""

    content_id: Annotated[str | None, _id("ContentId", 255)] = None
    attachment_name: Annotated[str | None, Wire("AttachmentName", 255)] = None
    description: Annotated[str | None, Wire("Description", 500)] = None
    content_type: Annotated[str | None, Wire("ContentType", 100)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """Elements of `MessageHeader` that only a status has."""

    staff: Annotated[StaffInfo | None, Wire("StaffInfo")] = None
    code: Annotated[str, Wire("StatusCode", 2)]
    description: Annotated[str | None, Wire("Description", 500)] = None
    timestamp: Annotated[datetime | None, Wire("Timestamp")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One packet. A status has `status` and one `response_for`; the other kinds have the full header. The wire names
    here are elements of `MessageHeader`."""

    kind: Kind
    sender: Annotated[Organisation, Wire("From")]
    to: Annotated[tuple[Organisation, ...], Wire("To")] = ()
    document_id: Annotated[str | None, _id("DocumentId", 255)] = None
    code: Annotated[Code | None, Wire("Code")] = None  # số, ký hiệu
    place: Annotated[str | None, Wire("PromulgationInfo/Place", _D["place"].longest)] = None
    promulgation_date: Annotated[date | None, Wire("PromulgationInfo/PromulgationDate")] = None
    document_type: Annotated[DocumentType | None, Wire("DocumentType")] = None
    subject: Annotated[str | None, Wire("Subject", _D["subject"].longest)] = None
    content: Annotated[str | None, Wire("Content", _D["content"].longest)] = None
    signer: Annotated[SignerInfo | None, Wire("SignerInfo")] = None
    due_date: Annotated[date | None, Wire("DueDate")] = None  # hạn trả lời
    other: Annotated[OtherInfo | None, Wire("OtherInfo")] = None
    response_for: Annotated[tuple[ResponseFor, ...], Wire("ResponseFor")] = ()
    steering_type: Annotated[int | None, Wire("SteeringType", valid_range=range(4))] = None  # văn bản chỉ đạo
    to_places: Annotated[tuple[str, ...], Wire("ToPlaces/Place", _D["to_places/*"].longest)] = ()
    task_codes: Annotated[tuple[str, ...], Wire("ResponseForTask/TaskCode", 255)] = ()
    application_type: Annotated[str | None, Wire("ApplicationType", 100)] = None
    trace: tuple[TraceHeader, ...] = ()
    business: Business | None = None
    manifest: tuple[Attachment, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    status: StatusReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireField:
    """One row of the table. `above`: the group element around it, if any. `holds`: the type of one value. `is_text`: it
    is read as one unchanged text. `to_wire`: turns a value into its text or tree; None where it is a text already."""

    attribute: str
    above: str
    local: str
    wire: Wire
    holds: type
    is_part: bool
    is_text: bool
    many: bool
    longest: int
    to_wire: Callable[[Any], str | Outline] | None


@cache
def rows(part: type) -> tuple[WireField, ...]:
    """Return the elements of a part of the model, in their order."""
    return tuple(_rows(part))


@cache
def _table(part: type) -> tuple[Sequence[WireField], Callable[[object], Sequence[Any]]]:
    """Return the rows of a part, and a getter for all their values."""
    return rows(part), attrgetter(*(row.attribute for row in rows(part)))


def _rows(part: type) -> Iterator[WireField]:
    for attribute, hint in get_type_hints(part, include_extras=True).items():
        annotation = annotated(hint)
        if annotation is None:
            continue
        inner, holds, wire = annotation
        above, _, local = wire.path.rpartition("/")
        yield WireField(
            attribute=attribute,
            above=above,
            local=local,
            wire=wire,
            holds=holds,
            is_part=is_dataclass(holds),
            is_text=holds is str and not wire.identity and get_origin(inner) is not tuple,
            many=get_origin(inner) is tuple,
            longest=wire.longest or _LONGEST.get(holds, max(map(len, wire.words))),
            to_wire=_writer_for(holds, wire),
        )


def _writer_for(holds: type, wire: Wire) -> Callable[[Any], str | Outline] | None:
    if holds is bool:
        yes, no = wire.words
        return lambda flag: yes if flag else no
    if is_dataclass(holds):
        return outline
    texts: Mapping[type, Callable[[Any], str]] = {int: _number, date: _date, datetime: _time}
    return texts.get(holds)


def outline(part: object) -> dict[str, Any]:
    """Return a part's values as texts by the local names of its elements, without absent ones. Any: as `Outline`."""
    texts: dict[str, Any] = {}
    kind: type = part.__class__
    part_rows, values_of = _table(kind)
    for row, value in zip(part_rows, values_of(part), strict=True):
        if value is None or (row.many and not value):
            continue
        if row.to_wire is not None:
            value = [row.to_wire(v) for v in value] if row.many else row.to_wire(value)
        (texts.setdefault(row.above, {}) if row.above else texts)[row.local] = value
    return texts


def outline_header(envelope: Envelope) -> Outline:
    """Return the texts of MessageHeader and TraceHeaderList."""
    message, trace = outline(envelope), dict[str, Any]()
    if envelope.status is not None:
        message |= outline(envelope.status)
    if envelope.trace:
        trace["TraceHeader"] = [outline(hop) for hop in envelope.trace]
    if envelope.business is not None:
        trace["Bussiness"] = outline(envelope.business)
    return {"MessageHeader": message, "TraceHeaderList": trace}


def _number(number: int) -> str:
    if not 0 <= number <= _MAX_NUMBER:
        raise BreaksRule(f"the number {number} cannot be written; expected 0 to {_MAX_NUMBER}")
    return str(number)


def _date(day: date) -> str:
    return f"{day.year:04}/{day.month:02}/{day.day:02}"


def _time(at: datetime) -> str:
    """Return the wall clock in Hanoi, in whole seconds."""
    if at.tzinfo is None:
        raise BreaksRule("a time without a zone cannot be written; give an aware time")
    try:
        local = at.astimezone(VIETNAM)
    except OverflowError as error:
        raise BreaksRule(f"the time {at} is out of range") from error
    return f"{_date(local)} {local.hour:02}:{local.minute:02}:{local.second:02}"


def value_at(model: Envelope, path: str) -> Any:
    """Return the value of the element at a path in MessageHeader. Any: each has its own type."""
    value: Any = model
    for row in _rows_to(path):
        value = getattr(value, row.attribute) if value is not None else None
    return value


def _rows_to(path: str, part: type = Envelope) -> tuple[WireField, ...]:
    """Return the rows that lead to an element: those of the parts around it, then its own."""
    for row in rows(part):
        if row.wire.path == path:
            return (row,)
        if row.is_part and path.startswith(f"{row.wire.path}/"):
            return (row, *_rows_to(path.removeprefix(f"{row.wire.path}/"), row.holds))
    raise LookupError(f"no element of {part.__name__} stands at {path}")


def _paths(fields: Iterable[Field], above: str = "", part: str = "") -> Iterator[tuple[_Path, _Path, int]]:
    """Yield, for each draft field that travels in an element, its path in a draft, its path in an envelope, and the
    largest number that the element takes (0: no limit). A path is the part (may be empty) and the attribute."""
    for field in fields:
        if field.is_part and field.rule.wire:
            yield from _paths(fields_of(field.holds), f"{field.rule.wire}/", field.attribute)
        elif field.rule.wire:
            *parents, row = _rows_to(f"{above}{field.rule.wire}")
            model = parents[0].attribute if parents else "", row.attribute
            yield (part, field.attribute), model, 0 if field.is_list else field.rule.most


def _group_by_part(paths: Iterable[tuple[_Path, _Path, int]]) -> Iterator[_Group]:
    """Group paths by the part that they are read from, with a getter for all values of that part."""
    groups: dict[str, list[tuple[str, _Path, int]]] = {}
    for (part, name), to, most in paths:
        groups.setdefault(part, []).append((name, to, most))
    for part, fields in groups.items():
        names = (name for name, _, _ in fields)
        yield part, attrgetter(*names, "__class__"), [(to, most) for _, to, most in fields]


_OUT = list(_group_by_part(_paths(FIELDS)))
_IN = list(_group_by_part((model, draft, 0) for draft, model, _ in _paths(FIELDS)))
_PARTS: Mapping[str, Callable[..., object]] = {
    row.attribute: row.holds for row in rows(Envelope) if row.is_part
}


def attributes_of(draft: Draft) -> dict[str, Any]:
    """Return the envelope attributes that carry fields of the draft. Any: each has its own type."""
    return _copy_fields(draft, _OUT, _PARTS)


def fields_in(model: Envelope) -> dict[str, Any]:
    """Return the draft attributes that the envelope carries. Any: each has its own type."""
    return _copy_fields(model, _IN, {"signer": lambda **attributes: Signer(**{"name": ""} | attributes)})


def _copy_fields(
    source: object, groups: Iterable[_Group], parts: Mapping[str, Callable[..., object]]
) -> dict[str, Any]:
    """Copy values along the grouped paths, skipping absent ones, and build the parts that they belong to."""
    by_part: dict[str, dict[str, Any]] = {"": {}}
    for part, values_of, paths in groups:
        holder = getattr(source, part) if part else source
        if holder is None:
            continue
        for ((target_part, name), most), value in zip(paths, values_of(holder), strict=False):
            if value is None or value == ():
                continue
            if target_part not in by_part:
                by_part[target_part] = {}
            by_part[target_part][name] = most if most and value > most else value
    return by_part.pop("") | {name: parts[name](**inside) for name, inside in by_part.items()}
