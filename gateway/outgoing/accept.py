"""Step 3 of the way out keeps the promise of G1 (durable when answered). In: an `Order` and its files. Out: `Accepted`,
only after one transaction holds document, deliveries, facts, event, idempotency record, and the work that sends it: for
most documents the signed envelope with its outbox row; for any other its files and a `pack` job. An envelope that the
agency signed itself takes the place of the one that the node would make."""

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
from gateway.policy.verdict import CONFIRMABLE, Reason, ReasonCode, Verdict, reason
from gateway.store.blob_refs import KeptContent
from gateway.store.work import SqlWork

# A request may be at work for so long before its key can be taken over.
IN_FLIGHT = timedelta(seconds=60)
_log = logging.getLogger(__name__)
_ASKS = {Kind.UPDATE: RequestKind.UPDATE, Kind.RECALL: RequestKind.RECALL}


@dataclass(frozen=True, slots=True)
class _KeyLease:
    """The hold of this request on its idempotency key; its end names the holder."""

    once: Once
    ends_at: datetime


async def accept(
    services: OutgoingServices,
    scope: AgencyScope,
    order: Order,
    request_files: RequestFiles,
    once: Once | None = None,
    signed: Packed | None = None,
) -> Accepted:
    """Put the document on disk to be sent; otherwise nothing happens and the error says why. Repeats under the same key, of
    the same `external_id` or of the same `signed` envelope get the first answer."""
    task = _Task(services=services, scope=scope, order=order, request_files=request_files, signed=signed)
    if once is None:
        return await task.run()
    turn = _KeyLease(once, services.clock.now() + IN_FLIGHT)
    earlier = await _begin(services, scope, turn, request_files)
    if earlier is not None:
        return earlier
    try:
        return await replace(task, turn=turn).run()
    except GatewayError:
        async with services.store.begin(scope) as work:
            await work.idempotency.release(once.owner, once.key, turn.ends_at)
            await work.commit()
        raise


async def _begin(
    services: OutgoingServices, scope: AgencyScope, turn: _KeyLease, request_files: RequestFiles
) -> Accepted | None:
    once, digest = turn.once, request_digest(turn.once, request_files)
    async with services.store.begin(scope) as work:
        first_call = await work.idempotency.begin(once.owner, once.key, digest, turn.ends_at)
        await work.commit()
    if first_call is None:
        return None
    if first_call.digest != digest:
        key_reused = reason(ReasonCode.IDEMPOTENCY_OTHER, "/headers/Idempotency-Key", key=once.key)
        raise Refused(Verdict(reasons=(key_reused,)))
    if first_call.running or first_call.status is None or first_call.body is None:
        raise Clash(
            "the first request with this Idempotency-Key is still at work; try again in a moment",
            code="GW-IDEM-RUNNING",
        )
    return Accepted(document=None, replayed=(first_call.status, first_call.body))


