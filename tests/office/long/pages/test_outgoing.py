"""People read where a sent document stands at each recipient, send it again, recall it, urge and print; no role does
more than it may; and the pages show who was quicker."""

from __future__ import annotations

import re
import zipfile
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Page, expect

from gateway.deciding import agency_profile
from gateway.domain.agency_profile import ABBREVIATION
from gateway.domain.document import DeliveryMode, FileRole, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.incoming import act
from gateway.incoming.act import StatusCall
from gateway.outgoing import accept, intake
from gateway.outgoing.intake import Order
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import LANG_COOKIE
from tests.office.pages import axe
from tests.office.pages.site import Site
from tests.office.pages.visiting import NARROW, Enter, scope_of
from tests.office.pages.watching import expect_answers
from tests.office.support.printed_words import printed
from tests.support.evidence import sealed
from tests.support.node import PROVINCE
from tests.support.packets import COMMUNE, PDF, draft
from tests.support.stores import delivery, outgoing
from tests.support.waiting import wait_until

TEXT = b"muc,so luong\nmot,1\n"
CLERK, HEAD, OFFICER = PostRole.CLERK, PostRole.HEAD, PostRole.OFFICER
OPERATOR, AUDITOR, UNIT_HEAD = PostRole.OPERATOR, PostRole.AUDITOR, PostRole.UNIT_HEAD


async def sent(
    site: Site, number: str = "15", *to: str, send: bool = True, wait: timedelta = timedelta(), **more: Any
) -> OutgoingDocument:
    """Send a document with a PDF and a text file; during `wait` it can be called back."""
    async with intake.receive_files(site.node.out) as request_files:
        for role, name, raw in (
            (FileRole.LEAD, "van-ban.pdf", PDF),
            (FileRole.APPENDIX, "so-lieu.csv", TEXT),
        ):
            await request_files.add(role, name, role, _chunks(raw))
        order = Order(draft=draft(number, *(to or (PROVINCE, COMMUNE)), **more), send=send, wait=wait)
        accepted = await accept.accept(site.node.out, await scope_of(site), order, request_files, None)
    assert accepted.document is not None
    if send and not wait:
        state = "paper" if more.get("delivery_mode") is DeliveryMode.PAPER else "delivered"
        await wait_until(lambda: _stand(site, accepted.document, {state}), f"the deliveries are {state}")
    return accepted.document


async def _chunks(raw: bytes) -> Any:
    yield raw


async def _stand(site: Site, document: OutgoingDocument | None, states: set[str]) -> bool:
    assert document is not None
    async with site.node.store.read(await scope_of(site)) as work:
        return {d.state for d in await work.deliveries.of_document(document.id)} == states


async def answers(site: Site, document: OutgoingDocument, actor: str, code: str, **more: Any) -> None:
    """Set a recipient's status, and wait until it has come back to us."""
    scope = await scope_of(site, actor)
    async with site.node.store.read(scope) as work:
        (arrived,) = [
            d for d in (await work.incoming.page(limit=50)).items if d.packet_id == document.packet_id
        ]
    await act.set_status(site.node.inn, scope, arrived.id, StatusCall(code=code, **more))
    state = {"02": "rejected", "03": "accepted"}[code]

    async def is_answered() -> bool:
        async with site.node.store.read(await scope_of(site)) as work:
            return state in {d.state for d in await work.deliveries.of_document(document.id)}

    await wait_until(is_answered, f"the answer is {state}")


async def events(site: Site, id: str, kind: EventKind) -> list[dict[str, Any]]:
    async with site.node.store.read(await scope_of(site)) as work:
        return [e.data for e in await work.events.of_subject(id) if e.kind is kind]


async def resent(site: Site, document: OutgoingDocument) -> list[Any]:
    return [e["to"] for e in await events(site, document.id, EventKind.MESSAGE_QUEUED) if "again" in e]


async def open_other_actions(page: Page) -> None:
    await page.locator("summary", has_text="Việc khác").click()


def at(document: OutgoingDocument, act: str = "") -> str:
    return f"/van-ban-di/{document.id}{act}"


