"""The register books as the store reads them, alike on both databases: the order of numbers, spans of days, pages that
meet without overlap, paper beside documents of the exchange, strokes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from gateway import errors
from gateway.domain.book import OutgoingLine, PaperLetter, RegisterEntry, Span
from gateway.domain.document import (
    DocumentChange,
    IncomingDocument,
    Kind,
    OutgoingDocument,
    OutState,
    ReplyLink,
)
from gateway.domain.identity import DocumentId
from gateway.domain.wall_clock import VIETNAM
from gateway.store.tables import OutgoingRow
from gateway_office.store.book import IncomingSummary
from gateway_office.store.store import SqlOfficeStore
from tests.support.clock import ManualClock
from tests.support.stores import NORTH, SOUTH, committing, delivery, draft, incoming, outgoing, stored

YEAR = Span(year=2026)


def entry(document: IncomingDocument, number: str, **fields: Any) -> RegisterEntry:
    values: dict[str, Any] = {"book": "incoming", "year": 2026, "entered_at": document.arrived_at}
    return RegisterEntry(incoming_id=document.id, number=number, **(values | fields))


async def enter(store: SqlOfficeStore, clock: ManualClock, *numbers: str, **fields: Any) -> list[str]:
    async with committing(store) as work:
        entries = []
        for number in numbers:
            document = incoming(clock)
            entries.append(document.id)
            await work.incoming.add(document)
            await work.register.enter(entry(document, number, **fields))
    return entries


def letter(number: str, issued_on: date = date(2026, 11, 20), **fields: Any) -> PaperLetter:
    values: dict[str, Any] = {
        "id": f"ppr_{number}",
        "symbol": "UBND-VP",
        "type_name": "Letter",
        "subject": "On paper",
        "signer": "Signer One",
        "recipients": "North farm",
        "entered_at": datetime(2026, 11, 20, tzinfo=VIETNAM),
        "entered_by": "prn_north",
    }
    return PaperLetter(number=number, issued_on=issued_on, **(values | fields))


async def send(store: SqlOfficeStore, clock: ManualClock, number: str, **fields: Any) -> OutgoingDocument:
    content = draft(number=number, **fields.pop("draft", {}))
    document = outgoing(clock, draft=content, **fields)
    await stored(store, document)
    return document


def number_of(line: OutgoingLine) -> str:
    return line.number if isinstance(line, PaperLetter) else line.draft.number


async def test_lines_stand_by_number_and_pages_meet(store: SqlOfficeStore, clock: ManualClock) -> None:
    numbers = ["10", "9", "012a", "1", "007", "100", "12", "b", "A"]
    await enter(store, clock, *numbers)
    await enter(store, clock, "3", year=2025)
    await enter(store, clock, "4", book="other")

    async with store.read(NORTH) as work:
        all_numbers = [line.entry.number for line in await work.office.books.incoming(YEAR, limit=50)]
        paged: list[str] = []
        while part := await work.office.books.incoming(YEAR, limit=2, last=paged[-1] if paged else None):
            paged += [line.entry.number for line in part]
        clash = await work.office.books.incoming_numbers(YEAR)
    async with store.read(SOUTH) as work:
        lines = await work.office.books.incoming(YEAR, limit=50)

    assert all_numbers == ["1", "007", "9", "10", "12", "100", "A", "b", "012a"]
    assert paged == all_numbers
    assert sorted(clash) == sorted(numbers)
    assert lines == []


async def test_a_span_is_of_days_in_vietnam(store: SqlOfficeStore, clock: ManualClock) -> None:
    last = datetime(2026, 11, 30, 23, 59, tzinfo=VIETNAM)
    async with committing(store) as work:
        for n in range(4):
            document = replace(incoming(clock), arrived_at=last + timedelta(minutes=n - 1))
            await work.incoming.add(document)
            await work.register.enter(entry(document, str(n + 1)))
            if n == 0:
                await work.register.strike(document.id, clock.now(), "prn_north", "Wrong")

    async with store.read(NORTH) as work:
        november = Span(year=2026, since=date(2026, 11, 1), until=date(2026, 11, 30))
        december = Span(year=2026, since=date(2026, 12, 1))
        lines = [
            [line.entry.number for line in await work.office.books.incoming(span, limit=9)]
            for span in (november, december)
        ]
        counted = await work.office.books.incoming_summary(november)
        empty = await work.office.books.incoming_summary(Span(year=2025))

    assert lines == [["1", "2"], ["3", "4"]]
    day = date(2026, 11, 30)
    assert replace(counted, numbers=()) == IncomingSummary(lines=2, struck=1, first=day, last=day, numbers=())
    assert sorted(counted.numbers) == ["1", "2"]
    assert empty == IncomingSummary(lines=0, struck=0, first=None, last=None, numbers=())


async def test_a_line_has_who_entered_it_why_so_late_and_why_it_was_struck(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    (id,) = await enter(store, clock, "1", entered_by="prn_north", catch_up="The power was off")

    async with committing(store) as work:
        first = await work.register.strike(id, clock.now(), "prn_north", "Twice")
        second = await work.register.strike(id, clock.now(), "prn_north", "Again")
        none = await work.register.strike("inb_none", clock.now(), "prn_north", "x")
    async with store.read(NORTH) as work:
        (line,) = await work.office.books.incoming(YEAR, limit=9)

    assert (first, second, none) == (True, False, False)
    assert (line.entry.entered_by, line.entry.catch_up) == ("prn_north", "The power was off")
    assert (line.entry.struck_at, line.entry.struck_reason) == (clock.now(), "Twice")
    assert line.document.id == id
    assert line.handover is None


async def test_the_hand_over_is_read_with_the_line(store: SqlOfficeStore, clock: ManualClock) -> None:
    (id,) = await enter(store, clock, "1")
    async with committing(store) as work:
        await work.handovers.offer(id)
        await work.handovers.ack(id, "client", clock.now())

    async with store.read(NORTH) as work:
        (line,) = await work.office.books.incoming(YEAR, limit=9)

    assert line.handover is not None
    assert (line.handover.state, line.handover.acked_at) == ("acked", clock.now())


async def test_07_is_7_and_a_book_goes_on_after_what_was_typed(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await enter(store, clock, "001", "40")

    with pytest.raises(errors.Clash, match="number 1 is taken"):
        await enter(store, clock, "1")
    async with store.begin(NORTH) as work:
        numbers = [await work.register.next_number("incoming", 2026) for _ in range(2)]

    assert numbers == [41, 42]


async def test_paper_and_the_exchange_are_one_outgoing_book(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    for number in ("2", "10"):
        await send(store, clock, number)
    await send(store, clock, "4", draft={"issued_on": date(2026, 11, 19)})
    await send(store, clock, "5", state=OutState.DRAFT)
    await send(store, clock, "6", draft={"issued_on": date(2025, 12, 31)})
    async with committing(store) as work:
        for number in ("3", "9"):
            await work.office.books.put_letter(letter(number))

    async with store.read(NORTH) as work:
        all_numbers = [number_of(line) for line in await work.office.books.outgoing(YEAR, limit=50)]
        paged: list[OutgoingLine] = []
        while part := await work.office.books.outgoing(YEAR, limit=2, last=paged[-1] if paged else None):
            paged += part
        one_day = Span(year=2026, since=date(2026, 11, 20), until=date(2026, 11, 20))
        on_day = [number_of(line) for line in await work.office.books.outgoing(one_day, limit=50)]
        types = await work.office.books.outgoing_numbers(YEAR)

    assert all_numbers == ["4", "2", "3", "9", "10"]
    assert [number_of(line) for line in paged] == all_numbers
    assert on_day == ["2", "3", "9", "10"]
    numbers = [number for of_type in types for number in of_type.numbers.values()]
    assert sorted(numbers) == sorted(all_numbers)
    assert sum(of_type.lines for of_type in types) == len(all_numbers)


async def test_the_attempts_of_one_document_are_one_line_which_is_struck_when_none_stands(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """The line is that of the last attempt that was not cancelled."""
    listed_ids = {}
    for number, ends in (
        ("2", ("sent", "cancelled")),
        ("3", ("sent", "sent")),
        ("4", ("cancelled", "cancelled")),
        ("5", ("sent", "given back")),
        ("6", ("given back", "given back")),
        ("7", ("cancelled", "given back")),
    ):
        sent = []
        for end in ends:
            state = OutState.CANCELLED if end == "cancelled" else OutState.PACKED
            sent.append(await send(store, clock, number, document_id=DocumentId(number), state=state))
            word = {"sent": "accepted", "given back": "request_agreed"}.get(end, end)
            await stored(store, delivery(sent[-1], "Z91.02", word))
            clock.advance(timedelta(seconds=1))
        listed_ids[number] = sent[0 if ends[1] == "cancelled" and ends[0] == "sent" else 1].id

    async with store.read(NORTH) as work:
        lines = await work.office.books.outgoing(YEAR, limit=50)
        types = await work.office.books.outgoing_numbers(YEAR)
        attempts = await work.office.books.attempts([DocumentId("2"), DocumentId("9")])

    assert {number_of(line): line.id for line in lines} == listed_ids
    struck = {number: t.struck for t in types for number in t.numbers.values()}
    assert struck == {"2": False, "3": False, "4": True, "5": False, "6": True, "7": True}
    assert sum(t.lines for t in types) == len(lines)
    assert [len(attempts[DocumentId(id)]) for id in ("2", "9")] == [2, 0]


async def test_numbers_of_a_book_stand_by_type_also_of_rows_without_that_column(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    for number, type_name in (("1", "Letter"), ("2", "Letter"), ("3", "Report")):
        await send(store, clock, number, draft={"type_name": type_name})
    await send(store, clock, "4", draft={"type_name": "Report"}, state=OutState.CANCELLED)
    async with store.writing() as tx:
        await tx.change(update(OutgoingRow).where(col(OutgoingRow.number) == "2").values(type_name=None))
        await tx.commit()

    async with store.read(NORTH) as work:
        types = await work.office.books.outgoing_numbers(YEAR)

    assert {(t.type_name, t.struck): (t.lines, sorted(t.numbers.values())) for t in types} == {
        ("Letter", False): (2, ["1", "2"]),
        ("Report", False): (1, ["3"]),
        ("Report", True): (1, ["4"]),
    }


async def test_an_outgoing_number_is_taken_once_on_paper_or_not(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await send(store, clock, "2")
    await send(store, clock, "3", state=OutState.CANCELLED)

    async with store.begin(NORTH) as work:
        with pytest.raises(errors.Clash, match="2/UBND-VP is taken"):
            await work.office.books.put_letter(letter("2"))
        await work.office.books.put_letter(letter("3"))
        with pytest.raises(errors.Clash, match="3/UBND-VP is taken"):
            await work.office.books.put_letter(letter("3", id="ppr_other"))
        await work.office.books.put_letter(letter("2", date(2025, 3, 1), id="ppr_before"))
        with pytest.raises(errors.Clash) as clash:
            await work.office.books.put_letter(letter("2", id="ppr_another"))
    assert clash.value.code == "GW-LETTER-TAKEN"
    assert (clash.value.params["number"], clash.value.params["next_free"]) == ("2/UBND-VP", "4")
    assert str(clash.value.params["held_by"]).startswith("msg_")


async def test_an_outgoing_number_is_the_same_in_each_spelling(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    await send(store, clock, "02")

    async with store.begin(NORTH) as work:
        for number, symbol in (("2", "ubnd-vp"), ("002", "UBND\u2010VP"), ("2", "UBND - VP")):
            with pytest.raises(errors.Clash, match="is taken"):
                await work.office.books.put_letter(letter(number, symbol=symbol))
        await work.office.books.put_letter(letter("3"))
        await work.office.books.strike_letter("ppr_3", clock.now(), "prn_north", "mistyped")
        with pytest.raises(errors.Clash) as clash:
            await work.office.books.put_letter(letter("03", symbol="ubnd-vp"))
        assert clash.value.params["next_free"] == "4"
        assert [line.id for line in await work.numbers.under("0002", "Ubnd-Vp", 2026)] != []


async def test_a_paper_letter_is_struck_once_and_only_by_its_agency(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    async with committing(store) as work:
        await work.office.books.put_letter(letter("3"))
        outcomes = [
            await work.office.books.strike_letter("ppr_3", clock.now(), "prn_north", why) for why in "ab"
        ]
        row = await work.office.books.letter("ppr_3")
    async with store.begin(SOUTH) as work:
        with pytest.raises(errors.NotFound):
            await work.office.books.strike_letter("ppr_3", clock.now(), "prn_south", "x")

    assert outcomes == [True, False]
    assert row == replace(letter("3"), struck_at=clock.now(), struck_by="prn_north", struck_reason="a")


async def test_recalls_and_replies_are_found_by_what_they_are_about(
    store: SqlOfficeStore, clock: ManualClock
) -> None:
    """The book shows a recall once all receivers of the document agreed to it."""
    first, other = await send(store, clock, "2"), await send(store, clock, "3")
    agreed = [delivery(document, "Z91.02", "request_agreed") for document in (first, other)]
    await stored(
        store, *agreed, delivery(other, "Z91.03", "delivered"), delivery(first, "Z91.03", "rejected")
    )
    change = DocumentChange(reason="Wrong place", notice_no="5/TB")
    for document in (first, other):
        number = document.draft.number
        await send(store, clock, number, kind=Kind.RECALL, parent_id=document.id, change=change)
    link = ReplyLink(agency="Z91.02", number="8/X", date=date(2026, 11, 1), document_id=DocumentId("theirs"))
    await send(store, clock, "7", draft={"replies_to": (link,)})
    await send(store, clock, "8", draft={"replies_to": (link,)}, state=OutState.DRAFT)

    async with store.read(NORTH) as work:
        recalls = await work.office.books.recalls([first.id, other.id])
        replies = await work.office.books.replies(["theirs", "other"], clock.now() - timedelta(days=1))
        later_replies = await work.office.books.replies(["theirs"], clock.now() + timedelta(days=1))
        lines = await work.office.books.outgoing(YEAR, limit=9)

    assert {id: changes[0] for id, changes in recalls.items()} == {first.id: change}
    assert replies == {"theirs": ["7/UBND-VP"]}
    assert later_replies == {}
    assert [number_of(line) for line in lines] == ["2", "3", "7"]
