"""Reports by the calendar: once for each period, to each person what that person may see, also when a process dies."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial

import pytest

from gateway.domain.account import AgencyScope, ApiScope, PrincipalKind
from gateway.domain.event import Event, EventKind
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import NotFound
from gateway.pool import ThreadPool
from gateway.ports.mail import Mail, Mailer
from gateway.store import figures
from gateway.webhooks import NewWebhook
from gateway_office.book import report_files, scheduled
from gateway_office.book.scheduled import Sender
from gateway_office.domain.roles import NODE, PostRole
from gateway_office.policy import report_schedules as rules
from gateway_office.policy.report_schedules import PeriodKind, ReportSchedule, ScheduleWish
from gateway_office.services import AccountServices
from gateway_office.store.report_schedules import LEASE
from tests.office.support.node import COMMUNE, DEPARTMENT, OfficeTown
from tests.office.support.rows import hire, person_row, post_row
from tests.support.mail_server import MailServer, ReceivedMail, mailer_to, running

HEAD, OFFICER, LEAVER = "head@north.example", "officer@north.example", "leaver@north.example"
UNIT = "Phòng Tổng hợp"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An agency that has written a document in November, its people, and a mail server."""

    town: OfficeTown
    server: MailServer
    sender: Sender
    people: dict[str, str]

    async def add(self, **more: object) -> ReportSchedule:
        wish = ScheduleWish(report="outgoing", by="type", period=PeriodKind.MONTH, form="csv")
        people = (self.people[HEAD], self.people[OFFICER])
        wish = replace(wish, **{"people": people, **more})  # type: ignore[arg-type]
        scope = await self.town.scope(DEPARTMENT)
        wish, faults = await scheduled.complete(self.sender.inn, self.sender.accounts, scope.agency_id, wish)
        assert faults == []
        return await scheduled.add(self.sender.inn, scope, wish)

    async def schedule(self) -> ReportSchedule:
        (schedule,) = await scheduled.list_all(self.sender.inn, await self.town.scope(DEPARTMENT))
        return schedule

    def to(self, day: str, hour: str, year: int = 2026) -> None:
        moment = datetime.fromisoformat(f"{year}-{day}T{hour}").replace(tzinfo=VIETNAM)
        self.town.clock.advance(moment - self.town.clock.now())

    async def count(self) -> None:
        await self.town.number()
        while await figures.fold_next(self.town.node.store):
            pass

    def mailed(self) -> list[tuple[str, list[list[str]]]]:
        """Return each mail's receiver and the lines of its table."""
        return [(received.to[0], lines_of(received)) for received in self.server.mails]

    async def sent(self, schedule: ReportSchedule) -> list[Event]:
        events = await self.town.events(DEPARTMENT, schedule.id)
        return [event for event in events if event.kind is EventKind.MESSAGE_REPORT]


def lines_of(received: ReceivedMail) -> list[list[str]]:
    (file,) = received.message.iter_attachments()
    body = file.get_payload(decode=True)
    assert isinstance(body, bytes)
    return [*csv.reader(io.StringIO(body.decode("utf-8-sig")))]


def documents(lines: list[list[str]]) -> dict[str, str]:
    return {line[0]: line[1] for line in lines[1:]}


async def join(services: AccountServices, agency_id: str, email: str, role: PostRole, unit: str) -> str:
    """Add a person with a post in the agency."""
    now, id = services.clock.now(), services.clock.new_id("prn_")
    person = person_row(id, now, name=email.partition("@")[0], enrolled_at=now, email=email)
    await hire(services, person, post_row(id, role, now, agency_id=agency_id, unit=unit))
    return id


