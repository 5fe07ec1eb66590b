"""Pages about other forms: a document that axes were handed in other forms, as a clerk sees it, and an agency whose route
has one, as an administrator sees it."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from gateway.domain.document import FileRole
from gateway.outgoing import accept, intake
from gateway.outgoing.intake import Order
from gateway.words import labels
from tests.office.long.pages.test_outgoing import _chunks, at
from tests.office.pages import axe
from tests.office.pages.site import Site, opened
from tests.office.pages.visiting import Enter, scope_of
from tests.support.clock import START
from tests.support.packets import COMMUNE, PDF, PROVINCE, draft
from tests.support.town.axes import Hubs, hubs
from tests.support.waiting import wait_until


@pytest_asyncio.fixture(loop_scope="session")
async def on_hubs(tmp_path: Path) -> AsyncIterator[Hubs]:
    began = datetime.now(UTC)
    async with hubs(tmp_path, lambda: START + (datetime.now(UTC) - began)) as hub_pair:
        yield hub_pair


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path, on_hubs: Hubs) -> AsyncIterator[Site]:
    async with opened(tmp_path / "site", changed=on_hubs.change) as site:
        yield site


async def test_each_recipient_shows_the_form_and_the_file_that_its_axis_has(
    site: Site, on_hubs: Hubs, page: Page, context: BrowserContext, enter: Enter
) -> None:
    async with intake.receive_files(site.node.out) as request_files:
        await request_files.add(FileRole.LEAD, "van-ban.pdf", FileRole.LEAD, _chunks(PDF))
        order = Order(draft=draft("15", PROVINCE, COMMUNE))
        accepted = await accept.accept(site.node.out, await scope_of(site), order, request_files, None)
    document = accepted.document
    assert document is not None

    async def have_left() -> bool:
        async with site.node.store.read(await scope_of(site)) as work:
            states = {d.state for d in await work.deliveries.of_document(document.id)}
        return states <= {"sent", "delivered"}

    await wait_until(have_left, "the packets left")
    (raw,) = [
        on_hubs.national.hub._path(row[0]).read_bytes()
        for row in on_hubs.national.hub.summary()
        if (row[1], row[3]) == ("edoc", COMMUNE)
    ]
    await enter()

    await page.goto(at(document))
    rows = page.locator("ul.rows > li")
    form = "theo dạng không kèm chữ ký số của gói tin"
    for name in ("own", "national"):
        # On the line of the recipient itself, before anything is opened.
        axis = labels.say("axis.by", axis=name)
        await expect(page.locator("#recipients summary", has_text=axis)).to_have_count(1)
    texts = await rows.all_text_contents()
    (row,) = [n for n, row_text in enumerate(texts) if form in row_text]
    await axe.check(page, "/van-ban-di/{id}")
    await rows.nth(row).locator("summary").first.click()
    await rows.nth(row).locator("summary", has_text="Chi tiết kỹ thuật").click()
    await rows.nth(row).get_by_role("link", name="Gói văn bản đã ký").first.click()
    digest = hashlib.sha256(raw).hexdigest()
    assert page.url.endswith(f"/goi-tin/{digest}")
    assert form in await page.locator("#result + p").inner_text()
    assert "SignatureValue" not in await page.locator("pre.raw").inner_text()
    download = await context.request.get(f"{page.url}/tai")
    assert await download.body() == raw
    await axe.check(page, "/van-ban-di/{id}/goi-tin/{digest}")
    await page.get_by_role("link", name="Xem gói văn bản có ký").click()
    assert "Hợp lệ" in await page.locator("#result + p").inner_text()

    await page.goto(f"/co-quan/{COMMUNE}")
    assert form in " ".join(await page.locator("dl.facts").all_text_contents())
    await page.goto(f"/co-quan/{PROVINCE}")
    assert "theo dạng" not in " ".join(await page.locator("dl.facts").all_text_contents())
