"""Reminders through a real mail server: when they speak, how often, to whom, and what they leave out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from gateway.domain.account import HostedAgency
from gateway.domain.document import InState, OutState, Urgency
from gateway.domain.wall_clock import VIETNAM
from gateway.pool import ThreadPool
from gateway.ports.mail import Mail, Mailer
from gateway.settings.options import MailSettings
from gateway.transport import mail
from gateway.transport.mail import SmtpMailer
from gateway_office.accounts import admin, requests
from gateway_office.accounts.admin import NewAccount
from gateway_office.accounts.posts import WantedPost
from gateway_office.accounts.requests import Answer, Decision, RequestDraft
from gateway_office.domain.account_request import RequestContact, RequestForm, RequestLine
from gateway_office.domain.roles import PostRole
from gateway_office.domain.task import RecallAsk
from gateway_office.domain.work_file import FileKind
from gateway_office.duties import DutySources
from gateway_office.letters import work_files
from gateway_office.letters.work_files import FileDraft
from gateway_office.mail import DigestMail
from gateway_office.notices import Reminders
from gateway_office.policy.reminders import UnitPeople
from gateway_office.services import AccountServices, TodoServices
from gateway_office.store.store import SqlOfficeStore
from tests.office.support.accounts import MACHINE
from tests.office.support.rows import account_services
from tests.office.unit.todo.conftest import TodoOffice, at
from tests.support.clock import ManualClock
from tests.support.mail_server import MailServer, mailer_to
from tests.support.mail_server import server as server
from tests.support.stores import NORTH, draft, outgoing

OURS = "van.thu@north.example"
OFFICER, UNIT_HEAD, HEAD = "officer@north.example", "unit@north.example", "head@north.example"


@pytest.fixture
def reminders(services: TodoServices, server: MailServer, clock: ManualClock, pool: ThreadPool) -> Reminders:
    people = {"z91.01": (OURS,), "z91.77": ("somebody@elsewhere.example",)}
    return Reminders(
        services=services,
        mailer=mailer_to(server, clock, pool),
        digest_at=(time(8), time(14)),
        people=people,
        heads=nobody,
        units=nobodys,
    )


async def nobody(agency_id: str) -> Sequence[str]:
    return ()


async def nobodys(agency_id: str) -> Mapping[str, UnitPeople]:
    return {}


async def heads(agency_id: str) -> Sequence[str]:
    return [HEAD] if agency_id == NORTH.agency_id else []


@dataclass(frozen=True, kw_only=True)
class Post:
    """The office with its mail server, and what is sent at which hour."""

    office: TodoOffice
    server: MailServer
    reminders: Reminders

    async def look(self, *moments: str, **changed: Any) -> None:
        """Run the step of a worker that has just started, at each of these hours or now."""
        reminders = replace(self.reminders, **changed)
        for moment in moments or (None,):
            if moment is not None:
                self.office.to(moment)
            await DigestMail(reminders).step()

    async def mails(self, words: str, *moments: str, **changed: Any) -> list[tuple[str, str]]:
        """Return the moments and recipients of letters with these words in their subject."""
        sent: list[tuple[str, str]] = []
        for moment in moments:
            sent_before = len(self.server.mails)
            await self.look(moment, **changed)
            letters = [m for m in self.server.mails[sent_before:] if words in str(m.message["Subject"])]
            sent += [(moment, letter.to[0]) for letter in letters]
        return sent

    def subjects(self) -> list[str]:
        return [str(mail.message["Subject"]) for mail in self.server.mails]


@pytest.fixture
def post(office: TodoOffice, server: MailServer, reminders: Reminders) -> Post:
    return Post(office=office, server=server, reminders=reminders)


async def test_a_digest_goes_out_at_its_hours_once_to_our_own_people_alone(post: Post) -> None:
    post.office.to("20 09:00")
    arrived = await post.office.receive(sender_name="South")
    await post.look("20 09:01", "20 14:00", "20 14:01", "20 16:59")

    mail, today = post.server.mails
    assert today.message["Subject"] == "[Liên thông văn bản] 1 văn bản đến trong ngày chưa tiếp nhận"  # T3
    assert mail.to == [OURS]
    assert mail.message["Subject"] == "[Liên thông văn bản] 1 việc cần xử lý, 1 việc quá hạn"
    assert "- Cần tiếp nhận ngay: 7/SNN – South (Z91.02); quá hạn từ 11:00 20/11/2026" in mail.text
    assert arrived.subject not in mail.text
    assert mail.message["Auto-Submitted"] == "auto-generated"


async def test_nothing_is_said_at_night_on_weekends_and_about_nothing(post: Post) -> None:
    await post.look()  # Friday 08:00, with nothing to do
    await post.office.receive()
    await post.look("20 12:00", "20 17:30", "20 23:00", "21 08:00", "22 14:00", "23 07:59")
    assert post.server.mails == []

    await post.look("23 08:00")
    assert len(post.server.mails) == 1


async def test_all_late_documents_of_one_sender_are_one_letter(post: Post) -> None:
    await post.look()
    for number in range(1, 41):
        await post.office.receive(number=str(number), sender_name="South")
    await post.office.receive(sender_code="Z91.03", sender_name="West")
    await post.look("20 10:01", "20 10:02", "20 11:00")

    assert sorted(post.subjects()) == [
        "[Liên thông văn bản] Quá hạn tiếp nhận 1 văn bản của West (Z91.03)",
        "[Liên thông văn bản] Quá hạn tiếp nhận 40 văn bản của South (Z91.02)",
    ]
    (south,) = [mail for mail in post.server.mails if "South" in str(mail.message["Subject"])]
    assert south.text.count("\n- ") == 40


async def test_an_express_letter_speaks_at_night_again_and_again_but_not_for_ever(post: Post) -> None:
    post.office.to("21 23:00")
    await post.office.receive(urgency=Urgency.EXPRESS, sender_name="South")
    await post.office.receive(urgency=Urgency.VERY_URGENT, sender_code="Z91.03")
    counts = []
    for _ in range(90):
        await post.look()
        counts.append(len(post.server.mails))
        post.office.clock.advance(60)

    assert counts[0:11:5] == [1, 2, 3]
    assert counts[4] == 1
    assert counts[-1] == 6
    assert set(post.subjects()) == {"[Liên thông văn bản] KHẨN: 1 văn bản của South (Z91.02) chờ tiếp nhận"}
    assert len({mail.message["Message-ID"] for mail in post.server.mails}) == 6


async def test_an_urgent_letter_of_the_night_is_told_when_the_office_opens(post: Post) -> None:
    post.office.to("22 23:00")
    await post.office.receive(urgency=Urgency.URGENT, sender_name="South")
    await post.look("23 07:29", "23 07:30", "23 07:31")

    assert len(post.server.mails) == 1


@dataclass(frozen=True, kw_only=True)
class KilledMailer:
    """Mailer of a process that is killed at its first mail, before the server has it or after."""

    mailer: Mailer
    sends: bool
    is_on: bool = True

    async def send(self, mail: Mail) -> None:
        if self.sends:
            await self.mailer.send(mail)
        raise asyncio.CancelledError


@pytest.mark.parametrize("sends", [False, True], ids=["before", "after"])
async def test_a_reminder_of_a_killed_process_is_sent_after_its_lease_under_the_same_id(
    post: Post, sends: bool
) -> None:
    """A task that came meanwhile has a mail of its own: a reader who drops a mail of a known id still learns of it."""
    post.office.to("20 08:00")
    await post.office.receive(number="7")
    await post.look("20 08:01")  # the digest
    post.office.to("20 09:00")  # T2: an hour before its end
    killed = KilledMailer(mailer=post.reminders.mailer, sends=sends)
    with pytest.raises(asyncio.CancelledError):
        await post.look(mailer=killed)
    sent_before = len(post.server.mails)
    await post.look("20 09:00", "20 09:04")
    assert len(post.server.mails) == sent_before

    await post.look("20 09:05", "20 09:06", "20 09:30")
    repeated = post.server.mails[sent_before:]
    assert len(repeated) == 1
    assert "7/SNN" in repeated[0].text
    if sends:
        assert repeated[0].message["Message-ID"] == post.server.mails[sent_before - 1].message["Message-ID"]
    assert await post.office.list_reminders() == [("t2", "60")]


async def test_a_task_that_came_while_a_reminder_was_lost_is_told_in_a_mail_of_its_own(post: Post) -> None:
    await post.look()
    await post.office.receive(number="7")
    post.office.to("20 09:00")
    with pytest.raises(asyncio.CancelledError):
        await post.look(mailer=KilledMailer(mailer=post.reminders.mailer, sends=True))
    lost = post.server.mails[-1]
    await post.office.receive(number="8", arrived_at=at("20 08:05"))

    sent_before = len(post.server.mails)
    await post.look("20 09:05")
    old, new = sorted(post.server.mails[sent_before:], key=lambda mail: "8/SNN" in mail.text)
    assert old.message["Message-ID"] == lost.message["Message-ID"] != new.message["Message-ID"]
    assert ("7/SNN" in old.text, "8/SNN" in old.text) == (True, False)
    assert ("7/SNN" in new.text, "8/SNN" in new.text) == (False, True)


async def test_a_server_that_says_later_gets_the_letter_at_the_next_look(post: Post) -> None:
    await post.office.receive(urgency=Urgency.EXPRESS)
    post.server.refuses["MAIL"] = "451 later"
    await post.look()
    assert post.server.mails == []

    post.server.refuses.clear()
    await post.look()
    assert len(post.server.mails) == 2  # the alert and the digest of eight o'clock


async def test_a_server_that_says_never_is_not_asked_again_for_the_same(post: Post) -> None:
    post.office.to("21 23:00")
    await post.office.receive(urgency=Urgency.EXPRESS)
    post.server.refused_addresses.add(OURS)
    await post.look()
    post.server.refused_addresses.clear()
    await post.look()
    assert post.server.mails == []

    post.office.clock.advance(300)
    await post.look()
    assert len(post.server.mails) == 1


async def test_two_processes_that_look_at_once_send_one_letter(post: Post) -> None:
    post.office.to("21 23:00")
    await post.office.receive(urgency=Urgency.EXPRESS)

    await asyncio.gather(*(post.look() for _ in range(4)))

    assert len(post.server.mails) == 1


async def test_a_name_cannot_begin_a_header_or_a_line(post: Post) -> None:
    post.office.to("21 23:00")
    name = "South\r\nBcc: spy@elsewhere.example\n\n- All is well"
    await post.office.receive(urgency=Urgency.EXPRESS, sender_name=name, number="7\r\n.\r\n")
    await post.look()

    (mail,) = post.server.mails
    assert mail.to == [OURS]
    assert mail.message["Bcc"] is None
    assert "\n- All is well" not in mail.text


async def test_only_hosted_agencies_have_people_and_none_that_left(post: Post) -> None:
    north = HostedAgency(id="a", code="Z91.01", name="North", email="north@north.example")

    assert post.reminders.addresses(north) == ("north@north.example", OURS)
    assert post.reminders.addresses(replace(north, code="Z91.05", email=None)) == ()
    assert post.reminders.addresses(replace(north, left_at=at("20 08:00"))) == ()


async def test_without_a_server_nothing_is_looked_at(post: Post, pool: ThreadPool) -> None:
    await post.office.receive(urgency=Urgency.EXPRESS)
    no_server = MailSettings(host="", port=25, security=mail.NONE, sender="")
    silent = replace(post.reminders, mailer=SmtpMailer(no_server, post.office.clock, pool))

    digest = DigestMail(silent)
    assert not digest.is_due(post.office.clock.now())
    assert await digest.step() is False
    await post.look()
    assert len(post.server.mails) == 2


async def test_a_worker_looks_once_a_minute(post: Post) -> None:
    digest = DigestMail(post.reminders)
    await digest.step()
    await post.office.receive(urgency=Urgency.EXPRESS)
    post.office.clock.advance(timedelta(seconds=59))
    assert not digest.is_due(post.office.clock.now())
    await digest.step()
    assert post.server.mails == []

    post.office.clock.advance(1)
    assert digest.is_due(post.office.clock.now())
    await digest.step()
    assert len(post.server.mails) == 1


async def test_a_recall_that_waits_is_told_to_the_heads_once_and_not_what_it_is_about(post: Post) -> None:
    post.office.to("20 09:00")
    document = outgoing(post.office.clock)
    ask = RecallAsk(
        id="rca_1",
        document_id=document.id,
        reason="Sent to the wrong agency.",
        notice_no="7/TB",
        take_back=False,
        recipients=("Z91.02",),
        asked_by="prn_clerk",
        asked_at=post.office.clock.now(),
    )
    async with post.office.change() as work:
        await work.outgoing.add(document)
        await work.office.recalls.add(ask)
    letters = await post.mails("phê duyệt", "20 09:01", "20 09:02", heads=heads)

    assert letters == [("20 09:01", HEAD)]
    first = post.server.mails[0]
    assert document.draft.code in first.text
    assert document.draft.subject not in first.text
    assert ask.reason not in first.text


async def test_a_unit_is_told_step_by_step_its_head_when_it_is_late_and_the_heads_two_days_later(
    post: Post,
) -> None:
    """T7: each step once, also when it is looked at again; the 24th is free, and what it is about goes by no mail."""
    post.office.to("20 09:00")
    document = await post.office.receive(state=InState.PROCESSING)
    part = await post.office.give(document.id, deadline=date(2026, 11, 25))

    async def units(agency_id: str) -> Mapping[str, UnitPeople]:
        return {part.key: UnitPeople(officers=(OFFICER,), heads=(UNIT_HEAD,))}

    moments = ("20 09:01", "20 16:00", "23 09:00", "24 09:00", "25 09:00", "25 18:00", "26 08:30", "30 08:30")
    twice = [moment for moment in moments for _ in range(2)]
    letters = await post.mails("đơn vị đang xử lý", *twice, heads=heads, units=units)

    assert letters == [
        ("20 09:01", OFFICER),
        ("23 09:00", OFFICER),
        ("25 09:00", OFFICER),
        ("26 08:30", UNIT_HEAD),
        ("30 08:30", HEAD),
    ]
    assert all(document.subject not in mail.text for mail in post.server.mails)


async def test_a_draft_is_told_to_its_author_by_its_number_or_hour_and_never_by_its_subject(
    post: Post,
) -> None:
    """T8. R47 (cut-off)."""
    drafts = [
        draft(signed_at=None),
        draft(signed_at=None, number="", symbol=""),
        draft(subject="Đã ký", signed_at=at("20 14:20")),
    ]
    for content, moment in zip(drafts, ("20 14:00", "20 14:10", "20 14:20"), strict=True):
        post.office.to(moment)
        async with post.office.change() as work:
            await work.outgoing.add(outgoing(post.office.clock, state=OutState.DRAFT, draft=content))

    async def person(id: str) -> Sequence[str]:
        return [f"{id}@north.example"]

    letters = await post.mails("Trình dự thảo", "20 15:29", "20 15:30", "20 15:31", person=person)

    assert letters == [("20 15:30", f"{NORTH.principal_id}@north.example")]
    (mail,) = [mail for mail in post.server.mails if "Trình dự thảo" in str(mail.message["Subject"])]
    lines = [line for line in mail.text.splitlines() if line.startswith("- ")]
    assert lines == [
        f"- Trình dự thảo cho lãnh đạo: {drafts[0].code}; hạn 16:00 20/11/2026",
        "- Trình dự thảo cho lãnh đạo: dự thảo soạn từ 14:10 20/11/2026; hạn 16:00 20/11/2026",
    ]
    assert all(content.subject not in mail.text for content in drafts)


async def test_a_file_of_records_is_told_to_its_keeper_after_ten_eleven_and_twelve_months(post: Post) -> None:
    """T24 (a closed file goes to the archive): from the row that was opened for the year's list."""
    services, clock = post.office.services, post.office.clock
    plan = FileDraft(notation="01.TH", title="Vụ mùa", kind=FileKind.USUAL)
    file = await work_files.open_file(services, NORTH, 2026, plan, everybodys=False)
    closed_on = date(2026, 11, 15)
    assert await work_files.close_file(
        services, NORTH, file.code, file.title, file.kind, closed_on, everybodys=False
    )

    async def person(id: str) -> Sequence[str]:
        return [f"{id}@north.example"]

    days = []
    for month, last in ((8, 31), (9, 17), (10, 19), (11, 17)):
        for day in range(last - 6, last + 1):
            morning = datetime(2027, month, day, 8, tzinfo=VIETNAM)
            clock.advance(morning - clock.now())
            sent_before = len(post.server.mails)
            await post.look(person=person)
            letters = [mail for mail in post.server.mails[sent_before:] if file.code in mail.text]
            days += [(morning.date(), letter.to[0]) for letter in letters]

    # Thirty days before its end, a Saturday, are said on Monday.
    days_due = [date(2027, 9, 15), date(2027, 10, 15), date(2027, 10, 18), date(2027, 11, 15)]
    assert days == [(day, f"{NORTH.principal_id}@north.example") for day in days_due]


