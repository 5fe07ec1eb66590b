"""The to-do list: one list over both directions of everything that needs an act, longest overdue first, with the person in
charge of each task and the sleeping ones. In: the tasks of the agency. Out: the list, one task with its notes, the
notes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import quote

from aiohttp import web

from gateway.domain.wall_clock import local, vietnam_time
from gateway.errors import Clash, NotFound
from gateway.office import todo
from gateway.office.domain.roles import Manner, Right
from gateway.office.domain.task import Task, TaskKind
from gateway.office.web import dates
from gateway.office.web.forms import Problems
from gateway.office.web.page_requests import SUBJECT_PATHS, PageRequest, merged, url_for
from gateway.office.web.routes import Needs, get, post

# The list shows the subjects of documents: it is for persons who see all of the agency's.
# A person of a unit sees the tasks that were given to it.
SEES = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
TAKES_UP = (
    Needs(right=Right.URGE, manners=(Manner.YES,)),
    Needs(right=Right.PROGRESS, manners=(Manner.OWN,)),
)
# A person who only views makes no notes.
NOTES = (Needs(right=Right.URGE, manners=(Manner.YES,)),)
_MORNING = time(8)
_ROWS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTask:
    """Task as the list shows it. `path` opens its subject, `act` is where it is done."""

    task: Task
    time_left: str
    path: str
    act: str
    verb: str


async def list_tasks(request: PageRequest) -> web.StreamResponse:
    with_resting = request.ask("tat-ca") == "1"
    share = request.share
    todo_list = await todo.gather(request.deps.todo, request.scope(), everything=with_resting, share=share)
    kind = request.ask("loai")
    only_mine = request.ask("cua-toi") == "1"
    tasks = [
        t
        for t in todo_list.tasks
        if (not kind or t.kind == kind) and (not only_mine or t.owner == request.person.person.name)
    ]
    pages = max(1, -(-len(tasks) // _ROWS))
    page = request.number("trang", 1, tuple(range(1, pages + 1)))
    rows = [row(request, todo_list, t) for t in tasks[(page - 1) * _ROWS : page * _ROWS]]
    following = merged(dict(request.http.query), trang=str(page + 1), told=None)
    kinds = Counter(task.kind for task in todo_list.awake)
    return await request.page(
        "tasks/list.html",
        title=request.say("menu.todo"),
        rows=rows,
        following=url_for("/can-xu-ly", **following) if page < pages else "",
        kinds={kind: kinds[kind] for kind in TaskKind if kinds[kind]},
        total=kinds.total(),
        kind=kind,
        mine=only_mine,
        everything=with_resting,
        may_note=share is None and request.may(Right.URGE, Manner.YES),
        may_take=_may_take(request),
        resting=todo_list.resting,
        cut=todo_list.cut,
    )


async def take_task(request: PageRequest) -> web.StreamResponse:
    task = request.form.text("task")
    name = request.person.person.name
    await todo.take_task(request.deps.todo, request.scope(), task, name, request.share)
    return request.confirm("/can-xu-ly", "tasks.taken")


def _may_take(request: PageRequest) -> bool:
    return any(request.may(need.right, *need.manners) for need in TAKES_UP)


async def snooze_task(request: PageRequest) -> web.StreamResponse:
    task = request.form.text("task")
    wake_at = _read_until(request)
    if wake_at is None:
        return await show_task(request, [("day", request.say("tasks.when.unreadable"))])
    try:
        await todo.snooze_task(request.deps.todo, request.scope(), task, wake_at, request.form.text("note"))
    except Clash as error:
        return await show_task(request, [("note" if error.code == "GW-NOTE" else "day", request.why(error))])
    return request.confirm("/can-xu-ly", "tasks.snoozed")


async def close_task(request: PageRequest) -> web.StreamResponse:
    task = request.form.text("task")
    try:
        await todo.close_task(request.deps.todo, request.scope(), task, request.form.text("done"))
    except Clash as error:
        return await show_task(request, [("done", request.why(error))])
    return request.confirm("/can-xu-ly", "tasks.closed")


async def wake_task(request: PageRequest) -> web.StreamResponse:
    await todo.wake_task(request.deps.todo, request.scope(), request.form.text("task"))
    return request.confirm("/can-xu-ly", "tasks.woken")


def row(request: PageRequest, todo_list: todo.TodoList, task: Task) -> ShownTask:
    path = SUBJECT_PATHS[task.subject_kind].format(id=task.opens)
    act, verb = _ACTS.get(task.kind, ("", "open"))
    if verb == "resend" and not request.may(Right.ISSUE, Manner.YES):
        act, verb = "", "open"
    if verb == "urge" and not (task.is_late and request.may(Right.URGE, Manner.YES)):
        act, verb = "", "open"
    if verb in ("assign", "opinion") and not request.may(Right.INSTRUCT, Manner.YES):
        submits = verb == "assign" and request.may(Right.TAKE_IN, Manner.YES)
        act, verb = ("{path}/trinh", "submit") if submits else ("", "open")
    return ShownTask(
        task=task,
        time_left=todo_list.time_left(task, request.lang),
        path=path,
        act=act.format(path=path, id=task.subject_id, code=quote(task.counterpart)),
        verb=request.say(f"tasks.do.{verb}"),
    )


_ACTS: dict[TaskKind, tuple[str, str]] = {
    TaskKind.TAKE_IN: ("{path}", "take_in"),
    TaskKind.DECIDE: ("{path}", "decide"),
    TaskKind.REJECTED: ("{path}/gui-lai", "resend"),
    TaskKind.FAILED: ("{path}/gui-lai", "resend"),
    TaskKind.RECALL: ("{path}", "answer"),
    TaskKind.REPLY: ("/phat-hanh?tra-loi={id}", "reply"),
    TaskKind.CERTIFICATE: ("{path}", "open"),
    TaskKind.ISSUE: ("{path}", "open"),
    TaskKind.STATUS: ("{path}", "open"),
    TaskKind.TAKE_BACK: ("{path}", "open"),
    TaskKind.APPROVE_RECALL: ("{path}/thu-hoi/de-nghi", "approve"),
    TaskKind.SYSTEM: ("{path}", "open"),
    TaskKind.SYSTEM_STATUS: ("{path}", "open"),
    TaskKind.ASSIGN: ("{path}/chuyen-xu-ly", "assign"),
    TaskKind.REASSIGN: ("{path}/chuyen-xu-ly", "assign"),
    TaskKind.REPLY_DUE: ("{path}/don-doc?noi-nhan={code}", "urge"),
    TaskKind.OPINION: ("{path}/chuyen-xu-ly", "opinion"),
    TaskKind.START: ("{path}", "open"),
    TaskKind.WORK: ("{path}", "open"),
    TaskKind.INFORMED: ("{path}", "open"),
}


async def show_task(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    task_id = request.form.text("task") if problems else request.ask("viec")
    share = request.share
    todo_list = await todo.gather(request.deps.todo, request.scope(), everything=True, share=share)
    task = next((t for t in todo_list.tasks if t.id == task_id), None)
    if task is None:
        raise NotFound("this task is settled, or never was")
    tomorrow = local(request.deps.clock.now()) + timedelta(days=1)
    return await request.form_page(
        "tasks/one.html",
        problems,
        title=request.say(f"task.{task.kind}"),
        row=row(request, todo_list, task),
        may_note=share is None and request.may(Right.URGE, Manner.YES),
        may_take=_may_take(request),
        rests=task.rests(todo_list.at),
        latest=task.due_at,
        given=request.form.flat()
        or {"day": tomorrow.strftime("%d/%m/%Y"), "time": _MORNING.strftime("%H:%M")},
    )


def _read_until(request: PageRequest) -> datetime | None:
    now = request.deps.clock.now()
    on = dates.typed_day(request.form.text("day"), local(now).date())
    at = dates.typed_clock(request.form.text("time") or _MORNING.strftime("%H:%M"))
    return vietnam_time(on, at) if on is not None and at is not None else None


ROUTES = (
    get("/can-xu-ly", "tasks", list_tasks, needs=SEES, key="todo"),
    get("/can-xu-ly/viec", "task", show_task, needs=SEES, key="todo"),
    post("/can-xu-ly/phu-trach", "task_taken", take_task, needs=TAKES_UP, key="todo"),
    post("/can-xu-ly/nhac-lai", "task_snoozed", snooze_task, needs=NOTES, key="todo"),
    post("/can-xu-ly/xong", "task_closed", close_task, needs=NOTES, key="todo"),
    post("/can-xu-ly/danh-thuc", "task_woken", wake_task, needs=NOTES, key="todo"),
)
