"""Step 4 of the way in: makes one incoming document of an allowed packet, exactly once, without a number. In: a proved
packet and its ruling. Out: committed: identity claimed, document, facts, hand-over, answers, event, inbox row settled.
One transaction; the identity is claimed from verified content inside it (A3, A4, A9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from gateway.domain.account import HostedAgency
from gateway.domain.document import UNDECIDED, IncomingDocument, InState, Kind
from gateway.domain.event import EventKind
from gateway.domain.identity import PacketId
from gateway.domain.pace import Metric
from gateway.domain.proof import Identity
from gateway.domain.queues import InboxPacket, LeasedInbox
from gateway.domain.status import Fact, RequestKind, Track, fold_incoming, open_request
from gateway.edxml import terms
from gateway.errors import BadSignature, BreaksRule, Conflict, OtherContent
from gateway.incoming import (
    acknowledge,
    check,
    judge_again,
    landing,
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
    """Admits the packet, or settles it as what it is: a repeat, waiting, returned. Conflict and OtherContent are the
    caller's to settle. Everything that is waited for comes before the unit of work: the 01 of what nothing stands against
    is signed by then."""
    item = leased.item
    agency = await services.agency(item.agency_id)
    before = await related.sent_under_former(services, agency, translate.replies(proved.envelope.model))
    kind, notice = proved.envelope.model.kind, checked.old.notice if checked.old else None
    is_answered = "01" in answers(kind, PacketEnding.ADMITTED, services.profile, authenticated=True)
    arrived = None
    if is_answered and kind.is_whole and checked.ruling.decision is Admission.ALLOWED:
        about = acknowledge.of_packet(item, proved)
        arrived = await acknowledge.sign(services, agency, about, "01", description=notice)

    async def end(work: SqlWork) -> bool:
        """Whether its bytes stay."""
        await judge_again.note_pending(work, item, proved)
        first = await _first(work, leased, proved, checked)
        if first is not None:
            return await _repeat(services, work, leased, proved, checked, first)
        if proved.octets is not None and checked.source != item.file_digest:
            await work.blobs.add(checked.source, "inbox", item.id)
        packet = _Packet(
            services=services,
            work=work,
            agency=agency,
            leased=leased,
            proved=proved,
            checked=checked,
            before=before,
            arrived=arrived,
        )
        await packet.admit()
        return True

    if not await landing.bring_to_end(services, leased, end):
        # At once, not with the next sweep: the first may be under seal.
        await services.blobs.forget({item.file_digest, checked.source})


async def _first(
    work: SqlWork, leased: LeasedInbox, proved: Proved, checked: CheckedPacket
) -> Identity | None:
    """The first of a repeat. It is not looked for where the packet lands in this very unit: its identity clashes with that
    of the first, and then it lands by itself."""
    if not leased.has_landed:
        return None
    first = await came_before(work, proved)
    return first or await second_proof.first_of(work, leased.item, proved, checked)


async def _repeat(
    services: IncomingServices,
    work: SqlWork,
    leased: LeasedInbox,
    proved: Proved,
    checked: CheckedPacket,
    first: Identity,
) -> bool:
    """Whether its bytes stay: those of a second proof, until the document's own are let go."""
    item = leased.item
    by = item.axis if await work.inbox.also_came(first.inbox_id, item.axis) else ""
    if by:
        await second_proof.note_axis(work, first.incoming_id, by)
    await acknowledge.answer_again(services, work, await work.inbox.get(first.inbox_id), by)
    await settle.repeated(work, leased, proved, first)
    if first.body_digest != proved.envelope.signed.body_digest:
        now = services.clock.now()
        await claim_identity(work, item, proved, first.incoming_id, now, of=first)
        if await second_proof.keep(services, work, item, proved, checked, first):
            return True
    # The first has the same content. Copies would fill the disk, and outlive the purge of a recalled document.
    await work.blobs.drop("inbox", item.id)
    return False


