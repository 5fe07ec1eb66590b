"""Publishes parcels and waits for the broker's confirmation of each. In: a parcel and its recipients. Out: one `Outcome`
per recipient. One upload serves many recipients, and the broker returns a message only when none of them is bound: so
each code is checked separately, before the upload and again after it. A large parcel is cut into parts that fit the
broker, read one at a time. The last part is sent only once the whole equals the parcel's digest, so that a damaged file
never completes a set."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from typing import BinaryIO
from weakref import WeakValueDictionary

from aio_pika import Message
from aio_pika.exceptions import PublishError

from gateway import random_source
from gateway.domain.document import Lane
from gateway.domain.identity import Digest
from gateway.errors import BrokerRefused, Unreachable
from gateway.ports.axis import Fate, Outcome, Parcel
from gateway.ports.services import Clock, Pool
from gateway.transport.amqp import label
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.confirms import BlockedNow, ConfirmedChannel, Flight
from gateway.transport.amqp.connection import BROKEN, Link, describe_error, later_outcome
from gateway.transport.amqp.label import PART, PARTS, SET, WHOLE_DIGEST, WHOLE_SIZE
from gateway.transport.amqp.topology import LANE, SENDER
from gateway.transport.parcel import PIECE, lies_in_memory, too_large, unroutable

SMALL = 256 * 1024  # larger parcels use a channel of their own, so that small ones do not wait for them
SMALL_AT_ONCE, LARGE_AT_ONCE = 64, 4  # limit of unconfirmed messages in memory
KEYS = 1000  # recipients of one upload: as many as a receiver takes with a part
KEYS_BYTES = 64 * 1024  # of recipients on one message: its header must fit into one frame of 128 KiB
LONGEST_KEY = 255  # AMQP's own limit
ASK_S = 3.0  # a person waits for the answer, and can do without it

_DELIVERED = Outcome(fate=Fate.DELIVERED)


class Publisher:
    """Publisher of one node, safe for concurrent calls; two windows bound its memory."""

    def __init__(
        self,
        link: Link,
        *,
        user: str,
        clock: Clock,
        pool: Pool,
        max_bytes: int,
        part_bytes: int,
        confirm_s: float,
    ) -> None:
        self._link, self._user, self._clock, self._pool = link, user, clock, pool
        self._max_bytes, self._part_bytes, self._confirm_s = max_bytes, part_bytes, confirm_s
        self._small = ConfirmedChannel(link, SMALL_AT_ONCE, confirm_s)
        self._large = ConfirmedChannel(link, LARGE_AT_ONCE, confirm_s)
        # The library matches a returned message to its publish by message id, so one id is published once at a time.
        self._flying: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        """Publish a parcel to all routes and return one outcome per route, within a time limit that grows with its size."""
        if parcel.size > self._max_bytes:
            return dict.fromkeys(routes, too_large(parcel.size, self._max_bytes))
        keys_by_route = {route: names.routing_key(route) for route in routes}
        keys = [key for key in dict.fromkeys(keys_by_route.values()) if _fits(key)]
        outcomes: dict[str, Outcome] = {}
        for group in _groups(keys):
            outcomes |= await self._upload(parcel, group)
        return {route: _outcome_for(route, outcomes.get(key)) for route, key in keys_by_route.items()}

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        """Return the routes that no node hosts; None when the broker does not answer soon."""
        keys_by_route = {route: names.routing_key(route) for route in routes}
        with contextlib.suppress(BlockedNow, *BROKEN):
            async with asyncio.timeout(ASK_S):
                absent = await self._unhosted(
                    [key for key in dict.fromkeys(keys_by_route.values()) if _fits(key)]
                )
            return frozenset(route for route, key in keys_by_route.items() if key in absent or not _fits(key))
        return None

    async def must_lead(self, keys: Sequence[str]) -> None:
        """Raise BrokerRefused with the keys that no node hosts, and Unreachable when the broker does not answer."""
        unbound = [key for key in keys if not _fits(key)]
        try:
            unbound += sorted(await self._absent([key for key in keys if _fits(key)]))
        except BlockedNow as cause:
            raise Unreachable(str(cause)) from cause
        except BROKEN as cause:
            raise Unreachable(f"the broker does not say who hosts what: {describe_error(cause)}") from cause
        if unbound:
            raise BrokerRefused(
                f"nobody hosts {', '.join(sorted(unbound))}; nothing was sent",
                hint="gateway registry set-host CODE NODE, then gateway axis apply; or drop it",
            )

    async def resend(self, message: Message, exchange: str, key: str) -> None:
        """Publish one message unchanged but for this node's user id, and wait for the confirmation; Unreachable or
        BrokerRefused when it fails."""
        message.user_id = self._user
        channel = self._small if len(message.body) <= SMALL else self._large
        try:
            async with self._alone(message.message_id or "", channel):
                await channel.publish(exchange, message, key)
        except PublishError as cause:
            raise BrokerRefused(
                f"nobody is bound for {key}", hint="gateway axis apply brings the bindings in line"
            ) from cause
        except BlockedNow as cause:
            raise Unreachable(str(cause)) from cause
        except BROKEN as cause:
            raise Unreachable(f"the broker did not take it: {describe_error(cause)}") from cause

    async def _upload(self, parcel: Parcel, keys: Sequence[str]) -> Mapping[str, Outcome]:
        """Upload the parcel once for these keys, and return one outcome per key. After a failure, open keys are retried
        and marked unsure where bytes may have reached the broker."""
        outcomes: dict[str, Outcome] = {}
        flight = Flight()
        try:
            async with asyncio.timeout(self._confirm_s * (2 + parcel.size // self._part_bytes)):
                absent = await self._absent(keys)
                outcomes |= {key: unroutable(key) for key in keys if key in absent}
                if present := [key for key in keys if key not in absent]:
                    await self._send_all(parcel, present, flight)
                    moved = await self._absent(present)
                    outcomes |= {key: _moving(key) if key in moved else _DELIVERED for key in present}
        except PublishError:
            outcomes |= {key: _came_back(key, len(keys)) for key in keys if key not in outcomes}
        except BlockedNow as alarm:
            open_keys = (key for key in keys if key not in outcomes)
            outcomes |= dict.fromkeys(open_keys, replace(alarm.outcome, unsure=flight.begun))
        except BROKEN as error:
            open_keys = (key for key in keys if key not in outcomes)
            outcomes |= dict.fromkeys(open_keys, replace(later_outcome(error), unsure=flight.begun))
        return outcomes

    async def _send_all(self, parcel: Parcel, keys: Sequence[str], flight: Flight) -> None:
        """Send the parcel as one message or as parts in order; each part is in memory until it is confirmed."""
        channel = self._small if parcel.size <= SMALL else self._large
        async with self._alone(parcel.packet_id, channel):
            next_part = partial(next, parts_of(parcel, self._part_bytes), None)
            in_memory = lies_in_memory(parcel)
            while (part := next_part() if in_memory else await self._pool.run(next_part)) is not None:
                more = part.headers() if part.parts_total > 1 else None
                at = self._clock.now()
                message = label.make_message(parcel, part.body, keys, user=self._user, at=at, more=more)
                exchange = names.lane_exchange(parcel.lane)
                await channel.publish(exchange, message, keys[0], flight)

    async def _absent(self, keys: Sequence[str]) -> frozenset[str]:
        """Return the keys that no node hosts. A single key is not asked about, because its own message would be
        returned."""
        return frozenset() if len(keys) == 1 else await self._unhosted(keys)

    async def _unhosted(self, keys: Sequence[str]) -> frozenset[str]:
        """Ask the broker about all keys at once, and return those that no node hosts."""
        answers = await asyncio.gather(*(self._is_hosted(key) for key in keys), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return frozenset(key for key, hosted in zip(keys, answers, strict=True) if not hosted)

    async def _is_hosted(self, key: str) -> bool:
        """Ask whether a node hosts the key, by an empty message that is returned when none does."""
        question = Message(b"", app_id=names.APP_ID, message_id=random_source.token_hex(16))
        try:
            async with self._small.window:
                await self._small.publish(names.HOSTED_EXCHANGE, question, key)
        except PublishError:
            return False
        return True

    @contextlib.asynccontextmanager
    async def _alone(self, message_id: str, channel: ConfirmedChannel) -> AsyncIterator[None]:
        """Hold the message id and one place in the channel's window."""
        lock = self._flying.setdefault(message_id, asyncio.Lock())
        async with lock, channel.window:
            yield


