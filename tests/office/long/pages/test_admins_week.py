"""The keepers of the node and its accounts work for a week on the pages alone: they make an account by a one-time link,
suspend and open it again; enter a holiday; announce a stop on every page; decide on a parcel that was put aside and send
it again; test the line; import codes after a preview. At the end the log knows who did it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from gateway_office.domain.roles import PostRole
from tests.office.pages.conftest import LOCALE, ZONE
from tests.office.pages.effort import Hand
from tests.office.pages.quarantine import land_broken, put_aside
from tests.office.pages.site import Site
from tests.office.pages.watching import Watcher

NEW_NAME, NEW_LOGIN = "Trương Thị Văn Thư", "vanthu2.stn"
PASSWORD = "Mây trắng 9 tầng"
STOP = "Nâng cấp máy chủ cơ sở dữ liệu"
WHY = "Nghỉ việc riêng theo đơn đã duyệt"
CODES = "Mã định danh,Tên cơ quan,Mã cấp trên\nZ91.41,Sở Mẫu Một,Z91\nZ91.42,Sở Mẫu Hai,Z91\n"


async def become(site: Site, context: BrowserContext, role: PostRole, actor: str = "") -> str:
    """Sign a person with this role in; return the person's name."""
    await context.clear_cookies()
    person = site.person(role, actor)
    await site.signed_in(context, person, actor)
    return person.person.name


async def check_notice(page: Page, words: str) -> None:
    await expect(page.locator("[data-told]")).to_contain_text(words)


@pytest.mark.on_both
async def test_an_admins_week(
    site: Site,
    page: Page,
    context: BrowserContext,
    browser: Browser,
    hand: Hand,
    watcher: Watcher,
    tmp_path: Path,
) -> None:
    other = await browser.new_context(base_url=watcher.origin, locale=LOCALE, timezone_id=ZONE)
    watcher.watch(other)
    try:
        theirs = await other.new_page()
        admin = await become(site, context, PostRole.AGENCY_ADMIN, "department")
        path = await add_account(page, hand, theirs)
        await suspend_and_open(page, hand, path, theirs)
    finally:
        await other.close()
    operator = await become(site, context, PostRole.OPERATOR)
    await add_holiday(page, hand)
    await announce_a_stop(site, page, context, hand)
    await retry_a_dead_letter(site, page, hand)
    await the_line_is_tested(site, page, hand)
    clerk = await decide_about_a_packet(site, page, context, hand)
    registrar = await become(site, context, PostRole.CODES)
    await import_codes(page, hand, tmp_path / "ma.csv")
    await page.goto("/co-quan/nhap")
    await expect(page.locator("main tbody tr").first).to_contain_text(registrar)

    await become(site, context, PostRole.AUDITOR)
    events_by_kind = {
        "person.added": admin,
        "account.standing": admin,
        "notice.published": operator,
        "parcel.retried": operator,
        "inbox.invalid": clerk,
    }
    for kind, name in events_by_kind.items():
        await page.goto(f"/nhat-ky?loai={kind}&tu=20/11/2026")
        await expect(page.locator("#list [data-row]").first, kind).to_contain_text(name)


async def add_account(page: Page, hand: Hand, theirs: Page) -> str:
    """Add an account, and choose its password as its person in another browser; return the account's address."""
    await page.goto("/quan-tri")
    with hand.task("add an account", most_clicks=6, most_keys=1):
        await hand.click(page.get_by_role("link", name="Thêm tài khoản"))
        await hand.fill("#name", NEW_NAME)
        await hand.fill("#login", NEW_LOGIN)
        await hand.choose("#role", "clerk")
        await hand.press("Control+Enter")
        await page.locator("#key").wait_for()
    link = await page.locator("#key").inner_text()
    await theirs.goto(link)
    await expect(theirs.locator("h1")).to_contain_text(NEW_NAME)
    await theirs.fill("#new", PASSWORD)
    await theirs.fill("#again", PASSWORD)
    await theirs.locator("[data-main]").click()
    await theirs.wait_for_url("**/tong-quan*")
    await page.get_by_role("link", name="Đã trao đường dẫn").click()
    await page.wait_for_url("**/quan-tri/tai-khoan/*")
    return page.url


async def suspend_and_open(page: Page, hand: Hand, path: str, theirs: Page) -> None:
    await page.goto(path)
    with hand.task("suspend an account", most_clicks=3):
        await hand.click(page.get_by_role("link", name="Tạm dừng"))
        await hand.fill("#reason", WHY)
        await hand.click("[data-main]")
        await check_notice(page, "Đã tạm dừng tài khoản.")
    await theirs.goto("/van-ban-den")
    await theirs.wait_for_url("**/dang-nhap*")
    with hand.task("open an account again", most_clicks=3):
        await hand.click(page.get_by_role("link", name="Mở lại"))
        await hand.fill("#reason", "Đã đi làm trở lại")
        await hand.click("[data-main]")
        await check_notice(page, "Đã mở lại tài khoản.")
    await theirs.get_by_label("Tên đăng nhập").fill(NEW_LOGIN)
    await theirs.get_by_label("Mật khẩu", exact=True).fill(PASSWORD)
    await theirs.keyboard.press("Enter")
    await theirs.wait_for_url("**/van-ban-den*")


