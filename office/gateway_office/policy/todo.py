"""Makes the tasks of the to-do list, and checks a notice before it is given (R97, T13). In: documents, deliveries and
certificates in their states, a wish, the calendar, the time. Out: tasks, those longest past their deadline first; faults of
the wish, by field; and until when lists wait, by the reckoning of `policy.timers`. Pure: callers add the notes to a
task."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from gateway.domain import status
from gateway.domain.agency_profile import ProfileVersion
from gateway.domain.document import Delivery, IncomingDocument, InState, OutgoingDocument, OutState, Urgency
from gateway.domain.handling import UnitPart
from gateway.domain.office_calendar import SHIPPED, CalendarDay, OfficeCalendar, OfficeHours
from gateway.domain.office_profile import calendar_of_agency
from gateway.domain.states import State, Track
from gateway.domain.status import (
    Duty,
    Fact,
    RequestKind,
    RequestState,
    fold_delivery,
    fold_incoming,
    open_request,
    waits_for_answer,
)
from gateway.domain.system_box import BoxItem
from gateway.domain.timer_table import Timer
from gateway.domain.wall_clock import local
from gateway.policy import timers
from gateway.policy.timers import Due
from gateway.policy.upkeep import CertificateEnding
from gateway_office.domain.notice import LONGEST_TEXT, NoticeKind, NoticeWish
from gateway_office.domain.pending import ActKind, PendingAct
from gateway_office.domain.task import RecallAsk, Submission, Task, TaskKind, UnsentRequest, UnsentStatus

NO_DEADLINE = timedelta(days=36_500)
"""Time to a deadline that never comes."""
LOOK_BACK = timedelta(days=60)
"""Older failures and refusals are history, settled or not."""
REQUESTS_BACK = timedelta(days=365)
CERTIFICATE_SOON = timedelta(days=30)
_RETURNED = {State.FAILED: TaskKind.FAILED, State.REJECTED: TaskKind.REJECTED}
ChosenBy = Mapping[str, Mapping[str, ProfileVersion]]
"""Settings that agencies chose, by agency."""
MISSING, LONG, ORDER, PAST, SHORT = "missing", "long", "order", "past", "short"
NOTICE_TEXTS = ("text_vi", "text_en", "meanwhile", "afterwards", "emergency")


def reply_horizon(now: datetime) -> date:
    """Return the last day of replies that are listed now."""
    return local(now + timers.REPLY_SOON).date()


def late_span(office: OfficeCalendar, now: datetime) -> tuple[date, datetime]:
    """Return the last day of parts that may be late enough to be reported to the agency; and for parts without a day, the
    time before which their document came."""
    days = timers.length(office, Timer.FINISH_WITHOUT_DAY) // office.day_length
    return local(now - timers.LEADER_DELAY).date(), now - timedelta(days=days)


def partner_reply_span(now: datetime) -> tuple[date, date]:
    """Return the days of expected answers that are listed now: from those not yet history to three days ahead."""
    return local(now - LOOK_BACK).date(), local(now + timers.REPLY_SOON).date()


def of_incoming(
    office: OfficeCalendar, documents: Iterable[IncomingDocument], now: datetime, held_at: dict[str, datetime]
) -> Iterator[Task]:
    """List new documents. Those are in time whose time has not passed and that are not urgent, until the
    afternoon, when their sender is to be answered (T3); and those too long on hold. `held_at`: since when, by id."""
    for document in documents:
        if document.state is InState.HELD:
            since = held_at.get(document.id, document.arrived_at)
            due = timers.decide_held(office, since)
            kind = TaskKind.DECIDE
        else:
            since = document.arrived_at
            due = timers.take_in(office, since, document.urgency, document.due_at)
            kind = TaskKind.TAKE_IN
            today = timers.receipt(office, since)
            if (
                not timers.is_urgent(document.urgency)
                and today.at < due.at
                and timers.afternoon_of(today.at) <= now
            ):
                due = today
        is_due = due.is_late(now) or timers.is_urgent(document.urgency) or due.timer is Timer.NOTIFY_SENDER
        if is_due or kind is TaskKind.TAKE_IN:
            task = _incoming_task(kind, document.id, document, since, due, now)
            yield replace(task, in_time=not is_due)


def of_arrivals(
    office: OfficeCalendar, documents: Iterable[IncomingDocument], now: datetime
) -> Iterator[Task]:
    """List every document to be taken in that is not urgent, with both of its timers (T2, T3), also in time: their steps
    come before the end."""
    for document in documents:
        since = document.arrived_at
        if document.state is InState.NEW and not timers.is_urgent(document.urgency):
            for due in (timers.take_in(office, since, document.urgency), timers.receipt(office, since)):
                yield _incoming_task(TaskKind.TAKE_IN, document.id, document, since, due, now)


def of_recalls_due(
    office: OfficeCalendar, rows: Iterable[tuple[Delivery, OutgoingDocument, Sequence[Fact]]], now: datetime
) -> Iterator[Task]:
    """List recalls and take-backs of ours that their recipient has not answered in its time (T11)."""
    for delivery, document, facts in rows:
        request = open_request(fold_delivery(facts))
        if request is None or request.kind is RequestKind.UPDATE or document.state is OutState.CANCELLED:
            continue
        due = timers.answer_recall(office, request.asked_at, document.draft.urgency)
        if now >= due.at:
            key = f"{delivery.id}:{request.request_id}"
            task = _outgoing_task(TaskKind.RECALL_DUE, key, document, request.asked_at)
            yield replace(_owed_by(task, delivery, due, now), is_late=True)


def of_unit_replies(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """List replies that a unit owes which leads the work (T10), where its part ends on another day."""
    for part, document in parts:
        if not part.is_lead or document.due_on is None or not document.wants_reply:
            continue
        if document.due_on != part.deadline:
            due = timers.reply(office, document.due_on)
            task = _incoming_task(TaskKind.REPLY, document.id, document, document.arrived_at, due, now)
            yield replace(task, unit=part.unit, person_id=part.person_id)


def of_unassigned(
    office: OfficeCalendar, documents: Iterable[tuple[IncomingDocument, datetime]], now: datetime
) -> Iterator[Task]:
    """List documents taken in and given to no unit (T5, T5u): from the afternoon of that day on, urgent ones at once."""
    for document, taken_in_at in documents:
        if now >= timers.afternoon_of(taken_in_at) or timers.is_urgent(document.urgency):
            due = timers.assign(office, taken_in_at, document.urgency)
            yield _incoming_task(TaskKind.ASSIGN, document.id, document, taken_in_at, due, now)


def of_submissions(
    office: OfficeCalendar, submissions: Iterable[tuple[Submission, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """List documents that wait for a leader's opinion (T5, T5u)."""
    for submission, document in submissions:
        due = timers.assign(office, submission.asked_at, document.urgency)
        task = _incoming_task(TaskKind.OPINION, submission.id, document, submission.asked_at, due, now)
        yield replace(task, begun_by=submission.asked_by)


