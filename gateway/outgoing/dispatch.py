"""Step 6 of the way out: moves due outbox rows to the axis, in one pass of prepare, publish, record. In: leased rows of one
agency. Out: a recorded outcome per delivery: sent, retry at, or failed; the documents that they answered name what
answers them (R52, R53). What stands in the way of one row stands in the way of no other.
At least once: a crash after publishing sends the same bytes again; the receiver knows the repeat by its verified
content, never by a transport id. What waits under a key that may sign no more is signed again first (W9, K5); what was
once published is published again byte for byte.
A recipient that the registry closed meanwhile (R83) is held back with its successor named, returned at once, or sent to
the successor with a notice. Only imported or synced rows do any of it (R48). A status goes its way: it answers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO

from gateway import log, meters
from gateway.domain.account import AgencyScope
from gateway.domain.certificates import KeyUse
from gateway.domain.document import Kind, Lane, OutgoingDocument
from gateway.domain.event import EventKind
from gateway.domain.proof import SignedEnvelope
from gateway.domain.registry import CodeStanding, Resolution
from gateway.domain.registry_reform import QueuedMail
from gateway.domain.routes import FRESH, Trail
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


# What is larger goes alone: nobody waits for its upload with the word of what left.
_LARGE = 256 * 1024


def passes(rows: Sequence[LeasedOutbox]) -> Sequence[Sequence[LeasedOutbox]]:
    """What goes in one pass each, in their order."""
    found: dict[str, list[LeasedOutbox]] = {}
    for row in rows:
        alone = row.item.id if row.item.envelope_size > _LARGE else ""
        found.setdefault(alone or row.item.agency_id, []).append(row)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Ready:
    """A row that can be published, and the recipients it still has to reach."""

    leased: LeasedOutbox
    open: Callable[[], BinaryIO]
    targets: Sequence[OutboxTarget]


@dataclass(frozen=True, slots=True)
class _Tried:
    """What came of a row, by the recipient's code. `again`: when what may heal is tried once more; None: never."""

    leased: LeasedOutbox
    targets: Sequence[OutboxTarget]
    outcomes: Mapping[str, Outcome]
    again: timedelta | None

    @property
    def item(self) -> OutboxItem:
        return self.leased.item

    @property
    def later(self) -> list[OutboxTarget]:
        """Who is waited for."""
        if self.again is None:
            return []
        return [target for target in self.targets if self.outcomes[target.code].fate is Fate.LATER]

    @property
    def waiting(self) -> list[OutboxTarget]:
        """Who is waited for, with what this try left behind."""
        return [
            _after(target, self.outcomes[target.code], self.leased.lease.attempt) for target in self.later
        ]

    @property
    def over(self) -> list[OutboxTarget]:
        """For whom it is sent, or has failed."""
        later = self.later
        return [target for target in self.targets if target not in later]

    @property
    def reached(self) -> list[str]:
        return [one.code for one in self.targets if self.outcomes[one.code].fate is Fate.DELIVERED]


async def run(desk: OutDesk, rows: Sequence[LeasedOutbox]) -> None:
    """Publishes each to every recipient it still has to reach, side by side, then records what became of each."""
    began = desk.clock.now()
    scope = AgencyScope(agency_id=rows[0].item.agency_id, principal_id="node")
    try:
        ready = await _prepare(desk, scope, rows)
    except Exception as error:  # reason: whose fault it was shows when each goes alone
        if len(rows) > 1:
            await _each(run(desk, [row]) for row in rows)
        elif isinstance(error, GatewayError):
            await _record(desk, scope, [_put_off(desk, rows[0], error)], began)
        else:
            raise
        return
    faults: KeyFaults = {}
    handed = (_hand_over(desk, scope, one, faults) for one in ready)
    ends = await asyncio.gather(*handed, return_exceptions=True)
    await _record(desk, scope, [end for end in ends if isinstance(end, _Tried)], began)
    _raise_first(ends)


async def _prepare(desk: OutDesk, scope: AgencyScope, rows: Sequence[LeasedOutbox]) -> list[_Ready]:
    """In one view. Leaves out the deliveries that were cancelled. From the claim on nobody can cancel one: the row may have
    left."""
    items = [row.item for row in rows]
    async with desk.store.read(scope) as work:
        named = _deliveries(item.targets for item in items)
        cancelled = _cancelled(await work.facts.of_many(named)) if named else ()
        openers = await desk.blobs.open_each(work, {item.envelope_digest for item in items})
    return [
        _Ready(
            leased=row,
            open=openers[row.item.envelope_digest],
            targets=[target for target in row.item.targets if target.delivery_id not in cancelled],
        )
        for row in rows
    ]


