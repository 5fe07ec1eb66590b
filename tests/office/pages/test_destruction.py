"""A clerk proposes a destruction and records the council; the head and an operator, each with password and second factor,
approve and confirm it; then the letter says that its content was destroyed, and nothing of it opens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pyotp
from playwright.async_api import BrowserContext, Page, expect

from gateway import retention
from gateway.incoming.act import StatusCall
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, send_form
from tests.office.pages.watching import expect_answers
from tests.office.support.accounts import Someone, with_factor

PATH = "/so-van-ban/tieu-huy"
TABLE = (
    "class,type,file_kind,months,start,valid_from,valid_until,basis\n1 năm,{},,12,year-end,2000-01-01,,QĐ 1\n"
)


async def signs(site: Site, page: Page, person: Someone, password: str = "") -> None:
    site.clock.skip(timedelta(seconds=31))
    await page.fill("#password", password or person.password)
    await page.fill("#code", pyotp.TOTP(person.totp or "").at(site.clock.now()))
    await page.locator("[data-main]").click()


async def test_content_goes_by_the_decision_of_two_persons_with_their_second_factor(
    site: Site, mail: Mail, enter: Enter, context: BrowserContext, page: Page
) -> None:
    """R102 (destruction by decision)."""
    sent, document = await mail.taken_in()
    for code in ("05", "06"):
        await mail.status("department", sent, StatusCall(code=code, staff=mail.clerk()))
    scope, node = await mail.scope("department"), site.node
    rows = retention.read_table(TABLE.format(document.type_name))
    moves = await retention.preview(node.store, scope, rows)
    await retention.put_table(node.store, node.clock, scope, rows, moves)
    expect_answers(page, {404, 409, 422})
    await enter(path=PATH)
    await axe.check(page, PATH)
    await page.fill("#reason", "Hết thời hạn bảo quản")
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-problems]")).to_contain_text("Không có văn bản nào")

    # The letter is made old, not the clock late: passwords of persons end sooner than any retention.
    async with node.store.changing(scope) as work:
        old = await work.incoming.get(document.id)
        await work.incoming.save(replace(old, arrived_at=old.arrived_at - timedelta(days=800)))
    await enter(path=PATH)
    await page.fill("#reason", "Hết thời hạn bảo quản")
    await send_form(page, "books.destruction.proposed")
    await axe.check(page, f"{PATH}/{{id}}")
    act = page.url.partition("?")[0]
    await expect(page.get_by_role("row", name=document.symbol)).to_contain_text("sẽ tiêu hủy")
    await page.get_by_role("link", name="Ghi biên bản của hội đồng").click()
    await page.fill("#number", "3/BB-HĐ")
    await page.fill("#day", "hôm nay")
    await page.fill("#members", "Ba thành viên")
    await axe.check(page, f"{PATH}/{{id}}/bien-ban")
    await send_form(page, "books.destruction.assessed")
    assert not await page.locator("a[href$='/duyet']").count(), "a clerk does not approve"

    head, _, _ = await with_factor(site.person(PostRole.HEAD, "department"))
    await site.signed_in(context, head, "department")
    await opened(page, f"{act}/duyet")
    await axe.check(page, f"{PATH}/{{id}}/duyet")
    for password in ("wrong password 1", head.password):
        await page.fill("#number", "12/QĐ-SNN")
        await page.fill("#day", "hôm nay")
        await signs(site, page, head, password)
        if password != head.password:
            await page.locator("[data-problems]").wait_for()
    await page.wait_for_url("**told=books.destruction.approved*")
    assert not await page.locator("a[href$='/xac-nhan']").count(), "who approved does not confirm"
    await opened(page, f"{act}/xac-nhan")
    await signs(site, page, head)
    await expect(page.locator("[data-problems]")).to_contain_text("ba người khác nhau")

    operator, _, _ = await with_factor(site.person(PostRole.OPERATOR))
    await site.signed_in(context, operator, "department")
    await opened(page, f"{act}/xac-nhan")
    await axe.check(page, f"{PATH}/{{id}}/xac-nhan")
    await signs(site, page, operator)
    await page.wait_for_url("**told=books.destruction.confirmed*")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Tải danh mục có chữ ký").click()
    text = (await (await download.value).path()).read_text("utf-8")
    assert document.envelope_digest in text
    assert '"signature"' in text.splitlines()[-1]

    site.clock.skip(timedelta(minutes=11))
    await mail.wait_until(partial(is_destroyed, mail, document.id))
    await enter(path=at(document))
    await expect(page.get_by_text("Nội dung đã tiêu hủy theo quyết định 12/QĐ-SNN")).to_be_visible()
    assert (await page.request.get(at(document, "/tep/1"))).status == 409
    await opened(page, act)
    await expect(page.get_by_role("row", name=document.symbol)).to_contain_text("đã tiêu hủy")
    await axe.check(page, f"{PATH}/{{id}} (done)")


async def is_destroyed(mail: Mail, id: str) -> bool:
    return (await mail.load(id)).destroyed is not None
