"""Pages of the API for people are as readable as those of the office."""

from __future__ import annotations

from playwright.async_api import Page

from tests.office.pages.axe import violations
from tests.office.pages.neighbours import Town
from tests.office.pages.neighbours import site as site
from tests.office.pages.neighbours import town as town


async def test_no_page_of_the_api_has_a_fault_that_a_reader_meets(town: Town, page: Page) -> None:
    for path in ("/problems", "/problems/clash", "/trang-thai"):  # all share one frame
        await page.goto(path)
        assert await violations(page) == [], path
