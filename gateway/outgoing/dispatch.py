"""Step 6 of the way out: moves one due outbox row to the axis. In: a leased row. Out: a recorded outcome per delivery:
sent, retry at, or failed; what the registry closed meanwhile is held back (`closed`). At least once: a crash after
publishing sends the same bytes again; the receiver knows the repeat by its verified content, never by a transport id."""

from __future__ import annotations

import logging
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway import log, meters
from gateway.domain.account import AgencyScope
from gateway.domain.document import Lane
from gateway.domain.event import EventKind
from gateway.domain.status import Fact, Track, fold_delivery, queued_at
from gateway.errors import GatewayError, StaleLease, TransportFailure
from gateway.outgoing import answering, closed, sign_again
from gateway.outgoing.desk import OutDesk
from gateway.policy import retry
from gateway.ports import Fate, LeasedOutbox, OutboxItem, Outcome, Parcel, Target, Work

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Said:
    """What became of one delivery."""

    code: str
    outcome: Outcome

    def fact(self, now: datetime) -> Fact:
        return Fact(
            track=Track.TRANSPORT,
            code=self.code,
            at=now,
            reason=self.outcome.code or None,
            note=self.outcome.detail or None,
            stated_at=now if self.code == "failed" else None,
        )


async def run(desk: OutDesk, leased: LeasedOutbox) -> None:
    """Publishes one row to every recipient it still has to reach, then records what became of each."""
    item, began = leased.item, desk.clock.now()
    scope = AgencyScope(agency_id=item.agency_id, principal_id="node")
    try:
        leased = await sign_again.current(desk, scope, leased)
        parcel, targets = await _prepare(desk, scope, leased)
        diverted = await closed.among(desk, parcel.kind, targets)
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
) -> tuple[Parcel, tuple[Target, ...]]:
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
    targets: tuple[Target, ...],
    outcomes: Mapping[str, Outcome],
    began: datetime,
) -> None:
    """In one unit: that it was being sent, and what came of it."""
    item, now = leased.item, desk.clock.now()
    later = [target for target in targets if outcomes[target.code].fate is Fate.LATER]
    planned = retry.next_try(
        leased.lease.attempt,
        permanent=False,
        age=now - item.created_at,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
        limit=desk.profile.retry_limit,
    )
    plan = None if isinstance(planned, retry.GiveUp) else planned
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
        await answering.run(work, item, reached, now)
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
    targets: Sequence[Target],
    outcomes: Mapping[str, Outcome],
    began: datetime,
    now: datetime,
    *,
    give_up: bool,
) -> None:
    """What is over for a recipient: sent, or failed; with `give_up` also what might still heal."""
    said = {
        target: _Said("sent" if outcome.fate is Fate.DELIVERED else "failed", outcome)
        for target in targets
        if (outcome := outcomes[target.code]).fate is not Fate.LATER or give_up
    }
    ends = {
        target.delivery_id: said[target].fact(now) if target in said else None
        for target in targets
        if target.delivery_id is not None
    }
    await _note(work, began, ends, now)
    await work.events.append_many(item.subject_id, now, [_told(target, one) for target, one in said.items()])


def _told(target: Target, said: _Said) -> tuple[EventKind, Mapping[str, object]]:
    kind = EventKind.DELIVERY_SENT if said.code == "sent" else EventKind.DELIVERY_FAILED
    why = {"code": said.outcome.code, "detail": said.outcome.detail}
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
        if fact.code == "sent":
            _time(known[id], now)
    facts = {id: [*known[id]] for id in said if id not in cancelled}
    new: set[str] = set()
    for these in ({id: _sending(began) for id in facts}, ends):
        added = await work.facts.add_many(these)
        new |= set(added)
        for id in added:
            facts[id].append(these[id])
    standings = {id: fold_delivery(facts[id]) for id in facts if id in new}
    states = {id: (standing.shown, standing.marks) for id, standing in standings.items()}
    await work.deliveries.save_states(states, now)


def _sending(began: datetime) -> Fact:
    return Fact(track=Track.TRANSPORT, code="sending", at=began, stated_at=began)


def _cancelled(known: Mapping[str, Sequence[Fact]]) -> Collection[str]:
    return {id for id, facts in known.items() if any(map(_cancels, facts))}


def _cancels(fact: Fact) -> bool:
    return fact.track is Track.TRANSPORT and fact.code == "cancelled"


def _time(facts: Sequence[Fact], now: datetime) -> None:
    """A delivery that was sent again waited from the last time that it was queued."""
    if queued := queued_at(facts):
        meters.ACCEPTED_TO_SENT.took((now - queued).total_seconds())


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
    work: Work, subject_id: str, later: list[Target], outcome: Outcome, now: datetime, delay: timedelta
) -> None:
    await work.events.append(
        EventKind.DELIVERY_RETRY,
        subject_id,
        now,
        {
            "to": [target.code for target in later],
            "code": outcome.code,
            "detail": outcome.detail,
            "next_at": (now + delay).isoformat(),
        },
    )
