"""Presents a node's dead list: the broker's dead queue, and the parked sets of parts on disk. In: an id from the list.
Out: the parcels, the bytes of one, or one sent again or dropped. Messages are listed by fetching and returning them, so
a second reader meanwhile sees fewer. A message is removed only after the broker has confirmed its replacement: a crash
may duplicate a parcel but loses none. Parts were acknowledged when stored, so the broker cannot list their sets."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from gateway.domain.document import Lane
from gateway.errors import BrokerRefused, Clash, NotFound, Unreachable
from gateway.log import action
from gateway.ports.axis import NO_ROOM_REASON, DeadCause, DeadParcel
from gateway.ports.services import Pool
from gateway.transport.amqp import label, parts_set
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.connection import BROKEN, Link, await_answer, describe_error
from gateway.transport.amqp.handout import Hosted
from gateway.transport.amqp.label import PART, PartLimits
from gateway.transport.amqp.parts_set import HOLD, PARKED, ParkedReason, PartSet, opener
from gateway.transport.amqp.parts_shelf import PartsFolder
from gateway.transport.amqp.publisher import Publisher

LISTED = 1000  # most messages listed at once; only labels are kept, bodies are in memory one at a time
WITHIN_S = 10.0
_BROKERS_OWN = ("x-death", "x-first-death", "x-last-death", names.RETURNED, names.MORE_RECIPIENTS)

_log = logging.getLogger(__name__)
_MARK = "set-"  # ids of the dead queue are hexadecimal, so none begins like this


class DeadLetters:
    """The broker's dead queue of one node: parcels delivered too often, or refused by this node."""

    def __init__(
        self, link: Link, publisher: Publisher, node: str, delivery_limit: int, hosted: Hosted
    ) -> None:
        self._link, self._publisher, self._node, self._hosted = link, publisher, node, hosted
        # The broker does not say how often it delivered a dead message, but it buries one at the first return over
        # the limit.
        self._deliveries = delivery_limit + 1

    async def list(self) -> Sequence[DeadParcel]:
        """List the dead parcels, oldest first."""
        async with self._messages() as messages:
            return [self._parcel(message) async for message in messages]

    async def open(self, id: str) -> BinaryIO:
        async with self._hold(id) as message:
            return io.BytesIO(message.body)

    async def retry(self, id: str) -> DeadParcel:
        """Send a dead parcel again. One that was never settled, or set aside, goes to this node alone, not to its other
        recipients. A refused one goes to where its codes are bound today, because it may have come to the wrong node."""
        async with self._hold(id) as message:
            parcel = self._parcel(message)
            keys, copy = _recipients(message), _copy_of(message)
            copy.headers[names.FIRST_NODE] = label.publishing_node(message, self._node) or ""
            # One part of a set is useless to another node, which got all parts from the sender.
            if (
                _why(message) == "rejected"
                and not parcel.is_aside
                and not (PART in message.headers and len(keys) > 1)
            ):
                await self._resend_to(keys, copy, parcel.lane)
            else:
                copy.headers[names.FIRST_RECIPIENTS] = list(keys)
                await self._resend(copy, parcel.lane, names.routing_key(names.node_route(self._node)))
            await await_answer(message.ack(), WITHIN_S)
        return parcel

    async def _resend_to(self, keys: Sequence[str], copy: Message, lane: Lane) -> None:
        """Send to every key or to none: a single bound key would keep the broker from returning the message for the
        others. Bindings are checked again afterwards; where one left meanwhile, the parcel stays dead although other
        recipients have it twice."""
        await self._publisher.must_lead(keys)
        if len(keys) > 1:
            copy.headers[names.MORE_RECIPIENTS] = list(keys[1:])
        await self._resend(copy, lane, keys[0])
        await self._publisher.must_lead(keys)

    async def _resend(self, copy: Message, lane: Lane, key: str) -> None:
        """Publish the copy; BrokerRefused when its properties cannot be encoded."""
        try:
            copy.properties.marshal()
        except (ArithmeticError, TypeError, ValueError, struct.error) as cause:
            raise BrokerRefused(
                "what stands on this message cannot be written again; nothing was sent",
                hint="no node of ours makes such a message: look into it, then drop it",
            ) from cause
        await self._publisher.resend(copy, names.lane_exchange(lane), key)

    async def drop(self, id: str) -> DeadParcel:
        """Remove one dead parcel from the queue for good."""
        async with self._hold(id) as message:
            parcel = self._parcel(message)
            await await_answer(message.ack(), WITHIN_S)
        return parcel

    def _parcel(self, message: AbstractIncomingMessage) -> DeadParcel:
        read, refused = label.read_leniently(message), _why(message) == "rejected"
        deliveries = 1 if refused else self._deliveries
        cause, reason = DeadCause.TRIES, f"delivered {deliveries} times and never settled"
        if refused:
            cause, reason = self._refusal(message)
        elif (why := _why(message)) not in ("", "delivery_limit"):
            cause, reason = DeadCause.UNKNOWN, f"the broker put it here: {why}"
        return DeadParcel(
            id=_id(message),
            recipient=" ".join(map(label.printable, _recipients(message))),
            packet_id=read.packet_id,
            kind=read.kind,
            sender=read.sender,
            lane=next((lane for lane in Lane if lane.value == message.headers.get(names.LANE)), Lane.NORMAL),
            digest=read.digest,
            size=read.size,
            deliveries=deliveries,
            dead_at=_died_at(message),
            cause=cause,
            reason=reason,
        )

    def _refusal(self, message: AbstractIncomingMessage) -> tuple[DeadCause, str]:
        """Explain why this node rejected the message: one that it could take was set aside."""
        try:
            read = label.read(message)
            if PART not in message.headers:
                label.must_fit(read, message.body)
        except label.Unreadable as why:
            return DeadCause.LABEL, f"its label cannot be read: {why}"
        with contextlib.suppress(label.Unreadable):
            if PART not in message.headers and self._hosted.hosted_codes(_recipients(message)):
                return DeadCause.NO_ROOM, NO_ROOM_REASON
        text = (
            "this node could not take it: none of its codes is hosted here, or its set of parts was refused"
        )
        return DeadCause.REFUSED, text

    @contextlib.asynccontextmanager
    async def _hold(self, id: str) -> AsyncIterator[AbstractIncomingMessage]:
        """Yield the message with this id, unacknowledged; NotFound when the queue has none."""
        async with self._messages() as messages:
            async for message in messages:
                if _id(message) == id:
                    yield message
                    return
            raise NotFound(f"no parcel {id!r} on the dead list of node {self._node}; list it again")

    @contextlib.asynccontextmanager
    async def _messages(self) -> AsyncIterator[AsyncIterator[AbstractIncomingMessage]]:
        """Yield the dead queue's messages, and return unacknowledged ones to the queue by closing the channel."""
        channel = await self._link.channel(WITHIN_S)
        try:
            yield _messages_of(await channel.get_queue(names.dead_queue(self._node), ensure=False))
        except BROKEN as cause:
            if isinstance(cause, Unreachable):
                raise
            raise Unreachable(
                f"the dead queue of node {self._node} does not answer: {describe_error(cause)}"
            ) from cause
        finally:
            with contextlib.suppress(*BROKEN):
                await await_answer(channel.close(), WITHIN_S)


