"""An operator sees the node's health, parcels put aside, the line to the axis, notices and copies, and reads no document
anywhere."""

import csv
import sqlite3
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from gateway.domain.document import Lane
from gateway.domain.event import EventKind
from gateway.domain.pace import Metric
from gateway.ops import backup
from gateway.store.log_reading import EventFilter, search_log
from gateway.workers.heartbeat import slots
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.pages import axe
from tests.office.pages.quarantine import BROKEN, SECRET_WORDS, land_broken, packets_aside, put_aside
from tests.office.pages.site import Site
from tests.office.pages.visiting import Enter
from tests.office.pages.watching import expect_answers
from tests.support.node import DEPARTMENT
from tests.support.waiting import wait_until

PASSPHRASE = "a passphrase for tests"
TEXT = "Bao tri co so du lieu"


async def event_data(site: Site, kind: EventKind) -> list[dict[str, object]]:
    hits = await search_log(site.node.store, EventFilter(kind=kind.value), limit=50)
    return [dict(hit.event.data) for hit in hits]


async def test_the_page_tells_how_fast_the_node_was_and_marks_what_breaks_the_regulation(
    site: Site, page: Page, enter: Enter
) -> None:
    now = site.clock.now()
    site.node.stopwatch.record(Metric.ACCEPT, Lane.URGENT, now - timedelta(seconds=7))
    site.node.stopwatch.record(Metric.ARRIVAL_TO_ADMITTED, Lane.NORMAL, now - timedelta(milliseconds=300))
    site.node.stopwatch.record(Metric.ACCEPT_TO_01, Lane.NORMAL, now - timedelta(days=2))
    site.clock.skip(timedelta(seconds=31))
    await enter(PostRole.OPERATOR)

    def is_kept() -> bool:
        site.node.wakers["pulse"].ring()
        return len(slots(site.node.pulse.folder, site.clock.now())) >= 3

    await wait_until(is_kept, "the figures of three ways")
    await page.goto("/van-hanh")

    sheet = page.get_by_role("table", name="Tốc độ trong một giờ qua")
    accepted = sheet.get_by_role("row", name="Tiếp nhận văn bản gửi đi")
    await expect(accepted).to_contain_text("Khẩn")
    await expect(accepted).to_contain_text("tối đa 8 giây")
    await expect(accepted).to_contain_text("1 (chậm hơn quy định)")
    admitted = sheet.get_by_role("row", name="Từ khi gói tin đến nút")
    await expect(admitted).to_contain_text("tối đa 500 ms")
    await expect(admitted).not_to_contain_text("chậm hơn quy định")
    answered = sheet.get_by_role("row", name="Từ khi tiếp nhận đến khi có trạng thái 01")
    await expect(answered).to_contain_text("trên 24 giờ")
    await expect(answered).not_to_contain_text("chậm hơn quy định")
    await expect(page.locator(".fact-line", has_text="Tốc độ gửi, nhận")).to_contain_text("Cần để ý")
    await axe.check(page)


async def test_the_way_to_a_partner_is_examined_from_its_page(page: Page, enter: Enter) -> None:
    await enter(PostRole.OPERATOR, path=f"/co-quan/{DEPARTMENT}")
    await page.get_by_role("link", name="Kiểm tra đường gửi").click()

    await expect(page.get_by_role("combobox", name="Cơ quan cần kiểm tra đường gửi")).to_have_value(
        DEPARTMENT
    )
    await expect(page.locator(".fact-line", has_text="Mã trong danh bạ")).to_contain_text("Đạt")
    await expect(page.locator(".fact-line", has_text="Chứng thư số").first).to_contain_text("đã xác nhận")
    await axe.check(page)

    await page.get_by_role("combobox", name="Cơ quan cần kiểm tra đường gửi").fill(f"{DEPARTMENT}.77")
    await page.get_by_role("button", name="Kiểm tra đường gửi").click()
    strange = page.locator(".fact-line", has_text="Mã trong danh bạ")
    await expect(strange).to_contain_text(f"danh bạ không có mã {DEPARTMENT}.77")
    await expect(strange).to_contain_text("gateway registry search")


