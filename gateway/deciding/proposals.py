"""Acts of one person alone: proposing a change of this node's trust, which a second person approves; and at once the acts
that only take trust away: withdrawing a binding, retiring a key of ours, reporting one stolen. In: the person, and the
content, or a code and a certificate. Out: an open proposal that changes nothing yet, recorded by an event with its
digest; or the committed end of a binding or key, with its event, for every process of this database."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.deciding import DecisionServices
from gateway.domain.certificates import KeyEnd
from gateway.domain.event import EventKind
from gateway.domain.person import BindingChange, Proposal, ProposalContent, SignedIn
from gateway.domain.proof import Binding
from gateway.domain.seals import CAPACITIES, CertificateKind, SealChange
from gateway.errors import Clash, Denied, NotFound
from gateway.policy import trust, two_people

if TYPE_CHECKING:
    from gateway.registry_authoring.decisions import SqlDecision

MOST_CHANGES = 200
LONGEST_REASON = 500
LONGEST_NAME = 200


def binding_change(
    bound: Sequence[Binding],
    certificate: Binding,
    now: datetime,
    overlap: timedelta,
    at: datetime | None = None,
) -> BindingChange:
    """Return the change that binds a certificate to its code from `at`, by default from its own first day, so that
    earlier packets can be judged again. Other certificates of the code end `overlap` after it begins (K5, roll-over)."""
    first, last = certificate.valid_from or now, certificate.valid_to
    since = first if at is None else max(at, first)
    if last is None or last <= max(since, now):
        raise Clash(f"the certificate for {certificate.code} is over before its binding would begin")
    mine, begins = trust.fingerprint(certificate.certificate_der), max(since, now)
    earlier = sorted(
        trust.fingerprint(b.certificate_der)
        for b in bound
        if trust.fingerprint(b.certificate_der) != mine and (b.valid_to is None or begins < b.valid_to)
    )
    return BindingChange(
        code=certificate.code,
        certificate=base64.b64encode(certificate.certificate_der).decode(),
        valid_from=since,
        valid_to=last,
        earlier=tuple(earlier),
        earlier_end=begins + overlap if earlier else None,
    )


def seal_change(
    code: str,
    kind: CertificateKind,
    certificate_der: bytes,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    name: str = "",
    position: str = "",
    capacity: str = "",
) -> SealChange:
    """Return the change that registers a certificate for a code, by default for all its own time, so that earlier documents
    can be judged by it. A person has a name and a position; a seal has neither. Clash where something does not fit."""
    try:
        certificate = x509.load_der_x509_certificate(certificate_der)
    except ValueError as cause:
        raise Clash(f"the certificate for {code} cannot be read: {cause}", code="SEAL-UNREADABLE") from cause
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    change = SealChange(
        code=code.strip().upper(),
        kind=kind,
        certificate=base64.b64encode(certificate_der).decode(),
        valid_from=first if since is None else max(since, first),
        valid_to=last if until is None else min(until, last),
        name=name.strip(),
        position=position.strip(),
        capacity=capacity.strip(),
    )
    if change.valid_to <= change.valid_from:
        raise Clash(f"the certificate for {code} would be registered for no time", code="SEAL-NO-TIME")
    if kind is CertificateKind.PERSON and not (change.name and change.position):
        raise Clash("a person's certificate is registered with name and position", code="SEAL-PERSON")
    if kind is CertificateKind.SEAL and (change.name or change.position or change.capacity):
        raise Clash("a seal has no name, position or capacity", code="SEAL-PERSON")
    if change.capacity and change.capacity not in CAPACITIES:
        raise Clash(
            f"the capacity is one of {' '.join(CAPACITIES)}, not {capacity[:20]!r}", code="SEAL-CAPACITY"
        )
    if max(map(len, (change.name, change.position))) > LONGEST_NAME:
        raise Clash(f"name and position have at most {LONGEST_NAME} characters", code="SEAL-PERSON")
    return change


async def propose(
    services: DecisionServices, actor: SignedIn, content: ProposalContent, reason: str = ""
) -> Proposal:
    """Store a proposal, which is open for three days. Raises Denied for a person who may not propose."""
    if not content.changes or len(content.changes) > MOST_CHANGES:
        raise Clash(f"a proposal has 1 to {MOST_CHANGES} certificates, not {len(content.changes)}")
    alone = (*content.reforms, *content.imports, *content.delegations, *content.lists)
    if alone and len(content.changes) > 1:
        raise Clash(
            "a change of the organisation, an import of codes, a policy or a list is proposed by itself"
        )
    now = services.clock.now()
    proposal = Proposal(
        id=services.clock.new_id("prp_"),
        content=content,
        proposed_by=actor.person.id,
        proposed_at=now,
        expires_at=now + two_people.OPEN_FOR,
        reason=reason.strip()[:LONGEST_REASON],
    )
    async with services.decisions.changing(actor.person.id) as work:
        await must_trust(work, actor, "proposes what this node trusts")
        await work.proposals.add(proposal)
        await work.events.append(EventKind.PROPOSAL_CREATED, proposal.id, now, _told_of(proposal))
    return proposal


async def must_trust(work: SqlDecision, actor: SignedIn, act: str) -> None:
    """Raise Denied where the person, by the present roles, may not do this act; `act` completes the error's sentence."""
    objection = two_people.check_proposing(await work.people.get(actor.person.id))
    if objection is not None:
        raise Denied(f"only a person with the role `trust` {act}", code=objection)


