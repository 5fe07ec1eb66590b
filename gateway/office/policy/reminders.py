"""Of what people are reminded by mail (R97). In: the agency's tasks and those of its units, the calendar, the time. Out:
letters, each with the keys under which it is sent once, and for whom it is: the agency's own addresses, its heads, or
the people of one unit. A digest goes at its hours; between two digests one letter for each sender of whom something has
become late; and what is urgent at once. Outside office hours nothing but express letters speaks.

What is to be taken in today (T3) and worked on (T5 to T7) is told in steps. A unit's officers are told three days before
a part's day, the day before and on it; its head once it is late; the agency's heads two days later. What was given to
nobody is told to the agency in the afternoon, and to its heads the next morning; in the afternoon too what is still to
be taken in. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
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
"""After so many letters about one urgent document, one more is no help: somebody has to be called."""
_LEADERS_FROM = time(8)
_LAST_DAYS = (3, 1, 0)


class LetterSort(StrEnum):
    """`mail.….subject` in the labels has the words."""

    DIGEST = "digest"
    LATE = "late"
    URGENT = "urgent"
    APPROVAL = "approval"
    """For the agency's heads: once, when somebody asks them."""
    RECEIPT = "receipt"
    ASSIGN = "assign"
    WORK = "work"
    OPINION = "opinion"


class For(StrEnum):
    AGENCY = "agency"
    HEADS = "heads"
    OFFICERS = "officers"
    UNIT_HEADS = "unit_heads"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPeople:
    """Addresses of one unit. Where it has nobody of the one kind, the others are told."""

    officers: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """It is sent when one of its keys is claimed for the first time. `by_task`: the keys are those of the tasks, in their
    order, and each task is told once. `unit` is the key of the unit whose people it is for."""

    sort: LetterSort
    keys: tuple[str, ...]
    tasks: tuple[Task, ...]
    to: For = For.AGENCY
    unit: str = ""
    by_task: bool = False

    def told_of(self, claimed: Collection[str]) -> tuple[Task, ...]:
        """Of these keys, which nobody claimed before."""
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
    """What is to be said now of the agency's tasks and of its units'; what was said before is known by its keys."""
    is_open = timers.is_open(office, now)
    found = [*_urgent_letters(tasks, now, is_open=is_open), *_approval_letters(tasks)]
    if not is_open:
        return found
    slot = last_slot(office, now, digest_at)
    if slot is not None:
        found += _late_letters(tasks, now, slot)
        found.append(Letter(sort=LetterSort.DIGEST, keys=(f"digest:{_stamp(slot)}",), tasks=tuple(tasks)))
    return [*found, *_steps_of_agency(tasks, now), *_steps_of_units(of_units, now)]


def last_slot(office: OfficeCalendar, now: datetime, digest_at: Iterable[time]) -> datetime | None:
    """The hour of today's last digest; None before the first, and on days without work."""
    today = local(now).date()
    past = [at for each in digest_at if (at := vietnam_time(today, each)) <= now]
    return max(past, default=None) if office.works(today) else None


def _urgent_letters(tasks: Iterable[Task], now: datetime, *, is_open: bool) -> list[Letter]:
    speaking = [
        each
        for each in tasks
        if each.kind is TaskKind.TAKE_IN
        and timers.is_urgent(each.urgency)
        and (is_open or each.urgency >= Urgency.EXPRESS)
    ]
    return [
        Letter(sort=LetterSort.URGENT, keys=tuple(_alert(each, now) for each in mine), tasks=mine)
        for _, mine in _by_sender(speaking)
    ]


def _approval_letters(tasks: Iterable[Task]) -> list[Letter]:
    asked = tuple(each for each in tasks if each.kind is TaskKind.APPROVE_RECALL)
    keys = tuple(f"approval:{each.id}" for each in asked)
    return [Letter(sort=LetterSort.APPROVAL, keys=keys, tasks=asked, to=For.HEADS)] if asked else []


