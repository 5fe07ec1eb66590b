"""Tests that issue a document take these steps on its page."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from gateway.domain.document import IncomingDocument, OutgoingDocument
from tests.office.pages.site import Site
from tests.office.pages.visiting import scope_of
from tests.support.printed import FOLDER

LETTER = FOLDER / "cong-van.pdf"
SUBJECT = "V/v phối hợp kiểm thử liên thông văn bản điện tử"
"""As the letter says."""
NEW = "/phat-hanh"
BY_HAND = f"{NEW}?nhap=tay"


async def list_written(site: Site) -> list[OutgoingDocument]:
    """List the province's documents, newest first."""
    async with site.node.store.read(await scope_of(site, "province")) as work:
        return list((await work.outgoing.page(limit=50)).items)


async def arrived(site: Site, actor: str = "department") -> list[IncomingDocument]:
    async with site.node.store.read(await scope_of(site, actor)) as work:
        return list((await work.incoming.page(limit=50)).items)


async def press(page: Page, act: str) -> None:
    """Click the button of that act, and wait until the next page is there."""
    async with page.expect_navigation():
        await page.locator(f'button[name=act][value="{act}"]').last.click()


async def placed(page: Page, act: str) -> None:
    """Click the button of an act that stays on its page, and wait for the new version; without scripts the page comes
    again."""
    version = page.locator("input[name=version]")
    old_version = await version.input_value()
    await page.locator(f'button[name=act][value="{act}"]').last.click()
    await expect(version).not_to_have_value(old_version)


async def give_files(page: Page, *files: Path) -> None:
    """Put files into the place for them: they go up at once."""
    async with page.expect_navigation(url="**/phat-hanh/msg_**told=**"):
        await page.set_input_files("#files", list(files))


async def fill_in(page: Page, number: str = "90") -> None:
    values = {
        "number": number,
        "symbol": "UBND-VP",
        "date": "20112026",
        "subject": SUBJECT,
        "name": "Người Ký Mẫu",
    }
    for field, value in values.items():
        await page.fill(f"#{field}", value)
    await page.select_option("#type", "cong_van")
    await page.check("#reply-no")


async def prepared(
    page: Page, number: str = "90", to: str = "Z91.07 (để biết)", letter: Path = LETTER
) -> None:
    """Write a draft that may be sent for information, and show its checks."""
    await page.goto(BY_HAND)
    await fill_in(page, number)
    await page.fill("#paste", to)
    await placed(page, "paste")
    if await page.locator("[data-plain]").first.is_visible():
        await page.set_input_files("#files", letter)
    else:
        await give_files(page, letter)
        for box in await page.locator("input[name=ok]").all():  # what the file says otherwise
            await box.check()
    await press(page, "check")
