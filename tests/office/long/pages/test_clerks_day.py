"""A clerk works a whole day on the pages alone: forty documents come in and fifteen go out to two hundred recipients,
with refusals, recalls both ways, a failed delivery and letters on paper. The cost of each task is counted and has its
limit; at the end the book is whole and nothing is left to do."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.async_api import Page, expect

from gateway.domain.document import IncomingDocument, Kind, OutgoingDocument, Source, Urgency
from gateway.outgoing import recall
from gateway_labs.demo import stage
from gateway_office.domain.roles import PostRole
from gateway_office.letters import received
from tests.office.pages.effort import Hand
from tests.office.pages.neighbours import MORE_COMMUNES, NAMES, NEIGHBOURS, SIGNER, Town
from tests.office.pages.neighbours import site as site
from tests.office.pages.neighbours import town as town
from tests.office.pages.site import Site
from tests.office.unit.book.test_export import rows_of
from tests.support.clock import START
from tests.support.letters import Letter
from tests.support.printed import FOLDER

ACTOR = "department"
EARLY, LATE = 26, 14
REFUSED, PAPER = 2, 3
WHY_ELSEWHERE = "Văn bản gửi cho Sở khác, không thuộc nơi nhận này"
WHY_INCOMPLETE = "Thiếu phụ lục số 2 nêu trong văn bản"
TAKE = "Tiếp nhận và vào sổ"


async def come_in(page: Page, site: Site, path: str) -> None:
    await page.context.clear_cookies()
    await site.signed_in(page.context, site.person(PostRole.CLERK, ACTOR), ACTOR)
    await page.goto(path)


async def check_notice(page: Page, words: str) -> None:
    await expect(page.locator("[data-told]")).to_contain_text(words)


@pytest.mark.timeout(600)
@pytest.mark.on_both
async def test_a_clerks_day_ends_with_a_whole_book_and_nothing_to_do(
    town: Town, page: Page, hand: Hand
) -> None:
    morning = await mail(town, range(EARLY))
    await come_in(page, town.site, "/tong-quan")
    await take_in_one_by_one(page, hand, morning)
    await submit_the_urgent_one(town, page, hand)
    await refuse_two(town, page, hand, morning)
    await take_in_with_a_note(page, hand, morning[5])
    await take_in_remaining(page, hand)
    await submit_remaining(town, page, hand)
    await enter_on_paper(page, hand, "a letter on paper with its scan, by hand", "Công ty Mẫu Một", scan=True)

    sent = [*await issue_by_pages(town, page, hand, morning[8]), *await sent_by_the_system(town)]
    assert await deliver(town, sent) == {"delivered": deliveries() - 1, "failed": 1}
    await resend_the_failed_one(town, page, hand)
    await recall_one(town, page, hand, sent[0])
    await answer_a_recall(town, page, hand, morning[9])

    afternoon = await mail(town, range(EARLY, EARLY + LATE))
    town.site.clock.skip(timedelta(hours=2, minutes=30))
    await come_in(page, town.site, "/can-xu-ly")
    await expect(page.locator("[data-row]")).to_have_count(LATE)
    with hand.task("take in an overdue document from the list of things to do", most_clicks=2):
        await hand.click(page.locator("[data-row]").first.get_by_role("link", name=re.compile("^Tiếp nhận")))
        await in_the_pane(page)
        await hand.click("[data-main]")
        await settled(page, "Đã vào sổ, số đến")
    await enter_on_paper(page, hand, "a letter on paper, by hand", "Hợp tác xã Mẫu Hai")
    await page.goto("/van-ban-den")
    await take_in_remaining(page, hand)
    await enter_on_paper(page, hand, "a letter on paper, by hand", "Bà Trần Thị Ví Dụ")
    await submit_remaining(town, page, hand)
    await town.quiet()

    await nothing_is_left(town, page)
    await the_book_is_complete(town, page, hand, [*morning, *afternoon])


def deliveries() -> int:
    """Return the number of deliveries: seven documents on the pages to the communes, an answer, three of the system to
    all agencies, four to the communes; two hundred in all."""
    return 7 * (len(MORE_COMMUNES) + 1) + 1 + 3 * len(NEIGHBOURS) + 4 * (len(NEIGHBOURS) - 1)


async def mail(town: Town, numbers: range) -> list[OutgoingDocument]:
    """Let a document arrive from every agency in turn. The first is urgent, the sixth says that it has more pages than
    it has."""
    sent = [
        await town.send(
            sender_of(n),
            str(300 + n),
            ACTOR,
            subject=f"V/v nội dung thử nghiệm thứ {n + 1}",
            urgency=Urgency.EXPRESS if n == 0 else Urgency.NORMAL,
            pages=3 if n == 5 else None,
            reply_required=n == 8,
            reply_due=town.site.node.out.today() + timedelta(days=1) if n == 8 else None,
        )
        for n in numbers
    ]
    await town.quiet()
    come = [d for d in await town.received(ACTOR) if d.kind is Kind.DOCUMENT]
    assert sum(d.source is Source.AXIS for d in come) == numbers.stop
    return sent


def sender_of(n: int) -> str:
    return NEIGHBOURS[n % len(NEIGHBOURS)]


def row(page: Page, document: OutgoingDocument) -> str:
    return f"[data-row]:has(.letter-number:text-is('{document.draft.code}'))"


async def in_the_pane(page: Page) -> None:
    """Wait until a letter, or a form about it, stands in the pane and can be acted on."""
    await page.locator("[data-pane][data-ready]").wait_for()


async def settled(page: Page, words: str) -> None:
    """Expect the notice of the last act in the pane, beside the next letter."""
    await expect(page.locator("[data-last] .acted")).to_contain_text(words)


async def ended(page: Page, words: str) -> None:
    """Expect the notice of an act that ended a task, in the pane."""
    await expect(page.locator("[data-last]")).to_contain_text(words)


async def take_in_one_by_one(page: Page, hand: Hand, morning: list[OutgoingDocument]) -> None:
    await page.locator("[data-go=i]").click()
    await expect(page.locator("[data-row]").first).to_contain_text(morning[0].draft.code)
    with hand.task("take in one document from the list, by clicks", most_clicks=2, most_keys=0):
        await hand.click("[data-row] a[data-open] >> nth=0")
        await in_the_pane(page)
        await hand.click("[data-main]")
        await settled(page, "Đã vào sổ, số đến 1")
    await page.locator("[data-go=i]").click()
    await expect(page.locator("[data-row]")).to_have_count(EARLY - 1)
    with hand.task("take in one document from the list, by keys", most_clicks=0, most_keys=4):
        await hand.press("j")
        await in_the_pane(page)
        if await page.locator("[data-inside] .doubts").count():
            await hand.press("]")  # the doubtful one comes first
            await page.locator("[data-inside] .doubts").wait_for(state="detached")
            await page.locator("[data-pane][data-ready]").wait_for()
        await hand.press("Control+Enter")
        await settled(page, "Đã vào sổ, số đến 2")


async def submit_the_urgent_one(town: Town, page: Page, hand: Hand) -> None:
    """Submit the urgent letter, which the leader has read and which is worked on at once."""
    await page.goto("/can-xu-ly?loai=assign")
    with hand.task("submit a document to the leader from the list of things to do", most_clicks=2):
        await hand.click(page.get_by_role("link", name=re.compile("^Trình lãnh đạo")))
        await in_the_pane(page)
        await hand.click("[data-main]")
        await ended(page, "Đã trình")
    assert await opinions(town) == 1
    await page.goto("/van-ban-den")


async def submit_remaining(town: Town, page: Page, hand: Hand) -> None:
    await page.goto("/van-ban-den?tab=accepted&so-dong=100")
    count = await page.locator("[data-row]").count()
    with hand.task(f"submit {count} documents to the leader together", most_clicks=2, most_keys=1):
        await hand.click("[data-page]")
        await hand.click(page.get_by_role("button", name="Trình lãnh đạo"))
        await expect(page.locator("main")).to_contain_text(f"{count} văn bản sẽ được trình lãnh đạo.")
        await hand.press("Control+Enter")
        await check_notice(page, f"{count} đã làm, 0 không làm.")
    assert await opinions(town) == count


async def opinions(town: Town) -> int:
    """Decide as the leader on every document that waits for an opinion; return how many that were."""
    leader = town.site.person(PostRole.HEAD, ACTOR).person.id
    scope, count = await town.scope(ACTOR), 0
    for document in await town.received(ACTOR):
        decision = await received.decide(
            town.site.node.inn, replace(scope, principal_id=leader), document.id, "Đã xem, lưu hồ sơ."
        )
        count += decision is not None
    return count


async def refuse_two(town: Town, page: Page, hand: Hand, morning: list[OutgoingDocument]) -> None:
    """Refuse two documents; their senders read the reason and the clerk's words."""
    refusals = ((morning[3], "WRONG_ADDRESSEE", WHY_ELSEWHERE), (morning[7], "MISSING_FILE", WHY_INCOMPLETE))
    for document, reason, words in refusals:
        await page.goto("/van-ban-den")
        with hand.task("refuse a document from the list, with its reason", most_clicks=4, most_keys=2):
            await hand.click(f"{row(page, document)} a[data-open]")
            await in_the_pane(page)
            await hand.press("u")
            await page.locator("#reason").wait_for()
            await in_the_pane(page)
            await hand.choose("#reason", reason)
            await hand.click("#note")
            await hand.type(words)
            await hand.press("Control+Enter")
            await settled(page, "Đã trả lại")
    await town.quiet()
    for n, (document, _, words) in zip((3, 7), refusals, strict=True):
        sender = sender_of(n)
        (delivery,) = await town.deliveries(sender, document)
        async with town.site.node.store.read(await town.scope(sender)) as work:
            facts = await work.facts.of_subject(delivery.id)
        assert delivery.state == "rejected"
        assert words in "".join(fact.reason or "" for fact in facts)


