"""A clerk presses, sees that it waits, and undoes it; presses again, and when the time is over the number is given. The
clock stands still and is moved."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.async_api import Browser, Page, expect

from gateway.domain.agency_profile import UNDO_SECONDS, ProfileVersion
from gateway.domain.document import InState
from gateway_office.domain.pending import ActFault
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of
from tests.office.pages.watching import expect_answers
from tests.support.waiting import wait_until

SECONDS = 10
WAIT = timedelta(seconds=SECONDS)


async def allow_undo(site: Site) -> None:
    now = site.clock.now()
    async with site.node.store.begin(await scope_of(site)) as work:
        version = ProfileVersion(
            id=site.clock.new_id("prf_"),
            key=UNDO_SECONDS,
            value=str(SECONDS),
            set_by="operator",
            set_at=now,
            from_when=now,
        )
        await work.profile.add(version)
        await work.commit()


async def test_in_the_pane_an_act_waits_is_undone_and_done(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    expect_answers(page, {409})
    await allow_undo(site)
    _, document = await mail.comes("notice")
    await enter()
    row, last = page.locator(f"[data-id='{document.id}']"), page.locator("[data-last]")
    with site.clock.standing():
        await page.goto("/van-ban-den")
        await page.keyboard.press("j")
        await page.locator(f"[data-pane][data-ready='{document.id}']").wait_for()
        await page.keyboard.press("Control+Enter")
        await expect(last).to_contain_text("Đang tiếp nhận")
        # The list has come anew by then, with the act in its row.
        await expect(page.locator("[data-pane]:not(.asking) [data-inside]")).to_contain_text("Đã đến cuối")
        await axe.check(page, "an act that waits")
        await row.hover()
        await expect(row.locator("[data-deed] button")).to_have_text(f"Hoàn tác: {document.code}")
        assert (await mail.load(document.id)).state is InState.NEW

        await expect(last.get_by_role("button")).to_have_attribute("data-seconds", re.compile("^[1-8]$"))
        await last.get_by_role("button").click()
        await expect(page.locator("[data-inside] [data-told]")).to_contain_text("Đã hoàn tác")
        await expect(row).not_to_contain_text("Đang tiếp nhận")
        await expect(last).to_be_empty()

        await page.locator(f"[data-pane][data-ready='{document.id}']").wait_for()
        await page.keyboard.press("Control+Enter")
        await expect(last).to_contain_text("Đang tiếp nhận")
        # The list has come anew by then, with the act in its row.
        await expect(page.locator("[data-pane]:not(.asking) [data-inside]")).to_contain_text("Đã đến cuối")
        site.clock.skip(WAIT)
        await wait_until(lambda: is_taken(mail, document.id), "a letter taken in when its time was over")
    letter = await mail.load(document.id)
    assert letter.register_no == "1"
    await row.locator("[data-deed] button").click()
    await expect(page.locator("[data-inside]")).to_contain_text("Không hoàn tác được nữa")


async def is_taken(mail: Mail, id: str) -> bool:
    return (await mail.load(id)).state is InState.ACCEPTED


async def test_without_scripts_the_letter_says_that_it_waits_and_others_are_told_who_acts(
    site: Site, mail: Mail, browser: Browser, enter: Enter, page: Page
) -> None:
    await allow_undo(site)
    _, document = await mail.comes("notice")
    token = await enter()
    context = await browser.new_context(base_url=site.url, java_script_enabled=False, locale="vi-VN")
    plain = await context.new_page()
    await context.add_cookies([{"name": "gw_session", "value": token, "url": site.url}])
    with site.clock.standing():
        await opened(plain, at(document))
        await plain.locator(".decide [data-main]").click()
        rail = plain.locator(".waits")
        await expect(rail).to_contain_text("Đang tiếp nhận, còn hoàn tác được")
        await expect(rail).to_contain_text("Số đến: đang chờ")
        acts = f"form[action*='{at(document)}']:not([action$='/trao-doi'])"
        assert await plain.locator(acts).count() == 1
        await opened(plain, "/van-ban-den?tab=all")
        await expect(plain.locator(f"[data-id='{document.id}']")).to_contain_text("còn hoàn tác được")
        await opened(plain, at(document, "/tu-choi"))
        await plain.select_option("#reason", "WRONG_ADDRESSEE")
        await plain.fill("#note", "Không thuộc thẩm quyền")
        await plain.locator("main button.grave").click()
        clerk = site.person(PostRole.CLERK, "department").person
        await expect(plain.locator("[data-problems]")).to_contain_text(
            f"{clerk.name} đang xử lý văn bản này (Đang tiếp nhận)"
        )
        await opened(plain, at(document))
        await plain.locator(".waits button").click()
        await expect(plain.locator("[data-told]")).to_contain_text("Đã hoàn tác")
        assert await plain.locator(".decide [data-main]").count() == 1
    await context.close()
    assert (await mail.load(document.id)).state is InState.NEW


async def test_what_could_not_be_done_stands_on_the_letter_in_the_list_and_among_the_tasks(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    await allow_undo(site)
    _, document = await mail.comes("notice")
    await enter()
    with site.clock.standing():
        await opened(page, at(document))
        await page.locator(".decide [data-main]").click()
        await page.locator(".waits").wait_for()
        async with site.node.store.begin(await scope_of(site)) as work:
            await work.incoming.save(await work.incoming.get(document.id))
            await work.commit()
        site.clock.skip(WAIT)

        async def has_failed() -> bool:
            async with site.node.store.read(await scope_of(site)) as work:
                return any(
                    act.fault == ActFault.CHANGED for act in (await work.office.pending.all(9)).values()
                )

        await wait_until(has_failed, "an act that could not be done")
    for address in (at(document), "/van-ban-den?tab=all"):
        await opened(page, address)
        await expect(page.locator("main")).to_contain_text("Chưa tiếp nhận được")
    await opened(page, "/can-xu-ly")
    await expect(page.locator("main")).to_contain_text("Chưa tiếp nhận hoặc từ chối được")
    await opened(page, at(document))
    await axe.check(page, "an act that could not be done")
    await page.get_by_role("button", name="Đã rõ").click()
    await expect(page.locator("[data-told]")).to_be_visible()
    await expect(page.locator("main")).not_to_contain_text("Chưa tiếp nhận được")
