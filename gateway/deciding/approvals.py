"""The second of two people: approves another person's proposal, or rejects it. In: a signed-in person, a proposal, the
digest that was shown, the digits typed. Out: the change in force, whole and with its events in one transaction; or a
refusal, which is an event too, because a refused approval may be an attack (K6, two people).

Also the set-up of a node (K6): from `gateway init` until a person ends it, at most 72 hours, approvers need not be a day
old. Only two events of the sealed log record it, so that an emptied table does not open it again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.deciding import DecisionServices, delegation, proposals, registry_changes
from gateway.domain.event import Event, EventKind
from gateway.domain.person import Person, Proposal, ProposalState, SignedIn
from gateway.errors import Clash, Denied, NotFound
from gateway.policy import two_people
from gateway.policy.two_people import OBJECTION_WORDS, Objection

if TYPE_CHECKING:
    from gateway.registry_authoring.decisions import SqlDecision

SET_UP = "set-up"

SET_UP = "set-up"


async def approve(
    services: DecisionServices, actor: SignedIn, id: str, digits: Sequence[str], digest: str
) -> Proposal:
    """Put the proposal in force. `digest` is that of the proposal as the person saw it; `digits` are the last sixteen of
    each certificate's fingerprint, which the person must have from another source than the proposer. Raises Denied with
    the objection."""
    now = services.clock.now()
    async with services.decisions.begin(actor.person.id) as work:
        proposal = await _load_of_trust(work, id)
        in_set_up = await set_up_open_until(work, now) is not None
        objection = await _objection(work, actor, proposal, digits, digest, now, in_set_up=in_set_up)
        if objection is None:
            await _apply(services, work, proposal, actor.person.id, now)
            await work.proposals.close(id, ProposalState.APPROVED, actor.person.id, now)
            facts: dict[str, object] = {"digest": proposal.digest, "proposed_by": proposal.proposed_by}
            if in_set_up:
                facts["set_up"] = True  # K6: the log shows that the persons need not be a day old
            await work.events.append(EventKind.PROPOSAL_APPROVED, id, now, facts)
            await work.commit()
    if objection is not None:
        await _refuse(services, actor.person.id, id, objection, now)
        raise Denied(OBJECTION_WORDS[objection], code=objection)
    return await get_proposal(services, id)


async def reject(services: DecisionServices, actor: SignedIn, id: str, reason: str) -> Proposal:
    """Reject the proposal, so that it can never be approved. One person is enough, since nothing changes."""
    now = services.clock.now()
    async with services.decisions.changing(actor.person.id) as work:
        objection = two_people.check_rejecting(
            await _load_of_trust(work, id), await work.people.get(actor.person.id)
        )
        if objection is not None:
            raise Denied(OBJECTION_WORDS[objection], code=objection)
        await work.proposals.close(id, ProposalState.REJECTED, actor.person.id, now)
        await work.events.append(EventKind.PROPOSAL_REJECTED, id, now, {"reason": reason})
    return await get_proposal(services, id)


async def get_proposal(services: DecisionServices, id: str) -> Proposal:
    async with services.decisions.read() as view:
        return await _load_of_trust(view, id)


async def _load_of_trust(work: SqlDecision, id: str) -> Proposal:
    """Load a proposal about what this node trusts. Raise NotFound for one about rights in an agency, whose administrators
    confirm it."""
    proposal = await work.proposals.get(id)
    if proposal.content.rights:
        raise NotFound(f"{id} is about rights in an agency", hint="see: gateway people changes")
    return proposal


async def _objection(
    work: SqlDecision,
    actor: SignedIn,
    proposal: Proposal,
    digits: Sequence[str],
    digest: str,
    now: datetime,
    *,
    in_set_up: bool,
) -> Objection | None:
    """Return the objection to this approval, if any, by the persons' present roles and not by those at sign-in."""
    events = await work.events.of_subject(proposal.id)
    digests = [str(event.data.get("digest")) for event in events if event.kind is EventKind.PROPOSAL_CREATED]
    proposer, approver = await work.people.get(proposal.proposed_by), await work.people.get(actor.person.id)
    return two_people.check_approving(
        proposal,
        proposer,
        approver,
        digits,
        now,
        recorded_digest=digests[0] if len(digests) == 1 else None,
        shown_digest=digest,
        in_set_up=in_set_up,
        one_hand=await _one_hand(work, proposer, approver),
    )


