"""Ends an outgoing document, and brings it back when its packet turns out to have left. In: the document, in the unit of
work of the act, and what the act's event says. Out: its state, its number and the event that figures count. A number
follows the attempt of its document that stands; with none it is void. Each act that ends a document comes here: a
cancellation, a discarded draft, a document called back, and one that is sealed before it left."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.domain.document import STANDING, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.numbers import GivenNumber, NumberState
from gateway.errors import Clash
from gateway.words import labels

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

UNDONE, SEALED = "undone", "sealed"
"""Facts of an end: the draft that the document became again, and that it was sealed."""


async def end(
    work: SqlWork,
    document: OutgoingDocument,
    facts: Mapping[str, object],
    now: datetime,
    expect_version: int | None = None,
) -> OutgoingDocument:
    """Cancel the document, with its number and its event; the event contains `facts`."""
    reason = str(facts.get("reason") or "") or None
    ended = await work.outgoing.save(
        replace(document, state=OutState.CANCELLED, state_reason=reason), expect_version=expect_version
    )
    await work.events.append(EventKind.MESSAGE_CANCELLED, document.id, now, facts)
    await _end_number(work, ended, facts, now)
    return ended


async def bring_back(work: SqlWork, id: str, facts: Mapping[str, object], now: datetime) -> None:
    """Let a cancelled document count as sent again, because a recipient has proved that its packet had left."""
    document = await work.outgoing.get(id)
    if document.state is not OutState.CANCELLED or document.envelope_digest is None:
        return
    document = await work.outgoing.save(replace(document, state=OutState.PACKED, state_reason=None))
    await work.events.append(EventKind.MESSAGE_LEFT, document.id, now, facts)
    async for number in _numbers_of(work, document):
        if number.state is NumberState.VOID and document.kind.is_whole:
            by, code = work.scope.principal_id, document.draft.code
            issued = number.issue(now, by, document.id, document.document_id, code)
            if issued is not None:
                await work.given.save(issued)
                why = labels.say("books.number.why.left", "vi")
                await record_number(work, EventKind.NUMBER_ISSUED, replace(issued, reason=why))


async def release(work: SqlWork, number: GivenNumber, now: datetime, why: str) -> GivenNumber:
    """Give a reserved number back, so that the next document gets it. Clash for one that is not reserved."""
    released = number.release(now, work.scope.principal_id, why)
    if released is None:
        raise Clash(
            f"the number {number.id} is {number.state}, not reserved; it cannot be given back",
            code="GW-NUMBER-STATE",
            params={"state": number.state.value},
        )
    await work.given.save(released)
    await record_number(work, EventKind.NUMBER_RELEASED, replace(number, reason=why))
    return released


async def void(work: SqlWork, number: GivenNumber, now: datetime, why: str) -> GivenNumber:
    """Make an issued number void. Clash for one that is not issued."""
    voided = number.void(now, work.scope.principal_id, why)
    if voided is None:
        raise Clash(
            f"the number {number.id} is {number.state}, not issued; only an issued number becomes void",
            code="GW-NUMBER-STATE",
            params={"state": number.state.value},
        )
    await work.given.save(voided)
    await record_number(work, EventKind.NUMBER_VOIDED, voided)
    return voided


async def record_number(work: SqlWork, kind: EventKind, number: GivenNumber, **more: str) -> None:
    details = {
        "series": number.book,
        "year": number.year,
        "number": number.number,
        "code": number.code,
        "reason": number.reason,
    }
    event_data = {name: value for name, value in (details | more).items() if value != ""}
    await work.events.append(kind, number.subject_id or number.id, number.at, event_data)


async def _end_number(
    work: SqlWork, document: OutgoingDocument, facts: Mapping[str, object], now: datetime
) -> None:
    """Give the reservation of the document back; let its issued number go to the draft that the document became, to
    another attempt that stands, or become void with the reason."""
    number = await work.given.of_subject(document.id)
    if number is None:
        return
    if number.state is NumberState.RESERVED:
        await release(work, number, now, labels.say("books.number.why.discarded", "vi"))
    elif heir := str(facts.get(UNDONE) or "") or await _standing_attempt(work, document):
        await work.given.save(replace(number, subject_id=heir))
    elif number.state is NumberState.ISSUED:
        word = "sealed" if SEALED in facts else "cancelled"
        await void(work, number, now, document.state_reason or labels.say(f"books.number.why.{word}", "vi"))


async def _standing_attempt(work: SqlWork, document: OutgoingDocument) -> str:
    """Return the id of another attempt to send this document that was not cancelled; empty without one."""
    attempts = await work.outgoing.by_document_id(document.document_id)
    standing = (d.id for d in attempts if d.id != document.id and d.kind.is_whole and d.state in STANDING)
    return next(standing, "")


async def _numbers_of(work: SqlWork, document: OutgoingDocument) -> AsyncIterator[GivenNumber]:
    """Yield the number that an attempt to send this document has, if the node gave one."""
    for attempt in await work.outgoing.by_document_id(document.document_id):
        if (number := await work.given.of_subject(attempt.id)) is not None:
            yield number
