"""The effort of a day's work for a person: an officer's answer, a document to three agencies; the same by keys alone;
and the part of a page that is in sight where a screen shows everything twice as large."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, ViewportSize, expect

from gateway.domain.document import Assignment, IncomingDocument
from gateway.store.figures import fold_next
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.office.pages.effort import Hand
from tests.office.pages.mail import UNIT
from tests.office.pages.neighbours import NAMES, NEIGHBOURS, SIGNER, Town
from tests.office.pages.neighbours import site as site
from tests.office.pages.neighbours import town as town
from tests.support.clock import START
from tests.support.letters import Letter

ACTOR = "department"
MOST_PRESSES_OF_AN_ANSWER, MOST_PRESSES_TO_THREE = 6, 7
# Between a page's beginning and a field of its form.
MOST_TABS = 80
WHY = "Văn bản gửi cho Sở khác, không thuộc nơi nhận này"
# A laptop of 1366 by 641 at 200 %.
ENLARGED: ViewportSize = {"width": 683, "height": 320}
IN_SIGHT = """(nodes) => nodes.map((node) => node.getBoundingClientRect())
  .filter((box) => box.height && box.top >= 0 && box.bottom <= innerHeight).length"""
UNCOVERED = """(node) => {
  const box = node.getBoundingClientRect();
  return node.contains(document.elementFromPoint(box.left + 8, box.top + box.height / 2));
}"""
OVERLAPS = """(nodes) => {
  const boxes = nodes.map((node) => node.getBoundingClientRect()).filter((box) => box.width);
  return boxes.filter((a, n) => boxes.some((b, m) => n < m
    && a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom)).length;
}"""


async def come_in(town: Town, page: Page, role: PostRole, path: str) -> None:
    await page.context.clear_cookies()
    await town.site.signed_in(page.context, town.site.person(role, ACTOR), ACTOR)
    await page.goto(path)


async def letters_arrive(town: Town, count: int, *, taken_in: bool = False) -> list[IncomingDocument]:
    sent = [
        await town.send(NEIGHBOURS[n], str(300 + n), ACTOR, subject=f"V/v triển khai nội dung thứ {n + 1}")
        for n in range(count)
    ]
    await town.quiet()
    for document in sent if taken_in else ():
        await town.answers(ACTOR, document, "03")
    return [await town.arrived(ACTOR, document) for document in sent]


async def signed(town: Town, number: int, *recipients: str) -> bytes:
    letter = Letter(
        number=str(number),
        addressed="Kính gửi: Ủy ban nhân dân tỉnh Sao Mai.",
        body=("Sở Thử nghiệm triển khai kiểm thử liên thông văn bản điện tử như sau:",),
        subject=("V/v triển khai kiểm thử", f"liên thông đợt {number}"),
        issued_on=START.date(),
        positions=("GIÁM ĐỐC",),
        signer=SIGNER,
        recipients=("- Như trên;", *recipients, "- Lưu: VT."),
    )
    return await asyncio.to_thread(town.signed, letter)


async def test_an_officer_prepares_an_answer_with_six_presses(town: Town, page: Page, hand: Hand) -> None:
    """From the list of things to do; the letter stands beside the form until the answer has a file. The clerk sends it."""
    (letter,) = await letters_arrive(town, 1, taken_in=True)
    await town.site.town.status(letter, "04", assignment=Assignment(lead_unit=UNIT))
    answer = await signed(town, 48)
    await come_in(town, page, PostRole.OFFICER, "/can-xu-ly")

    with hand.task("an officer's answer to a letter, ready for the clerk to send") as cost:
        await hand.press("j")
        await page.locator("[data-pane][data-ready]").wait_for()
        await hand.press("n")
        await page.wait_for_url("**/phat-hanh?tra-loi=*")
        await expect(page.locator(".leaf-sheet").first).to_be_visible()
        await hand.drop("[data-drop]", "48.pdf", answer)
        await page.wait_for_url("**/phat-hanh/msg_*told=*")
        await hand.click("#reply-no")
        await hand.press("Control+Enter")
        await page.wait_for_url("**kiem-tra=1*")
    await expect(page.locator("#left")).to_contain_text("Đã đủ các mục")
    assert cost.clicks + cost.keys <= MOST_PRESSES_OF_AN_ANSWER

    (draft,) = await town.list_written(ACTOR)
    assert (draft.state.value, [r.code for r in draft.draft.recipients]) == ("draft", [letter.sender_code])
    assert [link.document_id for link in draft.draft.replies_to] == [letter.document_id]
    await come_in(town, page, PostRole.CLERK, f"/phat-hanh/{draft.id}?kiem-tra=1")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/da-gui")


async def test_a_document_to_three_agencies_is_issued_with_seven_presses(
    town: Town, page: Page, hand: Hand
) -> None:
    """From the list of outgoing documents: agencies that the paper names, or that the clerk names."""
    names = [f"Ủy ban nhân dân xã {name}" for name in NAMES[:2]]
    await come_in(town, page, PostRole.CLERK, "/van-ban-di")
    for number, on_paper in ((41, False), (42, True)):
        content = await signed(town, number, *(f"- {name};" for name in names if on_paper))
        await page.goto("/van-ban-di")
        with hand.task(f"a document to three agencies{', named on the paper' if on_paper else ''}") as cost:
            await hand.press("n")
            await page.wait_for_url("**/phat-hanh")
            await hand.drop("[data-drop]", f"{number}.pdf", content)
            await page.wait_for_url("**/phat-hanh/msg_*told=*")
            await hand.click("#reply-no")
            if not on_paper:
                await hand.fill("#paste", "\n".join(names))
            await hand.press("Control+Enter")
            await page.wait_for_url("**kiem-tra=1*")
            assert await page.locator(".to-chip").count() == 3
            await hand.press("Control+Enter")
            await page.wait_for_url("**/da-gui")
        assert cost.clicks + cost.keys <= MOST_PRESSES_TO_THREE
        (sent,) = [d for d in await town.list_written(ACTOR) if d.draft.number == str(number)]
        assert (sent.state.value, len(sent.draft.recipients)) == ("queued", 3)


@pytest.mark.timeout(600)
async def test_four_persons_do_their_days_work_by_keys_alone(town: Town, page: Page, tmp_path: Path) -> None:
    """A clerk takes in and refuses, a head assigns, an officer answers, a clerk sends to an agency that is named by
    typing. The pointer is never used."""
    accepted, refused = await letters_arrive(town, 2)
    await come_in(town, page, PostRole.CLERK, "/tong-quan")
    await go_to(page, "/van-ban-den")
    await page.keyboard.press("j")
    await in_the_pane(page, accepted.id)
    await page.keyboard.press("Control+Enter")
    await in_the_pane(page, refused.id)
    await page.keyboard.press("u")
    await expect(page.locator("[data-inside] #reason")).to_be_focused()
    await in_the_pane(page, refused.id)
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.type(WHY)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-last]")).to_contain_text("Đã trả lại")

    head = town.site.person(PostRole.HEAD, ACTOR)
    await received.submit(town.site.node.inn, await town.scope(ACTOR), accepted.id, head.person.id, "")
    await come_in(town, page, PostRole.HEAD, "/tong-quan")
    await go_to(page, "/can-xu-ly")
    await page.keyboard.press("j")
    await in_the_pane(page, accepted.id)
    await tab_to(page, "[data-inside] input[name=lead_unit]")
    await page.keyboard.press("Space")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-last]")).to_contain_text("Đã phân công")

    await come_in(town, page, PostRole.OFFICER, "/tong-quan")
    await go_to(page, "/can-xu-ly")
    await page.keyboard.press("j")
    await in_the_pane(page, accepted.id)
    await page.keyboard.press("n")
    await page.wait_for_url("**/phat-hanh?tra-loi=*")
    await choose_file(page, tmp_path / "48.pdf", await signed(town, 48))
    await answers_no(page)
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**kiem-tra=1*")
    await expect(page.locator("#left")).to_contain_text("Đã đủ các mục")

    await come_in(town, page, PostRole.CLERK, "/tong-quan")
    await go_to(page, "/van-ban-di")
    await page.keyboard.press("n")
    await page.wait_for_url("**/phat-hanh")
    await choose_file(page, tmp_path / "49.pdf", await signed(town, 49))
    await answers_no(page)
    await tab_to(page, "#find")
    await page.keyboard.type(NAMES[0])
    await expect(page.locator("#found [aria-selected=true]")).to_contain_text(NAMES[0])
    await page.keyboard.press("Enter")
    await expect(page.locator(".to-chip")).to_have_count(2)
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**kiem-tra=1*")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url("**/da-gui")
    states = {document.draft.number: document.state.value for document in await town.list_written(ACTOR)}
    assert states == {"48": "draft", "49": "queued"}
    assert {d.id: d.state.value for d in await town.received(ACTOR)} == {
        accepted.id: "assigned",
        refused.id: "rejected",
    }


async def go_to(page: Page, path: str) -> None:
    letter = await page.locator(f"[data-go][href='{path}']").get_attribute("data-go")
    await page.wait_for_load_state("load")
    await page.keyboard.press("g")
    await page.keyboard.press(str(letter))
    await page.wait_for_url(f"**{path}")
    await page.wait_for_load_state("load")


async def in_the_pane(page: Page, id: str) -> None:
    await page.locator(f"[data-pane][data-ready='{id}']").wait_for()


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until that element has the focus."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


async def choose_file(page: Page, path: Path, content: bytes) -> None:
    await asyncio.to_thread(path.write_bytes, content)
    await page.wait_for_load_state("load")
    await tab_to(page, "#files")
    async with page.expect_file_chooser(timeout=20_000) as chooser:
        await page.keyboard.press("Space")
    await (await chooser.value).set_files(path)
    await page.wait_for_url("**/phat-hanh/msg_*told=*")
    await page.wait_for_load_state("load")


async def answers_no(page: Page) -> None:
    """Say that no answer is asked for: the space bar chooses what has the focus, an arrow the other one."""
    await tab_to(page, "[name=reply]")
    is_there = await page.evaluate("document.activeElement.id === 'reply-no'")
    await page.keyboard.press("Space" if is_there else "ArrowDown")
    await expect(page.locator("#reply-no")).to_be_checked()


async def test_five_letters_of_a_book_and_five_figures_of_a_report_are_read_without_leaving_them(
    town: Town, page: Page, hand: Hand
) -> None:
    """One press for each. While books and figures led away, each needed two: there and back, and two pages."""
    await letters_arrive(town, 5, taken_in=True)
    await come_in(town, page, PostRole.CLERK, "/so-van-ban?so=incoming")
    loaded: list[str] = []
    page.on("domcontentloaded", lambda loaded_page: loaded.append(loaded_page.url))
    with hand.task("read five letters of a book", most_clicks=0, most_keys=5):
        for n in range(5):
            await hand.press("j")
            await expect(page.locator("[data-place]")).to_have_text(f"{n + 1}/5")
            await page.locator("[data-pane][data-ready] .leaf-sheet").first.wait_for()
    assert loaded == []

    while await fold_next(town.site.node.store):
        pass
    await page.goto("/bao-cao")
    loaded.clear()
    figures = page.locator("tbody td a[data-swap]")
    with hand.task("read the lists of a report's figures", most_clicks=await figures.count()) as cost:
        for n in range(await figures.count()):
            total = await figures.nth(n).inner_text()
            await hand.click(figures.nth(n))
            await expect(page.locator("#list [data-row]")).to_have_count(int(total))
    assert (loaded, cost.clicks > 1) == ([], True)
    await page.set_viewport_size({"width": 390, "height": 844})
    await figures.first.click()
    await page.wait_for_url("**/van-ban-den?*")


async def test_at_200_percent_the_first_letter_is_in_sight_and_no_tools_lie_over_each_other(
    town: Town, page: Page
) -> None:
    letters = await letters_arrive(town, 3)
    sent = await town.send(ACTOR, "61", *NEIGHBOURS[:3], subject="V/v báo cáo tuần")
    await town.quiet()
    town.site.clock.skip(timedelta(hours=2, minutes=30))
    await come_in(town, page, PostRole.CLERK, "/tong-quan")
    await page.set_viewport_size(ENLARGED)
    for path in ("/van-ban-den", "/van-ban-di", "/can-xu-ly", "/tim-kiem?q=noi+dung"):
        await page.goto(path)
        assert await page.locator("[data-row]").evaluate_all(IN_SIGHT) >= 1, path
        assert not await page.evaluate("document.documentElement.scrollWidth > innerWidth"), path
    for path in (f"/van-ban-den/{letters[0].id}", f"/van-ban-di/{sent.id}"):
        await page.goto(path)
        for part in (".side-title", ".subject"):
            assert await page.locator(part).first.evaluate(UNCOVERED), (path, part)
    for width in (390, 683, 800, 1000, 1093, 1366):
        await page.set_viewport_size({"width": width, "height": 640})
        for path in ("/van-ban-den", "/van-ban-di"):
            await page.goto(path)
            overlaps = await page.locator(
                ".tools summary, .tool-acts summary, .tool-acts > .main, .tool-acts [data-step]"
            ).evaluate_all(OVERLAPS)
            assert overlaps == 0, (path, width)
