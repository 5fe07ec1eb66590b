"""What people say about a task: I look after it, it may rest until then, it is settled. In: a task's id and the words. Out:
the note as it now is, with an event. A task is named as the list names it; one that is not on the list cannot be noted."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.errors import Clash, NotFound
from gateway.office.domain.task import Task, TaskNote
from gateway.office.todo import gather
from gateway.office.todo.desk import TodoDesk

LONGEST_REST = timedelta(days=90)
LONGEST_NOTE = 500


async def take(desk: TodoDesk, scope: AgencyScope, task: str, owner: str) -> TaskNote:
    """Somebody looks after it from now on; who did before is told by the events."""
    return await _note(desk, scope, task, "taken", owner=_text(owner, "name"))


async def snooze(desk: TodoDesk, scope: AgencyScope, task: str, until: datetime, note: str) -> TaskNote:
    """It leaves the list until then. Clash for a time that has passed or lies too far ahead."""
    now = desk.clock.now()
    if not now < until <= now + LONGEST_REST:
        raise Clash(
            f"a task may rest until a moment within the next {LONGEST_REST.days} days, not until {until:%d/%m/%Y %H:%M}",
            code="GW-REST",
        )
    return await _note(
        desk, scope, task, "snoozed", snoozed_until=until, closed_at=None, note=_text(note, "note")
    )


async def close(desk: TodoDesk, scope: AgencyScope, task: str, note: str) -> TaskNote:
    """It is settled by other means; it comes back when it begins anew, such as after a second failure."""
    now = desk.clock.now()
    return await _note(
        desk, scope, task, "settled", closed_at=now, snoozed_until=None, note=_text(note, "note")
    )


async def wake(desk: TodoDesk, scope: AgencyScope, task: str) -> TaskNote:
    """It is on the list again."""
    return await _note(desk, scope, task, "woken", closed_at=None, snoozed_until=None)


async def _note(
    desk: TodoDesk, scope: AgencyScope, task: str, what: str, **said: str | datetime | None
) -> TaskNote:
    listed = _listed(await gather.run(desk, scope, everything=True), task)
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        await work.agency()
        known = (await work.office.tasks.notes([task])).get(task)
        noted = known or TaskNote(task=task, noted_by=scope.principal_id, noted_at=now)
        if noted.noted_at < listed.since:
            noted = replace(noted, closed_at=None, snoozed_until=None)
        changed = replace(noted, noted_by=scope.principal_id, noted_at=now, **said)  # type: ignore[arg-type]  # its fields
        await work.office.tasks.save_note(changed)
        told = {"task": task, "what": what, "person": changed.owner, "note": changed.note}
        await work.events.append(EventKind.TASK_NOTED, listed.subject_id, now, told)
        await work.commit()
    desk.wake()
    return changed


def _listed(found: gather.TodoList, task: str) -> Task:
    listed = next((each for each in found.tasks if each.id == task), None)
    if listed is None:
        raise NotFound(f"there is no task {task} to do; look with: gateway todo list")
    return listed


def _text(words: str, what: str) -> str:
    text = " ".join(words.split())
    if not text or len(text) > LONGEST_NOTE:
        raise Clash(f"a {what} has 1 to {LONGEST_NOTE} letters", code="GW-NOTE")
    return text
