"""Duties of administrators and operators that timers run on: accounts of leavers (T17), answers to requests about accounts
(T18), the yearly review (T23), reports of reforms (T16), the half-yearly list of accounts without sign-in (T22), the
quarter's figures (T27). In: accounts and requests, reforms, the calendar, the time. Out: tasks for their reminders; no list
shows them, because a page of its own does each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from gateway.domain.document import Urgency
from gateway.domain.event import EventKind
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.person import AccountStanding
from gateway.domain.timer_table import TIMERS, Timer
from gateway.domain.wall_clock import local, midnight
from gateway.office.domain.account_request import AccountRequest
from gateway.office.domain.roles import Post
from gateway.office.domain.task import Task, TaskKind
from gateway.office.policy.account_forms import leavers_asked
from gateway.office.services import AccountServices
from gateway.office.store.accounts import AccountWork
from gateway.policy import timers
from gateway.policy.reform_words import ReportDuty

_CLOSES = time(17)
_REVIEW_MONTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DutySources:
    """Where duties are read: the accounts, and the reports that are owed for reforms."""

    accounts: AccountServices
    reports: Callable[[], Awaitable[Sequence[ReportDuty]]]

    async def of_agencies(self, agency_ids: Sequence[str], now: datetime) -> Mapping[str, Sequence[Task]]:
        """List the duties of the administrators of each agency; one read for all of them."""
        async with self.accounts.accounts.read() as view:
            posts = await view.posts.all()
            people = await view.people.all()
            requests = await view.requests.open()
            year, tasks = local(now).year, {}
            for agency_id in agency_ids:
                asked = leavers_asked(r for r in requests if r.agency_id == agency_id)
                names = {
                    p.id: p.name
                    for p in people
                    if p.standing is not AccountStanding.WITHDRAWN and p.login not in asked
                }
                tasks[agency_id] = [
                    make_duty(Timer.T17, id, left_at, _end_of(left_at, TIMERS[Timer.T17].amount), names[id])
                    for id, left_at in _leavers(posts, agency_id, now).items()
                    if id in names
                ]
                if local(now).month == _REVIEW_MONTH and not await _is_reviewed(view, agency_id, year):
                    since = midnight(date(year, _REVIEW_MONTH, 1))
                    key = f"{agency_id}:{year}"
                    tasks[agency_id].append(make_duty(Timer.T23, key, since, _end_of(since, 30)))
        return tasks

    async def of_node(self, office: OfficeCalendar, now: datetime) -> Sequence[Task]:
        """List the duties of the operators."""
        reports = [
            make_duty(
                Timer.T16,
                duty.record.id,
                midnight(duty.record.reform.effective_on),
                _end_of(midnight(duty.due_on), 0),
                duty.record.reform.decision.number,
            )
            for duty in await self.reports()
        ]
        today = local(now).date()
        half = half_of(today)
        async with self.accounts.accounts.read() as view:
            requests = await view.requests.open()
            filed = {report.agency_id for report in await view.requests.reports_since(midnight(half))}
            codes = await view.agency_codes()
        quarter = date(today.year, 3 * ((today.month - 1) // 3) + 1, 1)
        lists = make_duty(Timer.T22, half.isoformat(), midnight(half), _end_of(midnight(half), 180))
        return [
            *reports,
            *(
                make_duty(
                    Timer.T18,
                    request.id,
                    request.made_at,
                    request_due(office, request),
                    f"{codes.get(request.agency_id, '')} {request.number}".strip(),
                )
                for request in requests
            ),
            *((lists,) if codes.keys() - filed else ()),
            make_duty(
                Timer.T27,
                quarter.isoformat(),
                midnight(quarter),
                _working_days_after(office, quarter - timedelta(days=1), TIMERS[Timer.T27].amount),
            ),
        ]


def half_of(day: date) -> date:
    """Return the first day of the day's half year."""
    return date(day.year, 1 if day.month < 7 else 7, 1)


def request_due(office: OfficeCalendar, request: AccountRequest) -> datetime:
    """Return until when the operator answers a request: T18 (three working days)."""
    return _working_days_after(office, local(request.made_at).date(), TIMERS[Timer.T18].amount)


def _working_days_after(office: OfficeCalendar, day: date, days: int) -> datetime:
    for _ in range(days):
        day = timers.next_working_day(office, day)
    return timers.closing_time(office, day)


def make_duty(timer: Timer, key: str, since: datetime, due_at: datetime, title: str = "") -> Task:
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
    )


async def _is_reviewed(view: AccountWork, agency_id: str, year: int) -> bool:
    events = await view.events.of_subject(f"accounts:{agency_id}")
    # The list that was handed in about the half year before is no review of December.
    since = midnight(date(year, _REVIEW_MONTH, 1))
    return any(e.kind is EventKind.ACCOUNT_REVIEWED and e.at >= since for e in events)


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


def _end_of(since: datetime, days: int) -> datetime:
    """Return the close of the office on the day so many days later."""
    return midnight(local(since).date() + timedelta(days=days)) + timedelta(hours=_CLOSES.hour)
