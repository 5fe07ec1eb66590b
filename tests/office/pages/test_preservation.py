"""A clerk notes that documents have to stay, one or all that a list finds, and asks for the end; a head, as the second
person, ends it."""

from __future__ import annotations

from urllib.parse import urlencode

from playwright.async_api import Page, expect

from gateway.domain.document import Urgency
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import Mail, at
from tests.office.pages.visiting import Enter
from tests.office.pages.watching import expect_answers

PATH = "/so-van-ban/giu-nguyen"


async def test_an_order_is_made_from_the_letter_and_ended_by_two_persons(
    mail: Mail, enter: Enter, page: Page
) -> None:
    _, document = await mail.comes()
    expect_answers(page, {422})
    await enter(PostRole.CLERK, path=at(document))
    await page.goto(f"{PATH}?van-ban={document.id}")
    await page.get_by_label("Văn bản yêu cầu").fill("12/QĐ-TTr")
    await page.get_by_label("Lý do").fill("Thanh tra yêu cầu giữ nguyên")
    await page.locator("#partner").fill("không có cơ quan này")
    add = page.get_by_role("button", name="Giữ nguyên", exact=True)
    await add.click()
    await expect(page.locator("[data-problems] a")).to_have_count(1)
    await page.locator("#partner").fill("")
    await add.click()
    await page.wait_for_url("**told=books.preservation.added*")
    row = page.get_by_role("row", name="12/QĐ-TTr")
    await expect(row.get_by_role("link", name=f"{document.number}/{document.symbol}")).to_be_visible()
    await axe.check(page, PATH)

    await row.get_by_role("link", name="Đề nghị kết thúc").click()
    await page.get_by_label("Lý do kết thúc").fill("Đã có kết luận thanh tra")
    await page.locator("[data-main]").click()
    await page.wait_for_url("**told=books.preservation.asked*")
    assert not await row.locator("a.button").count(), "who asked does not end it"

    await enter(PostRole.HEAD, path=PATH)
    await row.get_by_role("link", name="Kết thúc giữ nguyên").click()
    await axe.check(page, f"{PATH}/{{id}}/ket-thuc")
    await page.locator("[data-main]").click()
    await page.wait_for_url("**told=books.preservation.ended*")
    await expect(row).to_contain_text("kết thúc")


async def test_all_that_a_list_finds_is_preserved_by_one_order(mail: Mail, enter: Enter, page: Page) -> None:
    _, first = await mail.comes("invitation", urgency=Urgency.EXPRESS)
    _, second = await mail.comes("request", urgency=Urgency.EXPRESS)
    _, other = await mail.comes("notice")
    expect_answers(page, {422})
    query = urlencode({"viec": "giu-nguyen", "tat-ca": 1, "ds": "tab=all&khan=1"})
    await enter(PostRole.CLERK, path=f"/danh-sach/van-ban-den?{query}")
    await axe.check(page, "/danh-sach/van-ban-den")
    await page.get_by_label("Văn bản yêu cầu").fill("15/QĐ-TTr")
    await page.get_by_label("Lý do").fill("ngắn")
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-problems] a"), "a reason of one word says too little").to_have_count(1)
    await page.get_by_label("Lý do").fill("Thanh tra yêu cầu giữ nguyên")
    await page.locator("[data-main]").click()
    await expect(page.get_by_text("Được giữ nguyên theo 15/QĐ-TTr")).to_have_count(2)

    scope = await mail.scope("department")
    async with mail.node.store.read(scope) as work:
        (order,) = (await work.preservation.page(limit=5)).items
    assert {*order.extent.documents} == {first.id, second.id}, f"not {other.id}, which is not urgent"
