"""Gathers the to-do list of an agency, its count for every page, and the notes of people on its tasks (R97). In: an
agency's scope, or a share of it; a task's id and words. Out: tasks over both directions, longest overdue first; the note.
The list is one consistent look at the store and changes nothing. A task is named as the list names it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.document_view.deadlines import time_left
from gateway.domain import status
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, IncomingDocument, InState, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.handling import Share
from gateway.domain.office_calendar import OfficeCalendar
from gateway.domain.system_box import BoxItem, BoxKind
from gateway.domain.timer_table import CERTIFICATE_DAYS, Timer
from gateway.domain.wall_clock import local
from gateway.errors import Clash, NotFound, StoreFailure
from gateway.policy import timers
from gateway_office.domain.pending import PendingAct
from gateway_office.domain.task import Task, TaskKind, TaskNote
from gateway_office.duties import file_duties
from gateway_office.policy import todo
from gateway_office.services import BackgroundTasks, TodoServices
from gateway_office.store.store import OfficeWork

MOST_OF_A_KIND = 500
"""Of each kind: longer lists are cut, and say so."""
DRAFTS_BACK = timedelta(days=14)
"""Longer than any time between two working days: drafts of before were due to the leader."""
FILES_BACK = timedelta(days=400)
"""Longer than from the closing of a file to the last step of T24 (files to the archive)."""
# Tasks that another person has begun, where the document says so.
_BEGUN = frozenset({TaskKind.ASSIGN, TaskKind.DECIDE})
LONGEST_SNOOZE = timedelta(days=90)
LONGEST_NOTE = 500
_REMEMBERED = timedelta(seconds=10)
_MOST_LISTS = 2_000
# An agency, and the share of its tasks; None for all of them.
_ListKey = tuple[str, Share | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TodoList:
    """Tasks to do. `cut`: some kind had more than fits; `resting` counts settled and snoozed tasks, listed or not."""

    tasks: tuple[Task, ...]
    resting: int
    cut: bool
    office: OfficeCalendar
    at: datetime
    in_time: tuple[Task, ...] = ()
    """Letters that wait to be taken in and are not due yet: duties of a person, which no mail and no bell tells."""

    @property
    def duties(self) -> tuple[Task, ...]:
        """Return all that persons have to do, also what is in time."""
        return tuple(sorted((*self.tasks, *self.in_time), key=_place))

    @property
    def awake(self) -> tuple[Task, ...]:
        """Return the duties that do not rest, which every count counts."""
        return tuple(task for task in self.duties if not task.rests(self.at))

    def remaining(self, task: Task) -> timedelta:
        """Return the time left on the clock that the task runs by; negative when it is overdue."""
        if task.wall_clock:
            return task.due_at - self.at
        return timers.office_time_between(self.office, self.at, task.due_at)

    def time_left(self, task: Task, lang: str) -> str:
        """Return the same in words; empty for a task without a deadline."""
        if not task.has_deadline:
            return ""
        day = None if task.wall_clock else self.office.day_length
        return time_left(self.remaining(task), task.due_at, self.at, lang, day)


def _place(task: Task) -> tuple[datetime, int, str]:
    """Sort the earliest deadline first, so what is longest overdue leads; at the same moment the more urgent."""
    return task.due_at, -task.urgency, task.id


async def gather(
    services: TodoServices,
    scope: AgencyScope,
    *,
    everything: bool = False,
    share: Share | None = None,
) -> TodoList:
    """Gather the agency's tasks now, or those of a `share` alone; with `everything` also resting ones."""
    now, office = services.clock.now(), await services.office(scope.agency_id)
    endings = await services.certificates(now) if share is None else ()
    async with services.store.read(scope) as work:
        agency = await work.agency()
        if share is None:
            all_tasks, cut = await _agency_tasks(work, office, now)
            all_tasks += todo.of_certificates(endings, frozenset((agency.code, *agency.aliases)), now)
        else:
            parts = await work.parts.open_of(share, MOST_OF_A_KIND)
            all_tasks, cut = list(todo.of_parts(office, parts, now)), len(parts) == MOST_OF_A_KIND
        notes = await work.office.tasks.notes([t.id for t in all_tasks])
    tasks = [replace(t, note=notes.get(t.id)) for t in all_tasks]
    awake = [task for task in tasks if not task.rests(now)]
    ordered = sorted(tasks if everything else awake, key=_place)
    return TodoList(
        tasks=tuple(task for task in ordered if not task.in_time),
        in_time=tuple(task for task in ordered if task.in_time),
        resting=len(tasks) - len(awake),
        cut=cut,
        office=office,
        at=now,
    )


