"""Decides who may propose, approve and give roles (K6, two persons). In: persons, a proposal, what the approver typed, a
time. Out: one objection, or None. Pure. Sign-in was checked before; programs and operators are no persons."""

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
    """Objections to an act, with the codes of docs/errors.md."""

    SAME = "GW-TWO-PEOPLE"
    INACTIVE = "GW-TWO-INACTIVE"
    ROLE = "GW-TWO-ROLE"
    YOUNG = "GW-TWO-YOUNG"
    CHANGED = "GW-TWO-CHANGED"
    CLOSED = "GW-TWO-CLOSED"
    EXPIRED = "GW-TWO-EXPIRED"
    EDITED = "GW-TWO-EDITED"
    DIGITS = "GW-TWO-DIGITS"
    OWN = "GW-OWN-RIGHTS"
    STALE = "GW-RIGHTS-STALE"


OBJECTION_WORDS = {
    Objection.SAME: "who proposed it cannot approve it: a second person must",
    Objection.INACTIVE: "a person of this proposal is blocked, or has not enrolled",
    Objection.ROLE: "both persons need the role `trust`",
    Objection.YOUNG: "the set-up of this node is over: an account, its roles and its means of signing in must be a day old"
    " to approve anything",
    Objection.CHANGED: "one of the two gave the other account or role within the last day, or one person gave both;"
    " that counts in set-up too",
    Objection.CLOSED: "the proposal was decided before",
    Objection.EXPIRED: "the proposal is older than three days; it must be made anew",
    Objection.EDITED: "the proposal is not the one that was made, or not the one that was shown",
    Objection.DIGITS: "what was typed is not the end of the fingerprints, or not the number of the decision",
    Objection.OWN: "nobody confirms a change of the own rights",
    Objection.STALE: "the account has changed since this was proposed; propose it anew",
}


def check_proposing(person: Person) -> Objection | None:
    """Return the objection to this person proposing a change of trust, or None."""
    return _check_role(person, Role.TRUST)


def check_approving(
    proposal: Proposal,
    proposer: Person,
    approver: Person,
    typed_digits: Sequence[str],
    now: datetime,
    *,
    recorded_digest: str | None,
    shown_digest: str,
    in_set_up: bool,
    one_hand: bool,
) -> Objection | None:
    """Return the objection to an approval, or None. `recorded_digest` was stored with the proposal, `shown_digest` is
    that of what the approver saw. `in_set_up`: the node is being set up, so accounts may be younger than a day;
    `one_hand`: one person gave both their roles, and on the first day could be both of them."""
    return (
        _check_proposal(proposal, proposer, approver, now, (recorded_digest, shown_digest))
        or _check_role(proposer, Role.TRUST)
        or _check_role(approver, Role.TRUST)
        or _check_independence(proposer, approver, now, in_set_up=in_set_up, one_hand=one_hand)
        or _check_typed(proposal.content.expected, typed_digits)
    )


def check_confirming(
    proposal: Proposal,
    proposer: Person,
    approver: Person,
    now: datetime,
    *,
    recorded_digest: str | None,
    shown_digest: str,
    account_digest: str,
) -> Objection | None:
    """Return the objection to confirming a change of rights in an agency (R122), or None. The caller has checked that
    both administer it. `account_digest` is the digest of the present account."""
    objection = _check_proposal(proposal, proposer, approver, now, (recorded_digest, shown_digest))
    if objection is not None:
        return objection
    if any(change.person_id == approver.id for change in proposal.content.rights):
        return Objection.OWN
    if not (proposer.is_active and approver.is_active):
        return Objection.INACTIVE
    if any(change.before != account_digest for change in proposal.content.rights):
        return Objection.STALE
    return _check_recent_roles(proposer, approver, now)


def _check_proposal(
    proposal: Proposal, proposer: Person, approver: Person, now: datetime, digests: tuple[str | None, str]
) -> Objection | None:
    """Check that it is open, unchanged, as it was recorded and shown, and another person's."""
    if proposal.state is not ProposalState.OPEN:
        return Objection.CLOSED
    if now >= proposal.expires_at or now - proposal.proposed_at >= OPEN_FOR:
        return Objection.EXPIRED
    if any(proposal.digest != digest for digest in digests):
        return Objection.EDITED
    if proposer.id == approver.id or proposal.proposed_by != proposer.id:
        return Objection.SAME
    return None


def set_up_until(begun: datetime | None, now: datetime, *, is_ended: bool) -> datetime | None:
    """Return when the set-up of a node ends by itself, while it is open; None when it never began, ran out, or a person
    ended it. A clock set back before its beginning does not extend it."""
    if begun is None or is_ended or not begun <= now < begun + SET_UP_FOR:
        return None
    return begun + SET_UP_FOR


def check_rejecting(proposal: Proposal, person: Person) -> Objection | None:
    """Return the objection to a rejection, or None. One person is enough, even the proposer."""
    if proposal.state is not ProposalState.OPEN:
        return Objection.CLOSED
    return _check_role(person, Role.TRUST)


def check_administering(actor: Person | None, persons: Iterable[Person]) -> Objection | None:
    """Return the objection to giving roles, or None. `actor` None is the operator at the machine, who may only while no
    active person has that role: at the first set-up, or after the last one was blocked."""
    if actor is not None:
        return _check_role(actor, Role.PEOPLE)
    has_administrator = any(person.is_active and Role.PEOPLE in person.roles for person in persons)
    return Objection.ROLE if has_administrator else None


def _check_role(person: Person, role: Role) -> Objection | None:
    if not person.is_active:
        return Objection.INACTIVE
    return None if role in person.roles else Objection.ROLE


def _check_independence(
    proposer: Person, approver: Person, now: datetime, *, in_set_up: bool, one_hand: bool
) -> Objection | None:
    """Return the objection where approver and proposer may be one person: a young account, or one gave the other its
    role within a day."""
    is_young = now - max(approver.added_at, approver.roles_at, approver.enrolled_at or now) < AGE
    if is_young and not in_set_up:
        return Objection.YOUNG
    if is_young and one_hand:
        return Objection.CHANGED
    return _check_recent_roles(proposer, approver, now)


def _check_recent_roles(proposer: Person, approver: Person, now: datetime) -> Objection | None:
    pairs = ((proposer, approver), (approver, proposer))
    recent = (p for p, giver in pairs if p.roles_by == giver.id and now - p.roles_at < AGE)
    return Objection.CHANGED if any(recent) else None


def _check_typed(expected: Sequence[str], typed_digits: Sequence[str]) -> Objection | None:
    """Compare the typed digits with the expected ones, in order."""
    cleaned = [as_typed(text) for text in typed_digits]
    same = len(cleaned) == len(expected) and all(
        compare_digest(a.encode(), b.encode()) for a, b in zip(cleaned, expected, strict=True)
    )
    return None if same and expected else Objection.DIGITS
