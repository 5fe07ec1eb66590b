"""Hands deliveries out under a lease, and settles them. A delivery is a message of the broker, or a packet joined from
parts, for some agencies of this node. In: deliveries, and the codes this node hosts. Out: one arrival per code, urgent
lane first. Each delivery ends once: as done when all its arrivals were done, else as given back. All state is in memory:
after a crash the broker or the spool delivers again. Bindings on the broker are the administrator's; this module decides
only what is handed out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import BinaryIO

from gateway import random_source
from gateway.domain.document import Lane
from gateway.domain.pace import ordinary_places
from gateway.ports.axis import Arrival
from gateway.transport.amqp.label import Label, Unreadable
from gateway.transport.amqp.topology import LANES, routing_key


class Hosted:
    """Codes hosted by this node, compared without regard to letter case."""

    def __init__(self) -> None:
        self._codes: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self._codes)

    def set(self, codes: Sequence[str]) -> None:
        self._codes = {routing_key(code): code.strip() for code in codes}

    def hosted_codes(self, recipients: Sequence[str]) -> list[str]:
        """Return our codes among the recipients, in our spelling. Unreadable when there is none."""
        keys = dict.fromkeys(routing_key(recipient) for recipient in recipients)
        codes = [self._codes[key] for key in keys if key in self._codes]
        if not codes:
            raise Unreadable(f"nobody of {', '.join(list(keys)[:10])} is hosted here")
        return codes


class BrokerDelivery:
    """One delivery, handed out as one arrival per code. It is over when all arrivals are settled or its lease ends.
    `end` is called once, with True when every arrival was done, or `put_aside` when one was put aside. A delivery with
    `from_channel` ends with the channel."""

    def __init__(
        self,
        label: Label,
        lane: Lane,
        codes: Iterable[str],
        *,
        open: Callable[[], BinaryIO],
        end: Callable[[bool], Awaitable[None]],
        put_aside: Callable[[], Awaitable[None]],
        from_channel: bool = True,
        flaw: str = "",
    ) -> None:
        self._label, self.lane, self._untaken = label, lane, deque(codes)
        self._open_payload, self.end, self.from_channel, self._flaw = open, end, from_channel, flaw
        self.put_aside = put_aside
        self.tokens: set[str] = set()
        self.failed = self.is_aside = False
        self._lease: asyncio.TimerHandle | None = None

    @property
    def handed_out(self) -> bool:
        """True once an arrival was made for every code."""
        return not self._untaken

    @property
    def settled(self) -> bool:
        """True once every arrival was handed out and settled."""
        return not self._untaken and not self.tokens

    def next(self) -> Arrival:
        """Make the arrival for the next code, under a new token."""
        token = random_source.token_hex(16)
        self.tokens.add(token)
        label = self._label
        return Arrival(
            token=token,
            recipient=self._untaken.popleft(),
            packet_id=label.packet_id,
            kind=label.kind,
            sender=label.sender,
            lane=self.lane,
            digest=label.digest,
            size=label.size,
            deliveries=label.deliveries,
            open=self._open_payload,
            node=label.node,
            flaw=self._flaw,
        )

    def lease(self, timer: asyncio.TimerHandle) -> None:
        """Restart the lease of the whole delivery with this timer; each arrival handed out does so, because they may be
        many."""
        self.end_lease()
        self._lease = timer

    def end_lease(self) -> None:
        if self._lease is not None:
            self._lease.cancel()


class HandOut:
    """Queue of deliveries ready to hand out, and of those under a lease. Its callers bound their number."""

    def __init__(self) -> None:
        self._ready: dict[Lane, deque[BrokerDelivery]] = {lane: deque() for lane in LANES}
        self._open: dict[str, BrokerDelivery] = {}
        self._something = asyncio.Event()
        self._ending: dict[asyncio.Future[None], None] = {}
        self._turns = count()

    @property
    def leased(self) -> int:
        """Number of arrivals handed out and not settled."""
        return len(self._open)

    def waiting(self, *lanes: Lane) -> int:
        """Count deliveries in these lanes (default: all) that have arrivals left to hand out."""
        return sum(len(self._ready[lane]) for lane in lanes or LANES)

    @property
    def joined(self) -> int:
        """Number of waiting deliveries that were joined from parts on disk."""
        return sum(not delivery.from_channel for lane in LANES for delivery in self._ready[lane])

    def add(self, delivery: BrokerDelivery) -> None:
        self._ready[delivery.lane].append(delivery)
        self._something.set()

    def take(self, limit: int, lease_s: float) -> list[Arrival]:
        """Hand out up to `limit` arrivals: urgent lane first, with a share kept for the oldest normal ones."""
        share = ordinary_places(limit, next(self._turns))
        normal = self._take(Lane.NORMAL, share, lease_s)
        urgent = self._take(Lane.URGENT, limit - len(normal), lease_s)
        remaining = self._take(Lane.NORMAL, limit - len(normal) - len(urgent), lease_s)
        self._note()
        return [*urgent, *normal, *remaining]

    def _take(self, lane: Lane, limit: int, lease_s: float) -> list[Arrival]:
        arrivals: list[Arrival] = []
        ready = self._ready[lane]
        while ready and len(arrivals) < limit:
            delivery = ready[0]
            arrivals.append(self._hand_out(delivery, lease_s))
            if delivery.handed_out:
                ready.popleft()
        return arrivals

    async def settle(self, token: str, *, is_done: bool, is_aside: bool = False) -> None:
        """Settle one arrival; the last one ends its delivery. A stale token changes nothing."""
        delivery = self._open.pop(token, None)
        if delivery is None:
            return
        delivery.tokens.discard(token)
        delivery.failed |= not is_done
        delivery.is_aside |= is_aside
        if delivery.settled:
            delivery.end_lease()
            await (delivery.put_aside() if delivery.is_aside else delivery.end(not delivery.failed))

    async def wait_for_delivery(self) -> None:
        """Wait until a delivery can be taken."""
        await self._something.wait()

    def forget_channel(self) -> None:
        """Drop the deliveries of a closed channel; their tokens become stale."""
        for delivery in dict.fromkeys(
            (*self._open.values(), *(d for lane in LANES for d in self._ready[lane]))
        ):
            if delivery.from_channel:
                self._let_go(delivery)

    async def close(self) -> None:
        """Drop every leased delivery without ending it, so that its source delivers it again, and stop background work."""
        for delivery in dict.fromkeys(self._open.values()):
            self._let_go(delivery)
        for ended in self._ending:
            ended.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def run_in_background(self, work: Awaitable[None]) -> None:
        """Run work that ends by itself within its own time limit; `close` cancels it."""
        ending = asyncio.ensure_future(work)
        self._ending[ending] = None
        ending.add_done_callback(self._ending.pop)

    def _hand_out(self, delivery: BrokerDelivery, lease_s: float) -> Arrival:
        arrival = delivery.next()
        self._open[arrival.token] = delivery
        delivery.lease(asyncio.get_running_loop().call_later(lease_s, self._run_out, delivery))
        return arrival

    def _run_out(self, delivery: BrokerDelivery) -> None:
        """Give a delivery back when its lease has run out; its tokens become stale."""
        self._let_go(delivery)
        self.run_in_background(delivery.end(False))

    def _let_go(self, delivery: BrokerDelivery) -> None:
        """Remove a delivery from the queue and from the leases."""
        for token in sorted(delivery.tokens):
            self._open.pop(token, None)
        delivery.end_lease()
        with contextlib.suppress(ValueError):
            self._ready[delivery.lane].remove(delivery)
        self._note()

    def _note(self) -> None:
        if not any(self._ready.values()):
            self._something.clear()