def request_digest(once: Once, request_files: RequestFiles) -> str:
    """Hash a request for comparison: method, path, meta and each file's field, name and bytes, without boundaries."""
    files = [
        (received.field, received.item.name, received.item.sha256) for received in request_files.received
    ]
    text = json.dumps([once.method, once.path, once.meta, files], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class _AgencyChanged(Exception):
    """Signal that the agency changed while its document was signed: it is signed again, under the present name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """Acceptance of one order, with everything that came with it."""

    services: OutgoingServices
    scope: AgencyScope
    order: Order
    request_files: RequestFiles
    signed: Packed | None = None
    turn: _KeyLease | None = None
    signs: bool = True
    """False where a job signs the envelope, and not this request before it accepts the document."""

    async def run(self) -> Accepted:
        with self.services.store.memory.moment():
            try:
                return await self._accept()
            except _AgencyChanged:
                return await replace(self, signs=False)._accept()

    async def _accept(self) -> Accepted:
        services, order = self.services, self.order
        digest = None
        if order.draft.external_id is not None:
            # Run as brief work, so that of many requests at once each waits for its own turn only.
            digest = await services.pool.brief(partial(content_digest, order, self.request_files))
        repeated = await self._find_repeat(digest)
        if repeated is not None:
            return repeated
        # A new document is compared with earlier ones in the unit of work that stores it. Where something is wrong with it,
        # and for a draft, which keeps every warning, all of it is told at once.
        is_new = order.send and order.parent_id is None
        draft, verdict = await checking.check(
            services, self.scope, order, self.request_files, with_earlier=not is_new
        )
        if is_new and not verdict.allowed:
            draft, verdict = await checking.check(services, self.scope, order, self.request_files)
        if not order.send:
            # A draft may be incomplete, but content that must never be stored is refused (R2, no state secrets).
            verdict = Verdict(
                reasons=admission.never_stored(verdict).reasons,
                warnings=(*verdict.reasons, *verdict.warnings),
            )
        if not verdict.allowed:
            # The number may belong to this very document, accepted by another request meanwhile.
            repeated = await self._find_repeat(digest)
            if repeated is not None:
                return repeated
            await intake.alert_of_malware(services, self.scope, self.request_files)
            raise Refused(verdict)
        known_as = await checking.hosted_agency(services, self.scope)
        planned = self._plan(known_as, draft, digest)
        packed = self.signed
        if packed is None and self.signs:
            packed = await package.sign_document(services, known_as, planned, self.request_files.received)
        contents = await self.request_files.keep_all() if packed is None else []

        async def store_document(work: SqlWork) -> Accepted:
            agency = await work.agency()
            # Looked for once more under the writer's lock: another request may have been committed meanwhile.
            repeated = await _find_same_document(work, order, digest, self.signed)
            if repeated is not None:
                return await self._remember(work, repeated)
            current_plan = planned if agency == known_as else self._replan(agency, planned, packed)
            return await self._remember(
                work, await self._store(work, agency, current_plan, verdict, packed, contents)
            )

        accepted = await services.store.share(self.scope, store_document)
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

    async def _find_repeat(self, digest: str | None) -> Accepted | None:
        """Return the first answer to the same document, and store it under this request's key too."""
        if self.order.draft.external_id is None and self.signed is None:
            return None
        async with self.services.store.ask(self.scope) as work:
            repeated = await _find_same_document(work, self.order, digest, self.signed)
        if repeated is not None and self.turn is not None:
            async with self.services.store.begin(self.scope) as work:
                await self._remember(work, repeated)
                await work.commit()
        return repeated

    def _plan(self, agency: HostedAgency, draft: Draft, digest: str | None) -> OutgoingDocument:
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
            legal_value=pdf_verdict.legal_value(checking.lead_verdict(request_files)),
            signatures=checking.list_verdicts(request_files),
        )

    def _replan(
        self, agency: HostedAgency, planned: OutgoingDocument, packed: Packed | None
    ) -> OutgoingDocument:
        """Plan the document under the agency's present name; an envelope that was signed meanwhile has the old one."""
        if self.signed is not None:
            raise Clash("the agency changed while its envelope was taken in; send it again")
        if packed is not None:
            raise _AgencyChanged
        return replace(planned, document_id=checking.document_id_of(agency, planned.draft))

    async def _store(
        self,
        work: SqlWork,
        agency: HostedAgency,
        planned: OutgoingDocument,
        verdict: Verdict,
        packed: Packed | None,
        contents: Sequence[KeptContent],
    ) -> Accepted:
        """Store the document with its deliveries, events, content, and the work that sends it."""
        services, order, draft = self.services, self.order, planned.draft
        document, earlier = await _set_identity(work, planned, order)
        warnings = verdict.warnings
        if order.send:
            in_use, reused = await self._find_earlier(work, agency, draft, earlier)
            warnings += tuple(reused)
            if in_use:
                raise Refused(Verdict(reasons=(in_use,), warnings=warnings))
        now = services.clock.now()
        if packed is not None:
            document = package.as_packed(document, packed, now)
        await work.outgoing.add(document)
        for content in contents:
            await work.blobs.keep(content, "source", document.id)
        facts = {
            "kind": document.kind,
            "document_id": document.document_id,
            "code": draft.code,
            "legal_value": document.legal_value,
        }
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, now, facts)
        if order.send:
            await record_confirmations(services, work, document.id, order, verdict)
        deliveries = await queue(services, work, document) if order.send else ()
        if packed is not None:
            await package.put_document(services, work, agency, document, deliveries, packed)
        return Accepted(document=document, deliveries=deliveries, warnings=warnings)

    async def _find_earlier(
        self, work: SqlWork, agency: HostedAgency, draft: Draft, same_identity: Sequence[OutgoingDocument]
    ) -> tuple[Reason | None, Sequence[Reason]]:
        """Find what holds the number and, unless a view has done so before, signs that the document was sent already."""
        order, files = self.order, self.request_files
        if order.parent_id is None:
            return await checking.find_earlier(work, agency, draft, order, files, same_identity)
        digests = checking.digests(files)
        return await checking.find_number_conflict(work, agency, draft, order, digests, same_identity), ()

    async def _remember(self, work: SqlWork, accepted: Accepted) -> Accepted:
        """Store the answer under its key, in the transaction that makes it true."""
        if (turn := self.turn) is not None:
            status, body = turn.once.render(accepted)
            await work.idempotency.finish(turn.once.owner, turn.once.key, turn.ends_at, status, body)
        return accepted


