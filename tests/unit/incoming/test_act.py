"""Acts of clerks and document systems on an incoming document: statuses twice and in any order, versions, hand-over, and a
hold that ends when it is taken in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from gateway.domain.account import NumberingMode
from gateway.domain.document import Assignment, IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound, Refused, StaleVersion
from gateway.incoming import act, handover, process
from gateway.incoming.act import StatusCall
from gateway.words import labels
from tests.support.hosted import save_hosted
from tests.support.node import COMMUNE, PDF, PROVINCE, Town, document, recall_of
from tests.support.units import add_units

FILES = (("van-ban.pdf", PDF),)
LATE = datetime(2026, 12, 31, 16, 40, tzinfo=UTC)  # 23:40 in Viet Nam


async def arrive(town: Town) -> IncomingDocument:
    await town.brought(town.forge(document(), FILES))
    return await town.only()


async def test_a_status_said_twice_is_told_once(town: Town) -> None:
    """R116 (automatic receipt): 01 goes out by itself, 03 with the act of a person."""
    sent = await town.send("15")
    await town.carry()
    arrived = await town.only()
    assert await town.statuses(PROVINCE) == 1
    assert (await town.delivery(sent)).state == "delivered"

    first = await town.status(arrived, "03", register_no="4")
    second = await town.status(arrived, "03")
    at = town.clock.now() + timedelta(minutes=1)
    timed = await town.status(arrived, "05", at=at)
    timed_repeat = await town.status(arrived, "05", at=at)

    assert [o.repeated for o in (first, second, timed, timed_repeat)] == [False, True, False, True]
    assert second.register_no == "4"
    await town.carry()
    assert await town.statuses(PROVINCE) == 3  # 01, 03, 05
    assert (await town.delivery(sent)).state == "processing"


@pytest.mark.parametrize(
    ("mode", "is_late"), [(NumberingMode.A, False), (NumberingMode.C, False), (None, True)]
)
async def test_a_number_given_before_midnight_of_the_year_stands_in_that_years_book(
    town: Town, mode: NumberingMode | None, is_late: bool
) -> None:
    """Also one that the document system brings after it said 03."""
    if mode is not None:
        agency = await town.agency(PROVINCE)
        await save_hosted(town.node.store.accounts, replace(agency, numbering=mode))
    town.clock.advance(LATE - town.clock.now())
    arrived = await arrive(town)
    if is_late:
        await town.status(arrived, "03")
    given_at = LATE + timedelta(minutes=10)
    town.clock.advance(timedelta(minutes=30))

    outcome = await town.status(arrived, "03", register_no="4510", at=given_at)

    assert (outcome.register_no, outcome.document.register_year) == ("4510", 2026)
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        assert [line.number for line in await work.register.entries("incoming", 2026)] == ["4510"]
        assert await work.register.entries("incoming", 2027) == []


async def test_the_nodes_own_book_counts_in_the_year_in_which_it_gave_the_number(town: Town) -> None:
    town.clock.advance(LATE - town.clock.now())
    await town.send("17", COMMUNE)
    await town.carry()
    arrived = (await town.incoming(COMMUNE))[0]
    town.clock.advance(timedelta(minutes=30))

    outcome = await town.status(arrived, "03", at=LATE + timedelta(minutes=10))

    assert (outcome.register_no, outcome.document.register_year) == ("1", 2027)


@pytest.mark.parametrize("code", ["02", "03", "15"])
async def test_a_time_before_its_arrival_or_ahead_of_now_is_refused_and_changes_nothing(
    town: Town, code: str
) -> None:
    document = arrived = await arrive(town)
    if code == "15":
        await town.status(arrived, "03", register_no="1")
        await town.brought(town.forge(recall_of()))
        document = next(d for d in await town.incoming() if d.target_id)
    town.clock.advance(timedelta(hours=1))
    document_before, statuses = await town.reload(arrived), await town.statuses(PROVINCE)

    for minutes in (-10.1, 70.1, 60 * 24 * 365 * 73, -60 * 24 * 365 * 27):
        with pytest.raises(Refused, match="status-time"):
            await town.status(document, code, at=document.arrived_at + timedelta(minutes=minutes))
        await town.carry()
        assert (await town.reload(arrived), await town.statuses(PROVINCE)) == (document_before, statuses)
    for minute in (70.0, -10.0)[: 1 if code == "15" else 2]:
        outcome = await town.status(document, code, at=document.arrived_at + timedelta(minutes=minute))
        assert not outcome.repeated


async def test_work_closed_by_mistake_is_opened_again_and_its_sender_keeps_06_with_a_mark(town: Town) -> None:
    sent = await town.send("15")
    await town.carry()
    arrived = await town.only()
    await town.status(arrived, "03", register_no="4")
    await town.status(arrived, "05")
    await town.status(arrived, "06")

    opened = await town.status(arrived, "05", note="Đóng nhầm, còn phụ lục", reopens=True)
    repeat = await town.status(arrived, "05", note="Đóng nhầm, còn phụ lục", reopens=True)
    await town.carry()

    assert (opened.document.state, opened.repeated, repeat.repeated) == (InState.PROCESSING, False, True)
    delivery = await town.delivery(sent)
    assert (delivery.state, delivery.marks) == ("done", ("reopened",))
    async with town.node.store.read(await town.scope(PROVINCE)) as work:
        events = await work.events.of_subject(arrived.id)
    assert [event.data for event in events if event.kind == "inbox.reopened"] == [
        {"reason": "Đóng nhầm, còn phụ lục"}
    ]

    closed = await town.status(arrived, "06")
    await town.carry()

    assert (closed.document.state, closed.repeated) == (InState.DONE, False)
    assert "reopened" in opened.document.marks
    assert "reopened" not in closed.document.marks
    assert ((await town.delivery(sent)).state, (await town.delivery(sent)).marks) == ("done", ())


async def test_only_what_is_done_is_opened_again_with_a_reason_and_after_it_was_done(town: Town) -> None:
    arrived = await arrive(town)
    await town.status(arrived, "03", register_no="4")

    with pytest.raises(Clash, match="not_done"):
        await town.status(arrived, "05", note="Đóng nhầm", reopens=True)
    town.clock.advance(timedelta(minutes=10))
    done_at = town.clock.now()
    await town.status(arrived, "06", at=done_at)
    with pytest.raises(Refused, match="missing"):
        await town.status(arrived, "05", reopens=True)
    with pytest.raises(Refused, match="status-time"):
        await town.status(arrived, "05", note="Đóng nhầm", reopens=True, at=done_at - timedelta(minutes=1))

    assert (await town.reload(arrived)).state is InState.DONE


async def test_an_assignment_said_again_with_04_is_new(town: Town) -> None:
    """R67 (instructions stay)."""
    arrived = await arrive(town)
    await add_units(town.node.store, town.clock, arrived.agency_id, "Phòng A", "Phòng B")

    await town.status(arrived, "04", assignment=Assignment(lead_unit="Phòng A"))
    town.clock.advance(1)
    outcome = await town.status(arrived, "04", assignment=Assignment(lead_unit="Phòng B"))

    assert not outcome.repeated
    assert outcome.document.assignment == Assignment(lead_unit="Phòng B")


async def test_a_call_that_lacks_something_is_refused_and_changes_nothing(town: Town) -> None:
    """Codes that the document's state does not allow are refused too."""
    arrived = await arrive(town)
    calls = ((StatusCall(code="02"), "reason"), (StatusCall(code="02", reason="OTHER"), "note"))

    for call, lacks in (*calls, (StatusCall(code="07"), "07")):
        with pytest.raises(Refused, match=lacks):
            await act.set_status(town.node.inn, await town.scope(PROVINCE), arrived.id, call)
    for code in ("01", "13", "15", "16"):
        with pytest.raises(Clash):
            await town.status(arrived, code)

    assert await town.only() == arrived