async def test_a_document_without_a_number_is_not_told_by_its_subject(post: Post) -> None:
    await post.office.receive(number="", symbol="", urgency=Urgency.EXPRESS)
    await post.look()

    assert post.server.mails
    assert all("văn bản đến không ghi số – " in sent.text for sent in post.server.mails)


async def test_a_lost_axis_is_told_to_operators_by_name_also_at_night(post: Post, pool: ThreadPool) -> None:
    """T14."""
    post.office.to("21 23:00")

    async def lost() -> Mapping[str, datetime]:
        return {"truc-tinh": at("21 23:00")}

    async def operators(agency_id: str) -> Sequence[str]:
        return [] if agency_id else [HEAD]

    accounts = account_services(post.office.store, post.office.clock, pool)
    duties = DutySources(accounts=accounts, reports=nothing, notices=nothing, outages=lost)
    moments = ("21 23:14", "21 23:15", "21 23:16")
    letters = await post.mails("Thông báo sự cố", *moments, duties=duties, admins=operators)

    assert letters == [("21 23:15", HEAD)]
    assert "mất kết nối với trục truc-tinh từ 23:00 21/11/2026; hạn 23:15" in post.server.mails[-1].text


async def test_what_came_today_and_is_not_taken_in_is_told_at_four(post: Post) -> None:
    """T3."""
    post.office.to("20 15:30")
    await post.office.receive()
    sent = await post.mails("đến trong ngày chưa tiếp nhận", "20 15:59", "20 16:01", "20 16:30", "23 07:45")

    assert [moment for moment, _ in sent] == ["20 16:01"]


