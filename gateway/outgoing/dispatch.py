"""Step 6 of the way out: moves due outbox rows to the axis, in one pass of prepare, publish, record. In: leased rows of one
agency. Out: a recorded outcome per delivery: sent, retry at, or failed; the documents that they answered name what
answers them (R52, R53). What stands in the way of one row stands in the way of no other.
At least once: a crash after publishing sends the same bytes again; the receiver knows the repeat by its verified
content, never by a transport id. What waits under a key that may sign no more is signed again first (`sign_again`); a
recipient that was closed meanwhile is `divert`ed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from typing import BinaryIO

from gateway import log, meters
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, Lane
from gateway.domain.event import EventKind
from gateway.domain.queues import LeasedOutbox, OutboxItem, OutboxTarget
from gateway.domain.routes import FRESH, Trail
from gateway.domain.status import Fact, Track, fold_delivery, queued_at
from gateway.errors import GatewayError, StaleLease, TransportFailure, as_gateway_error
from gateway.outgoing import answering
from gateway.outgoing.divert import Diverted, divert_closed
from gateway.outgoing.services import OutgoingServices
from gateway.outgoing.sign_again import KeyFaults, under_current_key
from gateway.policy import upkeep
from gateway.ports.axis import Fate, Outcome, Parcel
from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)


# What is larger goes alone: nobody waits for its upload with the word of what left.
_LARGE = 256 * 1024
_AT_ONCE = timedelta()
# What this process wrote is sent without another look for so long: later it may have been sealed.
_MOMENT = timedelta(seconds=1)
# For so long the word of one row that left may wait for another unit of work, to share its commit. What leaves next is
# written by such a unit, so nothing waits behind it.
_PATIENCE_S = 0.05


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """Outcome of publishing one row, by the recipient's code: those for which it is over, the codes that were reached of
    these, and those that are tried again. `again`: how long the next try waits; None: there is none."""

    leased: LeasedOutbox
    item: OutboxItem
    targets: Sequence[OutboxTarget]
    outcomes: Mapping[str, Outcome]
    over: Sequence[OutboxTarget]
    reached: Sequence[str]
    later: Sequence[OutboxTarget]
    again: timedelta | None

    @property
    def waiting(self) -> list[OutboxTarget]:
        """Those that are tried again, each with what this try left behind."""
        attempt = self.leased.lease.attempt
        return [_after(target, self.outcomes[target.code], attempt) for target in self.later]


async def run(services: OutgoingServices, rows: Sequence[LeasedOutbox]) -> None:
    """Publishes each to every recipient it still has to reach, side by side, then records what became of each."""
    began = services.clock.now()
    scope = AgencyScope(agency_id=rows[0].item.agency_id, principal_id="node")
    try:
        ready = await _prepare(services, scope, rows)
    except Exception as error:  # reason: whose fault it was shows when each goes alone
        if len(rows) > 1:
            await _each([run(services, [row]) for row in rows])
        else:
            await _record(services, scope, [_put_off(services, rows[0], _named(rows[0].item, error))], began)
        return
    faults = KeyFaults(services)
    handed = [_hand_over(services, scope, one, faults) for one in ready]
    # A packet that goes alone needs no task of its own.
    ends = [await handed[0]] if len(handed) == 1 else await asyncio.gather(*handed, return_exceptions=True)
    tried = [end for end in ends if isinstance(end, _Tried)]
    await _record(services, scope, tried, began)
    if any(one.later and one.again == _AT_ONCE for one in tried):
        services.wake_couriers()
    _raise_first(ends)


async def _prepare(
    services: OutgoingServices, scope: AgencyScope, rows: Sequence[LeasedOutbox]
) -> list[_Ready]:
    """In one view. Leaves out the deliveries that were cancelled. From the claim on nobody can cancel one: the row may have
    left. Of what was written under this very lease a moment ago nothing is asked."""
    now, ready, asked = services.clock.now(), list[_Ready](), list[LeasedOutbox]()
    for row in rows:
        opener = row.open if row.body is None else partial(BytesIO, row.body)
        if opener is not None and timedelta() <= now - row.item.created_at <= _MOMENT:
            ready.append(_Ready(row, opener, row.item.targets))
        else:
            asked.append(row)
    if not asked:
        return ready
    async with services.store.read(scope) as work:
        named = _deliveries(row.item.targets for row in asked)
        cancelled = _cancelled(await work.facts.of_many(named)) if named else ()
        openers = await services.blobs.open_each(work, {row.item.envelope_digest for row in asked})
    return ready + [
        _Ready(
            leased=row,
            open=openers[row.item.envelope_digest],
            targets=[target for target in row.item.targets if target.delivery_id not in cancelled],
        )
        for row in asked
    ]


def _deliveries(targets: Iterable[Sequence[OutboxTarget]]) -> list[str]:
    """Those of these recipients; answers have none."""
    return [one.delivery_id for each in targets for one in each if one.delivery_id is not None]


async def _hand_over(
    services: OutgoingServices, scope: AgencyScope, ready: _Ready, faults: KeyFaults
) -> _Tried | None:
    """None: the row is another courier's."""
    leased, targets = ready.leased, ready.targets
    with _about(leased.item):
        try:
            leased, opener = await under_current_key(services, scope, leased, ready.open, faults)
            diverted = await divert_closed(services, leased.item.kind, targets)
            codes = diverted.routes(targets)
            parcel = _parcel(leased.item, opener, _trails(leased, targets, diverted))
            published = await _publish(services, parcel, codes) if codes else {}
            return _tried(services, leased, targets, diverted.outcomes(targets, published))
        except StaleLease:
            _discarded(leased.item)
            return None
        except Exception as error:  # reason: what nobody foresaw is tried as often as the rest, and seen
            named = _named(leased.item, error)
            return _put_off(services, leased, named, published=named is not error)


