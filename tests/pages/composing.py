"""A document being written on its page: what the tests that issue one do alike."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from gateway.domain.document import IncomingDocument, OutgoingDocument
from tests.pages.site import Site
from tests.pages.visiting import scope_of
from tests.support.printed import FOLDER

LETTER = FOLDER / "cong-van.pdf"
SUBJECT = "V/v phối hợp kiểm thử liên thông văn bản điện tử"
"""As the letter says."""
NEW = "/phat-hanh"
BY_HAND = f"{NEW}?nhap=tay"


async def list_written(site: Site) -> list[OutgoingDocument]:
    """Newest first."""
    async with site.node.store.read(await scope_of(site, "province")) as work:
        return list((await work.outgoing.page(limit=50)).items)


async def arrived(site: Site, actor: str = "department") -> list[IncomingDocument]:
    async with site.node.store.read(await scope_of(site, actor)) as work:
        return list((await work.incoming.page(limit=50)).items)


async def press(page: Page, act: str) -> None:
    """The button of that act, to the end of what follows."""
    async with page.expect_navigation():
        await page.locator(f'button[name=act][value="{act}"]').last.click()


async def placed(page: Page, act: str) -> None:
    """The button of an act that leaves the page where it is; without scripts the page comes again."""
    version = page.locator("input[name=version]")
    old_version = await version.input_value()
    await page.locator(f'button[name=act][value="{act}"]').last.click()
    await expect(version).not_to_have_value(old_version)


async def give_files(page: Page, *files: Path) -> None:
    """Files into the place for them: they go up at once."""
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


async def prepared(page: Page, number: str = "90", to: str = "Z91.07 (để biết)") -> None:
    """A draft that may be sent for information, with its checks shown."""
    await page.goto(BY_HAND)
    await fill_in(page, number)
    await page.fill("#paste", to)
    await placed(page, "paste")
    if await page.locator("[data-plain]").first.is_visible():
        await page.set_input_files("#files", LETTER)
    else:
        await give_files(page, LETTER)
        for box in await page.locator("input[name=ok]").all():  # what the file says otherwise
            await box.check()
    await press(page, "check")