async def test_a_document_shows_where_it_stands_at_each_recipient(
    site: Site, page: Page, enter: Enter
) -> None:
    document = await sent(site)
    await answers(site, document, "commune", "02", reason="MISSING_FILE", note="Thiếu phụ lục 2")
    await answers(site, document, "province", "03", register_no="1245")
    await enter()

    await page.goto(at(document))

    assert (await page.title()).startswith("Từ chối tiếp nhận (trả lại nơi gửi) – Văn bản đi 15/STD-VP – ")
    rows = page.locator("ul.rows > li")
    assert [("Từ chối tiếp nhận" in text) for text in await rows.all_inner_texts()] == [True, False]
    assert "Thiếu phụ lục 2" in await rows.first.inner_text()
    await rows.first.locator("summary").first.click()
    assert await rows.first.get_by_role("img").get_attribute("aria-label") == "Bước 2/5: Đã đến"
    buttons = page.locator(".deeds .button").locator("visible=true")
    assert await buttons.all_inner_texts() == ["Sửa và gửi lại…", "Thu hồi, thay thế, đính chính…"], (
        "what is needed stands first"
    )
    await page.locator("#fold-way > summary").click()
    steps = page.get_by_role("list", name="Đường đi của văn bản").get_by_role("listitem")
    assert "2/2 nơi nhận" in await steps.nth(1).inner_text()
    assert "1/2 nơi nhận, 1 từ chối tiếp nhận" in await steps.nth(2).inner_text()
    table = rows.first.locator("tbody")
    states = [await table.locator("tr").nth(n).locator(".state").inner_text() for n in range(5)]
    assert states == [*("Chờ gửi", "Đang gửi", "Đã gửi", "Đã đến", "Từ chối tiếp nhận (trả lại nơi gửi)")]
    await axe.check(page, "/van-ban-di/{id}")

    await page.get_by_role("link", name="Đã tiếp nhận 1").click()
    await page.wait_for_url("**trang-thai=accepted*")
    await expect(rows).to_have_count(1)
    await page.go_back()
    await expect(rows).to_have_count(2)
    await rows.first.locator("summary").first.click()
    await rows.first.locator("summary", has_text="Chi tiết kỹ thuật").click()
    await rows.first.get_by_role("link", name="Gói văn bản đã ký").last.click()
    assert "Hợp lệ" in await page.locator("#result + p").inner_text()
    raw = await page.locator("pre.raw").inner_text()
    assert "StatusCode" in raw
    assert "Signature" in raw
    await axe.check(page, "/van-ban-di/{id}/goi-tin/{digest}")


async def test_what_left_late_after_its_signing_is_marked_and_recipients_in_trouble_are_in_sight(
    site: Site, page: Page, enter: Enter
) -> None:
    """R45 (sent on the day of signing, at the latest on the next working morning). Others of many are folded."""
    now = site.node.clock.now()
    late = await sent(site, "15", signed_at=now - timedelta(days=8))
    in_time = await sent(site, "16", signed_at=now)
    await enter()

    for document, marks in ((late, 1), (in_time, 0)):
        await page.goto(at(document))
        assert await page.get_by_text("Gửi muộn").count() == marks, document.draft.number

    scope, to_many = await scope_of(site), outgoing(site.clock, scope=await scope_of(site))
    trouble = {7: "failed", 9: "delivered"}
    async with site.node.store.begin(scope) as work:
        await work.outgoing.add(to_many)
        deliveries = [delivery(to_many, f"Z91.{n:02}", trouble.get(n, "accepted")) for n in range(30)]
        await work.deliveries.add(deliveries)
        await work.commit()
    await page.goto(at(to_many))
    region = page.locator("#recipients")
    codes = region.locator(".rows > li:visible .party .code")
    assert await codes.all_inner_texts() == ["Z91.07", "Z91.09"]
    await region.get_by_text("Đã tiếp nhận: 28 nơi nhận").click()
    await expect(codes).to_have_count(30)


async def test_files_leave_as_downloads_and_only_a_true_pdf_opens_in_the_browser(
    site: Site, page: Page, context: BrowserContext, enter: Enter
) -> None:
    """Threats 77 to 79. The slip is one sheet for print."""
    document = await sent(site)
    await enter()

    async def fetch(path: str) -> tuple[bytes, dict[str, str]]:
        answer = await context.request.get(site.url + at(document, path))
        assert answer.status == 200
        return await answer.body(), answer.headers

    pdf, pdf_headers = await fetch("/tep/1/xem")
    text, text_headers = await fetch("/tep/2/xem")
    download, saved = await fetch("/tep/1")

    assert (pdf, text, download) == (PDF, TEXT, PDF)
    assert pdf_headers["content-disposition"].startswith("inline")
    assert text_headers["content-disposition"].startswith("attachment")
    assert saved["content-disposition"].startswith("attachment")
    read = [e["file"] for e in await events(site, document.id, EventKind.DOCUMENT_READ)]
    assert read == ["van-ban.pdf", "so-lieu.csv", "van-ban.pdf"]

    await page.goto(at(document))
    await open_other_actions(page)
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Tải hồ sơ chứng cứ điện tử").click()
    pack = await (await coming.value).path()
    assert any(name.endswith(".edxml") for name in zipfile.ZipFile(BytesIO(pack.read_bytes())).namelist())

    await sealed(site.town, None)
    await page.goto(at(document, "/phieu-gui"))
    await page.emulate_media(media="print")
    assert await page.locator(".bar, .menu, .acts").locator("visible=true").count() == 0
    sheet = await page.locator("article.slip").inner_text()
    assert all(words in sheet for words in ("PHIẾU GỬI", document.draft.code, document.draft.subject))
    await context.add_cookies([{"name": LANG_COOKIE, "value": "en", "url": site.url}])
    await page.reload()
    assert await page.locator("html").get_attribute("lang") == "en"
    assert await page.locator("article.slip").inner_text() == sheet, "an official paper is Vietnamese"