def _named(item: OutboxItem, error: Exception) -> GatewayError:
    if not isinstance(error, GatewayError):
        with _about(item):
            log.unforeseen(_log, "outbox.broke", error)
    return as_gateway_error(error)


def _trails(leased: LeasedOutbox, targets: Sequence[OutboxTarget], diverted: Diverted) -> Mapping[str, Trail]:
    """What is known of earlier tries, by route. A try that left no word may have reached the axis that it was for."""
    attempt, found = leased.lease.attempt, dict[str, Trail]()
    for target in targets:
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


def _parcel(item: OutboxItem, opener: Callable[[], BinaryIO], trails: Mapping[str, Trail]) -> Parcel:
    return Parcel(
        packet_id=item.packet_id,
        kind=item.kind,
        sender=item.sender_code,
        lane=item.lane,
        digest=item.envelope_digest,
        size=item.envelope_size,
        open=opener,
        trails=trails,
    )


async def _publish(services: OutgoingServices, parcel: Parcel, codes: list[str]) -> Mapping[str, Outcome]:
    meters.PUBLISHED.add(lane=parcel.lane)
    try:
        with meters.PUBLISH.around(lane=parcel.lane):
            return await services.axis.publish(parcel, codes)
    except TransportFailure as error:
        fate = Fate.NEVER if error.permanent else Fate.LATER
        outcome = Outcome(fate=fate, code=error.code, detail=str(error), unsure=error.unsure)
        return dict.fromkeys(codes, outcome)


def _tried(
    services: OutgoingServices,
    leased: LeasedOutbox,
    targets: Sequence[OutboxTarget],
    outcomes: Mapping[str, Outcome],
) -> _Tried:
    later = [target for target in targets if outcomes[target.code].fate is Fate.LATER]
    again = _wait_of(services, leased, [outcomes[target.code] for target in later]) if later else None
    if again is None:
        later = []
    return _Tried(
        leased=leased,
        item=leased.item,
        targets=targets,
        outcomes=outcomes,
        over=[target for target in targets if target not in later] if later else targets,
        reached=[target.code for target in targets if outcomes[target.code].fate is Fate.DELIVERED],
        later=later,
        again=again,
    )


