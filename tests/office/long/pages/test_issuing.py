"""A clerk issues with the document before the eyes: files go up at once and are refused or told as doubles, the PDF stands
beside the fields that it filled, recipients are found while a name is typed, and the foot names what is left."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.composing import LETTER, NEW, give_files, list_written, placed
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter


async def test_a_clerk_issues_with_the_document_before_the_eyes(
    site: Site, page: Page, tmp_path: Path, enter: Enter
) -> None:
    large, source = tmp_path / "lon.pdf", tmp_path / "so-lieu.txt"
    large.write_bytes(b"%PDF-1.7\n" + bytes(10 * 1024 * 1024))
    source.write_text("Số liệu")
    await enter(PostRole.CLERK, "province", path=NEW)
    await page.set_input_files("#files", large)
    await expect(page.locator(".drop-told")).to_contain_text("quá mức 10 MB")
    assert await list_written(site) == []

    await give_files(page, LETTER, source)
    (draft,) = await list_written(site)
    assert [(x.name, x.role.value) for x in draft.files] == [
        ("cong-van.pdf", "lead"),
        ("so-lieu.txt", "appendix"),
    ]
    sheet, number = page.locator("img.leaf-sheet").first, page.locator("#number")
    await sheet.evaluate("(image) => image.decode()")
    sheet_box, field = await sheet.bounding_box(), await number.bounding_box()
    assert sheet_box is not None
    assert field is not None
    assert sheet_box["x"] + sheet_box["width"] <= field["x"]
    assert await page.locator(".mark").count() >= 5
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await axe.check(page, f"{NEW}/{{id}} ({scheme})")

    column, chips = page.locator("#left"), page.locator(".to-chip")
    await expect(column).to_contain_text("Yêu cầu phản hồi")
    while await chips.count():
        await placed(page, "drop-to:0")
    await expect(column).to_contain_text("Nơi nhận")
    await page.fill("#find", "thu nghiem")
    await expect(page.locator("#found [aria-selected=true]")).to_contain_text("Z91.07")
    await axe.check(page, f"{NEW}/{{id}} (typeahead)")
    await page.keyboard.press("Enter")
    await expect(chips).to_have_count(1)
    await page.select_option("#to-role-0", "to_know")
    await page.check("#reply-no")
    await page.evaluate("document.dispatchEvent(new Event('gateway:ending'))")
    await expect(page.locator("#kept")).to_contain_text("đã lưu")
    await expect(column).to_contain_text("Đã đủ các mục")
    stored = (await list_written(site))[0]
    assert [(x.code, x.role.value) for x in stored.draft.recipients] == [("Z91.07", "to_know")]

    await give_files(page, LETTER)
    await expect(page.locator("[data-told]")).to_contain_text("không thêm lần nữa")
    assert len((await list_written(site))[0].files) == 2
