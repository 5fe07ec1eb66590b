"""Heights of the workspace are a rule: on a laptop the paper begins near the top and eight letters are in sight, a head's
form stands beside its paper, and a doubtful letter says why and shows its paper. The list of things to do keeps the same
heights, and home is one screen."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from gateway_office.accounts import units
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.office.pages.neighbours import NEIGHBOURS, Town
from tests.office.pages.neighbours import site as site
from tests.office.pages.neighbours import town as town
from tests.office.pages.visiting import box_of

ACTOR = "department"
SIZES = ((1366, 641), (1366, 768), (1920, 1080))
PHONE = (390, 844)
FIRST_LETTER_AT_MOST, PAPER_AT_MOST, PAPER_IN_SIGHT = 150, 200, 300
LETTERS, LETTERS_ON_A_PHONE = 8, 5
# The letter on a phone, and a laptop that shows everything twice as large.
ENLARGED = (683, 384)
PAPER_ON_A_PHONE_AT_MOST, ACTS_AT_MOST, PAPER_ENLARGED = 160, 70, 150
TOOLS_AT_MOST, CONTENT_AT_MOST = 45, 110
# Of the first group at home.
TASKS_AT_HOME = 5
# Tops and bottoms of the boxes that are wholly in sight.
IN_SIGHT = """(nodes) => nodes.map((node) => node.getBoundingClientRect())
  .filter((box) => box.height && box.top >= 0 && box.bottom <= innerHeight).map((box) => [box.top, box.bottom])"""
# The first thing under the line of tools.
FIRST_CONTENT = ":is(.ground, .list-lines) > *"
BOXES = """(nodes) => nodes.map((node) => node.getBoundingClientRect()).filter((box) => box.height > 1)
  .map((box) => [box.top])"""


async def come_in(town: Town, page: Page, letters: int, *, pages: int | None = None) -> None:
    for n in range(letters):
        number, subject = str(300 + n), f"V/v triển khai nội dung thử nghiệm thứ {n + 1} trên địa bàn tỉnh"
        await town.send(NEIGHBOURS[n % len(NEIGHBOURS)], number, ACTOR, subject=subject, pages=pages)
    await town.quiet()
    await town.site.signed_in(page.context, town.site.person(PostRole.CLERK, ACTOR), ACTOR)


async def paper_of(page: Page, height: int) -> tuple[float, float]:
    """Return where the first page of the paper begins, and how much of it is in sight."""
    sheet = page.locator(".leaf-sheet").first
    await sheet.wait_for()
    top, bottom = await sheet.evaluate(
        "(each) => { const b = each.getBoundingClientRect(); return [b.top, b.bottom]; }"
    )
    return top, min(bottom, height) - top


async def test_the_paper_stands_near_the_top_and_eight_letters_are_in_sight(town: Town, page: Page) -> None:
    await come_in(town, page, 12)
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        await page.goto("/van-ban-den")
        await page.locator("[data-row] a[data-open]").first.click()
        await page.locator("[data-pane][data-ready]").wait_for()

        rows = await page.locator("[data-row]").evaluate_all(IN_SIGHT)
        top, in_sight = await paper_of(page, height)
        assert rows[0][0] <= FIRST_LETTER_AT_MOST, (width, height)
        assert len(rows) >= LETTERS, (width, height)
        assert (top <= PAPER_AT_MOST, in_sight >= PAPER_IN_SIGHT) == (True, True), (
            width,
            height,
            top,
            in_sight,
        )
        buttons = await page.locator(".decide .main").evaluate_all(IN_SIGHT)
        assert len(buttons) == 1, (width, height)


@pytest.mark.long
async def test_on_a_phone_five_letters_and_the_button_of_a_letter_are_in_sight(
    town: Town, page: Page
) -> None:
    await come_in(town, page, 8)
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await page.goto("/van-ban-den")
    assert len(await page.locator("[data-row]").evaluate_all(IN_SIGHT)) >= LETTERS_ON_A_PHONE
    await page.locator(".more-tabs > summary").click()
    ((top, _),) = await page.locator(".more-tabs .drop").evaluate_all(IN_SIGHT)
    assert top <= FIRST_LETTER_AT_MOST, "what opens stands beneath its button"
    await page.keyboard.press("Escape")
    await page.locator("[data-row] a[data-open]").first.click()
    await page.wait_for_url("**/van-ban-den/inb_*")
    assert len(await page.locator(".decide .main").evaluate_all(IN_SIGHT)) == 1


@pytest.mark.long
async def test_on_a_phone_and_enlarged_the_paper_is_what_is_seen_and_acts_are_one_row(
    town: Town, page: Page
) -> None:
    await come_in(town, page, 2)
    (document, *_) = await town.received(ACTOR)
    sent = await town.send(ACTOR, "61", *NEIGHBOURS[:2], subject="V/v báo cáo tuần")
    for path in (f"/van-ban-den/{document.id}", f"/van-ban-di/{sent.id}"):
        for width, height in (PHONE, ENLARGED):
            await page.set_viewport_size({"width": width, "height": height})
            await page.goto(path)
            top, _ = await paper_of(page, height)
            acts = await box_of(page.locator(".decide"))
            assert top <= PAPER_ON_A_PHONE_AT_MOST, (path, width)
            assert acts["height"] <= ACTS_AT_MOST, (path, width)
            assert acts["y"] - top >= PAPER_ENLARGED, (path, width)
    # The quieter ways open over the letter.
    quiet_act = page.locator("#more-ways a").first
    await expect(quiet_act).to_be_hidden()
    await page.locator(".more-ways").click()
    await expect(quiet_act).to_be_visible()


@pytest.mark.long
async def test_each_page_has_one_line_of_tools_and_begins_under_it(town: Town, page: Page) -> None:
    await come_in(town, page, 3)
    await page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
    places = {
        PostRole.CLERK: (
            *("/so-van-ban?so=incoming", "/so-van-ban?so=outgoing", "/so-van-ban?so=follow_up"),
            *(
                "/so-van-ban/di/so",
                "/so-van-ban/gui-giay",
                "/so-van-ban/ho-so",
                "/bao-cao",
                "/can-xu-ly/ho-so",
            ),
            *("/co-quan", "/co-quan/cay", "/co-quan/ma-cu", "/nhat-ky", "/thong-bao", "/danh-sach/nhan"),
        ),
        PostRole.AGENCY_ADMIN: (
            *("/quan-tri", "/quan-tri/don-vi", "/quan-tri/hop-thu", "/quan-tri/de-nghi", "/quan-tri/ra-soat"),
            *("/quan-tri/dong-ho", "/quan-tri/khoa-api", "/quan-tri/webhook", "/nhat-ky"),
        ),
    }
    for role, paths in places.items():
        await page.context.clear_cookies()
        await town.site.signed_in(page.context, town.site.person(role, ACTOR), ACTOR)
        for path in paths:
            await page.goto(path)
            tools = await box_of(page.locator(".tools"))
            ((top, *_), *_) = await page.locator(FIRST_CONTENT).evaluate_all(BOXES)
            assert tools["height"] <= TOOLS_AT_MOST, path
            assert top <= CONTENT_AT_MOST, (path, top)


@pytest.mark.long
async def test_a_list_says_which_letter_is_open_and_shortens_the_names_of_agencies(
    town: Town, page: Page
) -> None:
    await come_in(town, page, 3)
    await page.goto("/van-ban-den")
    await page.locator("[data-row] a[data-open]").nth(1).click()
    await page.locator("[data-pane][data-ready]").wait_for()
    await expect(page.locator("[data-place]")).to_have_text("2/3")
    sender = page.locator("[data-row] .letter-from [title]").first
    assert (await sender.get_attribute("title") or "").startswith("Ủy ban nhân dân")
    await expect(sender).to_contain_text("UBND")


@pytest.mark.long
async def test_a_doubtful_letter_says_why_beside_its_paper(town: Town, page: Page) -> None:
    await come_in(town, page, 1, pages=3)
    width, height = SIZES[0]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto("/van-ban-den")
    await page.locator("[data-row] a[data-open]").click()
    await page.locator("[data-pane][data-ready]").wait_for()

    top, in_sight = await paper_of(page, height)
    assert (top <= PAPER_AT_MOST, in_sight >= PAPER_IN_SIGHT) == (True, True)
    assert len(await page.locator(".doubts li").evaluate_all(IN_SIGHT)) >= 1
    assert await page.locator("[data-inside] #note").input_value() != ""


async def add_units(town: Town, count: int) -> None:
    root = town.site.person(PostRole.AGENCY_ADMIN, ACTOR)
    agency_id = (await town.scope(ACTOR)).agency_id
    for n in range(count):
        await units.add_unit(
            town.site.node.accounts, root.by, agency_id, f"Tổ công tác liên ngành số {n + 1}"
        )


@pytest.mark.long
async def test_a_heads_form_and_the_paper_are_in_sight_together(town: Town, page: Page) -> None:
    """Also where forty units are to choose from: they scroll within the form."""
    await add_units(town, 40)
    sent = await town.send(NEIGHBOURS[0], "300", ACTOR, subject="V/v triển khai nội dung thử nghiệm")
    await town.quiet()
    await town.answers(ACTOR, sent, "03")
    document, head = await town.arrived(ACTOR, sent), town.site.person(PostRole.HEAD, ACTOR)
    scope = await town.scope(ACTOR)
    await received.submit(town.site.node.inn, scope, document.id, head.person.id, "Kính trình")
    await town.site.signed_in(page.context, head, ACTOR)
    width, height = SIZES[0]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto(f"/van-ban-den/{document.id}")

    top, in_sight = await paper_of(page, height)
    assert (top <= PAPER_AT_MOST, in_sight >= PAPER_IN_SIGHT) == (True, True)
    parts = ".assign #instruction, .assign .who, .assign #deadline, .assign .main"
    assert len(await page.locator(parts).evaluate_all(IN_SIGHT)) == 4
    await page.fill("[data-narrow]", "so 37")
    assert await page.locator(".who-list > li:visible").count() == 1


@pytest.mark.long
async def test_eight_tasks_and_the_paper_of_the_open_one_are_in_sight(town: Town, page: Page) -> None:
    await come_in(town, page, 12)
    town.site.clock.skip(timedelta(hours=2, minutes=30))
    await town.site.signed_in(page.context, town.site.person(PostRole.CLERK, ACTOR), ACTOR)
    width, height = SIZES[0]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto("/can-xu-ly")
    await page.locator("[data-row] a[data-open]").first.click()
    await page.locator("[data-pane][data-ready]").wait_for()

    rows = await page.locator("[data-row]").evaluate_all(IN_SIGHT)
    top, in_sight = await paper_of(page, height)
    assert (rows[0][0] <= FIRST_LETTER_AT_MOST, len(rows) >= LETTERS) == (True, True), rows
    assert (top <= PAPER_AT_MOST, in_sight >= PAPER_IN_SIGHT) == (True, True)


async def test_home_shows_what_presses_five_tasks_and_the_figures_in_one_screen(
    town: Town, page: Page
) -> None:
    await come_in(town, page, 7)
    town.site.clock.skip(timedelta(hours=2, minutes=30))
    await town.site.signed_in(page.context, town.site.person(PostRole.CLERK, ACTOR), ACTOR)
    width, height = SIZES[0]
    await page.set_viewport_size({"width": width, "height": height})
    await page.goto("/tong-quan")

    for part, count in (
        (".alarm", 1),
        ("#work-take_in", 1),
        (".groups .letter", TASKS_AT_HOME),
        (".figures", 1),
    ):
        assert len(await page.locator(part).evaluate_all(IN_SIGHT)) == count, part
    figures = await page.locator(".figures strong").all_inner_texts()
    assert (bool(figures), "0" in figures) == (True, False), figures
    assert not await page.evaluate("document.documentElement.scrollHeight > innerHeight")
