"""Takes a small packet in with the unit that lands it: nothing stands against it, and nobody has to be waited for. In: a
parcel's row and its bytes, in memory. Out: landed and settled in one commit; or nothing is written, and the packet lands
first and goes its way by the steps, where what stands against it gets its place and its reason."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from io import BytesIO

from gateway import log
from gateway.domain.account import AgencyScope
from gateway.domain.document import Kind
from gateway.incoming import admit, check, track, verify
from gateway.incoming.desk import InDesk
from gateway.policy.incoming import Decision
from gateway.ports import Identity, InboxItem, Kept, Lease, LeasedInbox, Work

_log = logging.getLogger(__name__)
# Nobody sees the lease: it begins and ends in one unit.
_LEASE = timedelta(minutes=1)
Settle = Callable[[Work], Awaitable[Identity | None]]


async def run(
    desk: InDesk, item: InboxItem, kept: Kept, land: Callable[[Work, Lease], Awaitable[bool]]
) -> bool:
    """Whether it is taken in. `land` writes the row under the lease; False where its bytes were here before."""
    if kept.body is None:
        return False
    lease = Lease(id=item.id, token=desk.clock.new_id(), until=desk.clock.now() + _LEASE, attempt=1)
    try:
        settle = await _judged(desk, LeasedInbox(item=item, lease=lease), kept.body)
        async with desk.store.begin(AgencyScope(agency_id=item.agency_id, principal_id="node")) as work:
            if not await land(work, lease) or await settle(work) is not None:
                return False
            await work.commit()
    except (
        Exception
    ) as error:  # reason: what our own code cannot get through lands too, and its tries are counted
        log.action(_log, "arrival.not_at_once", str(error), inbox=item.id)
        return False
    return True


async def _judged(desk: InDesk, leased: LeasedInbox, body: bytes) -> Settle:
    """What the unit does with it, once everything about it is known."""
    item = leased.item
    proved = await verify.run(desk, item, partial(BytesIO, body))
    if proved.octets is not None:
        raise check.NotAtOnce("its canonical octets are kept beside it")
    if proved.envelope.model.kind is Kind.STATUS:
        return await track.ready(desk, leased, proved)
    checked = await check.run(desk, item, proved, item.file_digest, at_once=True)
    if checked.ruling.decision is not Decision.ALLOWED:
        raise check.NotAtOnce(f"it is {checked.ruling.decision}")
    return await admit.ready(desk, leased, proved, checked)
