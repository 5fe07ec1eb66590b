"""Acts on a document that has not left, or has not arrived: sends a draft, cancels it, sends it again; and closes lines
of the list of paper mail, with date and means. In: a document's id, and the act. Out: the document as saved, or lines of
the list. Each act is one transaction and records an event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from gateway.domain.account import AgencyScope
from gateway.domain.document import Delivery, FileItem, OutgoingDocument, OutState
from gateway.domain.event import EventKind
from gateway.domain.figures import describe_sent
from gateway.domain.outgoing_acts import Act
from gateway.domain.queues import OutboxTarget
from gateway.domain.states import State, Track
from gateway.domain.status import own_fact
from gateway.errors import Clash, Refused
from gateway.outgoing import accept, answering, check, drafting, numbering, refusing, requests, stopping
from gateway.outgoing.services import OutgoingServices, profile_of
from gateway.outgoing.stopping import StoppedRows
from gateway.policy import outgoing
from gateway.policy.numbering import gives_numbers
from gateway.policy.outgoing import Handover
from gateway.policy.verdict import Verdict
from gateway.store.paper_letters import PaperPart
from gateway.store.work import SqlWork

# In these states of a delivery, sending the same bytes again does not help.
_FINAL_STATES = {
    State.CANCELLED: "it was to receive nothing; send a new document",
    State.REJECTED: "it refused this document; correct it and send it as a new one",
    State.REQUEST_AGREED: "it cancelled this document as you asked; send a new one",
}
MOST_PAPER_LINES = 500


async def send_draft(
    services: OutgoingServices,
    scope: AgencyScope,
    id: str,
    expect_version: int | None = None,
    confirm: tuple[str, ...] = (),
    wait: timedelta = timedelta(),
) -> OutgoingDocument:
    """Check the draft again and queue it; Refused with every reason against it. During `wait` it can be called back."""
    while True:
        checked = await drafting.recheck(services, scope, id, confirm, expect_version)
        checked.verdict.raise_if_refused()
        try:
            return await _send_checked(services, scope, checked, expect_version, wait)
        except numbering.NumberMoved:
            # The file may bear the number with which it was checked: it is checked with the next one.
            continue


async def _send_checked(
    services: OutgoingServices,
    scope: AgencyScope,
    checked: drafting.CheckedDraft,
    expect_version: int | None,
    wait: timedelta,
) -> OutgoingDocument:
    id = checked.document.id
    draft, now = checked.document, services.clock.now()
    profile = await profile_of(services, scope)
    async with services.store.changing(scope) as work:
        agency = await work.agency()
        if expect_version is None:
            _refuse_changed_draft(await work.outgoing.get(id), draft)
        numbered = replace(draft, draft=checked.draft)
        if check.needs_number(profile, checked.order):
            identify = partial(check.document_id_of, agency)
            numbered = await numbering.give(
                work, profile, numbered, identify, now, expected_number=checked.draft.number
            )
        elif draft.kind.is_whole and gives_numbers(profile):
            await numbering.issue(work, profile, numbered, now)
        if in_use := await check.find_number_conflict(
            work, agency, numbered.draft, checked.order, checked.files
        ):
            raise Refused(Verdict(reasons=(in_use,)))
        attempt = await accept.attempt_of(work, draft.kind, numbered.document_id)
        sent = await work.outgoing.save(
            replace(
                numbered,
                change=checked.order.change,
                state=accept.first_state(numbered.draft),
                attempt=attempt,
                legal_value=checked.legal_value,
                signatures=checked.signatures,
                leaves_at=now + wait if wait else None,
            ),
            expect_version=expect_version if expect_version is not None else draft.version,
        )
        await accept.record_confirmations(services, work, id, checked.order, checked.verdict)
        await accept.queue(services, work, sent)
        details = {"from_draft": True, "kind": sent.kind, "legal_value": sent.legal_value}
        details |= describe_sent(sent, draft.draft.delivery_mode)
        await work.events.append(EventKind.MESSAGE_ACCEPTED, id, now, details)
    services.wake()
    return sent


def _refuse_changed_draft(now: OutgoingDocument, checked: OutgoingDocument) -> None:
    """Raise Clash where the draft was changed while it was checked: nothing else protects a caller without version."""
    if now.version != checked.version:
        raise Clash(f"{now.id} was changed or let go of while it was checked; read it, and send it again")


async def cancel(
    services: OutgoingServices, scope: AgencyScope, id: str, expect_version: int | None = None, why: str = ""
) -> OutgoingDocument:
    """Cancel the document and everything of it that has not left; `why` is the person's reason. Raises Clash while a
    courier publishes it, and where it was sent to a recipient. Deliveries that an earlier attempt may have brought to the
    axis are marked."""
    async with services.store.changing(scope) as work:
        document = await work.outgoing.get(id)
        return await cancel_in(services, work, document, {"reason": why} if why else {}, expect_version)


async def discard_draft(
    services: OutgoingServices, scope: AgencyScope, id: str, expect_version: int | None = None
) -> OutgoingDocument:
    """Discard a draft that was never sent. Raises Clash for any other document."""
    async with services.store.changing(scope) as work:
        document = await work.outgoing.get(id)
        check.expect(document, expect_version)
        if document.state is not OutState.DRAFT:
            raise Clash(f"{id} is {document.state}, not a draft; what is on its way is cancelled or recalled")
        return await cancel_in(services, work, document, {}, expect_version)


async def cancel_in(
    services: OutgoingServices,
    work: SqlWork,
    document: OutgoingDocument,
    facts: Mapping[str, object],
    expect_version: int | None = None,
) -> OutgoingDocument:
    """Cancel the document in the caller's transaction; the event contains `facts`."""
    id = document.id
    check.expect(document, expect_version)
    deliveries = await work.deliveries.of_document(id)
    refusing.require(document, deliveries, Act.CANCEL)
    rows = StoppedRows()
    if document.state not in (OutState.DRAFT, OutState.BLOCKED):
        rows = await _stop(services, work, document, deliveries)
    await work.blobs.drop("source", id)
    return await stopping.end_document(services, work, document, deliveries, rows, facts, expect_version)


