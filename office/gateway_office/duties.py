"""Duties of administrators and operators that timers run on: an incident without a notice (T14), reports of reforms (T16),
accounts of leavers (T17), answers to requests about accounts (T18), new accounts that are not used (T20), the half-yearly
list of accounts without sign-in (T22), the yearly review (T23), the quarter's figures (T27). In: accounts and requests,
reforms, notices, axes, the calendar, the time. Out: tasks for their reminders; no list shows them, because a page of its
own does each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from gateway.domain.document import Urgency
from gateway.domain.event import EventKind
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.person import AccountStanding, Person
from gateway.domain.timer_table import TIMERS, UNUSED_TOLD_BEFORE, Timer
from gateway.domain.wall_clock import local, midnight
from gateway.errors import Clash
from gateway.policy import timers
from gateway.policy.reform_words import ReportDuty
from gateway_office.accounts.sessions import is_needed
from gateway_office.domain.account_request import AccountRequest, logins_to_end
from gateway_office.domain.notice import Notice, NoticeKind
from gateway_office.domain.roles import NODE, Post
from gateway_office.domain.task import Task, TaskKind
from gateway_office.domain.work_file import WorkFile
from gateway_office.policy.signing_in import IdleRules
from gateway_office.services import AccountServices
from gateway_office.store.accounts import AccountWork

_REVIEW_MONTH = 12
_UNUSED_AHEAD = timedelta(days=max(UNUSED_TOLD_BEFORE) + 1)
_NOTICE_WITHIN = timedelta(minutes=TIMERS[Timer.INCIDENT_NOTICE].amount)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySources:
    """Where duties are read: the accounts, the reports that are owed for reforms, the notices, and since when each axis
    carries nothing, by its name."""

    accounts: AccountServices
    reports: Callable[[], Awaitable[Sequence[ReportDuty]]]
    notices: Callable[[], Awaitable[Sequence[Notice]]]
    outages: Callable[[], Awaitable[Mapping[str, datetime]]]

    async def of_agencies(
        self, offices: Mapping[str, OfficeCalendar], now: datetime
    ) -> Mapping[str, Sequence[Task]]:
        """List the duties of the administrators of each agency, by the calendar of each; one read for all of them."""
        year, tasks = local(now).year, dict[str, Sequence[Task]]()
        async with self.accounts.accounts.read() as view:
            posts, people = await view.posts.all(), {p.id: p for p in await view.people.all()}
            requests = await view.requests.open()
            unused = _unused_accounts(posts, people, self.accounts.rules.idle, now)
            for agency_id, office in offices.items():
                ending = logins_to_end(request for request in requests if request.agency_id == agency_id)
                tasks[agency_id] = [
                    *_leaver_duties(office, posts, people, agency_id, now, ending),
                    *unused.get(agency_id, ()),
                ]
                if local(now).month == _REVIEW_MONTH and not await _is_reviewed(view, agency_id, year):
                    since = midnight(date(year, _REVIEW_MONTH, 1))
                    key = f"{agency_id}:{year}"
                    duty = make_duty(Timer.YEARLY_REVIEW, key, since, _end_of(office, since, 30))
                    tasks[agency_id] = [*tasks[agency_id], duty]
        return tasks

    async def of_node(self, office: OfficeCalendar, now: datetime) -> Sequence[Task]:
        """List the duties of the operators."""
        reports = [
            make_duty(
                Timer.ORGANISATION_CHANGE,
                duty.record.id,
                midnight(duty.record.reform.effective_on),
                timers.closing_time(office, duty.due_on),
                duty.record.reform.decision.number,
            )
            for duty in await self.reports()
        ]
        today = local(now).date()
        half = half_of(today)
        rules, people = self.accounts.rules.idle, dict[str, Person]()
        async with self.accounts.accounts.read() as view:
            posts = await view.posts.all() if rules.lock_new is not None else ()
            if posts:
                people = {p.id: p for p in await view.people.all()}
            requests = await view.requests.open()
            filed = {report.agency_id for report in await view.requests.reports_since(midnight(half))}
            codes = await view.agency_codes()
            figures_sent = await _are_figures_sent(view, first_of_quarter(today))
        half_day = midnight(half)
        lists = make_duty(Timer.HALF_YEARLY_LIST, half.isoformat(), half_day, _end_of(office, half_day, 180))
        return [
            *await self._incident_duties(now),
            *reports,
            *_unused_accounts(posts, people, rules, now).get(NODE, ()),
            *[_request_duty(office, request, codes) for request in requests],
            *((lists,) if codes.keys() - filed else ()),
            *([] if figures_sent else [_figures_duty(office, first_of_quarter(today))]),
        ]

    async def _incident_duties(self, now: datetime) -> Sequence[Task]:
        """List the axes that carry nothing, while no notice of an incident holds (T14)."""
        outages = await self.outages()
        notices = await self.notices() if outages else ()
        if any(notice.wish.kind is NoticeKind.INCIDENT and notice.holds(now) for notice in notices):
            return ()
        return [
            make_duty(
                Timer.INCIDENT_NOTICE, f"{name}:{since.isoformat()}", since, since + _NOTICE_WITHIN, name
            )
            for name, since in outages.items()
        ]


def half_of(day: date) -> date:
    """Return the first day of the day's half year."""
    return date(day.year, 1 if day.month < 7 else 7, 1)


