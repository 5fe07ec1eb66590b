"""A clerk works through a morning's mail at the list of incoming documents, without leaving it: forty letters, two
doubtful, one to refuse. Each is shown in the pane, none is taken in with others, no page changes. A head works through ten
letters in the same way. The cost is counted; rows stay where they are."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from playwright.async_api import Page, Route, expect

from gateway.domain.account import NumberingMode
from gateway.domain.document import OutgoingDocument, Urgency
from gateway.domain.event import EventKind
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.office.long.pages.test_every_page import taken_bytes
from tests.office.long.pages.test_leaf import SHIFTS
from tests.office.pages import axe
from tests.office.pages.effort import Hand
from tests.office.pages.neighbours import NEIGHBOURS, Town
from tests.office.pages.neighbours import site as site
from tests.office.pages.neighbours import town as town
from tests.office.pages.summary import EFFORT, Record
from tests.office.pages.visiting import NARROW
from tests.office.pages.watching import expect_answers
from tests.support.hosted import save_hosted

ACTOR = "department"
LETTERS, DOUBTFUL, REFUSED, EXPRESS = 40, (5, 17), 11, 3
MOST_PRESSES = 1.2
SUBMITTED, MOST_PRESSES_OF_A_HEAD = 10, 3
MOST_BYTES = 120 * 1024
WHY = "Văn bản gửi cho Sở khác, không thuộc nơi nhận này"
PLACES = """() => [...document.querySelectorAll("[data-row]")].map((row) => {
  const { x, y, width, height } = row.getBoundingClientRect();
  return [x, y + scrollY + row.closest(".list-lines").scrollTop, width, height].map(Math.round).join(" ");
})"""


async def mail(town: Town, letters: int = LETTERS) -> list[OutgoingDocument]:
    sent = [
        await town.send(
            NEIGHBOURS[n % len(NEIGHBOURS)],
            str(300 + n),
            ACTOR,
            subject=f"V/v triển khai nội dung thử nghiệm thứ {n + 1} trên địa bàn tỉnh và phân công thực hiện",
            urgency=Urgency.EXPRESS if n == EXPRESS else Urgency.NORMAL,
            pages=3 if n in DOUBTFUL else None,
        )
        for n in range(letters)
    ]
    await town.quiet()
    return sent


async def come_in(town: Town, page: Page) -> None:
    await town.site.signed_in(page.context, town.site.person(PostRole.CLERK, ACTOR), ACTOR)
    await page.goto("/van-ban-den")


async def opened(page: Page) -> str:
    """Wait until a letter stands whole in the pane, with the pages of its file; return its id."""
    await page.locator("[data-pane][data-ready]").wait_for()
    id = await page.locator("[data-pane]").get_attribute("data-ready")
    assert id is not None
    return id


async def next_opened(page: Page, last: str) -> str:
    await page.locator(f"[data-pane][data-ready]:not([data-ready='{last}'])").wait_for()
    return await opened(page)


@pytest.mark.timeout(600)
async def test_a_mornings_mail_is_taken_in_without_leaving_the_list(
    town: Town, page: Page, hand: Hand, record_property: Record
) -> None:
    sent = await mail(town)
    to_refuse = await town.arrived(ACTOR, sent[REFUSED])
    await come_in(town, page)
    assert await taken_bytes(page) <= MOST_BYTES
    went: list[str] = []
    page.on("request", lambda request: went.append(request.url) if request.is_navigation_request() else None)

    opened_ids: list[str] = []
    with hand.task(f"a morning's mail: {LETTERS} letters, each before the eyes") as cost:
        await hand.press("j")
        id = await opened(page)
        while len(opened_ids) < LETTERS:
            opened_ids.append(id)
            assert await page.locator("[data-inside] .leaf-sheet, [data-inside] .leaf-none").count()
            places = await page.evaluate(PLACES)
            if id == to_refuse.id:
                await refuse(page, hand)
            else:  # a doubtful one too: its note is written already
                await hand.press("Control+Enter")
            if len(opened_ids) == LETTERS:
                break
            id = await next_opened(page, id)
            if len(opened_ids) not in (25,):
                assert await page.evaluate(PLACES) == places, f"rows moved after letter {len(opened_ids)}"
    await expect(page.locator("[data-inside]")).to_contain_text("Đã đến cuối danh sách")

    presses = cost.clicks + cost.keys
    record_property(EFFORT, f"  presses for each letter: {presses / LETTERS:.2f}; page changes: {len(went)}")
    assert went == []
    assert presses / LETTERS <= MOST_PRESSES
    assert len(set(opened_ids)) == LETTERS
    await books_agree(town, opened_ids, to_refuse.id)


async def refuse(page: Page, hand: Hand) -> None:
    await hand.press("u")
    await page.locator("[data-inside] #reason").wait_for()
    await page.locator("[data-pane][data-ready]").wait_for()
    await hand.choose("[data-inside] #reason", "WRONG_ADDRESSEE")
    await hand.press("Tab")
    await hand.type(WHY)
    await hand.press("Control+Enter")


async def books_agree(town: Town, ids: list[str], refused: str) -> None:
    """Check that numbers run without a gap in the order of the desk, and that each letter was read and taken in alone."""
    async with town.site.node.store.read(await town.scope(ACTOR)) as work:
        stored = [await work.incoming.get(id) for id in ids]
        events = {id: [d.kind for d in await work.events.of_subject(id)] for id in ids}
    numbers = [d.register_no for d in stored if d.id != refused]
    assert numbers == [str(n) for n in range(1, LETTERS)]
    assert [d.id for d in stored if d.state.value == "rejected"] == [refused]
    assert all(EventKind.DOCUMENT_READ in kinds for kinds in events.values())
    order = [d.number for d in stored]
    assert order[0] == str(300 + EXPRESS)
    assert order[1 : 1 + len(DOUBTFUL)] == [str(300 + n) for n in DOUBTFUL]


@pytest.mark.timeout(600)
async def test_a_head_gives_opinions_and_assigns_without_leaving_the_list(
    town: Town, page: Page, hand: Hand, record_property: Record
) -> None:
    """Ten letters that were submitted; three are assigned without further words, which are the opinion then."""
    head = town.site.person(PostRole.HEAD, ACTOR)
    for sent in await mail(town, SUBMITTED):
        await town.answers(ACTOR, sent, "03")
        letter = await town.arrived(ACTOR, sent)
        await received.submit(town.site.node.inn, await town.scope(ACTOR), letter.id, head.person.id, "")
    await town.site.signed_in(page.context, head, ACTOR)
    await page.goto("/can-xu-ly?loai=opinion")
    went: list[str] = []
    page.on("request", lambda request: went.append(request.url) if request.is_navigation_request() else None)

    with hand.task(f"a head's morning: {SUBMITTED} letters with opinion and assignment") as cost:
        await hand.press("j")
        id = await opened(page)
        for n in range(SUBMITTED):
            assert await page.locator("[data-inside] .leaf-sheet").count()
            if n % 3 != 2:
                await hand.click("[data-inside] #instruction")
                await hand.type(f"Chủ trì tham mưu trước ngày họp, lần {n + 1}")
            await hand.click("[data-inside] input[name=lead_unit] >> nth=0")
            await hand.press("Control+Enter")
            if n < SUBMITTED - 1:
                id = await next_opened(page, id)
    await expect(page.locator("[data-inside]")).to_contain_text("Đã đến cuối danh sách")

    presses = cost.clicks + cost.keys
    record_property(
        EFFORT, f"  presses for each letter: {presses / SUBMITTED:.2f}; page changes: {len(went)}"
    )
    assert went == []
    assert presses / SUBMITTED <= MOST_PRESSES_OF_A_HEAD
    assert {d.state.value for d in await town.received(ACTOR)} == {"assigned"}


async def test_the_desk_moves_nothing_under_the_pointer_and_one_press_takes_in_one_letter(
    town: Town, page: Page
) -> None:
    """In both themes. The button of a row takes in what passed, and its row stays; a reload shows the letter that was open;
    a key that is held down, or pressed twice in haste, does nothing to the letter that has just come up."""
    await mail(town, 8)
    await come_in(town, page)
    rows = page.locator("[data-row]")
    places = await page.evaluate(PLACES)
    for row in (0, 3):
        await rows.nth(row).locator("input[name=id]").check()
    await expect(page.locator("[data-bulk]")).to_be_visible()
    assert await page.evaluate(PLACES) == places
    await page.locator("[data-untick]").click()
    await rows.nth(2).locator(".letter-subject span[lang]").click()
    open_id = await opened(page)
    assert await page.evaluate(PLACES) == places
    assert await page.evaluate(SHIFTS) < 0.01
    doubtful = page.locator("[data-row]", has_text="Nghi vấn: số trang")
    await expect(doubtful).to_have_count(1)
    await expect(doubtful.get_by_role("button", name="Tiếp nhận")).to_have_count(0)
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        await axe.check(page, f"/van-ban-den with a letter in the pane ({scheme})")
    await page.emulate_media(color_scheme="light")

    await rows.nth(3).hover()
    await rows.nth(3).get_by_role("button", name="Tiếp nhận").click()
    await expect(rows.nth(3).locator("[data-deed]")).to_have_text("Số đến 1")
    await expect(page.locator("[data-last] .big-number")).to_have_text("1")
    assert await page.evaluate(PLACES) == places
    await expect(page.locator("[data-tab=new] .count")).to_have_text("7")

    await page.reload()
    assert await opened(page) == open_id
    assert await page.evaluate(SHIFTS) < 0.01
    await page.keyboard.press("j")
    first = await next_opened(page, open_id)
    await page.keyboard.down("Control")
    for _ in range(6):
        await page.keyboard.down("Enter")
    await page.keyboard.up("Enter")
    await page.keyboard.press("Enter")
    await page.keyboard.up("Control")
    second = await next_opened(page, first)
    states_by_id = await states(town)
    assert (states_by_id[first], states_by_id[second]) == ("accepted", "new")
    assert sorted(states_by_id.values()) == ["accepted"] * 2 + ["new"] * 6


async def test_what_happened_meanwhile_is_said_in_the_pane_and_nothing_is_lost(
    town: Town, page: Page
) -> None:
    """A page may be old: a press judges the letter anew, the second of two clerks reads who was first, and what was typed
    stays when the session has ended."""
    sent, *_ = await mail(town, 3)
    await come_in(town, page)
    document, other = await town.arrived(ACTOR, sent), await page.context.new_page()
    await other.set_viewport_size(NARROW)
    await other.goto(f"/van-ban-den/{document.id}/tam-giu")
    await other.fill("#reason", "Chờ hỏi lại nơi gửi về phụ lục")
    await other.locator("[data-main]").click()
    await other.wait_for_url("**told=*")
    await page.locator(f"[data-id='{document.id}'] [data-deed] button").click()
    await expect(page.locator("[data-inside]")).to_contain_text("Chờ hỏi lại nơi gửi về phụ lục")
    assert (await town.arrived(ACTOR, sent)).state.value == "held"

    await page.keyboard.press("j")
    second = await next_opened(page, document.id)
    await other.goto(f"/van-ban-den/{second}")
    await other.locator("[data-main]").click()
    await other.wait_for_url("**told=*")
    await other.close()
    expect_answers(page, {401, 409})
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-inside]")).to_contain_text("vừa xử lý văn bản này lúc")
    await page.locator("[data-inside] a.main").click()
    await expect(page.locator("[data-inside]")).to_contain_text("Đã tiếp nhận")
    await opened(page)

    await page.keyboard.press("j")
    await next_opened(page, second)
    await page.keyboard.press("u")
    await page.locator("[data-inside] #note").fill(WHY)
    await page.locator("[data-inside] #reason").select_option("OTHER")
    await opened(page)
    await page.context.clear_cookies()
    await page.locator("[data-inside] #note").press("Control+Enter")
    await expect(page.locator("[data-last]")).to_contain_text("Phiên làm việc đã hết")
    assert await page.locator("[data-inside] #note").input_value() == WHY
    assert sorted((await states(town)).values()) == ["accepted", "held", "new"]


async def test_where_a_clerk_types_the_number_the_list_leads_to_the_form(town: Town, page: Page) -> None:
    node, id = town.site.node, await town.site.agency(ACTOR)
    agency = next(a for a in await node.store.hosted() if a.id == id)
    await save_hosted(node.store.accounts, replace(agency, numbering=NumberingMode.C))
    await mail(town, 2)
    await come_in(town, page)
    await expect(page.locator("[data-deed] button")).to_have_count(0)
    is_typed = asyncio.Event()

    async def hold(route: Route) -> None:
        await is_typed.wait()
        await route.continue_()

    await page.route("**/tiep-nhan", hold)
    await page.locator("[data-deed] a").first.click()
    # The letter comes first, with such a field of its own: what is typed there goes on in the form.
    await page.locator("[data-inside] #register_no").press_sequentially("77")
    is_typed.set()
    await page.locator("[data-inside] h2", has_text="Tiếp nhận văn bản").wait_for()
    await expect(page.locator("[data-inside] #register_no")).to_have_value("77")
    await expect(page.locator("[data-inside] #register_no")).to_be_focused()
    await opened(page)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[data-last] .big-number")).to_have_text("77")
    await expect(page.locator("[data-row] [data-deed]").first).to_have_text("Số đến 77")


async def states(town: Town) -> dict[str, str]:
    return {d.id: d.state.value for d in await town.received(ACTOR)}


async def test_without_scripts_a_row_opens_the_letters_own_page_and_its_button_takes_in(
    town: Town, plain_page: Page
) -> None:
    await mail(town, 3)
    await come_in(town, plain_page)
    await expect(plain_page.locator("[data-pane]")).to_be_hidden()
    await plain_page.locator("[data-row] a[data-open]").first.click()
    await plain_page.wait_for_url("**/van-ban-den/inb_*")
    await plain_page.go_back()
    await plain_page.locator("[data-row]", has_text="301/").locator("[data-deed] button").click()
    await expect(plain_page.locator(".big-number")).to_have_text("1")
