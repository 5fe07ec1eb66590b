"""The door for what comes to the node itself, not to an agency: feeds of the registry. In: arrivals of the axis whose
recipient begins with `@`. Out: each in force, or refused with the reason kept, and only then the axis told to forget it.
The agencies' arrivals come through, and first: a large feed holds nobody's packet until its lease runs out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from gateway import log
from gateway.errors import GatewayError, StoreFailure
from gateway.ports import Arrival, Axis, Blobs, Outcome, Parcel, Pool, RegistryFeed, Scratch

TO_NODE = "@"  # no agency code begins with it
LARGEST = 512 * 1024 * 1024  # what a feed may have (registry.feed_form); more is not copied
PIECE = 256 * 1024
_log = logging.getLogger(__name__)


class FeedDoor:
    """An `Axis` for the way in that keeps the node's own arrivals to itself."""

    def __init__(self, axis: Axis, feed: RegistryFeed, blobs: Blobs, pool: Pool) -> None:
        self._axis, self._feed, self._blobs, self._pool = axis, feed, blobs, pool
        self._kept: list[Arrival] = []

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """The agencies' arrivals. StoreFailure when the node's storage does not take a feed: it comes again."""
        await self._bring()
        arrivals = await self._axis.take(limit, lease_s)
        self._kept = [each for each in arrivals if each.recipient.startswith(TO_NODE)]
        others = [each for each in arrivals if not each.recipient.startswith(TO_NODE)]
        if not others:
            await self._bring()
        return others

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        return await self._axis.publish(parcel, routes)

    async def host(self, codes: Sequence[str]) -> None:
        await self._axis.host(codes)

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        return await self._axis.unhosted(routes)

    async def settle(self, arrival: Arrival, *, done: bool) -> None:
        await self._axis.settle(arrival, done=done)

    async def wait(self, timeout_s: float) -> None:
        await self._axis.wait(timeout_s)

    async def close(self) -> None:
        await self._axis.close()

    async def _bring(self) -> None:
        """One after the other. What is not settled comes again when its lease is over."""
        while self._kept:
            arrival = self._kept.pop(0)
            try:
                await self._run(arrival)
            except StoreFailure:
                raise
            except GatewayError as error:
                log.action(_log, "feed.postponed", str(error), packet=arrival.packet_id, code=error.code)

    async def _run(self, arrival: Arrival) -> None:
        with self._blobs.scratch() as scratch:
            await self._pool.run(partial(_copy, arrival, scratch))
            by = f"node {arrival.node}" if arrival.node else "axis"
            await self._feed.accept(scratch.path, by)
        await self._axis.settle(arrival, done=True)


def _copy(arrival: Arrival, scratch: Scratch) -> None:
    """At most one piece more than a feed may have, which is enough for it to be refused."""
    left = LARGEST + 1
    with arrival.open() as source:
        while left > 0 and (piece := source.read(PIECE)):
            scratch.file.write(piece)
            left -= len(piece)
    scratch.file.flush()
