"""One incoming document in the browser: taking in by keys alone, refusing, holding, two at once, recalls, handing on, the
files, and the sealed hold. What the other side learns is asked at the other side."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from urllib.parse import quote

import pyotp
import pytest
from playwright.async_api import BrowserContext, Page

from gateway.domain.account import NumberingMode
from gateway.domain.document import DocumentChange, Kind
from gateway.domain.event import EventKind
from gateway.domain.hold import HoldState
from gateway.domain.person import Role
from gateway.incoming import by_hand
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.effort import Hand
from tests.office.pages.mail import UNIT, Mail, at
from tests.office.pages.site import Site
from tests.office.pages.visiting import NARROW, Enter, box_of, opened, send_form
from tests.office.pages.watching import expect_answers
from tests.office.support.accounts import Someone, with_factor
from tests.support.hosted import save_hosted


async def test_a_clerk_takes_in_by_keys_alone_and_a_single_key_changes_nothing(
    site: Site, mail: Mail, enter: Enter, page: Page, hand: Hand
) -> None:
    """On the narrowest screen the ways to decide are in sight, those that are seldom needed behind one button."""
    sent, document = await mail.comes(due_in=7)
    await enter()
    await page.set_viewport_size({"width": 320, "height": 640})
    await opened(page, at(document))
    ways = page.locator(".decide :is(button, .button, summary):visible")
    assert await ways.count() >= 2
    for button in await ways.all():
        box = await box_of(button)
        assert box["x"] >= 0, await button.inner_text()
        assert box["x"] + box["width"] <= 320, await button.inner_text()
        assert box["y"] + box["height"] <= 640, await button.inner_text()
    await page.set_viewport_size(NARROW)
    await opened(page, at(document))
    await axe.check(page, "/van-ban-den/{id}")
    await page.keyboard.press("t")
    await page.wait_for_url("**/tiep-nhan")
    await axe.check(page, "/van-ban-den/{id}/tiep-nhan")
    await page.keyboard.press("t")
    assert (await mail.load(document.id)).state == "new"

    await page.goto(at(document))
    with hand.task("take in one document from its page", most_clicks=0, most_keys=1):
        await hand.press("Control+Enter")
        await page.get_by_role("status").filter(has_text="Đã tiếp nhận và vào sổ").wait_for()

    stored = await mail.load(document.id)
    fact = await mail.await_fact(sent, "accepted")
    assert (stored.state, stored.register_no) == ("accepted", "1")
    assert fact.staff is not None
    assert fact.staff.name == site.person(PostRole.CLERK, "department").person.name
    async with site.node.store.read(await mail.scope("department")) as work:
        line = await work.office.lists.line(document.id)
    assert line is not None
    assert not line.unread


async def test_what_is_on_hold_tells_why_and_is_taken_in_with_a_note_alone(
    mail: Mail, enter: Enter, page: Page
) -> None:
    sent, document = await mail.comes()
    await enter()
    await page.set_viewport_size(NARROW)
    await opened(page, at(document, "/tam-giu"))
    await page.fill("#reason", "Chờ hỏi lại nơi gửi về phụ lục")
    await page.locator("[data-main]").click()
    await page.locator(".doubts", has_text="Chờ hỏi lại nơi gửi về phụ lục").wait_for()
    await axe.check(page, "/van-ban-den/{id} (on hold)")
    async with mail.node.store.read(await mail.scope("department")) as work:
        offered = await work.office.lists.line(document.id)
    assert (await mail.load(document.id)).state == "held"
    assert offered is not None
    assert not await mail.stands("province", sent, "accepted")

    expect_answers(page, {422})
    # The clerk's own words on why it is on hold are for the agency, not for its sender.
    assert await page.input_value("#note") == ""
    await page.locator("[data-main]").click()
    await page.locator("[data-problems]").wait_for()
    await page.fill("#note", "Đã xác minh với nơi gửi qua điện thoại")
    await send_form(page)

    reason = (await mail.await_fact(sent, "accepted")).reason or ""
    assert reason.startswith("Đã xác minh với nơi gửi qua điện thoại")
    assert (await mail.load(document.id)).state == "accepted"


async def test_a_recall_is_agreed_and_another_refused_with_its_reason(
    mail: Mail, enter: Enter, page: Page
) -> None:
    (first, agreed), (second, retained) = await mail.taken_in("decision"), await mail.taken_in("plan")
    for sent in (first, second):
        await mail.recall(sent)
    for document in (agreed, retained):
        await mail.wait_until(partial(mail.is_asked_back, document))
    await enter()
    await page.set_viewport_size(NARROW)
    await opened(page, at(agreed))
    await axe.check(page, "/van-ban-den/{id} (recall)")
    assert "Nơi gửi thông báo thu hồi" in await page.inner_text(".request")
    await page.get_by_role("link", name="Đồng ý thu hồi, hủy bản điện tử").click()
    await send_form(page)
    await opened(page, at(retained, "/khong-dong-y"))
    await page.fill("#reason", "Văn bản đã được thực hiện xong")
    await send_form(page)

    await mail.await_fact(first, "request_agreed")
    await mail.await_fact(second, "accepted")
    answers = [fact for fact in await mail.facts(retained.id) if fact.code == "16"]
    assert [fact.note for fact in answers] == ["Văn bản đã được thực hiện xong"]
    expect_answers(page, {409})
    assert (await mail.load(agreed.id)).state == "recalled"
    assert (await page.request.get(at(agreed, "/tep/1"))).status == 409
    assert (await page.request.get(at(agreed, "/xem/1"))).status == 409
    assert (await page.request.get(at(retained, "/tep/1"))).status == 200


async def test_a_letter_that_came_on_paper_before_is_named_and_asks_for_a_note(
    mail: Mail, enter: Enter, page: Page
) -> None:
    scope, today = await mail.scope("department"), mail.node.out.today()
    letter = by_hand.TypedMail(
        sender="UBND tỉnh Sao Mai",
        subject="Về việc phối hợp kiểm thử",
        received_on=today,
        number="118",
        symbol="UBND-VP",
        issued_on=today,
    )
    paper = (await by_hand.enter(mail.node.inn, scope, letter)).document
    _, document = await mail.comes()
    await enter(path=at(paper))
    await opened(page, at(document))

    row = page.locator("tr", has_text="Trùng văn bản")
    assert "có văn bản giống" in (await row.text_content() or "")
    assert await row.locator("a").get_attribute("href") == at(paper)
    assert "có văn bản giống" in await page.locator("#note").input_value()


async def test_a_paper_letter_without_a_number_shows_no_id_and_promises_its_sender_nothing(
    mail: Mail, enter: Enter, page: Page
) -> None:
    scope, today = await mail.scope("department"), mail.node.out.today()
    letter = by_hand.TypedMail(
        sender="Bà Lê Thị Mẫu", subject="Đơn đề nghị sửa đường", received_on=today, unit=UNIT
    )
    paper = (await by_hand.enter(mail.node.inn, scope, letter)).document
    await enter(PostRole.HEAD)

    await opened(page, "/van-ban-den?tab=all")
    row = await page.locator("[data-row]", has_text="Đơn đề nghị sửa đường").inner_text()
    await opened(page, at(paper))
    title = await page.inner_text("h1")
    await page.set_viewport_size(NARROW)
    await opened(page, at(paper, "/chuyen-xu-ly"))
    promise = await page.inner_text("main")
    await enter(PostRole.OFFICER, path=at(paper))
    progress = await page.inner_text("main")

    assert "không số" in row
    assert paper.id not in row
    assert title == "Văn bản đến không số"
    assert paper.id not in promise
    assert "(04)" not in promise
    assert "không báo gì cho nơi gửi" in promise
    assert paper.id not in progress
    assert "Nơi gửi thấy trạng thái" not in progress
    assert "nơi gửi không thấy" in progress


async def test_an_update_shows_what_it_changes_before_it_is_agreed(
    mail: Mail, enter: Enter, page: Page
) -> None:
    sent, document = await mail.taken_in(due_in=7)
    await mail.wait_until(lambda: mail.stands("province", sent, "accepted"))
    change = DocumentChange(reason="Lùi hạn trả lời", target=sent.document_id)
    update = await mail.send(
        "province",
        "request-updated",
        ("department",),
        due_in=14,
        kind=Kind.UPDATE,
        parent=sent,
        change=change,
    )
    child = await mail.wait_for_arrival("department", update)
    await enter(path=at(child))
    assert page.url.endswith(at(document))
    await page.set_viewport_size(NARROW)
    await opened(page, at(document, "/dong-y"))
    await axe.check(page, "/van-ban-den/{id}/dong-y")
    table = await page.inner_text("main table")
    assert "27/11/2026" in table
    assert "04/12/2026" in table
    await send_form(page)

    updated = await mail.load(document.id)
    assert (updated.state, updated.due_on) == ("accepted", date(2026, 12, 4))


@pytest.mark.parametrize(
    ("mode", "button"),
    [(NumberingMode.A, "Tiếp nhận"), (NumberingMode.C, "Tiếp nhận và vào sổ")],
)
async def test_the_number_comes_from_where_the_agency_has_it_from(
    mail: Mail, enter: Enter, page: Page, mode: NumberingMode, button: str
) -> None:
    accounts = mail.node.store.accounts
    agency = await accounts.hosted_by_code(mail.cast.code("department"))
    assert agency is not None
    await save_hosted(accounts, replace(agency, numbering=mode))
    (_, first), (_, second) = await mail.comes(), await mail.comes("plan")
    expect_answers(page, {422})
    await enter()
    for document in (first, second):
        await opened(page, at(document))
        assert (await page.locator("[data-main]").inner_text()).split("\n")[0] == button
        if mode is NumberingMode.C:
            await page.fill("#register_no", "7")
        await page.locator("[data-main]").click()
        if document is first or mode is NumberingMode.A:
            await page.wait_for_url("**told=*")

    if mode is NumberingMode.A:
        assert "chờ số đến từ QLVB" in await page.inner_text("main")
        assert (await mail.load(second.id)).register_no is None
    else:
        await page.get_by_role("link", name="Số tiếp theo chưa dùng").wait_for()
        assert (await mail.load(second.id)).state == "new"
        await page.fill("#register_no", "8")
        await send_form(page)
        assert (await mail.load(second.id)).register_no == "8"


async def test_files_are_given_as_what_they_are_and_every_look_is_written_down(
    mail: Mail, enter: Enter, page: Page
) -> None:
    _, document = await mail.comes()
    await enter(path=at(document, "/xem/1"))
    await axe.check(page, "/van-ban-den/{id}/xem/{n}")
    view = await page.request.get(at(document, "/tep/1?xem=1"))
    download = await page.request.get(at(document, "/tep/1"))
    assert view.headers["content-disposition"].startswith("inline;")
    assert view.headers["content-security-policy"].endswith("frame-ancestors 'self'")
    assert download.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in download.headers["content-security-policy"]
    assert {answer.headers["x-content-type-options"] for answer in (view, download)} == {"nosniff"}
    assert hashlib.sha256(await download.body()).hexdigest() == document.files[0].sha256

    await opened(page, at(document))
    await page.locator("summary", has_text="mục đạt").click()
    assert "Trang đầu so với thông tin văn bản" in await page.inner_text("main")
    await page.locator("summary", has_text="Gói văn bản đã ký").click()
    await page.get_by_role("link", name="Xem dạng chữ").first.click()
    await page.locator("pre.raw").wait_for()
    await axe.check(page, "/van-ban-den/{id}/goi-tin/{digest}")
    assert "<edXML" in await page.inner_text("pre.raw") or "edXMLEnvelope" in await page.inner_text("pre.raw")
    assert "Hợp lệ" in await page.inner_text("dl.facts")
    pack = await page.request.get(at(document, "/chung-cu"))
    assert (await pack.body()).startswith(b"PK")
    # Nothing seals the log of this site, so a proof is asked for too early.
    assert (await page.request.get(at(document, "/bang-chung"))).status == 409

    reads = [event.data["file"] for event in await mail.events(document.id, EventKind.DOCUMENT_READ)]
    assert reads.count("cong-van.pdf") >= 2
    assert "chung-cu" in reads
    assert any(read.startswith("goi-tin") for read in reads)


async def test_who_may_see_metadata_alone_reads_no_word_and_an_auditor_names_the_order(
    mail: Mail, enter: Enter, page: Page
) -> None:
    _, document = await mail.comes()
    expect_answers(page, {403, 404})
    await enter(PostRole.OPERATOR, at="department", path=at(document))
    text = await page.content()
    assert document.subject not in text
    assert "cong-van.pdf" not in text
    assert (await page.request.get(at(document, "/tep/1"))).status == 403
    assert (await page.request.get(at(document, "/tiep-nhan"))).status == 403

    await enter(PostRole.AUDITOR, at="department", path=at(document))
    assert document.subject not in await page.content()
    assert (await page.request.get(at(document, "/tep/1"))).status == 403
    frozen = await page.request.get(at(document, f"/niem-phong?lenh={quote('10/QĐ-TTr')}"))
    assert document.subject not in await frozen.text()
    assert (await page.request.get(at(document, "/xem/1"))).status == 403
    view = await page.request.get(at(document, f"/xem/1?lenh={quote('11/QĐ-TTr')}"))
    assert "cong-van.pdf" in await view.text()
    (read,) = await mail.events(document.id, EventKind.DOCUMENT_READ)
    assert (read.data["order"], read.data["file"]) == ("11/QĐ-TTr", "cong-van.pdf")
    await page.fill("#lenh", "12/QĐ-TTr")
    await page.get_by_role("button", name="Xem nội dung theo lệnh").click()
    await page.get_by_text(document.subject).first.wait_for()
    _, *reads = await mail.events(document.id, EventKind.DOCUMENT_READ)
    assert [event.data["order"] for event in reads] == ["12/QĐ-TTr"]

    await enter(PostRole.CLERK, "province")
    await opened(page, at(document), 404)
    await enter(PostRole.AGENCY_ADMIN)
    await opened(page, at(document), 403)


async def let_destroy(site: Site, head: Someone) -> None:
    """Give a person the right to decide about what was frozen."""
    async with site.node.deciding.decisions.begin("operator") as work:
        person = await work.people.find_by_name(head.login)
        await work.people.save(replace(person, roles=frozenset({Role.HEAD})))
        await work.commit()


async def test_anybody_freezes_what_may_be_secret_and_a_head_who_signs_in_once_more_destroys_it(
    site: Site, mail: Mail, enter: Enter, context: BrowserContext, page: Page
) -> None:
    """Until then its content is closed to all."""
    _, document = await mail.comes()
    expect_answers(page, {403, 404, 409, 422})
    await enter(PostRole.AGENCY_ADMIN, path=at(document, "/niem-phong"))
    assert document.subject not in await page.content()
    await axe.check(page, "/van-ban-den/{id}/niem-phong")
    await page.fill("#reason", "Có dấu MẬT ở trang đầu của tệp")
    await send_form(page)

    await enter(path=at(document))
    await axe.check(page, "/van-ban-den/{id} (sealed)")
    assert document.subject not in await page.content()
    assert "Dự thảo thông báo" in await page.inner_text(".steps")
    for path in ("/tep/1", "/xem/1", "/tiep-nhan", "/tu-choi", "/chuyen-xu-ly", "/tieu-huy"):
        assert (await page.request.get(at(document, path))).status in (403, 404, 409), path
    async with site.node.store.read(await mail.scope("department")) as work:
        hold = await work.holds.open_of(document.id)
    assert hold is not None
    assert hold.state in (HoldState.FROZEN, HoldState.SEALED)
    head = site.person(PostRole.HEAD, "department")
    assert Role.HEAD not in head.person.roles
    await enter(PostRole.HEAD, path=at(document, "/tieu-huy"))
    assert await page.locator("#password").count() == 0

    head, _, _ = await with_factor(head)
    await let_destroy(site, head)
    await site.signed_in(context, head, "department")
    await opened(page, at(document))
    await page.get_by_role("link", name="Quyết định tiêu hủy").click()
    await page.locator("#password").wait_for()
    await axe.check(page, "/van-ban-den/{id}/tieu-huy")
    for password in ("wrong password 1", head.password):
        site.clock.skip(timedelta(seconds=31))
        await page.fill("#reason", "Quyết định 12/QĐ ngày 20/11/2026")
        await page.fill("#password", password)
        await page.fill("#code", pyotp.TOTP(head.totp or "").at(site.clock.now()))
        await page.locator("[data-main]").click()
        if password != head.password:
            await page.locator("[data-problems]").wait_for()
            assert await page.input_value("#password") == ""
    await page.wait_for_url("**told=*")

    assert "Quyết định 12/QĐ ngày 20/11/2026" in await page.inner_text("main")
    async with site.node.store.read(await mail.scope("department")) as work:
        assert await work.holds.open_of(document.id) is None
        assert await work.blobs.of_owner("hold", document.inbox_id) == {}
