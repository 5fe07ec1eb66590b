"""Many outgoing documents at once: recipients are reminded of all their late ones together, and evidence packs leave as one
file, each reading written down before."""

from __future__ import annotations

import io
import zipfile
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from gateway.domain.document import OutState, Recipient
from gateway.domain.event import EventKind
from gateway.domain.states import Track
from gateway.domain.status import Fact
from gateway_office.domain.listing import Filter, Side
from gateway_office.domain.roles import PostRole
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, scope_of
from tests.support.stores import delivery, draft, outgoing


async def test_a_recipient_is_reminded_once_of_everything_that_is_late(
    site: Site, page: Page, enter: Enter
) -> None:
    scope = await scope_of(site)
    async with site.node.store.begin(scope) as work:
        for n in (1, 2, 3):
            at = site.clock.now() - timedelta(days=6 if n < 3 else 0)
            to = Recipient(code="Z91.12", name="Xã Bình Mẫu")
            sent = outgoing(
                site.clock,
                scope=scope,
                state=OutState.PACKED,
                created_at=at,
                draft=draft(number=str(n), recipients=(to,)),
            )
            await work.outgoing.add(sent)
            late_delivery = delivery(sent, "Z91.12", "delivered")
            await work.deliveries.add([late_delivery])
            await work.facts.add(late_delivery.id, Fact(track=Track.TRANSPORT, code="sent", at=at))
        await work.commit()
    await enter(path="/van-ban-di")
    await page.locator("[data-page]").check()
    await page.get_by_role("button", name="Đôn đốc").click()
    await expect(page.locator("main")).to_contain_text("1 nơi nhận sẽ được đôn đốc.")
    await expect(page.locator("fieldset")).to_contain_text("2 văn bản quá hạn")
    await expect(page.locator("main")).to_contain_text("chưa có nơi nhận nào quá hạn")
    await page.locator("[data-main]").click()
    await expect(page.locator("main")).to_contain_text("Đã ghi nhận đôn đốc về 2 văn bản.")

    await page.goto("/danh-sach/van-ban-di?viec=don-doc&tat-ca=1")

    await expect(page.locator("fieldset input")).to_be_disabled()


@pytest.mark.told
async def test_evidence_packs_leave_as_one_file_and_each_reading_is_written_down(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.CLERK, "province", path="/van-ban-di")
    for n in (0, 1):
        await page.locator("[data-row] input").nth(n).check()
    await page.get_by_role("button", name="Tải hồ sơ chứng cứ điện tử").click()
    async with page.expect_download() as coming:
        await page.locator("[data-main]").click()
    raw = (await (await coming.value).path()).read_bytes()

    with zipfile.ZipFile(io.BytesIO(raw)) as packed:
        assert len(packed.namelist()) == 2
        for name in packed.namelist():
            assert zipfile.is_zipfile(io.BytesIO(packed.read(name)))
    async with site.node.store.read(await scope_of(site, "province")) as work:
        lines = (await work.office.lists.page(Filter(side=Side.OUT), limit=10)).lines
        kinds = [event.kind for line in lines for event in await work.events.of_subject(line.id)]
    assert kinds.count(EventKind.DOCUMENT_READ) == 2
