"""Step 4 of the way in: makes one incoming document of an allowed packet, exactly once, without an arrival number. In: a
proved packet and its ruling. Out: one committed transaction with the claimed identity, the document, its facts,
hand-over, answers and event, and the settled inbox row. The identity is of verified content (A3, A4, A9: landing,
repeats, attempts)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.domain.account import HostedAgency
from gateway.domain.document import UNDECIDED, IncomingDocument, InState, Kind
from gateway.domain.event import EventKind
from gateway.domain.figures import describe_received
from gateway.domain.identity import PacketId
from gateway.domain.pace import Metric
from gateway.domain.proof import Identity
from gateway.domain.queues import InboxPacket, LeasedInbox
from gateway.domain.states import Track
from gateway.domain.status import Fact, RequestKind, fold_incoming, open_request
from gateway.edxml import terms
from gateway.errors import BadSignature, BreaksRule, Conflict, OtherContent
from gateway.incoming import (
    acknowledge,
    check,
    doubles,
    landing,
    rejudge,
    related,
    seal,
    second_proof,
    settle,
    translate,
)
from gateway.incoming.check import CheckedPacket
from gateway.incoming.services import IncomingServices, ours
from gateway.incoming.verify import Proved
from gateway.policy.admission import clean_name
from gateway.policy.incoming import Admission, PacketEnding, answers

if TYPE_CHECKING:
    from gateway.store.work import PutStatus, SqlWork


async def run(
    services: IncomingServices, leased: LeasedInbox, proved: Proved, checked: CheckedPacket
) -> None:
    """Admit the packet, or settle it as a repeat, waiting, sealed or returned. The caller settles a packet that raises
    Conflict or OtherContent. Slow steps, such as signing a 01, come before the unit of work."""
    packet = leased.item
    agency = await services.agency(packet.agency_id)
    former = await related.sent_under_former(services, agency, translate.replies(proved.envelope.model))
    kind, notice = proved.envelope.model.kind, checked.old.notice if checked.old else None
    is_answered = "01" in answers(kind, PacketEnding.ADMITTED, authenticated=True)
    put_arrival = None
    if is_answered and kind.is_whole and checked.ruling.decision is Admission.ALLOWED:
        answered = acknowledge.of_packet(packet, proved)
        put_arrival = await acknowledge.sign(services, agency, answered, "01", description=notice)

    async def end(work: SqlWork) -> bool:
        """Settle the packet; return whether its bytes stay."""
        await rejudge.note_pending(work, packet, proved)
        first = await _find_repeated(work, leased, proved, checked)
        if first is not None:
            return await _settle_repeat(services, work, leased, proved, checked, first)
        if proved.octets is not None and checked.source != packet.file_digest:
            await work.blobs.add(checked.source, "inbox", packet.id)
        new_packet = _NewPacket(
            services=services,
            work=work,
            agency=agency,
            leased=leased,
            proved=proved,
            checked=checked,
            former=former,
            put_arrival=put_arrival,
        )
        await new_packet.admit()
        return True

    if not await landing.bring_to_end(services, leased, end):
        # The bytes are deleted at once and not by the next sweep: the first packet with them may be sealed.
        await services.blobs.forget({packet.file_digest, checked.source})


async def _find_repeated(
    work: SqlWork, leased: LeasedInbox, proved: Proved, checked: CheckedPacket
) -> Identity | None:
    """Find the identity that this packet repeats. A packet that lands in this same unit is not looked up: if it is a
    repeat, its identity clashes with the first one, and it then lands by itself."""
    if not leased.has_landed:
        return None
    first = await came_before(work, proved)
    return first or await second_proof.first_of(work, leased.item, proved, checked)


async def _settle_repeat(
    services: IncomingServices,
    work: SqlWork,
    leased: LeasedInbox,
    proved: Proved,
    checked: CheckedPacket,
    first: Identity,
) -> bool:
    """Settle a repeat and put the first packet's answers into the outbox again. Returns whether the repeat's bytes stay,
    which they do as a second proof of the document."""
    packet = leased.item
    by = packet.axis if await work.inbox.add_axis(first.inbox_id, packet.axis) else ""
    if by:
        await second_proof.note_axis(work, first.incoming_id, by)
    await acknowledge.repeat_answers(services, work, await work.inbox.get(first.inbox_id), by)
    await settle.repeated(work, leased, proved, first)
    if first.body_digest != proved.envelope.signed.body_digest:
        now = services.clock.now()
        await claim_identity(work, packet, proved, first.incoming_id, now, first=first)
        if await second_proof.keep(services, work, packet, proved, checked, first):
            return True
    # The first packet has the same content. Copies would fill the disk, and outlive the purge of a recalled document.
    await work.blobs.drop("inbox", packet.id)
    return False


async def came_before(work: SqlWork, proved: Proved) -> Identity | None:
    """Find the identity that this packet repeats: same sender and body. Raises Conflict when its signed packet id was
    used for another body (A4, repeats)."""
    first = await work.identities.by_body(proved.envelope.sender, proved.envelope.signed.body_digest)
    packet_id = proved.envelope.signed.packet_id
    if first is not None or packet_id is None:
        return first
    first = await work.identities.by_packet(proved.envelope.sender, packet_id)
    if first is not None:
        raise Conflict(
            f"packet {packet_id} of {proved.envelope.sender} came before with body {first.body_digest}; "
            f"this one has {proved.envelope.signed.body_digest}: the first stays"
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewPacket:
    """Packet that repeats no other, in the unit of work that settles it."""

    services: IncomingServices
    work: SqlWork
    agency: HostedAgency
    leased: LeasedInbox
    proved: Proved
    checked: CheckedPacket
    former: related.SentUnderFormer
    put_arrival: PutStatus | None
    """Puts the packet's 01 (arrived) into the outbox, where it is signed already."""

    async def admit(self) -> None:
        """Settle the packet by its ruling: seal, return, or admit it."""
        await self._report_malware()
        ruling = self.checked.ruling
        if ruling.decision is Admission.SEALED:
            await self._claim(None)
            row = settle.proved_row(self.leased.item, self.proved, state=seal.SEALED)
            why = ruling.detail or "declared on arrival"
            await seal.unread(self.services, self.work, self.leased, row, why)
        elif ruling.decision is Admission.UNACTIONABLE:
            await self._return()
        elif await self._is_about_sealed():
            row = settle.proved_row(self.leased.item, self.proved, state=seal.SEALED)
            why = "it goes with a document that is sealed"
            await seal.unread(self.services, self.work, self.leased, row, why, state_before="landed")
        elif self.proved.envelope.model.kind.is_whole:
            await self._admit_document()
        else:
            await self._admit_request()

    async def _is_about_sealed(self) -> bool:
        """Tell whether the packet updates, recalls or replaces a sealed document: its text may be as secret."""
        model, sender = self.proved.envelope.model, self.proved.envelope.sender
        if model.kind is Kind.DOCUMENT:
            return False
        replacements = model.business.replacements if model.business else ()
        document_ids = [r.document_id for r in replacements] or [translate.target_of(model) or ""]
        targets = [await acted_on(self.work, sender, document_id) for document_id in document_ids]
        return any(target is not None and target.state is InState.SEALED for target in targets)

    async def _report_malware(self) -> None:
        """Record an event for each file that carries malware, even if the packet is not admitted."""
        alerts = [
            {
                "from": self.proved.envelope.sender,
                "file": clean_name(file.part.name),
                "sha256": file.part.sha256,
                "malware": file.facts.malware,
            }
            for file in self.checked.files
            if file.facts is not None and file.facts.malware is not None
        ]
        events = [(EventKind.ALERT_MALWARE, alert) for alert in alerts]
        await self.work.events.append_many(self.leased.item.id, self.services.clock.now(), events)

    async def _return(self) -> None:
        """Return a packet that cannot be acted on: send 02 to the proved sender, and store the reason."""
        packet, ruling = self.leased.item, self.checked.ruling
        code = ruling.code or "DAMAGED"
        await self._claim(None)
        await self._answer("02", settle.refusal_text(code, ruling.detail))
        row_code = "MSG-NOT-OURS" if code == "WRONG_ADDRESSEE" else code
        row = settle.proved_row(packet, self.proved, state="returned", code=row_code, reason=ruling.detail)
        await self.work.inbox.settle(row, self.leased.lease)
        now = self.services.clock.now()
        await self.work.events.append(EventKind.INBOX_RETURNED, packet.id, now, {"reason": code})

    async def _admit_document(self) -> None:
        """Admit a document with its attempt number, answers and marks, and reopen the packets that waited for it."""
        work, old = self.work, self.checked.old
        is_allowed = self.checked.ruling.decision is Admission.ALLOWED
        is_held = not is_allowed or (old is not None and not old.is_settled)
        document = self._translate(state=InState.HELD if is_held else InState.NEW)
        earlier = await work.incoming.find_prior(document)
        document = replace(
            document,
            attempt=await self._next_attempt(document, earlier.admitted),
            answers=await related.answered_by(self.services, work, self.agency, document, self.former),
            marks=(*document.marks, old.mark) if old else document.marks,
        )
        newer = await related.ruling_of(work, earlier.replacing)
        if newer is not None:
            document = replace(document, state=InState.REPLACED, replaced_by=newer.id)
        copies = doubles.copies_among(earlier.numbered, document)
        document = replace(document, marks=doubles.marks_with_copy(document, copies))
        document = replace(document, marks=doubles.marks_with_lead(document, earlier.with_lead))
        await check.plan_rejudging(self.services, work, document)
        await self._add(document, is_held=is_held, notice=old.notice if old else None, newer=newer)
        for waiting in earlier.waiting:
            await work.inbox.reopen(waiting)
            work.when_committed(self.services.wake)

    def _translate(self, *, state: InState, target_id: str | None = None) -> IncomingDocument:
        checked, old = self.checked, self.checked.old
        document = translate.document(
            self.services.clock.new_id("inb_"),
            self.leased.item,
            self.proved,
            checked.files,
            source=checked.source,
            attempt=1,
            state=state,
            codes=(*ours(self.agency), *((old.code,) if old else ())),
            target_id=target_id,
            checks=settle.checks(self.proved, checked),
        )
        return check.with_signatures(document, checked.verdicts)

    async def _next_attempt(self, document: IncomingDocument, admitted: Sequence[str | None]) -> int:
        """Return the attempt number of this document: other content under its identity is a new attempt once each earlier
        one was refused with 02 (A9, attempts; R117, duplicates). Raises OtherContent otherwise."""
        for earlier in admitted:
            if earlier is None or self.leased.item.released:
                continue
            if (await self.work.incoming.get(earlier)).state is not InState.REJECTED:
                raise OtherContent(
                    f"document {document.document_id} of {document.sender_code} is here as {earlier} with other "
                    "content, and was not refused; a clerk decides which one holds"
                )
        return len(admitted) + 1

    async def _admit_request(self) -> None:
        """Admit an update or a recall, which changes nothing before it is answered; it waits while its document is not
        here. One that breaks a rule is held: a recall may be agreed to without a person, and the files of an update enter
        a document."""
        services, work, packet, ruling = self.services, self.work, self.leased.item, self.checked.ruling
        model, sender = self.proved.envelope.model, self.proved.envelope.sender
        if ruling.decision is not Admission.ALLOWED and not packet.released:
            raise BreaksRule(f"the {model.kind} of {sender} breaks a rule: {ruling.verdict}")
        target_id = translate.target_of(model) or ""
        target = await acted_on(work, sender, target_id)
        if target is None:
            await self._wait(target_id)
            return
        request = self._translate(state=InState.NEW, target_id=target.id)
        await check.plan_rejudging(services, work, request)
        if model.kind is Kind.UPDATE and await related.is_stale(work, target, request):
            request = replace(request, state=InState.DONE, marks=(*request.marks, related.STALE_MARK))
            await self._add(request, is_held=False, code=related.STALE_CODE)
            return
        kind = RequestKind.RECALL if model.kind is Kind.RECALL else RequestKind.UPDATE
        why = request.change.reason if request.change else None
        await ask(services, work, target, kind, request.packet_id or PacketId(packet.id), why)
        await self._add(request, is_held=False)
        taken_in = target.state not in UNDECIDED
        codes = answers(model.kind, PacketEnding.ADMITTED, authenticated=True, taken_in=taken_in)
        if "15" in codes and self.agency.answer_recall:
            await agree(services, work, self.agency, target, request)

    async def _wait(self, target_id: str) -> None:
        """Settle the packet as waiting for the document with this id, and answer 01 where due."""
        packet, now, needs = (
            self.leased.item,
            self.services.clock.now(),
            (self.proved.envelope.sender, target_id),
        )
        row = settle.proved_row(packet, self.proved, state="waiting", code="WAITING", needs=needs)
        await self.work.inbox.settle(row, self.leased.lease)
        await self._answer_arrival(PacketEnding.WAITING)
        await self.work.events.append(EventKind.INBOX_WAITING, packet.id, now, {"needs": target_id})

    async def _add(
        self,
        document: IncomingDocument,
        *,
        is_held: bool,
        code: str | None = None,
        notice: str | None = None,
        newer: IncomingDocument | None = None,
    ) -> None:
        """Store the admitted document with its identity, facts, 01, hand-over and event, and settle the inbox row."""
        work, packet, now = self.work, self.leased.item, self.services.clock.now()
        await self._claim(document.id)
        await work.incoming.add(document)
        facts = [Fact(track=Track.BUSINESS, code="01", at=now)]
        if is_held:
            facts.append(Fact(track=Track.OTHER, code="held", at=now))
        if newer is not None:
            facts.append(related.replaced_fact(newer, now))
        ending = PacketEnding.HELD if is_held else PacketEnding.ADMITTED
        await self._answer_arrival(ending, notice, [(document.id, f) for f in facts])
        if not is_held:
            await work.handovers.offer(document.id)
        row = settle.proved_row(packet, self.proved, state="done", code=code, incoming_id=document.id)
        await work.inbox.settle(row, self.leased.lease)
        if not packet.steps:  # packets that waited for a person or another packet are not measured
            took = self.services.stopwatch.record
            work.when_committed(partial(took, Metric.ARRIVAL_TO_ADMITTED, packet.lane, packet.received_at))
        details = {
            "from": document.sender_code,
            "kind": document.kind,
            "document_id": document.document_id,
            "proof": self.proved.proof,
            "files": [file.sha256 for file in document.files],
            **describe_received(document),
            **({"code": code} if code else {}),
            **({"replaced_by": newer.id} if newer else {}),
        }
        kind = EventKind.INBOX_HELD if is_held else EventKind.INBOX_RECEIVED
        await work.events.append(kind, document.id, now, details)

    async def _answer_arrival(
        self, ending: PacketEnding, notice: str | None = None, more_facts: Sequence[tuple[str, Fact]] = ()
    ) -> None:
        """Answer the packet with 01, but only once: a packet that waited was answered when it was stored. `notice` tells
        the sender about an ended code; `more_facts` are stored in the same statement."""
        owes = "01" in answers(self.proved.envelope.model.kind, ending, authenticated=True)
        fact = self.leased.item.id, Fact(track=Track.BUSINESS, code="01", at=self.services.clock.now())
        if owes and not self.leased.has_landed:  # a new packet cannot have been answered yet
            await self.work.facts.add_all([*more_facts, fact])
        else:
            await self.work.facts.add_all(more_facts)
            owes = owes and await self.work.facts.add(*fact)
        if owes and self.put_arrival is not None:
            await self.put_arrival(self.work)
        elif owes:
            await self._answer("01", notice)

    async def _answer(self, code: str, description: str | None) -> None:
        answered = acknowledge.of_packet(self.leased.item, self.proved)
        await acknowledge.queue_answer(
            self.services, self.work, self.agency, answered, code, description=description
        )

    async def _claim(self, incoming_id: str | None) -> None:
        await claim_identity(self.work, self.leased.item, self.proved, incoming_id, self.services.clock.now())


