"""Mailboxes: the names of desks, such as a clerk's office (R85). In: a name, an agency, a role. Out: who acts for it:
whoever holds that role there, under the own name. Nobody signs in as a mailbox, and no person may be called like one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.errors import Clash, NotFound
from gateway.office.accounts.acting import Acting, By, over_agency
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import Mailbox, PostRole

_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]{1,62}[a-z0-9]")
_ROLES = frozenset({PostRole.CLERK, PostRole.AGENCY_ADMIN})


async def make(desk: AccountDesk, by: By, agency_id: str, name: str, role: PostRole) -> Mailbox:
    """Clash when a person or a mailbox has that name. Of clerks and administrators alone."""
    now = desk.clock.now()
    if role not in _ROLES or _NAME.fullmatch(name) is None:
        raise Clash(
            "a mailbox is one of clerks or administrators, named with a to z, digits and dots",
            code="GW-MAILBOX",
        )
    made = Mailbox(agency_id=agency_id, name=name, role=role, made_by=by.principal_id, made_at=now)
    async with desk.accounts.begin(by.principal_id) as work:
        await over_agency(work, by, agency_id, now)
        if agency_id not in await work.agency_codes():
            raise NotFound(f"this node does not host agency {agency_id}")
        try:
            await work.people.named(name)
        except NotFound:
            await work.mailboxes.add(made)
        else:
            raise Clash(f"{name} is a person's name to sign in with", code="GW-MAILBOX")
        told = {"agency": agency_id, "role": role.value}
        await work.events.append(EventKind.MAILBOX_MADE, f"mailbox:{name}", now, told)
        await work.commit()
    return made


async def close(desk: AccountDesk, by: By, agency_id: str, name: str) -> None:
    """Nobody acts for it any more; the name stays taken."""
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        await over_agency(work, by, agency_id, now)
        await work.mailboxes.close(agency_id, name, now)
        await work.events.append(EventKind.MAILBOX_CLOSED, f"mailbox:{name}", now, {"agency": agency_id})
        await work.commit()


async def listed(desk: AccountDesk, agency_id: str) -> Sequence[tuple[Mailbox, tuple[Person, ...]]]:
    """Every mailbox of the agency with who acts for it now."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        found = await view.mailboxes.listed(agency_id)
        posts = await view.posts.in_agency(agency_id)
        people = {each.id: each for each in await view.people.everybody()}
    return [
        (each, tuple(people[id] for id in sorted(each.actors(posts, now)) if people[id].is_active))
        for each in found
    ]


async def mine(desk: AccountDesk, acting: Acting) -> Sequence[Mailbox]:
    """For which mailboxes of the chosen agency this person acts."""
    agency_id = acting.session.agency_id
    if agency_id is None:
        return []
    async with desk.accounts.read() as view:
        found = await view.mailboxes.listed(agency_id)
    return [
        each
        for each in found
        if each.closed_at is None and acting.person.id in each.actors(acting.rights.posts, acting.at)
    ]
