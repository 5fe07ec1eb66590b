"""The store as the office sees it: each of its units of work has `office`, with what only persons at pages need: lists,
labels, views, the register books with outgoing mail on paper (a line of its book and no document of the exchange),
what the to-do list asks, recalls that wait for the head of an agency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from gateway.domain.account import AgencyScope
from gateway.domain.book import OutgoingLine, PaperLetter, Span
from gateway.domain.document import Delivery, DocumentChange, IncomingDocument, OutgoingDocument
from gateway.domain.status import Fact
from gateway.office.domain.ringing import OwnDesk
from gateway.office.domain.task import RecallAsk, Submission, TaskNote
from gateway.office.ports.lists import Lists, SavedViews, Tags
from gateway.ports import Store, Work
from gateway.ports.queues import Handover, RegisterEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingLine:
    """A line of the incoming book with the document that it is about."""

    entry: RegisterEntry
    document: IncomingDocument
    handover: Handover | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """What the check of a run looks at of one outgoing line."""

    id: str
    """That of the document: what a recipient refused and was sent anew has one, and one number, twice."""
    number: str
    type_name: str
    struck: bool


class Books(Protocol):
    async def incoming(self, span: Span, *, limit: int, after: str | None = None) -> Sequence[IncomingLine]:
        """By number: 9 before 10, and what is no number after those that are. `after` is the number of the last line
        seen."""

    async def incoming_numbers(self, span: Span) -> Sequence[str]: ...

    async def incoming_days(self, span: Span) -> tuple[int, int, date | None, date | None]:
        """How many lines, how many of them struck, and the first and last day of arrival."""

    async def outgoing(
        self, span: Span, *, limit: int, after: OutgoingLine | None = None
    ) -> Sequence[OutgoingLine]:
        """By date of the document, then number. What was only drafted is no line."""

    async def outgoing_numbers(self, span: Span) -> Sequence[Numbered]: ...

    async def recalls(self, ids: Sequence[str]) -> Mapping[str, tuple[DocumentChange, datetime]]:
        """The latest recall of each of these outgoing documents that was asked for, and when."""

    async def replies(self, document_ids: Sequence[str], since: datetime) -> Mapping[str, Sequence[str]]:
        """Number and symbol of what we sent since then in answer to these DocumentIds of others."""

    async def names(self, principal_ids: Sequence[str]) -> Mapping[str, str]:
        """Who that is, for those that are known."""

    async def put_letter(self, letter: PaperLetter) -> None:
        """Clash when its number and symbol are taken in that year, on paper or by a document of the exchange; it names who
        has them and the next free number."""

    async def letter(self, id: str) -> PaperLetter: ...

    async def strike_letter(self, id: str, at: datetime, by: str, reason: str) -> bool:
        """False when it was struck before. NotFound for a letter that is not ours."""


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

    async def unassigned(self, since: datetime, limit: int) -> Sequence[tuple[IncomingDocument, datetime]]:
        """Taken in since then, given to nobody, and with no document system: each with when it was taken in."""

    async def asked_back(
        self, since: datetime, limit: int
    ) -> Sequence[tuple[IncomingDocument, Sequence[Fact]]]:
        """Documents of which their sender asked something since then, answered or not, with everything known about each."""

    async def replies(self, by: date, limit: int) -> Sequence[IncomingDocument]:
        """Documents whose sender wants a reply by that day or earlier."""

    async def unsent(self, limit: int) -> Sequence[OutgoingDocument]:
        """Drafts, blocked and queued documents."""

    async def returned(self, since: datetime, limit: int) -> Sequence[tuple[Delivery, OutgoingDocument]]:
        """Deliveries that failed or were refused since then, each with its document."""

    async def untold(self, since: datetime, until: datetime, limit: int) -> Sequence[Untold | Unasked]:
        """Statuses and take-backs between these times that wait yet or have failed; and since the first those that could
        not be made."""

    async def unanswered(
        self, since: datetime, until: datetime, limit: int
    ) -> Sequence[tuple[str, datetime]]:
        """To whom, and when, something left between these times of which no first word came back; the newest first."""

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


class RecallAsks(Protocol):
    """Those of one agency."""

    async def add(self, ask: RecallAsk) -> None: ...

    async def get(self, id: str) -> RecallAsk:
        """NotFound for another agency's. In a writing unit of work it stays as it is until that ends."""

    async def of(self, document_id: str) -> Sequence[RecallAsk]:
        """All of one document, newest first."""

    async def open(self, limit: int) -> Sequence[RecallAsk]:
        """Those that wait, oldest first."""

    async def close(self, ask: RecallAsk) -> None:
        """Clash when it was closed before."""


class OwnDesks(Protocol):
    """What each person's desk in this agency remembers."""

    async def of(self, person_id: str) -> OwnDesk:
        """An empty one where nothing was kept yet."""

    async def save(self, person_id: str, desk: OwnDesk) -> None: ...


class Submissions(Protocol):
    """Documents that were submitted to a leader."""

    async def add(self, submission: Submission) -> None: ...

    async def of(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Submission]]:
        """All of each document, the earliest first."""

    async def open(self, limit: int) -> Sequence[tuple[Submission, IncomingDocument]]:
        """What waits for an opinion, the oldest first."""

    async def close(self, submission: Submission) -> None:
        """Clash when another opinion was given before."""


class OfficeRows(Protocol):
    """Of one agency, within one unit of work."""

    @property
    def lists(self) -> Lists: ...

    @property
    def tags(self) -> Tags: ...

    @property
    def views(self) -> SavedViews: ...

    @property
    def tasks(self) -> Tasks: ...

    @property
    def books(self) -> Books: ...

    @property
    def recalls(self) -> RecallAsks: ...

    @property
    def desks(self) -> OwnDesks: ...

    @property
    def submissions(self) -> Submissions: ...


class OfficeWork(Work, Protocol):
    @property
    def office(self) -> OfficeRows: ...


class OfficeStore(Store, Protocol):
    def begin(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]: ...

    def read(self, scope: AgencyScope) -> AbstractAsyncContextManager[OfficeWork]: ...

    async def fill_lists(self, limit: int) -> bool:
        """Writes that many rows of lists for documents older than lists; True when there may be more. Harmless again."""

    async def write_due_again(self, limit: int) -> bool:
        """Writes that many rows of lists anew where the calendar is another one since; True when there may be more."""

    async def fill_lists_again(self) -> None:
        """The last two days are filled once more: an older version of the program may have worked beside this one."""

    async def work_out_day(self) -> bool:
        """The figures of one day of one agency that are missing or old; False when none are."""
