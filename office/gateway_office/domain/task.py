"""Tasks of people, and their notes; with the recall that a clerk asks the agency's head for: nothing leaves before another
person has agreed. A task is computed anew each time from stored data; kept are only the notes: owner, snooze time, closed.
A row of a recall request is made once and closed once. Frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.domain.document import Delivery, IncomingDocument, OutgoingDocument, Urgency
from gateway.domain.status import Fact
from gateway_office.domain.notice import SubjectKind


class AskState(StrEnum):
    """State of a recall request; `recall_ask.…` in the labels has the words. All but the first are final."""

    OPEN = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallAsk:
    """A clerk's request for a recall. `document_id` is the row of the document to be recalled, `recipients` are codes.
    `asked_for` and `decided_for` name the person on whose behalf the request was made or decided. `result` is the sent
    recall."""

    id: str
    document_id: str
    reason: str
    notice_no: str
    take_back: bool
    recipients: tuple[str, ...]
    asked_by: str
    asked_at: datetime
    asked_for: str | None = None
    state: AskState = AskState.OPEN
    decided_by: str | None = None
    decided_for: str | None = None
    decided_at: datetime | None = None
    why: str = ""
    result: str | None = None

    @property
    def is_open(self) -> bool:
        return self.state is AskState.OPEN

    @property
    def askers(self) -> frozenset[str]:
        """Persons behind the request."""
        return frozenset(p for p in (self.asked_by, self.asked_for) if p)


class SubmissionState(StrEnum):
    OPEN = "asked"
    DECIDED = "decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A document that a clerk submitted to a leader: `leader` is a person's id, `opinion` the answer."""

    id: str
    document_id: str
    leader: str
    note: str
    asked_by: str
    asked_at: datetime
    state: SubmissionState = SubmissionState.OPEN
    decided_by: str | None = None
    decided_at: datetime | None = None
    opinion: str = ""


class TaskKind(StrEnum):
    """Kind of a task; `task.…` in the labels has the words."""

    TAKE_IN = "take_in"
    DECIDE = "decide"
    REJECTED = "rejected"
    FAILED = "failed"
    RECALL = "recall"
    REPLY = "reply"
    CERTIFICATE = "certificate"
    ISSUE = "issue"
    STATUS = "status"
    TAKE_BACK = "take_back"
    LEFT_AFTER_ALL = "left_after_all"
    """A recipient has a document that was cancelled before it seemed to have left."""
    APPROVE_RECALL = "approve_recall"
    SYSTEM = "system"
    SYSTEM_STATUS = "system_status"
    ASSIGN = "assign"
    """Taken in, and not yet assigned."""
    REASSIGN = "reassign"
    """A unit handed its part back."""
    REPLY_DUE = "reply_wanted"
    """A recipient is to answer us by a day."""
    RECALL_DUE = "recall_due"
    """A recipient has not answered our recall in its time."""
    OPINION = "opinion"
    """Submitted to a leader."""
    START = "start"
    WORK = "work"
    """A unit's own part."""
    ACT_FAILED = "act_failed"
    """A clerk took it in or refused it, which could not be done when the time to undo it was over."""
    ASSIGN_FAILED = "assign_failed"
    """The same of an assignment."""
    INFORMED = "informed"
    """To be seen, without work and without a deadline."""
    DUTY = "duty"
    """Duty that its timer names, such as of an administrator; mails remind of it, and no list shows it."""


_INCOMING = (
    TaskKind.ASSIGN,
    TaskKind.REASSIGN,
    TaskKind.OPINION,
    TaskKind.START,
    TaskKind.WORK,
    TaskKind.INFORMED,
    TaskKind.TAKE_IN,
    TaskKind.DECIDE,
    TaskKind.RECALL,
    TaskKind.REPLY,
    TaskKind.STATUS,
    TaskKind.SYSTEM,
    TaskKind.ACT_FAILED,
    TaskKind.ASSIGN_FAILED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskNote:
    """A person's note about one task. A close or snooze ends when the task has begun anew since `noted_at`; its owner
    stays."""

    task: str
    noted_by: str
    noted_at: datetime
    owner: str | None = None
    snoozed_until: datetime | None = None
    closed_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One line of the list. `subject_id` is its subject: an incoming or outgoing document, or a certificate's fingerprint;
    `since` when it began; `wall_clock` whether its time runs day and night."""

    id: str
    kind: TaskKind
    subject_id: str
    document: str
    title: str
    counterpart: str
    counterpart_name: str
    urgency: Urgency
    since: datetime
    due_at: datetime
    is_late: bool
    wall_clock: bool
    timer: str | None = None
    note: TaskNote | None = None
    unit: str = ""
    """Unit that has the part."""
    person_id: str | None = None
    """Person whose duty or draft it is, or person of the unit whose part it is."""
    begun_by: str = ""
    """Principal whose own act it began with; empty where it came from elsewhere."""
    in_time: bool = False
    """True for a letter that waits and is neither urgent nor late: it is shown and counted, without a mail or a ring."""

    @property
    def is_incoming(self) -> bool:
        return self.kind in _INCOMING

    @property
    def has_deadline(self) -> bool:
        return self.kind is not TaskKind.INFORMED

    @property
    def subject_kind(self) -> SubjectKind:
        """Kind of the subject under `opens`."""
        if self.kind is TaskKind.CERTIFICATE:
            return SubjectKind.AGENCY
        return SubjectKind.INCOMING if self.is_incoming else SubjectKind.OUTGOING

    @property
    def opens(self) -> str:
        return self.counterpart if self.kind is TaskKind.CERTIFICATE else self.subject_id

    @property
    def owner(self) -> str | None:
        return self.note.owner if self.note is not None else None

    @property
    def is_express(self) -> bool:
        return self.urgency >= Urgency.EXPRESS

    @property
    def is_pressing(self) -> bool:
        """True if it stands on the home page in any case."""
        return self.is_late or self.is_express

    def rests(self, now: datetime) -> bool:
        """Tell whether it is hidden now. An express one is never put off, and none past its deadline, even a moved one."""
        note = self.note
        if note is None or note.noted_at < self.since:
            return False
        if note.closed_at is not None:
            return True
        if note.snoozed_until is None or self.is_express:
            return False
        return now < min(note.snoozed_until, self.due_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentStatus:
    """An incoming document with a status that its sender has not received, and since when that waits or has failed."""

    document: IncomingDocument
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsentRequest:
    """A delivery whose recipient has not received the request to give it back, with its document and all its facts, and
    since when that waits or has failed."""

    delivery: Delivery
    document: OutgoingDocument
    facts: tuple[Fact, ...]
    since: datetime