async def resend(
    services: OutgoingServices, scope: AgencyScope, id: str, recipients: Sequence[str] = ()
) -> OutgoingDocument:
    """Send the same bytes again to the recipients named, or to all whose delivery failed. A document that could not be
    packed is packed again. Raises Clash where a recipient refused the document: it is corrected and sent as a new one."""
    async with services.store.begin(scope) as work:
        agency = await work.agency()
        document = await work.outgoing.get(id)
        deliveries = await work.deliveries.of_document(id)
        refusing.require(document, deliveries, Act.RESEND)
        if document.envelope_digest is None and _could_not_be_packed(document, deliveries):
            return await _repack(services, work, document)
        if document.envelope_digest is None or document.envelope_size is None:
            raise Clash(f"{id} is {document.state}: it has no envelope yet that could be sent again")
        chosen = _select_for_resend(deliveries, recipients)
        earlier = (await work.outbox.of_subject(id))[0]
        await work.outbox.cancel_failed(id, [delivery.id for delivery in chosen])
        now = services.clock.now()
        await work.outbox.add(
            replace(
                earlier,
                id=services.clock.new_id("obx_"),
                sender_code=agency.code,
                targets=tuple(OutboxTarget(code=d.recipient.code, delivery_id=d.id) for d in chosen),
                created_at=now,
                state="waiting",
                attempts=0,
                not_before=None,
                last_error=None,
            )
        )
        for delivery in requests.in_turn(chosen):
            await requests.add_fact(services, work, delivery, own_fact(Track.TRANSPORT, State.QUEUED, now))
        facts = {"again": True, "to": [d.recipient.code for d in chosen]}
        await work.events.append(EventKind.MESSAGE_QUEUED, id, now, facts)
        await work.commit()
    services.wake()
    return document


async def _stop(
    services: OutgoingServices, work: SqlWork, document: OutgoingDocument, deliveries: Sequence[Delivery]
) -> StoppedRows:
    """Stop the document's packing or outbox rows; Clash where it was sent to a recipient, or a courier publishes it."""
    late = Clash(
        f"{document.id} has already been handed to the axis; recall it instead", code="GW-ALREADY-SENT"
    )
    if any(delivery.state not in stopping.UNSENT for delivery in deliveries):
        raise late
    if any(p.handed_over is not None for p in await work.paper.of_document(document.id)):
        raise Clash(
            f"{document.id} has been handed over on paper; ask for it back on paper", code="GW-HANDED-OVER"
        )
    if document.state is OutState.QUEUED:
        if not await work.jobs.cancel("pack", document.id) and not _could_not_be_packed(document, deliveries):
            raise late
        return StoppedRows()
    rows = await stopping.stop_rows(services, work, document.id)
    if rows.in_hand:
        raise late
    return rows


def _could_not_be_packed(document: OutgoingDocument, deliveries: Sequence[Delivery]) -> bool:
    """Tell whether packing was given up, and has not started again."""
    return document.state is OutState.QUEUED and {d.state for d in deliveries} == {State.FAILED}


