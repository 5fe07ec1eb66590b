"""Decides which reminders go out by mail (R97). In: the agency's tasks and those of its units, the calendar, the time. Out:
letters, each with the keys under which it is sent once, and its receivers: the agency's own addresses, its heads, or the
people of one unit. A digest goes at its hours; between two digests one letter for each sender with newly late documents;
and urgent documents at once. Outside office hours only express letters remind.

Documents to be taken in today (T3) and worked on (T5 to T7) remind in steps. A unit's officers are reminded three days
before a part's day, the day before and on it; its head once it is late; the agency's heads two days later. Unassigned
documents are reported to the agency in the afternoon, and to its heads the next morning; in the afternoon too those still
to be taken in. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time
from enum import StrEnum
from itertools import groupby

from gateway.domain.document import Urgency
from gateway.domain.handling import unit_key
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.wall_clock import local, vietnam_time
from gateway.office.domain.task import Task, TaskKind
from gateway.policy import timers

MOST_ALERTS = 6
"""After so many letters about one urgent document, one more is no help: a person has to be called."""
_LEADERS_FROM = time(8)
_LAST_DAYS = (3, 1, 0)


class LetterSort(StrEnum):
    """Sorts of letters; `mail.….subject` in the labels has the words."""

    DIGEST = "digest"
    LATE = "late"
    URGENT = "urgent"
    APPROVAL = "approval"
    """For the agency's heads: once, when they are asked."""
    RECEIPT = "receipt"
    ASSIGN = "assign"
    WORK = "work"
    OPINION = "opinion"


class Receivers(StrEnum):
    AGENCY = "agency"
    HEADS = "heads"
    OFFICERS = "officers"
    UNIT_HEADS = "unit_heads"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPeople:
    """Addresses of one unit. Where it has none of the one kind, the others are used."""

    officers: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()
    by_id: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Address of each person, by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Letter that is sent when one of its keys is claimed for the first time. `by_task`: the keys are those of the tasks,
    in their order, and each task is sent once. `unit` is the key of the unit whose people it is for, `person_id` the
    one of them alone whose tasks they are."""

    sort: LetterSort
    keys: tuple[str, ...]
    tasks: tuple[Task, ...]
    to: Receivers = Receivers.AGENCY
    unit: str = ""
    person_id: str = ""
    by_task: bool = False

    def claimed_tasks(self, claimed: Collection[str]) -> tuple[Task, ...]:
        """Return the tasks whose keys were claimed for the first time."""
        if not self.by_task:
            return self.tasks if claimed else ()
        return tuple(task for key, task in zip(self.keys, self.tasks, strict=True) if key in claimed)


def letters_due(
    office: OfficeCalendar,
    tasks: Sequence[Task],
    of_units: Sequence[Task],
    now: datetime,
    digest_at: Iterable[time],
) -> list[Letter]:
    """Return the letters due now for the agency's tasks and its units'; their keys keep them from going twice."""
    is_open = timers.is_open(office, now)
    letters = [*_urgent_letters(tasks, now, is_open=is_open), *_approval_letters(tasks)]
    if not is_open:
        return letters
    slot = last_slot(office, now, digest_at)
    if slot is not None:
        letters += _late_letters(tasks, now, slot)
        letters.append(Letter(sort=LetterSort.DIGEST, keys=(f"digest:{_stamp(slot)}",), tasks=tuple(tasks)))
    return [*letters, *_agency_steps(tasks, now), *_unit_steps(of_units, now)]


def last_slot(office: OfficeCalendar, now: datetime, digest_at: Iterable[time]) -> datetime | None:
    """Return the hour of today's last digest; None before the first, and on days without work."""
    today = local(now).date()
    past = [at for hour in digest_at if (at := vietnam_time(today, hour)) <= now]
    return max(past, default=None) if office.works(today) else None


def _urgent_letters(tasks: Iterable[Task], now: datetime, *, is_open: bool) -> list[Letter]:
    speaking = [
        task
        for task in tasks
        if task.kind is TaskKind.TAKE_IN
        and timers.is_urgent(task.urgency)
        and (is_open or task.urgency >= Urgency.EXPRESS)
    ]
    return [
        Letter(sort=LetterSort.URGENT, keys=tuple(_alert_key(task, now) for task in mine), tasks=mine)
        for _, mine in _group_by_sender(speaking)
    ]


