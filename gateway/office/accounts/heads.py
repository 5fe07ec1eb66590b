"""The heads of an agency who can act: active persons with that post who took up their accounts. In: an agency. Out:
persons, by name; for whatever a head has to agree to."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.domain.person import Person
from gateway.office.accounts.desk import AccountDesk
from gateway.office.domain.post import PostRole


async def of(desk: AccountDesk, agency_id: str) -> Sequence[Person]:
    now = desk.clock.now()
    async with desk.accounts.read() as view:
        posts = await view.posts.in_agency(agency_id)
        ids = {each.person_id for each in posts if each.role is PostRole.HEAD and each.holds(now)}
        people = [each for each in await view.people.everybody() if each.id in ids] if ids else []
    return [each for each in people if each.is_active]
