"""Changes of rights that wait for a second person, R122 (a second person confirms), and the alert on every such change.
In: a change in an agency whose profile wants it confirmed; a second administrator. Out: an open proposal that changes
nothing yet, its refusal, or the objection to its confirmation; an event, about which the agency's administrators and the
person get a mail. `posts` puts a confirmed change in force."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from gateway.domain.agency_profile import ON, RIGHTS_CONFIRMED
from gateway.domain.event import EventKind, rights_subject
from gateway.domain.person import Person, Proposal, ProposalContent, ProposalState, RightsAct, RightsChange
from gateway.domain.wall_clock import local
from gateway.errors import Clash, Denied, NotFound
from gateway.policy import two_people
from gateway.policy.two_people import OBJECTION_WORDS, Objection
from gateway_office.accounts.acting import Administrator, over_agency, refused
from gateway_office.domain.roles import NODE, Right
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

_LEAST_REASON, _LONGEST_REASON = 10, 500


async def wait_for_second(work: AccountWork, by: Administrator, agency_id: str, now: datetime) -> bool:
    """Tell whether changes of rights in the agency wait for a second person. The machine's operator acts alone, because
    the node has no administrator yet then."""
    if agency_id == NODE or by.person_id is None:
        return False
    return await work.profile_of(agency_id).value(RIGHTS_CONFIRMED, now) == ON


async def propose(work: AccountWork, by: Administrator, change: RightsChange, now: datetime) -> Proposal:
    """Propose the change in the caller's transaction, which has checked the right already. Raise Clash while another change
    of the same post waits."""
    for waiting in await work.proposals.of_rights(now, change.agency_id):
        if _post(waiting.content.rights[0]) == _post(change):
            raise Clash("a change of this post waits for a second person already", code="GW-RIGHTS-WAIT")
    proposal = Proposal(
        id=work.new_id("prp_"),
        content=ProposalContent(rights=(change,)),
        proposed_by=by.principal_id,
        proposed_at=now,
        expires_at=now + two_people.OPEN_FOR,
    )
    await work.proposals.add(proposal)
    details = {"digest": proposal.digest, "expires_at": proposal.expires_at.isoformat()}
    await work.events.append(EventKind.PROPOSAL_CREATED, proposal.id, now, details)
    await tell(work, change.agency_id, f"{change.act}.asked", now, person=change.person_id, role=change.role)
    return proposal


def _post(change: RightsChange) -> tuple[str, str, str]:
    return change.agency_id, change.person_id, change.role


async def account_digest(work: AccountWork, change: RightsChange) -> str:
    """Return a digest of what the change depends on: the account's standing, and its post."""
    if not change.person_id:
        return ""
    person = await work.people.get(change.person_id)
    posts = await work.posts.of_persons({person.id})
    post = next((p for p in posts if (p.agency_id, p.role) == (change.agency_id, change.role)), None)
    facts = (
        person.standing,
        person.login,
        person.blocked_at is not None,
        (post.unit, post.given_at.isoformat(), str(post.until)) if post is not None else None,
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


async def list_waiting(
    services: AccountServices, by: Administrator, agency_id: str | None
) -> Sequence[Proposal]:
    """List the changes that wait in an agency, or in every one that this administrator administers."""
    now = services.clock.now()
    async with services.accounts.read() as view:
        if agency_id is not None:
            await over_agency(view, by, agency_id, now)
        return [
            p for p in await view.proposals.of_rights(now, agency_id) if await _administers(view, by, p, now)
        ]


async def _administers(work: AccountWork, by: Administrator, proposal: Proposal, now: datetime) -> bool:
    try:
        await over_agency(work, by, proposal.content.agency_id or NODE, now)
    except Denied:
        return False
    return True


async def load(work: AccountWork, by: Administrator, id: str, now: datetime) -> tuple[Proposal, RightsChange]:
    """Load a proposal of rights. Raise NotFound where this administrator does not administer the agency."""
    proposal = await work.proposals.get(id)
    if not proposal.content.rights or not await _administers(work, by, proposal, now):
        raise NotFound(f"there is no change of rights {id}")
    return proposal, proposal.content.rights[0]


async def objection_to_confirming(
    work: AccountWork, by: Administrator, proposal: Proposal, shown_digest: str, now: datetime
) -> Objection | None:
    if by.person_id is None:
        raise refused(Right.ACCOUNTS)
    events = await work.events.of_subject(proposal.id)
    digests = [str(event.data.get("digest")) for event in events if event.kind is EventKind.PROPOSAL_CREATED]
    objection = two_people.check_confirming(
        proposal,
        await work.people.get(proposal.proposed_by),
        await work.people.get(by.person_id),
        now,
        recorded_digest=digests[0] if len(digests) == 1 else None,
        shown_digest=shown_digest,
        account_digest=await account_digest(work, proposal.content.rights[0]),
    )
    if objection is None and not await _administers(
        work, Administrator.person(proposal.proposed_by), proposal, now
    ):
        return Objection.INACTIVE
    return objection


async def close(
    work: AccountWork, by: Administrator, proposal: Proposal, objection: Objection | None, now: datetime
) -> None:
    """Record the confirmation, or the refused one. A proposal that can never be confirmed is closed."""
    if objection is None:
        await work.proposals.close(proposal.id, ProposalState.APPROVED, by.principal_id, now)
        details = {"digest": proposal.digest, "proposed_by": proposal.proposed_by}
        await work.events.append(EventKind.PROPOSAL_APPROVED, proposal.id, now, details)
        return
    await work.events.append(EventKind.PROPOSAL_REFUSED, proposal.id, now, {"code": str(objection)})
    if objection in (Objection.EXPIRED, Objection.STALE):
        await work.proposals.close(proposal.id, ProposalState.EXPIRED, by.principal_id, now)


def raise_objection(objection: Objection | None) -> None:
    if objection is not None:
        raise Denied(OBJECTION_WORDS[objection], code=objection)


async def refuse(services: AccountServices, by: Administrator, id: str, reason: str) -> Proposal:
    """Refuse a change with a reason, also one's own. One person is enough, because nothing changes."""
    why = " ".join(reason.split())[:_LONGEST_REASON]
    if len(why) < _LEAST_REASON:
        raise Clash(f"a reason of at least {_LEAST_REASON} characters is needed", code="GW-REASON")
    async with services.changing(by.principal_id) as (work, now):
        proposal, change = await load(work, by, id, now)
        if proposal.state is not ProposalState.OPEN:
            raise Denied(OBJECTION_WORDS[Objection.CLOSED], code=Objection.CLOSED)
        await work.proposals.close(id, ProposalState.REJECTED, by.principal_id, now)
        await work.events.append(EventKind.PROPOSAL_REJECTED, id, now, {"reason": why})
        kind, person, role = f"{change.act}.refused", change.person_id, change.role
        await tell(work, change.agency_id, kind, now, person=person, role=role, reason=why)
    return proposal


async def tell(
    work: AccountWork, agency_id: str, kind: str, now: datetime, *, person: str, **details: object
) -> None:
    """Record the alert of a change of rights in an agency, or in the node for the empty id."""
    facts = {"what": kind, "agency": agency_id or None, "person": person, **details}
    await work.events.append(EventKind.RIGHTS_CHANGED, rights_subject(local(now).date()), now, facts)


async def tell_all(work: AccountWork, person: Person, kind: str, now: datetime, **details: object) -> None:
    """Record the alert for each agency where the person has a post; for the node where there is none."""
    agencies = {post.agency_id for post in await work.posts.of_persons({person.id})} or {NODE}
    for agency_id in sorted(agencies):
        await tell(work, agency_id, kind, now, person=person.id, **details)


def change_of_setting(agency_id: str) -> RightsChange:
    """Return the change that lets rights change without a second person again."""
    return RightsChange(act=RightsAct.SETTING, agency_id=agency_id)
