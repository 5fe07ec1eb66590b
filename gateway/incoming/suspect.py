"""Finds what a stolen key may have signed (threat 119). In: an agency's code, its certificate, since when it was in other
hands. Out: each document that came, judged again and marked where it no longer holds, and each envelope of ours that left,
marked; all of them told by events. Nothing is deleted: a person decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument
from gateway.domain.event import EventKind
from gateway.errors import GatewayError, StoreFailure
from gateway.incoming import verify
from gateway.incoming.desk import InDesk
from gateway.ports import OutboxItem

MARK = "key_stolen"
AT_ONCE = 100
MOST_SENT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One document of the time in question. `way`: it came in, or we sent it."""

    id: str
    agency_id: str
    way: str
    at: datetime
    reason: str


async def mark(desk: InDesk, code: str, fingerprint: str, since: datetime) -> list[Suspect]:
    """Everything of that agency since then that does not hold any more, marked. The binding was withdrawn before."""
    found = []
    for agency in await desk.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        async for document in _since(desk, scope, code, since):
            reason = await _judged(desk, scope, document)
            if reason:
                await _mark_in(desk, scope, document, fingerprint, reason)
                found.append(
                    Suspect(
                        id=document.id, agency_id=agency.id, way="in", at=document.arrived_at, reason=reason
                    )
                )
    for item in await desk.store.signed_under(fingerprint, since, MOST_SENT):
        await _tell_out(desk, item, fingerprint)
        found.append(
            Suspect(
                id=item.subject_id, agency_id=item.agency_id, way="out", at=item.created_at, reason=item.kind
            )
        )
    return found


async def _since(
    desk: InDesk, scope: AgencyScope, code: str, since: datetime
) -> AsyncIterator[IncomingDocument]:
    cursor = None
    while True:
        async with desk.store.read(scope) as work:
            page = await work.incoming.page(limit=AT_ONCE, cursor=cursor)
        for document in page.items:
            if document.arrived_at < since:
                return
            if document.sender_code.casefold() == code.casefold():
                yield document
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


async def _judged(desk: InDesk, scope: AgencyScope, document: IncomingDocument) -> str:
    """Why it does not hold by what is known now; nothing when it does, being signed under another key."""
    async with desk.store.read(scope) as work:
        item = await work.inbox.get(document.inbox_id)
    try:
        await verify.run(desk, item)
    except StoreFailure:
        raise
    except GatewayError as error:
        return f"{error.code}: {error}"
    return ""


async def _mark_in(
    desk: InDesk, scope: AgencyScope, document: IncomingDocument, fingerprint: str, reason: str
) -> None:
    async with desk.store.begin(scope) as work:
        fresh = await work.incoming.get(document.id)
        if MARK not in fresh.marks:
            await work.incoming.save(replace(fresh, marks=(*fresh.marks, MARK)))
        told = {"certificate": fingerprint, "from": document.sender_code, "reason": reason}
        await work.events.append(EventKind.KEY_SUSPECT, document.id, desk.clock.now(), told)
        await work.commit()


async def _tell_out(desk: InDesk, item: OutboxItem, fingerprint: str) -> None:
    scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
    async with desk.store.begin(scope) as work:
        told = {"certificate": fingerprint, "packet": item.packet_id, "envelope": item.envelope_digest}
        await work.events.append(EventKind.KEY_SUSPECT, item.subject_id, desk.clock.now(), told)
        await work.commit()
