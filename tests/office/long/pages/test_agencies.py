"""Agencies are changed on the pages: files of codes are looked at before they count, a change is refused with its
conflicts and stated without scripts, and decisions need two people and their proofs."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from playwright.async_api import BrowserContext, Page

from gateway.deciding import registry_changes as reforms
from gateway.domain.registry import AgencyFilter
from gateway_office.book.table_files import XlsxColumn, XlsxWriter
from gateway_office.domain.roles import PostRole
from gateway_office.node import exchange
from tests.office.pages import axe, deciders
from tests.office.pages.deciders import GO, Decider
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter
from tests.office.pages.watching import expect_answers
from tests.support.node import COMMUNE, DEPARTMENT, PROVINCE

NEW = "/co-quan/thay-doi/moi"
STATED = (
    f"{NEW}?kind=rename&sources={DEPARTMENT}&name=S%E1%BB%9F%20M%E1%BB%9Bi&number=7/QD&issued=20/11/2026"
    "&issuer=UBND&effective=01/01/2027"
)


async def uploaded(page: Page, text: str | bytes, name: str = "codes.csv") -> None:
    raw = text.encode() if isinstance(text, str) else text
    await page.goto("/co-quan/nhap")
    await page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": raw})
    await page.click(GO)
    await page.wait_for_url("**/co-quan/nhap/xem/*")


async def counted(page: Page) -> dict[str, int]:
    """Return the counters over the preview, by the word in their links."""
    words = page.locator("[data-filters] a[href*='loc=']")
    links = [await words.nth(n).get_attribute("href") or "" for n in range(await words.count())]
    counts = await words.locator(".count").all_inner_texts()
    return {link.rpartition("=")[2]: int(count) for link, count in zip(links, counts, strict=True)}


async def test_a_file_is_previewed_row_by_row_and_applied_as_previewed(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.CODES)
    entry = await site.node.directory.entry(DEPARTMENT)
    assert entry is not None
    await page.goto("/co-quan/nhap")
    await axe.check(page, "import")

    await uploaded(
        page,
        f"Mã định danh;Tên cơ quan;Nút liên thông;Ghi chú\n{DEPARTMENT};{entry.name};elsewhere;x\n"
        f"{PROVINCE}.77;Chi cục Mẫu;;\n",
    )

    assert await counted(page) == {"error": 0, "close": 0, "change": 1, "add": 1}
    assert await page.locator("ins", has_text="elsewhere").count() == 1
    await axe.check(page, "import preview")
    assert await site.node.directory.entry(f"{PROVINCE}.77") is None, "a preview writes nothing"
    await page.click("a[href$='loc=add']")
    assert await page.locator("#list tbody tr").count() == 1
    await page.click(GO)
    await page.wait_for_url("**told=reforms.imported")
    added, changed = [await site.node.directory.entry(code) for code in (f"{PROVINCE}.77", DEPARTMENT)]
    assert added is not None
    assert added.parent == PROVINCE
    assert changed is not None
    assert (changed.name, changed.host) == (entry.name, "elsewhere")
    await page.locator("main tbody a[data-open]").last.click()
    await axe.check(page, "an import that others stand on")
    assert "/co-quan/nhap/lan/" in page.url
    assert await page.locator("a[href$='/hoan-tac']").count() == 0
    assert DEPARTMENT in await page.inner_text("main section"), "the reasons name what stands on it"


def workbook(*rows: tuple[str, ...]) -> bytes:
    out = io.BytesIO()
    with XlsxWriter(out, "Danh mục", [XlsxColumn(title=title, width=20) for title in rows[0]]) as writer:
        for row in rows[1:]:
            writer.add(row)
        writer.close()
    return out.getvalue()


async def test_a_workbook_that_changes_agencies_needs_two_people_and_is_undone_completely(
    site: Site, context: BrowserContext, page: Page
) -> None:
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    entry = await site.node.directory.entry(DEPARTMENT)
    assert entry is not None
    await both[0].comes_in(context)
    expect_answers(page, {422})
    rows = (("Mã định danh", "Tên cơ quan", "Điện thoại"), (DEPARTMENT, entry.name, "0123 456"))
    await uploaded(page, workbook(*rows, (f"{PROVINCE}.77", "Chi cục Mẫu", "")), "codes.xlsx")
    assert await counted(page) == {"error": 0, "close": 0, "change": 1, "add": 1}
    token = await page.locator("input[name=form_token] >> nth=0").input_value()
    alone = await page.request.post(
        page.url, form={"form_token": token}, headers={"Origin": site.url}, max_redirects=0
    )
    assert alone.status == 422, "the plain act is refused where two are needed"

    await page.fill("#number", "45/QĐ-UBND")
    await both[0].signs(page, password="another one")
    await page.click(GO)
    assert await page.locator("#password[aria-invalid=true]").count() == 1
    assert await page.input_value("#number") == "45/QĐ-UBND", "what was typed stays"
    await axe.check(page, "import for two")
    await both[0].decides(page, "reforms.proposed")
    proposal = page.url.split("?")[0]
    assert await site.node.directory.entry(f"{PROVINCE}.77") is None

    await both[1].comes_in(context)
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, "approve an import")
    assert "45/QĐ-UBND" not in await page.inner_text("main"), "the approver has the number from elsewhere"
    assert await page.locator("ins", has_text="0123 456").count() == 1
    await page.fill("#typed_1", "46/QĐ-UBND")
    await both[1].signs(page)
    await page.click(GO)
    assert await page.locator("#typed_1[aria-invalid=true]").count() == 1
    await page.fill("#typed_1", "45/qđ-ubnd")
    await both[1].decides(page, "reforms.approved")
    changed = await site.node.directory.entry(DEPARTMENT)
    assert changed is not None
    assert changed.phone == "0123 456"

    site.clock.skip(timedelta(minutes=5))
    await page.click("a[href*='/co-quan/nhap/lan/']")
    await axe.check(page, "one import")
    await page.click("a[href$='/hoan-tac']")
    await axe.check(page, "undo an import")
    await page.fill("#reason", "The list of another year")
    await both[1].decides(page, "reforms.import_undone")
    assert await site.node.directory.entry(f"{PROVINCE}.77") is None
    restored = await site.node.directory.entry(DEPARTMENT)
    assert restored is not None
    assert restored.phone == entry.phone
    assert await page.locator("a[href$='/hoan-tac']").count() == 0


async def test_old_letters_are_shown_before_and_after_and_broken_files_have_words(
    page: Page, enter: Enter
) -> None:
    await enter(PostRole.CODES)

    await uploaded(page, f"code;name\n{PROVINCE}.78;Së N«ng nghiÖp\n".encode("latin-1"))

    assert await page.locator("td", has_text="Sở Nông nghiệp").count() >= 2
    await axe.check(page, "import of old letters")
    expect_answers(page, {422})
    for raw in (b"PK\x03\x04 cut off", b'{"agencies": 5}'):
        await page.goto("/co-quan/nhap")
        await page.set_input_files("#file", {"name": "a.xlsx", "mimeType": "text/csv", "buffer": raw})
        await page.click(GO)
        assert await page.locator("#file[aria-invalid=true]").count() == 1


async def test_a_file_with_errors_names_them_and_is_never_applied(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.CODES)

    await uploaded(page, f"code,name,parent,valid_from\n{PROVINCE}.78,Chi cục,{PROVINCE}.99,31/02/2027\n")

    assert (await counted(page))["error"] >= 1
    assert "1 dòng: 0 dòng đạt, 1 dòng lỗi" in await page.inner_text("main")
    fault_rows = page.locator("#faults tbody tr")
    assert await fault_rows.count() == (await counted(page))["error"]
    wrong_day = fault_rows.filter(has_text="31/02/2027")
    assert (await wrong_day.locator("td").all_inner_texts())[:2] == ["2", "Hiệu lực từ"]
    async with page.expect_download() as coming:
        await page.get_by_role("link", name="Tải danh sách lỗi").click()
    faults = (await (await coming.value).path()).read_text(encoding="utf-8-sig").splitlines()
    assert faults[0] == '"Dòng","Cột","Đang ghi","Cách sửa"'
    assert len(faults) == 1 + (await counted(page))["error"]
    assert "31/02/2027" in "".join(faults)
    assert await page.locator(f"form {GO}").count() == 0
    token = await page.locator("input[name=form_token] >> nth=0").input_value()
    expect_answers(page, {422})
    answer = await page.request.post(
        page.url, form={"form_token": token}, headers={"Origin": site.url}, max_redirects=0
    )
    assert answer.status == 422
    assert await site.node.directory.entry(f"{PROVINCE}.78") is None


async def test_a_preview_is_for_the_registry_that_it_was_made_on_and_for_its_own_session(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.CODES)
    await uploaded(page, f"code,name\n{PROVINCE}.79,Chi cục Bảy\n")
    address = page.url
    plan = await site.node.directory_changes.plan_import(f"code,name\n{PROVINCE}.80,Chi cục Tám\n".encode())
    await site.node.directory_changes.apply(plan, "other")

    expect_answers(page, {422})
    await page.click(GO)
    assert await page.locator("[data-problems]").count() == 1
    assert await site.node.directory.entry(f"{PROVINCE}.79") is None
    await enter(PostRole.OPERATOR, path=address)
    assert "told=reforms.import_gone" in page.url


async def test_the_wizard_works_without_scripts_and_refuses_with_every_conflict(
    site: Site, plain_page: Page
) -> None:
    page = plain_page
    await site.signed_in(page.context, site.person(PostRole.CODES))
    expect_answers(plain_page, {422})
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

    # Conflicts of the choice stand at its fields, with the agency's name; those of the day stand at the day.
    future = f"{PROVINCE}.82"
    table = f"code,name,valid_from\n{future},Chi cục Sau,2027-06-01\n".encode()
    await site.node.directory_changes.apply(await site.node.directory_changes.plan_import(table), "other")
    merge = STATED.replace("rename", "merge").replace(DEPARTMENT, future) + f"&code_1={COMMUNE}"
    await page.goto(merge.replace("&effective=01/01/2027", "&step=3"))
    warning = await page.inner_text("section.warn")
    assert f"Chi cục Sau ({future})" in warning
    assert "01/06/2027" in warning
    await page.goto(f"{merge}&step=4")
    assert "01/06/2027" in await page.inner_text("#effective-fault")
    await page.goto(f"{STATED.replace('rename', 'recode')}&code_1={COMMUNE}&step=3")
    assert COMMUNE in await page.inner_text("#code_1-fault")

    await page.goto(STATED.replace("rename", "recode") + f"&code_1={COMMUNE}&step=5")
    assert await page.locator("[data-problems] li").count() >= 1, "a code is never given again"
    assert await page.locator("#password").count() == 0


async def test_an_agency_is_named_by_its_name_and_two_namesakes_are_distinguished(
    site: Site, context: BrowserContext, page: Page, plain_page: Page, enter: Enter
) -> None:
    twins = f"{PROVINCE}.81", f"{DEPARTMENT}.81"
    lines = "".join(f"{code},Phòng Nội vụ Mẫu,{code.rpartition('.')[0]}\n" for code in twins)
    plan = await site.node.directory_changes.plan_import(f"code,name,parent\n{lines}".encode())
    await site.node.directory_changes.apply(plan, "other")
    expect_answers(page, {422})
    await site.signed_in(plain_page.context, site.person(PostRole.CODES))
    await plain_page.goto(f"{NEW}?kind=rename&name=Phong+Moi&at=2")
    await plain_page.fill("#sources", "phong noi vu mau")
    await plain_page.click(GO)
    fault = await plain_page.inner_text("#sources-fault")
    assert all(f"Phòng Nội vụ Mẫu ({code})" in fault for code in twins)
    await plain_page.fill("#sources", f"Phòng Nội vụ Mẫu ({twins[1]})")
    await plain_page.click(GO)
    assert twins[1] in await plain_page.inner_text(".so-far")

    for path, field in (("/co-quan", "goc"), ("/co-quan/thay-doi", "ma")):
        await plain_page.goto(f"{path}?{field}=phong+noi+vu+mau")
        assert twins[0] in await plain_page.inner_text(f"#{field}-fault"), "not guessed here either"

    await enter(PostRole.CODES, path=f"{NEW}?kind=merge&at=2")
    for press in ("Enter", "click"):
        await page.locator("#find").press_sequentially("phong noi vu m")
        offers = page.get_by_role("option")
        await offers.first.wait_for()
        assert await offers.count() == 2
        await axe.check(page, "names while they are typed")
        if press == "click":
            await offers.last.click()
        else:
            await page.keyboard.press("ArrowDown")
            await page.keyboard.press("Enter")
        await offers.first.wait_for(state="hidden")
    field_lines = (await page.input_value("#sources")).split("\n")
    assert {line for line in field_lines if line} == {f"Phòng Nội vụ Mẫu ({code})" for code in twins}
    await page.goto("/co-quan/cay")
    assert await page.locator(".letter .level").count() > 3


async def proposed(page: Page, decider: Decider) -> str:
    """Propose the change that `STATED` states; return the address of the proposal."""
    await page.goto(f"{STATED}&step=5")
    await decider.decides(page, "reforms.proposed")
    return page.url.split("?")[0]


async def test_a_change_needs_the_proof_of_two_people_and_can_be_undone_by_one(
    site: Site, context: BrowserContext, page: Page
) -> None:
    """One that was rejected with its reason changes nothing."""
    both = await deciders.two(site.node, site.url, site.clock.skip, site.person(PostRole.OPERATOR).by)
    await both[0].comes_in(context)
    await page.goto(f"{await proposed(page, both[0])}/tu-choi")
    await page.fill("#reason", "Not what was decided")
    await both[0].decides(page, "reforms.rejected")
    assert await page.locator("a[href$='/phe-duyet']").count() == 0
    assert not await reforms.list_reforms(site.node.deciding, 10)

    proposal = await proposed(page, both[0])
    id = proposal.rpartition("/")[2]
    assert await page.locator("a[href$='/phe-duyet']").count() == 0, "who proposed is not asked to approve"
    await both[1].comes_in(context)
    await page.goto("/co-quan/de-nghi")
    await axe.check(page, "proposals")
    await page.goto(f"{proposal}/phe-duyet")
    await axe.check(page, "approve")
    await page.fill("#typed_1", "7/qd")
    await both[1].decides(page, "reforms.approved")

    await page.goto(f"/co-quan/thay-doi/{id}/hoan-tac")
    await axe.check(page, "undo")
    await page.fill("#reason", "The day was another one")
    await both[1].decides(page, "reforms.undone")
    assert (await reforms.get_reform(site.node.deciding, id)).undone_why == "The day was another one"


async def test_the_list_is_narrowed_by_its_address_without_scripts(site: Site, plain_page: Page) -> None:
    page = plain_page
    await site.signed_in(page.context, site.person(PostRole.CLERK, "province"))
    await page.goto("/co-quan")
    await page.click(".filters summary")
    await page.select_option("#cap", "2")
    await page.select_option("#trang-thai", "dang-hoat-dong")
    await page.fill("#goc", PROVINCE.lower())
    await page.click(".filters .acts button")

    codes = list(await lately(page))
    assert DEPARTMENT in codes
    assert PROVINCE not in codes
    assert all(code.startswith(f"{PROVINCE}.") and code.count(".") == 1 for code in codes)
    assert await page.input_value("#cap") == "2", "the form says what is shown"
    await page.goto("/co-quan?cap=2&chung-thu-so=chua-xac-nhan&goc=K99&tu=32/13/2026&ma-cu=x")
    assert await page.locator("div.empty").count() == 1


async def lately(page: Page) -> dict[str, tuple[str, str]]:
    """Read when each agency on the page was last heard, and when it last changed."""
    rows = page.locator("[data-row]")
    by_code = {}
    for n in range(await rows.count()):
        row = rows.nth(n)
        code = await row.get_attribute("data-code") or ""
        heard_cell, changed_cell = row.locator("[data-heard]"), row.locator("[data-changed]")
        by_code[code] = (await heard_cell.inner_text(), await changed_cell.inner_text())
    return by_code


@pytest.mark.told
async def test_the_list_says_who_was_heard_last_as_far_as_the_visitor_may_know(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.CLERK, "commune", path=f"/co-quan?goc={PROVINCE}")
    own = await lately(page)

    assert own[PROVINCE][0].endswith("20/11/2026"), "it wrote to this agency today"
    assert own[DEPARTMENT][0] == "–", "it wrote to others alone"
    assert all(changed for _, changed in own.values())
    await axe.check(page, "the list of agencies")

    await enter(PostRole.CODES, path=f"/co-quan?goc={PROVINCE}")
    full_list = await lately(page)
    assert full_list[DEPARTMENT][0].endswith("20/11/2026")
    site.clock.skip(timedelta(days=2))
    await enter(PostRole.CODES)
    await page.reload()
    assert re.fullmatch(r"2\d/11/2026", (await lately(page))[DEPARTMENT][0]), "the hour is of today alone"


@pytest.mark.told
async def test_who_is_silent_is_found_without_scripts_and_page_by_page(site: Site, plain_page: Page) -> None:
    page = plain_page
    await site.signed_in(page.context, site.person(PostRole.CLERK, "commune"))
    await page.goto("/co-quan")
    await page.click(".filters summary")
    await page.select_option("#van-ban", "khong-6-thang")
    await page.fill("#goc", PROVINCE)
    await page.click(".filters .acts button")

    assert {*await lately(page)} == {DEPARTMENT}, "neither whom it writes with, nor itself"
    assert await page.input_value("#van-ban") == "khong-6-thang"
    asker = await site.agency("commune")
    codes: list[str] = []
    cursor: str | None = None
    while cursor is not None or not codes:
        page_list = await exchange.list_silent(site.node, AgencyFilter(level=1), 20, cursor, asker)
        codes += [a.code for a in page_list.items]
        cursor = page_list.next_cursor
    full_list = await exchange.list_silent(site.node, AgencyFilter(level=1), 1000, None, asker)
    assert codes == [a.code for a in full_list.items]
    assert len(codes) > 60
    assert PROVINCE not in codes

    site.clock.skip(timedelta(days=184))
    half_year_on = await exchange.list_silent(site.node, AgencyFilter(root=PROVINCE), 10, None, asker)
    assert {a.code for a in half_year_on.items} == {PROVINCE, DEPARTMENT}, "half a year later nobody wrote"
