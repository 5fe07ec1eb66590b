"""Preservation orders (R129): documents that must stay as they are while an authority asks for it. An order stops each way
out of content: the purge of a recalled document, expiry, erasure. A first person asks for its end, a second one ends it.
Frozen values. A sealed hold of secrets is another thing (`gateway.domain.hold`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

LEAST_REASON, LONGEST_REASON, LONGEST_DECISION = 10, 500, 100
MOST_DOCUMENTS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Extent of an order: named documents, or each document that meets all stated conditions, today's and later
    ones."""

    documents: tuple[str, ...] = ()
    partner: str = ""
    since: date | None = None
    until: date | None = None
    file_code: str = ""

    @property
    def is_empty(self) -> bool:
        return self == Extent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Document that an order may be about. `partners` are the codes of its sender or its recipients."""

    id: str
    partners: frozenset[str]
    day: date
    file_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedEnd:
    """Wish of a first person to end an order."""

    by: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PreservationOrder:
    """One order. `decision` is number and day of the paper that asks for it; `by` and `ended_by` are principals."""

    id: str
    agency_id: str
    extent: Extent
    reason: str
    decision: str
    by: str
    begun_at: datetime
    asked_end: AskedEnd | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        return self.ended_at is None

    def covers(self, document: Candidate) -> bool:
        """Tell whether the document must stay."""
        extent = self.extent
        if not self.is_open or extent.is_empty:
            return False
        if extent.documents:
            return document.id in extent.documents
        return (
            (not extent.partner or extent.partner in document.partners)
            and (extent.since is None or extent.since <= document.day)
            and (extent.until is None or document.day <= extent.until)
            and extent.file_code in ("", document.file_code)
        )


def covering(orders: Iterable[PreservationOrder], document: Candidate) -> PreservationOrder | None:
    """Return an open order that is about the document; None where it may go."""
    return next((order for order in orders if order.covers(document)), None)
