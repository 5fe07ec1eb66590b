"""`gateway todo`: tasks that need a hand, over both directions. In: an agency; one task and a note on it; or an incoming
document that is submitted to a leader, and the leader's opinion. Out: the list, longest overdue first; the note or the
submission as it now is."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import output
from gateway.cli.command import Invocation, Why, noun
from gateway.cli.served import user
from gateway.domain.person import Person
from gateway.domain.wall_clock import VIETNAM, is_in_span
from gateway.errors import NotFound
from gateway_office import todo
from gateway_office.accounts import acting
from gateway_office.cli import OfficeCommandContext
from gateway_office.domain.task import Submission, Task, TaskNote
from gateway_office.letters import received

if TYPE_CHECKING:
    from gateway_office.todo import TodoList

DocumentId = Annotated[str, typer.Argument(help="Id of an incoming document, from: gateway inbox list")]
TaskId = Annotated[str, typer.Argument(help="Id of the task, from: gateway todo list")]
_COLUMNS = output.columns("id task=kind:task document counterpart due=due_at left owner", dim="id")
_MINUTE = timedelta(minutes=1)


verb = noun("todo").verb


@verb("", "--all -o json")
async def list_(
    call: Invocation,
    context: OfficeCommandContext,
    all_: Annotated[bool, typer.Option("--all", help="Also tasks that are put off or settled.")] = False,
) -> None:
    """List the open tasks, the longest overdue first."""
    todo_list = await todo.gather(context.node.todo, context.scope, everything=all_)
    output.rows(
        call,
        [_task_record(todo_list, task) for task in todo_list.tasks],
        _COLUMNS,
        [_cells(call, todo_list, task) for task in todo_list.tasks],
        extra={"resting": todo_list.resting, "cut": todo_list.cut},
    )
    if todo_list.cut:
        call.say("cli.todo.cut")


def _task_record(todo_list: TodoList, task: Task) -> dict[str, Any]:
    return output.fields(
        task,
        "id kind subject=subject_id direction document title counterpart counterpart_name urgency=urgency.key since"
        " due_at late=is_late left_minutes wall_clock timer owner snoozed_until=note.snoozed_until"
        " closed_at=note.closed_at note=note.note",
        direction="in" if task.is_incoming else "out",
        left_minutes=int(todo_list.remaining(task) // _MINUTE),
    )


def _cells(call: Invocation, todo_list: TodoList, task: Task) -> dict[str, str]:
    party = f"{task.counterpart} {task.counterpart_name}".strip()
    return {"counterpart": party, "left": todo_list.time_left(task, call.lang.value)}


@verb("failed:dlv_01J…", "failed:dlv_01J… --owner 'A. Clerk' --yes", ask="cli.ask.todo")
async def take(
    call: Invocation,
    context: OfficeCommandContext,
    task: TaskId,
    owner: Annotated[
        str | None, typer.Option(help="Its owner; default: the operator of this command.")
    ] = None,
) -> None:
    """Set the owner of a task."""
    _show_note(call, await todo.take_task(context.node.todo, context.scope, task, owner or user()))


@verb(
    "failed:dlv_01J… --until '2026-11-23 09:00' --note 'They move house'",
    "recall:inb_01J… --until 2026-11-23T14:00 --note 'Head decides' --yes",
    ask="cli.ask.todo",
)
async def snooze(
    call: Invocation,
    context: OfficeCommandContext,
    task: TaskId,
    end: Annotated[str, typer.Option("--until", help="Date and time in Vietnam, such as 2026-11-23 09:00.")],
    note: Why,
) -> None:
    """Put a task off until a time."""
    _show_note(call, await todo.snooze_task(context.node.todo, context.scope, task, _moment(end), note))


@verb(
    "rejected:dlv_01J… --note 'Sent again as 12/UBND'",
    "reply:inb_01J… --note 'Replied on paper' --yes",
    ask="cli.ask.todo",
)
async def close(
    call: Invocation,
    context: OfficeCommandContext,
    task: TaskId,
    note: Annotated[str, typer.Option(help="How it was settled; it is recorded.")],
) -> None:
    """Mark a task as settled by other means. It comes back if it starts again."""
    _show_note(call, await todo.close_task(context.node.todo, context.scope, task, note))


@verb("failed:dlv_01J…", ask="cli.ask.todo")
async def wake(call: Invocation, context: OfficeCommandContext, task: TaskId) -> None:
    """Put a postponed task back on the list."""
    _show_note(call, await todo.wake_task(context.node.todo, context.scope, task))


def _show_note(call: Invocation, note: TaskNote) -> None:
    output.record(call, output.fields(note, "id=task owner snoozed_until closed_at note"))


@verb("inb_01J… lanhdao", "inb_01J… lanhdao --note 'For the planning unit, I suggest' --yes", writes=True)
async def submit(
    call: Invocation,
    context: OfficeCommandContext,
    document: DocumentId,
    leader: Annotated[
        str, typer.Argument(help="A head of the agency: the sign-in name, or the person's name.")
    ],
    note: Annotated[str, typer.Option(help="Note for the leader.")] = "",
) -> None:
    """Submit a document that was taken in to a leader, who gives an opinion."""
    call.ask("cli.ask.submit", id=document, leader=leader)
    head = await _head(context, leader)
    _show_submission(call, await received.submit(context.node.inn, context.scope, document, head.id, note))


@verb("inb_01J… 'To be filed.'", "inb_01J… 'Answer by Friday.' --by lanhdao --yes", writes=True)
async def opinion(
    call: Invocation,
    context: OfficeCommandContext,
    document: DocumentId,
    words: Annotated[str, typer.Argument(help="The opinion; the sender never reads it.")],
    by: Annotated[str, typer.Option(help="The leader; default: the operator of this command.")] = "",
) -> None:
    """Record a leader's opinion on a document that waits for one."""
    call.ask("cli.ask.opinion", id=document)
    scope = replace(context.scope, principal_id=(await _head(context, by)).id) if by else context.scope
    decided = await received.decide(context.node.inn, scope, document, words)
    if decided is None:
        raise NotFound(f"{document} waits for no opinion; look with: gateway todo list")
    _show_submission(call, decided)


async def _head(context: OfficeCommandContext, login: str) -> Person:
    heads = await acting.heads_of(context.node.accounts, context.agency.id)
    leader = next((head for head in heads if login in (head.login, head.name)), None)
    if leader is None:
        names = ", ".join(sorted(head.login or head.name for head in heads)) or "nobody"
        raise NotFound(f"{login!r} is no head of this agency; its heads: {names}")
    return leader


def _show_submission(call: Invocation, submission: Submission) -> None:
    names = "id document=document_id leader note state asked_at opinion decided_by decided_at"
    output.record(call, output.fields(submission, names))


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text.strip())
        if not is_in_span(at.date()):
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-11-23 09:00") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=VIETNAM)
