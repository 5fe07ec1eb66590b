"""The frame around every page has one line at the top and a menu that keeps its order; an address that leads nowhere
shows a page of the node, and a form outlives its session with all that was typed."""

from __future__ import annotations

import itertools

import pytest
from playwright.async_api import BrowserContext, Page, expect

from gateway_office.accounts import sessions
from gateway_office.domain.roles import PostRole
from gateway_office.web.page_handling import COOKIE
from tests.office.pages import axe
from tests.office.pages.composing import BY_HAND, SUBJECT, fill_in, list_written, press
from tests.office.pages.guest import calling
from tests.office.pages.site import Site
from tests.office.pages.slow_line import slow_line
from tests.office.pages.visiting import Enter, scope_of
from tests.office.pages.watching import Watcher, expect_answers

CLERK = PostRole.CLERK
# How far what was already seen moved while the page came, as a part of the screen (CLS); below 0.1 counts as good.
MOST_SHIFT = 0.02
NO_SHIFT = 0.001
_SHIFT = """() => new Promise((done) => {
  let sum = 0;
  const add = (entries) => entries.forEach((each) => { sum += each.value; });
  const seen = new PerformanceObserver((list) => add(list.getEntries()));
  seen.observe({ type: "layout-shift", buffered: true });
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => { add(seen.takeRecords()); done(sum); }, 0)));
})"""
LONG = "Ủy ban nhân dân xã Phường Thử Nghiệm Liên Thông Văn Bản Điện Tử tỉnh Sao Mai"
_BOX = "(each) => { const box = each.getBoundingClientRect(); return [box.top, box.bottom, box.left, box.right]; }"


async def boxes(page: Page, selector: str) -> list[list[float]]:
    nodes = await page.locator(selector).all()
    return [list(await node.evaluate(_BOX)) for node in nodes]


async def test_the_top_bar_is_one_line_whatever_the_agency_is_called(page: Page, enter: Enter) -> None:
    await enter(CLERK, "province")
    for width in (1366, 1280, 1920):
        await page.set_viewport_size({"width": width, "height": 768})
        await page.goto("/tong-quan")
        name = page.locator(".bar .agency strong")
        await name.evaluate("(each, name) => { each.textContent = name; }", LONG)
        rows = await bar_of(page, width)
        assert all(lower[2] >= upper[3] - 1 for upper, lower in itertools.pairwise(rows))
        (inside, *_), (button, *_) = (
            await boxes(page, ".bar .search"),
            await boxes(page, ".bar .search button"),
        )
        assert button[3] <= inside[3] + 1


async def bar_of(page: Page, width: int) -> list[list[float]]:
    """Return the parts of the top bar, which must stand in one line and within the page."""
    parts = [box for box in await boxes(page, ".bar > *") if box[1] > box[0]]
    middles = [(top + bottom) / 2 for top, bottom, _, _ in parts]
    assert max(middles) - min(middles) < 4, width
    assert max(right for *_, right in parts) <= width
    return parts


@pytest.mark.laid
async def test_on_a_phone_the_bar_is_one_line_and_the_first_letter_stands_within_the_first_screen(
    page: Page, enter: Enter
) -> None:
    await enter()
    for width, height in ((390, 844), (360, 740)):
        await page.set_viewport_size({"width": width, "height": height})
        for path, first in (("/van-ban-den", ".letter"), ("/van-ban-di", ".letter")):
            await page.goto(path)
            await bar_of(page, width)
            _, bottom, start, right = (await boxes(page, first))[0]
            assert bottom < height, (path, width)
            assert (start >= 0, right <= width) == (True, True), (path, width)
            assert await page.locator(first).first.locator("a[data-open]").is_visible()
    await axe.check(page, "rows on a phone")
    # What has no room in words has its name.
    await page.locator(".more-acts > summary").click()
    for name in ("Tìm", "Xuất", "In danh sách"):
        assert await page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).count()


@pytest.mark.laid
async def test_nothing_moves_under_the_pointer_while_a_page_comes(page: Page, enter: Enter) -> None:
    await enter(path="/van-ban-den")
    letter = await page.locator("a[data-open]").first.get_attribute("href")
    moved = {}
    for path in (
        "/tong-quan",
        "/van-ban-den",
        letter,
        "/van-ban-di",
        "/phat-hanh",
        "/can-xu-ly",
        "/tai-khoan",
    ):
        await page.goto(str(path), wait_until="networkidle" if path == letter else "load")
        moved[path] = await page.evaluate(_SHIFT)

    assert all(shift < MOST_SHIFT for shift in moved.values()), moved


