"""Step 1 of the way in: makes a parcel ours. In: an arrival of the axis. Out: its bytes and its inbox row durable, and
only then the axis told to forget it (G2). Landing is not identity: the row is unique on (agency, file digest) alone.
At least once here, and exactly once in `admit`."""

from __future__ import annotations

import hashlib
import logging
from functools import partial

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.event import EventKind
from gateway.domain.identity import Digest
from gateway.incoming import repeat
from gateway.incoming.desk import InDesk, is_ours
from gateway.ports import Arrival, InboxItem, Scratch

_log = logging.getLogger(__name__)
PIECE = 256 * 1024


async def run(desk: InDesk, arrival: Arrival) -> None:
    """Lands one parcel. A crash before the commit: the axis gives it again. After it: the repeat finds the row."""
    agency = next((one for one in await desk.store.hosted() if is_ours(one, arrival.recipient)), None)
    if agency is None:
        log.action(_log, "arrival.refused", "not hosted here", packet=arrival.packet_id, to=arrival.recipient)
        await desk.axis.settle(arrival, done=False)
        return
    scope = AgencyScope(agency_id=agency.id, principal_id="node")
    with desk.blobs.scratch() as scratch:
        digest, size = await desk.pool.run(partial(_copy, arrival, scratch))
        await desk.blobs.keep(scratch, digest, size)
    item = _row(desk, arrival, agency.id, digest, size)
    async with desk.store.begin(scope) as work:
        landed = await work.inbox.land(item)
        if landed.id == item.id:
            await work.blobs.add(digest, "inbox", item.id)
            await work.events.append(
                EventKind.INBOX_LANDED,
                item.id,
                item.received_at,
                {"file": digest, "size": size, "packet": arrival.packet_id, "lane": arrival.lane},
            )
        else:
            await repeat.answer_again(desk, work, landed)
        await work.commit()
    await desk.axis.settle(arrival, done=True)


def _copy(arrival: Arrival, scratch: Scratch) -> tuple[Digest, int]:
    hasher, size = hashlib.sha256(), 0
    with arrival.open() as source:
        while piece := source.read(PIECE):
            hasher.update(piece)
            scratch.file.write(piece)
            size += len(piece)
    scratch.file.flush()
    return Digest.of_bytes(hasher.digest()), size


def _row(desk: InDesk, arrival: Arrival, agency_id: str, digest: Digest, size: int) -> InboxItem:
    return InboxItem(
        id=desk.clock.new_id("inx_"),
        agency_id=agency_id,
        file_digest=digest,
        size=size,
        received_at=desk.clock.now(),
        transport_packet_id=arrival.packet_id,
        transport_kind=arrival.kind,
        transport_sender=arrival.sender,
        transport_node=arrival.node,
        lane=arrival.lane,
    )
