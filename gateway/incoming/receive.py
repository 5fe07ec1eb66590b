"""Step 1 of the way in: takes a parcel over from the axis. In: an arrival of the axis. Out: its bytes and its inbox row,
durable; only then may the axis forget it (G2, nothing is lost). The row is unique on (agency, file digest) alone: landing
is at least once, `admit` exactly once. A parcel that the axis calls broken, or whose bytes are not those announced, lands
unread in quarantine. A packet without obstacles is settled in the unit that lands it, a file packet only while few bytes
are being handled; any other lands, and a worker claims it. `NodeMail` hands letters and registry feeds for the node to the
callables that the wiring gives it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway import log, meters
from gateway.domain.account import AgencyScope, HostedAgency
from gateway.domain.identity import Digest
from gateway.domain.pace import SMALL
from gateway.domain.queues import InboxPacket
from gateway.errors import GatewayError, StoreFailure
from gateway.incoming import (
    acknowledge,
    admit,
    check,
    landing,
    process,
    second_proof,
    settle,
    translate,
    verify,
)
from gateway.incoming.services import IncomingServices, LandsFirst
from gateway.ports.axis import LETTER, TO_NODE, Arrival, Axis, Outcome, Parcel
from gateway.ports.services import Pool

if TYPE_CHECKING:
    from gateway.store.blob_refs import KeptContent
    from gateway.store.blobs import FileBlobs, FileScratch
    from gateway.store.work import SqlWork

_log = logging.getLogger(__name__)
PIECE = 256 * 1024
_LANDED, _QUARANTINED, _REPEAT = "landed", "quarantined", "MSG-REPEAT"
_AXIS_CODES = frozenset({"AXIS-PARTS", *verify.FALSE_WORDS})
_UNDECIDED = frozenset({"landed", "waiting", "held", "quarantined", "malformed"})
Taker = Callable[[Path, str | None], Awaitable[object]]
LARGEST_FEED = 512 * 1024 * 1024  # the most bytes that a feed may have (`registry_authoring.feed_file`)


async def run(services: IncomingServices, arrival: Arrival) -> None:
    """Land one parcel. After a crash before the commit the axis delivers it again; later a repeat finds the row."""
    at = services.clock.now()
    agency = await check.receiving_agency(services, arrival.recipient, arrival.kind)
    if agency is None:
        log.action(_log, "arrival.refused", "not hosted here", packet=arrival.packet_id, to=arrival.recipient)
        await services.axis.settle(arrival, is_done=False)
        return
    agency = await _agency_with_document(services, agency, arrival, at)
    scope = AgencyScope(agency_id=agency.id, principal_id="node")
    if not await services.partners.may_land(agency.id, arrival):
        await services.axis.put_aside(arrival)
        return
    if await (_take_small if arrival.size <= SMALL else _take_large)(services, scope, arrival, at):
        await services.axis.settle(arrival, is_done=True)
    # The axis delivers an arrival again that is not settled.


async def _agency_with_document(
    services: IncomingServices, agency: HostedAgency, arrival: Arrival, at: datetime
) -> HostedAgency:
    """Return the agency that receives the packet. What an ended agency with a successor here already has stays with it, as
    do packets about its documents; others about earlier documents go to the successor, which has, or will get, those that
    were on their way on the day."""
    own, heir = await check.find_own_and_heir(services, arrival.recipient)
    if own is None or heir is None:
        return agency
    try:
        packet = _make_packet(services, arrival, own.id, arrival.digest, arrival.size, at)
        envelope = (await verify.run(services, packet, arrival.open)).envelope
        model = envelope.model
        is_status = model.status is not None and model.response_for
        document_id = (model.response_for[0].document_id if is_status else translate.target_of(model)) or ""
        async with services.store.read(AgencyScope(agency_id=own.id, principal_id="node")) as work:
            is_here = await work.inbox.with_bytes(packet.file_digest) is not None or bool(
                await work.identities.by_body(envelope.sender, envelope.signed.body_digest)
            )
            if not is_here and not model.kind.is_whole:
                is_here = await admit.acted_on(work, envelope.sender, document_id) is not None or bool(
                    await work.outgoing.by_document_id(document_id)
                )
    except Exception:  # reason: whatever is wrong with the packet shows again where it is judged
        return agency
    return own if is_here else heir


async def _take_small(services: IncomingServices, scope: AgencyScope, arrival: Arrival, at: datetime) -> bool:
    """Take in a small arrival in memory; return whether the axis may forget it."""
    body = (
        _bytes_of(arrival) if arrival.file is None else await services.pool.run(partial(_bytes_of, arrival))
    )
    if len(body) > SMALL:
        return await _take_large(services, scope, arrival, at)
    digest = Digest.of_bytes(hashlib.sha256(body).digest())
    blob = services.blobs.keep_small(digest, body)
    packet = _make_packet(services, arrival, scope.agency_id, digest, len(body), at)
    if _may_end(arrival, packet) and await process.take_in(services, packet, partial(BytesIO, body), body):
        meters.RECEIVED.add(lane=arrival.lane)
        return True
    return await _land(services, scope, packet, blob)


async def _take_large(services: IncomingServices, scope: AgencyScope, arrival: Arrival, at: datetime) -> bool:
    """Take in an arrival as a file; return whether the axis may forget it. Where it may be settled as it lands, the
    axis's file is linked instead of copied, and read once for proof and digest."""
    packet = _make_packet(services, arrival, scope.agency_id, arrival.digest, arrival.size, at)
    blob: KeptContent | None = None
    with services.blobs.scratch() as scratch:

        def open_linked() -> BinaryIO:
            if not _is_linked(arrival, scratch):
                raise LandsFirst("its bytes have to be copied")
            return scratch.path.open("rb")

        async def keep() -> Callable[[], BinaryIO]:
            nonlocal blob
            if await _is_held(services, scope, packet.file_digest):
                raise LandsFirst("its bytes are under seal")
            blob = await services.blobs.keep(scratch, packet.file_digest, packet.size)
            return blob.reader

        is_brief = arrival.file is not None and arrival.size > SMALL and not services.scanner.waits
        may_end = is_brief and _may_end(arrival, packet)
        with services.taken_at_once.reserve(arrival.size if may_end else 0) as fits:
            if may_end and fits and await process.take_in(services, packet, open_linked, None, keep):
                meters.RECEIVED.add(lane=arrival.lane)
                return True
        if blob is None:
            digest, size = await services.pool.run(partial(_copy, arrival, scratch))
            packet = _make_packet(services, arrival, scope.agency_id, digest, size, at)
            if size <= SMALL or not await _is_held(services, scope, digest):
                blob = await services.blobs.keep(scratch, digest, size)
        return await _land(services, scope, packet, blob)


