"""An administrator decides that the node gives the numbers of outgoing documents, with books and delegations of signing; a
clerk reserves a number while writing, sends the document with it, and makes the number of a cancelled one void."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

from playwright.async_api import Page, expect

from gateway.deciding import agency_profile
from gateway.domain.agency_profile import OUT_BOOKS, OUT_NUMBERING, SIGNING_ACTS
from gateway.domain.numbers import NumberState
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.composing import SUBJECT, list_written, prepared, press
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of
from tests.office.pages.watching import expect_answers
from tests.support import letters
from tests.support.letters import Letter

LIST = "/so-van-ban/di/so"


async def choose(site: Site, key: str, value: str) -> None:
    scope = await scope_of(site, "province")
    await agency_profile.choose(site.node.store, site.clock, scope, "An", key, value)


async def _prepared(page: Page, folder: Path) -> None:
    """Write a draft without a number, of a paper whose place for it is blank."""
    blank = Letter(number="", symbol="UBND-VP", issued_on=date(2026, 11, 20), subject=(SUBJECT,))
    paper = folder / "cong-van.pdf"
    await asyncio.to_thread(paper.write_bytes, letters.paper([letters.page(blank)]))
    await prepared(page, letter=paper)
    await page.fill("#number", "")
    await press(page, "check")


async def test_a_clerk_reserves_a_number_sends_with_it_and_reads_every_state(
    site: Site, page: Page, enter: Enter, tmp_path: Path
) -> None:
    """The number of a document on its way is not made void."""
    expect_answers(page, [409, 422])
    await choose(site, OUT_NUMBERING, "B")
    await enter(PostRole.CLERK, "province")
    await _prepared(page, tmp_path)
    assert "hệ thống cấp số" in await page.locator("#number-hint").inner_text()
    await press(page, "number")
    number = await page.input_value("#number")
    assert f"Đang giữ số {number}" in await page.locator("#van-ban").inner_text()
    await press(page, "number-back")
    assert await page.input_value("#number") == ""
    await press(page, "number")
    assert await page.input_value("#number") == number
    await axe.check(page, "a document with a reserved number")
    await press(page, "check")
    await press(page, "send")
    assert page.url.endswith("/da-gui")
    (document,) = [d for d in await list_written(site) if d.draft.number == number]

    await opened(page, LIST)
    row = page.locator("[data-row]", has_text=document.draft.code)
    await expect(row).to_contain_text("Đã cấp")
    await page.fill("#symbol", "UBND-TH")
    await page.get_by_role("button", name="Giữ số").click()
    await expect(page.locator("[data-told]")).to_have_text("Đã giữ số.")
    await axe.check(page, "numbers of outgoing documents")
    await page.get_by_role("button", name="Trả lại số").first.click()
    await expect(page.locator("[data-told]")).to_have_text("Đã trả lại số.")
    await page.select_option("#trang-thai", "free")
    await page.get_by_role("button", name="Xem", exact=True).click()
    await expect(page.locator("main [data-row]")).to_have_count(1)

    async with site.node.store.read(await scope_of(site, "province")) as work:
        numbers = await work.given.page(2026, now=site.clock.now(), limit=10)
    (issued,) = [row for row in numbers if row.state is NumberState.ISSUED]
    await opened(page, f"{LIST}/{issued.id}/huy")
    await page.locator("main button.main, main button.grave").first.click()
    await expect(page.locator("[data-problems]")).to_contain_text("Chưa nhập lý do")
    await page.fill("#reason", "Ký nhầm")
    await page.locator("main button.main, main button.grave").first.click()
    await expect(page.locator("[data-problems]")).to_contain_text("đang gửi hoặc đã gửi")


async def test_an_administrator_writes_books_and_delegations_as_tables(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, [422])
    await enter(PostRole.AGENCY_ADMIN, "province", path=f"/quan-tri/co-quan/{SIGNING_ACTS}")
    cells = page.locator("[name=cell]")
    for n, text in ((0, "Nguyễn Văn Mẫu"), (2, "giấy mời"), (3, "12/QĐ-UBND"), (4, "31/02/2026")):
        await cells.nth(n).fill(text)
    await cells.nth(1).select_option("TUQ.")
    await page.locator("main button.main").click()
    await expect(page.locator("[data-problems]")).to_be_visible()
    await expect(cells.nth(0)).to_have_value("Nguyễn Văn Mẫu")
    await cells.nth(4).fill("01/02/2026")
    await axe.check(page, "a table among the settings of an agency")
    await page.locator("main button.main").click()
    await expect(page.locator("[data-told]")).to_have_text("Đã lưu thiết lập.")
    await opened(page, f"/quan-tri/co-quan/{OUT_BOOKS}")
    await cells.nth(0).fill("")
    await page.locator("main button.main").click()
    await expect(page.locator("[data-told]")).to_have_text("Đã lưu thiết lập.")

    async with site.node.store.read(await scope_of(site, "province")) as work:
        now = site.clock.now()
        acts, books = [await work.profile.value(key, now) for key in (SIGNING_ACTS, OUT_BOOKS)]
    assert acts == "Nguyễn Văn Mẫu | TUQ. | giấy mời | 12/QĐ-UBND | 2026-02-01 | "
    assert books == "BS | Bản sao | SY, TrS, SL | one; HC | Văn bản hành chính | * | type"
