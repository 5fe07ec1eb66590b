"""Roles of a person in an agency and their rights: the rows, the cells and the columns of the one table of roles (rules.md
13); posts, delegations from one person to another, and mailboxes of desks. Frozen values; the rights of each post are the
table of `office.policy.rights`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Right(StrEnum):
    """One row of the table."""

    DRAFT = "draft"
    SIGN_PERSON = "sign-person"
    SIGN_AGENCY = "sign-agency"
    SIGN_ENVELOPE = "sign-envelope"
    CERTIFICATE = "certificate"
    ISSUE = "issue"
    RECALL = "recall"
    ANSWER = "answer"
    URGE = "urge"
    TAKE_IN = "take-in"
    INSTRUCT = "instruct"
    PROGRESS = "progress"
    REPLY = "reply"
    CERTIFY_COPY = "certify-copy"
    SEE_CONTENT = "see-content"
    DELEGATE = "delegate"
    APPROVE_DELEGATION = "approve-delegation"
    ACCOUNTS = "accounts"
    OWN_ENTRY = "own-entry"
    CODES = "codes"
    NOTICES = "notices"
    REPORTS = "reports"
    BOOK = "book"
    AUDIT = "audit"
    FREEZE = "freeze"
    SEALED_HOLD = "sealed-hold"
    DESTROY = "destroy"
    PRESERVE = "preserve"
    INSPECT = "inspect"
    RECORDS = "records"


class Manner(StrEnum):
    """One cell of the table: whether, and in which manner."""

    NO = "no"
    YES = "yes"
    OWN = "own"
    """For the own unit, or for own items."""
    RECORDED = "recorded"
    """With who agreed, or the number of the written act, recorded."""
    AUTHORISED = "authorised"
    """Where the head gave that authority (R27)."""
    BY_ORDER = "by-order"
    """Signs TL. or TUQ. only."""
    TWO = "two"
    """Two persons."""
    APPROVE = "approve"
    CHECK = "check"
    PREPARE = "prepare"
    PROPOSE = "propose"
    REPORT = "report"
    RELAY = "relay"
    """A program passes on a named person's act, with the same record."""
    READ = "read"
    METADATA = "metadata"
    ORDER = "order"
    """By order, whose number is recorded; each look is logged."""
    ORDER_METADATA = "order-metadata"
    ACCOUNTS = "accounts"
    """Of accounts alone."""
    TOTALS = "totals"
    TECHNICAL = "technical"
    DECLARED = "declared"
    """By declared value alone."""
    EXECUTE = "execute"
    """Carries out another's decision, without reading."""
    EXECUTE_TWO = "execute-two"
    WITNESS = "witness"
    NODE = "node"
    """The node itself, unattended."""


NODE = ""  # the agency of a post that holds for the whole node


class PostRole(StrEnum):
    """The columns of the one table of roles, and its three narrowed forms."""

    CLERK = "clerk"
    HEAD = "head"
    UNIT_HEAD = "unit-head"
    OFFICER = "officer"
    AGENCY_ADMIN = "agency-admin"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    SYSTEM = "system"
    VIEWER = "viewer"
    CODES = "codes"
    INSPECTOR = "inspector"

    @property
    def is_of_node(self) -> bool:
        """True for a role of the whole node, not of one agency."""
        return self in _OF_NODE


_OF_NODE = frozenset({PostRole.OPERATOR, PostRole.AUDITOR, PostRole.CODES, PostRole.INSPECTOR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One role of one person in one agency, or in the node. `unit` is the department of a unit head or officer, and
    `former` are the names that this department had before."""

    person_id: str
    role: PostRole
    agency_id: str = NODE
    unit: str = ""
    given_by: str
    given_at: datetime
    until: datetime | None = None
    former: tuple[str, ...] = ()

    def holds(self, at: datetime) -> bool:
        return self.until is None or at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One person's rights, used by another for a time (R95). `act_number` is the head's written act in place of an
    approver."""

    id: str
    agency_id: str
    from_id: str
    to_id: str
    rights: frozenset[Right]
    starts_at: datetime
    ends_at: datetime
    reason: str
    made_at: datetime
    act_number: str = ""
    approver_id: str | None = None
    approved_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None

    @property
    def is_agreed(self) -> bool:
        return self.approved_at is not None or bool(self.act_number)

    def holds(self, at: datetime) -> bool:
        """Tell whether it is in force: agreed, begun, not over."""
        return self.is_agreed and self.ended_at is None and self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """The name of a desk (R85). It has no sign-in of its own: persons with its role in its agency act for it."""

    agency_id: str
    name: str
    role: PostRole
    made_by: str
    made_at: datetime
    closed_at: datetime | None = None

    def actors(self, posts: Collection[Post], at: datetime) -> frozenset[str]:
        """Return the ids of the persons who act for it now."""
        return frozenset(
            p.person_id for p in posts if (p.agency_id, p.role) == (self.agency_id, self.role) and p.holds(at)
        )
