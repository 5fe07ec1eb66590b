"""What a person is in an agency: posts, what one person delegates to another, and mailboxes of desks. Frozen values; what
each post may do is the table of `office.policy.rights`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.office.domain.right import Right

NODE = ""  # the agency of a post that holds for the whole node


class PostRole(StrEnum):
    """The columns of the one table of roles (rules.md 13), and its two narrowed forms."""

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

    @property
    def is_of_node(self) -> bool:
        """Held for the whole node, not in one agency."""
        return self in _OF_NODE


_OF_NODE = frozenset({PostRole.OPERATOR, PostRole.AUDITOR, PostRole.CODES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One role of one person in one agency, or in the node. `unit` is the department of a unit head or officer."""

    person_id: str
    role: PostRole
    agency_id: str = NODE
    unit: str = ""
    given_by: str
    given_at: datetime
    until: datetime | None = None

    def holds(self, at: datetime) -> bool:
        return self.until is None or at < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """One person's rights, used by another for a time (R95). `act_number` is the head's written act, which stands in place
    of an approver."""

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
        """In force: agreed, begun, not over."""
        return self.is_agreed and self.ended_at is None and self.starts_at <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """The name of a desk (R85). Nobody signs in as it: whoever holds its role in its agency acts for it."""

    agency_id: str
    name: str
    role: PostRole
    made_by: str
    made_at: datetime
    closed_at: datetime | None = None

    def actors(self, posts: Collection[Post], at: datetime) -> frozenset[str]:
        """Who acts for it now, by id."""
        return frozenset(
            each.person_id
            for each in posts
            if (each.agency_id, each.role) == (self.agency_id, self.role) and each.holds(at)
        )
