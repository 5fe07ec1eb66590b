"""The persons of the demonstration with accounts in an office: a clerk, a head, an officer and an administrator in each
agency, and those of the node. In: an open node with its office, without an administrator. Out: for each account the
one-time code that makes it its person's own, and a new one for accounts that never signed in."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.person import Person, Role
from gateway.errors import NotFound
from gateway_labs.demo import stage
from gateway_labs.demo.deciders import TwoDeciders, share_deciding
from gateway_office.accounts import admin, credentials, posts
from gateway_office.accounts.acting import Administrator
from gateway_office.bootstrap.office import Office
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


async def register(node: Office) -> list[Invited]:
    """Do the same as `stage.register`, with the accounts of all persons; return the codes of new ones. They are made first,
    while no person can make any."""
    invited = await enter(node)
    if both := await stage.bind(node):
        await share_decisions(node, both)
    return invited


async def enter(node: Office) -> list[Invited]:
    """Add registry rows and accounts; return the codes of new ones."""
    await stage.enter(node)
    return await invite(node.accounts, await accounts(node))


async def share_decisions(node: Office, both: TwoDeciders) -> None:
    """Let those of the node who have accounts decide what it trusts, at the pages."""
    await share_deciding(node.deciding, both, [person.login for person in deciders()])


def deciders() -> list[Invited]:
    """Return those of the node who decide what it trusts: the operator, a second one, and the keeper of codes."""
    data = stage.cast().data
    second = make_invited({PostRole.OPERATOR: data["second_operator"]}, PostRole.OPERATOR, "")
    first, keeper = [
        make_invited(data["people"]["node"], role, "") for role in (PostRole.OPERATOR, PostRole.CODES)
    ]
    return [first, second, keeper]


async def accounts(node: Office) -> list[Invited]:
    """Return all persons of the cast, whether the account exists yet or not."""
    cast = stage.cast()
    by_actor, unit = cast.data["people"], cast.words("lead_unit")
    hosted = {agency.code: agency.id for agency in await node.store.hosted()}
    persons = [deciders()[1]]
    persons += [make_invited(by_actor["node"], role, unit) for role in by_actor["node"]]
    for actor in stage.ACTORS:
        persons += [
            make_invited(by_actor[actor], role, unit, hosted[cast.code(actor)]) for role in by_actor[actor]
        ]
    return persons


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