async def test_what_was_given_to_nobody_is_told_at_four_and_to_the_heads_the_next_morning(post: Post) -> None:
    """T5."""
    post.office.to("20 09:00")
    await post.office.receive(state=InState.ACCEPTED)

    moments = ("20 15:59", "20 16:01", "20 16:30", "23 08:30", "23 09:30")
    letters = await post.mails("chờ trình, phân công", *moments, heads=heads)

    assert letters[0][0] == "20 16:01"
    assert letters[0][1] != HEAD
    assert letters[1:] == [("23 08:30", HEAD)]


async def nothing() -> Sequence[Any]:
    return ()


async def none_lost() -> Mapping[str, datetime]:
    return {}


async def admins(agency_id: str) -> Sequence[str]:
    return ["admin@north.example"] if agency_id == NORTH.agency_id else []


def duties_of(accounts: AccountServices) -> DutySources:
    return DutySources(accounts=accounts, reports=nothing, notices=nothing, outages=none_lost)


async def answered(accounts: AccountServices, made_by: str, email: str = "") -> None:
    """Record a request about two new accounts, and answer it: one is made, the other refused."""
    lines = (
        RequestLine(name="Nguyễn Thị Mới", role="clerk"),
        RequestLine(name="Trần Văn Thừa", role="clerk"),
    )
    contact = RequestContact(name="Lê Thị Nhận", email=email)
    draft = RequestDraft(form=RequestForm.NEW, number="12/SMT-VP", lines=lines, contact=contact)
    async with accounts.changing(made_by) as (work, now):
        request = await requests.record(accounts, work, made_by, NORTH.agency_id, draft, now)
    decisions = (Decision(is_done=True, login="moi"), Decision(is_done=False, refusal="Không có tên."))
    answer = Answer(words="Đã thực hiện một phần.", decisions=decisions)
    await requests.answer(accounts, MACHINE, request.id, answer)


