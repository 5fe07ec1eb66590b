"""Step 3 of the way out: makes the promise of G1. In: an `Order` and its files. Out: `Accepted`, only after one transaction
holds document, deliveries, facts, event, idempotency record, and what sends it: of most documents their envelope, signed
before, with the outbox row; of any other its files and a `pack` job. An envelope that the agency signed itself stands
in the place of the one that the node would make."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from gateway import log, meters, stopwatch
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.document import Delivery, DeliveryMode, Draft, Kind, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.pace import Metric
from gateway.domain.status import Fact, RequestKind, Track
from gateway.errors import Clash, GatewayError, Refused
from gateway.outgoing import check as checking
from gateway.outgoing import intake, package, requests
from gateway.outgoing.intake import Accepted, Once, Order, RequestFiles
from gateway.outgoing.package import Packed
from gateway.outgoing.services import OutgoingServices
from gateway.policy import admission, pdf_verdict
from gateway.policy.verdict import CONFIRMABLE, ReasonCode, Verdict, reason
from gateway.store.blob_refs import Kept
from gateway.store.work import SqlWork

# How long a request may be at work before its key can be taken over (interfaces.md 3.3).
IN_FLIGHT = timedelta(seconds=60)
_log = logging.getLogger(__name__)
_ASKS = {Kind.UPDATE: RequestKind.UPDATE, Kind.RECALL: RequestKind.RECALL}


@dataclass(frozen=True, slots=True)
class _KeyLease:
    """The hold that this request has of its key: when it ends says whose it is."""

    once: Once
    until: datetime


async def accept(
    services: OutgoingServices,
    scope: AgencyScope,
    order: Order,
    request_files: RequestFiles,
    once: Once | None = None,
    signed: Packed | None = None,
) -> Accepted:
    """The document is on disk and will be sent, or nothing happened and the error says why. Repeats under the same
    key, the same `external_id` or of the same `signed` envelope get the first answer."""
    asked = _Asked(services=services, scope=scope, order=order, request_files=request_files, signed=signed)
    if once is None:
        return await asked.accepted()
    turn = _KeyLease(once, services.clock.now() + IN_FLIGHT)
    earlier = await _begin(services, scope, turn, request_files)
    if earlier is not None:
        return earlier
    try:
        return await replace(asked, turn=turn).accepted()
    except GatewayError:
        async with services.store.begin(scope) as work:
            await work.idempotency.release(once.owner, once.key, turn.until)
            await work.commit()
        raise


async def _begin(
    services: OutgoingServices, scope: AgencyScope, turn: _KeyLease, request_files: RequestFiles
) -> Accepted | None:
    once, digest = turn.once, request_digest(turn.once, request_files)
    async with services.store.begin(scope) as work:
        known = await work.idempotency.begin(once.owner, once.key, digest, turn.until)
        await work.commit()
    if known is None:
        return None
    if known.digest != digest:
        other = reason(ReasonCode.IDEMPOTENCY_OTHER, "/headers/Idempotency-Key", key=once.key)
        raise Refused(Verdict(reasons=(other,)))
    if known.running or known.status is None or known.body is None:
        raise Clash(
            "the first request with this Idempotency-Key is still at work; try again in a moment",
            code="GW-IDEM-RUNNING",
        )
    return Accepted(document=None, replayed=(known.status, known.body))


def request_digest(once: Once, request_files: RequestFiles) -> str:
    """Other multipart boundaries do not matter: only method, path, meta and each file's field, name and bytes do."""
    files = [
        (received.field, received.item.name, received.item.sha256) for received in request_files.received
    ]
    text = json.dumps([once.method, once.path, once.meta, files], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class _NamedAnew(Exception):
    """The agency changed while its document was signed: it is signed anew, under the name of now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An order with all that came with it."""

    services: OutgoingServices
    scope: AgencyScope
    order: Order
    request_files: RequestFiles
    signed: Packed | None = None
    turn: _KeyLease | None = None
    signs: bool = True
    """Whether its envelope is signed before it is accepted, where that can be; else by a job."""

    async def accepted(self) -> Accepted:
        with self.services.store.memory.moment():
            try:
                return await self._accepted()
            except _NamedAnew:
                return await replace(self, signs=False)._accepted()

    async def _accepted(self) -> Accepted:
        services, order = self.services, self.order
        digest = None
        if order.draft.external_id is not None:
            # Brief: of many that come in the same moment each waits for its turn, and nobody for all of them.
            digest = await services.pool.brief(partial(content_digest, order, self.request_files))
        repeated = await self._repeat(digest)
        if repeated is not None:
            return repeated
        draft, verdict = await checking.check(services, self.scope, order, self.request_files)
        if not order.send:
            # A draft may be incomplete; what must never be stored is turned away all the same (R2).
            verdict = Verdict(
                reasons=admission.never_stored(verdict).reasons,
                warnings=(*verdict.reasons, *verdict.warnings),
            )
        if not verdict.allowed:
            # What holds the number may be this very document, accepted by another request meanwhile.
            repeated = await self._repeat(digest)
            if repeated is not None:
                return repeated
            await intake.alert_of_malware(services, self.scope, self.request_files)
            raise Refused(verdict)
        known_as = await checking.hosted_agency(services, self.scope)
        planned = self._planned(known_as, draft, digest)
        packed = self.signed
        if packed is None and self.signs:
            packed = await package.sign_document(services, known_as, planned, self.request_files.received)
        contents = await self.request_files.kept() if packed is None else []

        async def stored(work: SqlWork) -> Accepted:
            agency = await work.agency()
            # Looked for once more under the writer's lock: another request may have been committed meanwhile.
            repeated = await _same_document(work, order, digest, self.signed)
            if repeated is not None:
                return await self._remember(work, repeated)
            named = planned if agency == known_as else self._named_anew(agency, planned, packed)
            document, deliveries = await self._stored(work, agency, named, verdict, packed, contents)
            made = Accepted(document=document, deliveries=deliveries, warnings=verdict.warnings)
            return await self._remember(work, made)

        accepted = await services.store.share(self.scope, stored)
        document = accepted.document
        if accepted.repeats or document is None:
            return accepted
        meters.ACCEPTED.add()
        log.action(
            _log, "message.accepted", document=document.id, packet=document.packet_id, agency=known_as.code
        )
        if packed is None:  # a job packs it
            services.wake()
        return accepted

    async def _repeat(self, digest: str | None) -> Accepted | None:
        """The first answer to the same document, from now on under this key too."""
        if self.order.draft.external_id is None and self.signed is None:
            return None
        async with self.services.store.ask(self.scope) as work:
            repeated = await _same_document(work, self.order, digest, self.signed)
        if repeated is not None and self.turn is not None:
            async with self.services.store.begin(self.scope) as work:
                await self._remember(work, repeated)
                await work.commit()
        return repeated

    def _planned(self, agency: HostedAgency, draft: Draft, digest: str | None) -> OutgoingDocument:
        order, now, request_files = self.order, self.services.clock.now(), self.request_files
        state = first_state(draft) if order.send else OutState.DRAFT
        own = self.signed.signed.packet_id if self.signed is not None else None
        return OutgoingDocument(
            id=self.services.clock.new_id("msg_"),
            agency_id=self.scope.agency_id,
            kind=order.kind,
            packet_id=own or PacketId(self.services.clock.new_id("pkt_")),
            document_id=checking.document_id_of(agency, draft),
            draft=draft,
            files=checking.stored(request_files),
            state=state,
            created_at=now,
            leaves_at=now + order.wait if order.wait and state is OutState.QUEUED else None,
            accepted_by=self.scope.principal_id,
            attempt=1,
            parent_id=order.parent_id,
            change=order.change,
            content_digest=digest,
            legal_value=pdf_verdict.legal_value(checking.lead_of(request_files)),
            signatures=checking.judged(request_files),
        )

    def _named_anew(
        self, agency: HostedAgency, planned: OutgoingDocument, packed: Packed | None
    ) -> OutgoingDocument:
        """Under what the agency is called now; what was signed meanwhile does not say so."""
        if self.signed is not None:
            raise Clash("the agency changed while its envelope was taken in; send it again")
        if packed is not None:
            raise _NamedAnew
        return replace(planned, document_id=checking.document_id_of(agency, planned.draft))

    async def _stored(
        self,
        work: SqlWork,
        agency: HostedAgency,
        planned: OutgoingDocument,
        verdict: Verdict,
        packed: Packed | None,
        contents: Sequence[Kept],
    ) -> tuple[OutgoingDocument, tuple[Delivery, ...]]:
        """With all that belongs to it, and with what sends it."""
        services, order, draft = self.services, self.order, planned.draft
        document, earlier = await _placed(work, planned, order)
        files = checking.digests(self.request_files)
        if order.send and (taken := await checking.number_taken(work, agency, draft, order, files, earlier)):
            raise Refused(Verdict(reasons=(taken,)))
        now = services.clock.now()
        if packed is not None:
            document = package.as_packed(document, packed, now)
        await work.outgoing.add(document)
        for kept in contents:
            await work.blobs.keep(kept, "source", document.id)
        told = {
            "kind": document.kind,
            "document_id": document.document_id,
            "code": draft.code,
            "legal_value": document.legal_value,
        }
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, now, told)
        if order.send:
            await confirmed(services, work, document.id, order, verdict)
        deliveries = await queue(services, work, document) if order.send else ()
        if packed is not None:
            await package.put(services, work, agency, document, deliveries, packed)
        return document, deliveries

    async def _remember(self, work: SqlWork, accepted: Accepted) -> Accepted:
        """The answer is remembered under its key, in the transaction that makes it true."""
        if (turn := self.turn) is not None:
            status, body = turn.once.render(accepted)
            await work.idempotency.finish(turn.once.owner, turn.once.key, turn.until, status, body)
        return accepted