async def test_what_a_role_may_not_do_is_not_there_and_answers_403(
    site: Site, page: Page, context: BrowserContext, enter: Enter
) -> None:
    document = await sent(site)
    expect_answers(page, {403})

    async def status(path: str) -> int:
        return (await context.request.get(site.url + at(document, path))).status

    await enter(HEAD, path=at(document))
    assert await page.get_by_text("Thu hồi, thay thế, đính chính…").count() == 0
    for role in (OFFICER, UNIT_HEAD):
        await enter(role)
        assert [await status(x) for x in ("", "/tep/1", "/phieu-gui", "/don-doc")] == [403] * 4

    await enter(OPERATOR, at="department")
    assert [await status(x) for x in ("", "/tep/1", "/phieu-gui")] == [200, 403, 403]
    await page.goto(at(document))
    main_text = await page.locator("main").inner_text()
    assert document.draft.subject not in main_text
    assert "van-ban.pdf" not in main_text

    await enter(AUDITOR, at="department", path=at(document))
    await page.locator("a[href$='/tep/1']").click()
    await page.get_by_label("Số văn bản giao việc").fill("12/QĐ-TTr")
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Xem").click()
    assert (await (await coming.value).path()).read_bytes() == PDF
    assert (await events(site, document.id, EventKind.DOCUMENT_READ))[-1]["order"] == "12/QĐ-TTr"
    await page.goto(at(document))
    await open_other_actions(page)
    await page.get_by_label("Số văn bản giao việc").fill("13/QĐ-TTr")
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Tải hồ sơ chứng cứ điện tử").click()
    assert zipfile.is_zipfile(await (await coming.value).path())
    assert (await events(site, document.id, EventKind.DOCUMENT_READ))[-1]["order"] == "13/QĐ-TTr"


async def fill_in_recall(page: Page) -> None:
    await page.get_by_label("Lý do").fill("Ban hành nhầm số liệu")
    await page.get_by_label("Lãnh đạo phê duyệt").fill("Nguyễn Văn Mẫu")
    await page.get_by_label("Số thông báo thu hồi").fill("7/TB")


async def test_the_notice_of_a_recall_is_drafted_from_its_form_with_a_number_and_a_sheet(
    site: Site, page: Page, enter: Enter
) -> None:
    document = await sent(site)
    await agency_profile.choose(site.node.store, site.clock, await scope_of(site), "An", ABBREVIATION, "STD")
    expect_answers(page, {422})
    await enter()
    await page.goto(at(document, "/thu-hoi"))
    await page.locator(f"input[value='{COMMUNE}']").uncheck()
    drafts = page.get_by_role("button", name="Soạn thông báo thu hồi")
    await page.get_by_label("Lý do").fill("Nhầm")
    await page.locator("[data-pane][data-ready]").wait_for()
    await drafts.click()
    await expect(page.locator("[data-problems] a")).to_have_count(1)
    await fill_in_recall(page)
    await page.get_by_label("Số thông báo thu hồi").fill("")
    await page.locator("[data-pane][data-ready]").wait_for()
    await drafts.click()

    await expect(page.get_by_label("Số thông báo thu hồi")).to_have_value(re.compile("./TB-STD$"))
    number = await page.get_by_label("Số thông báo thu hồi").input_value()
    assert await drafts.count() == 0
    assert await page.get_by_label("Lý do").input_value() == "Ban hành nhầm số liệu"
    await axe.check(page, "/van-ban-di/{id}/thu-hoi (notice)")
    await page.get_by_role("link", name=f"Mở {number}").click()
    assert await page.locator("input[name=to_key]").count() == 1
    file = await page.request.get(await page.locator(".own-files a").first.get_attribute("href") or "")
    sheet = printed(await file.body())
    for text in (
        number,
        "Ban hành nhầm số liệu",
        document.draft.code,
        "Nguyễn Văn Mẫu",
        document.draft.subject,
    ):
        assert text in sheet


