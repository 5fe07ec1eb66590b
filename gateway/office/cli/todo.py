"""`gateway todo`: what needs a hand, over both directions. In: an agency; one task and what is to be noted on it; or an
incoming document that is submitted to a leader, and the leader's opinion. Out: the list, longest overdue first; the
note or the submission as it now is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Group, Invocation
from gateway.domain.wall_clock import VIETNAM
from gateway.errors import NotFound
from gateway.office.cli.seat import at_desk
from gateway.office.domain.task import Submission, Task, TaskNote

if TYPE_CHECKING:
    from gateway.domain.account import AgencyScope
    from gateway.domain.person import Person
    from gateway.office.bootstrap.office import Office
    from gateway.office.desks import TodoDesk
    from gateway.office.todo import TodoList

DocumentId = Annotated[str, typer.Argument(help="Id of an incoming document, from: gateway inbox list")]
TaskId = Annotated[str, typer.Argument(help="Id of the task, from: gateway todo list")]
_COLUMNS = output.columns(
    *("id", "task=kind:task", "document", "counterpart", "due=due_at", "left", "owner"), dim=("id",)
)
_MINUTE = timedelta(minutes=1)


def register(app: Group) -> None:
    group = app.noun("todo")
    group.verb(list_, "", "--all -o json")
    group.verb(take, "failed:dlv_01J…", "failed:dlv_01J… --owner 'A. Clerk' --yes", writes=True)
    group.verb(
        snooze,
        "failed:dlv_01J… --until '2026-11-23 09:00' --note 'They move house'",
        "recall:inb_01J… --until 2026-11-23T14:00 --note 'Head decides' --yes",
        writes=True,
    )
    group.verb(
        close,
        "rejected:dlv_01J… --note 'Sent again as 12/UBND'",
        "reply:inb_01J… --note 'Replied on paper' --yes",
        writes=True,
    )
    group.verb(wake, "failed:dlv_01J…", "failed:dlv_01J… --yes", writes=True)
    group.verb(
        submit,
        "inb_01J… lanhdao",
        "inb_01J… lanhdao --note 'For the planning unit, I suggest' --yes",
        writes=True,
    )
    group.verb(
        opinion, "inb_01J… 'To be filed.'", "inb_01J… 'Answer by Friday.' --by lanhdao --yes", writes=True
    )


async def list_(
    call: Invocation,
    all_: Annotated[bool, typer.Option("--all", help="Also what is snoozed or settled.")] = False,
) -> None:
    """List what needs a hand, what is longest overdue first."""
    from gateway.office import todo

    async with at_desk(call) as (office, scope):
        found = await todo.gather(office.todo, scope, everything=all_)
    output.rows(
        call,
        [_shown(found, each) for each in found.tasks],
        _COLUMNS,
        [_cells(call, found, each) for each in found.tasks],
        extra={"resting": found.resting, "cut": found.cut},
    )
    if found.cut:
        call.say("cli.todo.cut")


def _shown(found: TodoList, task: Task) -> dict[str, Any]:
    note = task.note
    return output.fields(
        task,
        "id kind subject direction document title counterpart counterpart_name urgency since due_at late"
        " left_minutes wall_clock timer owner snoozed_until closed_at note",
        subject=task.subject_id,
        direction="in" if task.is_incoming else "out",
        urgency=task.urgency.key,
        late=task.is_late,
        left_minutes=int(found.left(task) // _MINUTE),
        snoozed_until=note.snoozed_until if note else None,
        closed_at=note.closed_at if note else None,
        note=note.note if note else None,
    )


def _cells(call: Invocation, found: TodoList, task: Task) -> dict[str, str]:
    party = f"{task.counterpart} {task.counterpart_name}".strip()
    return {"counterpart": party, "left": found.time_left(task, call.lang.value)}


async def take(
    call: Invocation,
    task: TaskId,
    owner: Annotated[str | None, typer.Option(help="Whose it is; default: who types this.")] = None,
) -> None:
    """Say who looks after a task."""
    import getpass

    from gateway.office.todo import take_task

    await _note(call, task, lambda desk, scope: take_task(desk, scope, task, owner or getpass.getuser()))


async def snooze(
    call: Invocation,
    task: TaskId,
    until: Annotated[str, typer.Option(help="Date and time in Vietnam, such as 2026-11-23 09:00.")],
    note: Annotated[str, typer.Option(help="Why; it is recorded.")],
) -> None:
    """Take a task off the list until then."""
    from gateway.office.todo import snooze_task

    at = _moment(until)
    await _note(call, task, lambda desk, scope: snooze_task(desk, scope, task, at, note))


async def close(
    call: Invocation, task: TaskId, note: Annotated[str, typer.Option(help="How; it is recorded.")]
) -> None:
    """Say that a task is settled by other means. It comes back when it begins anew."""
    from gateway.office.todo import close_task

    await _note(call, task, lambda desk, scope: close_task(desk, scope, task, note))


async def wake(call: Invocation, task: TaskId) -> None:
    """Put a task that rests back on the list."""
    from gateway.office.todo import wake_task

    await _note(call, task, lambda desk, scope: wake_task(desk, scope, task))


async def submit(
    call: Invocation,
    document: DocumentId,
    leader: Annotated[
        str, typer.Argument(help="A head of the agency: the name to sign in with, or the person's name.")
    ],
    note: Annotated[str, typer.Option(help="What the leader should know.")] = "",
) -> None:
    """Submit a document that was taken in to a leader, who gives an opinion."""
    from gateway.office.letters import received

    call.ask("cli.ask.submit", id=document, leader=leader)
    async with at_desk(call) as (office, scope):
        head = await _head(office, scope, leader)
        made = await received.submit(office.inn, scope, document, head.id, note)
    _told(call, made)


async def opinion(
    call: Invocation,
    document: DocumentId,
    words: Annotated[str, typer.Argument(help="What the leader says; the sender never reads it.")],
    by: Annotated[str, typer.Option(help="Whose opinion it is; default: who types this.")] = "",
) -> None:
    """Record a leader's opinion on a document that waits for one."""
    from gateway.office.letters import received

    call.ask("cli.ask.opinion", id=document)
    async with at_desk(call) as (office, scope):
        if by:
            scope = replace(scope, principal_id=(await _head(office, scope, by)).id)
        decided = await received.decide(office.inn, scope, document, words)
    if decided is None:
        raise NotFound(f"{document} waits for no opinion; look with: gateway todo list")
    _told(call, decided)


async def _head(office: Office, scope: AgencyScope, login: str) -> Person:
    from gateway.office.accounts import acting

    heads = await acting.heads_of(office.accounts, scope.agency_id)
    found = next((each for each in heads if login in (each.login, each.name)), None)
    if found is None:
        known = ", ".join(sorted(each.login or each.name for each in heads)) or "nobody"
        raise NotFound(f"{login!r} is no head of this agency; its heads: {known}")
    return found


def _told(call: Invocation, found: Submission) -> None:
    output.record(
        call,
        output.fields(
            found,
            "id document leader note state asked_at opinion decided_by decided_at",
            document=found.document_id,
        ),
    )


async def _note(
    call: Invocation, task: str, act: Callable[[TodoDesk, AgencyScope], Awaitable[TaskNote]]
) -> None:
    call.ask("cli.ask.todo", task=task)
    async with at_desk(call) as (office, scope):
        noted = await act(office.todo, scope)
    output.record(call, output.fields(noted, "id owner snoozed_until closed_at note", id=noted.task))


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-11-23 09:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)