async def confirmed(
    services: OutgoingServices, work: SqlWork, document_id: str, order: Order, verdict: Verdict
) -> None:
    """What the sender was asked and answered for is remembered with who it was (R2)."""
    borne = [each for each in verdict.warnings if each.code in CONFIRMABLE and each.code in order.confirm]
    if borne:
        told = [{"code": each.code, "at": each.pointer, **each.params} for each in borne]
        await work.events.append(
            EventKind.MESSAGE_CONFIRMED, document_id, services.clock.now(), {"confirmed": told}
        )


def content_digest(order: Order, request_files: RequestFiles) -> str:
    """What `external_id` stands for: the order and its files, whatever key or boundary carried them."""
    files = [
        (received.item.role, received.item.name, received.item.sha256) for received in request_files.received
    ]
    told = [order.kind, order.parent_id, order.send, order.draft, files]
    return hashlib.sha256(json.dumps(told, default=_as_told, sort_keys=True).encode()).hexdigest()


def _as_told(value: Any) -> object:
    """Any: whatever JSON has no form for."""
    return (
        {each.name: getattr(value, each.name) for each in fields(value)}
        if is_dataclass(value)
        else str(value)
    )


async def _same_document(
    work: SqlWork, order: Order, digest: str | None, signed: Packed | None
) -> Accepted | None:
    """What the caller sent before: by its own id of it, or by the packet that it signed."""
    if signed is not None and signed.signed.packet_id is not None:
        earlier = await work.outgoing.by_packet_id(signed.signed.packet_id)
        if earlier is not None and earlier.body_digest == signed.signed.body_digest:
            return Accepted(
                document=earlier, deliveries=tuple(await work.deliveries.of(earlier.id)), repeats=True
            )
        if earlier is not None:
            raise Clash(
                f"packet {earlier.packet_id} is {earlier.id} ({earlier.draft.code}) with other content; sign the new "
                "envelope under a packet id of its own",
                code="GW-PACKET-ID",
                told={"existing": earlier.id},
            )
    return await _same_external_id(work, order, digest)


