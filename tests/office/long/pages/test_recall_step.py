"""A recall that the head approves on a page: asked for by the clerk, on the head's list, gone only then; refused with a
reason, taken back, and never approved by who asked."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest_asyncio
from playwright.async_api import Page, expect

from gateway.domain.document import Kind, OutgoingDocument
from gateway.settings import Settings
from gateway_office.accounts import posts
from gateway_office.accounts.acting import Administrator
from gateway_office.domain.roles import PostRole
from tests.office.long.pages.test_outgoing import at, sent
from tests.office.pages import axe
from tests.office.pages.guest import Guest, at_work
from tests.office.pages.site import Site, opened
from tests.office.pages.visiting import NARROW, Enter, scope_of
from tests.support.waiting import wait_until

CLERK, HEAD = PostRole.CLERK, PostRole.HEAD
WHY, NO = "Gửi nhầm nơi nhận, thiếu phụ lục.", "Nội dung vẫn đúng, không cần thu hồi."
REQUEST_PATH = "/thu-hoi/de-nghi"


def _in_two_steps(settings: Settings) -> Settings:
    return replace(settings, rules=replace(settings.rules, recall_approval="step"))


@pytest_asyncio.fixture(loop_scope="session")
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(tmp_path / "site", changed=_in_two_steps) as site:
        yield site


async def recalls(site: Site, document: OutgoingDocument) -> list[OutgoingDocument]:
    async with site.node.store.read(await scope_of(site)) as work:
        return [row for row in await work.outgoing.children(document.id) if row.kind is Kind.RECALL]


async def asks(site: Site, guest: Guest, document: OutgoingDocument) -> dict[str, str]:
    """Post the page's own form, with a typed name that the form does not have."""
    (mark,) = re.findall(r'name="seen" value="([^"]*)"', (await guest.get(at(document, "/thu-hoi"))).text)
    to = document.draft.recipients[0].code
    form = {
        "seen": mark,
        "reason": WHY,
        "notice_no": "7/TB",
        "approved_by": "Ai Đó",
        "form": "notice",
        "to": to,
    }
    answer = await guest.post(at(document, "/thu-hoi"), form)
    assert answer.status == 303, answer.text
    async with site.node.store.read(await scope_of(site)) as work:
        return {"ask": (await work.office.recalls.of_document(document.id))[0].id}


async def test_the_head_finds_it_on_the_list_and_it_leaves_once_approved(
    site: Site, page: Page, enter: Enter
) -> None:
    document = await sent(site)
    await enter()
    await page.set_viewport_size(NARROW)
    await page.goto(at(document, "/thu-hoi"))
    head = site.person(HEAD, "department").person
    await expect(page.get_by_text(head.name)).to_be_visible()
    assert await page.get_by_label("Lãnh đạo phê duyệt").count() == 0
    await axe.check(page, "/van-ban-di/{id}/thu-hoi (step)")
    await page.get_by_label("Lý do").fill(WHY)
    await page.get_by_label("Số thông báo thu hồi").fill("7/TB-STD")
    await page.get_by_role("button", name="Trình lãnh đạo phê duyệt").click()

    await expect(page.get_by_text("Đã trình lãnh đạo phê duyệt")).to_be_visible()
    await axe.check(page, "/van-ban-di/{id}/thu-hoi/de-nghi (clerk)")
    assert await page.get_by_role("button", name="Phê duyệt và thu hồi văn bản").count() == 0
    await page.goto(at(document))
    await expect(page.get_by_text("đang chờ lãnh đạo phê duyệt")).to_be_visible()
    assert await recalls(site, document) == []

    await enter(HEAD, path="/can-xu-ly")
    await page.get_by_role("link", name="Xem và phê duyệt").click()
    await page.wait_for_url("**/thu-hoi/de-nghi")
    await axe.check(page, "/van-ban-di/{id}/thu-hoi/de-nghi (head)")
    await expect(page.get_by_text(WHY)).to_be_visible()
    await page.get_by_role("button", name="Phê duyệt và thu hồi văn bản").click()

    await page.wait_for_url("**told=outgoing.recalled*")
    (notice,) = await recalls(site, document)
    assert notice.change is not None
    assert str(notice.change.approved_by).startswith(head.name)

    async def have_left() -> bool:
        async with site.node.store.read(await scope_of(site)) as work:
            return "queued" not in {d.state for d in await work.deliveries.of_document(notice.id)}

    await wait_until(have_left, "the packets left")
    await page.goto("/can-xu-ly")
    assert await page.get_by_role("link", name="Xem và phê duyệt").count() == 0


async def test_a_refusal_is_read_with_its_reason_and_nobody_approves_what_oneself_asked_for(
    site: Site, guest: Guest
) -> None:
    """A typed name opens nothing."""
    document = await sent(site)
    page = at(document, REQUEST_PATH)
    clerk, head = site.person(CLERK, "department"), site.person(HEAD, "department")
    await at_work(site, guest, clerk)
    ask = await asks(site, guest, document)
    assert await recalls(site, document) == []
    await at_work(site, guest, head)
    assert (await guest.post(f"{page}/khong-phe-duyet", {**ask, "why": "không"})).status == 422
    assert (await guest.post(f"{page}/khong-phe-duyet", {**ask, "why": NO})).status == 303
    await at_work(site, guest, clerk)
    assert "Lãnh đạo không phê duyệt" in (await guest.get(at(document))).text
    assert NO in (await guest.get(page)).text
    assert (await guest.post(f"{page}/rut-lai", await asks(site, guest, document))).status == 303

    # Who asked as a clerk does not approve as a head.
    root = Administrator.person(site.person(PostRole.OPERATOR).person.id)
    post = posts.WantedPost(role=HEAD, agency_id=await site.agency("department"))
    await posts.give(site.node.accounts, root, clerk.login, post)
    await at_work(site, guest, clerk)
    own = await asks(site, guest, document)
    answer = await guest.get(page)
    assert "Không ai tự phê duyệt đề nghị của mình" in answer.text
    assert "Phê duyệt và thu hồi văn bản" not in answer.text
    assert (await guest.post(f"{page}/phe-duyet", own)).status == 403
    assert await recalls(site, document) == []
