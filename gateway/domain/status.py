"""Facts to state: three tracks, their codes, and the one word shown. A fact is never changed or removed; a state is
a pure function of the set of facts, so order of arrival and repeats do not matter (interfaces.md 1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.document import Staff
from gateway.domain.identity import Digest


class Track(StrEnum):
    TRANSPORT = "transport"
    BUSINESS = "business"
    REQUEST = "request"
    OTHER = "other"


class RequestKind(StrEnum):
    RECALL = "recall"
    TAKE_BACK = "take_back"
    UPDATE = "update"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing known about a delivery or an incoming document. `at` is when our node learnt or did it;
    `stated_at` is the other side's own time. A fact is the same fact when track, code, stated_at, packet_digest
    and request_id are equal. `request_id` is the packet id of the request that is asked or answered."""

    track: Track
    code: str
    at: datetime
    stated_at: datetime | None = None
    packet_digest: Digest | None = None
    proved: bool = False
    request_id: str | None = None
    request_kind: RequestKind | None = None
    reason: str | None = None
    note: str | None = None
    staff: Staff | None = None
