"""Applies a status packet: a fact about a document that we sent, or a request to take back (13) one that we hold. In: a
proved status. Out: one fact, once, on each delivery that it is about; or the packet waits, or goes to quarantine when its
sender has no standing to say this (A5, own documents). A status is never answered by a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway import ending
from gateway.document_view.facts import without_reference
from gateway.domain.account import HostedAgency
from gateway.domain.document import Delivery, Kind, OutgoingDocument, OutState, Staff
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.domain.pace import Metric
from gateway.domain.proof import Identity, Receipt, Terms
from gateway.domain.queues import LeasedInbox
from gateway.domain.states import CODES, State, Track
from gateway.domain.status import (
    MAY_HAVE_LEFT,
    REOPENED,
    Fact,
    RequestKind,
    arrival_number,
    counts,
    fold_delivery,
    open_request,
    queued_at,
)
from gateway.edxml.envelope import StatusReport
from gateway.errors import BadSignature, InvalidEnvelope
from gateway.incoming import admit, check, landing, rejudge, settle
from gateway.incoming.services import IncomingServices, from_wall_clock, is_ours
from gateway.incoming.verify import Proved

if TYPE_CHECKING:
    from gateway.store.work import SqlWork

_REQUESTS = {Kind.RECALL: RequestKind.RECALL, Kind.UPDATE: RequestKind.UPDATE}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Topic:
    """Subject of a status: a document with its delivery to the sender, or those to each code that the sender took over
    from. `proved`: the receipt proves it; `request_id`: the request that it answers."""

    document: OutgoingDocument
    deliveries: Sequence[Delivery]
    proved: bool
    request_id: str | None


async def run(services: IncomingServices, leased: LeasedInbox, proved: Proved) -> None:
    """Apply one status, once. Raises InvalidEnvelope for a status that its sender has no standing to give."""
    agency = await services.agency(leased.item.agency_id)
    status = proved.envelope.model.status
    response_for = proved.envelope.model.response_for
    if status is None or not response_for or not await _is_party(services, agency, response_for[0].organ_id):
        raise _not_party(f"the status of {proved.envelope.sender} is not about a document of {agency.code}")
    known_as = await check.codes_of_sender(services, proved.envelope.sender)
    is_on_route = proved.is_vouched and await _is_on_route(services, agency, leased, proved.envelope.sender)

    async def end(work: SqlWork) -> None:
        await rejudge.note_pending(work, leased.item, proved)
        first = await _find_repeated(work, leased, proved)
        if first is not None:
            await settle.repeated(work, leased, proved, first)
            return
        new_status = _NewStatus(
            services=services,
            work=work,
            agency=agency,
            leased=leased,
            proved=proved,
            status=status,
            known_as=known_as,
            is_on_route=is_on_route,
        )
        await (new_status.take_back() if status.code == "13" else new_status.apply())

    await landing.bring_to_end(services, leased, end)


async def _is_party(services: IncomingServices, agency: HostedAgency, code: str | None) -> bool:
    """Tell whether the code is the agency's own, or an ended one whose successor it is."""
    return is_ours(agency, code) or await check.ended_code_named(services, agency, [code or ""]) is not None


async def _find_repeated(work: SqlWork, leased: LeasedInbox, proved: Proved) -> Identity | None:
    """Find the identity that this status repeats, as `admit` does for a document."""
    if not leased.has_landed:
        return None
    return await work.identities.by_body(proved.envelope.sender, proved.envelope.signed.body_digest)