def _may_end(arrival: Arrival, packet: InboxPacket) -> bool:
    """Tell whether the packet may be settled as it lands. One that is delivered a second time may have crashed the
    process the first time, so it only lands, and its attempts are counted."""
    return packet.state == _LANDED and arrival.deliveries <= 1


async def _land(
    services: IncomingServices, scope: AgencyScope, row: InboxPacket, blob: KeptContent | None
) -> bool:
    """Land the packet in a unit of its own; return whether the axis may forget the parcel."""
    async with services.store.begin(scope) as work:
        if not await landing.stays(work):
            log.action(_log, "arrival.put_off", "its agency has just left", packet=row.transport_packet_id)
            return False  # it is refused when it is delivered again
        landed = await work.inbox.land(row)
        if landed is not row and landed.id == row.id:
            # The commit of an earlier attempt succeeded although the database did not report it, so everything is
            # written.
            return True
        if landed is row:
            if blob is None:  # its hold has just ended; the next delivery is stored
                return False
            await landing.record_landing(work, row, blob)
        elif not await _handle_repeat(services, work, landed, row, blob):
            return False  # the axis delivers it again
        work.when_committed(services.wake)
        await work.commit()
    if blob is not None and landed.code == _REPEAT:
        # Only the first packet's bytes are kept, and they may be sealed.
        await services.blobs.forget([row.file_digest])
    if landed is row:
        meters.RECEIVED.add(lane=row.lane)
    else:
        meters.REPEATED.add()
    return True


