"""Implements the axis over RabbitMQ. In: parcels to publish, codes to host. Out: outcomes, arrivals under a lease, and
the dead list. Sending and receiving use two connections, because an alarm of the broker blocks the publishing one and
must not block acknowledgements."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Self

from gateway.domain.document import Lane
from gateway.errors import Misconfigured, Unreachable
from gateway.ports.axis import Arrival, AxisState, DeadParcel, Outcome, Parcel, Promises
from gateway.ports.services import Clock, Pool
from gateway.transport.amqp import topology as names
from gateway.transport.amqp.access import Access
from gateway.transport.amqp.connection import BROKEN, Link, await_answer, describe_error, is_missing
from gateway.transport.amqp.consumer import ANSWER_S, REST_S, Assembly, Consumer
from gateway.transport.amqp.dead import DeadLetters, JoinedDeadDesk, ParkedSets
from gateway.transport.amqp.handout import HandOut, Hosted
from gateway.transport.amqp.label import PartLimits
from gateway.transport.amqp.parts_spool import Spool
from gateway.transport.amqp.publisher import Publisher

MB = 1024 * 1024
ASK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpOptions:
    """Settings of the axis. Memory needed: 2 × prefetch messages, each up to `part_bytes`, or up to the broker's
    max_message_size where other nodes send larger ones. The prefetch is that of the step at work and of the next one."""

    max_bytes: int = 100 * MB
    part_bytes: int = 2 * MB
    prefetch: int = 32
    confirm_s: float = 30.0
    rest_s: float = REST_S
    delivery_limit: int = names.DELIVERY_LIMIT


class AmqpAxis:
    """`ManagedAxis` over a broker. It begins to fetch at the first `take`; its creator calls `close`."""

    def __init__(
        self,
        access: Access,
        node: str,
        parts: Path,
        clock: Clock,
        pool: Pool,
        options: AmqpOptions,
        aging: Clock | None = None,
    ) -> None:
        """Wire the parts of the axis. `aging` is the clock for the age of sets of parts, where it is not `clock`."""
        self._access, self._node, self._closed = access, node, False
        self._out, self._in = Link(access, f"{node} sends", clock), Link(access, f"{node} receives", clock)
        self._hosted, self._handout = Hosted(), HandOut()
        limits = PartLimits(set_bytes=options.max_bytes, offers=options.delivery_limit + 1)
        aside_sets = ParkedSets(parts, limits)
        spool = Spool(parts, limits, aging or clock)
        self._assembly = Assembly(spool, aside_sets, limits, self._hosted, self._handout, clock, pool, node)
        self._consumer = Consumer(
            self._in,
            node,
            self._hosted,
            self._handout,
            self._assembly,
            clock=clock,
            prefetch=options.prefetch,
            rest_s=options.rest_s,
        )
        self._publisher = Publisher(
            self._out,
            user=access.user,
            clock=clock,
            pool=pool,
            max_bytes=options.max_bytes,
            part_bytes=options.part_bytes,
            confirm_s=options.confirm_s,
        )
        dead_letters = DeadLetters(self._in, self._publisher, node, options.delivery_limit, self._hosted)
        self._dead = JoinedDeadDesk(dead_letters, aside_sets, pool, self._assembly.look_soon)

    async def __aenter__(self) -> Self:
        self._out.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._consumer.close()
        await self._handout.close()
        await self._assembly.close()
        await asyncio.gather(self._out.close(), self._in.close())

    async def host(self, codes: Sequence[str]) -> None:
        """Set the hosted codes; the bindings on the broker are the administrator's. Misconfigured when the broker has no
        queues for this node. A broker that is down raises nothing: publishing and fetching report it later."""
        self._hosted.set(codes)
        await self._assembly.hosting_changed()
        with contextlib.suppress(Unreachable):
            await self._depths(names.LANES)

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        return await self._publisher.publish(parcel, routes)

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        return await self._publisher.unhosted(routes)

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Return up to `limit` arrivals from messages and joined parts: urgent lane first, with a share for the normal
        one."""
        if not self._hosted or self._closed:
            return ()
        self._consumer.ask()
        # Joined packets are counted apart, so that a steady stream of small messages does not block large ones.
        if self._handout.joined < limit:
            await self._assembly.offer(limit)
        return self._handout.take(limit, lease_s)

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        await self._handout.settle(arrival.token, is_done=is_done)

    async def put_aside(self, arrival: Arrival) -> None:
        await self._handout.settle(arrival.token, is_done=False, is_aside=True)

    async def wait(self, timeout_s: float) -> None:
        """Fetch until a delivery is ready, at most `timeout_s`."""
        demand = self._consumer.keep_fetching() if self._hosted else contextlib.nullcontext()
        with demand, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._handout.wait_for_delivery()

    def promises(self) -> Promises:
        return Promises()

    def state(self) -> AxisState:
        """Return the state of both connections: connected when one is up and none is down; blocked when publishing is."""
        lines = [self._out, self._in]
        up = [line.connected_since for line in lines if line.connected_since is not None]
        times = (*(line.down_since for line in lines), self._consumer.missing_since)
        down = [since for since in times if since is not None]
        reasons = [self._out.reason, self._in.reason, self._consumer.reason]
        return AxisState(
            connected_since=max(up) if up and not down else None,
            down_since=min(down) if down else None,
            blocked_since=self._out.blocked_since,
            reason=next((reason for reason in reasons if reason), ""),
            servers=tuple(str(server) for server in self._access.servers),
        )

    async def counts(self) -> Mapping[str, int]:
        """Count this node's packets by state. `fetched` packets, part of `waiting`, have left the broker for this node;
        `parts` are large packets on this disk that are still open."""
        urgent, normal = await self._depths(names.LANES)
        dead = await self._depth(names.dead_queue(self._node)) + await self._dead.count_parked()
        in_hand, parts = self.in_hand(), await self._assembly.count_open_sets()
        return {
            "waiting": urgent + normal + in_hand["waiting"],
            "urgent": urgent + in_hand["urgent"],
            "leased": in_hand["leased"],
            "dead": dead,
            "fetched": in_hand["fetched"],
            "parts": parts,
        }

    async def oldest(self) -> datetime | None:
        return None

    def in_hand(self) -> Mapping[str, int]:
        """Count fetched and leased packets here, which the broker's numbers no longer include."""
        fetched = self._handout.waiting()
        urgent = self._handout.waiting(Lane.URGENT)
        return {"waiting": fetched, "urgent": urgent, "leased": self._handout.leased, "fetched": fetched}

    async def dead_list(self) -> Sequence[DeadParcel]:
        return await self._dead.list()

    async def dead_open(self, id: str) -> BinaryIO:
        return await self._dead.open(id)

    async def dead_retry(self, id: str) -> None:
        await self._dead.retry(id)

    async def dead_drop(self, id: str, reason: str) -> None:
        await self._dead.drop(id, reason)

    async def _depths(self, lanes: Sequence[Lane]) -> list[int]:
        return [await self._depth(names.lane_queue(self._node, lane)) for lane in lanes]

    async def _depth(self, queue: str) -> int:
        """Return the number of ready messages in a queue of this node."""
        channel = await self._in.channel(ASK_S, patient=False)
        try:
            declared = await await_answer(channel.declare_queue(queue, passive=True), ANSWER_S)
            return declared.declaration_result.message_count or 0
        except BROKEN as cause:
            if is_missing(cause):
                raise Misconfigured(
                    f"the broker has no queue {queue}: it does not know node {self._node}",
                    hint="the axis's administrator runs: gateway axis apply",
                ) from cause
            raise Unreachable(f"the broker does not answer: {describe_error(cause)}") from cause
        finally:
            with contextlib.suppress(*BROKEN):
                await await_answer(channel.close(), ANSWER_S)
