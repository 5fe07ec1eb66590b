"""Ends the wait of a received document once its answer has reached the agency that asked (R52, reply links; R53, classes
of reply). In: rows that left in one pass, or a letter handed over. Out: received documents that name their answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from gateway.domain.document import Delivery, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.queues import OutboxItem
from gateway.domain.states import REQUEST_WORDS
from gateway.domain.status import RequestStanding, fold_delivery, waits_for_answer
from gateway.store.work import SqlWork


async def late_answers(
    work: SqlWork,
    documents: Sequence[OutgoingDocument],
    deliveries: Mapping[str, Sequence[Delivery]],
    today: date,
) -> frozenset[str]:
    """Return the ids of deliveries whose recipients have missed the document's deadline (T9, reply deadline)."""
    due = [d for d in documents if d.reply_by is not None and d.reply_by < today]
    answered = await work.outgoing.answered_from([d.id for d in due]) if due else {}
    return frozenset(
        delivery.id
        for document in due
        for delivery in deliveries.get(document.id, ())
        if waits_for_answer(document, delivery, answered[document.id])
    )


async def last_requests(
    work: SqlWork, deliveries: Mapping[str, Sequence[Delivery]]
) -> Mapping[str, RequestStanding]:
    """Return the last request to each recipient that was asked to give back or to change a document, by its delivery."""
    recipients = [d.id for some in deliveries.values() for d in some if _was_asked(d)]
    facts = await work.facts.of_subjects(recipients) if recipients else {}
    standings = {id: fold_delivery(own).requests for id, own in facts.items()}
    return {id: requests[-1] for id, requests in standings.items() if requests}


def _was_asked(delivery: Delivery) -> bool:
    """Tell by word and marks whether the recipient was asked and the request was not withdrawn."""
    return delivery.state in REQUEST_WORDS or any(mark.startswith("request_") for mark in delivery.marks)


async def end_waits_of_rows(
    work: SqlWork, rows: Sequence[tuple[OutboxItem, Collection[str]]], now: datetime
) -> None:
    """End the waits that these rows answer, by the codes that each reached. One answer ends each wait once."""
    reached: dict[str, list[str]] = {}
    for item, codes in rows:
        if codes and item.kind.is_whole:
            reached.setdefault(item.subject_id, []).extend(codes)
    for document in await work.outgoing.of_many(reached) if reached else ():
        await end_waits(work, document, reached[document.id], now)


async def end_waits(
    work: SqlWork, document: OutgoingDocument, reached: Collection[str], now: datetime
) -> None:
    """End the waits that a document answers, now that it has reached these codes by the axis or on paper: each received
    document that it replies to names it as an answer."""
    if not document.kind.is_whole:
        return
    for link in document.draft.replies_to:
        if link.document_id is None or not _is_answer_told(document, link.agency, reached):
            continue
        for incoming in await work.incoming.by_document_id(link.agency, link.document_id):
            if document.id in incoming.answered_by:
                continue
            await work.incoming.save(replace(incoming, answered_by=(*incoming.answered_by, document.id)))
            facts = {"by": document.id, "to": link.agency}
            await work.events.append(EventKind.INBOX_REPLIED, incoming.id, now, facts)


def _is_answer_told(document: OutgoingDocument, code: str, reached: Collection[str]) -> bool:
    """Tell whether the agency that asked has the answer. If its code is no recipient, the code has ended, and its
    successor got the answer."""
    asking_code = code.casefold()
    addressed = {r.code.casefold() for r in document.draft.recipients}
    return asking_code not in addressed or asking_code in {c.casefold() for c in reached}
