"""Answers of authorities about the revocation of certificates, and when to ask again. In: questions and checked answers.
Out: due questions, each to one process at a time, and the current answers. Part of the store; get it as
`store.revocation`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, and_, delete, func, not_, or_, select, tuple_, update
from sqlmodel import col

from gateway.domain.certificates import Answer, AskedQuestion, PendingRevocation, Question
from gateway.domain.pace import AUTHORITY_DELAY
from gateway.store.repository import AgencyRows, OwnTransactions
from gateway.store.row import value_of
from gateway.store.tables_node import AnswerRow, PdfAnswerRow, PendingRow, QuestionRow
from gateway.store.transaction import Open

# Answers that a process keeps in memory; an OCSP answer has about two kilobytes.
MOST_CURRENT = 20_000
_AT_ONCE = 200
_QUESTION, _ANSWER = QuestionRow, AnswerRow
_NEWER = AnswerRow.__table__.alias().c
_SAME_QUESTION = and_(
    _NEWER.source == col(_ANSWER.source),
    _NEWER.issuer == col(_ANSWER.issuer),
    _NEWER.about == col(_ANSWER.about),
)
_MADE_LATER = or_(
    _NEWER.made_at > col(_ANSWER.made_at),
    and_(_NEWER.made_at == col(_ANSWER.made_at), _NEWER.fetched_at > col(_ANSWER.fetched_at)),
)
_IS_REPLACED = select(_NEWER.digest).where(_SAME_QUESTION, _MADE_LATER).exists()
_KEY = (col(_ANSWER.source), col(_ANSWER.issuer), col(_ANSWER.about))
_PENDING_KEY = (col(PendingRow.agency_id), col(PendingRow.inbox_id))


def to_answer(row: AnswerRow | PdfAnswerRow) -> Answer:
    return value_of(Answer, row, question=value_of(Question, row))


class StoredAnswers(OwnTransactions):
    """Answers of authorities, in one of two tables. `is_replaced`: a newer answer to the same question is stored."""

    table: ClassVar[type[AnswerRow] | type[PdfAnswerRow]] = AnswerRow
    is_replaced: ClassVar[ColumnElement[bool]] = _IS_REPLACED

    def __init__(self, writing: Open, reading: Open) -> None:
        super().__init__(writing, reading)
        self._used: set[str] = set()

    async def read(self, digests: Sequence[str]) -> Sequence[Answer]:
        """Return the stored answers with these digests."""
        is_among = col(self.table.digest).in_(digests)
        return await self._values(
            to_answer, select(self.table).where(is_among).order_by(col(self.table.digest))
        )

    async def prune(self, fetched_before: datetime) -> int:
        """Delete replaced answers fetched before that time that revoke nothing and that no verdict rests on; return how
        many."""
        conditions = (
            col(self.table.fetched_at) < fetched_before,
            col(self.table.used).is_(False),
            col(self.table.revokes).is_(False),
            self.is_replaced,
        )
        return await self._change(delete(self.table).where(*conditions))

    def _remember_used(self, digests: Iterable[str]) -> None:
        """Note that these answers are marked as used, so that this process does not ask the database again."""
        if len(self._used) > MOST_CURRENT:
            self._used.clear()
        self._used.update(digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest answer to a question, without its bytes."""

    question: Question
    made_at: datetime
    ends_at: datetime | None


