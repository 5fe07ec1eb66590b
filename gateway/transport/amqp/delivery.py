"""What this node has in hand for some of its agencies: a message of the broker, or a packet joined of its parts. In: bytes,
their label, and the hosted codes they are for. Out: one `Arrival` per code, and in the end one word for all of them."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import BinaryIO

from gateway.domain.document import Lane
from gateway.ports import Arrival
from gateway.transport.amqp.label import Label


class Delivery:
    """Its arrivals are handed out one by one; it is over when each is settled, or when its time is up. `end` is told
    once whether the next owner has all of it. What came over a channel is gone with the channel."""

    def __init__(
        self,
        label: Label,
        lane: Lane,
        codes: Iterable[str],
        *,
        open: Callable[[], BinaryIO],
        end: Callable[[bool], Awaitable[None]],
        from_channel: bool = True,
        flaw: str = "",
    ) -> None:
        self._label, self.lane, self._untaken = label, lane, deque(codes)
        self._open_payload, self.end, self.from_channel, self._flaw = open, end, from_channel, flaw
        self.tokens: set[str] = set()
        self.failed = False
        self._lease: asyncio.TimerHandle | None = None

    @property
    def handed_out(self) -> bool:
        return not self._untaken

    @property
    def settled(self) -> bool:
        return not self._untaken and not self.tokens

    def next(self) -> Arrival:
        """The arrival for the next code."""
        token = secrets.token_hex(16)
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
        """The time starts anew with each arrival handed out: they may be many."""
        self.end_lease()
        self._lease = timer

    def end_lease(self) -> None:
        if self._lease is not None:
            self._lease.cancel()
