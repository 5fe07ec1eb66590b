"""The part of the wiring that keeps the node's memory of itself. In: the open parts of a node. Out: the chronicle of this
process, which hears of its loops, the last backup, the registry feed and the timestamps of the log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

from gateway.domain.node_history import Beat
from gateway.policy import sealing
from gateway.ports import AxisDesk, Clock, Pool
from gateway.registry.feed import SqlFeed
from gateway.settings import Settings
from gateway.store import backup_note
from gateway.store.room import Room
from gateway.store.store import SqlStore
from gateway.trust import revocation_sources
from gateway.workers.chronicle import Chronicle
from gateway.workers.pulse import Pulse

# An authority is asked every hour and again a little later; three hours are no hiccup any more.
_MB = 1024 * 1024
UNSTAMPED = timedelta(hours=3)


def chronicle(
    settings: Settings,
    store: SqlStore,
    axis: AxisDesk,
    feed: SqlFeed,
    pulse: Pulse,
    room: Room,
    unused: Collection[str],
) -> Chronicle:
    async def besides() -> Sequence[Beat]:
        stamped = await _timestamp(settings, store, pulse.clock)
        return [*await _backup(settings, pulse.pool), *await _feed(feed), *stamped]

    async def free_mb() -> int:
        return (await pulse.pool.run(room.space)).bytes // _MB

    off = set(unused)
    if not revocation_sources.read(settings.trust.folder):
        off.add("revocation")
    if not settings.log.tsa_url:
        off.add("timestamp")
    return Chronicle(
        history=store.history,
        pulse=pulse,
        axis=axis,
        clock=pulse.clock,
        besides=besides,
        free_mb=free_mb,
        off=frozenset(off),
    )


async def _backup(settings: Settings, pool: Pool) -> list[Beat]:
    """It is made by another process, mostly a timer's."""
    known = await pool.run(partial(backup_note.last_backup, settings.node.data_dir))
    return [Beat(job="backup", at=known.at)] if known is not None else []


async def _feed(feed: SqlFeed) -> list[Beat]:
    taken, refused = await feed.in_force(), await feed.refusals(1)
    if taken is None and not refused:
        return []
    failed = refused[0] if refused else None
    return [
        Beat(
            job="feed",
            at=taken.applied_at if taken is not None else None,
            failed_at=failed.at if failed is not None else None,
            code=failed.code if failed is not None else "",
        )
    ]


async def _timestamp(settings: Settings, store: SqlStore, clock: Clock) -> list[Beat]:
    """Well as long as nothing waits for a timestamp too long: a log that does not grow needs none."""
    if not settings.log.tsa_url:
        return []
    now = clock.now()
    if sealing.lacks_stamp(await store.log.head(), UNSTAMPED, now):
        return [Beat(job="timestamp", failed_at=now)]
    return [Beat(job="timestamp", at=now)]
