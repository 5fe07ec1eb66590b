"""An issuer's lists on the pages: what bindings rest on is shown, two people approve a policy and a whole list by digits
that they have from elsewhere, and one person takes trust away."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Page

from gateway.deciding import delegation
from gateway.domain.delegated import ListState
from gateway.registry_authoring.receipts import DueReceipt, write_receipt
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe, deciders
from tests.office.pages.deciders import GO
from tests.office.pages.site import Site
from tests.office.pages.watching import expect_answers
from tests.support import feeds, pki
from tests.support.packets import DEPARTMENT

SOURCES = "/co-quan/nguon-xac-nhan"
ISSUER = "Registry issuer"
OFFICERS = (feeds.officer("one"), feeds.officer("two"))
CODES = ("Z93.01", "Z93.02", "Z93.03")


async def take(site: Site, sequence: int, *codes: str, **changes: Any) -> None:
    """Let the node take a list that binds these codes; one row has no agency. `changes` are fields of the first."""
    folder = site.node.settings.trust.folder / "feed"
    folder.mkdir(exist_ok=True)
    feeds.write_certificate(folder / "issuer.pem", feeds.ISSUER)
    made_at = site.node.clock.now().replace(microsecond=0)
    rows = [feeds.trust(code, pki.signer(code, "p256").certificate_der) for code in (*codes, "Z93.99")]
    first = feeds.agency(CODES[0], parent="Z93", **changes)
    unchanged = [feeds.agency(c, parent="Z93") for c in CODES[1:]]
    agencies = [feeds.agency("Z93", "UBND tỉnh Sao Hôm"), first, *unchanged]
    path = site.node.settings.node.data_dir / "given.feed"
    path.write_bytes(feeds.trust_feed([*agencies, *rows], sequence, officers=OFFICERS, made_at=made_at))
    outcome = await site.node.feed.accept(path, "operator")
    assert outcome.verdict == "applied", outcome.reason
    await delegation.judge_undecided(site.node.deciding)


async def test_two_people_approve_a_list_and_a_policy_and_one_takes_trust_away(
    site: Site, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    expect_answers(page, {422})
    await take(site, 1, CODES[0])
    await both[0].comes_in(context)
    await page.goto(SOURCES)
    await axe.check(page, "sources of trust")
    await page.click("[data-row] a[href*='danh-muc']")
    await axe.check(page, "one list")
    assert "Z93.99" in await page.inner_text("main"), "a row in conflict is shown"
    await page.click("a[href*='/de-nghi?']")
    await axe.check(page, "propose a list")
    await both[0].decides(page, "reforms.proposed")
    proposal = page.url.split("?")[0]

    async with site.node.deciding.decisions.read() as view:
        received = await view.lists.get(ISSUER, 1)
    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, "approve a list")
    assert received.trust[-16:] not in await page.content(), "the approver has the digits from elsewhere"
    await page.fill("#typed_1", "0" * 16)
    await both[1].signs(page)
    await page.click(GO)
    assert await page.locator("#typed_1[aria-invalid=true]").count() == 1
    await page.fill("#typed_1", received.trust[-16:])
    await both[1].decides(page, "reforms.approved")
    assert len(await site.node.directory.bindings(CODES[0])) == 1

    await page.goto(SOURCES)
    await page.click("section.card a[href*='/chinh-sach?']")
    await axe.check(page, "propose a policy")
    assert await page.input_value("#issuer") == ISSUER
    for officer in await page.locator("input[name=officer]").all():
        await officer.check()
    await page.fill("#under", "Z93")
    await page.fill("#most_per_day", "ten")
    await page.fill("#most_share", "100")
    await page.fill("#wait_hours", "0")
    await both[1].signs(page)
    await page.click(GO)
    assert await page.locator("#most_per_day[aria-invalid=true]").count() == 1
    await page.fill("#most_per_day", "10")
    await both[1].decides(page, "reforms.proposed")
    async with site.node.deciding.decisions.read() as view:
        policy = await view.proposals.get(page.url.split("?")[0].rpartition("/")[2])
    (change,) = policy.content.delegations
    assert (change.codes, change.most_per_day, change.most_share, change.wait_hours) == (("Z93",), 10, 100, 0)
    assert set(change.officers) == {delegation.officer_of(o.certificate_der) for o in OFFICERS}
    await both[0].comes_in(context)
    await page.goto(f"/co-quan/de-nghi/{policy.id}/phe-duyet")
    await axe.check(page, "approve a policy")
    for n, digits in enumerate(policy.content.expected, 1):
        assert digits not in await page.content()
        await page.fill(f"#typed_{n}", digits)
    await both[0].decides(page, "reforms.approved")
    await take(site, 2, *CODES)
    async with site.node.deciding.decisions.read() as view:
        assert (await view.lists.get(ISSUER, 2)).state is ListState.DONE
    await page.goto(SOURCES)
    await axe.check(page, "sources of trust with a policy")
    assert ISSUER in await page.inner_text("main")
    await page.goto(f"/co-quan/{CODES[1]}?muc=chung-thu-so")
    assert ISSUER in await page.inner_text("main"), "the agency's page says what its certificate rests on"

    await page.goto(SOURCES)
    await page.click("section.card a[href*='/chinh-sach?']")
    assert await page.locator("input[name=officer]:checked").count() == 2, (
        "the policy in force stands in the form"
    )
    await page.goto(SOURCES)
    await page.click("a[href*='/nguoi-ky?'] >> nth=0")
    await axe.check(page, "strike an officer")
    await page.fill("#reason", "Left the office of the issuer")
    await both[0].decides(page, "delegated.struck")
    await page.click("a[href*='/thu-hoi?']")
    await axe.check(page, "recall a policy")
    await page.fill("#reason", "Their key was stolen")
    await both[0].decides(page, "delegated.recalled")
    await page.click("a[href*='/thoi?'] >> nth=0")
    await axe.check(page, "end a list's bindings")
    await page.fill("#reason", "Their key was stolen")
    await both[0].decides(page, "delegated.ended")
    ended = (await site.node.directory.bindings(CODES[1]))[0].valid_to
    assert ended is not None
    assert ended <= site.node.clock.now()


async def test_two_people_approve_what_a_list_changes_in_who_speaks_for_a_code(
    site: Site, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await take(site, 1)
    der = pki.signer(CODES[0], "p256").certificate_der
    await site.node.directory_changes.bind(CODES[0], der, pki.NOT_BEFORE, pki.NOT_AFTER, "an", "binh")
    await take(site, 2, successor=CODES[1], valid_to=date(2026, 1, 31), decision="12/QĐ-UBND")
    await both[0].comes_in(context)
    await page.goto(f"{SOURCES}/danh-muc?ben={ISSUER}&so=2")
    await axe.check(page, "a list that changes codes")
    page_text = await page.inner_text("main")
    assert all(text in page_text for text in (CODES[0], CODES[1], "2026-01-31", "12/QĐ-UBND")), page_text
    await page.click("a[href*='loai=agency']")
    await axe.check(page, "propose changes of codes")
    await both[0].decides(page, "reforms.proposed")
    proposal = page.url.split("?")[0]

    async with site.node.deciding.decisions.read() as view:
        received = await view.lists.get(ISSUER, 2)
    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, "approve changes of codes")
    assert CODES[1] in await page.inner_text("main"), "the approver sees what changes"
    assert received.digest[-16:] not in await page.content(), "the approver has the digits from elsewhere"
    await page.fill("#typed_1", received.digest[-16:])
    await both[1].decides(page, "reforms.approved")
    assert [*await site.node.directory.taken_over(CODES[1], site.node.clock.now().date())] == [CODES[0]]


async def test_the_issuer_sees_which_nodes_have_its_lists(
    site: Site, context: BrowserContext, page: Page, tmp_path: Path
) -> None:
    (first, _) = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await first.comes_in(context)
    await page.goto(SOURCES)
    assert DEPARTMENT not in await page.inner_text("main"), "this node issued no list yet"
    header, now = await site.node.feed.export(tmp_path / "1.feed", feeds.ISSUER), site.node.clock.now()
    due = DueReceipt(
        issuer=header.issuer, sequence=1, digest=header.digest, state=ListState.DONE, taken_at=now
    )
    raw = write_receipt(due, site.node.keys.signer(DEPARTMENT, now), now, "1.2.3")
    assert await site.node.feed.receipts.take(raw, site.node.directory.bindings)

    for number, columns in ((1, 1), (2, 2)):
        if number == 2:
            await site.node.feed.export(tmp_path / "2.feed", feeds.ISSUER, sequence=2)
        await page.goto(SOURCES)
        await axe.check(page, f"nodes that have list {number}")
        (cells,) = [
            await row.locator("td").all_inner_texts()
            for row in await page.locator("[data-row]", has_text=DEPARTMENT).all()
        ]
        assert cells[1:3] == [DEPARTMENT, "1"]
        assert len([*filter(None, cells[4:])]) == columns, "it is behind once there is a newer list"