async def test_a_reason_that_is_not_in_the_table_is_named_and_nothing_is_sent(town: Town) -> None:
    """Nor does an answer that is not ours close anything."""
    arrived = await arrive(town)
    on_hold = await town.brought(town.forge(document(subject="Khác"), FILES))
    jobs_before = await town.count("job")

    with pytest.raises(NotFound, match="NONSENSE"):
        await town.status(arrived, "02", reason="NONSENSE")
    with pytest.raises(NotFound, match="missing"):
        await process.give_back(town.node.inn, await town.scope(PROVINCE), on_hold.id, "Trả", "missing")
    with pytest.raises(NotFound):
        await town.status(arrived, "06", answered_by="msg_of_nobody")

    assert (await town.only()).state is InState.NEW
    assert await town.count("job") == jobs_before


async def test_nothing_but_15_is_said_about_a_recalled_document(town: Town) -> None:
    await town.brought(town.forge(document(), FILES))
    await town.brought(town.forge(recall_of()))
    arrived = await town.only()
    statuses = await town.statuses(PROVINCE)

    for code in ("02", "03", "04", "06", "16"):
        with pytest.raises(Clash):
            await town.status(arrived, code)
    assert (await town.status(arrived, "15")).repeated
    await town.carry()

    assert await town.statuses(PROVINCE) == statuses


async def test_a_version_that_somebody_changed_is_refused_and_nothing_is_taken_in(town: Town) -> None:
    """R131 (conflict)."""
    arrived = await arrive(town)
    services, scope = town.node.inn, await town.scope(PROVINCE)
    await act.set_status(services, scope, arrived.id, StatusCall(code="04"), arrived.version)

    with pytest.raises(StaleVersion) as error:
        await act.set_status(services, scope, arrived.id, StatusCall(code="03"), arrived.version)
    assert error.value.code == "GW-S-412"

    assert (await town.only()).state is InState.ASSIGNED


