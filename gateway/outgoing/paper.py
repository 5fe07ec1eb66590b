"""What goes on paper, alone or beside the axis: the dispatch list, and its lines closed by a person with date and means.
In: an agency, or a document with what was done. Out: lines; or committed: who got it when and how, an event, and the
incoming document that it answers marked as answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, FileItem, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.errors import Clash, Refused
from gateway.outgoing import answering, check
from gateway.outgoing.desk import OutDesk
from gateway.policy import paper as rules
from gateway.policy.paper import HandedOver
from gateway.ports import Work
from gateway.ports.paper import PaperPart

MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLine:
    """One letter to one recipient. `printed` are the files of which it consists; none where the node has no file of it."""

    part: PaperPart
    document: OutgoingDocument
    delivery: Delivery

    @property
    def printed(self) -> tuple[FileItem, ...]:
        return rules.printed(self.document.draft, self.document.files)


async def waiting(work: Work, limit: int = MOST) -> list[PaperLine]:
    """What somebody still has to hand over, the longest waiting first."""
    return await _lines(work, await work.paper.waiting(limit))


async def handed(work: Work, first: date, last: date, limit: int = MOST) -> list[PaperLine]:
    """What was handed over in these days."""
    return await _lines(work, await work.paper.handed(first, last, limit))


async def close(
    desk: OutDesk, scope: AgencyScope, id: str, said: HandedOver, recipients: Sequence[str] = ()
) -> OutgoingDocument:
    """Handed over to these recipients, or to all that still wait. Said again about one that is named it puts right what was
    said before. Refused names every broken rule; Clash when nothing of it waits."""
    now, note = desk.clock.now(), said.note.strip()
    async with desk.store.begin(scope) as work:
        document = await work.outgoing.get(id)
        verdict = rules.check(said, document.draft.issued_on, desk.today())
        if not verdict.allowed:
            raise Refused(verdict)
        chosen = await _chosen(work, document, recipients)
        for part, delivery in chosen:
            closed = replace(
                part,
                handed_over=said.on,
                means=said.means.value,
                note=note,
                closed_at=now,
                closed_by=scope.principal_id,
            )
            await work.paper.close(closed)
            told = {"to": delivery.recipient.code, "delivery": delivery.id, "on": said.on.isoformat()}
            told |= {"means": said.means.value} | ({"note": note} if note else {})
            before = part.handed_over.isoformat() if part.handed_over else None
            await work.events.append(
                EventKind.PAPER_HANDED, id, now, told | ({"before": before} if before else {})
            )
        reached = [delivery.recipient.code for _, delivery in chosen]
        await answering.told(work, document, reached, now)
        await work.commit()
    desk.wake()
    return document


async def _chosen(
    work: Work, document: OutgoingDocument, recipients: Sequence[str]
) -> list[tuple[PaperPart, Delivery]]:
    deliveries = await work.deliveries.of(document.id)
    if recipients:
        deliveries = check.named(deliveries, recipients)
    parts = {part.delivery_id: part for part in await work.paper.of(document.id)}
    chosen = [
        (parts[each.id], each)
        for each in deliveries
        if each.id in parts and each.state != "cancelled" and (recipients or not parts[each.id].handed_over)
    ]
    if not chosen:
        raise Clash(f"nothing of {document.id} waits to be handed over on paper", code="GW-NO-PAPER")
    return chosen


async def _lines(work: Work, parts: Sequence[PaperPart]) -> list[PaperLine]:
    ids = list(dict.fromkeys(part.document_id for part in parts))
    documents = {id: await work.outgoing.get(id) for id in ids}
    sent = await work.deliveries.of_many(ids) if ids else {}
    deliveries = {each.id: each for all_ in sent.values() for each in all_}
    return [
        PaperLine(part=part, document=documents[part.document_id], delivery=deliveries[part.delivery_id])
        for part in parts
    ]
