"""The to-do list of an agency: what needs a hand, how much that is for the count on every page, and what people note about
it (R97). In: an agency's scope, or units of it; a task's id and words. Out: tasks over both directions, longest overdue
first; the note. The list is one consistent look at the store and changes nothing. A task is named as the list names
it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.domain import status
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, IncomingDocument, InState, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.handling import unit_key
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.system_box import BoxItem, BoxKind
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound, StoreFailure
from gateway.office.desks import Beside, TodoDesk
from gateway.office.domain.task import Task, TaskKind, TaskNote
from gateway.office.policy import todo
from gateway.office.store.store import OfficeWork
from gateway.policy import timers
from gateway.words import labels

MOST_OF_A_KIND = 500
"""Of each kind: who has more is told so, and needs no longer list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoList:
    """`cut` says that some kind had more than fits; `resting` counts what is settled or snoozed, listed or not."""

    tasks: tuple[Task, ...]
    resting: int
    cut: bool
    office: OfficeCalendar
    at: datetime

    @property
    def awake(self) -> tuple[Task, ...]:
        """All that does not rest: what every count counts."""
        return tuple(task for task in self.tasks if not task.rests(self.at))

    def left(self, task: Task) -> timedelta:
        """Time left on the clock that the task runs by; negative when it is overdue."""
        if task.wall_clock:
            return task.due_at - self.at
        return timers.office_time_between(self.office, self.at, task.due_at)

    def time_left(self, task: Task, lang: str) -> str:
        """The same in words."""
        day = None if task.wall_clock else self.office.day_length
        return labels.time_left(self.left(task), lang, day)


async def gather(
    desk: TodoDesk,
    scope: AgencyScope,
    *,
    everything: bool = False,
    units: Collection[str] | None = None,
) -> TodoList:
    """What the agency has to do now, or with `units` these units of it alone; with `everything` also what rests."""
    now, office = desk.clock.now(), await desk.office()
    endings = await desk.certificates(now) if units is None else ()
    async with desk.store.read(scope) as work:
        agency = await work.agency()
        if units is None:
            found, cut = await _documents(work, office, now)
            found += todo.of_certificates(endings, frozenset((agency.code, *agency.aliases)), now)
        else:
            keys = {key for each in units if (key := unit_key(each))}
            parts = await work.parts.open_of(keys, MOST_OF_A_KIND) if keys else ()
            found, cut = list(todo.of_parts(office, parts, now)), len(parts) == MOST_OF_A_KIND
        notes = await work.office.tasks.notes([each.id for each in found])
    tasks = [replace(each, note=notes.get(each.id)) for each in found]
    awake = [task for task in tasks if not task.rests(now)]
    # The earliest deadline first, so what is longest overdue leads; at the same moment the more urgent.
    listed = tasks if everything else awake
    ordered = sorted(listed, key=lambda each: (each.due_at, -each.urgency, each.id))
    return TodoList(tasks=tuple(ordered), resting=len(tasks) - len(awake), cut=cut, office=office, at=now)


