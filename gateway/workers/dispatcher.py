"""Runs `outgoing.dispatch`: due outbox rows to the axis, urgent lane first. In: leased rows. Out: recorded outcomes."""

from __future__ import annotations

from gateway import log
from gateway.outgoing import dispatch
from gateway.outgoing.desk import OutDesk
from gateway.ports import LeasedOutbox
from gateway.workers.loop import kept, together


async def step(desk: OutDesk, batch: int, lease_s: float) -> bool:
    """One claimed batch; confirms of the batch are awaited side by side."""
    rows = await desk.store.claim_outbox(batch, lease_s)
    return await together([_run(desk, row, lease_s) for row in rows])


async def _run(desk: OutDesk, row: LeasedOutbox, lease_s: float) -> None:
    item = row.item
    with log.bound(outbox=item.id, document=item.subject_id, packet=item.packet_id, agency=item.sender_code):
        async with kept(desk.store, "outbox", row.lease, lease_s):
            await dispatch.run(desk, row)
