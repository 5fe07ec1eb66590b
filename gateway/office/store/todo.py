"""What the to-do list of one agency is made of, what people noted on it; recalls that wait for the head of the agency, and
documents that were submitted to a leader. In: times and limits; an open transaction of one agency. Out: domain values,
the oldest first; the `Tasks`, the `RecallAsks` and the `Submissions` promise. Every question has its index; none reads
what is settled, and sealed documents are in no list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

from sqlalchemy import BindParameter, bindparam, delete, or_, select, update
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, IncomingDocument, InState, Kind, OutgoingDocument, OutState
from gateway.domain.status import Fact, Track
from gateway.office.domain.task import (
    AskState,
    RecallAsk,
    Submission,
    SubmissionState,
    TaskNote,
    UnsentRequest,
    UnsentStatus,
)
from gateway.store import incoming, jobs, outgoing
from gateway.store.deliveries import SqlFacts, to_delivery
from gateway.store.repository import AgencyRows, in_parts
from gateway.store.row import Moment, from_json, value_of
from gateway.store.tables import (
    DeliveryRow,
    FactRow,
    HandoverRow,
    InboxRow,
    IncomingRow,
    JobRow,
    OutboxRow,
    OutgoingRow,
)
from gateway.store.tables_office import RecallAskRow, ReminderRow, SubmissionRow, TaskNoteRow
from gateway.store.transaction import Transaction

RETURNED = ("failed", "rejected")
_NOT_GONE = ("waiting", "failed")
_I, _O, _D, _F, _N, _R = IncomingRow, OutgoingRow, DeliveryRow, FactRow, TaskNoteRow, ReminderRow
_H = HandoverRow
_SINCE = bindparam("since", type_=Moment)
_LIMIT: BindParameter[int] = bindparam("most")
_MINE_IN = select(_I).where(col(_I.agency_id) == bindparam("agency"))
# State by state, and ordered by time alone: else a file is walked through whole by the index that has the order.
TO_TAKE_IN = (
    _MINE_IN.where(
        col(_I.state) == bindparam("state"),
        col(_I.kind).in_([Kind.DOCUMENT.value, Kind.REPLACEMENT.value]),
    )
    .order_by(col(_I.arrived_at))
    .limit(_LIMIT)
)
REPLIES = (
    _MINE_IN.where(col(_I.reply_by) <= bindparam("by")).order_by(col(_I.reply_by), col(_I.id)).limit(_LIMIT)
)
# What a document system has is given out there.
UNASSIGNED = (
    _MINE_IN.outerjoin(
        _H,
        (col(_H.agency_id) == col(_I.agency_id)) & (col(_H.incoming_id) == col(_I.id)),
    )
    .where(
        col(_I.state) == InState.ACCEPTED.value,
        col(_I.arrived_at) >= _SINCE,
        col(_I.kind).in_([Kind.DOCUMENT.value, Kind.REPLACEMENT.value]),
        or_(col(_H.state).is_(None), col(_H.state) != incoming.ACKED),
    )
    .order_by(col(_I.arrived_at), col(_I.id))
    .limit(_LIMIT)
)
# Its literals are those of the partial index, which no server would see behind parameters.
ASKED = (
    _MINE_IN.join(_F, (col(_F.agency_id) == col(_I.agency_id)) & (col(_F.subject_id) == col(_I.id)))
    .where(
        col(_F.track).op("=")(bindparam("track", "request", literal_execute=True)),
        col(_F.code).op("=")(bindparam("code", "asked", literal_execute=True)),
        col(_F.at) >= _SINCE,
        col(_I.state) != InState.SEALED.value,
    )
    .order_by(col(_F.at), col(_I.id))
    .limit(_LIMIT)
)
UNSENT = (
    select(_O)
    .where(
        col(_O.agency_id) == bindparam("agency"),
        col(_O.state) == bindparam("state"),
    )
    .order_by(col(_O.created_at))
    .limit(_LIMIT)
)
BACK = (
    select(_D)
    .where(
        col(_D.agency_id) == bindparam("agency"),
        col(_D.state).in_(bindparam("states", RETURNED, expanding=True, literal_execute=True)),
        col(_D.updated_at) >= _SINCE,
    )
    .order_by(col(_D.updated_at), col(_D.id))
    .limit(_LIMIT)
)
# Few have not gone, of all agencies: found by state, since by agency and time all that went would be walked through.
_P, _B = InboxRow, OutboxRow
UNTOLD = (
    select(col(_B.created_at), col(_B.subject_id))
    .where(
        col(_B.agency_id).concat("") == bindparam("agency"),
        col(_B.state).in_(bindparam("states", _NOT_GONE, expanding=True, literal_execute=True)),
        col(_B.kind) == Kind.STATUS.value,
        col(_B.created_at).between(_SINCE, bindparam("until", type_=Moment)),
    )
    .order_by(col(_B.created_at), col(_B.id))
    .limit(_LIMIT)
)
# Those that could not be made at all.
_J = JobRow
NEVER_MADE = (
    select(col(_J.created_at), col(_J.subject_id))
    .where(
        col(_J.kind) == bindparam("kind", jobs.NEVER_ANSWERED, literal_execute=True),
        col(_J.agency_id).concat("") == bindparam("agency"),
        col(_J.created_at) >= _SINCE,
    )
    .order_by(col(_J.created_at), col(_J.id))
    .limit(_LIMIT)
)
# What left is `sent` until its recipient says something of it.
UNANSWERED = (
    select(col(_D.code), col(_D.updated_at))
    .where(
        col(_D.agency_id) == bindparam("agency"),
        col(_D.state) == bindparam("state"),
        col(_D.updated_at).between(_SINCE, bindparam("until", type_=Moment)),
    )
    .order_by(col(_D.updated_at).desc(), col(_D.id))
    .limit(_LIMIT)
)
# A status names the packet that it answers; a take-back the delivery that it asks for.
_OF_PACKETS = (
    select(col(_P.id), col(_I.body))
    .join(_I, (col(_I.agency_id) == col(_P.agency_id)) & (col(_I.id) == col(_P.incoming_id)))
    .where(
        col(_P.agency_id) == bindparam("agency"),
        col(_P.id).in_(bindparam("ids", expanding=True)),
        col(_I.state) != InState.SEALED.value,
    )
)
_DOCUMENTS = select(_O).where(
    col(_O.agency_id) == bindparam("agency"), col(_O.id).in_(bindparam("ids", expanding=True))
)
_DELIVERIES = select(_D).where(
    col(_D.agency_id) == bindparam("agency"), col(_D.id).in_(bindparam("ids", expanding=True))
)
_NOTES = select(_N).where(
    col(_N.agency_id) == bindparam("agency"), col(_N.task).in_(bindparam("tasks", expanding=True))
)
_OLD = delete(_R).where(col(_R.agency_id) == bindparam("agency"), col(_R.at) < _SINCE)
_CLAIMED = select(col(_R.key)).where(
    col(_R.agency_id) == bindparam("agency"), col(_R.key).in_(bindparam("keys", expanding=True))
)
_THIS_REMINDER = delete(_R).where(
    col(_R.agency_id) == bindparam("agency"), col(_R.key) == bindparam("at_key")
)


class SqlTasks:
    """What the to-do list of one agency is made of. Every list is bounded, its oldest first."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        self._tx = tx
        self._agency_id = scope.agency_id
        self._facts = SqlFacts(tx, scope)

    async def to_take_in(self, limit: int) -> Sequence[IncomingDocument]:
        """Documents and replacements that are new or on hold."""
        found: list[IncomingDocument] = []
        for state in (InState.NEW, InState.HELD):
            asked = {"agency": self._agency_id, "state": state.value, "most": limit}
            found += [incoming.to_incoming(row) for row in await self._tx.rows(_I, TO_TAKE_IN, **asked)]
        return sorted(found, key=lambda each: (each.arrived_at, each.id))[:limit]

    async def unassigned(self, since: datetime, limit: int) -> Sequence[tuple[IncomingDocument, datetime]]:
        """Taken in since then, given to nobody, and with no document system: each with when it was taken in."""
        rows = await self._tx.rows(_I, UNASSIGNED, agency=self._agency_id, since=since, most=limit)
        documents = [incoming.to_incoming(row) for row in rows]
        facts = await self._facts.of_many([each.id for each in documents]) if documents else {}
        free = [each for each in documents if each.assignment is None]
        return [(each, _taken_in_at(each, facts[each.id])) for each in free]

    async def asked_back(
        self, since: datetime, limit: int
    ) -> Sequence[tuple[IncomingDocument, Sequence[Fact]]]:
        """Documents of which their sender asked something since then, answered or not, with everything known about each."""
        rows = await self._tx.rows(_I, ASKED, agency=self._agency_id, since=since, most=limit)
        documents = {row.id: incoming.to_incoming(row) for row in rows}
        facts = await self._facts.of_many(list(documents)) if documents else {}
        return [(each, facts[id]) for id, each in documents.items()]

    async def replies(self, by: date, limit: int) -> Sequence[IncomingDocument]:
        """Documents whose sender wants a reply by that day or earlier."""
        rows = await self._tx.rows(_I, REPLIES, agency=self._agency_id, by=by, most=limit)
        return [incoming.to_incoming(row) for row in rows]

    async def unsent(self, limit: int) -> Sequence[OutgoingDocument]:
        """Drafts, blocked and queued documents."""
        found: list[OutgoingDocument] = []
        for state in (OutState.DRAFT, OutState.BLOCKED, OutState.QUEUED):
            asked = {"agency": self._agency_id, "state": state.value, "most": limit}
            found += [outgoing.to_outgoing(row) for row in await self._tx.rows(_O, UNSENT, **asked)]
        return sorted(found, key=lambda each: (each.created_at, each.id))[:limit]

    async def returned(self, since: datetime, limit: int) -> Sequence[tuple[Delivery, OutgoingDocument]]:
        """Deliveries that failed or were refused since then, each with its document."""
        asked = {"agency": self._agency_id, "since": since, "most": limit}
        found = [to_delivery(row) for row in await self._tx.rows(_D, BACK, **asked)]
        documents = await self._documents(found)
        return [(each, documents[each.document_id]) for each in found]

    async def untold(
        self, since: datetime, until: datetime, limit: int
    ) -> Sequence[UnsentStatus | UnsentRequest]:
        """Statuses and take-backs between these times that wait yet or have failed; and since the first those that could
        not be made."""
        never = {"agency": self._agency_id, "since": since, "most": limit}
        asked = never | {"until": until}
        rows = [*await self._tx.tuples(UNTOLD, **asked), *await self._tx.tuples(NEVER_MADE, **never)]
        rows = sorted(rows)[:limit]
        ids = sorted({subject for _, subject in rows})
        documents: dict[str, IncomingDocument] = {}
        deliveries: dict[str, Delivery] = {}
        for some in in_parts(ids):
            part = {"agency": self._agency_id, "ids": some}
            for packet, body in await self._tx.tuples(_OF_PACKETS, **part):
                documents[packet] = from_json(IncomingDocument, body)
            deliveries |= {row.id: to_delivery(row) for row in await self._tx.rows(_D, _DELIVERIES, **part)}
        sent = await self._documents(deliveries.values())
        facts = await self._facts.of_many(list(deliveries)) if deliveries else {}
        found: list[UnsentStatus | UnsentRequest] = []
        for at, subject in rows:
            if subject in documents:
                found.append(UnsentStatus(document=documents[subject], since=at))
            elif (one := deliveries.get(subject)) is not None:
                known = tuple(facts[subject])
                found.append(
                    UnsentRequest(delivery=one, document=sent[one.document_id], facts=known, since=at)
                )
        return found

    async def unanswered(
        self, since: datetime, until: datetime, limit: int
    ) -> Sequence[tuple[str, datetime]]:
        """To whom, and when, something left between these times of which no first word came back; the newest first."""
        asked = {"agency": self._agency_id, "state": "sent", "since": since, "until": until, "most": limit}
        return [(code, at) for code, at in await self._tx.tuples(UNANSWERED, **asked)]

    async def notes(self, tasks: Sequence[str]) -> dict[str, TaskNote]:
        """What was noted about these tasks, by task."""
        found: dict[str, TaskNote] = {}
        for part in in_parts(tasks):
            rows = await self._tx.rows(_N, _NOTES, agency=self._agency_id, tasks=part)
            found |= {row.task: value_of(TaskNote, row) for row in rows}
        return found

    async def save_note(self, note: TaskNote) -> None:
        row = TaskNoteRow.of(note, agency_id=self._agency_id)
        await self._tx.put_over(row, *row.values("agency_id", "task"))

    async def _documents(self, of: Iterable[Delivery]) -> dict[str, OutgoingDocument]:
        ids = sorted({each.document_id for each in of})
        found: dict[str, OutgoingDocument] = {}
        for part in in_parts(ids):
            rows = await self._tx.rows(_O, _DOCUMENTS, agency=self._agency_id, ids=part)
            found |= {row.id: outgoing.to_outgoing(row) for row in rows}
        return found

    async def first_time(self, key: str, at: datetime) -> bool:
        """Claims a reminder in the caller's transaction; False when it was claimed before."""
        return await self._tx.put_new(ReminderRow(agency_id=self._agency_id, key=key, at=at))

    async def unclaimed(self, keys: Sequence[str]) -> Sequence[str]:
        """Those that nobody has claimed yet."""
        known: set[str] = set()
        for part in in_parts(keys):
            known |= {key for (key,) in await self._tx.tuples(_CLAIMED, agency=self._agency_id, keys=part)}
        return [key for key in keys if key not in known]

    async def release(self, key: str) -> None:
        """The reminder was not sent after all and may be claimed again."""
        await self._tx.change(_THIS_REMINDER, agency=self._agency_id, at_key=key)

    async def forget_reminders(self, before: datetime) -> None:
        """Of this agency, claimed before that time."""
        await self._tx.change(_OLD, agency=self._agency_id, since=before)


