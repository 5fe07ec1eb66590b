"""Holds the table of roles, and the rights of a person under its posts and under delegations. And the rules
of what takes two persons: delegating rights (R95) and recalling a document (R70): who may begin it, who must agree, who may
end it; they are two people, also where one acts for the other, and only rights of an own post can be delegated. In: a role
or a person's posts, a right, an agency, a time; the delegation or the request. Out: the manner, and on whose behalf; the
grant, or the one objection. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from gateway.domain.handling import Share, unit_key
from gateway_office.domain.roles import Delegation, Manner, Post, PostRole, Right
from gateway_office.domain.task import RecallAsk

_M = Manner
_COLUMNS = (
    PostRole.CLERK,
    PostRole.HEAD,
    PostRole.UNIT_HEAD,
    PostRole.OFFICER,
    PostRole.AGENCY_ADMIN,
    PostRole.OPERATOR,
    PostRole.AUDITOR,
    PostRole.SYSTEM,
)
_SIGNS = MappingProxyType({"-": _M.NO, "+": _M.YES, "o": _M.OWN, **{str(m): m for m in Manner}})
# The rows of rules.md 13 in order, and preservation, inspection, files; the columns in the order of `_COLUMNS`.
_ROWS = MappingProxyType(
    {
        Right.DRAFT: "+ + + o - - - +",
        Right.SIGN_PERSON: "- + by-order - - - - -",
        Right.SIGN_AGENCY: "+ - - - - - - -",
        Right.SIGN_ENVELOPE: "- - - - - - - node",
        Right.CERTIFICATE: "- - - - propose two - -",
        Right.ISSUE: "+ - - - - - - +",
        Right.RECALL: "recorded approve propose propose - - - relay",
        Right.ANSWER: "+ approve propose propose - - - relay",
        Right.URGE: "+ + propose propose - - - relay",
        Right.TAKE_IN: "+ - - - - - - relay",
        Right.INSTRUCT: "- + o - - - - -",
        Right.PROGRESS: "- - o o - - - relay",
        Right.REPLY: "+ approve check prepare - - - +",
        Right.CERTIFY_COPY: "authorised + - - - - - -",
        Right.SEE_CONTENT: "+ + o o - metadata order +",
        Right.DELEGATE: "- recorded o o - - - -",
        Right.APPROVE_DELEGATION: "- + - - - - - -",
        Right.ACCOUNTS: "- - - - + + - -",
        Right.OWN_ENTRY: "propose - - - propose approve - read",
        Right.CODES: "- - - - - two - -",
        Right.NOTICES: "- - - - report + - -",
        Right.REPORTS: "+ + o o accounts totals + -",
        Right.BOOK: "+ - - - - - - -",
        Right.AUDIT: "o + - o accounts technical + -",
        Right.FREEZE: "+ + + + + + + declared",
        Right.SEALED_HOLD: "- recorded - - - execute order-metadata -",
        Right.DESTROY: "propose + - - - execute-two witness -",
        Right.PRESERVE: "recorded + - - - - - -",
        Right.INSPECT: "- - - - - + + -",
        Right.RECORDS: "prepare + o o - - - -",
    }
)
# Three narrowed forms of a column, not further roles.
_NARROWED = MappingProxyType(
    {
        PostRole.VIEWER: (PostRole.HEAD, frozenset({Right.SEE_CONTENT, Right.REPORTS})),
        PostRole.CODES: (PostRole.OPERATOR, frozenset({Right.OWN_ENTRY, Right.CODES})),
        PostRole.INSPECTOR: (PostRole.AUDITOR, frozenset({Right.INSPECT})),
    }
)
# Of two posts the one with the wider manner counts.
_ORDER = (
    _M.YES,
    _M.RECORDED,
    _M.AUTHORISED,
    _M.TWO,
    _M.BY_ORDER,
    _M.APPROVE,
    _M.OWN,
    _M.EXECUTE,
    _M.EXECUTE_TWO,
    _M.CHECK,
    _M.PREPARE,
    _M.PROPOSE,
    _M.REPORT,
    _M.RELAY,
    _M.READ,
    _M.ORDER,
    _M.TOTALS,
    _M.TECHNICAL,
    _M.ACCOUNTS,
    _M.METADATA,
    _M.ORDER_METADATA,
    _M.WITNESS,
    _M.DECLARED,
    _M.NODE,
    _M.NO,
)
# These rights are never delegated: their holder could widen its own rights.
NEVER_DELEGATED = frozenset({Right.DELEGATE, Right.APPROVE_DELEGATION, Right.ACCOUNTS, Right.SEALED_HOLD})
LONGEST_LENDING = timedelta(days=366)


def manner(role: PostRole, right: Right, *, own: bool) -> Manner:
    """Return the cell of that role and right, in the own agency or another one. Posts of the node hold in every agency."""
    if not own and not role.is_of_node:
        return Manner.NO
    base, only = _NARROWED.get(role, (role, None))
    if only is not None and right not in only:
        return Manner.NO
    return _SIGNS[_ROWS[right].split()[_COLUMNS.index(base)]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Grant of a right, in one manner. `on_behalf_of` is the person who delegated it."""

    manner: Manner
    role: PostRole
    unit: str = ""
    former: tuple[str, ...] = ()
    on_behalf_of: str | None = None
    delegation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loan:
    """Delegation to this person, and the posts of the person who gave it."""

    delegation: Delegation
    posts: tuple[Post, ...]
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Rights of one person. Built for each call, so that withdrawn rights are gone at once."""

    person_id: str
    posts: tuple[Post, ...] = ()
    loans: tuple[Loan, ...] = ()

    def best_grant(self, right: Right, agency_id: str, at: datetime) -> Grant | None:
        """Return the widest grant; own posts before delegations."""
        return min(self._all(right, agency_id, at), key=lambda g: _ORDER.index(g.manner), default=None)

    def grants(self, right: Right, agency_id: str, at: datetime, manner: Manner) -> Sequence[Grant]:
        """Return every grant in this very manner: a person with a wider grant by another post may use this one too."""
        return [grant for grant in self._all(right, agency_id, at) if grant.manner is manner]

    def _all(self, right: Right, agency_id: str, at: datetime) -> list[Grant]:
        return [*_grants_of_posts(self.posts, right, agency_id, at), *self._borrowed(right, agency_id, at)]

    def may(self, right: Right, agency_id: str, at: datetime, *manners: Manner) -> bool:
        """Tell whether the right is granted in one of these manners; without any, in whichever."""
        best = self.best_grant(right, agency_id, at)
        return best is not None and (not manners or best.manner in manners)

    def share(self, right: Right, agency_id: str, at: datetime) -> Share:
        """Return the extent of a right over the own unit's documents alone; former names of the units count too."""
        grants = self.grants(right, agency_id, at, Manner.OWN)
        keys = {
            grant: frozenset(unit_key(name) for name in (grant.unit, *grant.former) if name.strip())
            for grant in grants
        }
        return Share(
            units=frozenset().union(*keys.values()),
            leading=frozenset().union(*(keys[grant] for grant in grants if grant.role is PostRole.UNIT_HEAD)),
            persons=frozenset(grant.on_behalf_of or self.person_id for grant in grants),
        )

    def agencies(self, at: datetime) -> frozenset[str]:
        """Return the agencies where the person has a post, or acts for a person who has one."""
        own = {post.agency_id for post in self.posts if post.holds(at) and not post.role.is_of_node}
        lent = {loan.delegation.agency_id for loan in self.loans if _is_lent(loan, at)}
        return frozenset(own | lent)

    def is_of_node(self, at: datetime) -> bool:
        return any(post.role.is_of_node and post.holds(at) for post in self.posts)

    def _borrowed(self, right: Right, agency_id: str, at: datetime) -> Iterable[Grant]:
        for loan in self.loans:
            lent = loan.delegation
            if (
                not _is_lent(loan, at)
                or lent.agency_id != agency_id
                or right not in lent.rights - NEVER_DELEGATED
            ):
                continue
            for grant in _grants_of_posts(loan.posts, right, agency_id, at):
                yield replace(grant, on_behalf_of=loan.delegation.from_id, delegation_id=loan.delegation.id)


