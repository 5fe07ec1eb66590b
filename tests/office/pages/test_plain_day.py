"""The same day in a browser that runs no script: a list is filtered, a document taken in, another refused, one issued to
one recipient, a letter on paper entered."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from gateway.domain.document import Urgency
from gateway_office.domain.roles import PostRole
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.visiting import send_form
from tests.office.pages.watching import expect_answers
from tests.support.printed import FOLDER

LETTER = FOLDER / "cong-van.pdf"
WHY = "Thiếu phụ lục số 2 nêu trong văn bản"


@pytest.mark.on_both
async def test_a_clerk_without_scripts_filters_takes_in_refuses_issues_and_enters_paper(
    site: Site, mail: Mail, plain_page: Page
) -> None:
    page = plain_page
    expect_answers(plain_page, {422})
    _, urgent = await mail.comes("invitation", urgency=Urgency.EXPRESS)
    usual, ordinary = await mail.comes("notice")
    await site.signed_in(page.context, site.person(PostRole.CLERK, "department"), "department")

    await page.goto("/van-ban-den")
    await expect(page.locator("[data-row]")).to_have_count(2)
    await page.locator("[data-filters] > summary").click()
    await page.select_option("#khan", "1")
    await page.locator("[data-filters] form").get_by_role("button", name="Lọc", exact=True).click()
    await expect(page.locator("[data-row]")).to_have_count(1)
    assert "khan=1" in page.url
    await page.locator("a[data-open]").click()
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-told]")).to_contain_text("Đã tiếp nhận và vào sổ")

    await page.goto("/van-ban-den")
    await page.locator("a[data-open]").click()
    await page.get_by_role("link", name="Trả lại nơi gửi").click()
    await page.fill("#note", WHY)
    await page.locator("[data-main]").click()
    assert await page.locator("[data-problems] a").get_attribute("href") == "#reason"
    assert await page.input_value("#note") == WHY
    await page.select_option("#reason", "MISSING_FILE")
    await send_form(page)

    with site.clock.standing():
        await issue(page)
        async with site.node.store.read(await mail.scope("department")) as work:
            (sent,) = (await work.outgoing.page(limit=10)).items
    await page.goto("/so-van-ban/den/nhap")
    for field, value in {"sender": "Công ty Mẫu Một", "subject": "Đề nghị sửa đường"}.items():
        await page.fill(f"#{field}", value)
    await page.set_input_files("#scan", LETTER)
    await page.locator("[data-main]").click()
    await page.wait_for_url("**/van-ban-den/inb_*told=*")

    stored = [await mail.load(document.id) for document in (urgent, ordinary)]
    assert [(document.state.value, document.register_no) for document in stored] == [
        ("accepted", "1"),
        ("rejected", None),
    ]
    assert (sent.state.value, [document.code for document in sent.draft.recipients]) == ("queued", ["Z91"])
    assert (sent.draft.pages, sent.files[0].pages, sent.leaves_at is None) == (1, 1, False)
    await page.goto("/so-van-ban")
    await expect(page.locator("main .notice.good")).to_contain_text("Liên tục 1–2, không thiếu số")
    fact = await mail.await_fact(usual, "rejected")
    assert (fact.reason or "").startswith(f"Thiếu tệp, thiếu trang: {WHY}")


async def issue(page: Page) -> None:
    """Issue a document without scripts, where the file is read when its button is pressed."""
    await page.goto("/phat-hanh")
    await page.set_input_files("#files", LETTER)
    await page.locator("button[value=file]").first.click()
    await expect(page.locator("#number")).to_have_value("118")
    for _ in range(await page.locator("[value^=drop-to]").count()):
        await page.locator("[value^=drop-to]").first.click()
    await page.check("#reply-no")
    await page.fill("#paste", "Ủy ban nhân dân tỉnh Sao Mai (để biết)")
    await page.locator("button[value=paste]").click()
    for box in await page.locator("p.look input").all():
        await box.check()
    await page.locator("button[value=check]").last.click()
    assert "Chỉ có PDF, chưa kèm tệp gốc" in await page.locator("#gui").inner_text()
    await page.locator("button[value=send]").click()
    await page.wait_for_url("**/da-gui")
    await page.go_back()
    await page.reload()
    assert urlsplit(page.url).path.startswith("/van-ban-di/")