async def gather_for_steps(services: TodoServices, scope: AgencyScope, todo_list: TodoList) -> Sequence[Task]:
    """Gather the agency's tasks as the steps of their timers need them: those of the list, and those not in it yet because
    their time is not over."""
    now, office = todo_list.at, todo_list.office
    endings = await services.certificates(now)
    async with services.store.read(scope) as work:
        agency = await work.agency()
        waiting = await work.office.tasks.to_take_in(MOST_OF_A_KIND)
        acted, _ = await _load_acts(work)
        unsettled = await work.office.tasks.pending(
            now - todo.LOOK_BACK, now - timers.FIRST_STATE_STEP, MOST_OF_A_KIND
        )
        drafts = await work.office.tasks.drafts(now - DRAFTS_BACK, MOST_OF_A_KIND)
        files = await work.office.work_files.open(local(now - FILES_BACK).date(), MOST_OF_A_KIND)
        codes = frozenset((agency.code, *agency.aliases))
        more_tasks = [
            *todo.of_arrivals(office, [d for d in waiting if d.id not in acted], now),
            *todo.of_unsent_statuses(office, unsettled, now),
            *todo.of_drafts(office, drafts, now),
            *file_duties(office, files),
            *todo.of_certificates(endings, codes, now, timedelta(days=max(CERTIFICATE_DAYS))),
        ]
        notes = await work.office.tasks.notes([task.id for task in more_tasks])
    replaced = {Timer.TAKE_IN, Timer.NOTIFY_SENDER, Timer.REPORT_STATUS, Timer.CERTIFICATE_RENEWAL}
    noted = [replace(task, note=notes.get(task.id)) for task in more_tasks]
    return [
        *(task for task in todo_list.tasks if task.timer not in replaced),
        *(task for task in noted if not task.rests(now)),
    ]


async def gather_of_units(services: TodoServices, scope: AgencyScope, todo_list: TodoList) -> Sequence[Task]:
    """Gather the work of all units, and the replies that they owe, without what rests."""
    async with services.store.read(scope) as work:
        parts = await work.parts.open_of(None, MOST_OF_A_KIND)
        working_parts = [(part, document) for part, document in parts if not part.is_informed]
        tasks = [
            *todo.of_parts(todo_list.office, working_parts, todo_list.at),
            *todo.of_unit_replies(todo_list.office, working_parts, todo_list.at),
        ]
        notes = await work.office.tasks.notes([task.id for task in tasks])
    return [task for task in tasks if not replace(task, note=notes.get(task.id)).rests(todo_list.at)]