async def _same_external_id(work: SqlWork, order: Order, digest: str | None) -> Accepted | None:
    if order.draft.external_id is None:
        return None
    earlier = await work.outgoing.by_external_id(order.draft.external_id)
    if earlier is None:
        return None
    deliveries = tuple(await work.deliveries.of(earlier.id))
    if earlier.content_digest != digest:
        raise Clash(
            f"external_id {order.draft.external_id!r} already names {earlier.id} ({earlier.draft.code}) with other "
            "content; send the new document under an external_id of its own",
            code="GW-EXTERNAL-ID",
            told={"existing": earlier.id},
        )
    return Accepted(document=earlier, deliveries=deliveries, repeats=True)


async def _placed(
    work: SqlWork, document: OutgoingDocument, order: Order
) -> tuple[OutgoingDocument, Sequence[OutgoingDocument]]:
    """Among what this agency has sent, which bears the same identity: an update has that of its parent."""
    document_id = document.document_id
    if order.kind is Kind.UPDATE and order.parent_id:
        document_id = (await work.outgoing.get(order.parent_id)).document_id
    earlier = await work.outgoing.by_document_id(document_id)
    attempt = _attempt_after(earlier, order.kind)
    if (document_id, attempt) != (document.document_id, document.attempt):
        document = replace(document, document_id=document_id, attempt=attempt)
    return document, earlier


