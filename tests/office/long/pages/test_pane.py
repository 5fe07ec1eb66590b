"""The pane beside a list keeps to its letters: an act that ends elsewhere leads there, a part that is swapped leaves the
address of the list, and the end of a search is its end."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Page, expect

from tests.office.long.pages.test_lists import arrive
from tests.office.long.pages.test_outgoing import sent
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter


async def open_row(page: Page, address: str, words: str) -> None:
    await page.goto(address)
    await page.locator("[data-row]", has_text=words).locator("a[data-open]").first.click()
    await page.locator("[data-pane][data-ready]").wait_for()


async def test_the_pane_keeps_to_its_letters(site: Site, page: Page, enter: Enter) -> None:
    await arrive(site, {"number": "1"}, {"number": "2"})
    await sent(site)
    await sent(site, "16", wait=timedelta(hours=1))
    await enter()
    await open_row(page, "/van-ban-di", "15/STD-VP")
    await page.locator("#recipients .chips a").nth(1).click()
    await expect(page.locator("#recipients .chips a").nth(1)).to_have_attribute("aria-current", "true")
    assert page.url.partition("#")[0].endswith("/van-ban-di")

    # A document that is called back opens as a draft, and not in the rail.
    await open_row(page, "/van-ban-di", "16/STD-VP")
    await page.locator(".undo button").click()
    await page.wait_for_url("**/phat-hanh/*")
    await expect(page.locator("[data-told]")).to_be_visible()

    await open_row(page, "/tim-kiem?q=SNN", "1/SNN")
    await expect(page.locator("[data-row]")).to_have_count(2)
    while await page.locator("[data-row]:last-child a[data-open][aria-current]").count() == 0:
        await page.keyboard.press("]")
        await page.locator("[data-pane][data-ready]").wait_for()
    await page.keyboard.press("]")
    await expect(page.locator("[data-inside]")).to_contain_text("Đã đến cuối danh sách")
    await expect(page.locator("[data-row]")).to_have_count(2)
    await expect(page.locator(".tools h1")).to_have_count(1)
