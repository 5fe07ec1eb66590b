"""Numbers committed events and wakes their readers. In: unnumbered events. Out: dense numbers, in batches."""

from __future__ import annotations

from gateway.ports import Store


async def step(store: Store) -> bool:
    """One batch; only one process at a time numbers."""
    return await store.number_events() > 0