async def _agency_tasks(work: OfficeWork, office: OfficeCalendar, now: datetime) -> tuple[list[Task], bool]:
    acted, failed_acts = await _load_acts(work)
    waiting = await work.office.tasks.to_take_in(MOST_OF_A_KIND)
    requested = await work.office.tasks.asked_back(now - todo.REQUESTS_BACK, MOST_OF_A_KIND)
    replies = await work.office.tasks.replies(todo.reply_horizon(now), MOST_OF_A_KIND)
    returned = await work.office.tasks.returned(now - todo.LOOK_BACK, MOST_OF_A_KIND)
    unsent = await work.office.tasks.unsent(MOST_OF_A_KIND)
    unsettled = await work.office.tasks.pending(
        now - todo.LOOK_BACK, todo.status_horizon(now), MOST_OF_A_KIND
    )
    open_asks = await work.office.recalls.open(MOST_OF_A_KIND)
    asks = [(ask, await work.outgoing.get(ask.document_id)) for ask in open_asks]
    recalled = await work.office.tasks.recalled(now - todo.LOOK_BACK, MOST_OF_A_KIND)
    departed = await work.office.tasks.left_after_all(now - todo.LOOK_BACK, MOST_OF_A_KIND)
    stuck = await work.systems.stuck(MOST_OF_A_KIND)
    untaken = [(box_item, await _document_of(work, box_item)) for box_item in stuck]
    expected = await _wanted_replies(work, now)
    unassigned = await work.office.tasks.unassigned(now - todo.LOOK_BACK, MOST_OF_A_KIND)
    submitted = await work.office.submissions.of_documents([d.id for d, _ in unassigned])
    # Submitted documents wait for the leader, and those with a leader's opinion are reported to no other person.
    free = [(d, since) for d, since in unassigned if not submitted[d.id] and d.id not in acted]
    opinions = await work.office.submissions.open(MOST_OF_A_KIND)
    returned_parts = await work.parts.returned(MOST_OF_A_KIND)
    late_parts = await work.parts.overdue(*todo.late_span(office, now), MOST_OF_A_KIND)
    held_ids = [d.id for d in waiting if d.state is InState.HELD]
    actors = await _actors(work, [*held_ids, *(d.id for d, _ in free)])
    tasks = [
        *todo.of_failed_acts(failed_acts, now),
        *todo.of_incoming(
            office, [d for d in waiting if d.id not in acted], now, await _held_at(work, held_ids)
        ),
        *todo.of_requests(office, requested, now),
        *todo.of_replies(office, replies, now),
        *todo.of_returned(office, returned, now),
        *todo.of_unsent(office, unsent, now),
        *todo.of_unsent_statuses(office, unsettled, now),
        *todo.of_take_backs(office, unsettled, now),
        *todo.of_asks(office, asks, now),
        *todo.of_recalls_due(office, recalled, now),
        *todo.of_left_after_all(office, departed, now),
        *todo.of_stuck(office, untaken, now),
        *todo.of_unassigned(office, free, now),
        *todo.of_submissions(office, [(s, d) for s, d in opinions if d.id not in acted], now),
        *todo.of_partner_replies(office, expected, now),
        *todo.of_returned_parts(office, returned_parts, now),
        *todo.of_late_parts(office, late_parts, now),
    ]
    counted = (waiting, requested, replies, returned, unsent, unsettled, asks, stuck, expected)
    counted_too = (unassigned, opinions, returned_parts, recalled, departed)
    begun_tasks = [
        replace(task, begun_by=actors.get(task.subject_id, "")) if task.kind in _BEGUN else task
        for task in tasks
    ]
    return begun_tasks, MOST_OF_A_KIND in map(len, (*counted, *counted_too))


async def _load_acts(work: OfficeWork) -> tuple[set[str], list[tuple[PendingAct, IncomingDocument]]]:
    """Load the ids of documents with an act that its person may still undo, which leaves no task meanwhile; and the acts
    that failed, with their documents."""
    acts = await work.office.pending.all(MOST_OF_A_KIND)
    failed_acts = [(act, await work.incoming.get(id)) for id, act in acts.items() if not act.waits]
    acted = {id for id, act in acts.items() if act.waits}
    return acted, [(act, document) for act, document in failed_acts if document.state is not InState.SEALED]


async def _actors(work: OfficeWork, ids: Sequence[str]) -> Mapping[str, str]:
    """Return who took each of these in, or put it on hold, last."""
    acts = {EventKind.INBOX_STATUS, EventKind.INBOX_HELD}
    return {event.subject_id: event.principal_id for event in await work.events.of_subjects(ids, acts)}


