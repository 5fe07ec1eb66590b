"""Sources of the to-do list of one agency, and people's notes on it; recalls that wait for the head of the agency,
and documents that were submitted to a leader. In: times and limits; an open transaction of one agency. Out: domain values,
the oldest first. Every query has its index; none reads settled documents, and sealed documents are in no list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import BindParameter, Select, and_, bindparam, literal_column, or_, select
from sqlmodel import col

from gateway import errors
from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, IncomingDocument, InState, Kind, OutgoingDocument, OutState
from gateway.domain.states import HAS_IT, State, Track
from gateway.domain.status import MAY_HAVE_LEFT, Fact
from gateway.store import incoming, jobs, outgoing
from gateway.store.deliveries import to_delivery
from gateway.store.facts import SqlFacts
from gateway.store.repository import AgencyRows, in_parts, select_by
from gateway.store.row import Moment, Row, among, equal, from_json, one_of, one_of_literals, same
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
from gateway.store.tables_office import RecallAskRow, SubmissionRow, TaskNoteRow
from gateway.store.transaction import Transaction
from gateway_office.domain.task import (
    AskState,
    RecallAsk,
    Submission,
    SubmissionState,
    TaskNote,
    UnsentRequest,
    UnsentStatus,
)

RETURNED = (State.FAILED, State.REJECTED)
_UNSENT_STATES = ("waiting", "failed")
_I, _O, _D, _F, _N = IncomingRow, OutgoingRow, DeliveryRow, FactRow, TaskNoteRow
_H = HandoverRow
_SINCE = bindparam("since", type_=Moment)
_LIMIT: BindParameter[int] = bindparam("most")
_END = bindparam("until", type_=Moment)
_COMPLETE = one_of(col(_I.kind), (Kind.DOCUMENT.value, Kind.REPLACEMENT.value))
# Documents that a document system has are assigned there.
_IS_UNACKED = or_(col(_H.state).is_(None), col(_H.state) != incoming.ACKED)
# Its literals are those of the partial index, which no server would see behind params.
_IS_REQUEST = and_(
    one_of_literals(col(_F.track), "request"),
    one_of_literals(col(_F.code), "asked"),
    col(_F.at) >= _SINCE,
)
_IS_BACK = one_of_literals(col(_D.state), *RETURNED)
# Few have not gone, of all agencies, so they are found by state: by agency and time all that went would be read.
_P, _B = InboxRow, OutboxRow
PENDING = (
    select(col(_B.created_at), col(_B.subject_id))
    .where(
        col(_B.agency_id).concat("") == bindparam("agency"),
        one_of_literals(col(_B.state), *_UNSENT_STATES),
        col(_B.kind) == Kind.STATUS.value,
        col(_B.created_at).between(_SINCE, _END),
    )
    .order_by(col(_B.created_at), col(_B.id))
    .limit(_LIMIT)
)
# Statuses and take-backs that could not be made at all.
_J = JobRow
UNMADE = (
    select(col(_J.created_at), col(_J.subject_id))
    .where(
        one_of_literals(col(_J.kind), jobs.NEVER_ANSWERED),
        col(_J.agency_id).concat("") == bindparam("agency"),
        col(_J.created_at) >= _SINCE,
    )
    .order_by(col(_J.created_at), col(_J.id))
    .limit(_LIMIT)
)
# A delivery is `sent` until its recipient answers.
UNANSWERED = (
    select(col(_D.code), col(_D.updated_at))
    .where(
        equal(_D, agency_id=bindparam("agency"), state=bindparam("state")),
        col(_D.updated_at).between(_SINCE, _END),
    )
    .order_by(col(_D.updated_at).desc(), col(_D.id))
    .limit(_LIMIT)
)
# A status names the packet that it answers; a take-back the delivery that it asks for.
_OF_PACKETS = (
    select(col(_P.id), col(_I.body))
    .join(_I, same(_I.id, _P.incoming_id))
    .where(
        col(_P.agency_id) == bindparam("agency"),
        among(col(_P.id), "ids"),
        col(_I.state) != InState.SEALED.value,
    )
)
_ASK = RecallAskRow
_SUBMISSION = SubmissionRow
_SUBMISSIONS_OF = select_by(_SUBMISSION, ("agency_id",), ("asked_at", "id")).where(
    among(col(_SUBMISSION.document_id), "ids")
)


def _mine(table: type[Row], **columns: object) -> Select[Any]:
    return select(table).where(equal(table, agency_id=bindparam("agency"), **columns))


_MINE_IN = _mine(_I)
# State by state, and ordered by time alone: else SQLite walks through the whole index that has the order.
TO_TAKE_IN = _mine(_I, state=bindparam("state")).where(_COMPLETE).order_by(col(_I.arrived_at)).limit(_LIMIT)
REPLIES = (
    _MINE_IN.where(col(_I.reply_by) <= bindparam("by")).order_by(col(_I.reply_by), col(_I.id)).limit(_LIMIT)
)
UNASSIGNED = (
    _mine(_I, state=InState.ACCEPTED.value)
    .outerjoin(_H, same(_H.incoming_id, _I.id))
    .where(col(_I.arrived_at) >= _SINCE, _COMPLETE, _IS_UNACKED)
    .order_by(col(_I.arrived_at), col(_I.id))
    .limit(_LIMIT)
)
WITH_REQUESTS = (
    _MINE_IN.join(_F, same(_F.subject_id, _I.id))
    .where(_IS_REQUEST, col(_I.state) != InState.SEALED.value)
    .order_by(col(_F.at), col(_I.id))
    .limit(_LIMIT)
)
RECALLED = (
    _mine(_D)
    .join(_F, same(_F.subject_id, _D.id))
    .where(_IS_REQUEST)
    .order_by(col(_F.at), col(_D.id))
    .limit(_LIMIT)
)
UNSENT = _mine(_O, state=bindparam("state")).order_by(col(_O.created_at)).limit(_LIMIT)
BACK = (
    _mine(_D)
    .where(_IS_BACK, col(_D.updated_at) >= _SINCE)
    .order_by(col(_D.updated_at), col(_D.id))
    .limit(_LIMIT)
)
# Its literal is that of the partial index. The only mark that is looked for stays among them, because marks are few.
LEFT = (
    _mine(_D)
    .where(col(_D.marks).op("<>")(literal_column("'[]'")), col(_D.updated_at) >= _SINCE)
    .order_by(col(_D.updated_at), col(_D.id))
    .limit(_LIMIT)
)
DRAFTS = UNSENT.where(col(_O.created_at) >= _SINCE)
_DOCUMENTS, _DELIVERIES = _mine(_O).where(among(col(_O.id), "ids")), _mine(_D).where(among(col(_D.id), "ids"))
_NOTES = _mine(_N).where(among(col(_N.task), "ids"))


class SqlTasks(AgencyRows):
    """Sources of the to-do list of one agency. Every list is bounded, its oldest first."""

    def __init__(self, tx: Transaction, scope: AgencyScope) -> None:
        super().__init__(tx, scope)
        self._facts = SqlFacts(tx, scope)

    async def to_take_in(self, limit: int) -> Sequence[IncomingDocument]:
        """List documents and replacements that are new or on hold."""
        documents: list[IncomingDocument] = []
        for state in (InState.NEW, InState.HELD):
            documents += await self._values(incoming.to_incoming, TO_TAKE_IN, state=state.value, most=limit)
        return sorted(documents, key=lambda d: (d.arrived_at, d.id))[:limit]

    async def unassigned(self, since: datetime, limit: int) -> Sequence[tuple[IncomingDocument, datetime]]:
        """List documents taken in since then, not assigned and in no document system: each with when it was taken in."""
        documents = await self._values(incoming.to_incoming, UNASSIGNED, since=since, most=limit)
        facts = await self._facts_of([document.id for document in documents])
        free = [document for document in documents if document.assignment is None]
        return [(document, _taken_in_at(document, facts[document.id])) for document in free]

    async def asked_back(
        self, since: datetime, limit: int
    ) -> Sequence[tuple[IncomingDocument, Sequence[Fact]]]:
        """List documents about which their sender asked something since then, answered or not, each with all its facts."""
        letters = await self._values(incoming.to_incoming, WITH_REQUESTS, since=since, most=limit)
        documents = {document.id: document for document in letters}
        facts = await self._facts_of(list(documents))
        return [(document, facts[id]) for id, document in documents.items()]

    async def recalled(
        self, since: datetime, limit: int
    ) -> Sequence[tuple[Delivery, OutgoingDocument, Sequence[Fact]]]:
        """List deliveries that we asked back since then, answered or not, each with its document and all its facts."""
        return await self._with_facts(await self._values(to_delivery, RECALLED, since=since, most=limit))

    async def left_after_all(
        self, since: datetime, limit: int
    ) -> Sequence[tuple[Delivery, OutgoingDocument, Sequence[Fact]]]:
        """List deliveries that were cancelled although they had left, and whose recipient has them; each with its document
        and all its facts."""
        marked = await self._values(to_delivery, LEFT, since=since, most=limit)
        return await self._with_facts([d for d in marked if MAY_HAVE_LEFT in d.marks and d.state in HAS_IT])

    async def _with_facts(
        self, listed: Sequence[Delivery]
    ) -> Sequence[tuple[Delivery, OutgoingDocument, Sequence[Fact]]]:
        deliveries = {delivery.id: delivery for delivery in listed}
        documents = await self._documents(listed)
        facts = await self._facts_of(list(deliveries))
        return [(d, documents[d.document_id], facts[id]) for id, d in deliveries.items()]

    async def replies(self, by: date, limit: int) -> Sequence[IncomingDocument]:
        """List documents whose sender wants a reply by that day or earlier."""
        return await self._values(incoming.to_incoming, REPLIES, by=by, most=limit)

    async def unsent(self, limit: int) -> Sequence[OutgoingDocument]:
        """List drafts, blocked and queued documents."""
        documents: list[OutgoingDocument] = []
        for state in (OutState.DRAFT, OutState.BLOCKED, OutState.QUEUED):
            documents += await self._values(outgoing.to_outgoing, UNSENT, state=state.value, most=limit)
        return sorted(documents, key=lambda d: (d.created_at, d.id))[:limit]

    async def returned(self, since: datetime, limit: int) -> Sequence[tuple[Delivery, OutgoingDocument]]:
        """List deliveries that failed or were refused since then, each with its document."""
        deliveries = await self._values(to_delivery, BACK, since=since, most=limit)
        documents = await self._documents(deliveries)
        return [(delivery, documents[delivery.document_id]) for delivery in deliveries]

    async def pending(
        self, since: datetime, end: datetime, limit: int
    ) -> Sequence[UnsentStatus | UnsentRequest]:
        """List statuses and take-backs between these times that still wait or have failed; and since the first those that
        could not be made."""
        never = {"agency": self._agency_id, "since": since, "most": limit}
        params = never | {"until": end}
        rows = [*await self._tx.tuples(PENDING, **params), *await self._tx.tuples(UNMADE, **never)]
        rows = sorted(rows)[:limit]
        ids = sorted({subject for _, subject in rows})
        documents: dict[str, IncomingDocument] = {}
        deliveries: dict[str, Delivery] = {}
        for group in in_parts(ids):
            for packet, body in await self._tx.tuples(_OF_PACKETS, agency=self._agency_id, ids=group):
                documents[packet] = from_json(IncomingDocument, body)
            part = await self._values(to_delivery, _DELIVERIES, ids=group)
            deliveries |= {delivery.id: delivery for delivery in part}
        sent = await self._documents(deliveries.values())
        facts = await self._facts_of(list(deliveries))
        answers: list[UnsentStatus | UnsentRequest] = []
        for at, subject in rows:
            if subject in documents:
                answers.append(UnsentStatus(document=documents[subject], since=at))
            elif (delivery := deliveries.get(subject)) is not None:
                delivery_facts = tuple(facts[subject])
                answers.append(
                    UnsentRequest(
                        delivery=delivery, document=sent[delivery.document_id], facts=delivery_facts, since=at
                    )
                )
        return answers

    async def drafts(self, since: datetime, limit: int) -> Sequence[OutgoingDocument]:
        """List drafts begun since then."""
        parameters = {"state": OutState.DRAFT.value, "since": since, "most": limit}
        return await self._values(outgoing.to_outgoing, DRAFTS, **parameters)

    async def unanswered(self, since: datetime, end: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        """List recipients and times of deliveries between these times that were not answered at all; the newest first."""
        params = {"agency": self._agency_id, "state": State.SENT, "since": since, "until": end, "most": limit}
        return [(code, at) for code, at in await self._tx.tuples(UNANSWERED, **params)]

    async def notes(self, tasks: Sequence[str]) -> dict[str, TaskNote]:
        """Return the notes about these tasks, by task."""
        note_by_task: dict[str, TaskNote] = {}
        for part in in_parts(tasks):
            notes = await self._values(TaskNote, _NOTES, ids=part)
            note_by_task |= {note.task: note for note in notes}
        return note_by_task

    async def save_note(self, note: TaskNote) -> None:
        await self._tx.upsert(TaskNoteRow.from_value(note, agency_id=self._agency_id))

    async def _documents(self, deliveries: Iterable[Delivery]) -> dict[str, OutgoingDocument]:
        ids = sorted({delivery.document_id for delivery in deliveries})
        document_by_id: dict[str, OutgoingDocument] = {}
        for part in in_parts(ids):
            documents = await self._values(outgoing.to_outgoing, _DOCUMENTS, ids=part)
            document_by_id |= {document.id: document for document in documents}
        return document_by_id

    async def _facts_of(self, ids: Sequence[str]) -> Mapping[str, Sequence[Fact]]:
        return await self._facts.of_subjects(ids) if ids else {}


def _taken_in_at(document: IncomingDocument, facts: Sequence[Fact]) -> datetime:
    times = (fact.at for fact in facts if fact.track is Track.BUSINESS and fact.code == "03")
    return min(times, default=document.arrived_at)


class SqlRecallAsks(AgencyRows):
    """Recalls that people of one agency asked its head for."""

    async def add(self, ask: RecallAsk) -> None:
        self._tx.insert(RecallAskRow.from_value(ask, agency_id=self._agency_id))

    async def get(self, id: str) -> RecallAsk:
        """Return one; NotFound for another agency's. In a writing unit of work it does not change until that ends."""
        return await self._load(RecallAsk, _ASK, f"nobody asked for a recall under {id}", id=id)

    async def of_document(self, document_id: str) -> Sequence[RecallAsk]:
        """List all of one document, newest first."""
        return await self._list(RecallAsk, _ASK, "asked_at DESC", "id DESC", document_id=document_id)

    async def open(self, limit: int) -> Sequence[RecallAsk]:
        """List those that wait, oldest first."""
        return await self._list(RecallAsk, _ASK, "asked_at", "id", most=limit, state=AskState.OPEN.value)

    async def close(self, ask: RecallAsk) -> None:
        """Close it; Clash when it was closed before."""
        row = _ASK.from_value(ask, agency_id=self._agency_id)
        if await self._tx.update(row, equal(_ASK, state=AskState.OPEN.value)) != 1:
            raise errors.Clash(f"the recall {ask.id} does not wait any more; look at it again")


