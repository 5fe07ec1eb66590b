"""Whether a person may lend rights to another, and who must agree (R95, rules.md 13). In: the delegation, rights of those
concerned, a time. Out: the one objection, or None. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from gateway.office.domain.post import Delegation
from gateway.office.domain.right import Manner, Right
from gateway.office.policy.rights import NEVER_DELEGATED, Rights

LONGEST = timedelta(days=366)


class Objection(StrEnum):
    """Why not; codes of docs/errors.md."""

    RIGHT = "GW-DELEGATE-RIGHT"
    SELF = "GW-DELEGATE-SELF"
    PERIOD = "GW-DELEGATE-PERIOD"
    SCOPE = "GW-DELEGATE-SCOPE"
    ACT = "GW-DELEGATE-ACT"
    CLOSED = "GW-DELEGATE-CLOSED"


def making(
    wanted: Delegation, lender: Rights, borrower_agencies: frozenset[str], now: datetime
) -> Objection | None:
    """Only what one may do oneself by an own post: what was lent is not lent on."""
    own = Rights(person_id=lender.person_id, posts=lender.posts)
    by = own.granted(Right.DELEGATE, wanted.agency_id, now)
    if by is None or wanted.from_id != lender.person_id:
        return Objection.RIGHT
    if wanted.to_id == wanted.from_id or wanted.agency_id not in borrower_agencies:
        return Objection.SELF
    if not _is_period(wanted, now):
        return Objection.PERIOD
    scope = wanted.rights
    if (
        not scope
        or scope & NEVER_DELEGATED
        or not all(own.may(each, wanted.agency_id, now) for each in scope)
    ):
        return Objection.SCOPE
    # Only the head's own act stands in place of an approver.
    if bool(wanted.act_number) != (by.manner is Manner.RECORDED):
        return Objection.ACT
    return None


def approving(wanted: Delegation, approver: Rights, now: datetime) -> Objection | None:
    """A head of that agency, by an own post, never the one who delegates."""
    if wanted.is_agreed or wanted.ended_at is not None or now >= wanted.ends_at:
        return Objection.CLOSED
    if approver.person_id == wanted.from_id:
        return Objection.SELF
    own = Rights(person_id=approver.person_id, posts=approver.posts)
    return None if own.may(Right.APPROVE_DELEGATION, wanted.agency_id, now) else Objection.RIGHT


def ending(wanted: Delegation, by: Rights, now: datetime) -> Objection | None:
    """Whoever lent or borrowed, a head, or who administers accounts there. To take away takes one."""
    if wanted.ended_at is not None:
        return Objection.CLOSED
    concerned = by.person_id in (wanted.from_id, wanted.to_id)
    may = by.may(Right.APPROVE_DELEGATION, wanted.agency_id, now) or by.may(
        Right.ACCOUNTS, wanted.agency_id, now
    )
    return None if concerned or may else Objection.RIGHT


def _is_period(wanted: Delegation, now: datetime) -> bool:
    return wanted.starts_at < wanted.ends_at <= wanted.starts_at + LONGEST and now < wanted.ends_at
