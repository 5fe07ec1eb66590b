"""The outcome of an act, done or refused, appears where the act was pressed: in its row and at the foot, without a
reload. The clock stands still and is moved over the time to undo."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect

from tests.office.long.pages.test_undo_act import WAIT, allow_undo
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, scope_of


async def press(page: Page, id: str) -> Locator:
    """Take in the first letter of the list at the keys; return its row."""
    await page.goto("/van-ban-den")
    await page.keyboard.press("j")
    await page.locator(f"[data-pane][data-ready='{id}']").wait_for()
    await page.evaluate("window.stays = true")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-last]")).to_contain_text("Đang tiếp nhận")
    return page.locator(f"[data-id='{id}'] [data-deed]")


async def test_the_number_reaches_the_row_and_the_foot(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    await allow_undo(site)
    _, document = await mail.comes("notice")
    await enter()
    with site.clock.standing():
        deed = await press(page, document.id)
        # The list, which is renewed at its end, counts the letter until it hears that the act took effect.
        await expect(page.locator(f"[data-id='{document.id}'] .pending")).to_have_count(1)
        await expect(page.locator("[data-tab=new] .count")).to_have_text("1")
        site.clock.skip(WAIT)
        await expect(page.locator("[data-last]")).to_have_text(f"{document.code} đã vào sổ, số đến 1")
    # The list may have been renewed by then, without letters that no longer wait.
    if await deed.count():
        await expect(deed).to_have_text("Số đến 1")
        await expect(page.locator("[data-tab=new] .count")).to_have_text("0")
    await expect(page.locator("#said")).to_contain_text("số đến 1")
    assert await page.evaluate("window.stays")


async def test_that_it_could_not_be_done_is_told_in_red(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    await allow_undo(site)
    _, document = await mail.comes("notice")
    await enter()
    with site.clock.standing():
        await press(page, document.id)
        async with site.node.store.changing(await scope_of(site)) as work:
            await work.incoming.save(await work.incoming.get(document.id))
        site.clock.skip(WAIT)
        await expect(page.locator("[data-last] .late")).to_contain_text(
            f"{document.code}: Chưa tiếp nhận được"
        )
    assert await page.evaluate("window.stays")
