"""Persons who sign in, for tests: with a passphrase and a second factor that the test can make at any time. Signing in
costs a thousandth of what it costs in earnest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyotp

from gateway.deciding import DecisionServices, approvals, people, proposals
from gateway.domain.person import Proposal, ProposalContent, Role, SignedIn
from gateway.domain.proof import Binding
from gateway.trust import person_secrets

PASSPHRASE = "four words that nobody guesses"
DECIDERS = (Role.TRUST, Role.PEOPLE)


@contextmanager
def cheap() -> Iterator[None]:
    """Argon2 with the least that it takes."""
    limits = person_secrets.MEMORY_KIB, person_secrets.PASSES
    person_secrets.MEMORY_KIB, person_secrets.PASSES = 32, 1
    try:
        yield
    finally:
        person_secrets.MEMORY_KIB, person_secrets.PASSES = limits


@dataclass(frozen=True, kw_only=True)
class Someone:
    """One enrolled person."""

    services: DecisionServices
    name: str
    totp: str

    def code(self) -> str:
        """Return the code that the device shows now."""
        return pyotp.TOTP(self.totp).at(self.services.clock.now())

    async def signed_in(self) -> SignedIn:
        """Signed in; half a minute later, because a code is good once."""
        await self.services.clock.sleep(31)
        return await people.sign_in(self.services, self.name, PASSPHRASE, self.code())


async def enrolled(
    services: DecisionServices, name: str, roles: Collection[Role] = DECIDERS, by: SignedIn | None = None
) -> Someone:
    """Add a person, by the operator unless another is named, and enrol them."""
    _, code = await people.add(services, by, "operator", name, roles)
    return await taken_up(services, name, code)


async def taken_up(services: DecisionServices, name: str, code: str) -> Someone:
    totp = services.secrets.new_totp()
    someone = Someone(services=services, name=name, totp=totp)
    await people.enrol(services, name, code, PASSPHRASE, totp, someone.code())
    return someone


async def two(services: DecisionServices) -> tuple[Someone, Someone]:
    """The first two persons of a node: added by the operator as `init` does, then enrolled."""
    await approvals.begin_set_up(services, "operator")
    invited = [
        (name, (await people.add(services, None, "operator", name, DECIDERS))[1]) for name in ("An", "Binh")
    ]
    first, second = [await taken_up(services, name, code) for name, code in invited]
    return first, second


async def proposed(user: Someone, *bindings: Binding, content: ProposalContent | None = None) -> Proposal:
    """That these certificates speak for their codes, or whatever else the content says."""
    services = user.services
    now = services.clock.now()
    changes = tuple(proposals.binding_change([], binding, now, services.overlap) for binding in bindings)
    return await proposals.propose(
        services, await user.signed_in(), content or ProposalContent(bindings=changes)
    )


async def approved(other: Someone, proposal: Proposal) -> Proposal:
    """Approve a proposal, with the right digits typed."""
    expected = proposal.content.expected
    return await approvals.approve(
        other.services, await other.signed_in(), proposal.id, expected, proposal.digest
    )
