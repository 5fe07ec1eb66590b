"""The persons of the demonstration: a clerk, a head, an officer and an administrator in each agency, those of the node, and
the two who bind its certificates as persons of a real node do. In: a node without an administrator; certificates. Out: for
each account the one-time code that makes it its person's own, and a new one for accounts that never signed in; bound
certificates. The two persons' passphrases are random and forgotten: they decide nothing on a demonstration later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyotp

from gateway.deciding import DecisionServices, approvals, people, proposals
from gateway.domain.person import Person, Proposal, ProposalContent, Role, SignedIn
from gateway.domain.proof import Binding
from gateway.domain.seals import SealChange, SealingRightChange
from gateway.errors import NotFound
from gateway_office.accounts import admin, credentials, posts
from gateway_office.accounts.acting import Administrator
from gateway_office.domain.roles import NODE, PostRole
from gateway_office.domain.session import CallOrigin
from gateway_office.services import AccountServices

MACHINE = Administrator(principal_id="operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """A person with an account, and the code to take it up; empty when an earlier run showed it."""

    login: str
    name: str
    role: PostRole
    agency_id: str
    unit: str = ""
    code: str = field(default="", repr=False)


async def invite(services: AccountServices, persons: list[Invited]) -> list[Invited]:
    """Add the missing accounts; called before any person administers accounts, so at the first run alone."""
    return [await _invited(services, p) for p in persons]


def make_invited(people: dict[str, list[str]], role: str, unit: str, agency_id: str = NODE) -> Invited:
    """Return one person of the cast; `unit` is the place of heads of units and officers."""
    login, name = people[role]
    post = PostRole(role)
    of_unit = unit if post in (PostRole.OFFICER, PostRole.UNIT_HEAD) else ""
    return Invited(login=login, name=name, role=post, agency_id=agency_id, unit=of_unit)


async def administrator(services: AccountServices) -> Administrator:
    """Return one of those who keep the accounts; the machine while there is none."""
    async with services.accounts.read() as view:
        everybody = await view.people.all()
    keeper = next((p for p in everybody if p.is_active and Role.PEOPLE in p.roles), None)
    return Administrator.person(keeper.id) if keeper is not None else MACHINE


async def get_person(services: AccountServices, login: str) -> Person:
    async with services.accounts.read() as view:
        return await view.people.find_by_name(login)


async def ready(services: AccountServices, login: str) -> None:
    """Make the account usable, by a random password that is not kept."""
    if (await get_person(services, login)).is_active:
        return
    _, code = await admin.link(services, await administrator(services), login)
    await credentials.take_up(
        services, code, f"Mau 7 {secrets.token_urlsafe(18)}", CallOrigin(address="127.0.0.1")
    )


async def renew_links(services: AccountServices, persons: Sequence[Invited]) -> list[Invited]:
    """Return each with a new code if it never signed in; the others have passwords of their own by now."""
    by = await administrator(services)
    invited = []
    for person in persons:
        is_new = (await get_person(services, person.login)).last_login_at is None
        invited.append(
            replace(person, code=(await admin.link(services, by, person.login))[1]) if is_new else person
        )
    return invited


async def _invited(services: AccountServices, person: Invited) -> Invited:
    async with services.accounts.read() as view:
        try:
            await view.people.find_by_name(person.login)
        except NotFound:
            pass
        else:
            return person
    post = posts.WantedPost(role=person.role, agency_id=person.agency_id, unit=person.unit)
    account = admin.NewAccount(login=person.login, name=person.name, posts=(post,))
    _, code = await admin.add(services, MACHINE, account)
    return replace(person, code=code)


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