def _told_of(proposal: Proposal) -> Mapping[str, object]:
    return {
        "digest": proposal.digest,
        "codes": sorted(
            {b.code for b in proposal.content.bindings}
            | set(proposal.content.sealing_codes)
            | {code for b in proposal.content.reforms for code in b.codes}
        ),
        "certificates": list(proposal.content.fingerprints),
        "expires_at": proposal.expires_at.isoformat(),
    }


async def withdraw_binding(
    services: DecisionServices, by: str, code: str, fingerprint: str, reason: str
) -> None:
    """End the binding of the certificate to the code. Documents that were admitted before stay admitted."""
    async with services.decisions.changing(by) as work:
        await work.bindings.withdraw(code, fingerprint, services.clock.now(), reason)


async def withdraw_seal(services: DecisionServices, by: str, id: str, at: datetime, reason: str) -> str:
    """End a registered certificate that signs PDFs, or a right to seal for another agency; return its code. What it signed
    before that moment keeps its verdict."""
    async with services.decisions.changing(by) as work:
        code = await work.seals.withdraw(id, at, reason)
        await work.rejudge_mail_of(code)
    return code


async def retire_key(services: DecisionServices, end: KeyEnd) -> None:
    """End a key of ours at a moment: it signs nothing after that, and its certificate's binding here ends."""
    await _end_key(services, end, EventKind.KEY_RETIRED, {"at": end.at.isoformat()})


async def report_stolen(services: DecisionServices, end: KeyEnd, since: datetime) -> None:
    """End a key of ours now, and its certificate's binding already at `since`, so that later packets fail when judged
    again."""
    facts = {"at": end.at.isoformat(), "since": since.isoformat()}
    await _end_key(services, replace(end, stolen_since=since), EventKind.KEY_STOLEN, facts)


async def _end_key(
    services: DecisionServices, end: KeyEnd, kind: EventKind, facts: Mapping[str, object]
) -> None:
    """Store the end of the key with its event, and end its certificate's binding."""
    async with services.decisions.changing(end.by) as work:
        await work.key_ends.save(end)
        all_facts = {"code": end.agency_code, "fingerprint": end.fingerprint, "key": end.key_id, **facts}
        await work.events.append(kind, f"key:{end.fingerprint}", services.clock.now(), all_facts)
        try:
            if end.stolen_since is not None:
                await work.bindings.withdraw(end.agency_code, end.fingerprint, end.stolen_since, "stolen")
            else:
                await work.bindings.end(end.agency_code, end.fingerprint, end.at)
        except NotFound:
            pass  # the certificate was never bound here, so this node accepts no signature of it anyway
