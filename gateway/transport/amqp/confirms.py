"""Publishes messages on one channel. In: messages, each of its own caller. Out: to each caller the broker's word about its
message: confirmed, returned or refused; or the error of the line, which leaves open whether the broker has the message.
Messages of one turn of the event loop go out as one write, and one wait covers all of them, because a task and a timer for
each cost more than the message. They are numbered as the library's own `basic_publish` does it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

from aio_pika import Message
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq import Channel
from aiormq.abc import ChannelFrame, FrameType
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from gateway.ports.axis import Fate, Outcome
from gateway.transport.amqp.connection import BROKEN, Link, await_answer

DIAL_S = 1.0  # enough for a connection that broke a moment ago, not for a broker that is down


class BlockedNow(Exception):
    """The broker has set an alarm, and reads nothing from us until it is over."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.outcome = Outcome(fate=Fate.RETRY, code="axis-blocked", detail=reason)


@dataclass(slots=True)
class Flight:
    """Note whether any bytes of a parcel may have reached the broker."""

    begun: bool = False


@dataclass(slots=True, eq=False)
class _Publish:
    """One message under way; `answer` is its caller's."""

    exchange: str
    message: Message
    key: str
    flight: Flight
    answer: asyncio.Future[None]
    is_refused: bool = False

    def fail(self, error: BaseException) -> None:
        if not self.answer.done():  # its caller may have been cancelled
            self.answer.set_exception(error)

    def note(self, confirmation: asyncio.Future[object]) -> None:
        """Give the caller the broker's word; the library rejects the confirmations of a channel that closes."""
        error = ConnectionError() if confirmation.cancelled() else confirmation.exception()
        self.is_refused = isinstance(error, DeliveryError) and not isinstance(error, PublishError)
        if error is not None:
            is_known = isinstance(error, BROKEN) and not confirmation.cancelled()
            self.fail(error if is_known else ConnectionError("the line to the broker was closed"))
        elif not self.answer.done():
            self.answer.set_result(None)

    def payload(self, channel: Channel) -> bytes:
        """Write the message as frames of the channel."""
        body, most = self.message.body, channel.max_content_size
        frames: list[FrameType] = [
            Basic.Publish(exchange=self.exchange, routing_key=self.key, mandatory=True),
            ContentHeader(properties=self.message.properties, body_size=len(body)),
            *(ContentBody(body[start : start + most]) for start in range(0, len(body), most)),
        ]
        return ChannelFrame.marshall(channel.number, frames).payload


class ConfirmedChannel:
    """One channel with publisher confirms and a window of messages; opened again after the broker closed it."""

    def __init__(self, link: Link, window: int, confirm_s: float) -> None:
        self._link, self._confirm_s = link, confirm_s
        self.window = asyncio.Semaphore(window)
        self._channel: AbstractChannel | None = None
        self._under_way = Counter[AbstractChannel]()  # batches on each channel
        self._waiting: list[_Publish] = []
        self._sending: set[asyncio.Task[None]] = set()

    async def publish(self, exchange: str, message: Message, key: str, flight: Flight | None = None) -> None:
        """Publish a message and wait for its confirmation; no other one under way may have its id. An alarm of the broker
        raises BlockedNow at once. `flight` is marked before the message goes out."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = _Publish(exchange, message, key, flight or Flight(), answer)
        self._waiting.append(request)
        if len(self._waiting) == 1:
            sending = asyncio.create_task(self._send(), name="publish")
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        try:
            await answer
        except ConnectionError:
            if self._link.blocked_since is not None:
                raise BlockedNow(self._link.reason) from None
            raise

    async def _send(self) -> None:
        """Send all that waits, and wait for the confirmations; an error goes to every caller that has no answer yet."""
        channel: AbstractChannel | None = None
        requests: Sequence[_Publish] = ()
        try:
            try:
                channel = await self._open()
            finally:
                requests, self._waiting = self._waiting, []
            self._under_way[channel] += 1
            if self._link.blocked_since is not None:
                raise BlockedNow(self._link.reason)
            await await_answer(_deliver(channel, requests), self._confirm_s, self._link.trouble)
        except Exception as error:  # reason: the callers get it
            for request in requests:
                request.fail(error)
        if channel is not None:
            await self._end_batch(channel, is_refused=any(request.is_refused for request in requests))

    async def _end_batch(self, channel: AbstractChannel, *, is_refused: bool) -> None:
        """Leave a channel on which the broker refused a message, and close it when nothing is under way on it. The broker's
        end of a channel keeps asking the member that led a queue when the channel first used it. While that member is dead,
        every message is refused, even after another has taken over; a new channel finds the new leader."""
        if is_refused and channel is self._channel:
            self._channel = None
        self._under_way[channel] -= 1
        if not self._under_way[channel]:
            del self._under_way[channel]
            if channel is not self._channel:
                with contextlib.suppress(*BROKEN):
                    await await_answer(channel.close(), self._confirm_s)

    async def _open(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            self._channel = await self._link.channel(DIAL_S, confirms=True)
        return self._channel


async def _deliver(channel: AbstractChannel, requests: Sequence[_Publish]) -> None:
    """Write the messages of these requests and wait until the broker has answered for each."""
    await asyncio.gather(*await _write(channel, requests), return_exceptions=True)


async def _write(channel: AbstractChannel, requests: Sequence[_Publish]) -> list[asyncio.Future[object]]:
    """Write the messages of these requests, and return the library's confirmations."""
    underlay = cast(Channel, await channel.get_underlay_channel())
    sent, payloads = list[_Publish](), list[bytes]()
    for request in requests:
        if request.answer.done():  # its caller was cancelled
            continue
        try:
            payloads.append(request.payload(underlay))
        except Exception as error:  # reason: a message that cannot be written is its caller's alone
            request.fail(error)
        else:
            request.flight.begun = True
            sent.append(request)
    # The library waits for the line before it takes the next frame, while its future is pending.
    drained = asyncio.get_running_loop().create_future()
    frame = ChannelFrame(b"".join(payloads), should_close=False, drain_future=drained)
    async with underlay.lock:
        await underlay.write_queue.put(frame)
        # Nothing is awaited from here on: the broker numbers the messages in the order in which they are queued.
        return [_await_confirmation(underlay, request) for request in sent]


def _await_confirmation(channel: Channel, request: _Publish) -> asyncio.Future[object]:
    """Give the message that was just queued its number, and return the future that the library completes for this number;
    a returned message is found by its id."""
    id = request.message.message_id or ""
    channel.delivery_tag += 1
    confirmation = channel.confirmations[channel.delivery_tag] = channel.create_future()
    channel.message_id_delivery_tag[id] = channel.delivery_tag
    confirmation.add_done_callback(partial(_forget_id, channel, id, channel.delivery_tag))
    confirmation.add_done_callback(request.note)
    return confirmation


def _forget_id(channel: Channel, id: str, tag: int, _: object) -> None:
    if channel.message_id_delivery_tag.get(id) == tag:
        del channel.message_id_delivery_tag[id]
