"""The to-do list itself. In: an agency's scope. Out: its tasks over both directions, longest overdue first, each with what
was noted about it. One consistent look at the store; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.domain import duty
from gateway.domain.account import AgencyScope
from gateway.domain.document import InState
from gateway.domain.office_calendar import OfficeCalendar
from gateway.office.domain.task import Task
from gateway.office.policy import todo
from gateway.office.ports.store import OfficeWork
from gateway.office.todo.desk import TodoDesk
from gateway.policy import office_hours

MOST = 500
"""Of each kind: who has more is told so, and needs no longer list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoList:
    """`resting` counts what is settled or snoozed and left out; `cut` says that some kind had more than fits."""

    tasks: tuple[Task, ...]
    resting: int
    cut: bool
    office: OfficeCalendar
    at: datetime

    def left(self, task: Task) -> timedelta:
        """Time left on the clock that the task runs by; negative when it is overdue."""
        if task.wall_clock:
            return task.due_at - self.at
        return office_hours.between(self.office, self.at, task.due_at)


async def run(desk: TodoDesk, scope: AgencyScope, *, everything: bool = False) -> TodoList:
    """What the agency has to do now; with `everything` also what rests."""
    now, office = desk.clock.now(), await desk.office()
    endings = await desk.certificates.endings(now)
    async with desk.store.read(scope) as work:
        agency = await work.agency()
        found, cut = await _documents(work, office, now)
        codes = frozenset((agency.code, *agency.aliases))
        found += todo.of_certificates(endings, codes, now)
        notes = await work.office.tasks.notes([each.id for each in found])
    tasks = todo.noted(found, notes)
    awake = [each for each in tasks if everything or not each.rests(now)]
    return TodoList(
        tasks=tuple(todo.in_order(awake)), resting=len(tasks) - len(awake), cut=cut, office=office, at=now
    )


async def _documents(work: OfficeWork, office: OfficeCalendar, now: datetime) -> tuple[list[Task], bool]:
    waiting = await work.office.tasks.to_take_in(MOST)
    asked = await work.office.tasks.asked_back(now - todo.REQUESTS_BACK, MOST)
    replies = await work.office.tasks.replies(todo.reply_horizon(now), MOST)
    returned = await work.office.tasks.returned(now - todo.LOOK_BACK, MOST)
    unsent = await work.office.tasks.unsent(MOST)
    untold = await work.office.tasks.untold(now - todo.LOOK_BACK, todo.status_horizon(now), MOST)
    asks = [
        (each, await work.outgoing.get(each.document_id)) for each in await work.office.recalls.open(MOST)
    ]
    held = [each.id for each in waiting if each.state is InState.HELD]
    found = [
        *todo.of_incoming(office, waiting, now, await _held_at(work, held)),
        *todo.of_requests(office, asked, now),
        *todo.of_replies(office, replies, now),
        *todo.of_returned(office, returned, now),
        *todo.of_unsent(office, unsent, now),
        *todo.of_untold(untold, now),
        *todo.of_unasked(office, untold, now),
        *todo.of_asks(office, asks, now),
    ]
    return found, MOST in map(len, (waiting, asked, replies, returned, unsent, untold, asks))


async def _held_at(work: OfficeWork, ids: list[str]) -> dict[str, datetime]:
    """Since when each of these is on hold, by its own last fact of it."""
    if not ids:
        return {}
    known = await work.facts.of_many(ids)
    return {id: since for id, facts in known.items() if (since := duty.held_since(facts)) is not None}