async def test_the_version_of_a_request_is_that_of_the_request(town: Town) -> None:
    sent = await town.send("15")
    await town.carry()
    await town.status(await town.only(), "04")
    update = await town.update(sent)
    await town.carry()
    child = await town.as_incoming(update)

    outcome = await act.set_status(
        town.node.inn, await town.scope(PROVINCE), child.id, StatusCall(code="15"), child.version
    )

    assert outcome.document.subject == "Nội dung đã sửa"


async def test_threat_087_another_agencys_document_is_not_found(town: Town) -> None:
    """Threat 87."""
    arrived = await arrive(town)
    row = (await town.inbox())[0]
    stranger = await town.scope(COMMUNE)

    with pytest.raises(NotFound):
        await act.set_status(town.node.inn, stranger, arrived.id, StatusCall(code="03"))
    with pytest.raises(NotFound):
        await process.discard(town.node.inn, stranger, row.id, "x")


async def test_a_document_system_that_goes_live_is_not_offered_what_arrived_before(town: Town) -> None:
    """One that another client has at this moment stays with it."""
    scope = await town.scope(PROVINCE)
    for number in ("15", "16", "17"):
        await town.send(number)
    await town.carry()
    (leased,) = await handover.lease(town.node.inn, scope, "old", 1, 60)
    first_day = town.clock.now() + timedelta(seconds=1)
    town.clock.advance(timedelta(seconds=2))
    await town.send("18")
    await town.carry()

    counted = await handover.hand_over_before(town.node.inn, scope, "new", first_day)
    second_run = await handover.hand_over_before(town.node.inn, scope, "new", first_day)

    assert (counted, second_run) == (2, 0)
    assert [row.number for row in await handover.lease(town.node.inn, scope, "new", 10, 60)] == ["18"]
    assert await handover.ack(town.node.inn, scope, leased.id, "old") is True


def test_waiting_for_paper_is_no_reason_to_refuse() -> None:
    """R29 (signed documents are taken in): none of the reasons speaks of the paper."""
    reasons = get_args(act.RefusalReason)

    assert len(reasons) == 11
    assert [
        r
        for r in reasons
        if "giấy" in labels.say(f"reason.{r}") or "paper" in labels.say(f"reason.{r}", "en")
    ] == []


WHY = "Chờ hỏi lại nơi gửi"


async def test_what_is_on_hold_is_offered_to_nobody_until_it_is_taken_in(town: Town) -> None:
    """R37 (no duty without registration)."""
    await town.brought(town.forge(document(), FILES))
    arrived, scope = await town.only(), await town.scope(PROVINCE)

    saved = await act.set_aside(town.node.inn, scope, arrived.id, f" {WHY} ", expect_version=arrived.version)

    async with town.node.store.read(scope) as work:
        facts = await work.facts.of_subject(arrived.id)
        events = [
            event for event in await work.events.of_subject(arrived.id) if event.kind is EventKind.INBOX_HELD
        ]
        with pytest.raises(NotFound):
            await work.handovers.get(arrived.id)
    assert saved.state == "held"
    assert [fact.note for fact in facts if fact.code == "held"] == [WHY]
    assert [(event.data["why"], event.data["by"]) for event in events] == [(WHY, scope.principal_id)]
    await town.status(arrived, "03", register_no="4")
    async with town.node.store.read(scope) as work:
        assert (await work.handovers.get(arrived.id)).state == "available"
    assert (await town.only()).state == "accepted"


async def test_what_a_document_system_has_stays_with_it(town: Town) -> None:
    await town.brought(town.forge(document(), FILES))
    arrived, scope = await town.only(), await town.scope(PROVINCE)
    await handover.ack(town.node.inn, scope, arrived.id, "key")

    await act.set_aside(town.node.inn, scope, arrived.id, WHY)

    async with town.node.store.read(scope) as work:
        assert (await work.handovers.get(arrived.id)).state == "acked"


async def test_only_waiting_documents_are_held_and_only_with_a_reason_and_the_current_version(
    town: Town,
) -> None:
    """R59 (irregular signs)."""
    await town.brought(town.forge(document(), FILES))
    arrived, scope = await town.only(), await town.scope(PROVINCE)

    with pytest.raises(Refused, match="reason"):
        await act.set_aside(town.node.inn, scope, arrived.id, "  ")
    with pytest.raises(StaleVersion):
        await act.set_aside(town.node.inn, scope, arrived.id, WHY, expect_version=arrived.version + 1)
    assert await town.only() == arrived
    await town.status(arrived, "03", register_no="4")
    with pytest.raises(Clash, match="accepted"):
        await act.set_aside(town.node.inn, scope, arrived.id, WHY)