async def take_in_with_a_note(page: Page, hand: Hand, document: OutgoingDocument) -> None:
    await page.goto("/van-ban-den")
    with hand.task("take in a doubtful document with a note", most_clicks=4):
        await hand.click(f"{row(page, document)} a[data-open]")
        await in_the_pane(page)
        await hand.fill("#note", "Đã hỏi nơi gửi: văn bản có một trang")
        await in_the_pane(page)
        await hand.click("[data-main]")
        await settled(page, "Đã vào sổ, số đến 3")


async def take_in_remaining(page: Page, hand: Hand) -> None:
    await page.goto("/van-ban-den")
    count = await page.locator("[data-row]").count()
    assert count > 2
    with hand.task(
        f"take in the {count} clean documents together, after a preview", most_clicks=2, most_keys=1
    ):
        await hand.click("[data-page]")
        await hand.click(page.get_by_role("button", name=TAKE))
        await expect(page.locator("main")).to_contain_text(f"{count} văn bản sẽ được tiếp nhận.")
        await hand.press("Control+Enter")
        await check_notice(page, f"{count} đã làm, 0 không làm.")
    await page.goto("/van-ban-den")
    await expect(page.locator(".empty")).to_contain_text("Không có văn bản chờ tiếp nhận.")


async def enter_on_paper(page: Page, hand: Hand, name: str, sender: str, scan: bool = False) -> None:
    fields = {
        "#sender": sender,
        "#number": "12",
        "#symbol": "CV-MH",
        "#issued_on": "19112026",
        "#subject": f"Đề nghị của {sender}",
    }
    await page.goto("/so-van-ban")
    with hand.task(name, most_clicks=len(fields) + scan + 1, most_keys=1):
        await hand.click(page.locator("main a.main"))
        for field, value in fields.items():
            await hand.fill(field, value)
        if scan:
            await hand.give("#scan", FOLDER / "cong-van.pdf")
        await hand.press("Control+Enter")
        await page.wait_for_url("**/van-ban-den/inb_*told=*")


