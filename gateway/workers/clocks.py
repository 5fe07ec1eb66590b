"""Ends rows whose time is over: packets that waited too long, unreferenced blobs, recalled files, idempotency keys and
uploads; and sealed holds left open by a crash or by a missing key of the head. Also checks every few seconds whether
strangers' packets fill the quarantine, and whether tables of a server have grown. In: the clock. Out: the same rows that a
person would have ended. A hold is frozen, and so unreadable, whether or not its loop turns."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from gateway import holding, log
from gateway.holding import HoldService
from gateway.incoming import rejudge, seal, settle
from gateway.incoming.services import IncomingServices
from gateway.workers.loop import Turn

_log = logging.getLogger(__name__)
# An idempotency key answers for so long.
KEYS_KEPT = timedelta(days=7)


class _Clock:
    """A periodic step that remembers its last look, so that an idle loop does not look at every turn."""

    every: ClassVar[timedelta]

    def __init__(self) -> None:
        self._turn = Turn(self.every)

    def is_due(self, now: datetime) -> bool:
        return self._turn.has_come(now)


class Clocks(_Clock):
    every = timedelta(minutes=10)

    async def step(self, services: IncomingServices) -> bool:
        """Look once every ten minutes; the first look is at start."""
        now = services.clock.now()
        if not self._turn.take(now):
            return False
        counts = {
            "waited": await settle.give_up_overdue(services),
            "purged": await seal.purge_recalled(services),
            "asked": await rejudge.ask_due(services),
            "forgotten": await services.store.purge_idempotency(now - KEYS_KEPT),
            "expired": await services.store.forget_uploads(now),
            "swept": await services.blobs.sweep(now),
        }
        if any(counts.values()):
            log.action(_log, "clocks.ran", "", **counts)
        return False


class QuarantineClock(_Clock):
    every = timedelta(seconds=15)

    async def step(self, services: IncomingServices) -> bool:
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await settle.keep_quota(services))


class GrowthClock(_Clock):
    every = timedelta(seconds=5)

    async def step(self, measure: Callable[[], Awaitable[Sequence[str]]], now: datetime) -> bool:
        """Measure tables that have grown, and log them."""
        if self._turn.take(now) and (grown := await measure()):
            log.action(_log, "tables.measured", "", tables=",".join(grown))
        return False


class HoldsClock(_Clock):
    every = timedelta(minutes=1)

    async def step(self, services: HoldService) -> bool:
        """Look once a minute; the first look is at start."""
        if not self._turn.take(services.clock.now()):
            return False
        return bool(await holding.settle_all(services))