async def record_confirmations(
    services: OutgoingServices, work: SqlWork, document_id: str, order: Order, verdict: Verdict
) -> None:
    """Record the questions that the sender answered for, with the sender (R2, no state secrets)."""
    accepted_warnings = [w for w in verdict.warnings if w.code in CONFIRMABLE and w.code in order.confirm]
    if accepted_warnings:
        confirmations = [{"code": w.code, "at": w.pointer, **w.params} for w in accepted_warnings]
        await work.events.append(
            EventKind.MESSAGE_CONFIRMED, document_id, services.clock.now(), {"confirmed": confirmations}
        )


def content_digest(order: Order, request_files: RequestFiles) -> str:
    """Hash the content behind an `external_id`: the order and its files, whatever key or boundary carried them."""
    files = [
        (received.item.role, received.item.name, received.item.sha256) for received in request_files.received
    ]
    content = [order.kind, order.parent_id, order.send, order.draft, files]
    return hashlib.sha256(json.dumps(content, default=_to_json, sort_keys=True).encode()).hexdigest()


def _to_json(value: Any) -> object:
    """Convert what JSON has no form for: dataclasses field by field, the rest as text."""
    return {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else str(value)


async def _find_same_document(
    work: SqlWork, order: Order, digest: str | None, signed: Packed | None
) -> Accepted | None:
    """Find the document that the caller sent before: by the caller's own id, or by the packet that it signed."""
    if signed is not None and signed.signed.packet_id is not None:
        earlier = await work.outgoing.by_packet_id(signed.signed.packet_id)
        if earlier is not None and earlier.body_digest == signed.signed.body_digest:
            return Accepted(
                document=earlier,
                deliveries=tuple(await work.deliveries.of_document(earlier.id)),
                repeats=True,
            )
        if earlier is not None:
            raise Clash(
                f"packet {earlier.packet_id} is {earlier.id} ({earlier.draft.code}) with other content; sign the new "
                "envelope under a packet id of its own",
                code="GW-PACKET-ID",
                params={"existing": earlier.id},
            )
    return await _find_same_external_id(work, order, digest)


async def _find_same_external_id(work: SqlWork, order: Order, digest: str | None) -> Accepted | None:
    if order.draft.external_id is None:
        return None
    earlier = await work.outgoing.by_external_id(order.draft.external_id)
    if earlier is None:
        return None
    deliveries = tuple(await work.deliveries.of_document(earlier.id))
    if earlier.content_digest != digest:
        raise Clash(
            f"external_id {order.draft.external_id!r} already names {earlier.id} ({earlier.draft.code}) with other "
            "content; send the new document under an external_id of its own",
            code="GW-EXTERNAL-ID",
            params={"existing": earlier.id},
        )
    return Accepted(document=earlier, deliveries=deliveries, repeats=True)


async def _set_identity(
    work: SqlWork, document: OutgoingDocument, order: Order
) -> tuple[OutgoingDocument, Sequence[OutgoingDocument]]:
    """Set identity and attempt, and return earlier documents of that identity; an update has its parent's."""
    document_id = document.document_id
    if order.kind is Kind.UPDATE and order.parent_id:
        document_id = (await work.outgoing.get(order.parent_id)).document_id
    earlier = await work.outgoing.by_document_id(document_id)
    attempt = _next_attempt(earlier, order.kind)
    if (document_id, attempt) != (document.document_id, document.attempt):
        document = replace(document, document_id=document_id, attempt=attempt)
    return document, earlier


def first_state(draft: Draft) -> OutState:
    """Return the state of an accepted document: in line to be packed, or never on the axis (R6, electronic or paper)."""
    return OutState.PAPER if draft.delivery_mode is DeliveryMode.PAPER else OutState.QUEUED


async def attempt_of(work: SqlWork, kind: Kind, document_id: DocumentId) -> int:
    """Return the number of this attempt to send a document of that identity; drafts do not count."""
    return _next_attempt(await work.outgoing.by_document_id(document_id), kind)


def _next_attempt(documents: Sequence[OutgoingDocument], kind: Kind) -> int:
    return 1 + sum(d.kind is kind and d.state is not OutState.DRAFT for d in documents)


async def queue(
    services: OutgoingServices, work: SqlWork, document: OutgoingDocument
) -> tuple[Delivery, ...]:
    """Create deliveries, their first facts and, if it is not packed yet, the `pack` job, in the caller's transaction. An
    update asks its recipients from now on. A document that can be called back for a while is packed after that. Paper is
    never packed: it waits for a person."""
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
        await work.jobs.add("pack", document.id, document.leaves_at)
    accepted = partial(
        services.stopwatch.record, Metric.ACCEPT, document.draft.urgency.lane, stopwatch.arrived_at()
    )
    work.when_committed(accepted)
    if document.kind in _ASKS:
        await requests.ask_recipients(services, work, document, _ASKS[document.kind])
    return deliveries
