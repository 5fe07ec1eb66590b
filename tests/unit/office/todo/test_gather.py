"""The to-do list: what is on it, in which order, and what people note on it. The clock begins on a Friday at 08:00."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.domain.document import Assignment, InState, Kind, OutState, Urgency
from gateway.domain.event import EventKind
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.domain.status import Fact, RequestKind, Track
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import Clash, NotFound
from gateway.office import todo
from gateway.office.desks import OfficeIn, TodoDesk
from gateway.office.domain.task import TaskKind
from gateway.office.letters import submitting
from gateway.office.store.store import SqlOfficeStore
from gateway.policy.upkeep import CertificateEnding
from tests.support.clock import ManualClock
from tests.support.stores import (
    NORTH,
    SOUTH,
    delivery,
    draft,
    inbox_item,
    incoming,
    outbox_item,
    outgoing,
    seed_incoming,
)
from tests.unit.office.todo.conftest import Certificates

HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    """20 November 2026 is a Friday, the 24th is free."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=VIETNAM)


async def kinds(desk: TodoDesk) -> list[TaskKind]:
    return [each.kind for each in (await todo.gather(desk, NORTH)).tasks]


async def send(store: SqlOfficeStore, clock: ManualClock, state: str, **fields: Any) -> str:
    """A document to one recipient whose delivery stands so; the delivery's id."""
    document = outgoing(clock, state=OutState.PACKED, **fields)
    one = delivery(document, "Z91.02", state)
    async with store.begin(NORTH) as work:
        await work.outgoing.add(document)
        await work.deliveries.add([one])
        await work.commit()
    return one.id


async def test_a_new_document_becomes_a_task_when_its_two_office_hours_are_over(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    arrived = await seed_incoming(store, incoming(clock))
    clock.advance(2 * HOUR)
    assert await kinds(desk) == []

    clock.advance(40 * 60)
    (task,) = (await todo.gather(desk, NORTH)).tasks

    assert (task.id, task.subject_id, task.is_late) == (f"take_in:{arrived.id}", arrived.id, True)
    assert (task.document, task.counterpart, task.due_at) == ("7/SNN", "Z91.02", at("20 10:00"))
    assert (await todo.gather(desk, NORTH)).left(task) == -timedelta(minutes=40)
    assert (await todo.gather(desk, SOUTH)).tasks == ()


async def test_lunch_weekend_and_holidays_do_not_count_against_the_clerk(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    clock.advance(at("24 16:00") - clock.now())
    await seed_incoming(store, incoming(clock))
    clock.advance(at("25 09:29") - clock.now())
    assert await kinds(desk) == []

    clock.advance(120)
    assert await kinds(desk) == [TaskKind.TAKE_IN]

    await store.calendar.put(
        [CalendarDay(day=date(2026, 11, 25), kind=DayKind.HOLIDAY, name="Storm")], clock.now(), "operator"
    )
    assert await kinds(desk) == []


async def test_the_sender_hears_on_the_day_of_arrival_that_it_is_taken_in(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T3: told from four o'clock on, late once the day is over, though two office hours are not."""
    clock.advance(at("20 15:40") - clock.now())
    await seed_incoming(store, incoming(clock))
    assert await kinds(desk) == []

    clock.advance(at("20 16:00") - clock.now())
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.kind, task.timer, task.due_at, task.is_late) == (
        TaskKind.TAKE_IN,
        "t3",
        at("20 17:00"),
        False,
    )
    clock.advance(at("21 00:01") - clock.now())
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.timer, task.is_late) == ("t3", True)


async def test_an_express_letter_is_a_task_at_once_and_late_after_a_quarter_of_an_hour(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    clock.advance(at("21 23:00") - clock.now())
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))

    (fresh,) = (await todo.gather(desk, NORTH)).tasks
    clock.advance(16 * 60)
    (late,) = (await todo.gather(desk, NORTH)).tasks

    assert (fresh.is_late, late.is_late) == (False, True)
    assert fresh.due_at == at("21 23:15")