async def _documents(work: OfficeWork, office: OfficeCalendar, now: datetime) -> tuple[list[Task], bool]:
    waiting = await work.office.tasks.to_take_in(MOST_OF_A_KIND)
    asked = await work.office.tasks.asked_back(now - todo.REQUESTS_BACK, MOST_OF_A_KIND)
    replies = await work.office.tasks.replies(todo.reply_horizon(now), MOST_OF_A_KIND)
    returned = await work.office.tasks.returned(now - todo.LOOK_BACK, MOST_OF_A_KIND)
    unsent = await work.office.tasks.unsent(MOST_OF_A_KIND)
    untold = await work.office.tasks.pending(now - todo.LOOK_BACK, todo.status_horizon(now), MOST_OF_A_KIND)
    asks = [
        (each, await work.outgoing.get(each.document_id))
        for each in await work.office.recalls.open(MOST_OF_A_KIND)
    ]
    stuck = await work.systems.stuck(MOST_OF_A_KIND)
    untaken = [(each, await _about(work, each)) for each in stuck]
    wanted = await _wanted_replies(work, now)
    unassigned = await work.office.tasks.unassigned(now - todo.LOOK_BACK, MOST_OF_A_KIND)
    submitted = await work.office.submissions.of_documents([each.id for each, _ in unassigned])
    # What was submitted waits for the leader, and what a leader gave an opinion on is told to nobody else.
    free = [(each, since) for each, since in unassigned if not submitted[each.id]]
    opinions = await work.office.submissions.open(MOST_OF_A_KIND)
    returned_parts = await work.parts.returned(MOST_OF_A_KIND)
    late_parts = await work.parts.overdue(*todo.late_span(now), MOST_OF_A_KIND)
    held = [each.id for each in waiting if each.state is InState.HELD]
    acted_on = [*(each for each in waiting if each.state is InState.HELD), *(each for each, _ in free)]
    actors = await _actors(work, [each.id for each in acted_on if timers.is_urgent(each.urgency)])
    found = [
        *todo.of_incoming(office, waiting, now, await _held_at(work, held)),
        *todo.of_requests(office, asked, now),
        *todo.of_replies(office, replies, now),
        *todo.of_returned(office, returned, now),
        *todo.of_unsent(office, unsent, now),
        *todo.of_untold(untold, now),
        *todo.of_unasked(office, untold, now),
        *todo.of_asks(office, asks, now),
        *todo.of_stuck(office, untaken, now),
        *todo.of_unassigned(office, free, now),
        *todo.of_submissions(office, opinions, now),
        *todo.of_wanted_replies(office, wanted, now),
        *todo.of_returned_parts(office, returned_parts, now),
        *todo.of_late_parts(office, late_parts, now),
    ]
    counted = (
        waiting,
        asked,
        replies,
        returned,
        unsent,
        untold,
        asks,
        stuck,
        wanted,
        unassigned,
        opinions,
        returned_parts,
    )
    began = {TaskKind.ASSIGN, TaskKind.DECIDE}
    found = [
        replace(task, begun_by=actors.get(task.subject_id, "")) if task.kind in began else task
        for task in found
    ]
    return found, MOST_OF_A_KIND in map(len, counted)


async def _actors(work: OfficeWork, ids: Sequence[str]) -> Mapping[str, str]:
    """Return who took each of these in, or put it on hold, last. They are the urgent ones, which are few."""
    acts = {EventKind.INBOX_STATUS, EventKind.INBOX_HELD}
    events = {id: [event for event in await work.events.of(id) if event.kind in acts] for id in ids}
    return {id: max(found, key=lambda event: event.at).principal_id for id, found in events.items() if found}


async def _wanted_replies(
    work: OfficeWork, now: datetime
) -> list[tuple[OutgoingDocument, Sequence[Delivery], Collection[str]]]:
    documents = await work.outgoing.wanting_replies(*todo.reply_wanted_span(now), MOST_OF_A_KIND)
    ids = [each.id for each in documents]
    if not ids:
        return []
    deliveries, answered = await work.deliveries.of_many(ids), await work.outgoing.answered_from(ids)
    return [(each, deliveries.get(each.id, ()), answered[each.id]) for each in documents]


async def _about(work: OfficeWork, item: BoxItem) -> IncomingDocument | OutgoingDocument:
    if item.kind is BoxKind.STATUS:
        return await work.outgoing.get(item.subject_id)
    return await work.incoming.get(item.subject_id)


async def _held_at(work: OfficeWork, ids: list[str]) -> dict[str, datetime]:
    """Since when each of these is on hold, by its own last fact of it."""
    if not ids:
        return {}
    known = await work.facts.of_many(ids)
    return {id: since for id, facts in known.items() if (since := status.held_since(facts)) is not None}


LONGEST_REST = timedelta(days=90)
LONGEST_NOTE = 500


async def take_task(
    desk: TodoDesk, scope: AgencyScope, task: str, owner: str, units: Collection[str] | None = None
) -> TaskNote:
    """Somebody looks after it from now on; who did before is told by the events. With `units` one of theirs."""
    return await _note(desk, scope, task, "taken", units, owner=_text(owner, "name"))


async def snooze_task(desk: TodoDesk, scope: AgencyScope, task: str, until: datetime, note: str) -> TaskNote:
    """It leaves the list until then. Clash for a time that has passed, lies too far ahead or is past its deadline, and for
    what is express."""
    now = desk.clock.now()
    if not now < until <= now + LONGEST_REST:
        raise Clash(
            f"a task may rest until a moment within the next {LONGEST_REST.days} days, not until {until:%d/%m/%Y %H:%M}",
            code="GW-REST",
        )

    def in_time(found: Task) -> None:
        if found.is_express:
            raise Clash("what is express is not put off", code="GW-REST-EXPRESS")
        if until > found.due_at:
            due = local(found.due_at)
            raise Clash(
                f"a task is put off until its deadline at the latest, {due:%d/%m/%Y %H:%M}",
                code="GW-REST-DUE",
            )

    text = _text(note, "note")
    return await _note(
        desk, scope, task, "snoozed", check=in_time, snoozed_until=until, closed_at=None, note=text
    )


