"""Units and their persons on the pages: the administrator keeps the list, the head chooses a unit or a person of it, a unit
that is informed marks the letter as seen, and those who read it comment."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Page, expect

from gateway.domain.document import Assignment, Informed
from gateway.domain.wall_clock import local
from gateway.incoming.act import StatusCall
from gateway.policy.timers import working_day_after
from gateway_office.accounts import tags_and_views, units
from gateway_office.domain.roles import PostRole
from gateway_office.web.dates import day_text
from tests.office.long.pages.test_after_taking_in import assign_beside_the_list
from tests.office.pages import axe
from tests.office.pages.mail import OTHER_UNIT, UNIT, Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of, send_form
from tests.office.pages.watching import expect_answers
from tests.office.support.printed_words import printed

# Letters of the sender; three of them are about the axis too.
LIKE_IT = ("decision", "plan", "province-task", "province-late")
RENAMED, BELOW = "Phòng Hành chính - Tổng hợp", "Tổ Số hóa"
TAG = "Ngân sách"
QUESTION = "Bên gửi hẹn trả lời trước thứ Sáu"


async def open_unit(page: Page, name: str) -> None:
    """Open a unit beside the list; its form can be sent once it stands there."""
    await page.locator("[data-row]", has_text=name).first.locator("a[data-open]").click()
    await page.locator("[data-pane][data-ready]").wait_for()


async def test_the_administrator_adds_renames_and_closes_units(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    expect_answers(page, {422})
    await enter(PostRole.AGENCY_ADMIN, path="/quan-tri/don-vi")
    await page.fill("#name", BELOW)
    await page.select_option("#parent", label=UNIT)
    await send_form(page, "admin.unit_added")
    await expect(page.locator("[data-row] .letter-subject")).to_have_text([UNIT, BELOW])
    await axe.check(page, "/quan-tri/don-vi")

    await open_unit(page, UNIT)
    await axe.check(page, "/quan-tri/don-vi/{id}")
    await page.fill("#name", BELOW)
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-problems]")).to_contain_text(
        "Một đơn vị khác đang hoặc đã từng mang tên này"
    )
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.fill("#name", RENAMED)
    await send_form(page, "admin.unit_changed")
    await open_unit(page, RENAMED)
    await page.get_by_role("link", name="Đóng đơn vị").click()
    await expect(page.get_by_text("Chưa đóng được")).to_be_visible()
    await expect(page.locator("[data-main]")).to_have_count(0)
    await opened(page, "/quan-tri/don-vi")
    await open_unit(page, BELOW)
    await page.get_by_role("link", name="Đóng đơn vị").click()
    await page.locator(
        "[data-pane][data-ready] button.grave, [data-pane][data-ready] [data-main]"
    ).first.wait_for()
    await send_form(page, "admin.unit_closed")
    await expect(page.locator("[data-row] .letter-subject")).to_have_text([RENAMED])

    await opened(page, "/quan-tri/tai-khoan/moi")
    await expect(page.locator("#unit option")).to_have_text(["Không thuộc đơn vị nào", RENAMED])


async def test_a_letter_of_before_a_rename_stays_the_units(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    sent, document = await mail.taken_in(due_in=5)
    call = StatusCall(code="04", assignment=Assignment(lead_unit=UNIT), staff=mail.clerk())
    await mail.status("department", sent, call)
    scope, admin = await mail.scope("department"), site.person(PostRole.AGENCY_ADMIN, "department")
    services = site.node.accounts
    (detail, *_), _ = await units.list_units(services, admin.by, scope.agency_id)
    await units.change_unit(services, admin.by, scope.agency_id, detail.unit.id, RENAMED)

    await enter(PostRole.OFFICER, path="/van-ban-den?tab=all")
    await expect(page.locator("[data-row]")).to_have_count(1)
    await opened(page, at(document))
    await expect(page.locator("#assignment-title ~ *").filter(has_text=RENAMED).first).to_be_visible()
    await page.get_by_role("button", name="Đang xử lý").click()
    await page.wait_for_url("**told=*")


async def test_a_head_chooses_a_person_and_the_head_of_the_unit_gives_the_part_on(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    """A named part is the person's and the unit head's: no other officer of the unit reads the letter."""
    expect_answers(page, {403})
    _, document = await mail.taken_in(due_in=5)
    await mail.second_unit()
    officer, unit_head = (
        site.person(role, "department").person for role in (PostRole.OFFICER, PostRole.UNIT_HEAD)
    )

    await enter(PostRole.HEAD, path=at(document, "/chuyen-xu-ly"))
    row = page.locator(".who-list > li").filter(has_text=UNIT)
    await row.locator("summary").click()
    await row.get_by_role("radio", name=f"Đơn vị chủ trì: {unit_head.name}").check()
    await page.check(f"[name=informed][value='{OTHER_UNIT}']")
    await axe.check(page, "/van-ban-den/{id}/chuyen-xu-ly (persons)")
    await assign_beside_the_list(page)
    await opened(page, at(document))
    await expect(page.locator("#assignment-title ~ *").filter(has_text=unit_head.name).first).to_be_visible()
    assert f"Để biết: {OTHER_UNIT}" in (await page.text_content(".story") or "")
    async with page.expect_download() as begun:
        await page.get_by_role("link", name="Phiếu giải quyết văn bản đến").click()
    slip = printed((await (await begun.value).path()).read_bytes())
    assert f"Chủ trì: {unit_head.name} ({UNIT})" in slip
    assert site.person(PostRole.HEAD, "department").person.name in slip

    await enter(PostRole.OFFICER)
    await opened(page, at(document), 403)
    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row]")).to_have_count(0)

    await enter(PostRole.UNIT_HEAD, path=at(document))
    await page.locator(".give-on select").select_option(label=officer.name)
    await page.locator(".give-on button").click()
    await page.wait_for_url("**told=incoming.part_given*")

    await enter(PostRole.OFFICER, path="/can-xu-ly")
    await expect(page.locator("[data-row]")).to_have_count(1)
    await opened(page, at(document))
    await page.get_by_role("button", name="Đang xử lý").click()
    await page.wait_for_url("**told=*")
    await expect(page.get_by_role("link", name="Soạn văn bản trả lời")).to_have_count(1)


async def test_the_offices_own_past_suggests_a_unit_and_one_key_takes_it(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    """The key fills the form, which stays empty before it. The letter's page lists the letters like it."""
    today = local(site.node.clock.now()).date()
    assignment = Assignment(lead_unit=UNIT, deadline=today + timedelta(days=8))
    for key in LIKE_IT:
        sent, _ = await mail.taken_in(key, due_in=5)
        await mail.status(
            "department", sent, StatusCall(code="04", assignment=assignment, staff=mail.clerk())
        )
    _, document = await mail.taken_in(due_in=5)
    await mail.wait_until(mail.lists_are_written)

    await enter(PostRole.HEAD, path=at(document, "/chuyen-xu-ly"))
    lead, deadline = page.get_by_role("radio", name=f"Đơn vị chủ trì: {UNIT}"), page.locator("#deadline")
    await expect(page.locator(".suggest")).to_contain_text(f"Gợi ý: giao {UNIT}")
    await expect(page.locator(".suggest")).to_contain_text("4 trên 4 văn bản gần đây")
    await expect(lead).not_to_be_checked()
    await expect(deadline).to_have_value("")
    await page.locator(".suggest summary").click()
    await expect(page.locator(".suggest li a")).to_have_count(4)
    await axe.check(page, "/van-ban-den/{id}/chuyen-xu-ly (suggestion)")
    await page.locator("h1").click()
    await page.keyboard.press("y")
    await expect(lead).to_be_checked()
    await expect(deadline).not_to_have_value("")
    await page.get_by_role("button", name="+5 ngày làm việc").click()
    await expect(deadline).to_have_value(
        day_text(working_day_after(await site.node.todo.office(document.agency_id), today, 5))
    )

    await opened(page, at(document))
    await page.locator("#fold-similar > summary").click()
    await expect(page.locator("#fold-similar li")).to_have_count(3)


