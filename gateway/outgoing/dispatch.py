"""Step 6 of the way out: moves one due outbox row to the axis. In: a leased row. Out: a recorded outcome per delivery:
sent, retry at, or failed; the documents that it answered name what answers them (R52, R53).
At least once: a crash after publishing sends the same bytes again; the receiver knows the repeat by its verified
content, never by a transport id. What waits under a key that may sign no more is signed again first (W9, K5); what was
once published is published again byte for byte.
A recipient that the registry closed meanwhile (R83) is held back with its successor named, returned at once, or sent to
the successor with a notice. Only imported or synced rows do any of it (R48). A status goes its way: it answers."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import BinaryIO

from gateway import log, meters
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyUse
from gateway.domain.document import Kind, Lane, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.proof import SignedEnvelope
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.registry_reform import QueuedMail
from gateway.domain.status import Fact, Track, fold_delivery, queued_at
from gateway.edxml import attachment, canonical
from gateway.edxml.envelope import Envelope
from gateway.errors import GatewayError, StaleLease, StoreFailure, TransportFailure
from gateway.outgoing import desk as desks
from gateway.outgoing import package
from gateway.outgoing.desk import OutDesk
from gateway.policy import upkeep
from gateway.policy.verdict import ReasonCode
from gateway.ports import Fate, LeasedOutbox, OutboxItem, OutboxTarget, Outcome, Parcel, Scratch, Work

_log = logging.getLogger(__name__)


async def run(desk: OutDesk, leased: LeasedOutbox) -> None:
    """Publishes one row to every recipient it still has to reach, then records what became of each."""
    item, began = leased.item, desk.clock.now()
    scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
    try:
        leased = await under_current_key(desk, scope, leased)
        parcel, targets = await _prepare(desk, scope, leased)
        diverted = await divert_closed(desk, parcel.kind, targets)
        codes = diverted.routes(targets)
        published = await _publish(desk, parcel, codes) if codes else {}
        outcomes = diverted.outcomes(targets, published)
        await _record(desk, scope, leased, targets, outcomes, began)
    except StaleLease:
        log.action(_log, "outbox.discarded", "another courier owns this row now", outbox=item.id)
    except GatewayError as error:
        await _put_off(desk, scope, leased, error, began)


async def _prepare(
    desk: OutDesk, scope: AgencyScope, leased: LeasedOutbox
) -> tuple[Parcel, tuple[OutboxTarget, ...]]:
    """Leaves out the deliveries that were cancelled. From the claim on nobody can cancel one: the row may have left."""
    item = leased.item
    async with desk.store.read(scope) as work:
        named = [target.delivery_id for target in item.targets if target.delivery_id is not None]
        known = await work.facts.of_many(named) if named else {}
        opener = await desk.blobs.open(work, item.envelope_digest)
    cancelled = _cancelled(known)
    parcel = Parcel(
        packet_id=item.packet_id,
        kind=item.kind,
        sender=item.sender_code,
        lane=item.lane,
        digest=item.envelope_digest,
        size=item.envelope_size,
        open=opener,
    )
    return parcel, tuple(target for target in item.targets if target.delivery_id not in cancelled)


async def _publish(desk: OutDesk, parcel: Parcel, codes: list[str]) -> Mapping[str, Outcome]:
    meters.PUBLISHED.add(lane=parcel.lane)
    try:
        with meters.PUBLISH.around(lane=parcel.lane):
            return await desk.axis.publish(parcel, codes)
    except TransportFailure as error:
        fate = Fate.NEVER if error.permanent else Fate.LATER
        return {code: Outcome(fate=fate, code=error.code, detail=str(error)) for code in codes}


async def _record(
    desk: OutDesk,
    scope: AgencyScope,
    leased: LeasedOutbox,
    targets: tuple[OutboxTarget, ...],
    outcomes: Mapping[str, Outcome],
    began: datetime,
) -> None:
    """In one unit: that it was being sent, and what came of it."""
    item, now = leased.item, desk.clock.now()
    later = [target for target in targets if outcomes[target.code].fate is Fate.LATER]
    planned = upkeep.next_try(
        leased.lease.attempt,
        permanent=False,
        age=now - item.created_at,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
        limit=desk.profile.retry_limit,
    )
    plan = None if isinstance(planned, upkeep.GiveUp) else planned
    async with desk.store.begin(scope) as work:
        await _settled(work, item, targets, outcomes, began, now, give_up=plan is None)
        if later and plan is not None:
            error = outcomes[later[0].code]
            await work.outbox.retry(leased.lease, now + plan, later, f"{error.code}: {error.detail}")
            for code in sorted({outcomes[target.code].code for target in later}):
                alike = [target for target in later if outcomes[target.code].code == code]
                await _tell_retry(work, item.subject_id, alike, outcomes[alike[0].code], now, plan)
        elif targets and all(outcomes[target.code].fate is not Fate.DELIVERED for target in targets):
            error = outcomes[targets[0].code]
            await work.outbox.failed(leased.lease, now, f"{error.code}: {error.detail}")
        else:
            await work.outbox.sent(leased.lease, now)
        reached = [target.code for target in targets if outcomes[target.code].fate is Fate.DELIVERED]
        await end_waits_of_row(work, item, reached, now)
        await work.commit()
    for target in targets:
        _count(item.lane, outcomes[target.code], again=plan is not None)


def _count(lane: Lane, outcome: Outcome, *, again: bool) -> None:
    """`again`: what may heal is tried once more."""
    if outcome.fate is Fate.DELIVERED:
        meters.CONFIRMED.add(lane=lane)
    elif outcome.fate is Fate.NEVER:
        meters.RETURNED.add(code=outcome.code)
    elif again:
        meters.RETRIED.add(code=outcome.code)
    else:
        meters.GIVEN_UP.add(code=outcome.code)


async def _settled(
    work: Work,
    item: OutboxItem,
    targets: Sequence[OutboxTarget],
    outcomes: Mapping[str, Outcome],
    began: datetime,
    now: datetime,
    *,
    give_up: bool,
) -> None:
    """What is over for a recipient: sent, or failed; with `give_up` also what might still heal."""
    over = {
        target: outcome
        for target in targets
        if (outcome := outcomes[target.code]).fate is not Fate.LATER or give_up
    }
    ends = {
        target.delivery_id: _fact(over[target], now) if target in over else None
        for target in targets
        if target.delivery_id is not None
    }
    await _note(work, began, ends, now)
    told = [_told(target, outcome) for target, outcome in over.items()]
    await work.events.append_many(item.subject_id, now, told)


def _fact(outcome: Outcome, now: datetime) -> Fact:
    sent = outcome.fate is Fate.DELIVERED
    return Fact(
        track=Track.TRANSPORT,
        code="sent" if sent else "failed",
        at=now,
        reason=outcome.code or None,
        note=outcome.detail or None,
        stated_at=None if sent else now,
    )


def _told(target: OutboxTarget, outcome: Outcome) -> tuple[EventKind, Mapping[str, object]]:
    sent = outcome.fate is Fate.DELIVERED
    why = {"code": outcome.code, "detail": outcome.detail}
    kind = EventKind.DELIVERY_SENT if sent else EventKind.DELIVERY_FAILED
    return kind, {"to": target.code, "delivery": target.delivery_id, **why}


async def _note(work: Work, began: datetime, said: Mapping[str, Fact | None], now: datetime) -> None:
    """Adds to each delivery that it was being sent, and what came of it if it is over; and the state that this makes.
    Those that were cancelled are left alone."""
    if not said:
        return
    known = await work.facts.of_many(list(said))
    cancelled = _cancelled(known)
    ends = {id: fact for id, fact in said.items() if fact is not None and id not in cancelled}
    for id, fact in ends.items():
        # A delivery that was sent again waited from the last time that it was queued.
        if fact.code == "sent" and (queued := queued_at(known[id])):
            meters.ACCEPTED_TO_SENT.took((now - queued).total_seconds())
    facts = {id: [*known[id]] for id in said if id not in cancelled}
    new: set[str] = set()
    sending = Fact(track=Track.TRANSPORT, code="sending", at=began, stated_at=began)
    for these in (dict.fromkeys(facts, sending), ends):
        added = await work.facts.add_many(these)
        new |= set(added)
        for id in added:
            facts[id].append(these[id])
    standings = {id: fold_delivery(facts[id]) for id in facts if id in new}
    states = {id: (standing.shown, standing.marks) for id, standing in standings.items()}
    await work.deliveries.save_states(states, now)


def _cancelled(known: Mapping[str, Sequence[Fact]]) -> Collection[str]:
    return {
        id
        for id, facts in known.items()
        if any(each.track is Track.TRANSPORT and each.code == "cancelled" for each in facts)
    }


async def _put_off(
    desk: OutDesk, scope: AgencyScope, leased: LeasedOutbox, error: GatewayError, began: datetime
) -> None:
    """Our own storage stood in the way, such as an envelope whose file is gone: tried again later like an axis that is
    down, and failed for everyone to see once the time for that is over."""
    item = leased.item
    log.action(_log, "outbox.postponed", str(error), outbox=item.id, code=error.code)
    outcome = Outcome(fate=Fate.LATER, code=error.code, detail=str(error))
    try:
        await _record(desk, scope, leased, item.targets, {one.code: outcome for one in item.targets}, began)
    except StaleLease:
        log.action(_log, "outbox.discarded", "another courier owns this row now", outbox=item.id)


async def _tell_retry(
    work: Work, subject_id: str, later: list[OutboxTarget], outcome: Outcome, now: datetime, delay: timedelta
) -> None:
    told = {
        "to": [target.code for target in later],
        "code": outcome.code,
        "detail": outcome.detail,
        "next_at": (now + delay).isoformat(),
    }
    await work.events.append(EventKind.DELIVERY_RETRY, subject_id, now, told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diverted:
    """By the recipient's code: what is not published, and who gets it instead, with the notice that is kept of it."""

    held: Mapping[str, Outcome] = field(default_factory=dict)
    heirs: Mapping[str, str] = field(default_factory=dict)
    notices: Mapping[str, str] = field(default_factory=dict)

    def routes(self, targets: Sequence[OutboxTarget]) -> list[str]:
        """Where the row is published to, each once: a successor may be a recipient itself."""
        open_ = (target.code for target in targets if target.code not in self.held)
        return list(dict.fromkeys(self.heirs.get(code, code) for code in open_))

    def outcomes(
        self, targets: Sequence[OutboxTarget], published: Mapping[str, Outcome]
    ) -> dict[str, Outcome]:
        """What became of each recipient."""
        found = dict(self.held)
        for code in {target.code for target in targets} - self.held.keys():
            outcome = published[self.heirs.get(code, code)]
            notice = self.notices.get(code, "")
            is_there = outcome.fate is Fate.DELIVERED and notice
            found[code] = replace(outcome, code=REDIRECTED, detail=notice) if is_there else outcome
        return found


