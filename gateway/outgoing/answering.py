"""What went out in answer ends the wait for it (R52, R53). In: an outbox row and whom it has reached, in the transaction
that says so. Out: the documents answered name what answers them, told in their timelines."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from gateway.domain.document import Kind, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.ports import OutboxItem, Work

_ANSWERING = (Kind.DOCUMENT, Kind.REPLACEMENT)


async def run(work: Work, item: OutboxItem, reached: Collection[str], now: datetime) -> None:
    """Nothing for what answers nobody, nor a second time for what reaches the next recipient."""
    if item.kind not in _ANSWERING or not reached:
        return
    await told(work, await work.outgoing.get(item.subject_id), reached, now)


async def told(work: Work, document: OutgoingDocument, reached: Collection[str], now: datetime) -> None:
    """By the axis, or on paper."""
    if document.kind not in _ANSWERING:
        return
    for link in document.draft.replies_to:
        if link.document_id is None or not _is_told(document, link.agency, reached):
            continue
        for asked in await work.incoming.by_document_id(link.agency, link.document_id):
            if document.id in asked.answered_by:
                continue
            await work.incoming.save(replace(asked, answered_by=(*asked.answered_by, document.id)))
            said = {"by": document.id, "to": link.agency}
            await work.events.append(EventKind.INBOX_REPLIED, asked.id, now, said)


def _is_told(document: OutgoingDocument, code: str, reached: Collection[str]) -> bool:
    """Whether it reached who asked. Who asked under a code that ended is answered at the one that took over."""
    asked = code.casefold()
    named = {each.code.casefold() for each in document.draft.recipients}
    return asked not in named or asked in {each.casefold() for each in reached}
