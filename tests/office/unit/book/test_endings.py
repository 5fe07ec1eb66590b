"""Column 10 of the outgoing book: how a document ended, one row for each end; and one line for each number."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.domain.book import Book, BookLine, Span
from gateway.domain.document import OutgoingDocument, Recipient
from gateway.outgoing import manage, more_recipients
from gateway_office.book import book_lines, books
from tests.office.support.node import COMMUNE, DEPARTMENT, PROVINCE, OfficeTown
from tests.office.unit.outgoing.test_document_acts import recall_from
from tests.unit.outgoing.test_endings import cancel, leave_and_die

_YEAR = Span(year=2026)
PROVINCE_NAME = "Ủy ban nhân dân tỉnh Sao Mai"
WHY = ": Khác (ghi rõ): Sai thẩm quyền"


async def read(town: OfficeTown) -> tuple[Mapping[str, BookLine], str]:
    """Return the lines of the book by number, each number once, and the closing line."""
    node: Any = town.node
    store = node.store
    async with store.read(await town.scope(DEPARTMENT)) as work:
        lines = [line async for page in books.read_all(work, Book.OUTGOING, _YEAR) for line in page]
        summary = await books.summary_of(work, Book.OUTGOING, _YEAR)
    assert len({line.number for line in lines}) == len(lines), "a number has more than one line"
    assert summary.lines == len(lines)
    assert summary.struck == sum(line.struck for line in lines)
    return {line.number: line for line in lines}, book_lines.closing_lines(summary, "vi")[-1]


async def send(town: OfficeTown, number: str, *to: str) -> OutgoingDocument:
    sent = await town.send(number, *to)
    await town.carry()
    return sent


async def refuse(town: OfficeTown, document: OutgoingDocument) -> None:
    await town.status(await town.as_incoming(document), "02", reason="OTHER", note="Sai thẩm quyền")
    await town.carry()


def note(line: BookLine) -> str:
    return str(line.cells["note"])


async def test_each_end_of_a_document_has_its_note_and_its_stroke(town: OfficeTown) -> None:
    await town._host()
    for number in ("1", "2", "3", "4", "5"):
        await send(town, number)
    by_number = {d.draft.number: d for d in await _sent(town)}
    await cancel(town, await town.send("6"))
    await refuse(town, by_number["2"])
    await town.replacement(by_number["3"], "30")
    for number in ("4", "5"):
        await town.recall(by_number[number], take_back=number == "5")
    await town.carry()
    await town.status(await town.as_incoming(by_number["5"]), "15")
    await town.carry()

    lines, closing = await read(town)
    today = town.clock.now().strftime("%d/%m/%Y")
    expected = {
        "1": ("", False),
        "2": (f"{PROVINCE_NAME} từ chối tiếp nhận ngày {today}{WHY}", False),
        "3": ("Được thay thế bằng 30/STD-VP", False),
        "4": (f"Thu hồi theo thông báo số 7/TB, ngày {today}: Gửi nhầm", True),
        "5": (f"Đã lấy lại ngày {today}: Gửi nhầm", True),
        "6": ("Đã hủy trước khi gửi. Ban hành nhầm", True),
        "30": ("", False),
    }
    assert {number: (note(line), line.struck) for number, line in lines.items()} == expected
    assert closing.startswith("Tổng số 7 văn bản, trong đó 3 gạch bỏ hoặc thu hồi")


async def _sent(town: OfficeTown) -> list[OutgoingDocument]:
    async with town.node.store.read(await town.scope(DEPARTMENT)) as work:
        return [d for d in (await work.outgoing.page(limit=50)).items if d.kind.is_whole]


async def test_the_attempts_of_one_number_are_one_line_with_the_earlier_ends_in_its_note(
    town: OfficeTown,
) -> None:
    """A refused document that is sent anew; and one that goes to a further recipient, which gives it back."""
    await town._host()
    refused = await send(town, "1")
    await refuse(town, refused)
    resent = await send(town, "1")
    first = await send(town, "2")
    more = (Recipient(code=COMMUNE, role=first.draft.recipients[0].role),)
    forwarded = (
        await more_recipients.send_to_more(town.node.out, await town.scope(DEPARTMENT), first.id, more)
    ).document
    assert forwarded is not None
    third = await send(town, "3", PROVINCE)
    extra = (
        await more_recipients.send_to_more(town.node.out, await town.scope(DEPARTMENT), third.id, more)
    ).document
    assert extra is not None
    await town.carry()
    await recall_from(town, extra, COMMUNE)
    await town.carry()

    lines, closing = await read(town)
    today = town.clock.now().strftime("%d/%m/%Y")
    assert lines["1"].subject_id == resent.id
    assert note(lines["1"]) == (f"Lần gửi khác: {PROVINCE_NAME} từ chối tiếp nhận ngày {today}{WHY}")
    assert str(lines["2"].cells["recipients"]).count(";") == 1
    assert not any(line.struck for line in lines.values())
    assert str(lines["3"].cells["recipients"]).count(";") == 0
    assert "7/TB" in note(lines["3"])
    assert closing.startswith("Tổng số 3 văn bản, trong đó 0 gạch bỏ")


async def test_a_document_that_had_left_after_all_keeps_its_line_with_both_days(town: OfficeTown) -> None:
    await town._host()
    sent = await town.send("1")
    await leave_and_die(town)
    await cancel(town, sent)
    cancelled_on = town.clock.now().strftime("%d/%m/%Y")
    assert (await read(town))[0]["1"].struck
    town.clock.advance(timedelta(days=3))
    await town.land()
    await town.carry_around()

    line = (await read(town))[0]["1"]
    back_on = town.clock.now().strftime("%d/%m/%Y")
    assert not line.struck
    assert note(line) == (
        f"Đã hủy gửi ngày {cancelled_on}, nhưng {PROVINCE_NAME} đã nhận (báo ngày {back_on}), nên khôi phục"
    )
    await manage.resend(town.node.out, await town.scope(DEPARTMENT), sent.id, [PROVINCE])
