"""The board of those who lead: what is late by unit and by the person who looks after it, what is express now, which
agencies do not answer. In: the to-do list and the news of the bell, both gathered for every page already. Out: rows with
counts and the addresses of their lists. It reads nothing from the store by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.words import labels
from gateway_office.domain.notice import Ring, RingKind
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import Task, TaskKind
from gateway_office.todo import TodoList
from gateway_office.web.page_requests import PageRequest
from gateway_office.web.pages import tasks
from gateway_office.web.pages.tasks import NOBODY, ShownTask, list_address

MOST_ROWS = 6
_WARM, _HOT = 2, 7
"""Days from which on a row is shaded more."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LateRow:
    """Late tasks of one unit or person: their number, the longest delay in words, and their list."""

    name: str
    n: int
    longest: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentRow:
    """An agency that owes an answer to documents, or whose system answers nothing; for how many days."""

    name: str
    days: int
    path: str
    replies: int = 0

    @property
    def heat(self) -> int:
        return 1 + (self.days >= _WARM) + (self.days >= _HOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    units: Sequence[LateRow] = ()
    persons: Sequence[LateRow] = ()
    express: Sequence[ShownTask] = ()
    silent: Sequence[SilentRow] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.units or self.persons or self.express or self.silent)


async def of_agency(request: PageRequest, todo_list: TodoList) -> Board | None:
    """Make the board for the head of the agency; None for others."""
    if not request.may(Right.INSTRUCT, Manner.YES):
        return None
    rings = await request.deps.rings.of_agency(request.scope())
    return Board(
        units=late_by(todo_list, request.lang, "don_vi", lambda task: task.unit),
        persons=late_by(todo_list, request.lang, "phu_trach", lambda task: task.owner or NOBODY),
        express=_express(request, todo_list),
        silent=silent_agencies(todo_list, rings),
    )


def of_unit(request: PageRequest, todo_list: TodoList) -> Board | None:
    """Make the board for the head of a unit: its persons; None for others."""
    if not request.may(Right.INSTRUCT, Manner.OWN):
        return None
    persons = late_by(todo_list, request.lang, "phu_trach", lambda task: task.owner or NOBODY)
    return Board(persons=persons, express=_express(request, todo_list))


def late_by(
    todo_list: TodoList, lang: str, condition: str, name_of: Callable[[Task], str]
) -> Sequence[LateRow]:
    """Count late tasks by a name; the most first. Tasks without a name are left out."""
    groups: dict[str, list[Task]] = {}
    for task in todo_list.tasks:
        if task.is_late and (name := name_of(task)):
            groups.setdefault(name, []).append(task)
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [
        LateRow(
            name=labels.say("tasks.nobody", lang) if name == NOBODY else name,
            n=len(late_tasks),
            longest=todo_list.time_left(min(late_tasks, key=todo_list.remaining), lang),
            path=list_address(qua_han="1", **{condition: name}),
        )
        for name, late_tasks in ordered[:MOST_ROWS]
    ]


def _express(request: PageRequest, todo_list: TodoList) -> Sequence[ShownTask]:
    """Show express tasks of the whole agency."""
    express = [task for task in todo_list.tasks if task.is_express][:MOST_ROWS]
    return [tasks.row(request, todo_list, task) for task in express]


def silent_agencies(todo_list: TodoList, rings: Iterable[Ring]) -> Sequence[SilentRow]:
    """List agencies that owe answers, and those whose systems are silent; the longest delay first."""
    owed: dict[str, list[Task]] = {}
    for task in todo_list.tasks:
        if task.kind is TaskKind.REPLY_DUE and task.is_late:
            owed.setdefault(task.counterpart, []).append(task)
    rows = [
        SilentRow(
            name=late_tasks[0].counterpart_name or code,
            days=max(_days(todo_list.at - task.due_at) for task in late_tasks),
            path=list_address(loai=TaskKind.REPLY_DUE.value, co_quan=code),
            replies=len(late_tasks),
        )
        for code, late_tasks in owed.items()
    ]
    rows += [
        SilentRow(name=ring.party, days=_days(todo_list.at - ring.at), path=f"/co-quan/{ring.subject_id}")
        for ring in rings
        if ring.kind is RingKind.SILENT and ring.subject_id not in owed
    ]
    return sorted(rows, key=lambda row: (-row.days, row.name))[:MOST_ROWS]


def _days(delay: timedelta) -> int:
    """Return the days of a delay, begun ones too."""
    return max(1, -(-delay // _DAY))
