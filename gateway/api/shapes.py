"""The small types of all requests and answers. Pure. In: nothing. Out: text without control characters, times with a
zone in and Vietnamese local times out, the two bases (strict for requests, exact for answers), and safe media types (R10
to R12, file types): an unlisted type is only bytes. The words that fields are limited to come from the node's own
tables; a list that may grow, or that the other side can extend, is only named (`x-extensible-enum`): a client must bear
an unknown word."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar, get_origin

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    create_model,
)

from gateway.domain.account import ApiScope, KeyAuth, NumberingMode, PrincipalKind
from gateway.domain.document import (
    URGENCY_KEYS,
    DeliveryMode,
    FileRole,
    InState,
    Kind,
    OutState,
    RecipientRole,
)
from gateway.domain.event import EventKind
from gateway.domain.fields import DRAFT, FIELDS
from gateway.domain.fields import Field as DocumentField
from gateway.domain.signatures import LegalValue
from gateway.domain.states import CODES, STATES, Track
from gateway.domain.status import RequestKind, RequestState
from gateway.domain.wall_clock import FIRST_DAY, LAST_DAY, VIETNAM, midnight
from gateway.policy.verdict import ReasonCode

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

D = TypeVar("D", bound="DataclassInstance")
M = TypeVar("M", bound=BaseModel)
BASE = "/api/v1"
_ALLOWED_CONTROLS = frozenset("\t\n\r")
_NO_LETTERS = frozenset({"Cc", "Cs"})
Day = Annotated[dt.date, Field(ge=FIRST_DAY, le=LAST_DAY)]
"""Day in a request. Any other one no later arithmetic would survive."""
Instant = Annotated[AwareDatetime, Field(ge=midnight(FIRST_DAY), le=midnight(LAST_DAY))]
"""Moment in a request."""
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# States of packets that did not become a document (yet), and how they end.
SET_ASIDE = ("waiting", "held", "quarantined", "malformed", "sealed")
PACKET_STATES = (*SET_ASIDE, "landed", "done", "released", "returned", "discarded", "dropped")
BUSINESS = {Kind.DOCUMENT: "new", Kind.REPLACEMENT: "replace", Kind.UPDATE: "update", Kind.RECALL: "recall"}
HANDOVERS = ("available", "leased", "acked")
ONLY_BYTES = "application/octet-stream"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "pdf": "application/pdf",
        "doc": "application/msword",
        "docx": _OFFICE + "wordprocessingml.document",
        "xls": "application/vnd.ms-excel",
        "xlsx": _OFFICE + "spreadsheetml.sheet",
        "ppt": "application/vnd.ms-powerpoint",
        "pptx": _OFFICE + "presentationml.presentation",
        "odt": _OPEN_DOCUMENT + "text",
        "ods": _OPEN_DOCUMENT + "spreadsheet",
        "rtf": "application/rtf",
        "txt": "text/plain",
        "csv": "text/csv",
        "jpeg": "image/jpeg",
        "png": "image/png",
        "zip": "application/zip",
        "rar": "application/vnd.rar",
        "xml": "application/xml",
    }
)
_KNOWN_MEDIA = frozenset(MEDIA_TYPES.values())
# Any, here and below: pydantic's `include`, a tree of names that ends in True.
Include = dict[str, Any]


def stamp(at: datetime) -> str:
    """Format RFC 3339 with the offset of Viet Nam: `2026-11-20T14:02:11+07:00`."""
    return at.astimezone(VIETNAM).isoformat(timespec="seconds")


def _one_line(text: str) -> str:
    """Refuse control characters, which have no place in a name, number or header (threats.md 77), and lone surrogates,
    which cannot be stored."""
    if not text.isprintable() and any(unicodedata.category(letter) in _NO_LETTERS for letter in text):
        raise ValueError("control characters and line breaks are not allowed here")
    return text


def _printable(text: str) -> str:
    if not text.isprintable() and any(
        unicodedata.category(letter) in _NO_LETTERS and letter not in _ALLOWED_CONTROLS for letter in text
    ):
        raise ValueError("control characters other than tab and line break are not allowed")
    return text


Line = Annotated[str, StringConstraints(max_length=1000), AfterValidator(_one_line)]
Text = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_printable)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=255), AfterValidator(_one_line)]
Code = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_one_line)]
AgencyCode = Annotated[
    str,
    StringConstraints(min_length=1, max_length=DRAFT["recipients/*/code"].longest),
    AfterValidator(_one_line),
]


def split(text: object) -> object:
    """Split a list of a query at commas."""
    return [piece.strip() for piece in text.split(",") if piece.strip()] if isinstance(text, str) else text


# For queries: short enough for a request line in any letters; our cursors have 100.
Asking = Annotated[str, StringConstraints(max_length=200), AfterValidator(_one_line)]
# One entry of a list in a query.
Piece = Annotated[str, StringConstraints(max_length=40), AfterValidator(_one_line)]
Moment = Annotated[
    AwareDatetime,
    PlainSerializer(stamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class RequestModel(BaseModel):
    """Base of requests. A field that is not here is refused by name, so typing errors are found early."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, defer_build=True)

    def into(self, kind: type[D], **more: Any) -> D:
        """Convert to the domain's class: fields that both have, lists as tuples, and the values in `more`."""
        own_values, shared = vars(self), _shared(type(self), kind)
        shared_values = {
            name: tuple(own_values[name]) if is_list else own_values[name]
            for name, is_list in shared
            if name not in more
        }
        return kind(**shared_values, **more)


