"""Finds every signed packet that belongs to one document: its own, its updates and recalls, and what was answered, both
ways. In: one consistent view of an agency's rows. Out: `Held` packets, oldest first, each with a reader of its bytes or
with why there is none. Recalled and sealed content is never opened (R4, R70); nothing is judged here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import BinaryIO

from gateway.domain.document import Delivery, IncomingDocument, InState, Kind, OutgoingDocument
from gateway.domain.evidence_story import Absent, Direction, Part
from gateway.domain.identity import Digest
from gateway.domain.proof import Step
from gateway.domain.status import Fact
from gateway.errors import NotFound
from gateway.ports import Blobs, InboxItem, OutboxItem, Work

_WITHHELD = {InState.RECALLED: Absent.RECALLED, InState.SEALED: Absent.SEALED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One packet as our rows know it; `row` is what its events are about. `steps` are those noted when it came in."""

    part: Part
    direction: Direction
    kind: str
    packet_id: str
    sender: str
    to: tuple[str, ...]
    at: datetime
    digest: Digest
    size: int
    row: str
    status: str | None = None
    steps: tuple[Step, ...] = ()
    absent: Absent | None = None
    open: Callable[[], BinaryIO] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All packets of a document, and the ids that its events are about."""

    packets: tuple[Held, ...]
    subjects: tuple[str, ...]


class Finder:
    """Looks through one view of one agency's rows."""

    def __init__(self, work: Work, blobs: Blobs, code: str) -> None:
        """`code` is the agency's own."""
        self._work = work
        self._code = code
        self._blobs = blobs
        self._found: dict[Digest, Held] = {}
        self._subjects: dict[str, None] = {}

    async def outgoing(self, document: OutgoingDocument) -> Found:
        """Of a document that we sent."""
        await self._sent(document, Part.DOCUMENT)
        for child in await self._work.outgoing.children(document.id):
            await self._sent(child, Part.CHANGE)
        return self._whole()

    async def incoming(self, document: IncomingDocument) -> Found:
        """Of a document that came in."""
        withheld = await self._withheld(document)
        await self._arrived(document.id, document.inbox_id, Part.DOCUMENT, withheld)
        for other in await self._work.incoming.by_document_id(document.sender_code, document.document_id):
            if other.target_id == document.id:
                await self._arrived(other.id, other.inbox_id, Part.CHANGE, withheld)
        async for inbox_id in self._requests(document):
            await self._arrived("", inbox_id, Part.REQUEST, None)
        return self._whole()

    def _whole(self) -> Found:
        packets = sorted(self._found.values(), key=lambda one: (one.at, one.packet_id, one.digest))
        return Found(packets=tuple(packets), subjects=tuple(self._subjects))

    async def _sent(self, document: OutgoingDocument, part: Part) -> None:
        deliveries = await self._work.deliveries.of(document.id)
        self._about(document.id, *(each.id for each in deliveries))
        if document.envelope_digest is not None:
            held = Held(
                part=part,
                direction=Direction.OUT,
                kind=document.kind.value,
                packet_id=document.packet_id,
                sender=self._code,
                to=tuple(each.recipient.code for each in deliveries),
                at=document.packed_at or document.created_at,
                digest=document.envelope_digest,
                size=document.envelope_size or 0,
                row=document.id,
                absent=Absent.SEALED if document.is_sealed else None,
            )
            await self._keep(held)
        for delivery in deliveries:
            await self._said_about(delivery)

    async def _said_about(self, delivery: Delivery) -> None:
        """The recipient's statuses, by the facts that they became; and our own take-backs (13)."""
        for fact in await self._work.facts.of(delivery.id):
            item = await self._row_of(delivery, fact)
            if item is not None:
                self._about(item.id)
                await self._keep(_came(item, Part.RECEIPT, fact.code))
        for item_out in await self._work.outbox.of_subject(delivery.id):
            await self._keep(_went(item_out, Part.REQUEST))

    async def _row_of(self, delivery: Delivery, fact: Fact) -> InboxItem | None:
        if fact.packet_digest is None:
            return None
        identity = await self._work.identities.by_body(delivery.recipient.code, fact.packet_digest)
        return await self._landed(identity.inbox_id) if identity is not None else None

    async def _arrived(self, incoming_id: str, inbox_id: str, part: Part, absent: Absent | None) -> None:
        self._about(*(each for each in (incoming_id, inbox_id) if each))
        item = await self._landed(inbox_id)
        if item is not None:
            await self._keep(_came(item, part, None, absent))
        for answer in await self._work.outbox.of_subject(inbox_id):
            await self._keep(_went(answer, Part.RECEIPT))

    async def _requests(self, document: IncomingDocument) -> AsyncIterator[str]:
        """Take-backs (13): requests that are no documents of their own."""
        for fact in await self._work.facts.of(document.id):
            if fact.request_id is not None:
                identity = await self._work.identities.by_packet(document.sender_code, fact.request_id)
                if identity is not None and identity.kind is Kind.STATUS:
                    yield identity.inbox_id

    async def _landed(self, inbox_id: str) -> InboxItem | None:
        try:
            return await self._work.inbox.get(inbox_id)
        except NotFound:
            return None

    async def _withheld(self, document: IncomingDocument) -> Absent | None:
        """An update of a recalled document brought that document's files, so it is as unreadable."""
        whose = [document]
        if document.target_id is not None:
            whose.append(await self._work.incoming.get(document.target_id))
        found = [_WITHHELD[one.state] for one in whose if one.state in _WITHHELD]
        return found[0] if found else None

    async def _keep(self, held: Held) -> None:
        """Each file once, however many rows name it."""
        if held.digest not in self._found:
            self._found[held.digest] = await self._opened(held)

    async def _opened(self, held: Held) -> Held:
        if held.absent is None and await self._work.held.keeps(held.digest):
            return replace(held, absent=Absent.SEALED)
        if held.absent is not None:
            return held
        try:
            return replace(held, open=await self._blobs.open(self._work, held.digest))
        except NotFound:
            return replace(held, absent=Absent.PURGED)

    def _about(self, *ids: str) -> None:
        self._subjects.update(dict.fromkeys(ids))


def _came(item: InboxItem, part: Part, status: str | None, absent: Absent | None = None) -> Held:
    return Held(
        part=part,
        direction=Direction.IN,
        kind=item.kind or item.transport_kind,
        packet_id=item.transport_packet_id,
        sender=item.sender_code or item.transport_sender,
        to=(),
        at=item.received_at,
        digest=item.file_digest,
        size=item.size,
        row=item.id,
        status=status,
        steps=item.steps,
        absent=absent,
    )


def _went(item: OutboxItem, part: Part) -> Held:
    return Held(
        part=part,
        direction=Direction.OUT,
        kind=item.kind.value,
        packet_id=item.packet_id,
        sender=item.sender_code,
        to=tuple(sorted({each.code for each in item.targets})),
        at=item.created_at,
        digest=item.envelope_digest,
        size=item.envelope_size,
        row=item.subject_id,
    )
