"""The persons of the demonstration: a clerk, a head, an officer and an administrator in each agency, those of the
node, and the two who bind its certificates as persons of a real node do. In: a node nobody administers yet;
certificates. Out: for each account the one-time code that makes it its person's own, and one that never signed in may
have another; bound certificates. The two persons' passphrases are random and forgotten: they decide nothing on a
demonstration later."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pyotp

from gateway.deciding import DecidingDesk, approvals, people, proposals
from gateway.domain.person import Person, Proposal, ProposalContent, Role, SignedIn
from gateway.domain.proof import Binding
from gateway.errors import NotFound
from gateway.office.accounts import admin, credentials, posts
from gateway.office.accounts.acting import By
from gateway.office.desks import AccountDesk
from gateway.office.domain.roles import NODE, PostRole
from gateway.office.domain.session import CallOrigin

MACHINE = By(principal_id="operator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """Somebody who has an account, and the code to take it up; empty when that was told at an earlier run."""

    login: str
    name: str
    role: PostRole
    agency_id: str
    unit: str = ""
    code: str = field(default="", repr=False)


async def invite(desk: AccountDesk, wanted: list[Invited]) -> list[Invited]:
    """Adds the accounts that are not there yet; asked before anybody administers accounts, so at the first run alone."""
    return [await _invited(desk, each) for each in wanted]


def wanted(people: dict[str, list[str]], role: str, unit: str, agency_id: str = NODE) -> Invited:
    """One of the cast; `unit` is where heads of units and officers work."""
    login, name = people[role]
    post = PostRole(role)
    of_unit = unit if post in (PostRole.OFFICER, PostRole.UNIT_HEAD) else ""
    return Invited(login=login, name=name, role=post, agency_id=agency_id, unit=of_unit)


async def administrator(desk: AccountDesk) -> By:
    """One of those who keep the accounts; the machine while there is none."""
    async with desk.accounts.read() as view:
        everybody = await view.people.everybody()
    keeper = next((each for each in everybody if each.is_active and Role.PEOPLE in each.roles), None)
    return By.person(keeper.id) if keeper is not None else MACHINE


async def named(desk: AccountDesk, login: str) -> Person:
    async with desk.accounts.read() as view:
        return await view.people.named(login)


async def ready(desk: AccountDesk, login: str) -> None:
    """The account can be used, by a password that nobody knows."""
    if (await named(desk, login)).is_active:
        return
    _, code = await admin.link(desk, await administrator(desk), login)
    await credentials.take_up(
        desk, code, f"Mau 7 {secrets.token_urlsafe(18)}", CallOrigin(address="127.0.0.1")
    )


async def linked(desk: AccountDesk, known: Sequence[Invited]) -> list[Invited]:
    """Each with a new code who has never signed in; the others have passwords of their own by now."""
    by = await administrator(desk)
    found = []
    for each in known:
        is_new = (await named(desk, each.login)).last_login_at is None
        found.append(replace(each, code=(await admin.link(desk, by, each.login))[1]) if is_new else each)
    return found


async def _invited(desk: AccountDesk, one: Invited) -> Invited:
    async with desk.accounts.read() as view:
        try:
            await view.people.named(one.login)
        except NotFound:
            pass
        else:
            return one
    post = posts.WantedPost(role=one.role, agency_id=one.agency_id, unit=one.unit)
    account = admin.NewAccount(login=one.login, name=one.name, posts=(post,))
    _, code = await admin.add(desk, MACHINE, account)
    return replace(one, code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoDeciders:
    """Both, signed in: who proposes, and who approves."""

    proposer: SignedIn
    approver: SignedIn


async def two_deciders(desk: DecidingDesk, called: tuple[str, ...]) -> TwoDeciders:
    """Those of an earlier run, whose secrets are lost, decide nothing any more."""
    await approvals.begin_set_up(desk, "operator")
    async with desk.decisions.read() as view:
        known = {each.name: each for each in await view.people.everybody()}
    for name in known:
        if name.startswith(called) and known[name].is_active:
            await people.block(desk, "operator", name)
    numbered = [(name, *(f"{name} {n}" for n in range(2, 100))) for name in called]
    names = [next(each for each in one if each not in known) for one in numbered]
    # Both are added before either can administer persons: later the operator could not add the second.
    codes = [(name, await _added(desk, name)) for name in names]
    proposer, approver = [await _signed_in(desk, name, code) for name, code in codes]
    return TwoDeciders(proposer=proposer, approver=approver)


async def bind_all(desk: DecidingDesk, both: TwoDeciders, wanted: Sequence[Binding]) -> None:
    """All of them in one proposal, as at the first set-up of any node."""
    now = desk.clock.now()
    content = ProposalContent(
        bindings=tuple(proposals.binding_change([], each, now, desk.overlap) for each in wanted)
    )
    await agreed(desk, both, await proposals.propose(desk, both.proposer, content, "demo"))


async def agreed(desk: DecidingDesk, both: TwoDeciders, made: Proposal) -> None:
    """The second person compared it with what it is about."""
    await approvals.approve(desk, both.approver, made.id, made.content.expected, made.digest)


async def _added(desk: DecidingDesk, name: str) -> str:
    _, code = await people.add(desk, None, "operator", name, (Role.TRUST, Role.PEOPLE))
    return code


async def _signed_in(desk: DecidingDesk, name: str, code: str) -> SignedIn:
    passphrase, totp = secrets.token_urlsafe(24), desk.secrets.new_totp()
    now, factor = desk.clock.now(), pyotp.TOTP(totp)
    await people.enrol(desk, name, code, passphrase, totp, factor.at(now))
    # A code is good once, and enrolling used the present one: the next one is taken already.
    return await people.sign_in(desk, name, passphrase, factor.at(now, counter_offset=1))
