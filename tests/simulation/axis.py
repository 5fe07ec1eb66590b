"""The axis between the nodes of a world: a hub that keeps what it confirmed, and may do whatever a real one may. In:
parcels, and rates of its faults. Out: arrivals that come late, twice, in another order and again; publishes that are
cut before or after their effect; settlements that are lost."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from random import Random
from typing import BinaryIO

from gateway.domain.document import Kind, Lane
from gateway.domain.identity import Digest
from gateway.domain.registry import fold_code
from gateway.errors import NotFound, Unreachable
from gateway.ports.axis import Arrival, AxisState, DeadCause, DeadParcel, Fate, Outcome, Parcel, Promises
from gateway.transport.parcel import unroutable
from tests.simulation import sources
from tests.simulation.loop import Owner, VirtualLoop, current_owner

POISON_LIMIT = 8
# Mean of the longest time for which an answer is held, and the share of those held for longer than a lease.
_HELD_S, _HELD_LONG = 60.0, 0.1
# Answers that a node waits for come within so long, about as long as it takes to note one.
_ANSWERS_S = 0.1
# Most steps until a node writes a status that it was given.
_STEPS = 60
# Share of second copies whose bytes differ.
_REWRITTEN = 0.3


@dataclass(slots=True, kw_only=True)
class Rates:
    """Rates of faults of the axis, for each call."""

    cut: float = 0.04
    answer_lost: float = 0.04
    postponed: float = 0.03
    doubled: float = 0.03
    relabelled: float = 0.01
    settle_lost: float = 0.02
    late: float = 0.05
    ring_lost: float = 0.1
    delay_s: float = 2.0

    def calm(self) -> None:
        """Fail no more, and be quick."""
        self.cut = self.answer_lost = self.postponed = self.doubled = self.relabelled = 0.0
        self.settle_lost = self.ring_lost = self.late = 0.0
        self.delay_s = 0.05


@dataclass(slots=True, kw_only=True)
class _Item:
    number: int
    recipient: str
    parcel: Parcel
    raw: bytes
    node: str
    due_s: float
    deliveries: int = 0
    token: str = ""
    leased_to_s: float = -1.0
    dead: DeadCause | None = None


@dataclass(slots=True)
class Hub:
    """The axis itself, which no fault of a node can touch."""

    loop: VirtualLoop
    chance: Random
    rates: Rates
    tell: Callable[..., None]
    outlasts: Callable[[str, str, float], None]
    """Called with a node, a packet that it sent, and since when it had to wait for the answer."""
    writes: Callable[[str], bool]
    """Called with a node; says whether units of it wait to be written."""
    items: dict[int, _Item] = field(default_factory=dict)
    hosts: dict[str, set[str]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    bells: dict[str, Callable[[], None]] = field(default_factory=dict)
    published: int = 0
    late_answers: dict[asyncio.Future[None], tuple[str, frozenset[str], int]] = field(default_factory=dict)
    """Answers that wait until their agency is given a status of these senders, among so many arrivals."""
    answers_at_s: dict[str, float] = field(default_factory=dict)
    """Until when a node gets no answer."""
    faults: dict[str, int] = field(default_factory=dict)
    _numbers: int = 0

    def has(self, kind: str, rate: float) -> bool:
        """Draw whether the fault happens now, and count it."""
        if self.chance.random() >= rate:
            return False
        self.faults[kind] = self.faults.get(kind, 0) + 1
        return True

    def add(self, parcel: Parcel, raw: bytes, route: str, node: str) -> None:
        """Keep a parcel for a recipient; it arrives after a while, and so do the others, in any order."""
        self._numbers += 1
        self.published += 1
        is_slow = self.chance.random() < 0.1
        delay_s = self.chance.expovariate(1.0) * self.rates.delay_s * (20.0 if is_slow else 1.0)
        item = _Item(
            number=self._numbers,
            recipient=route,
            parcel=parcel,
            raw=raw,
            node=node,
            due_s=self.loop.now + delay_s,
        )
        self.items[item.number] = item
        for receiver in sorted(self.hosts.get(fold_code(route), ())):
            if not self.has("ring_lost", self.rates.ring_lost):
                self.loop.call_later(delay_s, self._ring, receiver)

    async def delay_answer(self, node: str, parcel: Parcel, routes: Sequence[str]) -> None:
        """Hold an answer back until its sender is given a status of those it sent to, which bears on the same document, as
        one of many that its node writes together; sometimes for longer than a lease."""
        answer: asyncio.Future[None] = self.loop.create_future()
        began_s, is_long = self.loop.now, self.chance.random() < _HELD_LONG
        self.late_answers[answer] = parcel.sender, frozenset(routes), self.chance.choice((1, 3, 5))
        if is_long:
            await asyncio.sleep(self.chance.uniform(60.0, 180.0))
        else:
            await asyncio.wait([answer], timeout=self.chance.expovariate(1.0) * _HELD_S)
        self.late_answers.pop(answer, None)
        self.outlasts(node, parcel.packet_id, began_s)
        # Some steps later, or as the node is about to write the status: then it may write both together.
        most = self.chance.choice((self.chance.randint(0, 6), _STEPS))
        for _ in range(most):
            await asyncio.sleep(self.loop.delay_s())
            if most == _STEPS and self.writes(node):
                return

    def gives(self, items: Sequence[_Item]) -> None:
        """Note that a node is given these arrivals."""
        statuses = {(item.recipient, item.parcel.sender) for item in items if item.parcel.kind == Kind.STATUS}
        for answer, (agency, senders, least) in self.late_answers.items():
            is_met = any((agency, sender) in statuses for sender in senders)
            if is_met and len(items) >= least and not answer.done():
                answer.set_result(None)

    def _ring(self, node: str) -> None:
        if node not in self.away and node in self.bells:
            self.bells[node]()

    def hasten(self) -> None:
        """Let all that is on its way arrive soon, and what follows too: waiting for it shows nothing more."""
        self.rates.delay_s = min(self.rates.delay_s, 1.0)
        for item in self.items.values():
            item.due_s = min(item.due_s, self.loop.now + 30.0)

    def remains(self) -> list[str]:
        """Name the parcels on the axis."""
        return [
            f"on the axis: {item.parcel.kind} {item.parcel.packet_id} to {item.recipient} ({item.dead or 'waits'})"
            for item in self.items.values()
        ]

    async def retry_dead(self) -> None:
        """Let dead parcels be delivered again, as an administrator does once all faults are over."""
        for item in self.items.values():
            if item.dead is DeadCause.TRIES:
                item.dead, item.deliveries, item.leased_to_s = None, 0, -1.0


class SimulatedAxis:
    """One process's end of the hub (the `ManagedAxis` protocol)."""

    def __init__(self, hub: Hub, node: str) -> None:
        self._hub, self._node = hub, node
        self._owner: Owner | None = current_owner()
        self._tokens: dict[str, _Item] = {}

    def _check(self) -> None:
        if self._owner is not None and self._owner.is_dead:
            raise Unreachable("this process was killed")
        if self._node in self._hub.away:
            raise Unreachable("the line to the axis is cut")

    async def _travel(self) -> None:
        """Let a call take its time on the line, in which anything else may happen."""
        hub = self._hub
        if self._owner is not None:
            self._owner.reaches("axis")
        await asyncio.sleep(hub.loop.delay_s())

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        hub = self._hub
        self._check()
        with parcel.open() as file:
            raw = file.read()
        await self._travel()
        self._check()
        if hub.has("cut", hub.rates.cut):
            raise Unreachable("the line broke before the parcel was there")
        outcomes = {}
        for route in routes:
            if not hub.hosts.get(fold_code(route)):
                outcomes[route] = unroutable(route)
            elif hub.has("postponed", hub.rates.postponed):
                outcomes[route] = Outcome(fate=Fate.RETRY, detail="the axis asks for patience")
            else:
                if hub.has("relabelled", hub.rates.relabelled):  # as anyone may publish what went by
                    hub.add(replace(parcel, packet_id=f"{parcel.packet_id}-2"), raw, route, self._node)
                hub.add(parcel, raw, route, self._node)
                if hub.has("doubled", hub.rates.doubled):
                    # An axis that reads what it carries may write the bytes around the signed part anew.
                    copy = raw + b"\n" if hub.has("rewritten", _REWRITTEN) else raw
                    digest = Digest.of_bytes(hashlib.sha256(copy).digest())
                    hub.add(replace(parcel, digest=digest, size=len(copy)), copy, route, self._node)
                outcomes[route] = Outcome(fate=Fate.DELIVERED)
        hub.tell("axis.published", self._node, f"{parcel.kind} {parcel.packet_id}")
        if (wait_s := hub.answers_at_s.get(self._node, 0.0) - hub.loop.now) > 0:
            await asyncio.sleep(max(0.0, wait_s - hub.chance.random() * _ANSWERS_S))
        elif hub.has("late", hub.rates.late):
            await hub.delay_answer(self._node, parcel, routes)
        else:
            await self._travel()
        self._check()
        if hub.has("answer_lost", hub.rates.answer_lost):
            error = Unreachable("the line broke after the parcel was there")
            error.unsure = True
            raise error
        return outcomes

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        if self._node in self._hub.away:
            return None
        return frozenset(route for route in routes if not self._hub.hosts.get(fold_code(route)))

    async def host(self, codes: Sequence[str]) -> None:
        self._check()
        for nodes in self._hub.hosts.values():
            nodes.discard(self._node)
        for code in codes:
            self._hub.hosts.setdefault(fold_code(code), set()).add(self._node)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        hub, now = self._hub, self._hub.loop.now
        self._check()
        due = [
            item
            for item in hub.items.values()
            if item.dead is None
            and item.due_s <= now
            and item.leased_to_s <= now
            and self._node in hub.hosts.get(fold_code(item.recipient), ())
        ]
        due.sort(key=lambda item: (item.parcel.lane is not Lane.URGENT, item.due_s, item.number))
        arrivals = []
        for item in due[:limit]:
            if item.deliveries >= POISON_LIMIT:
                item.dead = DeadCause.TRIES
                hub.tell("axis.dead", self._node, item.parcel.packet_id)
                continue
            item.deliveries += 1
            item.token = f"{item.number}-{item.deliveries}"
            item.leased_to_s = now + lease_s
            self._tokens[item.token] = item
            arrivals.append(self._arrival(item))
        if arrivals:
            hub.gives([self._tokens[arrival.token] for arrival in arrivals])
            await self._travel()
            self._check()
        return arrivals

    def _arrival(self, item: _Item) -> Arrival:
        parcel = item.parcel
        return Arrival(
            token=item.token,
            recipient=item.recipient,
            packet_id=parcel.packet_id,
            kind=parcel.kind,
            sender=parcel.sender,
            lane=parcel.lane,
            digest=parcel.digest,
            size=parcel.size,
            deliveries=item.deliveries,
            open=partial(BytesIO, item.raw),
            node=item.node,
        )

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        hub = self._hub
        self._check()
        if hub.has("settle_lost", hub.rates.settle_lost):
            raise Unreachable("the line broke before the parcel was settled")
        item = self._tokens.pop(arrival.token, None)
        if item is None or item.token != arrival.token or item.number not in hub.items:
            return
        if is_done:
            del hub.items[item.number]
        else:
            item.leased_to_s = -1.0
        if hub.has("settle_answer_lost", hub.rates.settle_lost):
            raise Unreachable("the line broke after the parcel was settled")

    async def put_aside(self, arrival: Arrival) -> None:
        self._check()
        item = self._tokens.pop(arrival.token, None)
        if item is not None and item.token == arrival.token:
            item.dead = DeadCause.NO_ROOM

    async def wait(self, timeout_s: float) -> None:
        await self._travel()

    async def close(self) -> None:
        for item in self._tokens.values():
            item.leased_to_s = -1.0
        self._tokens.clear()

    def promises(self) -> Promises:
        return Promises()

    def state(self) -> AxisState:
        at = datetime.fromtimestamp(sources.EPOCH_S, UTC)
        return AxisState(down_since=at) if self._node in self._hub.away else AxisState(connected_since=at)

    async def counts(self) -> Mapping[str, int]:
        items, now = self._hub.items.values(), self._hub.loop.now
        waiting = [item for item in items if item.dead is None and item.leased_to_s <= now]
        return {
            "waiting": len(waiting),
            "urgent": sum(item.parcel.lane is Lane.URGENT for item in waiting),
            "leased": sum(item.dead is None and item.leased_to_s > now for item in items),
            "dead": sum(item.dead is not None for item in items),
        }

    async def oldest(self) -> datetime | None:
        return None

    def in_hand(self) -> Mapping[str, int]:
        return {}

    async def dead_list(self) -> Sequence[DeadParcel]:
        dead = [item for item in self._hub.items.values() if item.dead is not None]
        return [self._dead(item, item.dead) for item in dead if item.dead is not None]

    def _dead(self, item: _Item, cause: DeadCause) -> DeadParcel:
        parcel = item.parcel
        return DeadParcel(
            id=str(item.number),
            recipient=item.recipient,
            packet_id=parcel.packet_id,
            kind=parcel.kind,
            sender=parcel.sender,
            lane=parcel.lane,
            digest=parcel.digest,
            size=parcel.size,
            deliveries=item.deliveries,
            dead_at=None,
            cause=cause,
            reason=str(cause),
        )

    def _find_dead(self, id: str) -> _Item:
        item = self._hub.items.get(int(id))
        if item is None or item.dead is None:
            raise NotFound(f"there is no dead parcel {id}")
        return item

    async def dead_open(self, id: str) -> BinaryIO:
        return BytesIO(self._find_dead(id).raw)

    async def dead_retry(self, id: str) -> None:
        item = self._find_dead(id)
        item.dead, item.deliveries, item.leased_to_s = None, 0, -1.0

    async def dead_drop(self, id: str, reason: str) -> None:
        del self._hub.items[self._find_dead(id).number]
