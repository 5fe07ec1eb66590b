"""The steps in which people are told by mail of what is to be taken in today (T3) and worked on (T5 to T7). In: the
agency's tasks and those of its units, the calendar, the time. Out: letters, each with the keys under which it is sent
once, and for whom it is: the agency's own addresses, its heads, or the people of one unit. A unit's officers are told
three days before a part's day, the day before and on it; its head once it is late; the agency's heads two days later.
What was given to nobody is told to the agency in the afternoon, and to its heads the next morning; in the afternoon too
what is still to be taken in. Nothing is said outside office hours. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from itertools import groupby

from gateway.domain.handling import unit_key
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.wall_clock import local
from gateway.office.domain.task import Task, TaskKind
from gateway.policy import timers

_LEADERS_FROM = time(8)
_LAST_DAYS = (3, 1, 0)


class StepSort(StrEnum):
    """`mail.….subject` in the labels has the words."""

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
class StepLetter:
    """`unit` is the key of the unit whose people it is for; `keys` are of the tasks, in their order."""

    sort: StepSort
    to: For
    keys: tuple[str, ...]
    tasks: tuple[Task, ...]
    unit: str = ""


def step_letters(
    office: OfficeCalendar, agency: Sequence[Task], units: Sequence[Task], now: datetime
) -> list[StepLetter]:
    """What is to be said now; what was said before is known by its keys."""
    if not timers.is_open(office, now):
        return []
    return [*_of_agency(agency, now), *_of_units(units, now)]


def _of_agency(tasks: Sequence[Task], now: datetime) -> Iterator[StepLetter]:
    today = [each for each in tasks if each.timer == timers.Timer.T3 and not each.is_late]
    yield from _letter(StepSort.RECEIPT, For.AGENCY, today)
    open_ = [each for each in tasks if each.kind in (TaskKind.ASSIGN, TaskKind.REASSIGN)]
    yield from _letter(StepSort.ASSIGN, For.AGENCY, open_)
    yield from _letter(StepSort.ASSIGN, For.HEADS, [each for each in open_ if _is_next_morning(each, now)])
    asked = [each for each in tasks if each.kind is TaskKind.OPINION]
    yield from _letter(StepSort.OPINION, For.HEADS, asked)
    # On the agency's own list stands only what is two days late.
    late = [each for each in tasks if each.kind is TaskKind.WORK]
    yield from _letter(StepSort.WORK, For.HEADS, late)


def _of_units(tasks: Sequence[Task], now: datetime) -> Iterator[StepLetter]:
    def unit(task: Task) -> str:
        return unit_key(task.unit)

    for key, mine in groupby(sorted(tasks, key=unit), key=unit):
        theirs = list(mine)
        for step in ("given", *map(str, _LAST_DAYS)):
            now_due = [each for each in theirs if _step(each, now) == step]
            yield from _letter(StepSort.WORK, For.OFFICERS, now_due, step=step, unit=key)
        late = [each for each in theirs if each.is_late]
        yield from _letter(StepSort.WORK, For.UNIT_HEADS, late, step="late", unit=key)


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


def _letter(
    sort: StepSort, to: For, tasks: Iterable[Task], *, step: str = "", unit: str = ""
) -> Iterator[StepLetter]:
    told = tuple(tasks)
    if told:
        keys = tuple(f"step:{to}:{step}:{each.id}" for each in told)
        yield StepLetter(sort=sort, to=to, keys=keys, tasks=told, unit=unit)
