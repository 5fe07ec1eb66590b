"""Events and their kinds; and the bindings of certificates that events imply. Events are the one history, which timeline,
feed, audit and pages read. In: events of the kinds `binding.*`. Out: the expected table of bindings, and its differences
from the real one, so that a changed table is found. Pure: the caller loads rows and events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

ACTIVE, WITHDRAWN = "active", "withdrawn"
BoundKey = tuple[str, str]


class EventKind(StrEnum):
    """Kind of an event, by the name that the API's feed shows."""

    MESSAGE_ACCEPTED = "message.accepted"
    MESSAGE_QUEUED = "message.queued"
    MESSAGE_CANCELLED = "message.cancelled"
    MESSAGE_LEFT = "message.left_after_all"
    DOCUMENT_SIGNED = "document.signed"
    DELIVERY_SENT = "message.sent"
    DELIVERY_RETRY = "message.retry"
    DELIVERY_FAILED = "message.failed"
    DELIVERY_STATUS = "message.status"
    RECALL_REQUESTED = "message.recall.requested"
    REQUEST_ANSWERED = "message.recall.answered"
    RECALL_FILED = "recall.asked"
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
    INBOX_SUBMITTED = "inbox.submitted"
    INBOX_OPINION = "inbox.opinion"
    INBOX_HANDED_BACK = "inbox.handed_back"
    INBOX_PART_DONE = "inbox.part_done"
    INBOX_PART_GIVEN = "inbox.part_given"
    INBOX_INFORMED = "inbox.informed"
    INBOX_REOPENED = "inbox.reopened"
    INBOX_REQUEST = "inbox.request"
    INBOX_ACKED = "inbox.acked"
    INBOX_OFFERED = "inbox.offered"
    INBOX_UNTAKEN = "inbox.untaken"
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
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_REQUESTED = "accounts.requested"
    ACCOUNT_ANSWERED = "accounts.answered"
    ACCOUNT_IDLE = "account.idle"
    ACCOUNT_REVIEWED = "account.reviewed"
    POST_ASSIGNED = "post.given"
    POST_WITHDRAWN = "post.taken"
    RIGHTS_CHANGED = "rights.changed"
    DELEGATION_CREATED = "delegation.made"
    DELEGATION_APPROVED = "delegation.approved"
    DELEGATION_ENDED = "delegation.ended"
    PROFILE_SET = "agency.setting"
    UNIT_ADDED = "unit.added"
    UNIT_CHANGED = "unit.changed"
    UNIT_CLOSED = "unit.closed"
    MAILBOX_CREATED = "mailbox.made"
    MAILBOX_CLOSED = "mailbox.closed"
    API_KEY_CREATED = "apikey.made"
    API_KEY_REVOKED = "apikey.revoked"
    WEBHOOK_ADDED = "webhook.added"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_PAUSED = "webhook.paused"
    WEBHOOK_RESUMED = "webhook.resumed"
    WEBHOOK_GAVE_UP = "webhook.gave_up"
    WEBHOOK_REMOVED = "webhook.removed"
    DOCUMENT_READ = "document.read"
    DOCUMENT_FILED = "document.filed"
    DOCUMENT_UNFILED = "document.unfiled"
    DOCUMENT_LINKED = "document.linked"
    DOCUMENT_UNLINKED = "document.unlinked"
    SET_UP_BEGUN = "setup.begun"
    SET_UP_ENDED = "setup.ended"
    PROPOSAL_CREATED = "proposal.made"
    PROPOSAL_APPROVED = "proposal.approved"
    PROPOSAL_REJECTED = "proposal.rejected"
    PROPOSAL_REFUSED = "proposal.refused"
    BINDING_APPROVED = "binding.approved"
    BINDING_ENDING = "binding.ending"
    BINDING_WITHDRAWN = "binding.withdrawn"
    BINDING_ORPHAN = "binding.untold"
    TRUST_DELEGATED = "issuer.trusted"
    TRUST_RECALLED = "issuer.recalled"
    OFFICER_STRUCK = "issuer.officer"
    LIST_JUDGED = "list.judged"
    LIST_BOUND = "list.bound"
    LIST_ENDED = "list.ended"
    LIST_SPLIT = "list.split"
    LIST_ISSUED = "list.issued"
    LIST_RECEIPT = "list.receipt"
    LIST_RECEIPT_SENT = "list.receipt_sent"
    SEAL_APPROVED = "seal.approved"
    SEAL_WITHDRAWN = "seal.withdrawn"
    SEALING_RIGHT_APPROVED = "sealing_right.approved"
    SEALING_RIGHT_WITHDRAWN = "sealing_right.withdrawn"
    ANCHOR_APPROVED = "anchor.approved"
    REFORM_APPROVED = "reform.approved"
    REFORM_UNDONE = "reform.undone"
    REFORM_REPORTED = "reform.reported"
    CODES_IMPORTED = "codes.imported"
    CODES_CHANGED = "codes.changed"
    CODES_UNDONE = "codes.undone"
    CALENDAR_SET = "calendar.set"
    CALENDAR_REMOVED = "calendar.removed"
    KEY_RETIRED = "key.retired"
    KEY_STOLEN = "key.stolen"
    KEY_SUSPECT = "key.suspect"
    KEY_EXPIRING = "key.expiring"
    MESSAGE_RESIGNED = "message.resigned"
    MESSAGE_CONFIRMED = "message.confirmed"
    MESSAGE_SIGNATURES = "message.signatures"
    MESSAGE_URGED = "message.urged"
    PAPER_HANDED = "message.paper"
    ALERT_MALWARE = "alert.malware"
    ALERT_CONTENT = "alert.content"
    HOLD_BEGUN = "hold.begun"
    HOLD_SEALED = "hold.sealed"
    HOLD_LIFTED = "hold.lifted"
    HOLD_PURGED = "hold.purged"
    PRESERVATION_ORDERED = "preservation.ordered"
    PRESERVATION_END_ASKED = "preservation.end_asked"
    PRESERVATION_ENDED = "preservation.ended"
    RETENTION_CHANGED = "retention.changed"
    DESTRUCTION_PROPOSED = "destruction.proposed"
    DESTRUCTION_ASSESSED = "destruction.assessed"
    DESTRUCTION_APPROVED = "destruction.approved"
    DESTRUCTION_CONFIRMED = "destruction.confirmed"
    DESTRUCTION_STOPPED = "destruction.stopped"
    DESTRUCTION_ENDED = "destruction.ended"
    DOCUMENT_DESTROYED = "document.destroyed"
    INBOX_DROPPED = "inbox.dropped"
    REPORT_SCHEDULED = "report.scheduled"
    RULE_CHANGED = "rule.changed"
    RULE_APPLIED = "rule.applied"
    INBOX_REPORT = "inbox.report"
    MESSAGE_REPORT = "message.report"
    BOOK_ENTERED = "register.entered"
    BOOK_CORRECTED = "register.corrected"
    BOOK_STRUCK = "register.struck"
    BOOK_EXPORTED = "register.exported"
    NUMBER_RESERVED = "number.reserved"
    NUMBER_ISSUED = "number.issued"
    NUMBER_RELEASED = "number.released"
    NUMBER_VOIDED = "number.voided"
    RECEIPT_SIGNED = "receipt.signed"
    TASK_NOTED = "task.noted"
    TIMER_TOLD = "timer.told"
    LOG_ERASED = "log.erased"
    PERSONAL_ERASED = "personal.erased"
    LOG_EXPORTED = "log.exported"
    LOG_KEYS = "log.keys"
    LOG_HISTORIES = "log.histories"
    LOG_STAMPED = "log.stamped"
    LOSS_DETECTED = "loss.found"
    LOSS_SETTLED = "loss.settled"
    STATES_DIFFER = "states.differ"
    STATES_AGREE = "states.agree"
    WITNESS_KEYS = "witness.keys"
    WITNESSED_LOG = "witnessed.log"
    WITNESSED_HISTORIES = "witnessed.histories"
    WITNESSED_SETTLED = "witnessed.again"
    EVIDENCE_CREATED = "evidence.made"
    NOTICE_PUBLISHED = "notice.published"
    NOTICE_ENDED = "notice.ended"
    FILE_OPENED = "file.opened"
    FILE_LISTED = "file.listed"
    FILE_CLOSED = "file.closed"
    FILE_ARCHIVED = "file.archived"
    HAND_OVER_PACKED = "hand_over.packed"
    HAND_OVER_RECEIVED = "hand_over.received"
    HAND_OVER_REFUSED = "hand_over.refused"
    FIGURES_SENT = "figures.sent"
    PARCEL_RETRIED = "parcel.retried"
    PARCEL_DROPPED = "parcel.dropped"
    MESSAGE_HURRIED = "message.hurried"
    BACKUP_TESTED = "backup.tested"
    NODE_RESTORED = "node.restored"
    NODE_CONFIRMED = "node.confirmed"
    NODE_MAINTENANCE = "node.maintenance"
    NODE_MAINTENANCE_ENDED = "node.maintenance_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Event in the history. `node_seq` and `agency_seq` are None until the sequencer has numbered it."""

    id: str
    kind: EventKind
    at: datetime
    subject_id: str
    principal_id: str
    agency_id: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    node_seq: int | None = None
    agency_seq: int | None = None


