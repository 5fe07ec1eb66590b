"""A clerk notes that documents have to stay, and asks for the end; a head, as the second person, ends it."""

from __future__ import annotations

from playwright.async_api import Page, expect

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
