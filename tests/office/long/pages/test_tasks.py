"""The list of things to do is worked through beside the paper: an act there ends its task and opens the next, a task is put
off in the rail, and two tasks of one document are two rows. Without scripts a task has a page of its own."""

from __future__ import annotations

from datetime import timedelta

from playwright.async_api import Locator, Page, expect

from gateway_office.domain.roles import PostRole
from tests.office.pages.guest import calling_as
from tests.office.pages.neighbours import NEIGHBOURS, Town
from tests.office.pages.neighbours import site as site
from tests.office.pages.neighbours import town as town
from tests.office.pages.watching import expect_answers

ACTOR = "department"
LATE = timedelta(hours=2, minutes=30)


async def enter(town: Town, page: Page) -> None:
    await town.site.signed_in(page.context, town.site.person(PostRole.CLERK, ACTOR), ACTOR)


async def letters_wait(town: Town, page: Page, count: int) -> None:
    """Let letters come that are late by now, and sign in."""
    for n in range(count):
        await town.send(NEIGHBOURS[n], str(300 + n), ACTOR, subject=f"V/v nội dung thứ {n + 1}")
    await town.quiet()
    town.site.clock.skip(LATE)
    await enter(town, page)


async def open_first(page: Page, address: str = "/can-xu-ly") -> Locator:
    await page.goto(address)
    rows = page.locator("[data-row]")
    await rows.first.locator("a[data-open]").click()
    await ready(page)
    return rows


async def ready(page: Page) -> None:
    await page.locator("[data-pane][data-ready]").wait_for()


async def is_open(row: Locator) -> None:
    await expect(row.locator("a[data-open]")).to_have_attribute("aria-current", "true")


async def test_an_act_ends_its_task_and_one_is_settled_in_the_rail_beside_its_paper(
    town: Town, page: Page
) -> None:
    """The next one opens each time."""
    expect_answers(page, {422})
    await letters_wait(town, page, 4)
    rows = await open_first(page)
    for n in range(2):
        await page.keyboard.press("Control+Enter")
        await is_open(rows.nth(n + 1))
        await expect(page.locator("[data-row].done-row")).to_have_count(n + 1)
        await ready(page)
    assert page.url.partition("#")[0].endswith("/can-xu-ly")
    await expect(page.locator(".tools [aria-current] .count")).to_have_text("2")

    await page.locator("#fold-task > summary").click()
    await page.locator("#fold-task a[href*='/can-xu-ly/viec']").click()
    await ready(page)
    await expect(page.locator("[data-inside] .leaf-sheet")).to_be_visible()
    await page.get_by_role("button", name="Đánh dấu đã xong").click()
    await expect(page.locator("[data-inside] [data-problems]")).to_be_visible()
    await ready(page)
    await page.get_by_label("Đã giải quyết thế nào").fill("Nơi gửi đã gọi điện xin rút")
    await page.get_by_role("button", name="Đánh dấu đã xong").click()
    await is_open(rows.nth(3))
    await expect(page.locator("[data-last]")).to_contain_text("Đã")
    await page.goto("/can-xu-ly")
    await expect(rows).to_have_count(1)


async def test_two_tasks_of_one_document_are_two_rows_and_walked_one_after_the_other(
    town: Town, page: Page
) -> None:
    sent = await town.send(ACTOR, "61", *NEIGHBOURS[:2], subject="V/v phối hợp kiểm thử")
    await town.quiet()
    for actor in NEIGHBOURS[:2]:
        await town.answers(actor, sent, "02", note="Thiếu phụ lục")
    await town.quiet()
    await letters_wait(town, page, 1)
    rows = await open_first(page)
    await expect(rows).to_have_count(3)
    for n in range(1, 3):
        await page.keyboard.press("]")
        await is_open(rows.nth(n))
        await expect(page.locator("[data-row] a[data-open][aria-current]")).to_have_count(1)
    await page.keyboard.press("[")
    await is_open(rows.nth(1))


async def test_without_scripts_a_task_is_put_off_and_taken_up_on_pages_of_its_own(town: Town) -> None:
    await town.send("province", "300", ACTOR, subject="V/v báo cáo")
    await town.quiet()
    town.site.clock.skip(LATE)
    async with calling_as(town.site, PostRole.CLERK, ACTOR) as guest:
        (document,) = await town.received(ACTOR)
        task = f"take_in:{document.id}"
        listed = await guest.get("/can-xu-ly")
        letter = await guest.get(f"/van-ban-den/{document.id}?viec={task}")
        claimed = await guest.post("/can-xu-ly/phu-trach", {"task": task})
        mine = await guest.get("/can-xu-ly?cua-toi=1")
        closed = await guest.post("/can-xu-ly/xong", {"task": task, "done": "Đã gọi điện"})
        empty = await guest.get("/can-xu-ly")

    assert f"/van-ban-den/{document.id}?viec=take_in%3A{document.id}" in listed.text
    assert f"/can-xu-ly/viec?viec=take_in%3A{document.id}" in letter.text
    assert (claimed.status, closed.status) == (303, 303)
    assert town.site.person(PostRole.CLERK, ACTOR).person.name in mine.text.partition("<main")[2]
    assert "Không còn việc nào phải làm ngay" in empty.text
