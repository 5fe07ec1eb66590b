"""The node's memory of itself, as an administrator sees it: jobs over thirty days, a day of the queues, the traffic of
days."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from playwright.async_api import Page, expect

from gateway.domain.account import AgencyScope
from gateway.domain.document import Recipient
from gateway.domain.pace import Beat, QueueSample
from gateway.policy import upkeep
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter
from tests.office.pages.watching import expect_answers
from tests.support.node import DEPARTMENT
from tests.support.stores import delivery, draft, incoming, outgoing


async def remembered(site: Site) -> None:
    """Record six days of jobs, with backups each night but one and sealing that failed yesterday, and a day of samples."""
    now, history = site.clock.now(), site.node.store.history
    for days in range(6, -1, -1):
        at = now - timedelta(days=days, minutes=1)
        beats = [Beat(job=job, at=at) for job in upkeep.JOBS if job != "backup" or days != 3]
        failed = Beat(job="sealer", failed_at=at, failures=2, code="GW-T-101")
        await history.record([*beats, *([failed] if days == 1 else [])], [], now)
    for hours in range(24):
        at = now - timedelta(hours=hours)
        await history.record([], [QueueSample(at=at, queue="axis", depth=hours, oldest_s=60 * hours)], at)


async def test_jobs_and_queues_are_shown_over_time_and_a_late_job_is_told_of(
    site: Site, page: Page, enter: Enter
) -> None:
    await remembered(site)
    await enter(PostRole.OPERATOR, path="/van-hanh/tac-vu")

    await page.locator("#days > summary").click()
    row = page.get_by_role("row", name="Sao lưu")
    cells = await row.locator("td.beat").all_inner_texts()
    letters = [cell.split()[0] for cell in cells]
    assert len(letters) == upkeep.DAYS
    assert letters[:7] == ["Đ", "Đ", "T", "K", "Đ", "Đ", "Đ"]
    assert letters[-1] == "·"
    sealing = page.get_by_role("row", name="Niêm nhật ký").first
    assert "2 lỗi GW-T-101" in (await sealing.locator("td.beat").nth(1).get_attribute("title") or "")
    await axe.check(page)

    await page.goto("/van-hanh/hang-doi")

    await expect(page.get_by_role("img", name="Số gói đang chờ")).to_be_visible()
    await page.get_by_text("Xem bảng số liệu").click()
    rows = page.get_by_role("table", name="Số gói đang chờ trong hệ thống, 24 giờ").get_by_role("row")
    assert await rows.count() >= 24
    assert await page.locator("svg.spark").count() >= 3
    await axe.check(page)

    site.clock.skip(timedelta(hours=27))
    await enter(PostRole.OPERATOR, path="/van-hanh/tac-vu")
    await expect(page.get_by_text("Trễ, chưa báo lại:").first).to_contain_text("Sao lưu")
    await page.goto("/van-hanh")
    late = page.locator(".fact-line, .first-step").filter(has_text="Việc định kỳ").filter(has_text="Sao lưu")
    await expect(late.first).to_contain_text("Trễ, chưa báo lại")


async def exchanged(site: Site) -> None:
    """Store exchanges: one document of the department to three recipients, one arrived there, one of the province."""
    now = site.clock.now()
    scopes = [
        AgencyScope(agency_id=await site.agency(x), principal_id="prn_test")
        for x in ("department", "province")
    ]
    recipients = tuple(Recipient(code=x) for x in ("Z91.80", "Z91.81", "Z91.82"))
    sent = outgoing(site.clock, scope=scopes[0], created_at=now, draft=draft(recipients=recipients))
    async with site.node.store.begin(scopes[0]) as work:
        await work.outgoing.add(sent)
        states = {"Z91.80": "accepted", "Z91.81": "rejected", "Z91.82": "sent"}
        await work.deliveries.add(
            [
                replace(delivery(sent, code, state), id=f"dlv_{n}")
                for n, (code, state) in enumerate(states.items())
            ]
        )
        await work.incoming.add(incoming(site.clock, scope=scopes[0], sender_code="Z91.80", arrived_at=now))
        await work.commit()
    async with site.node.store.begin(scopes[1]) as work:
        await work.incoming.add(incoming(site.clock, scope=scopes[1], sender_code="Z91.83", arrived_at=now))
        await work.commit()


async def test_traffic_is_counted_by_day_and_partner_narrowed_and_led_to_its_rows(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {422})
    await exchanged(site)
    await enter(PostRole.OPERATOR, path="/van-hanh/luu-luong")

    partners = page.get_by_role("table", name="Theo đối tác")
    await expect(partners.get_by_role("row")).to_have_count(6)
    await expect(partners.get_by_role("row", name="Z91.81")).to_contain_text("Gửi đi")
    await axe.check(page)
    await page.get_by_role("combobox", name="Đối tác (tên hoặc mã)").fill("Z91.80")
    await page.get_by_label("Chiều").select_option(label="Nhận đến")
    await page.get_by_role("button", name="Xem", exact=True).click()
    await expect(partners.get_by_role("row")).to_have_count(2)
    await page.get_by_label("Đến ngày").fill("mai mốt")
    await page.get_by_role("button", name="Xem", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Ngày không hợp lệ")

    # Figures lead to the rows behind them, for who may see them.
    await enter(PostRole.OPERATOR, at="department", path=f"/van-hanh/luu-luong?co-quan={DEPARTMENT}")
    await partners.get_by_role("row", name="Z91.81").get_by_role("link").first.click()
    await expect(page.get_by_text("Tổng số: 1 văn bản")).to_be_visible()
    assert "co-quan=Z91.81" in page.url
    assert "tab=rejected" in page.url