async def _one_hand(work: SqlDecision, proposer: Person, approver: Person) -> bool:
    """Tell whether one and the same person gave both of them their roles. The operator does not count."""
    if proposer.roles_by != approver.roles_by:
        return False
    try:
        await work.people.get(approver.roles_by)
    except NotFound:
        return False
    return True


async def _apply(
    services: DecisionServices, work: SqlDecision, proposal: Proposal, by: str, now: datetime
) -> None:
    """Put every change of the proposal in force."""
    people, facts = (proposal.proposed_by, by), {"proposal": proposal.id, "digest": proposal.digest}
    for change in proposal.content.bindings:
        if change.earlier_end is not None:
            for fingerprint in change.earlier:
                await work.bindings.end(change.code, fingerprint, max(change.earlier_end, now))
        await work.bindings.bind(
            change.code, change.certificate_der, change.valid_from, change.valid_to, people, facts
        )
    for seal in proposal.content.seals:
        await work.seals.register(seal, people, facts)
    for right in proposal.content.sealing_rights:
        await work.seals.entitle(right, people, facts)
    for code in proposal.content.sealing_codes:
        await work.rejudge_mail_of(code)
    for stated in proposal.content.reforms:
        await registry_changes.put_reform_in_force(work, proposal, stated, by, now)
    for codes in proposal.content.imports:
        await registry_changes.put_import_in_force(services, work, proposal, codes, by)
    for policy in proposal.content.delegations:
        await delegation.put_policy_in_force(work, proposal, policy, now)
    for listed in proposal.content.lists:
        await delegation.put_list_in_force(services, work, proposal, listed, by)
    for anchor in proposal.content.anchors:
        # The file is written first: `gateway doctor` finds an anchor without an event, but nothing would find a missing
        # one.
        await services.pool.run(partial(services.anchors.add, anchor.certificate_der))
        anchor_facts = {"fingerprint": anchor.fingerprint, **facts}
        await work.events.append(EventKind.ANCHOR_APPROVED, "anchors", now, anchor_facts)


async def _refuse(services: DecisionServices, by: str, id: str, objection: Objection, now: datetime) -> None:
    """Record the refused approval, and close an expired proposal."""
    async with services.decisions.changing(by) as work:
        await work.events.append(EventKind.PROPOSAL_REFUSED, id, now, {"code": str(objection)})
        if objection is Objection.EXPIRED:
            await work.proposals.close(id, ProposalState.EXPIRED, by, now)


async def begin_set_up(services: DecisionServices, operator_id: str) -> datetime | None:
    """Begin the set-up, and return when it ends. Possible once in the life of a node: nothing changes where it began
    before, or a certificate was ever bound."""
    now = services.clock.now()
    async with services.decisions.begin(operator_id) as work:
        if not await work.events.of_subject(SET_UP) and not await work.bindings.any_ever():
            await work.events.append(EventKind.SET_UP_BEGUN, SET_UP, now)
            await work.commit()
    async with services.decisions.read() as view:
        return await set_up_open_until(view, now)


async def end_set_up(services: DecisionServices, actor: SignedIn) -> None:
    """End the set-up, so that every person must be a day old to approve. One person is enough, since it only makes things
    stricter. Raises Clash where the set-up is not open."""
    now = services.clock.now()
    async with services.decisions.changing(actor.person.id) as work:
        await proposals.must_trust(work, actor, "ends the set-up")
        if await set_up_open_until(work, now) is None:
            raise Clash("this node is not in set-up: it was ended, is over by itself, or never began")
        await work.events.append(EventKind.SET_UP_ENDED, SET_UP, now)


async def set_up_open_until(view: SqlDecision, now: datetime) -> datetime | None:
    """Return when the set-up ends by itself; None where it is not open."""
    return set_up_by_events(await view.events.of_subject(SET_UP), now)


def set_up_by_events(events: Sequence[Event], now: datetime) -> datetime | None:
    """Return when the set-up ends, by its events; None where it is not open."""
    begun = [event.at for event in events if event.kind is EventKind.SET_UP_BEGUN]
    is_ended = any(event.kind is EventKind.SET_UP_ENDED for event in events)
    return two_people.set_up_until(min(begun, default=None), now, is_ended=is_ended)
