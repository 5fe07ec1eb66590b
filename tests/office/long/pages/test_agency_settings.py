"""An agency's administrator changes how long a press can be undone, from the next day on: the page shows what holds, what
is planned and who set it, and the log has the change."""

from __future__ import annotations

from datetime import timedelta

import pypdfium2
from playwright.async_api import FilePayload, Page, ViewportSize, expect

from gateway.domain.agency_profile import EMBLEM, HEADING_PARENT, HEADING_PLACE, NUMBERING, UNDO_SECONDS
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, box_of, opened, scope_of
from tests.office.pages.watching import expect_answers
from tests.office.support.printed_words import pictures
from tests.support import png

PATH = "/quan-tri/co-quan"
A4: ViewportSize = {"width": 794, "height": 1123}


async def test_an_administrator_changes_a_setting_from_a_day_on(site: Site, page: Page, enter: Enter) -> None:
    """R139 (agency rulebook)."""
    expect_answers(page, {422})
    await enter(PostRole.AGENCY_ADMIN)
    row = page.locator("tbody tr", has_text="Thời gian hoàn tác")
    await opened(page, PATH)
    await expect(row).to_contain_text("0 giây")
    await expect(row).to_contain_text("theo mặc định của hệ thống")
    await row.get_by_role("link").click()
    await axe.check(page, "a setting of an agency")
    yesterday = f"{local(site.clock.now()) - timedelta(days=1):%d/%m/%Y}"
    for value, day, fault in (("61", "", "ngoài phạm vi"), ("20", yesterday, "Ngày này đã qua")):
        await page.fill("#value", value)
        await page.fill("#day", day)
        await page.locator("main button.main").click()
        await expect(page.locator("[data-problems]")).to_contain_text(fault)

    tomorrow = local(site.clock.now()) + timedelta(days=1)
    for value, day in (("15", ""), ("20", f"{tomorrow:%d/%m/%Y}")):
        await opened(page, f"{PATH}/{UNDO_SECONDS}")
        await page.fill("#value", value)
        await page.fill("#day", day)
        await page.locator("main button.main").click()
        await expect(page.locator("[data-told]")).to_have_text("Đã lưu thiết lập.")
    admin = site.person(PostRole.AGENCY_ADMIN, "department").person
    await expect(row).to_contain_text("15 giây")
    await expect(row).to_contain_text(f"Từ {tomorrow:%d/%m/%Y}: 20 giây")
    await expect(row).to_contain_text(admin.name)
    await page.locator(f"#fold-history-{UNDO_SECONDS} summary").click()
    await expect(page.locator(f"#fold-history-{UNDO_SECONDS} li")).to_have_count(2)
    await axe.check(page, "settings of an agency")

    scope = await scope_of(site)
    async with site.node.store.read(scope) as work:
        events = [e for e in await work.events.of_subject(scope.agency_id) if e.kind is EventKind.PROFILE_SET]
        now = site.clock.now()
        assert await work.profile.value(UNDO_SECONDS, now) == "15"
        assert await work.profile.value(UNDO_SECONDS, now + timedelta(days=1)) == "20"
    assert [(e.data["value"], e.data["before"], e.principal_id) for e in events] == [
        ("15", "", admin.id),
        ("20", "15", admin.id),
    ]


async def test_numbering_place_and_superior_body_are_the_ones_that_pages_flows_and_forms_know(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.AGENCY_ADMIN)
    scope = await scope_of(site)
    for value in ("C", "A", ""):
        await opened(page, f"{PATH}/{NUMBERING}")
        await page.select_option("#value", value)
        await page.locator("main button.main").click()
        await expect(page.locator("[data-told]")).to_be_visible()
        async with site.node.store.read(scope) as work:
            in_force = (await work.agency()).numbering
        default = await site.node.store.accounts.numbering_at_hosting(scope.agency_id)
        assert in_force == (value or default)
    for key, value in ((HEADING_PLACE, "Sao Mai"), (HEADING_PARENT, "Ủy ban nhân dân thành phố Sao Mai")):
        await opened(page, f"{PATH}/{key}")
        await page.fill("#value", value)
        await page.locator("main button.main").click()
        await expect(page.locator("[data-told]")).to_be_visible()
    await opened(page, "/quan-tri/ra-soat/mau-bieu")
    await expect(page.locator("#dia-danh")).to_have_value("Sao Mai")
    answer = await page.context.request.get(f"{site.url}/quan-tri/ra-soat/mau-bieu/04.pdf?dia-danh=Sao+Mai")
    document = pypdfium2.PdfDocument(await answer.body())
    words = " ".join(document[0].get_textpage().get_text_range().split())
    document.close()
    assert "ỦY BAN NHÂN DÂN THÀNH PHỐ SAO MAI" in words

    await enter(PostRole.CLERK, path="/phat-hanh?nhap=tay")
    await expect(page.locator("#place")).to_have_value("Sao Mai")


