"""Step 1 of the way in: makes a parcel ours. In: an arrival of the axis. Out: its bytes and its inbox row durable, and
only then the axis told to forget it (G2). Landing is not identity: the row is unique on (agency, file digest) alone.
At least once here, and exactly once in `admit`. What the axis itself says is no whole packet, or other bytes than it
announced, lands in quarantine and is not looked into.
A packet that nothing stands against comes to its end in the unit that lands it, of those in files so long as there is
little in hand; any other lands, and a worker claims it. What comes to the node itself, a feed of the registry, goes
through its own door."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, BinaryIO

from gateway import log, meters
from gateway.domain.account import AgencyScope
from gateway.domain.identity import Digest
from gateway.domain.pace import SMALL
from gateway.domain.queues import InboxPacket
from gateway.errors import GatewayError, StoreFailure
from gateway.incoming import acknowledge, check, landing, process, second_proof, settle, verify
from gateway.incoming.services import IncomingServices, LandsFirst
from gateway.ports.axis import TO_NODE, Arrival, Axis, Outcome, Parcel
from gateway.ports.services import Pool

if TYPE_CHECKING:
    from gateway.registry.feed import SqlFeed
    from gateway.store.blob_refs import Kept
    from gateway.store.blobs import FileBlobs, FileScratch
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
PIECE = 256 * 1024
_LANDED, _QUARANTINED, _REPEAT = "landed", "quarantined", "MSG-REPEAT"
_BY_THE_AXIS = frozenset({"AXIS-PARTS", *verify.FALSE_WORDS})
_UNDECIDED = frozenset({"landed", "waiting", "held", "quarantined", "malformed"})


async def run(services: IncomingServices, arrival: Arrival) -> None:
    """Lands one parcel. A crash before the commit: the axis gives it again. After it: the repeat finds the row."""
    came = services.clock.now()
    agency = await check.receiving_agency(services, arrival.recipient, arrival.kind)
    if agency is None:
        log.action(_log, "arrival.refused", "not hosted here", packet=arrival.packet_id, to=arrival.recipient)
        await services.axis.settle(arrival, done=False)
        return
    scope = AgencyScope(agency_id=agency.id, principal_id="node")
    if await (_small if arrival.size <= SMALL else _large)(services, scope, arrival, came):
        await services.axis.settle(arrival, done=True)
    # What is not settled the axis gives again.


async def _small(services: IncomingServices, scope: AgencyScope, arrival: Arrival, came: datetime) -> bool:
    """Whether the axis may forget it. What lies in no file waits for no disk."""
    body = (
        _bytes_of(arrival) if arrival.file is None else await services.pool.run(partial(_bytes_of, arrival))
    )
    if len(body) > SMALL:
        return await _large(services, scope, arrival, came)
    digest = Digest.of_bytes(hashlib.sha256(body).digest())
    kept = services.blobs.keep_small(digest, body)
    item = _row(services, arrival, scope.agency_id, digest, len(body), came)
    if _may_end(arrival, item) and await process.take_in(services, item, partial(BytesIO, body), body):
        meters.RECEIVED.add(lane=arrival.lane)
        return True
    return await _land(services, scope, item, kept)


async def _large(services: IncomingServices, scope: AgencyScope, arrival: Arrival, came: datetime) -> bool:
    """The same of what goes into a file. That is read once to be proved, which tells its digest too, and stored by its
    second name, where it may come to its end here."""
    item = _row(services, arrival, scope.agency_id, arrival.digest, arrival.size, came)
    kept: Kept | None = None
    with services.blobs.scratch() as scratch:

        def opened() -> BinaryIO:
            if not _is_linked(arrival, scratch):
                raise LandsFirst("its bytes have to be copied")
            return scratch.path.open("rb")

        async def keep() -> Callable[[], BinaryIO]:
            nonlocal kept
            if await _is_held(services, scope, item.file_digest):
                raise LandsFirst("its bytes are under seal")
            kept = await services.blobs.keep(scratch, item.file_digest, item.size)
            return services.blobs.reader(kept.digest)

        is_brief = arrival.file is not None and arrival.size > SMALL and not services.scanner.waits
        may_end = is_brief and _may_end(arrival, item)
        with services.taken_at_once.taken(arrival.size if may_end else 0) as fits:
            if may_end and fits and await process.take_in(services, item, opened, None, keep):
                meters.RECEIVED.add(lane=arrival.lane)
                return True
        if kept is None:
            digest, size = await services.pool.run(partial(_copy, arrival, scratch))
            item = _row(services, arrival, scope.agency_id, digest, size, came)
            if size <= SMALL or not await _is_held(services, scope, digest):
                kept = await services.blobs.keep(scratch, digest, size)
        return await _land(services, scope, item, kept)


def _may_end(arrival: Arrival, item: InboxPacket) -> bool:
    """Whether it may come to its end as it lands. What comes a second time may have ended the process the first time: it
    only lands, and its tries are counted."""
    return item.state == _LANDED and arrival.deliveries <= 1


async def _land(services: IncomingServices, scope: AgencyScope, item: InboxPacket, kept: Kept | None) -> bool:
    """Whether the axis may forget the parcel."""
    async with services.store.begin(scope) as work:
        if not await landing.stays(work):
            log.action(_log, "arrival.put_off", "its agency has just left", packet=item.transport_packet_id)
            return False  # it is refused when it comes again
        landed = await work.inbox.land(item)
        if landed is not item and landed.id == item.id:
            # The unit before this one was committed, though the database did not say so: all of it is written and told.
            return True
        if landed is item:
            if kept is None:  # its hold has just ended
                return False
            await landing.put(work, item, kept)
        elif not await _came_before(services, work, landed, item, kept):
            return False  # until the lease is over
        work.when_committed(services.wake)
        await work.commit()
    if kept is not None and landed.code == _REPEAT:
        await services.blobs.forget([item.file_digest])  # only its first is kept, and that may be under seal
    if landed is item:
        meters.RECEIVED.add(lane=item.lane)
    else:
        meters.REPEATED.add()
    return True


async def _is_held(services: IncomingServices, scope: AgencyScope, digest: Digest) -> bool:
    """Whether these bytes came before and are under seal, or were purged: no file is written of them again (R4)."""
    async with services.store.read(scope) as work:
        return await work.inbox.with_bytes(digest) is not None and await work.held.keeps(digest)


def _bytes_of(arrival: Arrival) -> bytes:
    """One byte more than is small, where it is not what was announced."""
    with arrival.open() as source:
        return source.read(SMALL + 1)


def _copy(arrival: Arrival, scratch: FileScratch) -> tuple[Digest, int]:
    hasher, size = hashlib.sha256(), 0
    taken = _is_linked(arrival, scratch)
    with nullcontext(scratch.file) if taken else arrival.open() as source:
        while piece := source.read(PIECE):
            hasher.update(piece)
            size += len(piece)
            if not taken:
                scratch.file.write(piece)
    if not taken:
        scratch.file.flush()
    return Digest.of_bytes(hasher.digest()), size


def _is_linked(arrival: Arrival, scratch: FileScratch) -> bool:
    """Whether the scratch file is the arrival's own, from now on or before."""
    return scratch.is_taken or (arrival.file is not None and scratch.take(arrival.file))


