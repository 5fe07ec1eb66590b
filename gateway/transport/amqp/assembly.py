"""Brings parts to the spool, and what has become whole to the counter. In: messages that are parts. Out: deliveries of
joined packets, and of sets that never became whole with their flaw. A set is settled like a message: forgotten when all
is done, else given again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from aio_pika.abc import AbstractIncomingMessage

from gateway.log import action
from gateway.ports import Clock, Pool
from gateway.transport.amqp import label
from gateway.transport.amqp.delivery import Delivery
from gateway.transport.amqp.handout import HandOut
from gateway.transport.amqp.hosted import Hosted
from gateway.transport.amqp.label import Label
from gateway.transport.amqp.parts_label import SET, PartLabel, PartLimits, PartRefused
from gateway.transport.amqp.parts_spool import Joined, Landed, Spool

LOOK_S = 10.0  # what another process let go of is found this late
OVERDUE_S = 60.0

_log = logging.getLogger(__name__)


def is_part(message: AbstractIncomingMessage) -> bool:
    return SET in message.headers


class Assembly:
    """Holds at most as many joined packets as were asked for; their bytes stay on disk."""

    def __init__(
        self, spool: Spool, limits: PartLimits, hosted: Hosted, handout: HandOut, clock: Clock, pool: Pool
    ) -> None:
        self._spool, self._limits, self._hosted, self._handout = spool, limits, hosted, handout
        self._clock, self._pool = clock, pool
        self._looking = asyncio.Lock()
        self._look_at = self._overdue_at = 0.0
        self._stranded: set[str] = set()

    async def land(self, message: AbstractIncomingMessage) -> None:
        """The part is on disk on return. PartRefused for one that cannot be taken."""
        read = PartLabel.read(
            message.headers,
            message.user_id or None,
            packet_id=message.message_id,
            kind=message.type,
            limits=self._limits,
        )
        landing = await self._pool.run(
            partial(self._spool.land, read, message.body, label.recipients(message))
        )
        if landing.landed is Landed.REFUSED:
            raise PartRefused(landing.reason)
        self._look_at = 0.0

    async def offer(self, limit: int) -> None:
        """Puts up to `limit` packets that became whole at the counter; looks only when there may be any."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at or self._looking.locked():
            return
        async with self._looking:
            self._look_at = now + LOOK_S
            joined = await self._pool.run(partial(self._spool.complete, limit))
            if now >= self._overdue_at:
                self._overdue_at = now + OVERDUE_S
                overdue = partial(self._spool.overdue, self._clock.now(), limit)
                joined = [*joined, *await self._pool.run(overdue)]
            for each in joined:
                self._offer(each)
            if len(joined) >= limit:
                self._look_at = 0.0

    async def hosting_changed(self) -> None:
        """What was for nobody here may be for somebody now."""
        stranded, self._stranded = self._stranded, set()
        for token in stranded:
            await self._tell(self._spool.release, token)

    async def close(self) -> None:
        await self._pool.run(self._spool.close)

    def _offer(self, joined: Joined) -> None:
        read = joined.label
        try:
            codes = self._hosted.of(joined.recipients)
        except label.Unreadable as why:
            # Its agency left after the parts had come. It stays on disk, out of the way of the others.
            action(_log, "axis.stranded", str(why), packet_id=read.packet_id, node=read.user)
            self._stranded.add(joined.token)
            return
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
                    deliveries=1,
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
        if not done:
            self._look_at = 0.0

    async def _tell(self, what: Callable[[str], None], token: str) -> None:
        await self._pool.run(partial(what, token))