async def test_an_emblem_is_given_replaced_and_taken_away_and_stands_on_what_is_printed(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {403, 404, 422})
    form, book = "/quan-tri/ra-soat/mau-bieu/04.pdf", "/so-van-ban/tai/pdf?so=incoming"

    async def save(content: bytes = b"", name: str = "quoc-huy.png") -> None:
        if content:
            await page.set_input_files("#file", FilePayload(name=name, mimeType="image/png", buffer=content))
        await page.locator("main button.main").click()

    async def printed(path: str) -> list[tuple[int, int]]:
        answer = await page.context.request.get(site.url + path)
        assert answer.ok, path
        return pictures(await answer.body())

    await enter(PostRole.AGENCY_ADMIN, path=f"{PATH}/{EMBLEM}")
    await axe.check(page, "an emblem")
    square = png.picture(300, 300)
    for content, name, fault in (
        (b"", "", "Chọn tệp hình"),
        (b"%PDF-1.7 " * 100, "quoc-huy.png", "không phải là hình PNG"),
        (square[:-20], "quoc-huy.png", "bị cắt cụt"),
        (square + b"<script>", "quoc-huy.png", "dữ liệu thừa"),
        (png.picture(2000, 20), "quoc-huy.png", "64 đến 1.024"),
        (b"\xff\xd8\xff" + b"x" * 5_000_000, "anh.jpg", "200 KB"),
    ):
        await save(content, name)
        await expect(page.locator("[data-problems]")).to_contain_text(fault)
    assert await printed(form) == []

    for colour in ("crimson", "navy"):
        await opened(page, f"{PATH}/{EMBLEM}")
        await save(png.picture(300, 300, colour))
        await expect(page.locator("[data-told]")).to_have_text("Đã lưu thiết lập.")
    row = page.locator("tbody tr", has_text="biểu tượng trên tiêu đề")
    await expect(row.locator("img")).to_have_js_property("naturalWidth", 300)
    await page.locator(f"#fold-history-{EMBLEM} summary").click()
    await expect(page.locator(f"#fold-history-{EMBLEM} li img")).to_have_count(2)
    await axe.check(page, "settings with an emblem")
    assert await printed(form) == [(15, 15)]
    address = await row.locator("img").get_attribute("src") or ""
    answer = await page.context.request.get(site.url + address)
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]

    await enter(PostRole.CLERK)
    assert await printed(book) == [(15, 15)]
    await opened(page, "/so-van-ban/in?so=incoming")
    await expect(page.locator(".cover img")).to_have_js_property("naturalWidth", 300)
    await opened(page, "/bao-cao/incoming")
    await page.set_viewport_size(A4)
    await page.emulate_media(media="print")
    await expect(page.locator(".letterhead img")).to_have_js_property("naturalWidth", 300)
    assert (await box_of(page.locator(".letterhead")))["width"] > 0.9 * A4["width"]
    await page.emulate_media(media="screen")
    own_address = address.partition("?")[0]
    assert (await page.context.request.get(site.url + own_address)).status == 200
    await opened(page, f"{PATH}/{EMBLEM}", 403)
    await enter(PostRole.CLERK, "province")
    for path in (own_address, address):
        assert (await page.context.request.get(site.url + path)).status == 404

    await enter(PostRole.AGENCY_ADMIN, path=f"{PATH}/{EMBLEM}")
    await page.locator("input[name=remove]").check()
    await save()
    await expect(page.locator("[data-told]")).to_be_visible()
    assert await printed(form) == []
