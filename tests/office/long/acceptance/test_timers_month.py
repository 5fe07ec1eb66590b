"""A month of office life with a clock that moves: every timer that the node watches begins, reminds its people once at each
of its moments, is paused and ends. Two processes look at once, and each look is by a worker that has just started."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from gateway.domain.document import IncomingDocument, InState, Kind, OutState, Urgency
from gateway.domain.event import EventKind
from gateway.domain.handling import PartState, UnitPart
from gateway.domain.registry_reform import DecidingDocument, Reform, ReformKind, ReformRecord, ReformState
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind
from gateway.domain.timer_table import TIMERS, Means, Timer
from gateway.domain.wall_clock import VIETNAM, local
from gateway.policy.reform_words import ReportDuty, report_duties
from gateway.policy.upkeep import CertificateEnding
from gateway.pool import ThreadPool
from gateway.store.tables_node import EventRow
from gateway_office import todo
from gateway_office.accounts import requests
from gateway_office.accounts.acting import Administrator
from gateway_office.accounts.requests import RequestDraft
from gateway_office.domain.account_request import AccountRequest, RequestForm, RequestLine, RequestState
from gateway_office.domain.notice import NoticeKind, NoticeWish
from gateway_office.domain.roles import PostRole
from gateway_office.domain.work_file import FileKind
from gateway_office.duties import DutySources
from gateway_office.letters import work_files
from gateway_office.mail import DigestMail
from gateway_office.notices import NoticeBoard, Reminders
from gateway_office.policy.reminders import UnitPeople
from gateway_office.policy.signing_in import IdleRules
from gateway_office.services import AccountRules, AccountServices, TodoServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.rows import account_services, hire, person_row, post_row
from tests.office.unit.todo.conftest import Certificates, TodoOffice, certificates, office, services
from tests.support.clock import ManualClock
from tests.support.mail_server import MailServer, mailer_to
from tests.support.mail_server import server as server
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

__all__ = ["certificates", "office", "services"]
CLERK, HEAD, OFFICER, UNIT_HEAD = (f"{name}@north.example" for name in ("clerk", "head", "officer", "unit"))
ADMIN, OPERATOR = "admin@north.example", "operator@node.example"
PERSON = "person@north.example"
UNIT = "Phòng Tổng hợp"
_RECEIVERS = {
    "agency": CLERK,
    "heads": HEAD,
    "officers": OFFICER,
    "unit_heads": UNIT_HEAD,
    "admins": ADMIN,
    "operators": OPERATOR,
    "person": PERSON,
}


def at(text: str) -> datetime:
    """Return a day and an hour of December 2026, or of January 2027 where the month is named: `01-04 08:00`."""
    day = text if "-" in text else f"12-{text}"
    year = 2027 if day.startswith("01-") else 2026
    return datetime.fromisoformat(f"{year}-{day}").replace(tzinfo=VIETNAM)


# Reminders of the month: timer, step, receivers, moment. One outside office hours waits for the opening. The 24th is a
# Thursday; the first of January is free.
REMINDERS = (
    ("t1", "1530", "agency", "04 15:30"),
    ("t1", "1000", "heads", "07 10:00"),
    ("t1u", "5", "agency", "08 10:05"),
    ("t1u", "15", "heads", "08 10:15"),
    # Arrived on Tuesday at 11:00; and on Friday at 16:00, and the weekend does not count.
    ("t2", "60", "agency", "01 14:00"),
    ("t2", "15", "agency", "01 14:45"),
    ("t2", "late", "heads", "01 15:00"),
    ("t3", "", "agency", "01 16:00"),
    ("t3", "", "agency", "04 16:00"),
    ("t2", "60", "agency", "07 07:30"),
    ("t2", "15", "agency", "07 08:15"),
    # Begun on Wednesday after the hour of telling; another one is thrown away before it.
    ("t8", "1530", "person", "03 15:30"),
    # The axis is lost on Saturday night; when it is lost again, a notice is given in time.
    ("t14", "15", "operators", "12 22:25"),
    # Made on the first at 09:00, to be locked after thirty days.
    ("t20", "10", "person", "21 08:00"),
    ("t20", "10", "admins", "21 08:00"),
    ("t20", "3", "person", "28 08:00"),
    ("t20", "3", "admins", "28 08:00"),
    # Files closed on 10/02 and 15/01, and of construction on 14/10 and 24/09; one of 20/02 is handed in before.
    ("t24", "10m", "person", "10 08:00"),
    ("t24", "11m", "person", "15 08:00"),
    ("t24", "30", "person", "16 08:00"),
    ("t24", "30", "person", "15 08:00"),
    ("t24", "0", "person", "24 08:00"),
    # An express letter on Saturday night, taken in after twelve minutes.
    ("t2u", "every", "agency", "05 20:00"),
    ("t2u", "every", "agency", "05 20:05"),
    ("t2u", "every", "agency", "05 20:10"),
    ("t5", "", "agency", "09 16:00"),
    ("t5", "", "heads", "10 08:00"),
    # Taken in on Wednesday the 16th, to be submitted within half an hour.
    ("t5u", "", "agency", "16 09:10"),
    ("t5u", "late", "heads", "16 09:40"),
    # Given on Thursday, begun on Friday afternoon, done on the 25th; late from Monday the 21st at 17:00 on.
    ("t6", "given", "officers", "10 09:00"),
    ("t15", "1430", "officers", "10 14:30"),
    ("t6", "start", "unit_heads", "11 09:00"),
    ("t15", "0900", "officers", "11 09:00"),
    ("t15", "1430", "officers", "11 14:30"),
    ("t7", "3", "officers", "18 07:30"),
    ("t7", "0", "officers", "21 07:30"),
    ("t7", "late", "unit_heads", "22 07:30"),
    ("t7", "", "heads", "24 07:30"),
    # Without a day: fifteen working days from the first; its sender wants a reply by the 18th.
    ("t7n", "given", "officers", "02 09:00"),
    ("t10", "3", "officers", "15 07:30"),
    ("t10", "1", "officers", "17 07:30"),
    ("t10", "0", "officers", "18 07:30"),
    # The Tuesday is missing: the task was put off until Wednesday.
    ("t9", "3", "agency", "14 07:30"),
    ("t9", "0", "agency", "16 07:30"),
    ("t9", "late", "agency", "17 07:30"),
    ("t11", "given", "agency", "07 08:00"),
    ("t11", "late", "heads", "08 08:00"),
    ("t11", "late", "agency", "08 08:00"),
    ("t12", "6h", "operators", "09 14:00"),
    ("t12", "24h", "agency", "10 08:00"),
    ("t16", "10", "operators", "11 08:00"),
    ("t16", "15", "operators", "16 08:00"),
    ("t17", "0", "admins", "03 07:30"),
    ("t17", "4", "admins", "07 07:30"),
    # The request came on Monday; there is a reminder on the second of its three working days.
    ("t18", "2", "operators", "09 08:00"),
    ("t22", "list", "operators", "01-04 07:30"),
    ("t23", "1", "admins", "01 08:00"),
    ("t23", "15", "admins", "15 08:00"),
    ("t25", "60", "agency", "01 07:30"),
    ("t25", "60", "admins", "01 07:30"),
    ("t25", "30", "agency", "16 08:00"),
    ("t25", "30", "admins", "16 08:00"),
    ("t25", "14", "agency", "01-04 07:30"),
    ("t25", "14", "admins", "01-04 07:30"),
    ("t25", "7", "agency", "01-08 08:00"),
    ("t25", "7", "admins", "01-08 08:00"),
    ("t27", "first", "operators", "01-04 07:30"),
    ("t27", "last", "operators", "01-08 08:00"),
)
# These the node tells on its pages, by events or metrics; and held documents by the digest.
_ELSEWHERE = {timer for timer, row in TIMERS.items() if all(step.by is not Means.MAIL for step in row.steps)}


class Month:
    """The office in that month: what happens at which moment."""

    def __init__(self, office: TodoOffice, accounts: AccountServices, certificates: Certificates) -> None:
        self.office, self.accounts = office, accounts
        ends_at = at("01-15 08:00")
        certificates.certificates = [
            CertificateEnding(code="Z91.01", fingerprint="f1", ends_at=ends_at, own=True)
        ]
        self.documents: dict[str, IncomingDocument] = {}
        self.lost: dict[str, datetime] = {}
        self.request: AccountRequest

    async def receive(self, name: str, **fields: object) -> IncomingDocument:
        self.documents[name] = await self.office.receive(**fields)
        return self.documents[name]

    async def become(self, name: str, state: InState) -> None:
        """Move a document on, as the acts of its people do."""
        document = self.documents[name]
        async with self.office.change() as work:
            self.documents[name] = await work.incoming.save(replace(document, state=state))

    async def sign(self, urgency: Urgency = Urgency.NORMAL) -> None:
        signed = draft(signed_at=self.office.clock.now(), urgency=urgency)
        async with self.office.change() as work:
            await work.outgoing.add(outgoing(self.office.clock, state=OutState.DRAFT, draft=signed))

    async def draft(self, **fields: object) -> None:
        """Begin a draft, or change the one that is there."""
        async with self.office.change() as work:
            open_drafts = await work.office.tasks.drafts(at("01 00:00"), 9)
            if not open_drafts:
                unsigned = draft(signed_at=None)
                await work.outgoing.add(outgoing(self.office.clock, state=OutState.DRAFT, draft=unsigned))
            for document in open_drafts:
                await work.outgoing.save(replace(document, **fields))  # type: ignore[arg-type]  # of a document

    async def close_file(self, code: str, closed_on: date, kind: FileKind = FileKind.USUAL) -> None:
        services = self.office.services
        assert await work_files.close_file(services, NORTH, code, "Hồ sơ", kind, closed_on, everybodys=False)

    async def archive_file(self, code: str) -> None:
        files = await work_files.list_open(self.office.services, NORTH, everybodys=True)
        id = next(file.id for file in files if file.code == code)
        await work_files.archive_file(self.office.services, NORTH, id, everybodys=False)

    async def lose_axis(self) -> None:
        self.lost["hub"] = self.office.clock.now()

    async def find_axis(self) -> None:
        self.lost.clear()

    async def outages(self) -> Mapping[str, datetime]:
        return self.lost

    async def announce_incident(self) -> None:
        wish = NoticeWish(
            kind=NoticeKind.INCIDENT,
            starts_at=self.office.clock.now(),
            ends_at=None,
            text_vi="Mất kết nối",
            meanwhile="Gửi bản giấy",
            afterwards="Nhập lại",
        )
        await NoticeBoard(services=self.office.services, rows=self.office.store.notices).publish(
            "prn_1", wish
        )

    async def issue_all(self) -> None:
        async with self.office.change() as work:
            for document in await work.office.tasks.unsent(9):
                await work.outgoing.save(replace(document, state=OutState.PACKED))

    async def give(self, name: str, deadline: date | None) -> None:
        await self.office.give(self.documents[name].id, unit=UNIT, deadline=deadline)

    async def ask_back(self) -> None:
        """Let a sender recall a document, and ask a recipient to give one back."""
        document = await self.receive("recalled", state=InState.PROCESSING)
        sent = await self.office.send("recall_asked")
        async with self.office.change() as work:
            for subject in (document.id, sent):
                request = Fact(
                    track=Track.REQUEST,
                    code="asked",
                    at=self.office.clock.now(),
                    request_id="p1",
                    request_kind=RequestKind.RECALL,
                )
                await work.facts.add(subject, request)

    async def answer(self) -> None:
        """Both parties answer."""
        now = self.office.clock.now()
        answer = Fact(track=Track.REQUEST, code="15", at=now, stated_at=now, request_id="p1")
        async with self.office.change() as work:
            recalled = await work.office.tasks.recalled(now - timedelta(days=9), 9)
            for subject in (self.documents["recalled"].id, *(delivery.id for delivery, _, _ in recalled)):
                await work.facts.add(subject, answer)

    async def leave_status_unsent(self) -> None:
        landed = inbox_item(self.office.clock, state="done")
        document = incoming(self.office.clock, state=InState.DONE, inbox_id=landed.id)
        await seed_incoming(self.office.store, document)
        async with self.office.change() as work:
            await work.inbox.land(replace(landed, incoming_id=document.id))
            await work.inbox.settle(replace(landed, incoming_id=document.id), None)
            await work.outbox.add(outbox_item(self.office.clock, kind=Kind.STATUS, subject_id=landed.id))

    async def send_status(self) -> None:
        for leased in await self.office.store.claim_outbox(10, 60):
            async with self.office.change() as work:
                await work.outbox.mark_sent([leased.lease], self.office.clock.now())

    async def want_reply(self) -> None:
        letter = draft(reply_required=True, reply_due=date(2026, 12, 16))
        await self.office.send("accepted", draft=letter)

    async def put_off(self) -> None:
        tasks = await self.office.tasks()
        task = next(task for task in tasks if task.timer == Timer.RECIPIENTS_REPLY)
        await todo.snooze_task(self.office.services, NORTH, task.id, at("16 06:00"), "Hẹn sau")

    async def reply_comes(self) -> None:
        async with self.office.change() as work:
            for document in await work.outgoing.wanting_replies(date(2026, 12, 1), date(2026, 12, 31), 9):
                await work.outgoing.save(replace(document, state=OutState.CANCELLED))

    async def end_parts(self, name: str) -> None:
        now = self.office.clock.now()
        async with self.office.change() as work:
            for part, document in await work.parts.open_of(None, 9):
                if document.id == self.documents[name].id:
                    ended_part = replace(part, state=PartState.DONE, ended_at=now, ended_by="prn_officer")
                    await work.parts.change_open(ended_part)
        await self.become(name, InState.DONE)

    async def hire(self) -> None:
        """One person leaves on Wednesday at 17:00; the others stay."""
        now = self.office.clock.now()
        post = post_row("prn_leaver", PostRole.CLERK, now, until=at("02 17:00"))
        await hire(self.accounts, person_row("prn_leaver", now, name="Người Nghỉ", login="nghi"), post)

    async def add_unused(self) -> None:
        """Give an account to an officer, who never signs in."""
        now = self.office.clock.now()
        post = post_row("prn_unused", PostRole.OFFICER, now, unit=UNIT)
        await hire(self.accounts, person_row("prn_unused", now, name="Người Mới", email=PERSON), post)

    async def ask_end(self) -> None:
        """Ask for the end of the leaver's account, which ends T17 (leavers) before the account ends."""
        line = RequestLine(login="nghi", decided_on=date(2026, 12, 2), reason="Nghỉ hưu")
        draft = RequestDraft(form=RequestForm.END, lines=(line,))
        async with self.accounts.changing("prn_admin") as (work, now):
            self.request = await requests.record(
                self.accounts, work, "prn_admin", NORTH.agency_id, draft, now
            )

    async def answer_request(self) -> None:
        answer = requests.Answer(words="Đã thu hồi tài khoản.", decisions=(requests.Decision(is_done=True),))
        by = Administrator(principal_id="operator")
        answered, _ = await requests.answer(self.accounts, by, self.request.id, answer)
        assert answered.state is RequestState.DONE

    async def review(self) -> None:
        by = Administrator(principal_id="operator")
        await requests.file_report(self.accounts, by, NORTH.agency_id)

    async def reports(self) -> Sequence[ReportDuty]:
        reform = Reform(
            kind=ReformKind.RENAME,
            decision=DecidingDocument(number="9/QĐ", issued_on=date(2026, 11, 30), issuer="Nơi ban hành"),
            effective_on=date(2026, 12, 1),
        )
        record = ReformRecord(
            id="prp_1",
            reform=reform,
            state=ReformState.APPROVED,
            proposed_by="a",
            approved_by="b",
            approved_at=at("01 00:00"),
        )
        return report_duties([record], local(self.office.clock.now()).date())

    def script(self) -> list[tuple[str, Callable[[], Awaitable[object]]]]:
        """Return the acts of the month with their moments."""
        processing = partial_state(self, "work", InState.PROCESSING)
        return [
            ("01 06:00", self.hire),
            ("01 09:00", self.add_unused),
            ("01 10:00", lambda: self.close_file("1", date(2026, 2, 10))),
            ("01 10:10", lambda: self.close_file("2", date(2026, 2, 20))),
            ("11 06:00", lambda: self.close_file("3", date(2026, 1, 15))),
            ("11 06:10", lambda: self.close_file("4", date(2026, 10, 14), FileKind.CONSTRUCTION)),
            ("18 09:00", lambda: self.archive_file("2")),
            ("20 06:00", lambda: self.close_file("5", date(2026, 9, 24), FileKind.CONSTRUCTION)),
            ("02 15:40", self.draft),
            ("03 16:10", lambda: self.draft(state=OutState.CANCELLED)),
            ("16 08:00", self.draft),
            ("16 15:00", lambda: self.draft(state=OutState.CANCELLED)),
            ("12 22:10", self.lose_axis),
            ("13 06:00", self.find_axis),
            ("14 10:00", self.lose_axis),
            ("14 10:05", self.announce_incident),
            ("14 11:00", self.find_axis),
            ("01 08:00", lambda: self.receive("reply", state=InState.ASSIGNED, **_REPLY_TERMS)),
            ("02 09:00", lambda: self.give("reply", None)),
            ("02 09:00", partial_state(self, "reply", InState.PROCESSING)),
            ("01 11:00", lambda: self.receive("first")),
            ("01 16:10", partial_state(self, "first", InState.DONE)),
            ("02 10:00", lambda: self.receive("held", state=InState.HELD)),
            ("03 15:00", partial_state(self, "held", InState.DONE)),
            ("04 09:00", self.sign),
            ("04 16:00", lambda: self.receive("friday")),
            ("05 20:00", lambda: self.receive("express", urgency=Urgency.EXPRESS)),
            ("05 20:12", partial_state(self, "express", InState.DONE)),
            ("07 08:00", self.ask_back),
            ("07 07:45", self.ask_end),
            ("07 08:20", partial_state(self, "friday", InState.DONE)),
            ("07 10:30", self.issue_all),
            ("08 10:00", lambda: self.sign(Urgency.URGENT)),
            ("08 10:20", self.issue_all),
            ("08 10:30", self.answer),
            ("08 11:00", self.want_reply),
            ("09 08:00", self.leave_status_unsent),
            ("09 09:00", lambda: self.receive("work", state=InState.ACCEPTED)),
            (
                "16 09:10",
                lambda: self.receive("urgent", state=InState.ACCEPTED, urgency=Urgency.VERY_URGENT),
            ),
            ("16 10:10", partial_state(self, "urgent", InState.DONE)),
            ("10 08:30", self.send_status),
            ("10 08:30", self.answer_request),
            ("10 09:00", lambda: self.give("work", date(2026, 12, 21))),
            ("10 09:00", partial_state(self, "work", InState.ASSIGNED)),
            ("11 15:00", processing),
            ("14 08:00", self.put_off),
            ("15 16:30", self.review),
            ("17 16:00", self.reply_comes),
            ("18 16:00", lambda: self.end_parts("reply")),
            ("25 09:00", lambda: self.end_parts("work")),
        ]


