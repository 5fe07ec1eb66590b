"""Fetches the messages that are for this node. In: what the broker pushes, at most the prefetch of each lane. Out:
deliveries at the counter, parts on disk. What cannot be read, or is for nobody here, goes to the dead queue: it would
be no better the next time."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
from collections.abc import Iterator, Sequence
from functools import partial

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from gateway.domain.document import Lane
from gateway.errors import StoreFailure, Unreachable
from gateway.log import action
from gateway.transport.amqp import label
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.assembly import Assembly, is_part
from gateway.transport.amqp.connection import LONGEST_PAUSE_S, Link, answered
from gateway.transport.amqp.delivery import Delivery
from gateway.transport.amqp.failures import BROKEN, said
from gateway.transport.amqp.handout import HandOut
from gateway.transport.amqp.hosted import Hosted
from gateway.transport.amqp.parts_label import PartRefused

REST_S = 60.0  # nobody takes: what lies here goes back, so that the broker need not think this node stuck
ANSWER_S = 10.0

_log = logging.getLogger(__name__)


class Consumer:
    """Begins to fetch when it is first asked, and rests when it is not asked any more."""

    def __init__(
        self,
        link: Link,
        node: str,
        hosted: Hosted,
        handout: HandOut,
        assembly: Assembly,
        *,
        prefetch: int,
        rest_s: float = REST_S,
    ) -> None:
        self._link, self._node, self._hosted = link, node, hosted
        self._handout, self._assembly = handout, assembly
        self._prefetch, self._rest_s = prefetch, rest_s
        self._asked, self._asked_at, self._waiting = asyncio.Event(), 0.0, 0
        self._fetching: asyncio.Task[None] | None = None
        self._closed = False
        self.reason = ""

    def ask(self) -> None:
        """Somebody wants what there is, now and for a while."""
        self._asked_at = asyncio.get_running_loop().time()
        self._asked.set()
        if not self._closed and (self._fetching is None or self._fetching.done()):
            self._fetching = asyncio.create_task(self._fetch(), name=f"fetch {self._node}")

    @contextlib.contextmanager
    def wanted(self) -> Iterator[None]:
        """Somebody waits for what may come, until the end of the body."""
        self.ask()
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1
            self.ask()

    async def close(self) -> None:
        """What is here and what is handed out goes back to the broker with the channel."""
        self._closed = True
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    async def _fetch(self) -> None:
        while True:
            channel, lost = await self._opened()
            try:
                idle = await self._until_lost_or_idle(lost)
            finally:
                await self._close(channel)
            if idle:
                await self._asked.wait()

    async def _until_lost_or_idle(self, lost: asyncio.Event) -> bool:
        """Returns when the channel is gone, or True when nobody has asked for a while and nothing is in hand."""
        while not lost.is_set():
            left_s = self._asked_at + self._rest_s - asyncio.get_running_loop().time()
            if left_s <= 0 and not self._waiting and not self._handout.leased:
                self._asked.clear()
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(left_s, self._rest_s / 4)):
                    await lost.wait()
        return False

    async def _opened(self) -> tuple[AbstractChannel, asyncio.Event]:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(BROKEN),
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_PAUSE_S),
            before_sleep=self._failed,
        ):
            with attempt:
                opened = await self._consume()
                self.reason = ""
                return opened
        raise AssertionError("unreachable: it tries until it is cancelled")

    async def _consume(self) -> tuple[AbstractChannel, asyncio.Event]:
        channel, lost = await self._link.channel(LONGEST_PAUSE_S), asyncio.Event()
        try:
            await self._consume_on(channel, lost)
        except BaseException:  # also when it is cancelled: half a consumer must not stay behind
            await self._close(channel)
            raise
        return channel, lost

    async def _consume_on(self, channel: AbstractChannel, lost: asyncio.Event) -> None:
        channel.close_callbacks.add(lambda *_: lost.set())
        under = await answered(channel.get_underlay_channel(), ANSWER_S)
        under.on_consumer_cancel_callbacks.add(lambda _: lost.set())  # somebody removed the queue
        await answered(channel.set_qos(prefetch_count=self._prefetch), ANSWER_S)
        for lane in names.LANES:
            queue = await channel.get_queue(names.lane_queue(self._node, lane), ensure=False)
            await answered(queue.consume(partial(self._arrived, lane)), ANSWER_S)

    async def _close(self, channel: AbstractChannel) -> None:
        """What came over it goes back to the broker."""
        self._handout.forget_channel()
        with contextlib.suppress(*BROKEN):
            await answered(channel.close(), ANSWER_S)

    def _failed(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        reason = said(error) if error is not None else ""
        if reason != self.reason and not isinstance(error, Unreachable):
            action(_log, "axis.not_fetching", reason, node=self._node)
        self.reason = reason

    async def _arrived(self, lane: Lane, message: AbstractIncomingMessage) -> None:
        try:
            codes = self._hosted.of(label.recipients(message))
            if is_part(message):
                await self._assembly.land(message)
                self._handout.later(_end(message, True))
            else:
                self._handout.put(_delivery(message, lane, codes, self._node))
        except (label.Unreadable, PartRefused) as why:
            action(_log, "axis.refused", str(why), packet_id=message.message_id, node=message.user_id)
            self._handout.later(_bury(message))
        except StoreFailure as why:
            action(_log, "axis.part_not_kept", str(why), packet_id=message.message_id)
            self._handout.later(self._again_later(message))

    async def _again_later(self, message: AbstractIncomingMessage) -> None:
        """A disk that takes nothing now is given time: each return counts against the delivery limit."""
        await asyncio.sleep(self._rest_s)
        await _end(message, False)


def _delivery(message: AbstractIncomingMessage, lane: Lane, codes: Sequence[str], node: str) -> Delivery:
    read = label.read(message, node)
    label.must_fit(read, message.body)
    return Delivery(read, lane, codes, open=partial(io.BytesIO, message.body), end=partial(_end, message))


async def _end(message: AbstractIncomingMessage, done: bool) -> None:
    """One word for the whole message. On a line that is gone there is nothing to say: it comes again by itself."""
    with contextlib.suppress(*BROKEN):
        await answered(message.ack() if done else message.nack(requeue=True), ANSWER_S)


async def _bury(message: AbstractIncomingMessage) -> None:
    with contextlib.suppress(*BROKEN):
        await answered(message.reject(requeue=False), ANSWER_S)