class SqlSubmissions(AgencyRows):
    """Documents that were submitted to a leader."""

    async def add(self, submission: Submission) -> None:
        self._tx.insert(self._row(submission))

    async def of_documents(self, document_ids: Sequence[str]) -> Mapping[str, Sequence[Submission]]:
        """List all of each document, the earliest first."""
        submissions_by_document: dict[str, list[Submission]] = {id: [] for id in document_ids}
        for ids in in_parts(document_ids):
            parameters = {"agency_id": self._agency_id, "ids": ids}
            for submission in await self._tx.values(Submission, _SUBMISSIONS_OF, **parameters):
                submissions_by_document[submission.document_id].append(submission)
        return submissions_by_document

    async def last_leader(self) -> str | None:
        """Return the leader of the agency's newest submission."""
        newest = await self._list(Submission, _SUBMISSION, "id DESC", most=1)
        return newest[0].leader if newest else None

    async def open(self, limit: int) -> Sequence[tuple[Submission, IncomingDocument]]:
        """List those that wait for an opinion, the oldest first, with their documents."""
        state = SubmissionState.OPEN.value
        submissions = await self._list(Submission, _SUBMISSION, "asked_at", "id", most=limit, state=state)
        documents = await incoming.unsealed(self._tx, self._agency_id, {s.document_id for s in submissions})
        return [(s, documents[s.document_id]) for s in submissions if s.document_id in documents]

    async def close(self, submission: Submission) -> None:
        """Close it; Clash when another opinion was given before."""
        is_open = equal(_SUBMISSION, state=SubmissionState.OPEN.value)
        if await self._tx.update(self._row(submission), is_open) != 1:
            raise errors.Clash(f"the submission {submission.id} does not wait any more; look at it again")

    def _row(self, submission: Submission) -> SubmissionRow:
        return _SUBMISSION.from_value(submission, agency_id=self._agency_id)