async def test_every_kind_of_task_is_on_one_list_with_the_earliest_deadline_first(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock, certificates: Certificates
) -> None:
    new = await seed_incoming(store, incoming(clock))
    held = await seed_incoming(store, incoming(clock, state=InState.HELD))
    asked = await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    reply = incoming(clock, state=InState.ACCEPTED, reply_required=True, due_on=date(2026, 11, 24))
    await seed_incoming(store, reply)
    refused, failed = await send(store, clock, "rejected"), await send(store, clock, "failed")
    request = Fact(
        track=Track.REQUEST, code="asked", at=clock.now(), request_id="p1", request_kind=RequestKind.RECALL
    )
    signed = outgoing(clock, state=OutState.DRAFT, draft=draft(signed_at=clock.now() - 2 * HOUR))
    async with store.begin(NORTH) as work:
        await work.facts.add(asked.id, request)
        await work.outgoing.add(signed)
        await work.commit()
    certificates.known = [
        CertificateEnding(code="Z91.01", fingerprint="f1", until=at("26 07:00"), own=True),
        CertificateEnding(code="Z91.02", fingerprint="f2", until=at("26 07:00"), own=True),
        CertificateEnding(
            code="Z91.01", fingerprint="f3", until=at("26 07:00") + timedelta(days=90), own=True
        ),
    ]
    clock.advance(at("23 09:00") - clock.now())

    found = await todo.gather(desk, NORTH)

    assert [(each.kind, each.id.partition(":")[2], each.due_at) for each in found.tasks] == [
        (TaskKind.TAKE_IN, new.id, at("20 10:00")),
        (TaskKind.FAILED, failed, at("20 17:00")),
        (TaskKind.REJECTED, refused, at("20 17:00")),
        (TaskKind.DECIDE, held.id, at("23 08:00")),
        (TaskKind.RECALL, f"{asked.id}:p1", at("23 08:00")),
        (TaskKind.ISSUE, signed.id, at("23 11:30")),
        *((TaskKind.ASSIGN, id, at("23 17:00")) for id in sorted((asked.id, reply.id))),
        (TaskKind.REPLY, reply.id, at("24 17:00")),
        (TaskKind.CERTIFICATE, "f1", at("26 07:00")),
    ]
    assert [each.is_late for each in found.tasks] == [True] * 5 + [False] * 5
    assert (found.resting, found.cut) == (0, False)