def _fits(key: str) -> bool:
    return 0 < len(key.encode()) <= LONGEST_KEY


def _groups(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    """Split the keys into groups that one message can carry."""
    group: list[str] = []
    size = 0
    for key in keys:
        if len(group) == KEYS or (group and size + len(key.encode()) > KEYS_BYTES):
            yield group
            group, size = [], 0
        group.append(key)
        size += len(key.encode()) + 5
    if group:
        yield group


def _outcome_for(route: str, outcome: Outcome | None) -> Outcome:
    """Return the outcome of a route in the caller's spelling; a key that fits no message is unroutable."""
    return unroutable(route) if outcome is None or outcome.code == "unroutable" else outcome


def _came_back(key: str, count: int) -> Outcome:
    """Return the outcome of a message that the broker returned. Among several keys, all were hosted just before, so a
    binding is missing."""
    if count == 1:
        return unroutable(key)
    detail = f"{key} is hosted, but its queue is not bound to this lane; run gateway axis apply"
    return Outcome(fate=Fate.RETRY, code="axis-bindings", detail=detail)


def _moving(key: str) -> Outcome:
    """Return the outcome of a key whose binding disappeared during the upload."""
    detail = f"{key} left its node while this was under way; it is asked for again"
    return Outcome(fate=Fate.RETRY, code="axis-bindings", detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Part `n` of `parts_total`, counted from 1."""

    set_id: str
    n: int
    parts_total: int
    whole_size: int
    whole_digest: Digest
    sender: str
    lane: Lane
    body: bytes

    def headers(self) -> dict[str, str | int]:
        """Return the part's headers, which are unsigned like all that a broker carries."""
        return {
            SET: self.set_id,
            PART: self.n,
            PARTS: self.parts_total,
            WHOLE_SIZE: self.whole_size,
            WHOLE_DIGEST: self.whole_digest,
            SENDER: self.sender,
            LANE: self.lane.value,
        }


def set_id(digest: Digest, part_bytes: int) -> str:
    """Return the id of a set: the same bytes cut in the same way are always the same set."""
    return hashlib.sha256(f"lienthong/parts/1\n{digest}\n{part_bytes}\n".encode()).hexdigest()


def parts_of(parcel: Parcel, part_bytes: int) -> Iterator[Part]:
    """Cut a parcel into parts. BrokerRefused instead of the last part when the bytes differ from the parcel's digest or
    size. Sync: each step reads a file, so call it in the pool."""
    if part_bytes < 1:
        raise ValueError(f"a part has one byte at the least, not {part_bytes}")
    total = max(1, -(-parcel.size // part_bytes))
    name, hasher = set_id(parcel.digest, part_bytes), hashlib.sha256()
    with parcel.open() as source:
        for n in range(1, total + 1):
            body = _read(source, part_bytes)
            hasher.update(body)
            if n == total:
                _check(parcel, hasher.hexdigest(), (n - 1) * part_bytes + len(body) + len(source.read(1)))
            yield Part(
                set_id=name,
                n=n,
                parts_total=total,
                whole_size=parcel.size,
                whole_digest=parcel.digest,
                sender=parcel.sender,
                lane=parcel.lane,
                body=body,
            )


def _read(source: BinaryIO, size: int) -> bytes:
    """Read up to `size` bytes, in pieces; fewer only at the end of the file."""
    body = BytesIO()
    while size > 0 and (piece := source.read(min(PIECE, size))):
        size -= body.write(piece)
    return body.getvalue()


def _check(parcel: Parcel, digest: str, size: int) -> None:
    """Raise BrokerRefused when digest or size are not the parcel's."""
    if (digest, size) != (parcel.digest, parcel.size):
        raise BrokerRefused(
            f"packet {parcel.packet_id}: its bytes are not what was announced: expected {parcel.size} bytes with"
            f" SHA-256 {parcel.digest}, found {size} or more with {digest}; check the content store"
        )
