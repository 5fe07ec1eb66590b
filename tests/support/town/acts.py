"""Acts of a test with a town: it sends and forges packets, carries waiting ones one step at a time, acts for senders and
receivers, and reads rows and files."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from io import BytesIO
from typing import Any, TypeVar

from sqlalchemy import text

from gateway.bootstrap.node import OpenNode
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import (
    Delivery,
    DocumentChange,
    FileRole,
    IncomingDocument,
    Kind,
    Lane,
    OutgoingDocument,
)
from gateway.domain.event import Event
from gateway.domain.identity import Digest, PacketId
from gateway.domain.proof import Receipt, Terms
from gateway.domain.queues import InboxPacket, OutboxItem
from gateway.domain.status import DeliveryStanding, Fact, fold_delivery
from gateway.domain.wall_clock import local
from gateway.edxml import verify
from gateway.edxml.build import Qualifier, write
from gateway.edxml.envelope import Envelope
from gateway.errors import Unreachable
from gateway.incoming import act, process, reading, receive
from gateway.incoming.act import StatusCall, StatusDone
from gateway.outgoing import accept, dispatch, intake, package, recall
from gateway.outgoing.intake import Accepted, Once, Order
from gateway.ports.axis import Parcel, each_axis
from gateway.ports.services import EnvelopeSigner
from gateway_foreign.rest.axis import RestAxis
from tests.hostile import forge
from tests.support import envelopes
from tests.support.clock import ManualClock
from tests.support.packets import DEPARTMENT, PDF, PROVINCE, draft
from tests.support.strategies import Files

T = TypeVar("T")

LEASE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Packet:
    """A signed envelope, as it goes over the axis."""

    raw: bytes
    id: str
    kind: str
    sender: str

    @property
    def digest(self) -> Digest:
        return Digest(hashlib.sha256(self.raw).hexdigest())


@dataclass(kw_only=True)
class Town:
    """A node and what a test does with it. Agencies are named by their codes. `url`, where it serves, is its address."""

    node: OpenNode
    clock: ManualClock
    url: str = ""
    _ids: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def foreign(self) -> list[RestAxis]:
        """Its axes of others."""
        return [axis for axis in each_axis(self.node.axis).values() if isinstance(axis, RestAxis)]

    # --- acts of senders --------------------------------------------------------------------------------------

    async def order(
        self,
        order: Order,
        files: Files = (("15.pdf", PDF),),
        *,
        sender: str = DEPARTMENT,
        once: Once | None = None,
    ) -> Accepted:
        async with intake.receive_files(self.node.out) as request_files:
            for n, (name, raw) in enumerate(files):
                role = FileRole.LEAD if n == 0 else FileRole.APPENDIX
                await request_files.add(role, name, role, _chunks(raw))
            return await accept.accept(self.node.out, await self.scope(sender), order, request_files, once)

    async def send(
        self,
        number: str = "15",
        *to: str,
        sender: str = DEPARTMENT,
        files: Files = (("15.pdf", PDF),),
        **more: Any,
    ) -> OutgoingDocument:
        """Send a good document; `more` are fields of the draft or of the order."""
        of_order = {
            key: more.pop(key) for key in ("send", "kind", "parent_id", "change", "confirm") if key in more
        }
        order = Order(draft=draft(number, *(to or (PROVINCE,)), **more), **of_order)
        accepted = await self.order(order, files, sender=sender)
        assert accepted.document is not None
        return accepted.document

    async def update(
        self, parent: OutgoingDocument, subject: str = "Nội dung đã sửa", files: Files = (("15.pdf", PDF),)
    ) -> OutgoingDocument:
        return await self.send(
            parent.draft.number,
            *(recipient.code for recipient in parent.draft.recipients),
            files=files,
            kind=Kind.UPDATE,
            parent_id=parent.id,
            subject=subject,
            change=DocumentChange(reason="Sửa trích yếu", target=parent.document_id),
        )

    async def replacement(self, parent: OutgoingDocument, number: str) -> OutgoingDocument:
        codes = tuple(recipient.code for recipient in parent.draft.recipients)
        change = DocumentChange(reason="Thay thế", replaces=((parent.document_id, codes),))
        return await self.send(number, *codes, kind=Kind.REPLACEMENT, parent_id=parent.id, change=change)

    async def recall(
        self, document: OutgoingDocument, *, take_back: bool = False, sender: str = DEPARTMENT
    ) -> OutgoingDocument:
        return await recall.recall(
            self.node.out,
            await self.scope(sender),
            document.id,
            reason="Gửi nhầm",
            approved_by="Giám đốc Mẫu",
            notice_no="7/TB",
            take_back=take_back,
        )

    # --- acts of receivers ------------------------------------------------------------------------------------

    async def status(self, document: IncomingDocument, code: str, **more: Any) -> StatusDone:
        scope = AgencyScope(agency_id=document.agency_id, principal_id="clerk")
        if code == "02":
            more.setdefault("reason", "BAD_FORM")
        return await act.set_status(self.node.inn, scope, document.id, StatusCall(code=code, **more))

    async def read(self, document: IncomingDocument, n: int = 1) -> bytes:
        """Read the n-th file, as a person would open it."""
        scope = AgencyScope(agency_id=document.agency_id, principal_id="clerk")
        opened = await reading.open_file(self.node.inn, scope, document.id, n)
        return b"".join([piece async for piece in opened.pieces])

    # --- packets that a test makes itself ---------------------------------------------------------------------

    def forge(
        self,
        model: Envelope,
        files: Files = (),
        *,
        id: str | None = None,
        receipt: Receipt | None = None,
        terms: Terms | None = None,
        signer: EnvelopeSigner | None = None,
        at: datetime | None = None,
    ) -> Packet:
        """Write a native envelope, signed with the sender's own key unless another is given."""
        sender = model.sender.organ_id or ""
        packet_id = PacketId(id or f"forged-{next(self._ids)}")
        out = BytesIO()
        write(
            model,
            envelopes.contents(files),
            out,
            signer or self.node.keys.signer(sender, self.clock.now()),
            Qualifier(packet_id=packet_id, kind=model.kind, receipt=receipt, terms=terms),
            at or self.clock.now(),
        )
        return Packet(raw=out.getvalue(), id=packet_id, kind=model.kind.value, sender=sender)

    async def deliver(self, packet: Packet, to: str = PROVINCE, *, as_id: str | None = None) -> None:
        """Put a packet on the axis for this agency; nothing is landed yet."""
        await self._host()
        parcel = Parcel(
            packet_id=as_id or packet.id,
            kind=packet.kind,
            sender=packet.sender,
            lane=Lane.NORMAL,
            digest=packet.digest,
            size=len(packet.raw),
            open=lambda: BytesIO(packet.raw),
        )
        outcomes = await self.node.axis.publish(parcel, [to])
        assert outcomes[to].fate == "delivered", outcomes[to]

    async def brought(self, packet: Packet, to: str = PROVINCE) -> InboxPacket:
        """Deliver a packet, carry it to its end, and return the row that it became."""
        await self.deliver(packet, to)
        await self.carry()
        return await self.row(to, packet)

    # --- one step at a time -----------------------------------------------------------------------------------

    async def pack(self) -> int:
        jobs = [
            job for kind in ("answer", "pack") for job in await self.node.store.claim_jobs(kind, 50, LEASE_S)
        ]
        for job in jobs:
            await package.run(self.node.out, job)
        return len(jobs)

    async def dispatch(self) -> int:
        rows = await self.node.store.claim_outbox(50, LEASE_S)
        for batch in dispatch.group_into_passes(rows):
            await dispatch.run(self.node.out, batch)
        return len(rows)

    async def land(self, *, by_steps: bool = True) -> int:
        """Land each packet for `process` to look at; without `by_steps` carry small ones to their end, as a node does."""
        arrivals = await _patiently(lambda: self.node.inn.axis.take(50, LEASE_S))
        for arrival in arrivals:
            # What comes a second time only lands.
            await receive.run(self.node.inn, replace(arrival, deliveries=2) if by_steps else arrival)
        return len(arrivals)

    async def process(self) -> int:
        rows = await self.node.store.claim_inbox(50, LEASE_S)
        for row in rows:
            await process.run(self.node.inn, row)
        return len(rows)

    async def carry(self) -> None:
        """Carry everything that is due, until nothing moves any more."""
        await self._host()
        while (
            await self.pack() + await self.dispatch() + await self.land(by_steps=False) + await self.process()
        ):
            pass

    async def act_and_carry(self, act: Awaitable[T]) -> T:
        """Do that act of a sender or receiver, carry what follows from it, and return what the act returned."""
        outcome = await act
        await self.carry()
        return outcome

    async def carry_around(self, turns: int = 3) -> None:
        """Carry everything over foreign axes and back."""
        for _ in range(turns):
            await self.carry()
            await self.look()
        await self.carry()
        await self.look()

    async def look(self) -> None:
        """Look for waiting packets on each foreign axis."""
        for axis in self.foreign:
            await axis.look()

    async def number(self) -> None:
        while await self.node.store.number_events():
            pass

    # --- what lies where --------------------------------------------------------------------------------------

    async def agency(self, code: str) -> HostedAgency:
        agency = await self.node.store.accounts.hosted_by_code(code)
        assert agency is not None
        return agency

    async def scope(self, code: str) -> AgencyScope:
        return AgencyScope(agency_id=(await self.agency(code)).id, principal_id="clerk")

    async def inbox(self, code: str = PROVINCE) -> tuple[InboxPacket, ...]:
        """Return the packets of the agency's inbox, newest first."""
        async with self.node.store.read(await self.scope(code)) as work:
            return (await work.inbox.page(limit=1000)).items

    async def row(self, code: str, packet: Packet) -> InboxPacket:
        (row,) = [p for p in await self.inbox(code) if p.file_digest == packet.digest]
        return row

    async def incoming(self, code: str = PROVINCE) -> tuple[IncomingDocument, ...]:
        """Return the agency's incoming documents, newest first."""
        async with self.node.store.read(await self.scope(code)) as work:
            return (await work.incoming.page(limit=1000)).items

    async def only(self, code: str = PROVINCE) -> IncomingDocument:
        (document,) = [d for d in await self.incoming(code) if d.target_id is None]
        return document

    async def as_incoming(self, document: OutgoingDocument, code: str = PROVINCE) -> IncomingDocument:
        """Return the incoming document that a document or request became at its receiver."""
        (arrived,) = [d for d in await self.incoming(code) if d.packet_id == document.packet_id]
        return arrived

    async def reload(self, document: IncomingDocument) -> IncomingDocument:
        scope = AgencyScope(agency_id=document.agency_id, principal_id="clerk")
        async with self.node.store.read(scope) as work:
            return await work.incoming.get(document.id)

    async def outbox(self, code: str, kind: Kind | None = None) -> tuple[OutboxItem, ...]:
        async with self.node.store.read(await self.scope(code)) as work:
            items = (await work.outbox.page(limit=1000)).items
        return tuple(row for row in items if kind is None or row.kind is kind)

    async def statuses(self, code: str) -> int:
        """Count the status packets that this agency has sent, repeats included."""
        return len(await self.outbox(code, Kind.STATUS))

    async def crossed(self, agency: str, kind: Kind) -> list[Packet]:
        """Return the agency's packets as they went over the axis, oldest first."""
        crossings = []
        for item in reversed(await self.outbox(agency, kind)):
            async with self.node.store.read(await self.scope(agency)) as work:
                opener = await self.node.blobs.open(work, item.envelope_digest)
            with opener() as file:
                crossings.append(
                    Packet(raw=file.read(), id=item.packet_id, kind=kind.value, sender=item.sender_code)
                )
        return crossings

    def model(self, packet: Packet) -> Envelope:
        """Read the model of a native packet."""
        own = envelopes.binding(self.node.keys.signer(packet.sender, self.clock.now()))
        source = verify.EnvelopeSource(size=len(packet.raw), open=lambda: [packet.raw])
        policy = self.node.inn.xml
        signed = verify.examine(
            source, policy=policy, bindings=lambda code: (own,), at=self.clock.now()
        ).signed
        return signed.model

    async def document(self, document: OutgoingDocument) -> OutgoingDocument:
        async with self.node.store.read(_owner(document)) as work:
            return await work.outgoing.get(document.id)

    async def deliveries(self, document: OutgoingDocument) -> dict[str, Delivery]:
        """Return the deliveries of a document, by recipient."""
        async with self.node.store.read(_owner(document)) as work:
            return {d.recipient.code: d for d in await work.deliveries.of_document(document.id)}

    async def delivery(self, document: OutgoingDocument) -> Delivery:
        (delivery,) = (await self.deliveries(document)).values()
        return delivery

    async def facts(self, document: OutgoingDocument) -> tuple[Fact, ...]:
        """Return the facts of a document's only delivery."""
        (facts,) = (await self.facts_by(document)).values()
        return facts

    async def facts_by(self, document: OutgoingDocument) -> dict[str, tuple[Fact, ...]]:
        """Return the facts of each delivery, by recipient."""
        deliveries = await self.deliveries(document)
        async with self.node.store.read(_owner(document)) as work:
            return {code: tuple(await work.facts.of_subject(d.id)) for code, d in deliveries.items()}

    async def standing(self, document: OutgoingDocument) -> DeliveryStanding:
        return fold_delivery(await self.facts(document))

    async def notes_of(self, document: OutgoingDocument) -> str:
        """Return the notes that the other side wrote to its only delivery."""
        return " ".join(f"{fact.reason or ''} {fact.note or ''}" for fact in await self.facts(document))

    async def events(self, agency: str, subject_id: str) -> tuple[Event, ...]:
        async with self.node.store.read(await self.scope(agency)) as work:
            return tuple(await work.events.of_subject(subject_id))

    async def count(self, table: str) -> int:
        async with self.node.store.reader.connect() as connection:
            answer = await connection.execute(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a test's own
            return int(answer.scalar_one())

    async def ownerless(self) -> int:
        """Count blobs without a reference."""
        async with self.node.store.reader.connect() as connection:
            query = (
                "SELECT count(*) FROM blob WHERE agency_id IS NULL"
                " AND digest NOT IN (SELECT digest FROM blob_ref)"
            )
            return int((await connection.execute(text(query))).scalar_one())

    async def _host(self) -> None:
        hosted = await self.node.store.hosted()
        codes = [code for agency in hosted for code in (agency.code, *agency.aliases)]
        former = await self.node.directory.former(codes, local(self.clock.now()).date())
        hosted_codes = [*codes, *(code for code in former if code not in codes)]

        await _patiently(lambda: self.node.inn.axis.host(hosted_codes))


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask the axis as a loop of the node does: once more where no axis answered in time; the error names the one away."""
    for _ in range(2):
        try:
            return await ask()
        except Unreachable as error:
            if not str(error).endswith("in time"):
                raise
    return await ask()


def _owner(document: OutgoingDocument) -> AgencyScope:
    return AgencyScope(agency_id=document.agency_id, principal_id="clerk")


async def _chunks(raw: bytes) -> AsyncIterator[bytes]:
    yield raw


def resigned(
    town: Town,
    good: Packet,
    change: Callable[[bytes], bytes],
) -> Packet:
    """Change the packet's bytes and sign them anew as the owner of the key, over the canonical form."""
    key = town.node.keys.signer(good.sender, town.clock.now())
    raw = forge.resign(change(good.raw), good.raw, key)
    return Packet(raw=raw, id=good.id, kind=good.kind, sender=good.sender)
