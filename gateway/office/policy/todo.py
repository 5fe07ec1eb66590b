"""What needs a hand, and whether a notice may be given as it is (R97, T13). In: documents, deliveries and certificates as
they stand, a wish, the calendar, the time. Out: tasks, those longest past their deadline first; what is wrong with the
wish, by field; and until when lists wait for somebody, as `policy.timers` reckons it everywhere else. Pure: what was
noted about a task is put to it by who asks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from gateway.domain import status
from gateway.domain.document import Delivery, IncomingDocument, InState, OutgoingDocument, OutState, Urgency
from gateway.domain.handling import UnitPart
from gateway.domain.office_calendar import SHIPPED, CalendarDay, OfficeCalendar, OfficeHours
from gateway.domain.status import (
    Duty,
    Fact,
    RequestState,
    fold_delivery,
    fold_incoming,
    open_request,
    waits_for_answer,
)
from gateway.domain.system_box import BoxItem
from gateway.domain.wall_clock import local
from gateway.office.domain.notice import LONGEST_TEXT, NoticeKind, NoticeWish
from gateway.office.domain.task import RecallAsk, Submission, Task, TaskKind, UnsentRequest, UnsentStatus
from gateway.policy import timers
from gateway.policy.timers import Due
from gateway.policy.upkeep import CertificateEnding

LOOK_BACK = timedelta(days=60)
"""What failed or was refused longer ago is history, settled or not."""
REQUESTS_BACK = timedelta(days=365)
CERTIFICATE_SOON = timedelta(days=30)
_RETURNED = {"failed": TaskKind.FAILED, "rejected": TaskKind.REJECTED}


def reply_horizon(now: datetime) -> date:
    """The last day on which a reply is due that is told of now."""
    return local(now + timers.REPLY_SOON).date()


def late_span(now: datetime) -> tuple[date, datetime]:
    """By which day a part was due that may be late enough for the agency to be told; and of one without a day, before when
    its document came."""
    return local(now - timers.LEADER_TOLD).date(), now - timedelta(days=timers.WITHOUT_A_DAY)


def reply_wanted_span(now: datetime) -> tuple[date, date]:
    """The days of answers of which the one who asked is told now: three days ahead, and what is not yet history."""
    return local(now - LOOK_BACK).date(), local(now + timers.REPLY_WANTED_SOON).date()


def of_incoming(
    office: OfficeCalendar, documents: Iterable[IncomingDocument], now: datetime, held_at: dict[str, datetime]
) -> Iterator[Task]:
    """New documents whose time has passed or that are urgent, in the afternoon also those whose sender is to hear of them
    on that day (T3); and those too long on hold. `held_at`: since when, by id."""
    for each in documents:
        if each.state is InState.HELD:
            since = held_at.get(each.id, each.arrived_at)
            due = timers.decide_held(office, since)
            kind = TaskKind.DECIDE
        else:
            since = each.arrived_at
            due = timers.take_in(office, since, each.urgency, each.due_at)
            kind = TaskKind.TAKE_IN
            today = timers.receipt(office, since)
            if (
                not timers.is_urgent(each.urgency)
                and today.at < due.at
                and timers.afternoon_of(today.at) <= now
            ):
                due = today
        if due.is_late(now) or timers.is_urgent(each.urgency) or due.timer is timers.Timer.T3:
            yield _incoming(kind, each.id, each, since, due, now)


def of_unassigned(
    office: OfficeCalendar, documents: Iterable[tuple[IncomingDocument, datetime]], now: datetime
) -> Iterator[Task]:
    """Taken in and given to nobody (T5): told from the afternoon of that day on, at once of what is urgent."""
    for each, taken_in_at in documents:
        if now >= timers.afternoon_of(taken_in_at) or timers.is_urgent(each.urgency):
            due = timers.assign(office, taken_in_at)
            yield _incoming(TaskKind.ASSIGN, each.id, each, taken_in_at, due, now)


def of_submissions(
    office: OfficeCalendar, asked: Iterable[tuple[Submission, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """What waits for a leader's opinion (T5)."""
    for submission, document in asked:
        due = timers.assign(office, submission.asked_at)
        task = _incoming(TaskKind.OPINION, submission.id, document, submission.asked_at, due, now)
        yield replace(task, begun_by=submission.asked_by)


def of_wanted_replies(
    office: OfficeCalendar,
    wanted: Iterable[tuple[OutgoingDocument, Sequence[Delivery], Collection[str]]],
    now: datetime,
) -> Iterator[Task]:
    """Recipients who are to answer us by a day and have not (T9). The codes that have are in small letters."""
    for document, deliveries, answered in wanted:
        for each in deliveries:
            if document.reply_by is None or not waits_for_answer(document, each, answered):
                continue
            due = timers.reply_wanted(office, document.reply_by)
            since = document.packed_at or document.created_at
            yield replace(
                _outgoing(TaskKind.REPLY_DUE, each.id, document, since),
                counterpart=each.recipient.code,
                counterpart_name=each.recipient.name or "",
                due_at=due.at,
                is_late=due.is_late(now),
                wall_clock=True,
                timer=due.timer.value,
            )


