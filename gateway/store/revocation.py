"""Keeps what authorities answered about certificates, and when to ask them again. In: questions and checked answers. Out:
due questions, one process at a time, and the answers that count. Part of the store; get it as `store.revocation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Delete, Update, and_, delete, func, not_, or_, select, tuple_, update
from sqlmodel import col

from gateway.domain.certificates import Answer, AskedQuestion, PendingRevocation, Question
from gateway.domain.pace import AUTHORITY_DELAY
from gateway.store.repository import AgencyRows
from gateway.store.row import value_of
from gateway.store.tables_node import AnswerRow, PendingRow, QuestionRow
from gateway.store.transaction import Open

# What a process keeps in memory; OCSP answers have about two kilobytes.
MOST_CURRENT = 20_000
_AT_ONCE = 200
_Q, _A = QuestionRow, AnswerRow
_NEWER = AnswerRow.__table__.alias().c
_SAME = and_(_NEWER.source == col(_A.source), _NEWER.issuer == col(_A.issuer), _NEWER.about == col(_A.about))
_LATER = or_(
    _NEWER.made_at > col(_A.made_at),
    and_(_NEWER.made_at == col(_A.made_at), _NEWER.fetched_at > col(_A.fetched_at)),
)
_IS_REPLACED = select(_NEWER.digest).where(_SAME, _LATER).exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest answer to a question, without its bytes."""

    question: Question
    made_at: datetime
    ends_at: datetime | None


class SqlRevocationAnswers:
    """Questions and answers of the node, shared by its processes. Each call is durable on return."""

    def __init__(self, writing: Open, reading: Open, looking: Open) -> None:
        """`looking`: for few rows, asked every few seconds."""
        self._writing, self._reading, self._looking = writing, reading, looking
        self._used: set[str] = set()

    async def plan(self, questions: Sequence[Question], now: datetime) -> None:
        """These are the questions from now on; new ones are due at once, others than these are forgotten."""
        wanted = set(questions)
        known = {each.question for each in await self.asked()}
        new, gone = wanted - known, known - wanted
        if not new and not gone:
            return
        async with self._writing() as tx:
            tx.put_missing(*(_new_row(each, now) for each in sorted(new, key=_place)))
            for each in gone:
                await tx.change(delete(_Q).where(*_is(_Q, each)))
            await tx.commit()

    async def claim(self, now: datetime, limit: int, hold: timedelta) -> Sequence[AskedQuestion]:
        """Due questions, longest due first, that nobody else is asked to answer until `hold` is over. Whoever moves a
        question's time from what was read has it; looking holds nobody up."""
        far = col(_Q.due_at) > now + 2 * AUTHORITY_DELAY  # planned while the clock was ahead
        due = select(_Q).where(or_(col(_Q.due_at) <= now, far)).order_by(col(_Q.due_at)).limit(limit)
        async with self._looking() as tx:
            rows = await tx.rows(_Q, due)
        if not rows:
            return []
        mine = []
        async with self._writing() as tx:
            for row in rows:
                asked = value_of(AskedQuestion, row, question=_question(row))
                unmoved = (*_is(_Q, asked.question), col(_Q.due_at) == row.due_at)
                if await tx.change(update(_Q).where(*unmoved).values(due_at=now + hold)):
                    mine.append(asked)
            await tx.commit()
        return mine

    async def keep(self, answer: Answer, due: datetime) -> bool:
        """False, and nothing kept, when a newer answer to the question is known: an old one is never played again."""
        question = answer.question
        async with self._writing() as tx:
            await tx.hold("revocation", *_place(question))
            newer = select(_A).where(*_is(_A, question), col(_A.made_at) > answer.made_at)
            if await tx.first(_A, newer) is not None:
                return False
            source, issuer, about = _place(question)
            row = AnswerRow.of(answer, source=source, issuer=issuer, about=about, used=False)
            await tx.put_new(row)
            done = {"due_at": due, "answered_at": answer.fetched_at, "failures": 0, "error": None}
            await tx.change(update(_Q).where(*_is(_Q, question)).values(**done))
            await tx.commit()
        return True

    async def failed(self, question: Question, due: datetime, error: str) -> None:
        """There was no answer; it is asked again when due."""
        again = {"due_at": due, "failures": col(_Q.failures) + 1, "error": error[:1000]}
        await self._change(update(_Q).where(*_is(_Q, question)).values(**again))

    async def drop(self, question: Question) -> None:
        """Nobody wants to know any more; answers stay."""
        await self._change(delete(_Q).where(*_is(_Q, question)))

    async def hurry(self, now: datetime) -> int:
        """Every question is due now; how many."""
        return await self._change(update(_Q).values(due_at=now))

    async def asked(self) -> Sequence[AskedQuestion]:
        """Every question and how it stands with it."""
        order = (col(_Q.source), col(_Q.issuer), col(_Q.about))
        async with self._reading() as tx:
            return [
                value_of(AskedQuestion, row, question=_question(row))
                for row in await tx.rows(_Q, select(_Q).order_by(*order))
            ]

    async def version(self) -> str:
        """Another text whenever an answer or a question was added."""
        async with self._looking() as tx:
            ((fetched,),) = await tx.tuples(select(func.max(col(_A.fetched_at))))
            ((count, first),) = await tx.tuples(select(func.count(), func.max(col(_Q.first_at))))
        return f"{fetched} {count} {first}"

    async def current(self, known: Mapping[str, Answer]) -> Sequence[Answer]:
        """The newest answer to each question, and every one that revokes. `known` are those that need not be read again, by
        digest."""
        counts = or_(col(_A.revokes), not_(_IS_REPLACED))
        newest = select(*_KEY, col(_A.digest)).where(counts).order_by(col(_A.fetched_at).desc())
        async with self._reading() as tx:
            found = [tuple(row) for row in await tx.tuples(newest.limit(MOST_CURRENT))]
            kept = {(*_place(each.question), each.digest): each for each in known.values()}
            missing = [key for key in found if key not in kept]
            for start in range(0, len(missing), _AT_ONCE):
                some = tuple_(*_KEY, col(_A.digest)).in_(missing[start : start + _AT_ONCE])
                rows = await tx.rows(_A, select(_A).where(some))
                kept |= {
                    (row.source, row.issuer, row.about, row.digest): value_of(
                        Answer, row, question=_question(row)
                    )
                    for row in rows
                }
        return [kept[key] for key in found if key in kept]

    async def newest(self) -> Sequence[Newest]:
        """How old the answers are, for those who look after the node."""
        query = select(*_KEY, col(_A.made_at), col(_A.ends_at)).where(not_(_IS_REPLACED)).limit(MOST_CURRENT)
        async with self._reading() as tx:
            rows = await tx.tuples(query)
        return [Newest(question=_question(row), made_at=row.made_at, ends_at=row.ends_at) for row in rows]

    async def use(self, digests: Sequence[str]) -> None:
        """A verdict rests on these: they are kept for ever. Asked of every packet and written once for each answer and
        process."""
        fresh = [each for each in digests if each not in self._used]
        if not fresh:
            return
        unused = (col(_A.digest).in_(fresh), col(_A.used).is_(False))
        await self._change(update(_A).where(*unused).values(used=True))
        if len(self._used) > MOST_CURRENT:
            self._used.clear()
        self._used.update(fresh)

    async def read(self, digests: Sequence[str]) -> Sequence[Answer]:
        """The answers with these digests, as far as they are kept."""
        async with self._reading() as tx:
            rows = await tx.rows(_A, select(_A).where(col(_A.digest).in_(digests)).order_by(col(_A.digest)))
        return [value_of(Answer, row, question=_question(row)) for row in rows]

    async def prune(self, before: datetime) -> int:
        """Forgets what was fetched before, replaced since, and never used; how many."""
        old = (col(_A.fetched_at) < before, col(_A.used).is_(False), col(_A.revokes).is_(False), _IS_REPLACED)
        return await self._change(delete(_A).where(*old))

    async def _change(self, statement: Update | Delete) -> int:
        async with self._writing() as tx:
            changed = await tx.change(statement)
            await tx.commit()
        return changed

    async def pending(self, after: tuple[str, str], limit: int) -> Sequence[PendingRevocation]:
        """Packets of every agency that wait for an answer, in the order of their keys."""
        place = tuple_(col(PendingRow.agency_id), col(PendingRow.inbox_id))
        query = select(PendingRow).where(place > after).order_by(*_PENDING_KEY).limit(limit)
        async with self._reading() as tx:
            rows = await tx.rows(PendingRow, query)
        return [value_of(PendingRevocation, row, certificate_der=row.certificate) for row in rows]


