"""The inspector's chair: everything to read about rules, log and findings, nothing of a document and nothing to change; the
dossier is the same as a DOCX and as a PDF."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pypdfium2
import pytest
from playwright.async_api import Page, expect

from gateway.trust.page_drawing.docx import read_docx
from gateway.words import legal
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.guest import at_work, calling
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, scope_of


@pytest.mark.told
async def test_an_inspector_reads_rules_and_log_by_keyboard_and_no_document(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.INSPECTOR, path="/")

    await expect(page).to_have_url(f"{site.url}/thanh-tra")
    await axe.check(page)
    menu = page.get_by_role("navigation", name="Chính").get_by_role("link")
    assert {await link.get_attribute("href") for link in await menu.all()} == {
        "/",
        "/thanh-tra",
        "/co-quan",
        "/tro-giup",
    }
    rows = page.locator("main tbody tr[data-row]")
    await expect(rows).to_have_count(len(legal.read().rules))
    await expect(page.locator("#log")).to_contain_text("nguyên vẹn")
    for fold in ("witnesses", "losses", "states", "findings"):
        await page.locator(f"#{fold} > summary").press("Enter")
    await axe.check(page)
    text = await page.locator("main").inner_text()

    await page.get_by_role("link", name="có một phần").press("Enter")
    await expect(rows).to_have_count(sum(rule.state == "partly" for rule in legal.read().rules.values()))
    await page.get_by_role("link", name="R5", exact=True).press("Enter")
    await expect(page.get_by_role("heading", name="Quy tắc R5")).to_be_visible()
    await expect(page.locator("main tbody tr")).to_have_count(10)
    await axe.check(page)
    text += await page.locator("main").inner_text()
    await page.goto("/thanh-tra/quy-tac/R8")
    await expect(page.get_by_text("Danh mục không gắn quy tắc này với loại sự kiện nào.")).to_be_visible()

    async with site.node.store.read(await scope_of(site, "province")) as work:
        sent = (await work.outgoing.page(limit=50)).items
    assert len(sent) > 5
    for document in sent:
        for secret in (document.draft.subject, document.id, document.packet_id):
            assert not secret or secret not in text


@pytest.mark.told
async def test_the_dossier_is_the_same_in_both_forms_and_there_is_no_third(
    site: Site, tmp_path: Path
) -> None:
    async with calling(site.url) as guest:
        await at_work(site, guest, site.person(PostRole.INSPECTOR))
        headers = {"Cookie": f"gw_session={guest.token}"}
        files = {}
        for kind in ("docx", "pdf"):
            async with guest.http.get(f"{site.url}/thanh-tra/ho-so?dang={kind}", headers=headers) as answer:
                assert answer.status == 200
                assert f".{kind}" in answer.headers["Content-Disposition"]
                files[kind] = await answer.read()
        refused = [
            (await guest.get(f"/thanh-tra/{path}")).status for path in ("ho-so?dang=txt", "quy-tac/R999")
        ]

    assert refused == [404, 404]
    (tmp_path / "d.docx").write_bytes(files["docx"])
    document = pypdfium2.PdfDocument(io.BytesIO(files["pdf"]))
    printed = "".join(sheet.get_textpage().get_text_range() for sheet in document)
    heads = [
        line for line in "".join(read_docx(tmp_path / "d.docx")).splitlines() if re.match(r"\d+\. ", line)
    ]
    assert len(heads) == 14
    for head in heads:
        assert head in printed.replace("\r", "")
    assert all(
        f"\n{rule}" in printed.replace("\r", "") for rule in legal.read().rules if rule.startswith("R")
    )
