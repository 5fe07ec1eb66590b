"""Each role does its most frequent work, in one browser session each, with scripts. The tests under
tests/office/long/pages tell the whole days and every side way of them; `test_plain_day.py` tells the same day without
scripts."""

from __future__ import annotations

import json
from datetime import timedelta

from playwright.async_api import Page, expect

from gateway.domain.document import Assignment, IncomingDocument, Urgency
from gateway.domain.person import AccountStanding
from gateway.incoming.act import StatusCall
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.office.pages import axe
from tests.office.pages.composing import LETTER, NEW, arrived, list_written, press
from tests.office.pages.effort import Hand
from tests.office.pages.mail import OTHER_UNIT, UNIT, Mail, at
from tests.office.pages.quarantine import SECRET_WORDS, land_broken
from tests.office.pages.site import Site
from tests.office.pages.visiting import NARROW, Enter, opened, scope_of, send_form
from tests.office.pages.watching import expect_answers
from tests.support.waiting import wait_until

HEAD, OFFICER = PostRole.HEAD, PostRole.OFFICER
PROPOSAL = "Đề nghị giao Phòng Tổng hợp tham mưu"
WHY = "Văn bản gửi cho Sở khác, không thuộc nơi nhận này"
PASSWORD = "Mây trắng 9 tầng"


async def test_a_clerk_takes_in_refuses_and_sends(
    site: Site, mail: Mail, page: Page, enter: Enter, hand: Hand
) -> None:
    _, first = await mail.comes("invitation", urgency=Urgency.EXPRESS)
    _, second = await mail.comes("notice")
    await enter(path="/van-ban-den")
    await page.keyboard.press("j")
    await page.locator(f"[data-pane][data-ready='{first.id}']").wait_for()
    await page.keyboard.press("Control+Enter")
    await page.locator(f"[data-pane][data-ready='{second.id}']").wait_for()

    await expect(page.locator("[data-last] .big-number")).to_have_text("1")
    await expect(page.locator(f"[data-id='{first.id}'] [data-deed]")).to_have_text("Số đến 1")
    assert page.url == f"{site.url}/van-ban-den#{second.id}"
    assert [(await mail.load(document.id)).state.value for document in (first, second)] == [
        "accepted",
        "new",
    ]

    await page.keyboard.press("u")
    await page.locator("[data-inside] #reason").wait_for()
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("[data-inside] #reason").select_option("WRONG_ADDRESSEE")
    await page.locator("[data-inside] #note").fill(WHY)
    await page.locator("[data-inside] #note").press("Control+Enter")
    await expect(page.locator("[data-last] .acted")).to_contain_text("Đã trả lại")
    assert (await mail.load(second.id)).state.value == "rejected"

    await enter(PostRole.CLERK, "province")
    await send_a_signed_letter(site, page, hand)


