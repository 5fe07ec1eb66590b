"""Makes the notifications of the bell: a task when it begins and once more when its time has passed. They are gathered for
an agency or for a person's share of it and cached for some seconds, since every page shows them; the person's settings
remembers which were read. In: the cached tasks, lists, quarantined packets, when recipients were last heard, the time. Out:
rings, newest first; saved settings. Nothing is written when something happens: a settled matter simply rings no more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

from gateway.domain.account import AgencyScope
from gateway.domain.comments import Comment
from gateway.domain.document import WORKED_ON, IncomingDocument, InState, Urgency
from gateway.domain.handling import Share, UnitPart
from gateway.domain.queues import InboxPacket
from gateway.domain.states import State
from gateway.domain.status import Fact, RequestKind, RequestState, fold_incoming
from gateway.domain.timer_table import Timer
from gateway.domain.wall_clock import local, vietnam_time
from gateway.policy import timers
from gateway_office.domain.listing import Filter, ListLine, Side, Tab, person_viewer, share_viewer
from gateway_office.domain.notice import NotificationSettings, Partner, Ring, RingKind, SubjectKind
from gateway_office.domain.task import Task, TaskKind
from gateway_office.store.store import FOLLOW_KEY
from gateway_office.todo import TaskCount

MOST_RINGS = 200
_LETTERS = 50
_MOST_SENT = 2_000
_REMEMBERED = timedelta(seconds=10)
# Silent recipients are found by looking at a month; they change by the hour.
_SILENCE_REMEMBERED = timedelta(minutes=5)
_MOST_KEPT = 2_000
SOON = timedelta(minutes=30)
"""A letter rings this long before its time is over."""
SILENT_AFTER = timedelta(hours=24)
SILENT_BACK = timedelta(days=30)
"""A recipient whose silence is older rings no more: nothing was sent there since."""
_KINDS: Mapping[TaskKind, RingKind] = {
    **dict.fromkeys((TaskKind.APPROVE_RECALL, TaskKind.OPINION, TaskKind.REASSIGN), RingKind.APPROVAL),
    TaskKind.REJECTED: RingKind.RETURNED,
    **dict.fromkeys(
        (
            TaskKind.FAILED,
            TaskKind.STATUS,
            TaskKind.TAKE_BACK,
            TaskKind.SYSTEM,
            TaskKind.SYSTEM_STATUS,
            TaskKind.ACT_FAILED,
            TaskKind.ASSIGN_FAILED,
        ),
        RingKind.FAILED,
    ),
    **dict.fromkeys((TaskKind.RECALL, TaskKind.RECALL_DUE, TaskKind.LEFT_AFTER_ALL), RingKind.RECALL),
}
# Expected replies ring this long before their day.
_AHEAD = {TaskKind.REPLY: timers.REPLY_SOON, TaskKind.REPLY_DUE: timers.REPLY_SOON}
_ASSIGNED = "04"


@dataclass(slots=True, kw_only=True)
class RingBoard:
    """Cache of the bell's rings. `quarantined`: packets of an agency that wait for a decision; `partners`: the agencies of
    these codes, and when that agency last heard from each."""

    bell: TaskCount
    quarantined: Callable[[str, int], Awaitable[Sequence[InboxPacket]]]
    partners: Callable[[Sequence[str], str], Awaitable[Mapping[str, Partner]]]
    _rings: dict[tuple[str, str], tuple[datetime, int, Sequence[Ring]]] = field(default_factory=dict)
    _silent: dict[str, tuple[datetime, Sequence[Ring]]] = field(default_factory=dict)
    _urgent: dict[str, int] = field(default_factory=dict)
    _desks: dict[tuple[str, str], tuple[datetime, NotificationSettings]] = field(default_factory=dict)

    async def of_agency(self, scope: AgencyScope) -> Sequence[Ring]:
        """Return all rings of the agency; the caller chooses those that concern the person."""
        key = scope.agency_id, ""
        if (cached := self._cached(key)) is not None:
            return cached
        services, turn = self.bell.services, self.bell.turn(scope.agency_id)
        now = services.clock.now()
        tasks = (await self.bell.listed(scope)).tasks
        async with services.store.read(scope) as work:
            new = await work.office.lists.page(Filter(side=Side.IN, tab=Tab.NEW), limit=_LETTERS)
        packets = await self.quarantined(scope.agency_id, _LETTERS)
        rings = [
            *of_tasks(tasks),
            *of_letters(new.lines, now),
            *of_packets(packets),
            *await self._silent_partners(scope),
        ]
        return self._keep(key, turn, rings)

    async def look(self, scope: AgencyScope) -> None:
        """Refresh for pages that wait for news: an urgent document does not wait for the cache to expire."""
        urgent = Filter(side=Side.IN, tab=Tab.NEW, pressing=True)
        async with self.bell.services.store.read(scope) as work:
            urgent_count = (await work.office.lists.count(urgent)).n
        if self._urgent.get(scope.agency_id, urgent_count) != urgent_count:
            self.bell.stale(scope.agency_id)
        _bound_cache(self._urgent)
        self._urgent[scope.agency_id] = urgent_count

    async def of_share(self, scope: AgencyScope, share: Share) -> Sequence[Ring]:
        """Return rings on documents within that share, given, recalled or late there, on comments on them, and on the
        person's own documents."""
        key = scope.agency_id, f"{sorted(share_viewer(share))}\n{scope.principal_id}"
        if (cached := self._cached(key)) is not None:
            return cached
        turn = self.bell.turn(scope.agency_id)
        in_work = Filter(side=Side.IN, tab=Tab.PROCESSING, viewer=share_viewer(share))
        recalled = Filter(side=Side.IN, tab=Tab.RECALL, viewer=share_viewer(share))
        back = Filter(side=Side.OUT, attention=True, viewer=person_viewer(scope.principal_id))
        tasks = (await self.bell.listed(scope, share)).tasks
        async with self.bell.services.store.read(scope) as work:
            letters = (await work.office.lists.page(in_work, limit=_LETTERS)).lines
            asked_back = (await work.office.lists.page(recalled, limit=_LETTERS)).lines
            ids = [letter.id for letter in (*letters, *asked_back)]
            facts = await work.facts.of_subjects(ids) if ids else {}
            parts = await work.parts.of_documents(ids) if ids else {}
            sent = (await work.office.lists.page(back, limit=_LETTERS)).lines
        own_parts = {
            id: max(covered, key=lambda part: part.given_at)
            for id, of_document in parts.items()
            if (covered := [part for part in of_document if share.covers(part.key, part.person_id)])
        }
        rings = [
            *of_assigned(letters, facts, own_parts),
            *of_recalled(asked_back, facts),
            *of_late(tasks),
            *of_sent(sent),
        ]
        return self._keep(key, turn, rings)

    async def of_comments(self, scope: AgencyScope, share: Share | None) -> Sequence[Ring]:
        """Return rings on comments of others that the person has not read, on letters that the person has seen and may
        still see; and on letters in work that a rule of the agency lets the person follow, anew with each new fact."""
        key = scope.agency_id, f"comments\n{scope.principal_id}"
        if (cached := self._cached(key)) is not None:
            return cached
        turn = self.bell.turn(scope.agency_id)
        async with self.bell.services.store.read(scope) as work:
            unread = await work.comments.unread_by(scope.principal_id, _LETTERS)
            documents = [(c, await work.incoming.get(c.document_id)) for c in unread]
            follow_key = f"{FOLLOW_KEY}{scope.principal_id}:"
            keys = await work.office.reminders.planned(follow_key, self.bell.services.clock.now())
            ids = {key.removeprefix(follow_key).partition(":")[0] for key in keys}
            followed = await work.incoming.of_many(ids) if ids else ()
            facts = await work.facts.of_subjects(sorted(ids)) if ids else {}

        def may_see(document: IncomingDocument) -> bool:
            is_shared = share is None or share.covers_assignment(document.assignment)
            return is_shared and document.state is not InState.SEALED

        comments = of_comments((c, document) for c, document in documents if may_see(document))
        return self._keep(key, turn, [*comments, *of_followed(filter(may_see, followed), facts)])

    async def services(self, scope: AgencyScope, *, fresh: bool = False) -> NotificationSettings:
        """Return the person's settings; `fresh` where another process may have changed it in these seconds."""
        key, now = (scope.agency_id, scope.principal_id), self.bell.services.clock.now()
        cached = self._desks.get(key)
        if cached is not None and not fresh and timedelta() <= now - cached[0] < _REMEMBERED:
            return cached[1]
        async with self.bell.services.store.read(scope) as work:
            return self._remember(key, await work.office.notification_settings.load(scope.principal_id))

    async def read(self, scope: AgencyScope, moment: datetime) -> None:
        """Note that everything until then was read; never less than before."""
        moment = min(moment, self.bell.services.clock.now())

        def change(settings: NotificationSettings) -> NotificationSettings:
            return replace(settings, read_until=max(moment, settings.read_until or moment))

        await self._change(scope, change)

    async def choose(self, scope: AgencyScope, muted: frozenset[RingKind]) -> None:
        await self._change(scope, lambda services: replace(services, muted=muted))

    async def put_tour_away(self, scope: AgencyScope) -> None:
        now = self.bell.services.clock.now()
        await self._change(scope, lambda services: replace(services, toured_at=now))

    async def _change(
        self, scope: AgencyScope, change: Callable[[NotificationSettings], NotificationSettings]
    ) -> None:
        async with self.bell.services.store.changing(scope) as work:
            changed = change(await work.office.notification_settings.load(scope.principal_id))
            await work.office.notification_settings.save(scope.principal_id, changed)
        self._remember((scope.agency_id, scope.principal_id), changed)

    async def _silent_partners(self, scope: AgencyScope) -> Sequence[Ring]:
        now, cached = self.bell.services.clock.now(), self._silent.get(scope.agency_id)
        if cached is not None and timedelta() <= now - cached[0] < _SILENCE_REMEMBERED:
            return cached[1]
        since, latest = now - SILENT_BACK, now - SILENT_AFTER
        async with self.bell.services.store.read(scope) as work:
            sent = await work.office.tasks.unanswered(since, latest, _MOST_SENT)
        codes = sorted({code for code, _ in sent})
        partners = await self.partners(codes, scope.agency_id) if codes else {}
        rings = tuple(of_silent(sent, partners))
        _bound_cache(self._silent)
        self._silent[scope.agency_id] = now, rings
        return rings

    def _cached(self, key: tuple[str, str]) -> Sequence[Ring] | None:
        cached = self._rings.get(key)
        if cached is None or cached[1] != self.bell.turn(key[0]):
            return None
        return cached[2] if timedelta() <= self.bell.services.clock.now() - cached[0] < _REMEMBERED else None

    def _keep(self, key: tuple[str, str], turn: int, rings: Sequence[Ring]) -> Sequence[Ring]:
        ordered = sorted(rings, key=lambda ring: (ring.at, ring.id), reverse=True)[:MOST_RINGS]
        _bound_cache(self._rings)
        self._rings[key] = self.bell.services.clock.now(), turn, ordered
        return ordered

    def _remember(self, key: tuple[str, str], settings: NotificationSettings) -> NotificationSettings:
        _bound_cache(self._desks)
        self._desks[key] = self.bell.services.clock.now(), settings
        return settings


