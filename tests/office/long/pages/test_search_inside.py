"""A word inside a file leads to its page: the search names file and page, and the page found is on the paper, in the pane
too; a scan says that it has no words; and persons who see no content, or another unit's alone, find nothing."""

from __future__ import annotations

import re
from datetime import timedelta

from playwright.async_api import Page, expect

from gateway.domain.document import IncomingDocument
from gateway_labs.demo import stage
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of
from tests.support.letters import Text, paper
from tests.support.packets import PDF
from tests.support.waiting import wait_until

WORDS = "Kinh phí duy tu cầu Rạch Miễu đợt hai"


async def comes(mail: Mail, site: Site) -> IncomingDocument:
    """Bring a letter of two files, a text of three pages and a scan, and wait until both are read."""
    pages = ("Trang một", "Trang hai", WORDS)
    text = paper([[Text(words, 90, 100, centred=False)] for words in pages])
    province, department = (stage.cast().code(actor) for actor in ("province", "department"))
    sent = await site.town.send(
        "15", department, sender=province, files=(("du-toan.pdf", text), ("ban-quet.pdf", PDF))
    )
    letter = await mail.wait_for_arrival("department", sent)
    scope = await scope_of(site)

    async def are_read() -> bool:
        site.clock.skip(timedelta(seconds=31))  # the worker looks twice a minute
        async with site.node.store.read(scope) as work:
            return len(await work.office.contents.readings(letter.id)) == 2

    await wait_until(are_read, "the words of the letter are read")
    return letter


async def test_threat_145_the_page_found_is_on_the_paper_for_persons_who_may_read_the_letter(
    mail: Mail, enter: Enter, page: Page, plain_page: Page, site: Site
) -> None:
    """In the pane, and without scripts on the letter's own page; a hidden letter is not found."""
    letter = await comes(mail, site)
    for role in (PostRole.OFFICER, PostRole.AGENCY_ADMIN):
        await enter(role)
        answer = await page.request.get("/tim-kiem?q=rach+mieu")
        assert "letter-extract" not in await answer.text(), role

    await enter(path="/tim-kiem?q=rach+mieu")
    row = page.locator(f'[data-row][data-id="{letter.id}"]')
    await expect(row.locator(".letter-extract")).to_contain_text("Có trong tệp du-toan.pdf, trang 3:")
    assert await row.locator(".letter-extract mark").all_inner_texts() == ["Rạch", "Miễu"]
    await axe.check(page, "/tim-kiem")
    await row.locator("a[data-open]").click()
    await expect(page.locator("#pane img.leaf-sheet").first).to_have_id("trang-3")
    await opened(page, "/tim-kiem?q=trong:tệp+cầu+rạch")
    await expect(page.locator(".letter-extract")).to_have_count(1)
    await expect(page.get_by_role("link", name="Trong tệp", exact=True)).to_have_attribute(
        "aria-current", "page"
    )
    await opened(page, at(letter, "?tep=2"))
    await expect(page.locator(".leaf-pages")).to_contain_text("không có lớp chữ")

    await site.signed_in(plain_page.context, site.person(PostRole.CLERK, "department"), "department")
    await opened(plain_page, "/tim-kiem?q=rach+mieu")
    await plain_page.locator("a[data-open]").click()
    await plain_page.wait_for_url(re.compile(r"tep=1&trang=3"))
    await expect(plain_page.locator("#trang-3")).to_have_count(1)
    await opened(plain_page, at(letter, "/tam-giu"))
    await plain_page.locator("textarea").first.fill("Chờ bản chính")
    await plain_page.locator("main form button.main, main form button").last.click()
    await plain_page.wait_for_load_state()
    await opened(plain_page, "/tim-kiem?q=rach+mieu")
    await expect(plain_page.locator("[data-row]")).to_have_count(0)