def _taken_in_at(document: IncomingDocument, facts: Sequence[Fact]) -> datetime:
    said = (fact.at for fact in facts if fact.track is Track.BUSINESS and fact.code == "03")
    return min(said, default=document.arrived_at)


_ASK = RecallAskRow
# Made once: making a statement takes longer than running it.
_OUR_ASKS = select(_ASK).where(col(_ASK.agency_id) == bindparam("agency"))
_ASK_BY_ID = _OUR_ASKS.where(col(_ASK.id) == bindparam("id"))
_NEWEST_ASKED = (col(_ASK.asked_at).desc(), col(_ASK.id).desc())
_ASKS_OF = _OUR_ASKS.where(col(_ASK.document_id) == bindparam("document")).order_by(*_NEWEST_ASKED)
_OPEN_ASKS = _OUR_ASKS.where(col(_ASK.state) == AskState.OPEN.value).order_by(
    col(_ASK.asked_at), col(_ASK.id)
)


class SqlRecallAsks(AgencyRows):
    """Those of one agency."""

    async def add(self, ask: RecallAsk) -> None:
        self._tx.put(RecallAskRow.of(ask, agency_id=self._agency_id))

    async def get(self, id: str) -> RecallAsk:
        """NotFound for another agency's. In a writing unit of work it stays as it is until that ends."""
        missing = f"nobody asked for a recall under {id}"
        return value_of(RecallAsk, await self._one(_ASK, self._tx.kept(_ASK_BY_ID), missing, id=id))

    async def of(self, document_id: str) -> Sequence[RecallAsk]:
        """All of one document, newest first."""
        found = await self._rows(_ASK, _ASKS_OF, document=document_id)
        return [value_of(RecallAsk, row) for row in found]

    async def open(self, limit: int) -> Sequence[RecallAsk]:
        """Those that wait, oldest first."""
        found = await self._rows(_ASK, _OPEN_ASKS.limit(limit))
        return [value_of(RecallAsk, row) for row in found]

    async def close(self, ask: RecallAsk) -> None:
        """Clash when it was closed before."""
        this = (
            col(_ASK.agency_id) == self._agency_id,
            col(_ASK.id) == ask.id,
            col(_ASK.state) == AskState.OPEN.value,
        )
        closed = RecallAskRow.of(ask, agency_id=self._agency_id).values("agency_id", "id")
        if await self._tx.change(update(_ASK).where(*this).values(**closed)) != 1:
            raise errors.Clash(f"the recall {ask.id} does not wait any more; look at it again")