def _bound_cache(cache: dict[Any, Any]) -> None:  # Any: keys of each kind
    """Empty a cache that has grown too large."""
    if len(cache) >= _MOST_KEPT:
        cache.clear()


def of_tasks(tasks: Iterable[Task]) -> Iterator[Ring]:
    for task in tasks:
        is_urgent = task.kind is TaskKind.TAKE_IN and timers.is_urgent(task.urgency)
        yield Ring(
            id=task.id,
            kind=RingKind.URGENT if is_urgent else _KINDS.get(task.kind, RingKind.DUE),
            says="bell.urgent.one" if is_urgent else f"task.{task.kind}",
            at=_ring_time(task),
            subject_kind=task.subject_kind,
            subject_id=task.opens,
            document=task.document,
            title=task.title,
            party=task.counterpart_name or task.counterpart,
            is_late=task.is_late,
            is_express=is_urgent and task.urgency >= Urgency.EXPRESS,
            by="" if task.is_late else task.begun_by,
        )


def _ring_time(task: Task) -> datetime:
    """Return since when the task stands in the list, or is late there."""
    if task.kind is TaskKind.WORK:
        return task.due_at + timers.LEADER_DELAY
    if task.is_late and task.due_at > task.since:
        return task.due_at
    if task.kind in _AHEAD:
        return max(task.since, vietnam_time(local(task.due_at - _AHEAD[task.kind]).date(), time()))
    if task.timer == Timer.NOTIFY_SENDER:
        return max(task.since, timers.afternoon_of(task.due_at))
    if task.kind is TaskKind.ASSIGN and not timers.is_urgent(task.urgency):
        return max(task.since, timers.afternoon_of(task.since))
    return task.since


