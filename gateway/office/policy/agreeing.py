"""What takes two persons: lending one's rights to another (R95), and recalling a document (R70; rules.md 13). Who may
begin it, who must agree, who may end it. In: the delegation or the asking, the rights of those concerned, a time.
Out: the grant, or the one objection. A clerk asks, a head agrees, and they are two people, also where one of them
acts for the other; of rights only what one has by an own post is lent. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.office.domain.roles import Delegation, Manner, Right
from gateway.office.domain.task import RecallAsk
from gateway.office.policy.rights import NEVER_DELEGATED, Rights
from gateway.office.policy.rights import Granted as Granted

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
