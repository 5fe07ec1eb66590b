"""Reminders through a real mail server: when they speak, how often, to whom, and what they leave out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest

from gateway.domain.account import HostedAgency
from gateway.domain.document import InState, Urgency
from gateway.domain.handling import UnitPart
from gateway.domain.wall_clock import VIETNAM
from gateway.office import mail
from gateway.office.desks import TodoDesk
from gateway.office.domain.task import RecallAsk
from gateway.office.mail import SmtpMailer
from gateway.office.policy.step_letters import UnitPeople
from gateway.office.store.store import SqlOfficeStore
from gateway.office.telling import Reminders
from gateway.office.workers import DigestMail
from gateway.pool import ThreadPool
from gateway.settings.options import MailSettings
from tests.support.clock import ManualClock
from tests.support.mail_server import MailServer, running
from tests.support.stores import NORTH, incoming, outgoing, seed_incoming

OURS = "van.thu@north.example"


def at(text: str) -> datetime:
    """20 November 2026 is a Friday."""
    return datetime.fromisoformat(f"2026-11-{text}").replace(tzinfo=VIETNAM)


def to(clock: ManualClock, text: str) -> None:
    clock.advance(at(text) - clock.now())


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with running(MailServer()) as opened:
        yield opened


@pytest.fixture
def reminders(desk: TodoDesk, server: MailServer, clock: ManualClock) -> Iterator[Reminders]:
    pool = ThreadPool(2)
    where = MailSettings(
        host="127.0.0.1", port=server.port, security=mail.NONE, sender="node@north.example", timeout_s=10
    )
    people = {"z91.01": (OURS,), "z91.77": ("somebody@elsewhere.example",)}
    yield Reminders(
        desk=desk,
        mailer=SmtpMailer(where, clock, pool),
        digest_at=(time(8), time(14)),
        people=people,
        heads=nobody,
        units=nobodys,
    )
    pool.close()


async def nobody(agency_id: str) -> Sequence[str]:
    return ()


async def nobodys(agency_id: str) -> Mapping[str, UnitPeople]:
    return {}


async def look(reminders: Reminders) -> None:
    """As a worker does that has just started."""
    await DigestMail(reminders).step()


def subjects(server: MailServer) -> list[str]:
    return [str(each.message["Subject"]) for each in server.taken]


async def test_a_digest_goes_out_at_its_hours_once_to_our_own_people_alone(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    to(clock, "20 09:00")
    arrived = await seed_incoming(store, incoming(clock, sender_name="South"))
    for moment in ("20 09:01", "20 14:00", "20 14:01", "20 16:59"):
        to(clock, moment)
        await look(reminders)

    (taken,) = server.taken
    assert taken.to == [OURS]
    assert taken.message["Subject"] == "[Liên thông văn bản] 1 việc cần xử lý, 1 việc quá hạn"
    assert "- Chờ tiếp nhận: 7/SNN – South (Z91.02); quá hạn từ 11:00 20/11/2026" in taken.text
    assert arrived.subject not in taken.text
    assert taken.message["Auto-Submitted"] == "auto-generated"


async def test_nothing_is_said_at_night_on_weekends_and_about_nothing(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    await look(reminders)  # Friday 08:00, with nothing to do
    await seed_incoming(store, incoming(clock))
    for moment in ("20 12:00", "20 17:30", "20 23:00", "21 08:00", "22 14:00", "23 07:59"):
        to(clock, moment)
        await look(reminders)
    assert server.taken == []

    to(clock, "23 08:00")
    await look(reminders)
    assert len(server.taken) == 1


async def test_all_late_documents_of_one_sender_are_one_letter(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    await look(reminders)
    for number in range(1, 41):
        await seed_incoming(store, incoming(clock, number=str(number), sender_name="South"))
    await seed_incoming(store, incoming(clock, sender_code="Z91.03", sender_name="West"))
    for moment in ("20 10:01", "20 10:02", "20 11:00"):
        to(clock, moment)
        await look(reminders)

    assert sorted(subjects(server)) == [
        "[Liên thông văn bản] Quá hạn tiếp nhận 1 văn bản của West (Z91.03)",
        "[Liên thông văn bản] Quá hạn tiếp nhận 40 văn bản của South (Z91.02)",
    ]
    (south,) = [each for each in server.taken if "South" in str(each.message["Subject"])]
    assert south.text.count("\n- ") == 40


async def test_an_express_letter_speaks_at_night_again_and_again_but_not_for_ever(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    to(clock, "21 23:00")
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS, sender_name="South"))
    await seed_incoming(store, incoming(clock, urgency=Urgency.VERY_URGENT, sender_code="Z91.03"))
    seen = []
    for _ in range(90):
        await look(reminders)
        seen.append(len(server.taken))
        clock.advance(60)

    assert seen[0:11:5] == [1, 2, 3]
    assert seen[4] == 1
    assert seen[-1] == 6
    assert set(subjects(server)) == {"[Liên thông văn bản] KHẨN: 1 văn bản của South (Z91.02) chờ tiếp nhận"}
    assert len({each.message["Message-ID"] for each in server.taken}) == 6


async def test_an_urgent_letter_of_the_night_is_told_when_the_office_opens(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    to(clock, "22 23:00")
    await seed_incoming(store, incoming(clock, urgency=Urgency.URGENT, sender_name="South"))
    for moment in ("23 07:29", "23 07:30", "23 07:31"):
        to(clock, moment)
        await look(reminders)

    assert len(server.taken) == 1


async def test_a_server_that_says_later_gets_the_letter_at_the_next_look(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))
    server.refuses["MAIL"] = "451 later"
    await look(reminders)
    assert server.taken == []

    server.refuses.clear()
    await look(reminders)
    assert len(server.taken) == 2  # the alert and the digest of eight o'clock


async def test_a_server_that_says_never_is_not_asked_again_for_the_same(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    to(clock, "21 23:00")
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))
    server.refused_addresses.add(OURS)
    await look(reminders)
    server.refused_addresses.clear()
    await look(reminders)
    assert server.taken == []

    clock.advance(300)
    await look(reminders)
    assert len(server.taken) == 1


async def test_two_processes_that_look_at_once_send_one_letter(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    to(clock, "21 23:00")
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))

    await asyncio.gather(*(look(reminders) for _ in range(4)))

    assert len(server.taken) == 1


async def test_a_name_cannot_begin_a_header_or_a_line(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    to(clock, "21 23:00")
    name = "South\r\nBcc: spy@elsewhere.example\n\n- All is well"
    await seed_incoming(
        store, incoming(clock, urgency=Urgency.EXPRESS, sender_name=name, number="7\r\n.\r\n")
    )
    await look(reminders)

    (taken,) = server.taken
    assert taken.to == [OURS]
    assert taken.message["Bcc"] is None
    assert "\n- All is well" not in taken.text


async def test_only_hosted_agencies_have_people_and_none_that_left(reminders: Reminders) -> None:
    north = HostedAgency(id="a", code="Z91.01", name="North", email="north@north.example")

    assert reminders.addresses(north) == ("north@north.example", OURS)
    assert reminders.addresses(replace(north, code="Z91.05", email=None)) == ()
    assert reminders.addresses(replace(north, left_at=at("20 08:00"))) == ()


async def test_without_a_server_nothing_is_looked_at(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))
    off = MailSettings(host="", port=25, security=mail.NONE, sender="")
    pool = ThreadPool(1)
    silent = replace(reminders, mailer=SmtpMailer(off, clock, pool))

    assert await DigestMail(silent).step() is False
    pool.close()
    await look(reminders)
    assert len(server.taken) == 2


async def test_a_worker_looks_once_a_minute(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    digest = DigestMail(reminders)
    await digest.step()
    await seed_incoming(store, incoming(clock, urgency=Urgency.EXPRESS))
    clock.advance(timedelta(seconds=59))
    await digest.step()
    assert server.taken == []

    clock.advance(1)
    await digest.step()
    assert len(server.taken) == 1


async def test_a_recall_that_waits_is_told_to_the_heads_once_and_not_what_it_is_about(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    async def heads(agency_id: str) -> list[str]:
        return ["head@north.example"] if agency_id == NORTH.agency_id else []

    to(clock, "20 09:00")
    document = outgoing(clock)
    ask = RecallAsk(
        id="rca_1",
        document_id=document.id,
        reason="Sent to the wrong agency.",
        notice_no="7/TB",
        take_back=False,
        recipients=("Z91.02",),
        asked_by="prn_clerk",
        asked_at=clock.now(),
    )
    async with store.begin(NORTH) as work:
        await work.outgoing.add(document)
        await work.office.recalls.add(ask)
        await work.commit()
    for moment in ("20 09:01", "20 09:02"):
        to(clock, moment)
        await look(replace(reminders, heads=heads))

    (taken,) = [each for each in server.taken if "phê duyệt" in str(each.message["Subject"])]
    assert taken.to == ["head@north.example"]
    assert document.draft.code in taken.text
    assert document.draft.subject not in taken.text
    assert ask.reason not in taken.text


OFFICER, UNIT_HEAD, HEAD = "officer@north.example", "unit@north.example", "head@north.example"


async def test_a_unit_is_told_step_by_step_its_head_when_it_is_late_and_the_heads_two_days_later(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T7: each step once, also when it is looked at again; the 24th is free, and what it is about goes by no mail."""
    to(clock, "20 09:00")
    document = await seed_incoming(store, incoming(clock, state=InState.PROCESSING))
    part = UnitPart(
        id="prt_1",
        document_id=document.id,
        unit="Phòng Tổng hợp",
        is_lead=True,
        deadline=date(2026, 11, 25),
        given_by="prn_head",
        given_at=clock.now(),
    )
    async with store.begin(NORTH) as work:
        await work.parts.add(part)
        await work.commit()

    async def units(agency_id: str) -> Mapping[str, UnitPeople]:
        return {part.key: UnitPeople(officers=(OFFICER,), heads=(UNIT_HEAD,))}

    async def heads(agency_id: str) -> list[str]:
        return [HEAD]

    told: list[tuple[str, str]] = []
    for moment in (
        "20 09:01",
        "20 16:00",
        "23 09:00",
        "24 09:00",
        "25 09:00",
        "25 18:00",
        "26 08:30",
        "30 08:30",
    ):
        for _ in range(2):
            to(clock, moment)
            before = len(server.taken)
            await look(replace(reminders, heads=heads, units=units))
            told += [
                (moment, each.to[0])
                for each in server.taken[before:]
                if "đơn vị đang xử lý" in str(each.message["Subject"])
            ]

    assert told == [
        ("20 09:01", OFFICER),
        ("23 09:00", OFFICER),
        ("25 09:00", OFFICER),
        ("26 08:30", UNIT_HEAD),
        ("30 08:30", HEAD),
    ]
    assert all(document.subject not in each.text for each in server.taken)


