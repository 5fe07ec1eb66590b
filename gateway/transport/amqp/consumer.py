"""Fetches the messages for this node. In: messages pushed by the broker, up to the prefetch of each lane. Out:
deliveries in the handout, parts on disk, and packets joined from parts. An unreadable message, or one for no code hosted
here, goes to the dead queue, because a retry would not help.

A set of parts is settled like a message: remembered as ended when all its arrivals are done, else handed out again; one
that did not become whole is handed out with its flaw. While too many whole sets wait for this node, further parts stay
unacknowledged at the broker."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.abc import AbstractChannel as AbstractUnderlayChannel

from gateway import time_source
from gateway.domain.document import Lane
from gateway.errors import StoreFailure, Unreachable
from gateway.log import action
from gateway.ports.services import Clock, Pool
from gateway.transport.amqp import label
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.connection import (
    BROKEN,
    LONGEST_PAUSE_S,
    Link,
    await_answer,
    describe_error,
    is_missing,
    repeat_until_done,
)
from gateway.transport.amqp.dead import ParkedSets
from gateway.transport.amqp.handout import BrokerDelivery, HandOut, Hosted
from gateway.transport.amqp.label import SET, Label, PartLabel, PartLimits, PartRefused
from gateway.transport.amqp.parts_set import ParkedReason
from gateway.transport.amqp.parts_shelf import Landing
from gateway.transport.amqp.parts_spool import JoinedParts, Landed, Spool
from gateway.transport.parcel import Together

# Without a taker, deliveries return to the broker after this time, before it takes this node for stuck.
REST_S = 60.0
ANSWER_S = 10.0

_log = logging.getLogger(__name__)
LOOK_S = 10.0  # longest delay until a set that another process released is found
OVERDUE_S = 60.0
ROOM_S = 2.0  # longest delay until room that another process made is found


class Consumer:
    """Consumer of the node's two lane queues. It starts at the first `ask`, and pauses after a time without one."""

    def __init__(
        self,
        link: Link,
        node: str,
        hosted: Hosted,
        handout: HandOut,
        assembly: Assembly,
        *,
        clock: Clock,
        prefetch: int,
        rest_s: float = REST_S,
    ) -> None:
        self._link, self._node, self._hosted, self._clock = link, node, hosted, clock
        self._handout, self._assembly = handout, assembly
        self._prefetch, self._rest_s = prefetch, rest_s
        self._asked, self._asked_at, self._waiting = asyncio.Event(), 0.0, 0
        self._fetching: asyncio.Task[None] | None = None
        self._closed = False
        self.reason = ""
        self.missing_since: datetime | None = None
        """Since when the node's queues are not on the broker."""

    def ask(self) -> None:
        """Start fetching, or keep it going for `rest_s` more."""
        self._asked_at = time_source.monotonic()
        self._asked.set()
        if not self._closed and (self._fetching is None or self._fetching.done()):
            self._fetching = asyncio.create_task(self._fetch(), name=f"fetch {self._node}")

    @contextlib.contextmanager
    def keep_fetching(self) -> Iterator[None]:
        """Keep fetching for the duration of the body."""
        self.ask()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self.ask()

    async def close(self) -> None:
        """Stop fetching and close the channel, which returns unsettled messages to the broker."""
        self._closed = True
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch(self) -> None:
        """Consume until the channel is lost or no one asks, and consume again on demand."""
        while True:
            channel, lost = await repeat_until_done(self._consume, self._failed)
            if self.missing_since is not None:
                action(_log, "axis.fetching", node=self._node)
            self.reason, self.missing_since = "", None
            try:
                idle = await self._until_lost_or_idle(lost)
            finally:
                await self._close_channel(channel)
            if idle:
                await self._asked.wait()

    async def _until_lost_or_idle(self, lost: asyncio.Event) -> bool:
        """Wait until the channel is lost (False), or until nothing was asked for a while and nothing is leased (True)."""
        while not lost.is_set():
            remaining_s = self._asked_at + self._rest_s - time_source.monotonic()
            if remaining_s <= 0 and not self._waiting and not self._handout.leased:
                self._asked.clear()
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(remaining_s, self._rest_s / 4)):
                    await lost.wait()
        return False

    async def _consume(self) -> tuple[AbstractChannel, asyncio.Event]:
        """Open a channel that consumes both lanes; return it with an event that is set when it is lost."""
        channel, lost = await self._link.channel(LONGEST_PAUSE_S), asyncio.Event()
        try:
            await self._consume_on(channel, lost)
        except BaseException:  # also on cancellation: no half-opened consumer may stay behind
            await self._close_channel(channel)
            raise
        return channel, lost

    async def _consume_on(self, channel: AbstractChannel, lost: asyncio.Event) -> None:
        channel.close_callbacks.add(lambda *_: lost.set())
        underlay = await await_answer(channel.get_underlay_channel(), ANSWER_S)
        ends = _Ends(underlay)
        underlay.on_consumer_cancel_callbacks.add(lambda _: lost.set())  # the queue was removed
        await await_answer(channel.set_qos(prefetch_count=self._prefetch), ANSWER_S)
        for lane in names.LANES:
            queue = await channel.get_queue(names.lane_queue(self._node, lane), ensure=False)
            await await_answer(queue.consume(partial(self._arrived, lane, ends)), ANSWER_S)

    async def _close_channel(self, channel: AbstractChannel) -> None:
        """Forget the channel's deliveries and close it, which returns its messages to the broker."""
        self._handout.forget_channel()
        with contextlib.suppress(*BROKEN):
            await await_answer(channel.close(), ANSWER_S)

    def _failed(self, error: BaseException, _: int) -> None:
        reason = describe_error(error)
        if is_missing(error):
            self.missing_since = self.missing_since or self._clock.now()
        if reason != self.reason and not isinstance(
            error, Unreachable | ConnectionError
        ):  # the link says these
            _log.error(reason, extra={"action": "axis.not_fetching", "node": self._node})
        self.reason = reason

    async def _arrived(self, lane: Lane, ends: _Ends, message: AbstractIncomingMessage) -> None:
        """Route one pushed message: store a part, hand out a readable message, reject any other to the dead queue."""
        try:
            codes = self._hosted.hosted_codes(label.recipients(message))
            if is_part(message):
                await self._assembly.land(message)
                self._handout.run_in_background(ends.end(message, True))
            else:
                self._handout.add(_delivery(message, lane, codes, self._node, ends))
        except (label.Unreadable, PartRefused) as why:
            action(_log, "axis.refused", str(why), packet_id=message.message_id, node=message.user_id)
            self._handout.run_in_background(ends.bury(message))
        except StoreFailure as why:
            action(_log, "axis.part_not_kept", str(why), packet_id=message.message_id)
            self._handout.run_in_background(self._again_later(ends, message))

    async def _again_later(self, ends: _Ends, message: AbstractIncomingMessage) -> None:
        """Return the message after a pause that gives a full disk time: each return counts against the delivery limit."""
        await asyncio.sleep(self._rest_s)
        await ends.end(message, False)