_SUBMISSION = SubmissionRow
_SUBMITTED = select(_SUBMISSION).where(col(_SUBMISSION.agency_id) == bindparam("agency"))
_SUBMISSIONS_OF = _SUBMITTED.where(
    col(_SUBMISSION.document_id).in_(bindparam("ids", expanding=True))
).order_by(col(_SUBMISSION.asked_at), col(_SUBMISSION.id))
_OPEN_SUBMISSIONS = _SUBMITTED.where(col(_SUBMISSION.state) == SubmissionState.OPEN.value).order_by(
    col(_SUBMISSION.asked_at), col(_SUBMISSION.id)
)


class SqlSubmissions(AgencyRows):
    """Documents that were submitted to a leader."""

    async def add(self, submission: Submission) -> None:
        self._tx.put(self._row(submission))

    async def of(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Submission]]:
        """All of each document, the earliest first."""
        found: dict[str, list[Submission]] = {id: [] for id in document_ids}
        for ids in in_parts(document_ids):
            for row in await self._rows(_SUBMISSION, _SUBMISSIONS_OF, ids=ids):
                found[row.document_id].append(value_of(Submission, row))
        return found

    async def open(self, limit: int) -> Sequence[tuple[Submission, IncomingDocument]]:
        """What waits for an opinion, the oldest first."""
        asked = [
            value_of(Submission, row) for row in await self._rows(_SUBMISSION, _OPEN_SUBMISSIONS.limit(limit))
        ]
        documents = await incoming.unsealed(self._tx, self._agency_id, {each.document_id for each in asked})
        return [(each, documents[each.document_id]) for each in asked if each.document_id in documents]

    async def close(self, submission: Submission) -> None:
        """Clash when another opinion was given before."""
        this = (
            col(_SUBMISSION.agency_id) == self._agency_id,
            col(_SUBMISSION.id) == submission.id,
            col(_SUBMISSION.state) == SubmissionState.OPEN.value,
        )
        closed = self._row(submission).values("agency_id", "id")
        if await self._tx.change(update(_SUBMISSION).where(*this).values(**closed)) != 1:
            raise errors.Clash(f"the submission {submission.id} does not wait any more; look at it again")

    def _row(self, submission: Submission) -> SubmissionRow:
        return _SUBMISSION.of(submission, agency_id=self._agency_id)