async def test_a_label_that_letters_like_it_carry_is_suggested_to_a_clerk_and_one_key_puts_it_on(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    """The reason opens the letters that it counts; a head, who puts no labels on, is asked nothing."""
    for key in LIKE_IT:
        sent, document = await mail.taken_in(key, due_in=5)
        await mail.status(
            "department",
            sent,
            StatusCall(code="04", assignment=Assignment(lead_unit=UNIT), staff=mail.clerk()),
        )
        await tags_and_views.put_tag(site.node.store, site.clock, await scope_of(site), TAG, document.id)
    _, document = await mail.taken_in(due_in=5)
    await mail.wait_until(mail.lists_are_written)

    await enter(PostRole.CLERK, path=at(document))
    await expect(page.locator(".suggest")).to_contain_text(f"Gợi ý: nhãn “{TAG}”")
    await page.locator(".suggest summary").click()
    await expect(page.locator(".suggest li a")).to_have_count(len(LIKE_IT))
    await axe.check(page, "/van-ban-den/{id} (label suggested)")
    await page.locator("h1").click()
    await page.keyboard.press("l")
    await expect(page.locator(".own-label")).to_have_text(TAG)
    await expect(page.locator(".suggest")).to_have_count(0)

    _, document = await mail.taken_in(due_in=5)
    await enter(PostRole.HEAD, path=at(document))
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator("form.suggest")).to_have_count(0)


async def test_comments_ring_for_those_who_saw_the_letter_and_a_unit_that_is_informed_marks_it_as_seen(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    """Unread comments open by themselves; the mark ends the unit's task."""
    sent, document = await mail.taken_in(due_in=5)
    await enter(PostRole.HEAD, path=at(document))
    await expect(page.locator("#fold-comments")).not_to_have_attribute("open", "")
    await enter(PostRole.CLERK, path=at(document))
    await page.locator("#fold-comments > summary").click()
    await page.fill("#comment-text", QUESTION)
    await page.locator("form.comment button").click()
    await page.wait_for_url("**told=incoming.commented*")

    await enter(PostRole.HEAD, path="/thong-bao")
    await expect(page.locator("main").get_by_text("Có trao đổi mới về văn bản")).to_have_count(1)
    await opened(page, at(document))
    await expect(page.get_by_text(QUESTION)).to_be_visible()
    await expect(page.locator(".seen-by")).to_contain_text(
        site.person(PostRole.HEAD, "department").person.name
    )
    await axe.check(page, "/van-ban-den/{id} (comments)")
    await opened(page, at(document))
    await expect(page.get_by_text(QUESTION)).to_be_hidden()

    await mail.second_unit()
    assignment = Assignment(lead_unit=OTHER_UNIT, informed=(Informed(unit=UNIT),))
    await mail.status("department", sent, StatusCall(code="04", assignment=assignment, staff=mail.clerk()))
    await enter(PostRole.OFFICER, path="/can-xu-ly")
    await expect(page.locator("[data-row]").filter(has_text="để biết")).to_have_count(1)
    await opened(page, at(document))
    await expect(page.get_by_role("button", name="Đang xử lý")).to_have_count(0)
    await page.get_by_role("button", name="Đã xem để biết").click()
    await page.wait_for_url("**told=incoming.seen*")
    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row]")).to_have_count(0)
    assert [fact.code for fact in await mail.facts(document.id)].count("05") == 0
