"""The to-do list: one list over both directions of everything that needs an act, longest overdue first, with the person in
charge of each task and the sleeping ones; the paper of a task's document stands beside it. In: the tasks of the agency, or
of the person's units; conditions of an address. Out: the list, or the region of it that a script swaps; one task with its
notes; the notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from urllib.parse import quote, urlencode

from aiohttp import web

from gateway.domain.states import State
from gateway.domain.wall_clock import local, vietnam_time
from gateway.errors import Clash, NotFound
from gateway.words.legal import basis_of_timer
from gateway_office import todo
from gateway_office.domain.notice import SubjectKind
from gateway_office.domain.roles import Manner, Right
from gateway_office.domain.task import Task, TaskKind
from gateway_office.web import dates, duty_table, routes
from gateway_office.web.addresses import merged, url_for
from gateway_office.web.duty_table import DutyTable, is_mine
from gateway_office.web.forms import Problems
from gateway_office.web.notification_menu import SUBJECT_PATHS
from gateway_office.web.page_requests import PageRequest, faults_on
from gateway_office.web.routes import Needs

PATH = duty_table.TASKS
# The list shows the subjects of documents: it is for persons who see all of the agency's.
# A person of a unit sees the tasks that were given to it.
SEES = (Needs(right=Right.SEE_CONTENT, manners=(Manner.YES, Manner.OWN)),)
TAKES_UP = (
    Needs(right=Right.URGE, manners=(Manner.YES,)),
    Needs(right=Right.PROGRESS, manners=(Manner.OWN,)),
)
# A person who only views makes no notes.
NOTES = (Needs(right=Right.URGE, manners=(Manner.YES,)),)
NOBODY = "-"
"""Stands in an address for a task without a person in charge."""
_MORNING = time(8)
_ROWS = 50
_CHIPS = 4
"""Kinds in the bar; the others open from there."""
_EVERYBODY = "co-quan"
"""In the address of the list that shows other persons' tasks too."""
# An act without a place is done where the subject opens.
_ACTS: dict[TaskKind, tuple[str, str]] = {
    TaskKind.TAKE_IN: ("", "take_in"),
    TaskKind.DECIDE: ("", "decide"),
    TaskKind.REJECTED: ("{path}/gui-lai", "resend"),
    TaskKind.FAILED: ("{path}/gui-lai", "resend"),
    TaskKind.RECALL: ("", "answer"),
    TaskKind.REPLY: ("/phat-hanh?tra-loi={id}", "reply"),
    TaskKind.APPROVE_RECALL: ("{path}/thu-hoi/de-nghi", "approve"),
    TaskKind.LEFT_AFTER_ALL: ("{path}/thu-hoi", "recall"),
    TaskKind.ASSIGN: ("{path}/chuyen-xu-ly", "assign"),
    TaskKind.REASSIGN: ("{path}/chuyen-xu-ly", "assign"),
    TaskKind.REPLY_DUE: ("{path}/don-doc?noi-nhan={code}", "urge"),
    TaskKind.OPINION: ("{path}/chuyen-xu-ly", "opinion"),
}
# The page of each act.
_ROUTES = {
    "resend": "out_resend",
    "reply": "compose",
    "approve": "out_recall_ask",
    "assign": "incoming_assign_form",
    "opinion": "incoming_assign_form",
    "submit": "incoming_submit_form",
    "urge": "out_urge",
}
# The state of its document that each kind is drawn as, by docs/states.md.
_SHAPES: dict[TaskKind, str] = {
    TaskKind.TAKE_IN: "new",
    TaskKind.DECIDE: "held",
    TaskKind.REJECTED: State.REJECTED,
    TaskKind.FAILED: State.FAILED,
    TaskKind.RECALL: State.RECALL_ASKED,
    TaskKind.REPLY: State.PROCESSING,
    TaskKind.CERTIFICATE: "sealed",
    TaskKind.ISSUE: State.DRAFT,
    TaskKind.STATUS: State.FAILED,
    TaskKind.TAKE_BACK: State.TAKE_BACK_ASKED,
    TaskKind.APPROVE_RECALL: State.RECALL_ASKED,
    TaskKind.LEFT_AFTER_ALL: State.CANCELLED,
    TaskKind.SYSTEM: State.FAILED,
    TaskKind.SYSTEM_STATUS: State.FAILED,
    TaskKind.ACT_FAILED: State.FAILED,
    TaskKind.ASSIGN_FAILED: State.FAILED,
    TaskKind.ASSIGN: State.ACCEPTED,
    TaskKind.REASSIGN: State.ASSIGNED,
    TaskKind.REPLY_DUE: State.SENT,
    TaskKind.RECALL_DUE: State.RECALL_ASKED,
    TaskKind.DUTY: "sealed",
    TaskKind.OPINION: State.ACCEPTED,
    TaskKind.START: State.ASSIGNED,
    TaskKind.WORK: State.PROCESSING,
    TaskKind.INFORMED: State.ACCEPTED,
}
get, post, _ = routes.sharing(key="todo")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTask:
    """Task as its row shows it. `opens` is its document's page, which knows the task, or its own; `act` is where it is
    done; `letter` is the id of the document that a script shows beside the list; `shape` is the state it is drawn as."""

    task: Task
    time_left: str
    opens: str
    act: str
    verb: str
    letter: str
    shape: str


