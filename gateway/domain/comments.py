"""Comments on an incoming document, between the persons of one agency who may read it, and who has seen it. They never
leave the agency. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """A person's comment on an incoming document, for others of the agency who may read it."""

    id: str
    document_id: str
    person_id: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A person who saw a document: when first, and until when its comments were read."""

    person_id: str
    at: datetime
    read_until: datetime