class SqlRevocationAnswers(StoredAnswers):
    """Repository of the node's questions and answers, shared by its processes. Each change is committed on return."""

    def __init__(self, writing: Open, reading: Open, looking: Open) -> None:
        """Take functions that open transactions; `looking` is for reading few rows, every few seconds."""
        super().__init__(writing, reading)
        self._looking = looking

    async def plan(self, questions: Sequence[Question], now: datetime) -> None:
        """Replace the stored questions by these: new ones are due at once, missing ones are deleted, the others stay."""
        planned = set(questions)
        stored = {question.question for question in await self.questions()}
        added, dropped = planned - stored, stored - planned
        if not added and not dropped:
            return
        async with self._changing() as tx:
            tx.insert_missing(*(_new_row(question, now) for question in sorted(added, key=_question_key)))
            for question in sorted(dropped, key=_question_key):
                await tx.change(delete(_QUESTION).where(*_matches(_QUESTION, question)))

    async def claim(self, now: datetime, limit: int, hold: timedelta) -> Sequence[AskedQuestion]:
        """Claim up to `limit` due questions for the time `hold`, the longest due first, by moving their due times. Rows are
        not locked for reading: the process that moves a due time from the value it read owns the question."""
        far = col(_QUESTION.due_at) > now + 2 * AUTHORITY_DELAY  # planned while the clock was ahead
        due = (
            select(_QUESTION)
            .where(or_(col(_QUESTION.due_at) <= now, far))
            .order_by(col(_QUESTION.due_at))
            .limit(limit)
        )
        async with self._looking() as tx:
            rows = await tx.rows(_QUESTION, due)
        if not rows:
            return []
        claimed = []
        async with self._changing() as tx:
            for row in rows:
                due_question = _to_asked_question(row)
                unmoved = (*_matches(_QUESTION, due_question.question), col(_QUESTION.due_at) == row.due_at)
                if await tx.change(update(_QUESTION).where(*unmoved).values(due_at=now + hold)):
                    claimed.append(due_question)
        return claimed

    async def keep(self, answer: Answer, due: datetime) -> bool:
        """Store an answer and when its question is due again. Return False, and store nothing, when a newer answer is
        stored, so that old answers cannot be replayed."""
        question = answer.question
        async with self._writing() as tx:
            await tx.hold("revocation", *_question_key(question))
            newer = select(_ANSWER).where(*_matches(_ANSWER, question), col(_ANSWER.made_at) > answer.made_at)
            if await tx.first(_ANSWER, newer) is not None:
                return False
            source, issuer, target = _question_key(question)
            row = AnswerRow.from_value(answer, source=source, issuer=issuer, about=target, used=False)
            await tx.insert_new(row)
            columns = {"due_at": due, "answered_at": answer.fetched_at, "failures": 0, "error": None}
            await tx.change(update(_QUESTION).where(*_matches(_QUESTION, question)).values(**columns))
            await tx.commit()
        return True

    async def record_failure(self, question: Question, due: datetime, error: str) -> None:
        """Record that asking a question failed, and when it is due again."""
        columns = {"due_at": due, "failures": col(_QUESTION.failures) + 1, "error": error[:1000]}
        await self._change(update(_QUESTION).where(*_matches(_QUESTION, question)).values(**columns))

    async def drop(self, question: Question) -> None:
        """Delete a question; its answers stay."""
        await self._change(delete(_QUESTION).where(*_matches(_QUESTION, question)))

    async def hurry(self, now: datetime) -> int:
        """Make every question due now; return how many there are."""
        return await self._change(update(_QUESTION).values(due_at=now))

    async def questions(self) -> Sequence[AskedQuestion]:
        """Return all questions with their state."""
        order = (col(_QUESTION.source), col(_QUESTION.issuer), col(_QUESTION.about))
        return await self._values(_to_asked_question, select(_QUESTION).order_by(*order))

    async def version(self) -> str:
        """Return a text that changes whenever an answer or a question is added."""
        async with self._looking() as tx:
            ((fetched,),) = await tx.tuples(select(func.max(col(_ANSWER.fetched_at))))
            ((count, first),) = await tx.tuples(select(func.count(), func.max(col(_QUESTION.first_at))))
        return f"{fetched} {count} {first}"

    async def current(self, cache: Mapping[str, Answer]) -> Sequence[Answer]:
        """Return the newest answer to each question, and all that revoke. Answers in `cache` are not read again."""
        counts = or_(col(_ANSWER.revokes), not_(_IS_REPLACED))
        newest = select(*_KEY, col(_ANSWER.digest)).where(counts).order_by(col(_ANSWER.fetched_at).desc())
        async with self._reading() as tx:
            keys = [tuple(row) for row in await tx.tuples(newest.limit(MOST_CURRENT))]
            answers = {(*_question_key(answer.question), answer.digest): answer for answer in cache.values()}
            missing = [key for key in keys if key not in answers]
            for start in range(0, len(missing), _AT_ONCE):
                is_missing = tuple_(*_KEY, col(_ANSWER.digest)).in_(missing[start : start + _AT_ONCE])
                rows = await tx.rows(_ANSWER, select(_ANSWER).where(is_missing))
                answers |= {(row.source, row.issuer, row.about, row.digest): to_answer(row) for row in rows}
        return [answers[key] for key in keys if key in answers]

    async def newest(self) -> Sequence[Newest]:
        """Return the times of each question's newest answer, for operators."""
        query = (
            select(*_KEY, col(_ANSWER.made_at), col(_ANSWER.ends_at))
            .where(not_(_IS_REPLACED))
            .limit(MOST_CURRENT)
        )
        async with self._reading() as tx:
            rows = await tx.tuples(query)
        return [value_of(Newest, row, question=value_of(Question, row)) for row in rows]

    async def use(self, digests: Sequence[str]) -> None:
        """Mark answers that a verdict relied on, so that they are never deleted. It is called for every packet, but each
        process writes each answer once."""
        new_digests = [digest for digest in digests if digest not in self._used]
        if not new_digests:
            return
        unused = (col(_ANSWER.digest).in_(new_digests), col(_ANSWER.used).is_(False))
        await self._change(update(_ANSWER).where(*unused).values(used=True))
        self._remember_used(new_digests)

    async def pending(self, after_key: tuple[str, str], limit: int) -> Sequence[PendingRevocation]:
        """Return up to `limit` packets of all agencies that wait for an answer, in the order of their keys after
        `after_key`, which is an agency's id and a packet's."""
        place = tuple_(col(PendingRow.agency_id), col(PendingRow.inbox_id))
        query = select(PendingRow).where(place > after_key).order_by(*_PENDING_KEY).limit(limit)
        return await self._values(_to_pending, query)


class SqlPendingRevocations(AgencyRows):
    """Repository of one agency's packets that wait because the status of their certificate is unknown."""

    async def add(self, pending: PendingRevocation) -> None:
        """Add a packet; no effect when it is stored already."""
        columns = {"agency_id": self._agency_id, "certificate": pending.certificate_der}
        self._tx.insert_missing(PendingRow.from_value(pending, **columns))

    async def remove(self, inbox_id: str) -> None:
        await self._delete(PendingRow, inbox_id=inbox_id)


def _question_key(question: Question) -> tuple[str, str, str]:
    return question.source.value, question.issuer, question.about


def _matches(table: Any, question: Question) -> tuple[ColumnElement[bool], ...]:
    """Return the SQL conditions that a row is of the question. `table` is Any, because the tables of questions and answers
    share no base class with these columns."""
    source, issuer, target = _question_key(question)
    return col(table.source) == source, col(table.issuer) == issuer, col(table.about) == target


def _new_row(question: Question, now: datetime) -> QuestionRow:
    source, issuer, target = _question_key(question)
    return QuestionRow(source=source, issuer=issuer, about=target, first_at=now, due_at=now)


def _to_asked_question(row: QuestionRow) -> AskedQuestion:
    return value_of(AskedQuestion, row, question=value_of(Question, row))


def _to_pending(row: PendingRow) -> PendingRevocation:
    return value_of(PendingRevocation, row, certificate_der=row.certificate)