def _is_lent(lent: Loan, at: datetime) -> bool:
    """Tell whether the delegation holds: a suspended account delegates no more."""
    return lent.is_active and lent.delegation.holds(at)


def _grants_of_posts(posts: Sequence[Post], right: Right, agency_id: str, at: datetime) -> list[Grant]:
    grants = (
        Grant(
            manner=manner(post.role, right, own=post.agency_id == agency_id),
            role=post.role,
            unit=post.unit,
            former=post.former,
        )
        for post in posts
        if post.holds(at)
    )
    return [grant for grant in grants if grant.manner is not Manner.NO]


class LendingObjection(StrEnum):
    """Objections to a delegation; codes of docs/errors.md."""

    RIGHT = "GW-DELEGATE-RIGHT"
    SELF = "GW-DELEGATE-SELF"
    PERIOD = "GW-DELEGATE-PERIOD"
    SCOPE = "GW-DELEGATE-SCOPE"
    ACT = "GW-DELEGATE-ACT"
    CLOSED = "GW-DELEGATE-CLOSED"


def objection_to_lending(
    delegation: Delegation, lender: Rights, borrower_agencies: frozenset[str], now: datetime
) -> LendingObjection | None:
    """Allow only rights of the lender's own posts: a delegated right is not delegated further."""
    own = replace(lender, loans=())
    by = own.best_grant(Right.DELEGATE, delegation.agency_id, now)
    if by is None or delegation.from_id != lender.person_id:
        return LendingObjection.RIGHT
    if delegation.to_id == delegation.from_id or delegation.agency_id not in borrower_agencies:
        return LendingObjection.SELF
    latest = delegation.starts_at + LONGEST_LENDING
    if not (delegation.starts_at < delegation.ends_at <= latest and now < delegation.ends_at):
        return LendingObjection.PERIOD
    scope = delegation.rights
    if (
        not scope
        or scope & NEVER_DELEGATED
        or not all(own.may(right, delegation.agency_id, now) for right in scope)
    ):
        return LendingObjection.SCOPE
    # Only the head's own act stands in place of an approver.
    if bool(delegation.act_number) != (by.manner is Manner.RECORDED):
        return LendingObjection.ACT
    return None


