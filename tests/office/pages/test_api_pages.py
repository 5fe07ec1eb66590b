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


async def test_the_documentation_is_read_and_walked_by_keyboard(town: Town, page: Page) -> None:
    """From an old anchor to the page of its call, its recorded answers, and back to the index."""
    await page.goto("/docs#setStatus")
    assert await violations(page) == []
    await page.locator("#setStatus").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/docs/setStatus?lang=vi")
    closed = page.locator("details:not([open]) > summary").last
    await closed.focus()
    await page.keyboard.press("Enter")
    assert await violations(page) == []
    await page.locator("main nav a").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/docs?lang=vi")
    await page.goto("/docs/Message?lang=en")
    assert await violations(page) == []
