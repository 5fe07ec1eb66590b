"""The list of an agency's accounts that its administrator reviews each December (T22, T23). In: an agency. Out: one line
per person with its posts, and that somebody looked through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.domain.event import EventKind
from gateway.domain.person import Person
from gateway.office.accounts.acting import By, over_agency
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import Post


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One person as the list shows it (interfaces 2.12)."""

    person: Person
    posts: tuple[Post, ...]
    has_factor: bool


async def lines(desk: AccountDesk, by: By, agency_id: str) -> Sequence[Line]:
    """By name; the empty agency gives those of the node. Posts of other agencies are not shown."""
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        await over_agency(view, by, agency_id, now)
        posts = await view.posts.in_agency(agency_id)
        ids = {each.person_id for each in posts}
        people = [each for each in await view.people.everybody() if each.id in ids]
        kept = {each.id: await view.people.credentials(each.id) for each in people}
    return [
        Line(
            person=each,
            posts=tuple(post for post in posts if post.person_id == each.id),
            has_factor=kept[each.id].sealed_totp is not None,
        )
        for each in people
    ]


async def confirm(desk: AccountDesk, by: By, agency_id: str, year: int) -> int:
    """Somebody looked through the list of that year; how many accounts were in it."""
    found = await lines(desk, by, agency_id)
    now = desk.clock.now()
    async with desk.accounts.begin(by.principal_id) as work:
        told = {"year": year, "agency": agency_id or None, "accounts": len(found)}
        await work.events.append(EventKind.ACCOUNT_REVIEWED, f"accounts:{agency_id or 'node'}", now, told)
        await work.commit()
    return len(found)
