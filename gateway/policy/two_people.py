"""Who may propose, approve and give roles (K6). In: persons, a proposal, what the approver typed, a time. Out: the one
objection, or None. Pure: who signed in, and as whom, was proved before; programs and operators are no persons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from hmac import compare_digest

from gateway.domain.person import Person, Proposal, ProposalState, Role, as_typed

AGE = timedelta(hours=24)
OPEN_FOR = timedelta(hours=72)
SET_UP_FOR = timedelta(hours=72)


class Objection(StrEnum):
    """Why not; the codes of docs/errors.md."""

    SAME = "GW-TWO-PEOPLE"
    INACTIVE = "GW-TWO-INACTIVE"
    ROLE = "GW-TWO-ROLE"
    YOUNG = "GW-TWO-YOUNG"
    CHANGED = "GW-TWO-CHANGED"
    CLOSED = "GW-TWO-CLOSED"
    EXPIRED = "GW-TWO-EXPIRED"
    EDITED = "GW-TWO-EDITED"
    DIGITS = "GW-TWO-DIGITS"


def proposing(person: Person) -> Objection | None:
    """Whether this person may propose a change of trust."""
    return _able(person, Role.TRUST)


def approving(
    proposal: Proposal,
    proposer: Person,
    approver: Person,
    typed: Sequence[str],
    now: datetime,
    *,
    first_made: str | None,
    seen: str,
    in_set_up: bool,
    one_hand: bool,
) -> Objection | None:
    """Whether this approval holds. `first_made` is the digest that the making of the proposal was told with, `seen` the
    one that the approver was shown. `in_set_up`: the node is being set up, so nobody need be a day old yet; `one_hand`:
    one and the same person gave both their roles, and could be both of them on the first day."""
    if proposal.state is not ProposalState.OPEN:
        return Objection.CLOSED
    if now >= proposal.expires_at or now - proposal.proposed_at >= OPEN_FOR:
        return Objection.EXPIRED
    if proposal.digest != first_made or proposal.digest != seen:
        return Objection.EDITED
    if proposer.id == approver.id or proposal.proposed_by != proposer.id:
        return Objection.SAME
    return (
        _able(proposer, Role.TRUST)
        or _able(approver, Role.TRUST)
        or _together(proposer, approver, now, in_set_up=in_set_up, one_hand=one_hand)
        or _typed_all(proposal.content.expected, typed)
    )


def set_up_until(begun: datetime | None, now: datetime, *, is_ended: bool) -> datetime | None:
    """When the set-up of a node ends by itself, while it is open: a person ends it earlier. None when it is over, or never
    began. A clock that went back before its beginning does not lengthen it."""
    if begun is None or is_ended or not begun <= now < begun + SET_UP_FOR:
        return None
    return begun + SET_UP_FOR


def rejecting(proposal: Proposal, person: Person) -> Objection | None:
    """To say no takes one person, who may be the proposer."""
    if proposal.state is not ProposalState.OPEN:
        return Objection.CLOSED
    return _able(person, Role.TRUST)


def administering(actor: Person | None, persons: Iterable[Person]) -> Objection | None:
    """Whether roles may be given. `actor` None is the operator at the machine: only while nobody has that role, which is
    the first set-up, or after the last such person was blocked."""
    if actor is not None:
        return _able(actor, Role.PEOPLE)
    taken = any(each.is_active and Role.PEOPLE in each.roles for each in persons)
    return Objection.ROLE if taken else None


def _able(person: Person, role: Role) -> Objection | None:
    if not person.is_active:
        return Objection.INACTIVE
    return None if role in person.roles else Objection.ROLE


def _together(
    proposer: Person, approver: Person, now: datetime, *, in_set_up: bool, one_hand: bool
) -> Objection | None:
    is_young = now - max(approver.added_at, approver.roles_at, approver.enrolled_at or now) < AGE
    if is_young and not in_set_up:
        return Objection.YOUNG
    if is_young and one_hand:
        return Objection.CHANGED
    pairs = ((proposer, approver), (approver, proposer))
    recent = (one for one, other in pairs if one.roles_by == other.id and now - one.roles_at < AGE)
    return Objection.CHANGED if any(recent) else None


def _typed_all(expected: Sequence[str], typed: Sequence[str]) -> Objection | None:
    """Each in its order."""
    said = [as_typed(each) for each in typed]
    same = len(said) == len(expected) and all(
        compare_digest(one.encode(), other.encode()) for one, other in zip(said, expected, strict=True)
    )
    return None if same and expected else Objection.DIGITS
