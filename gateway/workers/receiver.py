"""Runs `incoming.receive` and the steps after it. In: arrivals of the axis, then landed rows. Out: rows settled. The
batch bounds memory: no more than that many packets are in hand."""

from __future__ import annotations

from gateway import log
from gateway.errors import StoreFailure
from gateway.incoming import process, receive, storage
from gateway.incoming.desk import InDesk
from gateway.ports import Arrival, LeasedInbox
from gateway.workers.loop import kept, together


class Intake:
    """Lands batch after batch. Once the node's storage failed it takes nothing more from the axis until a small file
    went in: each taking counts as a delivery, and a disk that was full for an hour would bury good parcels as poison."""

    def __init__(self) -> None:
        self._failed = False

    async def step(self, desk: InDesk, batch: int, lease_s: float) -> bool:
        """One batch. StoreFailure while the storage does not take anything; the loop asks again later."""
        if self._failed:
            await storage.probe(desk)
            self._failed = False
        try:
            return await land(desk, batch, lease_s)
        except StoreFailure:
            self._failed = True
            raise


async def land(desk: InDesk, batch: int, lease_s: float) -> bool:
    """Lands one batch of arrivals."""
    arrivals = await desk.axis.take(batch, lease_s)
    return await together([_land(desk, arrival) for arrival in arrivals])


async def work(desk: InDesk, batch: int, lease_s: float) -> bool:
    """Takes one batch of landed packets to their ends."""
    rows = await desk.store.claim_inbox(batch, lease_s)
    return await together([_run(desk, row, lease_s) for row in rows])


async def _land(desk: InDesk, arrival: Arrival) -> None:
    with log.bound(packet=arrival.packet_id):
        await receive.run(desk, arrival)


async def _run(desk: InDesk, row: LeasedInbox, lease_s: float) -> None:
    with log.bound(inbox=row.item.id, packet=row.item.transport_packet_id):
        async with kept(desk.store, "inbox", row.lease, lease_s):
            await process.run(desk, row)
