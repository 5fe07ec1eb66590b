"""The pane beside a list keeps to its letters: an act that ends elsewhere leads there, a part that is swapped leaves the
address of the list, and the end of a search is its end."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Page, expect

from tests.office.long.pages.test_lists import arrive
from tests.office.long.pages.test_outgoing import sent
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter


async def open_first(page: Page, address: str) -> None:
    await page.goto(address)
    await page.locator("[data-row] a[data-open]").first.click()
    await page.locator("[data-pane][data-ready]").wait_for()


async def test_a_document_that_is_called_back_opens_as_a_draft_and_not_in_the_rail(
    site: Site, page: Page, enter: Enter
) -> None:
    await sent(site, wait=timedelta(hours=1))
    await enter()
    await open_first(page, "/van-ban-di")
    await page.locator(".undo button").click()
    await page.wait_for_url("**/phat-hanh/*")
    await expect(page.locator("[data-told]")).to_be_visible()


async def test_choosing_among_recipients_leaves_the_address_of_the_list(
    site: Site, page: Page, enter: Enter
) -> None:
    await sent(site)
    await enter()
    await open_first(page, "/van-ban-di")
    await page.locator("#recipients .chips a").nth(1).click()
    await expect(page.locator("#recipients .chips a").nth(1)).to_have_attribute("aria-current", "true")
    assert page.url.partition("#")[0].endswith("/van-ban-di")


async def test_the_end_of_a_search_is_said_and_the_results_stay(site: Site, page: Page, enter: Enter) -> None:
    await arrive(site, {"number": "1"}, {"number": "2"})
    await enter()
    await open_first(page, "/tim-kiem?q=SNN")
    await expect(page.locator("[data-row]")).to_have_count(2)
    await page.keyboard.press("]")
    await page.locator("[data-row]:nth-child(2) a[data-open][aria-current]").wait_for()
    await page.keyboard.press("]")
    await expect(page.locator("[data-inside]")).to_contain_text("Đã đến cuối danh sách")
    await expect(page.locator("[data-row]")).to_have_count(2)
    await expect(page.locator(".tools h1")).to_have_count(1)
