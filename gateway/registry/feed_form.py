"""The lines of a registry feed: header, agencies, proposed certificates, and the seal at the end. In: one line of bytes, or
values. Out: the other. A line has one spelling alone, so that no two files say the same under one signature. Pure."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.domain.agency_code import AgencyCode, BadCode, CodeForm
from gateway.domain.node_name import node_name_fault
from gateway.domain.registry_change import AgencyRecord
from gateway.errors import Clash

LONGEST_LINE = 32 * 1024  # the longest lawful row, every cell full of three-byte letters, has 14 KiB
LONGEST_EDGE = 4 * 1024  # the header and the seal: read before anything is known about the file
MOST_ROWS = 1_000_000  # eight times the agencies that design 7 counts with
MOST_BYTES = 512 * 1024 * 1024  # a million rows as they are seen have 150 MB
LONGEST_TEXT = 500
LONGEST_ALIAS = 75  # columns seen go up to this (edxml.md 4)
_MOST = 2**53 - 1  # what every JSON reader keeps exactly


class FeedRefused(Clash):
    """The registry feed is not taken; the last good one stays in force."""

    code = "FEED-FORM"
    label_key = "error.feed"


class FeedKind(StrEnum):
    """A snapshot is the whole list. Changes are the rows that differ from the list with the number `base`."""

    SNAPSHOT = "snapshot"
    CHANGES = "changes"


def _text(value: str) -> str:
    if not value or len(value) > LONGEST_TEXT:
        raise ValueError(f"a text has 1 to {LONGEST_TEXT} characters")
    if value != value.strip() or not unicodedata.is_normalized("NFC", value):
        raise ValueError("a text is in NFC, with no spaces around it")
    if any(unicodedata.category(letter) == "Cc" for letter in value):
        raise ValueError("a text has no control characters")
    return value


def _code(value: str) -> str:
    if str(AgencyCode.parse(value)) != value:
        raise ValueError("a code is written in full")
    return value


def _alias(value: str) -> str:
    if len(value) > LONGEST_ALIAS or not value.replace(".", "").replace("_", "").replace("-", "").isalnum():
        raise ValueError(f"an alias has letters, digits, dots, _ and -, at most {LONGEST_ALIAS}")
    if not value.isascii() or value != value.upper():
        raise ValueError("an alias is written in capitals without accents")
    try:
        code = AgencyCode.parse(value)
    except BadCode:
        return value
    if code.form is CodeForm.OLD and str(code) != value:
        raise ValueError(f"an older code is written in full, as {code}")
    return value


def _host(value: str) -> str:
    if (fault := node_name_fault(value)) is not None:
        raise ValueError(fault)
    return value


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo != UTC and value.utcoffset() != UTC.utcoffset(None):
        raise ValueError("a time is in UTC")
    return value.astimezone(UTC)


Text = Annotated[str, AfterValidator(_text)]
Code = Annotated[str, AfterValidator(_code)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\z")]
Count = Annotated[int, Field(ge=0, le=_MOST)]


class _Line(BaseModel):
    """One line: keys in the order of the fields, none for what is empty."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Header(_Line):
    """The first line. `digest` is that of the snapshot's body with this number, so it names the whole list; `body` is that
    of the lines that follow here. `base` is the number that the issuer gave before this one."""

    format: Literal["lienthong-registry/1"] = "lienthong-registry/1"
    kind: FeedKind
    issuer: Text
    sequence: Annotated[int, Field(ge=1, le=_MOST)]
    digest: Sha256
    base: Annotated[int, Field(ge=1, le=_MOST)] | None = None
    base_digest: Sha256 | None = None
    made_at: Moment
    rows: Count
    bytes: Count
    body: Sha256

    @model_validator(mode="after")
    def _agrees(self) -> Header:
        if (self.base is None) != (self.base_digest is None):
            raise ValueError("base and base_digest come together")
        if self.base is not None and self.base >= self.sequence:
            raise ValueError("the base is older than the feed")
        if self.kind is FeedKind.CHANGES and self.base is None:
            raise ValueError("changes name their base")
        if self.kind is FeedKind.SNAPSHOT and self.digest != self.body:
            raise ValueError("a snapshot's digest is that of its body")
        return self


class Seal(_Line):
    """The last line: the signature over the header, and the certificate that made it."""

    signature: Annotated[str, Field(max_length=2048)]
    algorithm: Literal["rsa-sha256", "ecdsa-sha256", "ecdsa-sha384"]
    certificate: Sha256


class AgencyLine(_Line):
    """One agency, whole."""

    code: Code
    alias: Annotated[str, AfterValidator(_alias)] | None = None
    name: Text
    parent: Code | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    successor: Code | None = None
    host: Annotated[str, AfterValidator(_host)] | None = None
    email: Text | None = None
    address: Text | None = None
    phone: Text | None = None
    decision: Text | None = None

    @model_validator(mode="after")
    def _agrees(self) -> AgencyLine:
        if self.valid_from and self.valid_to and self.valid_to < self.valid_from:
            raise ValueError("the last day is before the first")
        return self

    def record(self) -> AgencyRecord:
        return AgencyRecord(**dict(self))


class ProposalLine(_Line):
    """A certificate that the issuer proposes for a code. It binds nothing: two people here do that (K6)."""

    proposal: Code
    sha256: Sha256
    certificate: Annotated[str, Field(max_length=16 * 1024)]
    valid_from: Moment | None = None
    valid_to: Moment | None = None

    @model_validator(mode="after")
    def _agrees(self) -> ProposalLine:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("the proposed binding ends before it begins")
        return self


AnyLine = TypeVar("AnyLine", bound=_Line)


def agency_line(record: AgencyRecord) -> AgencyLine:
    """The line of a row that is in the registry: nothing is judged again."""
    return AgencyLine.model_construct(**{name: getattr(record, name) for name in AgencyLine.model_fields})


def encoded(line: _Line) -> bytes:
    """The one spelling, with its line feed."""
    return line.model_dump_json(exclude_none=True).encode() + b"\n"


def decoded(kind: type[AnyLine], raw: bytes, where: str) -> AnyLine:
    """The line. FeedRefused when it is none of that kind, or is spelled otherwise than we write it."""
    try:
        line = kind.model_validate_json(raw)
    except ValidationError as cause:
        raise FeedRefused(f"{where}: {_first(cause)}", code="FEED-FORM") from cause
    if encoded(line) != raw:
        raise FeedRefused(f"{where}: the line is not spelled as a feed spells it", code="FEED-FORM")
    return line


def unpacked(text: str, where: str) -> bytes:
    """The bytes of base64 in its one spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise FeedRefused(f"{where}: not base64", code="FEED-FORM") from cause
    if base64.b64encode(raw).decode() != text:
        raise FeedRefused(f"{where}: base64 in another spelling than ours", code="FEED-FORM")
    return raw


def _first(cause: ValidationError) -> str:
    """The first thing wrong, without the value: it is somebody else's text."""
    error: Any = cause.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg']}" if place else str(error["msg"])