def _approval_letters(tasks: Iterable[Task]) -> list[Letter]:
    asks = tuple(task for task in tasks if task.kind is TaskKind.APPROVE_RECALL)
    keys = tuple(f"approval:{task.id}" for task in asks)
    return [Letter(sort=LetterSort.APPROVAL, keys=keys, tasks=asks, to=Receivers.HEADS)] if asks else []


def _alert_key(task: Task, now: datetime) -> str:
    """Return another key at each interval, up to the last that is sent."""
    step = min(MOST_ALERTS - 1, (now - task.since) // timers.EVERY[task.urgency])
    return f"urgent:{task.id}:{step}"


def _late_letters(tasks: Iterable[Task], now: datetime, slot: datetime) -> list[Letter]:
    """Return letters on tasks that became late after the last digest, which covered everything before."""
    late = [
        task
        for task in tasks
        if task.kind is TaskKind.TAKE_IN and not timers.is_urgent(task.urgency) and task.is_late
    ]
    return [
        Letter(sort=LetterSort.LATE, keys=(f"late:{sender}:{_stamp(slot)}",), tasks=mine)
        for sender, mine in _group_by_sender(late)
        if any(slot < task.due_at <= now for task in mine)
    ]


def _group_by_sender(tasks: Iterable[Task]) -> list[tuple[str, tuple[Task, ...]]]:
    def sender(task: Task) -> str:
        return task.counterpart.casefold()

    return [(name, tuple(mine)) for name, mine in groupby(sorted(tasks, key=sender), key=sender)]


def _stamp(at: datetime) -> str:
    return f"{local(at):%Y-%m-%dT%H:%M}"


def _agency_steps(tasks: Sequence[Task], now: datetime) -> Iterator[Letter]:
    today = [task for task in tasks if task.timer == timers.Timer.T3 and not task.is_late]
    yield from _step_letter(LetterSort.RECEIPT, Receivers.AGENCY, today)
    open_ = [task for task in tasks if task.kind in (TaskKind.ASSIGN, TaskKind.REASSIGN)]
    yield from _step_letter(LetterSort.ASSIGN, Receivers.AGENCY, open_)
    yield from _step_letter(
        LetterSort.ASSIGN, Receivers.HEADS, [task for task in open_ if _is_next_morning(task, now)]
    )
    opinions = [task for task in tasks if task.kind is TaskKind.OPINION]
    yield from _step_letter(LetterSort.OPINION, Receivers.HEADS, opinions)
    # The agency's own list only has work that is two days late.
    late = [task for task in tasks if task.kind is TaskKind.WORK]
    yield from _step_letter(LetterSort.WORK, Receivers.HEADS, late)


def _unit_steps(tasks: Sequence[Task], now: datetime) -> Iterator[Letter]:
    def unit(task: Task) -> str:
        return unit_key(task.unit)

    def owner(task: Task) -> tuple[str, str]:
        return unit_key(task.unit), task.person_id or ""

    for (key, person_id), mine in groupby(sorted(tasks, key=owner), key=owner):
        theirs = list(mine)
        for step in ("given", *map(str, _LAST_DAYS)):
            now_due = [t for t in theirs if _step(t, now) == step]
            letters = _step_letter(LetterSort.WORK, Receivers.OFFICERS, now_due, step=step, unit=key)
            yield from (replace(letter, person_id=person_id) for letter in letters)
    for key, mine in groupby(sorted(tasks, key=unit), key=unit):
        late = [t for t in mine if t.is_late]
        yield from _step_letter(LetterSort.WORK, Receivers.UNIT_HEADS, late, step="late", unit=key)


def _step(task: Task, now: datetime) -> str:
    """Return the step of a task; empty where it is late. A task whose day is not near was just given."""
    if task.is_late:
        return ""
    days_left = (local(task.due_at).date() - local(now).date()).days
    if task.kind is TaskKind.START or days_left > _LAST_DAYS[0]:
        return "given"
    return str(min(day for day in _LAST_DAYS if days_left <= day))


def _is_next_morning(task: Task, now: datetime) -> bool:
    today = local(now)
    return today.date() > local(task.since).date() and today.time() >= _LEADERS_FROM


def _step_letter(
    sort: LetterSort, to: Receivers, tasks: Iterable[Task], *, step: str = "", unit: str = ""
) -> Iterator[Letter]:
    listed = tuple(tasks)
    if listed:
        keys = tuple(f"step:{to}:{step}:{task.id}" for task in listed)
        yield Letter(sort=sort, to=to, keys=keys, tasks=listed, unit=unit, by_task=True)
