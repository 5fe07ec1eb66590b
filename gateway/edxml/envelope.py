"""The frozen model that mirrors the XML of one packet, and the one table of its elements: beside each attribute stands the
element that holds it, in the order of the file, with the length that we write at most. From it `names` makes the closed
table of the writer, `dialects` what a reader knows, `model` the reading; here it makes texts of the model, ready to be put
in order. Text is as it stands in the canonical octets; absent is None, never invented. Dates, times and numbers get their
one written form here (`edxml.md` 6), and `BreaksRule` is raised for a value that has none."""

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


@dataclass(frozen=True, slots=True)
class Wire:
    """The element of an attribute: its path below the element of its part, and how long a text we write there. `known`: the
    numbers that mean something. `words`: how yes and no are written. `identity`: it is read exactly as it stands (F10)."""

    path: str
    longest: int = 0
    known: range | None = None
    words: tuple[str, str] = ("1", "0")
    identity: bool = False


def _id(path: str, longest: int) -> Wire:
    return Wire(path, longest, identity=True)


_CODE, _ECHOED_ID = _D["recipients/*/code"].longest, 1020  # what another system wrote has the reader's length


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
    priority: Annotated[int | None, Wire("Priority", known=range(5))] = None
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
    """`Bussiness`, as the wire misspells it: 0 new, 1 recall, 2 update, 3 replacement. The reason has behind it what
    `domain.notice_words` says."""

    document_id: Annotated[str | None, _id("DocumentId", _ECHOED_ID)] = None
    doc_type: Annotated[int | None, Wire("BussinessDocType")] = None
    reason: Annotated[str | None, Wire("BussinessDocReason", 500)] = None
    paper: Annotated[int | None, Wire("Paper")] = None
    document_info: Annotated[DocumentInfo | None, Wire("BussinessDocumentInfo")] = None
    replacements: Annotated[tuple[ReplacementInfo, ...], Wire("ReplacementInfoList/ReplacementInfo")] = ()
    staff: Annotated[tuple[StaffInfo, ...], Wire("StaffInfo")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """What a line of the manifest says of a file, and the same beside its bytes; the bytes themselves are a
    `domain.proof.FileSlice`."""

    content_id: Annotated[str | None, _id("ContentId", 255)] = None
    attachment_name: Annotated[str | None, Wire("AttachmentName", 255)] = None
    description: Annotated[str | None, Wire("Description", 500)] = None
    content_type: Annotated[str | None, Wire("ContentType", 100)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusReport:
    """What `MessageHeader` says in a status alone."""

    staff: Annotated[StaffInfo | None, Wire("StaffInfo")] = None
    code: Annotated[str, Wire("StatusCode", 2)]
    description: Annotated[str | None, Wire("Description", 500)] = None
    timestamp: Annotated[datetime | None, Wire("Timestamp")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One packet. A status has `status` and one `response_for`; the other kinds have the full header. The elements named
    here are those of `MessageHeader`."""

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
    steering_type: Annotated[int | None, Wire("SteeringType", known=range(4))] = None  # văn bản chỉ đạo
    to_places: Annotated[tuple[str, ...], Wire("ToPlaces/Place", _D["to_places/*"].longest)] = ()
    task_codes: Annotated[tuple[str, ...], Wire("ResponseForTask/TaskCode", 255)] = ()
    application_type: Annotated[str | None, Wire("ApplicationType", 100)] = None
    trace: tuple[TraceHeader, ...] = ()
    business: Business | None = None
    manifest: tuple[Attachment, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    status: StatusReport | None = None


Outline: TypeAlias = "Mapping[str, str | Sequence[str] | Outline | Sequence[Outline] | None]"
_MAX_NUMBER = 999_999_999
_LONGEST = {date: 10, datetime: 19, int: 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the table. `above`: the element around it that holds nothing else of its own, if any. `holds`: the type
    of one value. `is_text`: it is read as one text, as it stands. `written`: what makes a text or a tree of one; None where
    it is a text."""

    attribute: str
    above: str
    local: str
    wire: Wire
    holds: type
    is_part: bool
    is_text: bool
    many: bool
    longest: int
    written: Callable[[Any], str | Outline] | None


@cache
def rows(part: type) -> tuple[Row, ...]:
    """The elements of a part of the model, in their order."""
    return tuple(_rows(part))


@cache
def _table(part: type) -> tuple[Sequence[Row], Callable[[object], Sequence[Any]]]:
    """The rows of a part, and what looks at their values in one go."""
    return rows(part), attrgetter(*(row.attribute for row in rows(part)))


def _rows(part: type) -> Iterator[Row]:
    for attribute, hint in get_type_hints(part, include_extras=True).items():
        found = annotated(hint)
        if found is None:
            continue
        inner, holds, wire = found
        above, _, local = wire.path.rpartition("/")
        yield Row(
            attribute=attribute,
            above=above,
            local=local,
            wire=wire,
            holds=holds,
            is_part=is_dataclass(holds),
            is_text=holds is str and not wire.identity and get_origin(inner) is not tuple,
            many=get_origin(inner) is tuple,
            longest=wire.longest or _LONGEST.get(holds, max(map(len, wire.words))),
            written=_written_by(holds, wire),
        )


def _written_by(holds: type, wire: Wire) -> Callable[[Any], str | Outline] | None:
    if holds is bool:
        yes, no = wire.words
        return lambda value: yes if value else no
    if is_dataclass(holds):
        return outline
    texts: Mapping[type, Callable[[Any], str]] = {int: _number, date: _date, datetime: _time}
    return texts.get(holds)


def outline(part: object) -> dict[str, Any]:
    """What a part says, as texts under the local names of its elements; nothing for what is absent. Any: as `Outline`."""
    told: dict[str, Any] = {}
    kind: type = part.__class__
    known, values_of = _table(kind)
    for row, value in zip(known, values_of(part), strict=True):
        if value is None or (row.many and not value):
            continue
        if row.written is not None:
            value = [row.written(one) for one in value] if row.many else row.written(value)
        (told.setdefault(row.above, {}) if row.above else told)[row.local] = value
    return told


def outline_header(envelope: Envelope) -> Outline:
    """MessageHeader and TraceHeaderList."""
    message, trace = outline(envelope), dict[str, Any]()
    if envelope.status is not None:
        message |= outline(envelope.status)
    if envelope.trace:
        trace["TraceHeader"] = [outline(hop) for hop in envelope.trace]
    if envelope.business is not None:
        trace["Bussiness"] = outline(envelope.business)
    return {"MessageHeader": message, "TraceHeaderList": trace}


def _number(value: int) -> str:
    if not 0 <= value <= _MAX_NUMBER:
        raise BreaksRule(f"the number {value} cannot be written; expected 0 to {_MAX_NUMBER}")
    return str(value)


def _date(value: date) -> str:
    return f"{value.year:04}/{value.month:02}/{value.day:02}"


def _time(value: datetime) -> str:
    """The wall clock in Hanoi, in whole seconds."""
    if value.tzinfo is None:
        raise BreaksRule("a time without a zone cannot be written; give an aware time")
    try:
        local = value.astimezone(VIETNAM)
    except OverflowError as error:
        raise BreaksRule(f"the time {value} is out of range") from error
    return f"{_date(local)} {local.hour:02}:{local.minute:02}:{local.second:02}"


def value_at(model: Envelope, path: str) -> Any:
    """The value of an element, by its path in MessageHeader. Any: each has its own type."""
    value: Any = model
    for row in _rows_to(path):
        value = getattr(value, row.attribute) if value is not None else None
    return value


def _rows_to(path: str, part: type = Envelope) -> tuple[Row, ...]:
    """The rows that lead to an element; of a part of one attribute each at most."""
    for row in rows(part):
        if row.wire.path == path:
            return (row,)
        if row.is_part and path.startswith(f"{row.wire.path}/"):
            return (row, *_rows_to(path.removeprefix(f"{row.wire.path}/"), row.holds))
    raise LookupError(f"no element of {part.__name__} stands at {path}")


def _ways(fields: Iterable[Field], above: str = "", part: str = "") -> Iterator[tuple[_Way, _Way, int]]:
    """Of each field that travels in an element of its own: the way to it in a draft, that in an envelope, and the largest
    number that the element takes. A way is an attribute, and before it the part that has it, if it is one."""
    for each in fields:
        if each.is_part and each.rule.wire:
            yield from _ways(fields_of(each.holds), f"{each.rule.wire}/", each.attribute)
        elif each.rule.wire:
            *around, row = _rows_to(f"{above}{each.rule.wire}")
            model = around[0].attribute if around else "", row.attribute
            yield (part, each.attribute), model, 0 if each.is_list else each.rule.most


_Way: TypeAlias = tuple[str, str]
_Group: TypeAlias = tuple[str, Callable[[object], Sequence[Any]], list[tuple[_Way, int]]]


def _grouped(ways: Iterable[tuple[_Way, _Way, int]]) -> Iterator[_Group]:
    """By the part that they are read from, with what looks at all that is read there in one go."""
    groups: dict[str, list[tuple[str, _Way, int]]] = {}
    for (part, name), to, most in ways:
        groups.setdefault(part, []).append((name, to, most))
    for part, found in groups.items():
        names = (name for name, _, _ in found)
        yield part, attrgetter(*names, "__class__"), [(to, most) for _, to, most in found]


_OUT = list(_grouped(_ways(FIELDS)))
_IN = list(_grouped((model, draft, 0) for draft, model, _ in _ways(FIELDS)))
_PARTS: Mapping[str, Callable[..., object]] = {
    row.attribute: row.holds for row in rows(Envelope) if row.is_part
}


def attributes_of(draft: Draft) -> dict[str, Any]:
    """The attributes of an envelope that carry fields of the draft. Any: each has its own type."""
    return _carried(draft, _OUT, _PARTS)


def fields_in(model: Envelope) -> dict[str, Any]:
    """The attributes of a draft that the envelope carries. Any: each has its own type."""
    return _carried(model, _IN, {"signer": lambda **said: Signer(**{"name": ""} | said)})


def _carried(
    source: object, groups: Iterable[_Group], parts: Mapping[str, Callable[..., object]]
) -> dict[str, Any]:
    said: dict[str, dict[str, Any]] = {"": {}}
    for part, values_of, ways in groups:
        thing = getattr(source, part) if part else source
        if thing is None:
            continue
        for ((around, name), most), value in zip(ways, values_of(thing), strict=False):
            if value is None or value == ():
                continue
            if around not in said:
                said[around] = {}
            said[around][name] = most if most and value > most else value
    return said.pop("") | {name: parts[name](**inside) for name, inside in said.items()}