async def _wanted_replies(
    work: OfficeWork, now: datetime
) -> list[tuple[OutgoingDocument, Sequence[Delivery], Collection[str]]]:
    documents = await work.outgoing.wanting_replies(*todo.partner_reply_span(now), MOST_OF_A_KIND)
    ids = [d.id for d in documents]
    if not ids:
        return []
    deliveries, answered = await work.deliveries.of_documents(ids), await work.outgoing.answered_from(ids)
    return [(d, deliveries.get(d.id, ()), answered[d.id]) for d in documents]


async def _document_of(work: OfficeWork, item: BoxItem) -> IncomingDocument | OutgoingDocument:
    if item.kind is BoxKind.STATUS:
        return await work.outgoing.get(item.subject_id)
    return await work.incoming.get(item.subject_id)


async def _held_at(work: OfficeWork, ids: list[str]) -> dict[str, datetime]:
    """Return since when each of these is on hold, by its last fact."""
    if not ids:
        return {}
    facts_by_id = await work.facts.of_subjects(ids)
    return {id: since for id, facts in facts_by_id.items() if (since := status.held_since(facts)) is not None}


async def take_task(
    services: TodoServices, scope: AgencyScope, task: str, owner: str, share: Share | None = None
) -> TaskNote:
    """Make the owner look after the task from now on; events keep the previous one. With `share` one of it."""
    return await _note(services, scope, task, "taken", share, owner=_text(owner, "name"))


async def snooze_task(
    services: TodoServices, scope: AgencyScope, task: str, ends_at: datetime, note: str
) -> TaskNote:
    """Take a task off the list until then. Clash for an express task, and for a time that has passed, lies too far ahead
    or is past its deadline."""
    now = services.clock.now()
    if not now < ends_at <= now + LONGEST_SNOOZE:
        raise Clash(
            f"a task may rest until a moment within the next {LONGEST_SNOOZE.days} days, "
            f"not until {ends_at:%d/%m/%Y %H:%M}",
            code="GW-REST",
        )

    def in_time(listed: Task) -> None:
        if listed.is_express:
            raise Clash("what is express is not put off", code="GW-REST-EXPRESS")
        if ends_at > listed.due_at:
            due = local(listed.due_at)
            raise Clash(
                f"a task is put off until its deadline at the latest, {due:%d/%m/%Y %H:%M}",
                code="GW-REST-DUE",
            )

    text = _text(note, "note")
    return await _note(
        services, scope, task, "snoozed", check=in_time, snoozed_until=ends_at, closed_at=None, note=text
    )


async def close_task(services: TodoServices, scope: AgencyScope, task: str, note: str) -> TaskNote:
    """Settle a task by other means; it comes back when it begins again, such as after a second failure."""
    now = services.clock.now()
    return await _note(
        services, scope, task, "settled", closed_at=now, snoozed_until=None, note=_text(note, "note")
    )


async def wake_task(services: TodoServices, scope: AgencyScope, task: str) -> TaskNote:
    """Put a task on the list again."""
    return await _note(services, scope, task, "woken", closed_at=None, snoozed_until=None)


async def _note(
    services: TodoServices,
    scope: AgencyScope,
    task: str,
    act: str,
    share: Share | None = None,
    check: Callable[[Task], None] = lambda task: None,
    **changes: str | datetime | None,
) -> TaskNote:
    todo_list = await gather(services, scope, everything=True, share=share)
    listed = next((t for t in todo_list.duties if t.id == task), None)
    if listed is None:
        raise NotFound(f"there is no task {task} to do; look with: gateway todo list")
    check(listed)
    return await save_note(services, scope, task, listed.subject_id, act, begun=listed.since, **changes)