@pytest.fixture
async def desk(town: OfficeTown, pool: ThreadPool) -> AsyncIterator[Desk]:
    node = town.node
    agency = await town.agency(DEPARTMENT)
    people = {}
    for address, role, unit in (
        (HEAD, PostRole.HEAD, ""),
        (OFFICER, PostRole.OFFICER, UNIT),
        (LEAVER, PostRole.CLERK, ""),
    ):
        people[address] = await join(node.accounts, agency.id, address, role, unit)
    await town.send("15", COMMUNE)
    await town.carry()
    async with running(MailServer()) as server:
        sender = Sender(inn=node.inn, accounts=node.accounts, mailer=mailer_to(server, town.clock, pool))
        yield Desk(town=town, server=server, sender=sender, people=people)


async def test_a_report_is_sent_once_in_the_first_office_hour_to_each_person_what_it_may_see(
    desk: Desk,
) -> None:
    schedule = await desk.add(to_programs=True)
    await desk.count()
    sent_at = []
    for day, hour in (("11-30", "16:00"), ("12-01", "00:10"), ("12-01", "07:31"), ("12-01", "07:32")):
        desk.to(day, hour)
        if await desk.sender.send_due():
            sent_at.append((day, hour))

    assert sent_at == [("12-01", "07:31")]
    (head, agency_report), (officer, unit_report) = desk.mailed()
    assert (head, officer) == (HEAD, OFFICER)
    assert (documents(agency_report)["Công văn"], documents(agency_report)["Tổng cộng"]) == ("1", "1")
    assert documents(unit_report)["Tổng cộng"] == "0"
    message = desk.server.mails[0].message
    assert "từ 01/11/2026 đến 30/11/2026" in message["Subject"]
    assert "bao-cao-outgoing-2026-11-01-2026-11-30.csv" in str(message)
    (event,) = await desk.sent(schedule)
    assert (event.data["sent"], event.data["left_out"], event.data["total"]["documents"]) == (2, [], 1)
    assert [line["key"] for line in event.data["lines"]] == ["Công văn"]
    schedule = await desk.schedule()
    assert (schedule.due_on, schedule.sent_at, schedule.problem) == (date(2027, 1, 1), event.at, "")


async def test_a_report_waits_for_its_figures(desk: Desk) -> None:
    await desk.add()
    desk.to("12-01", "08:00")
    assert await desk.sender.send_due() == 0
    assert desk.mailed() == []

    await desk.count()
    assert await desk.sender.send_due() == 1


@dataclass
class Dying(BaseException):
    """The process ends."""


@dataclass(frozen=True, kw_only=True)
class DyingMailer:
    """Mailer of a process that dies at its n-th mail, before or after the server took it."""

    mailer: Mailer
    at: int
    is_after: bool
    sent: list[Mail]

    @property
    def is_on(self) -> bool:
        return True

    async def send(self, mail: Mail) -> None:
        self.sent.append(mail)
        if len(self.sent) < self.at or self.is_after:
            await self.mailer.send(mail)
        if len(self.sent) >= self.at:
            raise Dying


@pytest.mark.parametrize(
    ("at", "is_after", "repeats"), [(1, False, 0), (1, True, 1), (2, False, 0), (2, True, 1)]
)
async def test_another_process_goes_on_for_one_that_died_and_a_repeat_has_the_same_id(
    desk: Desk, at: int, is_after: bool, repeats: int
) -> None:
    schedule = await desk.add()
    await desk.count()
    desk.to("12-01", "08:00")
    dying = DyingMailer(mailer=desk.sender.mailer, at=at, is_after=is_after, sent=[])
    with pytest.raises(Dying):
        await replace(desk.sender, mailer=dying).send_due()
    assert await desk.sender.send_due() == 0  # its lease holds
    assert await desk.sent(schedule) == []

    desk.town.clock.advance(LEASE)
    assert await desk.sender.send_due() == 1

    ids = [(m.to[0], m.message["Message-ID"]) for m in desk.server.mails]
    assert len(ids) == 2 + repeats
    assert sorted(to for to, _ in {*ids}) == [HEAD, OFFICER]
    assert len(await desk.sent(schedule)) == 1


