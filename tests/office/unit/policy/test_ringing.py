"""Rings of the bell and their times: a task when it begins and once more when it is late, a silent recipient once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.domain.document import Urgency
from gateway_office import notifications
from gateway_office.domain.notice import NotificationSettings, Partner, Ring, RingKind, SubjectKind
from gateway_office.domain.task import Task, TaskKind
from tests.support.cases import Cases

NOW = datetime(2026, 11, 20, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def task(kind: TaskKind, **fields: Any) -> Task:
    defaults: dict[str, Any] = {
        "id": f"{kind}:1",
        "subject_id": "inb_1",
        "document": "7/SNN",
        "title": "",
        "counterpart": "Z91.02",
        "counterpart_name": "Sở Mẫu",
        "urgency": Urgency.NORMAL,
        "since": NOW - HOUR,
        "due_at": NOW + HOUR,
        "is_late": False,
        "wall_clock": False,
    }
    return Task(kind=kind, **defaults | fields)


def ring_of(due_task: Task) -> Ring:
    (ring,) = notifications.of_tasks([due_task])
    return ring


def test_every_kind_of_task_has_its_ring(cases: Cases) -> None:
    def check(kind: TaskKind) -> None:
        ring = ring_of(task(kind))
        assert (ring.document, ring.party, ring.is_late, ring.is_express) == ("7/SNN", "Sở Mẫu", False, False)
        subject = SubjectKind.INCOMING if task(kind).is_incoming else SubjectKind.OUTGOING
        assert ring.subject_kind is (SubjectKind.AGENCY if kind is TaskKind.CERTIFICATE else subject)

    cases.check_rows(TaskKind, check)


@pytest.mark.parametrize(
    ("urgency", "kind", "aloud"),
    [
        (Urgency.NORMAL, RingKind.DUE, False),
        (Urgency.URGENT, RingKind.URGENT, False),
        (Urgency.EXPRESS, RingKind.URGENT, True),
        (Urgency.TIMED_EXPRESS, RingKind.URGENT, True),
    ],
)
def test_only_express_letters_ring_aloud(urgency: Urgency, kind: RingKind, aloud: bool) -> None:
    ring = ring_of(task(TaskKind.TAKE_IN, urgency=urgency))
    assert (ring.kind, ring.is_express) == (kind, aloud)
    assert not ring_of(task(TaskKind.REJECTED, urgency=urgency)).is_express


def test_a_task_that_was_read_is_told_anew_once_it_is_late() -> None:
    fresh, late = task(TaskKind.FAILED), task(TaskKind.FAILED, is_late=True, due_at=NOW)
    services = NotificationSettings(read_until=ring_of(fresh).at)
    assert not services.is_unread(ring_of(fresh))
    assert services.is_unread(ring_of(late))
    assert ring_of(late).at == NOW
    # Whatever is due at once is not told twice.
    at_once = task(TaskKind.FAILED, is_late=True, due_at=NOW - HOUR)
    assert not services.is_unread(ring_of(at_once))
    assert NotificationSettings().is_unread(ring_of(fresh))


def test_a_reply_is_told_of_three_days_before() -> None:
    """From the first minute of that day on, which has begun whenever it stands in the list."""
    ring = ring_of(task(TaskKind.REPLY, since=NOW - 30 * DAY, due_at=NOW + DAY))
    assert ring.at == NOW - 2 * DAY - 9 * HOUR


@pytest.mark.parametrize(
    ("kind", "fields", "delay"),
    [
        (TaskKind.REPLY_DUE, {"due_at": NOW + 30 * DAY}, 27 * DAY - 9 * HOUR),
        (TaskKind.ASSIGN, {}, timedelta(hours=7)),
        (TaskKind.TAKE_IN, {"timer": "t3", "due_at": NOW + 8 * HOUR}, timedelta(hours=7)),
        (TaskKind.ASSIGN, {"urgency": Urgency.URGENT}, -HOUR),
        (TaskKind.WORK, {"due_at": NOW - DAY, "is_late": True}, DAY),
    ],
)
def test_what_stands_in_the_list_later_than_it_began_is_told_when_it_does(
    kind: TaskKind, fields: dict[str, Any], delay: timedelta
) -> None:
    assert ring_of(task(kind, **fields)).at == NOW + delay


def test_a_unit_is_told_once_more_of_what_is_late() -> None:
    late = task(TaskKind.WORK, due_at=NOW - DAY, is_late=True)
    (ring,) = notifications.of_late([task(TaskKind.START), late])
    assert (ring.kind, ring.at) == (RingKind.DUE, NOW - DAY)


def test_what_waits_for_a_leader_is_a_kind_of_its_own() -> None:
    for kind in (TaskKind.APPROVE_RECALL, TaskKind.OPINION, TaskKind.REASSIGN):
        assert ring_of(task(kind)).kind is RingKind.APPROVAL, kind


def test_who_owes_a_word_since_a_day_and_was_not_heard_is_silent_once() -> None:
    sent = [("A", NOW - 3 * DAY), ("A", NOW - 2 * DAY), ("B", NOW - 2 * DAY), ("C", NOW - 2 * DAY)]
    partners = {
        "A": Partner(name="Sở A"),
        "B": Partner(name="Sở B", heard_at=NOW - DAY),
        "C": Partner(name="Sở C", heard_at=NOW - 5 * DAY),
    }
    silent = {r.subject_id: r for r in notifications.of_silent(sent, partners)}
    assert set(silent) == {"A", "C"}
    assert (silent["A"].party, silent["A"].at) == ("Sở A", NOW - 2 * DAY)
    # It spoke in between: silence is counted from what it owes since then.
    spoke = {"A": Partner(name="Sở A", heard_at=NOW - 2.5 * DAY)}
    (silent_now,) = notifications.of_silent(sent[:2], spoke)
    assert silent_now.at == NOW - DAY
    (unknown,) = notifications.of_silent([("Z", NOW - 2 * DAY)], {})
    assert unknown.party == "Z"
