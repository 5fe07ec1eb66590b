"""Seals and signatures are registered on the pages by two persons, from a specimen; a document tells whose seal it has."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.domain.seals import CertificateKind
from gateway_office.domain.roles import PostRole
from tests.long.pages.test_agencies import GO, decide
from tests.pages import axe, deciders
from tests.pages.site import Site
from tests.pages.summary import Record
from tests.pages.visiting import Enter
from tests.pages.watching import Watcher
from tests.support import pdfs
from tests.support.node import DEPARTMENT, PROVINCE
from tests.support.pdf_pki import agency
from tests.support.seals import register, seal_of

SEALS = "/co-quan/de-nghi/mau-dau"
SPECIMEN = pdfs.by_both()


async def test_a_seal_is_registered_from_a_specimen_by_two_persons(
    site: Site, context: BrowserContext, page: Page, record_property: Record
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await both[0].comes_in(context)
    await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
    assert "Chưa đăng ký mẫu dấu" in await page.inner_text("main")
    await page.goto(f"{SEALS}?ma={DEPARTMENT}")
    await axe.check(page, record_property, "specimen")
    specimen = {"name": "mau-dau.pdf", "mimeType": "application/pdf", "buffer": SPECIMEN}
    await page.set_input_files("#file", specimen)  # type: ignore[arg-type]  # one file
    await page.click(GO)
    await axe.check(page, record_property, "specimen looked at")
    assert await page.locator("input[name=chosen]").count() == 2, "the person's and the seal's"
    # Kind and name follow the certificate that is chosen.
    await page.get_by_label("Mẫu dấu: Sở Mẫu").check()
    await decide(page, both[0], "reforms.proposed")
    proposal = page.url.split("?")[0]

    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, record_property, "approve a seal")
    (change,) = await _proposed(site, proposal.rpartition("/")[2])
    assert change not in await page.content(), "the end comes from the agency"
    await page.fill("#typed_1", change[-16:])
    await decide(page, both[1], "reforms.approved")

    (registered,) = (await site.node.directory.seal_register(DEPARTMENT, ())).certificates
    assert (registered.kind, registered.fingerprint) == (CertificateKind.SEAL, change)
    await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
    await axe.check(page, record_property, "registered seals")
    assert "Đang dùng" in await page.inner_text("main")


async def _proposed(site: Site, id: str) -> tuple[str, ...]:
    async with site.node.deciding.decisions.read() as view:
        return (await view.proposals.get(id)).content.fingerprints


@pytest.mark.parametrize(("code", "status"), [(PROVINCE, 404), (DEPARTMENT, 422)])
async def test_an_agency_proposes_seals_of_its_own_code_alone(
    site: Site, page: Page, watcher: Watcher, enter: Enter, code: str, status: int
) -> None:
    """A person is registered with a position; what is missing is said beside the field."""
    await enter(PostRole.AGENCY_ADMIN)
    watcher.expect({404, 422})
    site.clock.skip(timedelta(seconds=31))
    await page.goto(f"{SEALS}?ma={code}")
    await page.set_input_files("#file", {"name": "a.pem", "mimeType": "text/plain", "buffer": agency().pem})
    async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        await page.click(GO)
    if status == 404:
        assert (await answered.value).status == status
        return
    await page.select_option("#kind", "person")
    await page.fill("#name", "Nguyễn Văn Mẫu")
    await page.fill("#password", "not asked before the rest fits")
    await page.fill("#code", "123456")
    async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        await page.click(GO)

    assert (await answered.value).status == status
    assert "họ tên và chức vụ" in await page.inner_text("#position-fault")


async def test_two_persons_let_an_agency_seal_for_another_and_one_ends_it_and_a_seal(
    site: Site, context: BrowserContext, page: Page, watcher: Watcher, record_property: Record
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    watcher.expect({422})
    await register(site.node.deciding, seal_of(DEPARTMENT, agency()))
    await both[0].comes_in(context)
    await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
    await page.click("a[href*='/dong-dau-thay?']")
    await axe.check(page, record_property, "propose a right to seal")
    for field, text in (("acting", DEPARTMENT), ("act_number", "12/QĐ-UBND"), ("act_date", "02/01/2026")):
        await page.fill(f"#{field}", text)
    await page.fill("#since", "05/01/2026")
    await both[0].signs(page)
    await page.click(GO)
    assert await page.locator("#acting[aria-invalid=true]").count() == 1, "its own seal needs no right"
    await page.fill("#acting", PROVINCE)
    await decide(page, both[0], "reforms.proposed")
    proposal = page.url.split("?")[0]

    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await page.fill("#typed_1", "12/QĐ-UBND")
    await decide(page, both[1], "reforms.approved")
    (right,) = (await site.node.directory.seal_register(DEPARTMENT, ())).rights
    assert (right.acting_code, right.act_number, right.valid_to) == (PROVINCE, "12/QĐ-UBND", None)
    for name in ("end a seal", "end a right"):
        await page.goto(f"/co-quan/{DEPARTMENT}?muc=chung-thu-so")
        await page.locator("a[href*='/mau-dau/thoi?']").first.click()
        await axe.check(page, record_property, name)
        await page.fill("#reason", "The token was lost")
        await decide(page, both[1], "seals.withdrawn")
    text = await page.inner_text("main")
    assert text.count("Đã thôi dùng") == 2
    assert await page.locator("a[href*='/mau-dau/thoi?']").count() == 0
