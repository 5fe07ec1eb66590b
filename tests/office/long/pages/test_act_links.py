"""On a wide screen the form of an act stands beside its paper, whether a link of the home page was pressed or its address
was typed or came by mail; on a narrow one, and without scripts, the form has a page of its own."""

from __future__ import annotations

import re

from playwright.async_api import Page, ViewportSize, expect

from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from gateway_office.web import answers
from gateway_office.web.pages import ROUTES
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter

WIDE: ViewportSize = {"width": 1366, "height": 641}
NARROW: ViewportSize = {"width": 390, "height": 844}
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


async def test_the_typed_address_of_a_form_opens_it_beside_its_paper(
    site: Site, mail: Mail, page: Page, plain_page: Page, enter: Enter
) -> None:
    sent, document = await mail.comes("request")
    await enter()
    await page.set_viewport_size(NARROW)
    await page.goto(at(document, "/tu-choi"))
    await expect(page.locator("main form[data-act]")).to_be_visible()
    await expect(page).to_have_url(re.compile(rf"/{document.id}/tu-choi$"))
    await page.set_viewport_size(WIDE)
    for act_path in ("/tu-choi", "/tam-giu", "/tiep-nhan"):
        await page.goto(at(document, act_path))
        await _stands_beside(page, f'[action$="{document.id}{act_path}"]')
        assert await page.locator("#list [data-row]").count() == 1

    await site.signed_in(plain_page.context, site.person(PostRole.CLERK, "department"), "department")
    await plain_page.goto(at(document, "/tu-choi"))
    assert await plain_page.locator("main form[data-act]").count() == 1
    assert plain_page.url.endswith("/tu-choi")

    await page.goto("/tro-giup")
    await enter(PostRole.CLERK, "province")
    for act_path in ("/thu-hoi", "/gui-them?ds=tab%3Dall", "/sua-lai"):
        await page.goto(f"/van-ban-di/{sent.id}{act_path}")
        await _stands_beside(page, "" if act_path == "/sua-lai" else "[data-act]")
    await page.goto("/tro-giup")
    await page.goto(f"/van-ban-di/{sent.id}/thu-hoi")
    await _stands_beside(page, "[data-act]")
    await page.go_back()
    await expect(page).to_have_url(re.compile("/tro-giup$"))


async def _stands_beside(page: Page, form: str) -> None:
    await expect(page.locator("[data-pane] img.leaf-sheet").first).to_be_in_viewport()
    await expect(
        page.locator(f"[data-pane] .side {f'form{form}' if form else '.title'}").first
    ).to_be_visible()


def test_every_form_of_a_document_is_one_that_opens_beside_its_paper() -> None:
    """The script's list of acts names each route with a form; a document under seal has no paper to stand beside."""
    script = answers.static_bytes("gateway.js").decode()
    acts = re.compile(re.findall(r'const ACTS = "(.*)"', script)[0])
    routes = [route for route in ROUTES if re.match(r"/van-ban-(den|di)/\{id[^/]*\}/", route.path)]
    posts = {route.path for route in routes if route.method == "POST"}
    forms = {route.name: route.path for route in routes if route.method == "GET" and route.path in posts}
    odd = {
        name for name, path in forms.items() if not acts.fullmatch(path.partition("}/")[2].removeprefix("}/"))
    }
    assert len(forms) >= 15
    assert odd == {"incoming_purge_form"}
