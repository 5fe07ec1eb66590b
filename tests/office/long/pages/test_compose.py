"""A clerk writes a document and chooses recipients: what is typed is not lost, what is secret is not stored, and what was
not checked is not sent."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page, expect

from gateway_office.domain.roles import PostRole
from tests.office.long.pages.test_outgoing import sent
from tests.office.pages import axe
from tests.office.pages.composing import (
    BY_HAND,
    LETTER,
    NEW,
    SUBJECT,
    fill_in,
    give_files,
    list_written,
    placed,
    prepared,
    press,
)
from tests.office.pages.mail import Mail
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of
from tests.office.pages.watching import expect_answers
from tests.support.stores import delivery, outgoing

CLERK, HEAD, OFFICER = PostRole.CLERK, PostRole.HEAD, PostRole.OFFICER
BLOCK = """Nơi nhận:
- Như trên;
- Sở Thử nghiệm tỉnh Sao Mai (để thực hiện);
- 000.00.12.Z91;
- Sở Không Có;
- Lưu: VT."""
# The sample's first page has the number 118/UBND-VP.
OTHER_NUMBER = "input[name=confirm][value=first-page-other]"


async def test_recipients_are_pasted_asked_about_chosen_and_kept_as_a_group(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(CLERK, "province", path=BY_HAND)
    await page.fill("#paste", BLOCK)
    await placed(page, "paste")

    rows = page.locator(".to-chip")
    await expect(rows).to_have_count(3)
    assert await rows.nth(0).locator("select").input_value() == "to_act"
    assert "000.00.12.Z91 → Z91.12" in await rows.nth(1).inner_text()
    assert "Sở Không Có" in await rows.nth(2).inner_text()
    assert "được bỏ qua" in await page.locator("#kept").inner_text()
    assert await page.input_value("#paste") == ""
    await placed(page, "drop-to:2")
    await expect(rows).to_have_count(2)
    await page.select_option("#to-role-1", "to_know")
    await page.click("#noi-nhan summary")
    await page.fill("#group_name", "Khối Sao Mai")
    await press(page, "save-group")

    await page.goto(BY_HAND)
    await page.click("#noi-nhan summary")
    await placed(page, "add-group")
    await expect(rows).to_have_count(2)
    codes = [r.code for r in (await list_written(site))[0].draft.recipients]
    assert codes == ["Z91.07", "Z91.12"]
    await page.fill("#paste", "Z91.99")
    await placed(page, "paste")
    assert "Không có cơ quan nào mang mã Z91.99." in await page.locator("#noi-nhan").inner_text()
    await press(page, "tree")
    assert await page.locator("input[value='Z91.07']").is_disabled()
    await page.goto("/phat-hanh/nhom")
    assert "Khối Sao Mai" in await page.locator("main table").inner_text()

    own = await scope_of(site, "province")
    former = outgoing(site.clock, scope=own)
    async with site.node.store.begin(own) as work:
        await work.outgoing.add(former)
        await work.deliveries.add([delivery(former, "Z91.07", "failed"), delivery(former, "Z91.12", "sent")])
        await work.commit()
    await page.goto(BY_HAND)
    await page.fill("#paste", "Z91.07, Z91.12")
    await placed(page, "paste")
    await expect(rows.nth(0)).to_contain_text("Không gửi được tới cơ quan này lúc")
    await expect(rows.nth(1)).not_to_contain_text("Không gửi được")


async def test_a_guess_is_a_question_and_entries_that_end_at_one_agency_are_joined_visibly(
    site: Site, page: Page, enter: Enter
) -> None:
    """Many agencies under one name are asked for one by one; a day chosen in the calendar stands in its field."""
    await enter(CLERK, "province", path=BY_HAND)
    await page.fill("#paste", "- Sở Thử nghiệm tỉnh Sao Mai (để biết);\n- Sở Thử nghiệm;\n- Z91.12")
    await placed(page, "paste")
    rows = page.locator(".to-chip")
    await expect(rows).to_have_count(3)
    guess = rows.nth(1)
    await expect(guess).to_contain_text("“Sở Thử nghiệm” có phải là Sở Thử nghiệm tỉnh Sao Mai không?")
    await expect(page.locator("#left")).to_contain_text("Sở Thử nghiệm")
    await guess.get_by_text("Chọn khác").click()
    await expect(guess).to_contain_text("tìm cơ quan theo tên, mã rồi bỏ mục này")

    await placed(page, "swap:=Sở Thử nghiệm>Z91.07")

    await expect(rows).to_have_count(2)
    await expect(rows.nth(0)).to_contain_text("Danh sách còn ghi cơ quan này là: Sở Thử nghiệm.")
    assert await rows.nth(0).locator("select").input_value() == "to_know"
    (document,) = await list_written(site)
    assert [r.code for r in document.draft.recipients] == ["Z91.07", "Z91.12"]

    await page.goto(BY_HAND)
    await page.evaluate(
        """() => { const picker = document.querySelector("#date").parentElement.querySelector("[data-day-pick]");
        picker.value = "2026-11-05"; picker.dispatchEvent(new Event("change", { bubbles: true })); }"""
    )
    await expect(page.locator("#date")).to_have_value("05/11/2026")
    await expect(page.locator("#date")).to_be_focused()
    await page.locator("[data-day-open]").first.click()
    assert await page.locator("[data-day-pick]").first.input_value() == "2026-11-05"
    await page.fill("#paste", "Kính gửi: Ủy ban nhân dân các xã.")
    await placed(page, "paste")
    await expect(rows).to_contain_text("“Ủy ban nhân dân các xã” là nhiều cơ quan. Hãy thêm từng cơ quan")
    await expect(rows).not_to_contain_text("Không tìm thấy")


async def test_typed_text_is_kept_by_itself_and_a_second_window_is_warned(
    site: Site, context: BrowserContext, page: Page, enter: Enter
) -> None:
    expect_answers(page, [409, 422])
    await enter(CLERK, "province", path=BY_HAND)
    await page.fill("#subject", "V/v nội dung chưa lưu")
    async with page.expect_response(lambda answer: answer.request.method == "POST"):
        await page.evaluate("document.dispatchEvent(new Event('gateway:ending'))")
    await expect(page.locator("#kept")).to_contain_text("đã lưu")
    (document,) = await list_written(site)
    assert document.draft.subject == "V/v nội dung chưa lưu"
    assert page.url.endswith(document.id)

    other = await context.new_page()
    await other.goto(f"{NEW}/{document.id}")
    await other.fill("#number", "7")
    await other.fill("#subject", "V/v việc khác")
    await press(other, "save")
    await page.fill("#number", "8")
    await page.evaluate("document.dispatchEvent(new Event('gateway:ending'))")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Xem cả hai nội dung").click()

    assert "vừa xử lý văn bản này lúc" in await page.locator("[data-problems]").inner_text()
    await axe.check(page, f"{NEW}/{{id}} (torn)")
    assert await page.input_value("#number") == "8"
    assert (await list_written(site))[0].draft.number == "7"
    problems = await page.locator("[data-problems]").inner_text()
    assert "Số: đang lưu “7”" in problems
    assert "Trích yếu: đang lưu “V/v việc khác”" in problems
    assert "Ngày văn bản" not in problems
    await page.fill("#subject", "V/v việc khác")
    await press(page, "save")
    assert [(d.draft.number, d.draft.subject) for d in await list_written(site)] == [("8", "V/v việc khác")]
    await press(other, "save")
    assert (await list_written(site))[0].draft.number == "8"
    await other.get_by_role("link", name="Lấy nội dung đang lưu").click()
    await expect(other.locator("#number")).to_have_value("8")
    await other.fill("#date", "31/02/2026")
    await press(other, "save")
    assert (await other.title()).startswith("Lỗi:")
    assert await other.input_value("#date") == "31/02/2026"
    assert await other.locator("#date").get_attribute("aria-invalid") == "true"


async def test_what_is_doubtful_is_sent_only_by_who_says_so(site: Site, page: Page, enter: Enter) -> None:
    """R31 (checked before it is sent): a declared secret is not stored; a changed document, a file of another one and a
    number that was sent are asked about; the tick for malware stands only at a file that a scanner found clean."""
    expect_answers(page, [422])
    await enter(CLERK, "province", path=BY_HAND)
    await fill_in(page)
    await page.select_option("#secrecy", "mat")
    await page.set_input_files("#files", LETTER)
    refusal = "Văn bản mật không được gửi qua hệ thống này. Nội dung chưa được lưu."
    await expect(page.locator(".drop-told")).to_contain_text(refusal)
    await press(page, "save")
    await expect(page.locator("[data-problems]")).to_contain_text(refusal)
    assert await list_written(site) == []

    await prepared(page)
    cell = page.locator(".own-files .quiet", has_text="Đã kiểm tra loại")
    assert (await cell.inner_text()).endswith("Đã kiểm tra loại; chưa quét mã độc")
    (draft,) = await list_written(site)
    async with site.node.store.begin(await scope_of(site, "province")) as work:
        files = tuple(replace(file, scanned_clean=True) for file in draft.files)
        await work.outgoing.save(replace(draft, files=files))
        await work.commit()
    await page.reload()
    assert (await cell.inner_text()).endswith("Đã kiểm tra loại và mã độc")

    await page.fill("#subject", "V/v báo cáo số liệu")
    await press(page, "send")
    assert "Nội dung vừa thay đổi" in await page.locator("[data-told]").inner_text()
    assert "trang đầu ghi “118/UBND-VP”" in await page.locator("#gui").inner_text()
    assert (await list_written(site))[0].state == "draft"
    with site.clock.standing():
        await press(page, "send")
        await page.check(OTHER_NUMBER)
        await press(page, "send")
        assert page.url.endswith("/da-gui")

        await prepared(page, to="Z91.12 (để biết)")
        assert "Văn bản 90/UBND-VP ngày 20/11/2026 đã gửi lúc" in await page.locator("#gui").inner_text()
        await press(page, "send")
        assert "Vẫn gửi lần nữa" in await page.locator("[data-problems]").inner_text()
        await page.check("#again")
        await page.check(OTHER_NUMBER)
        await press(page, "send")
        assert page.url.endswith("/da-gui")
        assert [d.state for d in await list_written(site)] == ["queued", "queued"]


async def test_a_replacement_names_why_and_who_approved_it(site: Site, page: Page, enter: Enter) -> None:
    expect_answers(page, [422])
    old = await sent(site, "15")
    await enter(path=f"{NEW}?thay-the={old.id}")
    assert await page.input_value("#subject") == old.draft.subject
    assert await page.input_value("#number") == ""
    await page.fill("#number", "16")
    await page.fill("#date", "hôm nay")
    await page.fill("#reason", "Sai số liệu")
    await give_files(page, LETTER)
    for box in await page.locator("input[name=ok]").all():
        await box.check()
    for n in (0, 1):
        await page.select_option(f"#to-role-{n}", "to_know")
    await press(page, "check")
    await press(page, "send")
    assert "Lãnh đạo phê duyệt" in await page.locator("[data-problems]").inner_text()
    await page.fill("#approved_by", "Đặng Giám Đốc")
    await press(page, "send")
    await press(page, "send")

    async with site.node.store.read(await scope_of(site)) as work:
        (child,) = await work.outgoing.children(old.id)
    assert (child.kind, child.draft.code) == ("replace", "16/STD-VP")
    assert child.change is not None
    assert (child.change.approved_by, child.change.replaces) == ("Đặng Giám Đốc", ((old.document_id, ()),))
    await page.goto(f"{NEW}?dinh-chinh={old.id}")
    assert "15/STD-VP" in await page.input_value("#subject")


async def test_others_prepare_and_only_their_own(
    site: Site, context: BrowserContext, page: Page, enter: Enter
) -> None:
    expect_answers(page, [403, 404])
    await enter(OFFICER, "province")
    await prepared(page)
    assert await page.locator("button[value=send]").count() == 0
    assert "Văn thư kiểm tra và gửi" in await page.locator(".foot").inner_text()
    path = urlsplit(page.url).path

    for role, actor, status in (
        (HEAD, "province", 200),
        (CLERK, "province", 200),
        (PostRole.UNIT_HEAD, "province", 403),
        (CLERK, "commune", 404),
        (PostRole.AGENCY_ADMIN, "province", 403),
    ):
        await context.clear_cookies()
        await site.signed_in(context, site.person(role, actor), actor)
        await opened(page, path, status)


async def test_the_page_of_signing_tells_how_where_no_token_is(page: Page, enter: Enter) -> None:
    await enter(CLERK, "province", path=NEW)
    await give_files(page, LETTER)
    await press(page, "sign")
    assert "gateway sign cong-van.pdf" in await page.locator("main").inner_text()
    await page.select_option("#loai", "sao-y")
    async with page.expect_response("**/xem-truoc*") as picture:
        await page.click("main form[method=get] button")

    assert (await (await picture.value).body()).startswith(b"\x89PNG")
    await axe.check(page, f"{NEW}/{{id}}/ky-so")


async def test_an_answer_is_written_beside_the_letter_that_it_answers(
    site: Site, mail: Mail, page: Page, enter: Enter
) -> None:
    _, letter = await mail.taken_in()
    await enter(path=f"{NEW}?tra-loi={letter.id}")
    title = page.locator(".leaf-title")
    await expect(title).to_contain_text(letter.number)
    await expect(page.locator(".leaf-sheet").first).to_be_visible()
    await expect(page.locator("#files")).to_be_attached()
    await axe.check(page, "an answer beside its letter")

    await page.locator(".leaf-zoom a").last.click()
    await expect(title).to_contain_text(letter.number)
    await page.fill("#subject", SUBJECT)
    await press(page, "save")
    await expect(title).to_contain_text(letter.number)
    await give_files(page, LETTER)
    await expect(page.locator(".leaf-sheet").first).to_be_visible()
    await expect(title).to_have_count(0)