def first_state(draft: Draft) -> OutState:
    """Of what is accepted: in line to be packed, or out of the axis's reach for ever (R6)."""
    return OutState.PAPER if draft.delivery_mode is DeliveryMode.PAPER else OutState.QUEUED


async def attempt_of(work: SqlWork, kind: Kind, document_id: DocumentId) -> int:
    """Which try this is to bring a document of that identity to its recipients; what is still a draft is none."""
    return _attempt_after(await work.outgoing.by_document_id(document_id), kind)


def _attempt_after(earlier: Sequence[OutgoingDocument], kind: Kind) -> int:
    return 1 + sum(one.kind is kind and one.state is not OutState.DRAFT for one in earlier)


async def queue(
    services: OutgoingServices, work: SqlWork, document: OutgoingDocument
) -> tuple[Delivery, ...]:
    """Deliveries, their first facts and, if it is not packed yet, the `pack` job, in the caller's transaction; an update
    asks from now on. What can be called back for a while is packed after that. What goes on paper is never packed, and
    waits for a person."""
    now = services.clock.now()
    goes = document.state is not OutState.PAPER
    word = "queued" if goes else "paper"
    deliveries = tuple(
        Delivery(
            id=services.clock.new_id("dlv_"),
            agency_id=document.agency_id,
            document_id=document.id,
            recipient=recipient,
            attempt=document.attempt,
            state=word,
            updated_at=now,
        )
        for recipient in document.draft.recipients
    )
    await work.deliveries.add(deliveries)
    first = Fact(track=Track.TRANSPORT, code=word, at=now)
    await work.facts.add_all([(delivery.id, first) for delivery in deliveries])
    if document.draft.delivery_mode in (DeliveryMode.BOTH, DeliveryMode.PAPER):
        await work.paper.open(document.id, [delivery.id for delivery in deliveries], now)
    if document.state is OutState.QUEUED:
        await work.jobs.put("pack", document.id, document.leaves_at)
    accepted = partial(services.stopwatch.took, Metric.ACCEPT, document.draft.urgency.lane, stopwatch.came())
    work.when_committed(accepted)
    if document.kind in _ASKS:
        await requests.ask_recipients(services, work, document, _ASKS[document.kind])
    return deliveries
