"""What an event says, and every kind of it. Events are the one history: timeline, feed, audit and pages read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """Every kind of event; the API's feed shows these names."""

    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_QUEUED = "message.queued"
    MESSAGE_CANCELLED = "message.cancelled"
    DOCUMENT_SIGNED = "document.signed"
    DELIVERY_SENT = "message.sent"
    DELIVERY_RETRY = "message.retry"
    DELIVERY_FAILED = "message.failed"
    DELIVERY_STATUS = "message.status"
    REQUEST_ASKED = "message.recall.requested"
    REQUEST_ANSWERED = "message.recall.answered"
    RECALL_ASKED = "recall.asked"
    RECALL_APPROVED = "recall.approved"
    RECALL_REFUSED = "recall.refused"
    RECALL_WITHDRAWN = "recall.withdrawn"
    INBOX_LANDED = "inbox.landed"
    INBOX_RECEIVED = "inbox.received"
    INBOX_REPEATED = "inbox.repeated"
    INBOX_WAITING = "inbox.waiting"
    INBOX_HELD = "inbox.held"
    INBOX_INVALID = "inbox.invalid"
    INBOX_RETURNED = "inbox.returned"
    INBOX_STATUS = "inbox.status"
    INBOX_REQUEST = "inbox.request"
    INBOX_ACKED = "inbox.acked"
    INBOX_OFFERED = "inbox.offered"
    INBOX_ANSWERED = "inbox.answered"
    INBOX_REPLIED = "inbox.replied"
    INBOX_REVOCATION = "inbox.revocation"
    INBOX_SIGNATURES = "inbox.signatures"
    PERSON_ADDED = "person.added"
    PERSON_ENROLLED = "person.enrolled"
    PERSON_CHANGED = "person.changed"
    PERSON_BLOCKED = "person.blocked"
    PERSON_LOCKED = "person.locked"
    SESSION_BEGUN = "session.begun"
    SESSION_ENDED = "session.ended"
    SESSION_AGENCY = "session.agency"
    ACCOUNT_LINK = "account.link"
    ACCOUNT_PASSWORD = "account.password"  # noqa: S105 - a kind of event
    ACCOUNT_FACTOR = "account.factor"
    ACCOUNT_STANDING = "account.standing"
    ACCOUNT_UNLOCKED = "account.unlocked"
    ACCOUNT_IDLE = "account.idle"
    ACCOUNT_REVIEWED = "account.reviewed"
    POST_GIVEN = "post.given"
    POST_TAKEN = "post.taken"
    DELEGATION_MADE = "delegation.made"
    DELEGATION_APPROVED = "delegation.approved"
    DELEGATION_ENDED = "delegation.ended"
    MAILBOX_MADE = "mailbox.made"
    MAILBOX_CLOSED = "mailbox.closed"
    API_KEY_MADE = "apikey.made"
    API_KEY_REVOKED = "apikey.revoked"
    DOCUMENT_READ = "document.read"
    SET_UP_BEGUN = "setup.begun"
    SET_UP_ENDED = "setup.ended"
    PROPOSAL_MADE = "proposal.made"
    PROPOSAL_APPROVED = "proposal.approved"
    PROPOSAL_REJECTED = "proposal.rejected"
    PROPOSAL_REFUSED = "proposal.refused"
    BINDING_APPROVED = "binding.approved"
    BINDING_ENDING = "binding.ending"
    BINDING_WITHDRAWN = "binding.withdrawn"
    BINDING_UNTOLD = "binding.untold"
    ANCHOR_APPROVED = "anchor.approved"
    REFORM_APPROVED = "reform.approved"
    REFORM_UNDONE = "reform.undone"
    REFORM_REPORTED = "reform.reported"
    CODES_IMPORTED = "codes.imported"
    CODES_UNDONE = "codes.undone"
    CALENDAR_SET = "calendar.set"
    CALENDAR_REMOVED = "calendar.removed"
    KEY_RETIRED = "key.retired"
    KEY_STOLEN = "key.stolen"
    KEY_SUSPECT = "key.suspect"
    KEY_EXPIRING = "key.expiring"
    MESSAGE_RESIGNED = "message.resigned"
    MESSAGE_CONFIRMED = "message.confirmed"
    MESSAGE_URGED = "message.urged"
    PAPER_HANDED = "message.paper"
    ALERT_MALWARE = "alert.malware"
    ALERT_CONTENT = "alert.content"
    HOLD_BEGUN = "hold.begun"
    HOLD_SEALED = "hold.sealed"
    HOLD_LIFTED = "hold.lifted"
    HOLD_PURGED = "hold.purged"
    INBOX_DROPPED = "inbox.dropped"
    BOOK_ENTERED = "register.entered"
    BOOK_CORRECTED = "register.corrected"
    BOOK_STRUCK = "register.struck"
    BOOK_EXPORTED = "register.exported"
    RECEIPT_SIGNED = "receipt.signed"
    TASK_NOTED = "task.noted"
    LOG_ERASED = "log.erased"
    LOG_EXPORTED = "log.exported"
    EVIDENCE_MADE = "evidence.made"
    NOTICE_PUBLISHED = "notice.published"
    NOTICE_ENDED = "notice.ended"
    PARCEL_RETRIED = "parcel.retried"
    PARCEL_DROPPED = "parcel.dropped"
    MESSAGE_HURRIED = "message.hurried"
    BACKUP_TESTED = "backup.tested"
    NODE_RESTORED = "node.restored"
    NODE_CONFIRMED = "node.confirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened. `node_seq` and `agency_seq` are None until the sequencer numbered it."""

    id: str
    kind: EventKind
    at: datetime
    subject_id: str
    principal_id: str
    agency_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    node_seq: int | None = None
    agency_seq: int | None = None
