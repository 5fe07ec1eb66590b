"""The foot of the form of a new document counts all that stops sending, before the first press as after it."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.office.pages.composing import list_written, prepared, press
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened


async def test_the_foot_counts_what_stops_sending_before_the_first_press(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    """The number is taken, and the document that has it looks like this one."""
    sent, _ = await mail.comes()
    await enter(actor="province")
    await prepared(page, number=sent.draft.number)
    footer = page.locator("#left")
    await page.fill("#symbol", sent.draft.symbol)
    await press(page, "save")
    (draft, *_) = await list_written(site)
    await opened(page, f"/phat-hanh/{draft.id}")
    text_before = await footer.inner_text()
    await press(page, "check")

    assert await page.locator("#again").count() == 1
    assert text_before.split("\n")[-2:] == ["Số", "Xác nhận khi kiểm tra"]
    assert await footer.inner_text() == text_before
    await page.check("#again")
    await expect(footer.locator("[data-left]")).to_have_text("Còn 1 mục cần sửa:")
    await page.uncheck("#again")
    await expect(footer.locator("[data-left]")).to_have_text("Còn 2 mục cần sửa:")