_REPLY_TERMS = {"reply_required": True, "due_on": date(2026, 12, 18)}


def partial_state(month: Month, name: str, state: InState) -> Callable[[], Awaitable[object]]:
    return lambda: month.become(name, state)


@pytest.fixture
def accounts(store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool) -> AccountServices:
    rules = AccountRules(idle=IdleRules(lock_new=timedelta(days=30)))
    return account_services(store, clock, pool, rules)


def moments(month: Month) -> list[datetime]:
    """Return when workers look: each half hour of the days, at each act, and a minute before and at each telling."""
    days = [date(2026, 12, 1) + timedelta(days=n) for n in range(39)]
    grid = [
        datetime.combine(day, time(hour, minute), VIETNAM)
        for day in days
        for hour in range(7, 18)
        for minute in (0, 30)
    ]
    steps = [at(moment) for *_, moment in REMINDERS]
    acts = [at(moment) for moment, _ in month.script()]
    end = at("01-08 10:00")
    return sorted({m for m in (*grid, *acts, *steps, *(m - timedelta(minutes=1) for m in steps)) if m <= end})


async def test_every_timer_is_told_at_its_minutes_to_its_people_once(
    office: TodoOffice,
    services: TodoServices,
    certificates: Certificates,
    accounts: AccountServices,
    server: MailServer,
) -> None:
    """T1 (issue), T1u (urgent issue), T2 (taking in), T10 (reply owed), T15 (unopened work), T18 (request),
    T20 (new account unused)."""
    month, pool = Month(office, accounts, certificates), ThreadPool(2)

    async def heads(agency_id: str) -> Sequence[str]:
        return [HEAD]

    async def admins(agency_id: str) -> Sequence[str]:
        return [ADMIN] if agency_id else [OPERATOR]

    async def units(agency_id: str) -> Mapping[str, UnitPeople]:
        key = next(part.key for part, _ in await _parts(office))
        return {key: UnitPeople(officers=(OFFICER,), heads=(UNIT_HEAD,))}

    async def person(id: str) -> Sequence[str]:
        return [PERSON]

    reminders = Reminders(
        services=services,
        mailer=mailer_to(server, office.clock, pool),
        digest_at=(time(8), time(14)),
        people={"z91.01": (CLERK,)},
        heads=heads,
        units=units,
        duties=DutySources(
            accounts=accounts,
            reports=month.reports,
            notices=office.store.notices.open,
            outages=month.outages,
        ),
        admins=admins,
        person=person,
    )
    script, digests = month.script(), []
    for moment in moments(month):
        office.clock.advance(moment - office.clock.now())
        for when, act in script:
            if at(when) == moment:
                await act()
        start = len(server.mails)
        await asyncio.gather(*(DigestMail(reminders).step() for _ in range(2)))
        digests += [
            moment for sent in server.mails[start:] if "Quyết định" in sent.text or "tạm giữ" in sent.text
        ]
    pool.close()

    events = await _load_reminders(office.store)
    steps = [(d["timer"], d["step"], d["to"], moment) for moment, d in events]
    expected = [(timer, step, to, at(moment)) for timer, step, to, moment in REMINDERS]
    missing, surplus = Counter(expected) - Counter(steps), Counter(steps) - Counter(expected)
    assert [_line(*step) for step in sorted(missing.elements())] == []
    assert [_line(*step) for step in sorted(surplus.elements())] == []
    assert {Timer(timer) for timer, *_ in REMINDERS} | _ELSEWHERE == set(Timer)
    assert digests == [at("03 14:00")]  # T4 (held documents), in the digest
    receivers = Counter(address for sent in server.mails for address in sent.to)
    assert receivers.keys() == set(_RECEIVERS.values())
    for kind, address in _RECEIVERS.items():
        assert receivers[address] >= sum(to == kind for _, _, to, _ in REMINDERS), kind
    print(*(_line(*step) for step in sorted(steps)), sep="\n")


def _line(timer: str, step: str, to: str, moment: datetime) -> str:
    return f"{timer:4} {step:6} {to:10} {local(moment):%d/%m %H:%M}"


async def _parts(office: TodoOffice) -> Sequence[tuple[UnitPart, IncomingDocument]]:
    async with office.store.read(NORTH) as work:
        return await work.parts.open_of(None, 9)


async def _load_reminders(store: SqlOfficeStore) -> list[tuple[datetime, Mapping[str, str]]]:
    """List the reminders to the agency's own people and the operators; the node hosts another agency too."""
    query = select(EventRow).where(
        col(EventRow.kind) == EventKind.TIMER_TOLD.value,
        col(EventRow.agency_id) != SOUTH.agency_id,
    )
    async with store.reading() as tx:
        return [(row.at, json.loads(row.data)) for row in await tx.rows(EventRow, query)]