async def _is_held(services: IncomingServices, scope: AgencyScope, digest: Digest) -> bool:
    """Tell whether these bytes arrived before and are sealed or purged; then no file gets them again (R4, sealed
    hold)."""
    async with services.store.read(scope) as work:
        return await work.inbox.with_bytes(digest) is not None and await work.holds.keeps(digest)


def _bytes_of(arrival: Arrival) -> bytes:
    """Read a small arrival; one byte more than the limit, where it is larger than announced."""
    with arrival.open() as source:
        return source.read(SMALL + 1)


def _copy(arrival: Arrival, scratch: FileScratch) -> tuple[Digest, int]:
    """Copy the arrival's bytes into the scratch file, or link its file; return digest and size."""
    hasher, size = hashlib.sha256(), 0
    is_linked = _is_linked(arrival, scratch)
    with nullcontext(scratch.file) if is_linked else arrival.open() as source:
        while piece := source.read(PIECE):
            hasher.update(piece)
            size += len(piece)
            if not is_linked:
                scratch.file.write(piece)
    if not is_linked:
        scratch.file.flush()
    return Digest.of_bytes(hasher.digest()), size


def _is_linked(arrival: Arrival, scratch: FileScratch) -> bool:
    """Tell whether the scratch file is the axis's own file of this arrival, linking it if that is possible."""
    return scratch.is_taken or (arrival.file is not None and scratch.take(arrival.file))


async def _handle_repeat(
    services: IncomingServices,
    work: SqlWork,
    first: InboxPacket,
    packet: InboxPacket,
    blob: KeptContent | None,
) -> bool:
    """Handle a packet whose bytes are here already; return False while its routing cannot be stored, so that the axis
    delivers it again. Anyone with a copy of a packet may publish it under another name, or damage it on the way; the true
    packet that arrives later must not count as the repeat of such a copy."""
    if blob is None or await work.holds.keeps(blob.digest):
        log.action(_log, "arrival.held", "the same bytes are in the sealed hold", inbox=first.id)
        await acknowledge.repeat_answers(services, work, first)
        return True
    await work.blobs.heal(blob)
    by = packet.axis if await work.inbox.add_axis(first.id, packet.axis) else ""
    if by:
        await second_proof.note_axis(work, first.incoming_id, by)
    other_words = first.routing != packet.routing
    if first.state == settle.DROPPED and packet.state == _LANDED:
        await work.blobs.keep(blob, "inbox", first.id)
        await _judge_as(work, first, packet)
    elif packet.state != _LANDED:
        log.action(_log, "arrival.flawed_repeat", packet.reason or "", inbox=first.id, code=packet.code)
    elif (
        first.state == _QUARANTINED
        and first.code in _AXIS_CODES
        and (other_words or not first.steps)  # without steps the first was never read
    ):
        await _judge_as(work, first, packet)
    elif (
        other_words
        and first.state in _UNDECIDED
        and not await work.inbox.add_routing(first.id, packet.routing)
    ):
        log.action(_log, "arrival.put_off", "too many copies under other words", inbox=first.id)
        return False
    else:
        await acknowledge.repeat_answers(services, work, first, by)
    return True


async def _judge_as(work: SqlWork, first: InboxPacket, packet: InboxPacket) -> None:
    """Reopen the first packet with the routing of this copy, so that a worker judges it again."""
    await work.inbox.reopen(first.id, routing=packet.routing)
    await landing.tell(work, replace(packet, id=first.id))


