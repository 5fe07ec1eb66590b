"""A clerk drafts the list of files, the head issues it; a key puts the open letter into the suggested file, and ticked rows
go into one together."""

from __future__ import annotations

from playwright.async_api import Page, expect

from gateway_office.domain.roles import PostRole
from gateway_office.domain.work_file import HandOver, HandOverState
from tests.office.pages import axe
from tests.office.pages.mail import Mail
from tests.office.pages.visiting import NARROW, Enter, send_form
from tests.office.pages.watching import expect_answers

PATH = "/so-van-ban/ho-so"


async def open_files(page: Page, *notations: str) -> None:
    await page.goto(PATH)
    for notation in notations:
        await page.locator("#notation").fill(notation)
        await page.locator("#title").fill(f"Hồ sơ {notation}")
        await page.locator("form.card [data-main]").click()
        await page.wait_for_url("**told=books.file.opened*")


async def receive(mail: Mail, file_id: str) -> None:
    """Note that the archive received a package of the file."""
    hand_over = HandOver(
        id="hov_1",
        file_id=file_id,
        code="01",
        target="archive:x",
        sha256="0" * 64,
        size=1,
        documents=2,
        files=8,
        by="node",
        at=mail.node.clock.now(),
        state=HandOverState.RECEIVED,
        receipt="12/BB",
        answered_on=mail.node.clock.now().date(),
    )
    async with mail.node.store.begin(await mail.scope("department")) as work:
        await work.office.work_files.save_hand_over(hand_over)
        await work.commit()


async def test_a_key_and_enter_put_the_open_letter_into_the_file_where_its_senders_letters_went(
    mail: Mail, enter: Enter, page: Page
) -> None:
    _, earlier = await mail.taken_in()
    _, following = await mail.taken_in("notice")
    await enter(PostRole.CLERK, path=PATH)
    await open_files(page, "01.TH", "02.LU")
    await axe.check(page, PATH)

    expect_answers(page, {422})
    await page.goto(f"/van-ban-den?tab=all#{earlier.id}")
    await page.locator(f"[data-pane][data-ready='{earlier.id}']").wait_for()
    await page.keyboard.press("h")
    field = page.locator("[data-inside] #code")
    await expect(field).to_be_focused()
    await page.locator("[data-pane][data-ready]").wait_for()
    await field.fill("99.KHONG")
    await field.press("Enter")
    await expect(page.locator("[data-inside] [data-problems]")).to_contain_text("Không có hồ sơ nào đang mở")
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("[data-inside] #code").fill("02.lu")
    await page.locator("[data-inside] #code").press("Enter")
    await expect(page.locator("[data-inside] [data-told]")).to_contain_text("Đã đưa văn bản vào hồ sơ")

    await page.locator(f"[data-id='{following.id}'] a[data-open]").click()
    await page.locator(f"[data-pane][data-ready='{following.id}']").wait_for()
    await page.keyboard.press("h")
    suggested = page.locator("[data-inside] input[type=radio]")
    await expect(suggested).to_be_focused()
    await expect(page.locator("[data-inside] fieldset")).to_contain_text("1 văn bản trước của cơ quan này")
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-inside] [data-told]")).to_contain_text("Đã đưa văn bản vào hồ sơ")
    in_file = page.locator("[data-inside] .facts").get_by_role("link", name="2026.02.LU")
    await expect(in_file).to_be_visible()
    await expect(page.locator("[data-inside] .story")).to_contain_text("Đưa vào hồ sơ")

    await in_file.click()
    await page.wait_for_url(f"**{PATH}/fil_*")
    await expect(page.get_by_role("row")).to_have_count(3)
    await axe.check(page, f"{PATH}/{{id}}")
    await receive(mail, page.url.rpartition("/")[2])
    await page.reload()
    await expect(page.locator(".facts")).to_contain_text("lưu trữ đã nhận")
    await expect(page.locator(".facts")).to_contain_text("biên nhận 12/BB")
    await axe.check(page, f"{PATH}/{{id}}")
    await page.get_by_role("link", name="Lấy ra").first.click()
    await send_form(page, "books.file.taken_out")
    await expect(page.get_by_role("row")).to_have_count(2)

    await page.set_viewport_size(NARROW)
    await page.goto(f"/van-ban-den/{following.id}/lien-ket")
    await axe.check(page, "/van-ban-den/{id}/lien-ket")
    await page.locator("#target").fill(f"{earlier.number}/{earlier.symbol}")
    await send_form(page, "books.link.added")
    await expect(page.locator(".facts").get_by_role("link", name=earlier.code)).to_be_visible()
    await page.goto(f"/van-ban-den/{earlier.id}")
    await expect(page.get_by_text("văn bản này vẫn có hiệu lực")).to_be_visible()


async def test_the_head_issues_the_list_and_a_file_that_is_added_after_it_is_marked(
    mail: Mail, enter: Enter, page: Page
) -> None:
    _, document = await mail.taken_in()
    await enter(PostRole.CLERK, path=PATH)
    begins = page.get_by_role("button", name="Lập từ danh mục năm")
    await expect(begins, "there is no list of last year").to_have_count(0)
    await open_files(page, "01.TH")
    await page.goto(f"{PATH}?nam={document.arrived_at.year + 1}")
    await begins.click()
    await expect(page.get_by_role("row", name="01.TH")).to_contain_text("Dự kiến")
    await expect(begins).to_have_count(0)
    await page.goto(PATH)
    assert not await page.get_by_role("link", name="Ban hành").count(), "a clerk drafts, and does not issue"
    await enter(PostRole.HEAD, path=PATH)
    await page.get_by_role("link", name="Ban hành danh mục hồ sơ").click()
    await axe.check(page, f"{PATH}/ban-hanh")
    await send_form(page, "books.file.issued")
    await expect(page.get_by_role("row", name="01.TH")).to_contain_text("Ban hành")
    await enter(PostRole.OFFICER, path=PATH)
    assert not await page.locator("#notation").count(), "officers add nothing to a list that was issued"
    await enter(PostRole.CLERK, path=PATH)
    await open_files(page, "02.LU")
    await expect(page.get_by_role("row", name="02.LU")).to_contain_text("Bổ sung sau ban hành")

    await page.goto(f"/danh-sach/van-ban-den?viec=vao-ho-so&id={document.id}")
    await axe.check(page, "/danh-sach/van-ban-den")
    await page.locator("#code").fill("02.LU")
    await page.locator("[data-main]").click()
    await expect(page.get_by_text("Đã đưa vào hồ sơ 02.LU")).to_be_visible()
