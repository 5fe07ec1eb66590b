"""What authorities say about certificates: the questions that a node asks them, and the answers it keeps. Frozen values;
nothing here asks anybody or judges an answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Source(StrEnum):
    """How an authority answers: for one certificate, or by a list of all that are revoked."""

    OCSP = "ocsp"
    LIST = "crl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`issuer` is the SHA-256 of the authority's certificate. `about` is the serial number of one certificate, in hex, or
    the address of a list."""

    source: Source
    issuer: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer byte for byte (DER). `made_at` and `ends_at` are what the authority says; `revokes` that it names a
    revoked certificate."""

    question: Question
    body: bytes = field(repr=False)
    origin: str
    fetched_at: datetime
    made_at: datetime
    ends_at: datetime | None
    revokes: bool = False

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How it stands with one question: asked for the first time, to be asked again, how often in vain since."""

    question: Question
    first_at: datetime
    due_at: datetime
    answered_at: datetime | None = None
    failures: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRevocation:
    """A packet that was judged while nobody could say whether its certificate is revoked (K4); it is asked again."""

    agency_id: str
    inbox_id: str
    certificate_der: bytes = field(repr=False)
    arrived_at: datetime