async def test_dead_letters_are_grouped_looked_into_sent_again_and_dropped(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {422})
    await put_aside(site, "one", "two", "three")
    await enter(PostRole.OPERATOR, path="/van-hanh/goi-tin-loi")

    await expect(page.get_by_text("3 cùng lỗi")).to_be_visible()
    await axe.check(page)
    await expect(page.locator("[data-row] .letter-subject").first).to_have_text(
        "Đã giao 2 lần mà nút nhận không xác nhận xong"
    )
    await _parcel(page, "one").locator("[data-open]").click()
    await expect(page.get_by_text("Không đọc được gói tin")).to_be_visible()
    assert SECRET_WORDS not in await page.content()
    await page.get_by_role("link", name="Bỏ", exact=True).click()
    await page.get_by_role("button", name="Bỏ", exact=True).evaluate("each => each.form.noValidate = true")
    await page.get_by_role("button", name="Bỏ", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Lý do cần ít nhất 10 ký tự.")
    await page.get_by_label("Lý do").fill("Gửi thử, không dùng nữa")
    await page.get_by_role("button", name="Bỏ", exact=True).click()
    await expect(page.get_by_role("status").first).to_contain_text("Đã bỏ gói tin.")
    await page.get_by_label("Chọn gói two").check()
    await page.get_by_role("button", name="Gửi lại các gói đã chọn").click()
    await expect(page.get_by_role("listitem").filter(has_text="two")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="three")).to_have_count(0)
    await page.get_by_role("button", name="Gửi lại", exact=True).click()
    await expect(_parcel(page, "two")).to_have_count(0)
    row = _parcel(page, "three")
    await row.get_by_role("link", name="Thử lại không gửi").click()
    await page.get_by_role("button", name="Gửi lại", exact=True).click()
    await expect(page.get_by_text("Không có gói tin lỗi.")).to_be_visible()

    assert (await site.node.axis.counts())["dead"] == 0
    assert (await site.node.axis.counts())["waiting"] == 2
    (dropped,) = await event_data(site, EventKind.PARCEL_DROPPED)
    assert (dropped["packet"], dropped["why"]) == ("one", "Gửi thử, không dùng nữa")
    assert {d["packet"] for d in await event_data(site, EventKind.PARCEL_RETRIED)} == {"two", "three"}


def _parcel(page: Page, packet: str) -> Locator:
    """Return the row of a dead letter; its packet's id is heard, and not seen."""
    return page.locator(".letter", has=page.get_by_label(f"Chọn gói {packet}"))


async def test_a_packet_in_quarantine_is_opened_and_decided_by_the_clerk(
    site: Site, page: Page, enter: Enter
) -> None:
    id = await land_broken(site)
    await enter(path=f"/van-hanh/cach-ly/{id}")
    await expect(page.locator(".xml")).to_contain_text(SECRET_WORDS)
    download = await page.request.get(f"/van-hanh/cach-ly/{id}/tai")
    assert await download.body() == BROKEN
    assert download.headers["content-disposition"].startswith("attachment")
    await page.get_by_role("link", name="Xem byte").click()
    await expect(page.get_by_role("row").nth(1)).to_contain_text(BROKEN[:16].hex(" "))
    await page.goto(f"/van-hanh/cach-ly/{id}")
    await page.get_by_role("link", name="Loại bỏ").click()
    await page.get_by_label("Lý do").fill("Gói tin hỏng, đã gọi nơi gửi")
    await page.get_by_role("button", name="Loại bỏ").click()
    await expect(page.get_by_role("status").first).to_contain_text("Đã loại bỏ gói tin.")

    assert await packets_aside(site) == []
    read = [d["file"] for d in await event_data(site, EventKind.DOCUMENT_READ)]
    assert list(dict.fromkeys(read)) == ["tree", "file", "hex"]

    await enter(PostRole.CLERK, "province")
    assert (await page.request.get(f"/van-hanh/cach-ly/{id}")).status == 404