def _wait_of(
    services: OutgoingServices, leased: LeasedOutbox, outcomes: Sequence[Outcome]
) -> timedelta | None:
    """Return how long the next try waits after these outcomes; None where the time for tries is over."""
    if any(each.at_once for each in outcomes):
        return _AT_ONCE  # there is another axis, and nothing that it would wait for
    planned = upkeep.next_try(
        leased.lease.attempt,
        permanent=False,
        age=services.aging.now() - leased.item.created_at,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
        limit=services.profile.retry_limit,
    )
    return None if isinstance(planned, upkeep.GiveUp) else planned


def _put_off(
    services: OutgoingServices, leased: LeasedOutbox, error: GatewayError, *, published: bool = False
) -> _Tried:
    """Our own storage stood in the way, such as an envelope whose file is gone: tried again later like an axis that is
    down, and failed for everyone to see once the time for that is over. `published`: the axis may have it, and what it
    said is not known."""
    item = leased.item
    with _about(item):
        log.action(_log, "outbox.postponed", str(error), code=error.code)
    outcome = Outcome(fate=Fate.LATER, code=error.code, detail=str(error), unsure=published)
    return _tried(services, leased, item.targets, {one.code: outcome for one in item.targets})


async def _record(
    services: OutgoingServices, scope: AgencyScope, tried: Sequence[_Tried], began: datetime
) -> None:
    """In one unit; where that fails each by itself, so that none takes its neighbours along."""
    if _can_share(tried):
        try:
            await _write(services, scope, tried, began)
            return
        except Exception as error:  # reason: whose fault it was shows when each is recorded by itself
            log.action(_log, "outbox.recorded_apart", f"{type(error).__name__}: {error}", rows=len(tried))
    await _each([_record_alone(services, scope, one, began) for one in tried])


def _can_share(tried: Sequence[_Tried]) -> bool:
    """Two rows for one delivery have a word each, one after the other."""
    named = _deliveries(one.targets for one in tried)
    return len(tried) > 1 and len(set(named)) == len(named)


async def _record_alone(services: OutgoingServices, scope: AgencyScope, one: _Tried, began: datetime) -> None:
    with _about(one.item):
        try:
            try:
                await _write(services, scope, [one], began)
            except StaleLease:
                raise
            except GatewayError as error:
                await _write(services, scope, [_put_off(services, one.leased, error, published=True)], began)
        except StaleLease:
            _discarded(one.item)


async def _write(
    services: OutgoingServices, scope: AgencyScope, tried: Sequence[_Tried], began: datetime
) -> None:
    """In one unit: that they were being sent, and what came of each."""
    now = services.clock.now()

    async def record(work: SqlWork) -> None:
        await _note(work, began, tried, now)
        await work.events.append_all(now, [told for one in tried for told in _told(one, now)])
        await _settle(work, tried, now)
        may_answer = [(one.item, one.reached) for one in tried if one.leased.may_answer]
        await answering.end_waits_of_rows(work, may_answer, now)

    patience_s = _PATIENCE_S if len(tried) == 1 else 0.0
    await services.store.share(scope, record, patience_s=patience_s)
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


async def _settle(work: SqlWork, tried: Sequence[_Tried], now: datetime) -> None:
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


async def _note(work: SqlWork, began: datetime, tried: Sequence[_Tried], now: datetime) -> None:
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
    states = {id: (standing.word, standing.marks) for id, standing in standings.items()}
    documents = {
        target.delivery_id: one.item.subject_id
        for one in tried
        if one.item.kind is not Kind.STATUS
        for target in one.targets
        if target.delivery_id is not None
    }
    await work.deliveries.save_states(states, now, documents)


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


async def _each(works: Sequence[Awaitable[None]]) -> None:
    """Side by side; one that breaks stops none of the others."""
    if len(works) == 1:
        await works[0]
    else:
        _raise_first(await asyncio.gather(*works, return_exceptions=True))


def _raise_first(ends: Iterable[object]) -> None:
    """What broke in a way nobody foresaw, once the others have ended."""
    for end in ends:
        if isinstance(end, BaseException):
            raise end