@pytest.mark.parametrize(
    ("made_by", "email", "to"),
    [
        ("person", "nhan@north.example", "nhan@north.example"),
        ("person", "", "maker@north.example"),
        ("program", "", "admin@north.example"),
    ],
)
async def test_the_answer_to_a_request_about_accounts_is_told_once(
    post: Post, store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool, made_by: str, email: str, to: str
) -> None:
    """To the contact that it names, else to the person who made it, else to the administrators; at any hour, also when two
    processes look. Neither a code nor a link goes by mail."""
    accounts = account_services(store, clock, pool)

    async def person(id: str) -> Sequence[str]:
        return ["maker@north.example"] if id == "person" else []

    sources = {"duties": duties_of(accounts), "admins": admins, "person": person}
    post.office.to("20 22:00")
    await answered(accounts, made_by, email)
    await asyncio.gather(*(post.look(**sources) for _ in range(2)))
    await post.look("20 22:02", **sources)

    (mail,) = [m for m in post.server.mails if "đề nghị về tài khoản" in str(m.message["Subject"])]
    assert mail.to == [to]
    assert "số 12/SMT-VP, đã được trả lời: Thực hiện một phần." in mail.text
    assert "Nguyễn Thị Mới – moi: Đã thực hiện" in mail.text
    assert "Trần Văn Thừa: Từ chối: Không có tên." in mail.text
    assert "Đã thực hiện một phần." in mail.text
    assert "lien-ket" not in mail.text


