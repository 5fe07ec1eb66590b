"""Runs `incoming.receive` and the steps after it. In: arrivals of the axis, then landed rows. Out: rows settled. The
batch bounds memory: no more than that many packets are in hand."""

from __future__ import annotations

from gateway.incoming import process, receive
from gateway.incoming.desk import InDesk
from gateway.ports import LeasedInbox
from gateway.workers.loop import kept, together


async def land(desk: InDesk, batch: int, lease_s: float) -> bool:
    """Lands one batch of arrivals."""
    arrivals = await desk.axis.take(batch, lease_s)
    return await together([receive.run(desk, arrival) for arrival in arrivals])


async def work(desk: InDesk, batch: int, lease_s: float) -> bool:
    """Takes one batch of landed packets to their ends."""
    rows = await desk.store.claim_inbox(batch, lease_s)
    return await together([_run(desk, row, lease_s) for row in rows])


async def _run(desk: InDesk, row: LeasedInbox, lease_s: float) -> None:
    async with kept(desk.store, "inbox", row.lease, lease_s):
        await process.run(desk, row)
