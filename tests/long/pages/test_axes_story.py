"""The page of a document that went to three agencies by three kinds of axes: under each recipient stands by which."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from gateway.cli.doors import application
from gateway.cli.serve import listening
from gateway.demo import axes
from gateway.demo.axes import Province
from gateway.demo.axes_stage import MIDDLE
from gateway.office.accounts import sign_in
from gateway.office.domain.roles import PostRole
from gateway.office.web.door import COOKIE
from gateway.ops.metrics import Watch
from gateway.words import labels
from tests.pages import pictures
from tests.support.accounts import HERE, taken_up

pytestmark = [pytest.mark.timeout(900)]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The province at work, and where its pages are."""

    province: Province
    url: str


@pytest_asyncio.fixture(loop_scope="session")
async def shown(tmp_path: Path) -> AsyncIterator[Shown]:
    async with axes.opened(tmp_path / "demo", lambda key, **params: None) as province:
        node = province.middle
        door = application(node, Watch(node=node))
        async with listening(door, "api", "127.0.0.1", 0, 60.0) as url:
            yield Shown(province=province, url=url)


@pytest.fixture
def origin(shown: Shown) -> str:
    return shown.url


async def test_a_document_shows_by_which_axis_it_went_to_each(
    shown: Shown, context: BrowserContext, page: Page
) -> None:
    node = shown.province.middle
    document = await shown.province.to_all_three()
    invited = shown.province.invited
    clerk = await taken_up(node.accounts, next(each.code for each in invited if each.role is PostRole.CLERK))
    token = (await sign_in.run(clerk.desk, clerk.typed(), HERE)).token
    await context.add_cookies([{"name": COOKIE, "value": token, "url": shown.url}])

    await page.goto(f"/van-ban-di/{document.id}")

    for axis in shown.province.desks[MIDDLE].node.settings.axes:
        told = labels.say("axis.by", axis=axis.name)
        # On the line of the recipient itself, before anything is opened.
        await expect(page.locator("#recipients summary", has_text=told)).to_have_count(1)
    await pictures.take(page, "out_three_axes")
