"""Pages of persons are never packed: the token of their forms stands beside words that others wrote."""

from __future__ import annotations

import aiohttp

from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.pages.site import Site


async def test_the_page_of_a_signed_in_person_is_as_long_as_what_stands_in_it(site: Site) -> None:
    token = await site.new_session(site.person(PostRole.CLERK, "department"), "department")
    headers = {"Cookie": f"{COOKIE}={token}", "Accept-Encoding": "gzip"}

    async with aiohttp.ClientSession() as http:
        for path in ("/", "/van-ban-den?q=x", "/van-ban-di"):
            async with http.get(f"{site.url}{path}", headers=headers) as answer:
                raw = await answer.read()
            assert "Content-Encoding" not in answer.headers
            assert b"form_token" in raw
