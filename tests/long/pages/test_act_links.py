"""On a wide screen each link of the home page to an act opens the form beside its paper; without scripts the form has a
page of its own."""

from __future__ import annotations

from playwright.async_api import Page, ViewportSize, expect

from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.pages.mail import Mail
from tests.pages.site import Site
from tests.pages.visiting import Enter

WIDE: ViewportSize = {"width": 1366, "height": 641}
LINKS = ".letter-deed a[href]"


async def test_each_act_of_home_ends_with_a_paper_in_sight(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    _, document = await mail.comes("request")
    scope = await mail.scope("department")
    await act.set_status(site.node.inn, scope, document.id, StatusCall(code="03", staff=mail.clerk()))
    head = site.person(PostRole.HEAD, "department").person
    await received.submit(site.node.inn, scope, document.id, head.id, "")
    await enter(PostRole.HEAD)
    await page.set_viewport_size(WIDE)
    await page.goto("/tong-quan")
    links = [str(await link.get_attribute("href")) for link in await page.locator(LINKS).all()]
    assert f"/van-ban-den/{document.id}/chuyen-xu-ly" in links

    for link in links:
        await page.goto("/tong-quan")
        await page.locator(f".letter:has({LINKS}[href='{link}'])").first.hover()
        await page.locator(f"{LINKS}[href='{link}']").first.click()
        await expect(page.locator("[data-pane] img.leaf-sheet").first).to_be_in_viewport()
        await expect(page.locator("[data-pane] form[data-act]").first).to_be_visible()
