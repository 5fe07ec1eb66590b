"""The persons of the demonstration: a clerk, a head, an officer and an administrator in each agency, and those of the node.
In: a node nobody administers yet. Out: for each account the one-time code that makes it its person's own; one that never
signed in may have another."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.domain.person import Person, Role
from gateway.errors import NotFound
from gateway.office.accounts import admin, one_time, posts
from gateway.office.accounts.acting import By
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import NODE, PostRole
from gateway.office.domain.session import Origin

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
    await one_time.take_up(desk, code, f"Mau 7 {secrets.token_urlsafe(18)}", Origin(address="127.0.0.1"))


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
    post = posts.Wanted(role=one.role, agency_id=one.agency_id, unit=one.unit)
    account = admin.NewAccount(login=one.login, name=one.name, posts=(post,))
    _, code = await admin.add(desk, MACHINE, account)
    return replace(one, code=code)
