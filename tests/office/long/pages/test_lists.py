"""People filter the lists without a reload, keep a view, and tick and finish rows together; a person who sees few
documents sees no others; news wait until they are asked for."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from playwright.async_api import Page, expect

from gateway.domain.document import (
    Assignment,
    FileRole,
    IncomingDocument,
    IncomingFile,
    OutState,
    Recipient,
    Source,
    Urgency,
)
from gateway.domain.event import EventKind
from gateway_office.domain.roles import PostRole
from tests.office.pages import axe
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter, opened, scope_of
from tests.office.pages.watching import expect_answers
from tests.support.stores import delivery, digest, draft, incoming, outgoing

PASSED = {
    "envelope_signature": "valid",
    "certificate_confirmed": "true",
    "revocation": "good",
    "digests": "match",
    "recipient": "ours",
    "rules": "allowed",
}


def lead(pages: int | None = 2) -> IncomingFile:
    return IncomingFile(
        n=1,
        name="van-ban.pdf",
        content_type="application/pdf",
        size=1000,
        sha256=digest("lead"),
        source=digest("source"),
        offset=0,
        length=1000,
        coding="base64",
        role=FileRole.LEAD,
        pages=pages,
    )


async def arrive(site: Site, *documents: dict[str, Any], notify: bool = False) -> list[IncomingDocument]:
    """Store documents as arrived a minute apart, the last one now; they passed every check unless their fields say
    otherwise."""
    scope, arrived = await scope_of(site), []
    async with site.node.store.begin(scope) as work:
        for n, fields in enumerate(documents):
            at = site.clock.now() - timedelta(minutes=len(documents) - 1 - n)
            values = {
                "id": site.clock.new_id("inb_"),
                "checks": PASSED,
                "files": (lead(),),
                "pages": 2,
                "arrived_at": at,
                "source": Source.EMAIL,
                "sender_name": "Sở Tài chính",
            }
            document = incoming(site.clock, scope=scope, **(values | fields))
            await work.incoming.add(document)
            await work.handovers.offer(document.id)
            if notify:
                await work.events.append(EventKind.INBOX_RECEIVED, document.id, at)
            arrived.append(document)
        await work.commit()
    return arrived


async def numbers(page: Page) -> list[str]:
    return await page.locator("[data-row] .letter-number, [data-row] td a[data-open]").all_inner_texts()


async def test_a_list_is_filtered_in_place_and_the_address_says_so(
    site: Site, page: Page, enter: Enter
) -> None:
    await arrive(
        site,
        *(
            {"number": str(n), "urgency": Urgency.EXPRESS if n % 10 == 0 else Urgency.NORMAL}
            for n in range(1, 31)
        ),
    )
    await enter(path="/van-ban-den")
    await expect(page.locator("[data-row]")).to_have_count(25)
    first = await numbers(page)
    assert first[:3] == ["10/SNN", "20/SNN", "30/SNN"]
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))

    await page.keyboard.press("f")
    await page.locator("#q").press_sequentially("Hoaf bình")
    assert [url for url in requested if "/van-ban-den" in url] == []
    await page.locator("#q").fill("")
    await page.locator("#khan").select_option("1")
    await expect(page.locator("[data-row]")).to_have_count(3)

    assert "khan=1" in page.url
    assert "trang=" not in page.url
    await expect(page.locator("#said")).to_have_text("Đã lọc, 3 văn bản")
    await expect(page.locator("h1")).to_have_text("Văn bản đến")
    await axe.check(page, "/van-ban-den?khan=1")
    await page.go_back()
    await expect(page.locator("[data-row]")).to_have_count(25)
    await expect(page.locator("#khan")).to_have_value("")
    await page.goto("/van-ban-den")
    await page.get_by_role("link", name="Trang sau", exact=True).click()
    await expect(page.locator("[data-row]")).to_have_count(5)
    assert not set(first) & set(await numbers(page))
    await page.get_by_role("link", name="Trang trước", exact=True).click()
    await expect(page.locator("[data-row]")).to_have_count(25)
    assert await numbers(page) == first
    await page.goto("/van-ban-den?tab=held")
    await expect(page.locator(".empty")).to_be_visible()


async def test_letters_open_a_form_for_the_row_that_is_walked_to(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {409})  # what a form says of an invented document is not asked here
    first, second = await arrive(site, {"number": "1"}, {"number": "2"})
    await enter(path="/van-ban-den")
    await page.keyboard.press("t")
    assert page.url.endswith("/van-ban-den")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("x")
    await expect(page.locator("[data-ticked]")).to_have_text("Đã chọn 1")
    await page.locator(f"[data-pane][data-ready='{second.id}']").wait_for()
    await page.set_viewport_size({"width": 800, "height": 768})
    await page.keyboard.press("t")
    await page.wait_for_url(f"**/van-ban-den/{second.id}/tiep-nhan")
    await page.goto("/van-ban-den?cot=so,trich-yeu")
    await page.locator("[data-row] .more summary").first.click()
    await page.get_by_role("link", name="Trả lại nơi gửi…").click()
    await page.wait_for_url(f"**/van-ban-den/{first.id}/tu-choi")
    async with site.node.store.read(await scope_of(site)) as work:
        assert (await work.incoming.get(second.id)).state.value == "new"


async def test_the_pane_goes_with_a_table_of_chosen_columns_and_comes_back_with_the_letters(
    site: Site, page: Page, enter: Enter
) -> None:
    """And a table of one column opens its rows all the same."""
    (document,) = await arrive(site, {"number": "11"})
    await enter(path="/van-ban-den")
    await expect(page.locator("[data-pane]")).to_be_visible()
    await page.locator("[data-filters] > summary").click()
    await page.locator("[data-filters] .plain-details > summary").click()
    columns = page.locator("[data-filters] input[name=cot]:checked")

    await columns.first.uncheck()

    await expect(page.locator("#list table")).to_be_visible()
    await expect(page.locator("[data-pane]")).to_be_hidden()
    while await columns.count() > 1:
        await columns.first.uncheck()
    await expect(page.locator("#list thead th")).to_have_count(4)
    one_column = page.url
    await columns.first.uncheck()
    await expect(page.locator("#list .letter")).to_be_visible()
    await expect(page.locator("[data-pane]")).to_be_visible()

    await page.goto(one_column)
    await page.locator("[data-row]").click(position={"x": 2, "y": 2})
    await expect(page).to_have_url(re.compile(document.id))


async def test_search_finds_words_however_they_are_written(site: Site, page: Page, enter: Enter) -> None:
    await arrive(
        site,
        {"number": "1", "sender_name": "Ủy ban nhân dân xã A"},
        {"number": "2", "sender_name": "Uỷ ban nhân dân xã B"},
        {"number": "1523", "symbol": "STC-VP"},
    )
    await enter()
    for words, count in (("uy ban", 2), ("ubnd", 2), ("1523/STC", 1), ("từ:tài", 1), ("không có gì", 0)):
        await page.goto("/tong-quan")
        await page.keyboard.press("/")
        await page.locator("#search").fill(words)
        await page.keyboard.press("Enter")
        await expect(page.locator("[data-row]")).to_have_count(count)
    await page.goto("/tim-kiem?q=uy ban")
    assert set(await page.locator("mark").all_inner_texts()) == {"Ủy", "Uỷ", "ban"}


async def test_the_search_field_of_a_list_filters_it_and_offers_how(
    site: Site, page: Page, enter: Enter
) -> None:
    await arrive(
        site,
        {"number": "1", "urgency": Urgency.EXPRESS, "sender_name": "Sở Nội vụ"},
        {"number": "2", "sender_name": "Sở Nội vụ"},
        {"number": "3", "urgency": Urgency.EXPRESS},
    )
    await enter(path="/van-ban-den")
    field, offers = page.locator("#search"), page.locator("#search-offers [role=option]")
    await page.keyboard.press("Control+k")
    await expect(offers.filter(has_text="loại:")).to_have_count(1)
    await page.keyboard.type("khẩ")
    await expect(offers.first).to_contain_text("khẩn:")
    await axe.check(page, "the offers of the search field")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(field).to_have_value("khẩn:")
    await offers.filter(has_text="khẩn:có").click()
    await page.keyboard.type("từ:Sở Nội vụ")
    await page.keyboard.press("Escape")
    await field.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-row]")).to_have_count(1)
    assert "khan=1" in page.url
    await expect(field).to_have_value('khẩn:có từ:"Sở Nội vụ"')

    await page.locator(".filter-chips a").first.click()
    await expect(page.locator("[data-row]")).to_have_count(2)
    await page.keyboard.press("Control+k")
    await page.keyboard.type("văn bản đi")
    await page.get_by_role("option", name="Văn bản đi", exact=True).click()
    await page.wait_for_url("**/van-ban-di")


async def test_many_are_taken_in_by_arrival_and_what_is_doubtful_is_left_out(
    site: Site, page: Page, enter: Enter
) -> None:
    first, forged, torn, last = await arrive(
        site,
        {"number": "41", "urgency": Urgency.NORMAL},
        {"number": "42", "checks": PASSED | {"envelope_signature": "weak"}},
        {"number": "43", "pages": 3},
        {"number": "44", "urgency": Urgency.EXPRESS},
    )
    await enter(path="/van-ban-den")
    assert (await numbers(page))[0] == "44/SNN"
    await page.locator("[data-page]").check()
    await expect(page.locator("[data-ticked]")).to_have_text("Đã chọn 4")
    await page.get_by_role("button", name="Tiếp nhận và vào sổ").click()

    await expect(page.locator("main")).to_contain_text("2 văn bản sẽ được tiếp nhận.")
    rows = page.locator("tbody tr")
    assert [(await rows.nth(n).locator("td").nth(4).inner_text()).strip() for n in range(4)] == [
        "1",
        "",
        "",
        "2",
    ]
    await expect(rows.nth(1)).to_contain_text("chữ ký số của nơi gửi không đạt")
    await expect(rows.nth(2)).to_contain_text("số trang ghi và số trang đếm được khác nhau")
    await axe.check(page, "/danh-sach/van-ban-den")
    await page.keyboard.press("Control+Enter")

    await expect(page.locator("[data-told]")).to_contain_text("2 đã làm, 2 không làm.")
    async with site.node.store.read(await scope_of(site)) as work:
        stored = [await work.incoming.get(d.id) for d in (first, forged, torn, last)]
    assert [(d.state.value, d.register_no) for d in stored] == [
        ("accepted", "1"),
        ("new", None),
        ("new", None),
        ("accepted", "2"),
    ]
    await page.reload()
    await expect(page.locator("[data-told]")).to_contain_text("2 đã làm")


async def test_an_act_needs_its_reason_and_does_what_it_says(site: Site, page: Page, enter: Enter) -> None:
    (document,) = await arrive(site, {"number": "7"})
    scope = await scope_of(site)
    async with site.node.store.begin(scope) as work:
        sent = outgoing(site.clock, scope=scope, state=OutState.DRAFT, draft=draft(number="8"))
        await work.outgoing.add(sent)
        await work.commit()
    await enter(path=f"/danh-sach/van-ban-den?viec=tu-choi&id={document.id}")
    expect_answers(page, {422})
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-problems]")).to_contain_text("Lý do cần ít nhất 10 ký tự.")
    await page.locator("#reason").select_option("BAD_FORM")
    await page.locator("#note").fill("Thiếu chữ ký của cơ quan ban hành.")
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-told]")).to_contain_text("1 đã làm, 0 không làm.")
    await page.goto(f"/danh-sach/van-ban-di?viec=huy-gui&id={sent.id}")
    await page.locator("#note").fill("Gửi nhầm bản dự thảo cũ.")
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-told]")).to_contain_text("1 đã làm")

    async with site.node.store.read(scope) as work:
        assert (await work.incoming.get(document.id)).state.value == "rejected"
        assert (await work.outgoing.get(sent.id)).state is OutState.CANCELLED


async def test_who_sees_the_own_unit_finds_and_exports_no_other_document(site: Site, page: Page) -> None:
    person = site.person(PostRole.OFFICER, "department")
    async with site.node.accounts.accounts.read() as view:
        (post,) = await view.posts.of_persons({person.person.id})
    ours, theirs = await arrive(
        site,
        {"number": "1", "assignment": Assignment(lead_unit=post.unit), "subject": "Của đơn vị"},
        {"number": "2", "assignment": Assignment(lead_unit="Phòng Khác"), "subject": "Của phòng khác"},
    )
    await site.signed_in(page.context, person, "department")

    await page.goto("/van-ban-den?tab=all")
    assert await numbers(page) == ["1/SNN"]
    await expect(page.locator(".chips [aria-current] .count")).to_have_text("1")
    await page.goto("/tim-kiem?q=phong khac")
    await expect(page.locator("[data-row]")).to_have_count(0)
    expect_answers(page, {403, 404})
    for path, status in (
        (f"/danh-sach/van-ban-den?viec=xuat&id={theirs.id}", 404),
        (f"/danh-sach/van-ban-den/tep?dang=csv&id={theirs.id}", 404),
        (f"/danh-sach/van-ban-den?viec=tiep-nhan&id={ours.id}", 403),
        ("/danh-sach/van-ban-di?viec=gui-lai&tat-ca=1", 403),
    ):
        await opened(page, path, status)


async def test_a_view_is_kept_until_it_is_removed_and_news_move_no_row(
    site: Site, page: Page, enter: Enter
) -> None:
    await arrive(site, {"number": "1"}, {"number": "2", "urgency": Urgency.URGENT})
    await enter(path="/van-ban-den?khan=1&cot=so,trang-thai")
    await page.locator(".filters > summary").click()
    await page.get_by_role("link", name="Lưu bộ lọc này").click()
    await page.locator("#name").fill("Văn bản khẩn")
    await page.locator("[data-main]").click()
    await expect(page.locator("[data-told]")).to_have_text("Đã lưu bộ lọc.")

    await page.goto("/van-ban-den")
    assert len(await numbers(page)) == 2
    await page.locator(".filters > summary").click()
    await page.locator(".views").get_by_role("link", name="Văn bản khẩn").click()
    await page.wait_for_url("**khan=1**")

    assert await numbers(page) == ["2/SNN"]
    assert await page.locator("thead th").count() == 4
    await page.locator(".filters > summary").click()
    await page.locator(".views button").click()
    await page.goto("/van-ban-den")
    await page.locator(".filters > summary").click()
    await expect(page.locator(".views button")).to_have_count(0)

    await expect(page.locator("[data-news]")).to_be_hidden()
    await arrive(site, {"number": "3"}, notify=True)
    await expect(page.locator("[data-news]")).to_have_text("1 văn bản mới – Hiển thị")
    assert await numbers(page) == ["2/SNN", "1/SNN"]
    await page.locator("[data-news] a").click()
    await expect(page.locator("[data-row]")).to_have_count(3)
    assert await numbers(page) == ["2/SNN", "1/SNN", "3/SNN"]


async def test_without_scripts_a_list_is_filtered_ticked_and_taken_away(site: Site, plain_page: Page) -> None:
    scope = await scope_of(site)
    async with site.node.store.begin(scope) as work:
        for n in (1, 2):
            sent = outgoing(
                site.clock,
                scope=scope,
                state=OutState.PACKED,
                draft=draft(
                    number=str(n),
                    subject="=1+1",
                    recipients=(Recipient(code="Z91", name="Nơi A"), Recipient(code="Z91.12")),
                ),
            )
            await work.outgoing.add(sent)
            await work.deliveries.add(
                [
                    delivery(sent, "Z91", "failed" if n == 1 else "accepted"),
                    delivery(sent, "Z91.12", "accepted"),
                ]
            )
        await work.commit()
    page = plain_page
    await site.signed_in(page.context, site.person(PostRole.CLERK, "department"), "department")
    await page.goto("/van-ban-di")
    await expect(page.locator("[data-row]").first).to_contain_text("1/2 đã tiếp nhận, 1 gửi lỗi")
    await page.locator(".filters > summary").click()
    await page.locator("#trang-thai").select_option("failed")
    await page.get_by_role("button", name="Lọc").click()
    await expect(page.locator("[data-row]")).to_have_count(1)
    await page.goto("/van-ban-di")
    for box in await page.locator("[data-row] input").all():
        await box.check()
    await page.get_by_role("button", name="Gửi lại").click()
    await expect(page.locator("main")).to_contain_text("1 văn bản sẽ gửi lại.")
    await expect(page.locator("main")).to_contain_text("1 bỏ qua: đang ở trạng thái “Đã tiếp nhận”")
    await page.goto("/van-ban-di")
    await page.locator(".more-acts > summary").click()
    await page.get_by_role("link", name="Xuất").click()
    async with page.expect_download() as coming:
        await page.get_by_role("button", name="Tải tệp CSV").click()
    text = (await (await coming.value).path()).read_text("utf-8-sig")

    assert text.splitlines()[0].startswith('"Số, ký hiệu","Ngày văn bản","Trích yếu"')
    assert '"\'=1+1"' in text
    assert '"20/11/2026"' in text