def _alert(task: Task, now: datetime) -> str:
    """Another key at each interval, up to the last that is sent."""
    step = min(MOST_ALERTS - 1, (now - task.since) // timers.EVERY[task.urgency])
    return f"urgent:{task.id}:{step}"


def _late_letters(tasks: Iterable[Task], now: datetime, slot: datetime) -> list[Letter]:
    """What became late after the last digest, which told of everything before."""
    late = [
        each
        for each in tasks
        if each.kind is TaskKind.TAKE_IN and not timers.is_urgent(each.urgency) and each.is_late
    ]
    return [
        Letter(sort=LetterSort.LATE, keys=(f"late:{sender}:{_stamp(slot)}",), tasks=mine)
        for sender, mine in _by_sender(late)
        if any(slot < each.due_at <= now for each in mine)
    ]


def _by_sender(tasks: Iterable[Task]) -> list[tuple[str, tuple[Task, ...]]]:
    def sender(task: Task) -> str:
        return task.counterpart.casefold()

    return [(name, tuple(mine)) for name, mine in groupby(sorted(tasks, key=sender), key=sender)]


def _stamp(at: datetime) -> str:
    return f"{local(at):%Y-%m-%dT%H:%M}"


def _steps_of_agency(tasks: Sequence[Task], now: datetime) -> Iterator[Letter]:
    today = [each for each in tasks if each.timer == timers.Timer.T3 and not each.is_late]
    yield from _step_letter(LetterSort.RECEIPT, For.AGENCY, today)
    open_ = [each for each in tasks if each.kind in (TaskKind.ASSIGN, TaskKind.REASSIGN)]
    yield from _step_letter(LetterSort.ASSIGN, For.AGENCY, open_)
    yield from _step_letter(
        LetterSort.ASSIGN, For.HEADS, [each for each in open_ if _is_next_morning(each, now)]
    )
    asked = [each for each in tasks if each.kind is TaskKind.OPINION]
    yield from _step_letter(LetterSort.OPINION, For.HEADS, asked)
    # On the agency's own list stands only what is two days late.
    late = [each for each in tasks if each.kind is TaskKind.WORK]
    yield from _step_letter(LetterSort.WORK, For.HEADS, late)


def _steps_of_units(tasks: Sequence[Task], now: datetime) -> Iterator[Letter]:
    def unit(task: Task) -> str:
        return unit_key(task.unit)

    for key, mine in groupby(sorted(tasks, key=unit), key=unit):
        theirs = list(mine)
        for step in ("given", *map(str, _LAST_DAYS)):
            now_due = [each for each in theirs if _step(each, now) == step]
            yield from _step_letter(LetterSort.WORK, For.OFFICERS, now_due, step=step, unit=key)
        late = [each for each in theirs if each.is_late]
        yield from _step_letter(LetterSort.WORK, For.UNIT_HEADS, late, step="late", unit=key)


def _step(task: Task, now: datetime) -> str:
    """In which step it is; empty where it is late. What has not come near its day was just given."""
    if task.is_late:
        return ""
    left = (local(task.due_at).date() - local(now).date()).days
    if task.kind is TaskKind.START or left > _LAST_DAYS[0]:
        return "given"
    return str(min(each for each in _LAST_DAYS if left <= each))


def _is_next_morning(task: Task, now: datetime) -> bool:
    today = local(now)
    return today.date() > local(task.since).date() and today.time() >= _LEADERS_FROM


def _step_letter(
    sort: LetterSort, to: For, tasks: Iterable[Task], *, step: str = "", unit: str = ""
) -> Iterator[Letter]:
    told = tuple(tasks)
    if told:
        keys = tuple(f"step:{to}:{step}:{each.id}" for each in told)
        yield Letter(sort=sort, to=to, keys=keys, tasks=told, unit=unit, by_task=True)