def of_late(tasks: Iterable[Task]) -> Iterator[Ring]:
    """Yield rings on a unit's own late tasks; `of_assigned` covers the documents that it was given."""
    late = [t for t in tasks if t.is_late]
    for task, ring in zip(late, of_tasks(late), strict=True):
        yield replace(ring, at=task.due_at)


def of_letters(lines: Iterable[ListLine], now: datetime) -> Iterator[Ring]:
    """Yield rings on letters that are not urgent and whose time to be taken in is nearly over; a late one is a task."""
    for line in lines:
        if line.due_at is None or timers.is_urgent(line.urgency) or line.own_state != InState.NEW:
            continue
        if timedelta() < line.due_at - now <= SOON:
            yield _of_line(line, RingKind.DUE, "bell.soon", line.due_at - SOON)


def of_assigned(
    lines: Sequence[ListLine], facts: Mapping[str, Sequence[Fact]], parts: Mapping[str, UnitPart]
) -> Iterator[Ring]:
    """Yield rings on letters given to the person or a unit of theirs, at the last time of each; `parts` are the newest that
    concern the person."""
    for line in lines:
        part = parts.get(line.id)
        is_informed = part is not None and part.is_informed
        times = [fact.at for fact in facts.get(line.id, ()) if fact.code == _ASSIGNED]
        says = "bell.informed.one" if is_informed else "bell.given.one"
        ring = _of_line(line, RingKind.ASSIGNED, says, max(times, default=line.at))
        yield replace(ring, by=part.given_by if part is not None else "")