BINDING_KINDS = (EventKind.BINDING_APPROVED, EventKind.BINDING_ENDING, EventKind.BINDING_WITHDRAWN)
# Events that name the envelope and the files of a document.
NAMING_KINDS = frozenset(
    kind.value for kind in (EventKind.MESSAGE_QUEUED, EventKind.INBOX_RECEIVED, EventKind.INBOX_HELD)
)
LIST_KINDS = (EventKind.LIST_BOUND, EventKind.LIST_ENDED)


def rights_subject(day: date) -> str:
    """Return the subject of the events about changed rights of a day, under which they are found again."""
    return f"rights:{day.isoformat()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Binding of a certificate to a code, as a row or the events have it."""

    code: str
    fingerprint: str
    valid_from: datetime | None
    valid_to: datetime | None
    state: str = ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingDifference:
    """Difference between table and events: a row without events (`untold`), a row that differs (`changed`), or events
    without a row (`missing`)."""

    code: str
    fingerprint: str
    kind: str
    detail: str


def binding_subject(code: str) -> str:
    """Return the subject id of events about a code's bindings."""
    return f"binding:{code}"


def fold_bindings(
    events: Iterable[Event], listed: Mapping[BoundKey, Bound] | None = None
) -> dict[BoundKey, Bound]:
    """Compute one binding per code and certificate from events, oldest first. Events of other kinds are ignored. `listed`
    are bindings that came into force with a list, which events of a code can only end."""
    bindings: dict[BoundKey, Bound] = dict(listed or {})
    for event in events:
        if event.kind not in BINDING_KINDS:
            continue
        code, fingerprint = str(event.data.get("code", "")), str(event.data.get("fingerprint", ""))
        if event.kind is EventKind.BINDING_APPROVED:
            bindings[code, fingerprint] = Bound(
                code=code,
                fingerprint=fingerprint,
                valid_from=_parse_moment(event.data.get("valid_from")),
                valid_to=_parse_moment(event.data.get("valid_to")),
            )
        elif (binding := bindings.get((code, fingerprint))) is not None:
            is_withdrawn = event.kind is EventKind.BINDING_WITHDRAWN
            state = WITHDRAWN if is_withdrawn else binding.state
            # An end never moves to a later day: one person may end a binding, but making one takes two.
            ends = (binding.valid_to, _parse_moment(event.data.get("valid_to")))
            end = min((e for e in ends if e is not None), default=None)
            bindings[code, fingerprint] = replace(binding, valid_to=end, state=state)
    return bindings


def binding_differences(rows: Iterable[Bound], events: Mapping[BoundKey, Bound]) -> list[BindingDifference]:
    """List the differences between table and events, by code and certificate."""
    faults, row_keys = [], set()
    for row in rows:
        key = row.code, row.fingerprint
        row_keys.add(key)
        expected = events.get(key)
        if expected is None:
            faults.append((key, "untold", "no event tells of it"))
        elif expected != row:
            faults.append((key, "changed", f"the events tell {_text(expected)}, here is {_text(row)}"))
    missing = events.keys() - row_keys
    faults += [(key, "missing", f"the events tell {_text(events[key])}") for key in sorted(missing)]
    return [
        BindingDifference(code=code, fingerprint=fingerprint, kind=kind, detail=detail)
        for (code, fingerprint), kind, detail in sorted(faults)
    ]


def _text(bound: Bound) -> str:
    return f"{bound.state} from {bound.valid_from} to {bound.valid_to}"


def _parse_moment(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