@pytest.mark.parametrize("sends", [False, True], ids=["before", "after"])
async def test_an_answer_of_a_killed_process_is_told_after_its_lease_under_the_same_id(
    post: Post, store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool, sends: bool
) -> None:
    accounts = account_services(store, clock, pool)
    sources = {"duties": duties_of(accounts)}
    post.office.to("20 22:00")
    await answered(accounts, "program", "nhan@north.example")
    with pytest.raises(asyncio.CancelledError):
        await post.look(mailer=KilledMailer(mailer=post.reminders.mailer, sends=sends), **sources)
    await post.look("20 22:04", **sources)
    assert len(post.server.mails) == sends

    await post.look("20 22:05", "20 22:06", **sources)
    assert len(post.server.mails) == 1 + sends
    assert len({mail.message["Message-ID"] for mail in post.server.mails}) == 1


async def test_changed_rights_are_told_once_to_the_administrators_and_to_the_person(
    post: Post, store: SqlOfficeStore, clock: ManualClock, pool: ThreadPool
) -> None:
    """At any hour, and to each address once, also when two processes look."""
    accounts = account_services(store, clock, pool)
    duties = duties_of(accounts)
    post.office.to("20 22:00")
    wanted_post = WantedPost(role=PostRole.CLERK, agency_id=NORTH.agency_id)
    account = NewAccount(login="clerk", name="A. Clerk", email="clerk@north.example", posts=(wanted_post,))
    await admin.add(accounts, MACHINE, account)
    await asyncio.gather(*(post.look(duties=duties, admins=admins) for _ in range(2)))
    await post.look("20 22:02", duties=duties, admins=admins)

    assert sorted(mail.to[0] for mail in post.server.mails) == ["admin@north.example", "clerk@north.example"]
    assert set(post.subjects()) == {"[Liên thông văn bản] Thay đổi quyền sử dụng: 1"}
    line = "22:00 20/11/2026: Hệ thống giao cho A. Clerk vai trò văn thư"
    assert all(line in mail.text for mail in post.server.mails)