async def _messages_of(queue: AbstractQueue) -> AsyncIterator[AbstractIncomingMessage]:
    """Yield up to LISTED messages of the queue, oldest first."""
    for _ in range(LISTED):
        message = await await_answer(queue.get(fail=False, timeout=None), WITHIN_S)
        if message is None:
            return
        yield message


def _copy_of(message: AbstractIncomingMessage) -> Message:
    """Copy the message without the broker's own headers and its user id, so that this node may send it again."""
    headers: dict[str, Any] = {
        name: value for name, value in message.headers.items() if not name.startswith(_BROKERS_OWN)
    }
    return Message(
        message.body,
        headers=headers,
        delivery_mode=DeliveryMode.PERSISTENT,
        message_id=message.message_id,
        type=message.type,
        app_id=message.app_id,
        timestamp=message.timestamp,
    )


def _id(message: AbstractIncomingMessage) -> str:
    """Return an id that is the same at each listing, from packet id, part, recipients and time of death."""
    identity = (message.message_id, message.headers.get(PART), _recipients(message), _died_at(message))
    return hashlib.sha256(repr(identity).encode()).hexdigest()[:16]


def _death(message: AbstractIncomingMessage) -> Mapping[str, Any]:
    """Return the broker's latest record of the message's death; empty where it is missing or malformed."""
    deaths = message.headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths else {}
    return first if isinstance(first, dict) else {}


def _recipients(message: AbstractIncomingMessage) -> tuple[str, ...]:
    """Return the original recipients; the broker replaced the routing key by the dead queue's."""
    first = label.texts(message.headers.get(names.FIRST_RECIPIENTS))
    return first or label.texts(_death(message).get("routing-keys")) or label.recipients(message)


def _why(message: AbstractIncomingMessage) -> str:
    return str(_death(message).get("reason") or "")


def _died_at(message: AbstractIncomingMessage) -> datetime | None:
    at = _death(message).get("time")
    return at.astimezone(UTC) if isinstance(at, datetime) else None


