"""A clerk brings scans: a letter on paper whose fields are suggested, with the stamp that it bears and what is typed
otherwise; and a document to be sent, in which nothing that was read in a picture stands unmarked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from gateway.settings import Settings
from gateway_office.domain.roles import PostRole
from tests.office.pages.site import Site
from tests.office.pages.site import opened as open_site
from tests.office.pages.visiting import scope_of
from tests.support import scans
from tests.support.letters import LETTER

STAMP = "TỐI MẬT"


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Return the scan of a sealed letter that bears a stamp of secrecy."""
    path = tmp_path / "quet.pdf"
    picture = scans.scanned_letter(LETTER, dots=200, skew=0.6, is_sealed=True)
    path.write_bytes(scans.as_pdf(scans.stamped(picture, STAMP, dots=200)))
    return path


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    scans.need_tesseract()

    def reading(settings: Settings) -> Settings:
        return replace(settings, pages=replace(settings.pages, scans="auto"))

    async with open_site(tmp_path / "site", changed=reading) as new_site:
        yield new_site


async def enter_paper(site: Site, page: Page, scan: Path) -> None:
    """Open the form of a letter on paper, type some of it, and have its scan read."""
    await site.signed_in(page.context, site.person(PostRole.CLERK, "department"), "department")
    await page.goto("/so-van-ban/den/nhap")
    await page.fill("#sender", "Sở Thử nghiệm tỉnh Sao Mai")
    await page.fill("#number", "99")
    await page.set_input_files("#scan", scan)
    await page.get_by_role("button", name="Đọc bản quét để điền các mục").click()
    await expect(page.locator("#symbol")).to_have_value(LETTER.symbol)
    notice = page.locator("#reading [role=status]")
    await expect(notice).to_contain_text(f"dấu chỉ mức độ mật: {STAMP}")
    await expect(notice).to_contain_text("Đọc từ ảnh chụp, cần kiểm tra lại")
    await expect(notice.locator("li")).to_have_text([f"Số: {LETTER.number}"])
    for field, value in (
        ("sender", "Sở Thử nghiệm tỉnh Sao Mai"),
        ("number", "99"),
        ("issued_on", f"{LETTER.issued_on:%d/%m/%Y}"),
        ("type_name", "Công văn"),
        ("subject", " ".join(LETTER.subject)),
        ("pages", "1"),
    ):
        await expect(page.locator(f"#{field}")).to_have_value(value)
    await expect(page.locator("#signer")).to_have_value(re.compile(r"Mẫu$"))  # below the seal
    async with site.node.store.read(await scope_of(site, "department")) as work:
        assert not (await work.incoming.page(limit=10)).items


async def test_a_letter_on_paper_is_filled_from_its_scan_which_stays_chosen(
    site: Site, page: Page, scan: Path
) -> None:
    await enter_paper(site, page, scan)
    await expect(page.locator("#reading")).not_to_contain_text("chọn lại tệp quét")

    await page.locator("[data-main]").click()
    await page.wait_for_url("**/van-ban-den/inb_*told=*")

    async with site.node.store.read(await scope_of(site, "department")) as work:
        (entered,) = (await work.incoming.page(limit=10)).items
    assert (entered.number, entered.symbol, entered.issued_on) == ("99", LETTER.symbol, LETTER.issued_on)
    assert [file.name for file in entered.files] == [scan.name]


async def test_without_scripts_the_fields_are_filled_too(site: Site, plain_page: Page, scan: Path) -> None:
    await enter_paper(site, plain_page, scan)

    await expect(plain_page.locator("#reading")).to_contain_text("Hãy chọn lại tệp quét")


async def test_a_scan_to_be_sent_fills_fields_that_a_person_must_confirm(
    site: Site, page: Page, scan: Path
) -> None:
    await site.signed_in(page.context, site.person(PostRole.CLERK, "department"), "department")
    await page.goto("/phat-hanh")
    async with page.expect_navigation(url="**/phat-hanh/msg_**told=compose.read.recognised"):
        await page.set_input_files("#files", scan)

    await expect(page.locator("[data-told]")).to_contain_text("đọc từ ảnh chụp, cần kiểm tra lại")
    await expect(page.locator("#number")).to_have_value(LETTER.number)
    marked = {await box.get_attribute("value") for box in await page.locator("p.look input").all()}
    assert {"number", "symbol", "date", "subject", "name", "secrecy"} <= marked
    async with site.node.store.read(await scope_of(site, "department")) as work:
        (draft,) = (await work.outgoing.page(limit=10)).items
    assert [file.stamped for file in draft.files] == [True]
    assert dict(draft.doubts)["secrecy"] == "stamp"
