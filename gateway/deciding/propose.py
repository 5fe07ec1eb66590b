"""The first of two people: proposes a change of what this node trusts. In: a signed-in person and the content. Out: an
open proposal, told by an event with its digest. Nothing changes yet."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from gateway.deciding.desk import DecidingDesk
from gateway.domain.event import EventKind
from gateway.domain.person import SignedIn
from gateway.domain.proof import Binding
from gateway.domain.proposal import BindingChange, Content, Proposal
from gateway.errors import Clash, Denied
from gateway.policy import signing_key, two_people

MOST_CHANGES = 200
LONGEST_REASON = 500


def binding(
    known: Sequence[Binding],
    certificate: Binding,
    now: datetime,
    overlap: timedelta,
    at: datetime | None = None,
) -> BindingChange:
    """The change that makes a certificate speak for its code from `at`, by default from its own first day: what came
    under it before can then be looked at again. What else speaks for the code ends `overlap` after both (K5)."""
    first, until = certificate.valid_from or now, certificate.valid_to
    since = first if at is None else max(at, first)
    if until is None or until <= max(since, now):
        raise Clash(f"the certificate for {certificate.code} is over before its binding would begin")
    mine, begins = signing_key.fingerprint(certificate.certificate_der), max(since, now)
    earlier = sorted(
        signing_key.fingerprint(each.certificate_der)
        for each in known
        if signing_key.fingerprint(each.certificate_der) != mine
        and (each.valid_to is None or begins < each.valid_to)
    )
    return BindingChange(
        code=certificate.code,
        certificate=base64.b64encode(certificate.certificate_der).decode(),
        valid_from=since,
        valid_to=until,
        earlier=tuple(earlier),
        earlier_end=begins + overlap if earlier else None,
    )


async def run(desk: DecidingDesk, who: SignedIn, content: Content, reason: str = "") -> Proposal:
    """The proposal, open for three days. Denied for who may not propose."""
    if not content.changes or len(content.changes) > MOST_CHANGES:
        raise Clash(f"a proposal has 1 to {MOST_CHANGES} certificates, not {len(content.changes)}")
    if (content.reforms or content.imports) and len(content.changes) > 1:
        raise Clash("a change of the organisation, or an import of codes, is proposed by itself")
    now = desk.clock.now()
    proposal = Proposal(
        id=desk.clock.new_id("prp_"),
        content=content,
        proposed_by=who.person.id,
        proposed_at=now,
        expires_at=now + two_people.OPEN_FOR,
        reason=reason.strip()[:LONGEST_REASON],
    )
    async with desk.decisions.begin(who.person.id) as work:
        objection = two_people.proposing(await work.people.get(who.person.id))
        if objection is not None:
            raise Denied("only a person with the role `trust` proposes what this node trusts", code=objection)
        await work.proposals.add(proposal)
        await work.events.append(EventKind.PROPOSAL_MADE, proposal.id, now, _told(proposal))
        await work.commit()
    return proposal


def _told(proposal: Proposal) -> Mapping[str, object]:
    return {
        "digest": proposal.digest,
        "codes": sorted(
            {each.code for each in proposal.content.bindings}
            | {code for each in proposal.content.reforms for code in each.codes}
        ),
        "certificates": list(proposal.content.fingerprints),
        "expires_at": proposal.expires_at.isoformat(),
    }
