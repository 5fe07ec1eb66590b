"""Destruction of documents whose retention has ended (R102): one act with its proposal, the record of the council that
assessed it, the decision and both persons; its lines, one for each document. Frozen values. An act may be stopped until it
begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from gateway.domain.retention import Expiry

LEAST_REASON, LONGEST_REASON, LONGEST_NUMBER, LONGEST_MEMBERS = 10, 500, 100, 1000
MOST_NAMED, LONGEST_TITLE = 1000, 300


class ActState(StrEnum):
    """State of an act, in the order of its way."""

    LISTING = "listing"
    """Its lines are being written."""
    PROPOSED = "proposed"
    ASSESSED = "assessed"
    APPROVED = "approved"
    CONFIRMED = "confirmed"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


STOPPABLE = tuple(ActState)[: tuple(ActState).index(ActState.RUNNING)]
DUE = (ActState.CONFIRMED, ActState.RUNNING)
"""States of an act that the node has to carry out."""


class Obstacle(StrEnum):
    """Rule that stands against the destruction of a document, the gravest first."""

    DESTROYED = "destroyed"
    PRESERVED = "preserved"
    SECRET = "secret"  # noqa: S105 - a kind of obstacle
    NO_TABLE = "no_table"
    PERMANENT = "permanent"
    UNKNOWN = "unknown"
    NOT_ENDED = "not_ended"
    UNFINISHED = "unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestructionRule:
    """Choice of documents: retention ended by that day, of these classes, or these documents alone. `handed_over`: those
    that the historical archive has received, whatever their retention."""

    until: date
    classes: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    handed_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposalFacts:
    """Facts about a document that decide whether it may be destroyed. `expiry` is None without a table of retention.
    `is_archived`: the act is about what was handed over, and the historical archive has received it."""

    expiry: Expiry | None
    is_destroyed: bool = False
    is_preserved: bool = False
    is_secret: bool = False
    is_finished: bool = True
    is_archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposalVerdict:
    """End of a document's retention, and the rule that stands against its destruction, None where it may go."""

    expiry: Expiry | None
    obstacle: Obstacle | None
    is_archived: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CouncilRecord:
    """Record of the council that assessed the documents: number, day and members, or the document that it is."""

    number: str
    day: date
    members: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Decision on the destruction, with the person who approves here."""

    number: str
    day: date
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ActStep:
    """Person who confirmed or stopped an act, with the reason of a stop."""

    by: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destruction:
    """One act. `counts` has the number of lines by state and, for all documents that were looked at, by obstacle."""

    id: str
    agency_id: str
    rule: DestructionRule
    reason: str
    by: str
    at: datetime
    state: ActState = ActState.LISTING
    counts: Mapping[str, int] = field(default_factory=dict)
    council: CouncilRecord | None = None
    approval: Approval | None = None
    confirmed: ActStep | None = None
    stopped: ActStep | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def decision(self) -> str:
        return f"{self.approval.number}, {self.approval.day:%d/%m/%Y}" if self.approval else ""

    @property
    def people(self) -> frozenset[str]:
        """Return the persons who proposed, approved and confirmed."""
        steps = (self.approval, self.confirmed)
        return frozenset({self.by, *(step.by for step in steps if step is not None)})


class ItemState(StrEnum):
    """State of a line. A refused one was never part of the act; one that is left out met an obstacle later."""

    DUE = "due"
    REFUSED = "refused"
    LEFT_OUT = "left_out"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DestructionItem:
    """Line of an act: one document with its digests, the envelope's first."""

    act_id: str
    n: int
    document_id: str
    title: str
    digests: tuple[str, ...]
    basis: str = ""
    ended_on: date | None = None
    state: ItemState = ItemState.DUE
    obstacle: Obstacle | None = None
    at: datetime | None = None
