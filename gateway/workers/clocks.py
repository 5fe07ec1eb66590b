"""What only time brings: packets that waited too long, blobs nobody refers to, recalled files past their
days, idempotency keys past theirs. In: the
clock. Out: the same rows a person would have ended."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from gateway import log
from gateway.incoming import ask_again, purge, waiting
from gateway.incoming.desk import InDesk
from gateway.workers.turn import Turn

_log = logging.getLogger(__name__)
EVERY = timedelta(minutes=10)
# How long an idempotency key answers (interfaces.md 3.3).
KEYS_KEPT = timedelta(days=7)


class Clocks:
    """Remembers when it last looked, so that an idle loop does not look at every turn."""

    def __init__(self) -> None:
        self._turn = Turn(EVERY)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)

    async def step(self, desk: InDesk) -> bool:
        """Looks once every ten minutes; the first look is at start."""
        now = desk.clock.now()
        if not self._turn.take(now):
            return False
        waited = await waiting.give_up_overdue(desk)
        purged = await purge.recalled(desk)
        asked = await ask_again.due(desk)
        forgotten = await desk.store.purge_idempotency(now - KEYS_KEPT)
        swept = await desk.blobs.sweep(now)
        if waited or purged or asked or forgotten or swept:
            log.action(
                _log,
                "clocks.ran",
                waited=waited,
                purged=purged,
                asked=asked,
                forgotten=forgotten,
                swept=swept,
            )
        return False
