"""Answers of authorities about certificates of PDF signatures, each stored once by its digest. In: checked answers that
the node fetched, and answers in files that a verdict rests on. Out: the current ones about a certificate, and those of a
verdict byte for byte. Part of the store; get it as `store.pdf_answers`."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, or_, select, update
from sqlmodel import col

from gateway.domain.certificates import Answer, Question, RevocationSource
from gateway.store.revocation import StoredAnswers, to_answer
from gateway.store.tables_node import PdfAnswerRow

# Answers returned about one certificate: the newest of each responder and list, and those that revoke.
_MOST_ABOUT = 8
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


class SqlPdfAnswers(StoredAnswers):
    """Repository of the node's answers, shared by its processes. Each change is committed on return."""

    table = PdfAnswerRow
    is_replaced = _IS_REPLACED

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

    async def list_about(self, question: Question) -> Sequence[Answer]:
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
        return await self._values(to_answer, query)

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
            await self._change(update(_ROW).where(is_new).values(used=True))
        self._remember_used(stored)
        return [digest for digest in new if digest not in stored]

    async def keep_used(self, answers: Sequence[Answer]) -> None:
        """Store answers that a verdict rests on, whatever newer ones there are."""
        if not answers:
            return
        async with self._changing() as tx:
            tx.insert_missing(*(_to_row(answer, used=True) for answer in answers))
        self._used.update(answer.digest for answer in answers)


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