@cache
def _shared(model: type[RequestModel], kind: type[DataclassInstance]) -> Sequence[tuple[str, bool]]:
    """Return the fields that both have, and which of them are lists."""
    model_fields = model.model_fields
    return [
        (f.name, get_origin(model_fields[f.name].annotation) is list)
        for f in fields(kind)
        if f.name in model_fields
    ]


class NoQuery(RequestModel):
    """Query of a call without parameters: any in it is refused as a mistake."""


def _may_grow(schema: dict[str, Any]) -> None:
    """Drop the ban on other fields, as a newer node may answer with more of them."""
    schema.pop("additionalProperties", None)


class ResponseModel(BaseModel):
    """Base of answers. Fields may be added later; clients ignore those they do not know."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        from_attributes=True,
        json_schema_extra=_may_grow,
        defer_build=True,
    )

    @classmethod
    def from_object(cls, *sources: object, **more: Any) -> Self:
        """Make the answer from attributes of the same names, each of the first object that has it, and the values in
        `more`. An object in place of an answer below becomes one in the same way."""
        for source, (names, look) in zip(
            sources, _filling(cls, tuple(more), tuple(map(type, sources))), strict=True
        ):
            more.update(zip(names, look(source), strict=False))
        return cls(**more)


@cache
def _filling(
    model: type[ResponseModel], given_names: Sequence[str], kinds: Sequence[type]
) -> Sequence[tuple[Sequence[str], Callable[[object], Sequence[Any]]]]:
    """Return the attributes of each object that fill an answer, and one getter for all: lists have hundreds of rows."""
    fillings, unfilled = [], [name for name in model.model_fields if name not in given_names]
    for kind in kinds:
        names = unfilled if kind is kinds[-1] else [name for name in unfilled if hasattr(kind, name)]
        unfilled = [name for name in unfilled if name not in names]
        # One name alone would give no sequence.
        fillings.append((names, attrgetter(*names, "__class__", "__class__")))
    return fillings


def with_fields(more: Mapping[str, Any]) -> Callable[[type[M]], type[M]]:
    """Give a model these fields too, each as a type with its pydantic field."""
    return lambda model: create_model(
        model.__name__, __base__=model, __module__=model.__module__, __doc__=model.__doc__, **more
    )


def shown_fields(part: type[DataclassInstance]) -> Mapping[str, DocumentField]:
    """Return the document fields that an answer about `part` shows unchanged, by attribute."""
    own = {f.name for f in fields(part)}
    return {f.attribute: f for f in FIELDS if f.rule.is_echoed and f.attribute in own}


def shown_type(field: DocumentField) -> tuple[Any, Any]:
    """Return the field's type, and its pydantic field."""
    kind: Any = Moment if field.holds is datetime else field.holds
    kind = list[kind] if field.is_list else kind | None if field.may_be_absent else kind
    return kind, Field(description=field.rule.says)


def closed(words: Iterable[str]) -> dict[str, Any]:
    """Return the schema of a text that is one of these words."""
    return {"type": "string", "enum": list(dict.fromkeys(map(str, words)))}


def growing(words: Iterable[str]) -> dict[str, Any]:
    """Return the schema of a text that is one of these words today."""
    return {"type": "string", "x-extensible-enum": list(dict.fromkeys(map(str, words)))}


# Answers are not validated against these: a word of the other side must not break an answer.
OutWord = Annotated[str, WithJsonSchema(closed((*STATES, *OutState)))]
InWord = Annotated[str, WithJsonSchema(closed(InState))]
PacketWord = Annotated[str, WithJsonSchema(closed(PACKET_STATES))]
KindWord = Annotated[str, WithJsonSchema(closed(k for k in Kind if k is not Kind.STATUS))]
BusinessWord = Annotated[str, WithJsonSchema(closed(BUSINESS.values()))]
HandoverWord = Annotated[str, WithJsonSchema(closed(HANDOVERS))]
RoleWord = Annotated[str, WithJsonSchema(closed(RecipientRole))]
FileRoleWord = Annotated[str, WithJsonSchema(closed(FileRole))]
UrgencyWord = Annotated[str, WithJsonSchema(closed(URGENCY_KEYS.values()))]
ModeWord = Annotated[str, WithJsonSchema(closed(DeliveryMode))]
ValueWord = Annotated[str, WithJsonSchema(closed(LegalValue))]
TrackWord = Annotated[str, WithJsonSchema(closed(Track))]
RequestStateWord = Annotated[str, WithJsonSchema(closed(RequestState))]
RequestWord = Annotated[str, WithJsonSchema(closed(RequestKind))]
NumberingWord = Annotated[str, WithJsonSchema(closed(NumberingMode))]
KeyWayWord = Annotated[str, WithJsonSchema(closed(KeyAuth))]
PrincipalWord = Annotated[str, WithJsonSchema(closed(PrincipalKind))]
ScopeWord = Annotated[str, WithJsonSchema(growing(ApiScope))]
EventWord = Annotated[str, WithJsonSchema(growing(EventKind))]
FactWord = Annotated[str, WithJsonSchema(growing((*CODES, *STATES)))]
RuleWord = Annotated[str, WithJsonSchema(growing(ReasonCode))]


def media_type(name: str) -> str:
    """Return the media type of a short type, or of a claimed one that is on the list."""
    return MEDIA_TYPES.get(name) or (name if name in _KNOWN_MEDIA else ONLY_BYTES)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Fields of an answer that are written; None: all of it. `names` are the fields themselves, without the part behind
    a dot."""

    include: Include | None = None
    names: frozenset[str] = frozenset()

    def wants(self, *names: str) -> bool:
        """Tell whether any of these fields is written: if not, it need not be found out."""
        return self.include is None or not self.names.isdisjoint(names)


EVERYTHING = Chosen()
