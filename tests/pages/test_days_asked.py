"""A day of an address that is none: said at its field, and nothing is shown, printed or taken along as if no day had been
asked for. Asked without a browser."""

from __future__ import annotations

import re

import pytest

from gateway.office.accounts import sign_in
from gateway.office.domain.roles import PostRole
from tests.pages.guest import calling
from tests.pages.site import Site
from tests.support.accounts import HERE

SAID = "Không đọc được ngày"


@pytest.mark.parametrize(
    ("role", "path"),
    [
        (PostRole.CLERK, "/so-van-ban?so=incoming"),
        (PostRole.CLERK, "/so-van-ban/in?so=outgoing"),
        (PostRole.CLERK, "/so-van-ban/tai/csv?so=follow_up"),
        (PostRole.CLERK, "/so-van-ban/gui-giay?"),
        (PostRole.AUDITOR, "/nhat-ky?"),
        (PostRole.AUDITOR, "/nhat-ky/tai?"),
    ],
)
async def test_a_day_that_is_none_is_said_and_nothing_is_given(site: Site, role: PostRole, path: str) -> None:
    person = site.person(role, "department" if role is PostRole.CLERK else "")
    async with calling(site.url) as guest:
        guest.token = (await sign_in.run(person.desk, person.typed(), HERE)).token
        whole = await guest.get(path)
        refused = await guest.get(f"{path}&tu=32/13/2026")

    assert whole.status == 200
    assert refused.status == 422
    assert SAID in refused.text
    assert 'value="32/13/2026"' in refused.text
    assert not re.search(r'data-row|href="/(so-van-ban|nhat-ky)/(tai|in)\b', refused.text)


@pytest.mark.parametrize(
    ("role", "path"), [(PostRole.CLERK, "/van-ban-den?tab=all"), (PostRole.AUDITOR, "/nhat-ky?")]
)
async def test_a_script_that_swaps_the_list_alone_has_it_said_there(
    site: Site, role: PostRole, path: str
) -> None:
    person = site.person(role, "department" if role is PostRole.CLERK else "")
    async with calling(site.url) as guest:
        guest.token = (await sign_in.run(person.desk, person.typed(), HERE)).token
        piece = await guest.get(f"{path}&tu=32/13/2026", X_Piece="1")

    assert (piece.status, piece.text.count(SAID)) == (200, 1)
