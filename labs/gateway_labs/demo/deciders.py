"""The two persons who bind the certificates of a trial node, as those of a real node do. In: a node without deciders, or
whose deciders' secrets are lost; certificates, seals and rights. Out: each decided in one proposal. Their passphrases are
random and forgotten: they decide nothing on a demonstration later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp

from gateway.deciding import DecisionServices, approvals, people, proposals
from gateway.domain.person import Proposal, ProposalContent, Role, SignedIn
from gateway.domain.proof import Binding
from gateway.domain.seals import SealChange, SealingRightChange


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoDeciders:
    """Both deciders, signed in."""

    proposer: SignedIn
    approver: SignedIn


async def two_deciders(services: DecisionServices, called: tuple[str, ...]) -> TwoDeciders:
    """Make two new deciders; those of an earlier run, whose secrets are lost, are blocked."""
    await approvals.begin_set_up(services, "operator")
    async with services.decisions.read() as view:
        by_name = {p.name: p for p in await view.people.all()}
    for name in by_name:
        if name.startswith(called) and by_name[name].is_active:
            await people.block(services, "operator", name)
    numbered = [(name, *(f"{name} {n}" for n in range(2, 100))) for name in called]
    names = [next(p for p in row if p not in by_name) for row in numbered]
    # Both are added before either can administer persons: later the operator could not add the second.
    codes = [(name, await _added(services, name)) for name in names]
    proposer, approver = [await _signed_in(services, name, code) for name, code in codes]
    return TwoDeciders(proposer=proposer, approver=approver)


async def share_deciding(services: DecisionServices, both: TwoDeciders, logins: Sequence[str]) -> None:
    """Let persons with accounts decide what the node trusts: each has the role from another one of the two, so that one
    may approve what the other proposes."""
    for n, login in enumerate(logins):
        giver = (both.proposer, both.approver)[n % 2]
        await people.give(services, giver, "operator", login, (Role.TRUST,))


async def bind_all(
    services: DecisionServices,
    both: TwoDeciders,
    bindings: Sequence[Binding],
    seals: Sequence[SealChange] = (),
) -> None:
    """Bind all of them in one proposal, as at the first set-up of any node, and register seals."""
    now = services.clock.now()
    content = ProposalContent(
        bindings=tuple(proposals.binding_change([], b, now, services.overlap) for b in bindings),
        seals=tuple(seals),
    )
    await agreed(services, both, await proposals.propose(services, both.proposer, content, "demo"))


async def entitle_all(
    services: DecisionServices, both: TwoDeciders, rights: Sequence[SealingRightChange]
) -> None:
    """Let agencies seal for others, in one proposal."""
    content = ProposalContent(sealing_rights=tuple(rights))
    await agreed(services, both, await proposals.propose(services, both.proposer, content, "demo"))


async def agreed(services: DecisionServices, both: TwoDeciders, proposal: Proposal) -> None:
    """Approve the proposal, as the second person who compared it."""
    await approvals.approve(services, both.approver, proposal.id, proposal.content.expected, proposal.digest)


async def _added(services: DecisionServices, name: str) -> str:
    _, code = await people.add(services, None, "operator", name, (Role.TRUST, Role.PEOPLE))
    return code


async def _signed_in(services: DecisionServices, name: str, code: str) -> SignedIn:
    passphrase, totp = secrets.token_urlsafe(24), services.secrets.new_totp()
    now, factor = services.clock.now(), pyotp.TOTP(totp)
    await people.enrol(services, name, code, passphrase, totp, factor.at(now))
    # A code is good once, and enrolling used the present one.
    return await people.sign_in(services, name, passphrase, factor.at(now, counter_offset=1))
