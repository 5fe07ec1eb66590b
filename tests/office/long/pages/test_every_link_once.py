"""A link is drawn only for a person who may open it: each role reads two pages of each route and opens each link."""

from __future__ import annotations

import pytest

from gateway_office.domain.roles import PostRole
from tests.office.long.pages.test_every_link import ACTOR, met_by
from tests.office.pages.site import Site
from tests.support.cases import Cases

ROLES = tuple(role for role in PostRole if role is not PostRole.SYSTEM)


@pytest.mark.told
async def test_no_role_meets_a_link_that_is_refused(site: Site, cases: Cases) -> None:
    for role in ROLES:
        met = await met_by(site, site.person(role, "" if role.is_of_node else ACTOR), ACTOR, most=1)
        with cases.case(str(role)):
            assert met.refused == []
