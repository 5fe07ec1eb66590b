"""Strangers ask on the open page whether a document was issued here. The codes on a slip are read by a reader that was not
written here, and prove the document."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, FilePayload, Page, expect
from pypdfium2 import PdfDocument

from gateway import time_source
from gateway.domain.document import DocumentChange, Kind, OutgoingDocument
from gateway.ops.evidence import proof_text
from gateway.ops.evidence.make import EvidenceMaker
from gateway.settings import Settings
from gateway_office.domain.roles import PostRole
from gateway_office.web.pages.issued import LEAST_S
from tests.office.pages import axe
from tests.office.pages.guest import Guest, calling
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.site import opened as open_site
from tests.office.pages.visiting import Enter, scope_of
from tests.support.evidence import sealed

PATH, ADDRESS = "/xac-minh", "https://gateway.example.invalid"


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    def asking(settings: Settings) -> Settings:
        accounts = replace(settings.accounts, address=ADDRESS)
        return replace(settings, accounts=accounts, pages=replace(settings.pages, verification="on"))

    async with open_site(tmp_path / "site", changed=asking) as site:
        yield site


async def sent(mail: Mail, key: str = "request", **more: Any) -> OutgoingDocument:
    document = await mail.send("province", key, ("department",), **more)
    await mail.wait_until(lambda: mail.stands("province", document, "delivered"))
    return document


def lead(mail: Mail, key: str, document: OutgoingDocument) -> bytes:
    assert document.draft.issued_on is not None
    return mail.cast.file(key, 0, document.draft.issued_on)


async def choose(page: Page, content: bytes) -> None:
    file = FilePayload(name="a.pdf", mimeType="application/pdf", buffer=content)
    await page.get_by_label("Tệp văn bản").set_input_files(file)


async def test_a_stranger_hears_four_answers(
    page: Page, context: BrowserContext, mail: Mail, site: Site
) -> None:
    first, second = await sent(mail), await sent(mail, "invitation")
    replaces = ((second.document_id, (mail.cast.code("department"),)),)
    change = DocumentChange(reason="Thay thế", replaces=replaces)
    await sent(mail, "invitation-replaced", kind=Kind.REPLACEMENT, parent=second, change=change)
    sent_bodies: list[str | None] = []
    page.on("request", lambda request: sent_bodies.append(request.post_data))
    verdict = page.locator("[data-told]")

    await page.goto("/dang-nhap")
    await page.get_by_role("link", name="Xác minh văn bản").click()
    await axe.check(page, PATH)
    content = lead(mail, "request", first)
    await choose(page, content)
    await expect(verdict).to_contain_text("phát hành")
    await expect(verdict).to_be_focused()
    await expect(verdict).to_contain_text("Ủy ban nhân dân tỉnh Sao Mai")
    assert first.draft.code not in await page.content()
    assert first.draft.subject not in await page.content()
    await axe.check(page, PATH)
    await page.set_viewport_size({"width": 360, "height": 640})
    assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth")

    await choose(page, content + b"\n")
    await expect(verdict).to_contain_text("Không có thông tin")
    await mail.recall(first)
    await page.locator("#ma").fill(hashlib.sha256(content).hexdigest().upper())
    await page.keyboard.press("Enter")
    await expect(verdict).to_contain_text("thu hồi")
    await choose(page, lead(mail, "invitation", second))
    await expect(verdict).to_contain_text("thay thế")
    assert set(sent_bodies) == {None}, "no file left the browser"
    assert await context.cookies() == []


async def test_a_question_is_limited_and_echoes_nothing_that_runs(
    site: Site, guest: Guest, mail: Mail, tmp_path: Path
) -> None:
    document = await sent(mail)
    digest = document.files[0].sha256
    started_at = time_source.monotonic()
    page = await guest.get(f"{PATH}?ma={digest}")
    assert time_source.monotonic() - started_at >= LEAST_S
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Robots-Tag"] == "noindex"
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in page.headers
    assert '"word": "issued"' in (await guest.get(f"{PATH}?ma={digest}", Accept="application/json")).text
    for text in ('"><script>alert(1)</script>', "0" * 63, "g" * 64, "'; --"):
        wrong = await guest.get(f"{PATH}?ma={quote(text)}")
        assert (wrong.status, "<script>alert" in wrong.text) == (422, False), text

    answers = [await guest.get(f"{PATH}?ma={n:064x}") for n in range(40)]
    (first, *_) = [answer for answer in answers if answer.status != 200]
    assert (first.status, int(first.headers["Retry-After"]) > 0) == (429, True)
    assert (await guest.get(f"{PATH}?ma={digest}", X_Forwarded_For="192.0.2.7")).status == 200

    async with open_site(tmp_path / "off") as silent, calling(silent.url) as stranger:
        answer, nowhere = await stranger.get(f"{PATH}?ma={digest}"), await stranger.get("/khong-co")
        assert (answer.status, nowhere.status) == (404, 404)
        assert PATH not in (await stranger.get("/dang-nhap")).text


def scanned(pdf: Path) -> Sequence[str]:
    """Read the codes of printed pages, by a reader of Debian's."""
    pictures = [pdf.with_suffix(f".{n}.png") for n in range(len(PdfDocument(pdf)))]
    for picture, sheet in zip(pictures, PdfDocument(pdf), strict=True):
        sheet.render(scale=300 / 72).to_pil().save(picture)
    reading = subprocess.run(["zbarimg", "--raw", "-q", *pictures], capture_output=True, check=False)
    return reading.stdout.decode().splitlines()


@pytest.mark.skipif(shutil.which("zbarimg") is None, reason="zbar-tools are not installed")
async def test_the_codes_of_a_slip_and_of_an_evidence_page_prove_the_document(
    site: Site, page: Page, browser: Browser, mail: Mail, enter: Enter, tmp_path: Path
) -> None:
    document = await sent(mail)
    slip, pdf = f"/van-ban-di/{document.id}/phieu-gui", tmp_path / "slip.pdf"
    await sealed(site.town, None)
    await enter(PostRole.CLERK, "province", path=slip)
    await page.pdf(path=pdf, format="A4")
    assert len(PdfDocument(pdf)) == 1, "the slip is one sheet"
    link, text = sorted(scanned(pdf), key=len)
    assert link == f"{ADDRESS}{PATH}?ma={document.files[0].sha256}"

    pack = await EvidenceMaker(site.node).make(await scope_of(site, "province"), document.id)
    (tmp_path / "pack.zip").write_bytes(b"".join(pack.pieces()))
    (tmp_path / "index.html").write_bytes(zipfile.ZipFile(tmp_path / "pack.zip").read("index.html"))
    judge_page = await browser.new_page()
    await judge_page.goto((tmp_path / "index.html").as_uri())
    await judge_page.pdf(path=pdf, format="A4")
    await judge_page.close()

    policy = await proof_text.own_policy(site.node)
    (tmp_path / "logs.policy").write_text(policy.to_text())
    (tmp_path / "a.pdf").write_bytes(lead(mail, "request", document))
    (of_page,) = scanned(pdf)
    for code in (text, of_page):
        (tmp_path / "code").write_text(code)
        assert proof_text.verify(tmp_path / "code", tmp_path, tmp_path / "a.pdf")["verdict"] == "valid"
