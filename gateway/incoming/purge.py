"""Lets go of the content of recalled documents once their days are over (R70). In: the clock. Out: their references
dropped, so that the sweeper removes the bytes; digests, header, register line and history stay."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.status import CODES, Fact, Track
from gateway.errors import StaleVersion
from gateway.incoming.desk import InDesk

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
        agreed = [fact.at for fact in await work.facts.of(document.id) if _agrees(fact)]
        if not agreed or max(agreed) + desk.profile.recall_purge > desk.clock.now():
            return False
        await work.blobs.drop("inbox", document.inbox_id)
        try:
            await work.incoming.save(
                replace(document, marks=(*document.marks, PURGED)), expect_version=document.version
            )
        except StaleVersion:
            return False
        await work.commit()
    return True


def _agrees(fact: Fact) -> bool:
    return fact.track is Track.REQUEST and fact.code == "15" and fact.code in CODES