class SqlPendingRevocations(AgencyRows):
    """Packets of one agency whose certificate nobody could vouch for, in the caller's transaction."""

    async def add(self, pending: PendingRevocation) -> None:
        """The same packet again is harmless."""
        given = {"agency_id": self._agency_id, "certificate": pending.certificate_der}
        self._tx.put_missing(PendingRow.of(pending, **given))

    async def remove(self, inbox_id: str) -> None:
        this = (col(PendingRow.agency_id) == self._agency_id, col(PendingRow.inbox_id) == inbox_id)
        await self._tx.change(delete(PendingRow).where(*this))


_KEY = (col(_A.source), col(_A.issuer), col(_A.about))
_PENDING_KEY = (col(PendingRow.agency_id), col(PendingRow.inbox_id))


def _place(question: Question) -> tuple[str, str, str]:
    return question.source.value, question.issuer, question.about


def _is(table: Any, question: Question) -> tuple[ColumnElement[bool], ...]:
    """`table`: one of the two whose rows belong to a question. Any: they share no base with these columns."""
    source, issuer, about = _place(question)
    return col(table.source) == source, col(table.issuer) == issuer, col(table.about) == about


def _new_row(question: Question, now: datetime) -> QuestionRow:
    source, issuer, about = _place(question)
    return QuestionRow(source=source, issuer=issuer, about=about, first_at=now, due_at=now)


def _question(row: Any) -> Question:
    """Any: of either table, or with the columns of the key and others."""
    return value_of(Question, row)
