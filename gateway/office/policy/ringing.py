"""What there is to tell at the bell, and since when. In: tasks, letters, recipients that owe a word, packets that were put
aside, the time. Out: rings. A task is told when it begins, and once more when its time has passed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta

from gateway.domain.document import InState, Urgency
from gateway.domain.status import Fact, RequestKind, RequestState, fold_incoming
from gateway.domain.wall_clock import local
from gateway.office.domain.listing import ListLine, Side
from gateway.office.domain.ringing import About, Partner, Ring, RingKind
from gateway.office.domain.task import Task, TaskKind
from gateway.policy import timers
from gateway.ports.queues import InboxPacket

SOON = timedelta(minutes=30)
"""A letter is told of so long before its time is over."""
SILENT_AFTER = timedelta(hours=24)
SILENT_BACK = timedelta(days=30)
"""A recipient whose silence is older is told of no more: nothing was sent there since."""
_KINDS: Mapping[TaskKind, RingKind] = {
    **dict.fromkeys((TaskKind.APPROVE_RECALL, TaskKind.OPINION, TaskKind.REASSIGN), RingKind.APPROVAL),
    TaskKind.REJECTED: RingKind.RETURNED,
    **dict.fromkeys(
        (TaskKind.FAILED, TaskKind.STATUS, TaskKind.TAKE_BACK, TaskKind.SYSTEM, TaskKind.SYSTEM_STATUS),
        RingKind.FAILED,
    ),
    TaskKind.RECALL: RingKind.RECALL,
}
# From so many days before its day on what is to be answered is told.
_AHEAD = {TaskKind.REPLY: timers.REPLY_SOON, TaskKind.REPLY_WANTED: timers.REPLY_WANTED_SOON}
_ASSIGNED = "04"


def of_tasks(tasks: Iterable[Task]) -> Iterator[Ring]:
    for each in tasks:
        is_urgent = each.kind is TaskKind.TAKE_IN and timers.is_urgent(each.urgency)
        about = About.INCOMING if each.is_incoming else About.OUTGOING
        is_certificate = each.kind is TaskKind.CERTIFICATE
        yield Ring(
            id=each.id,
            kind=RingKind.URGENT if is_urgent else _KINDS.get(each.kind, RingKind.DUE),
            says="bell.urgent.one" if is_urgent else f"task.{each.kind}",
            at=_told_at(each),
            about=About.AGENCY if is_certificate else about,
            subject_id=each.counterpart if is_certificate else each.subject_id,
            document=each.document,
            party=each.counterpart_name or each.counterpart,
            is_late=each.is_late,
            is_express=is_urgent and each.urgency >= Urgency.EXPRESS,
            by="" if each.is_late else each.begun_by,
        )


def _told_at(task: Task) -> datetime:
    """Since when it stands in the list, or is late there."""
    if task.kind is TaskKind.WORK:
        return task.due_at + timers.LEADER_TOLD
    if task.is_late and task.due_at > task.since:
        return task.due_at
    if task.kind in _AHEAD:
        return max(task.since, timers.vietnam_time(local(task.due_at - _AHEAD[task.kind]).date(), time()))
    if task.timer == timers.Timer.T3:
        return max(task.since, timers.afternoon_of(task.due_at))
    if task.kind is TaskKind.ASSIGN and not timers.is_urgent(task.urgency):
        return max(task.since, timers.afternoon_of(task.since))
    return task.since


def of_late(tasks: Iterable[Task]) -> Iterator[Ring]:
    """A unit's own that is late; what it was given is told as such."""
    late = [each for each in tasks if each.is_late]
    for task, ring in zip(late, of_tasks(late), strict=True):
        yield replace(ring, at=task.due_at)


def of_letters(lines: Iterable[ListLine], now: datetime) -> Iterator[Ring]:
    """Letters that are not urgent and whose time to be taken in is nearly over; what is late is a task."""
    for each in lines:
        if each.due_at is None or timers.is_urgent(each.urgency) or each.own_state != InState.NEW:
            continue
        if timedelta() < each.due_at - now <= SOON:
            yield _of_line(each, RingKind.DUE, "bell.soon", each.due_at - SOON)


def of_given(
    lines: Sequence[ListLine], facts: Mapping[str, Sequence[Fact]], givers: Mapping[str, str]
) -> Iterator[Ring]:
    """Letters that were given to one's unit, since the last time that each was; `givers` names who gave it."""
    for each in lines:
        given = [fact.at for fact in facts.get(each.id, ()) if fact.code == _ASSIGNED]
        ring = _of_line(each, RingKind.GIVEN, "bell.given.one", max(given, default=each.at))
        yield replace(ring, by=givers.get(each.id, ""))


def of_recalled(lines: Sequence[ListLine], facts: Mapping[str, Sequence[Fact]]) -> Iterator[Ring]:
    """Letters given to one's unit whose sender recalls them or asks for them back, from the request on; once more when the
    agency has agreed."""
    for each in lines:
        requests = fold_incoming(facts.get(each.id, ())).requests
        taken_back = [request for request in requests if request.kind is not RequestKind.UPDATE]
        if taken_back:
            last = max(taken_back, key=lambda request: request.asked_at)
            says = "bell.recall.asked" if last.state is RequestState.ASKED else "bell.recall.done"
            yield _of_line(each, RingKind.RECALL, says, last.answered_at or last.asked_at)


def of_sent(lines: Iterable[ListLine]) -> Iterator[Ring]:
    """One's own documents that came back or could not be sent."""
    words = {"rejected": RingKind.RETURNED, "failed": RingKind.FAILED}
    for each in lines:
        if (kind := words.get(each.state)) is not None:
            yield _of_line(each, kind, f"task.{each.state}", each.latest_at or each.at)


def of_silent(sent: Sequence[tuple[str, datetime]], partners: Mapping[str, Partner]) -> Iterator[Ring]:
    """Recipients that owe their first word on something sent a day ago or earlier, and were not heard since. `sent`: code
    and time of each such document; a code without a partner is in no registry."""
    first: dict[str, datetime] = {}
    for code, at in sorted(sent, key=lambda each: each[1]):
        heard = partners[code].heard_at if code in partners else None
        if heard is None or heard < at:
            first.setdefault(code, at)
    for code, at in first.items():
        yield Ring(
            id=f"silent:{code}",
            kind=RingKind.SILENT,
            says="bell.silent.one",
            at=at + SILENT_AFTER,
            about=About.AGENCY,
            subject_id=code,
            party=partners[code].name if code in partners else code,
        )


def of_packets(packets: Iterable[InboxPacket]) -> Iterator[Ring]:
    """What was kept out and waits for a decision. What it says of itself is unproved and stands in no word here."""
    for each in packets:
        if each.state == "waiting":  # for another packet, and not for a person
            continue
        yield Ring(
            id=f"aside:{each.id}",
            kind=RingKind.ASIDE,
            says="bell.aside.one",
            at=each.received_at,
            about=About.PACKET,
            subject_id=each.id,
        )


def _of_line(line: ListLine, kind: RingKind, says: str, at: datetime) -> Ring:
    return Ring(
        id=f"{kind}:{line.id}",
        kind=kind,
        says=says,
        at=at,
        about=About.INCOMING if line.side is Side.IN else About.OUTGOING,
        subject_id=line.id,
        document=f"{line.card.number}/{line.card.symbol}".strip("/"),
        party=line.card.party or line.card.party_code,
    )
