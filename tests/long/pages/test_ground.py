"""The ground of all other tests of the pages: the node's open page stands on it in every look, and every role has somebody
who comes in."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.domain.account import AgencyScope
from gateway.office.domain.roles import PostRole
from tests.pages import axe, pictures
from tests.pages.site import Site
from tests.pages.summary import Record

STATUS, HELP = "/trang-thai", "/tro-giup"


@pytest.mark.on_both
async def test_the_open_page_stands_on_the_ground(site: Site, page: Page, record_property: Record) -> None:
    answer = await page.goto(STATUS)

    assert answer is not None
    assert answer.status == 200
    assert await page.locator("html").get_attribute("lang") == "vi"
    await axe.check(page, record_property, STATUS)
    await pictures.take(page, "trang-thai")


async def test_a_page_is_seen_in_every_look(page: Page) -> None:
    await page.goto(STATUS)

    for look in pictures.LOOKS:
        await pictures.show(page, look)

        wide = await page.evaluate("innerWidth")
        dark = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert (wide, dark) == (pictures.SIZES[look.size]["width"], look.scheme == "dark"), look


async def test_pictures_are_made_where_they_are_wanted(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await page.goto(STATUS)
    monkeypatch.delenv(pictures.FOLDER, raising=False)
    assert await pictures.take(page, "one") == []

    monkeypatch.setenv(pictures.FOLDER, str(tmp_path / "pictures"))
    made = await pictures.take(page, "one", pictures.LOOKS[:2])

    assert [each.name for each in made] == ["one-vi-light-wide.png", "one-vi-light-narrow.png"]
    assert all(each.read_bytes().startswith(b"\x89PNG") for each in made)


@pytest.mark.parametrize(
    ("role", "actor"),
    [
        (PostRole.CLERK, "province"),
        (PostRole.HEAD, "department"),
        (PostRole.OFFICER, "commune"),
        (PostRole.AGENCY_ADMIN, "province"),
        (PostRole.OPERATOR, ""),
        (PostRole.AUDITOR, ""),
        (PostRole.CODES, ""),
    ],
)
async def test_every_role_has_a_person_who_comes_in(
    site: Site, context: BrowserContext, page: Page, role: PostRole, actor: str
) -> None:
    person = site.person(role, actor)

    await site.signed_in(context, person)
    answer = await page.goto(HELP)

    assert answer is not None
    assert answer.status == 200
    assert "/dang-nhap" not in page.url
    assert person.person.name in await page.content()


async def test_one_person_may_come_in_twice(site: Site, context: BrowserContext) -> None:
    person = site.person(PostRole.OPERATOR)

    assert await site.signed_in(context, person) != await site.signed_in(context, person)


@pytest.mark.told
async def test_the_story_can_stand_on_the_site(site: Site, context: BrowserContext, page: Page) -> None:
    scope = AgencyScope(agency_id=await site.agency("province"), principal_id="reader")
    async with site.node.store.read(scope) as work:
        request = await work.outgoing.by_external_id("story-request")
        assert request is not None
        assert len(await work.deliveries.of(request.id)) == 2

    await site.signed_in(context, site.person(PostRole.CLERK, "province"))
    answer = await page.goto(HELP)

    assert answer is not None
    assert answer.status == 200