async def test_a_silent_mail_server_is_a_visible_problem_and_sending_is_repeated(desk: Desk) -> None:
    schedule = await desk.add()
    await desk.count()
    desk.to("12-01", "08:00")
    desk.server.refuses["MAIL"] = "451 later"
    assert await desk.sender.send_due() == 0
    failed = await desk.schedule()
    assert (failed.problem, failed.tries, failed.due_on) == ("mail_down", 1, schedule.due_on)

    desk.server.refuses.clear()
    assert await desk.sender.send_due() == 0  # it waits two minutes
    desk.town.clock.advance(timedelta(minutes=2))
    assert await desk.sender.send_due() == 1
    assert [to for to, _ in desk.mailed()] == [HEAD, OFFICER]
    assert (await desk.schedule()).problem == ""


async def test_whoever_may_not_read_it_any_more_or_has_no_address_is_left_out_with_the_reason(
    desk: Desk,
) -> None:
    schedule = await desk.add(people=(desk.people[LEAVER], desk.people[HEAD], desk.people[OFFICER]))
    agency = await desk.town.agency(DEPARTMENT)
    node = desk.town.node
    async with node.accounts.changing("operator") as (work, _):
        await work.posts.take(desk.people[LEAVER], agency.id, PostRole.CLERK)
        head = await work.people.get(desk.people[HEAD])
        await work.people.save(replace(head, email=None))
    await desk.count()
    desk.to("12-01", "08:00")
    assert await desk.sender.send_due() == 1

    assert [to for to, _ in desk.mailed()] == [OFFICER]
    (event,) = await desk.sent(schedule)
    assert {line["person"]: line["why"] for line in event.data["left_out"]} == {
        desk.people[LEAVER]: "no_right",
        desk.people[HEAD]: "no_address",
    }
    assert (await desk.schedule()).problem == "no_right"


async def test_periods_of_a_stop_are_sent_and_those_of_a_pause_are_not(desk: Desk) -> None:
    schedule = await desk.add(period=PeriodKind.DAY)
    scope = await desk.town.scope(DEPARTMENT)
    await desk.count()
    desk.to("11-25", "08:00")  # the twentieth is a Friday, the twenty-fourth is free
    while await desk.sender.send_due():
        pass
    assert len(await desk.sent(schedule)) == 5

    await scheduled.set_pause(desk.sender.inn, scope, schedule.id, is_paused=True)
    desk.to("12-02", "08:00")
    assert await desk.sender.send_due() == 0
    resumed = await scheduled.set_pause(desk.sender.inn, scope, schedule.id, is_paused=False)
    assert resumed.due_on == date(2026, 12, 3)
    await scheduled.remove(desk.sender.inn, scope, schedule.id)
    acts = [
        event.data["act"]
        for event in await desk.town.events(DEPARTMENT, schedule.id)
        if event.kind is EventKind.REPORT_SCHEDULED
    ]
    assert acts == ["made", "paused", "resumed", "removed"]