async def issue_by_pages(
    town: Town, page: Page, hand: Hand, question: OutgoingDocument
) -> list[OutgoingDocument]:
    """Issue documents to seven to fourteen recipients each, and the answer to a document that asks for one."""
    block = "Nơi nhận:\n" + "\n".join(
        f"- Ủy ban nhân dân xã {name} (để thực hiện);" for name in (*NAMES, "Bình Mẫu")
    )
    letters = [await asyncio.to_thread(town.signed, letter(number)) for number in range(41, 49)]
    for number, pdf in enumerate(letters[:7], start=41):
        await page.goto("/phat-hanh")
        with hand.task("issue a signed document to fourteen recipients", most_clicks=4, most_keys=2):
            await hand.drop("[data-drop]", f"{number}.pdf", pdf)
            await page.wait_for_url("**/phat-hanh/msg_*told=*")
            await expect(page.locator("#number")).to_have_value(str(number))
            assert await page.locator("p.look").all_inner_texts() == []
            await hand.click("#reply-no")
            await hand.fill("#paste", block)
            await hand.click("button[value=paste]")
            await expect(page.locator(".to-chip")).to_have_count(len(MORE_COMMUNES) + 1)
            await hand.press("Control+Enter")
            await page.wait_for_url("**kiem-tra=1*")
            await hand.press("Control+Enter")
            await page.wait_for_url("**/da-gui")
    await answer(town, page, hand, question, letters[7])
    town.site.clock.skip(timedelta(seconds=31))
    await town.quiet()
    return sorted(await town.list_written(ACTOR), key=lambda d: d.draft.number)