async def test_a_recall_asks_for_its_reason_and_goes_to_those_chosen(
    site: Site, page: Page, context: BrowserContext, enter: Enter
) -> None:
    """The second of two clerks at once reads who was quicker."""
    document = await sent(site)
    expect_answers(page, {409, 422})
    await enter()
    other = await context.new_page()
    await other.set_viewport_size(NARROW)
    await other.goto(at(document, "/thu-hoi"))
    await fill_in_recall(other)
    await page.set_viewport_size(NARROW)
    await page.goto(at(document))
    assert await page.locator(".deeds .button").locator("visible=true").count() == 2
    await page.get_by_role("link", name="Thu hồi, thay thế, đính chính…").click()
    await axe.check(page, "/van-ban-di/{id}/sai-gi")
    leads = [
        (await x.get_attribute("href") or "").removeprefix(at(document))
        for x in await page.locator("main li .button").all()
    ]
    assert leads == [
        *(f"/phat-hanh?{x}={document.id}" for x in ("thay-the", "dinh-chinh", "cap-nhat")),
        *("/thu-hoi", "/thu-hoi?hinh-thuc=lay-lai"),
    ]
    await page.get_by_role("link", name="Yêu cầu lấy lại…").click()
    assert await page.get_by_label("Hình thức").input_value() == "take_back"
    await page.go_back()
    await page.get_by_role("link", name="Thu hồi văn bản…").click()
    assert await page.get_by_label("Hình thức").input_value() == "notice"
    await axe.check(page, "/van-ban-di/{id}/thu-hoi")

    await page.get_by_label("Lý do").fill("Nhầm")
    await page.keyboard.press("Control+Enter")

    problems = page.locator("[data-problems] a")
    await expect(problems).to_have_count(3)
    assert [urlsplit(await x.get_attribute("href") or "").fragment for x in await problems.all()] == [
        *("reason", "approved_by", "notice_no")
    ]
    assert await page.get_by_label("Lý do").input_value() == "Nhầm"
    assert (await page.title()).startswith("Lỗi: Thu hồi văn bản – ")
    await fill_in_recall(page)
    await page.locator(f"input[value='{COMMUNE}']").uncheck()
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**told=outgoing.recalled*")
    await other.keyboard.press("Control+Enter")
    alert = await other.get_by_role("alert").inner_text()
    name = site.person(CLERK, "department").person.name
    assert alert.startswith(f"{name} vừa xử lý văn bản này lúc ")
    assert alert.endswith("Tải lại để xem.")

    async with site.node.store.read(await scope_of(site)) as work:
        (notice,) = await work.outgoing.children(document.id)
    assert [x.code for x in notice.draft.recipients] == [PROVINCE]
    assert notice.change is not None
    assert notice.change.approved_by == "Nguyễn Văn Mẫu"
    assert "Đã gửi thông báo thu hồi văn bản." in await page.locator("[data-told]").inner_text()


async def test_what_stays_unanswered_is_sent_again_and_urged_once_a_week_by_a_person(
    site: Site, page: Page, enter: Enter
) -> None:
    """A key opens the page of sending again, and only Control and Enter send."""
    document = await sent(site)
    expect_answers(page, {422})
    await answers(site, document, "province", "03", register_no="1245")
    await enter(path=at(document))
    await open_other_actions(page)
    button = page.get_by_role("button", name="Đôn đốc…")
    assert await button.is_disabled()
    why = await button.get_attribute("aria-describedby")
    assert (
        await page.locator(f"#{why}").inner_text() == "Không có nơi nhận nào quá hạn tiếp nhận hoặc trả lời."
    )

    await page.set_viewport_size(NARROW)
    await page.goto(at(document))
    await page.keyboard.press("r")
    await page.wait_for_url("**/gui-lai")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-problems] a")).to_have_text("Hãy chọn ít nhất một nơi nhận.")
    assert await resent(site, document) == []
    await page.locator(f"input[value='{COMMUNE}']").check()
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**told=outgoing.resent*")
    assert await resent(site, document) == [[COMMUNE]]

    site.clock.skip(timedelta(days=3))
    await enter(HEAD, path=at(document))
    await page.get_by_role("link", name="Đôn đốc…").click()
    text = await page.get_by_label("Nội dung đôn đốc").input_value()
    assert f"số {document.draft.code}" in text
    await page.get_by_label("Đã đôn đốc bằng").select_option("mail")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**told=outgoing.urged*")
    row = page.locator("ul.rows > li", has_text=COMMUNE)
    await row.locator("summary").first.click()
    assert "Đã đôn đốc" in await row.inner_text()
    assert "Quá hạn tiếp nhận" in await row.inner_text()

    await page.goto(at(document, "/don-doc"))

    assert "nhiều nhất 7 ngày một lần" in await page.locator("main").inner_text()
    assert await page.locator("form[data-act]").count() == 0
    assert len(await events(site, document.id, EventKind.MESSAGE_URGED)) == 1


