"""The small types that every request and answer is made of: text without control characters, Vietnamese local times
out, aware times in, and the two bases (strict about what is asked, exact about what is answered). Pure."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
)

from gateway.domain.fields import DRAFT
from gateway.domain.wall_clock import VIETNAM

# Viet Nam has had one offset and no summer time since 1975, so no time-zone table is needed to print a time.

_ALLOWED_CONTROLS = frozenset("\t\n\r")


def stamp(at: datetime) -> str:
    """RFC 3339 with the offset of Viet Nam: `2026-11-20T14:02:11+07:00`."""
    return at.astimezone(VIETNAM).isoformat(timespec="seconds")


def _one_line(text: str) -> str:
    """CR, LF and other control characters have no place in a name, a number or a header (threats.md 77)."""
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise ValueError("control characters and line breaks are not allowed here")
    return text


def _printable(text: str) -> str:
    if any(unicodedata.category(letter) == "Cc" and letter not in _ALLOWED_CONTROLS for letter in text):
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
# Of a query: so short that it fits a request line in whatever letters; ours have 100.
Cursor = Annotated[str, StringConstraints(max_length=200), AfterValidator(_one_line)]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Moment = Annotated[
    AwareDatetime,
    PlainSerializer(stamp, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Asked(BaseModel):
    """What a caller may say. A field that is not here is refused by name, so typing errors are found early."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False, defer_build=True)


class NoQuery(Asked):
    """Of a call that takes no query parameters: whatever stands there is a mistake, and told."""


def _open(schema: dict[str, Any]) -> None:
    """A newer node may answer with more fields, so no description says that there are no others."""
    schema.pop("additionalProperties", None)


class Told(BaseModel):
    """What the node answers. Fields may be added later; clients ignore those they do not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, json_schema_extra=_open, defer_build=True
    )
