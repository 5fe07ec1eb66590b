"""The board of those who lead: who is late and for how long, and which agencies do not answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from gateway.domain.document import Urgency
from gateway.domain.office_calendar import OfficeCalendar
from gateway_office.domain.notice import Ring, RingKind, SubjectKind
from gateway_office.domain.task import Task, TaskKind, TaskNote
from gateway_office.todo import TodoList
from gateway_office.web.pages import board
from gateway_office.web.pages.tasks import NOBODY
from tests.support.clock import START

DAY = timedelta(days=1)


def late(name: str, days: float, kind: TaskKind = TaskKind.WORK, **more: object) -> Task:
    task = Task(
        id=name,
        kind=kind,
        subject_id="inb_1",
        document="1/SNN",
        title="Báo cáo",
        counterpart="Z91.02",
        counterpart_name="Sở Mẫu",
        urgency=Urgency.NORMAL,
        since=START - 30 * DAY,
        due_at=START - days * DAY,
        is_late=days > 0,
        wall_clock=True,
    )
    return replace(task, **more)  # type: ignore[arg-type]  # its fields


def looked_after(task: Task, owner: str) -> Task:
    return replace(task, note=TaskNote(task=task.id, noted_by="p", noted_at=START, owner=owner))


def todo_list(*tasks: Task) -> TodoList:
    return TodoList(tasks=tasks, resting=0, cut=False, office=OfficeCalendar(), at=START)


def silent(code: str, days: float) -> Ring:
    return Ring(
        id=f"silent:{code}",
        kind=RingKind.SILENT,
        says="bell.silent.one",
        at=START - days * DAY,
        subject_kind=SubjectKind.AGENCY,
        subject_id=code,
        party=f"Xã {code}",
    )


def test_units_with_the_most_late_tasks_lead_and_tasks_that_are_not_late_do_not_count() -> None:
    tasks = (
        late("a", 1, unit="Phòng Một"),
        late("b", 2, unit="Phòng Hai"),
        late("c", 5, unit="Phòng Hai"),
        late("d", -1, unit="Phòng Một"),
        late("e", 9),
    )
    rows = board.late_by(todo_list(*tasks), "vi", "don_vi", lambda task: task.unit)
    assert [(row.name, row.n, row.longest) for row in rows] == [
        ("Phòng Hai", 2, "Quá 5 ngày"),
        ("Phòng Một", 1, "Quá 1 ngày"),
    ]
    assert rows[1].path == "/can-xu-ly?qua-han=1&don-vi=Ph%C3%B2ng+M%E1%BB%99t"


def test_late_tasks_that_nobody_looks_after_have_a_row_of_their_own() -> None:
    tasks = (late("a", 1), looked_after(late("b", 2), "Lê Mẫu"))
    rows = board.late_by(todo_list(*tasks), "vi", "phu_trach", lambda task: task.owner or NOBODY)
    assert {row.name: row.path for row in rows} == {
        "Chưa có ai": "/can-xu-ly?qua-han=1&phu-trach=-",
        "Lê Mẫu": "/can-xu-ly?qua-han=1&phu-trach=L%C3%AA+M%E1%BA%ABu",
    }


def test_agencies_that_owe_answers_stand_before_those_silent_for_less_and_no_agency_stands_twice() -> None:
    owed = TaskKind.REPLY_DUE
    tasks = (late("a", 1.5, owed), late("b", 8, owed), late("c", -1, owed, counterpart="Z91.09"))
    rings = [silent("Z91.02", 20), silent("Z91.03", 2.5), silent("Z91.04", 0.1)]
    rows = board.silent_agencies(todo_list(*tasks), rings)
    assert [(row.name, row.days, row.replies, row.heat) for row in rows] == [
        ("Sở Mẫu", 8, 2, 3),
        ("Xã Z91.03", 3, 0, 2),
        ("Xã Z91.04", 1, 0, 1),
    ]
    assert [row.path for row in rows[:2]] == [
        "/can-xu-ly?loai=reply_wanted&co-quan=Z91.02",
        "/co-quan/Z91.03",
    ]