async def send_a_signed_letter(site: Site, page: Page, hand: Hand) -> None:
    """Drop a signed letter, let it be read, address, check and send it, call it back and send it again."""
    earlier = {d.id for d in await arrived(site)}

    async def list_new() -> list[IncomingDocument]:
        return [document for document in await arrived(site) if document.id not in earlier]

    await page.goto(NEW)
    await axe.check(page, NEW)
    with hand.task("a signed letter, dropped, to one recipient, sent", most_clicks=4):
        async with page.expect_navigation(url="**/phat-hanh/msg_**"):
            await hand.give("#files", LETTER)
        assert await page.input_value("#number") == "118"
        assert await page.input_value("#symbol") == "UBND-VP"
        assert await page.input_value("#date") == "20/11/2026"
        assert (await page.input_value("#subject")).startswith("V/v phối hợp")
        await hand.click("#reply-no")
        drops = page.locator("[value^=drop-to]")
        for remaining in reversed(range(await drops.count())):
            await drops.first.click()
            await expect(drops).to_have_count(remaining)
        await hand.fill("#paste", "Sở Thử nghiệm tỉnh Sao Mai (để biết)")
        await hand.click("button[value=paste]")
        await expect(drops).to_have_count(1)
        async with page.expect_navigation():
            await hand.press("Control+Enter")
        assert "kiem-tra=1" in page.url
        await axe.check(page, f"{NEW}/{{id}}?kiem-tra=1")
        with site.clock.standing():
            async with page.expect_navigation():
                await hand.press("Control+Enter")
            assert page.url.endswith("/da-gui")
            await axe.check(page, f"{NEW}/{{id}}/da-gui")
            assert await list_new() == []

            async with page.expect_navigation():
                await page.click("#undo button")
    assert "/phat-hanh/" in page.url
    assert await page.input_value("#number") == "118"
    await press(page, "check")
    await press(page, "send")
    site.clock.skip(timedelta(seconds=31))
    async with site.node.store.read(await scope_of(site, "province")) as work:
        assert len(await work.events.of_subject((await list_written(site))[0].id)) >= 1
    await wait_until(list_new, "the letter")

    assert [(document.number, document.subject[:12]) for document in await list_new()] == [
        ("118", "V/v phối hợp")
    ]
    assert sorted(d.state for d in (await list_written(site))[:2]) == ["cancelled", "packed"]


async def test_a_head_gives_an_opinion_and_assigns(site: Site, mail: Mail, page: Page, enter: Enter) -> None:
    expect_answers(page, {403, 422})
    sent, document = await mail.taken_in(due_in=5)
    head = site.person(HEAD, "department").person.id
    await received.submit(site.node.inn, await mail.scope("department"), document.id, head, PROPOSAL)

    await enter(HEAD, path="/can-xu-ly")
    await page.locator("[data-row] a[data-open]").click()
    await expect(page.locator(".decide").get_by_text(PROPOSAL)).to_be_visible()
    await page.get_by_label("Câu ý kiến có sẵn").select_option(index=2)
    await page.check(f"[name=lead_unit][value='{UNIT}']")
    await page.fill("#deadline", "31/02/2027")
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("[data-main]").click()
    assert await page.locator("[data-problems] a").get_attribute("href") == "#deadline"
    await page.fill("#deadline", "01/03/2027")
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-last]")).to_contain_text("Đã phân công")
    fact = await mail.await_fact(sent, "assigned")
    assert fact.staff is not None
    assert "dự thảo" not in f"{fact.note} {fact.reason}"
    await opened(page, "/can-xu-ly?loai=opinion")
    await expect(page.locator("[data-row]")).to_have_count(0)

    await mail.second_unit()
    await page.set_viewport_size(NARROW)  # on a wide screen the form opens beside its paper
    await opened(page, at(document, "/chuyen-xu-ly"))
    await page.check(f"[name=lead_unit][value='{OTHER_UNIT}']")
    await page.fill("#why", "Không thuộc việc của phòng trước")
    await send_form(page)
    story = await page.text_content(".story") or ""
    assert "dự thảo văn bản trả lời đúng hạn" in story
    assert "Chủ trì: Phòng Kế hoạch" in story
    await enter(OFFICER)
    await opened(page, at(document), 403)


async def test_an_officer_takes_over_and_finishes_the_work_of_the_unit(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    expect_answers(page, {403})
    sent, document = await mail.taken_in(due_in=5)
    await enter(OFFICER)
    await opened(page, at(document), 403)
    assert (await page.request.get(at(document, "/tep/1"))).status == 403
    call = StatusCall(code="04", assignment=Assignment(lead_unit=UNIT), staff=mail.clerk())
    await mail.status("department", sent, call)

    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row]").filter(has_text="chưa bắt đầu")).to_have_count(1)
    await page.locator("[data-row] a[data-open]").click()
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("#fold-task > summary").click()
    await page.get_by_role("button", name="Tôi phụ trách việc này").click()
    await expect(page.locator("[data-row]")).to_have_count(1)
    await expect(page.locator("[data-last]")).to_contain_text("phụ trách")
    for button, state in (("Đang xử lý", "processing"), ("Đã hoàn thành", "done")):
        await opened(page, at(document))
        await page.get_by_role("button", name=button).click()
        await page.wait_for_url("**told=*")
        await mail.await_fact(sent, state)
    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row]")).to_have_count(0)


