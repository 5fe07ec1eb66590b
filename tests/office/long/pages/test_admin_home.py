"""The home of an agency's administrator: figures and names that ask for an act, and nothing of any document."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Page, expect

from gateway.domain.agency_profile import UNSIGNED_IN
from gateway_office.accounts import admin, agency_profile, units
from gateway_office.accounts.acting import Administrator
from gateway_office.accounts.posts import WantedPost
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, scope_of

EMPTY_UNIT = "Tổ Chuyển đổi số"


async def test_the_administrator_sees_what_presses_without_any_document(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    person, scope = site.person(PostRole.AGENCY_ADMIN, "department").person, await scope_of(site)
    by, services = Administrator.person(person.id), site.node.accounts
    await units.add_unit(services, by, scope.agency_id, EMPTY_UNIT)
    post = WantedPost(role=PostRole.OFFICER, agency_id=scope.agency_id, unit="")
    new_account = admin.NewAccount(login="hoangvanmoi", name="Hoàng Văn Mới", posts=(post,), request="01/PĐN")
    await admin.add(services, by, new_account)
    await agency_profile.choose(
        site.node.store, services, by, person.name, scope.agency_id, UNSIGNED_IN, "hold"
    )
    _, document = await mail.comes()
    site.clock.skip(timedelta(days=6))

    await enter(PostRole.AGENCY_ADMIN, path="/")
    assert page.url.endswith("/tong-quan")

    await expect(page.locator("section", has=page.locator("#attention"))).to_contain_text("Hoàng Văn Mới")
    await expect(page.locator("section", has=page.locator("#empty-units"))).to_contain_text(EMPTY_UNIT)
    settings = page.locator("section", has=page.locator("#differs"))
    await expect(settings).to_contain_text("Tạm giữ chờ văn thư")
    await expect(settings).to_contain_text("Nhận như thường")
    assert await page.locator("section", has=page.locator("#late-persons")).locator("tbody tr").count() == 1
    text = await page.locator("main").inner_text()
    assert document.subject
    assert document.subject not in text
    assert await page.locator("main a[href^='/van-ban'], main a[href^='/can-xu-ly']").count() == 0
    await axe.check(page, "home of an administrator")
    for width, height in ((1366, 641), (390, 844)):
        await page.set_viewport_size({"width": width, "height": height})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width