def _delivery(
    message: AbstractIncomingMessage, lane: Lane, codes: Sequence[str], node: str, ends: _Ends
) -> BrokerDelivery:
    """Make a delivery of a whole message; Unreadable when its label is bad or does not fit its bytes."""
    read = label.read(message, node)
    label.must_fit(read, message.body)
    return BrokerDelivery(
        read,
        lane,
        codes,
        open=partial(io.BytesIO, message.body),
        end=partial(ends.end, message),
        put_aside=partial(ends.bury, message),
    )


class _Ends:
    """Ends the deliveries of one channel. A lost connection needs no answer: the broker delivers again.

    The broker numbers the deliveries of a channel from 1, and one acknowledgement may end all up to a number. It is used
    where every number up to it has ended here, so that a message which is still at work, or has not even been read from the
    line, is never among them."""

    def __init__(self, channel: AbstractUnderlayChannel) -> None:
        self._channel = channel
        self._upto, self._ended = 0, set[int]()  # the number up to which all have ended, and those above it
        self._acknowledging = Together(self._acknowledge)

    async def end(self, message: AbstractIncomingMessage, is_done: bool) -> None:
        """Acknowledge the message, or return it to its queue."""
        with contextlib.suppress(*BROKEN):
            if is_done:
                await self._acknowledging.ask(message.delivery_tag or 0)
            else:
                await await_answer(message.nack(requeue=True), ANSWER_S)
                self._note([message.delivery_tag or 0])

    async def bury(self, message: AbstractIncomingMessage) -> None:
        """Reject the message, which moves it to the dead queue."""
        with contextlib.suppress(*BROKEN):
            await await_answer(message.reject(requeue=False), ANSWER_S)
            self._note([message.delivery_tag or 0])

    async def _acknowledge(self, numbers: Sequence[int]) -> Sequence[None]:
        self._note(numbers)
        upto = self._upto
        async with asyncio.timeout(ANSWER_S):
            if last := max((number for number in numbers if number <= upto), default=0):
                await self._channel.basic_ack(last, multiple=True)
            for number in numbers:
                if number > upto:
                    await self._channel.basic_ack(number)
        return [None] * len(numbers)

    def _note(self, numbers: Sequence[int]) -> None:
        self._ended.update(numbers)
        while self._upto + 1 in self._ended:
            self._upto += 1
            self._ended.remove(self._upto)


def is_part(message: AbstractIncomingMessage) -> bool:
    return SET in message.headers