async def _came_before(
    services: IncomingServices, work: SqlWork, first: InboxPacket, item: InboxPacket, kept: Kept | None
) -> bool:
    """What becomes of bytes that are here. False: there is no more room for its words. Whoever has a copy of a packet may
    publish it under another name, or spoil it on the way; the true one that comes after it must not be taken for its
    repeat."""
    if kept is None or await work.held.keeps(kept.digest):
        log.action(_log, "arrival.held", "the same bytes are in the sealed hold", inbox=first.id)
        await acknowledge.answer_again(services, work, first)
        return True
    await work.blobs.heal(kept)
    by = item.axis if await work.inbox.also_came(first.id, item.axis) else ""
    if by:
        await second_proof.note_axis(work, first.incoming_id, by)
    other_words = first.routing != item.routing
    if first.state == settle.DROPPED and item.state == _LANDED:
        await work.blobs.keep(kept, "inbox", first.id)
        await _judge_by(work, first, item)
    elif item.state != _LANDED:
        log.action(_log, "arrival.flawed_repeat", item.reason or "", inbox=first.id, code=item.code)
    elif (
        first.state == _QUARANTINED
        and first.code in _BY_THE_AXIS
        and (other_words or not first.steps)  # without steps: kept at the door, never looked into
    ):
        await _judge_by(work, first, item)
    elif other_words and first.state in _UNDECIDED and not await work.inbox.also_told(first.id, item.routing):
        log.action(_log, "arrival.put_off", "too many copies under other words", inbox=first.id)
        return False
    else:
        await acknowledge.answer_again(services, work, first, by)
    return True


async def _judge_by(work: SqlWork, first: InboxPacket, item: InboxPacket) -> None:
    await work.inbox.reopen(first.id, told=item.routing)
    await landing.tell(work, replace(item, id=first.id))


def _row(
    services: IncomingServices, arrival: Arrival, agency_id: str, digest: Digest, size: int, came: datetime
) -> InboxPacket:
    """Landed, or in quarantine where the axis itself says that these bytes are not the packet."""
    landed = InboxPacket(
        id=services.clock.new_id("inx_"),
        agency_id=agency_id,
        file_digest=digest,
        size=size,
        received_at=came,
        transport_packet_id=arrival.packet_id,
        transport_kind=arrival.kind,
        transport_sender=arrival.sender,
        transport_node=arrival.node,
        transport_session=arrival.session,
        lane=arrival.lane,
        axes=(arrival.axis,) if arrival.axis else (),
    )
    code, why = _flaw(arrival, digest)
    if not code:
        return landed
    return replace(landed, state=_QUARANTINED, code=code, reason=why, settled_at=landed.received_at)


def _flaw(arrival: Arrival, digest: Digest) -> tuple[str, str]:
    """A2: the bytes are whole, and those that were announced."""
    if arrival.flaw:
        return "AXIS-PARTS", f"the axis has no whole packet: {arrival.flaw}"
    if digest != arrival.digest:
        return "MSG-ID", f"the axis announced SHA-256 {arrival.digest}, the bytes that came have {digest}"
    return "", ""


LARGEST_FEED = 512 * 1024 * 1024  # what a feed may have (registry.feed_form); more is not copied


class FeedDoor:
    """An `Axis` for the way in that keeps the node's own arrivals to itself."""

    def __init__(self, axis: Axis, feed: SqlFeed, blobs: FileBlobs, pool: Pool) -> None:
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
            await self._pool.run(partial(_copy_feed, arrival, scratch))
            by = f"node {arrival.node}" if arrival.node else "axis"
            await self._feed.accept(scratch.path, by)
        await self._axis.settle(arrival, done=True)


def _copy_feed(arrival: Arrival, scratch: FileScratch) -> None:
    """At most one piece more than a feed may have, which is enough for it to be refused."""
    left = LARGEST_FEED + 1
    with arrival.open() as source:
        while left > 0 and (piece := source.read(PIECE)):
            scratch.file.write(piece)
            left -= len(piece)
    scratch.file.flush()
