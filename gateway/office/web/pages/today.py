"""What one person has to do today, as the home page shows it: the tasks of the agency in groups, those that are late
first; whose they are: whoever decides for the agency sees first what waits for a decision, whoever takes in mail
everything else, what waits for others is counted, and all of a unit's list is its own. In: the to-do list, the lines of
letters that may be taken in with one press. Out: groups of lines, each with its button."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Task, TaskKind
from gateway.office.todo import TodoList
from gateway.office.web.listing.list_rows import ShownLine
from gateway.office.web.pages import tasks
from gateway.office.web.pages.tasks import ShownTask
from gateway.office.web.visits import Visit

# What waits for the head of the agency alone.
FOR_HEADS = frozenset({TaskKind.APPROVE_RECALL, TaskKind.OPINION, TaskKind.REASSIGN, TaskKind.WORK})
MOST_LINES = 5
"""Of one group; the to-do list has them all."""
MOST_PRESSING = 50
"""Of what is late or express in one group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkLine:
    """`letter` where the task may be done here with one press."""

    shown: ShownTask
    letter: ShownLine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkGroup:
    """The tasks of one kind, the first of them as lines; `path` lists them all."""

    kind: TaskKind
    lines: tuple[WorkLine, ...]
    total: int
    late: int
    pressing: int

    @property
    def path(self) -> str:
        return f"/can-xu-ly?{urlencode({'loai': self.kind.value})}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """`mine` is what this person does; `others` what waits for somebody else of the agency. The counts are of both, as in
    the menu and the list."""

    mine: tuple[WorkGroup, ...]
    others: tuple[WorkGroup, ...]

    @property
    def total(self) -> int:
        return sum(group.total for group in (*self.mine, *self.others))

    @property
    def late(self) -> int:
        return sum(group.late for group in (*self.mine, *self.others))


def is_mine(visit: Visit, kind: TaskKind) -> bool:
    if kind in FOR_HEADS:
        return visit.may(Right.INSTRUCT, Manner.YES)
    return visit.may(Right.TAKE_IN, Manner.YES)


def of_agency(visit: Visit, found: TodoList, letters: Mapping[str, ShownLine]) -> Today:
    """`letters` by id: those that a press takes in."""
    mine = [each for each in found.tasks if is_mine(visit, each.kind)]
    others = [each for each in found.tasks if not is_mine(visit, each.kind)]
    return Today(
        mine=tuple(_group(visit, found, each, letters) for each in _by_kind(mine)),
        others=tuple(_group(visit, found, each, {}) for each in _by_kind(others)),
    )


def of_unit(visit: Visit, found: TodoList) -> Today:
    return Today(mine=tuple(_group(visit, found, each, {}) for each in _by_kind(found.tasks)), others=())


def _by_kind(found: Iterable[Task]) -> list[list[Task]]:
    """In the order of the list, so a group stands where its first task does; groups with express tasks first, then those
    with late ones."""
    groups: dict[TaskKind, list[Task]] = {}
    for each in found:
        groups.setdefault(each.kind, []).append(each)
    return sorted(groups.values(), key=lambda group: min(map(_weight, group)))


def _weight(task: Task) -> tuple[bool, bool]:
    """Return what sorts express tasks before late ones, and both before the others."""
    return not task.is_express, not task.is_late


def _group(visit: Visit, found: TodoList, group: list[Task], letters: Mapping[str, ShownLine]) -> WorkGroup:
    ordered = sorted(group, key=_weight)
    pressing = sum(task.is_pressing for task in group)
    shown = max(MOST_LINES, min(pressing, MOST_PRESSING))
    return WorkGroup(
        kind=group[0].kind,
        lines=tuple(_line(visit, found, each, letters) for each in ordered[:shown]),
        total=len(group),
        late=sum(each.is_late for each in group),
        pressing=pressing,
    )


def _line(visit: Visit, found: TodoList, task: Task, letters: Mapping[str, ShownLine]) -> WorkLine:
    letter = letters.get(task.subject_id) if task.kind is TaskKind.TAKE_IN else None
    return WorkLine(shown=tasks.row(visit, found, task), letter=letter)
