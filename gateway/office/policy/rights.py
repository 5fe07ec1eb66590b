"""Who may do what: the one table of roles (rules.md 13), and what a person may do under its posts and under what others
delegated. And what takes two persons: lending one's rights to another (R95), and recalling a document (R70): who may begin
it, who must agree, who may end it; they are two people, also where one of them acts for the other, and of rights only what
one has by an own post is lent. In: a role or a person's posts, a right, an agency, a time; the delegation or the asking.
Out: the manner, and on whose behalf; the grant, or the one objection. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from gateway.office.domain.roles import Delegation, Manner, Post, PostRole, Right
from gateway.office.domain.task import RecallAsk

_M = Manner
_COLUMNS = (
    *(PostRole.CLERK, PostRole.HEAD, PostRole.UNIT_HEAD, PostRole.OFFICER),
    *(PostRole.AGENCY_ADMIN, PostRole.OPERATOR, PostRole.AUDITOR, PostRole.SYSTEM),
)
_SIGNS = MappingProxyType({"-": _M.NO, "+": _M.YES, "o": _M.OWN, **{str(each): each for each in Manner}})
# One row of rules.md 13 each, in its order; the columns in the order of `_COLUMNS`.
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
    }
)
# Two narrowed forms of a column, not further roles.
_NARROWED = MappingProxyType(
    {
        PostRole.VIEWER: (PostRole.HEAD, frozenset({Right.SEE_CONTENT, Right.REPORTS})),
        PostRole.CODES: (PostRole.OPERATOR, frozenset({Right.OWN_ENTRY, Right.CODES})),
    }
)
# Of two posts the one that lets a person do more counts.
_ORDER = (
    *(
        _M.YES,
        _M.RECORDED,
        _M.AUTHORISED,
        _M.TWO,
        _M.BY_ORDER,
        _M.APPROVE,
        _M.OWN,
        _M.EXECUTE,
        _M.EXECUTE_TWO,
    ),
    *(_M.CHECK, _M.PREPARE, _M.PROPOSE, _M.REPORT, _M.RELAY, _M.READ, _M.ORDER, _M.TOTALS, _M.TECHNICAL),
    *(_M.ACCOUNTS, _M.METADATA, _M.ORDER_METADATA, _M.WITNESS, _M.DECLARED, _M.NODE, _M.NO),
)
# Nobody passes these on: who could, could make more of oneself.
NEVER_DELEGATED = frozenset({Right.DELEGATE, Right.APPROVE_DELEGATION, Right.ACCOUNTS, Right.SEALED_HOLD})


def manner(role: PostRole, right: Right, *, own: bool) -> Manner:
    """The cell of that role and right, in the own agency or another one. A post of the node holds in every agency."""
    if not own and not role.is_of_node:
        return Manner.NO
    base, only = _NARROWED.get(role, (role, None))
    if only is not None and right not in only:
        return Manner.NO
    return _SIGNS[_ROWS[right].split()[_COLUMNS.index(base)]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """That somebody may do it, in that manner. `on_behalf_of` is the person who delegated it."""

    manner: Manner
    role: PostRole
    unit: str = ""
    on_behalf_of: str | None = None
    delegation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A delegation to this person, and the posts of the person whose rights they are."""

    delegation: Delegation
    posts: tuple[Post, ...]
    is_active: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one person may do. Made anew for each call, so what was taken away is gone at once."""

    person_id: str
    posts: tuple[Post, ...] = ()
    lent: tuple[Lent, ...] = ()

    def granted(self, right: Right, agency_id: str, at: datetime) -> Granted | None:
        """The best of all that let the person do it; own posts before what others lent."""
        return min(self._all(right, agency_id, at), key=lambda each: _ORDER.index(each.manner), default=None)

    def grants(self, right: Right, agency_id: str, at: datetime, manner: Manner) -> Sequence[Granted]:
        """Everything that lets the person do it in this very manner: who may do more by another post may do this too."""
        return [each for each in self._all(right, agency_id, at) if each.manner is manner]

    def _all(self, right: Right, agency_id: str, at: datetime) -> list[Granted]:
        return [*_of_posts(self.posts, right, agency_id, at), *self._borrowed(right, agency_id, at)]

    def may(self, right: Right, agency_id: str, at: datetime, *manners: Manner) -> bool:
        """Whether it may be done in one of these manners; without any, in whichever."""
        found = self.granted(right, agency_id, at)
        return found is not None and (not manners or found.manner in manners)

    def agencies(self, at: datetime) -> frozenset[str]:
        """Where the person has a post, or acts for somebody who has one."""
        own = {each.agency_id for each in self.posts if each.holds(at) and not each.role.is_of_node}
        lent = {each.delegation.agency_id for each in self.lent if _is_lent(each, at)}
        return frozenset(own | lent)

    def is_of_node(self, at: datetime) -> bool:
        return any(each.role.is_of_node and each.holds(at) for each in self.posts)

    def _borrowed(self, right: Right, agency_id: str, at: datetime) -> Iterable[Granted]:
        for each in self.lent:
            lent = each.delegation
            if (
                not _is_lent(each, at)
                or lent.agency_id != agency_id
                or right not in lent.rights - NEVER_DELEGATED
            ):
                continue
            for found in _of_posts(each.posts, right, agency_id, at):
                yield replace(found, on_behalf_of=each.delegation.from_id, delegation_id=each.delegation.id)


def _is_lent(lent: Lent, at: datetime) -> bool:
    """Whoever is out lends nothing any more."""
    return lent.is_active and lent.delegation.holds(at)


def _of_posts(posts: Sequence[Post], right: Right, agency_id: str, at: datetime) -> list[Granted]:
    found = (
        Granted(
            manner=manner(each.role, right, own=each.agency_id == agency_id), role=each.role, unit=each.unit
        )
        for each in posts
        if each.holds(at)
    )
    return [each for each in found if each.manner is not Manner.NO]


LONGEST_LENDING = timedelta(days=366)


class LendingObjection(StrEnum):
    """Why not; codes of docs/errors.md."""

    RIGHT = "GW-DELEGATE-RIGHT"
    SELF = "GW-DELEGATE-SELF"
    PERIOD = "GW-DELEGATE-PERIOD"
    SCOPE = "GW-DELEGATE-SCOPE"
    ACT = "GW-DELEGATE-ACT"
    CLOSED = "GW-DELEGATE-CLOSED"


def objection_to_lending(
    wanted: Delegation, lender: Rights, borrower_agencies: frozenset[str], now: datetime
) -> LendingObjection | None:
    """Only what one may do oneself by an own post: what was lent is not lent on."""
    own = replace(lender, lent=())
    by = own.granted(Right.DELEGATE, wanted.agency_id, now)
    if by is None or wanted.from_id != lender.person_id:
        return LendingObjection.RIGHT
    if wanted.to_id == wanted.from_id or wanted.agency_id not in borrower_agencies:
        return LendingObjection.SELF
    latest = wanted.starts_at + LONGEST_LENDING
    if not (wanted.starts_at < wanted.ends_at <= latest and now < wanted.ends_at):
        return LendingObjection.PERIOD
    scope = wanted.rights
    if (
        not scope
        or scope & NEVER_DELEGATED
        or not all(own.may(each, wanted.agency_id, now) for each in scope)
    ):
        return LendingObjection.SCOPE
    # Only the head's own act stands in place of an approver.
    if bool(wanted.act_number) != (by.manner is Manner.RECORDED):
        return LendingObjection.ACT
    return None


def objection_to_approving(wanted: Delegation, approver: Rights, now: datetime) -> LendingObjection | None:
    """A head of that agency, by an own post, never the one who delegates."""
    if wanted.is_agreed or wanted.ended_at is not None or now >= wanted.ends_at:
        return LendingObjection.CLOSED
    if approver.person_id == wanted.from_id:
        return LendingObjection.SELF
    own = replace(approver, lent=())
    return None if own.may(Right.APPROVE_DELEGATION, wanted.agency_id, now) else LendingObjection.RIGHT


def objection_to_ending(wanted: Delegation, by: Rights, now: datetime) -> LendingObjection | None:
    """Whoever lent or borrowed, a head, or who administers accounts there. To take away takes one."""
    if wanted.ended_at is not None:
        return LendingObjection.CLOSED
    concerned = by.person_id in (wanted.from_id, wanted.to_id)
    may = by.may(Right.APPROVE_DELEGATION, wanted.agency_id, now) or by.may(
        Right.ACCOUNTS, wanted.agency_id, now
    )
    return None if concerned or may else LendingObjection.RIGHT


class RecallObjection(StrEnum):
    """The codes under which it is told."""

    RIGHT = "GW-RIGHT"
    SELF = "GW-RECALL-SELF"
    OVER = "GW-RECALL-OVER"


def asks_recall_as(rights: Rights, agency_id: str, at: datetime) -> Granted | None:
    """As whom the person asks."""
    return next(iter(rights.grants(Right.RECALL, agency_id, at, Manner.RECORDED)), None)


def decides_recall_as(
    ask: RecallAsk, rights: Rights, agency_id: str, at: datetime
) -> Granted | RecallObjection:
    """As whom the person decides. Of several heads who lent their right, one who did not ask counts."""
    if not ask.is_open:
        return RecallObjection.OVER
    found = rights.grants(Right.RECALL, agency_id, at, Manner.APPROVE)
    if not found:
        return RecallObjection.RIGHT
    if rights.person_id in ask.askers:
        return RecallObjection.SELF
    return next((each for each in found if each.on_behalf_of not in ask.askers), RecallObjection.SELF)


def withdraws_recall_as(
    ask: RecallAsk, rights: Rights, agency_id: str, at: datetime
) -> Granted | RecallObjection:
    """Any clerk of the agency may: who asked may be away."""
    if not ask.is_open:
        return RecallObjection.OVER
    return asks_recall_as(rights, agency_id, at) or RecallObjection.RIGHT