async def test_without_scripts_a_draft_is_cancelled_and_a_document_sent_to_more(
    site: Site, plain_page: Page
) -> None:
    draft, document = await sent(site, "16", send=False), await sent(site, "15", PROVINCE)
    expect_answers(plain_page, {422})
    await site.signed_in(plain_page.context, site.person(CLERK, "department"), "department")
    await plain_page.goto(at(draft, "/huy-gui"))
    await plain_page.get_by_label("Lý do").fill("Thôi")
    await plain_page.get_by_role("button", name="Hủy gửi").click()
    assert "ít nhất 10 ký tự" in await plain_page.locator("[data-problems]").inner_text()
    await plain_page.get_by_label("Lý do").fill("Văn bản đã soạn lại")
    await plain_page.get_by_role("button", name="Hủy gửi").click()
    assert "Đã hủy gửi văn bản." in await plain_page.locator("main").inner_text()

    await plain_page.goto(at(document, "/gui-them"))
    await plain_page.get_by_label("Mã hoặc tên cơ quan nhận").fill(f"{PROVINCE}\n{COMMUNE}")
    await plain_page.get_by_role("button", name="Gửi thêm").click()
    assert f"{PROVINCE} đã có trong nơi nhận" in await plain_page.locator("[data-problems]").inner_text()
    await plain_page.get_by_label("Mã hoặc tên cơ quan nhận").fill(COMMUNE)
    await plain_page.get_by_role("button", name="Gửi thêm").click()
    assert "Đã gửi thêm nơi nhận." in await plain_page.locator("main").inner_text()

    async with site.node.store.read(await scope_of(site)) as work:
        assert (await work.outgoing.get(draft.id)).state is OutState.CANCELLED
        same = await work.outgoing.by_document_id(document.document_id)
    assert {r.code for d in same for r in d.draft.recipients} == {PROVINCE, COMMUNE}


async def test_a_letter_on_paper_is_closed_on_the_dispatch_list_with_day_and_means(
    site: Site, page: Page, enter: Enter
) -> None:
    document = await sent(site, delivery_mode=DeliveryMode.PAPER)
    await enter()
    await page.set_viewport_size(NARROW)
    expect_answers(page, {422})

    await page.goto(at(document))
    assert (await page.title()).startswith("Gửi bản giấy – ")
    await page.goto("/so-van-ban?so=outgoing")
    await page.get_by_role("link", name="Danh sách gửi bản giấy").click()
    await page.wait_for_url("**/so-van-ban/gui-giay")
    await axe.check(page, "/so-van-ban/gui-giay")
    rows = page.locator("tbody tr", has_text=document.draft.code)
    await expect(rows).to_have_count(len(document.draft.recipients))
    await rows.first.locator("summary").click()
    await rows.first.get_by_label("Ngày gửi").fill("01/01/2001")
    await rows.first.get_by_label("Số biên nhận, người nhận").fill("RR 12")
    await rows.first.get_by_role("button", name="Ghi đã gửi bản giấy").click()
    fault = page.locator("[data-problems]")
    await expect(fault).to_contain_text("trước ngày văn bản")
    assert await rows.first.get_by_label("Số biên nhận, người nhận").input_value() == "RR 12"
    today = site.node.out.today().strftime("%d/%m/%Y")
    await rows.first.get_by_label("Ngày gửi").fill(today)
    await rows.first.get_by_role("button", name="Ghi đã gửi bản giấy").click()
    await page.wait_for_url("**told=*")

    await expect(rows).to_have_count(len(document.draft.recipients) - 1)
    await page.goto(f"/so-van-ban/gui-giay?tu={today}")
    assert "Bưu điện" in await rows.first.inner_text()
    assert len(await events(site, document.id, EventKind.PAPER_HANDED)) == 1