async def add_holiday(page: Page, hand: Hand) -> None:
    """Put a Monday on which the office is shut into the calendar."""
    await page.goto("/quan-tri/lich")
    with hand.task("put a holiday into the calendar", most_clicks=2, most_keys=1):
        await hand.fill("#day", "23/11/2026")
        await hand.fill("#name", "Ngày hội văn hóa tỉnh Sao Mai")
        await hand.press("Control+Enter")
        await check_notice(page, "Đã lưu ngày vào lịch.")
    await expect(page.get_by_role("row", name="23/11/2026")).to_contain_text("Ngày hội văn hóa")


async def announce_a_stop(site: Site, page: Page, context: BrowserContext, hand: Hand) -> None:
    """Announce a stop a working day ahead: Monday is none any more, Tuesday is a holiday of the country, so Wednesday is
    the earliest."""
    await page.goto("/van-hanh/thong-bao")
    with hand.task("announce a stop to everybody", most_clicks=6, most_keys=1):
        await hand.click("main a[data-key=n]")
        await page.wait_for_url("**/moi/tam-dung")
        await expect(page.locator("main")).to_contain_text("25/11/2026")
        for field, value in {
            "starts_day": "25112026",
            "starts_time": "2100",
            "ends_day": "25112026",
            "ends_time": "2300",
            "text_vi": STOP,
        }.items():
            await hand.fill(f"#{field}", value)
        await hand.press("Control+Enter")
        await check_notice(page, "Đã đăng thông báo.")
    for actor in ("department", "commune"):
        await become(site, context, PostRole.CLERK, actor)
        for path in ("/tong-quan", "/van-ban-den", "/van-ban-di", "/so-van-ban", "/phat-hanh", "/tro-giup"):
            await page.goto(path)
            await expect(page.get_by_role("note").filter(has_text=STOP)).to_have_count(1)
    await become(site, context, PostRole.OPERATOR)


async def retry_a_dead_letter(site: Site, page: Page, hand: Hand) -> None:
    await put_aside(site, "one")
    await page.goto("/van-hanh/goi-tin-loi")
    with hand.task("send a packet again that was put aside, after a trial", most_clicks=1, most_keys=1):
        await hand.click(page.get_by_role("link", name="Thử lại không gửi"))
        await page.wait_for_url("**/gui-lai")
        await hand.press("Control+Enter")
        await check_notice(page, "Gói tin sẽ được gửi lại ngay.")
    assert (await site.node.axis.counts())["dead"] == 0


async def the_line_is_tested(site: Site, page: Page, hand: Hand) -> None:
    """Test the line to the axis. The test's clock is not the one of a database server, and the page says so."""
    own_clock = site.node.settings.database.url.startswith("sqlite")
    await page.goto("/van-hanh/kiem-tra")
    with hand.task("test the line to the axis", most_clicks=1):
        await hand.click("main form button.main")
        verdict = "Mọi bước đều đạt." if own_clock else "Có 1 bước không đạt."
        await expect(page.locator("main [role=status]")).to_contain_text(verdict)
    assert await page.locator(".fact-line", has_text="Ký và kiểm tra chữ ký").count() == 3
    await expect(page.get_by_label("Kết quả để dán vào thư")).to_have_value(
        re.compile(r"✓ Trục trả lời \(\d+ ms\)")
    )
    if not own_clock:
        await expect(page.locator(".fact-line", has_text="Không đạt")).to_contain_text("Đồng hồ lệch")


async def decide_about_a_packet(site: Site, page: Page, context: BrowserContext, hand: Hand) -> str:
    """Sign in as the clerk: an operator opens no packet and decides about none."""
    id = await land_broken(site)
    await page.goto("/van-hanh/cach-ly")
    await expect(page.locator("[data-row]")).to_have_count(1)
    clerk = await become(site, context, PostRole.CLERK, "department")
    await page.goto(f"/van-hanh/cach-ly/{id}")
    with hand.task("discard a packet that cannot be read", most_clicks=3):
        await hand.click(page.get_by_role("link", name="Loại bỏ"))
        await hand.fill("#reason", "Gói tin hỏng, đã gọi nơi gửi")
        await hand.click("[data-main]")
        await check_notice(page, "Đã loại bỏ gói tin.")
    return clerk


async def import_codes(page: Page, hand: Hand, file: Path) -> None:
    """Import two agencies from a file with column names as offices write them."""
    await asyncio.to_thread(file.write_text, CODES, "utf-8")
    await page.goto("/co-quan/nhap")
    with hand.task("import two agencies after a preview", most_clicks=1, most_keys=2):
        await hand.give("#file", file)
        await hand.press("Control+Enter")
        await page.wait_for_url("**/co-quan/nhap/xem/*")
        await expect(page.locator("#list tbody tr")).to_have_count(2)
        await hand.press("Control+Enter")
        await check_notice(page, "Đã áp dụng tệp vào danh mục.")
    await page.goto("/co-quan?q=Sở Mẫu")
    for code in ("Z91.41", "Z91.42"):
        await expect(page.locator("main")).to_contain_text(code)