async def test_an_agencys_administrator_adds_and_locks_an_account_and_looks_at_the_registry(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {422})
    await enter(PostRole.AGENCY_ADMIN, path="/quan-tri")
    await page.keyboard.press("n")
    await page.wait_for_url("**/tai-khoan/moi")
    await page.get_by_label("Họ tên").fill("Nguyễn Văn Thử Nghiệm")
    await page.get_by_role("button", name="Gợi ý tên đăng nhập").click()
    assert await page.get_by_label("Tên đăng nhập").input_value() == "nguyenvanthunghiem"
    await page.get_by_role("button", name="Thêm tài khoản").click()
    await expect(page.get_by_role("alert")).to_contain_text("Vai trò")
    roles = page.locator("#role option")
    assert PostRole.OPERATOR not in await roles.evaluate_all("all => all.map(e => e.value)")
    await page.get_by_label("Vai trò").select_option("officer")
    await page.get_by_role("button", name="Thêm tài khoản").click()
    link = await page.locator("#key").inner_text()
    await page.get_by_role("link", name="Đã trao đường dẫn").click()
    await page.wait_for_url("**/tai-khoan/prn_*")

    # What was shown once stands nowhere any more.
    await page.reload()
    assert link.rpartition("/")[2] not in await page.content()
    await page.get_by_role("link", name="Khóa", exact=True).click()
    await page.get_by_label("Lý do").fill("ngắn")
    await page.get_by_role("button", name="Khóa", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("ít nhất 10 ký tự")
    await page.get_by_label("Lý do").fill("Mất điện thoại ngày 20/11")
    await page.get_by_role("button", name="Khóa", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("Đã khóa tài khoản")
    async with site.node.accounts.accounts.read() as view:
        assert (await view.people.find_by_name("nguyenvanthunghiem")).standing is AccountStanding.LOCKED

    await page.goto("/co-quan?q=Sở Thử nghiệm")
    await page.locator("[data-row] a[data-open]", has_text="Z91.07").click()
    await expect(page.locator("[data-pane] .ground")).to_contain_text("Sở Thử nghiệm")


async def test_an_operator_looks_at_operations_and_at_a_packet_in_quarantine(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {403})
    id = await land_broken(site)
    await enter(PostRole.OPERATOR, at="department", path="/van-hanh")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Vận hành")
    await page.locator("#fine > summary").click()
    await expect(page.locator("#fine .fact-line", has_text="Cơ sở dữ liệu").first).to_contain_text("Tốt")
    assert await page.get_by_text("Z91.07").count() >= 1
    for tab in ("Hàng đợi", "Gửi lại", "Việc định kỳ", "Bản sao lưu", "Gói tin lỗi", "Cách ly"):
        await page.get_by_role("link", name=tab, exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(tab)

    answer = await page.request.get("/van-hanh/chan-doan?dang=json")
    report = json.loads(await answer.text())
    assert report["health"]["database"] == "ok"
    assert "node.data_dir" in report["settings_not_default"]
    assert str(site.node.settings.node.data_dir) not in await answer.text()

    await page.goto("/van-hanh/cach-ly")
    await page.locator(f"a[href$='{id}']").click()
    await expect(page.locator(".xml .failed")).to_contain_text("Dừng tại đây")
    await expect(page.locator(".xml")).to_contain_text("Z91.07")
    assert SECRET_WORDS not in await page.content()
    assert await page.get_by_role("link", name="Loại bỏ").count() == 0
    for path in ("byte", "tai", "quyet-dinh/loai-bo"):
        assert (await page.request.get(f"/van-hanh/cach-ly/{id}/{path}")).status == 403
