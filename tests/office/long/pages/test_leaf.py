"""The document before the person who decides about it, in the browser: its pages beside the button, with and without
scripts, wide and narrow; the next one after it was taken in; and the persons who get none of it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import pypdfium2 as pdfium
from playwright.async_api import Page

from gateway.domain.event import EventKind
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import NARROW, Enter, box_of, opened, send_form
from tests.office.pages.watching import expect_answers

SHIFTS = """() => new Promise((done) => {
    let moved = 0;
    new PerformanceObserver((list) => {
        for (const each of list.getEntries()) moved += each.value;
    }).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(moved), 300);
})"""
DRAWN = "(image) => image.complete && image.naturalWidth > 0"


async def test_the_document_stands_beside_the_button_in_both_themes(
    mail: Mail, enter: Enter, page: Page
) -> None:
    _, document = await mail.comes(due_in=7)
    await enter(path=at(document))
    sheet = page.locator("img.leaf-sheet").first
    await sheet.wait_for()
    assert await sheet.evaluate(DRAWN) or await sheet.evaluate("(i) => i.decode().then(() => true)")
    assert (await sheet.get_attribute("width"), await sheet.get_attribute("height")) == ("827", "1170")
    button, sheet_box = await box_of(page.locator("[data-main]")), await box_of(sheet)
    assert button["y"] + button["height"] < 768
    assert sheet_box["x"] + sheet_box["width"] <= button["x"]
    assert await page.evaluate(SHIFTS) < 0.01
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await axe.check(page, f"/van-ban-den/{{id}} ({scheme})")
    await page.emulate_media(color_scheme="light")


async def test_without_scripts_pages_zoom_words_the_original_and_the_arrival_stamp_are_there(
    mail: Mail, plain_page: Page, site: Site
) -> None:
    """The stamp is laid on the first page on request, once the letter was taken in."""
    _, document = await mail.comes()
    page = plain_page
    await site.signed_in(page.context, site.person(PostRole.CLERK, "department"), "department")
    await opened(page, at(document))
    assert not await page.locator(".leaf-stamp-shown").count()
    await page.get_by_role("link", name="200 %").click()
    sheet = page.locator("img.leaf-sheet").first
    assert int(await sheet.get_attribute("width") or 0) > 1600
    await page.get_by_role("link", name="Chọn chữ").click()
    assert "ĐỘC LẬP" in (await page.inner_text(".leaf-words pre")).upper()
    await page.get_by_role("link", name="Xem trang").click()
    await page.get_by_role("link", name="Mở bản gốc").click()
    await page.wait_for_url("**/xem/1*")

    await opened(page, at(document))
    await page.locator("[data-main]").click()
    await opened(page, at(document))
    stamp = page.locator(".leaf-stamped .stamp")
    assert not await stamp.is_visible()
    await page.get_by_label("Dấu đến").check()
    stored = await mail.load(document.id)
    assert f"Số: {stored.register_no}" in await stamp.inner_text()
    stamp_box, sheet_box = await box_of(stamp), await box_of(sheet)
    assert sheet_box["x"] < stamp_box["x"]
    assert sheet_box["y"] < stamp_box["y"]
    # 50 mm of a sheet of 210 mm.
    assert abs(stamp_box["width"] / sheet_box["width"] - 50 / 210) < 0.01

    await page.goto(f"/so-van-ban/dau-den/{document.id}")
    with_page = await printed(page)
    assert with_page.pictures == 1
    await page.get_by_label("In cùng trang đầu").uncheck()
    alone = await printed(page)
    assert alone.pictures == 0
    for sheet_printed in (with_page, alone):
        assert sheet_printed.pages == 1
        assert 14 < sheet_printed.left_mm < 64
        assert 40 < sheet_printed.top_mm < 60


@dataclass(frozen=True, kw_only=True)
class Printed:
    """The stamp on what a browser prints, in millimetres from the sheet's upper left corner."""

    pages: int
    pictures: int
    left_mm: float
    top_mm: float


async def printed(page: Page) -> Printed:
    document = pdfium.PdfDocument(await page.pdf(prefer_css_page_size=True, print_background=True))
    sheet, point = document[0], 25.4 / 72
    text = sheet.get_textpage()
    at, _ = text.search("ĐẾN", match_case=True).get_next() or (0, 0)
    begin, _, _, top = text.get_charbox(at)
    return Printed(
        pages=len(document),
        pictures=sum(item.type == pdfium.raw.FPDF_PAGEOBJ_IMAGE for item in sheet.get_objects()),
        left_mm=begin * point,
        top_mm=(sheet.get_height() - top) * point,
    )


async def test_threat_133_a_page_is_given_to_whom_the_file_is_given_and_no_longer(
    mail: Mail, enter: Enter, page: Page, site: Site
) -> None:
    _, document = await mail.comes()
    picture = at(document, "/trang/1/1")
    expect_answers(page, {403, 404, 409})
    await enter()
    answer = await page.request.get(picture)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    repeat = await page.request.get(picture, headers={"If-None-Match": answer.headers["etag"]})
    assert repeat.status == 304
    assert (await page.request.get(at(document, "/trang/1/99"))).status == 404
    reads = await mail.events(document.id, EventKind.DOCUMENT_READ)
    assert len(reads) == 1

    await enter(PostRole.CLERK, "province")
    assert (await page.request.get(picture)).status == 404
    await enter(PostRole.OPERATOR, at="department")
    assert (await page.request.get(picture)).status == 403
    await enter(PostRole.AUDITOR, at="department")
    assert (await page.request.get(picture)).status == 403
    assert (await page.request.get(f"{picture}?lenh={quote('11/QĐ-TTr')}")).status == 200

    await page.set_viewport_size(NARROW)
    await enter(path=at(document, "/tam-giu"))
    await page.fill("#reason", "Chờ hỏi lại nơi gửi về phụ lục")
    await send_form(page)
    pictures_kept = site.node.settings.node.data_dir / "pictures"
    hold = await page.request.get(picture)
    assert (hold.status, hold.headers["cache-control"], "etag" in hold.headers) == (200, "no-store", False)
    assert not [path for path in pictures_kept.rglob("*") if path.is_file()]

    await opened(page, at(document, "/niem-phong"))
    await page.fill("#reason", "Nghi có bí mật nhà nước, chờ xem xét")
    await send_form(page)
    assert (await page.request.get(picture, headers={"If-None-Match": answer.headers["etag"]})).status == 409