def letter(number: int) -> Letter:
    return Letter(
        number=str(number),
        # One of those in the block that is pasted: read from the paper already, and named once in the end.
        addressed=f"Kính gửi: Ủy ban nhân dân xã {NAMES[0]}.",
        body=("Sở Thử nghiệm triển khai kiểm thử liên thông văn bản điện tử như sau:",),
        subject=("V/v triển khai kiểm thử", f"liên thông đợt {number}"),
        issued_on=START.date(),
        positions=("GIÁM ĐỐC",),
        signer=SIGNER,
        recipients=("- Như trên;", "- Lưu: VT."),
    )


async def answer(town: Town, page: Page, hand: Hand, question: OutgoingDocument, pdf: bytes) -> None:
    await page.goto("/can-xu-ly?loai=reply")
    with hand.task("answer a document from the list of things to do", most_clicks=3, most_keys=2):
        await hand.click(page.locator("[data-row] a.button"))
        await hand.drop("[data-drop]", "48.pdf", pdf)
        await page.wait_for_url("**/phat-hanh/msg_*told=*")
        assert await page.locator(".to-chip").count() == 1
        await hand.click("#reply-no")
        await hand.press("Control+Enter")
        await page.wait_for_url("**kiem-tra=1*")
        await hand.press("Control+Enter")
        await page.wait_for_url("**/da-gui")


async def sent_by_the_system(town: Town) -> list[OutgoingDocument]:
    """Send seven documents to a hundred and one recipients by the document system; the line to one recipient refuses
    one."""
    sent = []
    for n in range(7):
        to = NEIGHBOURS if n < 3 else NEIGHBOURS[1:]
        sent.append(await town.send(ACTOR, str(61 + n), *to, subject=f"V/v báo cáo tuần thứ {n + 1}"))
        if n == 5:
            await town.quiet()
            town.line.shut = stage.cast().code(MORE_COMMUNES[-1])
    return sent


async def deliver(town: Town, sent: list[OutgoingDocument]) -> Counter[str]:
    await town.quiet()
    documents = [x for x in await town.list_written(ACTOR) if x.kind is Kind.DOCUMENT]
    assert {x.id for x in documents} == {x.id for x in sent}
    assert len(documents) == 15
    town.line.shut = ""
    return Counter(x.state for x in await town.deliveries(ACTOR, *documents))


async def resend_the_failed_one(town: Town, page: Page, hand: Hand) -> None:
    await page.goto("/can-xu-ly")
    with hand.task("send again what failed, from the list of things to do", most_clicks=1, most_keys=1):
        await hand.click(page.locator("[data-row]", has_text="Chưa gửi được").locator("a.button"))
        await in_the_pane(page)
        await hand.press("Control+Enter")
        await ended(page, "Đang gửi lại văn bản.")
    await town.quiet()
    states = Counter(d.state for d in await town.deliveries(ACTOR, *await town.list_written(ACTOR)))
    assert states == {"delivered": deliveries()}


