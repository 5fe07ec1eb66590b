"""Mail entered by hand: one run of numbers together with mail of the axis, in any order; catch-up entries in the
book of the year they came in; struck lines that keep their number; scans read back as they were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.account import NumberingMode
from gateway.domain.document import IncomingDocument, InState, Source
from gateway.domain.event import EventKind
from gateway.errors import Clash, Refused
from gateway.incoming import by_hand, reading
from gateway.incoming.by_hand import Attached, EnteredDocument, TypedMail
from gateway.policy.verdict import ReasonCode, Verdict
from tests.support.clock import ManualClock
from tests.support.hosted import save_hosted
from tests.support.node import COMMUNE, PDF, PROVINCE, Town, opened


async def chunks(raw: bytes) -> AsyncIterator[bytes]:
    for n in range(0, len(raw), 1000):
        yield raw[n : n + 1000]


def letter(town: Town, **fields: Any) -> TypedMail:
    values: dict[str, Any] = {
        "sender": "Hợp tác xã Một",
        "subject": "Đề nghị sửa đường",
        "received_on": town.node.out.today(),
        "number": "12",
        "symbol": "HTX",
        "issued_on": town.node.out.today(),
    }
    return TypedMail(**(values | fields))


async def enter(town: Town, at: str = COMMUNE, scan: bytes | None = None, **fields: Any) -> EnteredDocument:
    attached = None if scan is None else Attached(name="scan.pdf", chunks=chunks(scan))
    return await by_hand.enter(town.node.inn, await town.scope(at), letter(town, **fields), attached)


async def book(town: Town, year: int = 2026, at: str = COMMUNE) -> list[str]:
    async with town.node.store.read(await town.scope(at)) as work:
        return [entry.number for entry in await work.register.entries("incoming", year)]


async def arrive(town: Town, number: str, at: str = COMMUNE) -> Any:
    await town.send(number, at, issued_on=town.node.out.today())
    await town.carry()
    town.clock.advance(1)
    return next(d for d in await town.incoming(at) if d.state is InState.NEW)


def copies_of(document: IncomingDocument) -> list[str]:
    return [mark for mark in document.marks if "copy" in mark]


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[ReasonCode]:
    verdict = refused.value.verdict
    assert isinstance(verdict, Verdict)
    return [reason.code for reason in verdict.reasons]


async def test_paper_and_axis_share_one_run(town: Town) -> None:
    """R36 (arrival numbers)."""
    first = await arrive(town, "501")

    paper = await enter(town)
    accepted = await town.status(first, "03")
    more = await enter(town, source=Source.EMAIL)

    assert (paper.entry.number, accepted.register_no, more.entry.number) == ("1", "2", "3")
    assert await book(town) == ["1", "2", "3"]
    assert (paper.document.state, paper.document.source) == (InState.ACCEPTED, Source.PAPER)
    assert paper.entry.entered_by == (await town.scope(COMMUNE)).principal_id


async def test_the_scan_is_read_back_as_it_was(town: Town) -> None:
    """R43 (any source)."""
    entered = await enter(town, scan=PDF)
    opened_file = await reading.open_file(town.node.inn, await town.scope(COMMUNE), entered.document.id, 1)

    raw = b"".join([piece async for piece in opened_file.pieces])

    assert (raw, opened_file.name, opened_file.content_type) == (PDF, "scan.pdf", "pdf")
    assert entered.document.pages == entered.document.files[0].pages


async def test_nobody_on_the_axis_hears_of_paper(town: Town) -> None:
    entered = await enter(town)

    for code in ("04", "05", "06"):
        await town.status(entered.document, code)
        town.clock.advance(1)

    assert (await town.reload(entered.document)).state is InState.DONE
    assert await town.count("job") == 0
    assert await town.count("outbox") == 0


async def test_a_form_sent_twice_is_one_line(town: Town) -> None:
    id = town.clock.new_id("inb_")

    both = await asyncio.gather(*(enter(town, id=id) for _ in range(2)))

    assert {line.entry.number for line in both} == {"1"}
    assert sorted(line.repeated for line in both) == [False, True]
    assert await book(town) == ["1"]


async def test_what_is_refused_uses_up_no_number(town: Town) -> None:
    today = town.node.out.today()
    with pytest.raises(Refused) as refused:
        await enter(town, subject=" ", register_no="7", received_on=today + timedelta(days=1))
    with pytest.raises(Refused) as secret:
        await enter(town, secrecy="mat")
    with pytest.raises(Refused) as no_pdf:
        await enter(town, scan=b"MZ" + bytes(100))

    assert codes(refused) == [ReasonCode.MISSING, ReasonCode.BOOK_GIVES, ReasonCode.BOOK_DAY]
    assert codes(secret) == [ReasonCode.SECRECY_DECLARED]
    assert ReasonCode.TYPE_NOT_ALLOWED in codes(no_pdf)
    assert await town.count("incoming_document") == 0
    assert (await enter(town)).entry.number == "1"


@pytest.mark.parametrize("mode", [NumberingMode.A, NumberingMode.C])
async def test_in_the_other_modes_the_number_is_given_and_taken_once(town: Town, mode: NumberingMode) -> None:
    agency = await town.agency(PROVINCE)
    await save_hosted(town.node.store.accounts, replace(agency, numbering=mode))

    with pytest.raises(Refused) as missing:
        await enter(town, PROVINCE)
    assert (await enter(town, PROVINCE, register_no="07")).entry.number == "07"
    with pytest.raises(Clash, match="taken"):
        await enter(town, PROVINCE, register_no="7")

    assert codes(missing) == [ReasonCode.MISSING]
    assert await book(town, at=PROVINCE) == ["07"]


async def test_a_book_that_begins_to_count_goes_on_after_what_was_typed(town: Town) -> None:
    for number in ("41", "007", "12a"):
        await enter(town, PROVINCE, register_no=number)
    agency = await town.agency(PROVINCE)
    await save_hosted(town.node.store.accounts, replace(agency, numbering=NumberingMode.B))

    numbers = [(await enter(town, PROVINCE)).entry.number for _ in range(8)]

    # 1 to 6 are free, and 7 is taken as 007: from there on the run follows the highest.
    assert numbers == ["1", "2", "3", "4", "5", "6", "42", "43"]


async def test_the_paper_copy_of_a_document_from_the_axis_gets_its_number_only_on_request(town: Town) -> None:
    document = await arrive(town, "0118")
    fields = {"number": "118", "symbol": document.symbol.lower(), "issued_on": document.issued_on}

    with pytest.raises(Refused) as waiting:
        await enter(town, **fields)
    accepted = await town.status(document, "03")
    with pytest.raises(Refused, match="arrival=1") as numbered:
        await enter(town, **fields)
    other = await enter(town, **(fields | {"sender_code": "Z99"}))
    copy = await enter(town, **fields, copy_known=True)

    assert codes(waiting) == codes(numbered) == [ReasonCode.COPY_KEPT]
    assert (accepted.register_no, other.entry.number, copy.entry.number) == ("1", "2", "3")
    assert (other.document.marks, copy.document.marks) == ((), ("axis_copy:1",))


async def test_another_letter_is_no_copy_and_a_copy_entered_meanwhile_is_marked_with_the_number(
    town: Town,
) -> None:
    document = await arrive(town, "118")
    fields = {"number": "118", "symbol": document.symbol, "issued_on": document.issued_on}

    for other in ({"number": "119"}, {"issued_on": date(2026, 11, 1)}, {"number": ""}):
        assert (await enter(town, **(fields | other))).document.marks == ()
    copy = await enter(town, **fields, copy_known=True)
    accepted = await town.status(document, "03")

    assert (copy.entry.number, accepted.register_no) == ("4", "5")
    assert copies_of(accepted.document) == ["paper_copy:4"]


async def test_what_comes_over_the_axis_says_that_its_paper_copy_has_a_number_before_it_gets_one(
    town: Town,
) -> None:
    fields = {"symbol": (await arrive(town, "116")).symbol, "issued_on": town.node.out.today()}
    await town.status((await town.incoming(COMMUNE))[0], "02", reason="DUPLICATE")
    paper = await enter(town, number="118", **fields)
    struck = await enter(town, number="117", **fields)
    await by_hand.strike(town.node.inn, await town.scope(COMMUNE), struck.document.id, "Nhập nhầm")

    document = await arrive(town, "118")
    accepted = await town.status(document, "03")
    alone = await arrive(town, "117")

    assert copies_of(document) == ["paper_copy:1"]
    assert (copies_of(alone), paper.entry.number) == ([], "1")
    assert copies_of(accepted.document) == ["paper_copy:1"]


async def test_a_catch_up_entry_is_dated_marked_and_in_the_book_of_its_own_year(tmp_path: Path) -> None:
    async with opened(tmp_path / "node", ManualClock(datetime(2027, 1, 4, 2, tzinfo=UTC))) as town:
        with pytest.raises(Refused) as refusal:
            await enter(town, received_on=date(2026, 12, 30), issued_on=None)
        late = await enter(town, received_on=date(2026, 12, 30), issued_on=None, catch_up="Mất điện 29–31/12")
        now = await enter(town)

        assert codes(refusal) == [ReasonCode.BOOK_DAY]
        assert (late.entry.year, late.entry.number, late.entry.catch_up) == (2026, "1", "Mất điện 29–31/12")
        assert late.document.arrived_at == datetime(2026, 12, 29, 17, tzinfo=UTC)
        assert late.entry.entered_at == town.clock.now()
        assert (now.entry.year, now.entry.number) == (2027, "1")
        (event,) = await town.events(COMMUNE, late.document.id)
        assert (event.kind, event.data["catch_up"]) == (EventKind.BOOK_ENTERED, "Mất điện 29–31/12")


async def test_a_struck_line_keeps_its_number_and_says_why(town: Town) -> None:
    entered = await enter(town)
    scope = await town.scope(COMMUNE)

    struck = await by_hand.strike(town.node.inn, scope, entered.document.id, "Nhập nhầm")
    repeat = await by_hand.strike(town.node.inn, scope, entered.document.id, "Lần nữa")

    assert (struck.repeated, repeat.repeated) == (False, True)
    assert repeat.entry.struck_reason == "Nhập nhầm"
    assert struck.document.state is InState.REJECTED
    assert (await enter(town)).entry.number == "2"
    assert await town.count("job") == 0


async def test_only_what_was_entered_by_hand_is_struck_or_corrected_by_hand(town: Town) -> None:
    accepted = (await town.status(await arrive(town, "501"), "03")).document
    scope = await town.scope(COMMUNE)

    with pytest.raises(Clash, match="not entered by hand"):
        await by_hand.strike(town.node.inn, scope, accepted.id, "x")
    with pytest.raises(Clash, match="not entered by hand"):
        await by_hand.correct(town.node.inn, scope, accepted.id, letter(town), "x")


async def test_a_correction_says_which_fields_and_why_and_keeps_the_number(town: Town) -> None:
    entered = await enter(town)
    scope = await town.scope(COMMUNE)

    mended = letter(town, subject="Đề nghị sửa cầu")
    saved = await by_hand.correct(town.node.inn, scope, entered.document.id, mended, "Gõ sai")

    event = (await town.events(COMMUNE, saved.id))[-1]
    assert (saved.subject, saved.register_no) == ("Đề nghị sửa cầu", "1")
    assert event.kind is EventKind.BOOK_CORRECTED
    assert event.data == {"fields": ["subject"], "reason": "Gõ sai"}


async def test_a_recall_that_is_agreed_strikes_the_line_with_the_senders_reason(town: Town) -> None:
    day = town.node.out.today()
    sent = await town.send("501", COMMUNE, issued_on=day)
    await town.carry()
    (document,) = await town.incoming(COMMUNE)
    await town.status(document, "03")
    town.clock.advance(1)
    await town.recall(sent)
    await town.carry()
    town.clock.advance(1)

    notice = next(d for d in await town.incoming(COMMUNE) if d.target_id == document.id)
    await town.status(notice, "15")

    async with town.node.store.read(await town.scope(COMMUNE)) as work:
        entry = await work.register.of_document(document.id)
    assert entry is not None
    assert entry.struck_at == town.clock.now()
    assert entry.struck_reason
    assert await book(town) == ["1"]