async def acted_on(work: SqlWork, sender: str, document_id: str) -> IncomingDocument | None:
    """Find the document that this sender's request acts on; None when it is not here. Raises BadSignature where another
    agency issued it (A5, own documents)."""
    documents = await work.incoming.by_document_id(sender, document_id)
    originals = [d for d in documents if d.kind.is_whole]
    if originals:
        return originals[0]
    issuer = document_id.split(",", 1)[0].strip()
    if issuer.casefold() != sender.casefold() and await work.incoming.by_document_id(issuer, document_id):
        raise BadSignature(
            "MSG-NOT-PARTY", f"{sender} acts on document {document_id}, which {issuer} issued", step=11
        )
    return None


async def ask(
    services: IncomingServices,
    work: SqlWork,
    target: IncomingDocument,
    kind: RequestKind,
    request_id: str,
    why: str | None,
) -> None:
    """Open the sender's request on the document. Raises OtherContent while an earlier request is open, so that a clerk
    decides."""
    facts = list(await work.facts.of_subject(target.id))
    standing = fold_incoming(facts)
    if (earlier := open_request(standing)) is not None and earlier.request_id != request_id:
        raise OtherContent(
            f"{target.sender_code} asks for a {kind} of {target.id} while its {earlier.kind} of "
            f"{earlier.asked_at:%Y-%m-%d %H:%M} is not answered; answer that one, then release this",
            code="REQUEST-OPEN",
        )
    request_fact = Fact(
        track=Track.REQUEST,
        code="asked",
        at=services.clock.now(),
        request_id=request_id,
        request_kind=kind,
        reason=why,
    )
    await work.facts.add(target.id, request_fact)
    await settle.stand(work, target, [*facts, request_fact])
    await work.events.append(
        EventKind.INBOX_REQUEST, target.id, services.clock.now(), {"kind": kind, "request": request_id}
    )


