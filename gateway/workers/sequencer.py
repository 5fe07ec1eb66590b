"""Numbers committed events and wakes their readers. In: unnumbered events. Out: dense numbers, in batches."""

from __future__ import annotations

import asyncio

from gateway.ports import Store

GATHER_S = 0.1  # how much later a reader may see an event; pages and feeds do not notice


async def step(store: Store) -> bool:
    """One batch; only one process at a time numbers."""
    return await store.number_events() > 0


async def paced(store: Store) -> bool:
    """As `step`, then a pause, so that the events of a moment share one transaction: one for each event would be a
    third of all the writing that a document causes. The first event after a quiet time is numbered at once."""
    worked = await step(store)
    if worked:
        await asyncio.sleep(GATHER_S)
    return worked
