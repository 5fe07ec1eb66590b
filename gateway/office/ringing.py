"""The bell: what there is to tell and since when, a task when it begins and once more when its time has passed; what a
person is told of, gathered for an agency or for one's own unit and known for some seconds, as every page shows it; and what
the person's own desk remembers of it. In: the tasks as they are known, lists, packets that were put aside, when recipients
were last heard, the time. Out: rings, newest first; a desk that is kept. Nothing is written when something happens: what
was settled is told no more, whoever settled it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

from gateway.domain.account import AgencyScope
from gateway.domain.document import InState, Urgency
from gateway.domain.handling import unit_key
from gateway.domain.queues import InboxPacket
from gateway.domain.status import Fact, RequestKind, RequestState, fold_incoming
from gateway.domain.wall_clock import local, vietnam_time
from gateway.office.domain.listing import Filter, ListLine, Side, Tab, person_viewer, unit_viewer
from gateway.office.domain.notice import OwnDesk, Partner, Ring, RingKind, SubjectKind
from gateway.office.domain.task import Task, TaskKind
from gateway.office.todo import TaskBell
from gateway.policy import timers

MOST_RINGS = 200
_LETTERS = 50
_MOST_SENT = 2_000
_REMEMBERED = timedelta(seconds=10)
# Who is silent is found by looking at a month; it changes by the hour.
_SILENCE_REMEMBERED = timedelta(minutes=5)
_MOST_KEPT = 2_000


@dataclass(slots=True, kw_only=True)
class RingBoard:
    """`aside`: packets of an agency that wait for a decision; `partners`: who these codes are,
    and when that agency last heard from each."""

    bell: TaskBell
    aside: Callable[[str, int], Awaitable[Sequence[InboxPacket]]]
    partners: Callable[[Sequence[str], str], Awaitable[Mapping[str, Partner]]]
    _rings: dict[tuple[str, str], tuple[datetime, int, Sequence[Ring]]] = field(default_factory=dict)
    _silent: dict[str, tuple[datetime, Sequence[Ring]]] = field(default_factory=dict)
    _urgent: dict[str, int] = field(default_factory=dict)
    _desks: dict[tuple[str, str], tuple[datetime, OwnDesk]] = field(default_factory=dict)

    async def of_agency(self, scope: AgencyScope) -> Sequence[Ring]:
        """Everything of the agency; whom it concerns is the asker's to say."""
        key = scope.agency_id, ""
        if (known := self._known(key)) is not None:
            return known
        desk, turn = self.bell.desk, self.bell.turn(scope.agency_id)
        now = desk.clock.now()
        tasks = (await self.bell.listed(scope)).tasks
        async with desk.store.read(scope) as work:
            new = await work.office.lists.page(Filter(side=Side.IN, tab=Tab.NEW), limit=_LETTERS)
        packets = await self.aside(scope.agency_id, _LETTERS)
        found = [
            *of_tasks(tasks),
            *of_letters(new.lines, now),
            *of_packets(packets),
            *await self._silent_ones(scope),
        ]
        return self._keep(key, turn, found)

    async def look(self, scope: AgencyScope) -> None:
        """For pages that wait for news: what is urgent does not wait for what is known to grow old."""
        urgent = Filter(side=Side.IN, tab=Tab.NEW, pressing=True)
        async with self.bell.desk.store.read(scope) as work:
            found = (await work.office.lists.count(urgent)).n
        if self._urgent.get(scope.agency_id, found) != found:
            self.bell.stale(scope.agency_id)
        _bound(self._urgent)
        self._urgent[scope.agency_id] = found

    async def of_unit(self, scope: AgencyScope, unit: str) -> Sequence[Ring]:
        """What was given to that unit, what of it is recalled or late, and what became of the person's own."""
        key = scope.agency_id, f"{unit}\n{scope.principal_id}"
        if (known := self._known(key)) is not None:
            return known
        turn = self.bell.turn(scope.agency_id)
        given = Filter(side=Side.IN, tab=Tab.PROCESSING, viewer=unit_viewer(unit))
        recalled = Filter(side=Side.IN, tab=Tab.RECALL, viewer=unit_viewer(unit))
        back = Filter(side=Side.OUT, attention=True, viewer=person_viewer(scope.principal_id))
        tasks = (await self.bell.listed(scope, frozenset({unit}))).tasks
        async with self.bell.desk.store.read(scope) as work:
            letters = (await work.office.lists.page(given, limit=_LETTERS)).lines
            asked_back = (await work.office.lists.page(recalled, limit=_LETTERS)).lines
            ids = [letter.id for letter in (*letters, *asked_back)]
            facts = await work.facts.of_many(ids) if ids else {}
            parts = await work.parts.of(ids) if ids else {}
            sent = (await work.office.lists.page(back, limit=_LETTERS)).lines
        own = {
            id: max(
                (part for part in given if part.key == unit_key(unit)),
                key=lambda part: part.given_at,
                default=None,
            )
            for id, given in parts.items()
        }
        givers = {id: part.given_by for id, part in own.items() if part is not None}
        found = [
            *of_given(letters, facts, givers),
            *of_recalled(asked_back, facts),
            *of_late(tasks),
            *of_sent(sent),
        ]
        return self._keep(key, turn, found)

    async def desk(self, scope: AgencyScope, *, anew: bool = False) -> OwnDesk:
        """The person's own; `anew` where another process may have changed it in these seconds."""
        key, now = (scope.agency_id, scope.principal_id), self.bell.desk.clock.now()
        known = self._desks.get(key)
        if known is not None and not anew and timedelta() <= now - known[0] < _REMEMBERED:
            return known[1]
        async with self.bell.desk.store.read(scope) as work:
            return self._remember(key, await work.office.desks.load(scope.principal_id))

    async def read(self, scope: AgencyScope, until: datetime) -> None:
        """Everything until then was read; never less than before."""
        until = min(until, self.bell.desk.clock.now())

        def change(desk: OwnDesk) -> OwnDesk:
            return replace(desk, read_until=max(until, desk.read_until or until))

        await self._change(scope, change)

    async def choose(self, scope: AgencyScope, muted: frozenset[RingKind]) -> None:
        await self._change(scope, lambda desk: replace(desk, muted=muted))

    async def put_tour_away(self, scope: AgencyScope) -> None:
        now = self.bell.desk.clock.now()
        await self._change(scope, lambda desk: replace(desk, toured_at=now))

    async def _change(self, scope: AgencyScope, change: Callable[[OwnDesk], OwnDesk]) -> None:
        async with self.bell.desk.store.begin(scope) as work:
            changed = change(await work.office.desks.load(scope.principal_id))
            await work.office.desks.save(scope.principal_id, changed)
            await work.commit()
        self._remember((scope.agency_id, scope.principal_id), changed)

    async def _silent_ones(self, scope: AgencyScope) -> Sequence[Ring]:
        now, known = self.bell.desk.clock.now(), self._silent.get(scope.agency_id)
        if known is not None and timedelta() <= now - known[0] < _SILENCE_REMEMBERED:
            return known[1]
        since, until = now - SILENT_BACK, now - SILENT_AFTER
        async with self.bell.desk.store.read(scope) as work:
            sent = await work.office.tasks.unanswered(since, until, _MOST_SENT)
        codes = sorted({code for code, _ in sent})
        partners = await self.partners(codes, scope.agency_id) if codes else {}
        found = tuple(of_silent(sent, partners))
        _bound(self._silent)
        self._silent[scope.agency_id] = now, found
        return found

    def _known(self, key: tuple[str, str]) -> Sequence[Ring] | None:
        known = self._rings.get(key)
        if known is None or known[1] != self.bell.turn(key[0]):
            return None
        return known[2] if timedelta() <= self.bell.desk.clock.now() - known[0] < _REMEMBERED else None

    def _keep(self, key: tuple[str, str], turn: int, found: Sequence[Ring]) -> Sequence[Ring]:
        ordered = sorted(found, key=lambda each: (each.at, each.id), reverse=True)[:MOST_RINGS]
        _bound(self._rings)
        self._rings[key] = self.bell.desk.clock.now(), turn, ordered
        return ordered

    def _remember(self, key: tuple[str, str], desk: OwnDesk) -> OwnDesk:
        _bound(self._desks)
        self._desks[key] = self.bell.desk.clock.now(), desk
        return desk


