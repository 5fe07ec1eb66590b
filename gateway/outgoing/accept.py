"""Step 3 of the way out keeps the promise of G1 (durable when answered). In: an `Order` and its files. Out: `Accepted`,
only after one transaction holds the document, its deliveries, facts, event, idempotency record, and the work that sends
it. For most documents that is the signed envelope with its outbox row; for others, their files and a `pack` job. An
envelope that the agency signed itself takes the place of the node's."""

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
from gateway.domain.figures import describe_sent
from gateway.domain.identity import DocumentId, PacketId
from gateway.domain.outgoing_acts import Act
from gateway.domain.pace import Metric
from gateway.domain.queues import SIGNATURES_JOB, sent_signatures_subject
from gateway.domain.states import State, Track
from gateway.domain.status import Fact, RequestKind
from gateway.errors import Clash, GatewayError, Refused
from gateway.outgoing import check as checking
from gateway.outgoing import intake, numbering, package, refusing, requests
from gateway.outgoing.intake import Accepted, Once, Order, RequestFiles
from gateway.outgoing.package import Packed
from gateway.outgoing.services import OutgoingServices, profile_of
from gateway.policy import admission, pdf_verdict
from gateway.policy import outgoing as rules
from gateway.policy.numbering import gives_numbers
from gateway.policy.profile import Profile
from gateway.policy.verdict import CONFIRMABLE, ReasonCode, Verdict, reason
from gateway.store.blob_refs import KeptContent
from gateway.store.work import SqlWork

# A request holds its idempotency key for so long before another request may take the key over.
IN_FLIGHT = timedelta(seconds=60)
_log = logging.getLogger(__name__)
_CHANGES = {Kind.UPDATE: Act.UPDATE, Kind.REPLACEMENT: Act.REPLACE}
_ASKS = {Kind.UPDATE: RequestKind.UPDATE, Kind.RECALL: RequestKind.RECALL}


@dataclass(frozen=True, slots=True)
class _KeyLease:
    """Lease of this request on its idempotency key. Its end also identifies the holder."""

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
    """Store the document durably and queue it for sending, or keep it as a draft; on any error nothing is stored. A
    repeat under the same key, `external_id` or `signed` envelope gets the first answer."""
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
        async with services.store.changing(scope) as work:
            await work.idempotency.release(once.owner, once.key, turn.ends_at)
        raise