async def close_task(desk: TodoDesk, scope: AgencyScope, task: str, note: str) -> TaskNote:
    """It is settled by other means; it comes back when it begins anew, such as after a second failure."""
    now = desk.clock.now()
    return await _note(
        desk, scope, task, "settled", closed_at=now, snoozed_until=None, note=_text(note, "note")
    )


async def wake_task(desk: TodoDesk, scope: AgencyScope, task: str) -> TaskNote:
    """It is on the list again."""
    return await _note(desk, scope, task, "woken", closed_at=None, snoozed_until=None)


async def _note(
    desk: TodoDesk,
    scope: AgencyScope,
    task: str,
    what: str,
    units: Collection[str] | None = None,
    check: Callable[[Task], None] = lambda task: None,
    **said: str | datetime | None,
) -> TaskNote:
    found = await gather(desk, scope, everything=True, units=units)
    listed = next((each for each in found.tasks if each.id == task), None)
    if listed is None:
        raise NotFound(f"there is no task {task} to do; look with: gateway todo list")
    check(listed)
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


def _text(words: str, what: str) -> str:
    text = " ".join(words.split())
    if not text or len(text) > LONGEST_NOTE:
        raise Clash(f"a {what} has 1 to {LONGEST_NOTE} letters", code="GW-NOTE")
    return text


_REMEMBERED = timedelta(seconds=10)
_MOST_LISTS = 2_000
# An agency, and whose list of it: that of these units, or with None its own.
_Whose = tuple[str, frozenset[str] | None]


@dataclass(slots=True)
class TaskBell:
    """What waits in an agency, or in units of it: its count stands on every page, so it is known for some seconds; while
    it is gathered again pages show the count that was known. Whoever acted sees what is left: `stale` says that
    somebody did."""

    desk: TodoDesk
    beside: Beside = field(default_factory=Beside)
    _known: dict[_Whose, tuple[datetime, int, TodoList]] = field(default_factory=dict)
    _gathering: dict[_Whose, tuple[int, asyncio.Task[TodoList]]] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)

    def stale(self, agency_id: str) -> None:
        """What is being gathered now may be without the act, and is known for nobody."""
        self._turns[agency_id] = self.turn(agency_id) + 1

    def turn(self, agency_id: str) -> int:
        """Another one after every act."""
        return self._turns.get(agency_id, 0)

    async def count(self, scope: AgencyScope, units: frozenset[str] | None = None) -> int:
        key = scope.agency_id, units
        if (fresh := self._fresh(key)) is not None:
            return len(fresh.tasks)
        known, gathering = self._known.get(key), self._begin(scope, units)
        try:
            found = known[2] if known is not None else await asyncio.shield(gathering)
        except StoreFailure:
            return 0
        return len(found.tasks)

    async def listed(self, scope: AgencyScope, units: frozenset[str] | None = None) -> TodoList:
        """As `gather`, and some seconds old at most."""
        fresh = self._fresh((scope.agency_id, units))
        return fresh if fresh is not None else await asyncio.shield(self._begin(scope, units))

    def _fresh(self, key: _Whose) -> TodoList | None:
        known = self._known.get(key)
        if known is None or known[1] != self.turn(key[0]):
            return None
        return known[2] if timedelta() <= self.desk.clock.now() - known[0] < _REMEMBERED else None

    def _begin(self, scope: AgencyScope, units: frozenset[str] | None) -> asyncio.Task[TodoList]:
        turn, key = self.turn(scope.agency_id), (scope.agency_id, units)
        begun = self._gathering.get(key)
        if begun is not None and begun[0] == turn:
            return begun[1]
        made = self.beside.begin(self._gather(scope, units, turn))
        self._gathering[key] = turn, made
        return made

    async def _gather(self, scope: AgencyScope, units: frozenset[str] | None, turn: int) -> TodoList:
        key = scope.agency_id, units
        try:
            found = await gather(self.desk, scope, units=units)
        finally:
            if self._gathering.get(key, (None,))[0] == turn:
                del self._gathering[key]
        if len(self._known) >= _MOST_LISTS:
            self._known.clear()
        self._known[key] = self.desk.clock.now(), turn, found
        return found
