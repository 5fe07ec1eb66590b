"""Step 6 of the way out moves due outbox rows to the axis, in one pass of prepare, publish and record. In: leased rows of
one agency. Out: a recorded outcome per delivery (sent, retry at a time, or failed); documents that were answered name
their answers (R52, reply links; R53, classes of reply). A fault in one row never stops another. Delivery is at least
once: a crash after publishing sends the same bytes again, and the receiver recognises the repeat by its verified content,
never by a transport id. A packet whose key may sign no more is signed again first (`sign_again`); one to a recipient that
was closed meanwhile is diverted (`divert`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from io import BytesIO
from typing import BinaryIO

from gateway import log, meters, random_source, time_source
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind, Lane
from gateway.domain.event import EventKind
from gateway.domain.queues import LeasedOutbox, OutboxItem, OutboxTarget
from gateway.domain.routes import FRESH, Trail
from gateway.domain.states import State, Track
from gateway.domain.status import NO_QUEUE, Fact, fold_delivery, queued_at
from gateway.errors import GatewayError, Refused, StaleLease, TransportFailure, as_gateway_error
from gateway.outgoing import answering
from gateway.outgoing.check import name_ended_sender
from gateway.outgoing.divert import Diverted, divert_closed
from gateway.outgoing.services import OutgoingServices
from gateway.outgoing.sign_again import KeyFaults, under_current_key
from gateway.policy import upkeep
from gateway.ports.axis import UNROUTABLE, Fate, Outcome, Parcel
from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)


# Large envelopes are published alone, so that small ones do not wait for the upload to be recorded.
_LARGE = 256 * 1024
_AT_ONCE = timedelta()
# For so long after its creation a row that this process wrote is sent without reading it again. Later its document may
# have been sealed.
_MOMENT = timedelta(seconds=1)
# The outcome of a single row may wait for so long to share the commit of another unit of work. The next row to send is
# written by such a unit, so nothing waits behind this one.
_PATIENCE_S = 0.05


def group_into_passes(rows: Sequence[LeasedOutbox]) -> Sequence[Sequence[LeasedOutbox]]:
    """Group rows into publish passes, keeping their order."""
    groups: dict[str, list[LeasedOutbox]] = {}
    for row in rows:
        alone = row.item.id if row.item.envelope_size > _LARGE else ""
        groups.setdefault(alone or row.item.agency_id, []).append(row)
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class _Ready:
    """Outbox row that can be published, with the recipients it still has to reach."""

    leased: LeasedOutbox
    open: Callable[[], BinaryIO]
    targets: Sequence[OutboxTarget]


@dataclass(frozen=True, slots=True, kw_only=True)
class _TriedRow:
    """Outbox row after one attempt to publish it: the outcome per recipient code, recipients that are finished, codes
    that were reached, and recipients that are retried after `delay`; None where no further attempt is made."""

    leased: LeasedOutbox
    item: OutboxItem
    targets: Sequence[OutboxTarget]
    outcomes: Mapping[str, Outcome]
    finished: Sequence[OutboxTarget]
    reached: Sequence[str]
    retried: Sequence[OutboxTarget]
    delay: timedelta | None

    @property
    def waiting(self) -> list[OutboxTarget]:
        """Recipients that are retried, each with the trail of this attempt."""
        attempt = self.leased.lease.attempt
        return [_update_target(target, self.outcomes[target.code], attempt) for target in self.retried]


async def run(services: OutgoingServices, rows: Sequence[LeasedOutbox]) -> None:
    """Publish each row to every recipient it still has to reach, side by side, then record the outcomes. Where preparing
    the rows together fails, each row is run alone."""
    began = services.clock.now()
    scope = AgencyScope(agency_id=rows[0].item.agency_id, principal_id="node")
    try:
        ready = await _prepare(services, scope, rows)
    except Exception as error:  # reason: each row alone shows which one is at fault
        if len(rows) > 1:
            await _run_all([run(services, [row]) for row in rows])
        else:
            await _record(services, scope, [_put_off(services, rows[0], _wrap(rows[0].item, error))], began)
        return
    faults = KeyFaults(services)
    calls = [_hand_over(services, scope, row, faults) for row in ready]
    # A single packet needs no task of its own.
    ends = [await calls[0]] if len(calls) == 1 else await asyncio.gather(*calls, return_exceptions=True)
    tried_rows = [end for end in ends if isinstance(end, _TriedRow)]
    await _record(services, scope, tried_rows, began)
    if any(row.retried and row.delay == _AT_ONCE for row in tried_rows):
        services.wake_couriers()
    _raise_first(ends)


async def _prepare(
    services: OutgoingServices, scope: AgencyScope, rows: Sequence[LeasedOutbox]
) -> list[_Ready]:
    """Open the envelopes of the rows in one view, and leave out cancelled deliveries. No delivery can be cancelled after
    the claim, since the row may have left. A row that this process wrote under this lease a moment ago needs no query."""
    now, ready, unchecked = services.clock.now(), list[_Ready](), list[LeasedOutbox]()
    for row in rows:
        opener = row.open if row.body is None else partial(BytesIO, row.body)
        if opener is not None and timedelta() <= now - row.item.created_at <= _MOMENT:
            ready.append(_Ready(row, opener, row.item.targets))
        else:
            unchecked.append(row)
    if not unchecked:
        return ready
    async with services.store.read(scope) as work:
        delivery_ids = _delivery_ids(row.item.targets for row in unchecked)
        cancelled = _cancelled_ids(await work.facts.of_subjects(delivery_ids)) if delivery_ids else ()
        openers = await services.blobs.open_all(work, {row.item.envelope_digest for row in unchecked})
    return ready + [
        _Ready(
            leased=row,
            open=openers[row.item.envelope_digest],
            targets=[target for target in row.item.targets if target.delivery_id not in cancelled],
        )
        for row in unchecked
    ]


def _delivery_ids(targets: Iterable[Sequence[OutboxTarget]]) -> list[str]:
    """Return the delivery ids of these recipients; answers have none."""
    return [t.delivery_id for row_targets in targets for t in row_targets if t.delivery_id is not None]


async def _hand_over(
    services: OutgoingServices, scope: AgencyScope, ready: _Ready, faults: KeyFaults
) -> _TriedRow | None:
    """Publish one row to its recipients and return it with the outcomes; None where another courier owns it by now."""
    leased, targets = ready.leased, ready.targets
    with _log_context(leased.item):
        try:
            leased, opener = await under_current_key(services, scope, leased, ready.open, faults)
            doubtful = {target.code for target in targets if _may_have_left(leased, target)}
            diverted = await divert_closed(services, scope, leased.item, targets, doubtful)
            codes = diverted.routes(targets)
            parcel = _make_parcel(leased.item, opener, _trails(leased, targets, diverted))
            published = await _publish(services, parcel, codes) if codes else {}
            outcomes = diverted.outcomes(targets, published)
            outcomes |= await _wait_for_queues(services, scope, targets, outcomes)
            return _make_tried_row(services, leased, targets, outcomes)
        except StaleLease:
            _log_discarded(leased.item)
            return None
        except Exception as error:  # reason: an unforeseen error is retried like others, and logged
            failure = await name_ended_sender(services, leased.item.sender_code, _wrap(leased.item, error))
            return _put_off(services, leased, failure, published=not isinstance(error, GatewayError))


def _wrap(item: OutboxItem, error: Exception) -> GatewayError:
    if not isinstance(error, GatewayError):
        with _log_context(item):
            log.log_unforeseen(_log, "outbox.broke", error)
    return as_gateway_error(error)


def _may_have_left(leased: LeasedOutbox, target: OutboxTarget) -> bool:
    """Tell whether an earlier attempt may have reached its axis: one without a recorded outcome, or an unsure one."""
    is_unsure = target.trail is not None and target.trail.unsure
    return is_unsure or leased.lease.attempt > target.tried + 1


def _trails(leased: LeasedOutbox, targets: Sequence[OutboxTarget], diverted: Diverted) -> Mapping[str, Trail]:
    """Return the trails of earlier attempts by the code that is published to."""
    trails = dict[str, Trail]()
    for target in targets:
        trail = target.trail or FRESH
        if _may_have_left(leased, target):
            trail = replace(trail, unsure=True)
        if trail != FRESH:
            trails[diverted.heirs.get(target.code, target.code)] = trail
    return trails


def _update_target(target: OutboxTarget, last: Outcome, attempt: int) -> OutboxTarget:
    """Return the recipient with the trail of its last attempt."""
    if last.unsure and not last.axis:
        return target  # an outcome without an axis leaves no trail
    trail = Trail(axis=last.axis, unsure=last.unsure, refused=last.refused) if last.axis else target.trail
    return replace(target, trail=trail, tried=attempt)


def _make_parcel(item: OutboxItem, opener: Callable[[], BinaryIO], trails: Mapping[str, Trail]) -> Parcel:
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
    """Publish the parcel to these codes; a failure of the axis becomes the outcome of every code."""
    meters.PUBLISHED.add(lane=parcel.lane)
    started = time_source.monotonic()
    try:
        return await services.axis.publish(parcel, codes)
    except TransportFailure as error:
        fate = Fate.NEVER if error.permanent else Fate.RETRY
        outcome = Outcome(fate=fate, code=error.code, detail=str(error), unsure=error.unsure)
        return dict.fromkeys(codes, outcome)
    finally:
        meters.PUBLISH.observe(time_source.monotonic() - started, lane=parcel.lane)


async def _wait_for_queues(
    services: OutgoingServices,
    scope: AgencyScope,
    targets: Sequence[OutboxTarget],
    outcomes: Mapping[str, Outcome],
) -> Mapping[str, Outcome]:
    """Return other outcomes for recipients that no queue of the axis takes, though they received before: a queue or binding
    is missing for now, as on a broker that was restored without its definitions. An answer goes to a code that sent."""
    lacking = [target for target in targets if outcomes[target.code].code == UNROUTABLE]
    codes = {target.code for target in lacking if target.delivery_id is not None}
    reached = {target.code for target in lacking if target.delivery_id is None}
    if codes:
        async with services.store.read(scope) as work:
            reached |= await work.deliveries.find_reached(codes)
    return {
        code: replace(outcome, fate=Fate.RETRY, code=NO_QUEUE)
        for code, outcome in outcomes.items()
        if code in reached
    }


def _make_tried_row(
    services: OutgoingServices,
    leased: LeasedOutbox,
    targets: Sequence[OutboxTarget],
    outcomes: Mapping[str, Outcome],
) -> _TriedRow:
    """Sort the recipients by their outcomes, and plan the next attempt for those to retry."""
    retried = [target for target in targets if outcomes[target.code].fate is Fate.RETRY]
    delay = _next_delay(services, leased, [outcomes[target.code] for target in retried]) if retried else None
    if delay is None:
        retried = []
    return _TriedRow(
        leased=leased,
        item=leased.item,
        targets=targets,
        outcomes=outcomes,
        finished=[t for t in targets if outcomes[t.code].fate is not Fate.RETRY] if retried else targets,
        reached=[target.code for target in targets if outcomes[target.code].fate is Fate.DELIVERED],
        retried=retried,
        delay=delay,
    )


def _next_delay(
    services: OutgoingServices, leased: LeasedOutbox, outcomes: Sequence[Outcome]
) -> timedelta | None:
    """Return the delay before the next attempt; None once the time for attempts is over."""
    if any(o.at_once for o in outcomes):
        return _AT_ONCE  # another axis can be tried now
    planned = upkeep.next_try(
        leased.lease.attempt,
        permanent=False,
        age=services.aging.now() - leased.item.created_at,
        chance=random_source.fraction(),  # jitter, not a secret
        limit=services.profile.retry_limit,
    )
    return None if isinstance(planned, upkeep.GiveUp) else planned


def _put_off(
    services: OutgoingServices, leased: LeasedOutbox, error: GatewayError, *, published: bool = False
) -> _TriedRow:
    """Plan another attempt after a fault of our own, such as an envelope whose file is missing. The row is retried as if
    its axis were down, and fails visibly once the time for attempts is over. With `published` the axis may have the
    packet, since its answer is unknown."""
    item = leased.item
    with _log_context(item):
        log.action(_log, "outbox.postponed", str(error), code=error.code)
    # What breaks a rule now will not keep it later: an agency that ended signs no more.
    fate = Fate.NEVER if isinstance(error, Refused) else Fate.RETRY
    outcome = Outcome(fate=fate, code=error.code, detail=str(error), unsure=published)
    return _make_tried_row(services, leased, item.targets, {t.code: outcome for t in item.targets})


async def _record(
    services: OutgoingServices, scope: AgencyScope, rows: Sequence[_TriedRow], began: datetime
) -> None:
    """Record all rows in one unit of work; where that fails, each in its own, so that a bad row does not hold back
    others."""
    if _can_share(rows):
        try:
            await _write(services, scope, rows, began)
            return
        except Exception as error:  # reason: recording each row shows which one is at fault
            log.action(_log, "outbox.recorded_apart", f"{type(error).__name__}: {error}", rows=len(rows))
    await _run_all([_record_alone(services, scope, row, began) for row in rows])


def _can_share(rows: Sequence[_TriedRow]) -> bool:
    """Tell whether the rows may share a unit of work. Two rows of one delivery are recorded one after the other."""
    delivery_ids = _delivery_ids(row.targets for row in rows)
    return len(rows) > 1 and len(set(delivery_ids)) == len(delivery_ids)


async def _record_alone(
    services: OutgoingServices, scope: AgencyScope, row: _TriedRow, began: datetime
) -> None:
    """Record one row in a unit of its own; where that fails, record that it is retried."""
    with _log_context(row.item):
        try:
            try:
                await _write(services, scope, [row], began)
            except StaleLease:
                raise
            except GatewayError as error:
                await _write(services, scope, [_put_off(services, row.leased, error, published=True)], began)
        except StaleLease:
            _log_discarded(row.item)


async def _write(
    services: OutgoingServices, scope: AgencyScope, rows: Sequence[_TriedRow], began: datetime
) -> None:
    """Record the attempt and its outcomes for these rows in one unit of work, then count the outcomes."""
    now = services.clock.now()

    async def record(work: SqlWork) -> None:
        await _record_facts(work, began, rows, now)
        await work.events.append_all(now, [event for row in rows for event in _list_events(row, now)])
        await _settle(work, rows, now)
        may_answer = [(row.item, row.reached) for row in rows if row.leased.may_answer]
        await answering.end_waits_of_rows(work, may_answer, now)

    patience_s = _PATIENCE_S if len(rows) == 1 else 0.0
    await services.store.share(scope, record, patience_s=patience_s)
    for row in rows:
        for target in row.targets:
            _count(row.item.lane, row.outcomes[target.code], is_retried=row.delay is not None)


def _count(lane: Lane, outcome: Outcome, *, is_retried: bool) -> None:
    if outcome.fate is Fate.DELIVERED:
        meters.CONFIRMED.add(lane=lane)
    elif outcome.fate is Fate.NEVER:
        meters.RETURNED.add(code=outcome.code)
    elif is_retried:
        meters.RETRIED.add(code=outcome.code)
    else:
        meters.GIVEN_UP.add(code=outcome.code)


async def _settle(work: SqlWork, rows: Sequence[_TriedRow], now: datetime) -> None:
    """Mark each row in the outbox as waiting for a retry, failed, or sent."""
    sent = []
    for row in rows:
        lease, retry = row.leased.lease, row.retried
        if retry and row.delay is not None:
            await work.outbox.retry(lease, now + row.delay, row.waiting, _text(row.outcomes[retry[0].code]))
        elif row.targets and not row.reached:
            await work.outbox.mark_failed(lease, now, _text(row.outcomes[row.targets[0].code]))
        else:
            sent.append(lease)
    await work.outbox.mark_sent(sent, now)


def _text(outcome: Outcome) -> str:
    return f"{outcome.code}: {outcome.detail}"


async def _record_facts(work: SqlWork, began: datetime, rows: Sequence[_TriedRow], now: datetime) -> None:
    """Add to each delivery the fact that it was being sent, and its outcome if it is finished; then save its new state.
    Cancelled deliveries stay as they are."""
    delivery_ids = _delivery_ids(row.targets for row in rows)
    if not delivery_ids:
        return
    facts_by_delivery = await work.facts.of_subjects(delivery_ids)
    cancelled = _cancelled_ids(facts_by_delivery)
    sending = Fact(track=Track.TRANSPORT, code=State.SENDING, at=began, stated_at=began)
    new_facts = {id: [sending] for id in facts_by_delivery if id not in cancelled}
    for row in rows:
        for target in row.retried:
            if target.delivery_id in new_facts and row.outcomes[target.code].code == NO_QUEUE:
                new_facts[target.delivery_id] = [replace(sending, reason=NO_QUEUE)]
        for target in row.finished:
            if target.delivery_id in new_facts:
                new_facts[target.delivery_id].append(_make_fact(row.outcomes[target.code], now))
    unsaved: dict[str, list[Fact]] = {}
    for id, facts in new_facts.items():
        identities = {fact.identity for fact in facts_by_delivery[id]}
        if fresh := [fact for fact in facts if fact.identity not in identities]:
            unsaved[id] = fresh
        # For a delivery that was sent again, the wait counts from the last time it was queued.
        if facts[-1].code == State.SENT and (queued := queued_at(facts_by_delivery[id])):
            work.when_committed(partial(meters.ACCEPTED_TO_SENT.observe, (now - queued).total_seconds()))
    await work.facts.add_all([(id, fact) for id, facts in unsaved.items() for fact in facts])
    standings = {id: fold_delivery([*facts_by_delivery[id], *facts]) for id, facts in unsaved.items()}
    states = {id: (standing.word, standing.marks) for id, standing in standings.items()}
    documents = {
        target.delivery_id: row.item.subject_id
        for row in rows
        if row.item.kind is not Kind.STATUS
        for target in row.targets
        if target.delivery_id is not None
    }
    await work.deliveries.save_states(states, now, documents)


def _make_fact(outcome: Outcome, now: datetime) -> Fact:
    sent = outcome.fate is Fate.DELIVERED
    return Fact(
        track=Track.TRANSPORT,
        code=State.SENT if sent else State.FAILED,
        at=now,
        reason=outcome.code or None,
        note=outcome.detail or None,
        stated_at=None if sent else now,
        axis=outcome.axis or None,
        handed=outcome.handed if sent else None,
        heir=outcome.heir if sent else None,
    )


def _cancelled_ids(facts_by_delivery: Mapping[str, Sequence[Fact]]) -> Collection[str]:
    return {
        id
        for id, facts in facts_by_delivery.items()
        if any(fact.track is Track.TRANSPORT and fact.code == State.CANCELLED for fact in facts)
    }


def _list_events(row: _TriedRow, now: datetime) -> Iterator[tuple[str, EventKind, Mapping[str, object]]]:
    """Yield the events of a row: the outcome of each finished recipient, and one retry event per error code."""
    for target in row.finished:
        outcome = row.outcomes[target.code]
        sent = outcome.fate is Fate.DELIVERED
        kind = EventKind.DELIVERY_SENT if sent else EventKind.DELIVERY_FAILED
        why: dict[str, object] = {"code": outcome.code, "detail": outcome.detail, **_axis_data(outcome)}
        yield row.item.subject_id, kind, {"to": target.code, "delivery": target.delivery_id, **why}
    if row.delay is None:
        return
    retried = [(target.code, row.outcomes[target.code]) for target in row.retried]
    for code in sorted({outcome.code for _, outcome in retried}):
        alike = [(to, outcome) for to, outcome in retried if outcome.code == code]
        event_data = {
            "to": [to for to, _ in alike],
            "code": code,
            "detail": alike[0][1].detail,
            "next_at": (now + row.delay).isoformat(),
            **_axis_data(alike[0][1]),
        }
        yield row.item.subject_id, EventKind.DELIVERY_RETRY, event_data


def _axis_data(outcome: Outcome) -> Mapping[str, object]:
    event_data: dict[str, object] = {"axis": outcome.axis} if outcome.axis else {}
    if outcome.handed is not None:
        event_data |= {"form": outcome.handed.form, "handed": outcome.handed.digest}
    return event_data


def _log_discarded(item: OutboxItem) -> None:
    log.action(_log, "outbox.discarded", "another courier owns this row now", outbox=item.id)


def _log_context(item: OutboxItem) -> AbstractContextManager[None]:
    """Return a context that adds the row's ids to every log line written inside."""
    return log.bound(outbox=item.id, document=item.subject_id, packet=item.packet_id, agency=item.sender_code)


async def _run_all(works: Sequence[Awaitable[None]]) -> None:
    """Await all side by side; a failure of one does not stop the others."""
    if len(works) == 1:
        await works[0]
    else:
        _raise_first(await asyncio.gather(*works, return_exceptions=True))


def _raise_first(ends: Iterable[object]) -> None:
    """Raise the first unforeseen error among the ends of several calls."""
    for end in ends:
        if isinstance(end, BaseException):
            raise end