REDIRECTED = "recipient-redirected"


async def divert_closed(desk: OutDesk, kind: str, targets: Sequence[OutboxTarget]) -> Diverted:
    """A code that is held goes out as soon as the registry opens it again; its sender may cancel and send anew."""
    if kind == Kind.STATUS:
        return Diverted()
    today = desk.today()
    held: dict[str, Outcome] = {}
    heirs: dict[str, str] = {}
    for target in targets:
        if await desk.directory.find(target.code, today) is None:
            answer = await desk.directory.resolve(target.code, today)
            if answer.standing is CodeStanding.CLOSED and answer.may_refuse:
                if heir := await _taking_over(desk, answer):
                    heirs[target.code] = heir
                else:
                    held[target.code] = _held_back(answer)
    notices = {code: f"{code} ended: sent to its successor {heir}" for code, heir in heirs.items()}
    return Diverted(held=held, heirs=heirs, notices=notices)


async def _taking_over(desk: OutDesk, answer: Resolution) -> str | None:
    """The successor, where the change says that it gets what still waits, and it is in force."""
    ending = answer.ending
    if ending is None or ending.queued is not QueuedMail.REDIRECT or answer.successor is None:
        return None
    return answer.successor if await desk.directory.find(answer.successor, desk.today()) else None


def _held_back(answer: Resolution) -> Outcome:
    until = f" after {answer.entry.valid_to}" if answer.entry and answer.entry.valid_to else ""
    is_returned = answer.ending is not None and answer.ending.queued is QueuedMail.RETURN
    advice = "send to it anew" if is_returned else "cancel and send to it"
    heirs = _heirs(answer)
    heir = f"; its successor is {', '.join(heirs)}: {advice}" if heirs else ""
    return Outcome(
        fate=Fate.NEVER if is_returned else Fate.LATER,
        code=ReasonCode.RECIPIENT_CLOSED,
        detail=f"{answer.given} is closed in the registry{until}{heir}",
    )