def of_failed_acts(acts: Iterable[tuple[PendingAct, IncomingDocument]], now: datetime) -> Iterator[Task]:
    """List acts that could not be done when they were due: they are late at once."""
    for act, document in acts:
        kind = TaskKind.ASSIGN_FAILED if act.kind is ActKind.ASSIGN else TaskKind.ACT_FAILED
        due = Due(timer=Timer.DECIDE_ON_HOLD, at=act.due_at, wall_clock=True)
        # No rule sets this time.
        yield replace(_incoming_task(kind, act.id, document, act.made_at, due, now), timer="")


def of_partner_replies(
    office: OfficeCalendar,
    expected: Iterable[tuple[OutgoingDocument, Sequence[Delivery], Collection[str]]],
    now: datetime,
) -> Iterator[Task]:
    """List recipients who are to answer us by a day and have not (T9). Codes that have answered are in small letters."""
    for document, deliveries, answered in expected:
        for delivery in deliveries:
            if document.reply_by is None or not waits_for_answer(document, delivery, answered):
                continue
            due = timers.partner_reply(office, document.reply_by)
            since = document.packed_at or document.created_at
            task = _outgoing_task(TaskKind.REPLY_DUE, delivery.id, document, since)
            yield replace(_owed_by(task, delivery, due, now), wall_clock=True)