async def came_before(work: SqlWork, proved: Proved) -> Identity | None:
    """The first of a repeat. Conflict when its signed id was used for another body (A4)."""
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
class _Packet:
    """A packet that did not come before, in the unit of work that admits it."""

    services: IncomingServices
    work: SqlWork
    agency: HostedAgency
    leased: LeasedInbox
    proved: Proved
    checked: CheckedPacket
    before: related.SentUnderFormer
    arrived: PutStatus | None
    """Its 01, with what its sender is told of its code, where that is signed already."""

    async def admit(self) -> None:
        await self._alarm()
        ruling = self.checked.ruling
        if ruling.decision is Admission.SEALED:
            await self._claim(None)
            known = settle.known(self.leased.item, self.proved, state=seal.SEALED)
            why = ruling.detail or "declared on arrival"
            await seal.unread(self.services, self.work, self.leased, known, why)
        elif ruling.decision is Admission.UNACTIONABLE:
            await self._return()
        elif await self._is_about_sealed():
            known = settle.known(self.leased.item, self.proved, state=seal.SEALED)
            why = "it goes with a document that is sealed"
            await seal.unread(self.services, self.work, self.leased, known, why, before="landed")
        elif self.proved.envelope.model.kind.is_whole:
            await self._document()
        else:
            await self._request()

    async def _is_about_sealed(self) -> bool:
        """Return whether it changes, recalls or replaces a sealed document: its words may be the same secret."""
        model, sender = self.proved.envelope.model, self.proved.envelope.sender
        if model.kind is Kind.DOCUMENT:
            return False
        replaced = model.business.replacements if model.business else ()
        named = [each.document_id for each in replaced] or [translate.target_of(model) or ""]
        targets = [await acted_on(self.work, sender, document_id) for document_id in named]
        return any(target is not None and target.state is InState.SEALED for target in targets)

    async def _alarm(self) -> None:
        """An event for each file that carries malware, whatever becomes of the packet."""
        told = [
            {
                "from": self.proved.envelope.sender,
                "file": clean_name(one.part.name),
                "sha256": one.part.sha256,
                "malware": one.facts.malware,
            }
            for one in self.checked.looked
            if one.facts is not None and one.facts.malware is not None
        ]
        kinds = [(EventKind.ALERT_MALWARE, each) for each in told]
        await self.work.events.append_many(self.leased.item.id, self.services.clock.now(), kinds)

    async def _return(self) -> None:
        """Nobody could act on it: 02 to the proved sender, and the row says why (interfaces.md 1.5)."""
        item, ruling = self.leased.item, self.checked.ruling
        code = ruling.code or "DAMAGED"
        await self._claim(None)
        await self._answer("02", settle.refusal_text(code, ruling.detail))
        shown = "MSG-NOT-OURS" if code == "WRONG_ADDRESSEE" else code
        returned = settle.known(item, self.proved, state="returned", code=shown, reason=ruling.detail)
        await self.work.inbox.settle(returned, self.leased.lease)
        now = self.services.clock.now()
        await self.work.events.append(EventKind.INBOX_RETURNED, item.id, now, {"reason": code})

    async def _document(self) -> None:
        work, old = self.work, self.checked.old
        allowed = self.checked.ruling.decision is Admission.ALLOWED
        held = not allowed or (old is not None and not old.is_settled)
        document = self._translated(state=InState.HELD if held else InState.NEW)
        before = await work.incoming.before(document)
        document = replace(
            document,
            attempt=await self._attempt(document, before.admitted),
            answers=await related.answered_by(self.services, work, self.agency, document, self.before),
            marks=(*document.marks, old.mark) if old else document.marks,
        )
        newer = await related.ruling_of(work, before.replacing)
        if newer is not None:
            document = replace(document, state=InState.REPLACED, replaced_by=newer.id)
        copies = related.copies_among(before.numbered, document)
        document = replace(document, marks=related.marks_with_copy(document, copies))
        document = replace(document, marks=related.marks_with_lead(document, before.with_lead))
        await check.plan_asking_again(self.services, work, document)
        await self._add(document, held=held, notice=old.notice if old else None, newer=newer)
        for waiting in before.waiting:
            await work.inbox.reopen(waiting)
            work.when_committed(self.services.wake)

    def _translated(self, *, state: InState, target_id: str | None = None) -> IncomingDocument:
        checked, old = self.checked, self.checked.old
        document = translate.document(
            self.services.clock.new_id("inb_"),
            self.leased.item,
            self.proved,
            checked.looked,
            source=checked.source,
            attempt=1,
            state=state,
            codes=(*ours(self.agency), *((old.code,) if old else ())),
            target_id=target_id,
            checks=settle.checks(self.proved, checked),
        )
        return check.with_signatures(document, checked.looked, self.services)

    async def _attempt(self, document: IncomingDocument, admitted: Sequence[str | None]) -> int:
        """A9: a known DocumentId with another body is a new attempt once each earlier one ended in 02 (R117)."""
        for earlier in admitted:
            if earlier is None or self.leased.item.released:
                continue
            if (await self.work.incoming.get(earlier)).state is not InState.REJECTED:
                raise OtherContent(
                    f"document {document.document_id} of {document.sender_code} is here as {earlier} with other "
                    "content, and was not refused; a clerk decides which one holds"
                )
        return len(admitted) + 1

    async def _request(self) -> None:
        """An update or recall: it changes nothing before it is answered. Without its document it waits. One that breaks
        a rule is held: a recall may be agreed to by itself, and an update's files go into a document that is taken in."""
        services, work, item, ruling = self.services, self.work, self.leased.item, self.checked.ruling
        model, sender = self.proved.envelope.model, self.proved.envelope.sender
        if ruling.decision is not Admission.ALLOWED and not item.released:
            raise BreaksRule(f"the {model.kind} of {sender} breaks a rule: {ruling.verdict}")
        target_id = translate.target_of(model) or ""
        target = await acted_on(work, sender, target_id)
        if target is None:
            await self._wait(target_id)
            return
        request = self._translated(state=InState.NEW, target_id=target.id)
        await check.plan_asking_again(services, work, request)
        if model.kind is Kind.UPDATE and await related.is_stale(work, target, request):
            request = replace(request, state=InState.DONE, marks=(*request.marks, related.STALE_MARK))
            await self._add(request, held=False, code=related.STALE_CODE)
            return
        kind = RequestKind.RECALL if model.kind is Kind.RECALL else RequestKind.UPDATE
        why = request.change.reason if request.change else None
        await ask(services, work, target, kind, request.packet_id or PacketId(item.id), why)
        await self._add(request, held=False)
        taken_in = target.state not in UNDECIDED
        ending = PacketEnding.ADMITTED
        sent = answers(model.kind, ending, services.profile, authenticated=True, taken_in=taken_in)
        if "15" in sent and self.agency.answer_recall:
            await agree(services, work, self.agency, target, request)

    async def _wait(self, target_id: str) -> None:
        item, now, needs = (
            self.leased.item,
            self.services.clock.now(),
            (self.proved.envelope.sender, target_id),
        )
        waiting = settle.known(item, self.proved, state="waiting", code="WAITING", needs=needs)
        await self.work.inbox.settle(waiting, self.leased.lease)
        await self._arrived(PacketEnding.WAITING)
        await self.work.events.append(EventKind.INBOX_WAITING, item.id, now, {"needs": target_id})

    async def _add(
        self,
        document: IncomingDocument,
        *,
        held: bool,
        code: str | None = None,
        notice: str | None = None,
        newer: IncomingDocument | None = None,
    ) -> None:
        work, item, now = self.work, self.leased.item, self.services.clock.now()
        await self._claim(document.id)
        await work.incoming.add(document)
        facts = [Fact(track=Track.BUSINESS, code="01", at=now)]
        if held:
            facts.append(Fact(track=Track.OTHER, code="held", at=now))
        if newer is not None:
            facts.append(related.replaced_fact(newer, now))
        ending = PacketEnding.HELD if held else PacketEnding.ADMITTED
        await self._arrived(ending, notice, [(document.id, each) for each in facts])
        if not held:
            await work.handovers.offer(document.id)
        done = settle.known(item, self.proved, state="done", code=code, incoming_id=document.id)
        await work.inbox.settle(done, self.leased.lease)
        if not item.steps:  # it came to no end before: it waited for no person and for no other packet
            took = self.services.stopwatch.took
            work.when_committed(partial(took, Metric.ARRIVAL_TO_ADMITTED, item.lane, item.received_at))
        told = {
            "from": document.sender_code,
            "kind": document.kind,
            "document_id": document.document_id,
            "proof": self.proved.proof,
            **({"code": code} if code else {}),
            **({"replaced_by": newer.id} if newer else {}),
        }
        kind = EventKind.INBOX_HELD if held else EventKind.INBOX_RECEIVED
        await work.events.append(kind, document.id, now, told)

    async def _arrived(
        self, ending: PacketEnding, notice: str | None = None, others: Sequence[tuple[str, Fact]] = ()
    ) -> None:
        """01, once per packet: a packet that waited was answered when it was stored. `notice` tells its sender a new
        code, `others` are facts that are written with it."""
        kind, profile = self.proved.envelope.model.kind, self.services.profile
        owes = "01" in answers(kind, ending, profile, authenticated=True)
        stored = self.leased.item.id, Fact(track=Track.BUSINESS, code="01", at=self.services.clock.now())
        if owes and not self.leased.has_landed:  # nobody can have answered it
            await self.work.facts.add_all([*others, stored])
        else:
            await self.work.facts.add_all(others)
            owes = owes and await self.work.facts.add(*stored)
        if owes and self.arrived is not None:
            await self.arrived(self.work)
        elif owes:
            await self._answer("01", notice)

    async def _answer(self, code: str, description: str | None) -> None:
        about = acknowledge.of_packet(self.leased.item, self.proved)
        await acknowledge.put(self.services, self.work, self.agency, about, code, description=description)

    async def _claim(self, incoming_id: str | None) -> None:
        await claim_identity(self.work, self.leased.item, self.proved, incoming_id, self.services.clock.now())