async def test_a_report_of_the_node_goes_to_its_operators_in_the_name_of_an_agency(desk: Desk) -> None:
    """It counts all agencies at and below a code, and its event is that agency's; the agency itself cannot touch it.
    R134 (aggregation)."""
    node, scope = desk.town.node, await desk.town.scope(DEPARTMENT)
    operator = await join(node.accounts, NODE, "operator@node.example", PostRole.OPERATOR, "")
    wish = {"report": "agencies", "by": "", "of_node": True, "to_programs": True}
    schedule = await desk.add(**wish, people=(operator,))
    await desk.add(**wish, people=(operator,), under=COMMUNE)
    await desk.count()
    desk.to("12-01", "08:00")
    assert await desk.sender.send_due() == 2

    (to, every), (_, below) = desk.mailed()
    assert to == "operator@node.example"
    names = {agency.code: agency.name for agency in await node.store.hosted()}
    assert documents(every)[f"{names[DEPARTMENT]} ({DEPARTMENT})"] == "1"
    assert [line[0] for line in below[1:-2]] == [f"{names[COMMUNE]} ({COMMUNE})"]
    assert "Toàn hệ thống" in desk.server.mails[0].message["Subject"]
    (event,) = await desk.sent(schedule)
    assert (event.data["report"], event.data["under"], event.data["total"]["documents"]) == (
        "agencies",
        "",
        1,
    )
    assert await scheduled.list_all(node.inn, scope) == []
    with pytest.raises(NotFound):
        await scheduled.remove(node.inn, scope, schedule.id)
    await scheduled.remove(node.inn, scope, schedule.id, of_node=True)
    assert [s.wish.under for _, s in await scheduled.list_of_node(node.inn)] == [COMMUNE]


async def test_a_head_gets_no_report_of_the_node(desk: Desk) -> None:
    scope = await desk.town.scope(DEPARTMENT)
    wish = ScheduleWish(
        report="agencies",
        by="",
        period=PeriodKind.MONTH,
        of_node=True,
        people=(desk.people[HEAD],),
    )
    complete = partial(scheduled.complete, desk.sender.inn, desk.sender.accounts, scope.agency_id)

    assert (await complete(wish))[1] == [("people", "unknown")]
    assert (await complete(replace(wish, people=(), to_programs=True, under="Z7")))[1] == [
        ("under", "unknown")
    ]
    assert (await complete(replace(wish, report="incoming")))[1] == [("report", "unknown")]
    assert (await complete(replace(wish, of_node=False)))[1] == [("report", "unknown")]


async def test_one_webhook_may_be_chosen_and_one_that_is_gone_is_a_visible_problem(desk: Desk) -> None:
    node, scope = desk.town.node, await desk.town.scope(DEPARTMENT)
    new = partial(NewWebhook, url="https://hooks.example/a")
    _, listening = await node.webhooks.add(scope, new(types=("message.report",)))
    _, deaf = await node.webhooks.add(scope, new(types=("inbox.*",)))
    wish = ScheduleWish(report="outgoing", by="type", period=PeriodKind.MONTH, webhook=deaf.id)
    _, faults = await scheduled.complete(node.inn, node.accounts, scope.agency_id, wish)
    assert faults == [("webhook", "unknown")]

    schedule = await desk.add(webhook=listening.id, people=())
    await desk.count()
    desk.to("12-01", "08:00")
    assert await desk.sender.send_due() == 1
    await node.webhooks.remove(scope, listening.id)
    desk.to("12-31", "23:00")
    await desk.count()
    desk.to("01-01", "08:00", year=2027)
    desk.to("01-04", "08:00", year=2027)
    assert await desk.sender.send_due() == 1

    events = await desk.sent(schedule)
    assert [event.data["webhook"] for event in events] == [listening.id] * 2
    assert (await desk.schedule()).problem == "no_webhook"


async def test_a_report_of_a_program_ends_with_the_right_of_its_keys(desk: Desk) -> None:
    """The key that made it is revoked; another key of the program may read agencies alone."""
    accounts, scope = desk.town.node.store.accounts, await desk.town.scope(DEPARTMENT)
    program = await accounts.principal_for(PrincipalKind.PROGRAM, "statistics", scope.agency_id)
    maker_key, other_key = [
        await accounts.add_key(
            secret_hash=str(n), principal=program, agency_ids=(scope.agency_id,), scopes=scopes
        )
        for n, scopes in enumerate(((ApiScope.INBOX_READ, ApiScope.MESSAGES_READ), (ApiScope.AGENCIES_READ,)))
    ]
    wish = ScheduleWish(
        report="outgoing", by="type", period=PeriodKind.MONTH, form="csv", people=(desk.people[HEAD],)
    )
    by_program = AgencyScope(agency_id=scope.agency_id, principal_id=program.id)
    await scheduled.add(desk.sender.inn, by_program, wish)
    desk.to("12-01", "08:00")
    await desk.count()
    assert await desk.sender.send_due() == 1
    assert len(desk.mailed()) == 1

    await accounts.revoke_key(maker_key.id)
    desk.to("01-04", "08:00", 2027)
    await desk.count()
    assert await desk.sender.send_due() == 0

    schedule = await desk.schedule()
    assert len(desk.mailed()) == 1
    assert (schedule.problem, schedule.paused_at is not None) == ("no_key", True)
    assert not other_key.has_ended(desk.town.clock.now())