def _deliveries(targets: Iterable[Sequence[OutboxTarget]]) -> list[str]:
    """Those of these recipients; answers have none."""
    return [one.delivery_id for each in targets for one in each if one.delivery_id is not None]


async def _hand_over(desk: OutDesk, scope: AgencyScope, one: _Ready, faults: KeyFaults) -> _Tried | None:
    """None: the row is another courier's."""
    with _about(one.leased.item):
        try:
            one = await under_current_key(desk, scope, one, faults)
            diverted = await divert_closed(desk, one.leased.item.kind, one.targets)
            codes = diverted.routes(one.targets)
            parcel, trails = _parcel(one), _trails(one, diverted)
            parcel = replace(parcel, trails=trails) if trails else parcel
            published = await _publish(desk, parcel, codes) if codes else {}
            return _tried(desk, one.leased, one.targets, diverted.outcomes(one.targets, published))
        except StaleLease:
            _discarded(one.leased.item)
            return None
        except GatewayError as error:
            return _put_off(desk, one.leased, error)


def _trails(one: _Ready, diverted: Diverted) -> Mapping[str, Trail]:
    """What is known of earlier tries, by route. A try that left no word may have reached the axis that it was for."""
    attempt, found = one.leased.lease.attempt, dict[str, Trail]()
    for target in one.targets:
        trail = target.trail or FRESH
        if attempt > target.tried + 1:
            trail = replace(trail, unsure=True)
        if trail != FRESH:
            found[diverted.heirs.get(target.code, target.code)] = trail
    return found


def _after(target: OutboxTarget, said: Outcome, attempt: int) -> OutboxTarget:
    if said.unsure and not said.axis:
        return target  # what could not be written down is known to nobody
    trail = Trail(axis=said.axis, unsure=said.unsure, refused=said.refused) if said.axis else target.trail
    return replace(target, trail=trail, tried=attempt)


def _parcel(one: _Ready) -> Parcel:
    item = one.leased.item
    return Parcel(
        packet_id=item.packet_id,
        kind=item.kind,
        sender=item.sender_code,
        lane=item.lane,
        digest=item.envelope_digest,
        size=item.envelope_size,
        open=one.open,
    )


async def _publish(desk: OutDesk, parcel: Parcel, codes: list[str]) -> Mapping[str, Outcome]:
    meters.PUBLISHED.add(lane=parcel.lane)
    try:
        with meters.PUBLISH.around(lane=parcel.lane):
            return await desk.axis.publish(parcel, codes)
    except TransportFailure as error:
        fate = Fate.NEVER if error.permanent else Fate.LATER
        return {code: Outcome(fate=fate, code=error.code, detail=str(error)) for code in codes}


def _tried(
    desk: OutDesk, leased: LeasedOutbox, targets: Sequence[OutboxTarget], outcomes: Mapping[str, Outcome]
) -> _Tried:
    planned = upkeep.next_try(
        leased.lease.attempt,
        permanent=False,
        age=desk.clock.now() - leased.item.created_at,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
        limit=desk.profile.retry_limit,
    )
    if any(each.fate is Fate.LATER and each.at_once for each in outcomes.values()):
        planned = timedelta()  # there is another axis, and nothing that it would wait for
    return _Tried(leased, targets, outcomes, None if isinstance(planned, upkeep.GiveUp) else planned)


def _put_off(desk: OutDesk, leased: LeasedOutbox, error: GatewayError, *, published: bool = False) -> _Tried:
    """Our own storage stood in the way, such as an envelope whose file is gone: tried again later like an axis that is
    down, and failed for everyone to see once the time for that is over. `published`: it stood in the way of writing down
    what the axis said."""
    item = leased.item
    with _about(item):
        log.action(_log, "outbox.postponed", str(error), code=error.code)
    outcome = Outcome(fate=Fate.LATER, code=error.code, detail=str(error), unsure=published)
    return _tried(desk, leased, item.targets, {one.code: outcome for one in item.targets})