async def _is_on_route(
    services: IncomingServices, agency: HostedAgency, leased: LeasedInbox, sender: str
) -> bool:
    """Tell whether the axis that brought this status is one of several that our mail to the sender may take."""
    by = leased.item.axis
    return bool(by) and by in await services.axes_to(agency.code, sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewStatus:
    """Status that repeats no other, in the unit of work that applies it. `known_as`: the codes its sender answers for, each
    with its decision, empty for its own."""

    services: IncomingServices
    work: SqlWork
    agency: HostedAgency
    leased: LeasedInbox
    proved: Proved
    status: StatusReport
    known_as: Mapping[str, str]
    is_on_route: bool

    @property
    def sender(self) -> str:
        return self.proved.envelope.sender

    @property
    def document_id(self) -> str | None:
        """Id of the document that the status is about."""
        return self.proved.envelope.model.response_for[0].document_id

    async def take_back(self) -> None:
        """Open the sender's request to take its document back (13), which the clerk answers with 15 or 16."""
        services, work, packet = self.services, self.work, self.leased.item
        target = await admit.acted_on(work, self.sender, self.document_id or "")
        if target is None:
            await self._wait()
            return
        request_id = self.proved.envelope.signed.packet_id or PacketId(packet.id)
        await admit.ask(services, work, target, RequestKind.TAKE_BACK, request_id, self.status.description)
        await self._settle(target.id, services.clock.now())

    async def apply(self) -> None:
        """Add the status as a fact to each delivery that it is about, with the new state and an event."""
        work, status, now = self.work, self.status, self.services.clock.now()
        topic = await self._find_topic()
        if topic is None:
            await self._wait()
            return
        meaning = CODES.get(status.code)
        track = meaning.track if meaning else Track.OTHER
        terms = self.proved.envelope.signed.terms or Terms()
        stated = Fact(
            track=track,
            code=status.code,
            at=now,
            stated_at=from_wall_clock(status.timestamp),
            packet_digest=self.proved.envelope.signed.body_digest,
            proved=topic.proved,
            request_id=topic.request_id if track is Track.REQUEST else None,
            reason=status.description,
            note=without_reference(status.description) if status.code == "05" else None,
            staff=_read_staff(status),
            register_no=terms.register_no,
            register_year=terms.register_year,
            axis=self.leased.item.axis or None,
            session=self.leased.item.transport_session if self.proved.is_vouched else None,
            is_on_route=self.is_on_route,
        )
        await self._settle(None, now)
        if topic.proved and topic.document.state is OutState.CANCELLED:
            proof = {"from": self.sender, "code": status.code}
            await ending.bring_back(work, topic.document.id, proof, now)
        kind = EventKind.REQUEST_ANSWERED if track is Track.REQUEST else EventKind.DELIVERY_STATUS
        for delivery in topic.deliveries:
            facts = list(await work.facts.of_subject(delivery.id))
            heir_by = self.known_as.get(delivery.recipient.code.casefold())
            heir = {"heir": self.sender, "heir_by": heir_by} if heir_by else {}
            fact = replace(stated, heir=heir.get("heir"), heir_by=heir_by or None)
            await work.facts.add_all([(delivery.id, fact)])
            if track is Track.BUSINESS and status.code == "01":
                _measure_first_01(self.services, work, topic.document, facts)
            standing = fold_delivery([*facts, fact])
            await work.deliveries.save_state(delivery.id, standing.word, standing.marks, now)
            if number := arrival_number([*facts, fact]):
                await work.deliveries.save_number(delivery.id, *number)
            details = {
                "delivery": delivery.id,
                "from": self.sender,
                "code": status.code,
                "state": standing.word,
                "proved": topic.proved,
                "stated_at": fact.stated_at.isoformat() if fact.stated_at else None,
                "reason": status.description,
                **({"register_no": terms.register_no, "register_year": terms.register_year} if terms else {}),
                "proof": self.proved.proof,
                **heir,
                **({} if counts(fact, facts) else {"counts": False}),
                **({"reopened": True} if REOPENED in standing.marks else {}),
            }
            await work.events.append(kind, delivery.document_id, now, details)

    async def _settle(self, incoming_id: str | None, at: datetime) -> None:
        packet = self.leased.item
        await admit.claim_identity(self.work, packet, self.proved, incoming_id, at)
        row = settle.proved_row(packet, self.proved, state="done", incoming_id=incoming_id)
        await self.work.inbox.settle(row, self.leased.lease)

    async def _wait(self) -> None:
        """Keep the status until its document is here. It is not answered with 01, as other waiting packets are."""
        packet, needs = self.leased.item, self.document_id or ""
        row = settle.proved_row(
            packet, self.proved, state="waiting", code="WAITING", needs=(self.sender, needs)
        )
        await self.work.inbox.settle(row, self.leased.lease)
        details = {"needs": needs, "kind": "status"}
        await self.work.events.append(EventKind.INBOX_WAITING, packet.id, self.services.clock.now(), details)

    async def _find_topic(self) -> _Topic | None:
        receipt = self.proved.envelope.signed.receipt
        if receipt is not None and receipt.of_packet_id is not None:
            return await self._by_receipt(receipt, receipt.of_packet_id)
        return await self._by_document()

    async def _by_receipt(self, receipt: Receipt, packet_id: PacketId) -> _Topic | None:
        """Find the subject by a receipt, which names the answered packet and the digest of its content (R3, proved
        receipts). Raises InvalidEnvelope where it does not match a packet of ours to this sender."""
        work = self.work
        if not is_ours(self.agency, receipt.of_sender):
            raise _not_party(f"the receipt is for a packet of {receipt.of_sender}, not of {self.agency.code}")
        if self.document_id != receipt.of_document_id:
            raise self._not_what_was_sent(receipt, f"the status itself is about document {self.document_id}")
        packet = await work.outgoing.by_packet_id(packet_id)
        if packet is None:
            return await self._by_take_back(receipt, packet_id)
        if receipt.of_document_id != packet.document_id or receipt.body_digest != packet.body_digest:
            raise self._not_what_was_sent(receipt, f"body {packet.body_digest} was sent")
        deliveries = await self._deliveries(packet.id)
        if not deliveries:
            raise _not_party(f"{self.sender} was no recipient of packet {packet.packet_id}")
        if self.status.code in ("15", "16") and packet.kind in _REQUESTS and packet.parent_id:
            original = await self._deliveries(packet.parent_id)
            if original:
                return _Topic(document=packet, deliveries=original, proved=True, request_id=packet.packet_id)
        return _Topic(document=packet, deliveries=deliveries, proved=True, request_id=None)

    async def _by_take_back(self, receipt: Receipt, packet_id: PacketId) -> _Topic | None:
        """Find the subject where the receipt names a 13 of ours; None while we have sent no such document. The log keeps
        the file digest of a 13, so only a receipt with the same file digest is a proof."""
        documents = await self._sent_documents()
        for document in documents:
            for delivery in await self._deliveries(document.id):
                for row in await self.work.outbox.of_subject(delivery.id):
                    if row.packet_id == packet_id:
                        same = row.envelope_digest == receipt.file_digest
                        return _Topic(
                            document=document, deliveries=(delivery,), proved=same, request_id=packet_id
                        )
        if not documents:
            return None
        raise self._not_what_was_sent(receipt, "no such packet was sent")

    async def _by_document(self) -> _Topic | None:
        """Find the newest document with this id that went to the sender, for a status whose receipt names no packet id.
        It is proved only where the receipt names the delivered file."""
        documents = await self._sent_documents()
        if not documents:
            return None
        for document in documents:
            deliveries = await self._deliveries(document.id)
            if deliveries:
                facts = [await self.work.facts.of_subject(d.id) for d in deliveries]
                request = open_request(fold_delivery(facts[0]))
                request_id = request.request_id if request and self.status.code in ("15", "16") else None
                proved = all(self._names_file(f) for f in facts)
                return _Topic(document=document, deliveries=deliveries, proved=proved, request_id=request_id)
        raise _not_party(f"{self.sender} was no recipient of document {self.document_id or ''}")

    def _names_file(self, facts: Sequence[Fact]) -> bool:
        """Tell whether the receipt names the very file that an axis was given for this delivery. This proves a status
        about an unsigned form, which has no packet id; a file that an axis has rewritten does not match."""
        receipt = self.proved.envelope.signed.receipt
        if receipt is None or receipt.of_document_id != self.document_id:
            return False
        handed = {fact.handed.digest for fact in facts if fact.handed is not None}
        return is_ours(self.agency, receipt.of_sender) and receipt.file_digest in handed

    async def _sent_documents(self) -> Sequence[OutgoingDocument]:
        documents = await self.work.outgoing.by_document_id(self.document_id or "")
        return [d for d in documents if d.kind.is_whole]

    async def _deliveries(self, outgoing_id: str) -> Sequence[Delivery]:
        """Return the delivery to this sender and those to codes that it took over from. Where it has one of its own, what
        it says counts for the others while they did not decide themselves; the answer to a request never does."""
        deliveries = await self.work.deliveries.of_document(outgoing_id)
        alike = [d for d in deliveries if d.recipient.code.casefold() in self.known_as]
        own = [d for d in alike if d.recipient.code.casefold() == self.sender.casefold()]
        if not own or len(own) == len(alike):
            return alike
        if self.status.code in ("15", "16"):
            return own
        facts = await self.work.facts.of_subjects([d.id for d in alike])
        has_left = [d for d in alike if d.state != State.CANCELLED or MAY_HAVE_LEFT in d.marks]
        return [d for d in alike if d in own or (d in has_left and not _has_decided(facts[d.id]))]

    def _not_what_was_sent(self, receipt: Receipt, why: str) -> InvalidEnvelope:
        return BadSignature(
            "RCPT-DIGEST",
            f"the receipt of {self.sender} names packet {receipt.of_packet_id}, document "
            f"{receipt.of_document_id} and body {receipt.body_digest}: {why}",
            step=11,
        )


def _has_decided(facts: Sequence[Fact]) -> bool:
    """Tell whether the recipient itself said more than that the document arrived."""
    return any(f.track is Track.BUSINESS and f.code != "01" and not f.heir for f in facts)


def _measure_first_01(
    services: IncomingServices, work: SqlWork, document: OutgoingDocument, facts: Sequence[Fact]
) -> None:
    """Measure the time from when the document could leave to its first 01; repeats are not measured."""
    queued = queued_at(facts)
    if queued is None or any(fact.track is Track.BUSINESS for fact in facts):
        return
    left_at = max(queued, document.leaves_at or queued)
    work.when_committed(
        partial(services.stopwatch.record, Metric.ACCEPT_TO_01, document.draft.urgency.lane, left_at)
    )


def _read_staff(status: StatusReport) -> Staff | None:
    if status.staff is None:
        return None
    return Staff(
        name=status.staff.staff,
        department=status.staff.department,
        phone=status.staff.mobile,
        email=status.staff.email,
    )


def _not_party(detail: str) -> InvalidEnvelope:
    return BadSignature("MSG-NOT-PARTY", detail, step=11)
