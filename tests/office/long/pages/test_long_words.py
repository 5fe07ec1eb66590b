"""One word of 500 letters, as another agency may send it, breaks no list, book or search: the page stays as wide as its
window, and what is too wide scrolls in its own region."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from playwright.async_api import Page

from gateway.domain.document import Assignment, IncomingDocument, OutgoingDocument
from gateway.domain.text import fold
from gateway.incoming.act import StatusCall
from tests.office.pages import quarantine
from tests.office.pages.mail import Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened
from tests.office.support import accounts
from tests.support.cases import Cases

WORD = "Ẫ" * 500
DIGITS = "9" * 500
WIDTHS = (1366, 390)
# What is the page's own width, and what reaches past the window without a region that scrolls.
_WIDTH = "document.scrollingElement.scrollWidth"
# Tables that are wider than their place, on a screen where each column has room.
_OWN_WIDTH = """() => [...document.querySelectorAll(".whole")]
  .filter(place => place.scrollWidth > place.clientWidth + 1)
  .map(place => `${place.getAttribute("aria-label")}: ${place.scrollWidth} > ${place.clientWidth}`)"""
_WIDER = """() => [...document.querySelectorAll("body *")]
  .filter(part => part.getBoundingClientRect().right > innerWidth + 1)
  .slice(-3).map(part => part.outerHTML.slice(0, 150)).join("\\n")"""


async def test_a_word_without_an_end_widens_no_page(
    site: Site, mail: Mail, page: Page, enter: Enter, cases: Cases
) -> None:
    letters = _, refused, assigned = [await mail.comes(key) for key in ("request", "plan", "decision")]
    await accounts.units(mail.node.accounts, (await mail.scope("department")).agency_id, WORD[:100])
    unit = Assignment(lead_unit=WORD[:100], instruction=WORD)
    for code in ("03", "04"):
        assignment = unit if code == "04" else None
        await mail.status(
            "department", assigned[0], StatusCall(code=code, staff=mail.clerk(), assignment=assignment)
        )
    await mail.refuse("department", refused[0])
    for sent, document in letters:
        await _lengthen_incoming(mail, document)
        await _lengthen_outgoing(mail, sent)
    await quarantine.land_broken(site)
    site.clock.skip(timedelta(days=1))
    for actor, paths in _PATHS.items():
        await enter(actor=actor)
        ids = [at(document) for _, document in letters]
        details = ids if actor == "department" else [f"/van-ban-di/{sent.id}" for sent, _ in letters]
        for path in (*paths, *details):
            for width in WIDTHS:
                with cases.case(f"{path} ({actor}, {width})"):
                    await page.set_viewport_size({"width": width, "height": 768})
                    await opened(page, path)
                    assert await page.evaluate(_WIDTH) <= width, await page.evaluate(_WIDER)
                    if width == WIDTHS[0]:
                        assert await page.evaluate(_OWN_WIDTH) == []


_PATHS = {
    "department": (
        *("/tong-quan", "/thong-bao", "/can-xu-ly", "/van-ban-den?tab=all", "/van-ban-den?tab=new"),
        *("/van-ban-den?tab=all&cot=trich-yeu,noi-gui,nguoi-ky", "/van-ban-den?tab=held"),
        *("/tim-kiem?phia=in&q=9", f"/tim-kiem?phia=in&q={fold('Ẫ')}", "/so-van-ban?so=incoming"),
        *("/danh-sach/van-ban-den/in", "/van-hanh/cach-ly"),
    ),
    "province": (
        *("/tong-quan", "/thong-bao", "/can-xu-ly", "/van-ban-di?tab=all", "/van-ban-di?tab=rejected"),
        *("/van-ban-di?tab=all&cot=trich-yeu,noi-nhan,nguoi-ky,don-vi", "/tim-kiem?phia=out&q=9", "/co-quan"),
        *("/so-van-ban?so=outgoing", "/so-van-ban?so=follow_up", "/so-van-ban/gui-giay"),
        "/danh-sach/van-ban-di/in",
    ),
}


async def _lengthen_incoming(mail: Mail, document: IncomingDocument) -> None:
    async with mail.node.store.begin(await mail.scope("department")) as work:
        stored = await work.incoming.get(document.id)
        files = tuple(replace(file, name=f"{WORD}.pdf") for file in stored.files)
        signer = replace(stored.signer, name=WORD, title=WORD) if stored.signer else None
        words = {"subject": WORD, "sender_name": WORD, "type_name": WORD, "signer": signer, "files": files}
        await work.incoming.save(replace(stored, number=DIGITS, symbol=WORD, **words))  # type: ignore[arg-type]
        await work.commit()


async def _lengthen_outgoing(mail: Mail, document: OutgoingDocument) -> None:
    async with mail.node.store.begin(await mail.scope("province")) as work:
        stored = await work.outgoing.get(document.id)
        files = tuple(replace(file, name=f"{WORD}.pdf") for file in stored.files)
        to = tuple(replace(r, name=WORD) for r in stored.draft.recipients)
        draft = replace(stored.draft, number=DIGITS, symbol=WORD, subject=WORD, drafter=WORD, recipients=to)
        await work.outgoing.save(replace(stored, draft=draft, files=files))
        await work.commit()
