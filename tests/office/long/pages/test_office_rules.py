"""Rules of the office on the pages: an administrator makes one by the keyboard, tries it on the last month and switches it
on; the letter that meets it says so to the clerk and the head."""

from __future__ import annotations

from playwright.async_api import Page, expect

from gateway_office.accounts import tags_and_views
from gateway_office.domain.roles import PostRole
from gateway_office.letters.office_rules import RuleKeeper
from tests.office.pages import axe
from tests.office.pages.mail import OTHER_UNIT, UNIT, Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of, send_form
from tests.office.pages.watching import expect_answers

PATH, TAG, NAME = "/quan-tri/quy-tac", "Liên thông", "Mảng liên thông"
TRY, SWITCH_ON = "Thử trên 30 ngày qua", "Bật quy tắc"


async def label(site: Site, mail: Mail, key: str = "decision") -> None:
    """Make a label, with a letter that is taken in."""
    _, document = await mail.taken_in(key, due_in=5)
    await mail.wait_until(mail.lists_are_written)
    await tags_and_views.put_tag(site.node.store, site.clock, await scope_of(site), TAG, document.id)


async def test_an_administrator_makes_tries_and_switches_on_a_rule_and_the_next_letter_names_it(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    expect_answers(page, {422})
    await label(site, mail)
    _, sample = await mail.taken_in("plan", due_in=5)
    await mail.wait_until(mail.lists_are_written)
    await enter(PostRole.AGENCY_ADMIN, path="/quan-tri")
    await page.get_by_role("link", name="Quy tắc", exact=True).click()
    await axe.check(page, PATH)
    await page.fill("#name", NAME)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-problems]")).to_contain_text("Ghi ít nhất một điều kiện")
    await expect(page.locator("[data-problems]")).to_contain_text("Chọn ít nhất một việc")
    await page.fill("#sender", sample.sender_code)
    await page.select_option("#unit", label=UNIT)
    await page.fill("#days", "5")
    await page.select_option("#tag", label=TAG)
    await page.get_by_label(site.person(PostRole.HEAD, "department").person.name).check()
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**told=admin.rule.saved*")
    await expect(page.locator("main tbody")).to_contain_text(f"nơi gửi {sample.sender_code}")
    await expect(page.locator("main tbody")).to_contain_text("Đang tắt")

    await page.get_by_role("link", name=TRY).click()
    await expect(page.locator("main")).to_contain_text("2 trên 2 văn bản đã vào sổ đúng với quy tắc này")
    await expect(page.locator("main")).not_to_contain_text(sample.subject)
    await axe.check(page, f"{PATH}/{{id}}/thu")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**told=admin.rule.try*")
    await expect(page.locator("main tbody")).to_contain_text("Đang bật")

    _, document = await mail.taken_in(due_in=5)
    await enter(PostRole.HEAD, path=at(document, "/chuyen-xu-ly"))
    await expect(page.locator(".suggest")).to_contain_text(f"Gợi ý: giao {UNIT}")
    await expect(page.locator(".suggest")).to_contain_text(f"Theo quy tắc “{NAME}”")
    await page.locator("h1").click()
    await page.keyboard.press("y")
    await expect(page.get_by_role("radio", name=f"Đơn vị chủ trì: {UNIT}")).to_be_checked()
    await expect(page.locator("#deadline")).not_to_have_value("")
    await opened(page, at(document))
    await expect(page.locator(".own-label")).to_have_text(TAG)
    await expect(page.locator(".story")).to_contain_text(f"Quy tắc “{NAME}” gắn nhãn “{TAG}”")
    await opened(page, "/thong-bao")
    await expect(page.locator("main")).to_contain_text("Theo dõi theo quy tắc của cơ quan")
    assert (await mail.load(document.id)).assignment is None


async def test_without_scripts_a_rule_that_was_changed_after_its_trial_was_shown_is_tried_again(
    site: Site, mail: Mail, plain_page: Page
) -> None:
    page = plain_page
    await label(site, mail)
    await mail.second_unit()
    admin = site.person(PostRole.AGENCY_ADMIN, "department")
    await site.signed_in(page.context, admin, "department")
    await page.goto(PATH)
    await page.fill("#name", NAME)
    await page.fill("#subject", "QUYET dinh")
    await page.select_option("#tag", label=TAG)
    await send_form(page, "admin.rule.saved")
    await page.get_by_role("link", name=TRY).click()
    keeper = RuleKeeper(
        inn=site.node.inn,
        accounts=site.node.accounts,
        by=admin.by,
        agency_id=await site.agency("department"),
    )
    ((rule,), _) = await keeper.load()
    await keeper.save(rule)
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-main]")).to_have_text(SWITCH_ON)
    ((rule,), _) = await keeper.load()
    assert not rule.is_on
    await send_form(page, "admin.rule.try")
    await page.get_by_role("link", name="Tắt quy tắc").click()
    await send_form(page, "admin.rule.off")

    await page.get_by_role("link", name="Sửa quy tắc").click()
    await expect(page.locator("#subject")).to_have_value("QUYET dinh")
    await page.select_option("#unit", label=OTHER_UNIT)
    await send_form(page, "admin.rule.saved")
    await expect(page.locator("main tbody tr")).to_have_count(1)
    await expect(page.locator("main tbody")).to_contain_text(f"gợi ý giao {OTHER_UNIT}; gắn nhãn “{TAG}”")
    await page.get_by_role("link", name="Bỏ quy tắc").click()
    await send_form(page, "admin.rule.remove")
    await expect(page.locator("main")).to_contain_text("Cơ quan chưa đặt quy tắc nào.")