def _heirs(answer: Resolution) -> Collection[str]:
    if answer.successor is not None:
        return (answer.successor,)
    return answer.ending.heirs if answer.ending is not None else ()


async def under_current_key(desk: OutDesk, scope: AgencyScope, leased: LeasedOutbox) -> LeasedOutbox:
    """The row as it may be published now. NotFound or SignerDown when its key may sign no more and no other one can."""
    item, now = leased.item, desk.clock.now()
    if item.signed_by is None:
        return leased
    allowed = await desks.signing_keys(desk, item.sender_code, now)
    fault = desk.keys.fault(item.sender_code, item.signed_by, now, allowed)
    if fault is None:
        return leased
    async with desk.store.read(scope) as work:
        if await _was_published(work, item):
            return leased
        opener = await desk.blobs.open(work, item.envelope_digest)
    log.action(_log, "outbox.signed_again", fault, outbox=item.id)
    with desk.blobs.scratch() as scratch:
        signed = await desk.pool.run(lambda: _write_signed_again(desk, item, opener, allowed, scratch, now))
        made = await package.keep(desk, scratch, signed)
    return await _commit_signed_again(desk, scope, leased, made, now)


async def _was_published(work: Work, item: OutboxItem) -> bool:
    """Whether any recipient has these bytes: then every one gets them."""
    if item.kind is Kind.STATUS:
        return False  # it has one recipient, and still waits for that one
    deliveries = [each.id for each in await work.deliveries.of(item.subject_id)]
    known = await work.facts.of_many(deliveries)
    return any(fact.code == "sent" for facts in known.values() for fact in facts)


