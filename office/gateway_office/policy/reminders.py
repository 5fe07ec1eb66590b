"""Decides which reminders go out by mail (R97). In: the agency's tasks and those of its units, the calendar, the time. Out:
letters, each with the keys under which it is sent once, and its receivers: the agency's own addresses, its heads, or the
people of one unit. A digest goes at its hours; between two digests one letter for each sender with newly late documents;
and urgent documents at once. Outside office hours only express letters remind.

All other timers remind in the steps of their table (`domain.timer_table`): each step is one letter to its people, with
the tasks that have just reached it. A step that follows before the earlier one was sent replaces it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum
from itertools import groupby

from gateway.domain.document import Urgency
from gateway.domain.handling import unit_key
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.timer_table import EVERY, TIMERS, Means, Receivers, Step, Timer
from gateway.domain.wall_clock import local, vietnam_time
from gateway.policy import timers
from gateway_office.domain.task import Task, TaskKind

MOST_ALERTS = 6
"""After so many letters about one urgent document, one more is no help: a person has to be called."""
_TO_UNIT = frozenset({Receivers.OFFICERS, Receivers.UNIT_HEADS})
_TO_PERSON = frozenset({Receivers.OFFICERS, Receivers.PERSON})


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
    STEP = "step"
    """Step of any other timer."""
    UNOPENED = "unopened"
    """Work that its people have not opened, twice a day."""
    RIGHTS = "rights"
    """Alert on changed rights (R122)."""


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
    in their order, and each task is sent once. `timer` and `step` name the step. `unit` is the key of
    the unit whose people it is for, `person_id` the one of them alone whose tasks they are."""

    sort: LetterSort
    keys: tuple[str, ...]
    tasks: tuple[Task, ...]
    to: Receivers = Receivers.AGENCY
    unit: str = ""
    person_id: str = ""
    by_task: bool = False
    timer: str = ""
    step: str = ""

    def claimed_tasks(self, claimed: Collection[str]) -> tuple[Task, ...]:
        """Return the tasks whose keys were claimed for the first time."""
        if not self.by_task:
            return self.tasks if claimed else ()
        return tuple(task for key, task in zip(self.keys, self.tasks, strict=True) if key in claimed)


_SORTS: Mapping[str, LetterSort] = {
    Timer.NOTIFY_SENDER: LetterSort.RECEIPT,
    Timer.ASSIGN: LetterSort.ASSIGN,
    Timer.ASSIGN_URGENT: LetterSort.ASSIGN,
    Timer.START_WORK: LetterSort.WORK,
    Timer.FINISH_BY_DAY: LetterSort.WORK,
    Timer.FINISH_WITHOUT_DAY: LetterSort.WORK,
}


def letters_due(
    office: OfficeCalendar,
    tasks: Sequence[Task],
    of_units: Sequence[Task],
    now: datetime,
    digest_at: Iterable[time],
    steps: Sequence[Task] = (),
) -> list[Letter]:
    """Return the letters due now for the agency's tasks and its units'; their keys keep them from going twice. `steps` are
    the agency's tasks with those that are not in its list yet, for the steps of timers."""
    is_open = timers.is_open(office, now)
    letters = [*_urgent_letters(tasks, now, is_open=is_open), *_approval_letters(tasks)]
    if not is_open:
        express = [t for t in steps if t.is_express and t.timer == Timer.ISSUE_URGENT]
        return [*letters, *_step_letters(office, express, now, of_units=False)]
    slot = last_slot(office, now, digest_at)
    if slot is not None:
        letters += _late_letters(tasks, now, slot)
        letters.append(Letter(sort=LetterSort.DIGEST, keys=(f"digest:{_stamp(slot)}",), tasks=tuple(tasks)))
    by_unit = {task.subject_id for task in of_units}
    agency_tasks = [t for t in steps if t.timer != Timer.REPLY or t.subject_id not in by_unit]
    return [
        *letters,
        *_step_letters(office, agency_tasks, now, of_units=False),
        *_step_letters(office, of_units, now, of_units=True),
        *_unopened_letters(office, of_units, now),
    ]


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
        Letter(
            sort=LetterSort.URGENT,
            keys=tuple(_alert_key(task, now) for task in mine),
            tasks=mine,
            timer=Timer.TAKE_IN_URGENT,
            step="every",
        )
        for _, mine in _group_by_sender(speaking)
    ]