async def agree(
    services: IncomingServices,
    work: SqlWork,
    agency: HostedAgency,
    target: IncomingDocument,
    request: IncomingDocument,
) -> None:
    """Agree with 15 to the recall of a document that is not yet taken in, without asking a person."""
    now = services.clock.now()
    facts = list(await work.facts.of_subject(target.id))
    agreed = Fact(track=Track.REQUEST, code="15", at=now, stated_at=now, request_id=request.packet_id)
    await work.facts.add(target.id, agreed)
    await settle.stand(work, await work.incoming.get(target.id), [*facts, agreed])
    stored = await work.incoming.get(request.id)
    await work.incoming.save(
        replace(stored, state=InState.DONE, marks=(*stored.marks, "request_agreed:recall"))
    )
    await acknowledge.queue_answer(
        services, work, agency, acknowledge.of_document(request), "15", stated_at=now
    )
    await work.events.append(EventKind.INBOX_STATUS, target.id, now, {"code": "15", "by_itself": True})


async def claim_identity(
    work: SqlWork,
    packet: InboxPacket,
    proved: Proved,
    incoming_id: str | None,
    at: datetime,
    first: Identity | None = None,
) -> None:
    """Claim the packet's identity from its verified content, in this transaction. With `first`, the packet is another
    envelope of that identity's document, and later copies of it count as repeats of the first."""
    signed, model = proved.envelope.signed, proved.envelope.model
    await work.identities.claim(
        Identity(
            sender=proved.envelope.sender,
            body_digest=signed.body_digest,
            kind=model.kind,
            packet_id=signed.packet_id,
            document_id=model.document_id if model.kind.is_whole and first is None else None,
            inbox_id=first.inbox_id if first is not None else packet.id,
            incoming_id=incoming_id,
            at=at,
            terms=terms.digest(signed.terms),
        )
    )