async def acted_on(work: SqlWork, sender: str, document_id: str) -> IncomingDocument | None:
    """The document that this sender's request acts on; None when it is not here. It must be its own (A5)."""
    found = await work.incoming.by_document_id(sender, document_id)
    originals = [one for one in found if one.kind.is_whole]
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
    """The sender's request is now open on the document; OtherContent while an earlier one is (held for the clerk)."""
    facts = list(await work.facts.of(target.id))
    standing = fold_incoming(facts)
    if (earlier := open_request(standing)) is not None and earlier.request_id != request_id:
        raise OtherContent(
            f"{target.sender_code} asks for a {kind} of {target.id} while its {earlier.kind} of "
            f"{earlier.asked_at:%Y-%m-%d %H:%M} is not answered; answer that one, then release this",
            code="REQUEST-OPEN",
        )
    asked = Fact(
        track=Track.REQUEST,
        code="asked",
        at=services.clock.now(),
        request_id=request_id,
        request_kind=kind,
        reason=why,
    )
    await work.facts.add(target.id, asked)
    await settle.stand(work, target, [*facts, asked])
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
    """15 by itself: the recall of a document not yet taken in."""
    now = services.clock.now()
    facts = list(await work.facts.of(target.id))
    agreed = Fact(track=Track.REQUEST, code="15", at=now, stated_at=now, request_id=request.packet_id)
    await work.facts.add(target.id, agreed)
    await settle.stand(work, await work.incoming.get(target.id), [*facts, agreed])
    stored = await work.incoming.get(request.id)
    await work.incoming.save(
        replace(stored, state=InState.DONE, marks=(*stored.marks, "request_agreed:recall"))
    )
    await acknowledge.put(services, work, agency, acknowledge.of_document(request), "15", stated_at=now)
    await work.events.append(EventKind.INBOX_STATUS, target.id, now, {"code": "15", "by_itself": True})


async def claim_identity(
    work: SqlWork,
    item: InboxPacket,
    proved: Proved,
    incoming_id: str | None,
    at: datetime,
    of: Identity | None = None,
) -> None:
    """The packet's identity is taken, in this transaction, from what was verified. `of`: it is a further envelope of that
    one, so that what comes after it is a repeat of the first."""
    signed, model = proved.envelope.signed, proved.envelope.model
    await work.identities.claim(
        Identity(
            sender=proved.envelope.sender,
            body_digest=signed.body_digest,
            kind=model.kind,
            packet_id=signed.packet_id,
            document_id=model.document_id if model.kind.is_whole and of is None else None,
            inbox_id=of.inbox_id if of is not None else item.id,
            incoming_id=incoming_id,
            at=at,
            terms=terms.digest(signed.terms),
        )
    )
