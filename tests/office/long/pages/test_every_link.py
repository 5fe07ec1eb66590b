"""A link is drawn only for a person who may open it: every page of every role is read, and every link is opened. Prints
how many pages, links and roles there were."""

from __future__ import annotations

import pytest

from gateway_office.domain.roles import PostRole
from tests.office.pages import deciders
from tests.office.pages.all_links import Links
from tests.office.pages.guest import at_work, calling
from tests.office.pages.site import Site
from tests.office.support.accounts import Someone
from tests.support.cases import Cases

ACTOR, MOST = "department", 6


@pytest.mark.laid
@pytest.mark.timeout(900)
async def test_no_page_has_a_link_that_its_person_may_not_open(site: Site, cases: Cases) -> None:
    people = {
        str(role): site.person(role, "" if role.is_of_node else ACTOR)
        for role in PostRole
        if role is not PostRole.SYSTEM
    }
    both = await deciders.two(site.node, site.url, site.clock.skip, people[PostRole.OPERATOR].by)
    people["decider"] = both[0].person
    pages = links = 0
    for name, person in people.items():
        for actor in (ACTOR, "") if name in ("decider", PostRole.OPERATOR) else (ACTOR,):
            met = await met_by(site, person, actor)
            pages, links = pages + met.pages, links + met.followed
            with cases.case(f"{name} {actor}"):
                assert met.refused == []
    print(f"{pages} pages, {links} links, {len(people)} roles")


async def met_by(site: Site, person: Someone, actor: str) -> Links:
    """Open every link that the person meets, at work for that agency, or for none."""
    met = Links(most=MOST)
    async with calling(site.url) as guest:
        await at_work(site, guest, person, actor)
        await met.follow(guest)
    return met