def _bound(kept: dict[Any, Any]) -> None:  # Any: keys of each kind
    """Kept for the memory's sake alone."""
    if len(kept) >= _MOST_KEPT:
        kept.clear()


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
_AHEAD = {TaskKind.REPLY: timers.REPLY_SOON, TaskKind.REPLY_DUE: timers.REPLY_WANTED_SOON}
_ASSIGNED = "04"


def of_tasks(tasks: Iterable[Task]) -> Iterator[Ring]:
    for each in tasks:
        is_urgent = each.kind is TaskKind.TAKE_IN and timers.is_urgent(each.urgency)
        yield Ring(
            id=each.id,
            kind=RingKind.URGENT if is_urgent else _KINDS.get(each.kind, RingKind.DUE),
            says="bell.urgent.one" if is_urgent else f"task.{each.kind}",
            at=_told_at(each),
            subject_kind=each.subject_kind,
            subject_id=each.opens,
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
        return max(task.since, vietnam_time(local(task.due_at - _AHEAD[task.kind]).date(), time()))
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
        ring = _of_line(each, RingKind.ASSIGNED, "bell.given.one", max(given, default=each.at))
        yield replace(ring, by=givers.get(each.id, ""))


def of_recalled(lines: Sequence[ListLine], facts: Mapping[str, Sequence[Fact]]) -> Iterator[Ring]:
    """Letters given to one's unit whose sender recalls them or asks for them back, from the request on; once more when the
    agency has agreed."""
    for each in lines:
        requests = fold_incoming(facts.get(each.id, ())).requests
        taken_back = [request for request in requests if request.kind is not RequestKind.UPDATE]
        if taken_back:
            last = max(taken_back, key=lambda request: request.asked_at)
            says = "bell.recall.asked" if last.state is RequestState.OPEN else "bell.recall.done"
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
            subject_kind=SubjectKind.AGENCY,
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
            kind=RingKind.SET_ASIDE,
            says="bell.aside.one",
            at=each.received_at,
            subject_kind=SubjectKind.PACKET,
            subject_id=each.id,
        )


def _of_line(line: ListLine, kind: RingKind, says: str, at: datetime) -> Ring:
    return Ring(
        id=f"{kind}:{line.id}",
        kind=kind,
        says=says,
        at=at,
        subject_kind=SubjectKind.INCOMING if line.side is Side.IN else SubjectKind.OUTGOING,
        subject_id=line.id,
        document=f"{line.card.number}/{line.card.symbol}".strip("/"),
        party=line.card.party or line.card.party_code,
    )