def of_returned_parts(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """List parts that a unit handed back: they wait for another unit as if they had just been taken in."""
    for part, document in parts:
        since = part.ended_at or part.given_at
        due = timers.assign(office, since, document.urgency)
        task = _incoming_task(TaskKind.REASSIGN, part.id, document, since, due, now)
        yield replace(task, unit=part.unit, begun_by=part.ended_by or "")


def of_parts(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """List the work of units, for them: to begin (T6) where the unit that leads has not, else to end (T7)."""
    for part, document in parts:
        if part.is_informed:
            yield _informed_task(part, document, now)
            continue
        begins = part.is_lead and document.state in (InState.ACCEPTED, InState.ASSIGNED)
        due = timers.work(office, document.arrived_at, part.deadline)
        start = timers.start(office, part.given_at)
        kind = TaskKind.WORK
        if begins and start.at < due.at:
            kind, due = TaskKind.START, start
        task = _incoming_task(kind, part.id, document, part.given_at, due, now)
        # The id stays from beginning to end: its owner keeps it, and no step reminds twice.
        yield replace(task, id=f"{TaskKind.WORK}:{part.id}", unit=part.unit, person_id=part.person_id)


def _informed_task(part: UnitPart, document: IncomingDocument, now: datetime) -> Task:
    """Make the task to see a letter; it comes after all that has a deadline."""
    due = Due(timer=Timer.FINISH_BY_DAY, at=part.given_at + NO_DEADLINE, wall_clock=True)
    task = _incoming_task(TaskKind.INFORMED, part.id, document, part.given_at, due, now)
    return replace(task, unit=part.unit, person_id=part.person_id, urgency=Urgency.NORMAL, timer=None)


def of_late_parts(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """List work that is two days past its day (T7), for the agency."""
    for part, document in parts:
        due = timers.work(office, document.arrived_at, part.deadline)
        if now >= due.at + timers.LEADER_DELAY:
            task = _incoming_task(TaskKind.WORK, part.id, document, part.given_at, due, now)
            yield replace(task, unit=part.unit)


def of_requests(
    office: OfficeCalendar, documents: Iterable[tuple[IncomingDocument, Sequence[Fact]]], now: datetime
) -> Iterator[Task]:
    """List requests without an answer: recall, take-back, update."""
    for document, facts in documents:
        request = open_request(fold_incoming(facts))
        if request is not None:
            since = status.request_learnt_at(facts, request)
            due = timers.answer_recall(office, since, document.urgency)
            key = f"{document.id}:{request.request_id}"
            yield _incoming_task(TaskKind.RECALL, key, document, since, due, now)


def of_replies(
    office: OfficeCalendar, documents: Iterable[IncomingDocument], now: datetime
) -> Iterator[Task]:
    for document in documents:
        if document.due_on is not None and document.wants_reply:
            due = timers.reply(office, document.due_on)
            yield _incoming_task(TaskKind.REPLY, document.id, document, document.arrived_at, due, now)


def status_horizon(now: datetime) -> datetime:
    """Return the time before which unsent statuses are reported to the agency; younger ones are the node's to send."""
    return now - timers.STATE_SILENT


def of_unsent_statuses(
    office: OfficeCalendar, pending: Iterable[UnsentStatus | UnsentRequest], now: datetime
) -> Iterator[Task]:
    """List one task for each document, of its latest status."""
    statuses = (s for s in pending if isinstance(s, UnsentStatus))
    for latest in {s.document.id: s for s in statuses}.values():
        due = timers.tell_state(office, latest.since)
        yield _incoming_task(TaskKind.STATUS, latest.document.id, latest.document, latest.since, due, now)


def of_take_backs(
    office: OfficeCalendar, pending: Iterable[UnsentStatus | UnsentRequest], now: datetime
) -> Iterator[Task]:
    """List take-backs that never reached their recipients, unless one was asked for again since."""
    requests = (r for r in pending if isinstance(r, UnsentRequest))
    for latest in {r.delivery.id: r for r in requests}.values():
        attempts = fold_delivery(latest.facts).requests
        last = max(attempts, key=lambda request: request.asked_at, default=None)
        # Of open requests, only an unsent one without a later one.
        asks_still = last is not None and last.state is RequestState.OPEN and last.asked_at <= latest.since
        if last is None or last.state is RequestState.WITHDRAWN or asks_still:
            yield _to_settle(TaskKind.TAKE_BACK, office, latest.delivery, latest.document, latest.since, now)


def of_returned(
    office: OfficeCalendar, returned: Iterable[tuple[Delivery, OutgoingDocument]], now: datetime
) -> Iterator[Task]:
    """List deliveries that a person must settle on the day they came back."""
    for delivery, document in returned:
        if document.state is not OutState.CANCELLED:
            kind = _RETURNED[delivery.state]
            yield _to_settle(kind, office, delivery, document, delivery.updated_at, now)


def of_left_after_all(
    office: OfficeCalendar, rows: Iterable[tuple[Delivery, OutgoingDocument, Sequence[Fact]]], now: datetime
) -> Iterator[Task]:
    """List deliveries that had left although they were cancelled, until their recipient is asked to give them back."""
    for delivery, document, facts in rows:
        if document.kind.is_whole and not fold_delivery(facts).requests:
            since = min(fact.at for fact in facts if fact.track is Track.BUSINESS)
            yield _to_settle(TaskKind.LEFT_AFTER_ALL, office, delivery, document, since, now)


def of_unsent(office: OfficeCalendar, documents: Iterable[OutgoingDocument], now: datetime) -> Iterator[Task]:
    """List documents signed and not issued: at once where a person has to act, past its time where only the node has."""
    for document in documents:
        signed_at = document.draft.signed_at
        if signed_at is None:
            continue
        due = timers.issue(office, signed_at, document.draft.urgency)
        if document.state is OutState.QUEUED and not due.is_late(now):
            continue
        first = document.draft.recipients[0] if len(document.draft.recipients) == 1 else None
        yield replace(
            _outgoing_task(TaskKind.ISSUE, document.id, document, signed_at),
            counterpart=first.code if first else "",
            counterpart_name=(first.name or "") if first else "",
            due_at=due.at,
            is_late=due.is_late(now),
            wall_clock=due.wall_clock,
            timer=due.timer.value,
            begun_by=document.accepted_by,
        )


def of_drafts(office: OfficeCalendar, drafts: Iterable[OutgoingDocument], now: datetime) -> Iterator[Task]:
    """List unsigned drafts with the hour at which they reach the leader (T8), each as its author's; urgent ones wait for
    no hour."""
    for document in drafts:
        due = timers.submit_draft(office, document.created_at)
        is_unsigned = document.draft.signed_at is None and document.kind.is_whole
        if is_unsigned and not timers.is_urgent(document.draft.urgency):
            yield replace(
                _outgoing_task(TaskKind.DUTY, f"{due.timer}:{document.id}", document, document.created_at),
                due_at=due.at,
                is_late=due.is_late(now),
                timer=due.timer.value,
                person_id=document.accepted_by,
            )


def of_asks(
    office: OfficeCalendar, asks: Iterable[tuple[RecallAsk, OutgoingDocument]], now: datetime
) -> Iterator[Task]:
    """List recalls that wait for the head: on the day on which they were asked for, urgent ones at once."""
    for ask, document in asks:
        recipient = ask.recipients[0] if len(ask.recipients) == 1 else ""
        task = _same_day_task(TaskKind.APPROVE_RECALL, ask.id, office, document, ask.asked_at, now)
        yield replace(task, counterpart=recipient, begun_by=ask.asked_by)


def of_stuck(
    office: OfficeCalendar,
    stuck: Iterable[tuple[BoxItem, IncomingDocument | OutgoingDocument]],
    now: datetime,
) -> Iterator[Task]:
    """List items that a document system never accepted, on the day on which it gave up: a document for us, or a status of
    one of ours."""
    for item, document in stuck:
        since = item.updated_at
        if isinstance(document, OutgoingDocument):
            yield _same_day_task(TaskKind.SYSTEM_STATUS, item.doc_id, office, document, since, now)
            continue
        due_at = timers.closing_time(office, local(timers.next_open(office, since)).date())
        yield Task(
            id=f"{TaskKind.SYSTEM}:{document.id}",
            kind=TaskKind.SYSTEM,
            subject_id=document.id,
            document=f"{document.number}/{document.symbol}",
            title=document.subject,
            counterpart=document.sender_code,
            counterpart_name=document.sender_name or "",
            urgency=document.urgency,
            since=since,
            due_at=due_at,
            is_late=now > due_at,
            wall_clock=False,
        )


def of_certificates(
    endings: Iterable[CertificateEnding],
    codes: frozenset[str],
    now: datetime,
    soon: timedelta = CERTIFICATE_SOON,
) -> Iterator[Task]:
    """List certificates of the agency itself that end soon, by its codes: a partner's is its own to renew."""
    for ending in endings:
        if ending.own and ending.code in codes and ending.ends_at - now <= soon:
            due = timers.renew_certificate(ending.ends_at)
            yield Task(
                id=f"{TaskKind.CERTIFICATE}:{ending.fingerprint}",
                kind=TaskKind.CERTIFICATE,
                subject_id=ending.fingerprint,
                document="",
                title="",
                counterpart=ending.code,
                counterpart_name="",
                urgency=Urgency.NORMAL,
                since=ending.ends_at - soon,
                due_at=due.at,
                is_late=due.is_late(now),
                wall_clock=True,
                timer=due.timer.value,
            )


def _incoming_task(
    kind: TaskKind, key: str, document: IncomingDocument, since: datetime, due: Due, now: datetime
) -> Task:
    return Task(
        id=f"{kind}:{key}",
        kind=kind,
        subject_id=document.id,
        document=f"{document.number}/{document.symbol}",
        title=document.subject,
        counterpart=document.sender_code,
        counterpart_name=document.sender_name or "",
        urgency=document.urgency,
        since=since,
        due_at=due.at,
        is_late=due.is_late(now),
        wall_clock=due.wall_clock,
        timer=due.timer.value,
    )


def _to_settle(
    kind: TaskKind,
    office: OfficeCalendar,
    delivery: Delivery,
    document: OutgoingDocument,
    since: datetime,
    now: datetime,
) -> Task:
    return replace(
        _same_day_task(kind, delivery.id, office, document, since, now),
        counterpart=delivery.recipient.code,
        counterpart_name=delivery.recipient.name or "",
    )


def _same_day_task(
    kind: TaskKind,
    key: str,
    office: OfficeCalendar,
    document: OutgoingDocument,
    since: datetime,
    now: datetime,
) -> Task:
    """Make a task due before the office closes on the day on which it began; an urgent one is due at once."""
    due_at = timers.closing_time(office, local(timers.next_open(office, since)).date())
    at_once = timers.is_urgent(document.draft.urgency)
    return replace(
        _outgoing_task(kind, key, document, since),
        due_at=since if at_once else due_at,
        is_late=at_once or now > due_at,
        wall_clock=at_once,
    )


def _outgoing_task(kind: TaskKind, key: str, document: OutgoingDocument, since: datetime) -> Task:
    """Make a task without deadline and counterpart, which differ, and without the title of a sealed document."""
    return Task(
        id=f"{kind}:{key}",
        kind=kind,
        subject_id=document.id,
        document="" if document.is_sealed else document.draft.code,
        title="" if document.is_sealed else document.draft.subject,
        counterpart="",
        counterpart_name="",
        urgency=document.draft.urgency,
        since=since,
        due_at=since,
        is_late=False,
        wall_clock=False,
    )


def _owed_by(task: Task, delivery: Delivery, due: Due, now: datetime) -> Task:
    """Return the task with the recipient who owes an answer, and its time."""
    return replace(
        task,
        counterpart=delivery.recipient.code,
        counterpart_name=delivery.recipient.name or "",
        due_at=due.at,
        is_late=due.is_late(now),
        timer=due.timer.value,
    )


def waits_until(
    weekdays: frozenset[int], spans: tuple[OfficeHours, ...]
) -> Callable[[Sequence[CalendarDay], ChosenBy], Callable[[str, Duty, Urgency], datetime]]:
    """Return a function from the calendar's own days and the agencies' settings to the reckoning of due times."""

    def with_days(own: Sequence[CalendarDay], chosen: ChosenBy) -> Callable[[str, Duty, Urgency], datetime]:
        of_node = timers.calendar_of(weekdays, spans, SHIPPED, own)
        offices = {id: calendar_of_agency(of_node, settings) for id, settings in chosen.items()}

        def due(agency_id: str, duty: Duty, urgency: Urgency) -> datetime:
            return timers.of_duty(offices.get(agency_id, of_node), duty, urgency).at

        return due

    return with_days


def earliest_stop(office: OfficeCalendar, now: datetime) -> datetime:
    """Return one working day of the office after now: a stop announced on Friday at eight may begin on Monday at eight."""
    return timers.add_office_time(office, now, office.day_length)


def notice_faults(wish: NoticeWish, office: OfficeCalendar, now: datetime) -> tuple[tuple[str, str], ...]:
    """Return (field, fault) pairs. Only an emergency with its reason shortens the notice of a stop."""
    faults = []
    needed = ("text_vi", "meanwhile", "afterwards") if wish.kind is NoticeKind.INCIDENT else ("text_vi",)
    faults += [(name, MISSING) for name in needed if not getattr(wish, name).strip()]
    faults += [(name, LONG) for name in NOTICE_TEXTS if len(getattr(wish, name)) > LONGEST_TEXT]
    if wish.kind is NoticeKind.STOP and wish.ends_at is None:
        faults.append(("ends_at", MISSING))
    if wish.ends_at is not None and wish.ends_at <= wish.starts_at:
        faults.append(("ends_at", ORDER))
    elif wish.ends_at is not None and wish.ends_at <= now:
        faults.append(("ends_at", PAST))
    if (
        wish.kind is NoticeKind.STOP
        and wish.starts_at < earliest_stop(office, now)
        and not wish.emergency.strip()
    ):
        faults.append(("starts_at", SHORT))
    return tuple(faults)