def _approval_letters(tasks: Iterable[Task]) -> list[Letter]:
    asks = tuple(task for task in tasks if task.kind is TaskKind.APPROVE_RECALL)
    keys = tuple(f"approval:{task.id}" for task in asks)
    return [Letter(sort=LetterSort.APPROVAL, keys=keys, tasks=asks, to=Receivers.HEADS)] if asks else []


def _alert_key(task: Task, now: datetime) -> str:
    """Return another key at each interval, up to the last that is sent."""
    step = min(MOST_ALERTS - 1, (now - task.since) // EVERY[task.urgency])
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


def last_steps(office: OfficeCalendar, task: Task, now: datetime) -> Mapping[Receivers, Step]:
    """Return the last step by mail that the task has reached, for each kind of people; none of a timer that the agency
    silenced, and none that was due so long ago that its reminders are forgotten."""
    if not task.timer or task.timer in office.quiet:
        return {}
    timer, reached = Timer(task.timer), dict[Receivers, tuple[datetime, Step]]()
    for step in TIMERS[timer].steps:
        if step.by is not Means.MAIL or step.task not in ("", task.kind):
            continue
        moment = timers.step_moment(office, timer, step, task.since, task.due_at)
        if moment is None or not moment <= now <= moment + timers.TOLD_FOR:
            continue
        if moment < task.due_at < now:  # it warned of an end that has come
            continue
        if step.to not in reached or moment >= reached[step.to][0]:
            reached[step.to] = moment, step
    return {to: step for to, (_, step) in reached.items()}


def duty_letters(office: OfficeCalendar, tasks: Sequence[Task], now: datetime) -> Iterator[Letter]:
    """Return the letters on duties of administrators and operators: those on incidents at any hour, the others while the
    office is open."""
    is_open = timers.is_open(office, now)
    due = [task for task in tasks if is_open or task.timer == Timer.INCIDENT_NOTICE]
    yield from _step_letters(office, due, now, of_units=False)


def _sort(task: Task) -> LetterSort:
    if task.kind is TaskKind.OPINION:
        return LetterSort.OPINION
    return _SORTS.get(task.timer or "", LetterSort.STEP)


def _step_letters(
    office: OfficeCalendar, tasks: Sequence[Task], now: datetime, *, of_units: bool
) -> Iterator[Letter]:
    """Group the tasks that reached a step into one letter for each timer, step and its people."""
    groups: dict[tuple[LetterSort, str, Receivers, str, str, str], list[Task]] = {}
    for task in tasks:
        if task.timer == Timer.TAKE_IN_URGENT:  # it has letters of its own
            continue
        for to, step in last_steps(office, task, now).items():
            if (to in _TO_UNIT) == of_units:
                unit = unit_key(task.unit) if of_units else ""
                person_id = (task.person_id or "") if to in _TO_PERSON else ""
                groups.setdefault((_sort(task), task.timer or "", to, step.key, unit, person_id), []).append(
                    task
                )
    for (sort, timer, to, key, unit, person_id), listed in sorted(groups.items(), key=lambda group: group[0]):
        yield Letter(
            sort=sort,
            to=to,
            keys=tuple(f"step:{to}:{key}:{task.id}" for task in listed),
            tasks=tuple(listed),
            unit=unit,
            person_id=person_id,
            by_task=True,
            timer=timer,
            step=key,
        )


def _unopened_letters(office: OfficeCalendar, tasks: Sequence[Task], now: datetime) -> Iterator[Letter]:
    """List work that is not begun, for its people, at the hours of T15 (unopened work, twice a day)."""
    hours = [step.at for step in TIMERS[Timer.UNSTARTED_WORK].steps if step.at is not None]
    slot = last_slot(office, now, hours)
    if slot is None or Timer.UNSTARTED_WORK in office.quiet:
        return

    def owner(task: Task) -> tuple[str, str]:
        return unit_key(task.unit), task.person_id or ""

    waiting = [t for t in tasks if t.kind is TaskKind.START and t.since < slot]
    for (unit, person_id), mine in groupby(sorted(waiting, key=owner), key=owner):
        yield Letter(
            sort=LetterSort.UNOPENED,
            to=Receivers.OFFICERS,
            keys=(f"unopened:{unit}:{person_id}:{_stamp(slot)}",),
            tasks=tuple(mine),
            unit=unit,
            person_id=person_id,
            timer=Timer.UNSTARTED_WORK,
            step=f"{local(slot):%H%M}",
        )
