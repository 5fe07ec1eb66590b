"""An agency's administrator changes how long a press can be undone, from the next day on: the page shows what holds, what
is planned and who set it, and the log has the change."""

from __future__ import annotations

from datetime import timedelta

import pypdfium2
from playwright.async_api import Page, expect

from gateway.domain.agency_profile import HEADING_PARENT, HEADING_PLACE, NUMBERING, UNDO_SECONDS
from gateway.domain.event import EventKind
from gateway.domain.wall_clock import local
from gateway.office.domain.roles import PostRole
from tests.pages import axe
from tests.pages.site import Site
from tests.pages.summary import Record
from tests.pages.visiting import Enter, opened, scope_of
from tests.pages.watching import Watcher

PATH = "/quan-tri/co-quan"


async def test_an_administrator_changes_a_setting_from_a_day_on(
    site: Site, page: Page, enter: Enter, watcher: Watcher, record_property: Record
) -> None:
    watcher.expect({422})
    await enter(PostRole.AGENCY_ADMIN)
    row = page.locator("tbody tr", has_text="Thời gian hoàn tác")
    await opened(page, PATH)
    await expect(row).to_contain_text("0 giây")
    await expect(row).to_contain_text("theo mặc định của nút")
    await row.get_by_role("link").click()
    await axe.check(page, record_property, "a setting of an agency")
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
    await axe.check(page, record_property, "settings of an agency")

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


async def test_the_way_of_numbering_that_is_chosen_is_the_one_that_pages_and_flows_know(
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


async def test_place_and_superior_body_that_are_chosen_stand_on_forms_and_new_documents(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.AGENCY_ADMIN)
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

    await enter(PostRole.CLERK)
    await opened(page, "/phat-hanh?nhap=tay")
    await expect(page.locator("#place")).to_have_value("Sao Mai")