async def save_note(
    services: TodoServices,
    scope: AgencyScope,
    task: str,
    subject_id: str,
    act: str,
    begun: datetime | None = None,
    **changes: str | datetime | None,
) -> TaskNote:
    """Record what a person notes on a task about that subject; what was noted before the task has begun anew is over."""
    now = services.clock.now()
    async with services.store.changing(scope) as work:
        await work.agency()
        stored = (await work.office.tasks.notes([task])).get(task)
        noted = stored or TaskNote(task=task, noted_by=scope.principal_id, noted_at=now)
        if begun is not None and noted.noted_at < begun:
            noted = replace(noted, closed_at=None, snoozed_until=None)
        changed = replace(noted, noted_by=scope.principal_id, noted_at=now, **changes)  # type: ignore[arg-type]  # its fields
        await work.office.tasks.save_note(changed)
        data = {"task": task, "what": act, "person": changed.owner, "note": changed.note}
        await work.events.append(EventKind.TASK_NOTED, subject_id, now, data)
    services.wake()
    return changed


def _text(words: str, field_name: str) -> str:
    text = " ".join(words.split())
    if not text or len(text) > LONGEST_NOTE:
        raise Clash(f"a {field_name} has 1 to {LONGEST_NOTE} letters", code="GW-NOTE")
    return text


@dataclass(slots=True)
class TaskCount:
    """Cache of the tasks of an agency, or of a share of them, for some seconds, since every page shows their count; while
    they are gathered again pages show the last count. `stale` makes a person who acted see the new list."""

    services: TodoServices
    background: BackgroundTasks = field(default_factory=BackgroundTasks)
    _cache: dict[_ListKey, tuple[datetime, int, TodoList]] = field(default_factory=dict)
    _gathering: dict[_ListKey, tuple[int, asyncio.Task[TodoList]]] = field(default_factory=dict)
    _turns: Counter[str] = field(default_factory=Counter)

    def stale(self, agency_id: str) -> None:
        """Forget the lists: one that is being gathered may lack the act, and is not kept."""
        self._turns[agency_id] += 1

    def turn(self, agency_id: str) -> int:
        """Return the number of acts so far, and of times that documents were hidden, also by a program: no page may show
        their words any more."""
        return self._turns[agency_id] + self.services.store.hidings(agency_id)

    async def latest(self, scope: AgencyScope, share: Share | None = None) -> TodoList | None:
        """Return the list, or the last one while it is gathered anew; None where the database is away."""
        key = scope.agency_id, share
        if (fresh := self._fresh(key)) is not None:
            return fresh
        cached, gathering = self._cache.get(key), self._begin(scope, share)
        try:
            return cached[2] if cached is not None else await asyncio.shield(gathering)
        except StoreFailure:
            return None

    async def listed(self, scope: AgencyScope, share: Share | None = None) -> TodoList:
        """Return the result of `gather`, some seconds old at most."""
        fresh = self._fresh((scope.agency_id, share))
        return fresh if fresh is not None else await asyncio.shield(self._begin(scope, share))

    def _fresh(self, key: _ListKey) -> TodoList | None:
        cached = self._cache.get(key)
        if cached is None or cached[1] != self.turn(key[0]):
            return None
        return cached[2] if timedelta() <= self.services.clock.now() - cached[0] < _REMEMBERED else None

    def _begin(self, scope: AgencyScope, share: Share | None) -> asyncio.Task[TodoList]:
        turn, key = self.turn(scope.agency_id), (scope.agency_id, share)
        begun = self._gathering.get(key)
        if begun is not None and begun[0] == turn:
            return begun[1]
        gathering = self.background.begin(self._gather(scope, share, turn))
        self._gathering[key] = turn, gathering
        return gathering

    async def _gather(self, scope: AgencyScope, share: Share | None, turn: int) -> TodoList:
        key = scope.agency_id, share
        try:
            todo_list = await gather(self.services, scope, share=share)
        finally:
            if self._gathering.get(key, (None,))[0] == turn:
                del self._gathering[key]
        if len(self._cache) >= _MOST_LISTS:
            self._cache.clear()
        self._cache[key] = self.services.clock.now(), turn, todo_list
        return todo_list
