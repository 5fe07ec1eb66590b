"""The desk of incoming letters at its quickest: one is taken in beside the list by one stroke, and the next opens."""

from __future__ import annotations

from playwright.async_api import Page, expect

from gateway.demo import stage
from gateway.demo.acts import Acts
from gateway.domain.document import Urgency
from gateway.office.domain.roles import PostRole
from tests.pages.site import Site


async def test_one_stroke_takes_in_the_open_letter_and_opens_the_next(site: Site, page: Page) -> None:
    acts = Acts(node=site.node, cast=stage.cast())
    sent = [
        await acts.send("province", "invitation", ("department",), urgency=Urgency.EXPRESS),
        await acts.send("province", "notice", ("department",)),
    ]
    first, second = [await acts.arrived("department", each) for each in sent]
    await site.signed_in(page.context, site.person(PostRole.CLERK, "department"), "department")
    await page.goto("/van-ban-den")
    await page.keyboard.press("j")
    await page.locator(f"[data-pane][data-ready='{first.id}']").wait_for()
    await page.keyboard.press("Control+Enter")
    await page.locator(f"[data-pane][data-ready='{second.id}']").wait_for()

    await expect(page.locator("[data-last] .big-number")).to_have_text("1")
    await expect(page.locator(f"[data-id='{first.id}'] [data-deed]")).to_have_text("Số đến 1")
    assert page.url == f"{site.url}/van-ban-den#{second.id}"
    async with site.node.store.read(await acts.scope("department")) as work:
        stored = [await work.incoming.get(each.id) for each in (first, second)]
    assert [each.state.value for each in stored] == ["accepted", "new"]