async def test_an_unforeseen_error_ends_on_the_page_and_holds_up_no_other_report(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first schedule's file breaks its writer; the second one's goes out in the same turn."""
    await desk.add(form="xlsx", people=(desk.people[HEAD],))
    await desk.add(people=(desk.people[HEAD],))
    write = report_files.write

    async def breaking(pool: object, out: object, form: str, *more: object) -> None:
        if form == "xlsx":
            raise ZeroDivisionError
        await write(pool, out, form, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(report_files, "write", breaking)
    desk.to("12-01", "08:00")
    await desk.count()

    assert await desk.sender.send_due() == 1
    broken, good = await scheduled.list_all(desk.sender.inn, await desk.town.scope(DEPARTMENT))
    assert (broken.problem, broken.tries, broken.not_before is not None) == ("failed", 1, True)
    assert (good.problem, len(desk.mailed())) == ("", 1)


def test_a_wish_that_cannot_be_kept_is_refused_with_each_fault() -> None:
    wish = ScheduleWish(report="outgoing", by="type", period=PeriodKind.WEEK, people=("prn_a",))
    readers = ["prn_a"]

    def faults(**changed: object) -> list[str]:
        return [field for field, _ in rules.faults(replace(wish, **changed), readers)]  # type: ignore[arg-type]

    assert faults() == []
    assert faults(report="agencies") == faults(report="nothing") == ["report"]
    assert faults(by="reason") == faults(by="partner", unit=UNIT) == ["by"]
    assert faults(partner="Z91") == ["by"]
    # Two dimensions at once are kept by month.
    assert faults(partner="Z91", period=PeriodKind.MONTH) == []
    assert faults(by="partner", unit=UNIT, period=PeriodKind.QUARTER) == []
    assert faults(type_name="Công văn", urgency="khan", by="month") == ["urgency"]
    assert faults(urgency="soon", by="month") == ["urgency"]
    assert faults(webhook="whk_x") == ["webhook"]
    assert faults(partner="Z91", by="month") == []
    assert faults(partner="Z91", by="month", unit=UNIT) == ["partner"]
    assert faults(form="doc", people=()) == ["format", "people"]
    assert faults(people=("prn_b",)) == ["people"]


@pytest.mark.parametrize(
    ("kind", "day", "due_on", "since"),
    [
        (PeriodKind.DAY, date(2026, 12, 31), date(2027, 1, 1), date(2026, 12, 31)),
        (PeriodKind.WEEK, date(2026, 12, 31), date(2027, 1, 4), date(2026, 12, 28)),
        (PeriodKind.MONTH, date(2028, 2, 29), date(2028, 3, 1), date(2028, 2, 1)),
        (PeriodKind.QUARTER, date(2026, 11, 20), date(2027, 1, 1), date(2026, 10, 1)),
        (PeriodKind.QUARTER, date(2026, 4, 1), date(2026, 7, 1), date(2026, 4, 1)),
    ],
)
def test_a_period_is_due_on_the_day_behind_it(kind: PeriodKind, day: date, due_on: date, since: date) -> None:
    assert rules.next_due(kind, day) == due_on
    assert rules.period_before(kind, due_on) == (since, due_on - timedelta(days=1))
