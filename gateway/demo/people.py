"""The persons of the demonstration: a clerk, a head, an officer and an administrator in each agency, and those of the node.
In: a node nobody administers yet. Out: for each account the one-time code that makes it its person's own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.accounts import admin, posts
from gateway.accounts.acting import By
from gateway.accounts.desk import AccountDesk
from gateway.domain.post import NODE, PostRole
from gateway.errors import NotFound

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