def _write_signed_again(
    desk: OutDesk,
    item: OutboxItem,
    opener: Callable[[], BinaryIO],
    allowed: KeyUse,
    scratch: Scratch,
    now: datetime,
) -> SignedEnvelope[Envelope]:
    """Sync: one pass to read what is there, one to write it anew, one to prove it (W10)."""
    fast = canonical.read_fast(attachment.pieces(opener), item.envelope_size, desk.xml)
    if fast is None:
        raise StoreFailure(
            f"packet {item.packet_id}: the stored envelope cannot be read; it is not signed again"
        )
    signer = desk.keys.signer(item.sender_code, now, allowed)
    for piece in canonical.resigned_pieces(fast, attachment.pieces(opener), signer, now):
        scratch.file.write(piece)
    scratch.file.flush()
    signed = package.proved(
        desk, lambda: scratch.path.open("rb"), scratch.file.tell(), signer, fast.signature.packet_id, now
    )
    if signed.body_digest != fast.body_digest:
        raise StoreFailure(f"packet {item.packet_id}: signing again changed the content; it is not sent")
    return signed


async def _commit_signed_again(
    desk: OutDesk, scope: AgencyScope, leased: LeasedOutbox, made: package.Packed, now: datetime
) -> LeasedOutbox:
    """The old file keeps its reference: it may have been on its way when its courier died."""
    item = leased.item
    fresh = replace(
        item, envelope_digest=made.digest, envelope_size=made.size, signed_by=package.signed_by(made)
    )
    async with desk.store.begin(scope) as work:
        await work.outbox.signed_again(leased.lease, fresh)
        if item.kind is Kind.STATUS:
            await work.blobs.keep(made.content, "status", item.packet_id)
        else:
            await work.blobs.keep(made.content, "envelope", item.subject_id)
            document = await work.outgoing.get(item.subject_id)
            await work.outgoing.save(
                replace(document, envelope_digest=made.digest, envelope_size=made.size, packed_at=now)
            )
        told: dict[str, object] = {
            "was": item.envelope_digest,
            "packet": item.packet_id,
            "was_signed_by": item.signed_by,
        }
        told |= package.as_logged(made)
        await work.events.append(EventKind.MESSAGE_RESIGNED, item.subject_id, now, told)
        await work.commit()
    return LeasedOutbox(item=fresh, lease=leased.lease)


_ANSWERING = (Kind.DOCUMENT, Kind.REPLACEMENT)


async def end_waits_of_row(work: Work, item: OutboxItem, reached: Collection[str], now: datetime) -> None:
    """Nothing for what answers nobody, nor a second time for what reaches the next recipient."""
    if item.kind not in _ANSWERING or not reached:
        return
    await end_waits(work, await work.outgoing.get(item.subject_id), reached, now)


async def end_waits(work: Work, document: OutgoingDocument, reached: Collection[str], now: datetime) -> None:
    """By the axis, or on paper."""
    if document.kind not in _ANSWERING:
        return
    for link in document.draft.replies_to:
        if link.document_id is None or not _is_answer_told(document, link.agency, reached):
            continue
        for asked in await work.incoming.by_document_id(link.agency, link.document_id):
            if document.id in asked.answered_by:
                continue
            await work.incoming.save(replace(asked, answered_by=(*asked.answered_by, document.id)))
            said = {"by": document.id, "to": link.agency}
            await work.events.append(EventKind.INBOX_REPLIED, asked.id, now, said)


def _is_answer_told(document: OutgoingDocument, code: str, reached: Collection[str]) -> bool:
    """Whether it reached who asked. Who asked under a code that ended is answered at the one that took over."""
    asked = code.casefold()
    named = {each.code.casefold() for each in document.draft.recipients}
    return asked not in named or asked in {each.casefold() for each in reached}
