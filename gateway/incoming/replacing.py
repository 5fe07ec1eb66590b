"""What a replacement does to the documents that it names, whichever came first (interfaces.md 1.3): from the moment it is
taken in they show as replaced, and one that comes later is admitted so. In: a document in its transaction. Out: the same,
marked and linked. A replacement signed before one already taken in replaces nothing (A6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gateway.domain.document import IncomingDocument, Kind
from gateway.domain.status import Fact, Track
from gateway.incoming import settle, stale
from gateway.ports import Work

_NEW = (Kind.DOCUMENT, Kind.REPLACEMENT)


def fact(by: IncomingDocument, at: datetime) -> Fact:
    return Fact(track=Track.OTHER, code="replaced", at=at, note=by.id)


async def taken_in(work: Work, document: IncomingDocument, now: datetime) -> IncomingDocument:
    """The replacement, marked where one of its documents has a newer one already."""
    for replaced_id, _ in document.change.replaces if document.change is not None else ():
        for old in await work.incoming.by_document_id(document.sender_code, replaced_id):
            if old.kind not in _NEW or old.id == document.id:
                continue
            if await stale.is_stale(work, old, document):
                document = replace(document, marks=tuple({*document.marks, stale.STALE}))
                continue
            facts = list(await work.facts.of(old.id))
            replaced = fact(document, now)
            await work.facts.add(old.id, replaced)
            await settle.stand(work, replace(old, replaced_by=document.id), [*facts, replaced])
    return document


async def before_it_came(work: Work, document: IncomingDocument) -> IncomingDocument | None:
    """The replacement of this document that was taken in before it arrived; of several the one that would rule if they
    had been taken in after it."""
    found = []
    for one in await work.incoming.replacing(document.sender_code, document.document_id):
        at = min((each.at for each in await work.facts.of(one.id) if _is_03(each)), default=None)
        if at is not None:
            found.append((at, one.id, one))
    ruling: IncomingDocument | None = None
    for _, _, one in sorted(found, key=lambda each: each[:2]):
        if ruling is None or not stale.is_older(one, ruling):
            ruling = one
    return ruling


def _is_03(fact: Fact) -> bool:
    return fact.track is Track.BUSINESS and fact.code == "03"
