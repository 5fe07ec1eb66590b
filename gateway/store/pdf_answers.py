"""Answers of authorities about certificates of PDF signatures, each stored once by its digest. In: checked answers that
the node fetched, and answers in files that a verdict rests on. Out: the current ones about a certificate, and those of a
verdict byte for byte. Part of the store; get it as `store.pdf_answers`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, delete, or_, select, update
from sqlmodel import col

from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.store.row import value_of
from gateway.store.tables_node import PdfAnswerRow
from gateway.store.transaction import Open

# Answers returned about one certificate: the newest of each responder and list, and those that revoke.
_MOST_ABOUT = 8
_MOST_REMEMBERED = 20_000
_ROW = PdfAnswerRow
_NEWER = PdfAnswerRow.__table__.alias().c
_IS_REPLACED = (
    select(_NEWER.digest)
    .where(
        _NEWER.issuer == col(_ROW.issuer),
        _NEWER.source == col(_ROW.source),
        _NEWER.about == col(_ROW.about),
        _NEWER.made_at > col(_ROW.made_at),
    )
    .exists()
)


class SqlPdfAnswers:
    """Repository of the node's answers, shared by its processes. Each change is committed on return."""

    def __init__(self, writing: Open, reading: Open) -> None:
        self._writing, self._reading = writing, reading
        self._used: set[str] = set()

    async def keep(self, answer: Answer) -> bool:
        """Store an answer. Return False, and store nothing, when a newer one to the same question is stored, so that old
        answers cannot be replayed."""
        question = answer.question
        same = (
            col(_ROW.issuer) == question.issuer,
            col(_ROW.source) == question.source.value,
            col(_ROW.about) == question.about,
        )
        async with self._writing() as tx:
            await tx.hold("pdf_answer", question.source.value, question.issuer, question.about)
            newer = select(_ROW).where(*same, col(_ROW.made_at) > answer.made_at)
            if await tx.first(_ROW, newer) is not None:
                return False
            tx.insert_missing(_to_row(answer, used=False))
            await tx.commit()
        return True

    async def about(self, question: Question) -> Sequence[Answer]:
        """Return the current answers about the certificate that an OCSP question names, the newest first: to that
        question, and the lists of its issuer."""
        is_about = and_(col(_ROW.source) == RevocationSource.OCSP.value, col(_ROW.about) == question.about)
        is_list = col(_ROW.source) == RevocationSource.LIST.value
        counts = or_(col(_ROW.revokes), ~_IS_REPLACED)
        query = (
            select(_ROW)
            .where(col(_ROW.issuer) == question.issuer, or_(is_about, is_list), counts)
            .order_by(col(_ROW.revokes).desc(), col(_ROW.made_at).desc())
            .limit(_MOST_ABOUT)
        )
        async with self._reading() as tx:
            return [_to_answer(row) for row in await tx.rows(_ROW, query)]

    async def use(self, digests: Sequence[str]) -> Sequence[str]:
        """Mark answers that a verdict rests on, so that they are never deleted; return the digests that are not stored.
        Each process asks about each digest once."""
        new = [digest for digest in digests if digest not in self._used]
        if not new:
            return ()
        is_new = col(_ROW.digest).in_(new)
        query = select(col(_ROW.digest), col(_ROW.used)).where(is_new)
        async with self._reading() as tx:
            stored = {row.digest: row.used for row in await tx.tuples(query)}
        if not all(stored.values()):
            async with self._writing() as tx:
                await tx.change(update(_ROW).where(is_new).values(used=True))
                await tx.commit()
        if len(self._used) > _MOST_REMEMBERED:
            self._used.clear()
        self._used.update(stored)
        return [digest for digest in new if digest not in stored]

    async def keep_used(self, answers: Sequence[Answer]) -> None:
        """Store answers that a verdict rests on, whatever newer ones there are."""
        if not answers:
            return
        async with self._writing() as tx:
            tx.insert_missing(*(_to_row(answer, used=True) for answer in answers))
            await tx.commit()
        self._used.update(answer.digest for answer in answers)

    async def read(self, digests: Sequence[str]) -> Sequence[Answer]:
        """Return the stored answers with these digests."""
        query = select(_ROW).where(col(_ROW.digest).in_(digests)).order_by(col(_ROW.digest))
        async with self._reading() as tx:
            return [_to_answer(row) for row in await tx.rows(_ROW, query)]

    async def prune(self, fetched_before: datetime) -> int:
        """Delete replaced answers fetched before that time that revoke nothing and that no verdict rests on; return how
        many."""
        conditions = (
            col(_ROW.fetched_at) < fetched_before,
            col(_ROW.used).is_(False),
            col(_ROW.revokes).is_(False),
            _IS_REPLACED,
        )
        async with self._writing() as tx:
            count = await tx.change(delete(_ROW).where(*conditions))
            await tx.commit()
        return count


def _to_row(answer: Answer, *, used: bool) -> PdfAnswerRow:
    question = answer.question
    return PdfAnswerRow.from_value(
        answer,
        source=question.source.value,
        issuer=question.issuer,
        about=question.about,
        digest=answer.digest,
        used=used,
    )


def _to_answer(row: PdfAnswerRow) -> Answer:
    return value_of(Answer, row, question=value_of(Question, row))