def of_comments(comments: Iterable[tuple[Comment, IncomingDocument]]) -> Iterator[Ring]:
    """Yield rings on comments, the newest of each letter."""
    newest: dict[str, Ring] = {}
    for comment, document in comments:
        ring = Ring(
            id=f"comment:{comment.id}",
            kind=RingKind.COMMENT,
            says="bell.comment.one",
            at=comment.at,
            subject_kind=SubjectKind.INCOMING,
            subject_id=document.id,
            document=document.code,
            title=document.subject,
            party=document.sender_name or document.sender_code,
            by=comment.person_id,
        )
        newest[document.id] = max(newest.get(document.id, ring), ring, key=lambda r: r.at)
    yield from newest.values()


def of_followed(documents: Iterable[IncomingDocument], facts: Mapping[str, Sequence[Fact]]) -> Iterator[Ring]:
    """Yield rings on letters in work that the person follows, at the time of the newest fact of each."""
    for document in documents:
        if document.state in WORKED_ON:
            yield Ring(
                id=f"follow:{document.id}",
                kind=RingKind.FOLLOW,
                says="bell.follow.one",
                at=max((fact.at for fact in facts.get(document.id, ())), default=document.arrived_at),
                subject_kind=SubjectKind.INCOMING,
                subject_id=document.id,
                document=document.code,
                title=document.subject,
                party=document.sender_name or document.sender_code,
            )


def of_recalled(lines: Sequence[ListLine], facts: Mapping[str, Sequence[Fact]]) -> Iterator[Ring]:
    """Yield rings on letters given to the person's unit whose sender recalls them or asks for them back, from the request
    on; once more when the agency has agreed."""
    for line in lines:
        requests = fold_incoming(facts.get(line.id, ())).requests
        taken_back = [request for request in requests if request.kind is not RequestKind.UPDATE]
        if taken_back:
            last = max(taken_back, key=lambda request: request.asked_at)
            says = "bell.recall.asked" if last.state is RequestState.OPEN else "bell.recall.done"
            yield _of_line(line, RingKind.RECALL, says, last.answered_at or last.asked_at)


def of_sent(lines: Iterable[ListLine]) -> Iterator[Ring]:
    """Yield rings on the person's own documents that came back or could not be sent."""
    words = {State.REJECTED: RingKind.RETURNED, State.FAILED: RingKind.FAILED}
    for line in lines:
        if (kind := words.get(line.state)) is not None:
            yield _of_line(line, kind, f"task.{line.state}", line.latest_at or line.at)


def of_silent(sent: Sequence[tuple[str, datetime]], partners: Mapping[str, Partner]) -> Iterator[Ring]:
    """Yield rings on recipients that owe their first word on something sent a day ago or earlier, and were not heard since.
    `sent`: code and time of each such document; a code without a partner is in no registry."""
    first: dict[str, datetime] = {}
    for code, at in sorted(sent, key=lambda pair: pair[1]):
        heard_at = partners[code].heard_at if code in partners else None
        if heard_at is None or heard_at < at:
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
    """Yield rings on packets that were kept out and wait for a decision. Their own words are unproved and are not shown."""
    for packet in packets:
        if packet.state == "waiting":  # for another packet, not for a person
            continue
        yield Ring(
            id=f"aside:{packet.id}",
            kind=RingKind.SET_ASIDE,
            says="bell.aside.one",
            at=packet.received_at,
            subject_kind=SubjectKind.PACKET,
            subject_id=packet.id,
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
        title=line.card.subject,
        party=line.card.party or line.card.party_code,
    )