async def test_what_is_settled_leaves_the_list_by_itself(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    asked = await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    request = Fact(
        track=Track.REQUEST, code="asked", at=clock.now(), request_id="p1", request_kind=RequestKind.UPDATE
    )
    async with store.begin(NORTH) as work:
        await work.facts.add(asked.id, request)
        await work.commit()
    assert await kinds(desk) == [TaskKind.RECALL]

    async with store.begin(NORTH) as work:
        await work.facts.add(
            asked.id,
            Fact(track=Track.REQUEST, code="16", at=clock.now(), stated_at=clock.now(), request_id="p1"),
        )
        await work.commit()
    assert await kinds(desk) == []


async def test_a_status_that_did_not_reach_its_sender_for_a_day_is_a_task_until_it_does(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    landed = inbox_item(clock, state="done")
    document = incoming(clock, state=InState.PROCESSING, inbox_id=landed.id)
    await seed_incoming(store, document)
    first, second = (outbox_item(clock, kind=Kind.STATUS, subject_id=landed.id) for _ in range(2))
    async with store.begin(NORTH) as work:
        await work.inbox.land(replace(landed, incoming_id=document.id))
        await work.inbox.settle(replace(landed, incoming_id=document.id), None)
        await work.outbox.put(first)
        await work.outbox.put(second)
        await work.outbox.put(outbox_item(clock))
        await work.commit()
    clock.advance(24 * HOUR - timedelta(seconds=1))
    assert await kinds(desk) == []

    clock.advance(1)
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.id, task.subject_id, task.timer) == (f"status:{document.id}", document.id, "t12")
    assert (task.counterpart, task.is_late, task.is_incoming) == ("Z91.02", True, True)
    assert (await todo.gather(desk, SOUTH)).tasks == ()

    for leased in await store.claim_outbox(10, 60):
        async with store.begin(NORTH) as work:
            if leased.item.id == first.id:
                await work.outbox.failed(leased.lease, clock.now(), "silent")
            else:
                await work.outbox.sent([leased.lease], clock.now())
            await work.commit()
    assert await kinds(desk) == [TaskKind.STATUS]
    clock.advance(timedelta(days=60))
    assert await kinds(desk) == []


async def test_a_take_back_that_did_not_reach_its_recipient_for_a_day_is_a_task_until_it_is_asked_again(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    id = await send(store, clock, "take_back_asked")

    async def asks(packet_id: str) -> None:
        kind = RequestKind.TAKE_BACK
        fact = Fact(
            track=Track.REQUEST, code="asked", at=clock.now(), request_id=packet_id, request_kind=kind
        )
        async with store.begin(NORTH) as work:
            await work.facts.add(id, fact)
            await work.commit()

    await asks("p-1")
    clock.advance(1)
    async with store.begin(NORTH) as work:
        await work.outbox.put(outbox_item(clock, kind=Kind.STATUS, subject_id=id))
        await work.commit()
    clock.advance(24 * HOUR - timedelta(seconds=1))
    assert await kinds(desk) == []

    clock.advance(1)
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.id, task.kind) == (f"take_back:{id}", TaskKind.TAKE_BACK)
    assert (await todo.gather(desk, SOUTH)).tasks == ()

    await asks("p-2")
    assert await kinds(desk) == []


async def test_a_queued_document_is_a_task_only_when_it_is_late(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    async with store.begin(NORTH) as work:
        await work.outgoing.add(outgoing(clock, draft=draft(signed_at=clock.now())))
        await work.commit()
    assert await kinds(desk) == []

    clock.advance(at("23 11:31") - clock.now())
    assert await kinds(desk) == [TaskKind.ISSUE]


async def test_a_snoozed_task_comes_back_at_its_hour_and_tells_why_it_rested(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    task = f"failed:{await send(store, clock, 'failed')}"
    await todo.take_task(desk, NORTH, task, "A. Clerk")
    await todo.snooze_task(desk, NORTH, task, at("20 14:00"), "They move\nhouse")

    resting = await todo.gather(desk, NORTH)
    whole = await todo.gather(desk, NORTH, everything=True)
    clock.advance(at("20 14:00") - clock.now())
    (back,) = (await todo.gather(desk, NORTH)).tasks

    assert (resting.tasks, resting.resting) == ((), 1)
    assert [each.id for each in whole.tasks] == [task]
    assert back.note is not None
    assert (back.owner, back.note.note, back.note.noted_by) == ("A. Clerk", "They move house", "prn_north")
    async with store.read(NORTH) as work:
        events = await work.events.of(back.subject_id)
    assert [(each.kind, each.data["what"]) for each in events] == [
        (EventKind.TASK_NOTED, "taken"),
        (EventKind.TASK_NOTED, "snoozed"),
    ]


async def test_a_settled_task_comes_back_only_when_it_begins_anew(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    id = await send(store, clock, "failed")
    task = f"failed:{id}"
    await todo.take_task(desk, NORTH, task, "A. Clerk")
    clock.advance(60)
    await todo.close_task(desk, NORTH, task, "Told them by phone")
    clock.advance(timedelta(days=3))
    assert await kinds(desk) == []

    async with store.begin(NORTH) as work:
        await work.deliveries.save_state(id, "failed", (), clock.now())
        await work.commit()
    (again,) = (await todo.gather(desk, NORTH)).tasks
    await todo.take_task(desk, NORTH, task, "B. Clerk")

    assert again.owner == "A. Clerk"
    assert [each.owner for each in (await todo.gather(desk, NORTH)).tasks] == ["B. Clerk"]


async def test_a_woken_task_is_on_the_list_again(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    task = f"rejected:{await send(store, clock, 'rejected')}"
    await todo.close_task(desk, NORTH, task, "Corrected")
    await todo.wake_task(desk, NORTH, task)

    assert await kinds(desk) == [TaskKind.REJECTED]


@pytest.mark.parametrize("until", ["20 08:00", "20 07:00"])
async def test_a_task_cannot_rest_until_a_time_that_has_passed(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock, until: str
) -> None:
    task = f"failed:{await send(store, clock, 'failed')}"

    with pytest.raises(Clash, match="within the next 90 days"):
        await todo.snooze_task(desk, NORTH, task, at(until), "Later")
    with pytest.raises(Clash, match="within the next 90 days"):
        await todo.snooze_task(desk, NORTH, task, clock.now() + timedelta(days=91), "Much later")
    with pytest.raises(Clash, match="letters"):
        await todo.close_task(desk, NORTH, task, "  ")


async def test_an_urgent_document_is_not_put_off_past_its_time(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))
    (task,) = (await todo.gather(desk, NORTH)).tasks

    with pytest.raises(Clash) as refused:
        await todo.snooze_task(desk, NORTH, task.id, task.due_at + timedelta(seconds=1), "Later")
    await todo.snooze_task(desk, NORTH, task.id, task.due_at, "They print it")

    assert refused.value.code == "GW-REST-URGENT"
    clock.advance(task.due_at - clock.now())
    assert await kinds(desk) == [TaskKind.TAKE_IN]


async def test_nobody_notes_anything_on_what_is_no_task_of_theirs(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    task = f"failed:{await send(store, clock, 'failed')}"

    for scope, name in ((SOUTH, task), (NORTH, "failed:dlv_nobody"), (NORTH, "")):
        with pytest.raises(NotFound):
            await todo.close_task(desk, scope, name, "Done")
    assert await kinds(desk) == [TaskKind.FAILED]


async def test_a_sealed_document_shows_no_words_of_its_own(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    await send(store, clock, "failed", is_sealed=True)
    await seed_incoming(store, replace(incoming(clock), state=InState.SEALED, reply_required=True))

    (task,) = (await todo.gather(desk, NORTH)).tasks

    assert (task.document, task.title) == ("", "")


async def _given(store: SqlOfficeStore, document_id: str, clock: ManualClock, **fields: Any) -> UnitPart:
    part = UnitPart(
        id=clock.new_id("prt_"),
        document_id=document_id,
        given_by="prn_head",
        given_at=clock.now(),
        unit="Phòng Tổng hợp",
        is_lead=True,
        deadline=date(2026, 11, 23),
    )
    part = replace(part, **fields)
    async with store.begin(NORTH) as work:
        await work.parts.add(part)
        await work.commit()
    return part


async def test_a_unit_has_its_own_list_and_the_agency_hears_of_it_two_days_after_its_day(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T6, T7: first it is to be begun, then to be done; nobody else's unit sees it."""
    document = await seed_incoming(store, incoming(clock, state=InState.ASSIGNED))
    lead = await _given(store, document.id, clock)
    helping = await _given(store, document.id, clock, unit="Phòng Tài chính", is_lead=False, deadline=None)

    mine = (await todo.gather(desk, NORTH, units={"phòng tổng hợp"})).tasks
    theirs = (await todo.gather(desk, NORTH, units={"Phòng Tài chính"})).tasks
    nobodys = (await todo.gather(desk, NORTH, units={""})).tasks

    assert [(each.id, each.kind, each.due_at, each.unit) for each in mine] == [
        (f"work:{lead.id}", TaskKind.START, at("23 08:00"), "Phòng Tổng hợp")
    ]
    assert [(each.id, each.timer) for each in theirs] == [(f"work:{helping.id}", "t7n")]
    assert nobodys == ()

    await todo.take_task(desk, NORTH, mine[0].id, "Nguyễn Thị An", {"Phòng Tổng hợp"})
    (owned,) = (await todo.gather(desk, NORTH, units={"Phòng Tổng hợp"})).tasks
    assert owned.owner == "Nguyễn Thị An"
    with pytest.raises(NotFound):
        await todo.take_task(desk, NORTH, mine[0].id, "Người khác", {"Phòng Tài chính"})
    async with store.begin(NORTH) as work:
        begun = replace(await work.incoming.get(document.id), state=InState.PROCESSING)
        await work.incoming.save(begun)
        await work.commit()
    (owned,) = (await todo.gather(desk, NORTH, units={"Phòng Tổng hợp"})).tasks
    assert (owned.kind, owned.owner) == (TaskKind.WORK, "Nguyễn Thị An")

    clock.advance(at("23 17:01") - clock.now())
    assert await kinds(desk) == []
    clock.advance(at("25 17:00") - clock.now())
    assert [(each.kind, each.unit, each.is_late) for each in (await todo.gather(desk, NORTH)).tasks] == [
        (TaskKind.WORK, "Phòng Tổng hợp", True)
    ]


async def test_what_is_submitted_waits_for_the_leader_and_for_nobody_else_until_there_is_an_opinion(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """Once; the event says who and what; a document with an opinion is nobody's task of this kind any more."""
    document = await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    office = SimpleNamespace(store=store, clock=clock, wake=lambda: None)
    inn = cast("OfficeIn", office)

    made = await submitting.submit(inn, NORTH, document.id, "prn_head", "Đề nghị giao Phòng Tổng hợp")
    with pytest.raises(Clash, match="cannot be submitted"):
        await submitting.submit(inn, NORTH, document.id, "prn_head")
    clock.advance(at("20 16:30") - clock.now())
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.id, task.kind, task.due_at) == (f"opinion:{made.id}", TaskKind.OPINION, at("23 17:00"))
    assert (await todo.gather(desk, SOUTH)).tasks == ()

    with pytest.raises(Clash, match="needs words"):
        await submitting.decide(inn, NORTH, document.id, " ")
    decided = await submitting.decide(inn, NORTH, document.id, "Lưu hồ sơ.")

    assert (decided and decided.opinion, await kinds(desk)) == ("Lưu hồ sơ.", [])
    assert await submitting.decide(inn, NORTH, document.id, "Lần nữa") is None
    async with store.read(NORTH) as work:
        told = {each.kind: dict(each.data) for each in await work.events.of(document.id)}
    assert told == {
        "inbox.submitted": {
            "submission": made.id,
            "leader": "prn_head",
            "note": "Đề nghị giao Phòng Tổng hợp",
        },
        "inbox.opinion": {"submission": made.id, "opinion": "Lưu hồ sơ."},
    }


async def test_what_was_taken_in_is_told_in_the_afternoon_until_it_is_given_to_somebody(
    desk: TodoDesk, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T5; and again once a unit handed it back."""
    document = await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))
    assert await kinds(desk) == []

    clock.advance(at("20 16:00") - clock.now())
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.kind, task.due_at, task.timer) == (TaskKind.ASSIGN, at("23 17:00"), "t5")

    part = await _given(store, document.id, clock)
    async with store.begin(NORTH) as work:
        given = replace(
            await work.incoming.get(document.id),
            assignment=Assignment(lead_unit=part.unit),
            state=InState.ASSIGNED,
        )
        await work.incoming.save(given)
        back = replace(part, state=PartState.RETURNED, ended_by="prn_unit", ended_at=clock.now(), why="Sai")
        await work.parts.end(back)
        await work.commit()
    (task,) = (await todo.gather(desk, NORTH)).tasks
    assert (task.kind, task.unit) == (TaskKind.REASSIGN, "Phòng Tổng hợp")
