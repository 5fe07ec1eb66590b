"""The to-do list: what is on it, in which order, and what people note on it. The clock begins on a Friday at 08:00."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from gateway.domain.document import Assignment, InState, Kind, OutState, Urgency
from gateway.domain.event import EventKind
from gateway.domain.handling import PartState
from gateway.domain.office_calendar import CalendarDay, DayKind
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway.errors import Clash, NotFound
from gateway.policy import timers
from gateway.policy.upkeep import CertificateEnding
from gateway_office import todo
from gateway_office.domain.task import TaskKind
from gateway_office.letters import received
from gateway_office.services import OfficeIncomingServices
from tests.office.unit.todo.conftest import Certificates, TodoOffice, at, share_of
from tests.support.stores import (
    NORTH,
    SOUTH,
    draft,
    inbox_item,
    incoming,
    outbox_item,
    outgoing,
    seed_incoming,
)

HOUR = timedelta(hours=1)


def asked_for(office: TodoOffice, kind: RequestKind, packet_id: str = "p1") -> Fact:
    """Build the fact of an open request about a document."""
    return Fact(
        track=Track.REQUEST,
        code="asked",
        at=office.clock.now(),
        request_id=packet_id,
        request_kind=kind,
    )


async def test_a_new_document_becomes_a_task_when_its_two_office_hours_are_over(office: TodoOffice) -> None:
    """R61 (two working hours)."""
    arrived = await office.receive()
    office.clock.advance(2 * HOUR)
    assert await office.kinds() == []

    office.clock.advance(40 * 60)
    (task,) = await office.tasks()

    assert (task.id, task.subject_id, task.is_late) == (f"take_in:{arrived.id}", arrived.id, True)
    assert (task.document, task.counterpart, task.due_at) == ("7/SNN", "Z91.02", at("20 10:00"))
    assert (await todo.gather(office.services, NORTH)).remaining(task) == -timedelta(minutes=40)
    assert await office.tasks(SOUTH) == ()


async def test_lunch_weekend_and_holidays_do_not_count_against_the_clerk(office: TodoOffice) -> None:
    office.to("24 16:00")
    await office.receive()
    office.to("25 09:29")
    assert await office.kinds() == []

    office.clock.advance(120)
    assert await office.kinds() == [TaskKind.TAKE_IN]

    await office.store.calendar.save(
        [CalendarDay(day=date(2026, 11, 25), kind=DayKind.HOLIDAY, name="Storm")],
        office.clock.now(),
        "operator",
    )
    assert await office.kinds() == []


async def test_the_sender_hears_on_the_day_of_arrival_that_it_is_taken_in(office: TodoOffice) -> None:
    """T3: told from four o'clock on, late once the day is over, though two office hours are not.
    R60 (receipt on the same day)."""
    office.to("20 15:40")
    await office.receive()
    assert await office.kinds() == []

    office.to("20 16:00")
    (task,) = await office.tasks()
    assert (task.kind, task.timer, task.due_at, task.is_late) == (
        TaskKind.TAKE_IN,
        "t3",
        at("20 17:00"),
        False,
    )
    office.to("21 00:01")
    (task,) = await office.tasks()
    assert (task.timer, task.is_late) == ("t3", True)


async def test_an_express_letter_is_a_task_at_once_and_late_after_a_quarter_of_an_hour(
    office: TodoOffice,
) -> None:
    office.to("21 23:00")
    await office.receive(urgency=Urgency.EXPRESS)

    (fresh,) = await office.tasks()
    office.clock.advance(16 * 60)
    (late,) = await office.tasks()

    assert (fresh.is_late, late.is_late) == (False, True)
    assert fresh.due_at == at("21 23:15")


async def test_every_kind_of_task_is_on_one_list_with_the_earliest_deadline_first(
    certificates: Certificates, office: TodoOffice
) -> None:
    """R119 (work is followed)."""
    new = await office.receive()
    on_hold = await office.receive(state=InState.HELD)
    with_request = await office.receive(state=InState.ACCEPTED)
    reply = await office.receive(state=InState.ACCEPTED, reply_required=True, due_on=date(2026, 11, 24))
    refused, failed = await office.send("rejected"), await office.send("failed")
    request = asked_for(office, RequestKind.RECALL)
    signed = outgoing(
        office.clock, state=OutState.DRAFT, draft=draft(signed_at=office.clock.now() - 2 * HOUR)
    )
    async with office.change() as work:
        await work.facts.add(with_request.id, request)
        await work.outgoing.add(signed)
    certificates.certificates = [
        CertificateEnding(code="Z91.01", fingerprint="f1", ends_at=at("26 07:00"), own=True),
        CertificateEnding(code="Z91.02", fingerprint="f2", ends_at=at("26 07:00"), own=True),
        CertificateEnding(
            code="Z91.01", fingerprint="f3", ends_at=at("26 07:00") + timedelta(days=90), own=True
        ),
    ]
    office.to("23 09:00")

    listing = await todo.gather(office.services, NORTH)

    assert [(task.kind, task.id.partition(":")[2], task.due_at) for task in listing.tasks] == [
        (TaskKind.TAKE_IN, new.id, at("20 10:00")),
        (TaskKind.FAILED, failed, at("20 17:00")),
        (TaskKind.REJECTED, refused, at("20 17:00")),
        (TaskKind.DECIDE, on_hold.id, at("23 08:00")),
        (TaskKind.RECALL, f"{with_request.id}:p1", at("23 08:00")),
        (TaskKind.ISSUE, signed.id, at("23 11:30")),
        *((TaskKind.ASSIGN, id, at("23 17:00")) for id in sorted((with_request.id, reply.id))),
        (TaskKind.REPLY, reply.id, at("24 17:00")),
        (TaskKind.CERTIFICATE, "f1", at("26 07:00")),
    ]
    assert [task.is_late for task in listing.tasks] == [True] * 5 + [False] * 5
    assert (listing.resting, listing.cut) == (0, False)


async def test_what_is_settled_leaves_the_list_by_itself(office: TodoOffice) -> None:
    with_request = await office.receive(state=InState.ACCEPTED)
    request = asked_for(office, RequestKind.UPDATE)
    async with office.change() as work:
        await work.facts.add(with_request.id, request)
    assert await office.kinds() == [TaskKind.RECALL]

    async with office.change() as work:
        await work.facts.add(
            with_request.id,
            Fact(
                track=Track.REQUEST,
                code="16",
                at=office.clock.now(),
                stated_at=office.clock.now(),
                request_id="p1",
            ),
        )
    assert await office.kinds() == []


async def test_a_status_that_did_not_reach_its_sender_for_a_day_is_a_task_until_it_does(
    office: TodoOffice,
) -> None:
    landed = inbox_item(office.clock, state="done")
    document = incoming(office.clock, state=InState.PROCESSING, inbox_id=landed.id)
    await seed_incoming(office.store, document)
    first, second = (outbox_item(office.clock, kind=Kind.STATUS, subject_id=landed.id) for _ in range(2))
    async with office.change() as work:
        await work.inbox.land(replace(landed, incoming_id=document.id))
        await work.inbox.settle(replace(landed, incoming_id=document.id), None)
        await work.outbox.add(first)
        await work.outbox.add(second)
        await work.outbox.add(outbox_item(office.clock))
    office.clock.advance(24 * HOUR - timedelta(seconds=1))
    assert await office.kinds() == []

    office.clock.advance(1)
    (task,) = await office.tasks()
    assert (task.id, task.subject_id, task.timer) == (f"status:{document.id}", document.id, "t12")
    assert (task.counterpart, task.is_late, task.is_incoming) == ("Z91.02", True, True)
    assert await office.tasks(SOUTH) == ()

    for leased in await office.store.claim_outbox(10, 60):
        async with office.change() as work:
            if leased.item.id == first.id:
                await work.outbox.mark_failed(leased.lease, office.clock.now(), "silent")
            else:
                await work.outbox.mark_sent([leased.lease], office.clock.now())
    assert await office.kinds() == [TaskKind.STATUS]
    office.clock.advance(timedelta(days=60))
    assert await office.kinds() == []


async def test_a_take_back_that_did_not_reach_its_recipient_for_a_day_is_a_task_until_it_is_repeated(
    office: TodoOffice,
) -> None:
    id = await office.send("take_back_asked")

    async def asks(packet_id: str) -> None:
        async with office.change() as work:
            await work.facts.add(id, asked_for(office, RequestKind.TAKE_BACK, packet_id))

    await asks("p-1")
    office.clock.advance(1)
    async with office.change() as work:
        await work.outbox.add(outbox_item(office.clock, kind=Kind.STATUS, subject_id=id))
    office.clock.advance(24 * HOUR - timedelta(seconds=1))
    assert await office.kinds() == []

    office.clock.advance(1)
    (task,) = await office.tasks()
    assert (task.id, task.kind) == (f"take_back:{id}", TaskKind.TAKE_BACK)
    assert await office.tasks(SOUTH) == ()

    await asks("p-2")
    assert await office.kinds() == []


async def test_a_queued_document_is_a_task_only_when_it_is_late(office: TodoOffice) -> None:
    async with office.change() as work:
        await work.outgoing.add(outgoing(office.clock, draft=draft(signed_at=office.clock.now())))
    assert await office.kinds() == []

    office.to("23 11:31")
    assert await office.kinds() == [TaskKind.ISSUE]


async def test_a_snoozed_task_comes_back_at_its_hour_and_tells_why_it_rested(office: TodoOffice) -> None:
    task = f"failed:{await office.send('failed')}"
    await todo.take_task(office.services, NORTH, task, "A. Clerk")
    await todo.snooze_task(office.services, NORTH, task, at("20 14:00"), "They move\nhouse")

    resting = await todo.gather(office.services, NORTH)
    everything = await todo.gather(office.services, NORTH, everything=True)
    office.to("20 14:00")
    (back,) = await office.tasks()

    assert (resting.tasks, resting.resting) == ((), 1)
    assert [t.id for t in everything.tasks] == [task]
    assert back.note is not None
    assert (back.owner, back.note.note, back.note.noted_by) == ("A. Clerk", "They move house", "prn_north")
    async with office.store.read(NORTH) as work:
        events = await work.events.of_subject(back.subject_id)
    assert [(event.kind, event.data["what"]) for event in events] == [
        (EventKind.TASK_NOTED, "taken"),
        (EventKind.TASK_NOTED, "snoozed"),
    ]


async def test_a_settled_task_comes_back_only_when_it_begins_a_second_time(office: TodoOffice) -> None:
    id = await office.send("failed")
    task = f"failed:{id}"
    await todo.take_task(office.services, NORTH, task, "A. Clerk")
    office.clock.advance(60)
    await todo.close_task(office.services, NORTH, task, "Told them by phone")
    office.clock.advance(timedelta(days=3))
    assert await office.kinds() == []

    async with office.change() as work:
        await work.deliveries.save_state(id, "failed", (), office.clock.now())
    (reopened,) = await office.tasks()
    await todo.take_task(office.services, NORTH, task, "B. Clerk")

    assert reopened.owner == "A. Clerk"
    assert [t.owner for t in await office.tasks()] == ["B. Clerk"]
    await todo.close_task(office.services, NORTH, task, "Corrected")
    assert await office.kinds() == []
    await todo.wake_task(office.services, NORTH, task)
    assert await office.kinds() == [TaskKind.FAILED]


async def test_what_is_express_is_never_put_off_nor_what_became_so_since(office: TodoOffice) -> None:
    letter = await office.receive(urgency=Urgency.VERY_URGENT)
    (task,) = await office.tasks()
    await todo.snooze_task(office.services, NORTH, task.id, task.due_at, "They print it")
    assert await office.kinds() == []

    async with office.change() as work:
        await work.incoming.save(replace(letter, urgency=Urgency.EXPRESS))

    assert await office.kinds() == [TaskKind.TAKE_IN]
    with pytest.raises(Clash) as refused:
        await todo.snooze_task(
            office.services, NORTH, task.id, office.clock.now() + timedelta(minutes=1), "Later"
        )
    assert refused.value.code == "GW-REST-EXPRESS"


async def test_nothing_is_put_off_past_its_deadline(office: TodoOffice) -> None:
    await office.receive(urgency=Urgency.VERY_URGENT)
    await office.send("failed")
    tasks = await office.tasks()

    for task in tasks:
        with pytest.raises(Clash) as refused:
            await todo.snooze_task(
                office.services, NORTH, task.id, task.due_at + timedelta(seconds=1), "Later"
            )
        assert refused.value.code == "GW-REST-DUE"
        await todo.snooze_task(office.services, NORTH, task.id, task.due_at, "They print it")
    assert await office.kinds() == []

    office.clock.advance(max(task.due_at for task in tasks) - office.clock.now())
    assert {TaskKind.TAKE_IN, TaskKind.FAILED} == set(await office.kinds())


async def test_nobody_notes_on_what_is_no_task_of_theirs_without_words_or_for_an_impossible_time(
    office: TodoOffice,
) -> None:
    task = f"failed:{await office.send('failed')}"

    for scope, name in ((SOUTH, task), (NORTH, "failed:dlv_nobody"), (NORTH, "")):
        with pytest.raises(NotFound):
            await todo.close_task(office.services, scope, name, "Done")
    for wakes_at in (at("20 08:00"), at("20 07:00"), office.clock.now() + timedelta(days=91)):
        with pytest.raises(Clash, match="within the next 90 days"):
            await todo.snooze_task(office.services, NORTH, task, wakes_at, "Later")
    with pytest.raises(Clash, match="letters"):
        await todo.close_task(office.services, NORTH, task, "  ")
    assert await office.kinds() == [TaskKind.FAILED]


async def test_a_sealed_document_shows_no_words_of_its_own(office: TodoOffice) -> None:
    await office.send("failed", is_sealed=True)
    await seed_incoming(
        office.store, replace(incoming(office.clock), state=InState.SEALED, reply_required=True)
    )

    (task,) = await office.tasks()

    assert (task.document, task.title) == ("", "")


async def test_a_unit_has_its_own_list_and_the_agency_hears_of_it_two_days_after_its_day(
    office: TodoOffice,
) -> None:
    """T6, T7: first it is to be begun, then to be done; no other unit sees it."""
    document = await office.receive(state=InState.ASSIGNED)
    lead = await office.give(document.id)
    helping = await office.give(document.id, unit="Phòng Tài chính", is_lead=False, deadline=None)

    mine = await office.tasks(units={"phòng tổng hợp"})
    theirs = await office.tasks(units={"Phòng Tài chính"})
    nobodys = await office.tasks(units={""})

    assert [(m.id, m.kind, m.due_at, m.unit) for m in mine] == [
        (f"work:{lead.id}", TaskKind.START, at("23 08:00"), "Phòng Tổng hợp")
    ]
    assert [(task.id, task.timer) for task in theirs] == [(f"work:{helping.id}", "t7n")]
    assert nobodys == ()

    await todo.take_task(office.services, NORTH, mine[0].id, "Nguyễn Thị An", share_of("Phòng Tổng hợp"))
    (owned,) = await office.tasks(units={"Phòng Tổng hợp"})
    assert owned.owner == "Nguyễn Thị An"
    with pytest.raises(NotFound):
        await todo.take_task(office.services, NORTH, mine[0].id, "Người khác", share_of("Phòng Tài chính"))
    async with office.change() as work:
        begun = replace(await work.incoming.get(document.id), state=InState.PROCESSING)
        await work.incoming.save(begun)
    (owned,) = await office.tasks(units={"Phòng Tổng hợp"})
    assert (owned.kind, owned.owner) == (TaskKind.WORK, "Nguyễn Thị An")

    office.to("23 17:01")
    assert await office.kinds() == []
    office.to("25 17:00")
    assert [(task.kind, task.unit, task.is_late) for task in await office.tasks()] == [
        (TaskKind.WORK, "Phòng Tổng hợp", True)
    ]


async def test_fifteen_working_days_count_from_the_day_of_arrival(office: TodoOffice) -> None:
    """The day and the person of the assignment do not matter. R64 (counts from receipt), T7n (no limit given)."""
    document = await office.receive(state=InState.ASSIGNED)
    due = timers.work(await office.services.office(NORTH.agency_id), office.clock.now(), None)
    office.to("26 08:00")
    await office.give(document.id, deadline=None, is_lead=False)

    (task,) = await office.tasks(units={"Phòng Tổng hợp"})
    assert (task.due_at, task.timer) == (due.at, "t7n")

    office.clock.advance(due.at + timers.LEADER_DELAY + timedelta(hours=1) - office.clock.now())
    assert TaskKind.WORK in await office.kinds()


async def test_what_is_submitted_waits_for_the_leader_and_for_nobody_else_until_there_is_an_opinion(
    office: TodoOffice,
) -> None:
    """A document is submitted once; the event names person and text; an opinion ends the task."""
    document = await office.receive(state=InState.ACCEPTED)
    inn = cast(
        "OfficeIncomingServices", SimpleNamespace(store=office.store, clock=office.clock, wake=lambda: None)
    )

    submission = await received.submit(inn, NORTH, document.id, "prn_head", "Đề nghị giao Phòng Tổng hợp")
    with pytest.raises(Clash, match="cannot be submitted"):
        await received.submit(inn, NORTH, document.id, "prn_head")
    office.to("20 16:30")
    (task,) = await office.tasks()
    assert (task.id, task.kind, task.due_at) == (f"opinion:{submission.id}", TaskKind.OPINION, at("23 17:00"))
    assert await office.tasks(SOUTH) == ()

    with pytest.raises(Clash, match="needs words"):
        await received.decide(inn, NORTH, document.id, " ")
    decided = await received.decide(inn, NORTH, document.id, "Lưu hồ sơ.")

    assert (decided and decided.opinion, await office.kinds()) == ("Lưu hồ sơ.", [])
    assert await received.decide(inn, NORTH, document.id, "Lần nữa") is None
    async with office.store.read(NORTH) as work:
        data_by_kind = {event.kind: dict(event.data) for event in await work.events.of_subject(document.id)}
    assert data_by_kind == {
        "inbox.submitted": {
            "submission": submission.id,
            "leader": "prn_head",
            "note": "Đề nghị giao Phòng Tổng hợp",
        },
        "inbox.opinion": {"submission": submission.id, "opinion": "Lưu hồ sơ."},
    }


async def test_an_urgent_letter_is_to_be_laid_before_the_head_at_once(office: TodoOffice) -> None:
    """T5u."""
    office.to("20 09:00")
    await office.receive(state=InState.ACCEPTED, urgency=Urgency.EXPRESS)
    (task,) = await office.tasks()
    assert (task.kind, task.timer, task.wall_clock) == (TaskKind.ASSIGN, "t5u", True)
    assert task.due_at == at("20 09:15")


async def test_what_was_taken_in_is_told_in_the_afternoon_until_it_is_given_to_somebody(
    office: TodoOffice,
) -> None:
    """T5; and again once a unit handed it back. R62 (submission)."""
    document = await office.receive(state=InState.ACCEPTED)
    assert await office.kinds() == []

    office.to("20 16:00")
    (task,) = await office.tasks()
    assert (task.kind, task.due_at, task.timer) == (TaskKind.ASSIGN, at("23 17:00"), "t5")

    part = await office.give(document.id)
    async with office.change() as work:
        assigned = replace(
            await work.incoming.get(document.id),
            assignment=Assignment(lead_unit=part.unit),
            state=InState.ASSIGNED,
        )
        await work.incoming.save(assigned)
        back = replace(
            part, state=PartState.RETURNED, ended_by="prn_unit", ended_at=office.clock.now(), why="Sai"
        )
        await work.parts.change_open(back)
    (task,) = await office.tasks()
    assert (task.kind, task.unit) == (TaskKind.REASSIGN, "Phòng Tổng hợp")