async def recall_one(town: Town, page: Page, hand: Hand, document: OutgoingDocument) -> None:
    """Recall a document. One recipient has it in its book already and agrees; the nodes of those that only have it agree
    by themselves."""
    await town.answers(MORE_COMMUNES[0], document, "03", register_no="77")
    await town.quiet()
    await page.goto("/van-ban-di")
    with hand.task("recall a document from the list", most_clicks=7):
        await hand.click(f"{row(page, document)} a[data-open]")
        await hand.click(page.get_by_role("link", name="Thu hồi, thay thế, đính chính…"))
        await hand.click(page.get_by_role("link", name="Thu hồi văn bản…"))
        await hand.fill("#reason", "Ban hành nhầm số liệu của đợt trước")
        await hand.fill("#approved_by", SIGNER)
        await hand.fill("#notice_no", "7/TB-STN")
        await in_the_pane(page)
        await hand.click("[data-main]")
        await check_notice(page, "Đã gửi thông báo thu hồi văn bản.")
    await town.quiet()
    await town.answers(MORE_COMMUNES[0], document, "15")
    await town.quiet()
    states = Counter(d.state for d in await town.deliveries(ACTOR, document))
    assert states == {"request_agreed": len(MORE_COMMUNES) + 1}
    await page.goto(f"/van-ban-di/{document.id}")
    await expect(page.locator("#recipients")).to_contain_text("Đồng ý lấy lại")


async def answer_a_recall(town: Town, page: Page, hand: Hand, document: OutgoingDocument) -> None:
    """Agree to the recall of a document that stands in our book already, so that a person answers."""
    sender = sender_of(9)
    await recall.recall(
        town.site.node.out,
        await town.scope(sender),
        document.id,
        reason="Sai thể thức văn bản đã ban hành",
        approved_by="Chánh Văn phòng Mẫu",
        notice_no="9/TB",
    )
    await town.quiet()
    await page.goto("/can-xu-ly?loai=recall")
    with hand.task("agree to a recall from the list of things to do", most_clicks=3):
        await hand.click(page.locator("[data-row] a.button"))
        await hand.click(page.get_by_role("link", name="Đồng ý thu hồi, hủy bản điện tử"))
        await in_the_pane(page)
        await hand.click("[data-main]")
        await ended(page, "Đã")
    await town.quiet()
    assert [d.state for d in await town.deliveries(sender, document)] == ["request_agreed"]


async def nothing_is_left(town: Town, page: Page) -> None:
    """Check that nothing is left to do now, in the afternoon, and when the office has closed."""
    for hours in (0, 5, 4):
        town.site.clock.skip(timedelta(hours=hours))
        await come_in(page, town.site, "/can-xu-ly")
        await expect(page.locator(".empty")).to_contain_text("Không còn việc nào phải làm ngay.")
    assert await page.locator("[data-row]").count() == 0


async def the_book_is_complete(town: Town, page: Page, hand: Hand, mails: list[OutgoingDocument]) -> None:
    """Check the book: forty came, two went back, three came on paper, so it has 41 numbers in the order in which they
    were entered; those that were taken in together stand in the order of arrival."""
    last = EARLY + LATE - REFUSED + PAPER
    noon = EARLY - REFUSED + 1
    documents = [d for d in await town.received(ACTOR) if d.kind is Kind.DOCUMENT]
    refused = [d for d in documents if d.state == "rejected"]
    numbered = sorted(((int(d.register_no), d) for d in documents if d.register_no), key=lambda pair: pair[0])
    assert len(mails) == EARLY + LATE
    assert [number for number, _ in numbered] == list(range(1, last + 1))
    assert {(d.number, d.register_no) for d in refused} == {("303", None), ("307", None)}
    assert [n for n, d in numbered if d.source == "paper"] == [noon, noon + 2, last]
    for first, end in ((4, noon), (noon + 3, last)):
        together = [d for n, d in numbered if first <= n < end]
        assert len(together) > 1
        assert together == sorted(together, key=_arrival)

    await page.goto("/so-van-ban")
    await expect(page.locator("main .notice.good")).to_contain_text(f"Liên tục 1–{last}, không thiếu số")
    await expect(page.locator("[data-row]")).to_have_count(last)
    recalled = page.locator(".letter.struck")
    await expect(recalled).to_have_count(1)
    with hand.task("take the book as a workbook", most_clicks=0, most_keys=1):
        async with page.expect_download() as coming:
            await hand.press("e")
    lines = rows_of((await (await coming.value).path()).read_bytes())
    runs = [cells for cells in lines if len(cells) > 8 and cells[1].isdigit()]
    assert [cells[1] for cells in runs] == [str(n) for n in range(1, last + 1)]
    assert [cells[3] for cells in runs] == [f"{d.number}/{d.symbol}" for _, d in numbered]


def _arrival(document: IncomingDocument) -> tuple[object, str]:
    return document.arrived_at, document.id