class Assembly:
    """Joins sets of parts into packets. It holds up to the number of joined packets that was asked for; their bytes stay
    on disk."""

    def __init__(
        self,
        spool: Spool,
        aside_sets: ParkedSets,
        limits: PartLimits,
        hosted: Hosted,
        handout: HandOut,
        clock: Clock,
        pool: Pool,
        node: str,
    ) -> None:
        self._spool, self._aside, self._limits = spool, aside_sets, limits
        self._hosted, self._handout = hosted, handout
        self._clock, self._pool, self._node = clock, pool, node
        self._looking = asyncio.Lock()
        self._look_at = self._overdue_at = 0.0
        self._held_back, self._room = asyncio.Lock(), asyncio.Event()

    async def land(self, message: AbstractIncomingMessage) -> None:
        """Store the part of a message on disk, waiting while there is no room; PartRefused when it is refused. Up to the
        prefetch of these calls run at once, and they end with their channel."""
        read = PartLabel.read(
            message.headers,
            label.publishing_node(message, self._node),
            packet_id=message.message_id,
            kind=message.type,
            limits=self._limits,
        )
        land = partial(self._spool.land, read, message.body, label.recipients(message))
        landing = await self._pool.run(land)
        if landing.landed is Landed.WAIT:
            landing = await self._land_later(land, landing.reason)
        if landing.landed is Landed.REFUSED:
            # The refused set is handed out soon: a person sees it, and a resend may begin anew.
            self._look_at = self._overdue_at = 0.0
            raise PartRefused(landing.reason)
        self._look_at = 0.0

    def look_soon(self) -> None:
        self._look_at = 0.0

    async def offer(self, limit: int) -> None:
        """Add up to `limit` joined packets to the handout; the disk is read only when a set may have become whole."""
        now = time_source.monotonic()
        if now < self._look_at or self._looking.locked():
            return
        async with self._looking:
            self._look_at = now + LOOK_S
            count = await self._offer_all(partial(self._spool.complete, limit))
            if now >= self._overdue_at:
                self._overdue_at = now + OVERDUE_S
                count += await self._offer_all(partial(self._spool.overdue, self._spool.now(), limit))
            if count >= limit:
                self._look_at = 0.0

    async def hosting_changed(self) -> None:
        """Return parked sets to the handout where one of their recipients is hosted now."""
        await self._pool.run(partial(self._aside.hosting_changed, self._is_ours))
        self._look_at = 0.0

    async def count_open_sets(self) -> int:
        """Count the sets on disk that have not ended and are not parked."""
        counts = await self._pool.run(self._spool.counts)
        return counts["sets"] - counts["aside"]

    async def close(self) -> None:
        await self._pool.run(self._spool.close)

    async def _land_later(self, land: Callable[[], Landing], reason: str) -> Landing:
        """Store a part once there is room. One caller at a time retries; the others queue behind it."""
        if not self._held_back.locked():
            action(_log, "parts.held_back", reason, node=self._node)
        async with self._held_back:
            while True:
                self._room.clear()
                landing = await self._pool.run(land)
                if landing.landed is not Landed.WAIT:
                    return landing
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(ROOM_S):
                        await self._room.wait()

    async def _offer_all(self, ask: Callable[[], Sequence[JoinedParts]]) -> int:
        """Add the sets that `ask` hands out to the handout; sets without a hosted recipient are given up or parked.
        Return their number."""
        packets = await self._pool.run(ask)
        strangers: list[JoinedParts] = []
        for packet in packets:
            if self._is_ours(packet.recipients):
                self._offer(packet)
            else:
                strangers.append(packet)
        # Last, because these wait for the disk, and no other set may be lost on a failure meanwhile.
        for packet in strangers:
            await self._for_nobody(packet)
        return len(packets)

    def _is_ours(self, recipients: Sequence[str]) -> bool:
        try:
            return bool(self._hosted.hosted_codes(recipients))
        except label.Unreadable:
            return False

    async def _for_nobody(self, joined: JoinedParts) -> None:
        """Give up or park a set without a recipient here: its agency left after the parts had come. A whole set is
        parked for a person; a flawed one is ended."""
        read, reason = joined.label, joined.flaw or "its agency left after the parts had come"
        try:
            if joined.flaw:
                await self._tell(self._spool.end_set, joined.token)
            else:
                await self._tell(partial(self._spool.put_aside, why=ParkedReason.FOR_NOBODY), joined.token)
        except StoreFailure as failure:  # the next check of the disk finds the set again
            reason = f"{reason}; {failure}"
        event = "axis.parts_given_up" if joined.flaw else "axis.stranded"
        action(_log, event, reason, packet_id=read.packet_id, node=read.user)

    def _offer(self, joined: JoinedParts) -> None:
        """Add one joined set to the handout as a delivery to its hosted recipients."""
        read, codes = joined.label, self._hosted.hosted_codes(joined.recipients)
        self._handout.add(
            BrokerDelivery(
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
                put_aside=partial(self._put_aside, joined.token),
                from_channel=False,
                flaw=joined.flaw,
            )
        )

    async def _end(self, token: str, is_done: bool) -> None:
        """End or release the set when its delivery is settled, and wake parts that wait for room."""
        await self._tell(self._spool.end_set if is_done else self._spool.release, token)
        self._room.set()
        if not is_done:
            self._look_at = 0.0

    async def _put_aside(self, token: str) -> None:
        await self._tell(partial(self._spool.put_aside, why=ParkedReason.NO_ROOM), token)
        self._room.set()

    async def _tell(self, act: Callable[[str], None], token: str) -> None:
        await self._pool.run(partial(act, token))
