"""Agencies on the pages: files of codes looked at before they count, a change refused with its conflicts and stated without
scripts, and decisions that need two people and their proofs."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import BrowserContext, Page

from gateway.deciding import reform as reforms
from gateway.domain.post import PostRole
from tests.pages import axe, deciders
from tests.pages.site import Site
from tests.pages.summary import Record
from tests.pages.watching import Watcher
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE

GO = "[data-main]"
NEW = "/co-quan/thay-doi/moi"
STATED = (
    f"{NEW}?kind=rename&sources={DEPARTMENT}&name=S%E1%BB%9F%20M%E1%BB%9Bi&number=7/QD&issued=20/11/2026"
    "&issuer=UBND&effective=01/01/2027"
)


async def keeper(site: Site, context: BrowserContext) -> None:
    await site.signed_in(context, site.person(PostRole.CODES))


async def uploaded(page: Page, text: str) -> None:
    await page.goto("/co-quan/nhap")
    await page.set_input_files(
        "#file", {"name": "codes.csv", "mimeType": "text/csv", "buffer": text.encode()}
    )
    await page.click(GO)
    await page.wait_for_url("**/co-quan/nhap/xem/*")


async def counted(page: Page) -> dict[str, int]:
    """The counters over the preview, by the word in their links."""
    words = page.locator("[data-filters] a[href*='loc=']")
    links = [await words.nth(n).get_attribute("href") or "" for n in range(await words.count())]
    counts = await words.locator(".count").all_inner_texts()
    return {link.rpartition("=")[2]: int(count) for link, count in zip(links, counts, strict=True)}


async def test_a_file_is_previewed_row_by_row_and_applied_as_it_was_shown(
    site: Site, context: BrowserContext, page: Page, record_property: Record
) -> None:
    await keeper(site, context)
    before = await site.node.directory.entry(DEPARTMENT)
    assert before is not None
    await page.goto("/co-quan/nhap")
    await axe.check(page, record_property, "import")

    await uploaded(
        page,
        f"Mã định danh;Tên cơ quan;Điện thoại;Ghi chú\n{DEPARTMENT};{before.name};0123 456;x\n"
        f"{PROVINCE}.77;Chi cục Mẫu;;\n",
    )

    assert await counted(page) == {"error": 0, "close": 0, "change": 1, "add": 1}
    assert await page.locator("ins", has_text="0123 456").count() == 1
    await axe.check(page, record_property, "import preview")
    assert await site.node.directory.entry(f"{PROVINCE}.77") is None, "a preview writes nothing"
    await page.click("a[href$='loc=add']")
    assert await page.locator("#list tbody tr").count() == 1
    await page.click(GO)
    await page.wait_for_url("**told=reforms.imported")
    added, changed = [await site.node.directory.entry(code) for code in (f"{PROVINCE}.77", DEPARTMENT)]
    assert added is not None
    assert added.parent == PROVINCE
    assert changed is not None
    assert (changed.name, changed.phone) == (before.name, "0123 456")


async def test_a_file_with_errors_names_them_and_is_never_applied(
    site: Site, context: BrowserContext, page: Page, watcher: Watcher
) -> None:
    await keeper(site, context)

    await uploaded(page, f"code,name,parent,valid_from\n{PROVINCE}.78,Chi cục,{PROVINCE}.99,31/02/2027\n")

    assert (await counted(page))["error"] >= 1
    assert await page.locator(f"form {GO}").count() == 0
    token = await page.locator("input[name=form_token] >> nth=0").input_value()
    watcher.expect({422})
    answer = await page.request.post(
        page.url, form={"form_token": token}, headers={"Origin": site.url}, max_redirects=0
    )
    assert answer.status == 422
    assert await site.node.directory.entry(f"{PROVINCE}.78") is None


async def test_a_preview_is_for_the_registry_that_it_was_made_on_and_for_its_own_session(
    site: Site, context: BrowserContext, page: Page, watcher: Watcher
) -> None:
    await keeper(site, context)
    await uploaded(page, f"code,name\n{PROVINCE}.79,Chi cục Bảy\n")
    address = page.url
    plan = await site.node.directory.plan_import(f"code,name\n{PROVINCE}.80,Chi cục Tám\n".encode())
    await site.node.directory.apply(plan, "other")

    watcher.expect({422})
    await page.click(GO)
    assert await page.locator("[data-problems]").count() == 1
    assert await site.node.directory.entry(f"{PROVINCE}.79") is None
    await site.signed_in(context, site.person(PostRole.OPERATOR))
    await page.goto(address)
    assert "told=reforms.import_gone" in page.url


async def test_the_wizard_works_without_scripts_and_refuses_with_every_conflict(
    site: Site, plain_page: Page, watcher: Watcher
) -> None:
    page = plain_page
    await keeper(site, page.context)
    watcher.expect({422})
    await page.goto(NEW)

    await page.click(GO)
    assert await page.locator("a[href='#kind']").count() == 1, "a kind must be chosen"
    await page.check("[name=kind][value=merge]")
    await page.click(GO)
    await page.fill("#sources", "000.00.00.K99")
    await page.fill("#code_1", COMMUNE)
    await page.click(GO)
    assert await page.locator("#sources[aria-invalid=true]").count() == 1, "nobody has that code"
    await page.fill("#sources", DEPARTMENT.lower())
    await page.click(GO)
    await page.click("button[name=back]")
    assert await page.input_value("#sources") == DEPARTMENT, "nothing is lost by going back"
    await page.click(GO)
    for name, text in (("number", "7/QD"), ("issued", "1/11/2026"), ("issuer", "UBND")):
        await page.fill(f"#{name}", text)
    await page.fill("#effective", "32/13/2026")
    await page.click(GO)
    assert await page.locator("#effective[aria-invalid=true]").count() == 1
    await page.fill("#effective", "01/01/2027")
    await page.click(GO)
    assert COMMUNE in await page.inner_text("main")
    assert await page.locator("#queued").count() == 1

    await page.goto(STATED.replace("rename", "recode") + f"&code_1={COMMUNE}&step=5")
    assert await page.locator("[data-problems] li").count() >= 1, "a code is never given again"
    assert await page.locator("#password").count() == 0


async def test_a_change_needs_the_proof_of_two_people_and_can_be_undone_by_one(
    site: Site, context: BrowserContext, page: Page, watcher: Watcher, record_property: Record
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await both[0].comes_in(context)
    watcher.expect({422})
    await page.goto(f"{STATED}&step=5")
    await both[0].signs(page, password="another one")
    await page.click(GO)
    assert await page.locator("#password[aria-invalid=true]").count() == 1
    await both[0].signs(page)
    await page.click(GO)
    await page.wait_for_url("**told=reforms.proposed")
    proposal = page.url.split("?")[0]
    id = proposal.rpartition("/")[2]
    await axe.check(page, record_property, "proposal")
    assert await page.locator("a[href$='/phe-duyet']").count() == 0, "who proposed is not asked to approve"

    await both[1].comes_in(context)
    await page.goto("/co-quan/de-nghi")
    await axe.check(page, record_property, "proposals")
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, record_property, "approve")
    await page.fill("#typed_1", "8/QD")
    await both[1].signs(page)
    await page.click(GO)
    assert await page.locator("#typed_1[aria-invalid=true]").count() == 1, "another decision"
    await page.fill("#typed_1", "7/qd")
    await both[1].signs(page)
    await page.click(GO)
    await page.wait_for_url("**told=reforms.approved")

    await page.goto(f"/co-quan/thay-doi/{id}/hoan-tac")
    await axe.check(page, record_property, "undo")
    await page.fill("#reason", "The day was another one")
    await both[1].signs(page)
    await page.click(GO)
    await page.wait_for_url("**told=reforms.undone")
    assert (await reforms.get(site.node.deciding, id)).undone_why == "The day was another one"


async def test_a_proposal_is_rejected_with_its_reason_and_the_old_one_stands(
    site: Site, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await both[0].comes_in(context)
    await page.goto(f"{STATED}&step=5")
    await both[0].signs(page)
    await page.click(GO)
    await page.wait_for_url("**told=reforms.proposed")
    proposal = page.url.split("?")[0]

    await page.goto(f"{proposal}/tu-choi")
    await page.fill("#reason", "Not what was decided")
    await both[0].signs(page)
    await page.click(GO)

    await page.wait_for_url("**told=reforms.rejected")
    assert await page.locator("a[href$='/phe-duyet']").count() == 0
    assert not await reforms.listed(site.node.deciding, 10)


async def test_who_keeps_no_codes_changes_none(
    site: Site, context: BrowserContext, page: Page, watcher: Watcher
) -> None:
    await site.signed_in(context, site.person(PostRole.CLERK, "province"))
    watcher.expect({403})

    for path in (NEW, "/co-quan/nhap", "/co-quan/thay-doi", "/co-quan/de-nghi"):
        answer = await page.goto(path)

        assert answer is not None
        assert answer.status == 403, path


async def test_an_agency_proposes_certificates_of_its_own_code_alone(
    site: Site, context: BrowserContext, page: Page, watcher: Watcher
) -> None:
    await site.signed_in(context, site.person(PostRole.AGENCY_ADMIN, "department"))
    watcher.expect({404, 422})
    site.clock.skip(timedelta(seconds=31))
    for code, status in ((PROVINCE, 404), (DEPARTMENT, 422)):
        await page.goto(f"/co-quan/de-nghi/chung-thu-so?ma={code}")
        await page.set_input_files(
            "#file", {"name": "a.pem", "mimeType": "text/plain", "buffer": b"no certificate"}
        )
        async with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
            await page.click(GO)

        assert (await answered.value).status == status