def objection_to_approving(lending: Delegation, approver: Rights, now: datetime) -> LendingObjection | None:
    """Require a head of that agency, by an own post, never the person who delegates."""
    if lending.is_agreed or lending.ended_at is not None or now >= lending.ends_at:
        return LendingObjection.CLOSED
    if approver.person_id == lending.from_id:
        return LendingObjection.SELF
    own = replace(approver, loans=())
    return None if own.may(Right.APPROVE_DELEGATION, lending.agency_id, now) else LendingObjection.RIGHT


def objection_to_ending(delegation: Delegation, by: Rights, now: datetime) -> LendingObjection | None:
    """Allow the lender, the borrower, a head, or an administrator of accounts there: ending takes one person."""
    if delegation.ended_at is not None:
        return LendingObjection.CLOSED
    concerned = by.person_id in (delegation.from_id, delegation.to_id)
    may = by.may(Right.APPROVE_DELEGATION, delegation.agency_id, now) or by.may(
        Right.ACCOUNTS, delegation.agency_id, now
    )
    return None if concerned or may else LendingObjection.RIGHT


class RecallObjection(StrEnum):
    """Objections to deciding about a recall; codes of docs/errors.md."""

    RIGHT = "GW-RIGHT"
    SELF = "GW-RECALL-SELF"
    CLOSED = "GW-RECALL-OVER"


def asks_recall_as(rights: Rights, agency_id: str, at: datetime) -> Grant | None:
    """Return the person's grant to ask."""
    return next(iter(rights.grants(Right.RECALL, agency_id, at, Manner.RECORDED)), None)


def decides_recall_as(
    ask: RecallAsk, rights: Rights, agency_id: str, at: datetime
) -> Grant | RecallObjection:
    """Return the person's grant to decide: of several delegated ones, one whose head did not ask."""
    if not ask.is_open:
        return RecallObjection.CLOSED
    grants = rights.grants(Right.RECALL, agency_id, at, Manner.APPROVE)
    if not grants:
        return RecallObjection.RIGHT
    if rights.person_id in ask.askers:
        return RecallObjection.SELF
    return next((grant for grant in grants if grant.on_behalf_of not in ask.askers), RecallObjection.SELF)


def withdraws_recall_as(
    ask: RecallAsk, rights: Rights, agency_id: str, at: datetime
) -> Grant | RecallObjection:
    """Allow any clerk of the agency: the one who asked may be away."""
    if not ask.is_open:
        return RecallObjection.CLOSED
    return asks_recall_as(rights, agency_id, at) or RecallObjection.RIGHT
