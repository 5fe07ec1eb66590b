"""Waits until nothing moves any more. In: the running nodes. Out: how many dead parcels were retried as an administrator
would do it, and the open rows when patience ended. Every process starts once more, on one clock that is minutes ahead:
leases of the dead and long waits between tries are over then, as they would be after those minutes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.exc import DBAPIError

from bench.soak.plan import Plan
from bench.soak.processes import Worker
from bench.soak.stage import Site
from bench.soak.watch import Watch
from gateway.bootstrap.axis import open_axis
from gateway.errors import GatewayError

AHEAD_S = 600.0
_LOOK_S = 1.0
_TELL_EVERY = 15


def move_on(workers: Sequence[Worker]) -> None:
    """Restart every process minutes ahead."""
    for worker in workers:
        worker.offset = AHEAD_S
        worker.end()


async def reached(
    plan: Plan, sites: dict[str, Site], watch: Watch, say: Callable[[str], None]
) -> tuple[int, list[str]]:
    """Wait for rest, until patience ends, or until nothing is open and answers are missing for so long that they will never
    come. The remains are found in the rows."""
    end, retried, looks, changed_at = time.monotonic() + plan.patience_s, 0, 0, time.monotonic()
    waiting: dict[str, int] = {}
    while True:
        await asyncio.sleep(_LOOK_S)
        waiting_before, waiting = waiting, {}
        try:
            waiting = await watch.still_open()
            if _only_missing(waiting) or looks % _TELL_EVERY == _TELL_EVERY - 1:
                retried += await _retry_dead(sites)
                waiting |= await _on_axis(sites)
        except (OSError, DBAPIError, GatewayError) as error:
            waiting = {f"{type(error).__name__}: {error}": 1}
        looks += 1
        if not waiting:
            return retried, []
        if waiting != waiting_before:
            changed_at = time.monotonic()
        if looks % _TELL_EVERY == 0:
            say(f"not yet at rest: {waiting}")
        if time.monotonic() > (min(end, changed_at + plan.silence_s) if _only_missing(waiting) else end):
            return retried, [f"not at rest: {name} {n}" for name, n in waiting.items()]


def _only_missing(waiting: Mapping[str, int]) -> bool:
    """Tell whether nothing is open that could still bring the missing answers."""
    return all(name.endswith("not heard") for name in waiting)


async def _retry_dead(sites: dict[str, Site]) -> int:
    retried = 0
    for site in sites.values():
        async with open_axis(site.settings) as axis:
            for dead in await axis.dead_list():
                await axis.dead_retry(dead.id)
                retried += 1
    return retried


async def _on_axis(sites: dict[str, Site]) -> dict[str, int]:
    """Count parcels that are waiting, leased or dead, as each node may see them."""
    counts: dict[str, int] = {}
    for node, site in sites.items():
        async with open_axis(site.settings) as axis:
            axis_counts = await axis.counts()
            counts |= {f"{node} axis {name}": n for name, n in axis_counts.items() if n}
    return counts