async def _begin(
    services: OutgoingServices, scope: AgencyScope, turn: _KeyLease, request_files: RequestFiles
) -> Accepted | None:
    """Take the idempotency key for this request. Returns the stored first answer to a repeat, None for a new request."""
    once, digest = turn.once, request_digest(turn.once, request_files)
    async with services.store.changing(scope) as work:
        first_call = await work.idempotency.begin(once.owner, once.key, digest, turn.ends_at)
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
    """Hash a request, so that a repeat under its key can be compared: method, path, meta, and the field, name and digest
    of each file. Multipart boundaries do not count."""
    files = [
        (received.field, received.item.name, received.item.sha256) for received in request_files.received
    ]
    text = json.dumps([once.method, once.path, once.meta, files], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class _AgencyChanged(Exception):
    """Signal that the agency changed while its document was being signed, so that it is signed again under its new
    name."""


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
    """Whether this request signs the envelope before it accepts the document; otherwise a job signs it."""

    async def run(self) -> Accepted:
        with self.services.store.memory.moment():
            try:
                return await self._accept()
            except _AgencyChanged:
                return await replace(self, signs=False)._accept()

    async def _accept(self) -> Accepted:
        """Find a repeat, check the order, sign the envelope if possible, and store everything in one transaction."""
        services, order = self.services, self.order
        digest = None
        if order.draft.external_id is not None:
            # Hashing runs as brief work, so that of many requests at once each waits for its own turn only.
            digest = await services.pool.brief(partial(content_digest, order, self.request_files))
        repeated = await self._find_repeat(digest)
        if repeated is not None:
            return repeated
        draft, verdict = await self._check()
        if not verdict.allowed:
            # The number may belong to this very document, accepted by another request meanwhile.
            repeated = await self._find_repeat(digest)
            if repeated is not None:
                return repeated
            await intake.alert_of_malware(services, self.scope, self.request_files)
            raise Refused(verdict)
        known_as = await checking.hosted_agency(services, self.scope)
        planned = self._plan(known_as, draft, digest)
        packed, profile = self.signed, await profile_of(services, self.scope)
        gives_number = order.send and checking.needs_number(profile, order)
        # A number is given in the transaction that stores the document, so a job signs the envelope after it.
        if packed is None and self.signs and not gives_number:
            packed = await package.sign_document(services, known_as, planned, self.request_files.received)
        files = self.request_files
        await services.unsent.admit(self.scope.agency_id, files.size, files.stack)
        contents = await files.keep_all() if packed is None else []

        async def store_document(work: SqlWork) -> Accepted:
            agency = await work.agency()
            # The repeat is looked up once more under the writer's lock: another request may have committed it
            # meanwhile.
            repeated = await _find_same_document(work, order, digest, self.signed)
            if repeated is not None:
                return await self._remember(work, repeated)
            current_plan = planned if agency == known_as else self._replan(agency, planned, packed)
            if gives_number:
                current_plan = await self._number(work, profile, agency, current_plan)
            stored = await self._store(work, agency, current_plan, verdict, packed, contents)
            if not gives_number:
                await self._use_number(work, profile, current_plan)
            return await self._remember(work, stored)

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

    async def _check(self) -> tuple[Draft, Verdict]:
        """Check the order. A new document is compared with earlier ones in the unit of work that stores it; a draft, and a
        document with any fault, here as well, so that the caller gets all reasons at once."""
        order = self.order
        check = partial(checking.check, self.services, self.scope, order, self.request_files)
        is_new = order.send and order.parent_id is None
        draft, verdict = await check(with_earlier=not is_new)
        if is_new and not verdict.allowed:
            draft, verdict = await check()
        if not order.send:
            # A draft may be incomplete, but content that must never be stored is refused (R2, no state secrets).
            verdict = Verdict(
                reasons=admission.never_stored(verdict).reasons,
                warnings=(*verdict.reasons, *verdict.warnings),
            )
        return draft, verdict

    async def _use_number(self, work: SqlWork, profile: Profile, document: OutgoingDocument) -> None:
        """Use up the number that the document states, where the node gives the numbers."""
        if self.order.send and self.order.kind.is_whole and gives_numbers(profile):
            await numbering.issue(work, profile, document, self.services.clock.now())

    async def _number(
        self, work: SqlWork, profile: Profile, agency: HostedAgency, planned: OutgoingDocument
    ) -> OutgoingDocument:
        """Give the document its number. Refused where its file turns out to bear another one."""
        identify = partial(checking.document_id_of, agency)
        numbered = await numbering.give(work, profile, planned, identify, self.services.clock.now())
        if numbered.draft.number != planned.draft.number:
            inspected = [(received.item, received.facts) for received in self.request_files.received]
            order = self.order
            verdict = rules.check_first_page(
                numbered.draft,
                inspected,
                order.kind,
                order.confirm,
                is_numbered=checking.is_signed(self.request_files),
            )
            verdict.raise_if_refused()
        return numbered

    async def _find_repeat(self, digest: str | None) -> Accepted | None:
        """Find the answer to an earlier order of the same document, and store it under this request's key too."""
        if self.order.draft.external_id is None and self.signed is None:
            return None
        async with self.services.store.ask(self.scope) as work:
            repeated = await _find_same_document(work, self.order, digest, self.signed)
        if repeated is not None and self.turn is not None:
            async with self.services.store.changing(self.scope) as work:
                await self._remember(work, repeated)
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
            legal_value=pdf_verdict.legal_value(checking.lead_verdict(request_files), draft.signer),
            signatures=checking.list_verdicts(request_files),
        )

    def _replan(
        self, agency: HostedAgency, planned: OutgoingDocument, packed: Packed | None
    ) -> OutgoingDocument:
        """Plan the document for the agency of today. Raises _AgencyChanged where its envelope was signed under the
        old name, and Clash where the agency itself signed it."""
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
        """Store the document with its deliveries, events and content, and the work that sends it."""
        services, order, draft = self.services, self.order, planned.draft
        document, earlier = await _set_identity(work, planned, order)
        if order.send:
            verdict += await self._find_earlier(work, agency, draft, earlier)
            verdict.raise_if_refused()
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
            **(describe_sent(document, order.draft.delivery_mode) if order.send else {"draft": True}),
        }
        await work.events.append(EventKind.MESSAGE_ACCEPTED, document.id, now, facts)
        if order.send:
            await record_confirmations(services, work, document.id, order, verdict)
        deliveries = await queue(services, work, document) if order.send else ()
        if order.send and pdf_verdict.is_open(document.signatures):
            await work.jobs.add(SIGNATURES_JOB, sent_signatures_subject(document.id), not_before=now)
        if packed is not None:
            await package.put_document(services, work, agency, document, deliveries, packed)
        return Accepted(document=document, deliveries=deliveries, warnings=verdict.warnings)

    async def _find_earlier(
        self, work: SqlWork, agency: HostedAgency, draft: Draft, same_identity: Sequence[OutgoingDocument]
    ) -> Verdict:
        """Find a document that holds this number, and signs that the document was sent already. For a child of another
        document, the view before this transaction has looked for such signs, so only the number is checked."""
        order, files = self.order, self.request_files
        if order.parent_id is None:
            return await checking.find_earlier(work, agency, draft, order, files, same_identity)
        digests = checking.digests(files)
        in_use = await checking.find_number_conflict(work, agency, draft, order, digests, same_identity)
        return Verdict.make((in_use,) if in_use else ())

    async def _remember(self, work: SqlWork, accepted: Accepted) -> Accepted:
        """Store the answer under the request's idempotency key, in the transaction that makes it true."""
        if (turn := self.turn) is not None:
            status, body = turn.once.render(accepted)
            await work.idempotency.finish(turn.once.owner, turn.once.key, turn.ends_at, status, body)
        return accepted