_Condition = Callable[[PageRequest, Task, str], bool]
CONDITIONS: Mapping[str, _Condition] = {
    "loai": lambda request, task, value: task.kind == value,
    "cua-toi": lambda request, task, value: task.owner == request.person.person.name,
    "gap": lambda request, task, value: task.is_pressing and is_mine(request, task.kind),
    "qua-han": lambda request, task, value: task.is_late,
    "don-vi": lambda request, task, value: task.unit == value,
    "phu-trach": lambda request, task, value: (task.owner or NOBODY) == value,
    "co-quan": lambda request, task, value: task.counterpart == value,
}
"""Conditions of the list by their names in an address. The first three are chips of the bar."""
_CHIP_CONDITIONS = ("loai", "cua-toi", "gap")


def list_address(**values: str) -> str:
    """Make the address of the list under those conditions, with `_` for `-` in their names."""
    return url_for(PATH, **{name.replace("_", "-"): value for name, value in values.items() if value})


async def list_tasks(request: PageRequest) -> web.StreamResponse:
    with_resting = request.ask("tat-ca") == "1"
    share = request.share
    todo_list = await todo.gather(request.deps.todo, request.scope(), everything=with_resting, share=share)
    conditions = {name: value for name in CONDITIONS if (value := request.ask(name))}
    duties = duty_table.of_tasks(request, todo_list.awake)
    is_own = duties.has_own and not conditions and request.ask("cua") != _EVERYBODY
    tasks = [
        task
        for task in todo_list.duties
        if all(CONDITIONS[name](request, task, value) for name, value in conditions.items())
        and (not is_own or is_mine(request, task.kind))
    ]
    pages = max(1, -(-len(tasks) // _ROWS))
    page = request.number("trang", 1, tuple(range(1, pages + 1)))
    rows = [row(request, todo_list, t) for t in tasks[(page - 1) * _ROWS : page * _ROWS]]
    query = {**conditions, **({"tat-ca": "1"} if with_resting else {})}
    query |= {"cua": _EVERYBODY} if duties.has_own and not conditions and not is_own else {}
    values: dict[str, object] = {
        "rows": rows,
        "conditions": conditions,
        "has_pane": any(row.letter for row in rows),
        "list_path": url_for(PATH, **query),
        "following": url_for(PATH, **query, trang=str(page + 1)) if page < pages else "",
        "filters": _filters(request, todo_list, conditions, query),
        "everything": with_resting,
        "resting": todo_list.resting,
        "cut": todo_list.cut,
        "may_note": share is None and request.may(Right.URGE, Manner.YES),
        "is_own": is_own,
        "is_head": request.may(Right.INSTRUCT, Manner.YES) and not request.may(Right.TAKE_IN, Manner.YES),
        **_chips(request, todo_list, duties, conditions.get("loai", "")),
    }
    if request.is_piece:
        return request.piece("tasks/_list.html", told=request.confirmation, **values)
    return await request.page("tasks/list.html", title=request.say("menu.todo"), **values)


def _chips(request: PageRequest, todo_list: todo.TodoList, duties: DutyTable, kind: str) -> dict[str, object]:
    """Choose the rows of the table that stand in the bar: the person's own first, the one asked for among them."""
    awake = todo_list.awake
    rows = (*duties.own, *duties.others)
    in_bar = sorted(rows, key=lambda duty: duty.key != kind)[:_CHIPS]
    return {
        "duties": [duty for duty in rows if duty in in_bar],
        "more_duties": [duty for duty in rows if duty not in in_bar],
        "own": duties.total if duties.has_own else None,
        "all_path": f"{PATH}?cua={_EVERYBODY}" if duties.has_own else PATH,
        "total": len(awake),
        "pressing": sum(CONDITIONS["gap"](request, task, "1") for task in awake),
        "kind": kind,
    }


def _filters(
    request: PageRequest, todo_list: todo.TodoList, conditions: Mapping[str, str], query: Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """Describe the conditions that no chip of the bar shows: name, value, and the list without it."""
    names = {task.counterpart: task.counterpart_name or task.counterpart for task in todo_list.duties}
    texts = {
        "qua-han": "",
        "phu-trach": request.say("tasks.nobody")
        if conditions.get("phu-trach") == NOBODY
        else conditions.get("phu-trach", ""),
        "co-quan": names.get(conditions.get("co-quan", ""), conditions.get("co-quan", "")),
    }
    return [
        (
            request.say(f"tasks.filter.{name}"),
            texts.get(name, value),
            url_for(PATH, **merged(query, **{name: None})),
        )
        for name, value in conditions.items()
        if name not in _CHIP_CONDITIONS
    ]


async def take_task(request: PageRequest) -> web.StreamResponse:
    task = request.form.text("task")
    name = request.person.person.name
    await todo.take_task(request.deps.todo, request.scope(), task, name, request.share)
    return request.confirm(PATH, "tasks.taken")


async def show_task(request: PageRequest, problems: Problems | None = None) -> web.StreamResponse:
    task_id = request.form.text("task") if problems else request.ask("viec")
    share = request.share
    todo_list = await todo.gather(request.deps.todo, request.scope(), everything=True, share=share)
    task = next((t for t in todo_list.duties if t.id == task_id), None)
    if task is None:
        raise NotFound("this task is settled, or never was")
    tomorrow = local(request.deps.clock.now()) + timedelta(days=1)
    return await request.form_page(
        "tasks/one.html",
        problems,
        title=request.say(f"task.{task.kind}"),
        row=row(request, todo_list, task),
        basis=basis_of_timer(task.timer, request.lang) if task.timer else "",
        may_note=share is None and request.may(Right.URGE, Manner.YES),
        may_take=request.meets(TAKES_UP),
        rests=task.rests(todo_list.at),
        latest=task.due_at,
        given=request.form.flat()
        or {"day": tomorrow.strftime("%d/%m/%Y"), "time": _MORNING.strftime("%H:%M")},
    )


@faults_on(show_task, Clash, fields={"GW-NOTE": "note"}, other="day")
async def snooze_task(request: PageRequest) -> web.StreamResponse:
    task = request.form.text("task")
    wake_at = _read_until(request)
    if wake_at is None:
        return await show_task(request, [("day", request.say("tasks.when.unreadable"))])
    await todo.snooze_task(request.deps.todo, request.scope(), task, wake_at, request.form.text("note"))
    return request.confirm(PATH, "tasks.snoozed")


@faults_on(show_task, Clash, other="done")
async def close_task(request: PageRequest) -> web.StreamResponse:
    task = request.form.text("task")
    await todo.close_task(request.deps.todo, request.scope(), task, request.form.text("done"))
    return request.confirm(PATH, "tasks.closed")


async def wake_task(request: PageRequest) -> web.StreamResponse:
    await todo.wake_task(request.deps.todo, request.scope(), request.form.text("task"))
    return request.confirm(PATH, "tasks.woken")


def row(request: PageRequest, todo_list: todo.TodoList, task: Task) -> ShownTask:
    path = SUBJECT_PATHS[task.subject_kind].format(id=task.opens)
    act, verb = _ACTS.get(task.kind, ("", "open"))
    if verb == "assign" and not request.can(_ROUTES[verb]):
        act, verb = "{path}/trinh", "submit"
    # An act is offered by the guard of its page; urging begins when the answer is late.
    if not request.can(_ROUTES.get(verb, "tasks")) or (verb == "urge" and not task.is_late):
        act, verb = "", "open"
    has_letter = task.subject_kind is not SubjectKind.AGENCY
    opens = f"{path if has_letter else f'{PATH}/viec'}?{urlencode({'viec': task.id})}"
    return ShownTask(
        task=task,
        time_left=todo_list.time_left(task, request.lang),
        opens=opens,
        act=act.format(path=path, id=task.subject_id, code=quote(task.counterpart))
        or (opens if has_letter else path),
        verb=request.say(f"tasks.do.{verb}"),
        letter=task.opens if has_letter else "",
        shape=_SHAPES[task.kind],
    )


def _read_until(request: PageRequest) -> datetime | None:
    now = request.deps.clock.now()
    on = dates.typed_day(request.form.text("day"), local(now).date())
    at = dates.typed_clock(request.form.text("time") or _MORNING.strftime("%H:%M"))
    return vietnam_time(on, at) if on is not None and at is not None else None


ROUTES = (
    get(PATH, "tasks", list_tasks, needs=SEES),
    get(f"{PATH}/viec", "task", show_task, needs=SEES),
    post(f"{PATH}/phu-trach", "task_taken", take_task, needs=TAKES_UP),
    post(f"{PATH}/nhac-lai", "task_snoozed", snooze_task, needs=NOTES),
    post(f"{PATH}/xong", "task_closed", close_task, needs=NOTES),
    post(f"{PATH}/danh-thuc", "task_woken", wake_task, needs=NOTES),
)
