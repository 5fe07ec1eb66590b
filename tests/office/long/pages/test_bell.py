"""A clerk's first hour, in a browser: the five steps are put away, an express letter is heard on an open page without a
reload, what was read stays read, home leads to a letter. Then the keys, in the middle of the screen."""

from __future__ import annotations

from playwright.async_api import BrowserContext, Page, expect

from gateway.domain.document import Urgency
from gateway_office.domain.roles import PostRole
from tests.office.long.pages.test_lists import arrive
from tests.office.pages import axe
from tests.office.pages.site import Site

OWN = "department"
# What would sound and be shown outside the page is written down instead; the rest is the page's own.
RECORDER = """
  window.heard = [];
  window.Notification = class { constructor(says) { window.heard.push(says); } addEventListener() {}
    static get permission() { return localStorage.getItem("allowed") ?? "default"; }
    static async requestPermission() { localStorage.setItem("allowed", "granted"); return "granted"; } };
"""


async def test_a_clerk_is_told_of_an_express_letter_where_they_are(
    site: Site, context: BrowserContext, page: Page
) -> None:
    await site.signed_in(context, site.person(PostRole.CLERK, OWN))
    await page.add_init_script(RECORDER)
    await page.goto("/tong-quan")
    await expect(page.get_by_text("Chưa có văn bản nào đến")).to_be_visible()
    await expect(page.locator(".tour li")).to_have_count(5)
    await page.get_by_role("button", name="Cất hướng dẫn").click()
    await expect(page.locator(".tour")).to_have_count(0)

    # The sound is asked for by a press, once; it is off before.
    waker, count = page.locator("[data-bell]"), page.locator("[data-count]")
    await expect(count).to_have_text("0")
    await waker.locator("summary").click()
    await waker.get_by_role("button", name="Báo bằng âm thanh").click()
    await expect(waker.locator("[data-ask-aloud]")).to_be_hidden()

    # It comes while another page is open, and the notice appears there.
    await page.goto("/co-quan")
    letters = {"number": "1", "urgency": Urgency.EXPRESS}, {"number": "2", "urgency": Urgency.URGENT}
    await arrive(site, *letters, notify=True)
    site.node.wakers["sequencer"].ring()
    await expect(count).to_have_text("2")
    await expect(page.locator("#said")).to_have_text("Hỏa tốc: 1/SNN của Sở Tài chính")
    assert await page.evaluate("window.heard") == ["Hỏa tốc: 1/SNN của Sở Tài chính"]
    await waker.locator("summary").click()
    await expect(waker.locator(".unread")).to_have_count(2)
    await axe.check(page, "the bell, open")

    # Another page says it no second time.
    await page.goto("/tong-quan")
    await expect(count).to_have_text("2")
    assert await page.evaluate("window.heard") == []
    await page.locator("#work-take_in").wait_for()
    await axe.check(page, "home, with work")
    await page.goto("/thong-bao")
    await expect(page.locator("[data-aloud-choice]")).to_contain_text("cửa sổ nhỏ")
    await page.keyboard.press("Control+Enter")
    await expect(count).to_have_text("0")
    await expect(page.locator(".all-rings li.unread")).to_have_count(0)

    # A press at home takes in what nothing speaks against; here the letter's own page asks first.
    await page.goto("/tong-quan")
    await page.locator("section:has(#work-take_in) .letter").first.hover()
    await page.locator("section:has(#work-take_in) .letter-deed").first.get_by_text("Tiếp nhận").click()
    await page.wait_for_url("**/van-ban-den/**")

    await page.keyboard.press("?")
    keys = page.locator("#keys")
    await expect(keys).to_be_visible()
    box, size = await keys.bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    assert abs(box["x"] + box["width"] / 2 - size["width"] / 2) < 12
    assert abs(box["y"] + box["height"] / 2 - size["height"] / 2) < 12
    await axe.check(page, "the keys")
    await page.keyboard.press("Escape")
    await page.locator(".bar > .dropdown:not(.bell) > summary").click()
    await page.get_by_role("link", name="Phím tắt").click()
    await expect(keys).to_be_visible()
    await keys.get_by_role("button", name="Đóng").click()
    await expect(keys).to_be_hidden()