async def record_confirmations(
    services: OutgoingServices, work: SqlWork, document_id: str, order: Order, verdict: Verdict
) -> None:
    """Record which questions the sender has confirmed, with the sender (R2, no state secrets)."""
    accepted_warnings = [w for w in verdict.warnings if w.code in CONFIRMABLE and w.code in order.confirm]
    if accepted_warnings:
        confirmations = [{"code": w.code, "at": w.pointer, **w.params} for w in accepted_warnings]
        await work.events.append(
            EventKind.MESSAGE_CONFIRMED, document_id, services.clock.now(), {"confirmed": confirmations}
        )


def content_digest(order: Order, request_files: RequestFiles) -> str:
    """Hash the content that an `external_id` names: the order and its files, without key or boundary."""
    files = [
        (received.item.role, received.item.name, received.item.sha256) for received in request_files.received
    ]
    content = [order.kind, order.parent_id, order.send, order.draft, files]
    return hashlib.sha256(json.dumps(content, default=_to_json, sort_keys=True).encode()).hexdigest()


def _to_json(value: Any) -> object:
    """Convert a value that JSON has no form for: a dataclass becomes a dict of its fields, anything else its text."""
    return {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else str(value)


async def _find_same_document(
    work: SqlWork, order: Order, digest: str | None, signed: Packed | None
) -> Accepted | None:
    """Find the document that an earlier order of the caller made, by the `external_id`, or by the id of the packet that
    the agency signed. Raises Clash where that document has other content."""
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
    """Find the document with the order's `external_id`; Clash where it has other content."""
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
    """Set the document's identity and attempt number, and return it with the earlier documents of that identity. An
    update has the identity of its parent."""
    document_id = document.document_id
    if order.kind is Kind.UPDATE and order.parent_id:
        document_id = (await work.outgoing.get(order.parent_id)).document_id
    earlier = await work.outgoing.by_document_id(document_id)
    attempt = _next_attempt(earlier, order.kind)
    if (document_id, attempt) != (document.document_id, document.attempt):
        document = replace(document, document_id=document_id, attempt=attempt)
    return document, earlier


def first_state(draft: Draft) -> OutState:
    """Return the state of an accepted document: queued, or on paper and never on the axis (R6, electronic or paper)."""
    return OutState.PAPER if draft.delivery_mode is DeliveryMode.PAPER else OutState.QUEUED


async def attempt_of(work: SqlWork, kind: Kind, document_id: DocumentId) -> int:
    """Return the number that the next attempt to send a document of that kind and identity has; drafts do not count."""
    return _next_attempt(await work.outgoing.by_document_id(document_id), kind)


def _next_attempt(documents: Sequence[OutgoingDocument], kind: Kind) -> int:
    return 1 + sum(d.kind is kind and d.state is not OutState.DRAFT for d in documents)


async def queue(
    services: OutgoingServices, work: SqlWork, document: OutgoingDocument
) -> tuple[Delivery, ...]:
    """Create deliveries with their first facts in the caller's transaction, and a `pack` job if the document is not
    packed yet. Where the document can be called back for a while, the job starts after that; a document on paper is never
    packed, for a person hands it over. An update or recall also opens a request on each delivery of its parent.
    Raises Clash for a change that the parent's state does not allow."""
    if document.parent_id is not None and (act := _CHANGES.get(document.kind)) is not None:
        await refusing.require_by_id(work, document.parent_id, act)
    now = services.clock.now()
    goes = document.state is not OutState.PAPER
    word = State.QUEUED if goes else State.PAPER
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