def of_returned_parts(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """What a unit handed back waits for another one as if it had just been taken in."""
    for part, document in parts:
        since = part.ended_at or part.given_at
        due = timers.assign(office, since)
        task = _incoming(TaskKind.REASSIGN, part.id, document, since, due, now)
        yield replace(task, unit=part.unit, begun_by=part.ended_by or "")


def of_parts(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """All that units have to do, for them: to begin (T6) where the unit that leads has not, else to end (T7)."""
    for part, document in parts:
        begins = part.is_lead and document.state in (InState.ACCEPTED, InState.ASSIGNED)
        due = timers.work(office, document.arrived_at, part.deadline)
        start = timers.start(office, part.given_at)
        kind = TaskKind.WORK
        if begins and start.at < due.at:
            kind, due = TaskKind.START, start
        task = _incoming(kind, part.id, document, part.given_at, due, now)
        # One name from the beginning to the end: who took it up keeps it, and no step is told twice.
        yield replace(task, id=f"{TaskKind.WORK}:{part.id}", unit=part.unit)


def of_late_parts(
    office: OfficeCalendar, parts: Iterable[tuple[UnitPart, IncomingDocument]], now: datetime
) -> Iterator[Task]:
    """What the agency is told of: work that is two days past its day (T7)."""
    for part, document in parts:
        due = timers.work(office, document.arrived_at, part.deadline)
        if now >= due.at + timers.LEADER_TOLD:
            task = _incoming(TaskKind.WORK, part.id, document, part.given_at, due, now)
            yield replace(task, unit=part.unit)


def of_requests(
    office: OfficeCalendar, asked: Iterable[tuple[IncomingDocument, Sequence[Fact]]], now: datetime
) -> Iterator[Task]:
    """Requests that nobody answered yet: recall, take-back, update."""
    for document, facts in asked:
        request = open_request(fold_incoming(facts))
        if request is not None:
            since = status.request_learnt_at(facts, request)
            due = timers.answer_recall(office, since, document.urgency)
            key = f"{document.id}:{request.request_id}"
            yield _incoming(TaskKind.RECALL, key, document, since, due, now)


def of_replies(
    office: OfficeCalendar, documents: Iterable[IncomingDocument], now: datetime
) -> Iterator[Task]:
    for each in documents:
        if each.due_on is not None and each.wants_reply:
            due = timers.reply(office, each.due_on)
            yield _incoming(TaskKind.REPLY, each.id, each, each.arrived_at, due, now)


def status_horizon(now: datetime) -> datetime:
    """Statuses of before then that have not gone are told of to the agency; younger ones are the node's to send."""
    return now - timers.STATE_SILENT


def of_untold(untold: Iterable[UnsentStatus | UnsentRequest], now: datetime) -> Iterator[Task]:
    """One for each document, of its latest status."""
    statuses = (one for one in untold if isinstance(one, UnsentStatus))
    for each in {one.document.id: one for one in statuses}.values():
        due = timers.tell_state(each.since)
        yield _incoming(TaskKind.STATUS, each.document.id, each.document, each.since, due, now)


def of_unasked(
    office: OfficeCalendar, untold: Iterable[UnsentStatus | UnsentRequest], now: datetime
) -> Iterator[Task]:
    """Take-backs that their recipients have not heard of, unless somebody asked again since."""
    requests = (one for one in untold if isinstance(one, UnsentRequest))
    for each in {one.delivery.id: one for one in requests}.values():
        asked = fold_delivery(each.facts).requests
        last = max(asked, key=lambda request: request.asked_at, default=None)
        # Of what is asked, only the one that has not gone and no later one.
        asks_still = last is not None and last.state is RequestState.OPEN and last.asked_at <= each.since
        if last is None or last.state is RequestState.WITHDRAWN or asks_still:
            yield _to_settle(TaskKind.TAKE_BACK, office, each.delivery, each.document, each.since, now)


def of_returned(
    office: OfficeCalendar, returned: Iterable[tuple[Delivery, OutgoingDocument]], now: datetime
) -> Iterator[Task]:
    """Deliveries that a person must settle the day they came back: the next who is to learn of it waits for us."""
    for delivery, document in returned:
        if document.state is not OutState.CANCELLED:
            kind = _RETURNED[delivery.state]
            yield _to_settle(kind, office, delivery, document, delivery.updated_at, now)


def of_unsent(office: OfficeCalendar, documents: Iterable[OutgoingDocument], now: datetime) -> Iterator[Task]:
    """Signed and not issued: at once where a person has to act, past its time where only the node has."""
    for each in documents:
        signed_at = each.draft.signed_at
        if signed_at is None:
            continue
        due = timers.issue(office, signed_at, each.draft.urgency)
        if each.state is OutState.QUEUED and not due.is_late(now):
            continue
        first = each.draft.recipients[0] if len(each.draft.recipients) == 1 else None
        yield replace(
            _outgoing(TaskKind.ISSUE, each.id, each, signed_at),
            counterpart=first.code if first else "",
            counterpart_name=(first.name or "") if first else "",
            due_at=due.at,
            is_late=due.is_late(now),
            wall_clock=due.wall_clock,
            timer=due.timer.value,
            begun_by=each.accepted_by,
        )


def of_asks(
    office: OfficeCalendar, asks: Iterable[tuple[RecallAsk, OutgoingDocument]], now: datetime
) -> Iterator[Task]:
    """Recalls that wait for the head: on the day on which they were asked for, at once of what is urgent."""
    for ask, document in asks:
        one = ask.recipients[0] if len(ask.recipients) == 1 else ""
        task = _that_day(TaskKind.APPROVE_RECALL, ask.id, office, document, ask.asked_at, now)
        yield replace(task, counterpart=one, begun_by=ask.asked_by)


def of_stuck(
    office: OfficeCalendar,
    stuck: Iterable[tuple[BoxItem, IncomingDocument | OutgoingDocument]],
    now: datetime,
) -> Iterator[Task]:
    """What a document system could not take after all its tries, on the day on which it gave up: a document for us, or what
    became of one of ours."""
    for item, document in stuck:
        since = item.updated_at
        if isinstance(document, OutgoingDocument):
            yield _that_day(TaskKind.SYSTEM_STATUS, item.doc_id, office, document, since, now)
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
    endings: Iterable[CertificateEnding], codes: frozenset[str], now: datetime
) -> Iterator[Task]:
    """Of the agency itself, by its codes: a partner's certificate is its own to renew."""
    for each in endings:
        if each.own and each.code in codes and each.until - now <= CERTIFICATE_SOON:
            due = timers.renew_certificate(each.until)
            yield Task(
                id=f"{TaskKind.CERTIFICATE}:{each.fingerprint}",
                kind=TaskKind.CERTIFICATE,
                subject_id=each.fingerprint,
                document="",
                title="",
                counterpart=each.code,
                counterpart_name="",
                urgency=Urgency.NORMAL,
                since=each.until - CERTIFICATE_SOON,
                due_at=due.at,
                is_late=due.is_late(now),
                wall_clock=True,
                timer=due.timer.value,
            )


def _incoming(
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
        _that_day(kind, delivery.id, office, document, since, now),
        counterpart=delivery.recipient.code,
        counterpart_name=delivery.recipient.name or "",
    )


def _that_day(
    kind: TaskKind,
    key: str,
    office: OfficeCalendar,
    document: OutgoingDocument,
    since: datetime,
    now: datetime,
) -> Task:
    """Due before the office closes on the day on which it began; at once of what is urgent."""
    due_at = timers.closing_time(office, local(timers.next_open(office, since)).date())
    at_once = timers.is_urgent(document.draft.urgency)
    return replace(
        _outgoing(kind, key, document, since),
        due_at=since if at_once else due_at,
        is_late=at_once or now > due_at,
        wall_clock=at_once,
    )


def _outgoing(kind: TaskKind, key: str, document: OutgoingDocument, since: datetime) -> Task:
    """Without deadline and counterpart, which differ. Nobody reads the title of what is sealed."""
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


def waits_until(
    weekdays: frozenset[int], spans: tuple[OfficeHours, ...]
) -> Callable[[Sequence[CalendarDay]], Callable[[Duty, Urgency], datetime]]:
    """Of a calendar's own days, how long anything is waited for."""

    def of(own: Sequence[CalendarDay]) -> Callable[[Duty, Urgency], datetime]:
        office = timers.calendar_of(weekdays, spans, SHIPPED, own)
        return lambda duty, urgency: timers.of_duty(office, duty, urgency).at

    return of


MISSING, LONG, ORDER, PAST, SHORT = "missing", "long", "order", "past", "short"
_NOTICE_TEXTS = ("text_vi", "text_en", "meanwhile", "afterwards", "emergency")


def earliest_stop(office: OfficeCalendar, now: datetime) -> datetime:
    """One working day of the office after now: whatever is told on Friday at eight may begin on Monday at eight."""
    return timers.add_office_time(office, now, office.day_length)


def notice_faults(wish: NoticeWish, office: OfficeCalendar, now: datetime) -> tuple[tuple[str, str], ...]:
    """(field, what is wrong with it). Only an emergency with its reason shortens the notice of a stop."""
    found = []
    needed = ("text_vi", "meanwhile", "afterwards") if wish.kind is NoticeKind.INCIDENT else ("text_vi",)
    found += [(name, MISSING) for name in needed if not getattr(wish, name).strip()]
    found += [(name, LONG) for name in _NOTICE_TEXTS if len(getattr(wish, name)) > LONGEST_TEXT]
    if wish.kind is NoticeKind.STOP and wish.ends_at is None:
        found.append(("ends_at", MISSING))
    if wish.ends_at is not None and wish.ends_at <= wish.starts_at:
        found.append(("ends_at", ORDER))
    elif wish.ends_at is not None and wish.ends_at <= now:
        found.append(("ends_at", PAST))
    if (
        wish.kind is NoticeKind.STOP
        and wish.starts_at < earliest_stop(office, now)
        and not wish.emergency.strip()
    ):
        found.append(("starts_at", SHORT))
    return tuple(found)