def request_due(office: OfficeCalendar, request: AccountRequest) -> datetime:
    """Return until when the operator answers a request: T18 (three working days)."""
    return _working_days_after(office, local(request.made_at).date(), TIMERS[Timer.ACCOUNT_REQUEST].amount)


def _request_duty(office: OfficeCalendar, request: AccountRequest, codes: Mapping[str, str]) -> Task:
    title = f"{codes.get(request.agency_id, '')} {request.number}".strip()
    return make_duty(Timer.ACCOUNT_REQUEST, request.id, request.made_at, request_due(office, request), title)


def _working_days_after(office: OfficeCalendar, day: date, days: int) -> datetime:
    for _ in range(days):
        day = timers.next_working_day(office, day)
    return timers.closing_time(office, day)


def first_of_quarter(day: date) -> date:
    return date(day.year, 3 * ((day.month - 1) // 3) + 1, 1)


def _figures_duty(office: OfficeCalendar, quarter: date) -> Task:
    """Return the duty of the figures that are due in the quarter of this first day, those of the quarter before (T27)."""
    due_at = _working_days_after(office, quarter - timedelta(days=1), TIMERS[Timer.QUARTERLY_FIGURES].amount)
    return make_duty(Timer.QUARTERLY_FIGURES, quarter.isoformat(), midnight(quarter), due_at)


def file_duties(office: OfficeCalendar, files: Iterable[WorkFile]) -> Iterator[Task]:
    """List closed files with the day on which each has to be in the archive, as its owner's (T24)."""
    for file in files:
        if file.closed_on is None or file.due_on is None:
            continue
        since, due_at = midnight(file.closed_on), timers.closing_time(office, file.due_on)
        yield make_duty(Timer.ARCHIVE_FILES, f"{file.id}:{file.due_on}", since, due_at, file.code, file.owner)


async def are_figures_sent(accounts: AccountServices, quarter: date) -> bool:
    """Tell whether an operator noted that the figures due in this quarter were sent."""
    async with accounts.accounts.read() as view:
        return await _are_figures_sent(view, quarter)


async def note_figures_sent(accounts: AccountServices, by: str, quarter: date) -> None:
    """Record that the figures due in this quarter were sent. Clash when that was noted before."""
    async with accounts.changing(by) as (work, now):
        if await _are_figures_sent(work, quarter):
            raise Clash(f"the figures due in the quarter of {quarter} were noted as sent before")
        await work.events.append(EventKind.FIGURES_SENT, _figures_subject(quarter), now)


async def _are_figures_sent(view: AccountWork, quarter: date) -> bool:
    events = await view.events.of_subject(_figures_subject(quarter))
    return any(event.kind is EventKind.FIGURES_SENT for event in events)


def _figures_subject(quarter: date) -> str:
    return f"figures:{quarter.isoformat()}"


def make_duty(
    timer: Timer, key: str, since: datetime, due_at: datetime, title: str = "", person_id: str | None = None
) -> Task:
    return Task(
        id=f"{TaskKind.DUTY}:{timer}:{key}",
        kind=TaskKind.DUTY,
        subject_id=f"{timer}:{key}",
        document="",
        title=title,
        counterpart="",
        counterpart_name="",
        urgency=Urgency.NORMAL,
        since=since,
        due_at=due_at,
        is_late=False,
        wall_clock=True,
        timer=timer.value,
        person_id=person_id,
    )


async def _is_reviewed(view: AccountWork, agency_id: str, year: int) -> bool:
    events = await view.events.of_subject(f"accounts:{agency_id}")
    # The list that was handed in about the half year before is no review of December.
    since = midnight(date(year, _REVIEW_MONTH, 1))
    return any(e.kind is EventKind.ACCOUNT_REVIEWED and e.at >= since for e in events)


def _leaver_duties(
    office: OfficeCalendar,
    posts: Sequence[Post],
    people: Mapping[str, Person],
    agency_id: str,
    now: datetime,
    ending: Collection[str],
) -> Iterator[Task]:
    """List leavers whose accounts are not withdrawn, and whose end was not asked for (T17)."""
    for id, left_at in _leavers(posts, agency_id, now).items():
        if id not in people or people[id].login in ending:
            continue
        if people[id].standing is not AccountStanding.WITHDRAWN:
            due_at = _end_of(office, left_at, TIMERS[Timer.LEAVERS_ACCOUNT].amount)
            yield make_duty(Timer.LEAVERS_ACCOUNT, id, left_at, due_at, people[id].name)


def _unused_accounts(
    posts: Sequence[Post], people: Mapping[str, Person], rules: IdleRules, now: datetime
) -> Mapping[str, Sequence[Task]]:
    """List by agency the new accounts without any sign-in, with the moment at which they are locked (T20). One that its
    agency needs is never locked."""
    tasks: dict[str, list[Task]] = {}
    if rules.lock_new is None:
        return tasks
    current, agencies = [post for post in posts if post.holds(now)], dict[str, set[str]]()
    for post in current:
        agencies.setdefault(post.person_id, set()).add(post.agency_id)
    for id, agency_ids in agencies.items():
        person, due_at = people[id], people[id].added_at + rules.lock_new
        is_open = person.standing is AccountStanding.ACTIVE and person.blocked_at is None
        if person.last_login_at is not None or not is_open or not due_at - _UNUSED_AHEAD <= now <= due_at:
            continue
        if not is_needed(person, current, people):
            for agency_id in sorted(agency_ids):
                duty = make_duty(
                    Timer.UNUSED_ACCOUNT, person.id, person.added_at, due_at, person.name, person.id
                )
                tasks.setdefault(agency_id, []).append(duty)
    return tasks


def _leavers(posts: Sequence[Post], agency_id: str, now: datetime) -> dict[str, datetime]:
    """Return when each person left whose last post was one of the agency and has ended."""
    last: dict[str, Post] = {}
    for post in posts:
        latest = last.get(post.person_id)
        if latest is None or _end(post) > _end(latest):
            last[post.person_id] = post
    return {
        person_id: _end(post)
        for person_id, post in last.items()
        if post.agency_id == agency_id and _end(post) <= now
    }


def _end(post: Post) -> datetime:
    return post.until if post.until is not None else datetime.max.replace(tzinfo=UTC)


def _end_of(office: OfficeCalendar, since: datetime, days: int) -> datetime:
    """Return the close of the office on the day so many days later."""
    return timers.closing_time(office, local(since).date() + timedelta(days=days))
