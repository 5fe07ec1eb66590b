"""Sets a new document aside for a closer look (R59): a clerk doubts it, and nobody is told anything before it is decided.
In: a document that waits to be taken in, and why. Out: committed: on hold with the clerk's reason, offered to no document
system until it is taken in. Timer T4 runs from then."""

from __future__ import annotations

from gateway.domain.account import AgencyScope
from gateway.domain.document import IncomingDocument, InState
from gateway.domain.event import EventKind
from gateway.domain.status import Fact, Track, fold_incoming
from gateway.errors import Clash, NotFound, Refused
from gateway.incoming import settle
from gateway.incoming.desk import InDesk
from gateway.policy.verdict import ReasonCode, Verdict, reason
from gateway.ports import Work


async def run(
    desk: InDesk, scope: AgencyScope, incoming_id: str, why: str, expect_version: int | None = None
) -> IncomingDocument:
    """Refused without a reason, Clash for what does not wait to be taken in."""
    if not why.strip():
        raise Refused(Verdict(reasons=(reason(ReasonCode.MISSING, "/reason", field="reason"),)))
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        document = await work.incoming.get(incoming_id)
        if expect_version is not None:
            document = await work.incoming.save(document, expect_version=expect_version)
        facts = list(await work.facts.of(document.id))
        if document.target_id is not None or fold_incoming(facts).state is not InState.NEW:
            raise Clash(
                f"{document.id} is {document.state}; only what waits to be taken in can be put on hold",
                code="GW-STATUS",
            )
        held = Fact(track=Track.OTHER, code="held", at=now, stated_at=now, note=why.strip())
        await work.facts.add(document.id, held)
        await _withdraw(work, document.id)
        document = await settle.stand(work, document, [*facts, held])
        told = {"why": why.strip(), "by": scope.principal_id}
        await work.events.append(EventKind.INBOX_HELD, document.id, now, told)
        await work.commit()
    return document


async def _withdraw(work: Work, incoming_id: str) -> None:
    """What a document system has, or is just taking, stays with it."""
    try:
        handover = await work.handovers.get(incoming_id)
    except NotFound:
        return
    if handover.state == "available":
        await work.handovers.withdraw(incoming_id)