class ParkedSets:
    """Parked sets of parts of all publishing nodes, in one folder. Sync: call it in the pool."""

    def __init__(self, folder: Path, limits: PartLimits) -> None:
        self._folder, self._limits = folder, limits

    def list(self) -> Sequence[DeadParcel]:
        with parts_set.failures_named(self._folder):
            return [_parcel_of_set(packet, why) for _, packet, why in self._all()]

    def open(self, id: str) -> BinaryIO:
        with self._hold(id) as (_, packet):
            return opener(packet.parts())()

    def retry(self, id: str) -> DeadParcel:
        """Return the set to the handout, with its count of offers at zero."""
        with self._hold(id) as (shelf, packet):
            parcel = _parcel_of_set(packet, packet.parked_reason or ParkedReason.NEVER_SETTLED)
            shelf.take_back(packet)
            return parcel

    def drop(self, id: str) -> DeadParcel:
        """Remove the set without remembering it, so that its sender may send it again."""
        with self._hold(id) as (shelf, packet):
            parcel = _parcel_of_set(packet, packet.parked_reason or ParkedReason.NEVER_SETTLED)
            shelf.give_up(packet, packet.parts())
            return parcel

    def hosting_changed(self, is_ours: Callable[[Sequence[str]], bool]) -> None:
        """Return sets to the handout that had no hosted recipient, where one is hosted now."""
        with parts_set.failures_named(self._folder):
            for shelf, packet, why in self._all():
                if why is ParkedReason.FOR_NOBODY and is_ours(packet.recipients):
                    shelf.take_back(packet)

    def _all(self) -> Iterator[tuple[PartsFolder, PartSet, ParkedReason]]:
        for folder in parts_set.entries(self._folder):
            shelf = PartsFolder(folder, self._limits)
            for packet in shelf.sets():
                if (why := packet.parked_reason) is not None:
                    yield shelf, packet, why

    @contextlib.contextmanager
    def _hold(self, id: str) -> Iterator[tuple[PartsFolder, PartSet]]:
        """Lock and yield the parked set with this id, so that no other process takes it back or drops it meanwhile."""
        with parts_set.failures_named(self._folder):
            for shelf, packet, _ in self._all():
                if _id_of_set(packet) == id:
                    handle = parts_set.try_hold(packet.folder / HOLD)
                    if handle is None:
                        raise Clash(f"somebody else has the parcel {id!r} in hand; list it again")
                    try:
                        yield shelf, packet
                    finally:
                        os.close(handle)
                    return
        raise NotFound(f"no parcel {id!r} was put aside on this node; list it again")


class JoinedDeadDesk:
    """The dead queue and the parked sets as one list, oldest first in each part."""

    def __init__(
        self, broker: DeadLetters, aside_sets: ParkedSets, pool: Pool, look_soon: Callable[[], None]
    ) -> None:
        self._broker, self._aside, self._pool, self._look_soon = broker, aside_sets, pool, look_soon

    async def count_parked(self) -> int:
        return len(await self._pool.run(self._aside.list))

    async def list(self) -> Sequence[DeadParcel]:
        parcels = await self._pool.run(self._aside.list)
        return [*await self._broker.list(), *sorted(parcels, key=lambda parcel: str(parcel.dead_at))]

    async def open(self, id: str) -> BinaryIO:
        if id.startswith(_MARK):
            return await self._pool.run(partial(self._aside.open, id))
        return await self._broker.open(id)

    async def retry(self, id: str) -> None:
        """Send a dead message again, or return a parked set to the handout."""
        if id.startswith(_MARK):
            parcel = await self._pool.run(partial(self._aside.retry, id))
            self._look_soon()
        else:
            parcel = await self._broker.retry(id)
        action(_log, "axis.dead_retried", packet_id=parcel.packet_id, recipient=parcel.recipient)

    async def drop(self, id: str, reason: str) -> None:
        if id.startswith(_MARK):
            parcel = await self._pool.run(partial(self._aside.drop, id))
        else:
            parcel = await self._broker.drop(id)
        names = {"packet_id": parcel.packet_id, "recipient": parcel.recipient, "digest": parcel.digest}
        action(_log, "axis.dead_dropped", **names, reason=reason)


def _id_of_set(packet: PartSet) -> str:
    name = f"{packet.folder.parent.parent.name}/{packet.folder.name}"
    return _MARK + hashlib.sha256(name.encode()).hexdigest()[:16]


def _parcel_of_set(packet: PartSet, why: ParkedReason) -> DeadParcel:
    label, offers = packet.label, packet.offers
    cause, reason = _reason(why, offers)
    return DeadParcel(
        id=_id_of_set(packet),
        recipient=" ".join(packet.recipients),
        packet_id=label.packet_id,
        kind=label.kind,
        sender=label.sender,
        lane=label.lane,
        digest=label.whole_digest,
        size=sum(part.size for part in packet.parts().values()),
        deliveries=offers,
        dead_at=_put_aside_at(packet),
        cause=cause,
        reason=f"a packet of {label.of} parts: {reason}",
    )


def _reason(why: ParkedReason, offers: int) -> tuple[DeadCause, str]:
    if why is ParkedReason.FOR_NOBODY:
        text = "none of its codes is hosted here any more; it lands by itself when one is again"
        return DeadCause.NOBODY, text
    if why is ParkedReason.NO_ROOM:
        return DeadCause.NO_ROOM, NO_ROOM_REASON
    return DeadCause.TRIES, f"handed out {offers} times and never settled"


def _put_aside_at(packet: PartSet) -> datetime | None:
    try:
        return datetime.fromtimestamp((packet.folder / PARKED).stat().st_mtime, UTC)
    except FileNotFoundError:  # the set was taken back meanwhile
        return None