async def _record(desk: OutDesk, scope: AgencyScope, tried: Sequence[_Tried], began: datetime) -> None:
    """In one unit; where that fails each by itself, so that none takes its neighbours along."""
    if _can_share(tried):
        try:
            await _write(desk, scope, tried, began)
            return
        except Exception as error:  # reason: whose fault it was shows when each is recorded by itself
            log.action(_log, "outbox.recorded_apart", f"{type(error).__name__}: {error}", rows=len(tried))
    await _each(_record_alone(desk, scope, one, began) for one in tried)


def _can_share(tried: Sequence[_Tried]) -> bool:
    """Two rows for one delivery have a word each, one after the other."""
    named = _deliveries(one.targets for one in tried)
    return len(tried) > 1 and len(set(named)) == len(named)


async def _record_alone(desk: OutDesk, scope: AgencyScope, one: _Tried, began: datetime) -> None:
    with _about(one.item):
        try:
            try:
                await _write(desk, scope, [one], began)
            except StaleLease:
                raise
            except GatewayError as error:
                await _write(desk, scope, [_put_off(desk, one.leased, error, published=True)], began)
        except StaleLease:
            _discarded(one.item)


async def _write(desk: OutDesk, scope: AgencyScope, tried: Sequence[_Tried], began: datetime) -> None:
    """In one unit: that they were being sent, and what came of each."""
    now = desk.clock.now()
    async with desk.store.begin(scope) as work:
        await _note(work, began, tried, now)
        await work.events.append_all(now, [told for one in tried for told in _told(one, now)])
        await _settle(work, tried, now)
        await end_waits_of_rows(work, [(one.item, one.reached) for one in tried], now)
        await work.commit()
    for one in tried:
        for target in one.targets:
            _count(one.item.lane, one.outcomes[target.code], again=one.again is not None)


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


async def _settle(work: Work, tried: Sequence[_Tried], now: datetime) -> None:
    """Each row waits again, has failed, or is sent."""
    sent = []
    for one in tried:
        lease, later = one.leased.lease, one.later
        if later and one.again is not None:
            await work.outbox.retry(lease, now + one.again, one.waiting, _said(one.outcomes[later[0].code]))
        elif one.targets and not one.reached:
            await work.outbox.failed(lease, now, _said(one.outcomes[one.targets[0].code]))
        else:
            sent.append(lease)
    await work.outbox.sent(sent, now)


def _said(outcome: Outcome) -> str:
    return f"{outcome.code}: {outcome.detail}"


async def _note(work: Work, began: datetime, tried: Sequence[_Tried], now: datetime) -> None:
    """Adds to each delivery that it was being sent, and what came of it if it is over; and the state that this makes.
    Those that were cancelled are left alone."""
    named = _deliveries(one.targets for one in tried)
    if not named:
        return
    known = await work.facts.of_many(named)
    cancelled = _cancelled(known)
    sending = Fact(track=Track.TRANSPORT, code="sending", at=began, stated_at=began)
    said = {id: [sending] for id in known if id not in cancelled}
    for one in tried:
        for target in one.over:
            if target.delivery_id in said:
                said[target.delivery_id].append(_fact(one.outcomes[target.code], now))
    new: dict[str, list[Fact]] = {}
    for id, facts in said.items():
        there = {fact.identity for fact in known[id]}
        if fresh := [fact for fact in facts if fact.identity not in there]:
            new[id] = fresh
        # A delivery that was sent again waited from the last time that it was queued.
        if facts[-1].code == "sent" and (queued := queued_at(known[id])):
            work.when_committed(partial(meters.ACCEPTED_TO_SENT.took, (now - queued).total_seconds()))
    await work.facts.add_all([(id, fact) for id, facts in new.items() for fact in facts])
    standings = {id: fold_delivery([*known[id], *facts]) for id, facts in new.items()}
    states = {id: (standing.shown, standing.marks) for id, standing in standings.items()}
    await work.deliveries.save_states(states, now)


def _fact(outcome: Outcome, now: datetime) -> Fact:
    sent = outcome.fate is Fate.DELIVERED
    return Fact(
        track=Track.TRANSPORT,
        code="sent" if sent else "failed",
        at=now,
        reason=outcome.code or None,
        note=outcome.detail or None,
        stated_at=None if sent else now,
        axis=outcome.axis or None,
        handed=outcome.handed if sent else None,
    )


def _cancelled(known: Mapping[str, Sequence[Fact]]) -> Collection[str]:
    return {
        id
        for id, facts in known.items()
        if any(each.track is Track.TRANSPORT and each.code == "cancelled" for each in facts)
    }