@pytest.mark.laid
@pytest.mark.parametrize("piece", [1_500, 20_000])
async def test_nothing_moves_where_a_list_is_painted_before_all_of_it_has_arrived(
    site: Site, page: Page, watcher: Watcher, piece: int, enter: Enter
) -> None:
    await enter()
    moved = {}
    async with slow_line(site.url) as (line, near):
        watcher.origin = near
        for width, height in ((1366, 768), (1920, 1080), (390, 844)):
            await page.set_viewport_size({"width": width, "height": height})
            for path in ("/van-ban-den", "/van-ban-di", "/can-xu-ly"):
                await line.bring(page, near + path, piece)
                moved[path, width] = await page.evaluate(_SHIFT)
        await page.close()  # and with it the stream of news that goes over the line

    assert all(shift < NO_SHIFT for shift in moved.values()), moved


async def test_the_person_chooses_how_dense_pages_are_and_sees_whose_mark_they_bear(
    page: Page, enter: Enter
) -> None:
    await enter(CLERK, "province", path="/tai-khoan")
    await expect(page.locator(".ribbon")).to_have_text("THỬ NGHIỆM")
    await expect(page.locator(".brand")).to_have_text("Liên thông văn bản")
    roomy = (await boxes(page, "main .fact-line"))[0]

    await page.get_by_role("button", name="Chuyển sang gọn").click()

    await expect(page.locator("[data-told]")).to_have_text("Đã chuyển sang màn hình gọn.")
    dense = (await boxes(page, "main .fact-line"))[0]
    assert dense[1] - dense[0] < roomy[1] - roomy[0]
    await page.get_by_role("button", name="Chuyển sang thoáng").click()
    await expect(page.locator("body.compact")).to_have_count(0)


async def test_the_menu_does_not_lie_over_itself_when_the_page_is_scrolled(page: Page, enter: Enter) -> None:
    await enter(CLERK, "province")
    for height in (768, 420):
        await page.set_viewport_size({"width": 1366, "height": height})
        await page.goto("/tro-giup")
        await page.mouse.wheel(0, 4_000)
        await page.wait_for_function("window.scrollY > 300")
        rows = await boxes(page, ".menu li")
        assert len(rows) > 5
        assert all(lower[0] >= upper[1] - 1 for upper, lower in itertools.pairwise(rows)), height


async def test_a_clerks_wrong_address_is_told_in_the_frame_and_a_programs_as_a_problem(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {404})
    await enter(CLERK, "province")
    for path in ("/khong-co-trang-nay", "/van-ban-di/khong-phai-ma"):
        await page.goto(path)
        main_text = await page.locator("main").inner_text()
        assert "Không tìm thấy" in main_text
        assert "/docs" not in main_text
        await expect(page.locator("nav.menu")).to_be_visible()
    await axe.check(page, "an address that leads nowhere")

    async with calling(site.url) as guest:
        answer = await guest.get("/khong-co-trang-nay")
    assert answer.status == 404
    assert "no-such-page" in answer.text


async def test_what_was_typed_outlives_the_session_and_is_sent_after_signing_in(
    site: Site, page: Page, enter: Enter
) -> None:
    expect_answers(page, {403})
    token = await enter(CLERK, "province")
    await page.goto(BY_HAND)
    await fill_in(page)
    await sessions.sign_out(site.node.accounts, token)

    await press(page, "save")

    assert "Nội dung vừa nhập vẫn còn" in await page.locator("main").inner_text()
    assert SUBJECT in await page.locator("main").inner_text()
    await axe.check(page, "a form that outlived its session")
    assert await list_written(site) == []
    await enter(CLERK, "province")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Tiếp tục").click()
    assert await list_written(site) == []
    async with page.expect_navigation():
        await page.get_by_role("button", name="Gửi lại").click()

    (document,) = await list_written(site)
    assert (document.draft.subject, document.draft.number) == (SUBJECT, "90")
    assert document.agency_id == (await scope_of(site, "province")).agency_id


async def test_what_the_browser_has_against_a_field_is_said_in_the_language_of_the_page(
    page: Page, enter: Enter
) -> None:
    await enter(path="/so-van-ban/den/nhap")
    field = page.locator("#subject")
    await page.locator("form[method=post] button.main").first.click()

    script = "(each) => [each.validationMessage, each.checkValidity()]"
    assert await field.evaluate(script) == ["Hãy điền mục này.", False]
    await field.fill("V/v mời họp")
    assert await field.evaluate(script) == ["", True]


async def test_a_form_of_an_earlier_session_is_not_acted_on_and_not_lost(
    context: BrowserContext, page: Page, enter: Enter
) -> None:
    expect_answers(page, {403, 422})
    await enter(CLERK, "province", path="/so-van-ban/di/nhap")
    await page.fill("#subject", "Thư mời họp giao ban tháng")
    await page.locator("main form").evaluate("(form) => { form.noValidate = true; }")
    await context.clear_cookies(name=COOKIE)
    await enter(CLERK, "province")

    async with page.expect_navigation():
        await page.locator("main form .main").click()

    assert "chưa được gửi" in await page.locator("main").inner_text()
    async with page.expect_navigation():
        await page.get_by_role("button", name="Gửi lại").click()
    assert await page.input_value("#subject") == "Thư mời họp giao ban tháng"
