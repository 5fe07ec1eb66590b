"""The promises around deadlines: what the to-do list asks of the store, and certificates that end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument
from gateway.domain.status import Fact
from gateway.office.domain.task import TaskNote


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """A delivery that failed or was refused, with its document and the reason last told."""

    delivery: Delivery
    document: OutgoingDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedBack:
    """An incoming document of which its sender asked something, with everything known about it."""

    document: IncomingDocument
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """An incoming document with a status that its sender has not heard, and since when that waits or has failed."""

    document: IncomingDocument
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unasked:
    """A delivery whose recipient has not heard that it is asked to give it back, with its document and everything known
    about it, and since when that waits or has failed."""

    delivery: Delivery
    document: OutgoingDocument
    facts: tuple[Fact, ...]
    since: datetime


class Tasks(Protocol):
    """What the to-do list of one agency is made of. Every list is bounded, its oldest first."""

    async def to_take_in(self, limit: int) -> Sequence[IncomingDocument]:
        """Documents and replacements that are new or on hold."""

    async def asked_back(self, since: datetime, limit: int) -> Sequence[AskedBack]:
        """Requests made since then, answered or not."""

    async def replies(self, by: date, limit: int) -> Sequence[IncomingDocument]:
        """Documents whose sender wants a reply by that day or earlier."""

    async def unsent(self, limit: int) -> Sequence[OutgoingDocument]:
        """Drafts, blocked and queued documents."""

    async def returned(self, since: datetime, limit: int) -> Sequence[Returned]:
        """Deliveries that failed or were refused since then."""

    async def untold(self, since: datetime, until: datetime, limit: int) -> Sequence[Untold | Unasked]:
        """Statuses and take-backs between these times that wait yet or have failed; and since the first those that could
        not be made."""

    async def notes(self, tasks: Sequence[str]) -> dict[str, TaskNote]:
        """What was noted about these tasks, by task."""

    async def save_note(self, note: TaskNote) -> None: ...

    async def first_time(self, key: str, at: datetime) -> bool:
        """Claims a reminder in the caller's transaction; False when it was claimed before."""

    async def unclaimed(self, keys: Sequence[str]) -> Sequence[str]:
        """Those that nobody has claimed yet."""

    async def release(self, key: str) -> None:
        """The reminder was not sent after all and may be claimed again."""

    async def forget_reminders(self, before: datetime) -> None:
        """Of this agency, claimed before that time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndingCertificate:
    """A certificate in use: whose, and until when. `own`: an agency of this node signs with it."""

    code: str
    fingerprint: str
    until: datetime
    own: bool


class EndingCertificates(Protocol):
    async def endings(self, now: datetime) -> Sequence[EndingCertificate]:
        """Of every certificate that signs for us or speaks for somebody here, the last of each code."""
