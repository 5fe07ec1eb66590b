"""Brings parts to the spool, and what has become whole to the counter. In: messages that are parts. Out: deliveries of
joined packets, and of sets that never became whole with their flaw. A set is settled like a message: forgotten when all
is done, else given again. While too many whole ones wait for us, further parts stay with the broker unacknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from functools import partial

from aio_pika.abc import AbstractIncomingMessage

from gateway.errors import StoreFailure
from gateway.log import action
from gateway.ports import Clock, Pool
from gateway.transport.amqp import label
from gateway.transport.amqp.delivery import Delivery
from gateway.transport.amqp.handout import HandOut
from gateway.transport.amqp.hosted import Hosted
from gateway.transport.amqp.label import Label
from gateway.transport.amqp.parts_aside import AsideSets
from gateway.transport.amqp.parts_label import SET, PartLabel, PartLimits, PartRefused
from gateway.transport.amqp.parts_set import Aside
from gateway.transport.amqp.parts_shelf import Landing
from gateway.transport.amqp.parts_spool import Joined, Landed, Spool

LOOK_S = 10.0  # what another process let go of is found this late
OVERDUE_S = 60.0
ROOM_S = 2.0  # room that another process made is found this late

_log = logging.getLogger(__name__)


def is_part(message: AbstractIncomingMessage) -> bool:
    return SET in message.headers


class Assembly:
    """Holds at most as many joined packets as were asked for; their bytes stay on disk."""

    def __init__(
        self,
        spool: Spool,
        aside: AsideSets,
        limits: PartLimits,
        hosted: Hosted,
        handout: HandOut,
        clock: Clock,
        pool: Pool,
        node: str,
    ) -> None:
        self._spool, self._aside, self._limits = spool, aside, limits
        self._hosted, self._handout = hosted, handout
        self._clock, self._pool, self._node = clock, pool, node
        self._looking = asyncio.Lock()
        self._look_at = self._overdue_at = 0.0
        self._held_back, self._room = asyncio.Lock(), asyncio.Event()

    async def land(self, message: AbstractIncomingMessage) -> None:
        """The part is on disk on return, which may be late. PartRefused for one that cannot be taken. Whoever calls has at
        most the prefetch of these at once, and ends them with their channel."""
        read = PartLabel.read(
            message.headers,
            label.vouched(message, self._node),
            packet_id=message.message_id,
            kind=message.type,
            limits=self._limits,
        )
        land = partial(self._spool.land, read, message.body, label.recipients(message))
        landing = await self._pool.run(land)
        if landing.landed is Landed.LATER:
            landing = await self._land_later(land, landing.reason)
        if landing.landed is Landed.REFUSED:
            self._look_at = self._overdue_at = 0.0  # to be told to a person, and out of the way of a resend
            raise PartRefused(landing.reason)
        self._look_at = 0.0

    def look_soon(self) -> None:
        self._look_at = 0.0

    async def offer(self, limit: int) -> None:
        """Puts up to `limit` packets that became whole at the counter; looks only when there may be any."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at or self._looking.locked():
            return
        async with self._looking:
            self._look_at = now + LOOK_S
            found = await self._offer_all(partial(self._spool.complete, limit))
            if now >= self._overdue_at:
                self._overdue_at = now + OVERDUE_S
                found += await self._offer_all(partial(self._spool.overdue, self._clock.now(), limit))
            if found >= limit:
                self._look_at = 0.0

    async def hosting_changed(self) -> None:
        """What was for nobody here may be for somebody now."""
        await self._pool.run(partial(self._aside.hosting_changed, self._is_ours))
        self._look_at = 0.0

    async def under_way(self) -> int:
        """Sets on disk that have no end yet and wait for no person."""
        told = await self._pool.run(self._spool.counts)
        return told["sets"] - told["aside"]

    async def close(self) -> None:
        await self._pool.run(self._spool.close)

    async def _land_later(self, land: Callable[[], Landing], reason: str) -> Landing:
        """Waits until we have taken something; one asks, the others stand behind it."""
        if not self._held_back.locked():
            action(_log, "parts.held_back", reason, node=self._node)
        async with self._held_back:
            while True:
                self._room.clear()
                landing = await self._pool.run(land)
                if landing.landed is not Landed.LATER:
                    return landing
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ROOM_S):
                        await self._room.wait()

    async def _offer_all(self, ask: Callable[[], Sequence[Joined]]) -> int:
        joined = await self._pool.run(ask)
        others: list[Joined] = []
        for each in joined:
            if self._is_ours(each.recipients):
                self._offer(each)
            else:
                others.append(each)
        for each in others:  # last: these wait for the disk, and nothing may be lost sight of meanwhile
            await self._for_nobody(each)
        return len(joined)

    def _is_ours(self, recipients: Sequence[str]) -> bool:
        try:
            return bool(self._hosted.of(recipients))
        except label.Unreadable:
            return False

    async def _for_nobody(self, joined: Joined) -> None:
        """Its agency left after the parts had come, or its own recipients have it by another sending. What is whole is
        kept for a person; what never became whole was promised to nobody."""
        read, reason = joined.label, joined.flaw or "its agency left after the parts had come"
        try:
            if joined.flaw:
                await self._tell(self._spool.done, joined.token)
            else:
                await self._tell(partial(self._spool.put_aside, why=Aside.FOR_NOBODY), joined.token)
        except StoreFailure as failure:  # it is found again at the next look
            reason = f"{reason}; {failure}"
        event = "axis.parts_given_up" if joined.flaw else "axis.stranded"
        action(_log, event, reason, packet_id=read.packet_id, node=read.user)

    def _offer(self, joined: Joined) -> None:
        read, codes = joined.label, self._hosted.of(joined.recipients)
        self._handout.put(
            Delivery(
                Label(
                    packet_id=read.packet_id,
                    kind=read.kind,
                    sender=read.sender,
                    digest=joined.digest,
                    size=joined.size,
                    recipients=joined.recipients,
                    node=read.user,
                    deliveries=joined.offers,
                ),
                read.lane,
                codes,
                open=joined.open,
                end=partial(self._end, joined.token),
                from_channel=False,
                flaw=joined.flaw,
            )
        )

    async def _end(self, token: str, done: bool) -> None:
        await self._tell(self._spool.done if done else self._spool.release, token)
        self._room.set()
        if not done:
            self._look_at = 0.0

    async def _tell(self, what: Callable[[str], None], token: str) -> None:
        await self._pool.run(partial(what, token))
