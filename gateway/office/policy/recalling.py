"""Who may ask for a recall, and who may agree to it (rules.md 13, R70): a clerk asks, a head agrees, and they are two
people, also where one of them acts for the other. In: a person's rights, the asking, the time. Out: the grant, or the
objection. Pure."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from gateway.office.domain.recall_ask import RecallAsk
from gateway.office.domain.right import Manner, Right
from gateway.office.policy.rights import Granted as Granted
from gateway.office.policy.rights import Rights


class Objection(StrEnum):
    """The codes under which it is told."""

    RIGHT = "GW-RIGHT"
    SELF = "GW-RECALL-SELF"
    OVER = "GW-RECALL-OVER"


def asking(rights: Rights, agency_id: str, at: datetime) -> Granted | None:
    """As whom the person asks."""
    return next(iter(rights.grants(Right.RECALL, agency_id, at, Manner.RECORDED)), None)


def deciding(ask: RecallAsk, rights: Rights, agency_id: str, at: datetime) -> Granted | Objection:
    """As whom the person decides. Of several heads who lent their right, one who did not ask counts."""
    if not ask.is_open:
        return Objection.OVER
    found = rights.grants(Right.RECALL, agency_id, at, Manner.APPROVE)
    if not found:
        return Objection.RIGHT
    if rights.person_id in ask.askers:
        return Objection.SELF
    return next((each for each in found if each.on_behalf_of not in ask.askers), Objection.SELF)


def withdrawing(ask: RecallAsk, rights: Rights, agency_id: str, at: datetime) -> Granted | Objection:
    """Any clerk of the agency may: who asked may be away."""
    if not ask.is_open:
        return Objection.OVER
    return asking(rights, agency_id, at) or Objection.RIGHT
