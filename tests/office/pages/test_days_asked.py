"""A day in an address that is no day is said at its field, and nothing is shown, printed or taken along as if no day had
been asked for. The tests use no browser."""

from __future__ import annotations

import re

from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import at_work, calling
from tests.office.pages.site import Site
from tests.support.cases import Cases

MESSAGE = "Không đọc được ngày"
WRONG = "tu=32/13/2026"
PATHS = {
    PostRole.CLERK: (
        "/so-van-ban?so=incoming",
        "/so-van-ban/in?so=outgoing",
        "/so-van-ban/tai/csv?so=follow_up",
        "/so-van-ban/gui-giay?",
    ),
    PostRole.AUDITOR: ("/nhat-ky?", "/nhat-ky/tai?"),
}
# A script swaps these lists alone, and has it said there.
SWAPPED = {PostRole.CLERK: "/van-ban-den?tab=all", PostRole.AUDITOR: "/nhat-ky?"}


async def test_an_impossible_day_is_refused_with_a_message_and_without_rows(site: Site, cases: Cases) -> None:
    async with calling(site.url) as guest:
        for role, paths in PATHS.items():
            await at_work(site, guest, site.person(role, "" if role.is_of_node else "department"))
            for path in paths:
                with cases.case(path):
                    assert (await guest.get(path)).status == 200
                    refused = await guest.get(f"{path}&{WRONG}")
                    assert refused.status == 422
                    assert MESSAGE in refused.text
                    assert 'value="32/13/2026"' in refused.text
                    assert not re.search(r'data-row|href="/(so-van-ban|nhat-ky)/(tai|in)\b', refused.text)
            with cases.case(f"the piece of {SWAPPED[role]}"):
                piece = await guest.get(f"{SWAPPED[role]}&{WRONG}", X_Piece="1")
                assert (piece.status, piece.text.count(MESSAGE)) == (200, 1)
