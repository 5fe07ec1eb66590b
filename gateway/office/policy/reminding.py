"""Of what people are reminded by mail, and when. In: an agency's tasks, the calendar, the time. Out: letters, each
with the key under which it is sent once. Pure. A digest at its hours; between two digests one letter for each sender
of whom something has become late; and what is urgent at once. Outside office hours nothing but express letters
speaks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from itertools import groupby

from gateway.domain.document import Urgency
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.wall_clock import local
from gateway.office.domain.task import Task, TaskKind
from gateway.policy import office_hours, timers

MOST_ALERTS = 6
"""After so many letters about one urgent document, one more is no help: somebody has to be called."""


class Sort(StrEnum):
    DIGEST = "digest"
    LATE = "late"
    URGENT = "urgent"
    APPROVAL = "approval"
    """For the agency's heads: once, when somebody asks them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """`keys`: it is sent when one of them is claimed for the first time. `sender` is empty in a digest."""

    sort: Sort
    keys: tuple[str, ...]
    tasks: tuple[Task, ...]
    sender: str = ""


def letters(
    office: OfficeCalendar, tasks: Sequence[Task], now: datetime, digest_at: Iterable[time]
) -> list[Letter]:
    """What is to be said now; what was said before is known by its key."""
    found = [*_urgent(office, tasks, now), *_approvals(tasks)]
    slot = last_slot(office, now, digest_at)
    if slot is not None and office_hours.is_open(office, now):
        found += _late(tasks, now, slot)
        found.append(Letter(sort=Sort.DIGEST, keys=(f"digest:{_stamp(slot)}",), tasks=tuple(tasks)))
    return found


def last_slot(office: OfficeCalendar, now: datetime, digest_at: Iterable[time]) -> datetime | None:
    """The hour of today's last digest; None before the first, and on days without work."""
    today = local(now).date()
    past = [at for each in digest_at if (at := office_hours.on(today, each)) <= now]
    return max(past, default=None) if office.works(today) else None


def _urgent(office: OfficeCalendar, tasks: Iterable[Task], now: datetime) -> list[Letter]:
    is_open = office_hours.is_open(office, now)
    speaking = [
        each
        for each in tasks
        if each.kind is TaskKind.TAKE_IN
        and timers.is_urgent(each.urgency)
        and (is_open or each.urgency >= Urgency.EXPRESS)
    ]
    return [
        Letter(sort=Sort.URGENT, keys=tuple(_alert(each, now) for each in mine), tasks=mine, sender=sender)
        for sender, mine in _by_sender(speaking)
    ]


def _approvals(tasks: Iterable[Task]) -> list[Letter]:
    asked = tuple(each for each in tasks if each.kind is TaskKind.APPROVE_RECALL)
    keys = tuple(f"approval:{each.id}" for each in asked)
    return [Letter(sort=Sort.APPROVAL, keys=keys, tasks=asked)] if asked else []


def _alert(task: Task, now: datetime) -> str:
    """Another key at each interval, up to the last that is sent."""
    step = min(MOST_ALERTS - 1, (now - task.since) // timers.EVERY[task.urgency])
    return f"urgent:{task.id}:{step}"


def _late(tasks: Iterable[Task], now: datetime, slot: datetime) -> list[Letter]:
    """What became late after the last digest, which told of everything before."""
    late = [each for each in tasks if each.kind is TaskKind.TAKE_IN and _in_office(each) and each.is_late]
    return [
        Letter(sort=Sort.LATE, keys=(f"late:{sender}:{_stamp(slot)}",), tasks=mine, sender=sender)
        for sender, mine in _by_sender(late)
        if any(slot < each.due_at <= now for each in mine)
    ]


def _in_office(task: Task) -> bool:
    return not timers.is_urgent(task.urgency)


def _by_sender(tasks: Iterable[Task]) -> list[tuple[str, tuple[Task, ...]]]:
    def sender(task: Task) -> str:
        return task.counterpart.casefold()

    return [(name, tuple(mine)) for name, mine in groupby(sorted(tasks, key=sender), key=sender)]


def _stamp(at: datetime) -> str:
    return f"{local(at):%Y-%m-%dT%H:%M}"