def _make_packet(
    services: IncomingServices, arrival: Arrival, agency_id: str, digest: Digest, size: int, at: datetime
) -> InboxPacket:
    """Make the inbox row of an arrival: landed, or in quarantine where the axis's own statements do not fit the bytes."""
    landed = InboxPacket(
        id=services.clock.new_id("inx_"),
        agency_id=agency_id,
        file_digest=digest,
        size=size,
        received_at=at,
        transport_packet_id=arrival.packet_id,
        transport_kind=arrival.kind,
        transport_sender=arrival.sender,
        transport_node=arrival.node,
        transport_session=arrival.session,
        lane=arrival.lane,
        axes=(arrival.axis,) if arrival.axis else (),
    )
    code, why = _find_flaw(arrival, digest)
    if not code:
        return landed
    return replace(landed, state=_QUARANTINED, code=code, reason=why, settled_at=landed.received_at)


def _find_flaw(arrival: Arrival, digest: Digest) -> tuple[str, str]:
    """Return the code and reason of bytes that are incomplete, or not those announced; else empty texts (A2, unsigned
    words)."""
    if arrival.flaw:
        return "AXIS-PARTS", f"the axis has no whole packet: {arrival.flaw}"
    if digest != arrival.digest:
        return "MSG-ID", f"the axis announced SHA-256 {arrival.digest}, the bytes that came have {digest}"
    return "", ""


class NodeMail:
    """Axis that shows only the arrivals of agencies, and brings those for the node itself to their takers: letters of other
    nodes, and registry feeds. A taker gets the file and the sending node that the axis vouches for; on return its content,
    or why it was refused, is stored."""

    def __init__(
        self, axis: Axis, accept_feed: Taker, take_letter: Taker, blobs: FileBlobs, pool: Pool
    ) -> None:
        self._axis, self._accept_feed, self._take_letter = axis, accept_feed, take_letter
        self._blobs, self._pool = blobs, pool
        self._node_arrivals: list[Arrival] = []

    async def take(self, limit: int, lease_s: float) -> Sequence[Arrival]:
        """Return the agencies' arrivals, after bringing in those for the node. Raises StoreFailure when the node's
        storage cannot take one, which then comes again."""
        await self._bring()
        arrivals = await self._axis.take(limit, lease_s)
        self._node_arrivals = [a for a in arrivals if a.recipient.startswith(TO_NODE)]
        agency_arrivals = [a for a in arrivals if not a.recipient.startswith(TO_NODE)]
        if not agency_arrivals:
            await self._bring()
        return agency_arrivals

    async def publish(self, parcel: Parcel, routes: Sequence[str]) -> Mapping[str, Outcome]:
        return await self._axis.publish(parcel, routes)

    async def host(self, codes: Sequence[str]) -> None:
        await self._axis.host(codes)

    async def unhosted(self, routes: Sequence[str]) -> frozenset[str] | None:
        return await self._axis.unhosted(routes)

    async def settle(self, arrival: Arrival, *, is_done: bool) -> None:
        await self._axis.settle(arrival, is_done=is_done)

    async def put_aside(self, arrival: Arrival) -> None:
        await self._axis.put_aside(arrival)

    async def wait(self, timeout_s: float) -> None:
        await self._axis.wait(timeout_s)

    async def close(self) -> None:
        await self._axis.close()

    async def _bring(self) -> None:
        """Bring in the waiting arrivals one after the other. One that fails is delivered again when its lease is over."""
        while self._node_arrivals:
            arrival = self._node_arrivals.pop(0)
            try:
                await self._run(arrival)
            except StoreFailure:
                raise
            except GatewayError as error:
                log.action(_log, "feed.postponed", str(error), packet=arrival.packet_id, code=error.code)

    async def _run(self, arrival: Arrival) -> None:
        accept = self._take_letter if arrival.kind == LETTER else self._accept_feed
        with self._blobs.scratch() as scratch:
            await self._pool.run(partial(_copy_feed, arrival, scratch))
            await accept(scratch.path, arrival.node)
        await self._axis.settle(arrival, is_done=True)


def _copy_feed(arrival: Arrival, scratch: FileScratch) -> None:
    """Copy a feed into the scratch file, but stop once the limit is exceeded, which is enough to refuse it."""
    remaining = LARGEST_FEED + 1
    with arrival.open() as source:
        while remaining > 0 and (piece := source.read(PIECE)):
            scratch.file.write(piece)
            remaining -= len(piece)
    scratch.file.flush()
