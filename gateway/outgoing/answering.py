"""What a document answers stops waiting once it has reached who asked (R52, R53). In: what left in one pass, or was brought
on paper. Out: the documents that came in name what answers them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.queues import OutboxItem
from gateway.domain.status import waits_for_answer
from gateway.store.work import SqlWork


async def late_answers(
    work: SqlWork,
    documents: Sequence[OutgoingDocument],
    deliveries: Mapping[str, Sequence[Delivery]],
    today: date,
) -> frozenset[str]:
    """Deliveries, by id, whose recipients were to answer by a day that is over (T9), and have not."""
    due = [each for each in documents if each.reply_by is not None and each.reply_by < today]
    answered = await work.outgoing.answered_from([each.id for each in due]) if due else {}
    return frozenset(
        delivery.id
        for document in due
        for delivery in deliveries.get(document.id, ())
        if waits_for_answer(document, delivery, answered[document.id])
    )


async def end_waits_of_rows(
    work: SqlWork, rows: Sequence[tuple[OutboxItem, Collection[str]]], now: datetime
) -> None:
    """By the codes that each reached. Nothing for what answers nobody, nor a second time for what reaches the next
    recipient."""
    reached: dict[str, list[str]] = {}
    for item, codes in rows:
        if codes and item.kind.is_whole:
            reached.setdefault(item.subject_id, []).extend(codes)
    for document in await work.outgoing.of_many(reached) if reached else ():
        await end_waits(work, document, reached[document.id], now)


async def end_waits(
    work: SqlWork, document: OutgoingDocument, reached: Collection[str], now: datetime
) -> None:
    """By the axis, or on paper."""
    if not document.kind.is_whole:
        return
    for link in document.draft.replies_to:
        if link.document_id is None or not _is_answer_told(document, link.agency, reached):
            continue
        for asked in await work.incoming.by_document_id(link.agency, link.document_id):
            if document.id in asked.answered_by:
                continue
            await work.incoming.save(replace(asked, answered_by=(*asked.answered_by, document.id)))
            said = {"by": document.id, "to": link.agency}
            await work.events.append(EventKind.INBOX_REPLIED, asked.id, now, said)


def _is_answer_told(document: OutgoingDocument, code: str, reached: Collection[str]) -> bool:
    """Whether it reached who asked. Who asked under a code that ended is answered at the one that took over."""
    asked = code.casefold()
    named = {each.code.casefold() for each in document.draft.recipients}
    return asked not in named or asked in {each.casefold() for each in reached}
