"""Lets go of the content of recalled documents once their days are over (R70). In: the clock. Out: their references
dropped, so that the sweeper removes the bytes; digests, header, register line and history stay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.status import CODES, Fact, Track
from gateway.errors import StaleVersion
from gateway.incoming.desk import InDesk
from gateway.ports import Work

PURGED = "purged"


async def recalled(desk: InDesk) -> int:
    """Purges every recalled document whose agreement is older than the profile's days; how many."""
    done = 0
    for agency in await desk.store.hosted():
        scope = AgencyScope(agency_id=agency.id, principal_id="node")
        cursor: str | None = None
        while True:
            async with desk.store.read(scope) as work:
                page = await work.incoming.page(limit=200, cursor=cursor, states=(InState.RECALLED,))
            for document in page.items:
                done += await _purge(desk, scope, document)
            cursor = page.next_cursor
            if cursor is None:
                break
    return done


async def _purge(desk: InDesk, scope: AgencyScope, document: IncomingDocument) -> bool:
    if PURGED in document.marks:
        return False
    async with desk.store.begin(scope) as work:
        facts = await work.facts.of(document.id)
        agreed = [fact.at for fact in facts if _agrees(fact)]
        if not agreed or max(agreed) + desk.profile.recall_purge > desk.clock.now():
            return False
        for inbox_id in await packets(work, document, facts):
            await work.blobs.drop("inbox", inbox_id)
        try:
            await work.incoming.save(
                replace(document, marks=(*document.marks, PURGED)), expect_version=document.version
            )
        except StaleVersion:
            return False
        await work.events.append(
            EventKind.INBOX_STATUS,
            document.id,
            desk.clock.now(),
            {"state": document.state, "purged": True, "envelope": document.envelope_digest},
        )
        await work.commit()
    return True


async def packets(work: Work, document: IncomingDocument, facts: Sequence[Fact]) -> set[str]:
    """The inbox rows whose bytes are this document: its own packet, and every update or recall of it."""
    rows = {document.inbox_id}
    for one in await work.incoming.by_document_id(document.sender_code, document.document_id):
        if one.target_id == document.id:
            rows.add(one.inbox_id)
    for request_id in {fact.request_id for fact in facts if fact.request_id}:
        identity = await work.identities.by_packet(document.sender_code, request_id)
        if identity is not None:
            rows.add(identity.inbox_id)
    return rows


def _agrees(fact: Fact) -> bool:
    return fact.track is Track.REQUEST and fact.code == "15" and fact.code in CODES
