"""The one table of duties: what this person has to do, each duty with one word, one number and one link. Home page, menu
badges, chips, list and bell read it, so that they say the same. In: a request, the to-do list, the proposals that wait.
Out: rows; those that other persons of the agency have to do stand apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument
from gateway.domain.handling import Share
from gateway.domain.person import Proposal, ProposalContent, ProposalState, Role
from gateway.errors import StoreFailure
from gateway_office import introductions
from gateway_office.accounts.acting import Acting
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import Task, TaskKind
from gateway_office.todo import TodoList
from gateway_office.web.deps import WebDeps

TASKS, PROPOSALS = "/can-xu-ly", "/co-quan/de-nghi"
INTRODUCTIONS = f"{PROPOSALS}/gioi-thieu"
# Tasks for the head of the agency alone.
FOR_HEADS = frozenset(
    {TaskKind.APPROVE_RECALL, TaskKind.OPINION, TaskKind.REASSIGN, TaskKind.WORK, TaskKind.ASSIGN_FAILED}
)
_MOST_PROPOSALS = 50


class Request(Protocol):
    """The request of a page, as the table asks it."""

    @property
    def deps(self) -> WebDeps: ...

    @property
    def agency(self) -> HostedAgency | None: ...

    @property
    def person(self) -> Acting: ...

    @property
    def share(self) -> Share | None: ...

    def scope(self) -> AgencyScope: ...

    def may(self, right: Right, *manners: Manner) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One row. `words` is a key of the labels, `path` lists all that is counted; `tasks` are in the order of the list."""

    key: str
    words: str
    path: str
    count: int
    tasks: tuple[Task, ...] = ()

    @property
    def late(self) -> int:
        return sum(task.is_late for task in self.tasks)


@dataclass(frozen=True, slots=True, kw_only=True)
class DutyTable:
    """`own` are this person's, the pressing ones first; `others` are those of other persons of the agency."""

    own: tuple[Duty, ...] = ()
    others: tuple[Duty, ...] = ()

    has_own: bool = True
    """False for a person who does none of these tasks, and sees them alone."""

    @property
    def total(self) -> int:
        """Count the tasks that are this person's."""
        return sum(len(duty.tasks) for duty in self.own)

    @property
    def badges(self) -> Mapping[str, int]:
        """Return the number that stands at each entry of the menu."""
        counts = {duty.key: duty.count for duty in self.own}
        agencies = counts.get(PROPOSALS, 0) + counts.get(INTRODUCTIONS, 0)
        return {"todo": self.total, "incoming": counts.get(TaskKind.TAKE_IN, 0), "agencies": agencies}


def is_mine(request: Request, kind: TaskKind) -> bool:
    """Tell whether the person is one who does tasks of that kind."""
    if request.share is not None:
        return True
    if kind in FOR_HEADS:
        return request.may(Right.INSTRUCT, Manner.YES)
    return request.may(Right.TAKE_IN, Manner.YES)


def of_tasks(request: Request, tasks: Iterable[Task]) -> DutyTable:
    """Make the rows of these tasks."""
    groups: dict[TaskKind, list[Task]] = {}
    for task in sorted(tasks, key=_weight):
        groups.setdefault(task.kind, []).append(task)
    duties = [
        Duty(
            key=kind,
            words=f"task.short.{kind}",
            path=f"{TASKS}?loai={kind}",
            count=len(group),
            tasks=tuple(group),
        )
        for kind, group in groups.items()
    ]
    own = {kind for kind in groups if is_mine(request, kind)}
    return DutyTable(
        own=tuple(duty for duty in duties if duty.key in own),
        others=tuple(duty for duty in duties if duty.key not in own),
        has_own=is_mine(request, TaskKind.OPINION) or is_mine(request, TaskKind.TAKE_IN),
    )


def _weight(task: Task) -> tuple[bool, bool]:
    """Return what sorts express tasks before late ones, and both before the others."""
    return not task.is_express, not task.is_late


async def of_person(request: Request) -> DutyTable:
    """Make the person's table; it has no rows while the database is away."""
    todo_list: TodoList | None = None
    if request.agency is not None and request.may(Right.SEE_CONTENT, Manner.YES, Manner.OWN):
        todo_list = await request.deps.bell.latest(request.scope(), request.share)
    table = of_tasks(request, todo_list.awake) if todo_list is not None else DutyTable()
    waiting, letters = await _proposals(request), len(await introduced(request))
    decides = Duty(key=PROPOSALS, words="tasks.proposals", path=PROPOSALS, count=waiting)
    registers = Duty(key=INTRODUCTIONS, words="tasks.introductions", path=INTRODUCTIONS, count=letters)
    return replace(table, own=(*(duty for duty in (decides, registers) if duty.count), *table.own))


def may_register(request: Request) -> bool:
    """Tell whether the person may propose seals and signatures of any agency."""
    return Role.TRUST in request.person.person.roles and request.may(Right.CERTIFICATE, Manner.TWO)


async def introduced(request: Request) -> Sequence[IncomingDocument]:
    """List the letters that wait for the registration of their sender's seal by this person; none while the database is
    away."""
    if request.agency is None or not may_register(request):
        return ()
    try:
        return await introductions.list_waiting(request.deps.todo, request.deps.deciding, request.scope())
    except StoreFailure:
        return ()


async def _proposals(request: Request) -> int:
    """Count the open proposals that wait for this person."""
    if not (request.may(Right.CODES) or request.may(Right.CERTIFICATE, Manner.TWO)):
        return 0
    try:
        async with request.deps.deciding.decisions.read() as view:
            proposals = await view.proposals.list_in_states((ProposalState.OPEN,), _MOST_PROPOSALS)
    except StoreFailure:
        return 0
    return sum(waits_for(request, proposal) for proposal in proposals)


def waits_for(request: Request, proposal: Proposal) -> bool:
    """Tell whether it waits for this person: it is open, another's, and the person may decide it."""
    is_open = proposal.state is ProposalState.OPEN and request.deps.clock.now() < proposal.expires_at
    is_mine = request.person.person.id == proposal.proposed_by
    return is_open and not is_mine and may_decide(request, proposal.content)


def may_decide(request: Request, content: ProposalContent) -> bool:
    """Tell whether the person has the rights, and the role, that the content asks for."""
    if Role.TRUST not in request.person.person.roles:
        return False
    if (content.reforms or content.imports) and not request.may(Right.CODES):
        return False
    is_of_trust = content.certificates or content.sealing_rights or content.delegations or content.lists
    return not is_of_trust or request.may(Right.CERTIFICATE, Manner.TWO)