def _told(one: _Tried, now: datetime) -> Iterator[tuple[str, EventKind, Mapping[str, object]]]:
    """The events of a row: an end for each recipient that has one, one retry for all that wait for the same reason."""
    for target in one.over:
        outcome = one.outcomes[target.code]
        sent = outcome.fate is Fate.DELIVERED
        kind = EventKind.DELIVERY_SENT if sent else EventKind.DELIVERY_FAILED
        why: dict[str, object] = {"code": outcome.code, "detail": outcome.detail, **_by(outcome)}
        yield one.item.subject_id, kind, {"to": target.code, "delivery": target.delivery_id, **why}
    if one.again is None:
        return
    later = [(target.code, one.outcomes[target.code]) for target in one.later]
    for code in sorted({outcome.code for _, outcome in later}):
        alike = [(to, outcome) for to, outcome in later if outcome.code == code]
        told = {
            "to": [to for to, _ in alike],
            "code": code,
            "detail": alike[0][1].detail,
            "next_at": (now + one.again).isoformat(),
            **_by(alike[0][1]),
        }
        yield one.item.subject_id, EventKind.DELIVERY_RETRY, told


def _by(outcome: Outcome) -> Mapping[str, object]:
    told: dict[str, object] = {"axis": outcome.axis} if outcome.axis else {}
    if outcome.handed is not None:
        told |= {"form": outcome.handed.form, "handed": outcome.handed.digest}
    return told


def _discarded(item: OutboxItem) -> None:
    log.action(_log, "outbox.discarded", "another courier owns this row now", outbox=item.id)


def _about(item: OutboxItem) -> AbstractContextManager[None]:
    """Lines of the log that are written inside name the row."""
    return log.bound(outbox=item.id, document=item.subject_id, packet=item.packet_id, agency=item.sender_code)


async def _each(works: Iterable[Awaitable[None]]) -> None:
    """Side by side; one that breaks stops none of the others."""
    _raise_first(await asyncio.gather(*works, return_exceptions=True))


def _raise_first(ends: Iterable[object]) -> None:
    """What broke in a way nobody foresaw, once the others have ended."""
    for end in ends:
        if isinstance(end, BaseException):
            raise end


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


# What was found of keys in one pass, by code and certificate.
KeyFaults = dict[tuple[str, str], str | None]


async def under_current_key(desk: OutDesk, scope: AgencyScope, one: _Ready, faults: KeyFaults) -> _Ready:
    """The row as it may be published now. NotFound or SignerDown when its key may sign no more and no other one can."""
    item, now = one.leased.item, desk.clock.now()
    if item.signed_by is None:
        return one
    fault = await _key_fault(desk, item.sender_code, item.signed_by, now, faults)
    if fault is None:
        return one
    async with desk.store.read(scope) as work:
        if await _was_published(work, item):
            return one
    log.action(_log, "outbox.signed_again", fault, outbox=item.id)
    allowed = await desks.signing_keys(desk, item.sender_code, now)
    with desk.blobs.scratch() as scratch:
        signed = await desk.pool.run(lambda: _write_signed_again(desk, item, one.open, allowed, scratch, now))
        made = await package.keep(desk, scratch, signed)
    leased = await _commit_signed_again(desk, scope, one.leased, made, now)
    async with desk.store.read(scope) as work:
        return replace(one, leased=leased, open=await desk.blobs.open(work, made.digest))


async def _key_fault(
    desk: OutDesk, code: str, signed_by: str, now: datetime, faults: KeyFaults
) -> str | None:
    if (code, signed_by) not in faults:
        allowed = await desks.signing_keys(desk, code, now)
        faults[code, signed_by] = desk.keys.fault(code, signed_by, now, allowed)
    return faults[code, signed_by]


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


async def end_waits_of_rows(
    work: Work, rows: Sequence[tuple[OutboxItem, Collection[str]]], now: datetime
) -> None:
    """By the codes that each reached. Nothing for what answers nobody, nor a second time for what reaches the next
    recipient."""
    reached: dict[str, list[str]] = {}
    for item, codes in rows:
        if codes and item.kind in _ANSWERING:
            reached.setdefault(item.subject_id, []).extend(codes)
    for document in await work.outgoing.of_many(reached) if reached else ():
        await end_waits(work, document, reached[document.id], now)


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