async def _repack(services: OutgoingServices, work: SqlWork, document: OutgoingDocument) -> OutgoingDocument:
    """Pack the document again for all recipients: the cause may be gone, such as a damaged file."""
    now = services.clock.now()
    document = await work.outgoing.save(replace(document, state_reason=None))
    for delivery in requests.in_turn(await work.deliveries.of_document(document.id)):
        await requests.add_fact(services, work, delivery, own_fact(Track.TRANSPORT, State.QUEUED, now))
    await work.jobs.add("pack", document.id)
    to = [r.code for r in document.draft.recipients]
    await work.events.append(EventKind.MESSAGE_QUEUED, document.id, now, {"again": True, "to": to})
    await work.commit()
    services.wake()
    return document


def _select_for_resend(deliveries: Sequence[Delivery], recipients: Sequence[str]) -> list[Delivery]:
    """Return the deliveries to send again: those named, or all failed ones; Clash where that does not help."""
    chosen = (
        check.select_deliveries(deliveries, recipients)
        if recipients
        else [d for d in deliveries if d.state == State.FAILED]
    )
    if not chosen:
        raise Clash("no recipient of this document is waiting to be sent to again; name them in `recipients`")
    for delivery in chosen:
        if delivery.state in _FINAL_STATES:
            raise Clash(f"{delivery.recipient.code} is {delivery.state}: {_FINAL_STATES[delivery.state]}")
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperLine:
    """Line of the paper mail list: one document for one recipient. `printed` are its files, if the node has any."""

    part: PaperPart
    document: OutgoingDocument
    delivery: Delivery

    @property
    def printed(self) -> tuple[FileItem, ...]:
        return outgoing.printed_files(self.document.draft, self.document.files)


async def paper_waiting(work: SqlWork, limit: int = MOST_PAPER_LINES) -> list[PaperLine]:
    """List letters that a person still has to hand over, longest waiting first."""
    return await _load_paper_lines(work, await work.paper.waiting(limit))


async def paper_handed_over(
    work: SqlWork, first: date, last: date, limit: int = MOST_PAPER_LINES
) -> list[PaperLine]:
    """List letters that were handed over between these days."""
    return await _load_paper_lines(work, await work.paper.handed_over(first, last, limit))


async def close_paper(
    services: OutgoingServices, scope: AgencyScope, id: str, details: Handover, recipients: Sequence[str] = ()
) -> OutgoingDocument:
    """Record that the document was handed over on paper: close the lines of these recipients, or all that wait. A closed
    line is corrected when it is named. Refused lists every broken rule; Clash when there is no line to close."""
    now, note = services.clock.now(), details.note.strip()
    async with services.store.changing(scope) as work:
        document = await work.outgoing.get(id)
        verdict = outgoing.check_handed_over(details, document.draft.issued_on, services.today())
        verdict.raise_if_refused()
        chosen = await _select_parts(work, document, recipients)
        for part, delivery in chosen:
            by, means = scope.principal_id, details.means.value
            await work.paper.close(
                replace(part, handed_over=details.on, means=means, note=note, closed_at=now, closed_by=by)
            )
            facts = {"to": delivery.recipient.code, "delivery": delivery.id, "on": details.on.isoformat()}
            facts |= {"means": means} | ({"note": note} if note else {})
            facts |= {"before": part.handed_over.isoformat()} if part.handed_over else {}
            await work.events.append(EventKind.PAPER_HANDED, id, now, facts)
        reached = [delivery.recipient.code for _, delivery in chosen]
        await answering.end_waits(work, document, reached, now)
    services.wake()
    return document


async def _select_parts(
    work: SqlWork, document: OutgoingDocument, recipients: Sequence[str]
) -> list[tuple[PaperPart, Delivery]]:
    """Return the paper lines to close with their deliveries: those named, or all that wait."""
    deliveries = await work.deliveries.of_document(document.id)
    if recipients:
        deliveries = check.select_deliveries(deliveries, recipients)
    parts = {part.delivery_id: part for part in await work.paper.of_document(document.id)}
    chosen = [
        (parts[d.id], d)
        for d in deliveries
        if d.id in parts and d.state != State.CANCELLED and (recipients or not parts[d.id].handed_over)
    ]
    if not chosen:
        raise Clash(f"nothing of {document.id} waits to be handed over on paper", code="GW-NO-PAPER")
    return chosen


async def _load_paper_lines(work: SqlWork, parts: Sequence[PaperPart]) -> list[PaperLine]:
    ids = list(dict.fromkeys(part.document_id for part in parts))
    if not ids:
        return []
    documents = {document.id: document for document in await work.outgoing.of_many(ids)}
    sent = await work.deliveries.of_documents(ids)
    deliveries = {d.id: d for group in sent.values() for d in group}
    return [
        PaperLine(part=part, document=documents[part.document_id], delivery=deliveries[part.delivery_id])
        for part in parts
    ]