async def test_a_stop_is_told_in_time_or_with_its_reason_and_stands_on_every_page_of_those_it_is_for(
    site: Site, context: BrowserContext, page: Page, enter: Enter
) -> None:
    expect_answers(page, {422})
    await enter(PostRole.OPERATOR, path="/van-hanh/thong-bao")
    await page.locator("a.main").click()
    await axe.check(page)
    await page.get_by_label("Ngày bắt đầu").fill("hôm nay")
    await page.get_by_label("Giờ bắt đầu").fill("2300")
    await page.get_by_label("Ngày kết thúc").fill("hôm nay")
    await page.get_by_label("Giờ kết thúc").fill("23:30")
    await page.get_by_label("Nội dung tiếng Việt").fill(TEXT)
    await page.get_by_label("Gửi tới").select_option(await site.agency("department"))
    await page.get_by_role("button", name="Đăng thông báo").click()
    await expect(page.get_by_role("alert")).to_contain_text("Chưa đủ 1 ngày làm việc báo trước.")
    await page.get_by_label("Lý do khẩn cấp").fill("Ổ đĩa hỏng phải thay ngay")
    await page.get_by_role("button", name="Đăng thông báo").click()
    await expect(page.get_by_role("status").first).to_contain_text("Đã đăng thông báo.")

    async def count_notices(actor: str) -> int:
        await context.clear_cookies()
        await site.signed_in(context, site.person(PostRole.CLERK, actor))
        await page.goto("/tro-giup")
        return await page.get_by_role("note").filter(has_text=TEXT).count()

    assert await count_notices("department") == 1
    assert await count_notices("province") == 0
    assert [d["emergency"] for d in await event_data(site, EventKind.NOTICE_PUBLISHED)] == [
        "Ổ đĩa hỏng phải thay ngay"
    ] * 2  # the node's stream and the agency's

    await enter(PostRole.OPERATOR, path="/van-hanh/thong-bao")
    await page.get_by_role("link", name="Kết thúc thông báo").click()
    await page.get_by_role("button", name="Kết thúc thông báo").click()
    await expect(page.get_by_text("Không có thông báo nào đang hiển thị.")).to_be_visible()
    assert await count_notices("department") == 0


async def test_a_copy_is_restored_on_trial_beside_the_node(site: Site, page: Page, enter: Enter) -> None:
    settings, node = site.node.settings, site.node
    source = backup.BackupSource(
        node="demo",
        database_url=settings.database.url,
        content=settings.node.data_dir / "content",
        keys=settings.keys.folder,
        trust=settings.trust.folder,
        settings=None,
    )
    target = settings.node.data_dir / "backups" / "demo.backup"
    await backup.make(source, target, PASSPHRASE.encode(), node.clock, node.pool, lambda step, count: None)
    await enter(PostRole.OPERATOR, path="/van-hanh/sao-luu")
    copy = page.locator(".fact-line", has_text="demo.backup")
    await expect(copy).to_contain_text("chưa")
    await expect(page.get_by_role("status").first).to_contain_text("Chưa bản sao lưu nào được khôi phục thử.")

    sealed = target.read_bytes()
    for passphrase, content, word in (
        ("not the passphrase", sealed, "không đạt. Cụm mật khẩu không mở được bản sao lưu"),
        (PASSPHRASE, sealed + b"!", "không đạt. Bản sao lưu bị hỏng"),
        (PASSPHRASE, sealed, "khớp hoàn toàn"),
    ):
        target.write_bytes(content)
        await copy.get_by_role("link", name="Khôi phục thử").click()
        await page.get_by_label("Cụm mật khẩu của bản sao lưu").fill(passphrase)
        await page.get_by_role("button", name="Khôi phục thử").click()
        await expect_absent(page, "Đang khôi phục thử")
        await expect(page.get_by_role("status").filter(has_text=word)).to_be_visible()
        assert "passphrase" not in await page.locator("main").inner_text()

    await axe.check(page)
    await expect(copy.locator(".level.green svg")).to_be_visible()
    assert [d["outcome"] for d in await event_data(site, EventKind.BACKUP_TESTED)] == [
        *("failed", "failed", "equal"),
    ]
    assert not list(settings.node.data_dir.glob("drill-*"))