async def test_what_came_today_and_is_not_taken_in_is_told_at_four(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T3."""
    to(clock, "20 15:30")
    await seed_incoming(store, incoming(clock))
    told: list[str] = []
    for moment in ("20 15:59", "20 16:01", "20 16:30", "23 07:45"):
        to(clock, moment)
        before = len(server.taken)
        await look(reminders)
        subjects = [str(each.message["Subject"]) for each in server.taken[before:]]
        told += [moment for each in subjects if "đến trong ngày chưa tiếp nhận" in each]

    assert told == ["20 16:01"]


async def test_what_was_given_to_nobody_is_told_at_four_and_to_the_heads_the_next_morning(
    reminders: Reminders, server: MailServer, store: SqlOfficeStore, clock: ManualClock
) -> None:
    """T5."""
    to(clock, "20 09:00")
    await seed_incoming(store, incoming(clock, state=InState.ACCEPTED))

    async def heads(agency_id: str) -> list[str]:
        return [HEAD]

    told: list[tuple[str, str]] = []
    for moment in ("20 15:59", "20 16:01", "20 16:30", "23 08:30", "23 09:30"):
        to(clock, moment)
        before = len(server.taken)
        await look(replace(reminders, heads=heads))
        told += [
            (moment, each.to[0])
            for each in server.taken[before:]
            if "chờ trình, phân công" in str(each.message["Subject"])
        ]

    assert told[0][0] == "20 16:01"
    assert told[0][1] != HEAD
    assert told[1:] == [("23 08:30", HEAD)]
