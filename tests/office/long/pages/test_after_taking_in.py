"""After a document was taken in, day by day: the clerk submits it, the head gives an opinion and assigns it, a unit's
head hands it back, an officer works on it and is late, closed work is opened again. What the sender learns is asked at the
sender."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.async_api import Page, expect

from gateway.domain.states import Track
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import UNIT, Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened

NOTE = "Đề nghị giao Phòng Tổng hợp tham mưu"
BACK = "Nội dung cần Phòng Kế hoạch phối hợp"
WHY_REOPENED = "Ghi hoàn thành nhầm, còn phụ lục chưa trả lời"


async def todo_line(page: Page, words: str) -> None:
    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row]").filter(has_text=words)).to_have_count(1)


async def assign_beside_the_list(page: Page) -> None:
    await send_beside_the_list(page, "Đã phân công")


async def send_beside_the_list(page: Page, words: str) -> None:
    """Send the form that stands beside its paper, and wait for the words that say what was done."""
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("[data-inside] [data-main]").click()
    notices = page.locator("[data-last], [data-inside] [data-told]")
    await expect(notices.filter(has_text=words)).to_have_count(1)


async def test_submitted_assigned_handed_back_late_done_and_reopened(
    site: Site, mail: Mail, enter: Enter, page: Page
) -> None:
    sent, document = await mail.taken_in(due_in=5)
    await mail.second_unit()

    await enter(PostRole.CLERK, path=at(document))
    await page.get_by_role("link", name="Trình lãnh đạo").click()
    await axe.check(page, "/van-ban-den/{id}/trinh")
    await page.get_by_label("Ý kiến đề xuất của văn thư").fill(NOTE)
    await send_beside_the_list(page, "Đã trình")
    await opened(page, at(document))
    await expect(page.get_by_text("Chờ ý kiến", exact=True)).to_be_visible()

    await enter(PostRole.HEAD)
    await todo_line(page, "chờ ý kiến lãnh đạo")
    await page.locator("[data-row] a.button").filter(has_text="Cho ý kiến").click()
    await page.locator("[data-pane][data-ready]:not(.asking)").wait_for()
    await expect(page.get_by_text(NOTE)).to_be_visible()
    await axe.check(page, "/van-ban-den/{id}/chuyen-xu-ly (submitted)")
    deadline = (site.clock.now() + timedelta(days=4)).strftime("%d/%m/%Y")
    await page.get_by_label("Câu ý kiến có sẵn").select_option(index=2)
    await page.check(f"[name=lead_unit][value='{UNIT}']")
    await page.check("[name=helping][value='Phòng Kế hoạch']")
    await page.fill("#deadline", deadline)
    await assign_beside_the_list(page)
    await opened(page, at(document))
    await expect(page.get_by_text("dự thảo văn bản trả lời đúng hạn").first).to_be_visible()
    await mail.await_fact(sent, "assigned")
    await opened(page, "/can-xu-ly?loai=opinion")
    await expect(page.locator("[data-row]")).to_have_count(0)

    await enter(PostRole.UNIT_HEAD)
    await todo_line(page, "chưa bắt đầu")
    await axe.check(page, "/can-xu-ly (unit)")
    await opened(page, at(document))
    await page.get_by_role("link", name="Trả lại người phân công").click()
    await axe.check(page, "/van-ban-den/{id}/tra-lai")
    await page.get_by_label("Lý do trả lại").fill(BACK)
    await send_beside_the_list(page, "Đã trả lại")
    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row]")).to_have_count(0)

    await enter(PostRole.HEAD)
    await todo_line(page, "chờ phân công lại")
    await page.locator("[data-row] a.button").filter(has_text="Phân công").click()
    await expect(page.get_by_text(BACK).first).to_be_visible()
    await page.check(f"[name=lead_unit][value='{UNIT}']")
    await page.fill("#deadline", deadline)
    await assign_beside_the_list(page)
    async with site.node.store.read(await mail.scope("province")) as work:
        (delivery,) = await work.deliveries.of_document(sent.id)
        codes = [
            fact.code for fact in await work.facts.of_subject(delivery.id) if fact.track is Track.BUSINESS
        ]
    assert codes.count("04") == 1

    await enter(PostRole.OFFICER)
    await todo_line(page, "chưa bắt đầu")
    await page.locator("[data-row] a[data-open]").click()
    await page.locator("[data-pane][data-ready]").wait_for()
    await page.locator("#fold-task > summary").click()
    await page.get_by_role("button", name="Tôi phụ trách việc này").click()
    await expect(page.locator("[data-last]")).to_contain_text("phụ trách")
    await opened(page, at(document))
    await page.get_by_role("button", name="Đang xử lý").click()
    await page.wait_for_url("**told=*")
    site.clock.skip(timedelta(days=9))
    await enter(PostRole.OFFICER, path="/can-xu-ly?cua-toi=1")
    await expect(page.locator("[data-row]")).to_have_count(1)
    await opened(page, "/can-xu-ly")
    await expect(page.locator("[data-row] .letter-left .late")).to_have_count(1)
    await opened(page, "/van-ban-den?tre=1")
    await expect(page.locator(".letter .letter-left .late")).to_have_text(["Xử lý quá hạn"])
    await opened(page, at(document))
    await expect(page.locator("#assignment-title ~ * .late").first).to_be_visible()
    await page.get_by_role("button", name="Đã hoàn thành").click()
    await page.wait_for_url("**told=*")
    await mail.await_fact(sent, "done")

    await enter(PostRole.UNIT_HEAD, path=at(document))
    await page.get_by_role("link", name="Mở lại xử lý").click()
    await axe.check(page, "/van-ban-den/{id}/mo-lai")
    await page.get_by_label("Lý do mở lại").fill(WHY_REOPENED)
    await send_beside_the_list(page, "Đã mở lại")
    assert (await mail.load(document.id)).state == "processing"

    await enter(PostRole.CLERK, "province")

    async def marked() -> bool:
        async with site.node.store.read(await mail.scope("province")) as work:
            return any("reopened" in d.marks for d in await work.deliveries.of_document(sent.id))

    await mail.wait_until(marked)
    await opened(page, "/van-ban-di?tre=1")
    await expect(page.locator("[data-row]").filter(has_text="Trả lời quá hạn")).to_have_count(1)
    await opened(page, f"/van-ban-di/{sent.id}")
    await expect(page.get_by_text("nơi nhận mở lại xử lý").first).to_be_visible()
    await expect(page.get_by_text(WHY_REOPENED).first).to_be_visible()
    await expect(page.get_by_text("Quá hạn trả lời").first).to_be_visible()
    await todo_line(page, "nơi nhận chưa trả lời")
    await page.locator("[data-row] a.button").filter(has_text="Đôn đốc trả lời").click()
    await page.locator("[data-pane][data-ready]:not(.asking)").wait_for()
    await axe.check(page, "/van-ban-di/{id}/don-doc (answer)")
    await expect(page.get_by_label("Nội dung đôn đốc")).to_have_value(re.compile("chưa có văn bản trả lời"))
