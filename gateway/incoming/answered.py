"""Which of our own documents a new one answers (R52, R83). In: the links that it names. Out: the ids of those that we sent,
told in their timelines too. What an agency of a former code sent is read before the unit of work that admits: a unit inside
another one holds up every writer while it waits for a reader's turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import IncomingDocument, Kind, OutgoingDocument, ReplyLink
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId
from gateway.incoming import old_code
from gateway.incoming.desk import InDesk, is_ours
from gateway.ports import Work

_NEW = (Kind.DOCUMENT, Kind.REPLACEMENT)

Former = Mapping[ReplyLink, Sequence[OutgoingDocument] | None]
"""Of links that name a former code of ours, what the agency of that code sent; None where that is this agency."""


async def former(desk: InDesk, agency: HostedAgency, links: Sequence[ReplyLink]) -> Former:
    """To be asked before the unit of work begins. A link without an entry is for nobody here, or for this agency itself."""
    others = [link for link in links if link.document_id is not None and not is_ours(agency, link.agency)]
    if not others:
        return {}
    known_as = await old_code.known_as(desk, agency.code)
    return {link: await _sent_by(desk, link) for link in others if link.agency.strip().casefold() in known_as}


async def _sent_by(desk: InDesk, link: ReplyLink) -> Sequence[OutgoingDocument] | None:
    for other in await desk.store.hosted():
        if is_ours(other, link.agency):
            async with desk.store.read(AgencyScope(agency_id=other.id, principal_id="node")) as before:
                return await before.outgoing.by_document_id(link.document_id or DocumentId(""))
    return None


async def of(
    desk: InDesk, work: Work, agency: HostedAgency, document: IncomingDocument, before: Former
) -> tuple[str, ...]:
    """In the transaction that admits it."""
    answered = []
    for link in document.replies_to:
        for ours in await _named(work, agency, link, before):
            if ours.kind not in _NEW:
                continue
            answered.append(ours.id)
            told = {"by": document.id, "from": document.sender_code}
            await work.events.append(EventKind.INBOX_ANSWERED, ours.id, desk.clock.now(), told)
    return tuple(answered)


async def _named(
    work: Work, agency: HostedAgency, link: ReplyLink, before: Former
) -> Sequence[OutgoingDocument]:
    if link.document_id is None or not (is_ours(agency, link.agency) or link in before):
        return ()
    found = before.get(link)
    return await work.outgoing.by_document_id(link.document_id) if found is None else found