@pytest.mark.told
async def test_the_log_says_whether_it_is_whole_and_where_it_is_not(
    site: Site, page: Page, enter: Enter
) -> None:
    await enter(PostRole.AUDITOR, path="/nhat-ky")

    await _checked(page)
    await expect(page.locator(".seal")).to_contain_text("Nhật ký toàn vẹn đến")
    await axe.check(page)
    await page.locator(".filters > summary").click()
    await page.get_by_label("Loại việc").select_option("session.begun")
    await page.get_by_role("button", name="Lọc", exact=True).click()
    await expect(page.locator("#list [data-row]").first).to_contain_text("đăng nhập")
    await expect(page.locator("#list [data-row]").filter(has_not_text="đăng nhập")).to_have_count(0)
    await page.goto("/nhat-ky?object=nothing")
    await expect(page.get_by_text("Không có dòng nào khớp.")).to_be_visible()

    count = len(await event_data(site, EventKind.LOG_EXPORTED))
    text = await (await page.request.get("/nhat-ky/tai?loai=session.begun")).text()
    heading, *rows = csv.reader(text.removeprefix("\ufeff").splitlines())
    assert heading[:4] == ["Thời điểm", "Ai", "Từ đâu", "Việc"]
    assert {row[3] for row in rows} == {"Đăng nhập"}
    assert len(await event_data(site, EventKind.LOG_EXPORTED)) == count + 1

    changed = _tampered(site.node.settings.node.data_dir / "gateway.db")
    await page.goto("/nhat-ky")
    await page.get_by_role("button", name="Kiểm tra lại").click()
    await _checked(page)
    await expect(page.get_by_role("alert")).to_contain_text(f"Nhật ký không toàn vẹn từ dòng {changed}")


async def _checked(page: Page) -> None:
    """Wait for a check that outlasts the page's own wait: until then the page asks to be loaded again."""
    await expect_absent(page, "Tải lại trang để xem kết quả")


async def expect_absent(page: Page, words: str) -> None:
    """Load the page until it does not say that any more."""

    async def is_over() -> bool:
        if await page.get_by_text(words).count():
            await page.reload()
            return False
        return True

    await wait_until(is_over, f"the page without “{words}”")


def _tampered(database: Path) -> int:
    """Change one line of the log in the database, past the program; return its number."""
    with sqlite3.connect(database) as file:
        ((leaf, position),) = file.execute(
            "SELECT leaf_index, position FROM log_leaf ORDER BY leaf_index DESC LIMIT 1"
        )
        file.execute("UPDATE event SET subject_id = 'msg_other' WHERE position = ?", (position,))
    file.close()
    return int(leaf)


async def test_each_role_sees_its_part_of_the_log(site: Site, page: Page, enter: Enter) -> None:
    clerk = await enter()
    async with (
        aiohttp.ClientSession(site.url, cookies={COOKIE: clerk}) as http,
        http.get("/nhat-ky/tai") as answer,
    ):
        assert answer.status == 403
    await page.goto("/nhat-ky")
    name = site.person(PostRole.CLERK, "department").person.name
    lines = await page.locator("#list [data-row] > p").all_inner_texts()
    assert lines
    assert all(name in line for line in lines)

    await enter(PostRole.AGENCY_ADMIN, path="/nhat-ky")
    assert await page.locator("#list [data-row]", has_text="đăng nhập").count() >= 1
    assert await page.locator("#list [data-row]", has_text="phát hành").count() == 0

    await enter(PostRole.OPERATOR, path="/nhat-ky?loai=session.begun")
    await expect(page.get_by_text("Không có dòng nào khớp.")).to_be_visible()

    await enter(PostRole.UNIT_HEAD)
    assert (await page.request.get("/nhat-ky")).status == 403
